//! A session's media as plain objects, whatever they are: listed, hashed, copied from one media store to another.

use std::collections::HashMap;

use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt as _, PutPayload, WriteMultipart};
use posesession_core::SessionId;

use super::error::{MediaError, failed};
use super::{MediaStore, name};

/// Objects up to this size are put at once; larger ones piece by piece.
const AT_ONCE_BYTES: u64 = 8 << 20;
/// How many pieces of a large object may be under way at once; each has 5 MiB.
const PIECES_UNDER_WAY: usize = 2;

/// One object of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaObject {
    pub(crate) path: ObjectPath,
    /// In bytes.
    pub(crate) size: u64,
}

impl MediaStore {
    /// Lists a session's objects by path.
    pub(crate) async fn session_objects(&self, session: SessionId) -> Result<Vec<MediaObject>, MediaError> {
        let folder = name::folder(session);
        let objects = self.objects.list(Some(&folder));
        let objects = objects.map_ok(|object| MediaObject { path: object.location, size: object.size });
        match objects.try_collect::<Vec<_>>().await {
            Ok(mut objects) => {
                objects.sort_by(|a, b| a.path.cmp(&b.path));
                Ok(objects)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(failed(&folder, "list a session's media", error)),
        }
    }

    /// Copies all media of all sessions into another media store, and returns how many objects were copied. Those that are there
    /// in the same length are left as they are: a second backup copies what came since. What is erased meanwhile is left out.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`]; backing up again goes on where this one stopped.
    pub async fn back_up(&self, to: &Self) -> Result<u64, MediaError> {
        const OPERATION: &str = "back the media up";
        let root = ObjectPath::default();
        let listed = |store: &Self| store.objects.list(None).try_collect::<Vec<_>>();
        let (here, there) = (listed(self).await, listed(to).await);
        let there = there.map_err(|error| failed(&root, OPERATION, error))?;
        let there: HashMap<_, _> = there.into_iter().map(|object| (object.location, object.size)).collect();
        let mut copied = 0;
        for object in here.map_err(|error| failed(&root, OPERATION, error))? {
            if there.get(&object.location) == Some(&object.size) {
                continue;
            }
            let object = MediaObject { path: object.location, size: object.size };
            let bytes = match self.object_stream(&object).await {
                Err(MediaError::NotFound { .. }) => continue,
                bytes => bytes?,
            };
            to.put_object(&object, bytes).await?;
            copied += 1;
        }
        Ok(copied)
    }

    /// Returns the CRC32C of an object's bytes.
    pub(crate) async fn object_crc(&self, object: &MediaObject) -> Result<u32, MediaError> {
        let bytes = self.object_stream(object).await?;
        bytes.try_fold(0, |crc, bytes| std::future::ready(Ok(crc32c::crc32c_append(crc, &bytes)))).await
    }

    /// Streams an object.
    pub(crate) async fn object_stream(
        &self,
        object: &MediaObject,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, MediaError>>, MediaError> {
        self.stream(&object.path, 0..object.size, "read a media object").await
    }

    /// Puts an object's bytes as they come and returns their CRC32C. It is there, durable, once this returns `Ok`.
    pub(crate) async fn put_object<E: From<MediaError>>(
        &self,
        object: &MediaObject,
        mut bytes: BoxStream<'_, Result<bytes::Bytes, E>>,
    ) -> Result<u32, E> {
        const OPERATION: &str = "put a media object";
        let fault = |error| E::from(failed(&object.path, OPERATION, error));
        let mut crc = 0;
        if object.size <= AT_ONCE_BYTES {
            let mut whole = Vec::new();
            while let Some(piece) = bytes.try_next().await? {
                crc = crc32c::crc32c_append(crc, &piece);
                whole.push(piece);
            }
            let put = self.objects.put(&object.path, whole.into_iter().collect::<PutPayload>()).await;
            put.map_err(fault)?;
            return Ok(crc);
        }
        let upload = self.objects.put_multipart(&object.path).await.map_err(fault)?;
        let mut upload = WriteMultipart::new(upload);
        loop {
            match bytes.next().await {
                None => break,
                Some(Ok(piece)) => {
                    crc = crc32c::crc32c_append(crc, &piece);
                    upload.wait_for_capacity(PIECES_UNDER_WAY).await.map_err(fault)?;
                    upload.put(piece);
                }
                Some(Err(error)) => {
                    // What failed first is what the caller is told.
                    let _aborted = upload.abort().await;
                    return Err(error);
                }
            }
        }
        upload.finish().await.map_err(fault)?;
        Ok(crc)
    }
}
