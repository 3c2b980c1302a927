//! Appending and reading: in order, all or nothing, idempotent, bit for bit.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use posesession_core::{
    Batch, Chunk, ChunkExtent, ChunkQuery, Marker, MarkerKind, PoseData, Skeleton, Timestamp,
};

use super::recording::{
    FRAME_MICROS, Store, append, assert_frames, batch, chunk, frames, pose_of, record, skeleton, start,
    time_of,
};
use crate::error::StoreError;
use crate::query::{Appended, NewSession};

fn marker(micros: i64, label: &str) -> Marker {
    let timestamp = Timestamp::from_micros(micros);
    let label = label.to_owned();
    Marker { kind: MarkerKind::User, timestamp, label, duration: None, count: None, cause: None }
}

pub async fn appended_frames_are_read_back_bit_for_bit(store: Store) {
    let writer = start(&store).await;
    let mut next = 0;
    for size in [1, 8, 3, 100, 1, 7] {
        append(&store, writer, next, next + size).await.unwrap();
        next += size;
        assert_frames(&store, writer.0, next).await;
    }
}

pub async fn frame_count_duration_and_bytes_follow_the_appends(store: Store) {
    let writer = start(&store).await;
    let mut bytes = 0;
    for next in [0, 8, 16] {
        let appended = append(&store, writer, next, next + 8).await.unwrap();
        assert_eq!((appended.frame_count, appended.already_stored), (next + 8, false));
        assert!(appended.stored_bytes > bytes, "the frames take room");
        bytes = appended.stored_bytes;
        let session = store.read_session(writer.0).await.unwrap();
        assert_eq!((session.frame_count, session.stored_bytes), (next + 8, bytes));
        assert_eq!(session.duration, time_of(next + 7));
    }
}

pub async fn frames_that_leave_a_hole_are_refused(store: Store) {
    let writer = start(&store).await;
    let early = append(&store, writer, 1, 9).await;
    assert!(matches!(early, Err(StoreError::OutOfOrder { expected: 0, got: 1, .. })), "{early:?}");
    record(&store, writer, 0, 8, 8).await;
    for first in [9, 1_000_000, NewSession::MAX_FRAMES] {
        let mut hole = Chunk::new(first, skeleton().layout());
        hole.push(time_of(9), &pose_of(9)).unwrap();
        let hole = Batch { chunk: Some(hole), ..Batch::default() };
        let refused = store.append(writer.0, writer.1, &hole).await;
        assert!(matches!(refused, Err(StoreError::OutOfOrder { expected: 8, got, .. }) if got == first));
    }
    assert_frames(&store, writer.0, 8).await;
}

pub async fn partly_stored_frames_are_refused(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 16, 8).await;
    let partly = append(&store, writer, 12, 20).await;
    assert!(matches!(partly, Err(StoreError::OutOfOrder { expected: 16, got: 12, .. })), "{partly:?}");
    assert_frames(&store, writer.0, 16).await;
    append(&store, writer, 16, 20).await.unwrap();
    assert_frames(&store, writer.0, 20).await;
}

pub async fn the_same_frames_again_change_nothing(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 24, 8).await;
    let before = store.read_session(writer.0).await.unwrap();
    for first in [0, 16, 8, 8] {
        let again = Batch {
            markers: vec![marker(5, "not to be seen")],
            settled_through: Some(7),
            ..batch(first, first + 8)
        };
        let appended = store.append(writer.0, writer.1, &again).await.unwrap();
        let expected = Appended { frame_count: 24, stored_bytes: before.stored_bytes, already_stored: true };
        assert_eq!(appended, expected);
    }
    assert_eq!(store.read_session(writer.0).await.unwrap(), before);
    assert_eq!(store.markers(writer.0).await.unwrap(), []);
    assert_eq!(store.progress(writer.0).await.unwrap().settled_through, Some(1023));
    assert_frames(&store, writer.0, 24).await;
}

pub async fn the_same_frames_cut_otherwise_change_nothing(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 24, 8).await;
    for (first, end) in [(0, 24), (4, 12), (7, 9), (23, 24), (9, 10)] {
        let appended = append(&store, writer, first, end).await.unwrap();
        assert!(appended.already_stored, "{first}..{end}");
    }
    assert_frames(&store, writer.0, 24).await;
}

pub async fn other_frames_of_the_same_numbers_are_a_conflict(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 24, 8).await;
    // One bit of one value, one track id, one timestamp, one image, one person less.
    let changes: [fn(&mut posesession_core::Frame); 5] = [
        |frame| frame.pose_data.values[2] = f32::from_bits(frame.pose_data.values[2].to_bits() ^ 1),
        |frame| frame.pose_data.track_ids[0] += 50,
        |frame| frame.timestamp = frame.timestamp.plus_micros(1),
        |frame| frame.image = None,
        |frame| frame.pose_data = PoseData::nobody(),
    ];
    // Frame 16 has one person and an image.
    for (first, end) in [(16, 24), (8, 24), (10, 19)] {
        for (number, change) in changes.iter().enumerate() {
            let mut other = Chunk::new(first, skeleton().layout());
            for mut frame in chunk(first, end).frames() {
                if frame.frame_number == 16 {
                    change(&mut frame);
                }
                other.push(frame.timestamp, &frame.pose_data).unwrap();
                if let Some(image) = frame.image {
                    other.set_last_image(image);
                }
            }
            let other = Batch { chunk: Some(other), ..Batch::default() };
            let refused = store.append(writer.0, writer.1, &other).await;
            let as_told =
                matches!(refused, Err(StoreError::Conflict { first_frame, .. }) if first_frame == first);
            assert!(as_told, "change {number} of {first}..{end}: {refused:?}");
        }
    }
    assert_frames(&store, writer.0, 24).await;
}

pub async fn timestamps_that_do_not_increase_are_refused(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 8, 8).await;
    for timestamp in [time_of(7), time_of(3), Timestamp::MIN] {
        let mut late = Chunk::new(8, skeleton().layout());
        late.push(timestamp, &pose_of(8)).unwrap();
        let late = Batch { chunk: Some(late), ..Batch::default() };
        let refused = store.append(writer.0, writer.1, &late).await;
        assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    }
    assert_frames(&store, writer.0, 8).await;
}

pub async fn a_batch_without_frames_adds_its_other_parts(store: Store) {
    let (id, term) = start(&store).await;
    let empty = Chunk::new(0, skeleton().layout());
    for (chunk, label) in [(None, "one"), (Some(empty), "two")] {
        let batch = Batch {
            chunk,
            markers: vec![marker(0, label)],
            skeleton: Some(skeleton()),
            settled_through: Some(41),
            ..Batch::default()
        };
        let appended = store.append(id, term, &batch).await.unwrap();
        assert_eq!(appended, Appended { frame_count: 0, stored_bytes: 0, already_stored: false });
    }
    assert_eq!(store.markers(id).await.unwrap(), [marker(0, "one"), marker(0, "two")]);
    assert_eq!(store.progress(id).await.unwrap().settled_through, Some(41));
    assert_eq!(store.read_session(id).await.unwrap().skeleton, Some(skeleton()));
    store.append(id, term, &Batch::default()).await.unwrap();
    assert_eq!(store.progress(id).await.unwrap().settled_through, Some(41));
    record(&store, (id, term), 0, 8, 8).await;
    assert_frames(&store, id, 8).await;
}

pub async fn a_refused_batch_leaves_nothing_behind(store: Store) {
    let (id, term) = start(&store).await;
    let refused = Batch {
        markers: vec![marker(1, "left behind")],
        skeleton: Some(skeleton()),
        settled_through: Some(5),
        ..batch(3, 5)
    };
    store.append(id, term, &refused).await.unwrap_err();
    let session = store.read_session(id).await.unwrap();
    assert_eq!((session.frame_count, session.stored_bytes, session.skeleton), (0, 0, None));
    assert_eq!(store.markers(id).await.unwrap(), []);
    assert_eq!(store.progress(id).await.unwrap().settled_through, None);
    assert_eq!(frames(&store, id).await, []);
}

pub async fn equal_markers_are_stored_once(store: Store) {
    let (id, term) = start(&store).await;
    let gap = Marker {
        kind: MarkerKind::Gap,
        timestamp: Timestamp::from_micros(9),
        label: String::new(),
        duration: Some(Timestamp::from_micros(4)),
        count: Some(3),
        cause: Some("missing".to_owned()),
    };
    let twins = vec![gap.clone(), gap.clone(), Marker { count: Some(4), ..gap.clone() }];
    for _ in 0..2 {
        let batch = Batch { markers: twins.clone(), ..Batch::default() };
        store.append(id, term, &batch).await.unwrap();
    }
    assert_eq!(store.markers(id).await.unwrap(), twins[1..]);
}

pub async fn markers_are_sorted_by_time(store: Store) {
    let (id, term) = start(&store).await;
    let first = vec![marker(9, "d"), marker(-3, "<img src=x onerror=alert(1)>"), marker(5, "b")];
    let second = vec![marker(5, "c"), marker(5, "'; DROP TABLE marker; --"), marker(i64::MAX, "z \u{1F9D7}")];
    for markers in [&first, &second] {
        let batch = Batch { markers: markers.clone(), ..Batch::default() };
        store.append(id, term, &batch).await.unwrap();
    }
    let mut expected = [first, second].concat();
    expected.sort_by_key(|marker| marker.timestamp);
    assert_eq!(store.markers(id).await.unwrap(), expected);
}

pub async fn settled_through_is_that_of_the_last_append_that_had_one(store: Store) {
    let (id, term) = start(&store).await;
    assert_eq!(store.progress(id).await.unwrap().settled_through, None);
    // The numbers are the publisher's own: another publisher may start low again.
    for (sent, expected) in [(Some(5), 5), (None, 5), (Some(u64::MAX), u64::MAX), (Some(0), 0), (None, 0)] {
        let batch = Batch { settled_through: sent, ..Batch::default() };
        store.append(id, term, &batch).await.unwrap();
        assert_eq!(store.progress(id).await.unwrap().settled_through, Some(expected));
    }
}

pub async fn the_skeleton_comes_with_the_first_batch_that_has_one(store: Store) {
    let (id, term) = start(&store).await;
    assert_eq!(store.read_session(id).await.unwrap().skeleton, None);
    let mut nobody = Chunk::new(0, posesession_core::Layout::default());
    nobody.push(time_of(0), &PoseData::nobody()).unwrap();
    let nobody = Batch { chunk: Some(nobody), ..Batch::default() };
    store.append(id, term, &nobody).await.unwrap();
    let persons = store.append(id, term, &batch(1, 8)).await;
    assert!(matches!(persons, Err(StoreError::BadArgument { .. })), "there is no skeleton yet: {persons:?}");
    let declared = Batch { skeleton: Some(skeleton()), ..batch(1, 8) };
    store.append(id, term, &declared).await.unwrap();
    assert_eq!(store.read_session(id).await.unwrap().skeleton, Some(skeleton()));
    assert_eq!(frames(&store, id).await.len(), 8);
}

pub async fn another_skeleton_is_refused(store: Store) {
    let (id, term) = start(&store).await;
    record(&store, (id, term), 0, 8, 8).await;
    let other = Skeleton { name: "another".to_owned(), ..skeleton() };
    let refused = store.append(id, term, &Batch { skeleton: Some(other), ..batch(8, 16) }).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    let invalid = Skeleton { name: "none".to_owned(), components: Vec::new() };
    let refused = store.append(id, term, &Batch { skeleton: Some(invalid), ..batch(8, 16) }).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_frames(&store, id, 8).await;
    store.append(id, term, &Batch { skeleton: Some(skeleton()), ..batch(8, 16) }).await.unwrap();
    assert_frames(&store, id, 16).await;
}

pub async fn frames_that_do_not_fit_the_skeleton_are_refused(store: Store) {
    let (id, term) = start(&store).await;
    record(&store, (id, term), 0, 8, 8).await;
    let layout = Skeleton::custom(3, &[("x", posesession_core::Unit::Image)]).unwrap().layout();
    let mut other = Chunk::new(8, layout.clone());
    other.push(time_of(8), &PoseData::one_person(vec![0.5; 3])).unwrap();
    let refused = store.append(id, term, &Batch { chunk: Some(other), ..Batch::default() }).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    let mut nobody = Chunk::new(8, layout);
    nobody.push(time_of(8), &PoseData::nobody()).unwrap();
    store.append(id, term, &Batch { chunk: Some(nobody), ..Batch::default() }).await.unwrap();
    assert_eq!(frames(&store, id).await.len(), 9);
}

pub async fn the_covering_chunk_is_found_by_frame(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 20, 8).await;
    for frame in 0..20 {
        let stored = store.covering_chunk(writer.0, ChunkQuery::Frame(frame)).await.unwrap();
        assert_eq!(ChunkExtent::of(&stored.chunk), Some(stored.extent));
        assert!((stored.extent.first_frame..stored.extent.end_frame()).contains(&frame));
        assert_eq!(stored.chunk.frame(frame), chunk(frame, frame + 1).frame(frame));
    }
    for beyond in [20, 21, u64::MAX] {
        let refused = store.covering_chunk(writer.0, ChunkQuery::Frame(beyond)).await;
        assert!(matches!(refused, Err(StoreError::NoSuchFrame { frame_count: 20, .. })), "{refused:?}");
    }
}

pub async fn the_covering_chunk_is_found_by_time(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 20, 8).await;
    let at = |frame: u64, micros: i64| time_of(frame).plus_micros(micros);
    for (timestamp, frame) in [
        (Timestamp::MIN, 0),
        (at(0, -1), 0),
        (at(0, 0), 0),
        (at(7, 0), 7),
        (at(7, 1), 7),
        (at(8, -1), 7),
        (at(8, 0), 8),
        (at(15, FRAME_MICROS - 1), 15),
        (at(16, 0), 16),
        (at(19, 0), 19),
        (at(19, 1), 19),
        (Timestamp::MAX, 19),
    ] {
        let stored = store.covering_chunk(writer.0, ChunkQuery::Time(timestamp)).await.unwrap();
        let extent = stored.extent;
        assert!((extent.first_frame..extent.end_frame()).contains(&frame), "{timestamp}: {extent:?}");
        assert_eq!(stored.chunk.frame_at(timestamp).unwrap_or(0), frame);
    }
}

pub async fn a_session_without_frames_has_no_chunk(store: Store) {
    let (id, _) = start(&store).await;
    for query in [ChunkQuery::Frame(0), ChunkQuery::Time(Timestamp::ZERO)] {
        let refused = store.covering_chunk(id, query).await;
        assert!(matches!(refused, Err(StoreError::NoSuchFrame { frame_count: 0, .. })), "{refused:?}");
    }
    assert_eq!(store.chunk_index(id).await.unwrap().extents(), []);
}

pub async fn the_index_covers_every_frame_in_order(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 20, 8).await;
    let index = store.chunk_index(writer.0).await.unwrap();
    assert_eq!((index.frame_count(), index.duration()), (20, time_of(19)));
    for extent in index.extents() {
        let stored = store.covering_chunk(writer.0, ChunkQuery::Frame(extent.first_frame)).await.unwrap();
        assert_eq!(stored.extent, *extent);
    }
}

pub async fn long_chunks_are_kept_as_they_come(store: Store) {
    let writer = start(&store).await;
    append(&store, writer, 0, 5_000).await.unwrap();
    append(&store, writer, 5_000, 5_001).await.unwrap();
    assert_frames(&store, writer.0, 5_001).await;
    store.compact(writer.0, true).await.unwrap();
    assert_frames(&store, writer.0, 5_001).await;
}
