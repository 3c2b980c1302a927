//! Encoded chunks: stored and read as they are, so that a copy is exact.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use posesession_core::{
    Chunk, ChunkQuery, Codec, EncodedChunk, Encoding, MaxError, PoseData, Skeleton, Unit, decode, encode,
    encode_bounded,
};

use super::recording::{Store, append, assert_frames, chunk, pose_of, record, skeleton, start, time_of};
use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::query::{Appended, NewSession, Term};

/// The frames `first..end`, encoded.
fn encoded(first: u64, end: u64, codec: Codec) -> EncodedChunk {
    encode(&chunk(first, end), codec).unwrap()
}

fn run(first: u64, end: u64, codec: Codec) -> EncodedRun {
    EncodedRun::check(encoded(first, end, codec)).unwrap()
}

fn run_of(chunk: &Chunk) -> EncodedRun {
    EncodedRun::check(encode(chunk, Codec::Raw).unwrap()).unwrap()
}

/// Creates a session that has its skeleton, and becomes its writer.
async fn start_with_skeleton(store: &Store) -> (posesession_core::SessionId, Term) {
    let new = NewSession { skeleton: Some(skeleton()), ..NewSession::named("A copy") };
    let id = store.create_session(new).await.unwrap().id;
    (id, store.begin_term(id).await.unwrap())
}

pub async fn an_encoded_chunk_is_read_back_byte_by_byte(store: Store) {
    let (id, term) = start_with_skeleton(&store).await;
    let sizes = [(0, 300, Codec::Columnar), (300, 301, Codec::Columnar), (301, 309, Codec::Raw)];
    let mut bytes = 0;
    for (first, end, codec) in sizes {
        let appended = store.append_encoded(id, term, run(first, end, codec)).await.unwrap();
        assert_eq!((appended.frame_count, appended.already_stored), (end, false));
        assert!(appended.stored_bytes > bytes, "the frames take room");
        bytes = appended.stored_bytes;
    }
    for (first, end, codec) in sizes {
        for frame in [first, (first + end) / 2, end - 1] {
            let read = store.encoded_chunk(id, ChunkQuery::Frame(frame)).await.unwrap();
            assert_eq!(read.chunk, encoded(first, end, codec));
            assert_eq!((read.extent.first_frame, read.extent.end_frame()), (first, end));
        }
    }
    let none = store.encoded_chunk(id, ChunkQuery::Frame(309)).await;
    assert!(matches!(none, Err(StoreError::NoSuchFrame { frame_count: 309, .. })), "{none:?}");
    assert_frames(&store, id, 309).await;
}

pub async fn a_chunk_read_encoded_decodes_to_the_covering_chunk(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 300, 8).await;
    for compacted in [false, true] {
        if compacted {
            store.compact(writer.0, true).await.unwrap();
        }
        for query in [ChunkQuery::Frame(0), ChunkQuery::Frame(299), ChunkQuery::Time(time_of(150))] {
            let encoded = store.encoded_chunk(writer.0, query).await.unwrap();
            let stored = store.covering_chunk(writer.0, query).await.unwrap();
            assert_eq!(encoded.extent, stored.extent);
            assert_eq!(decode(&encoded.chunk.header, &encoded.chunk.payload).unwrap(), stored.chunk);
        }
    }
}

pub async fn encoded_frames_and_others_alternate(store: Store) {
    let (id, term) = start(&store).await;
    append(&store, (id, term), 0, 8).await.unwrap();
    store.append_encoded(id, term, run(8, 40, Codec::Columnar)).await.unwrap();
    append(&store, (id, term), 40, 48).await.unwrap();
    store.append_encoded(id, term, run(48, 49, Codec::Raw)).await.unwrap();
    assert_frames(&store, id, 49).await;
    store.compact(id, true).await.unwrap();
    assert_frames(&store, id, 49).await;
    let read = store.encoded_chunk(id, ChunkQuery::Frame(48)).await.unwrap();
    assert_eq!(read.extent.first_frame, 0, "a compressed chunk behind short ones is compacted with them");
}

pub async fn the_same_encoded_chunk_again_changes_nothing(store: Store) {
    let (id, term) = start_with_skeleton(&store).await;
    store.append_encoded(id, term, run(0, 16, Codec::Raw)).await.unwrap();
    store.append_encoded(id, term, run(16, 32, Codec::Raw)).await.unwrap();
    let before = store.read_session(id).await.unwrap();
    for (first, end, codec) in [(0, 16, Codec::Raw), (0, 32, Codec::Columnar), (20, 24, Codec::Raw)] {
        let appended = store.append_encoded(id, term, run(first, end, codec)).await.unwrap();
        let expected = Appended { frame_count: 32, stored_bytes: before.stored_bytes, already_stored: true };
        assert_eq!(appended, expected, "{first}..{end}");
    }
    assert_eq!(store.read_session(id).await.unwrap(), before);
    assert_frames(&store, id, 32).await;
}

pub async fn an_encoded_chunk_of_other_frames_is_a_conflict(store: Store) {
    let (id, term) = start_with_skeleton(&store).await;
    store.append_encoded(id, term, run(0, 16, Codec::Raw)).await.unwrap();
    let mut other = Chunk::new(0, skeleton().layout());
    for n in 0..16 {
        let pose = if n == 15 { PoseData::nobody() } else { pose_of(n) };
        other.push(time_of(n), &pose).unwrap();
    }
    let other = encode(&other, Codec::Raw).unwrap();
    let refused = store.append_encoded(id, term, EncodedRun::check(other).unwrap()).await;
    assert!(matches!(refused, Err(StoreError::Conflict { first_frame: 0, .. })), "{refused:?}");
    assert_frames(&store, id, 16).await;
}

pub async fn an_encoded_chunk_must_come_next(store: Store) {
    let (id, term) = start_with_skeleton(&store).await;
    store.append_encoded(id, term, run(0, 16, Codec::Columnar)).await.unwrap();
    for (first, end) in [(17, 20), (8, 20)] {
        let refused = store.append_encoded(id, term, run(first, end, Codec::Columnar)).await;
        let told = matches!(refused, Err(StoreError::OutOfOrder { expected: 16, got, .. }) if got == first);
        assert!(told, "{refused:?}");
    }
    let mut late = Chunk::new(16, skeleton().layout());
    late.push(time_of(15), &PoseData::nobody()).unwrap();
    let refused = store.append_encoded(id, term, run_of(&late)).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_frames(&store, id, 16).await;
}

pub async fn an_encoded_chunk_of_an_older_term_is_fenced_off(store: Store) {
    let (id, older) = start_with_skeleton(&store).await;
    let newer = store.begin_term(id).await.unwrap();
    let refused = store.append_encoded(id, older, run(0, 16, Codec::Raw)).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    store.append_encoded(id, newer, run(0, 16, Codec::Raw)).await.unwrap();
    assert_frames(&store, id, 16).await;
}

pub async fn a_run_of_encoded_chunks_is_appended_wholly_or_not_at_all(store: Store) {
    let (id, term) = start_with_skeleton(&store).await;
    let run_to = |end: u64| {
        let mut run = run(0, 16, Codec::Columnar);
        run.join(self::run(16, 20, Codec::Raw)).unwrap();
        run.join(self::run(20, end, Codec::Columnar)).unwrap();
        run
    };
    let appended = store.append_encoded(id, term, run_to(50)).await.unwrap();
    assert_eq!((appended.frame_count, appended.already_stored), (50, false));
    assert_eq!(appended.stored_bytes, store.read_session(id).await.unwrap().stored_bytes);
    assert!(store.append_encoded(id, term, run_to(50)).await.unwrap().already_stored);
    let refused = store.append_encoded(id, term, run_to(60)).await;
    assert!(matches!(refused, Err(StoreError::OutOfOrder { expected: 50, got: 0, .. })), "{refused:?}");
    assert_frames(&store, id, 50).await;
    let read = store.encoded_chunk(id, ChunkQuery::Frame(18)).await.unwrap();
    assert_eq!(read.chunk, encoded(16, 20, Codec::Raw));
    store.compact(id, true).await.unwrap();
    let first = store.encoded_chunk(id, ChunkQuery::Frame(0)).await.unwrap();
    assert_eq!(first.chunk, encoded(0, 16, Codec::Columnar), "what was compressed stays as it is");
    assert_frames(&store, id, 50).await;
}

pub async fn an_encoded_chunk_that_does_not_fit_the_skeleton_is_refused(store: Store) {
    let (id, term) = start_with_skeleton(&store).await;
    let other = Skeleton::custom(3, &[("x", Unit::Image)]).unwrap();
    let mut chunk = Chunk::new(0, other.layout());
    chunk.push(time_of(0), &PoseData::one_person(vec![0.5; 3])).unwrap();
    let refused = store.append_encoded(id, term, run_of(&chunk)).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_frames(&store, id, 0).await;
}

pub async fn a_compressed_chunk_counts_as_compacted(store: Store) {
    let (id, term) = start_with_skeleton(&store).await;
    let chunks = [encoded(0, 16, Codec::Columnar), encoded(16, 32, Codec::Columnar)];
    for chunk in &chunks {
        store.append_encoded(id, term, EncodedRun::check(chunk.clone()).unwrap()).await.unwrap();
    }
    store.finish(id, term, posesession_core::SessionStatus::Completed).await.unwrap();
    for (chunk, frame) in chunks.iter().zip([0, 16]) {
        assert_eq!(store.encoded_chunk(id, ChunkQuery::Frame(frame)).await.unwrap().chunk, *chunk);
    }
}

pub async fn encoded_chunks_cover_a_range_in_order(store: Store) {
    let (id, term) = start_with_skeleton(&store).await;
    let chunks = [encoded(0, 16, Codec::Columnar), encoded(16, 32, Codec::Raw), encoded(32, 40, Codec::Raw)];
    for chunk in &chunks {
        store.append_encoded(id, term, EncodedRun::check(chunk.clone()).unwrap()).await.unwrap();
    }
    let ranges = [(0, 40, 0, 3), (0, u64::MAX, 0, 3), (15, 17, 0, 2), (16, 32, 1, 2), (39, 41, 2, 3)];
    let nothing = [(40, 50, 0, 0), (7, 7, 0, 0), (9, 3, 0, 0), (u64::MAX, u64::MAX, 0, 0)];
    for (first, end, from, to) in ranges.into_iter().chain(nothing) {
        let read = store.encoded_chunks(id, first..end).await.unwrap();
        let read: Vec<_> = read.into_iter().map(|stored| stored.chunk).collect();
        assert_eq!(read, chunks[from..to], "{first}..{end}");
    }
    let empty = start(&store).await.0;
    assert_eq!(store.encoded_chunks(empty, 0..10).await.unwrap(), []);
}

pub async fn an_encoded_chunk_further_off_than_its_session_tells_is_refused(store: Store) {
    let max_error = |bound| MaxError::new([("x", bound)]).unwrap();
    let bounded = |bound| {
        let bounds = max_error(bound).bounds(&skeleton()).unwrap();
        EncodedRun::check(encode_bounded(&chunk(0, 16), &bounds).unwrap()).unwrap()
    };
    for (told, is_taken) in [(None, false), (Some(0.01), false), (Some(0.25), true), (Some(0.5), true)] {
        let encoding =
            told.map_or(Encoding::Columnar, |bound| Encoding::Bounded { max_error: max_error(bound) });
        let new = NewSession { skeleton: Some(skeleton()), encoding, ..NewSession::named("A copy") };
        let id = store.create_session(new).await.unwrap().id;
        let term = store.begin_term(id).await.unwrap();
        let appended = store.append_encoded(id, term, bounded(0.25)).await;
        match appended {
            Ok(_) => assert!(is_taken, "{told:?}"),
            Err(StoreError::BadArgument { .. }) => assert!(!is_taken, "{told:?}"),
            Err(error) => panic!("{error}"),
        }
    }
}

pub async fn a_bounded_chunk_is_not_rounded_again(store: Store) {
    let max_error = MaxError::new([("x", 0.1)]).unwrap();
    let encoding = Encoding::Bounded { max_error: max_error.clone() };
    let new = NewSession { skeleton: Some(skeleton()), encoding, ..NewSession::named("A copy") };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    append(&store, (id, term), 0, 8).await.unwrap();
    let bounds = max_error.bounds(&skeleton()).unwrap();
    let rounded = encode_bounded(&chunk(8, 40), &bounds).unwrap();
    store.append_encoded(id, term, EncodedRun::check(rounded.clone()).unwrap()).await.unwrap();
    append(&store, (id, term), 40, 48).await.unwrap();
    store.compact(id, true).await.unwrap();
    let read = store.covering_chunk(id, ChunkQuery::Frame(8)).await.unwrap();
    let once = decode(&rounded.header, &rounded.payload).unwrap();
    for frame in 8..40 {
        assert_eq!(read.chunk.frame(frame), once.frame(frame), "{frame}");
    }
}
