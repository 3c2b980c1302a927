//! Long CSV: one line a keypoint, a column for each channel.

use std::io::Read;

use posesession_core::{Frame, PoseData, Skeleton};

use super::csv_wide::text;
use super::rows::{FrameColumns, Rows, skeleton_of};
use super::timeline::Timeline;
use super::{FrameReader, ReadError, ReadFrame, ReadOptions};

/// The most keypoints of one frame, of all persons together: what is held at once.
const MAX_ROWS: usize = PoseData::MAX_PERSONS * Skeleton::MAX_KEYPOINTS;

/// Reads lines.
pub(super) struct Reader<R> {
    rows: Rows<R>,
    columns: FrameColumns,
    component: usize,
    keypoint: usize,
    /// Column and name of each channel.
    channels: Vec<(usize, String)>,
    skeleton: Option<Skeleton>,
    timeline: Timeline,
}

/// A keypoint of a person.
#[derive(Debug)]
struct Seen {
    line: u64,
    person: Option<u32>,
    component: String,
    keypoint: String,
    values: Vec<f32>,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(file: R, options: ReadOptions) -> Result<Self, ReadError> {
        let rows = Rows::new(file)?;
        let mut columns = FrameColumns::default();
        let (mut component, mut keypoint) = (None, None);
        let mut channels = Vec::new();
        for (column, name) in rows.header.iter().enumerate() {
            match name.as_str() {
                "component" => component = Some(column),
                "keypoint" => keypoint = Some(column),
                name if columns.note(column, name) => {}
                name => channels.push((column, name.to_owned())),
            }
        }
        let missing = |name: &str| ReadError::at(1, 1, format!("there is no column `{name}`"));
        let component = component.ok_or_else(|| missing("component"))?;
        let keypoint = keypoint.ok_or_else(|| missing("keypoint"))?;
        if channels.is_empty() {
            return Err(missing("x` or of another channel, such as `y"));
        }
        let timeline = Timeline::new(options.fps);
        Ok(Self { rows, columns, component, keypoint, channels, skeleton: options.skeleton, timeline })
    }

    /// Makes the skeleton that a frame's lines name.
    fn infer(&self, frame: &[Seen]) -> Result<Skeleton, String> {
        let mut parts: Vec<(String, Vec<String>, Vec<String>)> = Vec::new();
        for seen in frame {
            let place = parts.iter().position(|part| part.0 == seen.component).unwrap_or_else(|| {
                parts.push((seen.component.clone(), Vec::new(), Vec::new()));
                parts.len() - 1
            });
            if !parts[place].1.contains(&seen.keypoint) {
                parts[place].1.push(seen.keypoint.clone());
            }
        }
        // A component has the channels that some of its keypoints have a number in.
        for (component, _, channels) in &mut parts {
            let of_it = |seen: &&Seen| seen.component == *component;
            let used = |place: usize| frame.iter().filter(of_it).any(|seen| !seen.values[place].is_nan());
            let names = self.channels.iter().map(|(_, name)| name);
            let of_use = names.clone().enumerate().filter(|(place, _)| used(*place));
            *channels = of_use.map(|(_, name)| name.clone()).collect();
            if channels.is_empty() {
                *channels = names.cloned().collect();
            }
        }
        skeleton_of(&parts)
    }

    fn lay_out(&self, frame: &[Seen], skeleton: &Skeleton) -> Result<PoseData, ReadError> {
        let mut pose = PoseData::nobody();
        let width = skeleton.values_per_person();
        for seen in frame {
            let id = seen.person.unwrap_or(0);
            let person = pose.track_ids.iter().position(|known| *known == id).unwrap_or_else(|| {
                pose.track_ids.push(id);
                pose.values.resize(pose.values.len() + width, f32::NAN);
                pose.track_ids.len() - 1
            });
            let wrong = |column: usize, what: String| ReadError::at(seen.line, column as u64 + 1, what);
            let components = &skeleton.components;
            let index = components.iter().position(|component| component.name == seen.component);
            let index = index.ok_or_else(|| {
                wrong(self.component, format!("the skeleton has no component `{}`", seen.component))
            })?;
            let component = &components[index];
            let keypoint = component.keypoints.iter().position(|name| *name == seen.keypoint).ok_or_else(|| {
                let what = format!(
                    "the component `{}` has no keypoint `{}`: the first frame with a person, or a skeleton that is \
                     named, decides which there are",
                    seen.component, seen.keypoint
                );
                wrong(self.keypoint, what)
            })?;
            let start = skeleton.component_range(index).map_or(0, |range| range.start)
                + person * width
                + keypoint * component.channels.len();
            for ((column, name), value) in self.channels.iter().zip(&seen.values) {
                match component.channels.iter().position(|channel| channel.name == *name) {
                    Some(place) => pose.values[start + place] = *value,
                    None if value.is_nan() => {}
                    None => {
                        let what = format!("the component `{}` has no channel `{name}`", seen.component);
                        return Err(wrong(*column, what));
                    }
                }
            }
        }
        let line = frame.first().map_or(1, |seen| seen.line);
        pose.canonicalise(skeleton).map_err(|error| {
            ReadError::at(line, self.columns.person_column() as u64 + 1, error.to_string())
        })?;
        Ok(pose)
    }
}

impl<R: Read + Send> FrameReader for Reader<R> {
    fn next_frame(&mut self) -> Result<Option<ReadFrame>, ReadError> {
        let Some(row) = self.rows.peek()? else { return Ok(None) };
        let (line, key) = (row.line, self.columns.key(&row));
        if key.is_none() {
            let what = "there is no column `frame_number` or `timestamp` to tell which lines make a frame";
            return Err(ReadError::at(1, 1, what));
        }
        let timestamp = self.columns.place(&row, &mut self.timeline)?;
        let mut frame: Vec<Seen> = Vec::new();
        while let Some(row) = self.rows.peek()? {
            if self.columns.key(&row) != key {
                break;
            }
            if frame.len() == MAX_ROWS {
                return Err(row.error(self.keypoint, format!("a frame has at most {MAX_ROWS} keypoints")));
            }
            let nobody = row.text(self.component).is_empty() && row.text(self.keypoint).is_empty();
            if !nobody {
                let values = self.channels.iter().map(|(column, _)| row.value(*column));
                frame.push(Seen {
                    line: row.line,
                    person: self.columns.person(&row)?,
                    component: row.text(self.component).to_owned(),
                    keypoint: row.text(self.keypoint).to_owned(),
                    values: values.collect::<Result<_, _>>()?,
                });
            }
            self.rows.take();
        }
        if self.skeleton.is_none() && !frame.is_empty() {
            let inferred = self.infer(&frame).map_err(|what| ReadError::at(line, 1, what))?;
            self.skeleton = Some(inferred);
        }
        let pose_data = match &self.skeleton {
            Some(skeleton) => self.lay_out(&frame, skeleton)?,
            None => PoseData::nobody(),
        };
        Ok(Some(ReadFrame { line, timestamp, pose_data }))
    }

    fn skeleton(&self) -> Option<&Skeleton> {
        self.skeleton.as_ref()
    }
}

/// Returns the channels of all components, in the order in which they first come.
fn channels(skeleton: &Skeleton) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for channel in skeleton.components.iter().flat_map(|component| &component.channels) {
        if !names.contains(&channel.name.as_str()) {
            names.push(&channel.name);
        }
    }
    names
}

pub(super) fn header(skeleton: &Skeleton) -> Vec<String> {
    let fixed = ["frame_number", "timestamp", "person", "component", "keypoint"];
    let names = channels(skeleton);
    // A session in which nobody is seen has no channels; the file needs one to be read.
    let names = if names.is_empty() { vec!["x"] } else { names };
    fixed.into_iter().chain(names).map(str::to_owned).collect()
}

/// Writes a frame: a row for each keypoint of each person, or one without any.
pub(super) fn write(
    to: &mut csv::Writer<&mut Vec<u8>>,
    frame: &Frame,
    skeleton: &Skeleton,
) -> csv::Result<()> {
    let (number, time) = (frame.frame_number.to_string(), frame.timestamp.as_secs_f64().to_string());
    let names = channels(skeleton);
    let mut row = |person: &str, component: &str, keypoint: &str, values: &[String]| {
        [&number, &time, person, component, keypoint]
            .into_iter()
            .try_for_each(|field| to.write_field(field))?;
        values.iter().try_for_each(|value| to.write_field(value))?;
        to.write_record(None::<&[u8]>)
    };
    if frame.pose_data.track_ids.is_empty() {
        return row("", "", "", &vec![String::new(); names.len().max(1)]);
    }
    let width = skeleton.values_per_person();
    for (id, person) in
        frame.pose_data.track_ids.iter().zip(frame.pose_data.values.chunks_exact(width.max(1)))
    {
        let id = id.to_string();
        let mut rest = person;
        for component in &skeleton.components {
            for keypoint in &component.keypoints {
                let (values, after) = rest.split_at(component.channels.len().min(rest.len()));
                rest = after;
                let value = |name: &&str| {
                    let place = component.channels.iter().position(|channel| channel.name == **name);
                    place.and_then(|place| values.get(place)).map_or_else(String::new, |value| text(*value))
                };
                let fields: Vec<_> = names.iter().map(value).collect();
                row(&id, &component.name, keypoint, &fields)?;
            }
        }
    }
    Ok(())
}
