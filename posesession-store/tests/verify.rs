//! `verify`: what is sound is told so, and what is damaged is found and named.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use posesession_core::{
    Batch, Chunk, ImageObject, ImageRef, Marker, MarkerKind, SessionId, SessionStatus, Skeleton,
    SyntheticPose, Timestamp,
};
use posesession_store::{
    Finding, MediaStore, MemoryStore, NewSession, Place, RecordedVideo, SessionChange, SessionQuery,
    SessionStore, Severity, SqliteStore, StoreError, Verified, verify,
};
use rusqlite::Connection;
use tempfile::TempDir;

const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 4, 0xff, 0xd9];

fn chunk(skeleton: &Skeleton, first: u64, end: u64) -> Chunk {
    let camera = SyntheticPose::new(skeleton, 30.0);
    let mut chunk = Chunk::new(first, skeleton.layout());
    for n in first..end {
        let (timestamp, pose) = camera.frame(n);
        chunk.push(timestamp, &pose).unwrap();
        let (object, offset) = (format!("images/{first:012}"), (n - first) * JPEG.len() as u64);
        chunk.set_last_image(ImageRef { object, offset, length: u32::try_from(JPEG.len()).unwrap() });
    }
    chunk
}

/// Records 512 frames in chunks of 32, with images and a video, and finishes.
async fn record(store: &dyn SessionStore, media: &MediaStore, name: &str) -> SessionId {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named(name) };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    for first in (0..512).step_by(32) {
        let images = ImageObject { name: format!("images/{first:012}"), bytes: Bytes::from(JPEG.repeat(32)) };
        media.put_images(id, &images).await.unwrap();
        let (timestamp, kind) = (Timestamp::from_micros(5), MarkerKind::User);
        let marker =
            Marker { kind, timestamp, label: "deep".to_owned(), duration: None, count: None, cause: None };
        let chunk = Some(chunk(&skeleton, first, first + 32));
        store.append(id, term, &Batch { chunk, markers: vec![marker], ..Batch::default() }).await.unwrap();
    }
    let video = Bytes::from_iter(b"\0\0\0\x18ftypmp42".iter().copied().chain(std::iter::repeat_n(7, 5_000)));
    media.put_video_segment(id, 0, video).await.unwrap();
    let joined = media.join_video(id, &RecordedVideo::of_type("video/mp4")).await.unwrap().unwrap();
    let change = SessionChange { video_file_path: Some(Some(joined.path)), ..SessionChange::default() };
    store.update_session(id, change).await.unwrap();
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    id
}

struct Recorded {
    folder: TempDir,
    ids: Vec<SessionId>,
}

impl Recorded {
    async fn of(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let media = MediaStore::open_folder(folder.path().join("media")).unwrap();
        let store = SqliteStore::open(folder.path().join("posesession.db")).await.unwrap();
        let mut ids = Vec::new();
        for name in names {
            ids.push(record(&store, &media, name).await);
        }
        store.close().await;
        Self { folder, ids }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("posesession.db")
    }

    fn media(&self, id: SessionId) -> PathBuf {
        self.folder.path().join("media").join(id.to_string())
    }

    fn sql(&self, sql: &str) {
        let db = Connection::open(self.database()).unwrap();
        db.execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;").unwrap();
        db.execute_batch(sql).unwrap();
    }

    async fn verify(&self, only: &[SessionId]) -> Verified {
        let media = MediaStore::open_folder(self.folder.path().join("media")).unwrap();
        let store = SqliteStore::open_read_only(self.database()).await.unwrap();
        let (mut last, mut rises) = (0, true);
        let verified = verify(Place { sessions: &store, media: Some(&media) }, only, &mut |progress| {
            rises &= last <= progress.done_bytes && progress.done_bytes <= progress.total_bytes;
            last = progress.done_bytes;
        })
        .await;
        assert!(rises);
        verified
    }
}

fn damage(verified: &Verified) -> Vec<&Finding> {
    verified.findings.iter().filter(|finding| finding.severity == Severity::Damage).collect()
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_is_sound_is_told_so_and_left_as_it_is() {
    let recorded = Recorded::of(&["Squat", "Lunge"]).await;
    let before = files(recorded.folder.path());
    let verified = recorded.verify(&[]).await;
    assert_eq!(verified.findings, []);
    assert!(verified.is_sound());
    let Verified { sessions, frames, images, videos, .. } = verified;
    assert_eq!((sessions, frames, images, videos), (2, 1024, 1024, 2));
    let one = recorded.verify(&recorded.ids[..1]).await;
    assert_eq!((one.sessions, one.frames, one.is_sound()), (1, 512, true));
    // SQLite may put its lock file beside the database; what was there is as it was.
    let after = files(recorded.folder.path());
    assert!(before.iter().all(|file| after.contains(file)), "not a byte is changed");
}

#[tokio::test]
async fn a_session_that_is_being_recorded_is_sound() {
    let (store, media) = (MemoryStore::new(), tempfile::tempdir().unwrap());
    let media = MediaStore::open_folder(media.path()).unwrap();
    let id = record(&store, &media, "Squat").await;
    let live = store.create_session(NewSession::named("Live")).await.unwrap().id;
    let verified = verify(Place { sessions: &store, media: Some(&media) }, &[], &mut |_| {}).await;
    assert_eq!((verified.sessions, verified.findings), (2, Vec::new()));
    let chosen = verify(Place { sessions: &store, media: None }, &[id, live], &mut |_| {}).await;
    assert_eq!(damage(&chosen).len(), 2, "{:?}", chosen.findings);
}

#[tokio::test]
async fn damage_is_found_and_named() {
    for (sql, place, what) in [
        (
            "UPDATE frame_chunk SET payload = zeroblob(length(payload)) WHERE first_frame = 256 AND session_key = 1",
            "frames 256 to 511",
            "checksum",
        ),
        (
            "DELETE FROM frame_chunk WHERE first_frame = 0 AND session_key = 1",
            "frames 0 to 255",
            "no chunk holds",
        ),
        (
            "UPDATE frame_chunk SET first_frame = 300 WHERE first_frame = 256 AND session_key = 1",
            "chunk from frame 300",
            "should come next",
        ),
        (
            "UPDATE frame_chunk SET codec = 1 WHERE first_frame = 256 AND session_key = 1",
            "chunk from frame 256",
            "header",
        ),
        (
            "UPDATE frame_chunk SET last_timestamp_micros = 1 WHERE first_frame = 0 AND session_key = 1",
            "chunk from frame 0",
            "row says",
        ),
        ("UPDATE session_recording SET frame_count = 500 WHERE key = 1", "session", "frame count"),
        ("UPDATE session_recording SET duration_micros = 1 WHERE key = 1", "session", "duration"),
        ("UPDATE session_recording SET stored_bytes = 1 WHERE key = 1", "session", "bytes"),
        ("UPDATE session_recording SET compacted_frames = 513 WHERE key = 1", "session", "compacted"),
        ("UPDATE session_recording SET name = 'Squad' WHERE key = 1", "session", "searched"),
        ("UPDATE session_recording SET metadata = '{' WHERE key = 1", "session", "metadata"),
        ("UPDATE session_recording SET status = 'asleep' WHERE key = 1", "session", "status"),
        ("UPDATE session_recording SET video_file_path = NULL WHERE key = 1", "media", "nothing names"),
        ("UPDATE marker SET kind = 'x' WHERE session_key = 1", "markers", "kind"),
        ("DELETE FROM session_recording WHERE key = 1", "database", "not there"),
        (
            "INSERT INTO marker (session_key, kind, timestamp_micros, label) VALUES (9, 'user', 0, '')",
            "database",
            "not there",
        ),
    ] {
        let recorded = Recorded::of(&["Squat", "Lunge"]).await;
        recorded.sql(sql);
        let verified = recorded.verify(&[]).await;
        let is_it = |finding: &&Finding| finding.place == place && finding.what.contains(what);
        let found = verified.findings.iter().find(is_it);
        assert!(found.is_some(), "{sql}: {:#?}", verified.findings);
        let is_note = what == "nothing names";
        assert_eq!(verified.is_sound(), is_note, "{sql}");
        if !["database"].contains(&place) {
            assert_eq!(found.unwrap().session, Some(recorded.ids[0]), "{sql}");
        }
        let rest = recorded.verify(&recorded.ids[1..]).await;
        assert_eq!((rest.frames, rest.findings), (512, Vec::new()), "{sql}: the other session is sound");
    }
}

#[tokio::test]
async fn a_session_that_is_deleted_meanwhile_is_not_damaged() {
    let recorded = Recorded::of(&["Squat", "Lunge"]).await;
    let store = SqliteStore::open(recorded.database()).await.unwrap();
    let mut is_deleted = false;
    let verified = verify(Place { sessions: &store, media: None }, &recorded.ids[..1], &mut |progress| {
        if progress.done_bytes > 0 && !is_deleted {
            recorded.sql("UPDATE session_recording SET deleted_at_micros = 1 WHERE key = 1");
            is_deleted = true;
        }
    })
    .await;
    assert!(is_deleted);
    assert_eq!(verified.findings, []);
}

#[tokio::test]
async fn damage_within_a_deleted_session_is_found() {
    let recorded = Recorded::of(&["Squat"]).await;
    recorded.sql("UPDATE session_recording SET deleted_at_micros = 1");
    assert_eq!(damage(&recorded.verify(&[]).await), Vec::<&Finding>::new());
    recorded.sql("UPDATE frame_chunk SET payload = zeroblob(length(payload)) WHERE first_frame = 256");
    let verified = recorded.verify(&[]).await;
    let found = damage(&verified);
    assert_eq!((found.len(), found[0].place.as_str()), (1, "chunk from frame 256"), "{found:?}");
}

#[tokio::test]
async fn images_and_videos_that_are_lost_or_broken_are_found() {
    let recorded = Recorded::of(&["Squat"]).await;
    let id = recorded.ids[0];
    let media = recorded.media(id);
    std::fs::remove_file(media.join("images/000000000064")).unwrap();
    std::fs::write(media.join("images/000000000096"), JPEG.repeat(31)).unwrap();
    std::fs::write(media.join("images/000000000128"), [0; 320]).unwrap();
    std::fs::write(media.join("video.mp4"), [1; 100]).unwrap();
    std::fs::write(media.join("images/left"), [0; 10]).unwrap();
    let gone = recorded.folder.path().join("media/0190a5e4-0000-7000-8000-000000000001");
    std::fs::create_dir(&gone).unwrap();
    std::fs::write(gone.join("video.mp4"), [0; 10]).unwrap();
    let verified = recorded.verify(&[]).await;
    let found: Vec<_> =
        verified.findings.iter().map(|finding| (finding.severity, finding.place.as_str())).collect();
    let (damaged, note) = (Severity::Damage, Severity::Note);
    let wanted = [
        (damaged, "images of frames 64 to 95"),
        (damaged, "images of frames 96 to 127"),
        (damaged, "images of frames 128 to 159"),
        (damaged, "video"),
        (note, "media"),
        (note, "media"),
    ];
    assert_eq!(found, wanted, "{:#?}", verified.findings);
    std::fs::remove_file(media.join("video.mp4")).unwrap();
    let verified = recorded.verify(&[id]).await;
    assert!(damage(&verified).iter().any(|finding| finding.place == "video"));
}

#[tokio::test]
async fn a_damaged_session_does_not_keep_the_others_from_being_listed() {
    let recorded = Recorded::of(&["A", "B", "C", "D"]).await;
    recorded.sql("UPDATE session_recording SET metadata = 'nonsense' WHERE key IN (1, 4)");
    recorded.sql("UPDATE session_recording SET id = 'no id' WHERE key = 3");
    let store = SqliteStore::open_read_only(recorded.database()).await.unwrap();
    for limit in [1, 2, 3, 50] {
        for descending in [true, false] {
            let mut query = SessionQuery { limit, descending, ..SessionQuery::default() };
            let (mut names, mut damaged) = (Vec::new(), Vec::new());
            loop {
                let page = store.list_sessions(&query).await.unwrap();
                assert!(page.sessions.len() <= limit);
                names.extend(page.sessions.into_iter().map(|session| session.name));
                damaged.extend(page.damaged.into_iter().map(|session| session.id));
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
            damaged.sort();
            assert_eq!(names, ["B"], "{limit}");
            let mut wanted =
                vec!["no id".to_owned(), recorded.ids[0].to_string(), recorded.ids[3].to_string()];
            wanted.sort();
            assert_eq!(damaged, wanted, "{limit}");
        }
    }
    let refused = store.read_session(recorded.ids[0]).await;
    assert!(
        matches!(&refused, Err(StoreError::Corrupt { id, what }) if *id == recorded.ids[0] && what.contains("metadata"))
    );
    let verified = recorded.verify(&[]).await;
    assert_eq!((verified.sessions, verified.is_sound()), (1, false));
}
