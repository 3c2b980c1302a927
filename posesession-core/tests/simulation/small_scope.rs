//! Every interleaving of a few steps: two streamers, two frames on the way each, everything that can go wrong.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use posesession_core::{Overflow, Skeleton};
use progress::Progress;

use super::server::Planted;
use super::world::{Settings, Step, World};

const WINDOW: usize = 2;
const FRAME_MICROS: i64 = 33_333;

type Path = Vec<Step>;

fn settings(planted: Planted) -> Settings {
    Settings {
        limits: Settings::buffer(WINDOW, Overflow::Refuse),
        reorders: false,
        chunk_frames: 256,
        pending_bytes: 1 << 20,
        planted,
    }
}

/// The first streamer is connected and records: every path begins here.
fn beginning(settings: Settings, skeleton: &Skeleton) -> World {
    let mut world = World::new(settings, skeleton);
    world.step(Step::Connect(0, false));
    world.step(Step::Deliver(0, 0));
    world.step(Step::Hear(0));
    world
}

/// Lists what can happen next and would change anything.
fn steps(world: &World) -> Vec<Step> {
    let mut steps = Vec::new();
    for (place, client) in world.clients.iter().enumerate() {
        let mut add = |can: bool, step: Step| steps.extend(can.then_some(step));
        let is_in = !client.is_out;
        add(is_in && client.unacked.len() < WINDOW, Step::Take(place, FRAME_MICROS));
        add(!client.to_server.is_empty(), Step::Deliver(place, 0));
        add(!client.to_client.is_empty(), Step::Hear(place));
        add(client.connection.is_some(), Step::Cut(place, 0));
        // What is under way may still arrive after the connection was given up, and before the next one's words.
        add(client.to_server.len() > 1, Step::Cut(place, 1));
        add(is_in && client.connection.is_none(), Step::Connect(place, place == 1));
        add(is_in && client.is_resumed && !client.unacked.is_empty(), Step::Repeat(place));
    }
    steps.extend(world.is_haunted().then_some(Step::Haunt));
    if let Some(server) = &world.server {
        // Every batch is due by then.
        steps.extend(server.recorder.next_deadline().map(|_due| Step::Wait(300)));
        if !server.waiting.is_empty() {
            steps.push(Step::Commit);
        }
        steps.push(Step::Crash);
    }
    steps
}

/// Goes through all states that can be reached with so many steps. Returns how many there are, or the first path that breaks an
/// invariant, and how.
fn explore(depth: usize, planted: Planted) -> Result<usize, (Path, String)> {
    let skeleton = Skeleton::infer(1, 2).unwrap();
    let mut seen: HashSet<u64> = HashSet::new();
    seen.insert(beginning(settings(planted), &skeleton).fingerprint());
    let mut frontier: Vec<Path> = vec![Vec::new()];
    let progress = Progress::new("small scope");
    for step in 0..depth {
        let tried = AtomicUsize::new(0);
        let next = Mutex::new((seen, Vec::new(), None));
        let shares = thread::available_parallelism().map_or(2, usize::from);
        thread::scope(|scope| {
            for share in frontier.chunks(frontier.len().div_ceil(shares)) {
                let (skeleton, next, all) = (&skeleton, &next, frontier.len());
                let (progress, tried) = (&progress, &tried);
                scope.spawn(move || {
                    super::chance::expect_panics(planted != Planted::Nothing);
                    for path in share {
                        let tried = tried.fetch_add(1, Ordering::Relaxed);
                        progress.tell(|| format!("step {step} of {depth}, {tried} of {all} ways to it"));
                        if let Err(broken) = extend(path, planted, skeleton, next) {
                            next.lock().unwrap().2.get_or_insert(broken);
                            return;
                        }
                    }
                });
            }
        });
        let (found, paths, broken) = next.into_inner().unwrap();
        if let Some(broken) = broken {
            return Err(broken);
        }
        (seen, frontier) = (found, paths);
    }
    Ok(seen.len())
}

type Next = Mutex<(HashSet<u64>, Vec<Path>, Option<(Path, String)>)>;

/// Tries everything that can follow a path, and of each new state that it comes to its end once the faults end.
fn extend(path: &Path, planted: Planted, skeleton: &Skeleton, next: &Next) -> Result<(), (Path, String)> {
    let replay = || {
        let mut world = beginning(settings(planted), skeleton);
        path.iter().for_each(|&step| world.step(step));
        world
    };
    for step in steps(&replay()) {
        let extended = || path.iter().copied().chain([step]).collect::<Path>();
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let mut world = replay();
            world.step(step);
            let fingerprint = world.fingerprint();
            let mut next = next.lock().unwrap();
            if next.0.insert(fingerprint) {
                next.1.push(extended());
                drop(next);
                world.heal(false);
            }
        }));
        if let Err(panicked) = tried {
            return Err((extended(), super::chance::message(panicked)));
        }
    }
    Ok(())
}

#[test]
fn no_interleaving_of_a_few_steps_breaks_the_promise() {
    let depth = match super::chance::is_long() {
        true => 19,
        false if cfg!(debug_assertions) => 8,
        false => 16,
    };
    match explore(depth, Planted::Nothing) {
        Ok(states) => println!(
            "proof: small scope: {states} states, every interleaving of {depth} steps, 0 broken promises"
        ),
        Err((path, broken)) => panic!("{broken}\nafter {path:#?}"),
    }
}

#[test]
fn planted_mistakes_are_found_by_going_through_all_interleavings() {
    let mut found = Vec::new();
    for planted in [
        Planted::AckBeforeCommit,
        Planted::ResumeOffByOne,
        Planted::LostLastAck,
        Planted::OldConnectionHeard,
        Planted::TermIgnored,
    ] {
        let depth = 12;
        let (path, broken) = explore(depth, planted).expect_err("it must be found");
        found.push(format!("{planted:?} in {} steps", path.len()));
        assert!(!broken.contains("Poison"), "{broken}");
    }
    println!("proof: small scope, planted: {}", found.join(", "));
}
