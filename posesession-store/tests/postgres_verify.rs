//! `verify` on a Postgres: rows that contradict each other, and a list that a damaged one doesn't keep from being read.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use posesession_core::{Batch, Chunk, SessionId, SessionStatus, Skeleton, SyntheticPose};
use posesession_store::{
    NewSession, Place, PostgresOptions, PostgresStore, SessionQuery, SessionStore, Verified, verify,
};
use scratch_postgres::ScratchPostgres;
use sqlx::{Connection as _, Executor as _, PgConnection};

async fn record(store: &PostgresStore, name: &str) -> SessionId {
    let skeleton = Skeleton::preset("hand_21").unwrap();
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named(name) };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let camera = SyntheticPose::new(&skeleton, 30.0);
    for first in (0..512).step_by(64) {
        let mut chunk = Chunk::new(first, skeleton.layout());
        for n in first..first + 64 {
            let (timestamp, pose) = camera.frame(n);
            chunk.push(timestamp, &pose).unwrap();
        }
        store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await.unwrap();
    }
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    id
}

async fn verified(store: &PostgresStore) -> Verified {
    verify(Place { sessions: store, media: None }, &[], &mut |_progress| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_rows_are_found_and_named() {
    let postgres = ScratchPostgres::start();
    let store = PostgresStore::connect(&postgres.url(), PostgresOptions::default()).await.unwrap();
    let (squat, lunge) = (record(&store, "Squat").await, record(&store, "Lunge").await);
    let sound = verified(&store).await;
    assert_eq!((sound.findings.as_slice(), sound.sessions, sound.frames), (&[][..], 2, 1_024));

    let mut db = PgConnection::connect(&postgres.url()).await.unwrap();
    for (damage, repair, place, what) in [
        (
            "UPDATE frame_chunk SET payload = set_byte(payload, 9, get_byte(payload, 9) # 1) WHERE first_frame = 256",
            "UPDATE frame_chunk SET payload = set_byte(payload, 9, get_byte(payload, 9) # 1) WHERE first_frame = 256",
            "frames 256 to 511",
            "checksum",
        ),
        (
            "UPDATE frame_chunk SET frame_count = 255 WHERE first_frame = 256",
            "UPDATE frame_chunk SET frame_count = 256 WHERE first_frame = 256",
            "chunk from frame 256",
            "row says",
        ),
        (
            "UPDATE session_recording SET frame_count = 500",
            "UPDATE session_recording SET frame_count = 512",
            "session",
            "frame count",
        ),
    ] {
        db.execute(damage).await.unwrap();
        let found = verified(&store).await;
        for id in [squat, lunge] {
            let is_it = |f: &&posesession_store::Finding| {
                f.session == Some(id) && f.place == place && f.what.contains(what)
            };
            assert!(found.findings.iter().any(|f| is_it(&f)), "{damage}: {:#?}", found.findings);
        }
        db.execute(repair).await.unwrap();
        assert!(verified(&store).await.is_sound());
    }

    db.execute("UPDATE session_recording SET metadata = '3' WHERE name = 'Squat'").await.unwrap();
    let page = store.list_sessions(&SessionQuery::default()).await.unwrap();
    assert_eq!(page.sessions.iter().map(|session| session.id).collect::<Vec<_>>(), [lunge]);
    assert_eq!(
        page.damaged.iter().map(|session| session.id.clone()).collect::<Vec<_>>(),
        [squat.to_string()]
    );
    assert!(!verified(&store).await.is_sound());
}
