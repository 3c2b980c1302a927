#![doc = include_str!("../README.md")]
//!
//! # The pipeline
//!
//! ```text
//! capture -> Recorder -> Chunk -> SessionStore -> ReplayCursor -> transport -> overlay
//!            (core)     (core)    (store)         (core)          (ws)         (web)
//! ```
//!
//! The re-exports below stand in this order.

/// The words, the recorder, the chunk codec and the replay cursor: sans-IO, no async, no clock.
#[doc(inline)]
pub use posesession_core as core;

/// The contract of a session store, and the stores that ship.
#[doc(inline)]
pub use posesession_store as store;

/// The record and replay protocols: server loops over any transport, and clients.
#[cfg(feature = "ws")]
#[doc(inline)]
pub use posesession_ws as ws;

pub use posesession_core::{
    Batch, Chunk, ChunkQuery, CursorOutput, Encoding, Frame, IncomingFrame, JointAngle, Marker, MaxError,
    PoseData, PoseJson, Recorder, RecorderConfig, ReplayCursor, SentPose, SessionExtent, SessionId,
    SessionRecording, SessionStatus, Skeleton, SyntheticPose, Timestamp,
};
#[cfg(feature = "sqlite")]
pub use posesession_store::SqliteStore;
pub use posesession_store::{
    MediaStore, MemoryStore, NewSession, Place, SessionQuery, SessionStore, StoreError, copy_session,
};
#[cfg(feature = "postgres")]
pub use posesession_store::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use posesession_store::{export_session_file, import_session_file};
#[cfg(feature = "ws")]
pub use posesession_ws::{RecordClient, RecordService, ReplayClient, ReplayService};
