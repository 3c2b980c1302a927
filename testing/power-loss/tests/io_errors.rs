//! A disk that fails at any write or sync, or is full, costs no acknowledged frame: the store says that it may be tried again, and
//! then it works.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use power_loss::check::{Expected, check};
use power_loss::disk::Operation;
use power_loss::proof::{Plan, is_long, progress, prove, scratch_folder, with_commas};
use power_loss::shim::{self, Failing, Fault};
use power_loss::workload::{Event, Run, Size};
use tempfile::TempDir;

const SIZE: Size = Size { sessions: 3, batches: 4, frames: 24 };
/// Unoptimised code takes too long for every operation.
const STEP: usize = if cfg!(debug_assertions) { 7 } else { 1 };

/// Uses a store on a disk with a fault, and checks at the end that all is there.
fn run_with(fault: Fault) -> (Run, TempDir) {
    // As SQLite runs. Otherwise it fills each commit up to a whole sector and syncs that filling with the next commit; if that sync
    // fails within a checkpoint, all commits to come stand behind what the disk has lost. This is SQLite's own to mend.
    shim::set_powersafe(true);
    let folder = scratch_folder();
    let run =
        Run::record(folder.path(), SIZE, Some(fault)).unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
    let mut expected = vec![Expected::default(); run.sessions.len()];
    run.events.iter().for_each(|(_, event)| Expected::add(&mut expected, *event));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let checked = runtime.block_on(check(folder.path(), &run.sessions, &expected, true));
    checked.unwrap_or_else(|wrong| panic!("{fault:?}: {wrong}"));
    (run, folder)
}

/// Lets the first, the second (or in larger steps)... operation of a kind fail, one run each, until there is none left to fail.
fn at_every_operation(failing: Failing, times: usize, look: &mut dyn FnMut(&Run, Fault)) -> (usize, usize) {
    let (mut faults, mut after, mut refusals) = (0, 0, 0);
    loop {
        let fault = Fault { failing, after, times };
        progress().tell(|| format!("{fault:?}"));
        let (run, _folder) = run_with(fault);
        if run.failures == 0 {
            return (faults, refusals);
        }
        look(&run, fault);
        faults += 1;
        after += STEP;
        refusals += run.refusals;
    }
}

#[test]
fn failing_writes_and_syncs_cost_nothing_that_was_acknowledged() {
    let mut faults = 0;
    let mut refusals = 0;
    // Once, and for a while: until the failing disk was heard of several times.
    for failing in [Failing::Write, Failing::Full, Failing::Sync] {
        for times in [1, 5] {
            let (failed, refused) = at_every_operation(failing, times, &mut |_run, _fault| {});
            faults += failed;
            refusals += refused;
        }
    }
    assert!(refusals > faults / 2, "faults are told: {refusals} of {faults}");
    println!(
        "proof: I/O errors: {} faults (EIO, ENOSPC, fsync), one after each write or sync, {} told as worth trying again, 0 acknowledged \
         frames lost, 0 panics",
        with_commas(faults as u64),
        with_commas(refusals as u64),
    );
}

/// What a failed sync leaves in memory is lost if the power goes, though later syncs succeed: so it has to be written anew before
/// anything that builds on it is acknowledged.
#[test]
fn a_power_loss_after_a_failed_sync_costs_nothing_that_was_acknowledged() {
    let checked = scratch_folder();
    let (mut images, mut acknowledged) = (0, 0);
    let mut look = |run: &Run, fault: Fault| {
        let least = if is_long() { 5_000 } else { 0 };
        let from = run.operations.iter().position(|operation| matches!(operation, Operation::FailedSync(_)));
        let plan = Plan { images: least, from: from.unwrap_or(0), seed: 1, stop_at_wrong: true };
        let outcome = prove(run, plan, checked.path());
        assert!(outcome.wrong.is_empty(), "{fault:?}: {:?}", outcome.wrong);
        images += outcome.images;
        acknowledged +=
            run.events.iter().filter(|(_, event)| matches!(event, Event::Acknowledged(..))).count();
    };
    let (faults, _refusals) = at_every_operation(Failing::Sync, 1, &mut look);
    // Twice in a row while the database is made: then it has no log (WAL), and has to be durable without.
    let fault = Fault { failing: Failing::Sync, after: 3, times: 2 };
    look(&run_with(fault).0, fault);
    assert!(acknowledged > 0);
    println!(
        "proof: failed syncs: {}, each followed by power losses at every later operation: {} images, 0 acknowledged frames lost",
        faults + 1,
        with_commas(images as u64),
    );
}

#[test]
fn after_a_failed_sync_the_database_is_opened_anew() {
    let (without, _folder) = run_with(Fault { failing: Failing::Sync, after: usize::MAX, times: 1 });
    // The first appends, far from where the store is opened or the log emptied.
    let (with, _folder) = run_with(Fault { failing: Failing::Sync, after: 12, times: 1 });
    assert_eq!((without.refusals, with.failures), (0, 1));
    assert!(with.refusals > 0, "it is told");
    assert_eq!(with.openings, without.openings + 1);
}
