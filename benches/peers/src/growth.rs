//! One session that grows by decades: what a frame costs, what the process holds, and whether others wait for it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use posesession::core::Batch;
use posesession::store::{COMPACT_FRAMES, Term};
use posesession::{ChunkQuery, SessionId, SessionQuery, SessionStore, SqliteStore};
use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;
use crate::durable::{BATCH_FRAMES, start};
use crate::frames::{Frames, long, next_random};
use crate::measure::{Times, own_memory, say};
use crate::peers::chunk_from;

const BATCH: usize = COMPACT_FRAMES as usize;
/// How many frames are recorded and replayed to say what one costs.
const WINDOW: usize = 80 * BATCH;
/// How many groups are compacted while the other session appends.
const BACKLOG: usize = 200;
/// At the first decade so many, or the next one would be over.
const FIRST_BACKLOG: usize = 50;
const SEEKS: usize = 200;

/// What was measured once a session had so many frames.
#[derive(Debug, Clone, Default)]
pub struct Decade {
    pub frames: usize,
    /// Of recording with compaction, a frame.
    pub record_us: f64,
    pub record_cpu_us: f64,
    pub replay_us: f64,
    pub list_ms: f64,
    pub seek: Times,
    /// Another session's acknowledgements while nothing else happens, and while this one is compacted.
    pub ack_quiet: Times,
    pub ack_compacting: Times,
    /// Of the process, at most, since the decade before.
    pub memory: u64,
}

struct Growing {
    store: Arc<SqliteStore>,
    id: SessionId,
    term: Term,
    recording: Frames,
    frames: usize,
    most_memory: u64,
}

/// Records a session up to `most` frames and measures at each decade from 10,000 on.
pub async fn measure(folder: &Path, recording: &Frames, most: usize) -> Outcome<Vec<Decade>> {
    let store = Arc::new(SqliteStore::open(folder.join("growth.db")).await?);
    let (id, term) = start(store.as_ref(), &recording.skeleton).await?;
    let recording = recording.clone();
    let mut growing = Growing { store, id, term, recording, frames: 0, most_memory: 0 };
    let mut decades = Vec::new();
    let mut frames = 10_000;
    while frames <= most {
        say(&format!("a session grows to {frames} frames"));
        while growing.frames < frames {
            growing.record(true).await?;
        }
        decades.push(growing.decade(frames).await?);
        frames *= 10;
    }
    growing.store.close().await;
    Ok(decades)
}

impl Growing {
    /// Appends a batch and compacts; returns how long both took, and the processors' time.
    async fn record(&mut self, compact: bool) -> Outcome<(Duration, f64)> {
        let frames = long(&self.recording, self.frames, BATCH);
        let chunk = chunk_from(&frames, 0..BATCH, self.frames as u64)?;
        let batch = Batch { chunk: Some(chunk), ..Batch::default() };
        let (begin, cpu) = (Instant::now(), cpu_s());
        self.store.append(self.id, self.term, &batch).await?;
        if compact {
            self.store.compact(self.id, false).await?;
        }
        self.frames += BATCH;
        self.most_memory = self.most_memory.max(own_memory());
        Ok((begin.elapsed(), cpu_s() - cpu))
    }

    async fn decade(&mut self, frames: usize) -> Outcome<Decade> {
        let mut decade = Decade { frames, ..Decade::default() };
        let (mut times, mut cpu) = (Times::default(), 0.0);
        for _ in 0..WINDOW / BATCH {
            let (time, cpu_time) = self.record(true).await?;
            times.push(time);
            cpu += cpu_time;
        }
        decade.record_us = times.median_s() * 1e6 / BATCH as f64;
        decade.record_cpu_us = cpu * 1e6 / WINDOW as f64;
        self.read(&mut decade).await?;
        decade.ack_quiet = self.acks(false).await?;
        decade.ack_compacting = self.acks(true).await?;
        decade.memory = std::mem::take(&mut self.most_memory);
        Ok(decade)
    }

    /// Lists, replays the last frames chunk by chunk as a cursor does, and seeks.
    async fn read(&mut self, decade: &mut Decade) -> Outcome<()> {
        let mut lists = Times::default();
        for _ in 0..50 {
            let begin = Instant::now();
            self.store.list_sessions(&SessionQuery::default()).await?;
            lists.push(begin.elapsed());
        }
        decade.list_ms = lists.percentile_ms(50);
        let mut chunks = Times::default();
        let mut next = self.frames - WINDOW;
        while next < self.frames {
            let begin = Instant::now();
            let chunk = self.store.covering_chunk(self.id, ChunkQuery::Frame(next as u64)).await?;
            chunks.push(begin.elapsed());
            next = usize::try_from(chunk.extent.end_frame())?;
        }
        decade.replay_us = chunks.median_s() * 1e6 / BATCH as f64;
        let mut random = 7;
        for _ in 0..SEEKS {
            let frame = next_random(&mut random) % self.frames as u64;
            let begin = Instant::now();
            self.store.covering_chunk(self.id, ChunkQuery::Frame(frame)).await?;
            decade.seek.push(begin.elapsed());
        }
        self.most_memory = self.most_memory.max(own_memory());
        Ok(())
    }

    /// Another session appends small batches one after the other, while this one's backlog is compacted or nothing is.
    async fn acks(&mut self, compacting: bool) -> Outcome<Times> {
        let backlog = if self.frames < 100_000 { FIRST_BACKLOG } else { BACKLOG };
        for _ in 0..backlog {
            self.record(false).await?;
        }
        let (store, id) = (Arc::clone(&self.store), self.id);
        if !compacting {
            store.compact(id, false).await?;
        }
        let (other, term) = start(self.store.as_ref(), &self.recording.skeleton).await?;
        let frames = long(&self.recording, 0, 1_024 * BATCH_FRAMES);
        let mut compaction = compacting.then(|| tokio::spawn(async move { store.compact(id, false).await }));
        let (mut acks, begin) = (Times::default(), Instant::now());
        for batch in 0..1_024 {
            let is_over = match &compaction {
                Some(task) => task.is_finished(),
                None => begin.elapsed() > Duration::from_millis(250),
            };
            if is_over {
                break;
            }
            let first = batch * BATCH_FRAMES;
            let chunk = chunk_from(&frames, first..first + BATCH_FRAMES, first as u64)?;
            let begin = Instant::now();
            self.store.append(other, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await?;
            acks.push(begin.elapsed());
        }
        if let Some(task) = compaction.take() {
            task.await??;
        }
        self.store.erase_session(other).await?;
        Ok(acks)
    }
}

/// The processors' time that this process has had, in seconds.
fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
