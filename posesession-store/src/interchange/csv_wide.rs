//! Wide CSV: one line a frame and person, a column `<component>.<keypoint>.<channel>` for each number.

use std::io::Read;

use posesession_core::{Frame, PoseData, Skeleton};

use super::rows::{FrameColumns, Rows, skeleton_of};
use super::timeline::Timeline;
use super::{FrameReader, ReadError, ReadFrame, ReadOptions};

/// Reads lines.
pub(super) struct Reader<R> {
    rows: Rows<R>,
    columns: FrameColumns,
    /// Column, and where its number stands among a person's values.
    values: Vec<(usize, usize)>,
    skeleton: Skeleton,
    timeline: Timeline,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(file: R, options: ReadOptions) -> Result<Self, ReadError> {
        let rows = Rows::new(file)?;
        let mut columns = FrameColumns::default();
        let mut named = Vec::new();
        for (column, name) in rows.header.iter().enumerate() {
            if columns.note(column, name) {
                continue;
            }
            let parts = name.split_once('.').and_then(|(component, rest)| {
                let (keypoint, channel) = rest.rsplit_once('.')?;
                Some((component, keypoint, channel))
            });
            let what = "use `frame_number`, `timestamp`, `person` or `<component>.<keypoint>.<channel>`";
            let parts = parts.ok_or_else(|| {
                ReadError::at(1, column as u64 + 1, format!("the column `{name}` is not known: {what}"))
            })?;
            named.push((column, parts));
        }
        let skeleton = match options.skeleton {
            Some(skeleton) => skeleton,
            None => declared(&named).map_err(|what| ReadError::at(1, 1, what))?,
        };
        let mut values = Vec::with_capacity(named.len());
        for (column, (component, keypoint, channel)) in named {
            let place = place_of(&skeleton, component, keypoint, channel).ok_or_else(|| {
                let what =
                    format!("the skeleton `{}` has no `{component}.{keypoint}.{channel}`", skeleton.name);
                ReadError::at(1, column as u64 + 1, what)
            })?;
            values.push((column, place));
        }
        Ok(Self { rows, columns, values, skeleton, timeline: Timeline::new(options.fps) })
    }
}

/// Makes the skeleton that the columns name, in their order.
fn declared(named: &[(usize, (&str, &str, &str))]) -> Result<Skeleton, String> {
    if named.is_empty() {
        return Err(
            "there is no column with a keypoint: name them `<component>.<keypoint>.<channel>`, such as \
                    `pose.nose.x`"
                .to_owned(),
        );
    }
    let mut parts: Vec<(String, Vec<String>, Vec<String>)> = Vec::new();
    for &(_, (component, keypoint, channel)) in named {
        let place = parts.iter().position(|part| part.0 == component).unwrap_or_else(|| {
            parts.push((component.to_owned(), Vec::new(), Vec::new()));
            parts.len() - 1
        });
        let (_, keypoints, channels) = &mut parts[place];
        // The last one is it as a rule.
        if keypoints.last().is_none_or(|last| last != keypoint)
            && !keypoints.iter().any(|known| known == keypoint)
        {
            keypoints.push(keypoint.to_owned());
        }
        if !channels.iter().any(|known| known == channel) {
            channels.push(channel.to_owned());
        }
    }
    skeleton_of(&parts)
}

/// Returns where a number stands among a person's values.
fn place_of(skeleton: &Skeleton, component: &str, keypoint: &str, channel: &str) -> Option<usize> {
    let index = skeleton.components.iter().position(|known| known.name == component)?;
    let known = &skeleton.components[index];
    let keypoint = known.keypoints.iter().position(|name| name == keypoint)?;
    let channel = known.channels.iter().position(|known| known.name == channel)?;
    Some(skeleton.component_range(index)?.start + keypoint * known.channels.len() + channel)
}

impl<R: Read + Send> FrameReader for Reader<R> {
    fn next_frame(&mut self) -> Result<Option<ReadFrame>, ReadError> {
        let Some(row) = self.rows.peek()? else { return Ok(None) };
        let (line, key) = (row.line, self.columns.key(&row));
        let timestamp = self.columns.place(&row, &mut self.timeline)?;
        let mut pose_data = PoseData::nobody();
        let width = self.skeleton.values_per_person();
        while let Some(row) = self.rows.peek()? {
            let is_first = row.line == line;
            if !is_first && (key.is_none() || self.columns.key(&row) != key) {
                break;
            }
            let start = pose_data.values.len();
            pose_data.values.resize(start + width, f32::NAN);
            for &(column, place) in &self.values {
                pose_data.values[start + place] = row.value(column)?;
            }
            let place = u32::try_from(pose_data.track_ids.len()).unwrap_or(u32::MAX);
            pose_data.track_ids.push(self.columns.person(&row)?.unwrap_or(place));
            if pose_data.person_count() > PoseData::MAX_PERSONS {
                let most = PoseData::MAX_PERSONS;
                return Err(
                    row.error(self.columns.person_column(), format!("a frame has at most {most} persons"))
                );
            }
            self.rows.take();
        }
        pose_data.canonicalise(&self.skeleton).map_err(|error| {
            ReadError::at(line, self.columns.person_column() as u64 + 1, error.to_string())
        })?;
        Ok(Some(ReadFrame { line, timestamp, pose_data }))
    }

    fn skeleton(&self) -> Option<&Skeleton> {
        Some(&self.skeleton)
    }
}

pub(super) fn header(skeleton: &Skeleton) -> Vec<String> {
    let mut header = ["frame_number", "timestamp", "person"].map(str::to_owned).to_vec();
    for component in &skeleton.components {
        for keypoint in &component.keypoints {
            let name = |channel: &posesession_core::Channel| {
                format!("{}.{keypoint}.{}", component.name, channel.name)
            };
            header.extend(component.channels.iter().map(name));
        }
    }
    header
}

/// Writes a frame: a row for each person, or one without a person.
pub(super) fn write(
    to: &mut csv::Writer<&mut Vec<u8>>,
    frame: &Frame,
    skeleton: &Skeleton,
) -> csv::Result<()> {
    let width = skeleton.values_per_person();
    let (number, time) = (frame.frame_number.to_string(), frame.timestamp.as_secs_f64().to_string());
    let mut row = |person: &str, values: &[f32]| {
        to.write_field(&number)?;
        to.write_field(&time)?;
        to.write_field(person)?;
        for value in values {
            to.write_field(text(*value))?;
        }
        to.write_record(None::<&[u8]>)
    };
    if frame.pose_data.track_ids.is_empty() {
        return row("", &vec![f32::NAN; width]);
    }
    let persons = frame.pose_data.values.chunks_exact(width.max(1));
    frame.pose_data.track_ids.iter().zip(persons).try_for_each(|(id, values)| row(&id.to_string(), values))
}

/// Writes a number as the shortest text that reads back the same; nothing for a missing one.
pub(super) fn text(value: f32) -> String {
    if value.is_nan() { String::new() } else { value.to_string() }
}
