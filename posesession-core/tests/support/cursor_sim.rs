//! A replay in virtual time: a session, a store that serves its chunks, a cursor, and what a viewer saw.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use posesession_core::{
    Chunk, ChunkQuery, CursorError, CursorOutput, Layout, PlaybackState, PlaybackStatus, PoseData,
    ReplayCursor, SeekMode, SeekTarget, SessionExtent, Timestamp,
};

pub(crate) fn micros(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(crate) fn at(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A frame that was shown, and when.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    pub(crate) now: Duration,
    pub(crate) epoch: u32,
    pub(crate) frame: u64,
    pub(crate) timestamp: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) now: Duration,
    pub(crate) cursor: ReplayCursor,
    /// All frames the session will ever have.
    pub(crate) timestamps: Vec<Timestamp>,
    /// How many of them are stored by now.
    pub(crate) stored: u64,
    /// The numbers with which the store's chunks begin; always with 0.
    pub(crate) cuts: BTreeSet<u64>,
    /// Whether read-ahead is served.
    pub(crate) reads_ahead: bool,
    pub(crate) shown: Vec<Shown>,
    pub(crate) states: Vec<(Duration, PlaybackState)>,
    pub(crate) failed_seeks: Vec<CursorError>,
    pub(crate) chunks_asked_for: usize,
    handed_out: Vec<Weak<Chunk>>,
}

impl Sim {
    /// A finished session in chunks of `chunk_frames`.
    pub(crate) fn new(timestamps: Vec<Timestamp>, chunk_frames: u64) -> Self {
        let stored = timestamps.len() as u64;
        Self::with_stored(timestamps, chunk_frames, stored, false)
    }

    /// A finished session of `frames` frames, 100 ms apart.
    pub(crate) fn regular(frames: i64, chunk_frames: u64) -> Self {
        Self::new((0..frames).map(|n| micros(n * 100_000)).collect(), chunk_frames)
    }

    /// A session of which `stored` frames are stored, in chunks of `chunk_frames`.
    pub(crate) fn with_stored(
        timestamps: Vec<Timestamp>,
        chunk_frames: u64,
        stored: u64,
        live: bool,
    ) -> Self {
        let cuts = (0..timestamps.len().max(1) as u64).step_by(chunk_frames as usize).collect();
        let mut sim = Self {
            now: Duration::from_secs(100),
            cursor: ReplayCursor::new(SessionExtent::default()),
            timestamps,
            stored,
            cuts,
            reads_ahead: true,
            shown: Vec::new(),
            states: Vec::new(),
            failed_seeks: Vec::new(),
            chunks_asked_for: 0,
            handed_out: Vec::new(),
        };
        sim.cursor = ReplayCursor::new(sim.extent(live));
        sim
    }

    /// The same session in other chunks.
    pub(crate) fn with_cuts(mut self, cuts: BTreeSet<u64>) -> Self {
        self.cuts = cuts;
        self
    }

    pub(crate) fn extent(&self, live: bool) -> SessionExtent {
        let last = self.stored.checked_sub(1).map(|n| self.timestamps[n as usize]);
        SessionExtent { frame_count: self.stored, duration: last.unwrap_or(Timestamp::ZERO), live }
    }

    /// Stores frames up to `stored`, and tells the cursor.
    pub(crate) fn record(&mut self, stored: u64, live: bool) {
        self.stored = stored.clamp(self.stored, self.timestamps.len() as u64);
        self.cursor.extend(self.now, self.extent(live));
    }

    /// What a linear scan finds at or before a moment.
    pub(crate) fn last_at_or_before(&self, t: Timestamp) -> Option<u64> {
        let stored = &self.timestamps[..self.stored as usize];
        if stored.is_empty() { None } else { Some(stored.iter().rposition(|&s| s <= t).unwrap_or(0) as u64) }
    }

    /// The chunk that a store would answer.
    pub(crate) fn covering_chunk(&mut self, query: ChunkQuery) -> Option<Arc<Chunk>> {
        let n = match query {
            ChunkQuery::Frame(n) => (n < self.stored).then_some(n),
            ChunkQuery::Time(t) => self.last_at_or_before(t),
        }?;
        let first = *self.cuts.range(..=n).next_back().unwrap();
        let end = self.cuts.range(n + 1..).next().copied().unwrap_or(u64::MAX).min(self.stored);
        let mut chunk = Chunk::new(first, Layout::default());
        for timestamp in &self.timestamps[first as usize..end as usize] {
            chunk.push(*timestamp, &PoseData::nobody()).unwrap();
        }
        let chunk = Arc::new(chunk);
        self.handed_out.retain(|weak| weak.strong_count() > 0);
        self.handed_out.push(Arc::downgrade(&chunk));
        Some(chunk)
    }

    /// How many chunks the cursor holds.
    pub(crate) fn chunks_held(&self) -> usize {
        self.handed_out.iter().filter(|weak| weak.strong_count() > 0).count()
    }

    pub(crate) fn serve(&mut self, query: ChunkQuery) {
        self.chunks_asked_for += 1;
        match self.covering_chunk(query) {
            Some(chunk) => self.cursor.push_chunk(self.now, query, chunk).unwrap(),
            None => self.cursor.fail_chunk(self.now, query, "no such frame"),
        }
    }

    pub(crate) fn serve_read_ahead(&mut self) {
        if let Some(query) = self.cursor.wanted() {
            self.serve(query);
        }
    }

    /// Polls once and notes what a viewer gets.
    pub(crate) fn poll(&mut self) -> CursorOutput {
        let output = self.cursor.poll(self.now);
        match &output {
            CursorOutput::Frame(shown) => self.shown.push(Shown {
                now: self.now,
                epoch: shown.epoch,
                frame: shown.frame().frame_number,
                timestamp: shown.frame().timestamp,
            }),
            CursorOutput::StateChanged(state) => self.states.push((self.now, state.clone())),
            CursorOutput::SeekFailed(error) => self.failed_seeks.push(error.clone()),
            _ => {}
        }
        output
    }

    /// Polls and serves chunks until there is nothing left to do now, and returns what is waited for.
    pub(crate) fn settle(&mut self) -> CursorOutput {
        for _ in 0..1000 {
            let output = self.poll();
            match output {
                CursorOutput::NeedChunk(query) => self.serve(query),
                CursorOutput::Frame(_) | CursorOutput::StateChanged(_) | CursorOutput::SeekFailed(_) => {}
                wait => {
                    if !self.reads_ahead || self.cursor.wanted().is_none() {
                        return wait;
                    }
                    self.serve_read_ahead();
                }
            }
        }
        panic!("the cursor never settles at {:?}: {:?}", self.now, self.cursor);
    }

    /// Lets `duration` pass, polling whenever the cursor asks for it.
    pub(crate) fn run(&mut self, duration: Duration) -> CursorOutput {
        let end = self.now + duration;
        loop {
            match self.settle() {
                CursorOutput::WaitUntil(later) if later <= end => {
                    assert!(later > self.now, "a wait ends later than it begins");
                    self.now = later;
                }
                _ => break,
            }
        }
        self.now = end;
        self.settle()
    }

    /// Plays until there is nothing to wait for but a command or a recording.
    pub(crate) fn run_out(&mut self) -> CursorOutput {
        for _ in 0..1_000_000 {
            match self.settle() {
                CursorOutput::WaitUntil(later) => {
                    assert!(later > self.now, "a wait ends later than it begins");
                    self.now = later;
                }
                output => return output,
            }
        }
        panic!("the cursor never stops");
    }

    pub(crate) fn seek_frame(&mut self, frame: u64) {
        self.cursor.seek(self.now, SeekTarget::Frame(frame), SeekMode::Before).unwrap();
    }

    pub(crate) fn seek_micros(&mut self, t: i64, mode: SeekMode) {
        self.cursor.seek(self.now, SeekTarget::Timestamp(micros(t)), mode).unwrap();
    }

    pub(crate) fn state(&self) -> PlaybackState {
        self.cursor.state(self.now)
    }

    pub(crate) fn status(&self) -> PlaybackStatus {
        self.state().status
    }

    /// The shown frames' numbers; forgets them.
    pub(crate) fn take_shown(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.shown).into_iter().map(|shown| shown.frame).collect()
    }

    /// The announced statuses; forgets them.
    pub(crate) fn take_statuses(&mut self) -> Vec<PlaybackStatus> {
        std::mem::take(&mut self.states).into_iter().map(|(_, state)| state.status).collect()
    }
}
