//! One session as one SQLite file with its media inside, out and back in.

use std::path::{Path, PathBuf};

use posesession_core::SessionId;
use thiserror::Error;

use super::copying::{Copying, There};
use super::{Copied, OnProgress, Place, TransferError, copy_session};
use crate::SqliteStore;
use crate::error::StoreError;
use crate::media::{MediaError, MediaStore};
use crate::query::SessionQuery;
use crate::sqlite::connection::{Access, session_snapshot};
use crate::sqlite::snapshot::{put_in_place, scratch_folder};
use crate::store::SessionStore as _;

/// Writes a finished session and its media into one new SQLite file, which every part of posesession opens as a store.
///
/// The file appears under its name when it is complete and on the disk, in the place of a file that was there; until then
/// it is in a hidden folder beside it, which goes with the export, whatever becomes of it. The same session gives the same
/// file, byte by byte, wherever it is exported from by the same version of the program.
///
/// # Errors
///
/// [`SessionFileError`].
pub async fn export_session_file(
    from: Place<'_>,
    id: SessionId,
    path: impl AsRef<Path>,
    on_progress: OnProgress<'_>,
) -> Result<(), SessionFileError> {
    let path = path.as_ref().to_owned();
    let scratch = scratch_folder(&path).map_err(|source| SessionFileError::File {
        operation: "make a folder beside",
        path: path.clone(),
        source,
    })?;
    let (draft, done) = (scratch.path().join("draft.db"), scratch.path().join("done.db"));
    let store = SqliteStore::open_with(&draft, Access::WriteUnsynced).await?;
    let media = MediaStore::open_sqlite_with(&draft, Access::WriteUnsynced).await?;
    let to = Place { sessions: &store, media: Some(&media) };
    let copied = copy_session(from, to, id, on_progress).await;
    store.close().await;
    drop(media);
    copied?;
    // The draft's pages lie as they were written; the snapshot has them in the order of their content.
    let target = path.clone();
    let finish = move || -> Result<(), SessionFileError> {
        session_snapshot(&draft, &done).map_err(|failure| failure.during("write the session's file"))?;
        let moved = put_in_place(&done, &target);
        moved.map_err(|source| SessionFileError::File { operation: "write", path: target, source })
    };
    tokio::task::spawn_blocking(finish).await.map_err(|broken| SessionFileError::File {
        operation: "write",
        path: path.clone(),
        source: std::io::Error::other(broken),
    })?
}

/// Copies the session of a one-session file, under its id, into a store. The file is read as it is and not changed.
///
/// What fails leaves nothing behind: the session is erased again unless it was begun before. A copy that was cut off with its
/// process goes on when it is imported again.
///
/// # Errors
///
/// [`SessionFileError`].
pub async fn import_session_file(
    path: impl AsRef<Path>,
    to: Place<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Copied, SessionFileError> {
    import_session_file_until(path, to, on_progress, std::future::pending()).await
}

/// Imports as [`import_session_file`] does, unless `stop` is ready first: then what was imported by then is erased again.
///
/// # Errors
///
/// [`SessionFileError`], [`SessionFileError::Stopped`] among them.
pub async fn import_session_file_until(
    path: impl AsRef<Path>,
    to: Place<'_>,
    on_progress: OnProgress<'_>,
    stop: impl Future<Output = ()>,
) -> Result<Copied, SessionFileError> {
    let path = path.as_ref();
    if !path.is_file() {
        let source = std::io::ErrorKind::NotFound.into();
        return Err(SessionFileError::File { operation: "read", path: path.to_owned(), source });
    }
    let store = SqliteStore::open_read_only(path).await?;
    let media = match store.has_media().await? {
        true => Some(MediaStore::open_sqlite_with(path, Access::ReadOnly).await?),
        false => None,
    };
    let page = store.list_sessions(&SessionQuery { limit: 2, ..SessionQuery::default() }).await?;
    let [session] = page.sessions.as_slice() else {
        return Err(SessionFileError::NotOneSession { path: path.to_owned() });
    };
    let from = Place { sessions: &store, media: media.as_ref() };
    let copying = Copying::start(from, to, session.id, on_progress).await?;
    let is_ours = copying.there == There::Created;
    let copied = tokio::select! {
        biased;
        () = stop => Err(SessionFileError::Stopped),
        copied = copying.run() => copied.map_err(SessionFileError::from),
    };
    if copied.is_err() && is_ours {
        erase(to, session.id).await;
    }
    copied
}

/// Takes back what was begun. What can't be is logged: the caller is told why it came to that.
async fn erase(place: Place<'_>, id: SessionId) {
    if let Some(media) = place.media
        && let Err(error) = media.delete_session(id).await
    {
        tracing::warn!(session = %id, %error, "media of a session that was not imported are left behind");
    }
    if let Err(error) = place.sessions.erase_session(id).await {
        tracing::warn!(session = %id, %error, "a session that was not imported is left behind");
    }
}

/// Why a session's file was not written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionFileError {
    /// The session wasn't copied.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The file is no session file, is damaged, or can't be read or written.
    #[error("the session's file can't be used")]
    Store(#[from] StoreError),
    /// The media in the file can't be read or written.
    #[error("the media in the session's file can't be used")]
    Media(#[from] MediaError),
    /// The file holds no session, or several.
    #[error("`{}` doesn't hold exactly one session: copy sessions out of it instead", path.display())]
    NotOneSession {
        /// The file.
        path: PathBuf,
    },
    /// It was told to stop.
    #[error("the import was broken off")]
    Stopped,
    /// The file system failed.
    #[error("can't {operation} `{}`", path.display())]
    File {
        /// What was to be done.
        operation: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
