//! Many recordings at once, each batch on the disk before it is acknowledged: posesession beside a row of JSON a frame.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use posesession::core::{Batch, Skeleton};
use posesession::store::{COMPACT_FRAMES, Term};
use posesession::{NewSession, SessionId, SessionStore, SqliteStore};
use rusqlite::Connection;
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
#[derive(Debug, Clone, Default)]
pub struct Durable {
    pub name: &'static str,
    pub ack: Times,
    frames: usize,
    time: Duration,
}

impl Durable {
    pub fn frames_per_s(&self) -> f64 {
        self.frames as f64 / self.time.as_secs_f64()
    }

    fn add(&mut self, batches: usize, begin: Instant) {
        self.frames += batches * BATCH_FRAMES;
        self.time += begin.elapsed();
    }
}

/// How many turns each has: the disk is shared, and never the same for long.
const TURNS: usize = 4;

/// Measures both, in turns. Each of `sessions` appends `batches` batches, and a sixteenth of them as rows.
pub fn measure(
    folder: &Path,
    frames: &Arc<Frames>,
    sessions: usize,
    batches: usize,
) -> Outcome<[Durable; 2]> {
    let db = create_rows(&folder.join("rows.db"), "WAL")?;
    let store = Arc::new(runtime().block_on(SqliteStore::open(folder.join("durable.db")))?);
    let recordings = runtime().block_on(async {
        let mut recordings = Vec::new();
        for _ in 0..sessions {
            recordings.push(start(store.as_ref(), &frames.skeleton).await?);
        }
        Outcome::Ok(recordings)
    })?;
    let mut ours = Durable { name: "posesession", ..Durable::default() };
    let mut rows = Durable { name: "SQLite, a row of JSON a frame", ..Durable::default() };
    for turn in 0..TURNS {
        say(&format!("{sessions} sessions at once, turn {} of {TURNS}: posesession", turn + 1));
        let part = |batches: usize| (turn * batches).div_ceil(TURNS)..((turn + 1) * batches).div_ceil(TURNS);
        runtime().block_on(chunks(&store, frames, &recordings, part(batches), &mut ours))?;
        say(&format!("{sessions} sessions at once, turn {} of {TURNS}: rows", turn + 1));
        insert_rows(&db, frames, sessions, part(batches.div_ceil(16)), &mut rows)?;
    }
    runtime().block_on(store.close());
    Ok([ours, rows])
}

async fn chunks(
    store: &Arc<SqliteStore>,
    frames: &Arc<Frames>,
    recordings: &[(SessionId, Term)],
    batches: Range<usize>,
    measured: &mut Durable,
) -> Outcome<()> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, &(id, term)) in recordings.iter().enumerate() {
        let (store, frames, batches) = (Arc::clone(store), Arc::clone(frames), batches.clone());
        tasks.spawn(async move {
            let mut acks = Vec::with_capacity(batches.len());
            let mut compactions = JoinSet::new();
            for batch in batches {
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
    while let Some(acks) = tasks.join_next().await {
        acks??.into_iter().for_each(|time| measured.ack.push(time));
    }
    measured.add(recordings.len() * batches.len(), begin);
    Ok(())
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
fn source(frames: &Frames, session: usize, batch: usize) -> Range<usize> {
    let batches = frames.len() / BATCH_FRAMES;
    let first = (session * 89 + batch) % batches * BATCH_FRAMES;
    first..first + BATCH_FRAMES
}

/// Adds the rows of some batches of all sessions.
fn insert_rows(
    db: &Connection,
    frames: &Frames,
    sessions: usize,
    batches: Range<usize>,
    measured: &mut Durable,
) -> Outcome<()> {
    let names: Vec<String> = (0..sessions).map(|n| format!("019a0000-0000-7000-8000-{n:012}")).collect();
    let place = |turn: usize| (turn % sessions, batches.start + turn / sessions);
    let mut turn = 0;
    let begin = Instant::now();
    in_order(
        ranges(sessions * batches.len(), 1),
        |turn, _| {
            let (session, batch) = place(turn);
            let texts = source(frames, session, batch);
            Ok(texts.map(|n| to_json(&frames.skeleton, frames.frame(n))).collect())
        },
        |texts: Vec<String>| {
            let (session, batch) = place(turn);
            turn += 1;
            let begin = Instant::now();
            let transaction = db.unchecked_transaction()?;
            for (n, text) in texts.iter().enumerate() {
                json_row(db, &names[session], frames, batch * BATCH_FRAMES + n, text)?;
            }
            transaction.commit()?;
            measured.ack.push(begin.elapsed());
            Ok(())
        },
    )?;
    measured.add(sessions * batches.len(), begin);
    Ok(())
}
