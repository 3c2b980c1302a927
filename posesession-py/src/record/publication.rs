//! A stream that somebody else may record, as Python has it: frames in.

use numpy::{PyReadonlyArray1, PyReadonlyArrayDyn};
use posesession_ws::{ClientError, RecordClient, Transport};
use pyo3::prelude::*;

use super::Start;
use super::connection::Purpose;
use super::frame_stream::FrameStream;
use crate::convert::to_python;
use crate::errors;

/// A stream that is published.
#[pyclass(frozen, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativePublication {
    frames: FrameStream,
}

impl NativePublication {
    /// Begins to publish over a connection.
    pub(crate) async fn begin<T: Transport + 'static>(
        connected: impl Future<Output = Result<RecordClient<T>, ClientError>> + Send,
        start: Start,
    ) -> PyResult<Self> {
        let mut client = connected.await.map_err(errors::client)?;
        let Start { publish, skeleton, .. } = start;
        let answer = client.publish(&publish).await.map_err(errors::client)?;
        // Somebody may be recording the stream already.
        let session = answer.get("session_id").and_then(|id| id.as_str()?.parse().ok());
        let frames = FrameStream::open(client, publish, skeleton, Purpose::Publication { session })?;
        Ok(Self { frames })
    }
}

#[pymethods]
impl NativePublication {
    #[getter]
    fn session_id(&self) -> Option<String> {
        self.frames.shared().session().map(|id| id.to_string())
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
        self.frames.shared().stored_through()
    }

    #[getter]
    fn refused_count(&self) -> u64 {
        self.frames.shared().refused_count()
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

    fn close(&self) {
        self.frames.end();
    }
}
