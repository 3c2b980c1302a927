//! Where ordered frames become a session. Frames in the order of their numbers in, closed batches out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Recorder;
use super::config::{IncomingFrame, RecorderConfig, ResumePoint};
use super::draft::Draft;
use super::numbering::Released;
use super::outcome::{CommandError, FrameRefusal};
use super::stats::Stats;
use super::timeline::{Step, Timeline};
use crate::batch::Batch;
use crate::session::{Marker, MarkerKind};
use crate::skeleton::{Layout, Skeleton};
use crate::time::Timestamp;

/// The cause of a gap whose numbers never came.
const MISSING: &str = "missing";

/// What a number was settled with.
#[derive(Debug)]
pub(super) enum Item {
    /// A frame to be stored.
    Frame(IncomingFrame),
    /// Nothing: it was refused, or came while the recording was paused, and is counted.
    Settled,
    /// Nothing, as the publisher said before.
    Dropped {
        /// The publisher's word for why.
        cause: Box<str>,
    },
}

/// What a closed batch takes beside its frames.
const EMPTY_BATCH_BYTES: usize = 512;

/// Numbers frames from 0, puts them on the timeline, marks what lies between them, and cuts batches.
#[derive(Debug)]
pub(super) struct Assembly {
    flush_after: Duration,
    max_chunk_frames: usize,
    max_chunk_bytes: usize,
    max_markers: usize,
    layout: Layout,
    pub(super) timeline: Timeline,
    pub(super) stats: Stats,
    draft: Draft,
    closed: VecDeque<(Batch, usize)>,
    closed_bytes: usize,
    frame_count: u64,
    /// Whether a pause lies between the last stored frame and the next.
    pause_between: bool,
    /// Whether the session broke off between the last stored frame and the next.
    break_between: bool,
    /// How many numbers lie between the last stored frame and the next without a frame, by cause.
    lost_between: BTreeMap<Box<str>, u64>,
    own_markers: usize,
    commanded_markers: usize,
}

impl Assembly {
    pub(super) fn new(config: &RecorderConfig, point: &ResumePoint) -> Self {
        let begun = point.frame_count > 0;
        let timeline = if begun {
            Timeline::resume(config.nominal_fps, point.duration)
        } else {
            Timeline::new(config.nominal_fps)
        };
        Self {
            flush_after: config.flush_after,
            max_chunk_frames: config.max_chunk_frames,
            max_chunk_bytes: config.max_chunk_bytes,
            max_markers: config.max_markers,
            layout: point.skeleton.as_ref().map(Skeleton::layout).unwrap_or_default(),
            timeline,
            stats: Stats::after(point.frame_count),
            draft: Draft::after(point.settled_through),
            closed: VecDeque::new(),
            closed_bytes: 0,
            frame_count: point.frame_count,
            pause_between: false,
            break_between: begun,
            lost_between: BTreeMap::new(),
            own_markers: 0,
            commanded_markers: 0,
        }
    }

    /// Takes what a publisher's number was settled with, in rising order. Returns the stored frame's number in the session
    /// and its time.
    pub(super) fn release(&mut self, released: &Released<Item>) -> Option<(u64, Timestamp)> {
        let Released { held, missing_before } = released;
        let missing_before = *missing_before;
        if self.pause_between {
            self.stats.missing_in_pauses = self.stats.missing_in_pauses.saturating_add(missing_before);
        } else {
            self.stats.missing = self.stats.missing.saturating_add(missing_before);
            self.count_lost(MISSING, missing_before);
        }
        let stored = match &held.item {
            Item::Frame(frame) => self.store(held.number, held.arrived, frame),
            Item::Settled => None,
            Item::Dropped { cause } => {
                let count = held.number - held.first + 1;
                let cause = self.stats.count_dropped(cause, count);
                self.count_lost(&cause, count);
                None
            }
        };
        self.draft.settle(held.number);
        self.draft.due_by(held.arrived.saturating_add(self.flush_after));
        if self.draft.frame_count() >= self.max_chunk_frames {
            self.close();
        }
        stored
    }

    fn count_lost(&mut self, cause: &str, count: u64) {
        if count > 0 {
            let lost = self.lost_between.entry(cause.into()).or_default();
            *lost = lost.saturating_add(count);
        }
    }

    fn store(&mut self, number: u64, arrived: Duration, frame: &IncomingFrame) -> Option<(u64, Timestamp)> {
        let bytes = self.draft.bytes();
        if bytes > 0 && bytes.saturating_add(frame.weight()) > self.max_chunk_bytes {
            self.close();
        }
        let before = self.duration();
        let frame_number = self.frame_count;
        let stamp = if self.is_at_end() { None } else { self.timeline.push(number, frame.timestamp) };
        let pushed = stamp
            .filter(|s| self.draft.push(frame_number, &self.layout, s.timestamp, arrived, frame).is_ok());
        let Some(stamp) = pushed else {
            // Only the end of time or of frame numbers leads here, and only frames that waited meanwhile.
            self.stats.count_refused(FrameRefusal::SessionFull { frame_count: frame_number }.code());
            return None;
        };
        self.frame_count += 1;
        let micros = stamp.timestamp.micros_since(before);
        self.stats.count_stored(stamp.step, micros.unsigned_abs());
        self.mark_gap(arrived, before, Some(Timestamp::from_micros(micros)));
        if std::mem::take(&mut self.break_between) {
            let cause = Some("interrupted".to_owned());
            self.push_own_marker(arrived, Marker { cause, ..marker(MarkerKind::Gap, before) });
        }
        if stamp.step == Step::Jumped {
            self.push_own_marker(arrived, marker(MarkerKind::ClockJump, stamp.timestamp));
        }
        self.pause_between = false;
        Some((frame_number, stamp.timestamp))
    }

    /// Marks the hole between the last stored frame, at `before`, and the next one, if there is one.
    fn mark_gap(&mut self, now: Duration, before: Timestamp, duration: Option<Timestamp>) {
        self.stats.gaps += u64::from(!self.lost_between.is_empty());
        while let Some((cause, count)) = self.lost_between.pop_first() {
            let cause = Some(cause.into_string());
            let gap = Marker { duration, count: Some(count), cause, ..marker(MarkerKind::Gap, before) };
            self.push_own_marker(now, gap);
        }
    }

    fn push_own_marker(&mut self, now: Duration, marker: Marker) {
        if self.own_markers < self.max_markers {
            self.own_markers += 1;
            self.push_marker(now, marker);
        }
    }

    fn push_marker(&mut self, now: Duration, marker: Marker) {
        self.draft.push_marker(marker);
        self.draft.due_by(now.saturating_add(self.flush_after));
    }

    /// Marks a moment by command.
    pub(super) fn mark(
        &mut self,
        now: Duration,
        label: &str,
        at: Option<Timestamp>,
    ) -> Result<Marker, CommandError> {
        if self.commanded_markers >= self.max_markers {
            return Err(CommandError::TooManyMarkers { limit: self.max_markers });
        }
        let timestamp = at.map_or(self.duration(), |at| self.timeline.session_time_of(at));
        let marker = Marker { label: label.to_owned(), ..marker(MarkerKind::User, timestamp) };
        self.commanded_markers += 1;
        self.push_marker(now, marker.clone());
        Ok(marker)
    }

    /// Marks that the recording was asked for here: the frames before are of its pre-roll.
    pub(super) fn mark_started(&mut self, now: Duration) {
        let here = marker(MarkerKind::Started, self.duration());
        self.push_own_marker(now, here);
    }

    /// Lets session time stand still.
    pub(super) fn pause(&mut self) {
        self.timeline.stand_still();
        self.pause_between = true;
    }

    /// Marks that time stood still for `wall`.
    pub(super) fn resume(&mut self, now: Duration, wall: Duration) {
        if self.commanded_markers < self.max_markers {
            let duration = Some(Timestamp::ZERO.plus(wall));
            self.commanded_markers += 1;
            self.push_marker(now, Marker { duration, ..marker(MarkerKind::Paused, self.duration()) });
        }
    }

    /// Lets the batch be polled at once. Everything that waited for lower numbers must have been released before.
    pub(super) fn flush(&mut self, now: Duration) {
        self.mark_gap(now, self.duration(), None);
        self.draft.due_by(now);
    }

    /// Closes the batch, so that the next one can have numbers of another numbering.
    pub(super) fn start_numbering(&mut self) {
        self.close();
        self.draft.start_numbering();
        self.timeline.start_numbering();
    }

    /// Gives the frames to come the skeleton's layout, and the next batch the skeleton.
    pub(super) fn adopt(&mut self, skeleton: &Skeleton) {
        self.layout = skeleton.layout();
        self.draft.set_skeleton(skeleton.clone());
    }

    /// Closes the batch in the making.
    pub(super) fn close(&mut self) {
        let bytes = self.draft.bytes() + EMPTY_BATCH_BYTES;
        if let Some(batch) = self.draft.close() {
            self.closed_bytes += bytes;
            self.closed.push_back((batch, bytes));
        }
    }

    /// Returns the next closed batch, closing the one in the making if it is due.
    pub(super) fn poll(&mut self, now: Duration) -> Option<Batch> {
        if self.closed.is_empty() && self.draft.due().is_some_and(|due| due <= now) {
            self.close();
        }
        let (batch, bytes) = self.closed.pop_front()?;
        self.closed_bytes -= bytes;
        Some(batch)
    }

    /// Returns when there is a batch to be polled.
    pub(super) fn deadline(&self) -> Option<Duration> {
        if self.closed.is_empty() { self.draft.due() } else { Some(Duration::ZERO) }
    }

    /// Returns how many bytes the closed batches have.
    pub(super) fn closed_bytes(&self) -> usize {
        self.closed_bytes
    }

    /// Returns how many bytes the closed batches and the one in the making have.
    pub(super) fn bytes(&self) -> usize {
        self.draft.bytes() + self.closed_bytes
    }

    pub(super) fn settled_through(&self) -> Option<u64> {
        self.draft.settled_through()
    }

    pub(super) fn frame_count(&self) -> u64 {
        self.frame_count
    }

    /// Returns when the last frame stands, zero before the first.
    pub(super) fn duration(&self) -> Timestamp {
        self.timeline.last().unwrap_or(Timestamp::ZERO)
    }

    /// Returns whether no frame can follow the last one.
    pub(super) fn is_at_end(&self) -> bool {
        self.timeline.is_full() || self.frame_count >= Recorder::MAX_FRAMES
    }
}

fn marker(kind: MarkerKind, timestamp: Timestamp) -> Marker {
    Marker { kind, timestamp, label: String::new(), duration: None, count: None, cause: None }
}
