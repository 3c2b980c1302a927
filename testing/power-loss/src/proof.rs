//! A run in, all its power losses checked out.

use std::path::Path;
use std::sync::OnceLock;

use progress::Progress;

use crate::check::{Expected, check, tell};
use crate::disk::{Disk, Image, Unsynced};
use crate::rng::Rng;
use crate::shim;
use crate::workload::Run;

/// Every how many images one is looked at thoroughly: its next append, and SQLite's own check.
const THOROUGH_EVERY: usize = 16;

/// What came of the power losses.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many images were checked.
    pub images: usize,
    /// How many acknowledged frames they had to have, in all.
    pub frames: u64,
    /// How many images were not as they must be.
    pub wrong_images: usize,
    /// After how many operations, and what was wrong; only the first few.
    pub wrong: Vec<(usize, String)>,
}

/// Says how far all proofs of the process are.
#[must_use]
pub fn progress() -> &'static Progress {
    static PROGRESS: OnceLock<Progress> = OnceLock::new();
    PROGRESS.get_or_init(|| Progress::new("power loss"))
}

/// How many images, and which.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// At least so many.
    pub images: usize,
    /// From which operation on.
    pub from: usize,
    /// Of the parts that are kept.
    pub seed: u64,
    /// Whether to end at the first image that is wrong, and leave it in the folder.
    pub stop_at_wrong: bool,
}

/// Takes the power away after each operation of the run and checks what is left, in this folder.
///
/// Each operation is tried with nothing kept that was not synced, with all of it, and with random parts, as often as it takes to
/// have enough images. Where all is synced there is only one image.
///
/// # Panics
///
/// Panics if the folder can't be written.
#[must_use]
pub fn prove(run: &Run, plan: Plan, folder: &Path) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (closed, open) = count_states(run);
    let mixed = plan.images.saturating_sub(closed + 2 * open).div_ceil(open.max(1));
    let mut outcome = Outcome::default();
    let mut rng = Rng::new(plan.seed);
    let mut disk = Disk::default();
    let mut events = run.events.iter().peekable();
    let mut expected = vec![Expected::default(); run.sessions.len()];
    for position in 0..=run.operations.len() {
        if position > 0 {
            disk.apply(&run.operations[position - 1]);
        }
        // What was begun later can't be there; what was promised by now must be.
        while let Some((_, event)) = events.next_if(|(at, _)| *at <= position) {
            Expected::add(&mut expected, *event);
        }
        if position < plan.from {
            continue;
        }
        let parts = [Unsynced::Kept].into_iter().chain(std::iter::repeat_n(Unsynced::Mixed, mixed));
        let parts = parts.take(if disk.is_open() { usize::MAX } else { 0 });
        for unsynced in [Unsynced::Dropped].into_iter().chain(parts) {
            let image = disk.image(unsynced, &mut rng);
            put(folder, &image);
            outcome.images += 1;
            progress().tell(|| {
                format!("image {} at {position} of {} operations", outcome.images, run.operations.len())
            });
            let thorough = outcome.images.is_multiple_of(THOROUGH_EVERY);
            match runtime.block_on(check(folder, &run.sessions, &expected, thorough)) {
                Ok(frames) => outcome.frames += frames,
                Err(wrong) => {
                    outcome.wrong_images += 1;
                    if outcome.wrong.len() < 10 {
                        outcome.wrong.push((position, format!("{wrong} ({unsynced:?})")));
                    }
                    if plan.stop_at_wrong {
                        put(folder, &image);
                        return outcome;
                    }
                }
            }
        }
    }
    outcome
}

/// Kills the process after each `every`th operation of the run: nothing is lost by that, but what was not synced isn't now either.
/// Then starts it again, and takes the power away as soon as the store has told what there is: that counts as acknowledged.
///
/// # Panics
///
/// Panics if the folder can't be written.
#[must_use]
pub fn prove_restarts(run: &Run, every: usize, seed: u64, folder: &Path) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut outcome = Outcome::default();
    let mut rng = Rng::new(seed);
    let mut disk = Disk::default();
    let mut events = run.events.iter().peekable();
    let mut expected = vec![Expected::default(); run.sessions.len()];
    for (position, operation) in (1..).zip(&run.operations) {
        disk.apply(operation);
        while let Some((_, event)) = events.next_if(|(at, _)| *at <= position) {
            Expected::add(&mut expected, *event);
        }
        if position % every != 0 {
            continue;
        }
        progress().tell(|| format!("restart at {position} of {} operations", run.operations.len()));
        put(folder, &disk.image(Unsynced::Kept, &mut rng));
        let mut expected = expected.clone();
        let told = {
            let _alone = shim::alone();
            shim::watch(folder);
            let told = runtime.block_on(tell(folder, &run.sessions, &mut expected));
            let after = shim::end_watch();
            told.map(|_open_until_now| after)
        };
        let after = told.unwrap_or_else(|wrong| panic!("after {position} operations: {wrong}"));
        let mut disk = disk.clone();
        after.iter().for_each(|operation| disk.apply(operation));
        for unsynced in [Unsynced::Dropped, Unsynced::Mixed] {
            put(folder, &disk.image(unsynced, &mut rng));
            outcome.images += 1;
            match runtime.block_on(check(folder, &run.sessions, &expected, false)) {
                Ok(frames) => outcome.frames += frames,
                Err(wrong) => {
                    outcome.wrong_images += 1;
                    outcome.wrong.push((position, format!("{wrong} ({unsynced:?})")));
                }
            }
        }
    }
    outcome
}

/// Counts the states of the disk in which all is synced, and the others.
fn count_states(run: &Run) -> (usize, usize) {
    let mut disk = Disk::default();
    let open = run.operations.iter().filter(|operation| {
        disk.apply(operation);
        disk.is_open()
    });
    let open = open.count();
    (run.operations.len() + 1 - open, open)
}

/// Makes a folder hold these files and no others.
fn put(folder: &Path, image: &Image) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        if path.file_name().and_then(|name| name.to_str()).is_none_or(|name| !image.contains_key(name)) {
            std::fs::remove_file(path).expect("the folder is ours");
        }
    }
    for (name, content) in image {
        std::fs::write(folder.join(name), content).expect("the folder takes files");
    }
}

/// Makes a scratch folder in memory where there is such a file system: what is written is synced only in the model.
///
/// # Panics
///
/// Panics if it can't be made.
#[must_use]
pub fn scratch_folder() -> tempfile::TempDir {
    let in_memory = Path::new("/dev/shm");
    let place = if in_memory.is_dir() { in_memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("power-loss-").tempdir_in(place).expect("a scratch folder")
}

/// Writes a number with commas.
#[must_use]
pub fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Returns a seed: that of `POSESESSION_SEED`, to see a failure again, else this one.
///
/// # Panics
///
/// Panics if the variable is no number.
#[must_use]
pub fn seed(usual: u64) -> u64 {
    std::env::var("POSESESSION_SEED")
        .map_or(usual, |seed| seed.parse().expect("POSESESSION_SEED is a number"))
}

/// Returns whether the long proofs were asked for.
#[must_use]
pub fn is_long() -> bool {
    std::env::var("POSESESSION_LONG_TESTS").is_ok_and(|asked| asked == "1")
}
