//! A session store of one's own: one that measures another, and keeps every promise of the contract.
//!
//! `cargo run --example custom_store` runs the conformance suite on it and prints what it measured;
//! `cargo test --example custom_store` runs the suite as one named test a promise.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use posesession::core::{ChunkIndex, EncodedChunk, User, UserId};
use posesession::store::{
    Appended, Compacted, EncodedRun, EncodedStoredChunk, Finding, NewUser, PublisherProgress, SessionChange,
    SessionPage, SessionTotals, StoredChunk, Term, check_session_store,
};
use posesession::{
    Batch, Chunk, ChunkQuery, Encoding, Marker, MemoryStore, NewSession, SessionId, SessionQuery,
    SessionRecording, SessionStatus, SessionStore, Skeleton, StoreError, SyntheticPose,
};

/// Measures how long each method of another store takes, and counts its refusals.
#[derive(Debug)]
struct MeteredStore<S> {
    store: S,
    methods: Mutex<BTreeMap<&'static str, Measured>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    calls: u32,
    refusals: u32,
    total: Duration,
    longest: Duration,
}

impl<S: SessionStore> MeteredStore<S> {
    fn new(store: S) -> Self {
        Self { store, methods: Mutex::default() }
    }

    async fn measure<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        let result = call.await;
        let took = start.elapsed();
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        let measured = methods.entry(method).or_default();
        measured.calls += 1;
        measured.refusals += u32::from(result.is_err());
        measured.total += took;
        measured.longest = measured.longest.max(took);
        result
    }

    fn print(&self) {
        println!("{:<16} {:>6} {:>8} {:>10} {:>10}", "method", "calls", "refused", "mean", "longest");
        for (method, m) in &*self.methods.lock().unwrap_or_else(PoisonError::into_inner) {
            let mean = m.total / m.calls.max(1);
            println!("{method:<16} {:>6} {:>8} {mean:>10.1?} {:>10.1?}", m.calls, m.refusals, m.longest);
        }
    }
}

/// Writes the methods that measure the same method of the store behind.
macro_rules! metered {
    ($($method:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl<S: SessionStore> SessionStore for MeteredStore<S> {
            fn is_durable(&self) -> bool {
                self.store.is_durable()
            }

            $(
                async fn $method(&self, $($name: $kind),*) -> Result<$answer, StoreError> {
                    self.measure(stringify!($method), self.store.$method($($name),*)).await
                }
            )*
        }
    };
}

metered! {
    create_session(new: NewSession) -> SessionRecording;
    read_session(id: SessionId) -> SessionRecording;
    list_sessions(query: &SessionQuery) -> SessionPage;
    count_sessions(query: &SessionQuery) -> HashMap<SessionStatus, SessionTotals>;
    update_session(id: SessionId, change: SessionChange) -> SessionRecording;
    delete_session(id: SessionId, at: DateTime<Utc>) -> ();
    restore_session(id: SessionId) -> SessionRecording;
    deleted_sessions(deleted_before: DateTime<Utc>) -> Vec<SessionId>;
    erase_session(id: SessionId) -> ();
    create_user(new: NewUser) -> User;
    read_user(id: UserId) -> User;
    list_users() -> Vec<User>;
    update_user(user: User) -> User;
    delete_user(id: UserId) -> ();
    begin_term(id: SessionId) -> Term;
    append(id: SessionId, term: Term, batch: &Batch) -> Appended;
    append_encoded(id: SessionId, term: Term, run: EncodedRun) -> Appended;
    set_publisher(id: SessionId, term: Term, publisher: &str, settled_through: Option<u64>) -> ();
    progress(id: SessionId) -> PublisherProgress;
    compact(id: SessionId, remainder: bool) -> Compacted;
    chunk_index(id: SessionId) -> ChunkIndex;
    covering_chunk(id: SessionId, query: ChunkQuery) -> StoredChunk;
    encoded_chunk(id: SessionId, query: ChunkQuery) -> EncodedStoredChunk;
    encoded_chunks(id: SessionId, frames: Range<u64>) -> Vec<EncodedStoredChunk>;
    markers(id: SessionId) -> Vec<Marker>;
    finish(id: SessionId, term: Term, status: SessionStatus) -> SessionRecording;
    session_key(id: SessionId) -> u32;
    begin_recode(id: SessionId, to: &Encoding) -> SessionRecording;
    replace_chunk(id: SessionId, replaced: &EncodedChunk, by: &EncodedChunk) -> bool;
    end_recode(id: SessionId) -> SessionRecording;
    interrupt_live_sessions() -> Vec<SessionId>;
    self_check(only: &[SessionId]) -> Vec<Finding>;
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let report = check_session_store!(MeteredStore::new(MemoryStore::new()));
    let broken: Vec<_> = report.iter().filter(|(_, kept)| !kept).map(|(promise, _)| promise).collect();
    println!("{} of {} promises kept\n", report.len() - broken.len(), report.len());
    for promise in &broken {
        println!("broken: {promise}");
    }
    tokio::runtime::Runtime::new()?.block_on(record_and_read())?;
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Records a minute of a synthetic person and reads it back, to have something to measure.
async fn record_and_read() -> Result<(), Box<dyn std::error::Error>> {
    let store = MeteredStore::new(MemoryStore::new());
    let skeleton = Skeleton::preset("mediapipe_33")?;
    let camera = SyntheticPose::new(&skeleton, 30.0);
    let session = store.create_session(NewSession::named("Squat")).await?.id;
    let term = store.begin_term(session).await?;
    for first in (0..1_800).step_by(8) {
        let mut chunk = Chunk::new(first, skeleton.layout());
        for n in first..first + 8 {
            let (timestamp, pose) = camera.frame(n);
            chunk.push(timestamp, &pose)?;
        }
        let batch = Batch { chunk: Some(chunk), skeleton: Some(skeleton.clone()), ..Batch::default() };
        store.append(session, term, &batch).await?;
    }
    store.finish(session, term, SessionStatus::Completed).await?;
    for n in 0..1_800 {
        store.covering_chunk(session, ChunkQuery::Frame(n)).await?;
    }
    assert_eq!(store.read_session(session).await?.frame_count, 1_800);
    store.print();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{MemoryStore, MeteredStore};

    posesession::store::session_store_conformance!(MeteredStore::new(MemoryStore::new()));
}
