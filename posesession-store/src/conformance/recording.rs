//! Sessions to test with: batches made of their numbers, and readers that know what they must find.

use std::sync::Arc;

use posesession_core::{
    Batch, Chunk, ChunkQuery, Frame, ImageRef, PoseData, SessionId, Skeleton, Timestamp, Unit,
};

use crate::error::StoreError;
use crate::query::{Appended, NewSession, Term};
use crate::store::SessionStore;

pub(super) type Store = Arc<dyn SessionStore>;

pub(super) const FRAME_MICROS: i64 = 33_333;

/// Two keypoints of three channels.
pub(super) fn skeleton() -> Skeleton {
    Skeleton::custom(2, &[("x", Unit::Image), ("y", Unit::Image), ("confidence", Unit::Ratio)])
        .expect("it is small")
}

pub(super) fn time_of(frame: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(frame).expect("test frames are few") * FRAME_MICROS)
}

/// What frame `n` shows: nobody, one person or two, with missing values, negative zero, and every bit of a float.
pub(super) fn pose_of(n: u64) -> PoseData {
    let value = |k: u64| match (n + k) % 5 {
        0 => f32::NAN,
        1 => -0.0,
        _ => (n as f32 * 0.37 + k as f32).sin(),
    };
    let persons = n % 3;
    PoseData {
        track_ids: (0..persons).map(|p| u32::try_from(n % 7 + p).expect("it is small")).collect(),
        values: (0..persons * 6).map(value).collect(),
    }
}

/// The frames `first..end`, every fourth with an image.
pub(super) fn chunk(first: u64, end: u64) -> Chunk {
    let mut chunk = Chunk::new(first, skeleton().layout());
    for n in first..end {
        chunk.push(time_of(n), &pose_of(n)).expect("it fits");
        if n % 4 == 0 {
            chunk.set_last_image(ImageRef { object: format!("images/{n:012}"), offset: n, length: 1 });
        }
    }
    chunk
}

/// The batch of the frames `first..end`, with the skeleton at the start and the progress of a publisher who counts
/// from 1,000.
pub(super) fn batch(first: u64, end: u64) -> Batch {
    Batch {
        chunk: Some(chunk(first, end)),
        skeleton: (first == 0).then(skeleton),
        settled_through: (first < end).then(|| 999 + end),
        ..Batch::default()
    }
}

/// Creates a session and becomes its writer.
pub(super) async fn start(store: &Store) -> (SessionId, Term) {
    let session = store.create_session(NewSession::named("A session")).await.expect("it is new");
    let term = store.begin_term(session.id).await.expect("it is live");
    (session.id, term)
}

/// Appends the frames `first..end`, and lets the other tasks have their turn: a store in memory never waits.
pub(super) async fn append(
    store: &Store,
    (id, term): (SessionId, Term),
    first: u64,
    end: u64,
) -> Result<Appended, StoreError> {
    let appended = store.append(id, term, &batch(first, end)).await;
    tokio::task::yield_now().await;
    appended
}

/// Appends the frames `first..end` in batches of `size`.
pub(super) async fn record(store: &Store, writer: (SessionId, Term), first: u64, end: u64, size: u64) {
    let mut next = first;
    while next < end {
        let until = end.min(next + size);
        append(store, writer, next, until).await.expect("frames in order are stored");
        next = until;
    }
}

/// Reads all frames, chunk by chunk, until there is none.
pub(super) async fn frames(store: &Store, id: SessionId) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    loop {
        match store.covering_chunk(id, ChunkQuery::Frame(frames.len() as u64)).await {
            Ok(stored) => {
                let before = frames.len() as u64;
                frames.extend(stored.chunk.frames().filter(|frame| frame.frame_number >= before));
                assert!(frames.len() as u64 > before, "the chunk doesn't cover frame {before}");
            }
            Err(StoreError::NoSuchFrame { .. }) => return frames,
            Err(error) => panic!("frame {} can't be read: {error}", frames.len()),
        }
    }
}

/// Checks that the session has exactly the frames `0..end`, bit for bit.
pub(super) async fn assert_frames(store: &Store, id: SessionId, end: u64) {
    let read = frames(store, id).await;
    assert_prefix(&read);
    assert_eq!(read.len() as u64, end);
    let session = store.read_session(id).await.expect("it is there");
    assert_eq!(session.frame_count, end);
    assert_eq!(session.duration, end.checked_sub(1).map_or(Timestamp::ZERO, time_of));
}

/// Checks that frames are the session's first ones, bit for bit.
pub(super) fn assert_prefix(read: &[Frame]) {
    let expected = chunk(0, read.len() as u64);
    for (read, expected) in read.iter().zip(expected.frames()) {
        assert_eq!(*read, expected);
    }
}
