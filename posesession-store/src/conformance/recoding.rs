//! Recoding: other codecs, the same frames, and no bound forgotten.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use posesession_core::{
    Batch, Chunk, ChunkQuery, Codec, EncodedChunk, Encoding, Frame, Lossless, MaxError, PoseData, SessionId,
    SessionStatus, encode, peek,
};

use super::recording::{
    Store, assert_frames, assert_prefix, chunk, frames, pose_of, record, skeleton, start, time_of,
};
use crate::error::StoreError;
use crate::query::NewSession;
use crate::recode::{RecodeError, Recoded, recode_session};
use crate::store::COMPACT_FRAMES;
use crate::transfer::Progress;

const FRAMES: u64 = 3 * COMPACT_FRAMES + 40;

fn bounded(bound: f64) -> Encoding {
    Encoding::Bounded { max_error: MaxError::new([("x", bound)]).unwrap() }
}

/// Records a session, finishes it and returns its id.
async fn finished(store: &Store) -> SessionId {
    let writer = start(store).await;
    record(store, writer, 0, FRAMES, 8).await;
    store.finish(writer.0, writer.1, SessionStatus::Completed).await.unwrap();
    writer.0
}

async fn recode(store: &Store, id: SessionId, to: &Encoding) -> Recoded {
    let mut last = 0;
    let mut on_progress = |progress: Progress| {
        assert!(progress.done_bytes >= last && progress.done_bytes <= progress.total_bytes);
        last = progress.done_bytes;
    };
    let recoded = recode_session(store.as_ref(), id, to, &mut on_progress).await.unwrap();
    assert_eq!(store.read_session(id).await.unwrap(), recoded.session);
    recoded
}

async fn stored(store: &Store, id: SessionId) -> Vec<EncodedChunk> {
    let chunks = store.encoded_chunks(id, 0..u64::MAX).await.unwrap();
    chunks.into_iter().map(|stored| stored.chunk).collect()
}

async fn codecs(store: &Store, id: SessionId) -> Vec<Codec> {
    let chunks = stored(store, id).await;
    chunks.iter().map(|chunk| peek(&chunk.header).unwrap().codec).collect()
}

/// Returns how far the first channel of three is from what was sent; the others must be exact.
fn furthest(read: &[Frame]) -> f64 {
    let mut furthest: f64 = 0.0;
    for frame in read {
        let sent = pose_of(frame.frame_number);
        assert_eq!(frame.pose_data.track_ids, sent.track_ids);
        for (place, (read, sent)) in frame.pose_data.values.iter().zip(&sent.values).enumerate() {
            if read.to_bits() != sent.to_bits() {
                assert!(place % 3 == 0 && !read.is_nan() && !sent.is_nan(), "{read} where {sent} was sent");
                furthest = furthest.max((f64::from(*read) - f64::from(*sent)).abs());
            }
        }
    }
    furthest
}

pub async fn a_session_recoded_without_loss_is_the_same_bit_for_bit(store: Store) {
    let id = finished(&store).await;
    for (to, codec) in
        [(Encoding::Json, Codec::Json), (Encoding::Columnar, Codec::Columnar), (Encoding::Json, Codec::Json)]
    {
        let recoded = recode(&store, id, &to).await;
        assert_eq!((&recoded.session.encoding, recoded.frames, recoded.left_frames), (&to, FRAMES, 0));
        assert!(codecs(&store, id).await.iter().all(|&is| is == codec));
        assert_frames(&store, id, FRAMES).await;
        assert_eq!(recoded.session.status, SessionStatus::Completed);
    }
}

pub async fn a_session_is_recoded_within_bounds_that_are_asked_for(store: Store) {
    let id = finished(&store).await;
    let recoded = recode(&store, id, &bounded(0.01)).await;
    assert_eq!((&recoded.session.encoding, recoded.frames), (&bounded(0.01), FRAMES));
    assert!(codecs(&store, id).await.iter().all(|&is| is == Codec::Bounded));
    let read = frames(&store, id).await;
    assert_eq!(read.len() as u64, FRAMES);
    let furthest = furthest(&read);
    assert!(furthest > 0.0 && furthest <= 0.01, "{furthest}");
}

pub async fn bounds_that_were_told_once_are_told_for_ever(store: Store) {
    let id = finished(&store).await;
    recode(&store, id, &bounded(0.25)).await;
    let before = frames(&store, id).await;
    for (to, into) in [
        (Encoding::Columnar, Lossless::Columnar),
        (Encoding::Json, Lossless::Json),
        (Encoding::Columnar, Lossless::Columnar),
    ] {
        let told = recode(&store, id, &to).await.session.encoding;
        assert_eq!(told, bounded(0.25).recoded(into));
        assert_eq!(frames(&store, id).await, before, "decoded values are kept exactly");
    }
    let told = recode(&store, id, &bounded(0.5)).await.session.encoding;
    assert_eq!(told, bounded(0.75), "what was lost first counts, too");
    assert!(furthest(&frames(&store, id).await) <= 0.75);
}

pub async fn a_recoding_that_broke_off_goes_on(store: Store) {
    let id = finished(&store).await;
    for to in [bounded(0.01), Encoding::Json] {
        let whole = stored(&store, id).await;
        store.begin_recode(id, &to).await.unwrap();
        let other = finished(&store).await;
        let first = &recode_and_read(&store, other, &whole[0], &to).await;
        assert!(store.replace_chunk(id, &whole[0], first).await.unwrap());
        let told = store.read_session(id).await.unwrap().encoding;
        assert_eq!(told.name(), to.name());
        assert_eq!(frames(&store, id).await.len() as u64, FRAMES);
        let recoded = recode(&store, id, &to).await;
        assert_eq!(recoded.session.encoding, told, "no bound is added twice");
        assert!(recoded.frames < FRAMES, "{} frames", recoded.frames);
        assert!(furthest(&frames(&store, id).await) <= 0.01);
    }
}

/// Encodes a chunk's frames otherwise.
async fn recode_and_read(
    store: &Store,
    spare: SessionId,
    like: &EncodedChunk,
    to: &Encoding,
) -> EncodedChunk {
    recode(store, spare, to).await;
    let chunks = stored(store, spare).await;
    let extent = peek(&like.header).unwrap().extent();
    chunks.into_iter().find(|chunk| peek(&chunk.header).unwrap().extent() == extent).unwrap()
}

pub async fn a_recoding_that_changes_nothing_tells_nothing_new(store: Store) {
    let id = finished(&store).await;
    recode(&store, id, &bounded(0.01)).await;
    let chunks = stored(&store, id).await;
    for bound in [0.01, 0.001] {
        let recoded = recode(&store, id, &bounded(bound)).await;
        assert_eq!((&recoded.session.encoding, recoded.frames), (&bounded(0.01), 0));
        assert_eq!(stored(&store, id).await, chunks, "nothing is lost for nothing");
    }
}

pub async fn what_json_does_not_hold_stays_as_columns(store: Store) {
    let (id, term) = start(&store).await;
    let mut chunk = Chunk::new(0, skeleton().layout());
    chunk.push(time_of(0), &PoseData::one_person(vec![f32::INFINITY; 6])).unwrap();
    let batch = Batch { chunk: Some(chunk.clone()), skeleton: Some(skeleton()), ..Batch::default() };
    store.append(id, term, &batch).await.unwrap();
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    for _ in 0..2 {
        let recoded = recode(&store, id, &Encoding::Json).await;
        assert_eq!((&recoded.session.encoding, recoded.left_frames), (&Encoding::Json, 1));
        assert_eq!(store.covering_chunk(id, ChunkQuery::Frame(0)).await.unwrap().chunk, chunk);
    }
}

pub async fn a_session_without_frames_is_recoded(store: Store) {
    let (id, term) = start(&store).await;
    store.finish(id, term, SessionStatus::Interrupted).await.unwrap();
    for to in [Encoding::Json, bounded(0.5), Encoding::Columnar] {
        let recoded = recode(&store, id, &to).await;
        assert_eq!((recoded.session.encoding.name(), recoded.frames), (to.name(), 0));
    }
}

pub async fn a_live_session_is_not_recoded(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, FRAMES, 8).await;
    let refused = recode_session(store.as_ref(), writer.0, &Encoding::Json, &mut |_progress| {}).await;
    assert!(matches!(refused, Err(RecodeError::StillRecording { .. })), "{refused:?}");
    let refused = store.begin_recode(writer.0, &Encoding::Json).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_eq!(store.read_session(writer.0).await.unwrap().encoding, Encoding::Columnar);
}

pub async fn a_recoding_that_is_none_is_refused(store: Store) {
    let id = finished(&store).await;
    let unknown = Encoding::Bounded { max_error: MaxError::new([("z", 0.5)]).unwrap() };
    let nothing = Encoding::Bounded { max_error: MaxError::default() };
    for to in [unknown, nothing, bounded(0.5).recoded(Lossless::Json)] {
        let refused = store.begin_recode(id, &to).await;
        assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
        let refused = recode_session(store.as_ref(), id, &to, &mut |_progress| {}).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(store.read_session(id).await.unwrap().encoding, Encoding::Columnar);
    assert_frames(&store, id, FRAMES).await;
    let missing = NewSession::named("Missing").id;
    let refused = store.begin_recode(missing, &Encoding::Json).await;
    assert!(matches!(refused, Err(StoreError::SessionNotFound { .. })), "{refused:?}");
    let refused = store.end_recode(missing).await;
    assert!(matches!(refused, Err(StoreError::SessionNotFound { .. })), "{refused:?}");
}

pub async fn a_chunk_is_replaced_only_where_it_is_as_given(store: Store) {
    let id = finished(&store).await;
    let whole = stored(&store, id).await;
    let raw =
        encode(&store.covering_chunk(id, ChunkQuery::Frame(0)).await.unwrap().chunk, Codec::Raw).unwrap();
    let mut damaged = raw.clone();
    damaged.payload[0] ^= 1;
    let other = encode(&chunk(1, 9), Codec::Raw).unwrap();
    for unfit in [&damaged, &other] {
        let refused = store.replace_chunk(id, &whole[0], unfit).await;
        assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    }
    let mut moved = Chunk::new(0, skeleton().layout());
    for frame in store.covering_chunk(id, ChunkQuery::Frame(0)).await.unwrap().chunk.frames() {
        moved.push(frame.timestamp, &PoseData::nobody()).unwrap();
    }
    let moved = encode(&moved, Codec::Raw).unwrap();
    assert!(!store.replace_chunk(id, &moved, &raw).await.unwrap(), "it was another one that stood there");
    assert_eq!(stored(&store, id).await, whole);
    assert!(store.replace_chunk(id, &whole[0], &raw).await.unwrap());
    assert_eq!(stored(&store, id).await[0], raw);
    assert_frames(&store, id, FRAMES).await;
}

pub async fn readers_see_the_same_frames_during_recoding(store: Store) {
    let id = finished(&store).await;
    let (done, mut is_done) = tokio::sync::watch::channel(false);
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            while !*is_done.borrow_and_update() {
                let read = frames(&store, id).await;
                assert_eq!(read.len() as u64, FRAMES);
                assert_prefix(&read);
                tokio::task::yield_now().await;
            }
        }
    });
    for to in [Encoding::Json, Encoding::Columnar, Encoding::Json, Encoding::Columnar] {
        recode(&store, id, &to).await;
        tokio::task::yield_now().await;
    }
    done.send(true).unwrap();
    reader.await.unwrap();
}
