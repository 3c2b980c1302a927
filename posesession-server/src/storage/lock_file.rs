//! A lock that one process at a time holds. A path in, the lock out.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::StorageError;

/// A lock that is held; the operating system releases it when the process dies.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
}

impl LockFile {
    /// Takes the lock of `place` and writes this process' id into its file.
    pub(super) fn take(path: &Path, place: &str) -> Result<Self, StorageError> {
        let unusable = |source| {
            let folder = path.parent().unwrap_or(path).to_owned();
            StorageError::Unusable { folder, source }
        };
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let pid = file.read_to_string(&mut owner).ok().and_then(|_length| owner.trim().parse().ok());
                return Err(StorageError::InUse { place: place.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        file.set_len(0).map_err(unusable)?;
        writeln!(file, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { file })
    }

    /// Lets go of the lock.
    pub(super) fn release(&self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the lock is held until the process ends");
        }
    }
}
