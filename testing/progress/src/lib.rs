//! Says how far a long proof is, so that nobody takes it for stuck. What is done within half a minute says nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How often it is told, in seconds.
const EVERY_SECS: u64 = 30;

/// How far something is: told twice a minute, however often that is asked for, and by however many threads.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    begun: Instant,
    told_secs: AtomicU64,
}

impl Progress {
    /// Begins.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self { what, begun: Instant::now(), told_secs: AtomicU64::new(0) }
    }

    /// Prints how far it is, unless that was printed within the last half a minute.
    pub fn tell(&self, how_far: impl FnOnce() -> String) {
        if let Some(line) = self.line(self.begun.elapsed().as_secs(), how_far) {
            println!("{line}");
        }
    }

    fn line(&self, secs: u64, how_far: impl FnOnce() -> String) -> Option<String> {
        let told = self.told_secs.load(Ordering::Relaxed);
        let is_due = secs >= told + EVERY_SECS
            && self.told_secs.compare_exchange(told, secs, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        is_due.then(|| format!("{}: {} after {secs} s", self.what, how_far()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_every_half_minute_and_no_more_often() {
        let progress = Progress::new("counting");
        let told = (0..100).filter_map(|secs| progress.line(secs, || format!("{secs} of 100")));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                "counting: 30 of 100 after 30 s",
                "counting: 60 of 100 after 60 s",
                "counting: 90 of 100 after 90 s"
            ]
        );
    }
}
