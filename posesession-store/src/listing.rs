//! Searching, sorting and paging, alike in every store.

use posesession_core::{SessionId, SessionRecording};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::checks::bad;
use crate::error::StoreError;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::query::{DamagedSession, SessionPage};
use crate::query::{SessionQuery, SessionSort};

/// The text of a session in which words are searched: name, description, and the metadata's keys and values, in lower
/// case, a line each.
pub(crate) fn search_text(name: &str, description: &str, metadata: &Map<String, Value>) -> String {
    let mut text = format!("{name}\n{description}");
    for (key, value) in metadata {
        push_line(&mut text, key);
        push_value(&mut text, value);
    }
    text.make_ascii_lowercase();
    text
}

/// The words that all must occur in a session's search text.
pub(crate) fn search_words(query: &SessionQuery) -> Vec<String> {
    let words = query.search.as_deref().unwrap_or_default().split_whitespace();
    words.map(str::to_ascii_lowercase).collect()
}

fn push_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(yes) => push_line(text, if *yes { "true" } else { "false" }),
        Value::Number(number) => push_line(text, &number.to_string()),
        Value::String(string) => push_line(text, string),
        Value::Array(values) => values.iter().for_each(|value| push_value(text, value)),
        Value::Object(object) => {
            for (key, value) in object {
                push_line(text, key);
                push_value(text, value);
            }
        }
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push('\n');
    text.push_str(line);
}

/// What a session is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SortKey {
    Number(i64),
    Text(String),
}

impl SortKey {
    pub(crate) fn of(session: &SessionRecording, sort: SessionSort) -> Self {
        match sort {
            SessionSort::CreatedAt => Self::Number(session.created_at.timestamp_micros()),
            SessionSort::Name => Self::Text(sort_name(&session.name).to_owned()),
            SessionSort::Duration => Self::Number(session.duration.as_micros()),
            SessionSort::FrameCount => Self::Number(i64::try_from(session.frame_count).unwrap_or(i64::MAX)),
        }
    }
}

/// The part of a name that it is sorted by, so that no index and no cursor grows with it.
pub(crate) fn sort_name(name: &str) -> &str {
    &name[..name.floor_char_boundary(SessionSort::MAX_NAME_BYTES)]
}

/// A row of a list: its place, if that can be read, and its session, if that can.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) type Listed = (Option<Place>, Result<SessionRecording, DamagedSession>);

/// Makes a page of rows in their order. The next one starts behind the last row whose place can be read; none if a page that
/// is `full` has no such row, so that more rows are to be read.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn page(query: &SessionQuery, mut rows: Vec<Listed>, more: bool) -> Option<SessionPage> {
    let mut next = None;
    if more {
        let last = rows.iter().rposition(|(place, _)| place.is_some())?;
        rows.truncate(last + 1);
        next = rows.last().and_then(|(place, _)| place.clone());
    }
    let before = Place::from_cursor(query).ok().flatten();
    let mut page = SessionPage { sessions: Vec::new(), damaged: Vec::new(), next: None };
    if let (Some(before), Some(place)) = (&before, &next)
        && (if query.descending { place >= before } else { place <= before })
    {
        // An index that contradicts its table: going on would lead round in circles.
        let what = "the sessions' order is damaged: the list ends here".to_owned();
        page.damaged.push(DamagedSession { id: place.id.to_string(), what });
        next = None;
    }
    page.next = next.map(|place| place.to_cursor(query));
    for (_, session) in rows {
        match session {
            Ok(session) => page.sessions.push(session),
            Err(damaged) => {
                tracing::warn!(
                    session = damaged.id,
                    what = damaged.what,
                    "a session is damaged and left out of the list"
                );
                page.damaged.push(damaged);
            }
        }
    }
    Some(page)
}

/// The place in a list behind which the next page starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) key: SortKey,
    pub(crate) id: SessionId,
}

impl Place {
    pub(crate) fn of(session: &SessionRecording, sort: SessionSort) -> Self {
        Self { key: SortKey::of(session, sort), id: session.id }
    }

    /// Writes the place as a cursor: the order, the id, and the sort key.
    pub(crate) fn to_cursor(&self, query: &SessionQuery) -> String {
        let id = self.id.0.simple();
        let order = order(query);
        match &self.key {
            SortKey::Number(number) => format!("{order}{id}{number}"),
            SortKey::Text(text) => {
                let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("{order}{id}{hex}")
            }
        }
    }

    /// Reads the query's cursor, if it has one.
    pub(crate) fn from_cursor(query: &SessionQuery) -> Result<Option<Self>, StoreError> {
        let Some(cursor) = &query.cursor else {
            return Ok(None);
        };
        let place = cursor.strip_prefix(&order(query)).and_then(|rest| {
            let (id, key) = (rest.get(..32)?, rest.get(32..)?);
            let id = SessionId(Uuid::try_parse(id).ok()?);
            let key = match query.sort {
                SessionSort::Name => SortKey::Text(from_hex(key)?),
                _ => SortKey::Number(key.parse().ok()?),
            };
            Some(Self { key, id })
        });
        match place {
            Some(place) => Ok(Some(place)),
            None => Err(bad("the cursor is not one of this list: start at the first page".to_owned())),
        }
    }
}

fn order(query: &SessionQuery) -> String {
    let sort = match query.sort {
        SessionSort::CreatedAt => "c",
        SessionSort::Name => "n",
        SessionSort::Duration => "d",
        SessionSort::FrameCount => "f",
    };
    format!("{sort}{}", if query.descending { "d" } else { "a" })
}

fn from_hex(hex: &str) -> Option<String> {
    let pairs = hex.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| {
        let [high, low] = *pair else { return None };
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
        Some(digit(high)? << 4 | digit(low)?)
    });
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn query(sort: SessionSort, descending: bool, cursor: Option<String>) -> SessionQuery {
        SessionQuery { sort, descending, cursor, ..SessionQuery::default() }
    }

    proptest! {
        #[test]
        fn cursors_round_trip(name: String, number: i64, id: u128, descending: bool) {
            for (sort, key) in [
                (SessionSort::Name, SortKey::Text(sort_name(&name).to_owned())),
                (SessionSort::Duration, SortKey::Number(number)),
            ] {
                let place = Place { key, id: SessionId(Uuid::from_u128(id)) };
                let cursor = place.to_cursor(&query(sort, descending, None));
                let read = Place::from_cursor(&query(sort, descending, Some(cursor.clone()))).unwrap();
                prop_assert_eq!(read, Some(place));
                prop_assert!(Place::from_cursor(&query(sort, !descending, Some(cursor))).is_err());
            }
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text: String) {
            for sort in [SessionSort::Name, SessionSort::CreatedAt] {
                let _either = Place::from_cursor(&query(sort, true, Some(text.clone())));
                let _either = Place::from_cursor(&query(sort, true, Some(format!("nd{text}"))));
            }
        }
    }

    #[test]
    fn metadata_is_searched_by_its_words_and_not_by_its_quotes() {
        let metadata = serde_json::json!({"Gym": {"wall": "Süd \"A\""}, "tries": [1, 2.5, true, null]});
        let text = search_text("Name", "Text", metadata.as_object().unwrap());
        assert_eq!(text, "name\ntext\ngym\nwall\nsüd \"a\"\ntries\n1\n2.5\ntrue");
    }
}
