//! Sessions copied from store to store and through files: exact, resumable, verified, all or nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt as _;
use posesession_core::{
    Batch, Chunk, ChunkQuery, Encoding, ImageObject, ImageRef, Lossless, Marker, MarkerKind, MaxError,
    SessionId, SessionStatus, Skeleton, SyntheticPose, Timestamp,
};
use posesession_store::{
    Copied, EncodedRun, MediaStore, MemoryStore, NewSession, Place, SessionChange, SessionFileError,
    SessionQuery, SessionStore, SqliteStore, StoreError, TransferError, copy_session, export_session_file,
    import_session_file, import_session_file_until,
};
use tempfile::TempDir;

/// Longer than one row of media in an SQLite file, and than what is put at once.
const VIDEO_BYTES: usize = (9 << 20) + 12_345;

fn video() -> Bytes {
    (0..VIDEO_BYTES).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
}

fn marker(micros: i64, label: &str) -> Marker {
    let (timestamp, label) = (Timestamp::from_micros(micros), label.to_owned());
    Marker { kind: MarkerKind::User, timestamp, label, duration: None, count: None, cause: None }
}

fn chunk(skeleton: &Skeleton, first: u64, end: u64) -> Chunk {
    let camera = SyntheticPose::new(skeleton, 30.0);
    let mut chunk = Chunk::new(first, skeleton.layout());
    for n in first..end {
        let (timestamp, pose) = camera.frame(n);
        chunk.push(timestamp, &pose).unwrap();
        chunk.set_last_image(ImageRef {
            object: format!("images/{first:012}"),
            offset: n - first,
            length: 1,
        });
    }
    chunk
}

/// Records a session with everything that one can have, of 600 frames in chunks of 40, and finishes it as `status`.
async fn record(store: &dyn SessionStore, media: &MediaStore, status: SessionStatus) -> SessionId {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let new = NewSession {
        description: "With a video\nand \u{1F9D7}".to_owned(),
        metadata: serde_json::json!({"side": "left", "tries": [1, 2.5]}).as_object().unwrap().clone(),
        skeleton: Some(skeleton.clone()),
        ..NewSession::named("Squat")
    };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    for first in (0..600).step_by(40) {
        let images = ImageObject { name: format!("images/{first:012}"), bytes: Bytes::from(vec![7; 40]) };
        media.put_images(id, &images).await.unwrap();
        let markers = vec![marker(5, "b"), marker(5, "a"), marker(i64::try_from(first).unwrap(), "c")];
        let chunk = Some(chunk(&skeleton, first, first + 40));
        let batch = Batch { chunk, markers, settled_through: Some(first + 39), ..Batch::default() };
        store.append(id, term, &batch).await.unwrap();
    }
    media.put_video_segment(id, 0, video()).await.unwrap();
    let facts = posesession_store::RecordedVideo::of_type("video/mp4");
    let joined = media.join_video(id, &facts).await.unwrap().unwrap();
    let change = SessionChange { video_file_path: Some(Some(joined.path)), ..SessionChange::default() };
    store.update_session(id, change).await.unwrap();
    store.finish(id, term, status).await.unwrap();
    id
}

/// Two places: one with a recorded session, and an empty one.
struct Two {
    folder: TempDir,
    from: SqliteStore,
    from_media: MediaStore,
    to: SqliteStore,
    to_media: MediaStore,
}

impl Two {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        Self {
            from: SqliteStore::open(at("from.db")).await.unwrap(),
            from_media: MediaStore::open_folder(at("from-media")).unwrap(),
            to: SqliteStore::open(at("to.db")).await.unwrap(),
            to_media: MediaStore::open_sqlite_file(at("to.db")).await.unwrap(),
            folder,
        }
    }

    fn from(&self) -> Place<'_> {
        Place { sessions: &self.from, media: Some(&self.from_media) }
    }

    fn to(&self) -> Place<'_> {
        Place { sessions: &self.to, media: Some(&self.to_media) }
    }

    async fn copy(&self, id: SessionId) -> Result<Copied, TransferError> {
        copy_session(self.from(), self.to(), id, &mut |_progress| {}).await
    }
}

async fn assert_same(a: Place<'_>, b: Place<'_>, id: SessionId) {
    let session = a.sessions.read_session(id).await.unwrap();
    assert_eq!(b.sessions.read_session(id).await.unwrap(), session);
    assert_eq!(b.sessions.markers(id).await.unwrap(), a.sessions.markers(id).await.unwrap());
    assert_eq!(
        b.sessions.progress(id).await.unwrap().settled_through,
        a.sessions.progress(id).await.unwrap().settled_through
    );
    let index = a.sessions.chunk_index(id).await.unwrap();
    assert_eq!(b.sessions.chunk_index(id).await.unwrap(), index);
    for extent in index.extents() {
        let query = ChunkQuery::Frame(extent.first_frame);
        let (mine, theirs) =
            (a.sessions.encoded_chunk(id, query).await, b.sessions.encoded_chunk(id, query).await);
        assert_eq!(theirs.unwrap(), mine.unwrap());
    }
    let image = ImageRef { object: "images/000000000040".to_owned(), offset: 3, length: 2 };
    assert_eq!(b.media.unwrap().read_image(id, &image).await.unwrap(), Bytes::from_static(&[7, 7]));
    let path = session.video_file_path.unwrap();
    for range in [0..VIDEO_BYTES as u64, (1 << 20) - 1..(1 << 20) + 1, (3 << 20)..(3 << 20) + 5] {
        let bytes = b.media.unwrap().read_video_range(&path, range.clone()).await.unwrap();
        let bytes: Vec<u8> = bytes.try_collect::<Vec<_>>().await.unwrap().concat();
        let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
        assert!(bytes == video()[start..end], "{range:?}");
    }
}

#[tokio::test]
async fn a_copy_keeps_everything_bit_for_bit() {
    for status in [SessionStatus::Completed, SessionStatus::Interrupted, SessionStatus::Failed] {
        let two = Two::new().await;
        let id = record(&two.from, &two.from_media, status).await;
        let mut seen = Vec::new();
        let copied =
            copy_session(two.from(), two.to(), id, &mut |progress| seen.push(progress)).await.unwrap();
        assert!(matches!(copied, Copied::New(_)));
        assert_eq!(*copied.session(), two.from.read_session(id).await.unwrap());
        assert_same(two.from(), two.to(), id).await;
        assert!(seen.windows(2).all(|pair| pair[0].done_bytes <= pair[1].done_bytes));
        let last = seen.last().unwrap();
        assert_eq!(last.done_bytes, last.total_bytes);
        assert!(last.total_bytes > VIDEO_BYTES as u64);
    }
}

#[tokio::test]
async fn a_copy_can_be_spawned() {
    let two = std::sync::Arc::new(Two::new().await);
    let id = record(&two.from, &two.from_media, SessionStatus::Completed).await;
    let copy = tokio::spawn(async move { two.copy(id).await.map(|copied| copied.session().id) });
    assert_eq!(copy.await.unwrap().unwrap(), id);
}

#[tokio::test]
async fn a_copy_that_broke_off_goes_on_where_it_stopped() {
    let two = Two::new().await;
    let id = record(&two.from, &two.from_media, SessionStatus::Completed).await;
    // The destination as a process left it that died in the middle, and a server found it since.
    let session = two.from.read_session(id).await.unwrap();
    let new = NewSession {
        id,
        description: session.description.clone(),
        created_at: session.created_at,
        metadata: session.metadata.clone(),
        skeleton: session.skeleton.clone(),
        ..NewSession::named("Squat")
    };
    two.to.create_session(new).await.unwrap();
    let term = two.to.begin_term(id).await.unwrap();
    let first = two.from.encoded_chunk(id, ChunkQuery::Frame(0)).await.unwrap();
    two.to.append_encoded(id, term, EncodedRun::check(first.chunk).unwrap()).await.unwrap();
    let images = ImageObject { name: "images/000000000000".to_owned(), bytes: Bytes::from(vec![7; 40]) };
    two.to_media.put_images(id, &images).await.unwrap();
    two.to.interrupt_live_sessions().await.unwrap();
    assert!(matches!(two.copy(id).await.unwrap(), Copied::New(_)));
    assert_same(two.from(), two.to(), id).await;
}

#[tokio::test]
async fn a_session_that_is_there_already_is_left_as_it_is() {
    let two = Two::new().await;
    let id = record(&two.from, &two.from_media, SessionStatus::Completed).await;
    two.copy(id).await.unwrap();
    let commits = two.to.commit_count();
    assert!(matches!(two.copy(id).await.unwrap(), Copied::AlreadyThere(_)));
    assert_eq!(two.to.commit_count(), commits + 1, "only the attempt to create it");
}

#[tokio::test]
async fn another_session_of_the_same_id_is_refused() {
    let rename = SessionChange { name: Some("Other".to_owned()), ..SessionChange::default() };
    let two = Two::new().await;
    let id = record(&two.from, &two.from_media, SessionStatus::Completed).await;
    two.copy(id).await.unwrap();
    two.to.update_session(id, rename).await.unwrap();
    let refused = two.copy(id).await;
    assert!(
        matches!(refused, Err(TransferError::Differs { ref what, .. }) if what == "names"),
        "{refused:?}"
    );
    let back = SessionChange { name: Some("Squat".to_owned()), ..SessionChange::default() };
    two.to.update_session(id, back).await.unwrap();
    let images = ImageObject { name: "images/000000000040".to_owned(), bytes: Bytes::from(vec![8; 40]) };
    two.to_media.put_images(id, &images).await.unwrap();
    let refused = two.copy(id).await;
    assert!(
        matches!(refused, Err(TransferError::Differs { ref what, .. }) if what.contains("images")),
        "{refused:?}"
    );
    two.to.delete_session(id, session_time()).await.unwrap();
    assert!(matches!(two.copy(id).await, Err(TransferError::Deleted { .. })));
}

fn session_time() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::UNIX_EPOCH
}

#[tokio::test]
async fn what_can_not_be_copied_is_refused_by_name() {
    let two = Two::new().await;
    let unknown = NewSession::named("nobody").id;
    let refused = two.copy(unknown).await;
    assert!(matches!(refused, Err(TransferError::Read(StoreError::SessionNotFound { .. }))), "{refused:?}");
    let live = two.from.create_session(NewSession::named("Live")).await.unwrap().id;
    assert!(matches!(two.copy(live).await, Err(TransferError::NotFinished { .. })));
    let id = record(&two.from, &two.from_media, SessionStatus::Completed).await;
    let bare = Place { media: None, ..two.to() };
    let refused = copy_session(two.from(), bare, id, &mut |_| {}).await;
    assert!(matches!(refused, Err(TransferError::NoMediaStore { place: "destination", .. })), "{refused:?}");
    let bare = Place { media: None, ..two.from() };
    let refused = copy_session(bare, two.to(), id, &mut |_| {}).await;
    assert!(matches!(refused, Err(TransferError::NoMediaStore { place: "source", .. })), "{refused:?}");
    assert_eq!(two.to.list_sessions(&SessionQuery::default()).await.unwrap().sessions, []);
}

/// Exports a recorded session to `{folder}/session.db`.
async fn exported(two: &Two) -> (SessionId, std::path::PathBuf) {
    let id = record(&two.from, &two.from_media, SessionStatus::Completed).await;
    let path = two.folder.path().join("out").join("session.db");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    export_session_file(two.from(), id, &path, &mut |_| {}).await.unwrap();
    (id, path)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn an_import_that_is_stopped_leaves_nothing() {
    let two = Two::new().await;
    let (id, path) = exported(&two).await;
    let stop = tokio::sync::Notify::new();
    let mut half_way = |progress: posesession_store::Progress| {
        if progress.done_bytes > progress.total_bytes / 2 {
            stop.notify_one();
        }
    };
    let stopped = import_session_file_until(&path, two.to(), &mut half_way, stop.notified()).await;
    assert!(matches!(stopped, Err(SessionFileError::Stopped)), "{stopped:?}");
    assert!(matches!(two.to.read_session(id).await, Err(StoreError::SessionNotFound { .. })));
    let image = ImageRef { object: "images/000000000040".to_owned(), offset: 3, length: 2 };
    assert!(two.to_media.read_image(id, &image).await.is_err(), "media are gone, too");
    let copied = import_session_file(&path, two.to(), &mut |_| {}).await.unwrap();
    assert!(matches!(copied, Copied::New(_)), "it can be imported all the same");
}

#[tokio::test]
async fn an_exported_file_imported_and_exported_again_is_the_same_to_the_byte() {
    let two = Two::new().await;
    let (id, path) = exported(&two).await;
    assert_eq!(names(path.parent().unwrap()), ["session.db"], "one file, and nothing beside it");
    let before = std::fs::read(&path).unwrap();
    let copied = import_session_file(&path, two.to(), &mut |_| {}).await.unwrap();
    assert!(matches!(copied, Copied::New(ref session) if session.id == id));
    assert_same(two.from(), two.to(), id).await;
    let again = path.with_file_name("again.db");
    export_session_file(two.to(), id, &again, &mut |_| {}).await.unwrap();
    assert!(std::fs::read(&again).unwrap() == before, "the second export differs from the first");
    assert!(std::fs::read(&path).unwrap() == before, "importing changed the file");
    let copied = import_session_file(&path, two.to(), &mut |_| {}).await.unwrap();
    assert!(matches!(copied, Copied::AlreadyThere(_)));
    let mut left = names(path.parent().unwrap());
    left.sort();
    assert_eq!(left, ["again.db", "session.db"]);
}

#[tokio::test]
async fn an_exported_file_is_a_store_of_its_own() {
    let two = Two::new().await;
    let (id, path) = exported(&two).await;
    let store = SqliteStore::open(&path).await.unwrap();
    assert!(store.has_media().await.unwrap());
    let media = MediaStore::open_sqlite_file(&path).await.unwrap();
    assert_same(two.from(), Place { sessions: &store, media: Some(&media) }, id).await;
    store.close().await;
}

#[tokio::test]
async fn a_small_sessions_file_is_hardly_larger_than_its_frames() {
    let folder = TempDir::new().unwrap();
    let store = MemoryStore::new();
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("Squat") };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let camera = SyntheticPose::new(&skeleton, 30.0);
    let mut chunk = Chunk::new(0, skeleton.layout());
    for n in 0..256 {
        let (timestamp, pose) = camera.frame(n);
        chunk.push(timestamp, &pose).unwrap();
    }
    store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await.unwrap();
    let session = store.finish(id, term, SessionStatus::Completed).await.unwrap();
    let path = folder.path().join("squat.db");
    export_session_file(Place { sessions: &store, media: None }, id, &path, &mut |_| {}).await.unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < session.stored_bytes + 24_576, "{bytes} for {} of frames", session.stored_bytes);
    // Small pages are pages like any other to a store.
    let opened = SqliteStore::open(&path).await.unwrap();
    assert_eq!(opened.read_session(id).await.unwrap().frame_count, 256);
    opened.create_session(NewSession::named("Another")).await.unwrap();
    // Its pages are not given back, and nobody waits for that.
    opened.erase_session(id).await.unwrap();
}

#[tokio::test]
async fn a_store_opened_to_be_read_only_refuses_to_write() {
    let two = Two::new().await;
    let (id, path) = exported(&two).await;
    let store = SqliteStore::open_read_only(&path).await.unwrap();
    let refused = store.delete_session(id, session_time()).await;
    assert!(matches!(refused, Err(StoreError::Backend { retryable: false, .. })), "{refused:?}");
    assert_eq!(store.read_session(id).await.unwrap().frame_count, 600);
    store.close().await;
}

/// Imports a file that is expected to fail, and checks that nothing is left of it.
async fn refused(path: &Path) -> SessionFileError {
    let folder = tempfile::tempdir().unwrap();
    let (store, media) = (MemoryStore::new(), MediaStore::open_folder(folder.path()).unwrap());
    let to = Place { sessions: &store, media: Some(&media) };
    let error = import_session_file(path, to, &mut |_| {}).await.unwrap_err();
    assert_eq!(store.list_sessions(&SessionQuery::default()).await.unwrap().sessions, []);
    let files: Vec<_> = names(folder.path());
    assert!(files.iter().all(|name| names(&folder.path().join(name)).is_empty()), "{files:?}");
    error
}

#[tokio::test]
async fn a_broken_file_gives_a_named_error_and_leaves_nothing() {
    let two = Two::new().await;
    let (_, path) = exported(&two).await;
    let whole = std::fs::read(&path).unwrap();
    let broken = path.with_file_name("broken.db");
    for bytes in [&b""[..], b"hello", &whole[..100], &whole[..whole.len() / 2]] {
        std::fs::write(&broken, bytes).unwrap();
        let error = refused(&broken).await;
        assert!(!matches!(error, SessionFileError::NotOneSession { .. }), "{error:?}");
    }
    // One bit of a chunk's payload.
    std::fs::write(&broken, &whole).unwrap();
    let db = rusqlite::Connection::open(&broken).unwrap();
    let flip = "UPDATE frame_chunk SET payload = CAST(substr(payload, 1, 99) || x'00' || substr(payload, 101) AS BLOB)";
    db.execute(flip, []).unwrap();
    drop(db);
    let error = refused(&broken).await;
    let is_told =
        matches!(error, SessionFileError::Transfer(TransferError::Read(StoreError::Corrupt { .. })));
    assert!(is_told, "{error:?}");
    let missing = refused(&path.with_file_name("missing.db")).await;
    assert!(matches!(missing, SessionFileError::File { operation: "read", .. }), "{missing:?}");
}

#[tokio::test]
async fn a_file_with_other_tables_than_ours_is_refused() {
    let two = Two::new().await;
    let (_, path) = exported(&two).await;
    let tricks = [
        "CREATE TRIGGER t AFTER INSERT ON marker BEGIN DELETE FROM frame_chunk; END",
        "ALTER TABLE marker RENAME TO m; CREATE VIEW marker AS SELECT * FROM m",
        "CREATE TABLE notes (text TEXT)",
    ];
    for (number, trick) in tricks.iter().enumerate() {
        let tricked = path.with_file_name(format!("tricked{number}.db"));
        std::fs::copy(&path, &tricked).unwrap();
        rusqlite::Connection::open(&tricked).unwrap().execute_batch(trick).unwrap();
        let error = refused(&tricked).await;
        let is_told = matches!(error, SessionFileError::Store(StoreError::NotADatabase { .. }));
        assert!(is_told, "{trick}: {error:?}");
    }
}

#[tokio::test]
async fn a_file_of_several_sessions_is_not_imported() {
    let two = Two::new().await;
    let (_, path) = exported(&two).await;
    let store = SqliteStore::open(&path).await.unwrap();
    store.create_session(NewSession::named("Another")).await.unwrap();
    store.close().await;
    let error = refused(&path).await;
    assert!(matches!(error, SessionFileError::NotOneSession { .. }), "{error:?}");
}

#[tokio::test]
async fn an_export_that_fails_leaves_nothing() {
    let two = Two::new().await;
    let live = two.from.create_session(NewSession::named("Live")).await.unwrap().id;
    let folder = tempfile::tempdir().unwrap();
    let refused = export_session_file(two.from(), live, folder.path().join("x.db"), &mut |_| {}).await;
    assert!(matches!(refused, Err(SessionFileError::Transfer(TransferError::NotFinished { .. }))));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_backup_of_a_running_store_holds_what_was_stored() {
    let two = Two::new().await;
    let id = record(&two.from, &two.from_media, SessionStatus::Completed).await;
    let live = two.from.create_session(NewSession::named("Live")).await.unwrap().id;
    let folder = two.folder.path().join("backup");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("posesession.db");
    two.from.back_up(&path).await.unwrap();
    let media = MediaStore::open_folder(folder.join("media")).unwrap();
    let copied = two.from_media.back_up(&media).await.unwrap();
    assert_eq!(copied, 16, "15 objects of images and a video");
    assert_eq!(two.from_media.back_up(&media).await.unwrap(), 0, "all is there already");
    let refused = two.from.back_up(&path).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    let mut left = names(&folder);
    left.sort();
    assert_eq!(left, ["media", "posesession.db"]);
    // The store goes on; the backup is as of then.
    two.from.begin_term(live).await.unwrap();
    two.from.delete_session(id, session_time()).await.unwrap();
    two.from.restore_session(id).await.unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    assert_same(two.from(), Place { sessions: &store, media: Some(&media) }, id).await;
    assert_eq!(store.read_session(live).await.unwrap().status, SessionStatus::Recording);
    store.close().await;
}

#[tokio::test]
async fn a_copy_tells_the_encoding_of_its_source() {
    let two = Two::new().await;
    let max_error = MaxError::new([("x", 0.5)]).unwrap();
    for encoding in [
        Encoding::Json,
        Encoding::Bounded { max_error: max_error.clone() },
        Encoding::Recoded { into: Lossless::Columnar, max_error },
    ] {
        let skeleton = Skeleton::preset("mediapipe_33").unwrap();
        let new = NewSession {
            encoding: encoding.clone(),
            skeleton: Some(skeleton.clone()),
            ..NewSession::named("Encoded")
        };
        let id = two.from.create_session(new).await.unwrap().id;
        let term = two.from.begin_term(id).await.unwrap();
        let batch = Batch { chunk: Some(chunk(&skeleton, 0, 300)), ..Batch::default() };
        two.from.append(id, term, &batch).await.unwrap();
        two.from.finish(id, term, SessionStatus::Completed).await.unwrap();
        two.copy(id).await.unwrap();
        let copy = two.to.read_session(id).await.unwrap();
        assert_eq!(copy, two.from.read_session(id).await.unwrap());
        assert_eq!(copy.encoding, encoding);
        let there = two.to.encoded_chunk(id, ChunkQuery::Frame(0)).await.unwrap();
        assert_eq!(there, two.from.encoded_chunk(id, ChunkQuery::Frame(0)).await.unwrap());
    }
}
