//! Rows of the database in, values of the contract out, and back.

use posesession_core::{
    ChunkExtent, Encoding, Marker, MarkerKind, MaxError, QualityReport, SessionId, SessionRecording,
    Skeleton, Timestamp, User, UserId,
};
use rusqlite::Row;
use rusqlite::types::Type;

use crate::sql::{self, Skeletons, time, unsigned};

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
        encoding: encoding(row)?,
        report: report(row)?,
    })
}

fn encoding(row: &Row<'_>) -> rusqlite::Result<Encoding> {
    let (codec, max_error): (String, Option<String>) = (row.get("codec")?, row.get("max_error")?);
    sql::encoding(&codec, max_error.as_deref())
        .map_err(|why| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, why.into()))
}

pub(super) fn max_error(row: &Row<'_>) -> rusqlite::Result<Option<MaxError>> {
    let is_there = row.get::<_, Option<String>>("max_error")?.is_some();
    is_there.then(|| json(row, "max_error")).transpose()
}

fn report(row: &Row<'_>) -> rusqlite::Result<Option<QualityReport>> {
    let is_there = row.get_ref("report")?.data_type() != Type::Null;
    is_there.then(|| json(row, "report")).transpose()
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

pub(super) fn id_text(id: SessionId) -> String {
    id.0.hyphenated().to_string()
}
