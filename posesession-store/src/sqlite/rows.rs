//! Rows of the database in, values of the contract out, and back.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use posesession_core::{
    ChunkExtent, Layout, LayoutPart, Marker, MarkerKind, SessionId, SessionRecording, Skeleton, Timestamp,
    User, UserId,
};
use rusqlite::Row;
use rusqlite::types::Type;

/// What [`session`] reads; the table is called `s`, and `k` is its skeleton.
pub(super) const SESSION_COLUMNS: &str = "s.id, s.name, s.description, s.created_at_micros, s.duration_micros, \
     s.frame_count, s.user_id, s.video_file_path, s.status, s.metadata, s.stored_bytes, s.skeleton_id, k.skeleton";
/// Where [`SESSION_COLUMNS`] come from.
pub(super) const SESSION_TABLES: &str = "session_recording s LEFT JOIN skeleton k ON k.id = s.skeleton_id";

/// Skeletons read before, so that a page of sessions parses each of them once.
pub(super) type Skeletons = HashMap<i64, Skeleton>;

pub(super) fn session(row: &Row<'_>, skeletons: &mut Skeletons) -> rusqlite::Result<SessionRecording> {
    let skeleton = match row.get::<_, Option<i64>>("skeleton_id")? {
        None => None,
        Some(id) => Some(match skeletons.get(&id) {
            Some(skeleton) => skeleton.clone(),
            None => {
                let skeleton: Skeleton = json(row, "skeleton")?;
                skeletons.insert(id, skeleton.clone());
                skeleton
            }
        }),
    };
    Ok(SessionRecording {
        id: parsed(row, "id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        created_at: time(row.get("created_at_micros")?),
        duration: Timestamp::from_micros(row.get("duration_micros")?),
        frame_count: unsigned(row.get("frame_count")?),
        user_id: UserId(row.get("user_id")?),
        video_file_path: row.get("video_file_path")?,
        status: parsed(row, "status")?,
        metadata: json(row, "metadata")?,
        skeleton,
        stored_bytes: unsigned(row.get("stored_bytes")?),
    })
}

pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(row.get("id")?),
        username: row.get("username")?,
        email: row.get("email")?,
        password: row.get("password")?,
    })
}

pub(super) fn marker(row: &Row<'_>) -> rusqlite::Result<Marker> {
    let kind: String = row.get("kind")?;
    let kind = MarkerKind::ALL.into_iter().find(|known| known.as_str() == kind);
    Ok(Marker {
        kind: kind.ok_or_else(|| broken("kind", "it is no kind of marker"))?,
        timestamp: Timestamp::from_micros(row.get("timestamp_micros")?),
        label: row.get("label")?,
        duration: row.get::<_, Option<i64>>("duration_micros")?.map(Timestamp::from_micros),
        count: row.get::<_, Option<i64>>("count")?.map(i64::cast_unsigned),
        cause: row.get("cause")?,
    })
}

pub(super) fn extent(row: &Row<'_>) -> rusqlite::Result<ChunkExtent> {
    Ok(ChunkExtent {
        first_frame: unsigned(row.get("first_frame")?),
        frame_count: row.get("frame_count")?,
        first_timestamp: Timestamp::from_micros(row.get("first_timestamp_micros")?),
        last_timestamp: Timestamp::from_micros(row.get("last_timestamp_micros")?),
    })
}

/// Reads a column's text as what it says.
pub(super) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: &'static str) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(column)?.parse().map_err(|error: T::Err| broken(column, error))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &'static str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| broken(column, error))
}

fn broken(column: &'static str, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    let why = format!("the column `{column}`: {}", why.into());
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, why.into())
}

pub(super) fn layout_text(layout: &Layout) -> String {
    let parts: Vec<_> = layout.parts.iter().map(|p| format!("{}x{}", p.keypoints, p.channels)).collect();
    parts.join("+")
}

pub(super) fn layout(text: &str) -> Option<Layout> {
    let part = |part: &str| {
        let (keypoints, channels) = part.split_once('x')?;
        Some(LayoutPart { keypoints: keypoints.parse().ok()?, channels: channels.parse().ok()? })
    };
    Some(Layout { parts: text.split('+').map(part).collect::<Option<_>>()? })
}

pub(super) fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// A count as SQLite keeps it. Counts are far below the limit: frames and bytes of one session.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

pub(super) fn id_text(id: SessionId) -> String {
    id.0.hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_round_trip() {
        for preset in ["mediapipe_33", "mediapipe_holistic_543", "hand_21"] {
            let layout_of = Skeleton::preset(preset).unwrap().layout();
            assert_eq!(layout(&layout_text(&layout_of)), Some(layout_of));
        }
        for broken in ["", "3", "3x", "3x4+", "70000x4", "-1x4"] {
            assert_eq!(layout(broken), None, "{broken}");
        }
    }
}
