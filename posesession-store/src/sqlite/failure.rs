//! What can go wrong within a statement, before it is known what the caller was doing.

use posesession_core::SessionId;

use crate::error::StoreError;

pub(super) const BACKEND: &str = "sqlite";

/// A refusal by the contract, or SQLite's own failure.
#[derive(Debug)]
pub(crate) enum Failure {
    Store(StoreError),
    Sqlite(rusqlite::Error),
}

impl Failure {
    /// Says what was being done.
    pub(crate) fn during(self, operation: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sqlite(error) => StoreError::Backend {
                backend: BACKEND,
                operation,
                retryable: is_retryable(&error),
                source: Box::new(error),
            },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Returns the failure of a call that SQLite never saw, such as one after the store was closed.
pub(super) fn unreached(operation: &'static str, why: &str) -> StoreError {
    StoreError::Backend { backend: BACKEND, operation, retryable: false, source: why.into() }
}

pub(super) fn corrupt(id: SessionId, what: String) -> StoreError {
    StoreError::Corrupt { id, what }
}

fn is_retryable(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, SystemIoFailure,
    };
    let code = error.sqlite_error_code();
    code.is_some_and(|code| {
        matches!(code, CannotOpen | DatabaseBusy | DatabaseLocked | DiskFull | OutOfMemory | SystemIoFailure)
    })
}
