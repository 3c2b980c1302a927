//! A file of frames in, a finished session in a store out: all of it, or nothing.

use std::io::Read;

use chrono::Utc;
use posesession_core::{
    Batch, Chunk, Encoding, Layout, Lossless, SessionId, SessionRecording, SessionStatus, Skeleton,
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::{FileHead, FrameFormat, FrameReader, ReadError, ReadOptions, read_frames};
use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::query::NewSession;
use crate::store::{COMPACT_FRAMES, SessionStore};

/// How many chunks may wait for the store: reading doesn't run ahead of it further.
const CHUNKS_AHEAD: usize = 2;
/// From how many values on a chunk is long enough, however few frames it has.
const CHUNK_VALUES: usize = 1 << 20;

/// How a file becomes a session.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportOptions {
    /// The session's name, whatever the file says.
    pub name: Option<String>,
    /// The session's name if neither [`Self::name`] nor the file has one, such as the file's own.
    pub fallback_name: String,
    /// What the file doesn't tell.
    pub read: ReadOptions,
}

/// Imports a file of frames as a new, completed session of the local user, and returns it. Reading and compressing happen on
/// a thread of their own.
///
/// Of the facts in the head of our own JSON Lines, the session gets name, description, metadata (but for its video, which
/// isn't in the file), creation time, skeleton and markers; it gets a new id.
///
/// # Errors
///
/// [`ImportError`]; nothing is imported then.
///
/// # Cancel safety
///
/// A session whose import is dropped half-way stays as one that is `recording`: to break an import off, use
/// [`import_frames_until`].
///
/// # Examples
///
/// ```
/// use posesession_store::{FrameFormat, ImportOptions, MemoryStore, import_frames};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let file = "timestamp,pose.nose.x,pose.nose.y\n0.5,0.25,0.75\n0.6,,\n";
/// let options = ImportOptions { fallback_name: "nose.csv".to_owned(), ..ImportOptions::default() };
/// let session = import_frames(file.as_bytes(), FrameFormat::CsvWide, options, &store).await?;
/// assert_eq!((session.name.as_str(), session.frame_count), ("nose.csv", 2));
/// # Ok::<(), posesession_store::ImportError>(()) }).unwrap();
/// ```
pub async fn import_frames(
    file: impl Read + Send + 'static,
    format: FrameFormat,
    options: ImportOptions,
    to: &dyn SessionStore,
) -> Result<SessionRecording, ImportError> {
    import_frames_until(file, format, options, to, std::future::pending()).await
}

/// Imports as [`import_frames`] does, unless `stop` is ready first: then what was imported by then is erased again.
///
/// A thread that waits for the file at that moment isn't waited for.
///
/// # Errors
///
/// [`ImportError`], [`ImportError::Stopped`] among them; nothing is imported then.
///
/// # Cancel safety
///
/// As of [`import_frames`].
pub async fn import_frames_until(
    file: impl Read + Send + 'static,
    format: FrameFormat,
    options: ImportOptions,
    to: &dyn SessionStore,
    stop: impl Future<Output = ()>,
) -> Result<SessionRecording, ImportError> {
    let (pieces, mut arriving) = mpsc::channel(CHUNKS_AHEAD);
    let read = options.read.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let done = read_all(file, format, read, &pieces);
        // Without a receiver the import has failed already.
        let _gone = pieces.blocking_send(done.map_or_else(Piece::Failed, |()| Piece::End));
    });
    let (told, stopped) = oneshot::channel();
    let mut import = Import { to, options, id: None, stopped };
    let imported = {
        // Only waiting for the file is broken off. What the store is doing ends, so that what there is to erase is known.
        let mut importing = std::pin::pin!(import.run(&mut arriving));
        tokio::select! {
            biased;
            () = stop => {
                drop(told);
                importing.await
            }
            imported = &mut importing => imported,
        }
    };
    drop(arriving);
    if !matches!(imported, Err(ImportError::Stopped)) {
        // It ends now that nobody receives; a panic in it shows as a missing end.
        let _ended = reading.await;
    }
    match (imported, import.id) {
        (Ok(session), _) => Ok(session),
        (Err(error), None) => Err(error),
        (Err(error), Some(id)) => {
            if let Err(left) = to.erase_session(id).await {
                tracing::warn!(session = %id, error = %left, "a session that was not imported is left behind");
            }
            Err(error)
        }
    }
}

/// What the reading thread hands over.
enum Piece {
    Head(Box<FileHead>),
    Skeleton(Box<Skeleton>),
    Chunk(EncodedRun),
    Failed(ImportError),
    End,
}

struct Import<'a> {
    to: &'a dyn SessionStore,
    options: ImportOptions,
    id: Option<SessionId>,
    /// Ends when the import is to be broken off.
    stopped: oneshot::Receiver<()>,
}

impl Import<'_> {
    async fn run(&mut self, arriving: &mut mpsc::Receiver<Piece>) -> Result<SessionRecording, ImportError> {
        let mut piece = self.next(arriving).await?;
        let head = match piece {
            Some(Piece::Head(head)) => {
                piece = self.next(arriving).await?;
                Some(*head)
            }
            _ => None,
        };
        // A file that is wrong from the start makes no session, not even for a moment.
        match piece {
            Some(Piece::Failed(error)) => return Err(error),
            Some(Piece::End) if head.is_none() => return Err(ImportError::Empty),
            _ => {}
        }
        let markers = head.as_ref().map(|head| head.markers.clone()).unwrap_or_default();
        let id = self.to.create_session(self.new_session(head)).await?.id;
        self.id = Some(id);
        let term = self.to.begin_term(id).await?;
        self.to.append(id, term, &Batch { markers, ..Batch::default() }).await?;
        loop {
            match piece {
                Some(Piece::Head(_)) => {}
                Some(Piece::Skeleton(skeleton)) => {
                    let batch = Batch { skeleton: Some(*skeleton), ..Batch::default() };
                    self.to.append(id, term, &batch).await?;
                }
                Some(Piece::Chunk(chunk)) => {
                    self.to.append_encoded(id, term, chunk).await?;
                }
                Some(Piece::Failed(error)) => return Err(error),
                Some(Piece::End) => return Ok(self.to.finish(id, term, SessionStatus::Completed).await?),
                None => return Err(ImportError::BrokeOff),
            }
            piece = self.next(arriving).await?;
        }
    }

    async fn next(&mut self, arriving: &mut mpsc::Receiver<Piece>) -> Result<Option<Piece>, ImportError> {
        tokio::select! {
            biased;
            _ = &mut self.stopped => Err(ImportError::Stopped),
            piece = arriving.recv() => Ok(piece),
        }
    }

    fn new_session(&self, head: Option<FileHead>) -> NewSession {
        let fallback = NewSession::named(&self.options.fallback_name);
        let mut new = match head {
            None => fallback,
            Some(FileHead { session, .. }) => NewSession {
                name: session.name,
                description: session.description,
                created_at: session.created_at.min(Utc::now()),
                metadata: session.metadata,
                // Its bounds are checked against it.
                skeleton: session.skeleton.filter(|_| session.encoding.max_error().is_some()),
                encoding: session.encoding.recoded(Lossless::Columnar),
                ..fallback
            },
        };
        // It says where in the video a frame is; the video isn't there.
        new.metadata.remove("video");
        if let Some(name) = &self.options.name {
            new.name.clone_from(name);
        }
        new
    }
}

/// Reads a file to its end and hands its frames over in chunks.
fn read_all(
    file: impl Read + Send,
    format: FrameFormat,
    options: ReadOptions,
    to: &mpsc::Sender<Piece>,
) -> Result<(), ImportError> {
    let mut frames = read_frames(file, format, options)?;
    let mut chunks = Chunks { to, chunk: Chunk::new(0, Layout::default()), skeleton: None };
    let mut head_is_sent = false;
    loop {
        let frame = frames.next_frame()?;
        if let Some(head) = frames.head().filter(|_| !head_is_sent) {
            head_is_sent = true;
            send(to, Piece::Head(Box::new(head.clone())))?;
        }
        let Some(frame) = frame else { break };
        chunks.adopt(frames.as_ref())?;
        chunks.push(&frame)?;
    }
    if head_is_sent {
        // A session without frames has a skeleton, too.
        chunks.adopt(frames.as_ref())?;
    }
    chunks.close()
}

struct Chunks<'a> {
    to: &'a mpsc::Sender<Piece>,
    chunk: Chunk,
    skeleton: Option<Skeleton>,
}

impl Chunks<'_> {
    /// Takes the skeleton, once the reader knows it. A chunk has one layout: frames without persons that came before have the
    /// empty one.
    fn adopt(&mut self, frames: &dyn FrameReader) -> Result<(), ImportError> {
        if let (None, Some(skeleton)) = (&self.skeleton, frames.skeleton()) {
            self.close()?;
            self.skeleton = Some(skeleton.clone());
            self.chunk = Chunk::new(self.chunk.first_frame(), skeleton.layout());
            send(self.to, Piece::Skeleton(Box::new(skeleton.clone())))?;
        }
        Ok(())
    }

    fn push(&mut self, frame: &super::ReadFrame) -> Result<(), ImportError> {
        let is_long = self.chunk.frame_count() as u64 >= COMPACT_FRAMES
            || self.chunk.values().len() + frame.pose_data.values.len() > CHUNK_VALUES;
        if is_long {
            self.close()?;
        }
        self.chunk
            .push(frame.timestamp, &frame.pose_data)
            .map_err(|error| ReadError::at(frame.line, 1, error.to_string()))?;
        Ok(())
    }

    /// Hands the chunk over, if there is a frame in it, and starts the next one.
    fn close(&mut self) -> Result<(), ImportError> {
        if self.chunk.frame_count() == 0 {
            return Ok(());
        }
        let next = Chunk::new(self.chunk.end_frame(), self.chunk.layout().clone());
        let chunk = std::mem::replace(&mut self.chunk, next);
        send(self.to, Piece::Chunk(EncodedRun::encode(&chunk, &Encoding::Columnar, None)?))
    }
}

fn send(to: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), ImportError> {
    to.blocking_send(piece).map_err(|_nobody_receives| ImportError::BrokeOff)
}

/// Why a file was not imported. Nothing of it is in the store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file isn't what it should be.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store didn't take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no frame in the file.
    #[error("there is no frame in the file")]
    Empty,
    /// The reading thread ended without a word: a bug, or the program is ending.
    #[error("the import broke off")]
    BrokeOff,
    /// It was told to stop.
    #[error("the import was broken off")]
    Stopped,
}
