//! Appends of many sessions at once, in one transaction. Batches in, an answer for each out.

use std::collections::HashMap;

use posesession_core::{Chunk, EncodedChunk, Marker, SessionId, Timestamp, decode};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::failure::Failure;
use super::rows::{self, Id};
use super::{chunks, sessions};
use crate::checks::{self, AppendPlan, AppendState, bad};
use crate::encoded_run::{Encoded, EncodedRun};
use crate::encoding::{EncodedBatch, decode_stored};
use crate::error::StoreError;
use crate::query::{Appended, Term};
use crate::sql::{self, signed, unsigned};

/// A batch for one session.
pub(super) struct Request {
    pub(super) id: SessionId,
    pub(super) term: Term,
    pub(super) batch: EncodedBatch,
}

/// What to do with sessions that another transaction holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// Wait for them.
    Wait,
    /// Give no answer to their requests, nor to those for sessions that are not there.
    Skip,
}

/// The row of a session, as far as an append needs it.
struct Row {
    key: i64,
    skeleton_id: Option<i64>,
    stored_bytes: u64,
    compacted_frames: u64,
    state: AppendState,
}

/// Appends batches of different sessions within the caller's transaction. A batch that is refused changes nothing and
/// keeps no other one from being stored.
pub(super) async fn append(
    db: &mut PgConnection,
    requests: &[&Request],
    held: Held,
) -> Result<Vec<Option<Result<Appended, StoreError>>>, Failure> {
    let mut rows = lock(db, requests, held).await?;
    let mut writes = Writes::default();
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        let answer = match (rows.remove(&request.id), held) {
            (None, Held::Skip) => None,
            (None, Held::Wait) => Some(Err(StoreError::SessionNotFound { id: request.id })),
            (Some(row), _) => Some(match plan(db, row, request, &mut writes).await {
                Ok(appended) => Ok(appended),
                Err(Failure::Store(refused)) => Err(refused),
                Err(failure) => return Err(failure),
            }),
        };
        answers.push(answer);
    }
    writes.write(db).await?;
    Ok(answers)
}

/// Reads the sessions' rows and keeps others from changing them until the transaction ends.
async fn lock(
    db: &mut PgConnection,
    requests: &[&Request],
    held: Held,
) -> Result<HashMap<SessionId, Row>, Failure> {
    let ids: Vec<_> = requests.iter().map(|request| Id(request.id)).collect();
    let skip = if held == Held::Skip { " SKIP LOCKED" } else { "" };
    let sql = format!(
        "SELECT s.id, s.key, s.status, s.term, s.frame_count, s.duration_micros, s.stored_bytes, s.compacted_frames,
                s.skeleton_id, s.max_error, k.layout
         FROM session_recording s LEFT JOIN skeleton k ON k.id = s.skeleton_id
         WHERE s.id = ANY($1) AND s.deleted_at_micros IS NULL ORDER BY s.key FOR NO KEY UPDATE OF s{skip}"
    );
    let found = sqlx::query(AssertSqlSafe(sql)).bind(ids).fetch_all(db).await?;
    Ok(found.iter().map(row).collect::<Result<_, _>>()?)
}

fn row(row: &PgRow) -> sqlx::Result<(SessionId, Row)> {
    let id = row.try_get::<Id, _>("id")?.0;
    let layout: Option<&str> = row.try_get("layout")?;
    let state = AppendState {
        id,
        status: rows::parsed(row, "status")?,
        term: Term(unsigned(row.try_get("term")?)),
        frame_count: unsigned(row.try_get("frame_count")?),
        last_timestamp: Timestamp::from_micros(row.try_get("duration_micros")?),
        layout: layout.and_then(sql::layout),
        has_another_skeleton: false,
        max_error: rows::max_error(row)?,
    };
    let row = Row {
        key: row.try_get("key")?,
        skeleton_id: row.try_get("skeleton_id")?,
        stored_bytes: unsigned(row.try_get("stored_bytes")?),
        compacted_frames: unsigned(row.try_get("compacted_frames")?),
        state,
    };
    Ok((id, row))
}

/// Decides what becomes of a batch, and notes what is to be written of it.
async fn plan<'a>(
    db: &mut PgConnection,
    mut row: Row,
    request: &'a Request,
    writes: &mut Writes<'a>,
) -> Result<Appended, Failure> {
    let batch = &request.batch;
    if let (Some(skeleton), Some(_)) = (&batch.skeleton, row.skeleton_id) {
        row.state.has_another_skeleton = sessions::known_skeleton(db, skeleton).await? != row.skeleton_id;
    }
    let frames = batch.run.as_ref().map(EncodedRun::frames);
    let plan = checks::append(&row.state, request.term, frames.as_ref(), batch.skeleton.as_ref())?;
    let mut appended = Appended {
        frame_count: row.state.frame_count,
        stored_bytes: row.stored_bytes,
        already_stored: false,
    };
    let mut last_timestamp = row.state.last_timestamp;
    let mut compacted_frames = row.compacted_frames;
    match (&plan, &batch.run) {
        (AppendPlan::Again, Some(sent)) => {
            for chunk in sent.encoded() {
                compare(db, &row, chunk).await?;
            }
            return Ok(Appended { already_stored: true, ..appended });
        }
        (AppendPlan::Next, Some(run)) => {
            if run.is_bounded() {
                run.check_exactness(&sessions::read(db, request.id).await?)?;
            }
            for encoded in run.encoded() {
                if encoded.is_at_rest() && compacted_frames == encoded.extent.first_frame {
                    compacted_frames = encoded.extent.end_frame();
                }
                writes.chunks.push((row.key, encoded));
            }
            appended.frame_count = run.extent().end_frame();
            appended.stored_bytes += run.bytes() as u64;
            last_timestamp = run.extent().last_timestamp;
        }
        _ => {}
    }
    let skeleton_id = match &batch.skeleton {
        Some(skeleton) if row.skeleton_id.is_none() => Some(sessions::keep_skeleton(db, skeleton).await?),
        _ => row.skeleton_id,
    };
    writes.sessions.push(Progress {
        key: row.key,
        frame_count: signed(appended.frame_count),
        duration: last_timestamp.as_micros(),
        stored_bytes: signed(appended.stored_bytes),
        compacted_frames: signed(compacted_frames),
        settled_through: batch.settled_through.map(u64::cast_signed),
        skeleton_id,
    });
    writes.markers.extend(batch.markers.iter().map(|marker| (row.key, marker)));
    Ok(appended)
}

/// Compares frames that are stored already with those sent, as far as they still stand in short chunks.
async fn compare(db: &mut PgConnection, row: &Row, sent: &Encoded) -> Result<(), Failure> {
    let (id, Encoded { chunk: sent, extent, .. }) = (row.state.id, sent);
    let first = extent.first_frame.max(row.compacted_frames);
    let stored = sqlx::query(
        "SELECT first_frame, header, payload FROM frame_chunk
         WHERE session_key = $1 AND first_frame >= $2 AND first_frame < $3 AND first_frame + frame_count > $4
         ORDER BY first_frame",
    )
    .bind(row.key)
    .bind(signed(row.compacted_frames))
    .bind(signed(extent.end_frame()))
    .bind(signed(first))
    .fetch_all(db)
    .await?;
    let mut decoded: Option<Chunk> = None;
    for kept in &stored {
        let EncodedChunk { header, payload } = chunks::encoded(kept)?;
        // The header has the checksum of the content: an equal one means the same frames.
        if header == sent.header {
            continue;
        }
        let kept = decode_stored(id, unsigned(kept.try_get("first_frame")?), &header, &payload)?;
        let sent_chunk = match &decoded {
            Some(chunk) => chunk,
            None => {
                let chunk = decode(&sent.header, &sent.payload).map_err(|error| bad(error.to_string()))?;
                decoded.insert(chunk)
            }
        };
        if !checks::agree(&kept, sent_chunk) {
            return Err(StoreError::Conflict { id, first_frame: extent.first_frame }.into());
        }
    }
    Ok(())
}

/// What a session's row is to say.
struct Progress {
    key: i64,
    frame_count: i64,
    duration: i64,
    stored_bytes: i64,
    compacted_frames: i64,
    settled_through: Option<i64>,
    skeleton_id: Option<i64>,
}

/// What is to be written for all sessions of a transaction.
#[derive(Default)]
struct Writes<'a> {
    chunks: Vec<(i64, &'a Encoded)>,
    sessions: Vec<Progress>,
    markers: Vec<(i64, &'a Marker)>,
}

impl Writes<'_> {
    /// Writes all chunks by one statement, and all progress by another: what a session costs beyond its bytes is little.
    async fn write(&self, db: &mut PgConnection) -> Result<(), Failure> {
        insert(db, &self.chunks).await?;
        if !self.sessions.is_empty() {
            self.write_progress(db).await?;
        }
        for (key, marker) in &self.markers {
            add_marker(db, *key, marker).await?;
        }
        Ok(())
    }

    async fn write_progress(&self, db: &mut PgConnection) -> Result<(), Failure> {
        let column = |value: fn(&Progress) -> i64| self.sessions.iter().map(value).collect::<Vec<_>>();
        let nullable =
            |value: fn(&Progress) -> Option<i64>| self.sessions.iter().map(value).collect::<Vec<_>>();
        sqlx::query(
            "UPDATE session_recording s
             SET frame_count = n.frame_count, duration_micros = n.duration, stored_bytes = n.stored_bytes,
                 compacted_frames = n.compacted_frames,
                 settled_through = coalesce(n.settled_through, s.settled_through), skeleton_id = n.skeleton_id
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
                 AS n (key, frame_count, duration, stored_bytes, compacted_frames, settled_through, skeleton_id)
             WHERE s.key = n.key",
        )
        .bind(column(|row| row.key))
        .bind(column(|row| row.frame_count))
        .bind(column(|row| row.duration))
        .bind(column(|row| row.stored_bytes))
        .bind(column(|row| row.compacted_frames))
        .bind(nullable(|row| row.settled_through))
        .bind(nullable(|row| row.skeleton_id))
        .execute(db)
        .await?;
        Ok(())
    }
}

/// Inserts chunks, each with its session's key.
pub(super) async fn insert(db: &mut PgConnection, chunks: &[(i64, &Encoded)]) -> Result<(), Failure> {
    if chunks.is_empty() {
        return Ok(());
    }
    let column =
        |value: fn(&Encoded) -> i64| chunks.iter().map(|(_, chunk)| value(chunk)).collect::<Vec<_>>();
    let headers: Vec<&[u8]> = chunks.iter().map(|(_, chunk)| chunk.chunk.header.as_slice()).collect();
    let payloads: Vec<&[u8]> = chunks.iter().map(|(_, chunk)| chunk.chunk.payload.as_slice()).collect();
    sqlx::query(
        "INSERT INTO frame_chunk (session_key, first_frame, frame_count, first_timestamp_micros, last_timestamp_micros,
                                  codec, header, payload)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                              $7::bytea[], $8::bytea[])",
    )
    .bind(chunks.iter().map(|(key, _)| *key).collect::<Vec<_>>())
    .bind(column(|chunk| signed(chunk.extent.first_frame)))
    .bind(column(|chunk| i64::from(chunk.extent.frame_count)))
    .bind(column(|chunk| chunk.extent.first_timestamp.as_micros()))
    .bind(column(|chunk| chunk.extent.last_timestamp.as_micros()))
    .bind(column(|chunk| i64::from(chunk.header.codec as u8)))
    .bind(headers)
    .bind(payloads)
    .execute(db)
    .await?;
    Ok(())
}

async fn add_marker(db: &mut PgConnection, key: i64, marker: &Marker) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO marker (session_key, kind, timestamp_micros, label, duration_micros, count, cause)
         SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE NOT EXISTS (
             SELECT 1 FROM marker
             WHERE session_key = $1 AND timestamp_micros = $3 AND kind = $2 AND label = $4
               AND duration_micros IS NOT DISTINCT FROM $5 AND count IS NOT DISTINCT FROM $6
               AND cause IS NOT DISTINCT FROM $7)",
    )
    .bind(key)
    .bind(marker.kind.as_str())
    .bind(marker.timestamp.as_micros())
    .bind(&marker.label)
    .bind(marker.duration.map(Timestamp::as_micros))
    .bind(marker.count.map(u64::cast_signed))
    .bind(&marker.cause)
    .execute(db)
    .await?;
    Ok(())
}
