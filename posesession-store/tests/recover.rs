//! `recover`: all that is intact comes out of a damaged database, and what is lost is named.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use posesession_core::{
    Batch, Chunk, ChunkExtent, ChunkQuery, Encoding, Marker, MarkerKind, MaxError, PoseData, SessionId,
    SessionStatus, Skeleton, SyntheticPose, Timestamp,
};
use posesession_store::{
    LostPart, MediaStore, NewSession, NewUser, Place, RecoverError, Recovered, SessionChange, SessionQuery,
    SessionStore, SqliteStore, Term, recover,
};
use progress::Progress;
use tempfile::TempDir;

/// The frames of a session by their moments, and what they hold.
type Frames = BTreeMap<i64, PoseData>;

fn chunk(skeleton: &Skeleton, shift: u64, first: u64, end: u64) -> Chunk {
    let camera = SyntheticPose::new(skeleton, 30.0);
    let mut chunk = Chunk::new(first, skeleton.layout());
    for n in first..end {
        let (timestamp, _) = camera.frame(n);
        chunk.push(timestamp, &camera.frame(n + shift).1).unwrap();
    }
    chunk
}

/// Records a session of so many frames, in chunks of 16, which are compacted as they come.
async fn record(store: &SqliteStore, name: &str, encoding: Encoding, frames: u64) -> SessionId {
    let skeleton = Skeleton::preset("hand_21").unwrap();
    let new = NewSession { skeleton: Some(skeleton.clone()), encoding, ..NewSession::named(name) };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    for first in (0..frames).step_by(16) {
        let chunk = Some(chunk(&skeleton, frames, first, first + 16));
        let label = format!("at {first}");
        let timestamp = Timestamp::from_micros(i64::try_from(first).unwrap());
        let kind = MarkerKind::User;
        let markers = vec![Marker { kind, timestamp, label, duration: None, count: None, cause: None }];
        store.append(id, term, &Batch { chunk, markers, ..Batch::default() }).await.unwrap();
        if first == 640 {
            store.compact(id, false).await.unwrap();
        }
    }
    store.set_publisher(id, term, "camera", Some(frames)).await.unwrap();
    if name != "Live" {
        store.finish(id, term, SessionStatus::Completed).await.unwrap();
    }
    id
}

struct Recorded {
    folder: TempDir,
    ids: Vec<SessionId>,
    frames: Vec<Frames>,
}

impl Recorded {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("posesession.db")).await.unwrap();
        let bounded = Encoding::Bounded { max_error: MaxError::new([("x", 1e-4)]).unwrap() };
        let mut ids = vec![record(&store, "Squat", Encoding::Columnar, 1_024).await];
        ids.push(record(&store, "Lunge", Encoding::Json, 512).await);
        ids.push(record(&store, "Plank", bounded, 768).await);
        ids.push(record(&store, "Live", Encoding::Columnar, 96).await);
        let mut frames = Vec::new();
        for &id in &ids {
            frames.push(read(&store, id).await);
        }
        store.close().await;
        Self { folder, ids, frames }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("posesession.db")
    }
}

async fn read(store: &SqliteStore, id: SessionId) -> Frames {
    let mut frames = Frames::new();
    let count = store.read_session(id).await.unwrap().frame_count;
    let mut next = 0;
    while next < count {
        let stored = store.covering_chunk(id, ChunkQuery::Frame(next)).await.unwrap();
        assert_eq!(stored.extent.first_frame, next);
        next = stored.extent.end_frame();
        frames.extend(stored.chunk.frames().map(|frame| (frame.timestamp.as_micros(), frame.pose_data)));
    }
    frames
}

/// Recovers a database into a new one beside it.
async fn recovered(database: &Path) -> (Result<Recovered, RecoverError>, SqliteStore) {
    let to = database.with_extension("recovered");
    let _not_there = std::fs::remove_file(&to);
    let before = std::fs::read(database).unwrap();
    let store = SqliteStore::open(&to).await.unwrap();
    let place = Place { sessions: &store, media: None };
    let recovered = recover(database, None, place, &mut |_progress| {}).await;
    assert!(std::fs::read(database).unwrap() == before, "the damaged file stays as it is");
    (recovered, store)
}

/// Damages a copy of the database.
fn damaged(recorded: &Recorded, name: &str, damage: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let path = recorded.folder.path().join(name);
    let mut bytes = std::fs::read(recorded.database()).unwrap();
    damage(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Checks that all frames are there, of each session or of one that has lost its name.
async fn assert_all(store: &SqliteStore, recorded: &Recorded, what: &str) {
    let mut there = Vec::new();
    for session in store.list_sessions(&SessionQuery::default()).await.unwrap().sessions {
        there.push(read(store, session.id).await);
    }
    for frames in &recorded.frames {
        assert!(there.contains(frames), "{what}: all frames of each session are there");
    }
    assert_eq!(there.len(), recorded.frames.len(), "{what}");
}

#[tokio::test]
async fn a_sound_database_is_recovered_whole() {
    let recorded = Recorded::new().await;
    let (told, store) = recovered(&recorded.database()).await;
    let told = told.unwrap();
    assert_eq!((told.lost.as_slice(), told.unreadable_pages, told.frames), (&[][..], 0, 2_400));
    assert_all(&store, &recorded, "sound").await;
    let source = SqliteStore::open_read_only(recorded.database()).await.unwrap();
    for &id in &recorded.ids {
        let (mut before, after) =
            (source.read_session(id).await.unwrap(), store.read_session(id).await.unwrap());
        if before.status == SessionStatus::Recording {
            before.status = SessionStatus::Interrupted;
            before.stored_bytes = after.stored_bytes;
        }
        assert_eq!(after, before);
        assert_eq!(store.markers(id).await.unwrap(), source.markers(id).await.unwrap());
        assert_eq!(store.progress(id).await.unwrap(), source.progress(id).await.unwrap());
    }
}

#[tokio::test]
async fn whatever_page_is_gone_all_other_chunks_come_back() {
    let recorded = Recorded::new().await;
    let bytes = std::fs::read(recorded.database()).unwrap();
    let pages = bytes.len() / 4096;
    let all: usize = recorded.frames.iter().map(Frames::len).sum();
    let (mut kept, mut total) = (0, 0);
    let long = std::env::var_os("POSESESSION_LONG_TESTS").is_some_and(|asked| asked == "1");
    let progress = Progress::new("recovery");
    let step = if long { 1 } else { 7 };
    for page in (0..pages).step_by(step) {
        progress.tell(|| format!("{page} of {pages} pages"));
        let fill = [0_u8, 0xa5][page % 2];
        let path = damaged(&recorded, "page.db", |bytes| bytes[page * 4096..][..4096].fill(fill));
        let (told, store) = recovered(&path).await;
        let told = told.unwrap();
        let mut there = 0;
        for session in store.list_sessions(&SessionQuery::default()).await.unwrap().sessions {
            let frames = read(&store, session.id).await;
            there += frames.len();
            let is_of_one = recorded
                .frames
                .iter()
                .any(|whole| frames.iter().all(|(at, pose)| whole.get(at) == Some(pose)));
            assert!(is_of_one, "page {page}: no frame is of another session");
        }
        let lost: u64 =
            told.lost.iter().filter_map(|lost| lost.frames.clone()).map(|lost| lost.end - lost.start).sum();
        let of_sessions: u64 = told.sessions.iter().map(|session| session.lost_frames).sum();
        assert_eq!(lost, of_sessions, "page {page}: the numbers add up");
        // No page has both chunks and what tells how many there are.
        assert_eq!(there + usize::try_from(lost).unwrap(), all, "page {page}: what is lost is told");
        // One page holds, or carries a part of, few chunks.
        assert!(there + 4 * 256 + 96 >= all, "page {page}: {there} of {all} frames");
        (kept, total) = (kept + there, total + all);
    }
    println!(
        "proof: recover: {} databases with a page gone, {kept} of {total} frames back, none wrong",
        pages.div_ceil(step)
    );
}

#[tokio::test]
async fn without_header_schema_and_upper_pages_everything_comes_back() {
    let recorded = Recorded::new().await;
    let upper = |bytes: &mut Vec<u8>| {
        for page in bytes.chunks_mut(4096).skip(1) {
            if matches!(page[0], 0x02 | 0x05 | 0x0a) {
                page.fill(0x77);
            }
        }
    };
    for (what, path) in [
        ("no header", damaged(&recorded, "a.db", |bytes| bytes[..100].fill(0))),
        ("no first page", damaged(&recorded, "b.db", |bytes| bytes[..4096].fill(0x55))),
        ("no inner pages, no indices", damaged(&recorded, "c.db", upper)),
        (
            "neither",
            damaged(&recorded, "d.db", |bytes| {
                upper(bytes);
                bytes[..4096].fill(0x55);
            }),
        ),
        (
            "no types of pages",
            damaged(&recorded, "e.db", |bytes| {
                for page in bytes.chunks_mut(4096).skip(1).filter(|page| page[0] == 0x0d) {
                    page[..8].fill(0xff);
                }
            }),
        ),
    ] {
        let (told, store) = recovered(&path).await;
        let told = told.unwrap();
        assert_all(&store, &recorded, what).await;
        assert!(told.sessions.iter().all(|session| session.lost_frames == 0), "{what}: {:?}", told.lost);
    }
}

#[tokio::test]
async fn a_truncated_file_gives_what_is_left() {
    let recorded = Recorded::new().await;
    let whole = std::fs::read(recorded.database()).unwrap().len();
    let mut last = 0;
    for part in 1..=8 {
        let path = damaged(&recorded, "short.db", |bytes| bytes.truncate(whole * part / 8 - 1));
        let (told, store) = recovered(&path).await;
        let frames = match told {
            Ok(told) => told.frames,
            Err(RecoverError::NothingFound { .. }) => 0,
            Err(error) => panic!("{part}: {error}"),
        };
        assert!(frames + 256 >= last, "{part}: the more is left, the more comes back: {frames} after {last}");
        last = frames;
        for session in store.list_sessions(&SessionQuery::default()).await.unwrap().sessions {
            let frames = read(&store, session.id).await;
            assert!(
                recorded
                    .frames
                    .iter()
                    .any(|whole| frames.iter().all(|(at, pose)| whole.get(at) == Some(pose)))
            );
        }
    }
    assert!(last > 2_000, "{last}");
}

#[tokio::test]
async fn a_hole_is_closed_and_marked() {
    let recorded = Recorded::new().await;
    let db = rusqlite::Connection::open(recorded.database()).unwrap();
    // What is only unlinked would be found all the same.
    db.execute_batch("PRAGMA secure_delete = ON").unwrap();
    db.execute("DELETE FROM frame_chunk WHERE session_key = 1 AND first_frame = 256", []).unwrap();
    db.execute("DELETE FROM frame_chunk WHERE session_key = 3 AND first_frame = 0", []).unwrap();
    drop(db);
    let (told, store) = recovered(&recorded.database()).await;
    let told = told.unwrap();
    let id = recorded.ids[0];
    let lost: Vec<_> = told.lost.iter().map(|lost| (lost.session, lost.frames.clone())).collect();
    assert_eq!(lost, [(Some(id), Some(256..512)), (Some(recorded.ids[2]), Some(0..256))]);
    let session = store.read_session(id).await.unwrap();
    assert_eq!((session.frame_count, session.name.as_str()), (768, "Squat"));
    let mut wanted = recorded.frames[0].clone();
    let times: Vec<_> = wanted.keys().copied().collect();
    times[256..512].iter().for_each(|at| drop(wanted.remove(at)));
    assert!(read(&store, id).await == wanted, "at their own times, bit for bit");
    let markers = store.markers(id).await.unwrap();
    let gap = markers.iter().find(|marker| marker.kind == MarkerKind::Gap).unwrap();
    assert_eq!((gap.count, gap.cause.as_deref()), (Some(256), Some("lost")));
    assert_eq!(gap.label, "frames 256 to 511 were lost; frame 256 was 512");
    assert_eq!(gap.timestamp.as_micros(), times[255]);
    assert_eq!(gap.duration.unwrap().as_micros(), times[512] - times[255]);
    let session = store.read_session(recorded.ids[2]).await.unwrap();
    assert_eq!((session.frame_count, session.encoding.name()), (512, "bounded"));
    let index = store.chunk_index(id).await.unwrap();
    assert_eq!(index.extents().last().map(ChunkExtent::end_frame), Some(768));
}

#[tokio::test]
async fn what_is_in_the_log_counts() {
    let recorded = Recorded::new().await;
    // A store that never closes leaves its log behind.
    let path = recorded.folder.path().join("live.db");
    let live = SqliteStore::open(&path).await.unwrap();
    let id = record(&live, "Live", Encoding::Columnar, 320).await;
    let frames = read(&live, id).await;
    let copy = recorded.folder.path().join("copy.db");
    let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(log(&path), log(&copy)).unwrap();
    let (told, store) = recovered(&copy).await;
    assert_eq!(told.unwrap().lost, []);
    assert!(read(&store, id).await == frames);
    // A damaged byte in the middle of the log: SQLite itself would give up all that comes behind it.
    let mut bytes = std::fs::read(log(&copy)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(log(&copy), &bytes).unwrap();
    let (told, store) = recovered(&copy).await;
    let told = told.unwrap();
    let back = read(&store, told.sessions[0].id).await;
    assert!(back.len() >= 320 - 32, "{} of 320: {:?}", back.len(), told.lost);
    assert!(back.iter().all(|(at, pose)| frames.get(at) == Some(pose)));
    bytes[..32].fill(0);
    std::fs::write(log(&copy), bytes).unwrap();
    let (told, store) = recovered(&copy).await;
    let told = told.unwrap();
    let back = read(&store, told.sessions[0].id).await;
    assert!(back.len() >= 320 - 32, "without the log's header: {} of 320", back.len());
}

#[tokio::test]
async fn media_come_along_and_what_is_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poem.db");
    std::fs::write(&file, "roses are red ".repeat(10_000)).unwrap();
    let (told, _store) = recovered(&file).await;
    assert!(matches!(told, Err(RecoverError::NothingFound { .. })), "{told:?}");
    let (told, _store) = {
        std::fs::write(&file, "").unwrap();
        recovered(&file).await
    };
    assert!(matches!(told, Err(RecoverError::NothingFound { .. })), "{told:?}");

    let recorded = Recorded::new().await;
    let media = MediaStore::open_folder(recorded.folder.path().join("media")).unwrap();
    media.put_video_segment(recorded.ids[0], 0, vec![7; 10].into()).await.unwrap();
    let to = SqliteStore::open(folder.path().join("to.db")).await.unwrap();
    let to_media = MediaStore::open_folder(folder.path().join("media")).unwrap();
    let place = Place { sessions: &to, media: Some(&to_media) };
    let told = recover(recorded.database(), Some(&media), place, &mut |_| {}).await.unwrap();
    assert_eq!(told.lost, []);
    let copied = folder.path().join("media").join(recorded.ids[0].to_string()).join("video");
    assert_eq!(std::fs::read_dir(copied).unwrap().count(), 1);
}

#[tokio::test]
async fn what_the_header_says_of_reserved_bytes_loses_nothing() {
    let recorded = Recorded::new().await;
    for reserved in [1, 16, 0x80] {
        let path = damaged(&recorded, "reserved.db", |bytes| bytes[20] = reserved);
        let (told, store) = recovered(&path).await;
        assert_eq!(told.unwrap().lost, [], "{reserved}");
        assert_all(&store, &recorded, "reserved bytes").await;
    }
}

#[tokio::test]
async fn bounds_of_a_skeleton_that_is_lost_keep_no_session_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posesession.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut skeleton = Skeleton::preset("hand_21").unwrap();
    "mine".clone_into(&mut skeleton.name);
    for component in &mut skeleton.components {
        "u".clone_into(&mut component.channels[0].name);
    }
    let encoding = Encoding::Bounded { max_error: MaxError::new([("u", 1e-4)]).unwrap() };
    let new = NewSession { skeleton: Some(skeleton.clone()), encoding, ..NewSession::named("Mine") };
    let id = store.create_session(new).await.unwrap().id;
    let frames = Some(chunk(&skeleton, 0, 0, 256));
    store.append(id, Term::FIRST, &Batch { chunk: frames, ..Batch::default() }).await.unwrap();
    store.finish(id, Term::FIRST, SessionStatus::Completed).await.unwrap();
    let other = record(&store, "Other", Encoding::Columnar, 512).await;
    store.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let row = b"{\"name\":\"mine\"";
    for at in 0..bytes.len() - row.len() {
        if bytes[at..].starts_with(row) {
            bytes[at] = b'X';
        }
    }
    std::fs::write(&path, bytes).unwrap();
    let (told, store) = recovered(&path).await;
    assert_eq!(told.unwrap().sessions.len(), 2);
    assert_eq!((read(&store, id).await.len(), read(&store, other).await.len()), (256, 512));
}

#[tokio::test]
async fn what_was_deleted_stays_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posesession.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let kept = record(&store, "Kept", Encoding::Columnar, 64).await;
    let secret = record(&store, "Secret", Encoding::Columnar, 512).await;
    let new = NewUser { username: "mallory".into(), email: "m@example.org".into(), password: "hash".into() };
    let user = store.create_user(new).await.unwrap();
    store.close().await;
    let store = SqliteStore::open(&path).await.unwrap();
    // Someone reads while the session is erased, so that the log can't be emptied.
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let _sessions: i64 =
        reader.query_row("SELECT count(*) FROM session_recording", [], |row| row.get(0)).unwrap();
    store.delete_user(user.id).await.unwrap();
    store.erase_session(secret).await.unwrap();
    reader.execute_batch("COMMIT; PRAGMA wal_checkpoint(PASSIVE)").unwrap();
    let rename = SessionChange { name: Some("Renamed".to_owned()), ..SessionChange::default() };
    store.update_session(kept, rename).await.unwrap();
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(format!("{}-wal", path.display()), format!("{}-wal", copy.display())).unwrap();
    let (told, store) = recovered(&copy).await;
    let told = told.unwrap();
    let names: Vec<_> = told.sessions.iter().map(|session| session.name.as_str()).collect();
    assert_eq!(names, ["Renamed"], "{told:?}");
    assert_eq!(store.list_users().await.unwrap().len(), 1, "nobody but the local user");
}

#[tokio::test]
async fn a_log_that_names_pages_beyond_all_bounds_costs_nothing() {
    let recorded = Recorded::new().await;
    let path = damaged(&recorded, "log.db", |_| {});
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let sum = |[mut a, mut b]: [u32; 2], bytes: &[u8]| {
        for pair in bytes.chunks_exact(8) {
            a = a.wrapping_add(u32::from_le_bytes(pair[..4].try_into().unwrap())).wrapping_add(b);
            b = b.wrapping_add(u32::from_le_bytes(pair[4..].try_into().unwrap())).wrapping_add(a);
        }
        [a, b]
    };
    let mut log = words(&[0x377f_0682, 3_007_000, 4096, 0, 1, 2, 0, 0]);
    let (head, page) = (words(&[u32::MAX, u32::MAX]), [0; 4096]);
    let [first, second] = sum(sum([0, 0], &head), &page);
    log.extend(head);
    log.extend(words(&[1, 2, first, second]));
    log.extend(page);
    std::fs::write(format!("{}-wal", path.display()), log).unwrap();
    let (told, store) = recovered(&path).await;
    told.unwrap();
    assert_all(&store, &recorded, "a log of nonsense").await;
}

#[tokio::test]
async fn media_that_cannot_be_read_are_lost_and_nothing_else() {
    let recorded = Recorded::new().await;
    let folder = recorded.folder.path().join("media");
    let media = MediaStore::open_folder(&folder).unwrap();
    for &id in &recorded.ids[..2] {
        media.put_video_segment(id, 0, vec![7; 10].into()).await.unwrap();
    }
    let video = folder.join(recorded.ids[0].to_string());
    std::fs::remove_dir_all(&video).unwrap();
    // A folder that leads to itself can't be read by anybody.
    std::os::unix::fs::symlink(&video, &video).unwrap();
    let to = SqliteStore::open(recorded.folder.path().join("to.db")).await.unwrap();
    let to_media = MediaStore::open_folder(recorded.folder.path().join("to")).unwrap();
    let place = Place { sessions: &to, media: Some(&to_media) };
    let told = recover(recorded.database(), Some(&media), place, &mut |_progress| {}).await.unwrap();
    assert_eq!(told.sessions.len(), 4, "{:?}", told.lost);
    assert_all(&to, &recorded, "media that can't be read").await;
    let is_it = |lost: &LostPart| lost.session == Some(recorded.ids[0]) && lost.what.starts_with("its media");
    assert!(told.lost.iter().any(is_it), "{:?}", told.lost);
    assert!(recorded.folder.path().join("to").join(recorded.ids[1].to_string()).is_dir());
}

#[tokio::test]
async fn a_database_that_is_cut_short_loses_nothing_of_its_log() {
    let recorded = Recorded::new().await;
    let store = SqliteStore::open(recorded.database()).await.unwrap();
    let id = record(&store, "Live", Encoding::Columnar, 64).await;
    let frames = read(&store, id).await;
    let log = format!("{}-wal", recorded.database().display());
    for kept in [0, 1, 8] {
        let path = damaged(&recorded, "short.db", |bytes| bytes.truncate(kept * 4096));
        std::fs::copy(&log, format!("{}-wal", path.display())).unwrap();
        let (told, store) = recovered(&path).await;
        assert!(told.unwrap().sessions.iter().any(|session| session.id == id), "{kept}");
        assert!(read(&store, id).await == frames, "{kept} pages kept: all that is in the log");
    }
}

#[tokio::test]
async fn a_commit_that_was_under_way_is_to_be_undone_first() {
    let recorded = Recorded::new().await;
    let path = damaged(&recorded, "hot.db", |_| {});
    let journal = format!("{}-journal", path.display());
    std::fs::write(&journal, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7and pages").unwrap();
    let (told, _) = recovered(&path).await;
    assert!(matches!(told, Err(RecoverError::Journal { .. })), "{told:?}");
    // One whose commit was done.
    std::fs::write(&journal, [0; 512]).unwrap();
    let (told, store) = recovered(&path).await;
    told.unwrap();
    assert_all(&store, &recorded, "an old journal").await;
}
