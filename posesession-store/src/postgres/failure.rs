//! What can go wrong within a statement, before it is known what the caller was doing.

use posesession_core::SessionId;

use crate::error::StoreError;

pub(super) const BACKEND: &str = "postgres";

/// A refusal by the contract, or a failure of the database or of the way to it.
#[derive(Debug)]
pub(super) enum Failure {
    Store(StoreError),
    /// Nothing was changed.
    Sql(sqlx::Error),
    /// A commit was not answered: whether it happened is for the caller to look up.
    Unknown(sqlx::Error),
    /// No answer in time.
    Late,
}

/// Why a back end failed, in words that say whose fault it is.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the database can't be reached, or all connections to it are busy")]
    NoConnection,
    #[error("the connection to the database was lost ({0})")]
    Lost(String),
    #[error("the connection to the database was lost during a commit: what became of it is looked up ({0})")]
    Unknown(String),
    #[error("the database doesn't answer")]
    Late,
    #[error("the store is closed")]
    Closed,
    #[error("the database says: {0}")]
    Refused(String),
    #[error("{0}")]
    Other(sqlx::Error),
}

impl Failure {
    /// Says what was being done.
    pub(super) fn during(self, operation: &'static str) -> StoreError {
        let retryable = match &self {
            Self::Store(_) => false,
            Self::Sql(error) => is_retryable(error),
            Self::Unknown(_) | Self::Late => true,
        };
        let cause = match self {
            Self::Store(error) => return error,
            Self::Late => Cause::Late,
            Self::Unknown(error) => Cause::Unknown(error.to_string()),
            Self::Sql(sqlx::Error::PoolTimedOut) => Cause::NoConnection,
            Self::Sql(sqlx::Error::PoolClosed) => Cause::Closed,
            Self::Sql(sqlx::Error::Database(error)) => Cause::Refused(error.message().to_owned()),
            Self::Sql(error) if retryable => Cause::Lost(error.to_string()),
            Self::Sql(error) => Cause::Other(error),
        };
        StoreError::Backend { backend: BACKEND, operation, retryable, source: Box::new(cause) }
    }

    /// Whether the same may work at once: the connection at hand was dead, or another transaction was in the way. Who may do
    /// the same twice (`idempotent`) may try again also if it is unknown what became of the first time.
    pub(super) fn may_be_tried_at_once(&self, idempotent: bool) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| is_shutdown(&code) || code.starts_with("40") || code == FOREIGN_KEY),
            Self::Sql(error) => is_broken(error),
            Self::Unknown(_) => idempotent,
            Self::Store(_) | Self::Late => false,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

pub(super) fn corrupt(id: SessionId, what: String) -> StoreError {
    StoreError::Corrupt { id, what }
}

/// Returns the failure of a call that the database never saw.
pub(super) fn unreached(operation: &'static str, why: &str) -> StoreError {
    StoreError::Backend { backend: BACKEND, operation, retryable: false, source: why.into() }
}

/// Whether the error is this SQLSTATE.
pub(super) fn is_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(code))
}

/// A row refers to one that is gone, or is referred to.
pub(super) const FOREIGN_KEY: &str = "23503";
/// There is such a row already.
pub(super) const UNIQUE: &str = "23505";

fn is_broken(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, Protocol, WorkerCrashed};
    matches!(error, Io(_) | Protocol(_) | WorkerCrashed)
}

/// The server ends, ended by force, or is just starting.
fn is_shutdown(code: &str) -> bool {
    code.starts_with("57P") || code.starts_with("08")
}

fn is_retryable(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return is_broken(error) || matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_));
    };
    error.code().is_some_and(|code| {
        // Out of resources or disk, I/O errors, rights that someone mends, conflicts of transactions, locks and time-outs,
        // a standby that is about to be promoted, a row that was erased just now.
        let classes = ["53", "58", "28", "40"];
        let codes = ["55P03", "57014", "25006", FOREIGN_KEY];
        is_shutdown(&code)
            || classes.iter().any(|class| code.starts_with(class))
            || codes.contains(&code.as_ref())
    })
}
