//! MCAP by its own crate: a message a frame, of `f32`s or of JSON.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::Path;

use ::posesession::core::Skeleton;
use mcap::records::{ChunkIndex, MessageHeader};
use mcap::{Compression, Summary, WriteOptions, Writer};
use memmap2::Mmap;

use super::{Format, Opened, bytes_of, floats_of, landmarks};
use crate::Outcome;
use crate::frames::Frames;
use crate::parallel::{fill, in_order, ranges, threads};

/// How many messages are made at once by a thread.
const MESSAGES: usize = 512;
/// Opcode, length, channel, length of the list; then so much for each message.
const MESSAGE_INDEX_HEAD: u64 = 15;
const MESSAGE_INDEX_ENTRY: u64 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Messages {
    F32,
    Json,
}

pub struct Mcap {
    name: &'static str,
    compression: Option<Compression>,
    messages: Messages,
}

impl Mcap {
    pub fn f32(name: &'static str, compression: Option<Compression>) -> Self {
        Self { name, compression, messages: Messages::F32 }
    }

    pub fn json(name: &'static str, compression: Option<Compression>) -> Self {
        Self { name, compression, messages: Messages::Json }
    }
}

impl Messages {
    fn write(self, skeleton: &Skeleton, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => bytes_of(values),
            Self::Json => landmarks::to_json(skeleton, values).into_bytes(),
        }
    }

    fn read(self, data: &[u8], values: &mut [f32]) -> Outcome<()> {
        match self {
            Self::F32 => floats_of(data, values),
            Self::Json => landmarks::from_json(data, values)?,
        }
        Ok(())
    }
}

impl Format for Mcap {
    fn name(&self) -> &'static str {
        self.name
    }

    fn write(&self, path: &Path, frames: &Frames) -> Outcome<()> {
        let options =
            WriteOptions::new().compression(self.compression).compression_threads(u32::try_from(threads())?);
        let mut writer: Writer<_> = options.create(BufWriter::new(File::create(path)?))?;
        let channel = match self.messages {
            Messages::F32 => writer.add_channel(0, "pose", "f32", &BTreeMap::new())?,
            Messages::Json => {
                let schema = writer.add_schema("pose", "jsonschema", b"{\"type\":\"object\"}")?;
                writer.add_channel(schema, "pose", "json", &BTreeMap::new())?
            }
        };
        let mut next = 0;
        let mut add = |data: &[u8]| -> Outcome<()> {
            let nanos = u64::try_from(frames.timestamps[next])? * 1_000;
            let sequence = u32::try_from(next)?;
            next += 1;
            let header =
                MessageHeader { channel_id: channel, sequence, log_time: nanos, publish_time: nanos };
            Ok(writer.write_to_known_channel(&header, data)?)
        };
        match self.messages {
            // To make such a message is a copy: other threads would only cost.
            Messages::F32 => (0..frames.len()).try_for_each(|n| add(&bytes_of(frames.frame(n))))?,
            Messages::Json => in_order(
                ranges(frames.len(), MESSAGES),
                |_, range| {
                    Ok(range.map(|n| self.messages.write(&frames.skeleton, frames.frame(n))).collect())
                },
                |texts: Vec<Vec<u8>>| texts.iter().try_for_each(|text| add(text)),
            )?,
        }
        writer.finish()?;
        writer.into_inner().into_inner()?.sync_all()?;
        Ok(())
    }

    fn read(&self, path: &Path, skeleton: &Skeleton) -> Outcome<(Vec<i64>, Vec<f32>)> {
        let width = skeleton.values_per_person();
        let file = McapFile::open(path)?;
        fill(file.parts.clone(), width, |part| {
            let messages = file.summary.stream_chunk(&file.bytes, &file.summary.chunk_indexes[part.index])?;
            let places = part.timestamps.iter_mut().zip(part.values.chunks_exact_mut(width));
            for (message, (time, values)) in messages.zip(places) {
                let message = message?;
                *time = i64::try_from(message.log_time / 1_000)?;
                self.messages.read(&message.data, values)?;
            }
            Ok(())
        })
    }

    fn open(&self, path: &Path, skeleton: &Skeleton) -> Outcome<Box<dyn Opened>> {
        let width = skeleton.values_per_person();
        Ok(Box::new(OpenedMcap { file: McapFile::open(path)?, messages: self.messages, width }))
    }

    fn is_bulky(&self) -> bool {
        self.messages == Messages::Json
    }
}

struct McapFile {
    bytes: Mmap,
    summary: Summary,
    /// The frames of each chunk.
    parts: Vec<Range<usize>>,
}

impl McapFile {
    fn open(path: &Path) -> Outcome<Self> {
        let file = File::open(path)?;
        // SAFETY: nobody writes to the file while it is mapped.
        let bytes = unsafe { Mmap::map(&file)? };
        let mut summary = Summary::read(&bytes)?.ok_or("the file has no summary")?;
        summary.chunk_indexes.sort_by_key(|chunk| chunk.message_start_time);
        let mut end = 0;
        let parts = summary.chunk_indexes.iter().map(|chunk| {
            let start = end;
            end += messages_of(chunk);
            start..end
        });
        let parts = parts.collect();
        Ok(Self { bytes, summary, parts })
    }
}

/// How many messages a chunk of a file with one channel has.
fn messages_of(chunk: &ChunkIndex) -> usize {
    usize::try_from((chunk.message_index_length - MESSAGE_INDEX_HEAD) / MESSAGE_INDEX_ENTRY).unwrap_or(0)
}

struct OpenedMcap {
    file: McapFile,
    messages: Messages,
    width: usize,
}

impl Opened for OpenedMcap {
    fn frame(&mut self, n: usize) -> Outcome<Vec<f32>> {
        let McapFile { bytes, summary, parts } = &self.file;
        let place = parts.partition_point(|part| part.end <= n);
        let chunk = summary.chunk_indexes.get(place).ok_or("no such frame")?;
        let index = summary.read_message_indexes(bytes, chunk)?;
        let entries = index.values().next().ok_or("an empty chunk")?;
        let message = summary.seek_message(bytes, chunk, &entries[n - parts[place].start])?;
        let mut values = vec![0.0; self.width];
        self.messages.read(&message.data, &mut values)?;
        Ok(values)
    }
}
