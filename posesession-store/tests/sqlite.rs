//! What the SQLite store survives: its own death, damage, foreign files; and what its commits cost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use chrono::Utc;
use posesession_core::{Batch, Chunk, ChunkQuery, Frame, SessionId, SessionStatus, Skeleton, SyntheticPose};
use posesession_store::{COMPACT_FRAMES, NewSession, SessionStore, SqliteStore, StoreError, Term};
use rusqlite::Connection;
use tempfile::TempDir;

const CHILD_DATABASE: &str = "POSESESSION_TEST_DATABASE";

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("posesession.db")
}

async fn open(folder: &TempDir) -> SqliteStore {
    SqliteStore::open(path(folder)).await.unwrap()
}

fn skeleton() -> Skeleton {
    Skeleton::preset("mediapipe_33").unwrap()
}

fn chunk(first: u64, end: u64) -> Chunk {
    let skeleton = skeleton();
    let source = SyntheticPose::new(&skeleton, 30.0);
    let mut chunk = Chunk::new(first, skeleton.layout());
    for n in first..end {
        let (timestamp, pose) = source.frame(n);
        chunk.push(timestamp, &pose).unwrap();
    }
    chunk
}

fn batch(first: u64, end: u64) -> Batch {
    Batch {
        chunk: Some(chunk(first, end)),
        skeleton: (first == 0).then(skeleton),
        settled_through: Some(end),
        ..Batch::default()
    }
}

async fn start(store: &SqliteStore) -> (SessionId, Term) {
    let session = store.create_session(NewSession::named("A session")).await.unwrap();
    (session.id, store.begin_term(session.id).await.unwrap())
}

/// Records as a server does: batches of 8 frames, compacted as soon as enough frames are there.
async fn record(store: &SqliteStore, (id, term): (SessionId, Term), frames: std::ops::Range<u64>) {
    for first in frames.clone().step_by(8) {
        store.append(id, term, &batch(first, frames.end.min(first + 8))).await.unwrap();
        if (first + 8) % COMPACT_FRAMES == 0 {
            store.compact(id, false).await.unwrap();
        }
    }
}

async fn assert_frames(store: &SqliteStore, id: SessionId, count: u64) {
    let mut read: Vec<Frame> = Vec::new();
    while (read.len() as u64) < count {
        let stored = store.covering_chunk(id, ChunkQuery::Frame(read.len() as u64)).await.unwrap();
        read.extend(stored.chunk.frames());
    }
    assert!(read.into_iter().eq(chunk(0, count).frames()));
    assert_eq!(store.read_session(id).await.unwrap().frame_count, count);
}

#[tokio::test]
async fn a_reopened_store_has_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let writer = start(&store).await;
    record(&store, writer, 0..600).await;
    let before = store.read_session(writer.0).await.unwrap();
    drop(store);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["posesession.db"], "dropping the store empties the log");
    let store = open(&folder).await;
    assert_eq!(store.read_session(writer.0).await.unwrap(), before);
    assert_eq!(store.progress(writer.0).await.unwrap().settled_through, Some(600));
    assert_frames(&store, writer.0, 600).await;
    assert_eq!(store.interrupt_live_sessions().await.unwrap(), [writer.0]);
    let again = store.begin_term(writer.0).await.unwrap();
    assert!(again > writer.1);
    record(&store, (writer.0, again), 600..616).await;
    assert_frames(&store, writer.0, 616).await;
}

#[tokio::test]
async fn a_closed_store_refuses_calls() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let writer = start(&store).await;
    store.close().await;
    store.close().await;
    let refused = store.append(writer.0, writer.1, &batch(0, 8)).await;
    assert!(matches!(refused, Err(StoreError::Backend { retryable: false, .. })), "{refused:?}");
    assert!(matches!(store.read_session(writer.0).await, Err(StoreError::Backend { .. })));
    let store = open(&folder).await;
    store.append(writer.0, writer.1, &batch(0, 8)).await.unwrap();
}

/// What the child process does: records two sessions and says after each append how many frames are acknowledged.
fn record_until_killed(database: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(database).await.unwrap());
        let tasks = (0..2).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let (id, term) = start(&store).await;
                let mut next = 0;
                loop {
                    store.append(id, term, &batch(next, next + 8)).await.unwrap();
                    next += 8;
                    println!("acknowledged {id} {next}");
                    if next % COMPACT_FRAMES == 0 {
                        store.compact(id, false).await.unwrap();
                    }
                }
            })
        });
        futures::future::join_all(tasks).await;
    });
}

#[tokio::test]
async fn acknowledged_frames_survive_a_kill() {
    if let Ok(database) = std::env::var(CHILD_DATABASE) {
        tokio::task::spawn_blocking(move || record_until_killed(Path::new(&database))).await.unwrap();
        return;
    }
    for lines in [10, 150, 333] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "acknowledged_frames_survive_a_kill", "--nocapture"])
            .env(CHILD_DATABASE, path(&folder))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = std::collections::HashMap::new();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in
            output.by_ref().map(Result::unwrap).filter(|line| line.contains("acknowledged ")).take(lines)
        {
            note(&mut acknowledged, &line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was written before the kill is acknowledged, too; the last line may be torn.
        for line in output.map_while(Result::ok) {
            note(&mut acknowledged, &line);
        }
        assert_eq!(acknowledged.len(), 2);
        let store = open(&folder).await;
        for (id, frames) in acknowledged {
            let stored = store.read_session(id).await.unwrap().frame_count;
            assert!(stored >= frames, "{frames} frames were acknowledged, {stored} are there");
            assert!(stored <= frames + 8, "at most one append was under way");
            assert_frames(&store, id, stored).await;
        }
    }
}

fn note(acknowledged: &mut std::collections::HashMap<SessionId, u64>, line: &str) {
    let mut words = line.split_whitespace().skip_while(|word| *word != "acknowledged").skip(1);
    if let (Some(Ok(id)), Some(Ok(frames))) =
        (words.next().map(str::parse), words.next().map(str::parse::<u64>))
    {
        let most = acknowledged.entry(id).or_default();
        *most = frames.max(*most);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_many_sessions_share_their_commits() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&folder).await);
    let mut writers = Vec::new();
    for _ in 0..64 {
        writers.push(start(&store).await);
    }
    let before = store.commit_count();
    let tasks = writers.iter().map(|&(id, term)| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for first in (0..80).step_by(8) {
                store.append(id, term, &batch(first, first + 8)).await.unwrap();
            }
        })
    });
    futures::future::join_all(tasks).await.into_iter().for_each(Result::unwrap);
    let commits = store.commit_count() - before;
    println!("640 appends of 64 sessions took {commits} commits");
    // Some 20 where a sync takes milliseconds; more where it takes none, as in a folder in memory.
    assert!(commits < 320, "640 appends took {commits} commits");
    for (id, _) in writers {
        assert_frames(&store, id, 80).await;
    }
}

#[test]
fn an_append_is_synced_before_it_returns() {
    if let Ok(database) = std::env::var(CHILD_DATABASE) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::open(&database).await.unwrap();
            let (id, term) = start(&store).await;
            for n in 0..5 {
                std::fs::create_dir(format!("{database}-start-{n}")).unwrap();
                store.append(id, term, &batch(n * 8, n * 8 + 8)).await.unwrap();
                std::fs::create_dir(format!("{database}-done-{n}")).unwrap();
            }
        });
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let run = Command::new("strace")
        .args(["-f", "-y", "-qq", "-s", "200", "-e", "trace=fsync,fdatasync,pwrite64,mkdir", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "an_append_is_synced_before_it_returns"])
        .env(CHILD_DATABASE, path(&folder))
        .output()
        .expect("this test needs strace: install it (`apt-get install strace`) and allow it to trace");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let calls = std::fs::read_to_string(trace).unwrap();
    for n in 0..5 {
        let append = calls.split_once(&format!("-start-{n}")).unwrap().1;
        let append = append.split_once(&format!("-done-{n}")).unwrap().0;
        let log: Vec<_> = append.lines().filter(|line| line.contains("posesession.db-wal")).collect();
        assert!(log.iter().any(|line| line.contains("pwrite64(")), "nothing was written:\n{append}");
        let last = log.last().unwrap();
        assert!(last.contains("sync("), "the last write to the log is not synced:\n{append}");
    }
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).await);
    Connection::open(path(&folder)).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();
    let before = std::fs::read(path(&folder)).unwrap();
    let refused = SqliteStore::open(path(&folder)).await.map(drop);
    let Err(error @ StoreError::NewerSchema { found: 7, known: 3 }) = refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("use a newer posesession"), "{error}");
    assert_eq!(std::fs::read(path(&folder)).unwrap(), before);
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "Not a database. ".repeat(1_000)).unwrap();
    let other = folder.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE mine (x); PRAGMA user_version = 1")
        .unwrap();
    for path in [&text, &other] {
        let before = std::fs::read(path).unwrap();
        let refused = SqliteStore::open(path).await.map(drop);
        let Err(StoreError::NotADatabase { path: named }) = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(named, path);
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
    let nowhere = SqliteStore::open(folder.path().join("no/such/folder.db")).await.map(drop);
    assert!(matches!(nowhere, Err(StoreError::Backend { operation: "open the database", .. })));
}

#[tokio::test]
async fn a_damaged_chunk_is_reported_by_name_and_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let writer = start(&store).await;
    record(&store, writer, 0..COMPACT_FRAMES + 32).await;
    let damaging = Connection::open(path(&folder)).unwrap();
    // The long chunk, a short one's header, a short one's payload, a row that doesn't fit its chunk.
    for (first, damage) in [
        (0, "payload = CAST(substr(payload, 1, 1000) || x'5A5A5A' || substr(payload, 1004) AS BLOB)"),
        (256, "header = CAST(substr(header, 1, 7) || x'FF' || substr(header, 9) AS BLOB)"),
        (264, "payload = CAST(substr(payload, 1, length(payload) - 1) AS BLOB)"),
        (272, "first_timestamp_micros = first_timestamp_micros + 1"),
    ] {
        let sql = format!("UPDATE frame_chunk SET {damage} WHERE first_frame = {first}");
        assert_eq!(damaging.execute(&sql, []).unwrap(), 1);
        let refused = store.covering_chunk(writer.0, ChunkQuery::Frame(first + 3)).await;
        let Err(StoreError::Corrupt { id, what }) = refused else {
            panic!("frame {first}: {refused:?}");
        };
        assert_eq!(id, writer.0);
        assert!(what.contains(&format!("chunk from frame {first}")), "{what}");
    }
    let intact = store.covering_chunk(writer.0, ChunkQuery::Frame(285)).await.unwrap();
    assert_eq!(intact.chunk, chunk(280, 288));
    // The session goes on and can be finished; what is damaged stays for those who repair.
    record(&store, writer, 288..296).await;
    assert!(matches!(store.compact(writer.0, true).await, Err(StoreError::Corrupt { .. })));
    let finished = store.finish(writer.0, writer.1, SessionStatus::Completed).await.unwrap();
    assert_eq!((finished.status, finished.frame_count), (SessionStatus::Completed, 296));
}

#[tokio::test]
async fn rolling_compaction_keeps_the_file_small() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let writer = start(&store).await;
    let frames = 12 * COMPACT_FRAMES;
    record(&store, writer, 0..frames).await;
    let finished = store.finish(writer.0, writer.1, SessionStatus::Completed).await.unwrap();
    assert_frames(&store, writer.0, frames).await;
    drop(store);
    let file = std::fs::metadata(path(&folder)).unwrap().len();
    let (in_file, in_chunks) = (file / frames, finished.stored_bytes / frames);
    println!("{in_file} bytes a frame in the file, {in_chunks} in its chunks, {} raw", 33 * 4 * 4);
    let free: i64 = Connection::open(path(&folder))
        .unwrap()
        .pragma_query_value(None, "freelist_count", |row| row.get(0))
        .unwrap();
    assert_eq!(free, 0, "what short chunks left is given back");
    // Indices, half-filled pages and the rest of the database together.
    assert!(file < finished.stored_bytes * 103 / 100 + 130_000, "{file} bytes for {}", finished.stored_bytes);
}

#[tokio::test]
async fn erased_sessions_leave_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let keep = start(&store).await;
    record(&store, keep, 0..100).await;
    let gone = store.create_session(NewSession::named("canary-in-the-name")).await.unwrap().id;
    let term = store.begin_term(gone).await.unwrap();
    record(&store, (gone, term), 0..10_000).await;
    let size = || std::fs::metadata(path(&folder)).unwrap().len();
    store.delete_session(gone, Utc::now()).await.unwrap();
    store.erase_session(gone).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(18).any(|window| window == b"canary-in-the-name");
        assert!(!found, "the erased session's name is still in a file");
    }
    // 10,000 frames had some 3 MB: pages beyond the spare ones are given back.
    assert!(size() < 5 << 20, "{} bytes are left", size());
    let before = size();
    // The spare pages are used before the file grows.
    let next = start(&store).await;
    record(&store, next, 0..2_000).await;
    store.close().await;
    assert!(size() <= before, "the file grew from {before} to {} bytes", size());
    let store = open(&folder).await;
    assert_frames(&store, keep.0, 100).await;
    assert_frames(&store, next.0, 2_000).await;
}
