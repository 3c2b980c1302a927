//! A session's frames as NumPy arrays: encoded chunks in, decoded by all processors into the arrays' own memory.
//!
//! The arrays are cut along the borders of chunks into parts. Each thread takes a part, reads its chunks, decodes them
//! and writes them where they belong, until none is left.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use numpy::{PyArray, PyArray1, PyArray2, PyArray4, PyArrayMethods as _};
use posesession_core::{Chunk, ChunkIndex, SessionId, Skeleton, decode};
use posesession_store::{EncodedStoredChunk, SessionStore, StoreError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::errors::{self, bad_argument};
use crate::runtime::{SIGNAL_CHECK, runtime, wait};

/// How many frames a part has at least: some milliseconds of work, some megabytes of memory.
const PART_FRAMES: u64 = 4096;

/// Frames as arrays.
#[pyclass(frozen, get_all, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativeArrays {
    first_frame: u64,
    timestamps: Py<PyArray1<f64>>,
    track_ids: Py<PyArray2<i64>>,
    values: Py<PyList>,
}

/// What is asked for.
#[derive(Debug)]
struct Wanted {
    id: SessionId,
    first: u64,
    frames: usize,
    /// The components, by where their values stand in a person's row and their shape.
    components: Vec<Component>,
    /// How many values a person's row has.
    row_width: usize,
}

#[derive(Debug)]
struct Component {
    range: Range<usize>,
    keypoints: usize,
    channels: usize,
}

/// Reads frames. See `_native.pyi`.
pub(crate) fn read(
    py: Python<'_>,
    store: &Arc<dyn SessionStore>,
    id: SessionId,
    component: Option<usize>,
    frames: Range<u64>,
) -> PyResult<NativeArrays> {
    let looked_up = wait(py, async {
        let session = store.read_session(id).await?;
        Ok((session.skeleton, store.chunk_index(id).await?))
    });
    let (skeleton, index): (_, ChunkIndex) = looked_up?.map_err(errors::store)?;
    let end = frames.end.min(index.frame_count());
    let first = frames.start.min(end);
    let wanted = Wanted {
        id,
        first,
        frames: usize::try_from(end - first).map_err(|_many| errors::out_of_memory(u128::from(end)))?,
        components: components(skeleton.as_ref(), component)?,
        row_width: skeleton.as_ref().map_or(0, Skeleton::values_per_person),
    };
    // Nobody knows how many persons there are before all frames are decoded. Nearly always it is one.
    let mut persons = 1;
    loop {
        let arrays = Arrays::new(py, &wanted, persons)?;
        let found = arrays.fill(py, store, &wanted, &index)?;
        if found <= persons {
            return arrays.into_python(py, first);
        }
        persons = found;
    }
}

fn components(skeleton: Option<&Skeleton>, asked: Option<usize>) -> PyResult<Vec<Component>> {
    let Some(skeleton) = skeleton else {
        return match asked {
            Some(index) => Err(no_component(index, 0)),
            None => Ok(Vec::new()),
        };
    };
    let indices = match asked {
        Some(index) => index..index.saturating_add(1),
        None => 0..skeleton.components.len(),
    };
    indices
        .map(|index| {
            let range = skeleton.component_range(index);
            let range = range.ok_or_else(|| no_component(index, skeleton.components.len()))?;
            let component = &skeleton.components[index];
            Ok(Component { range, keypoints: component.keypoints.len(), channels: component.channels.len() })
        })
        .collect()
}

fn no_component(index: usize, count: usize) -> PyErr {
    bad_argument(format!("there is no component {index}: the session has {count}"))
}

/// The arrays while they are filled.
struct Arrays<'py> {
    persons: usize,
    timestamps: Bound<'py, PyArray1<f64>>,
    track_ids: Bound<'py, PyArray2<i64>>,
    values: Vec<Bound<'py, PyArray4<f32>>>,
}

impl<'py> Arrays<'py> {
    /// Makes arrays of zeros: memory that the system gives out when it is first written, by whichever thread does.
    fn new(py: Python<'py>, wanted: &Wanted, persons: usize) -> PyResult<Self> {
        let rows = wanted.frames as u128 * persons as u128;
        let values: usize = wanted.components.iter().map(|component| component.range.len()).sum();
        let bytes = rows * (8 + 4 * values as u128);
        // NumPy panics where it can't allocate.
        if usize::try_from(bytes).ok().is_none_or(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_err())
        {
            return Err(errors::out_of_memory(bytes));
        }
        let shape = |c: &Component| [wanted.frames, persons, c.keypoints, c.channels];
        Ok(Self {
            persons,
            timestamps: PyArray::zeros(py, wanted.frames, false),
            track_ids: PyArray::zeros(py, [wanted.frames, persons], false),
            values: wanted.components.iter().map(|c| PyArray::zeros(py, shape(c), false)).collect(),
        })
    }

    /// Reads, decodes and writes all frames. Returns the most persons of a frame; if they are more than there is room for,
    /// the arrays are of no use.
    fn fill(
        &self,
        py: Python<'py>,
        store: &Arc<dyn SessionStore>,
        wanted: &Wanted,
        index: &ChunkIndex,
    ) -> PyResult<usize> {
        let persons = self.persons;
        let mut timestamps = self.timestamps.try_readwrite().map_err(errors::broken)?;
        let mut track_ids = self.track_ids.try_readwrite().map_err(errors::broken)?;
        let values = self.values.iter().map(|array| array.try_readwrite().map_err(errors::broken));
        let mut values = values.collect::<PyResult<Vec<_>>>()?;
        let whole = Part {
            frames: wanted.first..wanted.first + wanted.frames as u64,
            persons,
            timestamps: timestamps.as_slice_mut().map_err(errors::broken)?,
            track_ids: track_ids.as_slice_mut().map_err(errors::broken)?,
            values: values
                .iter_mut()
                .map(|array| array.as_slice_mut().map_err(errors::broken))
                .collect::<PyResult<_>>()?,
        };
        let parts = whole.cut(wanted, index);
        let handle = runtime()?.handle();
        py.detach(|| Filling::new(store, wanted, parts).run(handle))
    }

    fn into_python(self, py: Python<'py>, first_frame: u64) -> PyResult<NativeArrays> {
        Ok(NativeArrays {
            first_frame,
            timestamps: self.timestamps.unbind(),
            track_ids: self.track_ids.unbind(),
            values: PyList::new(py, self.values)?.unbind(),
        })
    }
}

/// Some consecutive frames of all arrays.
#[derive(Debug)]
struct Part<'a> {
    frames: Range<u64>,
    persons: usize,
    timestamps: &'a mut [f64],
    /// `[frame, person]`
    track_ids: &'a mut [i64],
    /// Of each component, `[frame, person, value]`.
    values: Vec<&'a mut [f32]>,
}

impl<'a> Part<'a> {
    /// Cuts the frames at borders of chunks, last part first. A chunk that reaches over a border is decoded on both sides.
    fn cut(mut self, wanted: &Wanted, index: &ChunkIndex) -> Vec<Self> {
        let mut parts = Vec::new();
        for extent in index.extents() {
            let border = extent.end_frame();
            if border < self.frames.end && border >= self.frames.start + PART_FRAMES {
                let (part, rest) = self.split(border, wanted);
                parts.push(part);
                self = rest;
            }
        }
        parts.push(self);
        parts.reverse();
        parts
    }

    fn split(self, border: u64, wanted: &Wanted) -> (Self, Self) {
        let frames = place(border - self.frames.start);
        let persons = self.persons;
        let (timestamps, later_timestamps) = self.timestamps.split_at_mut(frames);
        let (track_ids, later_track_ids) = self.track_ids.split_at_mut(frames * persons);
        let widths = wanted.components.iter().map(|component| component.range.len());
        let (values, later_values) = self
            .values
            .into_iter()
            .zip(widths)
            .map(|(array, width)| array.split_at_mut(frames * persons * width))
            .unzip();
        let part = Self { frames: self.frames.start..border, persons, timestamps, track_ids, values };
        let rest = Self {
            frames: border..self.frames.end,
            persons,
            timestamps: later_timestamps,
            track_ids: later_track_ids,
            values: later_values,
        };
        (part, rest)
    }

    /// Returns the places in a chunk of those frames that belong here.
    fn places_in(&self, chunk: &Chunk) -> Range<usize> {
        let first = chunk.first_frame().max(self.frames.start);
        let end = chunk.end_frame().min(self.frames.end).max(first);
        place(first - chunk.first_frame())..place(end - chunk.first_frame())
    }

    /// Returns the most persons of those frames of a chunk that belong here.
    fn most_persons(&self, chunk: &Chunk) -> usize {
        let counts = chunk.person_counts().get(self.places_in(chunk)).unwrap_or_default();
        counts.iter().max().map_or(0, |&count| usize::from(count))
    }

    /// Writes those frames of a chunk that belong here. There must be room for all persons.
    fn write(&mut self, chunk: &Chunk, wanted: &Wanted) {
        let from = self.places_in(chunk);
        if from.is_empty() {
            return;
        }
        let to = place(chunk.first_frame().max(self.frames.start) - self.frames.start);
        for (into, time) in self.timestamps[to..].iter_mut().zip(&chunk.timestamps()[from.clone()]) {
            *into = time.as_secs_f64();
        }
        let counts = chunk.person_counts();
        let rows_before: usize = counts[..from.start].iter().map(|&count| usize::from(count)).sum();
        let counts = &counts[from];
        let rows: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let rows = rows_before..rows_before + rows;
        let ids = &chunk.track_ids()[rows.clone()];
        let values = &chunk.values()[rows.start * wanted.row_width..rows.end * wanted.row_width];
        let is_full = counts.iter().all(|&count| usize::from(count) == self.persons);
        let slots = to * self.persons..(to + counts.len()) * self.persons;
        let slots_of_rows = Slots { counts, persons: self.persons };
        let into = &mut self.track_ids[slots.clone()];
        if !is_full {
            into.fill(-1);
        }
        for (slot, &id) in slots_of_rows.iter().zip(ids) {
            into[slot] = i64::from(id);
        }
        for (array, component) in self.values.iter_mut().zip(&wanted.components) {
            let width = component.range.len();
            let into = &mut array[slots.start * width..slots.end * width];
            if is_full && width == wanted.row_width {
                into.copy_from_slice(values);
                continue;
            }
            if !is_full {
                into.fill(f32::NAN);
            }
            for (slot, row) in slots_of_rows.iter().zip(values.chunks_exact(wanted.row_width.max(1))) {
                into[slot * width..(slot + 1) * width].copy_from_slice(&row[component.range.clone()]);
            }
        }
    }
}

/// Where the rows of a chunk stand among the persons' slots: those of a frame at its front.
#[derive(Debug, Clone, Copy)]
struct Slots<'a> {
    counts: &'a [u16],
    persons: usize,
}

impl Slots<'_> {
    fn iter(self) -> impl Iterator<Item = usize> {
        let frames = self.counts.iter().enumerate();
        frames.flat_map(move |(frame, &count)| {
            let first = frame * self.persons;
            first..first + usize::from(count)
        })
    }
}

/// Returns a difference of two frame numbers within an array, which fits.
fn place(frames: u64) -> usize {
    usize::try_from(frames).unwrap_or(usize::MAX)
}

/// The work of all threads.
struct Filling<'a> {
    store: &'a Arc<dyn SessionStore>,
    wanted: &'a Wanted,
    /// The parts that are left; none once something went wrong.
    parts: Mutex<Vec<Part<'a>>>,
    most_persons: AtomicUsize,
    failure: Mutex<Option<PyErr>>,
}

impl<'a> Filling<'a> {
    fn new(store: &'a Arc<dyn SessionStore>, wanted: &'a Wanted, parts: Vec<Part<'a>>) -> Self {
        Self {
            store,
            wanted,
            parts: Mutex::new(parts),
            most_persons: AtomicUsize::new(0),
            failure: Mutex::new(None),
        }
    }

    fn run(self, handle: &Handle) -> PyResult<usize> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner).len();
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(parts);
        let (done, mut all_done) = watch::channel(());
        thread::scope(|scope| {
            for _ in 0..threads {
                let done = done.clone();
                let work = || {
                    // Dropped at the end of the thread, however it ends.
                    let _done = done;
                    self.work(handle);
                };
                scope.spawn(work);
            }
            drop(done);
            // The channel closes with the last thread; nothing is ever sent.
            let mut wait =
                || handle.block_on(async { tokio::time::timeout(SIGNAL_CHECK, all_done.changed()).await });
            while wait().is_err() {
                if let Err(signal) = Python::attach(|py| py.check_signals()) {
                    self.fail(signal);
                }
            }
        });
        match self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure),
            None => Ok(self.most_persons.into_inner()),
        }
    }

    fn work(&self, handle: &Handle) {
        loop {
            let part = self.parts.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut part) = part else { return };
            if let Err(error) = self.fill(&mut part, handle) {
                self.fail(errors::store(error));
            }
        }
    }

    /// Notes the first failure and leaves nothing to do.
    fn fail(&self, error: PyErr) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn fill(&self, part: &mut Part<'_>, handle: &Handle) -> Result<(), StoreError> {
        let chunks = handle.block_on(self.store.encoded_chunks(self.wanted.id, part.frames.clone()))?;
        let mut next = part.frames.start;
        for stored in &chunks {
            let chunk = self.decode(stored)?;
            if chunk.first_frame() > next {
                return Err(self.damaged(next, "it is missing"));
            }
            next = chunk.end_frame();
            let most = part.most_persons(&chunk);
            let most = self.most_persons.fetch_max(most, Ordering::Relaxed).max(most);
            if most <= part.persons {
                part.write(&chunk, self.wanted);
            }
        }
        if next < part.frames.end {
            return Err(self.damaged(next, "it is missing"));
        }
        Ok(())
    }

    fn decode(&self, stored: &EncodedStoredChunk) -> Result<Chunk, StoreError> {
        let first = stored.extent.first_frame;
        let chunk = decode(&stored.chunk.header, &stored.chunk.payload);
        let chunk = chunk.map_err(|error| self.damaged(first, &error.to_string()))?;
        let fits = chunk.values().is_empty() || chunk.layout().values_per_person() == self.wanted.row_width;
        if chunk.first_frame() != first || !fits {
            return Err(self.damaged(first, "it is not what its row says"));
        }
        Ok(chunk)
    }

    fn damaged(&self, frame: u64, why: &str) -> StoreError {
        StoreError::Corrupt { id: self.wanted.id, what: format!("the chunk from frame {frame}: {why}") }
    }
}
