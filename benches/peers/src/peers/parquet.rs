//! Parquet by its own crate: a column of times, a column of lists; zstd over byte-stream split.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use ::parquet::arrow::arrow_writer::{ArrowWriter, compute_leaves};
use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::file::metadata::PageIndexPolicy;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use ::posesession::core::Skeleton;
use arrow_array::RecordBatch;
use bytes::Bytes;
use memmap2::Mmap;

use super::arrow::{batch, copy_out, first_row, schema};
use super::{Format, Opened};
use crate::Outcome;
use crate::frames::Frames;
use crate::parallel::{fill, in_order, ranges};

/// Several row groups, so that both cores have something to do.
const ROW_GROUP_FRAMES: usize = 16_384;
/// A page is what a seek decodes.
const PAGE_FRAMES: usize = 256;
const ZSTD_LEVEL: i32 = 3;

pub struct Parquet;

fn properties() -> Outcome<WriterProperties> {
    let timestamp = ColumnPath::from("timestamp");
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::BYTE_STREAM_SPLIT)
        .set_column_encoding(timestamp, Encoding::DELTA_BINARY_PACKED)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_max_row_group_row_count(Some(ROW_GROUP_FRAMES))
        .set_data_page_row_count_limit(PAGE_FRAMES)
        .build())
}

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "Parquet zstd, byte-stream split"
    }

    fn write(&self, path: &Path, frames: &Frames) -> Outcome<()> {
        let schema = schema(frames.width());
        let writer = ArrowWriter::try_new(File::create(path)?, Arc::clone(&schema), Some(properties()?))?;
        let (mut writer, factory) = writer.into_serialized_writer()?;
        in_order(
            ranges(frames.len(), ROW_GROUP_FRAMES),
            |index, range| {
                let batch = batch(&schema, frames, range)?;
                let mut writers = factory.create_column_writers(index)?.into_iter();
                let mut chunks = Vec::new();
                for (field, column) in schema.fields().iter().zip(batch.columns()) {
                    for leaf in compute_leaves(field, column)? {
                        let mut writer = writers.next().ok_or("too few columns")?;
                        writer.write(&leaf)?;
                        chunks.push(writer.close()?);
                    }
                }
                Ok(chunks)
            },
            |chunks| {
                let mut group = writer.next_row_group()?;
                chunks.into_iter().try_for_each(|chunk| chunk.append_to_row_group(&mut group))?;
                group.close()?;
                Ok(())
            },
        )?;
        writer.finish()?;
        writer.inner().sync_all()?;
        Ok(())
    }

    fn read(&self, path: &Path, skeleton: &Skeleton) -> Outcome<(Vec<i64>, Vec<f32>)> {
        let file = map(path)?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
        let parts = row_groups(&metadata)?;
        fill(parts, skeleton.values_per_person(), |part| {
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata.clone())
                .with_row_groups(vec![part.index])
                .with_batch_size(1_024)
                .build()?;
            copy_out(reader.map(|batch| Ok(batch?)), part)
        })
    }

    fn open(&self, path: &Path, _skeleton: &Skeleton) -> Outcome<Box<dyn Opened>> {
        let file = map(path)?;
        let options = ArrowReaderOptions::new()
            .with_offset_index_policy(PageIndexPolicy::Required)
            .with_column_index_policy(PageIndexPolicy::Skip);
        let metadata = ArrowReaderMetadata::load(&file, options)?;
        Ok(Box::new(OpenedParquet { parts: row_groups(&metadata)?, file, metadata }))
    }
}

/// Maps a file: threads that read one file share their place in it otherwise.
fn map(path: &Path) -> Outcome<Bytes> {
    let file = File::open(path)?;
    // SAFETY: nobody writes to the file while it is mapped.
    Ok(Bytes::from_owner(unsafe { Mmap::map(&file)? }))
}

/// The frames of each row group.
fn row_groups(metadata: &ArrowReaderMetadata) -> Outcome<Vec<Range<usize>>> {
    let mut end = 0;
    let mut parts = Vec::new();
    for group in metadata.metadata().row_groups() {
        let start = end;
        end += usize::try_from(group.num_rows())?;
        parts.push(start..end);
    }
    Ok(parts)
}

struct OpenedParquet {
    file: Bytes,
    metadata: ArrowReaderMetadata,
    parts: Vec<Range<usize>>,
}

impl Opened for OpenedParquet {
    fn frame(&mut self, n: usize) -> Outcome<Vec<f32>> {
        let group = self.parts.partition_point(|part| part.end <= n);
        let within = n - self.parts[group].start;
        let selection = RowSelection::from(vec![RowSelector::skip(within), RowSelector::select(1)]);
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
                .with_row_groups(vec![group])
                .with_row_selection(selection)
                .with_batch_size(1)
                .build()?;
        let rows: Option<RecordBatch> = reader.into_iter().next().transpose()?;
        first_row(&rows.ok_or("no such frame")?, 0)
    }
}
