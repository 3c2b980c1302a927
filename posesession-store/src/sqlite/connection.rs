//! Opening the database: settings, schema versions, and the proof that they are as wanted.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use super::failure::Failure;
use crate::durability::Durability;
use crate::error::StoreError;

/// `pose`, in the database's header: that the file is one of ours.
const APPLICATION_ID: i64 = 0x706f_7365;

/// The steps from each schema version to the next.
const MIGRATIONS: &[&str] =
    &[include_str!("schema.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

/// What makes a database of version 1, 2... that must stay as it is look like one of the latest version to those who read it.
const AS_LATEST: &[&str] = &[include_str!("schema_1_as_latest.sql"), include_str!("schema_2_as_latest.sql")];

/// The tables of media inside the database; they are not part of the schema version.
pub(crate) const MEDIA_SCHEMA: &str = include_str!("media.sql");

/// The settings of every connection. WAL with FULL syncs the log at each commit, before it returns.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 1000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA foreign_keys = ON;
    PRAGMA cell_size_check = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
";
/// The writer's own: a commit of many sessions touches pages all over the file, and none is to be written before it.
const WRITER_SETTINGS: &str = "PRAGMA cache_size = -16384;";

/// Session files that hold less than this have small pages: each table and index takes a page at least, and most of them are
/// nearly empty. Nor do they know where each page belongs, which is for files that shrink. In a large file that is nothing, and
/// large pages are read faster.
const SMALL_FILE_BYTES: f64 = 4e6;
const SMALL_PAGES: &str = "PRAGMA page_size = 512; PRAGMA auto_vacuum = NONE;";

/// How long a statement waits for another process's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const CACHED_STATEMENTS: usize = 64;
const WAL: &str = "wal";
/// The values of `synchronous` from which each commit is synced: with WAL, and with a rollback journal.
const FULL: i64 = 2;
const EXTRA: i64 = 3;

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Make the database if it isn't there, and write to it; commits are synced.
    Write,
    /// As [`Access::Write`], but commits are not synced: for files that nobody relies on before they are finished.
    WriteUnsynced,
    /// Read a file that stays as it is, to the byte; refuses one whose tables are not exactly those of its version.
    ReadOnly,
    /// As [`Access::ReadOnly`], but there may be tables, indices and views of the user's own beside those of its version.
    ReadOnlyExtended,
}

impl Access {
    pub(crate) fn only_reads(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadOnlyExtended)
    }
}

/// Opens the database; for writing, brings its schema to this version.
pub(crate) fn open(path: &Path, access: Access) -> Result<Connection, Failure> {
    match access {
        Access::Write => open_writer(path),
        Access::WriteUnsynced => {
            let db = open_writer(path)?;
            db.execute_batch("PRAGMA synchronous = OFF;")?;
            Ok(db)
        }
        Access::ReadOnly | Access::ReadOnlyExtended => open_read_only(path, access),
    }
}

/// Opens the database, making it if it isn't there, and brings its schema to this version.
pub(super) fn open_writer(path: &Path) -> Result<Connection, Failure> {
    let (mut db, mut version) = connect_writer(path)?;
    if !has_log(&db)? {
        // A disk that failed on the way may work now.
        (db, version) = connect_writer(path)?;
    }
    if !has_log(&db)? {
        // Some file systems can't have one. Then a commit is the removal of a journal, which only EXTRA syncs.
        db.execute_batch("PRAGMA synchronous = EXTRA;")?;
    }
    if planted!("planted::no_sync") {
        db.execute_batch("PRAGMA synchronous = NORMAL;")?;
    }
    migrate(&mut db, version)?;
    Ok(db)
}

/// Opens a database with all settings and returns it with its version.
fn connect_writer(path: &Path) -> Result<(Connection, i64), Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let db = connect(path, flags)?;
    let version = check_origin(&db, path)?;
    if version == 0 {
        // Only a database without tables takes this setting.
        db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;")?;
    }
    db.execute_batch(SETTINGS)?;
    db.execute_batch(WRITER_SETTINGS)?;
    Ok((db, version))
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Failure> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.execute_batch(SETTINGS)?;
    db.execute_batch("PRAGMA query_only = ON;")?;
    Ok(db)
}

/// Returns whether commits really go to a log. Nothing else tells: where the way to WAL fails, SQLite says `wal` and stays with the
/// rollback journal. On the way, what a process that died left in the log is synced and moved into the database: a commit that it
/// didn't live to sync is seen by others, who may tell that it is there.
fn has_log(db: &Connection) -> Result<bool, Failure> {
    // Those who use the database at this moment have synced what they wrote; they are not waited for. Where one of them empties
    // the log just now, it is `busy`, and its length isn't told.
    let (busy, frames): (bool, i64) =
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get("busy")?, row.get("log")?)))?;
    Ok(busy || frames >= 0)
}

fn open_read_only(path: &Path, access: Access) -> Result<Connection, Failure> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    match check_read_only(&db, path, access) {
        Ok(()) => Ok(db),
        // In a folder where nothing can be made, SQLite finds no room for its locks. If there is no log, nobody is writing.
        Err(Failure::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
            let db = immutable(path).ok_or(error)?;
            check_read_only(&db, path, access)?;
            Ok(db)
        }
        Err(failure) => Err(failure),
    }
}

/// Opens a file that can't change, without locks; nothing if a log beside it says that somebody changes it.
fn immutable(path: &Path) -> Option<Connection> {
    let text = path.to_str()?;
    if Path::new(&format!("{text}-wal")).exists() {
        return None;
    }
    let mut uri = "file:".to_owned();
    for byte in text.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    connect(Path::new(&uri), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI).ok()
}

/// Checks that a database is one of ours, and shows it as one of this version.
fn check_read_only(db: &Connection, path: &Path, access: Access) -> Result<(), Failure> {
    // One transaction: what is looked at is the file at one moment, and it is locked once.
    db.execute_batch("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; BEGIN;")?;
    let version = usize::try_from(check_origin(db, path)?).unwrap_or(0);
    // The file may come from anywhere: a view or a trigger in the place of a table could do anything.
    let found = schema(db)?;
    let is_ours = |expected: &Schema| match access {
        Access::ReadOnlyExtended => expected.iter().all(|part| found.contains(part)),
        _ => *expected == found,
    };
    if version == 0 || !expected_schemas(version)?.iter().any(is_ours) {
        return Err(StoreError::NotADatabase { path: path.to_owned() }.into());
    }
    if let Some(step) = AS_LATEST.get(version - 1) {
        db.execute_batch(step)?;
    }
    db.execute_batch("COMMIT; PRAGMA query_only = ON;")?;
    Ok(())
}

/// Writes what the database is at this moment into a new, compact file of its own, whoever uses the database meanwhile.
pub(crate) fn snapshot(path: &Path, to: &Path) -> Result<(), Failure> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_origin(&db, path)?;
    write_into(&db, to)
}

/// Writes a database of one session, which has tables of media, into a new file as [`snapshot`] does, but as small as it gets.
pub(crate) fn session_snapshot(path: &Path, to: &Path) -> Result<(), Failure> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    check_origin(&db, path)?;
    let held =
        "SELECT (SELECT total(stored_bytes) FROM session_recording) + (SELECT total(size) FROM media_object)";
    let bytes: f64 = db.query_row(held, [], |row| row.get(0))?;
    if bytes < SMALL_FILE_BYTES {
        db.execute_batch(SMALL_PAGES)?;
    }
    write_into(&db, to)
}

fn write_into(db: &Connection, to: &Path) -> Result<(), Failure> {
    let to = to.to_str().ok_or_else(|| StoreError::BadArgument {
        what: format!("`{}` is no UTF-8, which SQLite needs: give another name", to.display()),
    })?;
    db.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}

/// What a database has: tables, indices, views, triggers, each by type, name and text.
pub(super) type Schema = Vec<(String, String, String)>;

/// Returns the schemas that a database of a version, from 1, may have: without media and with them.
fn expected_schemas(version: usize) -> Result<&'static [Schema; 2], Failure> {
    // Making them takes longer than all else that opening a file does.
    static SCHEMAS: [OnceLock<[Schema; 2]>; MIGRATIONS.len()] = [const { OnceLock::new() }; MIGRATIONS.len()];
    let kept = &SCHEMAS[version - 1];
    if let Some(schemas) = kept.get() {
        return Ok(schemas);
    }
    let db = Connection::open_in_memory()?;
    MIGRATIONS.iter().take(version).try_for_each(|step| db.execute_batch(step))?;
    let without_media = schema(&db)?;
    db.execute_batch(MEDIA_SCHEMA)?;
    let with_media = schema(&db)?;
    Ok(kept.get_or_init(|| [without_media, with_media]))
}

pub(super) fn schema(db: &Connection) -> Result<Schema, Failure> {
    let mut statement = db.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'sqlite_sequence'
         ORDER BY type, name",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns whether media lie in the database.
pub(super) fn has_media(db: &Connection) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'media_object'";
    Ok(db.prepare(sql)?.exists([])?)
}

/// Returns whether the settings that SQLite really has, and the file system, make a commit durable.
pub(crate) fn durability(db: &Connection, path: &Path) -> Result<Durability, Failure> {
    Ok(settings_durability(db)?.and(Durability::of_folder(path.parent().unwrap_or(path))))
}

fn settings_durability(db: &Connection) -> Result<Durability, Failure> {
    let mut journal: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    // A file that is read only has a log if it says so: there is none to be moved.
    if journal == WAL && !db.is_readonly(MAIN_DB)? && !has_log(db)? {
        "delete".clone_into(&mut journal);
    }
    let synchronous: i64 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let least = match journal.as_str() {
        WAL => FULL,
        "delete" | "truncate" | "persist" => EXTRA,
        _ => return Ok(Durability::not(format!("SQLite's journal_mode is `{journal}`"))),
    };
    if synchronous < least {
        return Ok(Durability::not(format!(
            "SQLite's synchronous is {synchronous}, less than {least}, with journal_mode `{journal}`"
        )));
    }
    Ok(Durability::Durable)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Failure> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    // Otherwise a cached statement that compares a range is parsed anew for each new pair of bounds.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(db)
}

/// Returns the schema version, zero for a new database; refuses files that are not ours.
fn check_origin(db: &Connection, path: &Path) -> Result<i64, Failure> {
    let not_ours = || StoreError::NotADatabase { path: path.to_owned() };
    let read = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = match read("application_id") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return Err(not_ours().into());
        }
        application => application?,
    };
    // A file without tables is as good as new.
    let has_tables = || db.prepare("SELECT 1 FROM sqlite_schema")?.exists([]);
    if application != APPLICATION_ID && (application != 0 || has_tables()?) {
        return Err(not_ours().into());
    }
    let found = read("user_version")?;
    refuse_newer(found)?;
    Ok(found)
}

fn refuse_newer(found: i64) -> Result<(), StoreError> {
    let known = latest_version();
    if found > known { Err(StoreError::NewerSchema { found, known }) } else { Ok(()) }
}

fn migrate(db: &mut Connection, version: i64) -> Result<(), Failure> {
    if version == latest_version() {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    refuse_newer(version)?;
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
        fail_point!("during_migration");
        if planted!("planted::migrate_in_parts") {
            transaction.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", latest_version())?;
    transaction.commit()?;
    Ok(())
}

fn latest_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_that_sync_each_commit_count_as_durable() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("posesession.db")).unwrap();
        assert_eq!(settings_durability(&db).unwrap(), Durability::Durable);
        db.execute_batch("PRAGMA synchronous = NORMAL").unwrap();
        assert!(
            settings_durability(&db)
                .unwrap()
                .because()
                .unwrap()
                .contains("less than 2, with journal_mode `wal`")
        );
        db.execute_batch("PRAGMA synchronous = EXTRA").unwrap();
        assert_eq!(settings_durability(&db).unwrap(), Durability::Durable);
        db.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
        assert_eq!(settings_durability(&db).unwrap(), Durability::Durable, "EXTRA syncs the folder");
        db.execute_batch("PRAGMA synchronous = FULL").unwrap();
        assert!(settings_durability(&db).unwrap().because().unwrap().contains("less than 3"));
        db.execute_batch("PRAGMA journal_mode = MEMORY").unwrap();
        assert!(settings_durability(&db).unwrap().because().unwrap().contains("journal_mode is `memory`"));
    }

    #[test]
    fn a_database_that_a_newer_version_takes_meanwhile_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = open_writer(&folder.path().join("posesession.db")).unwrap();
        let newer = latest_version() + 1;
        db.pragma_update(None, "user_version", newer).unwrap();
        // What was read before the other version migrated.
        assert!(matches!(migrate(&mut db, 1), Err(Failure::Store(StoreError::NewerSchema { .. }))));
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, newer);
    }

    #[test]
    fn a_file_in_a_folder_that_cannot_be_written_is_read_without_locks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("50% of #1?.db");
        drop(open_writer(&path).unwrap());
        let db = immutable(&path).unwrap();
        check_read_only(&db, &path, Access::ReadOnly).unwrap();
        assert!(db.execute("DELETE FROM account", []).is_err());
        drop(db);
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, ["50% of #1?.db"], "nothing is made beside it");
        std::fs::write(folder.path().join("50% of #1?.db-wal"), "").unwrap();
        assert!(immutable(&path).is_none());
    }

    #[test]
    fn settings_are_as_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("posesession.db");
        let db = open_writer(&path).unwrap();
        let reader = open_reader(&path).unwrap();
        for (pragma, wanted) in [
            ("auto_vacuum", 2),
            ("wal_autocheckpoint", 1000),
            ("journal_size_limit", 64 << 20),
            ("busy_timeout", 5_000),
            ("foreign_keys", 1),
            ("cell_size_check", 1),
            ("secure_delete", 1),
            ("trusted_schema", 0),
            ("temp_store", 2),
            ("application_id", APPLICATION_ID),
            ("user_version", latest_version()),
        ] {
            for db in [&db, &reader] {
                let value: i64 = db.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
                assert_eq!(value, wanted, "{pragma}");
            }
        }
        for db in [&db, &reader] {
            assert!(db.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG).unwrap());
        }
        assert!(reader.execute("DELETE FROM account", []).is_err());
    }

    #[test]
    fn logical_names_are_there_for_sql() {
        let folder = tempfile::tempdir().unwrap();
        let db = open_writer(&folder.path().join("posesession.db")).unwrap();
        db.execute(
            "INSERT INTO session_recording (id, name, description, created_at_micros, duration_micros, user_id, status,
             metadata, sort_name) VALUES ('x', 'n', 'd', 1700000000123456, 1500000, 1, 'completed', '{}', 'n')",
            [],
        )
        .unwrap();
        let row: (String, f64) = db
            .query_row("SELECT created_at, duration FROM session_recording", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(row, ("2023-11-14T22:13:20.123Z".to_owned(), 1.5));
    }
}
