//! The formats that sessions are exported to and imported from. A name or a file's name in, the format out.

use std::path::Path;

use clap::ValueEnum;
use posesession_store::FrameFormat;

/// What a file of a session is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One SQLite file with the whole session: facts, frames bit for bit, markers, images, video
    Sqlite,
    /// JSON Lines, one frame a line
    Jsonl,
    /// CSV, one line a frame and person, a column for each number
    Csv,
    /// CSV, one line a keypoint
    CsvLong,
}

impl Format {
    /// Guesses the format by a file's name.
    pub(super) fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "db" | "sqlite" | "sqlite3" => Some(Self::Sqlite),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// Returns the format of frames that it is; none for whole sessions.
    pub(super) const fn of_frames(self) -> Option<FrameFormat> {
        match self {
            Self::Sqlite => None,
            Self::Jsonl => Some(FrameFormat::JsonLines),
            Self::Csv => Some(FrameFormat::CsvWide),
            Self::CsvLong => Some(FrameFormat::CsvLong),
        }
    }
}

/// Returns which of the two CSV formats a file's first line is of.
pub(super) fn csv_of_header(line: &[u8]) -> FrameFormat {
    let mut columns = line.split(|&byte| byte == b',');
    let is_keypoint = |column: &[u8]| column.trim_ascii().eq_ignore_ascii_case(b"keypoint");
    if columns.any(is_keypoint) { FrameFormat::CsvLong } else { FrameFormat::CsvWide }
}
