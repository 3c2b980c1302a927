//! Why the media store didn't do what was asked.

use object_store::path::Path as ObjectPath;
use thiserror::Error;

/// Tells an object that isn't there from a store that failed.
pub(super) fn failed(path: &ObjectPath, operation: &'static str, error: object_store::Error) -> MediaError {
    match error {
        object_store::Error::NotFound { .. } => MediaError::NotFound { path: path.to_string() },
        error => MediaError::Backend { operation, source: Box::new(error) },
    }
}

/// Why the media store didn't do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MediaError {
    /// There is no such object.
    #[error("there is no `{path}` among the media")]
    NotFound {
        /// Its path within the media store.
        path: String,
    },
    /// A name that no object of a session can have.
    #[error(
        "`{name}` can't be the name of a media object: use a-z, 0-9, `_`, `-`, `.` and single slashes between"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// The object is shorter than the range asked for.
    #[error("`{path}` has {length} bytes, the range asked for ends at {end}")]
    OutOfRange {
        /// The object's path within the media store.
        path: String,
        /// How long it is, in bytes.
        length: u64,
        /// Where the range ends, in bytes.
        end: u64,
    },
    /// The folder or object store failed. The same call may succeed later, unless the cause says otherwise.
    #[error("the media store failed to {operation}")]
    Backend {
        /// What it was to do.
        operation: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
