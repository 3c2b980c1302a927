//! Where images and video are kept: objects in a folder, or in any object store. Bytes in, byte ranges out.

mod error;
mod name;
mod recorded_video;
mod video;
mod joining;
mod webm;
mod objects;
mod checking;
#[cfg(feature = "sqlite")]
mod sqlite_objects;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutPayload};
use posesession_core::{ImageObject, ImageRef, SessionId};

use crate::durability::Durability;

pub(crate) use checking::VideoCheck;
pub use error::MediaError;
use error::failed;
pub(crate) use objects::MediaObject;
pub use recorded_video::{RecordedVideo, VideoCut};
pub use video::{JoinedVideo, VideoGap, VideoType};

/// Keeps the images and the video of sessions, each session in a folder of its own: `{session}/images/...`,
/// `{session}/video.webm`.
///
/// # Guarantees
///
/// - **Durable on return.** [`MediaStore::open_folder`] syncs each file, its name and its new folders before a put
///   returns; other object stores give what they promise for a completed put.
/// - **All or nothing.** An object is there with all its bytes or not at all.
/// - **Idempotent.** Putting the same thing again changes nothing.
/// - **Within its folder.** No name, wherever it comes from, leads out of the session's folder.
///
/// Clones share the same store.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use posesession_core::{ImageObject, ImageRef, SessionId};
/// use posesession_store::MediaStore;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let folder = tempfile::tempdir()?;
/// let media = MediaStore::open_folder(folder.path())?;
/// let session: SessionId = "0190a5e4-0000-7000-8000-000000000001".parse()?;
/// let images = ImageObject { name: "images/000000000000".to_owned(), bytes: Bytes::from_static(b"onetwo") };
/// media.put_images(session, &images).await?;
/// let second = ImageRef { object: images.name, offset: 3, length: 3 };
/// assert_eq!(media.read_image(session, &second).await?, "two");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct MediaStore {
    objects: Arc<dyn ObjectStore>,
    durability: Durability,
}

impl MediaStore {
    /// Makes a media store of an object store, whose durability it takes as it is.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, durability: Durability::Durable }
    }

    /// Returns whether what was put survives a power loss, and if not, why.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability.clone()
    }

    /// Opens a folder as media store, making it if it isn't there. What is put is synced to the disk.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`] if the folder can't be made or opened.
    pub fn open_folder(folder: impl AsRef<Path>) -> Result<Self, MediaError> {
        let folder = folder.as_ref();
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| MediaError::Backend {
            operation: "open its folder",
            source,
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(error.into()))?;
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed(error.into()))?;
        let objects = Arc::new(objects.with_fsync(true).with_automatic_cleanup(true));
        Ok(Self { objects, durability: Durability::of_folder(folder) })
    }

    /// Opens the media inside an SQLite database, such as a one-session file; the tables are made if they aren't there. What
    /// is put is synced to the disk.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`] if the file can't be opened, or is no database of ours.
    #[cfg(feature = "sqlite")]
    pub async fn open_sqlite_file(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        Self::open_sqlite_with(path.as_ref(), crate::sqlite::connection::Access::Write).await
    }

    /// Opens the media inside an SQLite database to be read only: the file stays as it is, to the byte.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`] if the file isn't there, can't be opened, or is no database of ours.
    #[cfg(feature = "sqlite")]
    pub async fn open_sqlite_file_read_only(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        Self::open_sqlite_with(path.as_ref(), crate::sqlite::connection::Access::ReadOnlyExtended).await
    }

    #[cfg(feature = "sqlite")]
    pub(crate) async fn open_sqlite_with(
        path: &Path,
        access: crate::sqlite::connection::Access,
    ) -> Result<Self, MediaError> {
        const OPERATION: &str = "open the database";
        let path = path.to_owned();
        let open = move || sqlite_objects::SqliteObjects::open(path, access);
        match tokio::task::spawn_blocking(open).await {
            Ok(Ok((objects, durability))) => Ok(Self { objects: Arc::new(objects), durability }),
            Ok(Err(error)) => Err(MediaError::Backend { operation: OPERATION, source: Box::new(error) }),
            Err(broken) => Err(MediaError::Backend { operation: OPERATION, source: Box::new(broken) }),
        }
    }

    /// Puts a chunk's images; they are durable on return.
    ///
    /// # Errors
    ///
    /// [`MediaError::BadName`], [`MediaError::Backend`].
    pub async fn put_images(&self, session: SessionId, images: &ImageObject) -> Result<(), MediaError> {
        let path = name::object(session, &images.name)?;
        self.put(&path, images.bytes.clone(), "put images").await
    }

    /// Returns one image.
    ///
    /// # Errors
    ///
    /// [`MediaError::NotFound`], [`MediaError::OutOfRange`] if the object is shorter than the image's place says,
    /// [`MediaError::BadName`], [`MediaError::Backend`].
    pub async fn read_image(&self, session: SessionId, image: &ImageRef) -> Result<Bytes, MediaError> {
        let path = name::object(session, &image.object)?;
        let end = image.offset.saturating_add(u64::from(image.length));
        self.read_range(&path, image.offset..end, "read an image").await
    }

    /// Erases all media of a session; without any, does nothing.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`]; what is left can be erased by calling again.
    pub async fn delete_session(&self, session: SessionId) -> Result<(), MediaError> {
        let folder = name::folder(session);
        let paths = self.objects.list(Some(&folder)).map_ok(|object| object.location).boxed();
        let deleted = self.objects.delete_stream(paths).try_for_each(|_path| std::future::ready(Ok(())));
        match deleted.await {
            Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => {
                Err(failed(&folder, "delete a session's media", error))
            }
            _ => Ok(()),
        }
    }

    async fn put(&self, path: &ObjectPath, bytes: Bytes, operation: &'static str) -> Result<(), MediaError> {
        fail_point!("during_media_put");
        let put = self.objects.put(path, PutPayload::from_bytes(bytes)).await;
        fail_point!("during_media_put");
        put.map(drop).map_err(|error| failed(path, operation, error))
    }

    async fn read_range(
        &self,
        path: &ObjectPath,
        range: Range<u64>,
        operation: &'static str,
    ) -> Result<Bytes, MediaError> {
        // The length comes first: stores differ in what they do with a range that ends beyond the object.
        let length = self.length(path, operation).await?;
        if range.end > length {
            return Err(MediaError::OutOfRange { path: path.to_string(), length, end: range.end });
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.objects.get_range(path, range).await.map_err(|error| failed(path, operation, error))
    }

    async fn length(&self, path: &ObjectPath, operation: &'static str) -> Result<u64, MediaError> {
        let head = self.objects.head(path).await;
        head.map(|meta| meta.size).map_err(|error| failed(path, operation, error))
    }

    async fn stream(
        &self,
        path: &ObjectPath,
        range: Range<u64>,
        operation: &'static str,
    ) -> Result<BoxStream<'static, Result<Bytes, MediaError>>, MediaError> {
        if range.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let got = self.objects.get_opts(path, options).await;
        let got = got.map_err(|error| failed(path, operation, error))?;
        let path = path.clone();
        Ok(got.into_stream().map_err(move |error| failed(&path, operation, error)).boxed())
    }
}
