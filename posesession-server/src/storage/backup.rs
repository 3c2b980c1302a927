//! A backup of a storage that others may be using. An open storage in, a place of its own out.

use std::path::PathBuf;

use posesession_store::{MediaError, StoreError};
use thiserror::Error;

use super::{Access, Database, Storage, StorageError, StoragePlace};

impl Storage {
    /// Writes all sessions and media as they are at this moment into a new place, whoever uses them meanwhile: recordings go
    /// on, and what was acknowledged before is in the backup. Media are copied after the sessions, as what a frame names is
    /// there before the frame is. Returns the database's file.
    ///
    /// # Errors
    ///
    /// [`BackupError`]. What was written by then stays.
    pub async fn back_up(&self, to: &StoragePlace) -> Result<PathBuf, BackupError> {
        if to.is_postgres() {
            return Err(BackupError::ToDatabase);
        }
        let Some(Database::Sqlite(sqlite)) = &self.database else { return Err(BackupError::NotAFile) };
        to.make_folders()?;
        let file = to.database_file();
        sqlite.back_up(&file).await?;
        if let Some(media) = &self.media {
            // Media that lie in the database are in the backup's by now, and are found to be.
            let backup = to.open(Access::Write).await?;
            if let Some(there) = backup.media() {
                media.back_up(there).await?;
            }
            backup.close().await;
        }
        Ok(file)
    }
}

/// Why there is no backup.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The sessions are not in an SQLite file.
    #[error("only SQLite is backed up so: use pg_dump for Postgres, or `posesession copy` into a file")]
    NotAFile,
    /// The backup was to go into a database.
    #[error("a backup goes into a new folder or .db file: `posesession copy` brings sessions into Postgres")]
    ToDatabase,
    /// The place can't be made.
    #[error(transparent)]
    Place(#[from] StorageError),
    /// The sessions can't be read or written, or the file is there already.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The media can't be read or written.
    #[error("the sessions are backed up, but not all of their media")]
    Media(#[from] MediaError),
}
