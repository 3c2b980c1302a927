//! The decoded chunks in memory, those used longest ago going first. Chunks in, the one that covers a place out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use posesession_core::{Chunk, ChunkExtent, ChunkQuery, SessionId, Timestamp};

/// What a chunk takes beside its columns, about: its layout, its allocations, its places here. Without it, a bound of
/// bytes would let any number of empty frames in.
pub(super) const OVERHEAD_BYTES: usize = 1_024;

/// Chunks of many sessions, never more than `max_bytes` of them.
///
/// Those of one session never overlap: a chunk that comes later was cut later, so it replaces those of before that it
/// meets, unless one of them has all its frames.
#[derive(Debug)]
pub(super) struct HeldChunks {
    max_bytes: usize,
    bytes: usize,
    sessions: HashMap<SessionId, SessionChunks>,
    /// Session and first frame by last use, the longest ago first.
    uses: BTreeMap<u64, (SessionId, u64)>,
    next_use: u64,
}

#[derive(Debug, Default)]
struct SessionChunks {
    by_first_frame: BTreeMap<u64, Held>,
    /// The first frame by the first timestamp.
    by_first_timestamp: BTreeMap<Timestamp, u64>,
}

#[derive(Debug)]
struct Held {
    chunk: Arc<Chunk>,
    extent: ChunkExtent,
    bytes: usize,
    used: u64,
}

impl HeldChunks {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, sessions: HashMap::new(), uses: BTreeMap::new(), next_use: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    pub(super) fn len(&self) -> usize {
        self.uses.len()
    }

    /// Returns the chunk that covers what is asked for, as one that is used now.
    pub(super) fn touch(&mut self, id: SessionId, query: ChunkQuery) -> Option<Arc<Chunk>> {
        let session = self.sessions.get_mut(&id)?;
        let first_frame = session.covering(query)?;
        let held = session.by_first_frame.get_mut(&first_frame)?;
        self.uses.remove(&held.used);
        held.used = self.next_use;
        self.uses.insert(self.next_use, (id, first_frame));
        self.next_use += 1;
        Some(Arc::clone(&held.chunk))
    }

    /// Returns the chunk that covers what is asked for, and doesn't count it as used.
    pub(super) fn peek(&self, id: SessionId, query: ChunkQuery) -> Option<Arc<Chunk>> {
        let session = self.sessions.get(&id)?;
        let held = session.by_first_frame.get(&session.covering(query)?)?;
        Some(Arc::clone(&held.chunk))
    }

    /// Keeps a chunk, if there is room for it, and lets others go for it.
    pub(super) fn insert(&mut self, id: SessionId, chunk: Arc<Chunk>) {
        let bytes = chunk.memory_bytes().saturating_add(OVERHEAD_BYTES);
        let Some(extent) = ChunkExtent::of(&chunk).filter(|_| bytes <= self.max_bytes) else { return };
        let met: Vec<_> = self.sessions.get(&id).map(|session| session.meeting(extent)).unwrap_or_default();
        if met.iter().any(|&(first, end)| first <= extent.first_frame && extent.end_frame() <= end) {
            return;
        }
        for (first_frame, _end) in met {
            self.remove(id, first_frame);
        }
        while self.bytes + bytes > self.max_bytes {
            let Some((_, &(oldest, first_frame))) = self.uses.first_key_value() else { break };
            self.remove(oldest, first_frame);
        }
        let used = self.next_use;
        self.next_use += 1;
        self.uses.insert(used, (id, extent.first_frame));
        self.bytes += bytes;
        let session = self.sessions.entry(id).or_default();
        session.by_first_timestamp.insert(extent.first_timestamp, extent.first_frame);
        session.by_first_frame.insert(extent.first_frame, Held { chunk, extent, bytes, used });
    }

    /// Lets all chunks of a session go.
    pub(super) fn forget(&mut self, id: SessionId) {
        for held in self.sessions.remove(&id).unwrap_or_default().by_first_frame.into_values() {
            self.uses.remove(&held.used);
            self.bytes -= held.bytes;
        }
    }

    fn remove(&mut self, id: SessionId, first_frame: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(held) = session.by_first_frame.remove(&first_frame) {
            session.by_first_timestamp.remove(&held.extent.first_timestamp);
            self.uses.remove(&held.used);
            self.bytes -= held.bytes;
        }
        if session.by_first_frame.is_empty() {
            self.sessions.remove(&id);
        }
    }
}

impl SessionChunks {
    /// Returns the first frame of the chunk that covers what is asked for, if the chunks here can tell for certain.
    fn covering(&self, query: ChunkQuery) -> Option<u64> {
        match query {
            ChunkQuery::Frame(n) => {
                let (&first_frame, held) = self.by_first_frame.range(..=n).next_back()?;
                (n < held.extent.end_frame()).then_some(first_frame)
            }
            ChunkQuery::Time(timestamp) => {
                let Some((_, &first_frame)) = self.by_first_timestamp.range(..=timestamp).next_back() else {
                    // A moment before all frames is answered by the session's first chunk.
                    return self.by_first_frame.contains_key(&0).then_some(0);
                };
                let extent = self.by_first_frame.get(&first_frame)?.extent;
                // Behind the last frame, the next chunk may have a frame at or before the moment: one that isn't here
                // can't be told from one that was recorded since. One that is here starts later.
                let is_certain = timestamp <= extent.last_timestamp
                    || self.by_first_frame.contains_key(&extent.end_frame());
                is_certain.then_some(first_frame)
            }
        }
    }

    /// Returns first frame and end of each chunk that has frames of `extent`.
    fn meeting(&self, extent: ChunkExtent) -> Vec<(u64, u64)> {
        let before_its_end = self.by_first_frame.range(..extent.end_frame()).rev();
        let meeting = before_its_end.map(|(&first_frame, held)| (first_frame, held.extent.end_frame()));
        meeting.take_while(|&(_, end)| end > extent.first_frame).collect()
    }
}

#[cfg(test)]
mod tests {
    use posesession_core::{Layout, PoseData};
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use uuid::Uuid;

    use super::*;

    const ID: SessionId = SessionId(Uuid::from_u128(1));

    /// Frames at 10 µs each, and a pause of 1 s after each 100th.
    fn timestamp(n: u64) -> Timestamp {
        Timestamp::from_micros((n * 10 + n / 100 * 1_000_000).cast_signed())
    }

    fn chunk(first: u64, end: u64) -> Arc<Chunk> {
        let mut chunk = Chunk::new(first, Layout::default());
        for n in first..end {
            chunk.push(timestamp(n), &PoseData::nobody()).unwrap();
        }
        Arc::new(chunk)
    }

    fn holding(chunks: &[(u64, u64)]) -> HeldChunks {
        let mut held = HeldChunks::new(1 << 20);
        for &(first, end) in chunks {
            held.insert(ID, chunk(first, end));
        }
        held
    }

    fn extents(held: &HeldChunks) -> Vec<(u64, u64)> {
        let Some(session) = held.sessions.get(&ID) else { return Vec::new() };
        session.by_first_frame.iter().map(|(&first, held)| (first, held.extent.end_frame())).collect()
    }

    #[test]
    fn a_frame_is_found_in_the_chunk_that_has_it_alone() {
        let held = holding(&[(8, 16), (24, 32)]);
        let first = |n| held.peek(ID, ChunkQuery::Frame(n)).map(|chunk| chunk.first_frame());
        assert_eq!([7, 8, 15, 16, 23, 24, 31, 32].map(first), {
            let (low, high) = (Some(8), Some(24));
            [None, low, low, None, None, high, high, None]
        });
    }

    #[test]
    fn a_moment_is_answered_only_where_no_other_frame_can_come_between() {
        let held = holding(&[(0, 8), (8, 100), (200, 300)]);
        let first = |micros| {
            held.peek(ID, ChunkQuery::Time(Timestamp::from_micros(micros))).map(|chunk| chunk.first_frame())
        };
        assert_eq!((first(-1), first(0), first(70)), (Some(0), Some(0), Some(0)));
        assert_eq!(first(79), Some(0), "between two that are here");
        assert_eq!((first(80), first(990)), (Some(8), Some(8)));
        assert_eq!(first(991), None, "frame 100 may be there, and earlier");
        assert_eq!((first(2_002_000), first(2_002_990)), (Some(200), Some(200)));
        assert_eq!(first(2_002_991), None, "more may have been recorded");
        let later = holding(&[(8, 16)]);
        assert!(later.peek(ID, ChunkQuery::Time(Timestamp::ZERO)).is_none(), "the first frame is not here");
    }

    #[test]
    fn a_long_chunk_takes_the_place_of_its_parts_and_no_part_that_of_a_long_one() {
        let mut held = holding(&[(0, 8), (8, 16), (16, 24), (0, 20)]);
        assert_eq!(extents(&held), [(0, 20)]);
        held.insert(ID, chunk(8, 16));
        assert_eq!(extents(&held), [(0, 20)]);
        held.insert(ID, chunk(16, 32));
        assert_eq!(extents(&held), [(16, 32)]);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let bytes = chunk(0, 8).memory_bytes() + OVERHEAD_BYTES;
        let mut held = HeldChunks::new(3 * bytes);
        for first in [0, 8, 16] {
            held.insert(ID, chunk(first, first + 8));
        }
        held.touch(ID, ChunkQuery::Frame(0));
        held.peek(ID, ChunkQuery::Frame(8));
        held.insert(ID, chunk(24, 32));
        assert_eq!(extents(&held), [(0, 8), (16, 24), (24, 32)]);
        held.insert(ID, chunk(1_000, 10_000));
        assert_eq!(held.len(), 3, "a chunk beyond the bound drives nothing out");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert { session: u128, first: u64, frames: u64 },
        Frame { session: u128, n: u64 },
        Time { session: u128, micros: i64 },
        Forget { session: u128 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let insert = |(session, first, frames)| Step::Insert { session, first, frames };
        prop_oneof![
            6 => (0..3_u128, 0..400_u64, 1..120_u64).prop_map(insert),
            3 => (0..3_u128, 0..500_u64).prop_map(|(session, n)| Step::Frame { session, n }),
            3 => (0..3_u128, -5..5_005_000_i64).prop_map(|(session, micros)| Step::Time { session, micros }),
            1 => (0..3_u128).prop_map(|session| Step::Forget { session }),
        ]
    }

    proptest! {
        #[test]
        fn the_bound_is_kept_and_each_answer_is_the_stores(
            steps in prop::collection::vec(step(), 1..200),
            max_bytes in 0..40_000_usize,
            with_room in any::<bool>(),
        ) {
            let max_bytes = if with_room { 1 << 20 } else { max_bytes };
            let mut held = HeldChunks::new(max_bytes);
            let id = |session| SessionId(Uuid::from_u128(session));
            for step in steps {
                match step {
                    Step::Insert { session, first, frames } => {
                        held.insert(id(session), chunk(first, first + frames));
                        let found = held.peek(id(session), ChunkQuery::Frame(first + frames - 1));
                        prop_assert!(found.is_some() || !with_room);
                    }
                    Step::Frame { session, n } => {
                        let found = held.touch(id(session), ChunkQuery::Frame(n));
                        prop_assert!(found.is_none_or(|chunk| chunk.frame(n).is_some()));
                    }
                    Step::Time { session, micros } => {
                        let moment = Timestamp::from_micros(micros);
                        if let Some(chunk) = held.touch(id(session), ChunkQuery::Time(moment)) {
                            // However the session is cut and goes on, the last frame at or before the moment is in it.
                            let last = (0..1_000).rev().find(|&n| timestamp(n) <= moment).unwrap_or(0);
                            prop_assert!(chunk.frame(last).is_some(), "{last} of {moment}");
                        }
                    }
                    Step::Forget { session } => {
                        held.forget(id(session));
                        prop_assert!(!held.sessions.contains_key(&id(session)));
                    }
                }
                let all = || held.sessions.values().flat_map(|session| session.by_first_frame.values());
                let bytes: usize = all().map(|held| held.chunk.memory_bytes() + OVERHEAD_BYTES).sum();
                prop_assert_eq!(bytes, held.bytes());
                prop_assert!(bytes <= max_bytes, "{} of {}", bytes, max_bytes);
                prop_assert_eq!(all().count(), held.len());
            }
        }
    }
}
