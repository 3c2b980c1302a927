//! Rows of the database in, values of the contract out, and back.

use posesession_core::{
    ChunkExtent, Encoding, Marker, MarkerKind, MaxError, QualityReport, SessionId, SessionRecording,
    Skeleton, Timestamp, User, UserId,
};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Row as _, Type};

use crate::sql::{self, Skeletons, time, unsigned};

/// A session's id as the database's type `uuid`. (sqlx's own feature for it would bring its SQLite into the build.)
#[derive(Debug, Clone, Copy)]
pub(super) struct Id(pub(super) SessionId);

impl Type<Postgres> for Id {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2950))
    }
}

impl PgHasArrayType for Id {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2951))
    }
}

impl Encode<'_, Postgres> for Id {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.0.as_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Id {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        // All statements are prepared, so all values come in their binary form.
        Ok(Self(SessionId(uuid::Uuid::from_slice(value.as_bytes()?)?)))
    }
}

pub(super) fn session(row: &PgRow, skeletons: &mut Skeletons) -> sqlx::Result<SessionRecording> {
    let skeleton = match row.try_get::<Option<i64>, _>("skeleton_id")? {
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
        id: row.try_get::<Id, _>("id")?.0,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        created_at: time(row.try_get("created_at_micros")?),
        duration: Timestamp::from_micros(row.try_get("duration_micros")?),
        frame_count: unsigned(row.try_get("frame_count")?),
        user_id: UserId(row.try_get("user_id")?),
        video_file_path: row.try_get("video_file_path")?,
        status: parsed(row, "status")?,
        metadata: json(row, "metadata")?,
        skeleton,
        stored_bytes: unsigned(row.try_get("stored_bytes")?),
        encoding: encoding(row)?,
        report: report(row)?,
    })
}

fn encoding(row: &PgRow) -> sqlx::Result<Encoding> {
    // Unchecked: the binary form of `json` is that of `text`.
    let max_error: Option<&str> = row.try_get_unchecked("max_error")?;
    sql::encoding(row.try_get("codec")?, max_error).map_err(|why| broken("codec", why))
}

pub(super) fn max_error(row: &PgRow) -> sqlx::Result<Option<MaxError>> {
    let is_there = row.try_get_unchecked::<Option<&str>, _>("max_error")?.is_some();
    is_there.then(|| json(row, "max_error")).transpose()
}

fn report(row: &PgRow) -> sqlx::Result<Option<QualityReport>> {
    let is_there = row.try_get_unchecked::<Option<&str>, _>("report")?.is_some();
    is_there.then(|| json(row, "report")).transpose()
}

pub(super) fn user(row: &PgRow) -> sqlx::Result<User> {
    Ok(User {
        id: UserId(row.try_get("id")?),
        username: row.try_get("username")?,
        email: row.try_get("email")?,
        password: row.try_get("password")?,
    })
}

pub(super) fn marker(row: &PgRow) -> sqlx::Result<Marker> {
    let kind: String = row.try_get("kind")?;
    let kind = MarkerKind::ALL.into_iter().find(|known| known.as_str() == kind);
    Ok(Marker {
        kind: kind.ok_or_else(|| broken("kind", "it is no kind of marker"))?,
        timestamp: Timestamp::from_micros(row.try_get("timestamp_micros")?),
        label: row.try_get("label")?,
        duration: row.try_get::<Option<i64>, _>("duration_micros")?.map(Timestamp::from_micros),
        count: row.try_get::<Option<i64>, _>("count")?.map(i64::cast_unsigned),
        cause: row.try_get("cause")?,
    })
}

pub(super) fn extent(row: &PgRow) -> sqlx::Result<ChunkExtent> {
    let frame_count = u32::try_from(row.try_get::<i64, _>("frame_count")?);
    Ok(ChunkExtent {
        first_frame: unsigned(row.try_get("first_frame")?),
        frame_count: frame_count.map_err(|error| broken("frame_count", error))?,
        first_timestamp: Timestamp::from_micros(row.try_get("first_timestamp_micros")?),
        last_timestamp: Timestamp::from_micros(row.try_get("last_timestamp_micros")?),
    })
}

/// Reads a column's text as what it says.
pub(super) fn parsed<T: std::str::FromStr>(row: &PgRow, column: &'static str) -> sqlx::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.try_get::<&str, _>(column)?.parse().map_err(|error: T::Err| broken(column, error))
}

fn json<T: serde::de::DeserializeOwned>(row: &PgRow, column: &'static str) -> sqlx::Result<T> {
    // Unchecked: the binary form of `json` is that of `text`.
    let text: &str = row.try_get_unchecked(column)?;
    serde_json::from_str(text).map_err(|error| broken(column, error))
}

fn broken(column: &'static str, why: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: why.into() }
}
