//! Other programs' files: their lines in, a session out, and back.
//!
//! What exactly is read and written stands in `docs/file-formats.md`. Readers are streams: memory doesn't depend on a
//! file's length. What they refuse, they refuse with line and column.

mod bounded;
mod timeline;
mod landmarks;
mod json_lines;
mod rows;
mod csv_wide;
mod csv_long;
mod import;
mod walk;
mod export;

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use posesession_core::{Marker, PoseData, SessionRecording, Skeleton, Timestamp};
use serde::Deserialize;
use thiserror::Error;

pub use export::FrameExport;
pub use import::{ImportError, ImportOptions, import_frames, import_frames_until};
pub use walk::{FrameWalk, SessionFrame};

/// A format of frames that other programs write and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameFormat {
    /// JSON, one frame a line, as MediaPipe's users dump it; written with a first line of facts and markers.
    JsonLines,
    /// CSV, one line a frame and person, a column for each number.
    CsvWide,
    /// CSV, one line a keypoint.
    CsvLong,
}

impl FrameFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::JsonLines, Self::CsvWide, Self::CsvLong];

    /// Returns the format's name on the command line and in URLs: `jsonl`, `csv` or `csv-long`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::CsvWide => "csv",
            Self::CsvLong => "csv-long",
        }
    }

    /// Returns the extension of the format's files.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::CsvWide | Self::CsvLong => "csv",
        }
    }

    /// Returns the format's media type.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        match self {
            Self::JsonLines => "application/jsonl",
            Self::CsvWide | Self::CsvLong => "text/csv; charset=utf-8",
        }
    }
}

impl fmt::Display for FrameFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FrameFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let format = Self::ALL.into_iter().find(|format| format.as_str() == text);
        format.ok_or_else(|| UnknownFormat { format: text.to_owned() })
    }
}

/// A word that is no [`FrameFormat`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{format}` is no format of frames: use jsonl, csv or csv-long")]
pub struct UnknownFormat {
    /// The word.
    pub format: String,
}

/// What a reader can't know from the file itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadOptions {
    /// Frames a second, for files whose frames have no time; frame n is then at n / fps seconds.
    pub fps: Option<f64>,
    /// The keypoints, if the file's own names or counts don't tell.
    pub skeleton: Option<Skeleton>,
}

/// A frame as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadFrame {
    /// Where it starts in the file; the first line is 1.
    pub line: u64,
    /// When, since the first frame of the file.
    pub timestamp: Timestamp,
    /// Who is seen, by [`FrameReader::skeleton`].
    pub pose_data: PoseData,
}

/// What stands at the head of our own JSON Lines, before the frames.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FileHead {
    /// The session that was exported.
    pub session: SessionRecording,
    /// Its markers.
    #[serde(default)]
    pub markers: Vec<Marker>,
}

/// Reads the frames of a file, one after the other. It does I/O that blocks.
pub trait FrameReader: Send {
    /// Returns the next frame, or nothing at the end.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. There is nothing to be read after one.
    fn next_frame(&mut self) -> Result<Option<ReadFrame>, ReadError>;

    /// Returns the keypoints, once they are known: with the first person seen, or before.
    fn skeleton(&self) -> Option<&Skeleton>;

    /// Returns the head of the file, once a frame was read, if it has one.
    fn head(&self) -> Option<&FileHead> {
        None
    }
}

/// Starts reading a file of frames.
///
/// # Errors
///
/// [`ReadError`] where the file's first line is wrong (CSV).
///
/// # Examples
///
/// ```
/// use posesession_store::{FrameFormat, ReadOptions, read_frames};
///
/// let file = r#"{"timestamp": 12.5, "landmarks": [{"x": 0.25, "y": 0.5, "z": 0.0}]}"#;
/// let mut frames = read_frames(file.as_bytes(), FrameFormat::JsonLines, ReadOptions::default())?;
/// let frame = frames.next_frame()?.expect("one line, one frame");
/// assert_eq!(frame.timestamp.as_micros(), 0);
/// assert_eq!(frame.pose_data.values[..3], [0.25, 0.5, 0.0]);
/// assert!(frame.pose_data.values[3].is_nan(), "there is no visibility");
/// assert_eq!(frames.next_frame()?, None);
/// # Ok::<(), posesession_store::ReadError>(())
/// ```
pub fn read_frames<'a>(
    file: impl Read + Send + 'a,
    format: FrameFormat,
    options: ReadOptions,
) -> Result<Box<dyn FrameReader + 'a>, ReadError> {
    Ok(match format {
        FrameFormat::JsonLines => Box::new(json_lines::Reader::new(file, options)),
        FrameFormat::CsvWide => Box::new(csv_wide::Reader::new(file, options)?),
        FrameFormat::CsvLong => Box::new(csv_long::Reader::new(file, options)?),
    })
}

/// Why a file of frames can't be read on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What stands there is not what belongs there.
    #[error("line {line}, column {column}: {what}")]
    Malformed {
        /// The line, from 1.
        line: u64,
        /// In JSON the byte of the line, in CSV the field, from 1.
        column: u64,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// The file can't be read.
    #[error("line {line}: the file can't be read")]
    Io {
        /// The line at which it broke off, from 1.
        line: u64,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ReadError {
    fn at(line: u64, column: u64, what: impl Into<String>) -> Self {
        Self::Malformed { line, column, what: what.into() }
    }
}
