//! Where sessions are kept: the contract, and the keepers that ship.

#[macro_use]
mod fail_points;
mod error;
mod finding;
mod durability;
mod query;
mod encoded_run;
mod store;
mod bulk_append;
mod checks;
mod listing;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod encoding;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
mod blocking;
mod compaction;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "postgres")]
mod postgres;
mod chunk_cache;
mod media;
mod transfer;
mod recode;
mod verify;
#[cfg(feature = "sqlite")]
mod recover;
mod interchange;
#[cfg(feature = "conformance")]
pub mod conformance;

pub use bulk_append::BulkAppend;
pub use chunk_cache::{ChunkCache, ChunkCacheStats};
pub use durability::Durability;
pub use encoded_run::EncodedRun;
pub use error::StoreError;
pub use finding::{Finding, Severity};
pub use interchange::{
    FileHead, FrameExport, FrameFormat, FrameReader, FrameWalk, ImportError, ImportOptions, ReadError,
    ReadFrame, ReadOptions, SessionFrame, UnknownFormat, import_frames, import_frames_until, read_frames,
};
pub use media::{JoinedVideo, MediaError, MediaStore, RecordedVideo, VideoCut, VideoGap, VideoType};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
pub use query::{
    Appended, Compacted, DamagedSession, EncodedStoredChunk, NewSession, NewUser, PublisherProgress,
    SessionChange, SessionPage, SessionQuery, SessionSort, SessionTotals, StoredChunk, Term,
};
pub use recode::{RecodeError, Recoded, recode_session};
#[cfg(feature = "sqlite")]
pub use recover::{LostPart, RecoverError, Recovered, RecoveredSession, recover};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::{COMPACT_FRAMES, SessionStore};
pub use transfer::{Copied, OnProgress, Place, Progress, TransferError, copy_session};
#[cfg(feature = "sqlite")]
pub use transfer::{SessionFileError, export_session_file, import_session_file, import_session_file_until};
pub use verify::{Verified, verify};
