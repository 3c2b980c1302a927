//! A test of the test: faults that are planted on purpose are found. Fail points belong to the whole process, so all are tried in
//! one test, one after the other.

#![cfg(feature = "failpoints")]

use std::time::Duration;

use network_simulation::{Plan, simulate};

const LENGTH: Duration = Duration::from_secs(1800);
/// How many seeds a fault may need until it is found.
const SEEDS: u64 = 4;

fn found(plan: impl Fn(u64) -> Plan) -> Option<(u64, String)> {
    (1..=SEEDS).find_map(|seed| simulate(plan(seed)).err().map(|broken| (seed, broken)))
}

#[test]
fn planted_faults_are_found() {
    let scenario = fail::FailScenario::setup();
    for fault in ["planted::resume_off_by_one", "planted::lost_last_ack", "planted::flushed_early"] {
        fail::cfg(fault, "return").expect("the fault can be planted");
        let broken = found(|seed| Plan::new(seed, LENGTH));
        fail::remove(fault);
        let Some((seed, broken)) = broken else { panic!("{fault} was not found with {SEEDS} seeds") };
        println!("proof: network simulation: {fault} found with seed {seed}: {broken}");
    }
    let broken = found(|seed| {
        let mut plan = Plan::new(seed, LENGTH);
        plan.acks_before_commit = true;
        plan
    });
    let Some((seed, broken)) = broken else { panic!("acknowledging before the commit was not found") };
    println!(
        "proof: network simulation: a store that acknowledges too early found with seed {seed}: {broken}"
    );
    scenario.teardown();
}
