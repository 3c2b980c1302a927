//! What the SQL stores share: texts of statements, and values that stand in columns.

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use posesession_core::{Encoding, Layout, LayoutPart, QualityReport, SessionId, Skeleton};

use crate::error::StoreError;
use crate::listing::{Place, SortKey, search_words};
use crate::query::{SessionQuery, SessionSort};

/// What a session is read from; the table is called `s`, and `k` is its skeleton.
pub(crate) const SESSION_COLUMNS: &str = "s.id, s.name, s.description, s.created_at_micros, s.duration_micros, \
     s.frame_count, s.user_id, s.video_file_path, s.status, s.metadata, s.stored_bytes, s.codec, s.max_error, \
     s.report, s.skeleton_id, k.skeleton";
/// Where [`SESSION_COLUMNS`] come from.
pub(crate) const SESSION_TABLES: &str = "session_recording s LEFT JOIN skeleton k ON k.id = s.skeleton_id";

/// Skeletons read before, so that a page of sessions parses each of them once.
pub(crate) type Skeletons = HashMap<i64, Skeleton>;

/// A parameter of a [`Statement`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parameter {
    Integer(i64),
    Text(String),
    Id(SessionId),
}

/// A statement with its parameters, `$1`, `$2`... in the order in which they stand in it. Only words of this program go
/// into its text; what users wrote are parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Parameter>,
    /// The function that finds a text in another, where no character is special: `instr`, `strpos`...
    find: &'static str,
}

impl Statement {
    /// Writes the statement of one page of sessions and one session more.
    pub(crate) fn page(query: &SessionQuery, find: &'static str) -> Result<Self, StoreError> {
        let column = match query.sort {
            SessionSort::CreatedAt => "s.created_at_micros",
            SessionSort::Name => "s.sort_name",
            SessionSort::Duration => "s.duration_micros",
            SessionSort::FrameCount => "s.frame_count",
        };
        let (direction, beyond) = if query.descending { ("DESC", "<") } else { ("ASC", ">") };
        let select = format!("SELECT {SESSION_COLUMNS} FROM {SESSION_TABLES} WHERE ");
        let mut statement = Self { sql: select, parameters: Vec::new(), find };
        statement.push_condition(query);
        if let Some(Place { key, id }) = Place::from_cursor(query)? {
            let key = statement.parameter(match key {
                SortKey::Number(number) => Parameter::Integer(number),
                SortKey::Text(text) => Parameter::Text(text),
            });
            let id = statement.parameter(Parameter::Id(id));
            statement.push(format_args!(" AND ({column}, s.id) {beyond} ({key}, {id})"));
        }
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX - 1) + 1;
        let limit = statement.parameter(Parameter::Integer(limit));
        statement.push(format_args!(" ORDER BY {column} {direction}, s.id {direction} LIMIT {limit}"));
        Ok(statement)
    }

    /// Writes the statement that counts the sessions of all pages by status.
    pub(crate) fn totals(query: &SessionQuery, find: &'static str) -> Self {
        let select = "SELECT s.status, count(*) AS sessions, CAST(sum(s.frame_count) AS BIGINT) AS frames,
                          CAST(sum(s.stored_bytes) AS BIGINT) AS stored_bytes
                      FROM session_recording s WHERE ";
        let mut statement = Self { sql: select.to_owned(), parameters: Vec::new(), find };
        statement.push_condition(query);
        statement.push(format_args!(" GROUP BY s.status"));
        statement
    }

    /// Writes which sessions the pages of a list have together.
    fn push_condition(&mut self, query: &SessionQuery) {
        let user = self.parameter(Parameter::Integer(query.user_id.0));
        self.push(format_args!("s.user_id = {user} AND s.deleted_at_micros IS NULL"));
        if let Some(status) = query.status {
            let status = self.parameter(Parameter::Text(status.as_str().to_owned()));
            self.push(format_args!(" AND s.status = {status}"));
        }
        let words = search_words(query);
        if words.is_empty() {
            return;
        }
        // One subquery for all words: Postgres takes for ever to plan one for each of many.
        self.push(format_args!(" AND EXISTS (SELECT 1 FROM session_search f WHERE f.session_key = s.key"));
        for word in words {
            let (word, find) = (self.parameter(Parameter::Text(word)), self.find);
            self.push(format_args!(" AND {find}(f.text, {word}) > 0"));
        }
        self.push(format_args!(")"));
    }

    /// Adds a parameter and returns how it is called.
    fn parameter(&mut self, value: Parameter) -> String {
        self.parameters.push(value);
        format!("${}", self.parameters.len())
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.sql.write_fmt(text).expect("writing to a String can't fail");
    }
}

/// Writes a layout as it stands in a column, such as `33x4+21x4`.
pub(crate) fn layout_text(layout: &Layout) -> String {
    let parts: Vec<_> = layout.parts.iter().map(|p| format!("{}x{}", p.keypoints, p.channels)).collect();
    parts.join("+")
}

pub(crate) fn layout(text: &str) -> Option<Layout> {
    let part = |part: &str| {
        let (keypoints, channels) = part.split_once('x')?;
        Some(LayoutPart { keypoints: keypoints.parse().ok()?, channels: channels.parse().ok()? })
    };
    Some(Layout { parts: text.split('+').map(part).collect::<Option<_>>()? })
}

/// Writes a report as it stands in a column.
pub(crate) fn report_json(report: Option<&QualityReport>) -> Option<String> {
    // Counts and finite numbers by name: nothing that could fail.
    report.and_then(|report| serde_json::to_string(report).ok())
}

/// Writes the bounds of an encoding as they stand in a column.
pub(crate) fn max_error_json(encoding: &Encoding) -> Option<String> {
    // An object of names and finite numbers is always JSON.
    encoding.max_error().and_then(|max_error| serde_json::to_string(max_error).ok())
}

/// Writes an encoding as it stands in one column.
pub(crate) fn encoding_json(encoding: &Encoding) -> Option<String> {
    serde_json::to_string(encoding).ok()
}

/// Reads the encoding to which a session is being recoded. One that can't be read is taken for another one: bounds are added
/// once too often then, and still hold.
pub(crate) fn recoding_of(text: Option<&str>) -> Option<Encoding> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

/// Reads an encoding from its two columns.
pub(crate) fn encoding(codec: &str, max_error: Option<&str>) -> Result<Encoding, String> {
    let max_error = max_error.map(serde_json::from_str).transpose();
    let max_error = max_error.map_err(|error| format!("the column `max_error`: {error}"))?;
    Encoding::from_parts(Some(codec), max_error).map_err(|error| format!("the column `codec`: {error}"))
}

pub(crate) fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// A count as a signed column keeps it. Counts are far below the limit: frames and bytes of one session.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
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
