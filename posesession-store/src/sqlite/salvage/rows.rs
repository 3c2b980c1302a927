//! Which table a row is of, by its shape alone, and what it says.

use std::str::FromStr as _;

use chrono::{DateTime, Utc};
use posesession_core::{
    Encoding, Marker, MarkerKind, QualityReport, SessionId, SessionStatus, Skeleton, Timestamp,
};
use serde_json::{Map, Value as Json};

use super::cells::{Cell, Value};
use super::pages::Age;
use crate::sql::{self, time, unsigned};

/// A session's row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionFacts {
    pub(crate) key: i64,
    pub(crate) id: SessionId,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) duration: Timestamp,
    pub(crate) frame_count: u64,
    pub(crate) user_id: i64,
    pub(crate) video_file_path: Option<String>,
    pub(crate) status: SessionStatus,
    pub(crate) metadata: Map<String, Json>,
    pub(crate) skeleton_id: Option<i64>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    pub(crate) is_erased: bool,
    pub(crate) encoding: Encoding,
    pub(crate) report: Option<QualityReport>,
    /// Who published, and how far that one's numbers are settled.
    pub(crate) publisher: Option<String>,
    pub(crate) settled_through: Option<u64>,
    /// Which facts could not be read.
    pub(crate) lost: Vec<&'static str>,
    pub(crate) age: Age,
}

/// What a row that is no chunk turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Row {
    Session(Box<SessionFacts>),
    Skeleton(i64, Box<Skeleton>),
    Marker { id: i64, key: i64, marker: Marker },
    User { id: i64, username: String, email: String, password: String },
    Object { id: i64, path: String, size: u64 },
    Part { object: i64, number: i64 },
    Other,
}

/// Says what a row is. Rows that were `carved` out of a page that makes no sense have to say more to be believed.
pub(super) fn classify(cell: &Cell, age: Age, carved: bool) -> Row {
    let values = &cell.values;
    let row = match values.as_slice() {
        [Value::Null, Value::Text(id), Value::Text(_), Value::Text(_), ..] if values.len() >= 19 => {
            session(cell, id, age).map(|facts| Row::Session(Box::new(facts)))
        }
        [Value::Null, Value::Text(json), Value::Text(layout)] => skeleton(cell.rowid, json, layout),
        [
            Value::Null,
            Value::Integer(key),
            Value::Text(kind),
            Value::Integer(at),
            Value::Text(label),
            rest @ ..,
        ] if rest.len() == 3 => marker(cell.rowid, *key, kind, *at, label, rest),
        [Value::Null, Value::Text(username), Value::Text(email), Value::Text(password)] if !carved => {
            let [username, email, password] = [username, email, password].map(|text| lossy(text));
            Some(Row::User { id: cell.rowid, username, email, password })
        }
        [Value::Null, Value::Text(path), Value::Integer(size)] => object(cell.rowid, path, *size),
        [Value::Integer(object), Value::Integer(number), Value::Blob(_)] if !carved => {
            Some(Row::Part { object: *object, number: *number })
        }
        _ => None,
    };
    row.unwrap_or(Row::Other)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Reads the columns of a session's row in the order in which its schema made them.
fn session(cell: &Cell, id: &[u8], age: Age) -> Option<SessionFacts> {
    let id = SessionId::from_str(std::str::from_utf8(id).ok()?).ok()?;
    let mut lost = Vec::new();
    let column = |at: usize| cell.values.get(at).unwrap_or(&Value::Null);
    let mut text = |at: usize, name: &'static str| match column(at) {
        Value::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Some(text.to_owned()),
            Err(_) => {
                lost.push(name);
                Some(lossy(text))
            }
        },
        _ => None,
    };
    let integer = |at: usize| match column(at) {
        Value::Integer(number) => Some(*number),
        _ => None,
    };
    let (name, description) = (text(2, "name"), text(3, "description"));
    let (video_file_path, status) = (text(8, "video"), text(9, "status"));
    let (metadata, codec, max_error) = (text(10, "metadata"), text(19, "codec"), text(20, "max_error"));
    let (publisher, report) = (text(22, "publisher"), text(23, "report"));
    let mut or_lost = |name: &'static str, is_there: bool| {
        if !is_there {
            lost.push(name);
        }
    };
    let status = status.and_then(|status| status.parse().ok());
    or_lost("status", status.is_some());
    let metadata: Option<Map<String, Json>> = metadata.and_then(|json| serde_json::from_str(&json).ok());
    or_lost("metadata", metadata.is_some());
    let encoding = match codec {
        None => Some(Encoding::Columnar),
        Some(codec) => sql::encoding(&codec, max_error.as_deref()).ok(),
    };
    or_lost("encoding", encoding.is_some());
    let parsed = report.as_deref().map(serde_json::from_str::<QualityReport>);
    or_lost("report", !matches!(parsed, Some(Err(_))));
    Some(SessionFacts {
        key: cell.rowid,
        id,
        name: name.unwrap_or_default(),
        description: description.unwrap_or_default(),
        created_at: time(integer(4)?),
        duration: Timestamp::from_micros(integer(5)?),
        frame_count: unsigned(integer(6)?),
        user_id: integer(7)?,
        video_file_path,
        status: status.unwrap_or(SessionStatus::Interrupted),
        metadata: metadata.unwrap_or_default(),
        skeleton_id: integer(11),
        deleted_at: integer(16).map(time),
        is_erased: integer(17).is_some_and(|erased| erased != 0),
        encoding: encoding.unwrap_or_default(),
        report: parsed.and_then(Result::ok),
        publisher,
        settled_through: integer(14).map(i64::cast_unsigned),
        lost,
        age,
    })
}

fn skeleton(id: i64, json: &[u8], layout: &[u8]) -> Option<Row> {
    let skeleton: Skeleton = serde_json::from_slice(json).ok()?;
    let _is_one = sql::layout(std::str::from_utf8(layout).ok()?)?;
    skeleton.validate().ok()?;
    Some(Row::Skeleton(id, Box::new(skeleton)))
}

fn marker(id: i64, key: i64, kind: &[u8], at: i64, label: &[u8], rest: &[Value]) -> Option<Row> {
    let kind = MarkerKind::ALL.into_iter().find(|known| known.as_str().as_bytes() == kind)?;
    let integer = |at: usize| match rest.get(at) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    };
    let cause = match rest.get(2) {
        Some(Value::Text(cause)) => Some(lossy(cause)),
        _ => None,
    };
    let marker = Marker {
        kind,
        timestamp: Timestamp::from_micros(at),
        label: lossy(label),
        duration: integer(0).map(Timestamp::from_micros),
        count: integer(1).map(i64::cast_unsigned),
        cause,
    };
    Some(Row::Marker { id, key, marker })
}

fn object(id: i64, path: &[u8], size: i64) -> Option<Row> {
    let path = std::str::from_utf8(path).ok()?;
    let _session: SessionId = path.split_once('/')?.0.parse().ok()?;
    Some(Row::Object { id, path: path.to_owned(), size: u64::try_from(size).ok()? })
}
