//! Where sessions are kept: a text in, an open storage out.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use posesession_store::{MediaStore, PostgresOptions, PostgresStore, SessionStore, SqliteStore, StoreError};
use thiserror::Error;
use url::Url;

use super::{Database, LockFile, Storage, StorageError};

const DATABASE_FILE: &str = "posesession.db";
const LOCK_FILE: &str = "posesession.lock";
const MEDIA_FOLDER: &str = "media";
const FILE_EXTENSIONS: [&str; 3] = ["db", "sqlite", "sqlite3"];

/// Where sessions and their media are kept, or are to be kept. One of
///
/// - a folder, as `serve --data` has: `posesession.db` and `media/` in it,
/// - an SQLite file (one that is there, or a name that ends in `.db`, `.sqlite` or `.sqlite3`): media are in the file if it
///   has tables for them, as exported sessions have, and else beside it, in the folder `<file>-media`,
/// - a Postgres database, `postgres://user@host/database`: media are in `./data/media` if no other folder is named.
///
/// # Examples
///
/// ```
/// use posesession_server::{Access, StoragePlace};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let folder = tempfile::tempdir()?;
/// let place: StoragePlace = folder.path().join("sessions.db").display().to_string().parse()?;
/// assert!(place.open(Access::Read).await.is_err(), "there is nothing to read yet");
/// let storage = place.open(Access::Write).await?;
/// assert!(storage.sqlite().is_some());
/// storage.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoragePlace {
    sessions: Sessions,
    media: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq)]
enum Sessions {
    Folder(PathBuf),
    File(PathBuf),
    Postgres(Url),
}

/// What is to be done with a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only reading: nothing is made or changed, and what isn't there can't be opened.
    Read,
    /// Reading and writing: what isn't there is made. Others, a server too, may have it open.
    Write,
    /// As [`Access::Write`], and servers are kept away while it is open, unless there is one: a server that starts would
    /// take sessions that are being recorded for left behind.
    Record,
}

impl StoragePlace {
    /// Names a folder.
    #[must_use]
    pub fn folder(folder: impl Into<PathBuf>) -> Self {
        Self { sessions: Sessions::Folder(folder.into()), media: None }
    }

    /// Keeps the media in this folder instead.
    #[must_use]
    pub fn with_media(self, folder: impl Into<PathBuf>) -> Self {
        Self { media: Some(folder.into()), ..self }
    }

    /// Returns whether the sessions are in a Postgres database.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.sessions, Sessions::Postgres(_))
    }

    /// Opens it. Sessions that others are recording stay as they are.
    ///
    /// # Errors
    ///
    /// [`StorageError`].
    pub async fn open(&self, access: Access) -> Result<Storage, StorageError> {
        let lock = match access {
            Access::Record => self.make_folders().and_then(|()| match self.lock() {
                Err(StorageError::InUse { .. }) => Ok(None),
                lock => lock,
            })?,
            Access::Write => self.make_folders().map(|()| None)?,
            Access::Read => None,
        };
        self.open_locked(access, lock).await
    }

    /// Opens it for one server alone.
    pub(super) async fn open_to_serve(&self) -> Result<Storage, StorageError> {
        self.make_folders()?;
        let lock = self.lock()?;
        self.open_locked(Access::Write, lock).await
    }

    async fn open_locked(&self, access: Access, lock: Option<LockFile>) -> Result<Storage, StorageError> {
        let broken = |source| StorageError::Store { place: self.to_string(), source };
        let (database, store): (Database, Arc<dyn SessionStore>) = match &self.sessions {
            Sessions::Folder(_) | Sessions::File(_) => {
                let path = self.database_file();
                let sqlite = match access {
                    Access::Read if !path.is_file() => {
                        return Err(StorageError::NotThere { place: self.to_string() });
                    }
                    Access::Read => SqliteStore::open_read_only_extended(&path).await,
                    Access::Write | Access::Record => SqliteStore::open(&path).await,
                };
                let sqlite = Arc::new(sqlite.map_err(broken)?);
                (Database::Sqlite(Arc::clone(&sqlite)), sqlite)
            }
            Sessions::Postgres(url) => {
                let postgres = PostgresStore::connect(url.as_str(), PostgresOptions::default()).await;
                let postgres = Arc::new(postgres.map_err(broken)?);
                (Database::Postgres(Arc::clone(&postgres)), postgres)
            }
        };
        let media = self.open_media(&database, access).await?;
        let (media, database) = (media.map(Arc::new), Some(database));
        Ok(Storage { store, media, database, lock, interrupted: Vec::new() })
    }

    async fn open_media(
        &self,
        database: &Database,
        access: Access,
    ) -> Result<Option<MediaStore>, StorageError> {
        let failed = |source| StorageError::Media { place: self.to_string(), source };
        if let (Sessions::File(path), None, Database::Sqlite(sqlite)) =
            (&self.sessions, &self.media, database)
        {
            let broken = |source: StoreError| StorageError::Store { place: self.to_string(), source };
            if sqlite.has_media().await.map_err(broken)? {
                let media = match access {
                    Access::Read => MediaStore::open_sqlite_file_read_only(path).await,
                    Access::Write | Access::Record => MediaStore::open_sqlite_file(path).await,
                };
                return media.map(Some).map_err(failed);
            }
        }
        let folder = self.media_folder();
        if access == Access::Read && !folder.is_dir() {
            return Ok(None);
        }
        let was_there = folder.is_dir();
        let media = MediaStore::open_folder(&folder).map_err(failed)?;
        if !was_there && matches!(self.sessions, Sessions::File(_)) {
            // Most files never get media: the folder is made anew with the first of them. If it is gone or filled by
            // somebody else meanwhile, that is as well.
            let _gone_or_filled = std::fs::remove_dir(&folder);
        }
        Ok(Some(media))
    }

    /// Returns the database's file; an empty path for a Postgres database.
    pub(super) fn database_file(&self) -> PathBuf {
        match &self.sessions {
            Sessions::Folder(folder) => folder.join(DATABASE_FILE),
            Sessions::File(file) => file.clone(),
            Sessions::Postgres(_) => PathBuf::new(),
        }
    }

    pub(super) fn media_folder(&self) -> PathBuf {
        match (&self.media, &self.sessions) {
            (Some(folder), _) => folder.clone(),
            (None, Sessions::Folder(folder)) => folder.join(MEDIA_FOLDER),
            (None, Sessions::File(file)) => with_suffix(file, "-media"),
            (None, Sessions::Postgres(_)) => Path::new("data").join(MEDIA_FOLDER),
        }
    }

    pub(super) fn make_folders(&self) -> Result<(), StorageError> {
        let folder = match &self.sessions {
            Sessions::Folder(folder) => folder.as_path(),
            Sessions::File(file) => match file.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => return Ok(()),
            },
            Sessions::Postgres(_) => return Ok(()),
        };
        super::create_private(folder)
            .map_err(|source| StorageError::Unusable { folder: folder.to_owned(), source })
    }

    /// Takes the lock of a folder or a file. A Postgres database has none.
    fn lock(&self) -> Result<Option<LockFile>, StorageError> {
        let path = match &self.sessions {
            Sessions::Folder(folder) => folder.join(LOCK_FILE),
            Sessions::File(file) => with_suffix(file, ".lock"),
            Sessions::Postgres(_) => return Ok(None),
        };
        LockFile::take(&path, &self.to_string()).map(Some)
    }
}

impl FromStr for StoragePlace {
    type Err = PlaceError;

    /// Reads a folder, a file or a URL; for a name of something that is there, looks what it is.
    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let bad = |advice: String| PlaceError { advice };
        if text.is_empty() {
            return Err(bad(
                "an empty text is no place for sessions: name a folder, a .db file or a database".to_owned(),
            ));
        }
        let Some((scheme, _rest)) = text.split_once("://") else {
            return Ok(Self { sessions: Sessions::of_path(PathBuf::from(text)), media: None });
        };
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(bad(format!(
                "{scheme}:// is no place for sessions: give a folder, a .db file or postgres://user@host/database"
            )));
        }
        let url = Url::parse(text).map_err(|error| {
            bad(format!(
                "the database's address can't be read ({error}): write postgres://user@host/database"
            ))
        })?;
        Ok(Self { sessions: Sessions::Postgres(url), media: None })
    }
}

impl Sessions {
    fn of_path(path: PathBuf) -> Self {
        let is_named_as_file =
            path.extension().is_some_and(|end| FILE_EXTENSIONS.iter().any(|&file| end == file));
        if path.is_dir() || (!path.is_file() && !is_named_as_file) {
            return Self::Folder(path);
        }
        // The database of a data folder: its media and its lock are the folder's.
        match path.parent() {
            Some(folder) if path.ends_with(DATABASE_FILE) => {
                Self::Folder(if folder == Path::new("") { PathBuf::from(".") } else { folder.to_owned() })
            }
            _ => Self::File(path),
        }
    }
}

/// Shows what messages call the place, without a password.
impl fmt::Display for StoragePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sessions {
            Sessions::Folder(folder) => write!(f, "the data folder {}", folder.display()),
            Sessions::File(file) => write!(f, "the file {}", file.display()),
            Sessions::Postgres(url) => write!(f, "the database {}", without_password(url)),
        }
    }
}

impl fmt::Debug for StoragePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoragePlace({self}, media in {})", self.media_folder().display())
    }
}

fn without_password(url: &Url) -> String {
    let mut shown = url.clone();
    // A URL that can't have a password has none to hide. Parameters may hold one, too.
    let _without = shown.set_password(None);
    shown.set_query(None);
    shown.to_string()
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.to_owned().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// Why a text is no place for sessions.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{advice}")]
pub struct PlaceError {
    advice: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use posesession_core::ImageObject;

    fn place(text: &str) -> StoragePlace {
        text.parse().unwrap()
    }

    #[test]
    fn a_text_is_a_folder_a_file_or_a_database() {
        let shown = |text| place(text).to_string();
        assert_eq!(shown("data"), "the data folder data");
        assert_eq!(shown("poses/sessions.db"), "the file poses/sessions.db");
        assert_eq!(shown("data/posesession.db"), "the data folder data");
        assert_eq!(shown("posesession.db"), "the data folder .");
        assert_eq!(
            shown("postgres://me:secret@localhost:5432/poses?password=secret"),
            "the database postgres://me@localhost:5432/poses"
        );
        assert!(!format!("{:?}", place("postgresql://me:secret@localhost/poses")).contains("secret"));
        for bad in ["", "mysql://localhost/x", "http://localhost:8787", "postgres://[", "file:///tmp/x.db"] {
            assert!(bad.parse::<StoragePlace>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn nothing_is_made_for_reading() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "sessions.db"] {
            let place = place(&folder.path().join(name).display().to_string());
            assert!(matches!(place.open(Access::Read).await, Err(StorageError::NotThere { .. })), "{name}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_files_media_folder_is_made_with_the_first_media() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.db");
        let beside = folder.path().join("sessions.db-media");
        let place = place(&file.display().to_string());
        let storage = place.open(Access::Write).await.unwrap();
        assert!(file.is_file() && !beside.exists());
        let media = storage.media().unwrap();
        let session = "0190a5e4-0000-7000-8000-000000000001".parse().unwrap();
        media.delete_session(session).await.unwrap();
        let images = ImageObject { name: "images/000000000000".to_owned(), bytes: "jpeg".into() };
        media.put_images(session, &images).await.unwrap();
        assert!(beside.is_dir());
        storage.close().await;
    }
}
