//! What the SQL stores share: texts of statements, and values that stand in columns.

mod values;

use std::collections::HashMap;
use std::fmt::Write as _;

use posesession_core::{SessionId, Skeleton};

pub(crate) use self::values::{
    encoding, encoding_json, layout, layout_text, max_error_json, recoding_of, report_json, signed, time,
    unsigned,
};
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
