//! What a command ends with when it fails. Errors of the library in, an exit code and a message out: the one place that maps
//! them.

use std::io;

use posesession_store::{StoreError, TransferError};

use crate::StorageError;

pub(super) const FAILED: u8 = 1;
pub(super) const WRONG_USAGE: u8 = 2;
pub(super) const ADDRESS_UNUSABLE: u8 = 3;
pub(super) const PLACE_UNUSABLE: u8 = 4;
pub(super) const PLACE_IN_USE: u8 = 5;
pub(super) const NO_SUCH_SESSION: u8 = 6;
pub(super) const INPUT_BROKEN: u8 = 7;
pub(super) const DAMAGED: u8 = 8;
pub(super) const INTERRUPTED: u8 = 130;

/// An exit code, and what the user is told.
#[derive(Debug)]
pub(super) struct Failure {
    exit_code: u8,
    message: String,
}

impl Failure {
    pub(super) fn new(exit_code: u8, message: impl Into<String>) -> Self {
        Self { exit_code, message: message.into() }
    }

    /// Tells an error with all its causes.
    pub(super) fn of(exit_code: u8, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self { exit_code, message }
    }

    /// Says first what it is about.
    pub(super) fn about(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Prints the message and returns the exit code.
    pub(super) fn tell(self) -> u8 {
        if !self.message.is_empty() {
            eprintln!("posesession: {}", self.message);
        }
        self.exit_code
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let exit_code = match error {
            StorageError::InUse { .. } => PLACE_IN_USE,
            _ => PLACE_UNUSABLE,
        };
        Self::of(exit_code, &error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit_code = match error {
            StoreError::SessionNotFound { .. } => NO_SUCH_SESSION,
            StoreError::Corrupt { .. } | StoreError::NotADatabase { .. } | StoreError::NewerSchema { .. } => {
                PLACE_UNUSABLE
            }
            _ => FAILED,
        };
        Self::of(exit_code, &error)
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        Self::of(FAILED, &error)
    }
}

impl From<io::Error> for Failure {
    /// Of what is written: a reader who has seen enough, such as `head`, is no failure.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(0, ""),
            _ => Self::new(FAILED, format!("the output can't be written: {error}")),
        }
    }
}
