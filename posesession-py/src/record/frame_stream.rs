//! Frames out to the other end of the record protocol: what a recording and a publication have in common.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use numpy::{PyReadonlyArray1, PyReadonlyArrayDyn};
use posesession_core::{SessionId, SessionStatus, Skeleton};
use posesession_ws::protocol::{Publish, SkeletonRef};
use posesession_ws::{ClientError, RecordClient, StreamerFigures, Transport};
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use tokio::sync::{mpsc, oneshot};

use super::connection::{Command, Purpose, Shared, drive};
use super::incoming;
use super::remote::Remote;
use crate::errors;
use crate::runtime::{Owner, runtime, wait};

/// How many frames may be on their way to the other end.
const QUEUE: usize = 64;

/// A connection that publishes frames, served by a task of its own.
#[derive(Debug)]
pub(super) struct FrameStream {
    owner: Owner,
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    /// The way to a server elsewhere; else `commands` lead to this process's own.
    remote: Option<Remote>,
    is_open: AtomicBool,
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

impl FrameStream {
    /// Takes over the connection of a client that publishes.
    pub(super) fn open<T: Transport + 'static>(
        client: RecordClient<T>,
        publish: Publish,
        skeleton: Option<Skeleton>,
        purpose: Purpose,
    ) -> PyResult<Self> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared::new(purpose));
        runtime()?.spawn(drive(client, queue, Arc::clone(&shared)));
        Ok(Self {
            owner: Owner::this_process(),
            commands: Mutex::new(Some(commands)),
            remote: None,
            is_open: AtomicBool::new(true),
            numbering: Mutex::new(Numbering { skeleton, ..Numbering::default() }),
            shared,
            publish,
        })
    }

    /// Sends frames to a server elsewhere.
    pub(super) fn to_server(
        remote: Remote,
        publish: Publish,
        skeleton: Option<Skeleton>,
        purpose: Purpose,
    ) -> Self {
        Self {
            owner: Owner::this_process(),
            commands: Mutex::default(),
            remote: Some(remote),
            is_open: AtomicBool::new(true),
            numbering: Mutex::new(Numbering { skeleton, ..Numbering::default() }),
            shared: Arc::new(Shared::new(purpose)),
            publish,
        }
    }

    /// Returns the way to a server elsewhere, if it is one and takes frames.
    pub(super) fn remote(&self) -> PyResult<Option<&Remote>> {
        self.owner.check("recording")?;
        match &self.remote {
            Some(_) if !self.is_open.load(Ordering::Acquire) => Err(self.shared.has_ended()),
            remote => Ok(remote.as_ref()),
        }
    }

    pub(super) fn status(&self) -> SessionStatus {
        self.remote.as_ref().map_or_else(|| self.shared.status(), Remote::status)
    }

    pub(super) fn set_status(&self, status: SessionStatus) {
        self.shared.set_status(status);
        if let Some(remote) = &self.remote {
            remote.set_status(status);
        }
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        self.remote.as_ref().map_or_else(|| self.shared.session(), |remote| remote.streamer.session())
    }

    pub(super) fn stored_through(&self) -> Option<u64> {
        match &self.remote {
            Some(remote) => {
                let through = remote.streamer.stored_through();
                if through.is_some() {
                    self.shared.set_stored_through(through);
                }
                through.or_else(|| self.shared.stored_through())
            }
            None => self.shared.stored_through(),
        }
    }

    /// Returns how the frames fared: of those to a server elsewhere all figures, else what was refused.
    pub(super) fn figures(&self) -> StreamerFigures {
        self.remote.as_ref().map_or_else(StreamerFigures::default, Remote::figures)
    }

    pub(super) fn refused_count(&self) -> u64 {
        self.shared.refused_count() + self.figures().refused
    }

    fn numbering(&self) -> MutexGuard<'_, Numbering> {
        self.numbering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn skeleton(&self) -> Option<Skeleton> {
        self.numbering().skeleton.clone()
    }

    /// Returns how many frames were taken.
    pub(super) fn taken(&self) -> u64 {
        self.numbering().taken
    }

    /// Returns the way to the task, while it takes frames.
    pub(super) fn commands(&self) -> PyResult<mpsc::Sender<Command>> {
        self.owner.check("recording")?;
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone();
        commands.ok_or_else(|| self.shared.has_ended())
    }

    /// Returns the way to the task for those who don't keep it going.
    pub(super) fn weak_commands(&self) -> Option<mpsc::WeakSender<Command>> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.as_ref().map(mpsc::Sender::downgrade)
    }

    /// Hands a command to the task and waits for its answer.
    pub(super) fn ask<T: Send>(
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

    /// Takes a frame. See `_native.pyi`.
    pub(super) fn push(
        &self,
        py: Python<'_>,
        timestamp: f64,
        values: &PyReadonlyArrayDyn<'_, f32>,
        track_ids: Option<&PyReadonlyArray1<'_, i64>>,
        image: Option<&[u8]>,
        frame_number: Option<u64>,
    ) -> PyResult<()> {
        if let Some(remote) = self.remote()? {
            return self.push_far(py, remote, timestamp, values, track_ids, image, frame_number);
        }
        let commands = self.commands()?;
        let timestamp = crate::convert::timestamp(timestamp)?;
        let (pose, inferred) = {
            let numbering = self.numbering();
            incoming::pose(values, track_ids, numbering.skeleton.as_ref())?
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

    #[expect(clippy::too_many_arguments, reason = "they are Python's")]
    fn push_far(
        &self,
        py: Python<'_>,
        remote: &Remote,
        timestamp: f64,
        values: &PyReadonlyArrayDyn<'_, f32>,
        track_ids: Option<&PyReadonlyArray1<'_, i64>>,
        image: Option<&[u8]>,
        frame_number: Option<u64>,
    ) -> PyResult<()> {
        self.check_goes_on(remote)?;
        let timestamp = crate::convert::timestamp(timestamp)?;
        let (pose, inferred) = {
            let numbering = self.numbering();
            incoming::pose(values, track_ids, numbering.skeleton.as_ref())?
        };
        if let Some(skeleton) = inferred {
            let declared = remote.streamer.declare_skeleton(SkeletonRef::Full(skeleton.clone()));
            wait(py, declared)?.map_err(|error| remote.error(error))?;
            self.numbering().skeleton = Some(skeleton);
        }
        {
            let image = image.unwrap_or_default();
            let mut sent = pin!(remote.streamer.send_frame(frame_number, timestamp, &pose, image));
            // Most of the time there is room.
            let sent = match sent.as_mut().now_or_never() {
                Some(sent) => sent,
                None => wait(py, sent)?,
            };
            sent.map_err(|error| remote.error(error))?;
        }
        self.numbering().taken += 1;
        remote.report(py)
    }

    /// Waits until all that was pushed is durable, or settled otherwise.
    pub(super) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(remote) = self.remote()? {
            self.check_goes_on(remote)?;
            wait(py, remote.streamer.flush())?.map_err(|error| remote.error(error))?;
            return remote.report(py);
        }
        self.commands()?;
        let Some(last) = self.numbering().last else { return Ok(()) };
        if wait(py, self.shared.settled(last))? { Ok(()) } else { Err(self.shared.why_it_ended()) }
    }

    /// Refuses what comes after the end of a recording; a publication goes on without one.
    fn check_goes_on(&self, remote: &Remote) -> PyResult<()> {
        if self.shared.is_of_recording() { remote.check_goes_on() } else { Ok(()) }
    }

    /// Lets go of the task, and raises if a recording has ended without some of what was pushed.
    pub(super) fn let_go(&self) -> PyResult<()> {
        self.end();
        self.remote.as_ref().map_or(Ok(()), Remote::raise_not_stored)
    }

    /// Lets go of the task, once what was pushed is durable, or sent if nobody records it. Warns of what isn't.
    pub(super) fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(remote) = &self.remote else {
            self.end();
            return Ok(());
        };
        if !self.is_open.load(Ordering::Acquire) {
            return Ok(());
        }
        wait(py, remote.close())?;
        self.end();
        let unsent = remote.figures().unacked;
        if unsent > 0 {
            let text = format!("{unsent} frames that were pushed are not known to have come to the server");
            let text = std::ffi::CString::new(text).unwrap_or_default();
            PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 2)?;
        }
        Ok(())
    }

    /// Lets go of the task: no more commands. It says goodbye once it has done what it was told.
    pub(super) fn end(&self) {
        if let Some(remote) = &self.remote
            && self.is_open.swap(false, Ordering::AcqRel)
        {
            remote.streamer.let_go();
        }
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
