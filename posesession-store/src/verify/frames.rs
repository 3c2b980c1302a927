//! A session's frames: every chunk read, decoded, and compared with its neighbours and with the session's facts.

use std::collections::BTreeMap;

use posesession_core::{Chunk, ChunkExtent, ChunkImage, ChunkQuery, SessionRecording, Timestamp, decode};

use super::{Verifier, is_of_the_moment, said};
use crate::encoded_run::EncodedRun;
use crate::finding::Finding;
use crate::query::EncodedStoredChunk;

/// Where images lie that frames name: by object, each with its frame.
pub(super) type Images = BTreeMap<String, Vec<(u64, ChunkImage)>>;

/// How far the frames of a session have been looked at.
#[derive(Default)]
struct Walk {
    /// The frame after the last one that was seen or found missing.
    next: u64,
    last_timestamp: Option<Timestamp>,
    has_errors: bool,
    images: Images,
}

/// Checks a session's frames and returns the images that they name.
pub(super) async fn check(verifier: &mut Verifier<'_>, session: &SessionRecording) -> Images {
    let (id, store) = (session.id, verifier.place.sessions);
    let mut walk = Walk::default();
    let mut index = match store.chunk_index(id).await {
        Ok(index) => Some(index),
        Err(error) => {
            verifier.find(Finding::damage(id, "index of chunks", said(&error)));
            None
        }
    };
    while walk.next < session.frame_count {
        let error = match store.encoded_chunk(id, ChunkQuery::Frame(walk.next)).await {
            Ok(stored) => {
                take(verifier, session, &mut walk, stored).await;
                continue;
            }
            Err(error) => error,
        };
        if is_of_the_moment(&error) {
            verifier.find(Finding::damage(id, "frames", said(&error)));
            return walk.images;
        }
        walk.has_errors = true;
        let end = match &index {
            Some(index) => {
                index.covering(ChunkQuery::Frame(walk.next)).map(|at| index.extents()[at].end_frame())
            }
            None => next_readable(verifier, session, walk.next + 1).await,
        };
        let end = end.unwrap_or(session.frame_count).clamp(walk.next + 1, session.frame_count);
        verifier.find(Finding::damage(id, frames(walk.next, end), said(&error)));
        walk.next = end;
        if let Ok(now) = store.chunk_index(id).await {
            index = Some(now);
        }
    }
    compare(verifier, session, &walk).await;
    walk.images
}

/// Returns the first frame from `from` on that can be read: what is lost in one piece is at most a few chunks.
async fn next_readable(verifier: &Verifier<'_>, session: &SessionRecording, from: u64) -> Option<u64> {
    for frame in (from..session.frame_count).take(2 * Chunk::MAX_FRAMES) {
        if verifier.place.sessions.encoded_chunk(session.id, ChunkQuery::Frame(frame)).await.is_ok() {
            return Some(frame);
        }
    }
    None
}

fn frames(first: u64, end: u64) -> String {
    format!("frames {first} to {}", end.saturating_sub(1).max(first))
}

async fn take(
    verifier: &mut Verifier<'_>,
    session: &SessionRecording,
    walk: &mut Walk,
    stored: EncodedStoredChunk,
) {
    // Chunks that are compacted while this goes on are read again as parts of longer ones: that is no overlap.
    let (id, extent) = (session.id, stored.extent);
    let place = format!("chunk from frame {}", extent.first_frame);
    let bytes = (stored.chunk.header.len() + stored.chunk.payload.len()) as u64;
    let decoding = tokio::task::spawn_blocking(move || {
        let decoded = decode(&stored.chunk.header, &stored.chunk.payload);
        (decoded, stored)
    });
    let Ok((decoded, stored)) = decoding.await else {
        walk.has_errors = true;
        verifier.find(Finding::damage(id, place, "it couldn't be decoded"));
        walk.next = extent.end_frame();
        return;
    };
    verifier.advance(bytes);
    match decoded {
        Err(error) => {
            walk.has_errors = true;
            verifier.find(Finding::damage(id, place, said(&error)));
        }
        Ok(chunk) => check_chunk(verifier, session, walk, (&place, chunk, stored)),
    }
    walk.next = walk.next.max(extent.end_frame());
}

fn check_chunk(
    verifier: &mut Verifier<'_>,
    session: &SessionRecording,
    walk: &mut Walk,
    (place, chunk, stored): (&str, Chunk, EncodedStoredChunk),
) {
    let (id, extent) = (session.id, stored.extent);
    let mut damage = |what: String| verifier.find(Finding::damage(id, place, what));
    let (run, got) = (EncodedRun::of(&chunk, stored.chunk), ChunkExtent::of(&chunk));
    if got != Some(extent) {
        walk.has_errors = true;
        damage("it is not what its row says".to_owned());
        return;
    }
    if let Some(last) = walk.last_timestamp
        && chunk.first_frame() == walk.next
        && extent.first_timestamp <= last
    {
        damage("it starts no later than the frame before".to_owned());
    }
    if !chunk.track_ids().is_empty()
        && session.skeleton.as_ref().is_none_or(|skeleton| skeleton.layout() != *chunk.layout())
    {
        damage("its persons have other keypoints than the session's skeleton".to_owned());
    }
    match run {
        Ok(run) => {
            if let Err(error) = run.check_exactness(session) {
                damage(error.to_string());
            }
        }
        Err(error) => damage(error.to_string()),
    }
    walk.last_timestamp = Some(extent.last_timestamp);
    for image in chunk.images() {
        let frame = chunk.first_frame() + u64::from(image.frame);
        if frame >= walk.next {
            walk.images.entry(image.image.object.clone()).or_default().push((frame, image.clone()));
        }
    }
    let new = extent.end_frame() - walk.next.max(extent.first_frame);
    verifier.verified.frames += new;
    verifier.verified.chunks += 1;
}

/// Compares what was read with what the session's row says, which may have changed meanwhile.
async fn compare(verifier: &mut Verifier<'_>, before: &SessionRecording, walk: &Walk) {
    let id = before.id;
    let Ok(now) = verifier.place.sessions.read_session(id).await else { return };
    if now != *before || walk.has_errors {
        return;
    }
    let mut differ = |what: &str, told: String, is: String| {
        let what = format!("its {what} should be {is}, by its chunks, and is {told}");
        verifier.find(Finding::damage(id, "session", what));
    };
    if now.frame_count != walk.next {
        differ("frame count", now.frame_count.to_string(), walk.next.to_string());
    }
    let duration = walk.last_timestamp.unwrap_or_default();
    if now.duration != duration {
        differ("duration", now.duration.as_secs_f64().to_string(), duration.as_secs_f64().to_string());
    }
}
