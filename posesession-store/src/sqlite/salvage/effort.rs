//! How much is read for one file: so many times its length, whatever its bytes say.
//!
//! In a sound database a page belongs to one row. In a damaged one many rows may seem to own it, and many places of a page seem to
//! start a row: without a bound, each page could have the whole file read many times over.

use std::collections::HashMap;

/// How many chains of overflow pages start at one leaf, at most: a row that spills leaves an eighth of a page there; of the
/// shortest pages, a thirteenth.
pub(super) const MOST_CHAINS: usize = 13;
/// How often a page is followed at most, and how often a page's own bytes are read as rows. A chunk that has lost its row is tried at
/// 72 places of each of [`MOST_CHAINS`] chains.
const MOST_TIMES: u32 = 1024;
/// How many times the file's length the rows that are kept may have. What one row says may stand in its file more than once: in
/// the log, and where it stood before.
const MOST_KEPT: u64 = 4;

/// What may still be read and kept.
#[derive(Debug)]
pub(super) struct Effort {
    followed: HashMap<u32, u32>,
    /// How many bytes of the page at hand may still be read as rows.
    local: usize,
    /// How many bytes the rows may have that are still to be kept.
    kept: u64,
    was_refused: bool,
    /// How many pages were followed, all together.
    total: u64,
}

impl Effort {
    /// Returns what may be read of files that are so long together.
    pub(super) fn of(bytes: u64) -> Self {
        let kept = bytes.saturating_mul(MOST_KEPT);
        Self { followed: HashMap::new(), local: 0, kept, was_refused: false, total: 0 }
    }

    /// Begins with another page.
    pub(super) fn begin(&mut self, page_size: usize) {
        self.local = page_size.saturating_mul(MOST_TIMES as usize);
        self.was_refused = false;
    }

    /// Returns whether so many bytes of the page at hand may be read as a row.
    pub(super) fn read(&mut self, bytes: usize) -> bool {
        let left = self.local.checked_sub(bytes);
        self.local = left.unwrap_or(0);
        self.note(left.is_some())
    }

    /// Returns whether a page may be read as a part of a row that starts at the page at hand.
    pub(super) fn follow(&mut self, number: u32) -> bool {
        let times = self.followed.entry(number).or_default();
        let may = *times < MOST_TIMES;
        if may {
            *times += 1;
            self.total += 1;
        }
        self.note(may)
    }

    /// Returns whether a row of so many bytes may be kept.
    pub(super) fn keep(&mut self, bytes: u64) -> bool {
        let left = self.kept.checked_sub(bytes);
        self.kept = left.unwrap_or(self.kept);
        self.note(left.is_some())
    }

    /// Returns whether something on the page at hand was not read for its cost: it may be lost.
    pub(super) fn was_refused(&self) -> bool {
        self.was_refused
    }

    /// Returns how many pages were followed, each as often as it was.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    fn note(&mut self, may: bool) -> bool {
        self.was_refused |= !may;
        may
    }
}
