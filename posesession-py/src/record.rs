//! A recording, as Python has it: frames in, acknowledgements and the finished session out.
//!
//! Into a store and to a server it is the same: a client of the record protocol, whose other end is in this process or at the
//! server. A task of its own serves the connection, so that it is read while Python is busy elsewhere.

mod incoming;
mod connection;
mod frame_stream;
mod remote;
pub(crate) mod live_recordings;
mod publication;

use std::sync::Arc;
use std::time::Duration;

use numpy::{PyReadonlyArray1, PyReadonlyArrayDyn};
use posesession_core::{Encoding, MaxError, SessionId, SessionRecording, SessionStatus, Skeleton};
use posesession_store::SessionStore;
use posesession_ws::protocol::{Publish, SkeletonRef, StartRecording};
use posesession_ws::{ClientError, RecordClient, ServerUrl, Transport};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

pub(crate) use self::publication::NativePublication;
pub(crate) use self::remote::Buffer;

use self::connection::{Command, Purpose};
use self::frame_stream::FrameStream;
use self::remote::Remote;
use crate::convert::{timestamp, to_python};
use crate::errors;
use crate::place::Place;
use crate::runtime::wait;

/// A session's facts and its report; nothing if the server's answer got lost.
type Finished<'py> = (Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

/// How often is looked whether a recording that was let go of has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A recording under way, or what is left of it.
#[pyclass(frozen, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativeRecording {
    id: SessionId,
    frames: FrameStream,
    /// The place that it goes to, unless it goes to a server.
    place: Option<Arc<Place>>,
}

/// What a recording is begun with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) publish: Publish,
    pub(crate) start: StartRecording,
    pub(crate) skeleton: Option<Skeleton>,
}

impl Start {
    /// Collects what Python gives; the stream and the publisher get names of their own.
    pub(crate) fn new(
        name: String,
        skeleton: Option<&Bound<'_, PyAny>>,
        description: &str,
        metadata: Option<&Bound<'_, PyDict>>,
        fps: Option<f64>,
        encoding: AskedEncoding,
    ) -> PyResult<Self> {
        let skeleton = skeleton.map(crate::convert::skeleton).transpose()?;
        encoding.check(skeleton.as_ref())?;
        if fps.is_some_and(|fps| !(fps.is_finite() && fps > 0.0)) {
            return Err(errors::bad_argument("`fps` is a number above 0"));
        }
        let publisher = uuid::Uuid::now_v7().to_string();
        Ok(Self {
            publish: Publish {
                stream: Some(publisher.clone()),
                skeleton: skeleton.clone().map(SkeletonRef::Full),
                fps,
                publisher: Some(publisher),
                ..Publish::default()
            },
            start: StartRecording {
                name,
                description: description.to_owned(),
                metadata: metadata.map(crate::convert::to_json).transpose()?.unwrap_or_default(),
                max_error: encoding.max_error,
                codec: encoding.codec,
                ..StartRecording::default()
            },
            skeleton,
        })
    }
}

/// How a session is to be kept, as Python says it.
#[derive(Debug, Default)]
pub(crate) struct AskedEncoding {
    codec: Option<String>,
    max_error: Option<MaxError>,
}

impl AskedEncoding {
    /// Reads what Python gives.
    pub(crate) fn new(max_error: Option<&Bound<'_, PyDict>>, codec: Option<String>) -> PyResult<Self> {
        let max_error = max_error.map(crate::convert::to_json).transpose()?;
        let max_error = max_error.map(|bounds| serde_json::from_value(Value::Object(bounds))).transpose();
        let max_error = max_error.map_err(|error| errors::bad_argument(format!("`max_error`: {error}")))?;
        Ok(Self { codec, max_error })
    }

    /// Refuses what is no encoding before anything is begun.
    fn check(&self, skeleton: Option<&Skeleton>) -> PyResult<()> {
        Encoding::declared(self.codec.as_deref(), self.max_error.clone()).map_err(errors::bad_argument)?;
        if let (Some(max_error), Some(skeleton)) = (&self.max_error, skeleton) {
            max_error.bounds(skeleton).map_err(errors::bad_argument)?;
        }
        Ok(())
    }
}

impl NativeRecording {
    /// Begins a recording over a connection.
    pub(crate) async fn begin<T: Transport + 'static>(
        connected: impl Future<Output = Result<RecordClient<T>, ClientError>> + Send,
        start: Start,
        place: Option<Arc<Place>>,
    ) -> PyResult<Self> {
        let mut client = connected.await.map_err(errors::client)?;
        let Start { publish, start, skeleton } = start;
        client.publish(&publish).await.map_err(errors::client)?;
        let id = client.start_recording(&start).await.map_err(errors::client)?;
        let frames = FrameStream::open(client, publish, skeleton, Purpose::Recording(id))?;
        if let Some(place) = &place {
            place.live.add(id, &frames);
        }
        Ok(Self { id, frames, place })
    }

    /// Begins a recording at a server elsewhere.
    pub(crate) async fn begin_at(
        url: ServerUrl,
        start: Start,
        buffer: Buffer,
        within: Duration,
    ) -> PyResult<Self> {
        let remote = Remote::connect(url, &start, buffer, within).await?;
        let Start { publish, start, skeleton } = start;
        let id = remote.streamer.start_recording(start).await.map_err(|error| remote.error(error))?;
        let frames = FrameStream::to_server(remote, publish, skeleton, Purpose::Recording(id));
        Ok(Self { id, frames, place: None })
    }
}

#[pymethods]
impl NativeRecording {
    #[getter]
    fn session_id(&self) -> String {
        self.id.to_string()
    }

    #[getter]
    fn status(&self) -> &'static str {
        self.frames.status().as_str()
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

    #[pyo3(signature = (label, timestamp=None))]
    fn mark(&self, py: Python<'_>, label: String, timestamp: Option<f64>) -> PyResult<()> {
        let timestamp = timestamp.map(self::timestamp).transpose()?;
        if let Some(remote) = self.frames.remote()? {
            return wait(py, remote.streamer.mark(&label, timestamp))?.map_err(|error| remote.error(error));
        }
        self.frames.ask(py, |reply| Command::Mark { label, timestamp, reply })
    }

    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        match self.frames.remote()? {
            Some(remote) => {
                wait(py, remote.streamer.pause_recording())?.map_err(|error| remote.error(error))?;
            }
            None => self.frames.ask(py, |reply| Command::Pause { reply })?,
        }
        self.frames.set_status(SessionStatus::Paused);
        Ok(())
    }

    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        match self.frames.remote()? {
            Some(remote) => {
                wait(py, remote.streamer.resume_recording())?.map_err(|error| remote.error(error))?;
            }
            None => self.frames.ask(py, |reply| Command::Resume { reply })?,
        }
        self.frames.set_status(SessionStatus::Recording);
        Ok(())
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.frames.flush(py)
    }

    fn let_go(&self) -> PyResult<()> {
        self.frames.let_go()
    }

    fn stop<'py>(&self, py: Python<'py>) -> PyResult<Finished<'py>> {
        if let Some(remote) = self.frames.remote()? {
            let stopped = wait(py, remote.streamer.stop_recording())?.map_err(|error| remote.error(error))?;
            self.frames.stored_through();
            self.frames.set_status(stopped.status.unwrap_or(SessionStatus::Completed));
            self.frames.end();
            let Some(finalized) = stopped.finalized else { return Ok((None, None)) };
            let report = to_python(py, &finalized.report)?;
            return Ok((Some(to_python(py, &finalized.session)?), Some(report)));
        }
        let finalized = self.frames.ask(py, |reply| Command::Stop { session: self.id, reply })?;
        self.frames.set_status(finalized.session.status);
        self.frames.end();
        Ok((Some(to_python(py, &finalized.session)?), Some(to_python(py, &finalized.report)?)))
    }

    fn interrupt<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(place) = &self.place else {
            // A server has no word for it: it would wait for the streamer to come back.
            return Ok(self.stop(py)?.0);
        };
        self.frames.commands()?;
        self.frames.end();
        let session = wait(py, ended(&**place.store(), self.id))?.map_err(errors::store)?;
        self.frames.set_status(session.status);
        to_python(py, &session).map(Some)
    }

    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        match self.frames.remote()? {
            Some(remote) => {
                wait(py, remote.streamer.discard_recording())?.map_err(|error| remote.error(error))?;
            }
            None => self.frames.ask(py, |reply| Command::Discard { session: self.id, reply })?,
        }
        self.frames.set_status(SessionStatus::Interrupted);
        self.frames.end();
        Ok(())
    }
}

/// Waits until a session is no longer live, and returns its facts.
async fn ended(
    store: &dyn SessionStore,
    id: SessionId,
) -> Result<SessionRecording, posesession_store::StoreError> {
    loop {
        let session = store.read_session(id).await?;
        if !session.status.is_live() {
            return Ok(session);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
