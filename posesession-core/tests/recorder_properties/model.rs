//! What a recorder is to do with numbers, written down as simply as it can be said. Frames in, what becomes of them out.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use posesession_core::{IncomingFrame, PoseData, Recorder, Timestamp};

use super::{MAX_REORDER_BYTES, MAX_REORDER_FRAMES, WINDOW};

/// What a number was settled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// The stored frame of this place.
    Stored(usize),
    /// Refused, sent while paused, or missing.
    Not,
}

/// A frame as the model remembers it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    pub(super) frame: IncomingFrame,
    pub(super) number: u64,
}

/// The numbering, written down as simply as it can be said: a list of what waits, a map of what is settled.
#[derive(Debug, Default)]
pub(super) struct Model {
    first: Option<u64>,
    pub(super) next: u64,
    highest: Option<u64>,
    waiting: Vec<Waits>,
    pub(super) fates: BTreeMap<u64, Fate>,
    pub(super) stored: Vec<Sent>,
    /// Places in `stored` before which another numbering or a pause lies.
    pub(super) breaks: Vec<usize>,
    pub(super) pause_between: bool,
    pub(super) received: u64,
    pub(super) late: u64,
    pub(super) duplicate: u64,
    pub(super) conflict: u64,
    pub(super) refused: u64,
    pub(super) paused: u64,
    pub(super) missing: u64,
    pub(super) missing_in_pauses: u64,
    pub(super) dropped: BTreeMap<String, u64>,
    /// Frames that were refused and have no number.
    pub(super) without_number: u64,
    /// How many numbers the numberings before had, from the first to the last.
    numbers_before: u64,
}

/// What waits for lower numbers.
#[derive(Debug)]
struct Waits {
    first: u64,
    number: u64,
    arrived: Duration,
    what: What,
}

/// What a number, or a run of them, is settled with.
#[derive(Debug)]
enum What {
    Frame(Sent),
    Nothing,
    Dropped(String),
}

impl What {
    fn sent(&self) -> Option<&Sent> {
        match self {
            Self::Frame(sent) => Some(sent),
            Self::Nothing | Self::Dropped(_) => None,
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Stored,
    Waiting,
    Duplicate,
    Conflict,
    Late,
}

impl Model {
    /// Lets everything go ahead whose turn it is.
    pub(super) fn advance(&mut self, now: Duration) {
        loop {
            self.waiting.sort_by_key(|waits| waits.number);
            let Some(lowest) = self.waiting.first() else { return };
            let bytes: usize = self.waiting.iter().map(|waits| waits.what.sent().map_or(0, weight)).sum();
            let expired = self.waiting.iter().any(|waits| waits.arrived + WINDOW <= now);
            let overflow = self.waiting.len() > MAX_REORDER_FRAMES || bytes > MAX_REORDER_BYTES;
            if lowest.first != self.next && !expired && !overflow {
                return;
            }
            self.release_lowest();
        }
    }

    fn release_lowest(&mut self) {
        let Waits { first, number, what, .. } = self.waiting.remove(0);
        let missing = first - self.next;
        if self.pause_between {
            self.missing_in_pauses += missing;
        } else {
            self.missing += missing;
        }
        self.settle(first, number, what);
    }

    pub(super) fn release_all(&mut self) {
        self.waiting.sort_by_key(|waits| waits.number);
        while !self.waiting.is_empty() {
            self.release_lowest();
        }
    }

    fn settle(&mut self, first: u64, number: u64, what: What) {
        let fate = match what {
            What::Frame(sent) => {
                if std::mem::take(&mut self.pause_between) {
                    self.breaks.push(self.stored.len());
                }
                self.stored.push(sent);
                Fate::Stored(self.stored.len() - 1)
            }
            What::Nothing => Fate::Not,
            What::Dropped(cause) => {
                *self.dropped.entry(cause).or_default() += number - first + 1;
                Fate::Not
            }
        };
        self.fates.extend((first..=number).map(|number| (number, fate)));
        self.next = number + 1;
    }

    fn is_known(&self, number: u64) -> bool {
        let waits = self.waiting.iter().any(|waits| (waits.first..=waits.number).contains(&number));
        waits || self.first.is_some() && number < self.next
    }

    /// Returns whether nothing had come of a number when it was given up, or it lies before the first.
    pub(super) fn is_given_up(&self, number: u64) -> bool {
        self.first.is_some() && number < self.next && !self.fates.contains_key(&number)
    }

    /// Takes the word that a run of numbers won't come.
    pub(super) fn drop_numbers(&mut self, now: Duration, run: RangeInclusive<u64>, cause: &str) {
        let unknown: Vec<u64> = run.filter(|&number| !self.is_known(number)).collect();
        for run in unknown.chunk_by(|before, after| before + 1 == *after) {
            if let (Some(&first), Some(&last)) = (run.first(), run.last()) {
                self.take(now, first, last, What::Dropped(cause.to_owned()));
            }
        }
    }

    /// Returns how many frames the publisher made, by the numbers alone.
    pub(super) fn sent(&self) -> u64 {
        self.numbers_before + self.first.map_or(0, |first| self.next - first) + self.without_number
    }

    pub(super) fn assign(&self, number: Option<u64>) -> Option<u64> {
        let number = number.or(self.highest.map_or(Some(0), |highest| highest.checked_add(1)))?;
        (number <= Recorder::MAX_NUMBER).then_some(number)
    }

    /// Takes a number with its frame, or with none if it is settled without one.
    pub(super) fn push(&mut self, now: Duration, number: u64, sent: Option<Sent>) -> Outcome {
        self.begin(number);
        let waits = self.waiting.iter().find(|waits| (waits.first..=waits.number).contains(&number));
        let known = match (waits, self.fates.get(&number)) {
            (Some(waits), _) => Some(waits.what.sent()),
            (None, Some(Fate::Stored(place))) => Some(Some(&self.stored[*place])),
            (None, Some(Fate::Not)) => Some(None),
            (None, None) if number < self.next => Some(None),
            (None, None) => None,
        };
        if let Some(known) = known {
            return match (known, &sent) {
                (Some(known), Some(sent)) if content(known) == content(sent) => Outcome::Duplicate,
                (Some(_), Some(_)) => Outcome::Conflict,
                _ => Outcome::Late,
            };
        }
        self.take(now, number, number, sent.map_or(What::Nothing, What::Frame))
    }

    fn begin(&mut self, first: u64) {
        if self.first.is_none() {
            self.first = Some(first);
            self.next = first;
        }
    }

    /// Takes a run of numbers of which nothing is known.
    fn take(&mut self, now: Duration, first: u64, number: u64, what: What) -> Outcome {
        self.begin(first);
        self.highest = self.highest.max(Some(number));
        let stores = first == self.next;
        if stores {
            self.settle(first, number, what);
        } else {
            self.waiting.push(Waits { first, number, arrived: now, what });
        }
        self.advance(now);
        if stores { Outcome::Stored } else { Outcome::Waiting }
    }

    pub(super) fn settled_through(&self) -> Option<u64> {
        self.first?;
        self.next.checked_sub(1).filter(|_| !self.fates.is_empty())
    }

    pub(super) fn start_numbering(&mut self) {
        self.release_all();
        self.breaks.push(self.stored.len());
        self.numbers_before += self.first.map_or(0, |first| self.next - first);
        self.first = None;
        self.highest = None;
        self.fates.clear();
    }
}

fn content(sent: &Sent) -> (Timestamp, &PoseData, Option<&Bytes>) {
    (sent.frame.timestamp, &sent.frame.pose_data, sent.frame.image.as_ref())
}

pub(super) fn weight(sent: &Sent) -> usize {
    let pose = &sent.frame.pose_data;
    160 + 4 * (pose.values.len() + pose.track_ids.len()) + sent.frame.image.as_ref().map_or(0, Bytes::len)
}
