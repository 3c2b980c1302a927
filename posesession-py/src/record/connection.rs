//! The task that serves a recording's connection: commands in, what the other end says noted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use posesession_core::{PoseData, SessionId, SessionStatus, Timestamp};
use posesession_ws::protocol::{ErrorCode, ProtocolError, Publish};
use posesession_ws::{ClientError, Finalized, RecordClient, RecordEvent, Transport};
use pyo3::PyErr;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::errors;

/// How many refusals wait to be raised; of more, only the count is kept, and the report at the end.
const MAX_REFUSALS: usize = 64;

type Reply<T> = oneshot::Sender<Result<T, ClientError>>;

/// What Python wants done, in order.
#[derive(Debug)]
pub(crate) enum Command {
    Frame { number: u64, timestamp: Timestamp, pose: PoseData, image: Vec<u8> },
    Publish { publish: Box<Publish>, reply: Reply<()> },
    Mark { label: String, timestamp: Option<Timestamp>, reply: Reply<()> },
    Pause { reply: Reply<()> },
    Resume { reply: Reply<()> },
    Stop { session: SessionId, reply: Reply<Finalized> },
    Discard { session: SessionId, reply: Reply<()> },
}

/// What a connection is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// One recording, at whose end it ends.
    Recording(SessionId),
    /// Publishing, for whoever records the stream: now a session, now none.
    Publication { session: Option<SessionId> },
}

/// What is known of the frames' fate.
#[derive(Debug)]
pub(super) struct Shared {
    purpose: Purpose,
    known: Mutex<Known>,
    /// Told at every change that somebody may wait for.
    changed: Notify,
}

#[derive(Debug)]
struct Known {
    /// Which session the frames go to.
    session: Option<SessionId>,
    status: SessionStatus,
    stored_through: Option<u64>,
    refusals: VecDeque<ProtocolError>,
    refused: u64,
    /// The last thing that went wrong with no frame in particular.
    trouble: Option<ProtocolError>,
    /// Why the recording ended without being told to.
    failure: Option<ClientError>,
    has_ended: bool,
}

impl Shared {
    pub(super) fn new(purpose: Purpose) -> Self {
        let session = match purpose {
            Purpose::Recording(session) => Some(session),
            Purpose::Publication { session } => session,
        };
        let known = Known {
            session,
            status: SessionStatus::Recording,
            stored_through: None,
            refusals: VecDeque::new(),
            refused: 0,
            trouble: None,
            failure: None,
            has_ended: false,
        };
        Self { purpose, known: Mutex::new(known), changed: Notify::new() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        self.known().session
    }

    pub(super) fn status(&self) -> SessionStatus {
        self.known().status
    }

    pub(super) fn set_status(&self, status: SessionStatus) {
        self.known().status = status;
    }

    pub(super) fn stored_through(&self) -> Option<u64> {
        self.known().stored_through
    }

    pub(super) fn set_stored_through(&self, through: Option<u64>) {
        self.known().stored_through = through;
    }

    pub(super) fn refused_count(&self) -> u64 {
        self.known().refused
    }

    pub(super) fn take_refusal(&self) -> Option<ProtocolError> {
        self.known().refusals.pop_front()
    }

    /// Waits until everything up to a number is durable or settled; returns whether it is, or all ended before. What nobody
    /// records is settled.
    pub(super) async fn settled(&self, number: u64) -> bool {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on a change is heard, also one before the next line.
            changed.as_mut().enable();
            {
                let known = self.known();
                if known.stored_through.is_some_and(|stored| stored >= number) {
                    return true;
                }
                if known.has_ended {
                    return false;
                }
                if known.session.is_none() {
                    return true;
                }
            }
            changed.await;
        }
    }

    /// Says why the recording takes nothing any more.
    pub(super) fn why_it_ended(&self) -> PyErr {
        let mut known = self.known();
        match (known.failure.take(), &known.trouble) {
            (Some(failure), _) => errors::client(failure),
            (None, Some(trouble)) => errors::protocol(trouble),
            (None, None) => {
                drop(known);
                self.has_ended()
            }
        }
    }

    /// Returns whether all is over with one recording.
    pub(super) fn is_of_recording(&self) -> bool {
        matches!(self.purpose, Purpose::Recording(_))
    }

    /// Says that no more frames are taken.
    pub(super) fn has_ended(&self) -> PyErr {
        errors::RecordingStateError::new_err(match self.purpose {
            Purpose::Recording(_) => format!("the recording has ended: it is {}", self.status()),
            Purpose::Publication { .. } => "the stream is closed: publish it anew".to_owned(),
        })
    }

    fn note(&self, event: RecordEvent) {
        let mut known = self.known();
        match event {
            RecordEvent::Ack(ack) => known.stored_through = ack.stored_through.or(known.stored_through),
            RecordEvent::Status(status) => known.status = status.status,
            RecordEvent::Error(error) if error.frame_number.is_some() => {
                known.refused += 1;
                if known.refusals.len() < MAX_REFUSALS {
                    known.refusals.push_back(error);
                }
            }
            RecordEvent::Error(error) => known.trouble = Some(error),
            RecordEvent::Started { session_id } => {
                known.session = Some(session_id);
                known.stored_through = None;
            }
            RecordEvent::Stopped { .. } => {
                if known.status.is_live() {
                    known.status = SessionStatus::Completed;
                }
                if matches!(self.purpose, Purpose::Publication { .. }) {
                    known.session = None;
                }
            }
            _ => {}
        }
    }

    fn end(&self, failure: Option<ClientError>) {
        {
            let mut known = self.known();
            known.has_ended = true;
            known.failure = failure;
        }
        self.changed.notify_waiters();
    }
}

/// Serves a connection until its recording is stopped or discarded, it is let go of, or it ends.
pub(super) async fn drive<T: Transport>(
    mut client: RecordClient<T>,
    mut commands: mpsc::Receiver<Command>,
    shared: std::sync::Arc<Shared>,
) {
    let failure = loop {
        tokio::select! {
            command = commands.recv() => match command {
                // Let go of: the other end sees the connection end.
                None => break None,
                Some(command) => match obey(&mut client, command).await {
                    Ok(true) => {}
                    Ok(false) => {
                        shared.set_status(SessionStatus::Completed);
                        break None;
                    }
                    Err(error) => break Some(error),
                },
            },
            event = client.next_event() => match event {
                Ok(RecordEvent::Closed(reason)) => break Some(ClientError::Closed { reason }),
                // Put out by another publisher: frames of this one are no longer heard.
                Ok(RecordEvent::Error(error)) if error.code == ErrorCode::NotPublisher => {
                    break Some(ClientError::Refused(error));
                }
                Ok(event) => {
                    let is_end = match (&event, shared.purpose) {
                        (RecordEvent::Stopped { session_id }, Purpose::Recording(session)) => *session_id == session,
                        _ => false,
                    };
                    shared.note(event);
                    shared.changed.notify_waiters();
                    if is_end {
                        break None;
                    }
                }
                Err(error) => break Some(error),
            },
        }
    };
    shared.end(failure);
    // Whether the other end hears the goodbye or finds nobody there is the same to it.
    let _goodbye = client.close().await;
}

/// Does what it is told; returns whether it goes on.
async fn obey<T: Transport>(client: &mut RecordClient<T>, command: Command) -> Result<bool, ClientError> {
    // Who doesn't wait for the answer any more has been interrupted.
    match command {
        Command::Frame { number, timestamp, pose, image } => {
            client.send_frame(Some(number), timestamp, &pose, &image).await?;
        }
        Command::Publish { publish, reply } => {
            let _gone = reply.send(client.publish(&publish).await.map(drop));
        }
        Command::Mark { label, timestamp, reply } => {
            let _gone = reply.send(client.mark(&label, timestamp).await);
        }
        Command::Pause { reply } => {
            let _gone = reply.send(client.pause_recording().await);
        }
        Command::Resume { reply } => {
            let _gone = reply.send(client.resume_recording().await);
        }
        Command::Stop { session, reply } => {
            let stopped = client.stop_recording(Some(session)).await;
            let is_over = stopped.is_ok();
            let _gone = reply.send(stopped);
            return Ok(!is_over);
        }
        Command::Discard { session, reply } => {
            let discarded = client.discard_recording(Some(session)).await;
            let is_over = discarded.is_ok();
            let _gone = reply.send(discarded);
            return Ok(!is_over);
        }
    }
    Ok(true)
}
