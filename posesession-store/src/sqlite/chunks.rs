//! Chunks and markers in SQL: append, find, index.

use std::ops::Range;

use posesession_core::{
    Chunk, ChunkIndex, ChunkQuery, EncodedChunk, Marker, SessionId, Skeleton, Timestamp, decode,
};
use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::failure::{Failure, corrupt, damaged_at};
use super::rows::{self, id_text};
use super::sessions;
use crate::checks::{self, AppendPlan, AppendState, bad};
use crate::encoded_run::{Encoded, EncodedRun};
use crate::encoding::{EncodedBatch, Found, decode_stored};
use crate::error::StoreError;
use crate::query::{Appended, EncodedStoredChunk, Term};
use crate::sql::{self, signed, unsigned};

/// The row of a session, as far as an append needs it.
struct Row {
    key: i64,
    skeleton_id: Option<i64>,
    stored_bytes: u64,
    compacted_frames: u64,
    state: AppendState,
}

pub(super) fn append(
    db: &Connection,
    id: SessionId,
    term: Term,
    batch: &EncodedBatch,
) -> Result<Appended, Failure> {
    let row = append_row(db, id, batch.skeleton.as_ref())?;
    let frames = batch.run.as_ref().map(EncodedRun::frames);
    let plan = checks::append(&row.state, term, frames.as_ref(), batch.skeleton.as_ref())?;
    let mut appended = Appended {
        frame_count: row.state.frame_count,
        stored_bytes: row.stored_bytes,
        already_stored: false,
    };
    let mut last_timestamp = row.state.last_timestamp;
    let mut compacted_frames = row.compacted_frames;
    match (&plan, &batch.run) {
        (AppendPlan::Again, Some(sent)) => {
            sent.encoded().iter().try_for_each(|chunk| compare(db, id, &row, chunk))?;
            return Ok(Appended { already_stored: true, ..appended });
        }
        (AppendPlan::Next, Some(run)) => {
            if run.is_bounded() {
                run.check_exactness(&sessions::read(db, id)?)?;
            }
            for encoded in run.encoded() {
                insert(db, row.key, encoded)?;
                if encoded.is_at_rest() && compacted_frames == encoded.extent.first_frame {
                    compacted_frames = encoded.extent.end_frame();
                }
            }
            appended.frame_count = run.extent().end_frame();
            appended.stored_bytes += run.bytes() as u64;
            last_timestamp = run.extent().last_timestamp;
        }
        _ => {}
    }
    let declared = batch.skeleton.as_ref().filter(|_| row.skeleton_id.is_none());
    let skeleton_id = declared.map(|skeleton| sessions::keep_skeleton(db, skeleton)).transpose()?;
    db.prepare_cached(
        "UPDATE session_recording
         SET frame_count = :frame_count, duration_micros = :duration, stored_bytes = :stored_bytes,
             compacted_frames = :compacted_frames, settled_through = coalesce(:settled_through, settled_through),
             skeleton_id = coalesce(:skeleton_id, skeleton_id)
         WHERE key = :key",
    )?
    .execute(named_params! {
        ":frame_count": signed(appended.frame_count),
        ":duration": last_timestamp.as_micros(),
        ":stored_bytes": signed(appended.stored_bytes),
        ":compacted_frames": signed(compacted_frames),
        ":settled_through": batch.settled_through.map(u64::cast_signed),
        ":skeleton_id": skeleton_id,
        ":key": row.key,
    })?;
    batch.markers.iter().try_for_each(|marker| add_marker(db, row.key, marker))?;
    Ok(appended)
}

fn append_row(db: &Connection, id: SessionId, declared: Option<&Skeleton>) -> Result<Row, Failure> {
    let declared = declared.map(sessions::skeleton_json).transpose()?;
    let row = db
        .prepare_cached(
            "SELECT s.key, s.status, s.term, s.frame_count, s.duration_micros, s.stored_bytes, s.compacted_frames,
                    s.skeleton_id, s.max_error, k.layout, k.skeleton <> ?2 AS has_another_skeleton
             FROM session_recording s LEFT JOIN skeleton k ON k.id = s.skeleton_id
             WHERE s.id = ?1 AND s.deleted_at_micros IS NULL",
        )?
        .query_row(params![id_text(id), declared], |row| {
            let layout: Option<String> = row.get("layout")?;
            Ok(Row {
                key: row.get("key")?,
                skeleton_id: row.get("skeleton_id")?,
                stored_bytes: unsigned(row.get("stored_bytes")?),
                compacted_frames: unsigned(row.get("compacted_frames")?),
                state: AppendState {
                    id,
                    status: rows::parsed(row, "status")?,
                    term: Term(unsigned(row.get("term")?)),
                    frame_count: unsigned(row.get("frame_count")?),
                    last_timestamp: Timestamp::from_micros(row.get("duration_micros")?),
                    layout: layout.as_deref().and_then(sql::layout),
                    has_another_skeleton: row.get::<_, Option<bool>>("has_another_skeleton")?.unwrap_or(false),
                    max_error: rows::max_error(row)?,
                },
            })
        })
        .optional()?;
    row.ok_or_else(|| StoreError::SessionNotFound { id }.into())
}

/// Compares frames that are stored already with those sent, as far as they still stand in short chunks.
fn compare(db: &Connection, id: SessionId, row: &Row, sent: &Encoded) -> Result<(), Failure> {
    let Encoded { chunk: sent, extent, .. } = sent;
    let first = extent.first_frame.max(row.compacted_frames);
    let mut statement = db.prepare_cached(
        "SELECT first_frame, header, payload FROM frame_chunk
         WHERE session_key = ?1 AND first_frame >= ?2 AND first_frame < ?3 AND first_frame + frame_count > ?4
         ORDER BY first_frame",
    )?;
    let lowest = [row.compacted_frames, first, extent.end_frame()].map(signed);
    let mut stored = statement.query(params![row.key, lowest[0], lowest[2], lowest[1]])?;
    let conflict = StoreError::Conflict { id, first_frame: extent.first_frame };
    let mut decoded: Option<Chunk> = None;
    while let Some(chunk) = stored.next()? {
        let header: Vec<u8> = chunk.get("header")?;
        // The header has the checksum of the content: an equal one means the same frames.
        if header == sent.header {
            continue;
        }
        let payload: Vec<u8> = chunk.get("payload")?;
        let kept = decode_stored(id, unsigned(chunk.get("first_frame")?), &header, &payload)?;
        let sent_chunk = match &decoded {
            Some(chunk) => chunk,
            None => {
                let chunk = decode(&sent.header, &sent.payload).map_err(|error| bad(error.to_string()))?;
                decoded.insert(chunk)
            }
        };
        if !checks::agree(&kept, sent_chunk) {
            return Err(conflict.into());
        }
    }
    Ok(())
}

pub(super) fn insert(db: &Connection, key: i64, encoded: &Encoded) -> Result<(), Failure> {
    let Encoded { chunk, header, extent } = encoded;
    // SQLite copies what is bound. Writing into a `zeroblob` instead spares that copy, but looks the row up once more and writes
    // its pages twice: 21 µs for 4 kB where this takes 18, 150 µs for 90 kB where this takes 145.
    db.prepare_cached(
        "INSERT INTO frame_chunk (session_key, first_frame, frame_count, first_timestamp_micros,
                                  last_timestamp_micros, codec, header, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        key,
        signed(extent.first_frame),
        extent.frame_count,
        extent.first_timestamp.as_micros(),
        extent.last_timestamp.as_micros(),
        header.codec as u8,
        chunk.header,
        chunk.payload,
    ])?;
    Ok(())
}

fn add_marker(db: &Connection, key: i64, marker: &Marker) -> Result<(), Failure> {
    db.prepare_cached(
        "INSERT INTO marker (session_key, kind, timestamp_micros, label, duration_micros, count, cause)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
         WHERE NOT EXISTS (
             SELECT 1 FROM marker
             WHERE session_key = ?1 AND timestamp_micros = ?3 AND kind = ?2 AND label = ?4
               AND duration_micros IS ?5 AND count IS ?6 AND cause IS ?7)",
    )?
    .execute(params![
        key,
        marker.kind.as_str(),
        marker.timestamp.as_micros(),
        marker.label,
        marker.duration.map(Timestamp::as_micros),
        marker.count.map(u64::cast_signed),
        marker.cause,
    ])?;
    Ok(())
}

pub(super) fn markers(db: &Connection, id: SessionId) -> Result<Vec<Marker>, Failure> {
    read_markers(db, id).map_err(|failure| damaged_at(id, "its markers", failure))
}

fn read_markers(db: &Connection, id: SessionId) -> Result<Vec<Marker>, Failure> {
    let key = sessions::key(db, id)?;
    let mut statement = db.prepare_cached(
        "SELECT kind, timestamp_micros, label, duration_micros, count, cause FROM marker
         WHERE session_key = ?1 ORDER BY timestamp_micros, id",
    )?;
    let markers = statement.query_map([key], rows::marker)?;
    Ok(markers.collect::<Result<_, _>>()?)
}

pub(super) fn index(db: &Connection, id: SessionId) -> Result<ChunkIndex, Failure> {
    read_index(db, id).map_err(|failure| damaged_at(id, "its index of chunks", failure))
}

fn read_index(db: &Connection, id: SessionId) -> Result<ChunkIndex, Failure> {
    let key = sessions::key(db, id)?;
    let mut statement = db.prepare_cached(
        "SELECT first_frame, frame_count, first_timestamp_micros, last_timestamp_micros FROM frame_chunk
         WHERE session_key = ?1 ORDER BY first_frame",
    )?;
    let extents = statement.query_map([key], rows::extent)?.collect::<Result<_, _>>()?;
    let index = ChunkIndex::from_extents(extents);
    index.map_err(|error| corrupt(id, format!("its chunks don't meet: {error}")).into())
}

// The index says which row, and all else is read from the row itself: what stands in both is compared, so that a damaged one
// can't pass for another session's or another moment's.
pub(super) const BY_FRAME: &str =
    "SELECT session_key, first_frame, frame_count, first_timestamp_micros, last_timestamp_micros, header, payload
     FROM frame_chunk WHERE rowid = (
         SELECT rowid FROM frame_chunk
         WHERE session_key = ?1 AND first_frame <= ?2 ORDER BY first_frame DESC LIMIT 1)";
pub(super) const BY_TIME: &str =
    "SELECT session_key, first_frame, frame_count, first_timestamp_micros, last_timestamp_micros, header, payload
     FROM frame_chunk WHERE rowid = (
         SELECT rowid FROM frame_chunk
         WHERE session_key = ?1 AND first_timestamp_micros <= ?2 ORDER BY first_timestamp_micros DESC LIMIT 1)";

pub(super) fn covering(db: &Connection, id: SessionId, query: ChunkQuery) -> Result<Found, Failure> {
    let place = match query {
        ChunkQuery::Frame(frame) => format!("the chunk of frame {frame}"),
        ChunkQuery::Time(timestamp) => format!("the chunk of {} s", timestamp.as_secs_f64()),
    };
    find_covering(db, id, query).map_err(|failure| damaged_at(id, &place, failure))
}

fn find_covering(db: &Connection, id: SessionId, query: ChunkQuery) -> Result<Found, Failure> {
    let key = sessions::key(db, id)?;
    let found = match query {
        ChunkQuery::Frame(frame) => {
            let place = i64::try_from(frame).unwrap_or(i64::MAX);
            let found = find(db, id, BY_FRAME, [key, place])?;
            found.filter(|found| frame < found.extent.end_frame()).ok_or(frame)
        }
        ChunkQuery::Time(timestamp) => match find(db, id, BY_TIME, [key, timestamp.as_micros()])? {
            Some(found) => {
                check_next(db, key, &found, timestamp)?;
                Ok(found)
            }
            None => {
                let first = find(db, id, BY_FRAME, [key, 0])?;
                if first.as_ref().is_some_and(|first| first.extent.first_timestamp <= timestamp) {
                    return Err(corrupt(id, "the index of times lacks chunks".to_owned()).into());
                }
                first.ok_or(0)
            }
        },
    };
    let missing = match found {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    let frame_count = sessions::read(db, id)?.frame_count;
    if missing < frame_count {
        return Err(corrupt(id, format!("no chunk holds frame {missing}")).into());
    }
    Err(StoreError::NoSuchFrame { id, frame_count }.into())
}

/// Finds the chunk that starts last at or before a place, of frames or of time.
fn find(db: &Connection, id: SessionId, sql: &str, [key, place]: [i64; 2]) -> Result<Option<Found>, Failure> {
    let found = db.prepare_cached(sql)?.query_row([key, place], |row| {
        let extent = rows::extent(row)?;
        let found = Found { id, extent, header: row.get("header")?, payload: row.get("payload")? };
        Ok((row.get::<_, i64>("session_key")?, found))
    });
    let Some((its, found)) = found.optional()? else { return Ok(None) };
    let starts = if sql == BY_FRAME {
        signed(found.extent.first_frame)
    } else {
        found.extent.first_timestamp.as_micros()
    };
    if its != key || starts > place {
        let what =
            format!("the index leads to another chunk than the one from frame {}", found.extent.first_frame);
        return Err(corrupt(id, what).into());
    }
    Ok(Some(found))
}

/// Checks that a moment behind a chunk's last frame is before the next chunk.
fn check_next(db: &Connection, key: i64, found: &Found, timestamp: Timestamp) -> Result<(), Failure> {
    if timestamp <= found.extent.last_timestamp {
        return Ok(());
    }
    let next = find(db, found.id, BY_FRAME, [key, signed(found.extent.end_frame())])?;
    if next.is_some_and(|next| {
        next.extent.first_frame != found.extent.first_frame && next.extent.first_timestamp <= timestamp
    }) {
        let what = format!(
            "the index of times leads to the chunk from frame {}, which is too early",
            found.extent.first_frame
        );
        return Err(corrupt(found.id, what).into());
    }
    Ok(())
}

const BY_FRAMES: &str =
    "SELECT c.session_key, c.first_frame, c.frame_count, c.first_timestamp_micros, c.last_timestamp_micros,
         c.header, c.payload
     FROM (SELECT rowid AS place FROM frame_chunk
           WHERE session_key = ?1 AND first_frame < ?3 AND first_frame >= coalesce((
               SELECT max(first_frame) FROM frame_chunk WHERE session_key = ?1 AND first_frame <= ?2), ?2)
           ORDER BY first_frame)
     CROSS JOIN frame_chunk c ON c.rowid = place";

/// Finds the chunks that cover a range of frames, in order.
pub(super) fn covering_all(
    db: &Connection,
    id: SessionId,
    frames: Range<u64>,
) -> Result<Vec<EncodedStoredChunk>, Failure> {
    let place = format!("the chunks of frames {} to {}", frames.start, frames.end.saturating_sub(1));
    find_all(db, id, frames).map_err(|failure| damaged_at(id, &place, failure))
}

fn find_all(db: &Connection, id: SessionId, frames: Range<u64>) -> Result<Vec<EncodedStoredChunk>, Failure> {
    let (key, frame_count): (i64, i64) = db
        .prepare_cached(
            "SELECT key, frame_count FROM session_recording WHERE id = ?1 AND deleted_at_micros IS NULL",
        )?
        .query_row([id_text(id)], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or(StoreError::SessionNotFound { id })?;
    let [first, end] = [frames.start, frames.end].map(|frame| i64::try_from(frame).unwrap_or(i64::MAX));
    let end = end.min(frame_count);
    if first >= end {
        return Ok(Vec::new());
    }
    let mut statement = db.prepare_cached(BY_FRAMES)?;
    let mut found = statement.query(params![key, first, end])?;
    let (mut chunks, mut next) = (Vec::new(), None);
    while let Some(row) = found.next()? {
        let chunk = EncodedChunk { header: row.get("header")?, payload: row.get("payload")? };
        let stored = EncodedStoredChunk { chunk, extent: rows::extent(row)? };
        let follows = match next {
            None => stored.extent.first_frame <= frames.start,
            Some(next) => stored.extent.first_frame == next,
        };
        if !follows || row.get::<_, i64>("session_key")? != key {
            break;
        }
        next = Some(stored.extent.end_frame());
        chunks.push(stored);
    }
    match next {
        Some(next) if next >= unsigned(end) => Ok(chunks),
        missing => {
            let missing = missing.unwrap_or(frames.start).max(frames.start);
            Err(corrupt(id, format!("no chunk holds frame {missing}")).into())
        }
    }
}
