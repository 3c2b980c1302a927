//! The image table of a chunk: distinct object names once, and four numbers an image.

use std::collections::HashMap;

use crate::chunk::{Chunk, ChunkImage};
use crate::frame::ImageRef;

use super::CodecError;
use super::byte_reader::ByteReader;
use super::header::{ChunkHeader, to_u32};

/// The longest object name, in bytes. It bounds what a few bytes of names can grow to when every image repeats one.
pub(super) const MAX_NAME_BYTES: usize = 255;

/// The images of a chunk in columns, in frame order.
#[derive(Debug, Default)]
pub(super) struct ImageTable<'a> {
    /// The distinct object names, in the order in which they first appear.
    pub(super) names: Vec<&'a str>,
    /// The frame's place within the chunk.
    pub(super) frames: Vec<u32>,
    /// Which of `names`.
    pub(super) objects: Vec<u32>,
    pub(super) offsets: Vec<u64>,
    pub(super) lengths: Vec<u32>,
}

impl<'a> ImageTable<'a> {
    /// Makes the table of a chunk's images, or nothing if it has none.
    pub(super) fn of(chunk: &'a Chunk) -> Result<Option<Self>, CodecError> {
        if chunk.images().is_empty() {
            return Ok(None);
        }
        let mut table = Self::default();
        let mut places: HashMap<&str, u32> = HashMap::new();
        for ChunkImage { frame, image } in chunk.images() {
            if *frame as usize >= chunk.frame_count() {
                return Err(CodecError::bad_column("images", "an image is of a frame that is not there"));
            }
            let next = to_u32("image objects", table.names.len())?;
            let object = *places.entry(&image.object).or_insert_with(|| {
                table.names.push(&image.object);
                next
            });
            check_end(image.offset, image.length)?;
            table.frames.push(*frame);
            table.objects.push(object);
            table.offsets.push(image.offset);
            table.lengths.push(image.length);
        }
        Ok(Some(table))
    }

    /// Writes the object names and the number of images.
    pub(super) fn put_names(&self, payload: &mut Vec<u8>) -> Result<(), CodecError> {
        payload.extend_from_slice(&to_u32("image objects", self.names.len())?.to_le_bytes());
        for name in &self.names {
            let length = u8::try_from(name.len()).map_err(|_too_long| CodecError::TooLarge {
                what: "bytes in an image object's name",
                got: name.len() as u64,
                limit: MAX_NAME_BYTES as u64,
            })?;
            payload.push(length);
            payload.extend_from_slice(name.as_bytes());
        }
        payload.extend_from_slice(&to_u32("images", self.frames.len())?.to_le_bytes());
        Ok(())
    }

    /// Turns the table into a chunk's images. That frames are in order, the chunk checks.
    pub(super) fn into_images(self) -> Result<Vec<ChunkImage>, CodecError> {
        let mut images = Vec::with_capacity(self.frames.len());
        let places = self.frames.iter().zip(&self.objects);
        for ((&frame, &object), (&offset, &length)) in places.zip(self.offsets.iter().zip(&self.lengths)) {
            check_end(offset, length)?;
            let Some(&name) = self.names.get(object as usize) else {
                return Err(CodecError::bad_column(
                    "images",
                    format_args!("object {object} of {} is asked for", self.names.len()),
                ));
            };
            images.push(ChunkImage { frame, image: ImageRef { object: name.to_owned(), offset, length } });
        }
        Ok(images)
    }
}

pub(super) fn check_end(offset: u64, length: u32) -> Result<(), CodecError> {
    match offset.checked_add(u64::from(length)) {
        Some(_end) => Ok(()),
        None => Err(CodecError::bad_column("images", "an image ends beyond 2^64 bytes")),
    }
}

/// Reads the object names.
pub(super) fn read_names<'a>(reader: &mut ByteReader<'a>) -> Result<Vec<&'a str>, CodecError> {
    let count = reader.u32()?;
    // Each name takes at least a byte, so a count that is too high ends the payload before it takes memory.
    let mut names = Vec::new();
    for _ in 0..count {
        let length = reader.u8()?;
        let name = std::str::from_utf8(reader.bytes(usize::from(length))?);
        names.push(name.map_err(|cause| CodecError::bad_column("images", cause))?);
    }
    Ok(names)
}

/// Reads the number of images: at least one, at most one a frame.
pub(super) fn read_count(reader: &mut ByteReader<'_>, header: &ChunkHeader) -> Result<usize, CodecError> {
    let count = reader.u32()?;
    if count == 0 || count > header.frame_count {
        let reason = format_args!("{count} images can't belong to {} frames", header.frame_count);
        return Err(CodecError::bad_column("images", reason));
    }
    Ok(count as usize)
}
