//! A session's frames as an Arrow stream: chunks in, record batches out, one at a time, whatever the session's length.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::vec;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, RecordBatchReader, UInt16Array,
    UInt32Array, UInt64Array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use posesession_core::{Chunk, Component, SessionId, Skeleton, decode};
use posesession_store::{EncodedStoredChunk, SessionStore, StoreError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use serde_json::json;
use tokio::runtime::Handle;

use crate::errors;
use crate::runtime::{runtime, wait};

/// How many frames' chunks are read at a time.
const READ_FRAMES: u64 = 4096;

/// Returns frames as a capsule of the Arrow C stream interface. See `_native.pyi`.
pub(crate) fn stream(
    py: Python<'_>,
    store: Arc<dyn SessionStore>,
    id: SessionId,
    frames: Range<u64>,
) -> PyResult<Bound<'_, PyCapsule>> {
    let session = wait(py, store.read_session(id))?.map_err(errors::store)?;
    let batches = Batches {
        schema: Arc::new(schema(session.skeleton.as_ref())?),
        skeleton: session.skeleton,
        store,
        handle: runtime()?.handle().clone(),
        id,
        frames: frames.start..frames.end.min(session.frame_count),
        chunks: Vec::new().into_iter(),
    };
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
}

/// The columns: which frame, who, and each component as one list of floats.
fn schema(skeleton: Option<&Skeleton>) -> PyResult<Schema> {
    let mut fields = vec![
        Field::new("frame_number", DataType::UInt64, false),
        Field::new("timestamp", DataType::Float64, false),
        Field::new("person", DataType::UInt16, true),
        Field::new("track_id", DataType::UInt32, true),
    ];
    for component in skeleton.iter().flat_map(|skeleton| &skeleton.components) {
        let size = i32::try_from(component.values()).map_err(errors::broken)?;
        let channels: Vec<&str> = component.channels.iter().map(|channel| channel.name.as_str()).collect();
        let facts = [
            ("shape", json!([component.keypoints.len(), channels.len()])),
            ("keypoints", json!(component.keypoints)),
            ("channels", json!(channels)),
        ];
        let facts = facts.map(|(name, fact)| (name.to_owned(), fact.to_string()));
        let field = Field::new(&component.name, DataType::FixedSizeList(item(), size), true);
        fields.push(field.with_metadata(HashMap::from(facts)));
    }
    Ok(Schema::new(fields))
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, false))
}

/// Reads the chunks when a batch is asked for, in whichever thread asks.
struct Batches {
    schema: SchemaRef,
    skeleton: Option<Skeleton>,
    store: Arc<dyn SessionStore>,
    handle: Handle,
    id: SessionId,
    /// What is left to be read.
    frames: Range<u64>,
    /// What was read and not handed out.
    chunks: vec::IntoIter<EncodedStoredChunk>,
}

impl Batches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let failed = |error: StoreError| ArrowError::ExternalError(Box::new(error));
        if self.frames.is_empty() {
            return Ok(None);
        }
        let chunk = match self.chunks.next() {
            Some(chunk) => chunk,
            None => {
                let end = self.frames.end.min(self.frames.start.saturating_add(READ_FRAMES));
                let reading = self.store.encoded_chunks(self.id, self.frames.start..end);
                self.chunks = self.handle.block_on(reading).map_err(failed)?.into_iter();
                let missing = || damaged(self.id, self.frames.start, "it is missing");
                self.chunks.next().ok_or_else(missing).map_err(failed)?
            }
        };
        let first = chunk.extent.first_frame;
        let decoded = decode(&chunk.chunk.header, &chunk.chunk.payload);
        let decoded = decoded.map_err(|error| failed(damaged(self.id, first, &error.to_string())))?;
        let frames = self.frames.start..self.frames.end.min(decoded.end_frame());
        if decoded.first_frame() > frames.start || frames.is_empty() {
            return Err(failed(damaged(self.id, first, "it is not what its row says")));
        }
        self.frames.start = frames.end;
        batch(&decoded, frames, &self.schema, self.skeleton.as_ref()).map(Some)
    }
}

fn damaged(id: SessionId, frame: u64, why: &str) -> StoreError {
    StoreError::Corrupt { id, what: format!("the chunk from frame {frame}: {why}") }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.next_batch();
        if batch.is_err() {
            // After a failure there is nothing more.
            self.frames.start = self.frames.end;
        }
        batch.transpose()
    }
}

impl RecordBatchReader for Batches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// One row of a batch: a frame's person, or nobody.
struct Row<'a> {
    frame_number: u64,
    timestamp: f64,
    /// The place among the frame's persons, the track id, the values.
    person: Option<(u16, u32, &'a [f32])>,
}

fn batch(
    chunk: &Chunk,
    frames: Range<u64>,
    schema: &SchemaRef,
    skeleton: Option<&Skeleton>,
) -> Result<RecordBatch, ArrowError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let times = (chunk.first_frame()..).zip(chunk.timestamps()).filter(|(number, _)| frames.contains(number));
    for (frame_number, timestamp) in times {
        let timestamp = timestamp.as_secs_f64();
        let before = rows.len();
        let persons = (0..).zip(chunk.persons(frame_number));
        rows.extend(persons.map(|(place, (track_id, values))| Row {
            frame_number,
            timestamp,
            person: Some((place, track_id, values)),
        }));
        if rows.len() == before {
            rows.push(Row { frame_number, timestamp, person: None });
        }
    }
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.frame_number).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| row.timestamp).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.person.map(|(place, ..)| place)).collect::<UInt16Array>()),
        Arc::new(rows.iter().map(|row| row.person.map(|(_, id, _)| id)).collect::<UInt32Array>()),
    ];
    let components = skeleton.iter().flat_map(|skeleton| (0..).zip(&skeleton.components));
    for (index, component) in components {
        let range = skeleton.and_then(|skeleton| skeleton.component_range(index)).unwrap_or_default();
        columns.push(Arc::new(component_column(&rows, component, range)?));
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn component_column(
    rows: &[Row<'_>],
    component: &Component,
    range: Range<usize>,
) -> Result<FixedSizeListArray, ArrowError> {
    let width = component.values();
    let mut values = Vec::with_capacity(rows.len() * width);
    for row in rows {
        match row.person.and_then(|(_, _, values)| values.get(range.clone())) {
            Some(part) => values.extend_from_slice(part),
            None => values.resize(values.len() + width, f32::NAN),
        }
    }
    let is_there: NullBuffer = rows.iter().map(|row| row.person.is_some()).collect::<Vec<bool>>().into();
    let size = i32::try_from(width).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
    FixedSizeListArray::try_new(item(), size, Arc::new(Float32Array::from(values)), Some(is_there))
}
