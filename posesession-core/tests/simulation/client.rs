//! A streamer: frames in, messages out, and what the server says back in. Its buffer is the real one.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use posesession_core::{PushError, Timestamp, Unacked, UnackedFrames, UnackedLimits};

use super::dice::mix;

/// From streamer to server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Resume { take_over: bool },
    Frame { number: u64, taken_at: Timestamp },
    Dropped { first: u64, last: u64 },
}

/// From server to streamer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Resumed {
        stored_through: Option<u64>,
    },
    Ack {
        stored_through: Option<u64>,
    },
    /// Another streamer publishes.
    Busy,
    /// The recording ended.
    Ended {
        stored_through: Option<u64>,
    },
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) unacked: UnackedFrames<Timestamp>,
    /// How many frames were taken so far; their numbers begin at `first`.
    pub(crate) taken: u64,
    pub(crate) first: u64,
    /// The connection, if there is one.
    pub(crate) connection: Option<u64>,
    /// Whether the server said on it where to go on.
    pub(crate) is_resumed: bool,
    /// Whether another streamer took over, or the recording ended: it gave up.
    pub(crate) is_out: bool,
    /// The highest number that the server said is settled.
    pub(crate) acked: Option<u64>,
    pub(crate) to_server: VecDeque<(u64, Said)>,
    pub(crate) to_client: VecDeque<(u64, Told)>,
    /// Whether a number's frame was dropped by the buffer, by number - `first`.
    pub(crate) dropped: Vec<bool>,
}

impl Client {
    pub(crate) fn new(first: u64, limits: UnackedLimits) -> Self {
        Self {
            unacked: UnackedFrames::new(limits),
            taken: 0,
            first,
            connection: None,
            is_resumed: false,
            is_out: false,
            acked: None,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            dropped: Vec::new(),
        }
    }

    /// Takes a frame with its camera, and sends it if it can.
    pub(crate) fn take(&mut self, now: Duration, taken_at: Timestamp) {
        let number = self.first + self.taken;
        let gone = match self.unacked.push(now, number, 100, taken_at) {
            Ok(gone) => gone,
            // Its sender decides: the camera waits.
            Err(PushError::Full { .. }) => return,
            Err(refused) => panic!("{refused}"),
        };
        self.taken += 1;
        self.dropped.push(false);
        for range in &gone {
            self.note_dropped(range.clone());
        }
        if self.is_resumed {
            for range in gone {
                self.say(Said::Dropped { first: *range.start(), last: *range.end() });
            }
            if self.unacked.newest() == Some(number) && !self.is_dropped(number) {
                self.say(Said::Frame { number, taken_at });
            }
        }
    }

    fn note_dropped(&mut self, range: RangeInclusive<u64>) {
        for number in range {
            let place = usize::try_from(number - self.first).unwrap();
            self.dropped[place] = true;
        }
    }

    pub(crate) fn is_dropped(&self, number: u64) -> bool {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        place.is_some_and(|place| self.dropped.get(place) == Some(&true))
    }

    fn say(&mut self, said: Said) {
        if let Some(connection) = self.connection {
            self.to_server.push_back((connection, said));
        }
    }

    /// Opens a connection; what is under way on an older one may still arrive, before this one's words.
    pub(crate) fn connect(&mut self, connection: u64, take_over: bool) {
        self.connection = Some(connection);
        self.is_resumed = false;
        self.to_client.clear();
        self.say(Said::Resume { take_over });
    }

    /// Loses the connection, and on the way to the server all but the first `arriving` messages.
    pub(crate) fn cut(&mut self, arriving: usize) {
        self.connection = None;
        self.is_resumed = false;
        self.to_server.truncate(arriving);
        self.to_client.clear();
    }

    /// Sends the oldest frame once more.
    pub(crate) fn repeat(&mut self) {
        let oldest = self.unacked.from(0).find_map(|unacked| match unacked {
            Unacked::Frame { number, frame } => Some(Said::Frame { number, taken_at: *frame }),
            Unacked::Dropped { .. } => None,
        });
        if let (Some(oldest), true) = (oldest, self.is_resumed) {
            self.say(oldest);
        }
    }

    /// Takes what the server says.
    pub(crate) fn hear(&mut self, connection: u64, told: Told) {
        if self.connection != Some(connection) {
            return;
        }
        match told {
            Told::Ack { stored_through } => self.settle(stored_through),
            Told::Resumed { stored_through } => {
                self.settle(stored_through);
                self.is_resumed = true;
                let again: Vec<Said> = self.unacked.from(0).map(said_again).collect();
                again.into_iter().for_each(|said| self.say(said));
            }
            Told::Busy => {
                self.is_out = true;
                self.cut(0);
            }
            Told::Ended { stored_through } => {
                if stored_through.is_some() {
                    self.settle(stored_through);
                }
                self.is_out = true;
                self.cut(0);
            }
        }
    }

    fn settle(&mut self, stored_through: Option<u64>) {
        assert!(
            stored_through >= self.acked,
            "acknowledgements rise: {stored_through:?} after {:?}",
            self.acked
        );
        self.acked = stored_through;
        self.unacked.ack(stored_through);
    }

    /// `name` tells connections apart by the order in which they are asked for.
    pub(crate) fn fingerprint(&self, mut name: impl FnMut(Option<u64>) -> u64, into: &mut u64) {
        mix(into, self.taken << 8 | self.unacked.len() as u64);
        mix(into, self.acked.map_or(u64::MAX, |number| number));
        mix(into, name(self.connection) << 2 | u64::from(self.is_resumed) << 1 | u64::from(self.is_out));
        for (connection, said) in &self.to_server {
            let said = match said {
                Said::Resume { take_over } => u64::from(*take_over),
                Said::Frame { number, .. } => number << 4 | 2,
                Said::Dropped { first, last } => first << 32 | last << 4 | 3,
            };
            mix(into, said);
            mix(into, name(Some(*connection)));
        }
        for (connection, told) in &self.to_client {
            let (kind, number) = match told {
                Told::Resumed { stored_through } => (0, *stored_through),
                Told::Ack { stored_through } => (1, *stored_through),
                Told::Busy => (2, None),
                Told::Ended { stored_through } => (3, *stored_through),
            };
            mix(into, kind | number.map_or(u64::MAX << 8, |number| number << 8));
            mix(into, name(Some(*connection)));
        }
    }
}

fn said_again(unacked: Unacked<'_, Timestamp>) -> Said {
    match unacked {
        Unacked::Frame { number, frame } => Said::Frame { number, taken_at: *frame },
        Unacked::Dropped { first, last } => Said::Dropped { first, last },
    }
}
