//! The `json` codec: frames as JSON text, for SQL and other programs to read. Columns in, text out, and back.

use std::io::Write as _;

use crate::chunk::{Chunk, ChunkColumns, ChunkImage};
use crate::frame::{Frame, ImageRef};
use crate::pose_json::PoseJson;
use crate::skeleton::Skeleton;

use super::CodecError;
use super::header::ChunkHeader;
use super::images::{MAX_NAME_BYTES, check_end};
use super::json_reader::JsonReader;

/// Writes `[{frame},...]`, a frame a line.
pub(super) fn encode(chunk: &Chunk, skeleton: Option<&Skeleton>) -> Result<Vec<u8>, CodecError> {
    let nobodys = Skeleton { name: String::new(), components: Vec::new() };
    let skeleton = match skeleton {
        _ if chunk.track_ids().is_empty() => &nobodys,
        Some(skeleton) if skeleton.layout() == *chunk.layout() => skeleton,
        Some(_) => return Err(not_json("its values are in another layout than the skeleton's")),
        None => return Err(not_json("a skeleton has to say what its components are called")),
    };
    check_values(chunk)?;
    let mut text = vec![b'['];
    for frame in chunk.frames() {
        if frame.frame_number > chunk.first_frame() {
            text.extend_from_slice(b",\n");
        }
        put_frame(&mut text, &frame, skeleton)?;
    }
    text.push(b']');
    Ok(text)
}

fn check_values(chunk: &Chunk) -> Result<(), CodecError> {
    // `null` is the one missing value there is.
    let unfit = |value: &&f32| value.is_infinite() || value.is_nan() && value.to_bits() != f32::NAN.to_bits();
    match chunk.values().iter().find(unfit) {
        Some(value) if value.is_nan() => Err(not_json(format_args!(
            "it has a NaN of the bits {:08x}, where JSON has only `null`",
            value.to_bits()
        ))),
        Some(value) => Err(not_json(format_args!("it has the value {value}"))),
        None => Ok(()),
    }
}

fn put_frame(text: &mut Vec<u8>, frame: &Frame, skeleton: &Skeleton) -> Result<(), CodecError> {
    let failed = |error: &dyn std::fmt::Display| not_json(error);
    write!(
        text,
        "{{\"frame_number\":{},\"timestamp\":{},\"timestamp_micros\":{},\"pose_data\":",
        frame.frame_number,
        serde_json::to_string(&frame.timestamp).map_err(|error| failed(&error))?,
        frame.timestamp.as_micros(),
    )
    .map_err(|error| failed(&error))?;
    serde_json::to_writer(&mut *text, &PoseJson::new(&frame.pose_data, skeleton))
        .map_err(|error| failed(&error))?;
    text.extend_from_slice(b",\"image_path\":");
    if let Some(image) = &frame.image {
        check_image(image)?;
        serde_json::to_writer(&mut *text, &image.to_string()).map_err(|error| failed(&error))?;
    } else {
        text.extend_from_slice(b"null");
    }
    text.push(b'}');
    Ok(())
}

fn check_image(image: &ImageRef) -> Result<(), CodecError> {
    check_end(image.offset, image.length)?;
    check_name(&image.object)?;
    if image.object.contains('\0') {
        // Databases refuse texts that have one.
        return Err(not_json("an image object's name has a NUL character"));
    }
    Ok(())
}

fn check_name(object: &str) -> Result<(), CodecError> {
    if object.len() > MAX_NAME_BYTES {
        return Err(CodecError::TooLarge {
            what: "bytes in an image object's name",
            got: object.len() as u64,
            limit: MAX_NAME_BYTES as u64,
        });
    }
    Ok(())
}

fn not_json(why: impl std::fmt::Display) -> CodecError {
    CodecError::NotJson { why: why.to_string() }
}

pub(super) fn decode(header: &ChunkHeader, payload: &[u8]) -> Result<ChunkColumns, CodecError> {
    let mut columns = ChunkColumns {
        first_frame: header.first_frame,
        layout: header.layout.clone(),
        ..ChunkColumns::default()
    };
    let mut reader = JsonReader::new(payload)?;
    let mut names = Vec::new();
    reader.expect("[")?;
    for place in 0..header.frame_count {
        if place > 0 {
            reader.expect(",")?;
        }
        read_frame(&mut reader, header, place, &mut columns, &mut names)?;
    }
    reader.expect("]")?;
    if columns.track_ids.len() != header.row_count as usize {
        return Err(reader.wrong("there are fewer persons than the header says"));
    }
    reader.finish()?;
    if columns.images.is_empty() == header.has_images {
        return Err(CodecError::BadHeader { field: "flags, which are not the payload's" });
    }
    Ok(columns)
}

/// Reads one frame into the columns; `names` are the components', as the first person has them.
fn read_frame<'a>(
    reader: &mut JsonReader<'a>,
    header: &ChunkHeader,
    place: u32,
    columns: &mut ChunkColumns,
    names: &mut Vec<&'a str>,
) -> Result<(), CodecError> {
    reader.expect("{")?;
    reader.key("frame_number")?;
    if reader.integer::<u64>()? != header.first_frame + u64::from(place) {
        return Err(reader.wrong("a frame has another number than its place"));
    }
    reader.expect(",")?;
    reader.key("timestamp")?;
    let seconds: f64 = reader.number()?;
    reader.expect(",")?;
    reader.key("timestamp_micros")?;
    let micros = reader.integer()?;
    let timestamp = super::header::timestamp(micros).ok_or_else(|| super::raw::out_of_range(micros))?;
    if seconds != timestamp.as_secs_f64() {
        return Err(reader.wrong("a frame's two timestamps differ"));
    }
    columns.timestamps.push(timestamp);
    reader.expect(",")?;
    reader.key("pose_data")?;
    reader.expect("{")?;
    reader.key("persons")?;
    reader.expect("[")?;
    let mut persons = 0_u16;
    while !reader.follows("]") {
        if persons > 0 {
            reader.expect(",")?;
        }
        if columns.track_ids.len() >= header.row_count as usize || persons == u16::MAX {
            return Err(reader.wrong("there are more persons than the header says"));
        }
        read_person(reader, header, columns, names)?;
        persons += 1;
    }
    reader.expect("]")?;
    reader.expect("}")?;
    columns.person_counts.push(persons);
    reader.expect(",")?;
    reader.key("image_path")?;
    if !reader.null() {
        let path = reader.string()?;
        let image =
            image_of(&path).ok_or_else(|| reader.wrong("an image's path isn't `object#offset,length`"))?;
        check_name(&image.object)?;
        check_end(image.offset, image.length)?;
        if image.object.contains('\0') {
            return Err(reader.wrong("an image object's name has a NUL character"));
        }
        columns.images.push(ChunkImage { frame: place, image });
    }
    reader.expect("}")
}

fn read_person<'a>(
    reader: &mut JsonReader<'a>,
    header: &ChunkHeader,
    columns: &mut ChunkColumns,
    names: &mut Vec<&'a str>,
) -> Result<(), CodecError> {
    reader.expect("{")?;
    reader.key("id")?;
    columns.track_ids.push(reader.integer()?);
    for (component, part) in header.layout.parts.iter().enumerate() {
        reader.expect(",")?;
        let name = reader.quoted()?;
        match names.get(component) {
            None => {
                if reader.check_text(name)?.contains('\0') {
                    return Err(reader.wrong("a component's name has a NUL character"));
                }
                names.push(name);
            }
            Some(known) if *known == name => {}
            Some(_) => return Err(reader.wrong("a component has another name than before")),
        }
        reader.expect(":")?;
        reader.list(part.keypoints.into(), |reader| {
            reader.list(part.channels.into(), |reader| {
                let value = if reader.null() { f32::NAN } else { reader.number()? };
                columns.values.push(value);
                Ok(())
            })
        })?;
    }
    reader.expect("}")
}

/// Reads `object#offset,length` back; the object's own name may have a `#`.
fn image_of(path: &str) -> Option<ImageRef> {
    let (object, range) = path.rsplit_once('#')?;
    let (offset, length) = range.split_once(',')?;
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(offset) || !is_number(length) {
        return None;
    }
    Some(ImageRef { object: object.to_owned(), offset: offset.parse().ok()?, length: length.parse().ok()? })
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the tests' counts are small")]
mod tests;
