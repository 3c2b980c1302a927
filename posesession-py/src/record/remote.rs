//! The way of frames to a server elsewhere: kept until they are acknowledged, over as many connections as it takes.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use posesession_core::{Overflow, SessionStatus, UnackedLimits};
use posesession_ws::protocol::{ErrorCode, ProtocolError};
use posesession_ws::{
    Connect, StreamEnd, Streamer, StreamerError, StreamerEvent, StreamerFigures, StreamerOptions,
};
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;

use super::Start;
use crate::errors;
use crate::replay::patience;

/// How many refusals wait to be raised; of more, only the count is kept, and the report at the end.
const MAX_REFUSALS: usize = 64;

/// How much is kept while the server is away, as Python says it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buffer {
    limits: UnackedLimits,
    stop_within: Duration,
}

impl Buffer {
    pub(crate) fn new(seconds: f64, bytes: u64, on_overflow: &str, stop_within: f64) -> PyResult<Self> {
        let overflow = match on_overflow {
            "drop_oldest" => Overflow::DropOldest,
            "drop_newest" => Overflow::DropNewest,
            "raise" => Overflow::Refuse,
            other => {
                return Err(errors::bad_argument(format!(
                    "`on_overflow` is drop_oldest, drop_newest or raise, not {other:?}"
                )));
            }
        };
        let max_age = patience(seconds)?;
        let max_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let limits = UnackedLimits { max_bytes, max_age, overflow };
        Ok(Self { limits, stop_within: patience(stop_within)? })
    }
}

/// A stream that a server elsewhere is sent.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub(super) streamer: Arc<Streamer>,
    stop_within: Duration,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug)]
struct Known {
    /// Whether the recording is over.
    has_ended: bool,
    /// Which numbers it doesn't have, until that has been raised.
    not_stored: Vec<RangeInclusive<u64>>,
    status: SessionStatus,
    refusals: VecDeque<ProtocolError>,
    /// The first number that gave way, until Python has been warned; once for each outage.
    dropped_from: Option<u64>,
    is_warned: bool,
}

impl Remote {
    /// Connects and publishes.
    pub(super) async fn connect<C: Connect>(
        connect: C,
        start: &Start,
        buffer: Buffer,
        within: Duration,
    ) -> PyResult<Self> {
        let options = StreamerOptions {
            publish: start.publish.clone(),
            buffer: buffer.limits,
            stop_within: buffer.stop_within,
            connect_within: within,
            ..StreamerOptions::default()
        };
        let streamer = Streamer::connect(connect, options).await.map_err(errors::client)?;
        let known = Known {
            has_ended: false,
            not_stored: Vec::new(),
            status: SessionStatus::Recording,
            refusals: VecDeque::new(),
            dropped_from: None,
            is_warned: false,
        };
        let known = Arc::new(Mutex::new(known));
        Ok(Self { streamer: Arc::new(streamer), stop_within: buffer.stop_within, known })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn figures(&self) -> StreamerFigures {
        self.streamer.figures()
    }

    pub(super) fn status(&self) -> SessionStatus {
        self.listen();
        self.streamer.status().unwrap_or(self.known().status)
    }

    pub(super) fn set_status(&self, status: SessionStatus) {
        self.known().status = status;
    }

    /// Waits until what was pushed is durable, or sent if nobody records it, but no longer than stopping may take; then lets go.
    pub(super) async fn close(&self) {
        // What is left is counted.
        let _late_or_over = tokio::time::timeout(self.stop_within, self.streamer.flush()).await;
        self.streamer.let_go();
        self.streamer.closed().await;
    }

    /// Takes in what has happened since.
    fn listen(&self) {
        let mut known = self.known();
        while let Some(event) = self.streamer.try_event() {
            match event {
                StreamerEvent::Error(error)
                    if error.frame_number.is_some() && known.refusals.len() < MAX_REFUSALS =>
                {
                    known.refusals.push_back(error);
                }
                StreamerEvent::Dropped { first, .. } if !known.is_warned => {
                    known.dropped_from.get_or_insert(first);
                }
                StreamerEvent::Reconnected { .. } => known.is_warned = false,
                StreamerEvent::NotStored { first, last, .. } => known.not_stored.push(first..=last),
                StreamerEvent::AcknowledgedLost { after, acknowledged, .. } => {
                    known.not_stored.push(after.map_or(0, |after| after.saturating_add(1))..=acknowledged);
                }
                StreamerEvent::Ended { status, .. } => {
                    known.has_ended = true;
                    known.status =
                        status.filter(|status| !status.is_live()).unwrap_or(SessionStatus::Completed);
                }
                _ => {}
            }
        }
    }

    /// Warns of frames that gave way, and raises a refusal that has come in.
    pub(super) fn report(&self, py: Python<'_>) -> PyResult<()> {
        self.listen();
        let (dropped_from, refusal) = {
            let mut known = self.known();
            let dropped_from = known.dropped_from.take();
            known.is_warned |= dropped_from.is_some();
            (dropped_from, known.refusals.pop_front())
        };
        if let Some(first) = dropped_from {
            let text = format!(
                "the server is away and the buffer is full: frames give way, from number {first} on; `dropped_count` counts them"
            );
            let text = std::ffi::CString::new(text).unwrap_or_default();
            PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 2)?;
        }
        refusal.map_or(Ok(()), |refusal| Err(errors::refused(&refusal)))
    }

    /// Raises if the recording is over: the stream was taken over, or somebody else has stopped it. Which numbers it doesn't have is
    /// raised once.
    pub(super) fn check_goes_on(&self) -> PyResult<()> {
        self.listen();
        if let Some(end) = self.streamer.end() {
            return Err(self.error(StreamerError::Ended(end)));
        }
        self.raise_not_stored()?;
        if self.known().has_ended {
            return Err(errors::RecordingStateError::new_err(
                "the recording has ended: somebody else stopped or discarded it",
            ));
        }
        Ok(())
    }

    /// Raises if the recording is over without some of what was pushed, once.
    pub(super) fn raise_not_stored(&self) -> PyResult<()> {
        self.listen();
        let not_stored = std::mem::take(&mut self.known().not_stored);
        if not_stored.is_empty() {
            return Ok(());
        }
        let text = "the recording ended without some of the frames: `numbers` says which";
        Err(errors::frames_lost(text.to_owned(), &not_stored))
    }

    /// Notes that what a recording doesn't have is told already.
    pub(super) fn forget_not_stored(&self) {
        self.listen();
        self.known().not_stored.clear();
    }

    /// Says in Python's words why something wasn't done.
    pub(super) fn error(&self, error: StreamerError) -> PyErr {
        let text = error.to_string();
        match error {
            StreamerError::Client(error) => errors::client(error),
            StreamerError::Full { .. } => errors::BufferFullError::new_err(text),
            StreamerError::NotRising { .. } => errors::refused_frame(ErrorCode::Conflict.as_str(), text),
            StreamerError::TooLarge { .. } | StreamerError::Ragged { .. } => {
                errors::refused_frame(ErrorCode::BadBinary.as_str(), text)
            }
            StreamerError::NotStored(left) => {
                self.forget_not_stored();
                errors::frames_lost(text, &left.numbers)
            }
            StreamerError::Ended(StreamEnd::Superseded(error) | StreamEnd::Refused(error)) => {
                errors::protocol(&error)
            }
            StreamerError::Ended(
                StreamEnd::NotResumable { not_stored, .. } | StreamEnd::TimedOut { not_stored, .. },
            ) => {
                self.set_status(SessionStatus::Interrupted);
                self.forget_not_stored();
                errors::frames_lost(text, &not_stored)
            }
            _ => errors::RecordingStateError::new_err(text),
        }
    }
}
