//! Arrow's IPC files by its own crate, compressed by zstd; and Arrow's arrays, which Parquet has, too.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ::posesession::core::Skeleton;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{Format, Opened};
use crate::Outcome;
use crate::frames::Frames;
use crate::parallel::{Part, fill, in_order, ranges};

/// What a seek decompresses.
const BATCH_FRAMES: usize = 256;

pub struct ArrowIpc;

impl Format for ArrowIpc {
    fn name(&self) -> &'static str {
        "Arrow IPC zstd"
    }

    fn write(&self, path: &Path, frames: &Frames) -> Outcome<()> {
        let schema = schema(frames.width());
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
        let file = BufWriter::new(File::create(path)?);
        let mut writer = FileWriter::try_new_with_options(file, &schema, options)?;
        in_order(
            ranges(frames.len(), BATCH_FRAMES),
            |_, range| batch(&schema, frames, range),
            // Its writer compresses, and there is one.
            |batch| Ok(writer.write(&batch)?),
        )?;
        writer.finish()?;
        writer.into_inner()?.into_inner()?.sync_all()?;
        Ok(())
    }

    fn read(&self, path: &Path, skeleton: &Skeleton) -> Outcome<(Vec<i64>, Vec<f32>)> {
        // Only the first frames of a batch are known: all batches but the last have as many.
        let mut reader = open(path)?;
        let batches = reader.num_batches();
        reader.set_index(batches - 1)?;
        let last = reader.next().ok_or("no batch")??.num_rows();
        let count = (batches - 1) * BATCH_FRAMES + last;
        // A part has many batches: a reader is opened for each.
        fill(ranges(count, 32 * BATCH_FRAMES), skeleton.values_per_person(), |part| {
            let mut reader = open(path)?;
            reader.set_index(part.frames.start / BATCH_FRAMES)?;
            let batches = part.frames.len().div_ceil(BATCH_FRAMES);
            copy_out(reader.take(batches).map(|batch| Ok(batch?)), part)
        })
    }

    fn open(&self, path: &Path, _skeleton: &Skeleton) -> Outcome<Box<dyn Opened>> {
        Ok(Box::new(OpenedArrow { reader: open(path)? }))
    }
}

fn open(path: &Path) -> Outcome<FileReader<BufReader<File>>> {
    Ok(FileReader::try_new_buffered(File::open(path)?, None)?)
}

struct OpenedArrow {
    reader: FileReader<BufReader<File>>,
}

impl Opened for OpenedArrow {
    fn frame(&mut self, n: usize) -> Outcome<Vec<f32>> {
        self.reader.set_index(n / BATCH_FRAMES)?;
        let batch = self.reader.next().ok_or("no such frame")??;
        first_row(&batch, n % BATCH_FRAMES)
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, false))
}

/// A time and a list of so many values a frame.
pub fn schema(width: usize) -> SchemaRef {
    let width = i32::try_from(width).unwrap_or(i32::MAX);
    Arc::new(Schema::new(vec![
        Field::new("timestamp", DataType::Int64, false),
        Field::new("pose", DataType::FixedSizeList(item(), width), false),
    ]))
}

pub fn batch(schema: &SchemaRef, frames: &Frames, range: Range<usize>) -> Outcome<RecordBatch> {
    let width = frames.width();
    let times = Int64Array::from(frames.timestamps[range.clone()].to_vec());
    let values = Float32Array::from(frames.values[range.start * width..range.end * width].to_vec());
    let poses = FixedSizeListArray::try_new(item(), i32::try_from(width)?, Arc::new(values), None)?;
    let columns: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(poses)];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// Copies batches into their part of the arrays.
pub fn copy_out(batches: impl Iterator<Item = Outcome<RecordBatch>>, part: &mut Part<'_>) -> Outcome<()> {
    let (mut times, mut values) = (&mut part.timestamps[..], &mut part.values[..]);
    for batch in batches {
        let batch = batch?;
        let sent_times = batch.column(0).as_primitive::<Int64Type>().values();
        let (into, rest) = times.split_at_mut(sent_times.len());
        into.copy_from_slice(sent_times);
        times = rest;
        let lists = batch.column(1).as_fixed_size_list();
        let sent = lists.values().as_primitive::<Float32Type>().values();
        let (into, rest) = values.split_at_mut(sent.len());
        into.copy_from_slice(sent);
        values = rest;
    }
    if times.is_empty() { Ok(()) } else { Err("there are too few frames".into()) }
}

/// Returns the values of a row.
pub fn first_row(batch: &RecordBatch, row: usize) -> Outcome<Vec<f32>> {
    let list = batch.column(1).as_fixed_size_list().value(row);
    Ok(list.as_primitive::<Float32Type>().values().to_vec())
}
