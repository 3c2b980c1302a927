//! A WebM as a browser recorded it in, the same pictures in a WebM that seeks out.
//!
//! A browser writes a live stream: no Duration, no Cues, a Segment and Clusters of unknown size, and time that ran on while the
//! recording was paused. The rewritten video has all that, and its cuts taken out; pictures, tracks and the EBML header stay
//! byte for byte. What comes first in the file tells what only its end knows, so the source is gone through twice, with the
//! same state machine: the first time to know the front, the second time to write.

mod odd;
mod ebml;
mod reader;
mod retiming;
mod clusters;
mod front;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

use super::recorded_video::RecordedVideo;
use clusters::Clusters;
use front::{Front, Sums, Track};
pub(super) use odd::Odd;
use reader::{Block, Part, Reader};
use retiming::Retiming;

/// How many bytes from its start are enough to tell a rewritten video.
pub(super) const START_BYTES: u64 = 8 * 1024;

/// What may come of other tracks before the first picture, which is where the video's time begins.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// The longest time that the last picture is shown, if the video doesn't say.
const MAX_LAST_NANOS: u64 = 1_000_000_000;

/// Returns how long the video was that a rewritten one was made of, by its first bytes; none if it isn't a rewritten one.
pub(super) fn source_bytes(start: &[u8]) -> Option<u64> {
    front::source_bytes(start)
}

/// Returns how long a rewritten video is, by its first bytes.
pub(super) fn whole_bytes(start: &[u8]) -> Option<u64> {
    front::whole_bytes(start)
}

/// Goes through a recorded video. Bytes in, clusters out, and at the end the front that belongs before them.
///
/// It holds a few blocks and one cluster in memory, however long the video is.
#[derive(Debug)]
pub(super) struct Rewriter<'a> {
    video: &'a RecordedVideo,
    reader: Reader,
    front: Front,
    body: Option<Body>,
    source_bytes: u64,
}

/// What a rewriter has at its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rewritten {
    /// All that stands before the clusters.
    pub(super) front: Bytes,
    /// The last cluster.
    pub(super) last: Option<Bytes>,
    /// How many bytes the clusters have.
    pub(super) cluster_bytes: u64,
}

/// What turns blocks into clusters, once the tracks are known.
#[derive(Debug)]
struct Body {
    retiming: Retiming,
    clusters: Clusters,
    cue_track: u64,
    tracks: Vec<(Track, Ending)>,
    nanos_per_tick: u64,
    /// When the first picture was recorded, in ticks.
    origin: Option<i64>,
    /// What came of other tracks before it.
    waiting: Vec<Block>,
    waiting_bytes: usize,
}

/// Where a track ends so far, in ticks.
#[derive(Debug, Clone, Copy, Default)]
struct Ending {
    last: Option<u64>,
    /// How long its last block is shown.
    duration: u64,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(video: &'a RecordedVideo) -> Self {
        Self { video, reader: Reader::default(), front: Front::default(), body: None, source_bytes: 0 }
    }

    /// Takes the next bytes of the source and appends the clusters that ended to `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Bytes>) -> Result<(), Odd> {
        self.source_bytes += bytes.len() as u64;
        self.reader.push(bytes);
        while let Some(part) = self.reader.poll()? {
            match part {
                Part::Header(header) => self.front.take_header(header)?,
                Part::Info(info) => self.front.take_info(&info)?,
                Part::Tracks(tracks) => self.front.take_tracks(tracks)?,
                Part::Tags(tags) => self.front.take_tags(tags),
                Part::Block(block) => self.body()?.take(block, out),
            }
        }
        Ok(())
    }

    fn body(&mut self) -> Result<&mut Body, Odd> {
        if self.body.is_none() {
            let (tracks, nanos_per_tick) = self.front.tracks().ok_or(Odd::NoTracks)?;
            let sought = tracks.iter().find(|track| track.is_video).or(tracks.first());
            let cue_track = sought.ok_or(Odd::NoTracks)?.number;
            self.body = Some(Body {
                retiming: Retiming::new(self.video, nanos_per_tick),
                clusters: Clusters::new(cue_track, nanos_per_tick),
                cue_track,
                tracks: tracks.iter().map(|&track| (track, Ending::default())).collect(),
                nanos_per_tick,
                origin: None,
                waiting: Vec::new(),
                waiting_bytes: 0,
            });
        }
        self.body.as_mut().ok_or(Odd::NoTracks)
    }

    /// Ends the video at its last whole block.
    pub(super) fn finish(self, out: &mut Vec<Bytes>) -> Result<Rewritten, Odd> {
        let mut body = self.body.ok_or(Odd::NoPicture)?;
        body.begin(out);
        let last = body.clusters.close();
        let cluster_bytes = body.clusters.written();
        let (duration, cue_track) = (body.duration(), body.cue_track);
        let cues = body.clusters.into_cues();
        if cues.is_empty() {
            return Err(Odd::NoPicture);
        }
        let sums = Sums { source_bytes: self.source_bytes, cluster_bytes, duration, cue_track, cues: &cues };
        Ok(Rewritten { front: self.front.write(&sums), last, cluster_bytes })
    }
}

impl Body {
    fn take(&mut self, block: Block, out: &mut Vec<Bytes>) {
        let is_first_picture = block.track == self.cue_track;
        if self.origin.is_none() {
            self.waiting_bytes += block.element.len() + size_of::<Block>();
            if is_first_picture {
                self.origin = Some(block.time);
            }
            // A copy of its own: the block is a part of all that was read with it, and would keep that.
            self.waiting.push(Block { element: BytesMut::from(&*block.element), ..block });
            if is_first_picture || self.waiting_bytes > MAX_WAITING_BYTES {
                self.begin(out);
            }
        } else {
            self.show(block, out);
        }
    }

    /// Lets what waited for the first picture go ahead.
    fn begin(&mut self, out: &mut Vec<Bytes>) {
        self.origin = self.origin.or(self.waiting.first().map(|block| block.time));
        for block in std::mem::take(&mut self.waiting) {
            self.show(block, out);
        }
    }

    fn show(&mut self, block: Block, out: &mut Vec<Bytes>) {
        let time = self.retiming.shown(block.time - self.origin.unwrap_or_default());
        if let Some((track, ending)) = self.tracks.iter_mut().find(|(track, _)| track.number == block.track) {
            let declared = track.frame_nanos.map(|nanos| nanos / self.nanos_per_tick);
            let step = ending.last.map_or(0, |last| time.saturating_sub(last));
            if ending.last.is_none_or(|last| time >= last) {
                let guess = step.min(MAX_LAST_NANOS / self.nanos_per_tick);
                *ending = Ending { last: Some(time), duration: block.duration.or(declared).unwrap_or(guess) };
            }
        }
        out.extend(self.clusters.push(block, time));
    }

    /// Returns when the last track ends, in ticks, at least 1: a Duration of 0 is none (RFC 9559).
    fn duration(&self) -> u64 {
        let ends =
            self.tracks.iter().filter_map(|(_, ending)| Some(ending.last?.saturating_add(ending.duration)));
        ends.max().unwrap_or(0).max(1)
    }
}
