//! Publisher's numbers to order. Held frames in, frames in rising order out, each number settled once.

use std::collections::VecDeque;
use std::time::Duration;

/// The highest number a frame may have: every client, JavaScript's included, can hold it exactly.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// How many settled numbers (or runs of numbers that were not stored) are remembered to recognise duplicates.
const REMEMBERED: usize = 1024;

/// Puts one publisher's frames into the order of their numbers.
///
/// Every number from the first one on is settled exactly once, in rising order: by a frame, by a frame that is not to be
/// stored (`content` is `None`), or as missing. A hole is waited for until a frame beyond it has waited `window`, or until
/// too much waits; then its numbers are missing.
#[derive(Debug)]
pub(super) struct Numbering<T> {
    limits: ReorderLimits,
    /// The lowest number that is not settled; none before the first frame.
    next: Option<u64>,
    /// The number at which the numbering starts.
    first: u64,
    /// The highest number seen.
    highest: Option<u64>,
    /// In rising order. A publisher's frames mostly come so, and then take a place at the end, whose memory is there already.
    waiting: VecDeque<Held<T>>,
    waiting_bytes: usize,
    /// The waiting frames in order of arrival; frames that left meanwhile may still stand here.
    arrivals: VecDeque<(Duration, u64)>,
    settled: VecDeque<Settled>,
}

/// How long and how much may wait for a hole to be filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReorderLimits {
    pub(super) window: Duration,
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

/// A frame on its way through the numbering, or a run of numbers that won't come.
#[derive(Debug)]
pub(super) struct Held<T> {
    /// The first of the numbers that it settles: `number` itself, but for a run of numbers that won't come.
    pub(super) first: u64,
    pub(super) number: u64,
    pub(super) arrived: Duration,
    /// The checksum of the frame's content; none if the number is settled without being stored.
    pub(super) content: Option<u32>,
    pub(super) bytes: usize,
    pub(super) item: T,
}

/// A frame whose turn it is.
#[derive(Debug)]
pub(super) struct Released<T> {
    pub(super) held: Held<T>,
    /// How many numbers right before it were given up as missing.
    pub(super) missing_before: u64,
}

/// What a number is to the numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It wasn't seen before.
    New,
    /// A frame of the same content is stored or waits.
    Duplicate,
    /// A frame of another content is stored or waits.
    Conflict,
    /// It is settled without a stored frame, or lies before the first.
    Late,
}

/// A run of settled numbers; stored ones stand alone.
#[derive(Debug, Clone, Copy)]
struct Settled {
    first: u64,
    last: u64,
    content: Option<u32>,
    /// Whether nothing had come of them when they were given up.
    is_missing: bool,
}

impl<T> Numbering<T> {
    pub(super) fn new(limits: ReorderLimits) -> Self {
        Self {
            limits,
            next: None,
            first: 0,
            highest: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            arrivals: VecDeque::new(),
            settled: VecDeque::new(),
        }
    }

    /// Goes on after `settled_through`: that number and all below are taken for stored.
    pub(super) fn resume(limits: ReorderLimits, settled_through: u64) -> Self {
        let settled_through = settled_through.min(MAX_NUMBER);
        Self { next: Some(settled_through + 1), highest: Some(settled_through), ..Self::new(limits) }
    }

    /// Returns the number of a frame that says `number`: without one, the highest seen + 1. None beyond [`MAX_NUMBER`].
    pub(super) fn assign(&self, number: Option<u64>) -> Option<u64> {
        number.or_else(|| self.highest.map_or(Some(0), |n| n.checked_add(1))).filter(|&n| n <= MAX_NUMBER)
    }

    /// Says what `number` with this content is, changing nothing.
    pub(super) fn look_up(&self, number: u64, content: u32) -> Known {
        let Some(next) = self.next else { return Known::New };
        let known = if number >= next {
            let Ok(place) = self.place_of(number) else { return Known::New };
            self.waiting[place].content
        } else if number < self.first {
            None
        } else {
            let index = self.settled.partition_point(|s| s.last < number);
            match self.settled.get(index) {
                Some(settled) if settled.first <= number => settled.content,
                // Forgotten: as good as compacted, where contents are no longer compared.
                _ => Some(content),
            }
        };
        match known {
            Some(known) if known == content => Known::Duplicate,
            Some(_) => Known::Conflict,
            None => Known::Late,
        }
    }

    /// Returns whether a number is settled, waits, or lies before the first one.
    pub(super) fn is_known(&self, number: u64) -> bool {
        self.next.is_some_and(|next| number < next) || self.place_of(number).is_ok()
    }

    /// Returns whether a number was given up before anything came of it, or lies before the first one.
    pub(super) fn is_given_up(&self, number: u64) -> bool {
        let index = self.settled.partition_point(|s| s.last < number);
        let is_missing = |s: &Settled| s.first <= number && s.is_missing;
        self.next.is_some() && (number < self.first || self.settled.get(index).is_some_and(is_missing))
    }

    /// Returns whether a frame of a higher number came before.
    pub(super) fn is_behind(&self, number: u64) -> bool {
        self.highest.is_some_and(|highest| number < highest)
    }

    /// Returns the parts of a run of numbers that are neither settled nor waiting, in rising order.
    pub(super) fn unknown_in(&self, first: u64, last: u64) -> Vec<(u64, u64)> {
        let mut unknown = self.next.map_or(first, |next| first.max(next));
        let mut parts = Vec::new();
        for held in self.waiting.iter().filter(|held| held.number >= first && held.first <= last) {
            if held.first > unknown {
                parts.push((unknown, held.first - 1));
            }
            unknown = held.number + 1;
        }
        if unknown <= last {
            parts.push((unknown, last));
        }
        parts
    }

    /// Takes a frame of a new number. Returns it at once if it is its turn, else keeps it; others may be ready then, see
    /// [`Self::poll_ready`]. A number that is known already is dropped.
    pub(super) fn push(&mut self, held: Held<T>) -> Option<Released<T>> {
        let (first, number) = (held.first, held.number);
        let next = *self.next.get_or_insert(first);
        if self.highest.is_none() {
            self.first = first;
        }
        self.highest = self.highest.max(Some(number));
        if first == next {
            return Some(self.release(held, next));
        }
        if first > next
            && let Err(place) = self.place_of(number)
        {
            if self.arrivals.len() >= 2 * self.waiting.len() + 64 {
                self.arrivals.retain(|&(_, n)| n >= next);
            }
            self.arrivals.push_back((held.arrived, number));
            self.waiting_bytes = self.waiting_bytes.saturating_add(held.bytes);
            self.waiting.insert(place, held);
        }
        None
    }

    /// Returns the next frame whose turn it is, either by its number or because the hole before it is given up.
    pub(super) fn poll_ready(&mut self, now: Duration) -> Option<Released<T>> {
        let next = self.next?;
        let first = self.waiting.front()?.first;
        let overflows = self.waiting.len() > self.limits.frames || self.waiting_bytes > self.limits.bytes;
        let expired = || self.deadline().is_some_and(|deadline| deadline <= now);
        if first == next || overflows || expired() { self.pop_first() } else { None }
    }

    /// Returns the next waiting frame, giving up the hole before it.
    pub(super) fn pop_first(&mut self) -> Option<Released<T>> {
        let next = self.next?;
        let held = self.waiting.pop_front()?;
        self.waiting_bytes -= held.bytes;
        let released = self.release(held, next);
        let next = released.held.number + 1;
        while self.arrivals.front().is_some_and(|&(_, n)| n < next) {
            self.arrivals.pop_front();
        }
        Some(released)
    }

    /// Returns when the oldest hole is given up.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.arrivals.front().map(|(arrived, _)| arrived.saturating_add(self.limits.window))
    }

    /// Returns how many bytes wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Returns the number up to which every number is settled.
    #[cfg(test)]
    pub(super) fn settled_through(&self) -> Option<u64> {
        self.next?.checked_sub(1)
    }

    /// Finds the place of a waiting number, or where it would stand.
    fn place_of(&self, number: u64) -> Result<usize, usize> {
        let place = self.waiting.partition_point(|held| held.number < number);
        let is_there = self.waiting.get(place).is_some_and(|held| held.first <= number);
        if is_there { Ok(place) } else { Err(place) }
    }

    fn release(&mut self, held: Held<T>, next: u64) -> Released<T> {
        let (first, number) = (held.first, held.number);
        if first > next {
            self.remember(Settled { first: next, last: first - 1, content: None, is_missing: true });
        }
        self.remember(Settled { first, last: number, content: held.content, is_missing: false });
        self.next = Some(number + 1);
        Released { missing_before: first - next, held }
    }

    fn remember(&mut self, settled: Settled) {
        if settled.content.is_none()
            && let Some(last) = self.settled.back_mut()
            && last.content.is_none()
            && last.is_missing == settled.is_missing
        {
            last.last = settled.last;
            return;
        }
        if self.settled.len() >= REMEMBERED {
            self.settled.pop_front();
        }
        self.settled.push_back(settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn numbering() -> Numbering<()> {
        Numbering::new(ReorderLimits { window: 250 * MS, frames: 8, bytes: 1000 })
    }

    fn held(number: u64, arrived_ms: u32) -> Held<()> {
        Held {
            first: number,
            number,
            arrived: arrived_ms * MS,
            content: Some(hash(number)),
            bytes: 10,
            item: (),
        }
    }

    fn hash(number: u64) -> u32 {
        u32::try_from(number % 1000).unwrap() + 7
    }

    /// Pushes a frame and returns all released numbers with the holes before them.
    fn push(numbering: &mut Numbering<()>, number: u64, ms: u32) -> Vec<(u64, u64)> {
        let first = numbering.push(held(number, ms));
        first.into_iter().map(|r| (r.held.number, r.missing_before)).chain(drain(numbering, ms)).collect()
    }

    fn drain(numbering: &mut Numbering<()>, ms: u32) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| numbering.poll_ready(ms * MS))
            .map(|r| (r.held.number, r.missing_before))
            .collect()
    }

    #[test]
    fn frames_in_order_are_released_at_once() {
        let mut numbering = numbering();
        for number in 40..60 {
            assert_eq!(push(&mut numbering, number, 0), [(number, 0)]);
            assert_eq!(numbering.settled_through(), Some(number));
        }
    }

    #[test]
    fn a_hole_is_waited_for_and_filled() {
        let mut numbering = numbering();
        push(&mut numbering, 0, 0);
        assert_eq!(push(&mut numbering, 2, 10), []);
        assert_eq!(push(&mut numbering, 3, 20), []);
        assert_eq!(push(&mut numbering, 1, 259), [(1, 0), (2, 0), (3, 0)]);
        assert_eq!(numbering.deadline(), None);
    }

    #[test]
    fn a_hole_is_given_up_when_a_frame_beyond_it_has_waited_the_window() {
        let mut numbering = numbering();
        push(&mut numbering, 0, 0);
        push(&mut numbering, 9, 10);
        push(&mut numbering, 5, 200);
        assert_eq!(drain(&mut numbering, 259), []);
        assert_eq!(numbering.deadline(), Some(260 * MS));
        assert_eq!(drain(&mut numbering, 260), [(5, 4), (9, 3)], "9 waits no longer than its own window");
        assert_eq!(numbering.look_up(7, hash(7)), Known::Late);
    }

    #[test]
    fn a_run_that_will_not_come_is_settled_around_what_is_known() {
        let mut numbering = numbering();
        push(&mut numbering, 0, 0);
        push(&mut numbering, 4, 0);
        push(&mut numbering, 6, 0);
        assert_eq!(numbering.unknown_in(0, 9), [(1, 3), (5, 5), (7, 9)]);
        assert_eq!(numbering.unknown_in(4, 4), []);
        let run = |first, number| Held { first, number, arrived: MS, content: None, bytes: 0, item: () };
        let far = numbering.unknown_in(2, u64::MAX >> 11);
        assert_eq!(far, [(2, 3), (5, 5), (7, u64::MAX >> 11)]);
        assert!(numbering.push(run(5, 5)).is_none());
        assert!(numbering.push(run(7, 9)).is_none());
        assert_eq!(numbering.look_up(8, 0), Known::Late);
        assert_eq!(numbering.look_up(10, 0), Known::New);
        assert_eq!(numbering.unknown_in(0, 12), [(1, 3), (10, 12)]);
        let first = numbering.push(run(1, 3)).unwrap();
        assert_eq!((first.held.first, first.held.number, first.missing_before), (1, 3, 0));
        assert_eq!(drain(&mut numbering, 1), [(4, 0), (5, 0), (6, 0), (9, 0)]);
        assert_eq!(numbering.settled_through(), Some(9));
        assert_eq!(numbering.look_up(2, 0), Known::Late);
    }

    #[test]
    fn overflow_releases_the_earliest() {
        let mut numbering = numbering();
        push(&mut numbering, 0, 0);
        for number in (2..18).step_by(2) {
            assert_eq!(push(&mut numbering, number, 0), []);
        }
        assert_eq!(push(&mut numbering, 18, 0), [(2, 1)]);
        let mut heavy = held(30, 0);
        heavy.bytes = 5_000;
        assert!(numbering.push(heavy).is_none());
        assert_eq!(drain(&mut numbering, 0).len(), 9, "all must go before the heavy one can");
        assert_eq!(numbering.waiting_bytes(), 0);
    }

    #[test]
    fn known_numbers_are_told_apart() {
        let mut numbering = numbering();
        push(&mut numbering, 10, 0);
        push(&mut numbering, 12, 0);
        assert_eq!(numbering.look_up(9, 0), Known::Late, "before the first");
        assert_eq!(numbering.look_up(10, hash(10)), Known::Duplicate);
        assert_eq!(numbering.look_up(10, 0), Known::Conflict);
        assert_eq!(numbering.look_up(11, 0), Known::New);
        assert_eq!(numbering.look_up(12, hash(12)), Known::Duplicate, "while it waits, too");
        assert_eq!(numbering.look_up(12, 0), Known::Conflict);
    }

    #[test]
    fn memory_of_numbers_is_bounded_and_ends_in_duplicates() {
        let mut numbering = numbering();
        for number in 0..100_000 {
            push(&mut numbering, number, 0);
        }
        assert_eq!(numbering.settled.len(), REMEMBERED);
        assert_eq!(numbering.look_up(99_000, 0), Known::Conflict);
        assert_eq!(numbering.look_up(5, 0), Known::Duplicate);
    }

    #[test]
    fn the_list_of_arrivals_is_bounded_though_time_stands_still() {
        let mut numbering = numbering();
        push(&mut numbering, 0, 0);
        push(&mut numbering, 1_000_000, 0);
        for number in (1..30_000).step_by(2) {
            push(&mut numbering, number + 1, 0);
            push(&mut numbering, number, 0);
        }
        assert!(numbering.arrivals.len() < 100, "{}", numbering.arrivals.len());
    }

    #[test]
    fn a_frame_without_number_gets_the_highest_plus_one() {
        let mut numbering = numbering();
        assert_eq!(numbering.assign(None), Some(0));
        push(&mut numbering, 7, 0);
        push(&mut numbering, 20, 0);
        assert_eq!(numbering.assign(None), Some(21));
        assert_eq!(numbering.assign(Some(MAX_NUMBER + 1)), None);
        push(&mut numbering, MAX_NUMBER, 0);
        assert_eq!(numbering.assign(None), None);
    }

    #[test]
    fn resuming_takes_everything_settled_for_stored() {
        let mut numbering = Numbering::<()>::resume(numbering().limits, 41);
        assert_eq!(numbering.settled_through(), Some(41));
        assert_eq!(numbering.look_up(3, 0), Known::Duplicate);
        assert_eq!(push(&mut numbering, 42, 0), [(42, 0)]);
    }
}
