//! A database as it is at one moment, as a file of its own, whoever uses it meanwhile.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::connection;
use super::failure::{BACKEND, Failure};
use crate::error::StoreError;

/// Writes a database into a new file, which appears under its name when it is complete and on the disk.
pub(super) fn back_up(database: &Path, path: &Path) -> Result<(), StoreError> {
    const OPERATION: &str = "back the database up";
    if path.exists() {
        let what = format!("`{}` is there already: name a new file for the backup", path.display());
        return Err(StoreError::BadArgument { what });
    }
    let failed = |source: io::Error| StoreError::Backend {
        backend: BACKEND,
        operation: OPERATION,
        retryable: false,
        source: Box::new(source),
    };
    let scratch = scratch_folder(path).map_err(failed)?;
    let draft = scratch.path().join("draft.db");
    connection::snapshot(database, &draft).map_err(|failure: Failure| failure.during(OPERATION))?;
    put_in_place(&draft, path).map_err(failed)
}

/// Makes a hidden folder beside a file that is to be written; it goes when it is dropped.
pub(crate) fn scratch_folder(path: &Path) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(".posesession-").tempdir_in(folder_of(path))
}

/// Gives a finished file its name, durably.
pub(crate) fn put_in_place(draft: &Path, path: &Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    std::fs::rename(draft, path)?;
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
