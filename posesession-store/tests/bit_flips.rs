//! One bit of a stored session changed, one at a time: nothing wrong is ever read, and what changed is found.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use posesession_core::{
    Batch, Chunk, ChunkQuery, Codec, Encoding, Frame, ImageObject, ImageRef, Marker, MarkerKind, MaxError,
    SessionId, SessionRecording, SessionStatus, Skeleton, SyntheticPose, Timestamp, Unit, encode,
    encode_at_rest,
};
use posesession_store::{
    EncodedRun, MediaStore, NewSession, Place, SessionStore, SqliteStore, StoreError, export_session_file,
    verify,
};
use progress::Progress;

const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 4, 0xff, 0xd9];
/// What a session is when it is read.
#[derive(Debug, Clone, PartialEq)]
struct Content {
    session: SessionRecording,
    frames: Vec<Frame>,
    markers: Vec<Marker>,
}

/// What came of a flipped bit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The file can't be opened, and that is said.
    Refused,
    /// `verify` found it.
    Found,
    /// Everything is as it was.
    Harmless,
    /// Something is another one, and nothing says so.
    Unnoticed(&'static str),
}

/// Stores a session with everything that one can have, as one small file.
async fn store_session(folder: &Path) -> (PathBuf, SessionId) {
    let skeleton = Skeleton::custom(2, &[("x", Unit::Image), ("y", Unit::Image)]).unwrap();
    let store = SqliteStore::open(folder.join("posesession.db")).await.unwrap();
    let media = MediaStore::open_folder(folder.join("media")).unwrap();
    let bounds = MaxError::new([("x", 1e-3)]).unwrap();
    let new = NewSession {
        description: "Deep".to_owned(),
        metadata: serde_json::json!({"side": "left"}).as_object().unwrap().clone(),
        skeleton: Some(skeleton.clone()),
        encoding: Encoding::Bounded { max_error: bounds.clone() },
        ..NewSession::named("Squat")
    };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let images = ImageObject::of_chunk(0, JPEG.repeat(2).into());
    media.put_images(id, &images).await.unwrap();
    let camera = SyntheticPose::new(&skeleton, 30.0);
    for (n, first) in (0..4_u64).zip((0..).step_by(8)) {
        let mut chunk = Chunk::new(first, skeleton.layout());
        for frame in first..first + 8 {
            let (timestamp, pose) = camera.frame(frame);
            chunk.push(timestamp, &pose).unwrap();
            if frame < 2 {
                let length = u32::try_from(JPEG.len()).unwrap();
                let offset = frame * u64::from(length);
                chunk.set_last_image(ImageRef { object: images.name.clone(), offset, length });
            }
        }
        let encoded = match n {
            0 => encode(&chunk, Codec::Columnar),
            1 => encode_at_rest(&chunk, &Encoding::Bounded { max_error: bounds.clone() }, Some(&skeleton)),
            2 => encode_at_rest(&chunk, &Encoding::Json, Some(&skeleton)),
            _ => encode(&chunk, Codec::Raw),
        };
        store.append_encoded(id, term, EncodedRun::check(encoded.unwrap()).unwrap()).await.unwrap();
    }
    let marker = |micros, label: &str| Marker {
        kind: MarkerKind::User,
        timestamp: Timestamp::from_micros(micros),
        label: label.to_owned(),
        duration: None,
        count: None,
        cause: None,
    };
    let markers = vec![marker(5, "deep"), marker(100_000, "up")];
    store.append(id, term, &Batch { markers, ..Batch::default() }).await.unwrap();
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    let file = folder.join("session.db");
    let place = Place { sessions: &store, media: Some(&media) };
    export_session_file(place, id, &file, &mut |_progress| {}).await.unwrap();
    store.close().await;
    (file, id)
}

/// Reads a session as a replay does, by number and by time. Damage may only show as an error that names the session.
async fn read(store: &SqliteStore, id: SessionId, frame_count: u64) -> Result<Content, StoreError> {
    let session = store.read_session(id).await?;
    let mut frames = Vec::new();
    while (frames.len() as u64) < frame_count {
        let next = frames.len() as u64;
        let stored = store.covering_chunk(id, ChunkQuery::Frame(next)).await?;
        let last = stored.extent.last_timestamp;
        let again = store.covering_chunk(id, ChunkQuery::Time(last)).await?;
        assert_eq!(again, stored, "the same chunk by its time");
        frames.extend(stored.chunk.frames().skip_while(|frame| frame.frame_number < next));
    }
    Ok(Content { session, frames, markers: store.markers(id).await? })
}

/// Tells what a flipped bit does. Panics where something wrong was read.
async fn look(path: &Path, id: SessionId, sound: &Content) -> Outcome {
    let Ok(store) = SqliteStore::open_read_only_extended(path).await else { return Outcome::Refused };
    let mut changed = None;
    match read(&store, id, sound.session.frame_count).await {
        Ok(content) => {
            assert!(content.frames == sound.frames, "other frames were read");
            changed = difference(&content, sound);
        }
        Err(StoreError::Corrupt { id: named, .. }) => assert_eq!(named, id, "the error names the session"),
        Err(StoreError::SessionNotFound { .. }) => {}
        Err(error) => panic!("the error doesn't name the session: {error:?}"),
    }
    let media = MediaStore::open_sqlite_file_read_only(path).await;
    let place = Place { sessions: &store, media: media.as_ref().ok() };
    let verified = verify(place, &[], &mut |_progress| {}).await;
    match (verified.is_sound() && verified.sessions == 1, changed) {
        (false, _) => Outcome::Found,
        (true, None) => {
            let object = ImageObject::of_chunk(0, JPEG.repeat(2).into()).name;
            let image = ImageRef { object, offset: 0, length: 20 };
            let bytes = match &media {
                Ok(media) => media.read_image(id, &image).await.ok(),
                Err(_) => None,
            };
            if bytes.is_some_and(|bytes| *bytes == JPEG.repeat(2)) {
                Outcome::Harmless
            } else {
                Outcome::Unnoticed("bytes within an image")
            }
        }
        (true, Some(what)) => Outcome::Unnoticed(what),
    }
}

/// Says which facts are others.
fn difference(content: &Content, sound: &Content) -> Option<&'static str> {
    let (is, was) = (&content.session, &sound.session);
    if is == was && content.markers == sound.markers {
        return None;
    }
    let counts = |session: &SessionRecording| (session.frame_count, session.duration, session.status);
    let what = if content.markers != sound.markers {
        "a marker"
    } else if counts(is) != counts(was) {
        "counts"
    } else if is.name != was.name {
        "the name"
    } else if is.description != was.description {
        "the description"
    } else if is.metadata != was.metadata {
        "the metadata"
    } else if is.encoding != was.encoding {
        "the bounds"
    } else {
        "another fact"
    };
    Some(what)
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, id) = runtime().block_on(store_session(folder.path()));
    let bytes = std::fs::read(&file).unwrap();
    let sound = runtime().block_on(async {
        let store = SqliteStore::open_read_only(&file).await.unwrap();
        let session = store.read_session(id).await.unwrap();
        read(&store, id, session.frame_count).await.unwrap()
    });
    assert_eq!(sound.frames.len(), 32);
    // An optimised build gets through all of them in two minutes; any other takes a sample.
    let step = if cfg!(debug_assertions) { 61 } else { 1 };
    let bit_count = bytes.len() * 8;
    let next = Arc::new(AtomicUsize::new(0));
    let progress = Arc::new(Progress::new("bit flips"));
    // Where memory passes for a disk, thousands of files cost nothing.
    let memory = Path::new("/dev/shm");
    let scratch = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let path = scratch.path().join(format!("{worker}.db"));
            let (next, mut bytes, sound) = (Arc::clone(&next), bytes.clone(), sound.clone());
            let progress = Arc::clone(&progress);
            std::thread::spawn(move || {
                let runtime = runtime();
                let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
                loop {
                    let bit = next.fetch_add(step, Ordering::Relaxed);
                    if bit >= bit_count {
                        return outcomes;
                    }
                    progress.tell(|| format!("{bit} of {bit_count} bits"));
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    for beside in ["-wal", "-shm"] {
                        let _not_there = std::fs::remove_file(format!("{}{beside}", path.display()));
                    }
                    std::fs::write(&path, &bytes).unwrap();
                    let looking = || runtime.block_on(look(&path, id, &sound));
                    let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(looking));
                    let outcome = looked.unwrap_or_else(|why| {
                        println!("at bit {} of byte {:#x}, page {}", bit % 8, bit / 8, bit / 4096 + 1);
                        std::panic::resume_unwind(why)
                    });
                    *outcomes.entry(outcome).or_default() += 1;
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            })
        })
        .collect();
    let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
    for worker in workers {
        for (outcome, count) in worker.join().unwrap() {
            *outcomes.entry(outcome).or_default() += count;
        }
    }
    let count = |outcome: &Outcome| outcomes.get(outcome).copied().unwrap_or_default();
    let unnoticed: Vec<_> = outcomes
        .iter()
        .filter_map(|(outcome, count)| match outcome {
            Outcome::Unnoticed(what) => Some((*what, *count)),
            _ => None,
        })
        .collect();
    println!(
        "proof: bit flips: {} of {} bits of a file, {} found, {} refused, {} harmless, 0 wrong frames; unnoticed: {unnoticed:?}",
        outcomes.values().sum::<usize>(),
        bit_count,
        count(&Outcome::Found),
        count(&Outcome::Refused),
        count(&Outcome::Harmless),
    );
    assert!(unnoticed.is_empty(), "one bit changes this, and nobody notices");
}
