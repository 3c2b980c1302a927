//! Live frames: one publisher in, any number of viewers out, each frame encoded once, and only the newest kept.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use posesession_core::{PoseData, PoseJson, Skeleton, Timestamp};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::lock;
use super::peer::{json_message, json_text};
use crate::message::Message;
use crate::protocol::{BinaryFrame, BinaryFrameHeader, WireFormat};

/// How many live events a slow viewer may be behind.
const MOST_EVENTS: usize = 64;
/// How many bytes they may have together, in each form in which they are held. The newest is kept whatever it has.
const MOST_BYTES: usize = 16 << 20;

/// A stream's newest events, for its viewers. Nobody is waited for: what there is no room for is lost to those who have not
/// read it yet.
#[derive(Debug)]
pub(super) struct Live {
    events: broadcast::Sender<Told>,
    told: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// How many frames there were.
    frames: u64,
    facts: Facts,
    /// What somebody has yet to read and there is still room for, the oldest first.
    unread: VecDeque<Weak<Slot>>,
}

/// An event on its way to the viewers.
#[derive(Debug, Clone)]
struct Told {
    /// How many frames there were before it.
    frames_before: u64,
    slot: Arc<Slot>,
}

/// Where an event lies until all have read it, or there is no room for it any more.
#[derive(Debug)]
struct Slot {
    bytes: usize,
    content: Mutex<Option<Arc<Content>>>,
}

#[derive(Debug)]
struct Content {
    event: LiveEvent,
    facts_before: Facts,
}

/// What a stream tells its viewers.
#[derive(Debug)]
pub(super) enum LiveEvent {
    Frame(Box<LiveFrame>),
    Fact(Fact, Message),
}

/// What holds until the next of its kind, told as JSON.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fact {
    Skeleton,
    /// How it goes with the recording, and its end.
    Recording,
}

/// The newest fact of each kind, and how many there were with it.
#[derive(Debug, Clone, Default)]
struct Facts {
    count: u64,
    skeleton: Option<(u64, Message)>,
    recording: Option<(u64, Message)>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self { events: broadcast::channel(MOST_EVENTS).0, told: Mutex::default() }
    }

    pub(super) fn has_viewers(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// Tells all who watch at this moment.
    pub(super) fn tell(&self, event: LiveEvent) {
        if !self.has_viewers() {
            return;
        }
        let mut told = lock(&self.told);
        let (frames_before, facts_before) = (told.frames, told.facts.clone());
        match &event {
            LiveEvent::Frame(_) => told.frames += 1,
            LiveEvent::Fact(fact, message) => told.facts.add(*fact, message),
        }
        let bytes = event.bytes();
        let content = Arc::new(Content { event, facts_before });
        let slot = Arc::new(Slot { bytes, content: Mutex::new(Some(content)) });
        told.keep(&slot);
        // No viewers is no failure.
        let _nobody = self.events.send(Told { frames_before, slot });
    }

    /// Watches from here on.
    pub(super) fn watch(&self, stream: &str, format: WireFormat) -> Viewer {
        let told = lock(&self.told);
        let events = BroadcastStream::new(self.events.subscribe());
        let (stream, known_facts) = (stream.to_owned(), told.facts.count);
        Viewer { stream, format, events, known_frames: told.frames, known_facts, next: None }
    }
}

impl Ledger {
    /// Makes room for an event: the oldest give way.
    fn keep(&mut self, slot: &Arc<Slot>) {
        self.unread.retain(|unread| unread.strong_count() > 0);
        let mut bytes = slot.bytes + self.unread_bytes();
        while bytes > MOST_BYTES
            && let Some(oldest) = self.unread.pop_front()
        {
            if let Some(oldest) = oldest.upgrade() {
                lock(&oldest.content).take();
                bytes -= oldest.bytes;
            }
        }
        self.unread.push_back(Arc::downgrade(slot));
    }

    fn unread_bytes(&self) -> usize {
        self.unread.iter().filter_map(Weak::upgrade).map(|slot| slot.bytes).sum()
    }
}

impl Facts {
    fn add(&mut self, fact: Fact, message: &Message) {
        self.count += 1;
        let newest = Some((self.count, message.clone()));
        match fact {
            Fact::Skeleton => self.skeleton = newest,
            Fact::Recording => self.recording = newest,
        }
    }

    /// Returns the first that one doesn't know who knows so many, and how many it knows with it.
    fn first_after(&self, known: u64) -> Option<&(u64, Message)> {
        let unknown =
            [&self.skeleton, &self.recording].into_iter().flatten().filter(|(number, _)| *number > known);
        unknown.min_by_key(|(number, _)| *number)
    }
}

impl LiveEvent {
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.bytes(),
            Self::Fact(_, Message::Text(text)) => text.as_str().len(),
            Self::Fact(..) => 0,
        }
    }

    fn message(&self, format: WireFormat) -> Message {
        match self {
            Self::Frame(frame) => frame.message(format),
            Self::Fact(_, message) => message.clone(),
        }
    }
}

/// One frame, encoded at most once per format, when the first viewer of that format asks.
#[derive(Debug)]
pub(super) struct LiveFrame {
    pub(super) stream: String,
    pub(super) skeleton: Arc<Skeleton>,
    pub(super) frame_number: Option<u64>,
    pub(super) timestamp: Timestamp,
    pub(super) session_timestamp: Option<Timestamp>,
    pub(super) pose_data: PoseData,
    pub(super) image: Bytes,
    pub(super) encoded: Encoded,
}

/// What viewers have asked for so far.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    json: OnceLock<Message>,
    binary: OnceLock<Message>,
}

#[derive(Serialize)]
struct FrameJson<'a> {
    r#type: &'static str,
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_number: Option<u64>,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_timestamp: Option<Timestamp>,
    pose_data: PoseJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
}

#[derive(Serialize)]
struct GapJson<'a> {
    r#type: &'static str,
    stream: &'a str,
    count: u64,
}

impl LiveFrame {
    /// Returns about how many bytes it has at most: as it came, and in both formats.
    fn bytes(&self) -> usize {
        const HEADERS: usize = 1 << 10;
        const PER_VALUE: usize = 2 * size_of::<f32>() + "[-1.1754944e-38],".len();
        let (values, image) = (self.pose_data.values.len(), self.image.len());
        HEADERS + PER_VALUE * values + 2 * image + image.div_ceil(3) * 4
    }

    fn message(&self, format: WireFormat) -> Message {
        match format {
            WireFormat::Json => self.encoded.json.get_or_init(|| self.to_json()).clone(),
            WireFormat::Binary => self.encoded.binary.get_or_init(|| self.to_binary()).clone(),
        }
    }

    fn to_json(&self) -> Message {
        let mut text = json_text(&FrameJson {
            r#type: "frame",
            stream: &self.stream,
            frame_number: self.frame_number,
            timestamp: self.timestamp,
            session_timestamp: self.session_timestamp,
            pose_data: PoseJson::new(&self.pose_data, &self.skeleton),
            image: (!self.image.is_empty()).then(|| STANDARD.encode(&self.image)),
        });
        // While it was written it grew to as much as twice its size, and it may stay for a while.
        text.shrink_to_fit();
        Message::text(text)
    }

    fn to_binary(&self) -> Message {
        let header = BinaryFrameHeader {
            epoch: 0,
            timestamp: self.timestamp,
            session_timestamp: self.session_timestamp,
            frame_number: self.frame_number,
            values_per_person: u32::try_from(self.skeleton.values_per_person()).unwrap_or(u32::MAX),
            stream: self.stream.clone(),
        };
        Message::Binary(BinaryFrame::encode(&header, &self.pose_data, &self.image))
    }
}

/// One who watches a stream: its events from then on, as messages. How many frames are lost, because they were not read in time,
/// is told before what comes next, and so is the newest of the facts that are. Between two messages it holds nothing of the events.
#[derive(Debug)]
pub(super) struct Viewer {
    stream: String,
    format: WireFormat,
    events: BroadcastStream<Told>,
    /// How many frames it got, or was told that they are lost, with those before it watched.
    known_frames: u64,
    /// How many facts it got, or newer ones instead, with those before it watched.
    known_facts: u64,
    /// What comes after something lost that was told.
    next: Option<Told>,
}

impl Stream for Viewer {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let viewer = self.get_mut();
        loop {
            let told = match viewer.next.take() {
                Some(told) => told,
                None => match ready!(viewer.events.poll_next_unpin(context)) {
                    Some(Ok(told)) => told,
                    // How many frames that were, the next event says.
                    Some(Err(BroadcastStreamRecvError::Lagged(_))) => continue,
                    None => return Poll::Ready(None),
                },
            };
            let Some(content) = lock(&told.slot.content).clone() else { continue };
            let count = told.frames_before.saturating_sub(viewer.known_frames);
            if count > 0 {
                viewer.known_frames = told.frames_before;
                viewer.next = Some(told);
                let gap = GapJson { r#type: "gap", stream: &viewer.stream, count };
                return Poll::Ready(Some(json_message(&gap)));
            }
            if let Some((number, message)) = content.facts_before.first_after(viewer.known_facts) {
                viewer.known_facts = *number;
                viewer.next = Some(told);
                return Poll::Ready(Some(message.clone()));
            }
            match content.event {
                LiveEvent::Frame(_) => viewer.known_frames += 1,
                LiveEvent::Fact(..) => viewer.known_facts = content.facts_before.count + 1,
            }
            return Poll::Ready(Some(content.event.message(viewer.format)));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use serde_json::Value;

    use super::*;

    fn frame(number: u64, image_bytes: usize) -> LiveEvent {
        LiveEvent::Frame(Box::new(LiveFrame {
            stream: "s".to_owned(),
            skeleton: Arc::new(Skeleton::preset("mediapipe_33").unwrap()),
            frame_number: Some(number),
            timestamp: Timestamp::ZERO,
            session_timestamp: None,
            pose_data: PoseData::one_person(vec![-1.175_494_4e-38; 33 * 4]),
            image: vec![7; image_bytes].into(),
            encoded: Encoded::default(),
        }))
    }

    fn status() -> LiveEvent {
        LiveEvent::Fact(Fact::Recording, Message::text(r#"{"type":"recording_status"}"#))
    }

    fn skeleton(name: &str) -> LiveEvent {
        LiveEvent::Fact(Fact::Skeleton, Message::text(format!(r#"{{"type":"skeleton","name":"{name}"}}"#)))
    }

    fn next(viewer: &mut Viewer) -> Option<Message> {
        viewer.next().now_or_never().flatten()
    }

    /// Reads all that is there: the numbers of the frames, and how many it is told are missing before each.
    fn read(viewer: &mut Viewer) -> Vec<(u64, u64)> {
        let (mut frames, mut missed) = (Vec::new(), 0);
        while let Some(message) = next(viewer) {
            let Message::Text(text) = message else { panic!("JSON was asked for") };
            let message: Value = serde_json::from_str(text.as_str()).unwrap();
            match message["type"].as_str() {
                Some("gap") => missed += message["count"].as_u64().unwrap(),
                Some("frame") => {
                    frames.push((message["frame_number"].as_u64().unwrap(), std::mem::take(&mut missed)));
                }
                _ => {}
            }
        }
        frames
    }

    #[test]
    fn a_viewer_is_told_how_many_frames_it_missed_and_the_newest_win() {
        let live = Live::new();
        live.tell(frame(0, 0));
        let mut viewer = live.watch("s", WireFormat::Json);
        (1..=3).for_each(|n| live.tell(frame(n, 0)));
        assert_eq!(read(&mut viewer), [(1, 0), (2, 0), (3, 0)], "what was before it watched is not missed");
        for n in 4..=203 {
            live.tell(frame(n, 0));
            live.tell(status());
        }
        let frames = read(&mut viewer);
        assert_eq!(frames.first(), Some(&(172, 168)), "of 64 events, half are statuses");
        assert_eq!(frames.iter().map(|(_, missed)| 1 + missed).sum::<u64>(), 200);
        assert_eq!(frames.last(), Some(&(203, 0)));
    }

    #[test]
    fn a_viewer_gets_the_newest_of_the_facts_that_it_missed_before_what_comes_next() {
        for image_bytes in [0, MOST_BYTES / 4] {
            let live = Live::new();
            let mut viewer = live.watch("s", WireFormat::Json);
            live.tell(skeleton("old"));
            live.tell(skeleton("new"));
            live.tell(status());
            (0..200).for_each(|n| live.tell(frame(n, image_bytes)));
            live.tell(skeleton("newest"));
            let mut kinds = Vec::new();
            while let Some(message) = next(&mut viewer) {
                let Message::Text(text) = message else { panic!("JSON was asked for") };
                let message: Value = serde_json::from_str(text.as_str()).unwrap();
                kinds.push(message["name"].as_str().or(message["type"].as_str()).unwrap().to_owned());
            }
            let frames = kinds.iter().filter(|kind| *kind == "frame").count();
            kinds.dedup();
            assert_eq!(kinds, ["gap", "new", "recording_status", "frame", "newest"]);
            assert!((1..64).contains(&frames), "{frames} frames");
        }
    }

    #[test]
    fn what_viewers_have_not_read_is_bounded_in_bytes() {
        let live = Live::new();
        let mut stalled = live.watch("s", WireFormat::Json);
        let mut slow = live.watch("s", WireFormat::Json);
        let mut good = live.watch("s", WireFormat::Binary);
        let mut slow_frames = Vec::new();
        for n in 0..200 {
            live.tell(frame(n, 1 << 20));
            assert!(matches!(next(&mut good), Some(Message::Binary(_))), "it reads in time and gets all");
            if n % 9 == 8 {
                slow_frames.extend(read(&mut slow));
            }
            assert!(lock(&live.told).unread_bytes() <= MOST_BYTES);
        }
        slow_frames.extend(read(&mut slow));
        for frames in [slow_frames, read(&mut stalled)] {
            assert_eq!(frames.iter().map(|(_, missed)| 1 + missed).sum::<u64>(), 200);
            assert_eq!(frames.last(), Some(&(199, 0)));
        }
        assert_eq!(lock(&live.told).unread_bytes(), 0, "what all have read is gone");
    }

    #[test]
    fn the_newest_frame_is_kept_however_large_and_a_gap_is_told_while_it_waits() {
        let live = Live::new();
        let mut viewer = live.watch("s", WireFormat::Json);
        (0..3).for_each(|n| live.tell(frame(n, MOST_BYTES)));
        assert!(matches!(next(&mut viewer), Some(Message::Text(text)) if text.contains(r#""count":2"#)));
        // Between the gap and the frame that comes after it, that one is lost, too.
        live.tell(frame(3, MOST_BYTES));
        assert_eq!(read(&mut viewer), [(3, 1)]);
    }

    #[test]
    fn a_frame_takes_no_more_bytes_than_it_is_counted_for() {
        for image in [0, 1, 100_000] {
            let LiveEvent::Frame(frame) = frame(u64::MAX, image) else { panic!("it is a frame") };
            let Message::Text(json) = frame.message(WireFormat::Json) else { panic!("it is text") };
            let Message::Binary(binary) = frame.message(WireFormat::Binary) else { panic!("it is bytes") };
            let held = frame.pose_data.values.len() * 4 + image + json.as_str().len() + binary.len();
            assert!(held <= frame.bytes(), "{held} of {} bytes", frame.bytes());
        }
    }
}
