//! How long to wait before the next try: doubled each time, and anything up to that, so that the streamers of a server that
//! comes back don't all knock at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct BackOff {
    tries: u32,
    state: u64,
}

impl BackOff {
    pub(super) fn new(seed: u64) -> Self {
        Self { tries: 0, state: seed }
    }

    /// Begins anew: a connection was of use.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }

    pub(super) fn next(&mut self) -> Duration {
        let most = MOST.min(FIRST * 2_u32.saturating_pow(self.tries));
        self.tries = self.tries.saturating_add(1);
        most.mul_f64(self.fraction())
    }

    /// Returns a number from 0 to 1 of a SplitMix64 generator (Steele, Lea, Flood 2014).
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_and_are_spread_over_all_of_it() {
        let mut back_off = BackOff::new(7);
        let waits: Vec<Duration> = (0..200).map(|_| back_off.next()).collect();
        assert!(waits[0] <= FIRST && waits[1] <= FIRST * 2);
        assert!(waits.iter().all(|&wait| wait <= MOST));
        assert!(waits[20..].iter().any(|&wait| wait < MOST / 10));
        assert!(waits[20..].iter().any(|&wait| wait > MOST * 9 / 10));
        back_off.reset();
        assert!(back_off.next() <= FIRST);
    }
}
