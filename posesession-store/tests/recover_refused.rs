//! `recover`: a session that the new place doesn't take is given up, counted and named, and keeps no other one away.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use posesession_core::{Batch, Chunk, Codec, SessionId, SessionStatus, Skeleton, SyntheticPose, encode};
use posesession_store::{
    LostPart, MemoryStore, NewSession, Place, Recovered, SessionStore, SqliteStore, StoreError, Term, recover,
};
use tempfile::TempDir;

const FRAMES: u64 = 32;
/// One more than the last frame of the chunk that doesn't follow.
const END: u64 = 48;

fn chunk(skeleton: &Skeleton, first: u64, end: u64, times_from: u64) -> Chunk {
    let camera = SyntheticPose::new(skeleton, 30.0);
    let mut chunk = Chunk::new(first, skeleton.layout());
    for n in 0..end - first {
        let (timestamp, pose) = camera.frame(times_from + n);
        chunk.push(timestamp, &pose).unwrap();
    }
    chunk
}

/// Records two sessions, of which the first one has a chunk too many: intact, but at times that can't follow.
async fn recorded() -> (TempDir, PathBuf, SessionId) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posesession.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let skeleton = Skeleton::preset("hand_21").unwrap();
    let mut ids = Vec::new();
    for name in ["Odd", "Sound"] {
        let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named(name) };
        let id = store.create_session(new).await.unwrap().id;
        let chunk = Some(chunk(&skeleton, 0, FRAMES, 0));
        store.append(id, Term::FIRST, &Batch { chunk, ..Batch::default() }).await.unwrap();
        store.finish(id, Term::FIRST, SessionStatus::Completed).await.unwrap();
        ids.push(id);
    }
    store.close().await;
    let odd = encode(&chunk(&skeleton, 16, END, 0), Codec::Raw).unwrap();
    change(
        &path,
        "INSERT INTO frame_chunk VALUES (1, 16, 32, 0, 1033333, 1, ?1, ?2)",
        (odd.header, odd.payload),
    );
    (folder, path, ids[0])
}

fn change(path: &Path, sql: &str, parameters: impl rusqlite::Params) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("PRAGMA secure_delete = ON; PRAGMA foreign_keys = OFF").unwrap();
    db.execute(sql, parameters).unwrap();
}

async fn recovered(path: &Path, to: &MemoryStore) -> Recovered {
    let place = Place { sessions: to, media: None };
    let told = recover(path, None, place, &mut |_progress| {}).await.unwrap();
    let names: Vec<_> = told.sessions.iter().map(|session| session.name.as_str()).collect();
    assert_eq!((names.as_slice(), told.frames), (&["Sound"][..], FRAMES), "{told:?}");
    told
}

#[tokio::test]
async fn a_session_that_cannot_be_written_is_counted_and_leaves_nothing() {
    let (_folder, path, id) = recorded().await;
    let to = MemoryStore::new();
    let told = recovered(&path, &to).await;
    let [LostPart { session, name, frames, what, .. }] = told.lost.as_slice() else { panic!("{told:?}") };
    assert_eq!((*session, name.as_deref(), frames.clone()), (Some(id), Some("Odd"), Some(0..END)));
    assert!(what.starts_with("the whole session: it could not be written: "), "{what}");
    assert!(!what.contains("not known"), "{what}");
    assert!(matches!(to.read_session(id).await, Err(StoreError::SessionNotFound { .. })));
}

#[tokio::test]
async fn nor_does_one_whose_id_is_taken_end_the_recovery() {
    let (_folder, path, id) = recorded().await;
    let to = MemoryStore::new();
    to.create_session(NewSession { id, ..NewSession::named("Other") }).await.unwrap();
    to.finish(id, Term::FIRST, SessionStatus::Completed).await.unwrap();
    let told = recovered(&path, &to).await;
    let [LostPart { session, name, frames, .. }] = told.lost.as_slice() else { panic!("{told:?}") };
    assert_eq!((*session, name.as_deref(), frames.clone()), (None, Some("Odd"), Some(0..END)));
    assert_eq!(to.read_session(id).await.unwrap().name, "Other", "the other one stays as it was");
    assert_eq!(told.verified.sessions, 2, "and nothing of it is left");
}

#[tokio::test]
async fn where_it_is_not_known_how_many_frames_are_lost_that_is_told() {
    let (_folder, path, _) = recorded().await;
    change(&path, "DELETE FROM session_recording WHERE key = 1", []);
    let told = recovered(&path, &MemoryStore::new()).await;
    let lost = told.lost.iter().find(|lost| lost.what.starts_with("the whole session")).unwrap();
    assert_eq!((lost.name.as_deref(), lost.frames.clone()), (None, Some(0..END)));
    assert!(lost.what.ends_with("how many more frames it had is not known"), "{}", lost.what);
}
