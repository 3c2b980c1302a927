//! JSON Lines: one frame a line, in our own shape or in one of those that MediaPipe's users dump.

use std::io::{BufRead as _, BufReader, Read};

use posesession_core::{PoseData, SentPose, Skeleton};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::bounded::BoundedLines;
use super::landmarks::{self, Persons};
use super::timeline::Timeline;
use super::{FileHead, FrameReader, ReadError, ReadFrame, ReadOptions};

const SHAPES: &str = "a line is a frame such as {\"timestamp\": seconds, \"landmarks\": [...]}, with `persons`, \
     `pose_landmarks` or `pose_world_landmarks` as well, in `pose_data` or not, or a list of landmarks";

/// Reads lines.
pub(super) struct Reader<R> {
    lines: BufReader<BoundedLines<R>>,
    text: Vec<u8>,
    line: u64,
    timeline: Timeline,
    skeleton: Option<Skeleton>,
    head: Option<FileHead>,
    has_frames: bool,
}

/// The parts of a frame that say when it is and where its pose stands.
#[derive(Default, Deserialize)]
struct Line<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    timestamp_ms: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    timestamp_us: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    session: Option<&'a RawValue>,
}

/// The parts of a pose, each under the names that it goes by.
#[derive(Default, Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pose_data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    persons: Option<&'a RawValue>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        alias = "landmark",
        alias = "pose_landmarks",
        alias = "poseLandmarks"
    )]
    landmarks: Option<&'a RawValue>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        alias = "world_landmarks",
        alias = "worldLandmarks",
        alias = "poseWorldLandmarks"
    )]
    pose_world_landmarks: Option<&'a RawValue>,
}

/// Tells `null` from nothing.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A pose as a line has it.
enum Sent {
    Own(SentPose),
    Landmarks { pose: Persons, world: Persons },
}

impl<R: Read> Reader<R> {
    pub(super) fn new(file: R, options: ReadOptions) -> Self {
        Self {
            lines: BufReader::new(BoundedLines::new(file)),
            text: Vec::new(),
            line: 0,
            timeline: Timeline::new(options.fps),
            skeleton: options.skeleton,
            head: None,
            has_frames: false,
        }
    }

    fn parse(&mut self, text: &str) -> Result<Option<ReadFrame>, ReadError> {
        let place = Place { line: self.line, text };
        let is_list = text.trim_start().starts_with('[');
        let line: Line<'_> = if is_list { Line::default() } else { place.parse(text)? };
        if line.session.is_some() && !self.has_frames && self.head.is_none() {
            let head: FileHead = place.parse(text)?;
            self.skeleton = self.skeleton.take().or_else(|| head.session.skeleton.clone());
            self.head = Some(head);
            return Ok(None);
        }
        let seconds = line.seconds(&place)?;
        let timestamp = self.timeline.place(self.line, 1, seconds)?;
        let sent = place.pose(text)?.ok_or_else(|| place.error(text, SHAPES))?;
        let pose_data = self.lay_out(sent).map_err(|what| place.error(text, what))?;
        self.has_frames = true;
        Ok(Some(ReadFrame { line: self.line, timestamp, pose_data }))
    }

    /// Lays a pose out by the skeleton, which the first person decides.
    fn lay_out(&mut self, sent: Sent) -> Result<PoseData, String> {
        if self.skeleton.is_none() {
            self.skeleton = match &sent {
                Sent::Own(own) => own.infer_skeleton().map_err(|error| error.to_string())?,
                Sent::Landmarks { pose, world } => landmarks::infer(pose, world)?,
            };
        }
        match (sent, &self.skeleton) {
            (_, None) => Ok(PoseData::nobody()),
            (Sent::Own(own), Some(skeleton)) => own.resolve(skeleton).map_err(|error| error.to_string()),
            (Sent::Landmarks { pose, world }, Some(skeleton)) => landmarks::lay_out(&pose, &world, skeleton),
        }
    }
}

impl<R: Read + Send> FrameReader for Reader<R> {
    fn next_frame(&mut self) -> Result<Option<ReadFrame>, ReadError> {
        loop {
            self.line += 1;
            let mut text = std::mem::take(&mut self.text);
            text.clear();
            let read = self.lines.read_until(b'\n', &mut text);
            if read.map_err(|source| ReadError::Io { line: self.line, source })? == 0 {
                return Ok(None);
            }
            self.lines.get_mut().end_line();
            let frame = match std::str::from_utf8(&text) {
                Ok(text) if text.trim().trim_start_matches('\u{feff}').is_empty() => Ok(None),
                Ok(text) => self.parse(text.trim_start_matches('\u{feff}').trim_end()),
                Err(error) => {
                    Err(ReadError::at(self.line, error.valid_up_to() as u64 + 1, "this is no UTF-8"))
                }
            };
            self.text = text;
            if let Some(frame) = frame? {
                return Ok(Some(frame));
            }
        }
    }

    fn skeleton(&self) -> Option<&Skeleton> {
        self.skeleton.as_ref()
    }

    fn head(&self) -> Option<&FileHead> {
        self.head.as_ref()
    }
}

impl Line<'_> {
    /// Returns when the frame is, in seconds, if the line says so.
    fn seconds(&self, place: &Place<'_>) -> Result<Option<f64>, ReadError> {
        let units = [(self.timestamp, 1.0), (self.timestamp_ms, 1e3), (self.timestamp_us, 1e6)];
        for (raw, per_second) in units {
            if let Some(raw) = raw
                && let Some(time) = place.parse::<Option<f64>>(raw.get())?
            {
                return Ok(Some(time / per_second));
            }
        }
        Ok(None)
    }
}

/// A line, to say where in it something is wrong.
struct Place<'a> {
    line: u64,
    text: &'a str,
}

impl<'a> Place<'a> {
    /// Returns the pose that a value has, or nothing if there is none in it.
    fn pose(&self, value: &'a str) -> Result<Option<Sent>, ReadError> {
        self.pose_within(value, 1)
    }

    /// Looks into `pose_data` only so deep: a file doesn't decide how often this calls itself.
    fn pose_within(&self, value: &'a str, depth: u8) -> Result<Option<Sent>, ReadError> {
        match value.trim_start().as_bytes().first() {
            Some(b'{') => {}
            Some(b'[') => {
                return Ok(Some(Sent::Landmarks { pose: self.parse(value)?, world: Persons::default() }));
            }
            _ if value.trim() == "null" => return Ok(Some(Sent::Own(SentPose::default()))),
            _ => return Ok(None),
        }
        let fields: Fields<'a> = self.parse(value)?;
        if let Some(inner) = fields.pose_data {
            return match depth.checked_sub(1) {
                Some(depth) => self.pose_within(inner.get(), depth),
                None => Ok(None),
            };
        }
        if fields.persons.is_some() {
            return Ok(Some(Sent::Own(self.parse(value)?)));
        }
        if fields.landmarks.is_none() && fields.pose_world_landmarks.is_none() {
            return Ok(None);
        }
        let persons = |raw: Option<&'a RawValue>| match raw {
            Some(raw) => self.parse(raw.get()),
            None => Ok(Persons::default()),
        };
        let (pose, world) = (persons(fields.landmarks)?, persons(fields.pose_world_landmarks)?);
        Ok(Some(Sent::Landmarks { pose, world }))
    }

    fn parse<T: Deserialize<'a>>(&self, part: &'a str) -> Result<T, ReadError> {
        serde_json::from_str(part).map_err(|error| {
            let column = self.offset(part) + error.column().max(1) as u64;
            // The error's own place is that in the part.
            let text = error.to_string();
            let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            ReadError::at(self.line, column, what)
        })
    }

    fn error(&self, part: &str, what: impl Into<String>) -> ReadError {
        ReadError::at(self.line, self.offset(part) + 1, what)
    }

    /// Returns where a part of the line starts.
    fn offset(&self, part: &str) -> u64 {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize) as u64
    }
}
