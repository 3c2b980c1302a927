//! Long runs of random steps and faults, each decided by one seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};
use std::thread;

use posesession_core::{Overflow, Skeleton};
use progress::Progress;

use super::dice::Dice;
use super::server::Planted;
use super::world::{Settings, Step, World};

const STEPS: u64 = 1_000;

/// What became of one seed.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    steps: u64,
    stored: u64,
    dropped: u64,
    crashes: u64,
    connections: u64,
}

/// How a run goes wrong, drawn once.
struct Weather {
    take_over: bool,
    pauses: bool,
    crashes: u64,
    cuts: u64,
    slow_store: u64,
    jumps: bool,
    stops: bool,
}

fn run(seed: u64, planted: Planted, skeleton: &Skeleton) -> Tally {
    let mut dice = Dice::new(seed);
    let overflow = [Overflow::Refuse, Overflow::DropOldest, Overflow::DropNewest]
        [usize::try_from(dice.below(3)).unwrap()];
    let frames = [4, 40, 4_000][usize::try_from(dice.below(3)).unwrap()];
    let settings = Settings {
        limits: Settings::buffer(frames, overflow),
        reorders: dice.once_in(3),
        chunk_frames: usize::try_from(1 + dice.below(40)).unwrap(),
        pending_bytes: if dice.once_in(3) { 2_000 } else { 1 << 20 },
        planted,
    };
    let weather = Weather {
        take_over: dice.once_in(2),
        pauses: dice.once_in(4),
        crashes: 50 + dice.below(600),
        cuts: 20 + dice.below(200),
        slow_store: 1 + dice.below(30),
        jumps: dice.once_in(3),
        stops: dice.once_in(3),
    };
    let mut world = World::new(settings, skeleton);
    let mut tally = Tally::default();
    let stop_at = if weather.stops { dice.below(2 * STEPS) } else { u64::MAX };
    for at in 0..STEPS {
        let client = usize::from(weather.take_over && dice.once_in(3));
        let step = if at == stop_at { Step::Finish } else { draw(&mut dice, &world, &weather, client) };
        tally.connections += u64::from(matches!(step, Step::Connect(..)));
        world.step(step);
    }
    world.heal(dice.once_in(2));
    tally.steps = STEPS;
    tally.stored = world.store.frames.len() as u64;
    tally.dropped = world.clients.iter().map(|client| client.unacked.dropped()).sum();
    tally.crashes = world.crashes;
    tally
}

fn draw(dice: &mut Dice, world: &World, weather: &Weather, client: usize) -> Step {
    let state = &world.clients[client];
    if !state.is_out && state.connection.is_none() && dice.once_in(4) {
        return Step::Connect(client, client == 1);
    }
    // A rare fault each, then the daily work.
    if dice.once_in(weather.crashes) {
        return Step::Crash;
    }
    if dice.once_in(weather.cuts) {
        return Step::Cut(client, usize::try_from(dice.below(3)).unwrap());
    }
    if weather.pauses && dice.once_in(60) {
        return Step::PauseOrResume;
    }
    match dice.below(200) {
        0 => Step::Haunt,
        1 | 2 => Step::Repeat(client),
        // The connection is given up, and another opened: both are open for a while.
        3 if !state.is_out => Step::Connect(client, client == 1),
        4 | 5 => Step::CommitUnknown,
        6 if weather.jumps => Step::Wait(dice.below(1 << 33)),
        7 if weather.jumps => Step::Take(client, dice.next().cast_signed() >> dice.below(64)),
        8..60 if !state.is_out => Step::Take(client, 20_000 + i64::try_from(dice.below(30_000)).unwrap()),
        60..120 => Step::Deliver(client, usize::try_from(dice.below(4)).unwrap()),
        120..150 => Step::Hear(client),
        150..170 => Step::Wait(dice.below(150)),
        _ if dice.once_in(weather.slow_store) => Step::Commit,
        _ => Step::Deliver(client, 0),
    }
}

/// Returns what a panic said.
pub(crate) fn message(panicked: Box<dyn std::any::Any + Send>) -> String {
    match panicked.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast::<&str>().map_or("it panicked".to_owned(), |text| (*text).to_owned()),
    }
}

thread_local! {
    static EXPECTS_PANICS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Says that this thread's panics are expected, and not to be printed.
pub(crate) fn expect_panics(expected: bool) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !EXPECTS_PANICS.get() {
                loud(panic);
            }
        }));
    });
    EXPECTS_PANICS.set(expected);
}

/// Runs one seed. Returns what broke, if anything did.
fn try_seed(seed: u64, planted: Planted, skeleton: &Skeleton) -> Result<Tally, String> {
    catch_unwind(AssertUnwindSafe(|| run(seed, planted, skeleton))).map_err(message)
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("it is a number"))
}

/// Whether hours may be taken.
pub(crate) fn is_long() -> bool {
    std::env::var_os("POSESESSION_LONG_TESTS").is_some_and(|long| long == "1")
}

#[test]
fn no_seed_breaks_the_promise() {
    let skeleton = Skeleton::infer(1, 2).unwrap();
    if let Some(seed) = number_from_environment("POSE_SEED") {
        println!("seed {seed}: {:?}", run(seed, Planted::Nothing, &skeleton));
        return;
    }
    let seeds = match number_from_environment("POSE_SEEDS") {
        Some(seeds) => seeds,
        None if is_long() => 10_000_000,
        None if cfg!(debug_assertions) => 2_000,
        None => 100_000,
    };
    let next = AtomicU64::new(0);
    let all = Mutex::new((Tally::default(), None));
    let progress = Progress::new("simulation");
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut sum = Tally::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    progress.tell(|| format!("{seed} of {seeds} seeds"));
                    match try_seed(seed, Planted::Nothing, &skeleton) {
                        Ok(tally) => sum.add(tally),
                        Err(broken) => {
                            next.store(seeds, Ordering::Relaxed);
                            all.lock().unwrap().1.get_or_insert((seed, broken));
                            break;
                        }
                    }
                }
                all.lock().unwrap().0.add(sum);
            });
        }
    });
    let (sum, broken) = all.into_inner().unwrap();
    if let Some((seed, broken)) = broken {
        panic!(
            "seed {seed}: {broken}\nRepeat it with POSE_SEED={seed} cargo test -p posesession-core --test simulation no_seed"
        );
    }
    assert!(
        sum.stored > 50 * seeds && sum.crashes > seeds && sum.dropped > seeds,
        "it meets what it is meant to: {sum:?}"
    );
    println!(
        "proof: simulation: {seeds} seeds, {} events, {} crashes, {} connections, {} frames stored, {} dropped by full buffers, 0 \
         acknowledged frames lost, doubled or reordered",
        sum.steps, sum.crashes, sum.connections, sum.stored, sum.dropped
    );
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.stored += other.stored;
        self.dropped += other.dropped;
        self.crashes += other.crashes;
        self.connections += other.connections;
    }
}

#[test]
fn planted_mistakes_are_found_by_chance() {
    let skeleton = Skeleton::infer(1, 2).unwrap();
    let mut found = Vec::new();
    for planted in [
        Planted::AckBeforeCommit,
        Planted::ResumeOffByOne,
        Planted::LostLastAck,
        Planted::OldConnectionHeard,
        Planted::TermIgnored,
    ] {
        expect_panics(true);
        let broken = (0..2_000).find_map(|seed| Some((seed, try_seed(seed, planted, &skeleton).err()?)));
        expect_panics(false);
        let (seed, _broken) = broken.expect("it must be found");
        found.push(format!("{planted:?} by seed {seed}"));
    }
    println!("proof: simulation, planted: {}", found.join(", "));
}
