//! A video that comes in beside the poses. Its pieces' offsets and first picture in, what is to be noted of it out.

use posesession_core::{ClockStretch, Recorder, Timestamp};
use posesession_store::{RecordedVideo, SessionChange, SessionStore, StoreError, Term, VideoCut, VideoType};

use crate::protocol::{BinaryVideo, ErrorCode, ProtocolError, VideoFormat};

/// A video file that is coming in.
#[derive(Debug)]
pub(super) struct VideoUpload {
    facts: RecordedVideo,
    /// What the session's metadata says already.
    noted: RecordedVideo,
    stored_bytes: u64,
    /// When its first picture was taken, by the streamer's clock.
    first_picture: Option<Timestamp>,
    /// The stretch of the streamer's clock up to which cuts are known; none before the first picture's is.
    stretch: Option<ClockStretch>,
}

impl VideoUpload {
    /// Begins a video; none if it is of no known kind.
    pub(super) fn new(format: &VideoFormat) -> Option<Self> {
        VideoType::of(&format.mime)?;
        let facts = RecordedVideo::of_type(&format.mime);
        Some(Self { noted: facts.clone(), facts, stored_bytes: 0, first_picture: None, stretch: None })
    }

    /// Goes on with a video of which `facts` are noted and so many bytes stored.
    pub(super) fn reopen(facts: RecordedVideo, stored_bytes: u64) -> Self {
        Self { noted: facts.clone(), facts, stored_bytes, first_picture: None, stretch: None }
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Returns whether a piece brings something new.
    pub(super) fn wants(&self, piece: &BinaryVideo) -> Result<bool, ProtocolError> {
        if end_of(piece) <= self.stored_bytes {
            return Ok(false);
        }
        if piece.offset != self.stored_bytes {
            let message = format!("the video goes on at byte {}, not at {}", self.stored_bytes, piece.offset);
            return Err(
                ProtocolError::new(ErrorCode::OutOfRange, message).with("expected", self.stored_bytes)
            );
        }
        Ok(true)
    }

    /// Counts a piece that is durable.
    pub(super) fn count(&mut self, end: u64, first_picture: Timestamp) {
        self.stored_bytes = end;
        self.first_picture.get_or_insert(first_picture);
    }

    /// Follows the recorder: where the first picture stands in session time, and what was cut out of it since then.
    pub(super) fn follow(&mut self, recorder: &Recorder) {
        if self.stretch.is_none()
            && let Some(first) = self.first_picture
        {
            match self.facts.start {
                Some(start) => self.rejoin(start, first, recorder),
                None => {
                    if let Some(stretch) = recorder.clock_stretch_of(first) {
                        self.begin(first, stretch);
                    }
                }
            }
        }
        let Some(mut last) = self.stretch else { return };
        let known = last.number;
        for stretch in recorder.clock_stretches().filter(|stretch| stretch.number > known) {
            let length = stretch.drift_micros.saturating_sub(last.drift_micros);
            if length != 0 && self.facts.cuts.len() < RecordedVideo::MAX_CUTS {
                self.facts
                    .cuts
                    .push(VideoCut { at: stretch.session, length: Timestamp::from_micros(length) });
            }
            last = stretch;
        }
        self.stretch = Some(last);
    }

    /// Goes on after a server that knew where the first picture stands, but not how far the clocks were apart at the end:
    /// what the video has more than session time, at the first frame since then, is to be cut out.
    fn rejoin(&mut self, start: Timestamp, first: Timestamp, recorder: &Recorder) {
        let Some(stretch) = recorder.clock_stretches().next() else { return };
        let cut: i64 = self.facts.cuts.iter().map(|cut| cut.length.as_micros()).fold(0, i64::saturating_add);
        let video = stretch.streamer.micros_since(first).saturating_sub(cut);
        let length = video.saturating_sub(stretch.session.micros_since(start));
        if length != 0 && self.facts.cuts.len() < RecordedVideo::MAX_CUTS {
            self.facts.cuts.push(VideoCut { at: stretch.session, length: Timestamp::from_micros(length) });
        }
        self.stretch = Some(stretch);
    }

    fn begin(&mut self, first: Timestamp, stretch: ClockStretch) {
        self.facts.start = Some(stretch.session.plus_micros(first.micros_since(stretch.streamer)));
        self.stretch = Some(stretch);
    }

    /// Returns the last word, when no frame comes any more.
    pub(super) fn conclude(&mut self, recorder: &Recorder) -> &RecordedVideo {
        self.follow(recorder);
        if self.stretch.is_none()
            && self.facts.start.is_none()
            && let Some(first) = self.first_picture
        {
            match recorder.clock_stretches().last() {
                Some(last) => self.begin(first, last),
                None => self.facts.start = Some(Timestamp::ZERO),
            }
        }
        &self.facts
    }

    /// Returns what is known and not noted yet.
    pub(super) fn news(&self) -> Option<RecordedVideo> {
        (self.facts != self.noted).then(|| self.facts.clone())
    }

    pub(super) fn set_noted(&mut self, noted: RecordedVideo) {
        self.noted = noted;
    }
}

/// Returns the offset behind a piece.
pub(super) fn end_of(piece: &BinaryVideo) -> u64 {
    piece.offset.saturating_add(piece.data.len() as u64)
}

/// Notes a video's facts in its session's metadata. If they don't fit in, the poses are worth more than they.
pub(super) async fn note(
    store: &dyn SessionStore,
    id: posesession_core::SessionId,
    term: Term,
    video: &RecordedVideo,
) -> Result<(), StoreError> {
    let change = SessionChange { term: Some(term), video: Some(video.clone()), ..SessionChange::default() };
    match store.update_session(id, change).await {
        Err(error @ StoreError::BadArgument { .. }) => {
            tracing::warn!(session = %id, %error, "the video's start and cuts can't be noted");
            Ok(())
        }
        noted => noted.map(drop),
    }
}
