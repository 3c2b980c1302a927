//! Copying one session. Two places in, the same session at both out.

use std::collections::HashMap;

use futures::stream::{StreamExt as _, TryStreamExt as _};
use posesession_core::{Batch, ChunkQuery, SessionId, SessionRecording, SessionStatus, UserId, decode, peek};

use super::{Copied, OnProgress, Place, Progress, TransferError};
use crate::checks::agree;
use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::media::{MediaError, MediaObject, MediaStore};
use crate::query::{EncodedStoredChunk, NewSession, SessionChange};

/// Copies a finished session, under its id, with everything but its owner: it belongs to the local user then.
///
/// - **Exact.** Chunks are copied as they are encoded, images and video byte by byte.
/// - **Resumable.** A copy that broke off, wherever, is repeated and goes on where it stopped.
/// - **Verified.** At the end both sides are read: checksums, extents, markers, and the media's lengths and hashes.
/// - **Whole at last.** The session is `recording` at the destination until everything is there.
///
/// # Errors
///
/// [`TransferError`].
///
/// # Examples
///
/// ```
/// use posesession_store::{Copied, MemoryStore, NewSession, Place, SessionStore, copy_session};
/// # use posesession_core::SessionStatus;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (laptop, server) = (MemoryStore::new(), MemoryStore::new());
/// let id = laptop.create_session(NewSession::named("Squat")).await?.id;
/// let term = laptop.begin_term(id).await?;
/// laptop.finish(id, term, SessionStatus::Completed).await?;
///
/// let (from, to) = (Place { sessions: &laptop, media: None }, Place { sessions: &server, media: None });
/// let copied = copy_session(from, to, id, &mut |_progress| {}).await?;
/// assert!(matches!(copied, Copied::New(_)));
/// assert_eq!(server.read_session(id).await?, laptop.read_session(id).await?);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub async fn copy_session(
    from: Place<'_>,
    to: Place<'_>,
    id: SessionId,
    on_progress: OnProgress<'_>,
) -> Result<Copied, TransferError> {
    Copying::start(from, to, id, on_progress).await?.run().await
}

/// Whether the destination's session is one to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    Created,
    Begun,
    Finished,
}

/// A copy under way.
pub(super) struct Copying<'a> {
    from: Place<'a>,
    to: Place<'a>,
    session: SessionRecording,
    objects: Vec<MediaObject>,
    pub(super) there: There,
    progress: Progress,
    on_progress: OnProgress<'a>,
}

impl<'a> Copying<'a> {
    /// Looks at both sides, and creates the session where it isn't there.
    pub(super) async fn start(
        from: Place<'a>,
        to: Place<'a>,
        id: SessionId,
        on_progress: OnProgress<'a>,
    ) -> Result<Self, TransferError> {
        let session = from.sessions.read_session(id).await.map_err(TransferError::Read)?;
        if session.status.is_live() || session.status == SessionStatus::Processing {
            return Err(TransferError::NotFinished { id, status: session.status });
        }
        let objects = match from.media {
            Some(media) => media.session_objects(id).await.map_err(TransferError::ReadMedia)?,
            None if session.video_file_path.is_some() => {
                return Err(TransferError::NoMediaStore { id, place: "source" });
            }
            None => Vec::new(),
        };
        if !objects.is_empty() && to.media.is_none() {
            return Err(TransferError::NoMediaStore { id, place: "destination" });
        }
        let total_bytes = session.stored_bytes + objects.iter().map(|object| object.size).sum::<u64>();
        let progress = Progress { done_bytes: 0, total_bytes };
        let there = create(to, &session).await?;
        Ok(Self { from, to, session, objects, there, progress, on_progress })
    }

    pub(super) async fn run(mut self) -> Result<Copied, TransferError> {
        self.advance(0);
        if self.there != There::Finished {
            // Frames name their images: these come first.
            self.copy_media().await?;
            self.copy_frames().await?;
        }
        verify(self.from, self.to, &self.session, &self.objects).await?;
        let id = self.session.id;
        let there = if self.there == There::Finished {
            Copied::AlreadyThere(self.to.sessions.read_session(id).await.map_err(TransferError::Write)?)
        } else {
            let change = SessionChange {
                status: Some(self.session.status),
                video_file_path: Some(self.session.video_file_path.clone()),
                report: self.session.report.clone(),
                ..SessionChange::default()
            };
            Copied::New(self.to.sessions.update_session(id, change).await.map_err(TransferError::Write)?)
        };
        self.progress.done_bytes = self.progress.total_bytes;
        self.advance(0);
        Ok(there)
    }

    async fn copy_media(&mut self) -> Result<(), TransferError> {
        let Some((from, to)) = self.from.media.zip(self.to.media) else { return Ok(()) };
        let there = objects_by_path(to, self.session.id).await?;
        for object in std::mem::take(&mut self.objects) {
            if there.get(object.path.as_ref()) == Some(&object.size) {
                self.advance(object.size);
            } else {
                let bytes = from.object_stream(&object).await.map_err(TransferError::ReadMedia)?;
                let bytes =
                    bytes.map_err(ObjectFailure::Read).inspect_ok(|piece| self.advance(piece.len() as u64));
                to.put_object(&object, bytes.boxed()).await?;
            }
            self.objects.push(object);
        }
        Ok(())
    }

    async fn copy_frames(&mut self) -> Result<(), TransferError> {
        let (id, to) = (self.session.id, self.to.sessions);
        let term = to.begin_term(id).await.map_err(TransferError::Write)?;
        let markers = self.from.sessions.markers(id).await.map_err(TransferError::Read)?;
        let progress = self.from.sessions.progress(id).await.map_err(TransferError::Read)?;
        if let Some(publisher) = &progress.publisher {
            let set = to.set_publisher(id, term, publisher, progress.settled_through).await;
            set.map_err(TransferError::Write)?;
        }
        let rest = Batch { markers, settled_through: progress.settled_through, ..Batch::default() };
        let begun = to.append(id, term, &rest).await.map_err(TransferError::Write)?;
        self.advance(begun.stored_bytes);
        let mut next = begun.frame_count;
        while next < self.session.frame_count {
            let stored = encoded(self.from, id, next).await.map_err(TransferError::Read)?;
            self.check_images(&stored)?;
            let bytes = (stored.chunk.header.len() + stored.chunk.payload.len()) as u64;
            let run = EncodedRun::check(stored.chunk).map_err(TransferError::Write)?;
            match to.append_encoded(id, term, run).await {
                Ok(appended) => next = appended.frame_count.max(stored.extent.end_frame()),
                Err(StoreError::OutOfOrder { .. }) => return Err(differs(id, "chunks")),
                Err(error) => return Err(TransferError::Write(error)),
            }
            self.advance(bytes);
        }
        Ok(())
    }

    /// Checks that images that frames name come along.
    fn check_images(&self, stored: &EncodedStoredChunk) -> Result<(), TransferError> {
        let has_images = peek(&stored.chunk.header).is_ok_and(|header| header.has_images);
        if has_images && self.from.media.is_none() {
            return Err(TransferError::NoMediaStore { id: self.session.id, place: "source" });
        }
        Ok(())
    }

    fn advance(&mut self, bytes: u64) {
        // A session that was compacted meanwhile has other bytes than were counted.
        let Progress { done_bytes, total_bytes } = self.progress;
        self.progress.done_bytes = (done_bytes + bytes).min(total_bytes);
        (self.on_progress)(self.progress);
    }
}

/// Compares the two sides.
async fn verify(
    from: Place<'_>,
    to: Place<'_>,
    session: &SessionRecording,
    objects: &[MediaObject],
) -> Result<(), TransferError> {
    let id = session.id;
    let there = to.sessions.read_session(id).await.map_err(TransferError::Write)?;
    if there.frame_count != session.frame_count || there.duration != session.duration {
        return Err(differs(id, "frames"));
    }
    let mut next = 0;
    while next < session.frame_count {
        let here = encoded(from, id, next).await.map_err(TransferError::Read)?;
        let there = encoded(to, id, next).await.map_err(TransferError::Write)?;
        // The header has the checksum of the content: an equal one means the same frames.
        if here.chunk.header != there.chunk.header && !same_frames(&here, &there) {
            return Err(differs(id, "frames"));
        }
        next = here.extent.end_frame().min(there.extent.end_frame());
    }
    let mine = from.sessions.markers(id).await.map_err(TransferError::Read)?;
    if mine != to.sessions.markers(id).await.map_err(TransferError::Write)? {
        return Err(differs(id, "markers"));
    }
    verify_media(from, to, id, objects).await
}

async fn verify_media(
    from: Place<'_>,
    to: Place<'_>,
    id: SessionId,
    objects: &[MediaObject],
) -> Result<(), TransferError> {
    let (Some(from), Some(to)) = (from.media, to.media) else { return Ok(()) };
    let mut there = objects_by_path(to, id).await?;
    for object in objects {
        let size = there.remove(object.path.as_ref());
        let same = size == Some(object.size)
            && from.object_crc(object).await.map_err(TransferError::ReadMedia)?
                == to.object_crc(object).await.map_err(TransferError::WriteMedia)?;
        if !same {
            return Err(differs(id, &format!("media `{}`", object.path)));
        }
    }
    match there.into_keys().next() {
        Some(path) => Err(differs(id, &format!("media `{path}`"))),
        None => Ok(()),
    }
}

fn differs(id: SessionId, what: &str) -> TransferError {
    TransferError::Differs { id, what: what.to_owned() }
}

/// Creates the session, or tells how far the one is that is there.
async fn create(to: Place<'_>, session: &SessionRecording) -> Result<There, TransferError> {
    let id = session.id;
    let new = NewSession {
        id,
        name: session.name.clone(),
        description: session.description.clone(),
        created_at: session.created_at,
        user_id: UserId::LOCAL,
        metadata: session.metadata.clone(),
        skeleton: session.skeleton.clone(),
        encoding: session.encoding.clone(),
    };
    match to.sessions.create_session(new).await {
        Ok(_) => return Ok(There::Created),
        Err(StoreError::SessionExists { .. }) => {}
        Err(error) => return Err(TransferError::Write(error)),
    }
    let there = match to.sessions.read_session(id).await {
        Ok(there) => there,
        Err(StoreError::SessionNotFound { .. }) => return Err(TransferError::Deleted { id }),
        Err(error) => return Err(TransferError::Write(error)),
    };
    let facts = [
        ("skeletons", there.skeleton == session.skeleton),
        ("times of creation", there.created_at == session.created_at),
        ("names", there.name == session.name),
        ("descriptions", there.description == session.description),
        ("metadata", there.metadata == session.metadata),
        ("max_error", there.encoding.max_error() == session.encoding.max_error()),
    ];
    if let Some((what, _)) = facts.into_iter().find(|(_, same)| !same) {
        return Err(TransferError::Differs { id, what: what.to_owned() });
    }
    let is_whole = there.status == session.status
        && there.frame_count == session.frame_count
        && there.video_file_path == session.video_file_path;
    if is_whole {
        return Ok(There::Finished);
    }
    // A server that starts meanwhile marks what is `recording` as interrupted.
    let goes_on = there.status.is_live() || there.status == SessionStatus::Interrupted;
    if goes_on && there.frame_count <= session.frame_count {
        return Ok(There::Begun);
    }
    Err(TransferError::Differs { id, what: "states".to_owned() })
}

async fn encoded(place: Place<'_>, id: SessionId, frame: u64) -> Result<EncodedStoredChunk, StoreError> {
    place.sessions.encoded_chunk(id, ChunkQuery::Frame(frame)).await
}

/// Compares the frames that both chunks cover: one side may have been compacted since.
fn same_frames(here: &EncodedStoredChunk, there: &EncodedStoredChunk) -> bool {
    let decoded = |stored: &EncodedStoredChunk| decode(&stored.chunk.header, &stored.chunk.payload);
    matches!((decoded(here), decoded(there)), (Ok(here), Ok(there)) if agree(&here, &there))
}

async fn objects_by_path(media: &MediaStore, id: SessionId) -> Result<HashMap<String, u64>, TransferError> {
    let objects = media.session_objects(id).await.map_err(TransferError::WriteMedia)?;
    Ok(objects.into_iter().map(|object| (object.path.to_string(), object.size)).collect())
}

/// Which end of a stream of media failed.
#[derive(Debug)]
pub(crate) enum ObjectFailure {
    Read(MediaError),
    Write(MediaError),
}

impl From<MediaError> for ObjectFailure {
    fn from(error: MediaError) -> Self {
        Self::Write(error)
    }
}

impl From<ObjectFailure> for TransferError {
    fn from(failure: ObjectFailure) -> Self {
        match failure {
            ObjectFailure::Read(error) => Self::ReadMedia(error),
            ObjectFailure::Write(error) => Self::WriteMedia(error),
        }
    }
}
