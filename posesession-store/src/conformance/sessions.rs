//! Sessions: created, changed, deleted, restored, erased, finished.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;

use chrono::{SubsecRound, TimeDelta, Utc};
use posesession_core::{
    Batch, ChunkQuery, Encoding, Marker, MarkerKind, QualityReport, SessionId, SessionRecording,
    SessionStatus, Skeleton, Timestamp, UserId,
};
use serde_json::json;

use super::recording::{Store, append, assert_frames, batch, chunk, record, skeleton, start};
use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::media::{RecordedVideo, VideoCut};
use crate::query::{NewSession, SessionChange, SessionQuery, Term};

fn report(late: u64) -> QualityReport {
    QualityReport { stored: 8, late, jitter_ms: 0.25, ..QualityReport::default() }
}

fn unknown() -> SessionId {
    NewSession::named("never created").id
}

/// Checks that no method finds a session.
async fn assert_not_found(store: &Store, id: SessionId) {
    fn check<T: Debug>(method: &str, id: SessionId, result: Result<T, StoreError>) {
        let not_found = matches!(result, Err(StoreError::SessionNotFound { id: got }) if got == id);
        assert!(not_found, "{method}: {result:?}");
    }
    check("read_session", id, store.read_session(id).await);
    check("update_session", id, store.update_session(id, SessionChange::default()).await);
    check("delete_session", id, store.delete_session(id, Utc::now()).await);
    check("begin_term", id, store.begin_term(id).await);
    for term in [Term(0), Term(1), Term(9)] {
        check("append", id, store.append(id, term, &batch(0, 8)).await);
        let run = EncodedRun::encode(&chunk(0, 8), &Encoding::Columnar, None).unwrap();
        check("append_encoded", id, store.append_encoded(id, term, run).await);
        check("set_publisher", id, store.set_publisher(id, term, "camera", None).await);
        check("finish", id, store.finish(id, term, SessionStatus::Completed).await);
    }
    check("progress", id, store.progress(id).await);
    check("compact", id, store.compact(id, true).await);
    check("chunk_index", id, store.chunk_index(id).await);
    check("covering_chunk", id, store.covering_chunk(id, ChunkQuery::Frame(0)).await);
    check("encoded_chunk", id, store.encoded_chunk(id, ChunkQuery::Frame(0)).await);
    check("encoded_chunks", id, store.encoded_chunks(id, 0..8).await);
    check("markers", id, store.markers(id).await);
    check("session_key", id, store.session_key(id).await);
    let page = store.list_sessions(&SessionQuery::default()).await.unwrap();
    assert!(page.sessions.iter().all(|session| session.id != id));
}

pub async fn a_new_session_is_recording_and_empty(store: Store) {
    let session = store.create_session(NewSession::named("New")).await.unwrap();
    assert_eq!(session.status, SessionStatus::Recording);
    assert_eq!((session.frame_count, session.stored_bytes), (0, 0));
    assert_eq!((session.duration, session.video_file_path.as_deref()), (Timestamp::ZERO, None));
    assert_eq!((session.user_id, &session.skeleton), (UserId::LOCAL, &None));
    assert_eq!(store.markers(session.id).await.unwrap(), []);
    assert_eq!(store.progress(session.id).await.unwrap().settled_through, None);
    assert_frames(&store, session.id, 0).await;
}

pub async fn a_session_is_read_back_as_created(store: Store) {
    let metadata = json!({
        "subject": "S01", "weight_kg": 71.25, "tries": [1, -2, 3], "big": u64::MAX, "tiny": 5e-324, "none": null,
        "deep": {"a": {"b": {"c": [true, false, {"": ""}]}}},
    });
    let new = NewSession {
        description: "Three sets\nof five".to_owned(),
        created_at: Utc::now() - TimeDelta::days(400),
        metadata: metadata.as_object().unwrap().clone(),
        skeleton: Some(Skeleton::preset("mediapipe_33").unwrap()),
        ..NewSession::named("Squat")
    };
    let created = store.create_session(new.clone()).await.unwrap();
    assert_eq!((created.id, &created.name, &created.description), (new.id, &new.name, &new.description));
    assert_eq!((&created.metadata, &created.skeleton), (&new.metadata, &new.skeleton));
    assert_eq!(store.read_session(new.id).await.unwrap(), created);
    assert_eq!(store.list_sessions(&SessionQuery::default()).await.unwrap().sessions, [created]);
}

pub async fn odd_texts_are_read_back_as_they_were(store: Store) {
    for text in [
        "",
        " ",
        "'; DROP TABLE session_recording; --",
        "<img src=x onerror=alert(1)>",
        "\" OR \"\"=\"",
        "?1 :name @x $1 %s {}",
        "\\ \\n \\u0000 %00",
        "\u{1}\u{7f}\u{200b}\u{feff}\u{202e}",
        "e\u{301} is not \u{e9}",
        "\u{1F9D7}\u{1F3FD}\u{200D}\u{2640}\u{FE0F} \u{10FFFF}",
        "a\r\nb\tc\n",
    ] {
        let metadata = json!({text: text, "x": [text]}).as_object().unwrap().clone();
        let description = text.to_owned();
        let new = NewSession { description, metadata: metadata.clone(), ..NewSession::named(text) };
        let id = store.create_session(new).await.unwrap().id;
        let read = store.read_session(id).await.unwrap();
        assert_eq!((read.name.as_str(), read.description.as_str()), (text, text));
        assert_eq!(read.metadata, metadata);
    }
}

pub async fn created_at_is_kept_to_the_microsecond(store: Store) {
    let at = Utc::now();
    let created =
        store.create_session(NewSession { created_at: at, ..NewSession::named("Now") }).await.unwrap();
    assert_eq!(created.created_at, at.trunc_subsecs(6));
    assert_eq!(store.read_session(created.id).await.unwrap().created_at, at.trunc_subsecs(6));
}

pub async fn a_second_session_of_the_same_id_is_refused(store: Store) {
    let first = store.create_session(NewSession::named("First")).await.unwrap();
    let again = NewSession { id: first.id, ..NewSession::named("Second") };
    for deleted in [false, true] {
        if deleted {
            store.delete_session(first.id, Utc::now()).await.unwrap();
        }
        let refused = store.create_session(again.clone()).await;
        assert!(matches!(refused, Err(StoreError::SessionExists { id }) if id == first.id), "{refused:?}");
    }
    assert_eq!(store.restore_session(first.id).await.unwrap(), first);
}

pub async fn a_session_of_an_unknown_user_is_refused(store: Store) {
    let new = NewSession { user_id: UserId(77), ..NewSession::named("Whose?") };
    let refused = store.create_session(new.clone()).await;
    assert!(matches!(refused, Err(StoreError::UserNotFound { id: UserId(77) })), "{refused:?}");
    assert_not_found(&store, new.id).await;
}

pub async fn texts_up_to_the_limit_are_kept_and_longer_ones_refused(store: Store) {
    let text = |bytes: usize| "x".repeat(bytes);
    let json = |bytes: usize| json!({"k": text(bytes - 8)}).as_object().unwrap().clone();
    let most = NewSession::MAX_TEXT_BYTES;
    let full = NewSession { description: text(most), metadata: json(most), ..NewSession::named(&text(most)) };
    let created = store.create_session(full.clone()).await.unwrap();
    assert_eq!(store.read_session(created.id).await.unwrap(), created);
    for (name, description, metadata) in [
        (text(most + 1), String::new(), serde_json::Map::new()),
        (String::new(), text(most + 1), serde_json::Map::new()),
        (String::new(), String::new(), json(most + 1)),
        ("a\0b".to_owned(), String::new(), serde_json::Map::new()),
        (String::new(), "\0".to_owned(), serde_json::Map::new()),
    ] {
        let new = NewSession {
            description: description.clone(),
            metadata: metadata.clone(),
            ..NewSession::named(&name)
        };
        let id = new.id;
        let refused = store.create_session(new).await;
        assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
        assert_not_found(&store, id).await;
        let change = SessionChange {
            name: Some(name),
            description: Some(description),
            metadata: Some(metadata),
            ..SessionChange::default()
        };
        let refused = store.update_session(created.id, change).await;
        assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    }
    assert_eq!(store.read_session(created.id).await.unwrap(), created);
}

pub async fn metadata_too_deep_to_be_read_back_is_refused(store: Store) {
    let nested = |levels: usize| {
        let value = (0..levels).fold(json!(1), |inner, _| json!([inner]));
        json!({"k": value}).as_object().unwrap().clone()
    };
    let new = NewSession { metadata: nested(100), ..NewSession::named("Deep") };
    let created = store.create_session(new).await.unwrap();
    assert_eq!(store.read_session(created.id).await.unwrap(), created);
    let new = NewSession { metadata: nested(1_000), ..NewSession::named("Too deep") };
    let id = new.id;
    let refused = store.create_session(new).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_not_found(&store, id).await;
}

pub async fn an_invalid_skeleton_is_refused(store: Store) {
    let invalid = Skeleton { name: "\n".to_owned(), ..skeleton() };
    let new = NewSession { skeleton: Some(invalid), ..NewSession::named("Bad") };
    let refused = store.create_session(new.clone()).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_not_found(&store, new.id).await;
}

pub async fn an_unknown_session_is_not_found_by_any_method(store: Store) {
    start(&store).await;
    let id = unknown();
    assert_not_found(&store, id).await;
    assert!(matches!(store.restore_session(id).await, Err(StoreError::SessionNotFound { .. })));
    assert!(matches!(store.erase_session(id).await, Err(StoreError::SessionNotFound { .. })));
}

pub async fn a_change_changes_only_what_it_names(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 8, 8).await;
    let mut expected = store.read_session(writer.0).await.unwrap();
    let metadata = json!({"side": "left"}).as_object().unwrap().clone();
    let none = SessionChange::default;
    type Apply = fn(&mut SessionRecording);
    let steps: [(SessionChange, Apply); 9] = [
        (none(), |_| {}),
        (SessionChange { name: Some("Renamed".into()), ..none() }, |s| s.name = "Renamed".into()),
        (SessionChange { description: Some("Told".into()), ..none() }, |s| s.description = "Told".into()),
        (SessionChange { metadata: Some(metadata), ..none() }, |s| {
            s.metadata = json!({"side": "left"}).as_object().unwrap().clone();
        }),
        (SessionChange { status: Some(SessionStatus::Paused), ..none() }, |s| {
            s.status = SessionStatus::Paused;
        }),
        (SessionChange { video_file_path: Some(Some("x/video.webm".into())), ..none() }, |s| {
            s.video_file_path = Some("x/video.webm".into());
        }),
        (SessionChange { video_file_path: Some(None), ..none() }, |s| s.video_file_path = None),
        (SessionChange { report: Some(report(3)), ..none() }, |s| s.report = Some(report(3))),
        (SessionChange { report: Some(report(4)), ..none() }, |s| s.report = Some(report(4))),
    ];
    for (change, apply) in steps {
        apply(&mut expected);
        assert_eq!(store.update_session(writer.0, change).await.unwrap(), expected);
        assert_eq!(store.read_session(writer.0).await.unwrap(), expected);
    }
    append(&store, writer, 8, 16).await.unwrap();
    assert_frames(&store, writer.0, 16).await;
}

pub async fn metadata_that_was_read_before_a_video_was_noted_does_not_undo_it(store: Store) {
    let id = store.create_session(NewSession::named("Filmed")).await.unwrap().id;
    let map = |json: serde_json::Value| json.as_object().unwrap().clone();
    let none = SessionChange::default;
    let cut = VideoCut { at: Timestamp::from_micros(500_000), length: Timestamp::from_micros(3_000_000) };
    let cut_out = RecordedVideo { start: Some(Timestamp::ZERO), ..RecordedVideo::of_type("video/webm") };
    let with_cut = RecordedVideo { cuts: vec![cut], ..cut_out.clone() };
    let steps = [
        (SessionChange { metadata: Some(map(json!({"side": "left"}))), ..none() }, json!({"side": "left"})),
        (
            SessionChange { video: Some(with_cut.clone()), ..none() },
            json!({"side": "left", "video": {
                "mime": "video/webm", "start": 0.0, "cuts": [{"at": 0.5, "length": 3.0}],
            }}),
        ),
        (
            SessionChange { metadata: Some(map(json!({"side": "right"}))), ..none() },
            json!({"side": "right", "video": {
                "mime": "video/webm", "start": 0.0, "cuts": [{"at": 0.5, "length": 3.0}],
            }}),
        ),
        (
            SessionChange { video: Some(cut_out), ..none() },
            json!({"side": "right", "video": {"mime": "video/webm", "start": 0.0}}),
        ),
        (
            SessionChange {
                metadata: Some(map(json!({"video": {
                    "mime": "video/mp4", "start": 7, "cuts": [{"at": 0.5, "length": 3.0}], "camera": "front",
                }}))),
                ..none()
            },
            json!({"video": {"mime": "video/webm", "start": 0.0, "camera": "front"}}),
        ),
    ];
    for (change, expected) in steps {
        let changed = store.update_session(id, change).await.unwrap();
        assert_eq!(serde_json::Value::Object(changed.metadata.clone()), expected);
        assert_eq!(store.read_session(id).await.unwrap(), changed);
    }
    let full = map(json!({"text": "x".repeat(NewSession::MAX_TEXT_BYTES - 20)}));
    let before = store.read_session(id).await.unwrap();
    let change = SessionChange { name: Some("After".to_owned()), metadata: Some(full), ..none() };
    let refused = store.update_session(id, change).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_eq!(store.read_session(id).await.unwrap(), before);
}

pub async fn a_refused_change_changes_nothing(store: Store) {
    let before = store.create_session(NewSession::named("Before")).await.unwrap();
    let change = SessionChange {
        name: Some("After".to_owned()),
        status: Some(SessionStatus::Failed),
        description: Some("x".repeat(NewSession::MAX_TEXT_BYTES + 1)),
        ..SessionChange::default()
    };
    store.update_session(before.id, change).await.unwrap_err();
    assert_eq!(store.read_session(before.id).await.unwrap(), before);
}

pub async fn a_deleted_session_is_hidden_from_every_method(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 8, 8).await;
    store.delete_session(writer.0, Utc::now()).await.unwrap();
    assert_not_found(&store, writer.0).await;
}

pub async fn a_restored_session_is_as_before(store: Store) {
    let writer = start(&store).await;
    record(&store, writer, 0, 8, 8).await;
    let before = store.read_session(writer.0).await.unwrap();
    assert_eq!(store.restore_session(writer.0).await.unwrap(), before, "it was never deleted");
    store.delete_session(writer.0, Utc::now()).await.unwrap();
    assert_eq!(store.restore_session(writer.0).await.unwrap(), before);
    assert_eq!(store.read_session(writer.0).await.unwrap(), before);
    assert_eq!(store.deleted_sessions(Utc::now() + TimeDelta::days(1)).await.unwrap(), []);
    record(&store, writer, 8, 16, 8).await;
    assert_frames(&store, writer.0, 16).await;
}

pub async fn an_erased_session_is_gone_for_good(store: Store) {
    for deleted_before in [false, true] {
        let (writer, other) = (start(&store).await, start(&store).await);
        let marker = Marker {
            kind: MarkerKind::User,
            timestamp: Timestamp::ZERO,
            label: "here".to_owned(),
            duration: None,
            count: None,
            cause: None,
        };
        for (id, term) in [writer, other] {
            let batch = Batch { markers: vec![marker.clone()], ..batch(0, 8) };
            store.append(id, term, &batch).await.unwrap();
        }
        if deleted_before {
            store.delete_session(writer.0, Utc::now()).await.unwrap();
        }
        store.erase_session(writer.0).await.unwrap();
        assert_not_found(&store, writer.0).await;
        assert!(matches!(store.restore_session(writer.0).await, Err(StoreError::SessionNotFound { .. })));
        assert!(matches!(store.erase_session(writer.0).await, Err(StoreError::SessionNotFound { .. })));
        assert_eq!(store.deleted_sessions(Utc::now() + TimeDelta::days(1)).await.unwrap(), []);
        assert_frames(&store, other.0, 8).await;
        assert_eq!(store.markers(other.0).await.unwrap(), [marker]);
    }
}

pub async fn deleted_sessions_are_listed_oldest_first(store: Store) {
    let now = Utc::now().trunc_subsecs(6);
    let mut ids = Vec::new();
    for age in [10, 30, 20, 5] {
        let (id, _) = start(&store).await;
        store.delete_session(id, now - TimeDelta::seconds(age)).await.unwrap();
        ids.push(id);
    }
    start(&store).await;
    assert_eq!(store.deleted_sessions(now).await.unwrap(), [ids[1], ids[2], ids[0], ids[3]]);
    let before = now - TimeDelta::seconds(10);
    assert_eq!(
        store.deleted_sessions(before).await.unwrap(),
        [ids[1], ids[2]],
        "10 s ago is not before 10 s ago"
    );
}

pub async fn session_keys_are_stable_and_never_given_twice(store: Store) {
    let (first, _) = start(&store).await;
    let (second, _) = start(&store).await;
    let (one, two) = (store.session_key(first).await.unwrap(), store.session_key(second).await.unwrap());
    assert_ne!(one, two);
    assert!(one > 0 && two > 0);
    store.erase_session(second).await.unwrap();
    let (third, _) = start(&store).await;
    assert!(store.session_key(third).await.unwrap() > one.max(two));
    store.delete_session(first, Utc::now()).await.unwrap();
    store.restore_session(first).await.unwrap();
    assert_eq!(store.session_key(first).await.unwrap(), one);
}

pub async fn live_sessions_are_interrupted_once(store: Store) {
    let mut expected = Vec::new();
    for status in SessionStatus::ALL {
        let (id, _) = start(&store).await;
        let change = SessionChange { status: Some(status), ..SessionChange::default() };
        store.update_session(id, change).await.unwrap();
        expected.push((
            id,
            if status.is_live() { SessionStatus::Interrupted } else { status },
            status.is_live(),
        ));
    }
    let (hidden, _) = start(&store).await;
    store.delete_session(hidden, Utc::now()).await.unwrap();
    let mut interrupted = store.interrupt_live_sessions().await.unwrap();
    interrupted.sort_unstable();
    let mut live: Vec<_> = expected.iter().filter(|(.., live)| *live).map(|(id, ..)| *id).collect();
    live.sort_unstable();
    assert_eq!(interrupted, live);
    assert_eq!(store.interrupt_live_sessions().await.unwrap(), []);
    for (id, status, _) in expected {
        assert_eq!(store.read_session(id).await.unwrap().status, status);
    }
    assert_eq!(store.restore_session(hidden).await.unwrap().status, SessionStatus::Interrupted);
}

pub async fn a_finished_session_takes_no_more_frames(store: Store) {
    for status in [SessionStatus::Completed, SessionStatus::Failed, SessionStatus::Interrupted] {
        let writer = start(&store).await;
        record(&store, writer, 0, 8, 8).await;
        let finished = store.finish(writer.0, writer.1, status).await.unwrap();
        assert_eq!((finished.status, finished.frame_count), (status, 8));
        for (first, end) in [(8, 16), (0, 8)] {
            let refused = append(&store, writer, first, end).await;
            let as_told = matches!(refused, Err(StoreError::NotLive { status: was, .. }) if was == status);
            assert!(as_told, "{refused:?}");
        }
        let again = store.finish(writer.0, writer.1, SessionStatus::Completed).await;
        assert!(matches!(again, Err(StoreError::NotLive { status: was, .. }) if was == status), "{again:?}");
        assert_frames(&store, writer.0, 8).await;
    }
}

pub async fn a_session_is_not_finished_with_a_live_status(store: Store) {
    let writer = start(&store).await;
    for status in [SessionStatus::Recording, SessionStatus::Paused] {
        let refused = store.finish(writer.0, writer.1, status).await;
        assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    }
    append(&store, writer, 0, 8).await.unwrap();
}
