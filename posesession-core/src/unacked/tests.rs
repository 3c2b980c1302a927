use std::collections::BTreeMap;

use proptest::prelude::*;

use super::dropped::MAX_EXACT_RANGES;
use super::*;

const MS: Duration = Duration::from_millis(1);

fn limits(max_bytes: usize, overflow: Overflow) -> UnackedLimits {
    UnackedLimits { max_bytes, max_age: Duration::from_secs(1), overflow }
}

/// Pushes frames of ten bytes, one a millisecond.
fn pushed(max_bytes: usize, overflow: Overflow, numbers: &[u64]) -> UnackedFrames<u64> {
    let mut unacked = UnackedFrames::new(limits(max_bytes, overflow));
    for (at, &number) in (0..).zip(numbers) {
        let _dropped = unacked.push(MS * at, number, 10, number);
    }
    unacked
}

/// What is to be sent, as text: `3 [4-6] 7`.
fn shown(unacked: &UnackedFrames<u64>, from: u64) -> String {
    let words = unacked.from(from).map(|item| match item {
        Unacked::Frame { number, frame } => {
            assert_eq!(number, *frame);
            number.to_string()
        }
        Unacked::Dropped { first, last } => format!("[{first}-{last}]"),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn frames_stay_until_they_are_acknowledged() {
    let mut unacked = pushed(1000, Overflow::Refuse, &[0, 1, 2, 3]);
    assert_eq!(shown(&unacked, 2), "2 3");
    assert_eq!(unacked.ack(Some(1)), 2);
    assert_eq!(unacked.ack(Some(0)), 0, "acknowledgements never go back");
    assert_eq!(unacked.ack(None), 0);
    assert_eq!(shown(&unacked, 0), "2 3");
    assert_eq!((unacked.acked(), unacked.len(), unacked.bytes()), (2, 2, 20));
    assert_eq!(unacked.acked_through(), Some(1));
}

#[test]
fn the_oldest_give_way() {
    let mut unacked = pushed(30, Overflow::DropOldest, &[0, 1, 2]);
    assert_eq!(unacked.push(MS, 3, 20, 3), Ok(vec![0..=1]));
    assert_eq!(shown(&unacked, 0), "[0-1] 2 3");
    assert_eq!(shown(&unacked, 1), "[1-1] 2 3", "a range is cut where one begins");
    assert_eq!(unacked.dropped(), 2);
    unacked.ack(Some(0));
    assert_eq!(shown(&unacked, 0), "[1-1] 2 3");
    unacked.ack(Some(1));
    assert_eq!(shown(&unacked, 0), "2 3");
}

#[test]
fn the_newest_gives_way() {
    let mut unacked = pushed(20, Overflow::DropNewest, &[0, 1]);
    assert_eq!(unacked.push(MS, 2, 10, 2), Ok(vec![2..=2]));
    assert_eq!(unacked.push(MS, 3, 10, 3), Ok(vec![3..=3]));
    unacked.ack(Some(0));
    assert_eq!(unacked.push(MS, 4, 10, 4), Ok(vec![]));
    assert_eq!(shown(&unacked, 0), "1 [2-3] 4");
    unacked.ack(Some(1));
    assert!(!unacked.is_settled());
    unacked.ack(Some(4));
    assert!(unacked.is_settled());
}

#[test]
fn a_refused_frame_comes_back() {
    let mut unacked = pushed(20, Overflow::Refuse, &[0, 1]);
    let refused = unacked.push(MS, 2, 10, 77).expect_err("there is no room");
    assert_eq!(refused, PushError::Full { frame: 77, kept: 2, bytes: 20 });
    assert_eq!(refused.into_frame(), 77);
    unacked.ack(Some(0));
    assert_eq!(unacked.push(MS, 2, 10, 2), Ok(vec![]), "it may come again");
    assert_eq!(unacked.dropped(), 0);
}

#[test]
fn age_is_a_limit_as_well() {
    let mut unacked = pushed(1000, Overflow::DropOldest, &[0, 1]);
    assert_eq!(unacked.push(MS * 1001, 2, 10, 2), Ok(vec![0..=0]));
    assert_eq!(unacked.age(MS * 1001), MS * 1000);
    let mut unacked = pushed(1000, Overflow::DropNewest, &[0, 1]);
    assert_eq!(unacked.push(MS * 1001, 2, 10, 2), Ok(vec![2..=2]));
}

#[test]
fn a_frame_larger_than_all_room_lets_the_others_be() {
    let mut unacked = pushed(30, Overflow::DropOldest, &[0, 1]);
    assert_eq!(unacked.push(MS, 2, 31, 2), Ok(vec![2..=2]));
    assert_eq!(unacked.push(MS, 3, usize::MAX, 3), Ok(vec![3..=3]));
    assert_eq!(shown(&unacked, 0), "0 1 [2-3]");
}

#[test]
fn numbers_rise() {
    let mut unacked = pushed(100, Overflow::DropOldest, &[0, 5]);
    let refused = unacked.push(MS, 5, 10, 5).expect_err("it was pushed before");
    assert_eq!(refused, PushError::NotRising { frame: 5, number: 5, highest: 5 });
    unacked.ack(Some(9));
    let refused = unacked.push(MS, 9, 10, 9).expect_err("it would be a duplicate to the other side");
    assert_eq!(refused, PushError::NotRising { frame: 9, number: 9, highest: 9 });
    assert_eq!(unacked.push(MS, u64::MAX, 10, u64::MAX), Ok(vec![]));
    assert_eq!(unacked.ack(Some(u64::MAX)), 1);
}

#[test]
fn numbers_that_were_never_pushed_are_not_told_as_dropped() {
    let unacked = pushed(10, Overflow::DropOldest, &[0, 2, 3, 7, 8]);
    assert_eq!(shown(&unacked, 0), "[0-0] [2-3] [7-7] 8");
}

#[test]
fn ranges_are_bounded() {
    let even: Vec<u64> = (0..10_000).map(|n| 2 * n).collect();
    let unacked = pushed(10, Overflow::DropOldest, &even);
    assert_eq!(unacked.from(0).count(), MAX_EXACT_RANGES + 1);
    assert_eq!(unacked.dropped(), 9_999);
    let covered = unacked
        .from(0)
        .any(|item| matches!(item, Unacked::Dropped { first, last } if first <= 19_996 && last >= 19_996));
    assert!(covered, "the last dropped number is told all the same");
}

#[test]
fn giving_up_names_all_that_was_not_acknowledged() {
    let mut unacked = pushed(20, Overflow::DropNewest, &[0, 1, 2]);
    unacked.ack(Some(0));
    assert_eq!(unacked.push(MS, 4, 10, 4), Ok(vec![]));
    assert_eq!(unacked.give_up(), [1..=2, 4..=4]);
    assert_eq!((unacked.dropped(), unacked.acked(), unacked.len(), unacked.bytes()), (3, 1, 0, 0));
    assert!(unacked.is_settled());
}

#[test]
fn a_restart_takes_any_number() {
    let mut unacked = pushed(20, Overflow::DropOldest, &[10, 11, 12]);
    unacked.restart();
    assert!(unacked.is_settled());
    assert_eq!(unacked.push(MS, 0, 10, 0), Ok(vec![]));
}

#[derive(Debug, Clone)]
enum Step {
    Push { skip: u64, bytes: usize, after_ms: u32 },
    Ack { through: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (0_u64..3, 0_usize..40, 0_u32..300).prop_map(|(skip, bytes, after_ms)| Step::Push {
        skip: skip / 2,
        bytes,
        after_ms,
    });
    let ack = (0_u64..120).prop_map(|through| Step::Ack { through });
    proptest::collection::vec(prop_oneof![4 => push, 1 => ack], 0..120)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Kept { bytes: usize, pushed_at: Duration },
    Dropped,
}

/// The same, the slow way: the fate of each number that is not settled.
#[derive(Debug)]
struct Model {
    limits: UnackedLimits,
    fates: BTreeMap<u64, Fate>,
    acked: u64,
    dropped: u64,
}

impl Model {
    fn has_room(&self, now: Duration, bytes: usize) -> bool {
        let kept = self.fates.values().filter_map(|fate| match fate {
            Fate::Kept { bytes, pushed_at } => Some((*bytes, *pushed_at)),
            Fate::Dropped => None,
        });
        let kept: Vec<_> = kept.collect();
        let sum: usize = kept.iter().map(|(bytes, _)| bytes).sum();
        let oldest = kept.first().map_or(now, |(_, at)| *at);
        sum + bytes <= self.limits.max_bytes && now - oldest <= self.limits.max_age
    }

    /// Returns what is dropped, or nothing if the frame is refused.
    fn push(&mut self, now: Duration, number: u64, bytes: usize) -> Option<Vec<u64>> {
        let mut gone = Vec::new();
        let mut fate = Fate::Kept { bytes, pushed_at: now };
        if !self.has_room(now, bytes) {
            match self.limits.overflow {
                Overflow::Refuse => return None,
                Overflow::DropOldest if bytes <= self.limits.max_bytes => {
                    while !self.has_room(now, bytes) {
                        let oldest = self.fates.iter_mut().find(|(_, fate)| **fate != Fate::Dropped);
                        let (&number, fate) = oldest.expect("without frames there is room");
                        *fate = Fate::Dropped;
                        gone.push(number);
                    }
                }
                Overflow::DropOldest | Overflow::DropNewest => {
                    fate = Fate::Dropped;
                    gone.push(number);
                }
            }
        }
        self.dropped += gone.len() as u64;
        self.fates.insert(number, fate);
        Some(gone)
    }

    fn ack(&mut self, through: u64) {
        let settled = self.fates.range(..=through).filter(|(_, fate)| **fate != Fate::Dropped);
        self.acked += settled.count() as u64;
        self.fates.retain(|&number, _| number > through);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_a_naive_model_does(
        steps in steps(),
        max_bytes in 0_usize..200,
        overflow in prop_oneof![Just(Overflow::DropOldest), Just(Overflow::DropNewest), Just(Overflow::Refuse)],
    ) {
        let limits = limits(max_bytes, overflow);
        let mut unacked = UnackedFrames::new(limits);
        let mut model = Model { limits, fates: BTreeMap::new(), acked: 0, dropped: 0 };
        let (mut now, mut next, mut taken) = (Duration::ZERO, 0, 0);
        for step in steps {
            match step {
                Step::Push { skip, bytes, after_ms } => {
                    now += MS * after_ms;
                    let number = next + skip;
                    let expected = model.push(now, number, bytes);
                    match unacked.push(now, number, bytes, number) {
                        Ok(gone) => {
                            prop_assert_eq!(Some(gone.into_iter().flatten().collect()), expected);
                            next = number + 1;
                            taken += 1;
                        }
                        Err(refused) => {
                            prop_assert_eq!(expected, None);
                            prop_assert_eq!(refused.into_frame(), number);
                        }
                    }
                }
                Step::Ack { through } => {
                    model.ack(through);
                    unacked.ack(Some(through));
                    next = next.max(through + 1);
                }
            }
            let mut told = BTreeMap::new();
            for item in unacked.from(0) {
                match item {
                    Unacked::Frame { number, .. } => { told.insert(number, true); }
                    Unacked::Dropped { first, last } => told.extend((first..=last).map(|n| (n, false))),
                }
            }
            let expected: BTreeMap<u64, bool> =
                model.fates.iter().map(|(&number, fate)| (number, *fate != Fate::Dropped)).collect();
            prop_assert_eq!(told, expected);
            prop_assert_eq!((unacked.acked(), unacked.dropped()), (model.acked, model.dropped));
            prop_assert_eq!(unacked.acked() + unacked.dropped() + unacked.len() as u64, taken);
            prop_assert!(unacked.bytes() <= max_bytes);
        }
        let unsettled: Vec<u64> = model.fates.keys().copied().collect();
        prop_assert_eq!(unacked.give_up().into_iter().flatten().collect::<Vec<_>>(), unsettled);
    }
}
