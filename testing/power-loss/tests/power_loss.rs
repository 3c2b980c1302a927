//! No power loss takes an acknowledged frame, wherever it falls.

use power_loss::migration::{Left, VERSIONS};
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

/// A database that an earlier program made becomes one of the latest version as a whole or not at all, and then goes on.
#[test]
fn no_power_loss_on_the_way_to_the_latest_version_takes_a_frame() {
    let images = match (is_long(), cfg!(debug_assertions)) {
        (true, _) => 10_000,
        (false, false) => 1_000,
        (false, true) => 200,
    };
    let size = Size { sessions: 3, batches: 6, frames: 24 };
    let seed = seed(3);
    let (mut all, mut operations, mut frames) = (0, 0, 0);
    for version in VERSIONS {
        for left in [Left::Closed, Left::Killed] {
            let (recorded, checked) = (scratch_folder(), scratch_folder());
            let (run, made) = Run::migrate(recorded.path(), version, left, size).unwrap();
            assert_eq!(made, if left == Left::Killed { 7 } else { 4 }, "whether there is a log");
            let outcome = prove(&run, Plan { images, from: made, seed, stop_at_wrong: true }, checked.path());
            if !outcome.wrong.is_empty() {
                let kept = checked.keep();
                let wrong = outcome.wrong;
                panic!(
                    "version {version}, {left:?}: {wrong:?} (seed {seed}; the image is kept in {})",
                    kept.display()
                );
            }
            all += outcome.images;
            operations += run.operations.len() - made;
            frames += outcome.frames;
        }
    }
    println!(
        "proof: migration: databases of {} earlier versions, closed and killed: {} images at each of {} writes and syncs, {} acknowledged \
         frames looked for, 0 lost (seed {seed})",
        VERSIONS.count(),
        with_commas(all as u64),
        with_commas(operations as u64),
        with_commas(frames),
    );
}
