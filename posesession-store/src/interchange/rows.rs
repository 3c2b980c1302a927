//! What both kinds of CSV share: rows that can be looked at before they are taken, numbers, names.

use std::fmt;
use std::io::Read;

use csv::{ErrorKind, StringRecord};
use posesession_core::{Channel, Component, Skeleton, Unit};

use super::ReadError;
use super::bounded::BoundedLines;
use super::timeline::Timeline;

/// The rows of a CSV file.
pub(super) struct Rows<R> {
    reader: csv::Reader<BoundedLines<R>>,
    pub(super) header: Vec<String>,
    row: StringRecord,
    is_taken: bool,
    line: u64,
}

/// Where the columns stand that say when a frame is and who is in it.
#[derive(Debug, Default)]
pub(super) struct FrameColumns {
    frame_number: Option<usize>,
    timestamp: Option<(usize, f64)>,
    person: Option<usize>,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(file: R) -> Result<Self, ReadError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(BoundedLines::new(file));
        let header = reader.headers().map_err(|error| read_error(1, error))?;
        let header: Vec<_> =
            header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        for (column, name) in header.iter().enumerate() {
            if header[..column].contains(name) {
                return Err(ReadError::at(
                    1,
                    column as u64 + 1,
                    format!("the column `{name}` is there twice"),
                ));
            }
        }
        Ok(Self { reader, header, row: StringRecord::new(), is_taken: true, line: 1 })
    }

    /// Returns the next row without taking it, or nothing at the end.
    pub(super) fn peek(&mut self) -> Result<Option<Row<'_>>, ReadError> {
        if self.is_taken {
            let more = self.reader.read_record(&mut self.row);
            if !more.map_err(|error| read_error(self.line + 1, error))? {
                return Ok(None);
            }
            self.reader.get_mut().end_line();
            self.is_taken = false;
            self.line = self.row.position().map_or(self.line, csv::Position::line);
        }
        Ok(Some(Row { fields: &self.row, header: &self.header, line: self.line }))
    }

    /// Takes the row that was looked at last.
    pub(super) fn take(&mut self) {
        self.is_taken = true;
    }
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    fields: &'a StringRecord,
    header: &'a [String],
    pub(super) line: u64,
}

impl<'a> Row<'a> {
    pub(super) fn text(&self, column: usize) -> &'a str {
        self.fields.get(column).unwrap_or_default().trim()
    }

    /// Returns a number; NaN for an empty field.
    pub(super) fn value(&self, column: usize) -> Result<f32, ReadError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(f32::NAN);
        }
        let value = text.parse::<f32>().ok().filter(|value| !value.is_infinite());
        value.ok_or_else(|| self.error(column, format!("`{}` is no number", shown(text))))
    }

    pub(super) fn error(&self, column: usize, what: impl fmt::Display) -> ReadError {
        let name = self.header.get(column).map_or("", String::as_str);
        ReadError::at(self.line, column as u64 + 1, format!("{what} (column `{name}`)"))
    }
}

impl FrameColumns {
    /// Takes note of a column if it is one of these.
    pub(super) fn note(&mut self, column: usize, name: &str) -> bool {
        match name {
            "frame_number" => self.frame_number = Some(column),
            "timestamp" => self.timestamp = Some((column, 1.0)),
            "timestamp_ms" => self.timestamp = Some((column, 1e3)),
            "timestamp_us" => self.timestamp = Some((column, 1e6)),
            "person" => self.person = Some(column),
            _ => return false,
        }
        true
    }

    /// Returns what is the same in all rows of one frame; nothing if each row is a frame.
    pub(super) fn key(&self, row: &Row<'_>) -> Option<String> {
        let column = self.frame_number.or(self.timestamp.map(|(column, _)| column))?;
        Some(row.text(column).to_owned())
    }

    pub(super) fn place(
        &self,
        row: &Row<'_>,
        timeline: &mut Timeline,
    ) -> Result<posesession_core::Timestamp, ReadError> {
        let Some((column, per_second)) = self.timestamp else {
            return timeline.place(row.line, 1, None);
        };
        let text = row.text(column);
        let seconds = match text {
            "" => None,
            text => match text.parse::<f64>() {
                Ok(time) => Some(time / per_second),
                Err(_no_number) => {
                    return Err(row.error(column, format!("`{}` is no time", shown(text))));
                }
            },
        };
        timeline.place(row.line, column as u64 + 1, seconds)
    }

    /// Returns the person's track id, if the row names one.
    pub(super) fn person(&self, row: &Row<'_>) -> Result<Option<u32>, ReadError> {
        let Some(column) = self.person else { return Ok(None) };
        let text = row.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        let id = text.parse().map_err(|_no_number| {
            row.error(column, format!("`{}` is no track id: a whole number from 0 on", shown(text)))
        })?;
        Ok(Some(id))
    }

    pub(super) fn person_column(&self) -> usize {
        self.person.unwrap_or(0)
    }
}

/// Makes the skeleton of named keypoints: a preset of the same names, or one without edges.
pub(super) fn skeleton_of(parts: &[(String, Vec<String>, Vec<String>)]) -> Result<Skeleton, String> {
    let same = |component: &Component, (name, keypoints, channels): &(String, Vec<String>, Vec<String>)| {
        component.name == *name
            && component.keypoints == *keypoints
            && component.channels.iter().map(|channel| &channel.name).eq(channels)
    };
    for name in Skeleton::preset_names() {
        let preset = Skeleton::preset(name).map_err(|error| error.to_string())?;
        if preset.components.len() == parts.len()
            && preset.components.iter().zip(parts).all(|(component, part)| same(component, part))
        {
            return Ok(preset);
        }
    }
    let components: Vec<_> = parts
        .iter()
        .map(|(name, keypoints, channels)| Component {
            name: name.clone(),
            keypoints: keypoints.clone(),
            edges: Vec::new(),
            mirrored: Vec::new(),
            channels: channels
                .iter()
                .map(|channel| Channel { name: channel.clone(), unit: unit_of(name, channel) })
                .collect(),
        })
        .collect();
    let count: usize = components.iter().map(|component| component.keypoints.len()).sum();
    let skeleton = Skeleton { name: format!("custom_{count}"), components };
    skeleton.validate().map_err(|error| error.to_string())?;
    Ok(skeleton)
}

/// CSV has no units: this is what the presets have.
fn unit_of(component: &str, channel: &str) -> Unit {
    match channel {
        "confidence" | "visibility" | "presence" | "score" => Unit::Ratio,
        _ if component == "world" => Unit::Metres,
        _ => Unit::Image,
    }
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(50).collect()
}

fn read_error(line: u64, error: csv::Error) -> ReadError {
    let line = error.position().map_or(line, csv::Position::line);
    match error.into_kind() {
        ErrorKind::Io(source) => ReadError::Io { line, source },
        ErrorKind::Utf8 { err, .. } => ReadError::at(line, err.field() as u64 + 1, "this is no UTF-8"),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let what = format!("the line has {len} fields where the first line has {expected_len}");
            ReadError::at(line, len.min(expected_len) + 1, what)
        }
        _ => ReadError::at(line, 1, "this is no CSV"),
    }
}
