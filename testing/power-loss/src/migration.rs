//! A database of an earlier version in, the run in which the store brings it to the latest out.

use std::ops::RangeInclusive;
use std::path::Path;

use posesession_core::SessionId;
use posesession_store::{SessionStore, SqliteStore, StoreError, Term};
use rusqlite::Connection;

use crate::disk::Operation;
use crate::proof::scratch_folder;
use crate::shim;
use crate::workload::{DATABASE, Event, Log, Run, Size, UserOf};

/// The steps to each earlier version of the schema.
const STEPS: [&str; 2] = [
    include_str!("../../../posesession-store/src/sqlite/schema.sql"),
    include_str!("../../../posesession-store/src/sqlite/schema_2.sql"),
];
/// What stands in the database however it was left, and what its last commit was.
const FIRST_TABLES: [&str; 5] = ["account", "skeleton", "session_recording", "session_search", "marker"];
const LAST_TABLE: &str = "frame_chunk";

/// The earlier versions.
pub const VERSIONS: RangeInclusive<u8> = 1..=2;

/// How the earlier program left its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It closed it.
    Closed,
    /// It was killed: all frames stand in the log alone.
    Killed,
}

impl Run {
    /// Makes a database of an earlier version in an empty folder, with finished sessions and others that are being recorded, and opens
    /// it with the store, which brings it to the latest version, and goes on with it. The run's operations begin with those that make
    /// the files as they were; the second of what is returned says how many these are.
    ///
    /// # Errors
    ///
    /// Those of the store; it has no reason for any.
    ///
    /// # Panics
    ///
    /// Panics if the earlier database can't be made, or it can't be waited for the store.
    pub fn migrate(folder: &Path, version: u8, left: Left, size: Size) -> Result<(Self, usize), StoreError> {
        let _alone = shim::alone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        shim::install();
        let latest = scratch_folder();
        let earlier_log = Log::default();
        let sessions = runtime.block_on(fill(&latest.path().join(DATABASE), size, &earlier_log))?;
        make_earlier(&latest.path().join(DATABASE), folder, version, left).expect("it is made");
        runtime.block_on(check_version(folder, latest.path()))?;
        let mut operations = making(folder);
        let made = operations.len();
        let log = Log::default();
        shim::watch(folder);
        let recorded = runtime.block_on(go_on(&folder.join(DATABASE), size, &log, sessions));
        operations.extend(shim::end_watch());
        let (_before, earlier_events) = earlier_log.end();
        let (refusals, events) = log.end();
        let mut all: Vec<(usize, Event)> =
            earlier_events.into_iter().map(|(_, event)| (made, event)).collect();
        all.extend(events.into_iter().map(|(position, event)| (made + position, event)));
        let run = Self { sessions: recorded?, operations, events: all, refusals, ..Self::default() };
        Ok((run, made))
    }
}

/// Records with the store as it is now: the first session is compacted and finished, the others go on.
async fn fill(path: &Path, size: Size, log: &Log) -> Result<Vec<(SessionId, Term)>, StoreError> {
    let store = SqliteStore::open(path).await?;
    let mut user = UserOf { store: &store, size, log, sessions: Vec::new() };
    for place in 0..size.sessions {
        user.create(place).await?;
        user.append(place, 0..size.batches).await?;
    }
    store.compact(user.sessions[0].0, false).await?;
    user.finish(0).await?;
    let sessions = user.sessions;
    store.close().await;
    Ok(sessions)
}

async fn go_on(
    path: &Path,
    size: Size,
    log: &Log,
    sessions: Vec<(SessionId, Term)>,
) -> Result<Vec<SessionId>, StoreError> {
    let store = SqliteStore::open(path).await?;
    let user = UserOf { store: &store, size, log, sessions };
    for place in 1..size.sessions {
        user.append(place, size.batches..size.batches + 2).await?;
    }
    user.finish(1).await?;
    let sessions = user.sessions.iter().map(|(id, _term)| *id).collect();
    store.close().await;
    Ok(sessions)
}

/// Writes what a database of the latest version has into one as an earlier program made it.
fn make_earlier(latest: &Path, folder: &Path, version: u8, left: Left) -> rusqlite::Result<()> {
    let made = scratch_folder();
    let path = made.path().join(DATABASE);
    let db = Connection::open(&path)?;
    db.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;",
    )?;
    STEPS.iter().take(version.into()).try_for_each(|step| db.execute_batch(step))?;
    db.execute("ATTACH ?1 AS latest", [latest.to_str()])?;
    db.execute_batch("DELETE FROM account; PRAGMA application_id = 1886352229;")?;
    db.pragma_update(None, "user_version", version)?;
    FIRST_TABLES.iter().try_for_each(|table| copy(&db, table))?;
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    copy(&db, LAST_TABLE)?;
    db.execute_batch("DETACH latest;")?;
    if left == Left::Closed {
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    }
    // Closing it would empty the log.
    let log = format!("{DATABASE}-wal");
    for name in [DATABASE, &log] {
        let bytes = std::fs::read(made.path().join(name)).expect("it is there while the database is open");
        if !bytes.is_empty() {
            std::fs::write(folder.join(name), bytes).expect("the folder takes files");
        }
    }
    Ok(())
}

/// Checks that a database is exactly as its version says, but for what stands in its log: those that only read accept no other. This is
/// done on a copy, for it may leave files.
async fn check_version(folder: &Path, scratch: &Path) -> Result<(), StoreError> {
    let copy = scratch.join("copy.db");
    std::fs::copy(folder.join(DATABASE), &copy).expect("it can be copied");
    SqliteStore::open_read_only(&copy).await?.close().await;
    Ok(())
}

/// Copies a table's rows, in the columns that it had.
fn copy(db: &Connection, table: &str) -> rusqlite::Result<()> {
    let columns = "SELECT group_concat(name) FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0";
    let columns: String = db.query_row(columns, [table], |row| row.get(0))?;
    db.execute_batch(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM latest.{table};"))
}

/// Returns the operations that make a folder's files as they are.
fn making(folder: &Path) -> Vec<Operation> {
    let mut operations = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("it is one of ours").to_owned();
        let bytes = std::fs::read(&path).expect("it can be read");
        operations.extend([
            Operation::Create(name.clone()),
            Operation::Write(name.clone(), 0, bytes),
            Operation::Sync(name),
        ]);
    }
    operations.push(Operation::SyncFolder);
    operations
}
