//! What a streamer tells its owner: bounded, and of statuses the newest alone.

use std::collections::VecDeque;

use posesession_core::{SessionId, SessionStatus};

use crate::protocol::{ProtocolError, RecordingStatus};

/// How many events may wait unread; beyond, the oldest give way and are counted.
const MAX_WAITING: usize = 1024;

/// What happens to a [`Streamer`](super::Streamer) by itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StreamerEvent {
    /// The connection broke. Frames are kept, and it is being tried again.
    Disconnected {
        /// Why, for people.
        reason: String,
    },
    /// A new connection stands, and what wasn't acknowledged is being sent again.
    Reconnected {
        /// How many connections there were before it.
        reconnects: u64,
        /// How many frames wait to be acknowledged.
        unacked: usize,
    },
    /// The stream is being recorded from here on.
    Started {
        /// The session.
        session_id: SessionId,
    },
    /// The stream is no longer recorded.
    Ended {
        /// The session.
        session_id: SessionId,
        /// How it ended, as far as that is known.
        status: Option<SessionStatus>,
    },
    /// How the recording goes: the newest one only.
    Status(RecordingStatus),
    /// Frames gave way because the buffer was full.
    Dropped {
        /// The first of their numbers.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// These frames were sent, or kept to be sent, when the recording ended, and are not in it.
    NotStored {
        /// The session.
        session_id: SessionId,
        /// The first of their numbers.
        first: u64,
        /// The last of them.
        last: u64,
    },
    /// The recording is over, takes no video, or was refused, and the end of the video file is not known to be stored.
    VideoNotStored {
        /// The session; of a start that was refused, the one that it asked for.
        session_id: SessionId,
        /// How many bytes from the file's beginning are durable.
        stored_bytes: u64,
        /// How many bytes were taken beyond them.
        bytes: u64,
    },
    /// The server has not stored what it had acknowledged: its promise is broken, for example by a disk that lies.
    AcknowledgedLost {
        /// The session.
        session_id: SessionId,
        /// The last number that is still there; none if none is.
        after: Option<u64>,
        /// The number up to which everything had been acknowledged.
        acknowledged: u64,
    },
    /// A frame or a piece of video was refused, or the store is in trouble.
    Error(ProtocolError),
    /// So many events were not read in time.
    Missed(u64),
}

/// The events that wait to be read.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: VecDeque<StreamerEvent>,
    missed: u64,
}

impl Events {
    pub(super) fn tell(&mut self, event: StreamerEvent) {
        if matches!(event, StreamerEvent::Status(_)) {
            self.waiting.retain(|waiting| !matches!(waiting, StreamerEvent::Status(_)));
        }
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
            self.missed += 1;
        }
        self.waiting.push_back(event);
    }

    pub(super) fn take(&mut self) -> Option<StreamerEvent> {
        if self.missed > 0 {
            return Some(StreamerEvent::Missed(std::mem::take(&mut self.missed)));
        }
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way_and_are_counted() {
        let mut events = Events::default();
        for first in 0..MAX_WAITING as u64 + 2 {
            events.tell(StreamerEvent::Dropped { first, last: first });
        }
        assert_eq!(events.take(), Some(StreamerEvent::Missed(2)));
        assert_eq!(events.take(), Some(StreamerEvent::Dropped { first: 2, last: 2 }));
    }
}
