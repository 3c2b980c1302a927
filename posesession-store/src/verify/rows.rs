//! What rows of an SQL store say about each other. Rows in, findings out.

use posesession_core::{ChunkExtent, SessionId, SessionRecording, decode, peek};

use crate::finding::Finding;
use crate::listing::{search_text, sort_name};
use crate::sql::layout_text;

/// What of a session's row is compared with the rows of its chunks.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    pub(crate) id: SessionId,
    pub(crate) frame_count: i64,
    pub(crate) duration_micros: i64,
    pub(crate) stored_bytes: i64,
    pub(crate) compacted_frames: i64,
    /// Whether it is being erased: its chunks go one by one.
    pub(crate) is_erased: bool,
}

/// A chunk's row.
#[derive(Debug, Clone)]
pub(crate) struct ChunkRow {
    pub(crate) first_frame: i64,
    pub(crate) frame_count: i64,
    pub(crate) first_timestamp_micros: i64,
    pub(crate) last_timestamp_micros: i64,
    pub(crate) codec: i64,
    pub(crate) header: Vec<u8>,
    pub(crate) payload_bytes: i64,
    /// Only of a deleted session, which can't be read by other means and may yet be restored.
    pub(crate) payload: Option<Vec<u8>>,
}

/// Goes through the chunk rows of one session, in the order of their frames.
#[derive(Debug)]
pub(crate) struct ChunkRows {
    session: SessionRow,
    next: i64,
    last_timestamp: Option<i64>,
    bytes: i64,
    findings: Vec<Finding>,
}

impl ChunkRows {
    pub(crate) fn new(session: SessionRow) -> Self {
        Self { session, next: 0, last_timestamp: None, bytes: 0, findings: Vec::new() }
    }

    /// Compares a row with its header and with the row before.
    pub(crate) fn push(&mut self, row: &ChunkRow) {
        let place = format!("chunk from frame {}", row.first_frame);
        let mut damage = |what: String| {
            self.findings.push(Finding::damage(self.session.id, place.as_str(), what));
        };
        let content = row.payload.as_ref().map_or(Ok(()), |payload| decode(&row.header, payload).map(drop));
        match peek(&row.header).and_then(|header| content.map(|()| header)) {
            Err(error) => damage(error.to_string()),
            Ok(header) => {
                let says = (
                    row.first_frame,
                    row.frame_count,
                    row.first_timestamp_micros,
                    row.last_timestamp_micros,
                    row.codec,
                    row.payload_bytes,
                );
                let is = header.extent().map(|extent: ChunkExtent| {
                    (
                        extent.first_frame.cast_signed(),
                        i64::from(extent.frame_count),
                        extent.first_timestamp.as_micros(),
                        extent.last_timestamp.as_micros(),
                        header.codec as i64,
                        i64::from(header.payload_bytes),
                    )
                });
                if is != Some(says) {
                    damage(format!(
                        "its row says (first frame, frames, first and last microsecond, codec, bytes) {says:?}, its header {is:?}"
                    ));
                }
            }
        }
        if row.first_frame != self.next {
            damage(format!("frame {} should come next", self.next));
        }
        if self.last_timestamp.is_some_and(|last| row.first_timestamp_micros <= last) {
            damage("it starts no later than the frame before".to_owned());
        }
        self.next = row.first_frame.saturating_add(row.frame_count);
        self.last_timestamp = Some(row.last_timestamp_micros);
        let bytes = i64::try_from(row.header.len()).unwrap_or(i64::MAX).saturating_add(row.payload_bytes);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Compares what the chunks have together with what the session says.
    pub(crate) fn finish(self) -> Vec<Finding> {
        let Self { session, next, last_timestamp, bytes, mut findings } = self;
        if session.is_erased {
            return Vec::new();
        }
        let mut differ = |what: &str, told: i64, is: i64| {
            if told != is {
                let what = format!("its {what} should be {is}, by its chunks, and is {told}");
                findings.push(Finding::damage(session.id, "session", what));
            }
        };
        differ("frame count", session.frame_count, next);
        differ("duration (microseconds)", session.duration_micros, last_timestamp.unwrap_or(0));
        differ("bytes", session.stored_bytes, bytes);
        if !(0..=session.frame_count.max(0)).contains(&session.compacted_frames) {
            let what = format!(
                "{} of its {} frames count as compacted",
                session.compacted_frames, session.frame_count
            );
            findings.push(Finding::damage(session.id, "session", what));
        }
        findings
    }
}

/// Compares a session's facts with what is kept of them elsewhere: what is searched in, what is sorted by, its skeleton's shape.
pub(crate) fn session_facts(
    session: &SessionRecording,
    searched: Option<&str>,
    sorted_by: &str,
    layout: Option<&str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut damage = |what: &str| findings.push(Finding::damage(session.id, "session", what));
    let text = search_text(&session.name, &session.description, &session.metadata);
    if searched != Some(text.as_str()) {
        damage("its name, description or metadata are not those that are searched in");
    }
    if sorted_by != sort_name(&session.name) {
        damage("its name is not the one that it is sorted by");
    }
    if layout != session.skeleton.as_ref().map(|skeleton| layout_text(&skeleton.layout())).as_deref() {
        damage("its skeleton has another shape than is noted beside it");
    }
    if let Some(skeleton) = &session.skeleton
        && let Err(error) = skeleton.validate()
    {
        damage(&format!("its skeleton is none: {error}"));
    }
    findings
}
