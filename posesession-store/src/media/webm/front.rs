//! What stands before the clusters: read from the recorded video, written anew with what only the end tells.

use bytes::Bytes;

use super::clusters::Cue;
use super::ebml::{self, Malformed, id};
use super::odd::Odd;

const VIDEO_TRACK: u64 = 1;
const MAX_TRACKS: usize = 64;
const DEFAULT_TIMESTAMP_SCALE: u64 = 1_000_000;
/// The coarsest timestamps that are taken for real: a second.
const MAX_TIMESTAMP_SCALE: u64 = 1_000_000_000;
/// What says, in a Void element, that a video was rewritten by this module; the length of what it was made of follows.
const MARK: &[u8] = b"posesession joined ";

/// The front of a recorded video.
#[derive(Debug, Default)]
pub(super) struct Front {
    header: Option<Bytes>,
    /// Info without Duration.
    info: Option<Vec<u8>>,
    nanos_per_tick: u64,
    tracks: Option<(Bytes, Vec<Track>)>,
    tags: Option<Bytes>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    pub(super) number: u64,
    pub(super) is_video: bool,
    /// How long a block of it is shown, in nanoseconds.
    pub(super) frame_nanos: Option<u64>,
}

/// What is known of a video only at its end.
#[derive(Debug)]
pub(super) struct Sums<'a> {
    pub(super) source_bytes: u64,
    pub(super) cluster_bytes: u64,
    /// In ticks.
    pub(super) duration: u64,
    pub(super) cue_track: u64,
    pub(super) cues: &'a [Cue],
}

impl Front {
    pub(super) fn take_header(&mut self, header: Bytes) -> Result<(), Odd> {
        let mut doc_type: &[u8] = b"matroska";
        for child in content_of(&header)? {
            let child = child.map_err(odd)?;
            let number = || ebml::unsigned(child.content).map_err(odd);
            match child.id {
                id::DOC_TYPE => doc_type = child.content.trim_ascii_end(),
                id::MAX_ID_LENGTH if number()? > 4 => return Err(Odd::NoWebm),
                id::MAX_SIZE_LENGTH if number()? > 8 => return Err(Odd::NoWebm),
                _ => {}
            }
        }
        if doc_type != b"webm" && doc_type != b"matroska" {
            return Err(Odd::NoWebm);
        }
        self.header = Some(header);
        Ok(())
    }

    pub(super) fn take_info(&mut self, content: &[u8]) -> Result<(), Odd> {
        let mut info = Vec::with_capacity(content.len());
        let mut scale = DEFAULT_TIMESTAMP_SCALE;
        for child in ebml::children(content) {
            let child = child.map_err(odd)?;
            match child.id {
                id::TIMESTAMP_SCALE => scale = ebml::unsigned(child.content).map_err(odd)?,
                id::DURATION | id::CRC_32 | id::VOID => continue,
                _ => {}
            }
            info.extend_from_slice(child.whole);
        }
        if scale == 0 || scale > MAX_TIMESTAMP_SCALE {
            return Err(Odd::OutOfTime { position: 0 });
        }
        if self.info.as_ref().is_some_and(|first| *first != info) {
            return Err(Odd::Repeated { id: id::INFO });
        }
        self.info = Some(info);
        self.nanos_per_tick = scale;
        Ok(())
    }

    pub(super) fn take_tracks(&mut self, whole: Bytes) -> Result<(), Odd> {
        let mut tracks = Vec::new();
        for entry in content_of(&whole)? {
            let entry = entry.map_err(odd)?;
            if entry.id != id::TRACK_ENTRY {
                continue;
            }
            let mut track = Track { number: 0, is_video: false, frame_nanos: None };
            for fact in ebml::children(entry.content) {
                let fact = fact.map_err(odd)?;
                let number = || ebml::unsigned(fact.content).map_err(odd);
                match fact.id {
                    id::TRACK_NUMBER => track.number = number()?,
                    id::TRACK_TYPE => track.is_video = number()? == VIDEO_TRACK,
                    id::DEFAULT_DURATION => track.frame_nanos = Some(number()?),
                    _ => {}
                }
            }
            tracks.push(track);
        }
        if tracks.len() > MAX_TRACKS {
            return Err(Odd::TooManyTracks { count: tracks.len() });
        }
        if self.tracks.as_ref().is_some_and(|(first, _)| *first != whole) {
            return Err(Odd::Repeated { id: id::TRACKS });
        }
        self.tracks = Some((whole, tracks));
        Ok(())
    }

    /// Takes the tags; of several, the last ones hold.
    pub(super) fn take_tags(&mut self, whole: Bytes) {
        self.tags = Some(whole);
    }

    /// Returns the tracks and how many nanoseconds a tick has, once both are known.
    pub(super) fn tracks(&self) -> Option<(&[Track], u64)> {
        let (_, tracks) = self.tracks.as_ref()?;
        self.info.as_ref().map(|_| (&**tracks, self.nanos_per_tick))
    }

    /// Writes everything that stands before the clusters.
    pub(super) fn write(&self, sums: &Sums<'_>) -> Bytes {
        let mut info = self.info.clone().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "times are below 2^53 ticks")]
        ebml::put(&mut info, id::DURATION, &(sums.duration as f64).to_be_bytes());
        let mut mark = MARK.to_vec();
        mark.extend_from_slice(&sums.source_bytes.to_be_bytes());
        let tracks = self.tracks.as_ref().map_or(&[][..], |(whole, _)| whole);
        let tags = self.tags.as_deref().unwrap_or_default();

        // The lengths of the parts with positions in them don't depend on the positions.
        let seek_bytes = seek_head([0; 3]).len() as u64;
        let mut middle = Vec::new();
        ebml::put(&mut middle, id::VOID, &mark);
        let info_at = seek_bytes + middle.len() as u64;
        ebml::put(&mut middle, id::INFO, &info);
        let tracks_at = seek_bytes + middle.len() as u64;
        middle.extend_from_slice(tracks);
        middle.extend_from_slice(tags);
        let cues_at = seek_bytes + middle.len() as u64;
        let clusters_at = cues_at + cues(sums, 0).len() as u64;

        let mut front = self.header.as_deref().unwrap_or_default().to_vec();
        ebml::put_wide_head(&mut front, id::SEGMENT, clusters_at + sums.cluster_bytes);
        front.extend_from_slice(&seek_head([info_at, tracks_at, cues_at]));
        front.append(&mut middle);
        front.extend_from_slice(&cues(sums, clusters_at));
        front.into()
    }
}

/// Returns how long the video was that a rewritten one was made of, by its first bytes; none if it isn't a rewritten one.
pub(super) fn source_bytes(start: &[u8]) -> Option<u64> {
    let header = ebml::head(start).ok()??;
    let header_end = header.len.checked_add(usize::try_from(header.size?).ok()?)?;
    let segment = ebml::head(start.get(header_end..)?).ok()??;
    let rest = start.get(header_end + segment.len..)?;
    if (header.id, segment.id) != (id::EBML, id::SEGMENT) {
        return None;
    }
    let mut children = ebml::children(rest).map_while(Result::ok);
    let (seek, void) = (children.next()?, children.next()?);
    if (seek.id, void.id) != (id::SEEK_HEAD, id::VOID) {
        return None;
    }
    let bytes = void.content.strip_prefix(MARK)?;
    (bytes.len() == 8).then(|| ebml::unsigned(bytes).ok())?
}

/// Returns where the Segment ends, by the video's first bytes; none if its size is unknown.
pub(super) fn whole_bytes(start: &[u8]) -> Option<u64> {
    let header = ebml::head(start).ok()??;
    let header_end = header.len.checked_add(usize::try_from(header.size?).ok()?)?;
    let segment = ebml::head(start.get(header_end..)?).ok()??;
    segment.size?.checked_add((header_end + segment.len) as u64)
}

fn seek_head([info, tracks, cues]: [u64; 3]) -> Vec<u8> {
    let mut content = Vec::new();
    for (id, position) in [(id::INFO, info), (id::TRACKS, tracks), (id::CUES, cues)] {
        let mut seek = Vec::new();
        ebml::put(&mut seek, id::SEEK_ID, &id.to_be_bytes());
        ebml::put(&mut seek, id::SEEK_POSITION, &position.to_be_bytes());
        ebml::put(&mut content, id::SEEK, &seek);
    }
    let mut head = Vec::new();
    ebml::put(&mut head, id::SEEK_HEAD, &content);
    head
}

fn cues(sums: &Sums<'_>, clusters_at: u64) -> Vec<u8> {
    let mut content = Vec::new();
    for cue in sums.cues {
        let mut place = Vec::new();
        ebml::put_unsigned(&mut place, id::CUE_TRACK, sums.cue_track);
        ebml::put(&mut place, id::CUE_CLUSTER_POSITION, &(clusters_at + cue.position).to_be_bytes());
        let mut point = Vec::new();
        ebml::put_unsigned(&mut point, id::CUE_TIME, cue.time);
        ebml::put(&mut point, id::CUE_TRACK_POSITIONS, &place);
        ebml::put(&mut content, id::CUE_POINT, &point);
    }
    let mut whole = Vec::new();
    ebml::put(&mut whole, id::CUES, &content);
    whole
}

fn content_of(whole: &[u8]) -> Result<impl Iterator<Item = Result<ebml::Child<'_>, Malformed>>, Odd> {
    let head = ebml::head(whole).map_err(odd)?.ok_or(Odd::Malformed { position: 0 })?;
    Ok(ebml::children(whole.get(head.len..).unwrap_or_default()))
}

/// What is wrong within the front is told without its place: the front is small.
fn odd(_error: Malformed) -> Odd {
    Odd::Malformed { position: 0 }
}
