//! A session's frames in another encoding, in their place. A finished session in, the same one out.

mod verified;

use posesession_core::{
    ChunkHeader, ChunkQuery, Codec, CodecError, EncodedChunk, Encoding, SessionId, SessionRecording, peek,
};
use thiserror::Error;

use self::verified::encode_verified;
use crate::blocking::blocking;
use crate::error::StoreError;
use crate::store::SessionStore;
use crate::transfer::{OnProgress, Progress};

/// What [`recode_session`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Recoded {
    /// The session as it is now.
    pub session: SessionRecording,
    /// How many frames stand in another encoding than before.
    pub frames: u64,
    /// How many bytes the chunks had before.
    pub bytes_before: u64,
    /// How many frames stand as columns, as they have values that JSON has no word for.
    pub left_frames: u64,
}

/// Encodes a session anew that is not being recorded, chunk by chunk, each in a transaction of its own.
///
/// - **Lossless**, bit for bit, to [`Encoding::Columnar`] and [`Encoding::Json`]; within its bounds to [`Encoding::Bounded`].
///   Each chunk is decoded again and compared before it takes the place of the old one.
/// - **The bound that a session tells stays true.** What was lost once doesn't come back: a session that was bounded tells its
///   bounds in whatever encoding it is. Bounded again, it tells the sum of both. Chunks whose own bounds are no tighter than
///   those asked for stay as they are, so nothing is lost for nothing.
/// - **Readers** see every frame before, during and after. A recoding that breaks off leaves a session of both encodings; done
///   again, it goes on.
///
/// Short chunks are compacted first.
///
/// # Errors
///
/// [`RecodeError`].
///
/// # Examples
///
/// ```
/// use posesession_core::{Encoding, SessionStatus};
/// use posesession_store::{MemoryStore, NewSession, SessionStore, recode_session};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let id = store.create_session(NewSession::named("Squat")).await?.id;
/// let term = store.begin_term(id).await?;
/// store.finish(id, term, SessionStatus::Completed).await?;
/// let recoded = recode_session(&store, id, &Encoding::Json, &mut |_progress| {}).await?;
/// assert_eq!(recoded.session.encoding, Encoding::Json);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub async fn recode_session(
    store: &dyn SessionStore,
    id: SessionId,
    to: &Encoding,
    on_progress: OnProgress<'_>,
) -> Result<Recoded, RecodeError> {
    if store.read_session(id).await?.status.is_live() {
        return Err(RecodeError::StillRecording { id });
    }
    store.compact(id, true).await?;
    let session = store.read_session(id).await?;
    let mut recoding = Recoding { store, session, to, is_begun: false, frames: 0, left_frames: 0 };
    let (mut next, total_bytes) = (0, recoding.session.stored_bytes);
    let mut progress = Progress { done_bytes: 0, total_bytes };
    while next < recoding.session.frame_count {
        let stored = store.encoded_chunk(id, ChunkQuery::Frame(next)).await?;
        if recoding.recode(&stored.chunk).await? {
            next = stored.extent.end_frame();
            let bytes = (stored.chunk.header.len() + stored.chunk.payload.len()) as u64;
            progress.done_bytes = total_bytes.min(progress.done_bytes + bytes);
            on_progress(progress);
        }
    }
    // Where no chunk had to be recoded, the session may tell another codec all the same: one without frames, say.
    if recoding.session.encoding.name() != to.name() {
        recoding.begin().await?;
    }
    let session = store.end_recode(id).await?;
    let Recoding { frames, left_frames, .. } = recoding;
    Ok(Recoded { session, frames, bytes_before: total_bytes, left_frames })
}

struct Recoding<'a> {
    store: &'a dyn SessionStore,
    session: SessionRecording,
    to: &'a Encoding,
    is_begun: bool,
    frames: u64,
    left_frames: u64,
}

impl Recoding<'_> {
    /// Tells the new encoding before the first chunk has it, so that nobody finds values further off than the session says.
    async fn begin(&mut self) -> Result<(), StoreError> {
        if !self.is_begun {
            self.store.begin_recode(self.session.id, self.to).await?;
            self.is_begun = true;
        }
        Ok(())
    }

    /// Recodes a chunk unless it is as it should be; returns false if it has been replaced meanwhile and must be read again.
    async fn recode(&mut self, old: &EncodedChunk) -> Result<bool, RecodeError> {
        let id = self.session.id;
        let unread = |error: CodecError| StoreError::Corrupt { id, what: error.to_string() };
        let header = peek(&old.header).map_err(unread)?;
        if self.is_as_asked(&header)? {
            return Ok(true);
        }
        let not_kept = |error: CodecError| RecodeError::NotKept {
            id,
            first_frame: header.first_frame,
            why: error.to_string(),
        };
        let (chunk, to, skeleton) = (old.clone(), self.to.clone(), self.session.skeleton.clone());
        let work = move || Ok(encode_verified(&chunk, &to, skeleton.as_ref()));
        let new = blocking("codec", "encode a chunk", work).await?.map_err(not_kept)?;
        let codec = peek(&new.header).map_err(not_kept)?.codec;
        let is_left = codec.name() != self.to.name();
        let is_replaced = if is_left && header.codec == codec {
            true
        } else {
            self.begin().await?;
            self.store.replace_chunk(id, old, &new).await?
        };
        if is_replaced {
            let counted = if is_left { &mut self.left_frames } else { &mut self.frames };
            *counted += u64::from(header.frame_count);
        }
        Ok(is_replaced)
    }

    /// Returns whether a chunk needs no recoding. Of bounded ones, those do whose bounds are tighter.
    fn is_as_asked(&self, header: &ChunkHeader) -> Result<bool, StoreError> {
        if header.codec.name() != self.to.name() {
            return Ok(false);
        }
        let (Encoding::Bounded { max_error }, Some(skeleton), Codec::Bounded) =
            (self.to, &self.session.skeleton, header.codec)
        else {
            return Ok(true);
        };
        let asked = max_error.bounds(skeleton);
        let asked = asked.map_err(|error| StoreError::BadArgument { what: error.to_string() })?;
        let is_tighter = |component: usize, channel: usize| {
            header.bounds.of(component, channel).unwrap_or(0.0) < asked.of(component, channel).unwrap_or(0.0)
        };
        let mut parts = header.layout.parts.iter().enumerate();
        let any_is_tighter =
            parts.any(|(part, shape)| (0..shape.channels).any(|channel| is_tighter(part, channel.into())));
        Ok(header.row_count == 0 || !any_is_tighter)
    }
}

/// Why a session was not recoded, or not to its end; it is readable all the same.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecodeError {
    /// Frames still come in.
    #[error("the session {id} is being recorded: finish it before recoding it")]
    StillRecording {
        /// The session.
        id: SessionId,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The frames can't be encoded so that they decode to what they were.
    #[error("the chunk of session {id} from frame {first_frame} stays as it is: {why}")]
    NotKept {
        /// The session.
        id: SessionId,
        /// The chunk's first frame.
        first_frame: u64,
        /// What went wrong.
        why: String,
    },
}
