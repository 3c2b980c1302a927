//! The data folder: a lock, the database, the media. Opened by one server at a time.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use posesession_core::{SessionRecording, SessionStatus};
use posesession_store::{
    MediaError, MediaStore, RecordedVideo, SessionChange, SessionQuery, SessionStore, SqliteStore,
    StoreError, VideoType,
};
use thiserror::Error;

const DATABASE_FILE: &str = "posesession.db";
const LOCK_FILE: &str = "posesession.lock";
const MEDIA_FOLDER: &str = "media";

/// Where a server keeps its sessions.
#[derive(Debug)]
pub struct Storage {
    store: Arc<dyn SessionStore>,
    media: Option<Arc<MediaStore>>,
    folder: Option<OpenFolder>,
}

/// What is to be closed when the storage is.
#[derive(Debug)]
struct OpenFolder {
    sqlite: Arc<SqliteStore>,
    /// Held as long as the storage is there; the operating system releases it when the process dies.
    lock: File,
}

impl Storage {
    /// Opens a data folder, creating it if it is not there, and puts in order what a predecessor left: sessions that are
    /// still live become `interrupted`, and what came of their video becomes one file.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn open(folder: &Path) -> Result<Self, StorageError> {
        let unusable = |source| StorageError::Unusable { folder: folder.to_owned(), source };
        create_private(folder).map_err(unusable)?;
        let lock = lock(folder)?;
        let media = MediaStore::open_folder(folder.join(MEDIA_FOLDER))
            .map_err(|source| StorageError::Media { folder: folder.to_owned(), source })?;
        let broken = |source| StorageError::Store { folder: folder.to_owned(), source };
        let sqlite = Arc::new(SqliteStore::open(folder.join(DATABASE_FILE)).await.map_err(broken)?);
        let store: Arc<dyn SessionStore> = Arc::clone(&sqlite) as _;
        let storage = Self { store, media: Some(Arc::new(media)), folder: Some(OpenFolder { sqlite, lock }) };
        storage.recover().await.map_err(broken)?;
        Ok(storage)
    }

    /// Makes a storage of stores of the caller's own; without a media store, images and video are refused. Unlike
    /// [`Storage::open`] this changes nothing in them.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>, media: Option<Arc<MediaStore>>) -> Self {
        Self { store, media, folder: None }
    }

    /// Returns the sessions.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        &self.store
    }

    /// Returns the images and videos.
    #[must_use]
    pub fn media(&self) -> Option<&Arc<MediaStore>> {
        self.media.as_ref()
    }

    /// Does what is queued, closes the database and lets go of the folder; calls that come later fail. Stores of the
    /// caller's own are left open.
    pub(crate) async fn close(&self) {
        if let Some(folder) = &self.folder {
            folder.sqlite.close().await;
            if let Err(error) = folder.lock.unlock() {
                tracing::warn!(%error, "the data folder's lock is held until the process ends");
            }
        }
    }

    async fn recover(&self) -> Result<(), StoreError> {
        let interrupted = self.store.interrupt_live_sessions().await?;
        for &id in &interrupted {
            tracing::warn!(session = %id, "the session was being recorded when the server went away; it is interrupted");
            let session = self.store.read_session(id).await?;
            self.join_video(&session, None).await;
        }
        // A server that died while it joined, or had no room for it, has left others.
        let is_left = |session: &SessionRecording| {
            let is_filmed = RecordedVideo::from_metadata(&session.metadata).is_some();
            is_filmed && session.video_file_path.is_none() && !interrupted.contains(&session.id)
        };
        self.join_videos_of(SessionStatus::Interrupted, None, is_left).await?;
        self.join_videos_of(SessionStatus::Failed, None, is_left).await?;
        self.join_videos_of(SessionStatus::Processing, Some(SessionStatus::Completed), |_| true).await
    }

    /// Joins the videos of those sessions of a status for which `is_left` says that it is left to do.
    async fn join_videos_of(
        &self,
        status: SessionStatus,
        last: Option<SessionStatus>,
        is_left: impl Fn(&SessionRecording) -> bool,
    ) -> Result<(), StoreError> {
        let mut query =
            SessionQuery { status: Some(status), limit: SessionQuery::MAX_LIMIT, ..SessionQuery::default() };
        loop {
            let page = self.store.list_sessions(&query).await?;
            for session in page.sessions.iter().filter(|session| is_left(session)) {
                self.join_video(session, last).await;
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Joins what came of a session's video, and gives it its last status. A video that can't be joined keeps no server
    /// from starting: its pieces stay where they are.
    async fn join_video(&self, session: &SessionRecording, status: Option<SessionStatus>) {
        let (Some(media), id) = (&self.media, session.id) else { return };
        let noted = RecordedVideo::from_metadata(&session.metadata);
        let video = noted.clone().unwrap_or_else(|| RecordedVideo::of_type(VideoType::Webm.mime()));
        let joined = match media.join_video(id, &video).await {
            Ok(joined) => joined.filter(|joined| joined.length > 0),
            Err(error) => {
                tracing::warn!(session = %id, %error, "the session's video could not be joined");
                return;
            }
        };
        let is_rewritten = joined.as_ref().is_some_and(|joined| joined.is_rewritten);
        let change = SessionChange {
            video: noted.filter(|_| is_rewritten).map(|noted| RecordedVideo { cuts: Vec::new(), ..noted }),
            video_file_path: joined.map(|joined| Some(joined.path)),
            status,
            ..SessionChange::default()
        };
        if change == SessionChange::default() {
            return;
        }
        if let Err(error) = self.store.update_session(id, change).await {
            tracing::warn!(session = %id, %error, "the session's video could not be noted");
        }
    }
}

/// Creates a folder that only its owner can look into.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Takes the folder's lock and writes this process' id into its file.
fn lock(folder: &Path) -> Result<File, StorageError> {
    let unusable = |source| StorageError::Unusable { folder: folder.to_owned(), source };
    let path = folder.join(LOCK_FILE);
    let mut file =
        File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let pid = file.read_to_string(&mut owner).ok().and_then(|_length| owner.trim().parse().ok());
            return Err(StorageError::InUse { folder: folder.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(unusable(source)),
    }
    file.set_len(0).map_err(unusable)?;
    writeln!(file, "{}", std::process::id()).map_err(unusable)?;
    Ok(file)
}

/// Why a data folder can't be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Another server has it open.
    #[error(
        "the data folder {} is in use by another posesession{}: stop that one or give another --data",
        folder.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other server's process, if it said so.
        pid: Option<u32>,
    },
    /// It can't be created, read or written.
    #[error("the data folder {} can't be used: check that it is a folder and that you may write to it", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The media in it can't be opened.
    #[error("the media in the data folder {} can't be opened", folder.display())]
    Media {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: MediaError,
    },
    /// The database in it can't be opened.
    #[error("the database in the data folder {} can't be opened", folder.display())]
    Store {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
}
