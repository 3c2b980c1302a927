//! Records ten seconds of a synthetic person into a SQLite file, without any server.
//!
//! `cargo run --example record -- squat.db`

use std::time::Duration;

use posesession::{
    IncomingFrame, NewSession, Recorder, RecorderConfig, SessionStatus, SessionStore, Skeleton, SqliteStore,
    SyntheticPose,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "squat.db".to_owned());
    let store = SqliteStore::open(&path).await?;
    let skeleton = Skeleton::preset("mediapipe_33")?;
    let session = store.create_session(NewSession::named("Squat")).await?;
    let term = store.begin_term(session.id).await?;

    let camera = SyntheticPose::new(&skeleton, 30.0);
    let mut recorder = Recorder::new(Some(skeleton), RecorderConfig::default())?;
    for n in 0..300 {
        let (timestamp, pose_data) = camera.frame(n);
        // A program with a real camera passes the time of its monotonic clock.
        let now = Duration::from_micros(timestamp.as_micros().unsigned_abs());
        recorder
            .handle_frame(now, &mut IncomingFrame { number: Some(n), timestamp, pose_data, image: None })?;
        while let Some(batch) = recorder.poll_batch(now) {
            // Durable when this returns: from here on the frames may be acknowledged.
            store.append(session.id, term, &batch).await?;
        }
    }
    let end = Duration::from_secs(10);
    recorder.finish(end)?;
    while let Some(batch) = recorder.poll_batch(end) {
        store.append(session.id, term, &batch).await?;
    }
    let session = store.finish(session.id, term, SessionStatus::Completed).await?;
    println!(
        "{path}: session {} has {} frames in {} s, {} bytes a frame",
        session.id,
        session.frame_count,
        session.duration.as_secs_f64(),
        session.stored_bytes / session.frame_count.max(1),
    );
    assert_eq!(session.frame_count, 300);
    Ok(())
}
