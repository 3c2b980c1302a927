//! Where sessions and media are kept, open. A server has it to itself, other programs come and go.

mod lock_file;
mod place;
mod backup;
mod left_videos;
mod recovering;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use posesession_core::SessionId;
use posesession_store::{
    Durability, MediaError, MediaStore, PostgresStore, SessionStore, SqliteStore, StoreError,
};
use thiserror::Error;

pub use self::backup::BackupError;
use self::lock_file::LockFile;
pub use self::place::{Access, PlaceError, StoragePlace};
pub use self::recovering::PlaceRecoverError;

/// Sessions and their media, open.
#[derive(Debug)]
pub struct Storage {
    store: Arc<dyn SessionStore>,
    media: Option<Arc<MediaStore>>,
    database: Option<Database>,
    /// Held as long as the storage is there; the operating system releases it when the process dies.
    lock: Option<LockFile>,
    /// The sessions that were being recorded when the predecessor went away.
    interrupted: Vec<SessionId>,
}

/// What is to be closed when the storage is.
#[derive(Debug)]
enum Database {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Storage {
    /// Opens a data folder for one server alone: [`Storage::open_to_serve`].
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn open(folder: &Path) -> Result<Self, StorageError> {
        Self::open_to_serve(&StoragePlace::folder(folder)).await
    }

    /// Opens a place for one server alone, making it if it is not there, and puts in order what a predecessor left:
    /// sessions that are still live become `interrupted`. What came of their video becomes one file once nobody can be
    /// expected to go on with them ([`ServerConfig::resume_window`](crate::ServerConfig::resume_window)). For commands beside
    /// a server there is [`StoragePlace::open`].
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn open_to_serve(place: &StoragePlace) -> Result<Self, StorageError> {
        let mut storage = place.open_to_serve().await?;
        let recovered = storage.recover().await;
        recovered.map_err(|source| StorageError::Store { place: place.to_string(), source })?;
        Ok(storage)
    }

    /// Makes a storage of stores of the caller's own; without a media store, images and video are refused. Unlike
    /// [`Storage::open`] this changes nothing in them.
    #[must_use]
    pub fn new(store: Arc<dyn SessionStore>, media: Option<Arc<MediaStore>>) -> Self {
        Self { store, media, database: None, lock: None, interrupted: Vec::new() }
    }

    /// Returns the sessions.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn SessionStore> {
        &self.store
    }

    /// Returns the SQLite database, if that is where the sessions are.
    #[must_use]
    pub fn sqlite(&self) -> Option<&Arc<SqliteStore>> {
        match &self.database {
            Some(Database::Sqlite(sqlite)) => Some(sqlite),
            _ => None,
        }
    }

    /// Returns the images and videos.
    #[must_use]
    pub fn media(&self) -> Option<&Arc<MediaStore>> {
        self.media.as_ref()
    }

    /// Returns whether what is acknowledged survives a power loss, sessions and media, and if not, why.
    #[must_use]
    pub fn durability(&self) -> Durability {
        let media = self.media.as_ref().map_or(Durability::Durable, |media| media.durability());
        self.store.durability().and(media)
    }

    /// Does what is queued, closes the database and lets go of the place; calls that come later fail. Stores of the
    /// caller's own are left open.
    pub async fn close(&self) {
        match &self.database {
            Some(Database::Sqlite(sqlite)) => sqlite.close().await,
            Some(Database::Postgres(postgres)) => postgres.close().await,
            None => {}
        }
        if let Some(lock) = &self.lock {
            lock.release();
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

/// Why a place can't be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A server has it open.
    #[error(
        "{place} is in use by another posesession{}: stop that one or give another place with --data or --database",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The place.
        place: String,
        /// The server's process, if it said so.
        pid: Option<u32>,
    },
    /// There is nothing to be read.
    #[error(
        "{place} has no sessions, or isn't there: give the place where they are with --data or --database"
    )]
    NotThere {
        /// The place.
        place: String,
    },
    /// A folder can't be created, read or written.
    #[error("the folder {} can't be used: check that it is a folder and that you may write to it", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The media can't be opened.
    #[error("the media of {place} can't be opened")]
    Media {
        /// The place.
        place: String,
        /// Why.
        #[source]
        source: MediaError,
    },
    /// The database can't be opened.
    #[error("{place} can't be opened")]
    Store {
        /// The place.
        place: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}
