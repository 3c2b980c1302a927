//! The recordings of `testdata`, which sizes are measured on: as many frames as are promised, and none of them twice.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::collections::HashSet;
use std::path::Path;

use posesession::{ChunkQuery, SessionQuery, SessionStatus, SessionStore, SqliteStore};

/// Opens a copy, which is brought to this version's schema: the file was written by the first.
async fn opened(name: &str, folder: &Path) -> SqliteStore {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recordings").join(name);
    let copy = folder.join(name);
    std::fs::write(&copy, std::fs::read(file).unwrap()).unwrap();
    SqliteStore::open(copy).await.unwrap()
}

/// Returns the skeleton's name and all frames' values, after what is common to both files is checked.
async fn frames(name: &str) -> (String, Vec<Vec<u32>>) {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(name, folder.path()).await;
    let session = store.list_sessions(&SessionQuery::default()).await.unwrap().sessions.remove(0);
    assert_eq!(session.status, SessionStatus::Completed);
    let mut frames: Vec<Vec<u32>> = Vec::new();
    while (frames.len() as u64) < session.frame_count {
        let chunk =
            store.covering_chunk(session.id, ChunkQuery::Frame(frames.len() as u64)).await.unwrap().chunk;
        assert!(chunk.person_counts().iter().all(|&count| count == 1));
        let width = chunk.layout().values_per_person();
        frames.extend(
            chunk.values().chunks(width).map(|row| row.iter().map(|value| value.to_bits()).collect()),
        );
    }
    let runs = session.metadata["runs"].as_array().unwrap();
    let in_runs: u64 = runs.iter().map(|run| run["frames"].as_u64().unwrap()).sum();
    assert_eq!(in_runs, session.frame_count);
    (session.skeleton.unwrap().name, frames)
}

fn assert_each_is_its_own(frames: &[Vec<u32>]) {
    let distinct: HashSet<&Vec<u32>> = frames.iter().collect();
    assert_eq!(distinct.len(), frames.len(), "a frame comes twice");
}

#[tokio::test]
async fn the_recording_of_mediapipe_33_is_long_and_never_repeats() {
    let (skeleton, frames) = frames("people_mediapipe_33.db").await;
    assert_eq!((skeleton.as_str(), frames[0].len()), ("mediapipe_33", 33 * 4));
    assert!(frames.len() >= 2_000);
    assert_each_is_its_own(&frames);
    // Rounded numbers would have zeros at the end.
    let numbers = frames.iter().flatten().count();
    let round = frames.iter().flatten().filter(|&&bits| bits & 0xff == 0).count();
    assert!(round * 100 < numbers, "{round} of {numbers} numbers end in zeros");
}

#[tokio::test]
async fn the_holistic_recording_has_hands_and_a_face_and_never_repeats() {
    let (skeleton, frames) = frames("people_holistic_543.db").await;
    assert_eq!((skeleton.as_str(), frames[0].len()), ("mediapipe_holistic_543", 543 * 4));
    assert!(frames.len() >= 200);
    assert_each_is_its_own(&frames);
    for keypoint in [0, 33, 54, 75] {
        let seen = frames.iter().filter(|frame| !f32::from_bits(frame[keypoint * 4]).is_nan()).count();
        assert!(seen >= 100, "keypoint {keypoint} is seen in {seen} frames");
    }
}
