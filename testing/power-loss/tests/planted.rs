//! The proof is not blind: a store that doesn't sync its commits, or acknowledges before them, is found out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use power_loss::migration::Left;
use power_loss::proof::{Outcome, Plan, prove, scratch_folder};
use power_loss::workload::{Run, Size};

const SIZE: Size = Size { sessions: 3, batches: 12, frames: 24 };

fn prove_with(fault: &str) -> Outcome {
    fail::cfg(fault, "return").unwrap();
    let (recorded, checked) = (scratch_folder(), scratch_folder());
    let run = Run::record(recorded.path(), SIZE, None).unwrap();
    fail::remove(fault);
    prove(&run, Plan { images: 500, from: 0, seed: 1, stop_at_wrong: false }, checked.path())
}

fn migrate_with(fault: &str) -> Outcome {
    fail::cfg(fault, "return").unwrap();
    let (recorded, checked) = (scratch_folder(), scratch_folder());
    let (run, made) = Run::migrate(recorded.path(), 1, Left::Closed, SIZE).unwrap();
    fail::remove(fault);
    prove(&run, Plan { images: 500, from: made, seed: 1, stop_at_wrong: false }, checked.path())
}

#[test]
fn planted_faults_are_found() {
    // One after the other: the faults are the whole process's.
    assert_eq!(prove_with("nothing").wrong_images, 0);
    // So that the caller has certainly heard when the commit begins.
    fail::cfg("before_commit", "sleep(2)").unwrap();
    for fault in ["planted::no_sync", "planted::ack_before_commit"] {
        let outcome = prove_with(fault);
        assert!(outcome.wrong_images > 0, "{fault} is not noticed");
        println!(
            "proof: power loss: {fault} is found, in {} of {} images",
            outcome.wrong_images, outcome.images
        );
    }
    fail::remove("before_commit");
    assert_eq!(migrate_with("nothing").wrong_images, 0);
    for fault in ["planted::no_sync", "planted::migrate_in_parts"] {
        let outcome = migrate_with(fault);
        assert!(outcome.wrong_images > 0, "{fault} is not noticed");
        println!(
            "proof: migration: {fault} is found, in {} of {} images",
            outcome.wrong_images, outcome.images
        );
    }
}
