//! What indices say of chunks whose rows are damaged. Pages of indices in, whose chunk is whose out.

use std::collections::{HashMap, HashSet};

use super::FoundChunk;
use super::cells::index_entry;
use super::number;
use super::pages::Age;

/// In how many indices a number of a row may stand; those of other tables have their own rows of the same numbers.
const MOST_ENTRIES: usize = 16;
/// How many rows are looked at for a chunk that has lost its own, at most.
const MOST_CANDIDATES: usize = 1024;

/// By rowid, the session's key and the number beside it, a frame or a time.
#[derive(Debug, Default)]
pub(super) struct Index(HashMap<i64, Vec<(i64, i64)>>);

impl Index {
    /// Reads the entries of an index page that can be about chunks: a session's key, a frame or a time, a rowid.
    pub(super) fn read(&mut self, number: u32, page: &[u8]) {
        let start = if number == 1 { 100 } else { 0 };
        let (head, before) = match page.get(start) {
            Some(0x0a) => (8, 0),
            Some(0x02) => (12, 4),
            _ => return,
        };
        for n in 0..number::be16(page, start + 3) {
            let at = number::be16(page, start + head + 2 * n) + before;
            if let Some([key, second, rowid]) = index_entry(page, at) {
                let entries = self.0.entry(rowid).or_default();
                if entries.len() < MOST_ENTRIES {
                    entries.push((key, second));
                }
            }
        }
    }

    /// Lets the indices say whose chunks are whose row is damaged: each chunk stands in two of them.
    pub(super) fn settle_keys(&self, chunks: &mut [FoundChunk]) {
        let taken: HashSet<i64> = chunks.iter().filter_map(|chunk| chunk.rowid).collect();
        let mut rows_of: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
        for (&rowid, entries) in self.0.iter().filter(|(rowid, _)| !taken.contains(rowid)) {
            for &(key, second) in entries {
                rows_of.entry(second).or_default().push((key, rowid));
            }
        }
        for chunk in chunks.iter_mut().filter(|chunk| chunk.age != Age::Stale) {
            let first = [chunk.header.first_frame.cast_signed(), chunk.header.first_timestamp.as_micros()];
            let Some(rowid) = chunk.rowid else {
                chunk.key = chunk.key.or_else(|| self.only_key(&rows_of, first));
                continue;
            };
            let mut votes: HashMap<i64, usize> = HashMap::new();
            let entries = self.0.get(&rowid).into_iter().flatten();
            for (key, _) in entries.filter(|(_, second)| first.contains(second)) {
                *votes.entry(*key).or_default() += 1;
            }
            if let Some(key) = chunk.key {
                *votes.entry(key).or_default() += 1;
            }
            let most = votes.values().copied().max().unwrap_or(0);
            if chunk.key.is_none_or(|key| votes.get(&key).copied().unwrap_or(0) < most) {
                let mut best = votes.into_iter().filter(|&(_, count)| count == most);
                chunk.key = best.by_ref().map(|(key, _)| key).min().or(chunk.key);
            }
        }
    }

    /// Returns the session that alone has a row with a chunk's first frame and its time. Where several rows would fit, which one it
    /// was can't be said.
    fn only_key(&self, rows_of: &HashMap<i64, Vec<(i64, i64)>>, first: [i64; 2]) -> Option<i64> {
        let [frames, times] = first.map(|second| rows_of.get(&second).map_or(&[][..], Vec::as_slice));
        let fewer = if times.len() < frames.len() { times } else { frames };
        if fewer.len() > MOST_CANDIDATES {
            return None;
        }
        let fits = |&&(key, rowid): &&(i64, i64)| {
            self.0
                .get(&rowid)
                .is_some_and(|entries| first.iter().all(|&second| entries.contains(&(key, second))))
        };
        let mut keys = fewer.iter().filter(fits).map(|&(key, _)| key);
        let key = keys.next()?;
        keys.all(|other| other == key).then_some(key)
    }
}
