//! Many recordings at once, each batch on the disk before it is acknowledged: posesession beside a row of JSON a frame.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use posesession::core::{Batch, Skeleton};
use posesession::store::{COMPACT_FRAMES, Term};
use posesession::{NewSession, SessionId, SessionStore, SqliteStore};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::frames::Frames;
use crate::measure::{Times, say};
use crate::parallel::{in_order, ranges};
use crate::peers::{chunk_from, create_rows, json_row, runtime, to_json};

/// What a recording at 30 fps has in a quarter of a second.
pub const BATCH_FRAMES: usize = 8;
const COMPACT_BATCHES: usize = COMPACT_FRAMES as usize / BATCH_FRAMES;

/// How fast batches became durable.
#[derive(Debug, Clone)]
pub struct Durable {
    pub name: &'static str,
    pub frames_per_s: f64,
    pub ack: Times,
}

/// Measures both. Each of `sessions` appends `batches` batches, and so many in the rows as take about as long.
pub fn measure(
    folder: &Path,
    frames: &Arc<Frames>,
    sessions: usize,
    batches: usize,
) -> Outcome<[Durable; 2]> {
    say(&format!("{sessions} sessions at once, {batches} batches each, each on the disk before its ack"));
    let ours = runtime().block_on(chunks(folder, frames, sessions, batches))?;
    say(&format!("{sessions} sessions, a row of JSON a frame, a transaction a batch"));
    let rows = rows(folder, frames, sessions, batches.div_ceil(16))?;
    Ok([ours, rows])
}

async fn chunks(folder: &Path, frames: &Arc<Frames>, sessions: usize, batches: usize) -> Outcome<Durable> {
    let store = Arc::new(SqliteStore::open(folder.join("durable.db")).await?);
    let mut ids = Vec::new();
    for _ in 0..sessions {
        ids.push(start(store.as_ref(), &frames.skeleton).await?);
    }
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, (id, term)) in ids.into_iter().enumerate() {
        let (store, frames) = (Arc::clone(&store), Arc::clone(frames));
        tasks.spawn(async move {
            let mut acks = Vec::with_capacity(batches);
            let mut compactions = JoinSet::new();
            for batch in 0..batches {
                acks.push(append(store.as_ref(), id, term, &frames, number, batch).await?);
                // Sessions don't start at the same moment, so they are not compacted at the same one.
                if (batch + number) % COMPACT_BATCHES == 0 && batch > 0 {
                    let store = Arc::clone(&store);
                    compactions.spawn(async move { store.compact(id, false).await });
                }
            }
            while let Some(compacted) = compactions.join_next().await {
                compacted??;
            }
            Outcome::Ok(acks)
        });
    }
    let mut ack = Times::default();
    while let Some(acks) = tasks.join_next().await {
        acks??.into_iter().for_each(|time| ack.push(time));
    }
    let time = begin.elapsed();
    store.close().await;
    let total = sessions * batches * BATCH_FRAMES;
    Ok(Durable { name: "posesession", frames_per_s: total as f64 / time.as_secs_f64(), ack })
}

/// Starts a session.
pub async fn start(store: &dyn SessionStore, skeleton: &Skeleton) -> Outcome<(SessionId, Term)> {
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("bench") };
    let id = store.create_session(new).await?.id;
    Ok((id, store.begin_term(id).await?))
}

/// Appends a batch of a session and tells how long its acknowledgement took.
async fn append(
    store: &dyn SessionStore,
    id: SessionId,
    term: Term,
    frames: &Frames,
    session: usize,
    batch: usize,
) -> Outcome<Duration> {
    let first = batch * BATCH_FRAMES;
    let chunk = chunk_from(frames, source(frames, session, batch), first as u64)?;
    let begin = Instant::now();
    store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await?;
    Ok(begin.elapsed())
}

/// Where the frames of a session's batch are.
fn source(frames: &Frames, session: usize, batch: usize) -> std::ops::Range<usize> {
    let batches = frames.len() / BATCH_FRAMES;
    let first = (session * 89 + batch) % batches * BATCH_FRAMES;
    first..first + BATCH_FRAMES
}

fn rows(folder: &Path, frames: &Arc<Frames>, sessions: usize, batches: usize) -> Outcome<Durable> {
    let db = create_rows(&folder.join("rows.db"), "WAL")?;
    let names: Vec<String> = (0..sessions).map(|n| format!("019a0000-0000-7000-8000-{n:012}")).collect();
    let mut ack = Times::default();
    let mut next = 0;
    let begin = Instant::now();
    in_order(
        ranges(sessions * batches, 1),
        |turn, _| {
            let texts = source(frames, turn % sessions, turn / sessions);
            Ok(texts.map(|n| to_json(&frames.skeleton, frames.frame(n))).collect())
        },
        |texts: Vec<String>| {
            let (session, batch) = (next % sessions, next / sessions);
            next += 1;
            let begin = Instant::now();
            let transaction = db.unchecked_transaction()?;
            for (n, text) in texts.iter().enumerate() {
                json_row(&db, &names[session], frames, batch * BATCH_FRAMES + n, text)?;
            }
            transaction.commit()?;
            ack.push(begin.elapsed());
            Ok(())
        },
    )?;
    let total = sessions * batches * BATCH_FRAMES;
    let name = "SQLite, a row of JSON a frame";
    Ok(Durable { name, frames_per_s: total as f64 / begin.elapsed().as_secs_f64(), ack })
}
