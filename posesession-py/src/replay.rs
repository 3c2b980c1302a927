//! A replay, as Python has it: frames at their times out, play, pause and seek in.
//!
//! From a store and from a server it is the same: a client of the replay protocol, whose other end is in this process or at the
//! server. A task of its own serves the connection and keeps the frame that is due, never more than that one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use numpy::{IntoPyArray as _, PyArray, PyArray1, PyArrayMethods as _};
use posesession_core::{SessionRecording, Skeleton};
use posesession_ws::protocol::{ProtocolError, SeekCommand, SetRange, StateMessage};
use posesession_ws::{ClientError, ReplayClient, ReplayEvent, ReplayedFrame, Transport};
use pyo3::prelude::*;
use pyo3::types::PyList;
use serde_json::json;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::convert::{timestamp, to_python};
use crate::errors::{self, bad_argument};
use crate::runtime::{Owner, runtime, wait};

/// How many commands may wait to be sent.
const QUEUE: usize = 16;

/// One frame.
#[pyclass(frozen, get_all, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativeFrame {
    frame_number: u64,
    timestamp: f64,
    epoch: u32,
    track_ids: Py<PyArray1<i64>>,
    values: Py<PyList>,
}

/// A replay under way.
#[pyclass(frozen, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativeReplay {
    owner: Owner,
    commands: Mutex<Option<mpsc::Sender<Asked>>>,
    shared: Arc<Shared>,
}

/// How a replay begins.
#[derive(Debug)]
pub(crate) struct Begin {
    rate: f64,
    range: SetRange,
    autoplay: bool,
}

impl Begin {
    pub(crate) fn new(
        rate: f64,
        start: Option<f64>,
        end: Option<f64>,
        loop_mode: &str,
        autoplay: bool,
    ) -> PyResult<Self> {
        let range = SetRange {
            start: start.map(timestamp).transpose()?,
            end: end.map(timestamp).transpose()?,
            loop_mode: (loop_mode != "none").then(|| loop_mode.to_owned()),
        };
        Ok(Self { rate, range, autoplay })
    }
}

/// A command, and where its answer goes.
#[derive(Debug)]
struct Asked {
    command: Command,
    reply: oneshot::Sender<Result<(), ClientError>>,
}

#[derive(Debug)]
enum Command {
    Play(Option<f64>),
    Pause,
    Seek(SeekCommand),
    SetRate(f64),
    Step(i64),
    SetRange(SetRange),
}

/// What is known of the replay.
#[derive(Debug)]
struct Shared {
    known: Mutex<Known>,
    /// Told at every change that somebody may wait for.
    changed: Notify,
}

#[derive(Debug)]
struct Known {
    session: SessionRecording,
    skeleton: Option<Skeleton>,
    state: StateMessage,
    /// When the state was so.
    since: Instant,
    /// The frame that is due.
    frame: Option<ReplayedFrame>,
    trouble: Option<ProtocolError>,
    failure: Option<ClientError>,
    has_ended: bool,
}

impl NativeReplay {
    /// Begins a replay over a connection.
    pub(crate) async fn begin<T: Transport + 'static>(
        connected: impl Future<Output = Result<ReplayClient<T>, ClientError>> + Send,
        begin: Begin,
    ) -> PyResult<Self> {
        let mut client = connected.await.map_err(errors::client)?;
        if begin.range != SetRange::default() {
            client.set_range(&begin.range).await.map_err(errors::client)?;
        }
        let state = if begin.autoplay {
            client.play(Some(begin.rate)).await
        } else {
            client.set_rate(begin.rate).await
        };
        let state = state.map_err(errors::client)?;
        let replayed = client.session();
        let known = Known {
            session: replayed.session.clone(),
            skeleton: replayed.skeleton.clone(),
            state,
            since: Instant::now(),
            frame: None,
            trouble: None,
            failure: None,
            has_ended: false,
        };
        let shared = Arc::new(Shared { known: Mutex::new(known), changed: Notify::new() });
        let (commands, queue) = mpsc::channel(QUEUE);
        runtime()?.spawn(drive(client, queue, Arc::clone(&shared)));
        Ok(Self { owner: Owner::this_process(), commands: Mutex::new(Some(commands)), shared })
    }

    fn is_closed(&self) -> bool {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn ask(&self, py: Python<'_>, command: Command) -> PyResult<()> {
        self.owner.check("replay")?;
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let commands = commands.ok_or_else(|| errors::closed("replay"))?;
        let answer = wait(py, async {
            let (reply, answer) = oneshot::channel();
            if commands.send(Asked { command, reply }).await.is_err() {
                return None;
            }
            answer.await.ok()
        })?;
        match answer {
            Some(answer) => answer.map_err(errors::client),
            None => Err(self.shared.why_it_ended()),
        }
    }
}

#[pymethods]
impl NativeReplay {
    #[getter]
    fn session<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let session = self.shared.known().session.clone();
        to_python(py, &session)
    }

    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let state = {
            let known = self.shared.known();
            let StateMessage { status, timestamp, frame_number, rate, epoch, cause, .. } = &known.state;
            let mut secs = timestamp.as_secs_f64();
            if status == "playing" {
                let end = known.session.duration.as_secs_f64().max(secs);
                secs = (secs + known.since.elapsed().as_secs_f64() * rate).clamp(0.0, end);
            }
            json!({
                "status": status, "timestamp": secs, "frame_number": frame_number, "rate": rate, "epoch": epoch,
                "cause": cause,
            })
        };
        to_python(py, &state)
    }

    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<NativeFrame>> {
        self.owner.check("replay")?;
        let timeout = timeout.map(patience).transpose()?;
        let next = self.shared.next();
        let frame = match timeout {
            Some(timeout) => {
                wait(py, async { tokio::time::timeout(timeout, next).await.unwrap_or(Ok(None)) })?
            }
            None => wait(py, next)?,
        };
        match frame {
            Ok(Some((frame, skeleton))) => NativeFrame::new(py, frame, skeleton.as_ref()).map(Some),
            Ok(None) => Ok(None),
            Err(_) if self.is_closed() => Ok(None),
            Err(Ended) => Err(self.shared.why_it_ended()),
        }
    }

    #[pyo3(signature = (rate=None))]
    fn play(&self, py: Python<'_>, rate: Option<f64>) -> PyResult<()> {
        self.ask(py, Command::Play(rate))
    }

    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, Command::Pause)
    }

    #[pyo3(signature = (*, timestamp=None, frame_number=None, fraction=None, mode="before"))]
    fn seek(
        &self,
        py: Python<'_>,
        timestamp: Option<f64>,
        frame_number: Option<u64>,
        fraction: Option<f64>,
        mode: &str,
    ) -> PyResult<()> {
        if fraction.is_some_and(|fraction| !fraction.is_finite()) {
            return Err(bad_argument("`fraction` is a number from 0 to 1"));
        }
        let timestamp = timestamp.map(self::timestamp).transpose()?;
        let mode = Some(mode.to_owned());
        self.ask(py, Command::Seek(SeekCommand { timestamp, frame_number, fraction, marker: None, mode }))
    }

    fn set_rate(&self, py: Python<'_>, rate: f64) -> PyResult<()> {
        self.ask(py, Command::SetRate(rate))
    }

    fn step(&self, py: Python<'_>, frames: i64) -> PyResult<()> {
        self.ask(py, Command::Step(frames))
    }

    #[pyo3(signature = (start=None, end=None, r#loop=None))]
    fn set_range(
        &self,
        py: Python<'_>,
        start: Option<f64>,
        end: Option<f64>,
        r#loop: Option<String>,
    ) -> PyResult<()> {
        let (start, end) = (start.map(timestamp).transpose()?, end.map(timestamp).transpose()?);
        self.ask(py, Command::SetRange(SetRange { start, end, loop_mode: r#loop }))
    }

    fn close(&self) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Reads a time-out.
pub(crate) fn patience(secs: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(secs)
        .map_err(|_negative| bad_argument(format!("`timeout` is a number of seconds from 0 up, not {secs}")))
}

impl NativeFrame {
    fn new(py: Python<'_>, frame: ReplayedFrame, skeleton: Option<&Skeleton>) -> PyResult<Self> {
        let ReplayedFrame { epoch, frame_number, timestamp, pose_data } = frame;
        let (persons, width) = (pose_data.person_count(), skeleton.map_or(0, Skeleton::values_per_person));
        if pose_data.values.len() != persons * width {
            return Err(errors::broken("a frame doesn't fit the session's skeleton"));
        }
        let values = PyList::empty(py);
        for (index, component) in skeleton.iter().flat_map(|skeleton| skeleton.components.iter().enumerate())
        {
            let range = skeleton.and_then(|skeleton| skeleton.component_range(index)).unwrap_or_default();
            let shape = [persons, component.keypoints.len(), component.channels.len()];
            let mut part = Vec::with_capacity(persons * range.len());
            for row in pose_data.values.chunks_exact(width.max(1)) {
                part.extend_from_slice(&row[range.clone()]);
            }
            values.append(PyArray::from_vec(py, part).reshape(shape)?)?;
        }
        let track_ids: Vec<i64> = pose_data.track_ids.iter().map(|&id| i64::from(id)).collect();
        Ok(Self {
            frame_number,
            timestamp: timestamp.as_secs_f64(),
            epoch,
            track_ids: track_ids.into_pyarray(py).unbind(),
            values: values.unbind(),
        })
    }
}

/// The connection ended.
struct Ended;

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a frame; none if the replay has played to its end.
    async fn next(&self) -> Result<Option<(ReplayedFrame, Option<Skeleton>)>, Ended> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on a change is heard, also one before the next line.
            changed.as_mut().enable();
            {
                let mut known = self.known();
                if let Some(frame) = known.frame.take() {
                    return Ok(Some((frame, known.skeleton.clone())));
                }
                if known.has_ended {
                    return Err(Ended);
                }
                if known.state.status == "ended" {
                    return Ok(None);
                }
            }
            changed.await;
        }
    }

    fn why_it_ended(&self) -> PyErr {
        let mut known = self.known();
        match (known.failure.take(), &known.trouble) {
            (Some(failure), _) => errors::client(failure),
            (None, Some(trouble)) => errors::protocol(trouble),
            (None, None) => errors::closed("replay"),
        }
    }

    fn note(&self, event: ReplayEvent) {
        {
            let mut known = self.known();
            match event {
                ReplayEvent::Frame(frame) => known.frame = Some(frame),
                ReplayEvent::State(state) => known.set_state(state),
                ReplayEvent::Session(replayed) => {
                    known.session = replayed.session;
                    known.skeleton = replayed.skeleton;
                }
                ReplayEvent::Error(error) => known.trouble = Some(error),
                _ => {}
            }
        }
        self.changed.notify_waiters();
    }
}

impl Known {
    fn set_state(&mut self, state: StateMessage) {
        // A frame from before a seek is not what is due any more.
        self.frame.take_if(|frame| frame.epoch < state.epoch);
        self.state = state;
        self.since = Instant::now();
    }
}

/// Serves a replay until it is closed or its connection ends.
async fn drive<T: Transport>(
    mut client: ReplayClient<T>,
    mut commands: mpsc::Receiver<Asked>,
    shared: Arc<Shared>,
) {
    let failure = loop {
        tokio::select! {
            asked = commands.recv() => {
                let Some(Asked { command, reply }) = asked else { break None };
                let answer = obey(&mut client, command).await;
                let answer = answer.map(|state| {
                    shared.known().set_state(state);
                    shared.changed.notify_waiters();
                });
                // Who doesn't wait for the answer any more has been interrupted.
                let _gone = reply.send(answer);
            }
            event = client.next_event() => match event {
                Ok(ReplayEvent::Closed(reason)) => break Some(ClientError::Closed { reason }),
                Ok(event) => shared.note(event),
                Err(error) => break Some(error),
            },
        }
    };
    {
        let mut known = shared.known();
        known.has_ended = true;
        known.failure = failure;
    }
    shared.changed.notify_waiters();
    // Whether the other end hears the goodbye or finds nobody there is the same to it.
    let _goodbye = client.close().await;
}

async fn obey<T: Transport>(
    client: &mut ReplayClient<T>,
    command: Command,
) -> Result<StateMessage, ClientError> {
    match command {
        Command::Play(rate) => client.play(rate).await,
        Command::Pause => client.pause().await,
        Command::Seek(seek) => client.seek(&seek).await,
        Command::SetRate(rate) => client.set_rate(rate).await,
        Command::Step(frames) => client.step(frames).await,
        Command::SetRange(range) => client.set_range(&range).await,
    }
}
