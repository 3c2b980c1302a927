//! Compaction: fewer chunks, the same frames.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use posesession_core::{Batch, Chunk, Layout, PoseData, SessionStatus};

use super::recording::{
    Store, append, assert_frames, batch, frames, pose_of, record, skeleton, start, time_of,
};
use crate::query::Compacted;
use crate::store::COMPACT_FRAMES;

async fn chunk_count(store: &Store, id: posesession_core::SessionId) -> usize {
    store.chunk_index(id).await.unwrap().extents().len()
}

pub async fn compaction_waits_for_enough_frames(store: Store) {
    let writer = start(&store).await;
    assert_eq!(store.compact(writer.0, false).await.unwrap(), Compacted::default());
    assert_eq!(store.compact(writer.0, true).await.unwrap(), Compacted::default());
    record(&store, writer, 0, COMPACT_FRAMES - 1, 8).await;
    let before = chunk_count(&store, writer.0).await;
    assert_eq!(store.compact(writer.0, false).await.unwrap(), Compacted::default());
    assert_eq!(chunk_count(&store, writer.0).await, before);
    record(&store, writer, COMPACT_FRAMES - 1, COMPACT_FRAMES, 8).await;
    let compacted = store.compact(writer.0, false).await.unwrap();
    assert!(compacted.chunks_after < compacted.chunks_before, "{compacted:?}");
    assert_frames(&store, writer.0, COMPACT_FRAMES).await;
}

pub async fn compaction_joins_short_chunks_and_changes_no_frame(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 3 * COMPACT_FRAMES + 40, 8).await;
    let before = chunk_count(&store, writer.0).await as u64;
    let compacted = store.compact(writer.0, false).await.unwrap();
    let after = chunk_count(&store, writer.0).await as u64;
    assert_eq!(before - after, compacted.chunks_before - compacted.chunks_after);
    assert!(after <= 3 + 5, "{after} chunks are left");
    assert_frames(&store, writer.0, 3 * COMPACT_FRAMES + 40).await;
}

pub async fn compaction_of_the_remainder_leaves_nothing_to_do(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, COMPACT_FRAMES + 40, 8).await;
    store.compact(writer.0, true).await.unwrap();
    assert!(chunk_count(&store, writer.0).await <= 2);
    assert_eq!(store.compact(writer.0, true).await.unwrap(), Compacted::default());
    assert_frames(&store, writer.0, COMPACT_FRAMES + 40).await;
}

pub async fn recording_goes_on_after_compaction(store: Store) {
    let writer = start(&store).await;
    let mut next = 0;
    for (frames, remainder) in [(300, false), (7, true), (260, false), (1, false), (500, true)] {
        record(&store, writer, next, next + frames, 8).await;
        next += frames;
        store.compact(writer.0, remainder).await.unwrap();
        assert_frames(&store, writer.0, next).await;
        let appended = append(&store, writer, next, next + 1).await.unwrap();
        next += 1;
        let session = store.read_session(writer.0).await.unwrap();
        assert_eq!((appended.frame_count, appended.stored_bytes), (next, session.stored_bytes));
    }
    assert_frames(&store, writer.0, next).await;
}

pub async fn frames_compacted_since_count_as_stored(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, COMPACT_FRAMES + 16, 8).await;
    store.compact(writer.0, false).await.unwrap();
    for (first, end) in [(0, 8), (3, 20), (COMPACT_FRAMES - 8, COMPACT_FRAMES + 8)] {
        let again = append(&store, writer, first, end).await.unwrap();
        assert!(again.already_stored && again.frame_count == COMPACT_FRAMES + 16, "{again:?}");
    }
    // Without comparing: what was compacted would have to be decoded for it.
    let mut other = Chunk::new(8, skeleton().layout());
    other.push(time_of(8).plus_micros(1), &PoseData::nobody()).unwrap();
    let other = Batch { chunk: Some(other), ..Batch::default() };
    assert!(store.append(writer.0, writer.1, &other).await.unwrap().already_stored);
    assert_frames(&store, writer.0, COMPACT_FRAMES + 16).await;
}

pub async fn frames_from_before_the_skeleton_are_compacted(store: Store) {
    let (id, term) = start(&store).await;
    for n in 0..3 {
        let mut nobody = Chunk::new(n, Layout::default());
        nobody.push(time_of(n), &PoseData::nobody()).unwrap();
        let nobody = Batch { chunk: Some(nobody), ..Batch::default() };
        store.append(id, term, &nobody).await.unwrap();
    }
    store.append(id, term, &Batch { skeleton: Some(skeleton()), ..batch(3, 40) }).await.unwrap();
    store.compact(id, true).await.unwrap();
    let read = frames(&store, id).await;
    assert_eq!(read.len(), 40);
    for frame in read {
        let n = frame.frame_number;
        let expected = if n < 3 { PoseData::nobody() } else { pose_of(n) };
        assert_eq!((frame.timestamp, frame.pose_data), (time_of(n), expected));
    }
}

pub async fn a_finished_session_is_compacted(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, COMPACT_FRAMES + 40, 8).await;
    let finished = store.finish(writer.0, writer.1, SessionStatus::Completed).await.unwrap();
    assert_eq!(store.read_session(writer.0).await.unwrap(), finished);
    assert!(chunk_count(&store, writer.0).await <= 2);
    assert_frames(&store, writer.0, COMPACT_FRAMES + 40).await;
    assert_eq!(store.progress(writer.0).await.unwrap().settled_through, Some(999 + COMPACT_FRAMES + 40));
}
