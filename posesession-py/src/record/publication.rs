//! A stream that somebody else may record, as Python has it: frames in.

use std::time::Duration;

use numpy::{PyReadonlyArray1, PyReadonlyArrayDyn};
use posesession_ws::ServerUrl;
use pyo3::prelude::*;

use super::Start;
use super::connection::Purpose;
use super::frame_stream::FrameStream;
use super::remote::{Buffer, Remote};
use crate::convert::to_python;

/// A stream that is published.
#[pyclass(frozen, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativePublication {
    frames: FrameStream,
}

impl NativePublication {
    /// Begins to publish to a server elsewhere.
    pub(crate) async fn begin_at(
        url: ServerUrl,
        start: Start,
        buffer: Buffer,
        within: Duration,
    ) -> PyResult<Self> {
        let remote = Remote::connect(url, &start, buffer, within).await?;
        let Start { publish, skeleton, .. } = start;
        let session = remote.streamer.session();
        let purpose = Purpose::Publication { session };
        Ok(Self { frames: FrameStream::to_server(remote, publish, skeleton, purpose) })
    }
}

#[pymethods]
impl NativePublication {
    #[getter]
    fn session_id(&self) -> Option<String> {
        self.frames.session().map(|id| id.to_string())
    }

    #[getter]
    fn skeleton<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.frames.skeleton().map(|skeleton| to_python(py, &skeleton)).transpose()
    }

    #[getter]
    fn frame_count(&self) -> u64 {
        self.frames.taken()
    }

    #[getter]
    fn stored_through(&self) -> Option<u64> {
        self.frames.stored_through()
    }

    #[getter]
    fn refused_count(&self) -> u64 {
        self.frames.refused_count()
    }

    #[getter]
    fn unacked_count(&self) -> u64 {
        self.frames.figures().unacked
    }

    #[getter]
    fn dropped_count(&self) -> u64 {
        self.frames.figures().dropped
    }

    #[getter]
    fn reconnect_count(&self) -> u64 {
        self.frames.figures().reconnects
    }

    #[pyo3(signature = (timestamp, values, track_ids=None, image=None, frame_number=None))]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn push(
        &self,
        py: Python<'_>,
        timestamp: f64,
        values: PyReadonlyArrayDyn<'_, f32>,
        track_ids: Option<PyReadonlyArray1<'_, i64>>,
        image: Option<&[u8]>,
        frame_number: Option<u64>,
    ) -> PyResult<()> {
        self.frames.push(py, timestamp, &values, track_ids.as_ref(), image, frame_number)
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.frames.flush(py)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.frames.close(py)
    }
}
