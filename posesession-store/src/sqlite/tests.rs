//! What only the inside can show: failing commits, failing jobs, query plans.

use std::path::PathBuf;
use std::time::Duration;

use posesession_core::{
    Batch, Chunk, ChunkQuery, Codec, Encoding, MaxError, PoseData, SessionId, Skeleton, Timestamp, Unit,
};
use rusqlite::Connection;
use tempfile::TempDir;

use super::failure::Failure;
use super::writer::Writer;
use super::{SqliteStore, chunks, compaction, connection};
use crate::checks::bad;
use crate::error::StoreError;
use crate::query::{NewSession, SessionQuery, Term};
use crate::sql::Statement;
use crate::store::SessionStore;

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("posesession.db")
}

fn writer(folder: &TempDir, settings: &str) -> Writer {
    let db = connection::open_writer(&path(folder)).unwrap();
    db.execute_batch(settings).unwrap();
    Writer::start(db, path(folder), connection::Access::Write).unwrap()
}

fn add_user(name: &str) -> impl FnOnce(&Connection) -> Result<usize, Failure> + Send + use<> {
    let name = name.to_owned();
    move |db| Ok(db.execute("INSERT INTO account (username, email, password) VALUES (?1, '', '')", [name])?)
}

fn users(folder: &TempDir) -> Vec<String> {
    let db = connection::open_reader(&path(folder)).unwrap();
    let mut statement = db.prepare("SELECT username FROM account WHERE id > 1 ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Makes jobs while the writer is busy with another commit, so that they share the next one.
async fn in_one_commit<T>(writer: &Writer, jobs: impl Future<Output = T>) -> T {
    let (busy, is_busy) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let hold = writer.write("hold the writer", 0, move |_db| {
        busy.send(()).unwrap();
        released.recv_timeout(Duration::from_secs(60)).map_err(|error| bad(error.to_string()).into())
    });
    let queued = async {
        is_busy.await.unwrap();
        // The jobs are polled first, so they are queued when the writer goes on.
        tokio::join!(biased; jobs, async { release.send(()).unwrap() }).0
    };
    let (held, done) = tokio::join!(hold, queued);
    held.unwrap();
    done
}

#[tokio::test]
async fn a_failing_job_does_no_harm_to_the_others_of_its_commit() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(&folder, "");
    let refused = |db: &Connection| -> Result<(), Failure> {
        add_user("half done")(db)?;
        Err(bad("refused".to_owned()).into())
    };
    let broken = |db: &Connection| Ok(db.execute("INSERT INTO nowhere VALUES (1)", [])?);
    let panicking = |db: &Connection| -> Result<(), Failure> {
        add_user("panicking")(db)?;
        panic!("a bug")
    };
    let jobs = async {
        tokio::join!(
            writer.write("add", 0, add_user("one")),
            writer.write("refuse", 0, refused),
            writer.write("break", 0, broken),
            writer.write("panic", 0, panicking),
            writer.write("add", 0, add_user("two")),
        )
    };
    let (one, refused, broken, panicking, two) = in_one_commit(&writer, jobs).await;
    assert!(one.is_ok() && two.is_ok());
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })));
    assert!(matches!(broken, Err(StoreError::Backend { operation: "break", retryable: false, .. })));
    assert!(matches!(panicking, Err(StoreError::Backend { operation: "panic", retryable: false, .. })));
    assert_eq!(users(&folder), ["one", "two"]);
    assert_eq!(writer.commits(), 2, "the five jobs share one commit");
    writer.write("add", 0, add_user("three")).await.unwrap();
}

#[tokio::test]
async fn a_failing_commit_is_told_to_all_and_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(&folder, "");
    // A deferred foreign key is checked by the COMMIT, which fails.
    let poison = |db: &Connection| -> Result<(), Failure> {
        db.execute_batch("PRAGMA defer_foreign_keys = ON; INSERT INTO session_search VALUES (99, '');")?;
        Ok(())
    };
    let jobs =
        async { tokio::join!(writer.write("add", 0, add_user("one")), writer.write("poison", 0, poison)) };
    let (one, poisoned) = in_one_commit(&writer, jobs).await;
    for result in [one.map(drop), poisoned] {
        let Err(StoreError::Backend { retryable: true, source, .. }) = result else {
            panic!("{result:?}");
        };
        assert!(source.to_string().contains("FOREIGN KEY"), "{source}");
    }
    assert_eq!(users(&folder), Vec::<String>::new());
    writer.write("add", 0, add_user("one")).await.unwrap();
    assert_eq!(users(&folder), ["one"]);
}

#[tokio::test]
async fn a_full_disk_is_told_and_what_was_stored_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = {
        let mut store = SqliteStore::open(path(&folder)).await.unwrap();
        store.writer = writer(&folder, "PRAGMA max_page_count = 60");
        store
    };
    let session = store.create_session(NewSession::named("Full")).await.unwrap().id;
    let term = store.begin_term(session).await.unwrap();
    let mut stored = 0;
    let refused = loop {
        match store.append(session, term, &batch(stored, stored + 100)).await {
            Ok(appended) => stored = appended.frame_count,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the disk is never full");
    };
    assert!(matches!(refused, StoreError::Backend { retryable: true, .. }), "{refused:?}");
    assert!(stored > 0);
    assert_eq!(store.read_session(session).await.unwrap().frame_count, stored);
    store.covering_chunk(session, ChunkQuery::Frame(stored - 1)).await.unwrap();
    // There is room again: the new connection has no such limit.
    store.writer.write("fail", 0, |_| Err::<(), _>(rusqlite::Error::InvalidQuery.into())).await.unwrap_err();
    drop(store);
    let store = SqliteStore::open(path(&folder)).await.unwrap();
    store.append(session, term, &batch(stored, stored + 100)).await.unwrap();
}

fn batch(first: u64, end: u64) -> Batch {
    let skeleton = Skeleton::custom(10, &[("x", Unit::Image)]).unwrap();
    let mut chunk = Chunk::new(first, skeleton.layout());
    for n in first..end {
        let timestamp = Timestamp::from_micros(n as i64 * 33_333);
        chunk.push(timestamp, &PoseData::one_person(vec![n as f32 / 3.0; 10])).unwrap();
    }
    Batch { chunk: Some(chunk), skeleton: Some(skeleton), ..Batch::default() }
}

async fn recorded(store: &SqliteStore, frames: u64) -> (SessionId, Term) {
    let session = store.create_session(NewSession::named("A session")).await.unwrap().id;
    let term = store.begin_term(session).await.unwrap();
    for first in (0..frames).step_by(8) {
        store.append(session, term, &batch(first, first + 8)).await.unwrap();
    }
    (session, term)
}

#[tokio::test]
async fn an_erasure_that_broke_off_goes_on_when_the_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(path(&folder)).await.unwrap();
    let (session, _) = recorded(&store, 1_600).await;
    let key = store.writer.write("hide", 0, move |db| compaction::begin_erase(db, session)).await.unwrap();
    assert!(!store.writer.write("erase", 0, move |db| compaction::erase_step(db, key)).await.unwrap());
    assert!(matches!(store.restore_session(session).await, Err(StoreError::SessionNotFound { .. })));
    drop(store);
    drop(SqliteStore::open(path(&folder)).await.unwrap());
    let db = connection::open_reader(&path(&folder)).unwrap();
    for table in ["session_recording", "frame_chunk", "session_search", "skeleton"] {
        let rows: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn the_same_chunks_are_not_replaced_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(path(&folder)).await.unwrap();
    let (session, _) = recorded(&store, 264).await;
    let group = || store.readers.read("read", move |db| compaction::next_group(db, session, false));
    let (one, two) = (group().await.unwrap().unwrap(), group().await.unwrap().unwrap());
    let (one, two) = (one.join().unwrap(), two.join().unwrap());
    assert_eq!(
        store.writer.write("one", 0, move |db| compaction::replace(db, &one)).await.unwrap(),
        Some(32)
    );
    assert_eq!(store.writer.write("two", 0, move |db| compaction::replace(db, &two)).await.unwrap(), None);
    let db = connection::open_reader(&path(&folder)).unwrap();
    let bytes = "SELECT sum(length(header) + length(payload)), count(*) FROM frame_chunk";
    let (bytes, chunks): (i64, i64) = db.query_row(bytes, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(chunks, 2);
    assert_eq!(store.read_session(session).await.unwrap().stored_bytes, bytes.unsigned_abs());
}

#[test]
fn frames_are_found_by_index() {
    let folder = tempfile::tempdir().unwrap();
    let db = connection::open_writer(&path(&folder)).unwrap();
    let plan = |sql: &str| {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = statement.parameter_count();
        let rows =
            statement.query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get::<_, String>(3));
        rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(
        plan(chunks::BY_FRAME),
        "SEARCH frame_chunk USING INTEGER PRIMARY KEY (rowid=?); SCALAR SUBQUERY 1; \
         SEARCH frame_chunk USING COVERING INDEX sqlite_autoindex_frame_chunk_1 (session_key=? AND first_frame<?)"
    );
    assert_eq!(
        plan(chunks::BY_TIME),
        "SEARCH frame_chunk USING INTEGER PRIMARY KEY (rowid=?); SCALAR SUBQUERY 1; \
         SEARCH frame_chunk USING COVERING INDEX frame_chunk_by_time (session_key=? AND first_timestamp_micros<?)"
    );
    for (sort, index) in [
        (crate::SessionSort::CreatedAt, "session_by_created_at"),
        (crate::SessionSort::Name, "session_by_name"),
    ] {
        let query = SessionQuery { sort, ..SessionQuery::default() };
        let listing = plan(&Statement::page(&query, super::listing::FIND).unwrap().sql);
        assert!(listing.contains(index) && !listing.contains("TEMP B-TREE"), "{listing}");
    }
}

/// Makes a database as a version of the schema was, with one session of one frame.
fn of_version(version: u8, path: &std::path::Path) -> Chunk {
    let skeleton = Skeleton::custom(1, &[("x", Unit::Image)]).unwrap();
    let mut chunk = Chunk::new(0, skeleton.layout());
    chunk.push(Timestamp::ZERO, &PoseData::one_person(vec![0.5])).unwrap();
    let encoded = posesession_core::encode(&chunk, Codec::Raw).unwrap();
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").unwrap();
    let steps = [include_str!("schema.sql"), include_str!("schema_2.sql")];
    steps.iter().take(version.into()).for_each(|step| db.execute_batch(step).unwrap());
    db.execute(
        "INSERT INTO skeleton (skeleton, layout) VALUES (?1, '1x1')",
        [serde_json::to_string(&skeleton).unwrap()],
    )
    .unwrap();
    db.execute_batch(
        "INSERT INTO session_recording (id, name, description, created_at_micros, frame_count, user_id, status, metadata,
             skeleton_id, stored_bytes, sort_name)
         VALUES ('01890a5d-ac96-774b-bcce-b302099a8057', 'Old', '', 1700000000000000, 1, 1, 'completed', '{}', 1, 90, 'old');
         INSERT INTO session_search (session_key, text) VALUES (1, 'old');
         PRAGMA application_id = 1886352229;",
    )
    .unwrap();
    db.pragma_update(None, "user_version", version).unwrap();
    db.execute(
        "INSERT INTO frame_chunk VALUES (1, 0, 1, 0, 0, 1, ?1, ?2)",
        rusqlite::params![encoded.header, encoded.payload],
    )
    .unwrap();
    chunk
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_upgraded() {
    for version in [1, 2] {
        is_upgraded(version).await;
    }
}

async fn is_upgraded(version: u8) {
    let folder = tempfile::tempdir().unwrap();
    let chunk = of_version(version, &path(&folder));
    for _ in 0..2 {
        let store = SqliteStore::open(path(&folder)).await.unwrap();
        let sessions = store.list_sessions(&SessionQuery::default()).await.unwrap().sessions;
        let [old] = &sessions[..] else { panic!("{sessions:?}") };
        assert_eq!((old.name.as_str(), &old.encoding), ("Old", &Encoding::Columnar));
        let read = store.covering_chunk(old.id, ChunkQuery::Frame(0)).await.unwrap();
        assert_eq!(read.chunk, chunk);
        let max_error = MaxError::new([("x", 0.5)]).unwrap();
        let encoding = Encoding::Bounded { max_error };
        let new = NewSession { encoding: encoding.clone(), ..NewSession::named("New") };
        let new = store.create_session(new).await.unwrap();
        assert_eq!(store.read_session(new.id).await.unwrap().encoding, encoding);
        store.erase_session(new.id).await.unwrap();
    }
    let upgraded = tempfile::tempdir().unwrap();
    drop(connection::open_writer(&path(&upgraded)).unwrap());
    let schema = |folder| connection::schema(&connection::open_reader(&path(folder)).unwrap()).unwrap();
    assert_eq!(schema(&folder), schema(&upgraded), "an upgraded database is as a new one");
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_read_and_left_as_it_is() {
    for version in [1, 2] {
        is_read_and_left(version).await;
    }
}

async fn is_read_and_left(version: u8) {
    let folder = tempfile::tempdir().unwrap();
    let chunk = of_version(version, &path(&folder));
    let before = std::fs::read(path(&folder)).unwrap();
    let store = SqliteStore::open_read_only(path(&folder)).await.unwrap();
    let sessions = store.list_sessions(&SessionQuery::default()).await.unwrap().sessions;
    let [old] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!((old.name.as_str(), &old.encoding), ("Old", &Encoding::Columnar));
    assert_eq!(store.read_session(old.id).await.unwrap(), *old);
    assert_eq!(store.progress(old.id).await.unwrap(), crate::PublisherProgress::default());
    assert_eq!(store.covering_chunk(old.id, ChunkQuery::Frame(0)).await.unwrap().chunk, chunk);
    assert!(store.create_session(NewSession::named("New")).await.is_err());
    let to = crate::MemoryStore::new();
    let place = crate::Place { sessions: &to, media: None };
    crate::import_session_file(path(&folder), place, &mut |_progress| {}).await.unwrap();
    assert_eq!(to.covering_chunk(old.id, ChunkQuery::Frame(0)).await.unwrap().chunk, chunk);
    store.close().await;
    assert_eq!(std::fs::read(path(&folder)).unwrap(), before);
    // A file that says another version than its tables are of is none of ours.
    let changed = Connection::open(path(&folder)).unwrap();
    changed.pragma_update(None, "user_version", version + 1).unwrap();
    drop(changed);
    let refused = SqliteStore::open_read_only(path(&folder)).await.map(drop);
    assert!(matches!(refused, Err(StoreError::NotADatabase { .. })), "{refused:?}");
}
