//! A session of a store in, a file of its frames out, piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use posesession_core::{Frame, Marker, SessionId, SessionRecording, Skeleton};
use serde::Serialize;

use super::walk::FrameWalk;
use super::{FrameFormat, csv_long, csv_wide};
use crate::error::StoreError;
use crate::store::SessionStore;

/// About how many bytes a piece has.
const PIECE_BYTES: usize = 64 << 10;

/// Writes a session's frames as one file, made while it is fetched: memory doesn't depend on the session's length.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use posesession_store::{FrameExport, FrameFormat, ImportOptions, MemoryStore, import_frames};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = Arc::new(MemoryStore::new());
/// let file = "frame_number,timestamp,person,pose.nose.x\n0,0,0,0.25\n1,0.033,0,\n";
/// let session = import_frames(file.as_bytes(), FrameFormat::CsvWide, ImportOptions::default(), &*store).await?;
///
/// let mut export = FrameExport::start(store, session.id, FrameFormat::CsvWide).await?;
/// let mut written = Vec::new();
/// while let Some(piece) = export.next_piece().await? {
///     written.extend_from_slice(&piece);
/// }
/// assert_eq!(String::from_utf8(written)?, "frame_number,timestamp,person,pose.nose.x\n0,0,0,0.25\n1,0.033,,\n");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct FrameExport {
    format: FrameFormat,
    session: SessionRecording,
    walk: FrameWalk,
    skeleton: Skeleton,
    piece: Vec<u8>,
}

/// The first line of JSON Lines.
#[derive(Serialize)]
struct Head<'a> {
    session: &'a SessionRecording,
    markers: &'a [Marker],
}

impl FrameExport {
    /// Starts with the frames that are stored now.
    ///
    /// # Errors
    ///
    /// [`StoreError::SessionNotFound`], [`StoreError::Backend`].
    pub async fn start(
        store: Arc<dyn SessionStore>,
        id: SessionId,
        format: FrameFormat,
    ) -> Result<Self, StoreError> {
        let session = store.read_session(id).await?;
        let markers = store.markers(id).await?;
        let walk = FrameWalk::start(store, &session, 0, u64::MAX).await?;
        let skeleton = walk.skeleton().clone();
        let mut export = Self { format, session, walk, skeleton, piece: Vec::new() };
        let piece = &mut export.piece;
        let columns = match format {
            FrameFormat::JsonLines => {
                write_line(piece, &Head { session: &export.session, markers: &markers })?;
                return Ok(export);
            }
            FrameFormat::CsvWide => csv_wide::header(&export.skeleton),
            FrameFormat::CsvLong => csv_long::header(&export.skeleton),
        };
        write_csv(piece, |to| to.write_record(columns))?;
        Ok(export)
    }

    /// Returns the session that is exported.
    #[must_use]
    pub fn session(&self) -> &SessionRecording {
        &self.session
    }

    /// Returns how many frames have been handed out.
    #[must_use]
    pub fn frames_done(&self) -> u64 {
        self.walk.upcoming().unwrap_or(self.session.frame_count)
    }

    /// Returns the next piece of the file, or nothing at its end.
    ///
    /// # Errors
    ///
    /// [`StoreError`], if the session has been erased meanwhile or is damaged: the file isn't whole then.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        while self.piece.len() < PIECE_BYTES {
            let Some(frame) = self.walk.next().await? else { break };
            self.write(&frame)?;
        }
        Ok((!self.piece.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.piece))))
    }

    fn write(&mut self, frame: &Frame) -> Result<(), StoreError> {
        let (piece, skeleton) = (&mut self.piece, &self.skeleton);
        match self.format {
            FrameFormat::JsonLines => write_line(piece, &self.walk.json(frame)),
            FrameFormat::CsvWide => write_csv(piece, |to| csv_wide::write(to, frame, skeleton)),
            FrameFormat::CsvLong => write_csv(piece, |to| csv_long::write(to, frame, skeleton)),
        }
    }
}

fn write_line(to: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StoreError> {
    serde_json::to_writer(&mut *to, value).map_err(unwritten)?;
    to.push(b'\n');
    Ok(())
}

fn write_csv(
    to: &mut Vec<u8>,
    write: impl FnOnce(&mut csv::Writer<&mut Vec<u8>>) -> csv::Result<()>,
) -> Result<(), StoreError> {
    // Rows of one file have one length; the header's is not known here.
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(to);
    write(&mut writer).map_err(unwritten)?;
    writer.flush().map_err(unwritten)
}

/// Nothing that a session holds can't be written: this is a bug, and told as one.
fn unwritten(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Backend {
        backend: "export",
        operation: "write a frame",
        retryable: false,
        source: Box::new(error),
    }
}
