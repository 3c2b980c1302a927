//! `recode`, killed again and again: no frame is lost, and it goes on where it was.

use std::path::Path;
use std::process::Child;

use posesession_core::{Chunk, ChunkQuery, Encoding, SessionId, SessionStatus, Skeleton, SyntheticPose};
use posesession_server::{Access, StoragePlace};
use posesession_store::{BulkAppend, NewSession, SessionStore};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{posesession, run_in};

/// Enough for a recoding to take some tenths of a second.
const CHUNKS: u64 = 30;
const CHUNK_FRAMES: u64 = 256;

fn on_store<T>(folder: &Path, access: Access, work: impl AsyncFnOnce(&dyn SessionStore) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let storage = StoragePlace::folder(folder.join("data")).open(access).await.unwrap();
        let done = work(storage.store().as_ref()).await;
        storage.close().await;
        done
    })
}

fn chunk_of(skeleton: &Skeleton, first: u64) -> Chunk {
    let camera = SyntheticPose::new(skeleton, 30.0);
    let mut chunk = Chunk::new(first, skeleton.layout());
    for n in first..first + CHUNK_FRAMES {
        let (timestamp, pose) = camera.frame(n);
        chunk.push(timestamp, &pose).unwrap();
    }
    chunk
}

async fn record(store: &dyn SessionStore, skeleton: &Skeleton) -> SessionId {
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("Squat") };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let mut frames = BulkAppend::new(store, id, term, Encoding::Columnar, Some(skeleton.clone()));
    for n in 0..CHUNKS {
        frames.push(chunk_of(skeleton, n * CHUNK_FRAMES)).await.unwrap();
    }
    frames.finish().await.unwrap();
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    id
}

/// Reads all frames, compares them with those recorded, and returns how many chunks have each codec.
async fn codecs_of(store: &dyn SessionStore, id: SessionId, skeleton: &Skeleton) -> [u64; 2] {
    let (mut next, mut counted) = (0, [0, 0]);
    while next < CHUNKS * CHUNK_FRAMES {
        let stored = store.encoded_chunk(id, ChunkQuery::Frame(next)).await.unwrap();
        let decoded = posesession_core::decode(&stored.chunk.header, &stored.chunk.payload).unwrap();
        assert_eq!(decoded, chunk_of(skeleton, next), "the chunk of frame {next}");
        let codec = posesession_core::peek(&stored.chunk.header).unwrap().codec;
        counted[usize::from(codec.name() == "json")] += 1;
        next = stored.extent.end_frame();
    }
    counted
}

/// Waits until a program has recoded some chunks, then kills it.
fn kill_after(chunks: u32, mut child: Child, database: &Connection) {
    let texts = "SELECT count(*) FROM frame_chunk WHERE codec = 4";
    let texts = || database.query_row(texts, [], |row| row.get::<_, u32>(0)).unwrap();
    let before = texts();
    while texts().abs_diff(before) < chunks && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_recoding_that_is_killed_loses_no_frame_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let id = on_store(folder, Access::Write, async |store| record(store, &skeleton).await);
    let database = Connection::open(folder.join("data/posesession.db")).unwrap();
    let mut killed_between = 0;
    for (codec, round) in ["json", "json", "columnar", "columnar", "json"].into_iter().zip(0_u32..) {
        let child = posesession(&["recode", "Squat", "--codec", codec]).current_dir(folder).spawn().unwrap();
        kill_after(1 + 2 * round, child, &database);
        let [columns, texts] =
            on_store(folder, Access::Read, async |store| codecs_of(store, id, &skeleton).await);
        assert_eq!(columns + texts, CHUNKS);
        killed_between += u64::from(columns > 0 && texts > 0);
    }
    println!("proof: killed recode: 5 times, {killed_between} between chunks, 0 frames lost");
    assert!(killed_between > 0, "no kill came in the middle: record more frames");
    let ended = run_in(folder, &["recode", "Squat", "--codec", "json", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.said);
    let told: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(told["session"]["codec"], json!("json"));
    let codecs = on_store(folder, Access::Read, async |store| codecs_of(store, id, &skeleton).await);
    assert_eq!(codecs, [0, CHUNKS]);
}
