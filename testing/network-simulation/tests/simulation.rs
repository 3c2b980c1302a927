//! Nothing that was acknowledged is lost, whatever servers and networks do.
//!
//! `POSE_SEED=7 cargo test --release -p network-simulation` runs one seed again, for as long as `make test` does;
//! `POSESESSION_LONG_TESTS=1` runs 24 virtual hours.

use std::time::{Duration, SystemTime};

use network_simulation::{Figures, Plan, simulate};

const HOUR: Duration = Duration::from_secs(3600);
/// Seeds that every run has; those that once failed come here.
const FIXED_SEEDS: [u64; 3] = [1, 2, 3];

fn is_long() -> bool {
    std::env::var_os("POSESESSION_LONG_TESTS").is_some_and(|value| value == "1")
}

fn run(seed: u64, length: Duration, all: &mut Figures) {
    let figures = simulate(Plan::new(seed, length)).unwrap_or_else(|broken| {
        let long = if is_long() { "POSESESSION_LONG_TESTS=1 " } else { "" };
        panic!("{broken}\nrepeat it: {long}POSE_SEED={seed} make test-network-simulation")
    });
    all.add(&figures);
}

#[test]
fn nothing_acknowledged_is_lost_over_any_network() {
    let long = is_long();
    let hours = if long { 24 } else { 2 };
    let mut all = Figures::default();
    if let Ok(seed) = std::env::var("POSE_SEED") {
        let seed = seed.parse().expect("POSE_SEED is a whole number");
        run(seed, hours * HOUR / 4, &mut all);
        println!("POSE_SEED={seed}: {all:?}");
        return;
    }
    let fresh = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    println!("network simulation: the fresh seed is {fresh}");
    let seeds: Vec<u64> = FIXED_SEEDS.into_iter().chain([fresh]).collect();
    for seed in seeds {
        run(seed, hours * HOUR / 4, &mut all);
    }
    assert!(!long || all.crashes > 5_000, "{all:?}");
    assert!(all.acked > 10_000 && all.found >= all.acked / 2, "{all:?}");
    assert!(all.controlled > 10 && all.flushes > 100, "{all:?}");
    println!(
        "proof: network simulation: {hours} virtual hours, {} crashes, {} network faults, {} reconnects, {} sessions ({} with a \
         controller), {} flushes, {} frames acknowledged, {} resent, {} dropped and told, {} commits ({} of unknown outcome), lost 0",
        all.crashes,
        all.cuts,
        all.reconnects,
        all.sessions,
        all.controlled,
        all.flushes,
        all.acked,
        all.resent,
        all.dropped,
        all.commits,
        all.unknown_commits,
    );
}
