//! What is intact of a damaged place, in a place of its own. A damaged place in, a report out.

use std::path::PathBuf;
use std::sync::Arc;

use posesession_store::{MediaStore, OnProgress, Place, RecoverError, Recovered, recover};
use thiserror::Error;

use super::{Access, StorageError, StoragePlace};

impl StoragePlace {
    /// Copies everything that is intact of this place, whose database may be damaged, into a new one: see [`recover`]. This place
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// [`PlaceRecoverError`]. What was written by then stays.
    pub async fn recover_into(
        &self,
        to: &StoragePlace,
        on_progress: OnProgress<'_>,
    ) -> Result<Recovered, PlaceRecoverError> {
        if self.is_postgres() || to.is_postgres() {
            return Err(PlaceRecoverError::NotAFile);
        }
        let (from, file) = (self.database_file(), to.database_file());
        if file.exists() {
            return Err(PlaceRecoverError::IsThere { path: file });
        }
        if !from.is_file() {
            return Err(StorageError::NotThere { place: self.to_string() }.into());
        }
        let folder = self.media_folder();
        let opened = folder.is_dir().then(|| MediaStore::open_folder(&folder)).transpose();
        let media = opened.map_err(|source| StorageError::Media { place: self.to_string(), source })?;
        let storage = to.open(Access::Write).await?;
        let place = Place { sessions: storage.store().as_ref(), media: storage.media().map(Arc::as_ref) };
        let recovered = recover(&from, media.as_ref(), place, on_progress).await;
        storage.close().await;
        if matches!(recovered, Err(RecoverError::NothingFound { .. } | RecoverError::File { .. })) {
            // The new database is empty: the place is as good as it was.
            let _left_behind = std::fs::remove_file(&file);
        }
        Ok(recovered?)
    }
}

/// Why a place was not recovered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlaceRecoverError {
    /// The source or the destination is a Postgres database.
    #[error(
        "only SQLite is recovered, into a folder or a .db file: Postgres has its own tools (backups, pg_amcheck, pg_resetwal)"
    )]
    NotAFile,
    /// There is a database at the destination.
    #[error("`{}` is there already: name a new place", path.display())]
    IsThere {
        /// The file.
        path: PathBuf,
    },
    /// A place can't be opened.
    #[error(transparent)]
    Place(#[from] StorageError),
    /// The database could not be recovered.
    #[error(transparent)]
    Recover(#[from] RecoverError),
}
