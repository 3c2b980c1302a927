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

/// Returns whether what was read can't have been written: values of the wrong type or out of range, texts that say nothing, and
/// pages that contradict each other.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    let corrupt = || {
        let code = error.sqlite_error_code();
        code.is_some_and(|code| {
            matches!(code, rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
        })
    };
    matches!(
        error,
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..)
    ) || corrupt()
}

/// Names the session and the place at which what was read is damaged; other failures stay as they are.
pub(super) fn damaged_at(id: SessionId, place: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Sqlite(error) if is_damage(&error) => corrupt(id, format!("{place}: {error}")).into(),
        failure => failure,
    }
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
