//! Which numbers were dropped and not settled since. Numbers in, few ranges out.

use std::collections::VecDeque;

/// How many ranges are kept apart; beyond, a number joins the range before it over numbers that were never pushed. More come
/// about only where a kept frame stands between any two.
pub(super) const MAX_EXACT_RANGES: usize = 1024;

/// Disjoint ranges, first and last number, in rising order.
#[derive(Debug, Default)]
pub(super) struct DroppedRanges(VecDeque<(u64, u64)>);

impl DroppedRanges {
    /// Adds a number that is in no range. `nearest_kept` is the highest number of a kept frame below it.
    pub(super) fn add(&mut self, number: u64, nearest_kept: Option<u64>) {
        let at = self.0.partition_point(|&(first, _)| first < number);
        let touches_next = self.0.get(at).is_some_and(|&(first, _)| number.checked_add(1) == Some(first));
        let is_crowded = self.0.len() >= MAX_EXACT_RANGES;
        let touches_before = at.checked_sub(1).is_some_and(|before| {
            let (_, last) = self.0[before];
            last.checked_add(1) == Some(number) || (is_crowded && nearest_kept.is_none_or(|kept| kept < last))
        });
        match (touches_before, touches_next) {
            (true, true) => {
                let end = self.0.remove(at).map_or(number, |(_, last)| last);
                self.0[at - 1].1 = end;
            }
            (true, false) => self.0[at - 1].1 = number,
            (false, true) => self.0[at].0 = number,
            (false, false) => self.0.insert(at, (number, number)),
        }
    }

    /// Forgets the numbers up to this one.
    pub(super) fn forget_through(&mut self, through: u64) {
        let whole = self.0.partition_point(|&(_, last)| last <= through);
        self.0.drain(..whole);
        if let Some(range) = self.0.front_mut()
            && range.0 <= through
        {
            range.0 = through + 1;
        }
    }

    /// Returns the ranges from a number on; the first one may be cut by it.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = (u64, u64)> {
        let at = self.0.partition_point(|&(_, last)| last < number);
        self.0.range(at..).map(move |&(first, last)| (first.max(number), last))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
