//! The way of frames to a server elsewhere: kept until they are acknowledged, over as many connections as it takes.

use std::collections::VecDeque;
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
    known: Arc<Mutex<Known>>,
}

#[derive(Debug)]
struct Known {
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
            status: SessionStatus::Recording,
            refusals: VecDeque::new(),
            dropped_from: None,
            is_warned: false,
        };
        Ok(Self { streamer: Arc::new(streamer), known: Arc::new(Mutex::new(known)) })
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
                StreamerEvent::Ended { status, .. } => {
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

    /// Says in Python's words why something wasn't done.
    pub(super) fn error(&self, error: StreamerError) -> PyErr {
        let text = error.to_string();
        match error {
            StreamerError::Client(error) => errors::client(error),
            StreamerError::Full { .. } => errors::BufferFullError::new_err(text),
            StreamerError::NotRising { .. } => errors::refused_frame(ErrorCode::Conflict.as_str(), text),
            StreamerError::Ended(StreamEnd::Superseded(error) | StreamEnd::Refused(error)) => {
                errors::protocol(&error)
            }
            StreamerError::Ended(
                StreamEnd::NotResumable { not_stored, .. } | StreamEnd::TimedOut { not_stored, .. },
            ) => {
                self.set_status(SessionStatus::Interrupted);
                errors::frames_lost(text, &not_stored)
            }
            _ => errors::RecordingStateError::new_err(text),
        }
    }
}
