//! How sessions are encoded at rest: declared, kept, and as exact as declared.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use posesession_core::{Batch, Chunk, Encoding, Layout, Lossless, MaxError, PoseData, SessionId};

use super::recording::{Store, append, assert_frames, batch, frames, pose_of, record, skeleton, time_of};
use crate::error::StoreError;
use crate::query::{NewSession, SessionQuery, Term};
use crate::store::COMPACT_FRAMES;

const BOUND: f64 = 0.01;

fn max_error(names: &[&str]) -> MaxError {
    MaxError::new(names.iter().map(|&name| (name, BOUND))).unwrap()
}

fn bounded(names: &[&str]) -> Encoding {
    Encoding::Bounded { max_error: max_error(names) }
}

/// Creates a session that has this encoding and no skeleton yet, and becomes its writer.
async fn start(store: &Store, encoding: Encoding) -> (SessionId, Term) {
    let new = NewSession { encoding, ..NewSession::named("Encoded") };
    let id = store.create_session(new).await.unwrap().id;
    (id, store.begin_term(id).await.unwrap())
}

pub async fn an_encoding_is_kept_and_listed(store: Store) {
    assert_eq!(NewSession::named("Usual").encoding, Encoding::Columnar);
    for encoding in [
        Encoding::Columnar,
        Encoding::Json,
        bounded(&["x", "pose.y"]),
        Encoding::Recoded { into: Lossless::Columnar, max_error: max_error(&["x"]) },
        Encoding::Recoded { into: Lossless::Json, max_error: max_error(&["confidence"]) },
    ] {
        for skeleton in [None, Some(skeleton())] {
            let new = NewSession { skeleton, encoding: encoding.clone(), ..NewSession::named("Encoded") };
            let created = store.create_session(new).await.unwrap();
            assert_eq!(created.encoding, encoding);
            assert_eq!(store.read_session(created.id).await.unwrap(), created);
            let listed = store.list_sessions(&SessionQuery::default()).await.unwrap().sessions;
            assert!(listed.contains(&created), "{listed:?}");
        }
    }
}

pub async fn bounds_that_are_of_no_channel_are_refused(store: Store) {
    let cases = [(vec!["q"], None), (vec!["x", "z"], Some(skeleton())), (vec!["hand.x"], Some(skeleton()))];
    for (names, skeleton) in cases {
        let new = NewSession { skeleton, encoding: bounded(&names), ..NewSession::named("Bad") };
        let refused = store.create_session(new).await;
        let name = names.last().unwrap();
        assert!(
            matches!(&refused, Err(StoreError::BadArgument { what }) if what.contains(&format!("`{name}`"))),
            "{refused:?}"
        );
    }
    let none = NewSession { encoding: bounded(&[]), ..NewSession::named("Bad") };
    let refused = store.create_session(none).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_eq!(store.list_sessions(&SessionQuery::default()).await.unwrap().sessions, []);
}

pub async fn a_skeleton_without_a_bounded_channel_is_refused(store: Store) {
    let writer = start(&store, bounded(&["x", "z"])).await;
    let refused = append(&store, writer, 0, 8).await;
    assert!(matches!(&refused, Err(StoreError::BadArgument { what }) if what.contains("`z`")), "{refused:?}");
    assert_frames(&store, writer.0, 0).await;
    assert_eq!(store.read_session(writer.0).await.unwrap().skeleton, None);
}

pub async fn compaction_stays_within_the_bounds(store: Store) {
    let writer = start(&store, bounded(&["x", "confidence"])).await;
    let count = COMPACT_FRAMES + 40;
    record(&store, writer, 0, count, 8).await;
    store.compact(writer.0, true).await.unwrap();
    let read = frames(&store, writer.0).await;
    assert_eq!(read.len() as u64, count);
    for frame in read {
        let sent = pose_of(frame.frame_number);
        assert_eq!(frame.timestamp, time_of(frame.frame_number));
        assert_eq!(frame.pose_data.track_ids, sent.track_ids);
        assert_eq!(frame.pose_data.values.len(), sent.values.len());
        for (place, (read, sent)) in frame.pose_data.values.iter().zip(&sent.values).enumerate() {
            let is_exact = read.to_bits() == sent.to_bits();
            let is_near = (f64::from(*read) - f64::from(*sent)).abs() <= BOUND;
            // The second channel of three has no bound, and a missing value is missing whatever the bound.
            assert!(is_exact || is_near && place % 3 != 1, "{read} where {sent} was sent");
        }
    }
}

/// Records frames from before the skeleton was known, then others.
async fn record_after_nobody(store: &Store, (id, term): (SessionId, Term), end: u64) {
    for n in 0..3 {
        let mut nobody = Chunk::new(n, Layout::default());
        nobody.push(time_of(n), &PoseData::nobody()).unwrap();
        let nobody = Batch { chunk: Some(nobody), ..Batch::default() };
        store.append(id, term, &nobody).await.unwrap();
    }
    store.append(id, term, &Batch { skeleton: Some(skeleton()), ..batch(3, end) }).await.unwrap();
}

pub async fn a_session_of_json_is_read_back_bit_for_bit(store: Store) {
    let writer = start(&store, Encoding::Json).await;
    record(&store, writer, 0, 3 * COMPACT_FRAMES + 40, 8).await;
    store.compact(writer.0, false).await.unwrap();
    assert_frames(&store, writer.0, 3 * COMPACT_FRAMES + 40).await;
    store.compact(writer.0, true).await.unwrap();
    assert_frames(&store, writer.0, 3 * COMPACT_FRAMES + 40).await;
    let late = start(&store, Encoding::Json).await;
    record_after_nobody(&store, late, 40).await;
    store.compact(late.0, true).await.unwrap();
    let read = frames(&store, late.0).await;
    let expected = |n: u64| if n < 3 { PoseData::nobody() } else { pose_of(n) };
    assert_eq!(read.len(), 40);
    assert!(read.iter().all(|frame| frame.pose_data == expected(frame.frame_number)));
}

pub async fn what_json_does_not_hold_is_kept_all_the_same(store: Store) {
    let (id, term) = start(&store, Encoding::Json).await;
    let mut chunk = Chunk::new(0, skeleton().layout());
    let odd = [f32::from_bits(0x7fc0_1234), f32::INFINITY, 0.5, -0.0, f32::NAN, 1e-40];
    chunk.push(time_of(0), &PoseData::one_person(odd.to_vec())).unwrap();
    let batch = Batch { chunk: Some(chunk.clone()), skeleton: Some(skeleton()), ..Batch::default() };
    store.append(id, term, &batch).await.unwrap();
    store.compact(id, true).await.unwrap();
    let stored = store.covering_chunk(id, posesession_core::ChunkQuery::Frame(0)).await.unwrap();
    assert_eq!(stored.chunk, chunk);
}
