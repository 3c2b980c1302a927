//! The few chunks around the position. Chunks in, timestamps and frames out.

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::time::Timestamp;

/// At most [`ChunkWindow::MAX_CHUNKS`] chunks, so that a replay's memory doesn't depend on the session's length.
///
/// Chunks may overlap: the store compacts while a session is replayed.
#[derive(Debug, Clone, Default)]
pub(super) struct ChunkWindow {
    chunks: Vec<Arc<Chunk>>,
}

impl ChunkWindow {
    /// The previous chunk, the current one and the next.
    pub(super) const MAX_CHUNKS: usize = 3;

    /// Adds a chunk that is not empty. Of too many, the one farthest from frame `focus` goes; but the one just added,
    /// the one with `focus`, and the one after it in the direction of play stay, so that what is asked for next never
    /// drives out what was asked for before.
    pub(super) fn insert(&mut self, chunk: Arc<Chunk>, focus: u64, forwards: bool) {
        self.chunks.retain(|c| c.first_frame() < chunk.first_frame() || c.end_frame() > chunk.end_frame());
        self.chunks.push(chunk);
        while self.chunks.len() > Self::MAX_CHUNKS {
            let current = self.place_of(focus);
            let next = current.and_then(|place| {
                let chunk = &self.chunks[place];
                if forwards { Some(chunk.end_frame()) } else { chunk.first_frame().checked_sub(1) }
            });
            let keeps = [Some(self.chunks.len() - 1), current, next.and_then(|n| self.place_of(n))];
            let others = (0..self.chunks.len()).filter(|&place| !keeps.contains(&Some(place)));
            let Some(farthest) = others.max_by_key(|&place| distance(&self.chunks[place], focus)) else {
                break;
            };
            self.chunks.remove(farthest);
        }
    }

    fn place_of(&self, n: u64) -> Option<usize> {
        self.chunks.iter().position(|c| distance(c, n) == 0)
    }

    /// Returns a chunk that has frame `n`.
    pub(super) fn covering(&self, n: u64) -> Option<&Arc<Chunk>> {
        self.place_of(n).map(|place| &self.chunks[place])
    }

    /// Returns when frame `n` is.
    pub(super) fn timestamp(&self, n: u64) -> Option<Timestamp> {
        let chunk = self.covering(n)?;
        chunk.timestamps().get(usize::try_from(n - chunk.first_frame()).ok()?).copied()
    }

    /// Returns the last frame at or before `timestamp`, frame 0 if all are later; nothing if the chunks here can't tell.
    pub(super) fn frame_at(&self, timestamp: Timestamp, frame_count: u64) -> Option<u64> {
        self.chunks.iter().find_map(|chunk| {
            let Some(n) = chunk.frame_at(timestamp) else {
                return (chunk.first_frame() == 0).then_some(0);
            };
            let is_certain = n < chunk.last_frame()
                || self.timestamp(n) == Some(timestamp)
                || n + 1 >= frame_count
                || self.timestamp(n + 1).is_some_and(|next| next > timestamp);
            is_certain.then_some(n)
        })
    }

    /// Returns the farthest frame that is reached from frame `n`, forwards or backwards, without a hole.
    pub(super) fn reach(&self, n: u64, forwards: bool) -> u64 {
        let mut reached = n;
        while let Some(chunk) = self.covering(reached) {
            let edge = if forwards { chunk.last_frame() } else { chunk.first_frame() };
            let beyond = if forwards { Some(edge + 1) } else { edge.checked_sub(1) };
            match beyond.filter(|&b| self.covering(b).is_some()) {
                Some(beyond) => reached = beyond,
                None => return edge,
            }
        }
        reached
    }

    /// Returns the frame to be shown at `position` when frame `n` was shown before: the newest one not later, or,
    /// backwards, not earlier; `n` itself if none is due.
    pub(super) fn newest_due(&self, n: u64, position: Timestamp, forwards: bool) -> u64 {
        let edge = self.reach(n, forwards);
        let is_due = |k| {
            self.timestamp(k).is_some_and(|t: Timestamp| if forwards { t <= position } else { t >= position })
        };
        // Timestamps increase, so that what is due is a run that starts at `n`.
        let (mut due, mut steps) = (0, n.abs_diff(edge));
        while due < steps {
            let middle = due + (steps - due).div_ceil(2);
            if is_due(if forwards { n + middle } else { n - middle }) {
                due = middle;
            } else {
                steps = middle - 1;
            }
        }
        if forwards { n + due } else { n - due }
    }
}

/// Returns how many frames lie between frame `n` and a chunk; 0 if the chunk has it.
fn distance(chunk: &Chunk, n: u64) -> u64 {
    if n < chunk.first_frame() {
        chunk.first_frame() - n
    } else {
        n.saturating_add(1).saturating_sub(chunk.end_frame())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pose::PoseData;
    use crate::skeleton::Layout;

    fn chunk(first: u64, frames: u64) -> Arc<Chunk> {
        let mut chunk = Chunk::new(first, Layout::default());
        for n in first..first + frames {
            chunk.push(Timestamp::from_micros(n as i64 * 10), &PoseData::nobody()).unwrap();
        }
        Arc::new(chunk)
    }

    fn window(chunks: &[(u64, u64)], focus: u64) -> ChunkWindow {
        let mut window = ChunkWindow::default();
        for &(first, frames) in chunks {
            window.insert(chunk(first, frames), focus, true);
        }
        window
    }

    #[test]
    fn at_most_three_chunks_stay_and_what_is_played_next_does() {
        let window = window(&[(0, 4), (4, 4), (8, 4), (12, 4), (0, 4)], 5);
        assert_eq!(window.chunks.len(), 3);
        assert!([5, 8, 0].into_iter().all(|n| window.covering(n).is_some()));
        assert!(window.covering(12).is_none());
    }

    #[test]
    fn a_compacted_chunk_replaces_its_parts() {
        let window = window(&[(0, 4), (4, 4), (0, 16)], 5);
        assert_eq!(window.chunks.len(), 1);
        assert_eq!(window.reach(2, true), 15);
    }

    #[test]
    fn the_reach_ends_at_a_hole() {
        let window = window(&[(0, 4), (4, 4), (12, 4)], 5);
        assert_eq!((window.reach(1, true), window.reach(5, false)), (7, 0));
        assert_eq!((window.reach(13, false), window.reach(9, true)), (12, 9));
    }

    #[test]
    fn a_frame_at_a_time_is_only_told_for_certain() {
        let window = window(&[(4, 4), (8, 4)], 5);
        let at = |micros| window.frame_at(Timestamp::from_micros(micros), 100);
        assert_eq!((at(75), at(79), at(80), at(110)), (Some(7), Some(7), Some(8), Some(11)));
        assert_eq!((at(39), at(111)), (None, None));
    }

    #[test]
    fn the_newest_due_frame_is_the_last_that_the_position_passed() {
        let window = window(&[(4, 4), (8, 4)], 5);
        let due = |n, micros, forwards| window.newest_due(n, Timestamp::from_micros(micros), forwards);
        assert_eq!((due(5, 59, true), due(5, 60, true), due(5, 1000, true)), (5, 6, 11));
        assert_eq!((due(9, 81, false), due(9, 80, false), due(9, 0, false)), (9, 8, 4));
        assert_eq!(due(9, 95, false), 9);
    }
}
