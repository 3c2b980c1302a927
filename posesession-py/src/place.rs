//! Where sessions are kept: a text in, an open store and its media out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use posesession_store::{MediaStore, SessionStore, SqliteStore};
use pyo3::prelude::*;

use crate::errors;

const DATABASE_FILE: &str = "posesession.db";
const MEDIA_FOLDER: &str = "media";

/// An open place.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) media: Arc<MediaStore>,
    sqlite: Arc<SqliteStore>,
}

impl Place {
    /// Opens a folder or a `.db` file, making it if it isn't there.
    pub(crate) async fn open(place: String, media: Option<String>) -> PyResult<Self> {
        if place.contains("://") {
            let message = format!("`{place}`: this build opens folders and `.db` files only");
            return Err(errors::UnsupportedError::new_err(message));
        }
        let place = PathBuf::from(place);
        let is_file =
            place.is_file() || (!place.is_dir() && place.extension().is_some_and(|end| end == "db"));
        let (folder, database, media_folder) = if is_file {
            let mut beside = place.clone().into_os_string();
            beside.push("-media");
            (place.parent().map(Path::to_owned), place, PathBuf::from(beside))
        } else {
            (Some(place.clone()), place.join(DATABASE_FILE), place.join(MEDIA_FOLDER))
        };
        if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) {
            let made = std::fs::create_dir_all(&folder);
            made.map_err(|error| {
                errors::io(&format!("the folder {} can't be made", folder.display()), &error)
            })?;
        }
        let sqlite = Arc::new(SqliteStore::open(database).await.map_err(errors::store)?);
        let media =
            MediaStore::open_folder(media.map_or(media_folder, PathBuf::from)).map_err(errors::media)?;
        Ok(Self { store: Arc::clone(&sqlite) as _, media: Arc::new(media), sqlite })
    }

    /// Does what is queued, checkpoints and closes.
    pub(crate) async fn close(&self) {
        self.sqlite.close().await;
    }
}
