//! A recording, as Python has it: frames in, acknowledgements and the finished session out.
//!
//! Into a store and to a server it is the same: a client of the record protocol, whose other end is in this process or at the
//! server. A task of its own serves the connection, so that it is read while Python is busy elsewhere.

mod connection;
mod incoming;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use numpy::{PyReadonlyArray1, PyReadonlyArrayDyn};
use posesession_core::{SessionId, SessionRecording, SessionStatus, Skeleton};
use posesession_store::SessionStore;
use posesession_ws::protocol::{Publish, SkeletonRef, StartRecording};
use posesession_ws::{ClientError, RecordClient, Transport};
use pyo3::prelude::*;
use tokio::sync::{mpsc, oneshot};

use self::connection::{Command, Shared, drive};
use crate::convert::{timestamp, to_python};
use crate::errors;
use crate::place::Place;
use crate::runtime::{Owner, runtime, wait};

/// How many frames may be on their way to the recorder.
const QUEUE: usize = 64;
/// How often is looked whether a recording that was let go of has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A recording under way, or what is left of it.
#[pyclass(frozen, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativeRecording {
    id: SessionId,
    owner: Owner,
    /// The place that it goes to, unless it goes to a server.
    place: Option<Arc<Place>>,
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    numbering: Mutex<Numbering>,
    shared: Arc<Shared>,
    publish: Publish,
}

/// What is known of the frames before the next.
#[derive(Debug, Default)]
struct Numbering {
    skeleton: Option<Skeleton>,
    next: u64,
    last: Option<u64>,
    taken: u64,
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
        description: String,
        metadata: Option<&Bound<'_, pyo3::types::PyDict>>,
        fps: Option<f64>,
    ) -> PyResult<Self> {
        let skeleton = skeleton.map(crate::convert::skeleton).transpose()?;
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
                description,
                metadata: metadata.map(crate::convert::to_json).transpose()?.unwrap_or_default(),
                ..StartRecording::default()
            },
            skeleton,
        })
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
        let (commands, queue) = mpsc::channel(QUEUE);
        if let Some(place) = &place {
            place.live.add(&commands);
        }
        let shared = Arc::new(Shared::new());
        runtime()?.spawn(drive(client, id, queue, Arc::clone(&shared)));
        Ok(Self {
            id,
            owner: Owner::this_process(),
            place,
            commands: Mutex::new(Some(commands)),
            numbering: Mutex::new(Numbering { skeleton, ..Numbering::default() }),
            shared,
            publish,
        })
    }

    fn numbering(&self) -> MutexGuard<'_, Numbering> {
        self.numbering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the way to the task, while the recording goes on.
    fn commands(&self) -> PyResult<mpsc::Sender<Command>> {
        self.owner.check("recording")?;
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone();
        commands.ok_or_else(|| {
            let status = self.shared.status();
            errors::RecordingStateError::new_err(format!("the recording has ended: it is {status}"))
        })
    }

    /// Hands a command to the task and waits for its answer.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        command: impl FnOnce(oneshot::Sender<Result<T, ClientError>>) -> Command + Send,
    ) -> PyResult<T> {
        let commands = self.commands()?;
        let answer = wait(py, async {
            let (reply, answer) = oneshot::channel();
            if commands.send(command(reply)).await.is_err() {
                return None;
            }
            answer.await.ok()
        })?;
        match answer {
            Some(answer) => answer.map_err(errors::client),
            None => Err(self.shared.why_it_ended()),
        }
    }

    /// Lets go of the task: no more commands.
    fn end(&self) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
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
        self.shared.status().as_str()
    }

    #[getter]
    fn skeleton<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let skeleton = self.numbering().skeleton.clone();
        skeleton.map(|skeleton| to_python(py, &skeleton)).transpose()
    }

    #[getter]
    fn frame_count(&self) -> u64 {
        self.numbering().taken
    }

    #[getter]
    fn stored_through(&self) -> Option<u64> {
        self.shared.stored_through()
    }

    #[getter]
    fn refused_count(&self) -> u64 {
        self.shared.refused_count()
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
        let commands = self.commands()?;
        let timestamp = self::timestamp(timestamp)?;
        let (pose, inferred) = {
            let numbering = self.numbering();
            incoming::pose(&values, track_ids.as_ref(), numbering.skeleton.as_ref())?
        };
        if let Some(skeleton) = inferred {
            let publish =
                Publish { skeleton: Some(SkeletonRef::Full(skeleton.clone())), ..self.publish.clone() };
            self.ask(py, |reply| Command::Publish { publish: Box::new(publish), reply })?;
            self.numbering().skeleton = Some(skeleton);
        }
        let image = image.map(<[u8]>::to_vec).unwrap_or_default();
        let number = {
            let mut numbering = self.numbering();
            let number = frame_number.unwrap_or(numbering.next);
            numbering.next = number.saturating_add(1).max(numbering.next);
            numbering.last = numbering.last.max(Some(number));
            numbering.taken += 1;
            number
        };
        let frame = Command::Frame { number, timestamp, pose, image };
        let sent = match commands.try_send(frame) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(frame)) => wait(py, commands.send(frame))?.is_ok(),
        };
        if !sent {
            return Err(self.shared.why_it_ended());
        }
        self.shared.take_refusal().map_or(Ok(()), |refusal| Err(errors::refused(&refusal)))
    }

    #[pyo3(signature = (label, timestamp=None))]
    fn mark(&self, py: Python<'_>, label: String, timestamp: Option<f64>) -> PyResult<()> {
        let timestamp = timestamp.map(self::timestamp).transpose()?;
        self.ask(py, |reply| Command::Mark { label, timestamp, reply })
    }

    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, |reply| Command::Pause { reply })?;
        self.shared.set_status(SessionStatus::Paused);
        Ok(())
    }

    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, |reply| Command::Resume { reply })?;
        self.shared.set_status(SessionStatus::Recording);
        Ok(())
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.commands()?;
        let Some(last) = self.numbering().last else { return Ok(()) };
        if wait(py, self.shared.stored(last))? { Ok(()) } else { Err(self.shared.why_it_ended()) }
    }

    fn stop<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let finalized = self.ask(py, |reply| Command::Stop { reply })?;
        self.shared.set_status(finalized.session.status);
        self.end();
        Ok((to_python(py, &finalized.session)?, to_python(py, &finalized.report)?))
    }

    fn interrupt<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Some(place) = &self.place else {
            // A server has no word for it: it would wait for the streamer to come back.
            return Ok(self.stop(py)?.0);
        };
        self.commands()?;
        self.end();
        let session = wait(py, ended(&**place.store(), self.id))?.map_err(errors::store)?;
        self.shared.set_status(session.status);
        to_python(py, &session)
    }

    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, |reply| Command::Discard { reply })?;
        self.shared.set_status(SessionStatus::Interrupted);
        self.end();
        Ok(())
    }
}

/// The recordings of a store that are under way.
#[derive(Debug, Default)]
pub(crate) struct LiveRecordings(Mutex<Vec<mpsc::WeakSender<Command>>>);

impl LiveRecordings {
    fn add(&self, commands: &mpsc::Sender<Command>) {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|commands| commands.strong_count() > 0);
        live.push(commands.downgrade());
    }

    /// Stops all of them: what was pushed is durable then. Returns the first failure.
    pub(crate) async fn stop(&self) -> Result<(), ClientError> {
        let live = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut stopped = Ok(());
        for commands in live.iter().filter_map(mpsc::WeakSender::upgrade) {
            let (reply, answer) = oneshot::channel();
            if commands.send(Command::Stop { reply }).await.is_ok()
                && let Ok(Err(error)) = answer.await
            {
                stopped = stopped.and(Err(error));
            }
        }
        stopped
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
