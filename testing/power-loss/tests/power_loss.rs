//! No power loss takes an acknowledged frame, wherever it falls.

use power_loss::proof::{Plan, is_long, prove, prove_restarts, scratch_folder, seed, with_commas};
use power_loss::workload::{Run, Size};

#[test]
fn no_acknowledged_frame_is_lost_wherever_the_power_goes() {
    // Unoptimised code checks a tenth as many images in the same time: there it is about the proof being whole.
    let is_quick = cfg!(debug_assertions);
    let (size, images) = match (is_long(), is_quick) {
        (true, _) => (Size { sessions: 5, batches: 120, frames: 8 }, 100_000),
        (false, false) => (Size { sessions: 5, batches: 40, frames: 8 }, 10_000),
        (false, true) => (Size { sessions: 3, batches: 12, frames: 24 }, 1_000),
    };
    let (recorded, checked) = (scratch_folder(), scratch_folder());
    let seed = seed(1);
    let run = Run::record(recorded.path(), size, None).unwrap();
    assert_eq!(run.refusals, 0);
    let outcome = prove(&run, Plan { images, from: 0, seed, stop_at_wrong: true }, checked.path());
    if !outcome.wrong.is_empty() {
        let kept = checked.keep();
        panic!("{:?} (seed {seed}; the image is kept in {})", outcome.wrong, kept.display());
    }
    assert!(outcome.images >= images);
    println!(
        "proof: power loss: {} images at each of {} writes and syncs, {} acknowledged frames looked for, 0 lost (seed {seed})",
        with_commas(outcome.images as u64),
        with_commas(run.operations.len() as u64),
        with_commas(outcome.frames),
    );
}

/// A commit that the process didn't live to sync is seen by the next one, in the memory of the operating system. What that tells
/// of it counts as acknowledged, so it has to be synced before.
#[test]
fn what_a_killed_process_did_not_sync_is_synced_before_it_is_told() {
    let (every, size) = match (is_long(), cfg!(debug_assertions)) {
        (true, _) => (1, Size { sessions: 3, batches: 40, frames: 8 }),
        (false, false) => (2, Size { sessions: 3, batches: 20, frames: 8 }),
        (false, true) => (7, Size { sessions: 3, batches: 6, frames: 24 }),
    };
    let (recorded, checked) = (scratch_folder(), scratch_folder());
    let seed = seed(2);
    let run = Run::record(recorded.path(), size, None).unwrap();
    let outcome = prove_restarts(&run, every, seed, checked.path());
    assert!(outcome.wrong.is_empty(), "{:?} (seed {seed})", outcome.wrong);
    println!(
        "proof: kill, restart, power loss: {} images after {} restarts, 0 frames lost that were told (seed {seed})",
        with_commas(outcome.images as u64),
        with_commas(outcome.images as u64 / 2),
    );
}
