//! The Postgres store beside the schema taken literally: one row of JSON a frame, in the same server, as durable, in one run.
//!
//! `make bench-postgres`. It prints a figure a line. What is recorded is a real model's output (`testdata/recordings`), over
//! and over; each session sends its next frames once the last ones are committed.

use std::fs;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use posesession::core::Encoding;
use posesession::store::{COMPACT_FRAMES, EncodedRun};
use posesession::{
    Batch, Chunk, ChunkQuery, NewSession, PoseData, PostgresOptions, PostgresStore, SentPose, SessionStatus,
    SessionStore, Skeleton, Timestamp,
};
use scratch_postgres::ScratchPostgres;
use serde_json::value::RawValue;
use sqlx::{Connection as _, Executor as _, PgConnection};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// How many recordings are under way at once, each with a connection of its own in the literal schema.
const SESSIONS: u64 = 64;
/// How many frames a recording at 30 fps has in 250 ms.
const APPEND_FRAMES: u64 = 8;
/// How many frames such a recording has in the minute after which Postgres vacuums, and how many such minutes there are.
const MINUTE_FRAMES: u64 = 1_800;
const MINUTES: u64 = 20;
const LONG_SESSION_FRAMES: u64 = 1_000_000;

/// The literal schema, as an ORM makes it.
const LITERAL: &str = "CREATE TABLE session_frame (
    id bigserial PRIMARY KEY, session_id uuid NOT NULL, timestamp double precision NOT NULL, frame_number integer NOT NULL,
    pose_data jsonb NOT NULL, image_path text, UNIQUE (session_id, frame_number))";

#[derive(serde::Deserialize)]
struct Line {
    pose_data: Box<RawValue>,
}

/// A real recording's poses, as a model's user dumps them and as the library holds them.
struct Walk {
    skeleton: Skeleton,
    json: Vec<String>,
    poses: Vec<PoseData>,
}

impl Walk {
    fn read() -> Outcome<Self> {
        let skeleton = Skeleton::preset("mediapipe_33")?;
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/recordings/walk_mediapipe_33.jsonl");
        let (mut json, mut poses) = (Vec::new(), Vec::new());
        for line in fs::read_to_string(path)?.lines() {
            let line: Line = serde_json::from_str(line)?;
            let sent: SentPose = serde_json::from_str(line.pose_data.get())?;
            let pose = sent.resolve(&skeleton)?;
            // Frames in which nobody is seen would flatter everyone.
            if !pose.track_ids.is_empty() {
                json.push(line.pose_data.get().to_owned());
                poses.push(pose);
            }
        }
        Ok(Self { skeleton, json, poses })
    }

    fn place(&self, number: u64) -> usize {
        usize::try_from(number).unwrap_or(0) % self.poses.len()
    }

    fn chunk(&self, first: u64, frames: u64) -> Outcome<Chunk> {
        let mut chunk = Chunk::new(first, self.skeleton.layout());
        for number in first..first + frames {
            let timestamp = Timestamp::from_micros(33_333 * number.cast_signed());
            chunk.push(timestamp, &self.poses[self.place(number)])?;
        }
        Ok(chunk)
    }
}

/// Records one session into the literal schema, `rows` frames a statement, and each statement a transaction.
async fn record_literally(walk: &Walk, url: &str, frames: u64, rows: u64) -> Outcome<()> {
    let mut db = PgConnection::connect(url).await?;
    let session = NewSession::named("literal").id.to_string();
    for first in (0..frames).step_by(usize::try_from(rows)?) {
        let numbers: Vec<i32> = (first..first + rows).map(i32::try_from).collect::<Result<_, _>>()?;
        let times: Vec<f64> = numbers.iter().map(|number| f64::from(*number) / 30.0).collect();
        let poses: Vec<&str> = (first..first + rows).map(|number| &*walk.json[walk.place(number)]).collect();
        sqlx::query(
            "INSERT INTO session_frame (session_id, timestamp, frame_number, pose_data)
             SELECT $1::uuid, t, n, p::jsonb FROM unnest($2::float8[], $3::int4[], $4::text[]) AS f (t, n, p)",
        )
        .bind(&session)
        .bind(times)
        .bind(numbers)
        .bind(poses)
        .execute(&mut db)
        .await?;
    }
    Ok(db.close().await?)
}

/// Records one session into the store, compacting as a server does, to its end.
async fn record(walk: &Walk, store: &PostgresStore, frames: u64) -> Outcome<()> {
    let new = NewSession { skeleton: Some(walk.skeleton.clone()), ..NewSession::named("ours") };
    let id = store.create_session(new).await?.id;
    let term = store.begin_term(id).await?;
    for first in (0..frames).step_by(usize::try_from(APPEND_FRAMES)?) {
        let chunk = Some(walk.chunk(first, APPEND_FRAMES)?);
        store.append(id, term, &Batch { chunk, ..Batch::default() }).await?;
        if (first + APPEND_FRAMES).is_multiple_of(COMPACT_FRAMES) {
            store.compact(id, false).await?;
        }
    }
    store.finish(id, term, SessionStatus::Completed).await?;
    Ok(())
}

fn per_second(frames: u64, took: Duration) -> f64 {
    frames as f64 / took.as_secs_f64()
}

async fn throughput(walk: &Walk, url: &str, store: &PostgresStore) -> Outcome<()> {
    println!("{SESSIONS} recordings at once, each acknowledged before it goes on:");
    let mut literal = Vec::new();
    for (rows, frames, name) in
        [(1, 64, "a row of JSON a frame, single inserts"), (APPEND_FRAMES, 512, "8 rows an insert")]
    {
        let began = Instant::now();
        try_join_all((0..SESSIONS).map(|_| record_literally(walk, url, frames, rows))).await?;
        literal.push(per_second(SESSIONS * frames, began.elapsed()));
        println!("  {name:<40} {:>9.0} frames/s", literal[literal.len() - 1]);
    }
    let began = Instant::now();
    let frames = 1_024;
    try_join_all((0..SESSIONS).map(|_| record(walk, store, frames))).await?;
    let ours = per_second(SESSIONS * frames, began.elapsed());
    println!(
        "  {:<40} {ours:>9.0} frames/s: {:.1} x the single inserts, {:.1} x 8 rows an insert",
        "posesession, compacted to the end",
        ours / literal[0],
        ours / literal[1]
    );
    Ok(())
}

/// Records minute after minute, vacuuming in between as Postgres does by itself, and compares what is on the disk.
async fn size(walk: &Walk, server: &ScratchPostgres) -> Outcome<()> {
    let (literal, ours) = (server.schema(), server.schema());
    let store = PostgresStore::connect(&ours, PostgresOptions::default()).await?;
    server.sql_at(&literal, LITERAL);
    for _ in 0..MINUTES {
        record_literally(walk, &literal, MINUTE_FRAMES, 100).await?;
        record(walk, &store, MINUTE_FRAMES).await?;
        server.sql_at(&ours, "VACUUM");
    }
    server.sql_at(&literal, "VACUUM");
    let total = "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
                 WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace";
    let per_frame = |url: &str| -> Outcome<f64> {
        Ok(server.sql_at(url, total).parse::<f64>()? / (MINUTES * MINUTE_FRAMES) as f64)
    };
    let (literal, ours) = (per_frame(&literal)?, per_frame(&ours)?);
    println!("on disk, with indices, {MINUTES} finished sessions of a minute:");
    println!("  {:<40} {literal:>9.0} bytes a frame", "a row of JSON a frame (TOAST as default)");
    println!("  {:<40} {ours:>9.0} bytes a frame: {:.1} x smaller", "posesession", literal / ours);
    Ok(())
}

async fn first_frame(walk: &Walk, store: &PostgresStore) -> Outcome<()> {
    let new = NewSession { skeleton: Some(walk.skeleton.clone()), ..NewSession::named("long") };
    let id = store.create_session(new).await?.id;
    let term = store.begin_term(id).await?;
    for first in (0..LONG_SESSION_FRAMES).step_by(usize::try_from(COMPACT_FRAMES)?) {
        let frames = COMPACT_FRAMES.min(LONG_SESSION_FRAMES - first);
        let run = EncodedRun::encode(&walk.chunk(first, frames)?, &Encoding::Columnar, None)?;
        store.append_encoded(id, term, run).await?;
    }
    println!("a session of {LONG_SESSION_FRAMES} frames, from the request to the decoded frame:");
    for (name, step) in [("the first frame", 0), ("a frame anywhere", 7_919 * 127)] {
        let mut took = Vec::new();
        for n in 0..1_000 {
            let began = Instant::now();
            let frame = (n * step) % LONG_SESSION_FRAMES;
            store.read_session(id).await?;
            let chunk = store.covering_chunk(id, ChunkQuery::Frame(frame)).await?.chunk;
            chunk.frame(frame).ok_or("the chunk has the frame")?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        println!("  {name:<40} p50 {:.1?}, p99 {:.1?}", took[500], took[990]);
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let walk = Walk::read()?;
    let server = ScratchPostgres::start();
    println!("Postgres with its own settings: fsync on, full_page_writes on, synchronous_commit on");
    let url = server.schema();
    let store = PostgresStore::connect(&url, PostgresOptions::default()).await?;
    PgConnection::connect(&url).await?.execute(LITERAL).await?;
    throughput(&walk, &url, &store).await?;
    size(&walk, &server).await?;
    first_frame(&walk, &store).await
}
