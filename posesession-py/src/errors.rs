//! Errors of the library in, exceptions of `posesession.errors` out: the one place that maps them.

use std::error::Error;
use std::io;
use std::ops::RangeInclusive;

use posesession_server::StorageError;
use posesession_store::{ImportError, MediaError, ReadError, SessionFileError, StoreError, TransferError};
use posesession_ws::ClientError;
use posesession_ws::protocol::{ErrorCode, ProtocolError};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError};
use pyo3::import_exception;
use pyo3::prelude::*;

import_exception!(posesession.errors, BadArgumentError);
import_exception!(posesession.errors, BufferFullError);
import_exception!(posesession.errors, ClosedError);
import_exception!(posesession.errors, ConflictError);
import_exception!(posesession.errors, ConnectionLostError);
import_exception!(posesession.errors, CorruptDataError);
import_exception!(posesession.errors, FrameNotFoundError);
import_exception!(posesession.errors, FrameRefusedError);
import_exception!(posesession.errors, FramesLostError);
import_exception!(posesession.errors, ImportFormatError);
import_exception!(posesession.errors, NewerSchemaError);
import_exception!(posesession.errors, NotADatabaseError);
import_exception!(posesession.errors, RecordingStateError);
import_exception!(posesession.errors, ServerRefusedError);
import_exception!(posesession.errors, ServerUnreachableError);
import_exception!(posesession.errors, SessionExistsError);
import_exception!(posesession.errors, SessionNotFoundError);
import_exception!(posesession.errors, StoreFailedError);
import_exception!(posesession.errors, StoreInUseError);
import_exception!(posesession.errors, StoreUnavailableError);
import_exception!(posesession.errors, TakenOverError);
import_exception!(posesession.errors, UnsupportedError);

/// Makes the exception for an argument that is wrong, saying what would be right.
pub(crate) fn bad_argument(message: impl ToString) -> PyErr {
    BadArgumentError::new_err(message.to_string())
}

/// Makes the exception for an object that was closed.
pub(crate) fn closed(what: &str) -> PyErr {
    ClosedError::new_err(format!("the {what} is closed"))
}

/// Makes the exception for memory that isn't there.
pub(crate) fn out_of_memory(bytes: u128) -> PyErr {
    PyMemoryError::new_err(format!("the array would take {bytes} bytes: read a part of the session"))
}

/// Makes the exception for what must not happen, such as a task that broke off.
pub(crate) fn broken(what: impl ToString) -> PyErr {
    PyRuntimeError::new_err(what.to_string())
}

/// Maps a store's error.
pub(crate) fn store(error: StoreError) -> PyErr {
    let text = with_causes(&error);
    match error {
        StoreError::SessionNotFound { .. } => SessionNotFoundError::new_err(text),
        StoreError::SessionExists { .. } => SessionExistsError::new_err(text),
        StoreError::NoSuchFrame { .. } => FrameNotFoundError::new_err(text),
        StoreError::OutOfOrder { .. } | StoreError::Conflict { .. } => ConflictError::new_err(text),
        StoreError::Fenced { .. } => TakenOverError::new_err(text),
        StoreError::NotLive { .. } => RecordingStateError::new_err(text),
        StoreError::Corrupt { .. } => CorruptDataError::new_err(text),
        StoreError::NotADatabase { .. } => NotADatabaseError::new_err(text),
        StoreError::NewerSchema { .. } => NewerSchemaError::new_err(text),
        StoreError::Backend { retryable: true, .. } => StoreUnavailableError::new_err(text),
        StoreError::Backend { .. } => StoreFailedError::new_err(text),
        _ => BadArgumentError::new_err(text),
    }
}

/// Maps a media store's error.
pub(crate) fn media(error: MediaError) -> PyErr {
    let text = with_causes(&error);
    match error {
        MediaError::NotFound { .. } | MediaError::OutOfRange { .. } => CorruptDataError::new_err(text),
        MediaError::BadName { .. } => BadArgumentError::new_err(text),
        _ => StoreFailedError::new_err(text),
    }
}

/// Maps why a session was not copied.
pub(crate) fn transfer(error: TransferError) -> PyErr {
    let text = with_causes(&error);
    match error {
        TransferError::Read(source) | TransferError::Write(source) => store(source),
        TransferError::ReadMedia(source) | TransferError::WriteMedia(source) => media(source),
        TransferError::NotFinished { .. } => RecordingStateError::new_err(text),
        TransferError::Differs { .. } | TransferError::Deleted { .. } => SessionExistsError::new_err(text),
        _ => UnsupportedError::new_err(text),
    }
}

/// Maps why a session's file was not written or read.
pub(crate) fn session_file(error: SessionFileError) -> PyErr {
    let text = with_causes(&error);
    match error {
        SessionFileError::Transfer(error) => transfer(error),
        SessionFileError::Store(error) => store(error),
        SessionFileError::Media(error) => media(error),
        SessionFileError::NotOneSession { .. } => ImportFormatError::new_err(text),
        _ => StoreFailedError::new_err(text),
    }
}

/// Maps why a file was not imported. Where it is wrong stands in the exception's `line` and `column`.
pub(crate) fn import(error: ImportError) -> PyErr {
    let text = with_causes(&error);
    match error {
        ImportError::Store(error) => store(error),
        ImportError::Read(ReadError::Malformed { line, column, .. }) => {
            let error = ImportFormatError::new_err(text);
            with_attribute(with_attribute(error, "line", line), "column", column)
        }
        ImportError::Empty => ImportFormatError::new_err(text),
        _ => StoreFailedError::new_err(text),
    }
}

/// Maps why a server's place can't be opened.
pub(crate) fn storage(error: StorageError) -> PyErr {
    let text = with_causes(&error);
    match error {
        StorageError::InUse { .. } => StoreInUseError::new_err(text),
        StorageError::Store { source, .. } => store(source),
        StorageError::Media { source, .. } => media(source),
        _ => StoreFailedError::new_err(text),
    }
}

/// Maps an error of the operating system's.
pub(crate) fn io(what: &str, error: &io::Error) -> PyErr {
    StoreFailedError::new_err(format!("{what}: {error}"))
}

/// Maps what a client can't do.
pub(crate) fn client(error: ClientError) -> PyErr {
    let text = with_causes(&error);
    match error {
        ClientError::BadUrl { .. } => BadArgumentError::new_err(text),
        ClientError::Unreachable { .. } => ServerUnreachableError::new_err(text),
        ClientError::Refused(error) => protocol(&error),
        _ => ConnectionLostError::new_err(text),
    }
}

/// Maps an `error` message of either protocol.
pub(crate) fn protocol(error: &ProtocolError) -> PyErr {
    let text = error.message.clone();
    match error.code {
        ErrorCode::SessionNotFound => SessionNotFoundError::new_err(text),
        ErrorCode::SessionExists => SessionExistsError::new_err(text),
        ErrorCode::FrameNotFound => FrameNotFoundError::new_err(text),
        ErrorCode::BadMessage | ErrorCode::OutOfRange => BadArgumentError::new_err(text),
        ErrorCode::BadState | ErrorCode::NoRecording => RecordingStateError::new_err(text),
        ErrorCode::NotPublisher => TakenOverError::new_err(text),
        ErrorCode::Unsupported => UnsupportedError::new_err(text),
        code => with_code(ServerRefusedError::new_err(text), code.as_str()),
    }
}

/// Makes the exception for a frame that the other end refused.
pub(crate) fn refused(error: &ProtocolError) -> PyErr {
    let number = error.frame_number.map(|number| format!("frame {number}: ")).unwrap_or_default();
    refused_frame(error.code.as_str(), format!("{number}{}", error.message))
}

/// Makes the exception for a frame that is not stored.
pub(crate) fn refused_frame(code: &str, message: impl ToString) -> PyErr {
    with_code(FrameRefusedError::new_err(message.to_string()), code)
}

/// Makes the exception for frames that a server was not found to have stored.
pub(crate) fn frames_lost(message: String, numbers: &[RangeInclusive<u64>]) -> PyErr {
    let numbers: Vec<(u64, u64)> = numbers.iter().map(|range| (*range.start(), *range.end())).collect();
    with_attribute(FramesLostError::new_err(message), "numbers", numbers)
}

/// Notes the protocol's word for an error in its exception.
fn with_code(error: PyErr, code: &str) -> PyErr {
    with_attribute(error, "code", code)
}

fn with_attribute(error: PyErr, name: &str, value: impl for<'py> IntoPyObject<'py>) -> PyErr {
    Python::attach(|py| match error.value(py).setattr(name, value) {
        Ok(()) => error,
        Err(broken) => broken,
    })
}

/// Says an error with its causes, which Python shows in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
