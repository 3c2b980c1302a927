//! SQLite with one row a frame: the logical schema taken literally, its `pose_data` as JSON or as a blob of `f32`s.

use std::path::Path;

use ::posesession::core::Skeleton;
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::{Format, Opened, bytes_of, floats_of, landmarks};
use crate::Outcome;
use crate::frames::Frames;
use crate::parallel::{fill, in_order, ranges};

/// How many rows a thread makes or reads at once.
const ROWS: usize = 2_048;
pub const SESSION: &str = "019a0000-0000-7000-8000-000000000000";

const SCHEMA: &str = "
    CREATE TABLE session_frame (
        id INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL,
        timestamp REAL NOT NULL,
        frame_number INTEGER NOT NULL,
        pose_data NOT NULL,
        image_path TEXT
    );
    CREATE INDEX session_frame_by_number ON session_frame (session_id, frame_number);
";
const INSERT: &str =
    "INSERT INTO session_frame (session_id, timestamp, frame_number, pose_data) VALUES (?1, ?2, ?3, ?4)";

pub struct Rows {
    is_json: bool,
}

impl Rows {
    pub fn json() -> Self {
        Self { is_json: true }
    }

    pub fn f32() -> Self {
        Self { is_json: false }
    }

    fn pose_data(&self, skeleton: &Skeleton, values: &[f32]) -> Value {
        if self.is_json {
            Value::Text(landmarks::to_json(skeleton, values))
        } else {
            Value::Blob(bytes_of(values))
        }
    }

    fn parse(&self, row: &rusqlite::Row<'_>, column: usize, values: &mut [f32]) -> Outcome<()> {
        let data = row.get_ref(column)?;
        if self.is_json {
            landmarks::from_json(data.as_str()?.as_bytes(), values)
        } else {
            floats_of(data.as_blob()?, values);
            Ok(())
        }
    }
}

/// Opens a database, with the table if it is new.
pub fn create_rows(path: &Path, journal_mode: &str) -> Outcome<Connection> {
    let db = Connection::open(path)?;
    // With FULL a commit is on the disk when it returns.
    db.execute_batch(&format!("PRAGMA journal_mode = {journal_mode}; PRAGMA synchronous = FULL;"))?;
    db.execute_batch(SCHEMA)?;
    Ok(db)
}

/// Adds a row of JSON.
pub fn json_row(db: &Connection, session: &str, frames: &Frames, n: usize, text: &str) -> Outcome<()> {
    let seconds = frames.timestamps[n] as f64 / 1e6;
    db.prepare_cached(INSERT)?.execute(params![session, seconds, n as i64, text])?;
    Ok(())
}

impl Format for Rows {
    fn name(&self) -> &'static str {
        if self.is_json { "SQLite, a row of JSON a frame" } else { "SQLite, a row of f32 a frame" }
    }

    fn write(&self, path: &Path, frames: &Frames) -> Outcome<()> {
        // One transaction into a new file: without a log, each page is written once.
        let mut db = create_rows(path, "DELETE")?;
        let transaction = db.transaction()?;
        {
            let mut insert = transaction.prepare(INSERT)?;
            let mut next = 0;
            in_order(
                ranges(frames.len(), ROWS),
                |_, range| Ok(range.map(|n| self.pose_data(&frames.skeleton, frames.frame(n))).collect()),
                |rows: Vec<Value>| {
                    for row in rows {
                        let seconds = frames.timestamps[next] as f64 / 1e6;
                        insert.execute(params![SESSION, seconds, next as i64, row])?;
                        next += 1;
                    }
                    Ok(())
                },
            )?;
        }
        transaction.commit()?;
        db.close().map_err(|(_, error)| error)?;
        Ok(())
    }

    fn read(&self, path: &Path, skeleton: &Skeleton) -> Outcome<(Vec<i64>, Vec<f32>)> {
        let width = skeleton.values_per_person();
        let sql = "SELECT max(frame_number) + 1 FROM session_frame WHERE session_id = ?1";
        let count: i64 = Connection::open(path)?.query_row(sql, [SESSION], |row| row.get(0))?;
        fill(ranges(usize::try_from(count)?, ROWS), width, |part| {
            let db = Connection::open(path)?;
            let mut statement = db.prepare(
                "SELECT timestamp, pose_data FROM session_frame
                 WHERE session_id = ?1 AND frame_number >= ?2 AND frame_number < ?3 ORDER BY frame_number",
            )?;
            let mut rows =
                statement.query(params![SESSION, part.frames.start as i64, part.frames.end as i64])?;
            for (time, values) in part.timestamps.iter_mut().zip(part.values.chunks_exact_mut(width)) {
                let row = rows.next()?.ok_or("there are too few frames")?;
                *time = (row.get::<_, f64>(0)? * 1e6).round() as i64;
                self.parse(row, 1, values)?;
            }
            Ok(())
        })
    }

    fn open(&self, path: &Path, skeleton: &Skeleton) -> Outcome<Box<dyn Opened>> {
        let width = skeleton.values_per_person();
        Ok(Box::new(OpenedRows { db: Connection::open(path)?, rows: Self { ..*self }, width }))
    }

    fn is_bulky(&self) -> bool {
        self.is_json
    }
}

struct OpenedRows {
    db: Connection,
    rows: Rows,
    width: usize,
}

impl Opened for OpenedRows {
    fn frame(&mut self, n: usize) -> Outcome<Vec<f32>> {
        let sql = "SELECT pose_data FROM session_frame WHERE session_id = ?1 AND frame_number = ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![SESSION, n as i64])?;
        let row = rows.next()?.ok_or("no such frame")?;
        let mut values = vec![0.0; self.width];
        self.rows.parse(row, 0, &mut values)?;
        Ok(values)
    }
}
