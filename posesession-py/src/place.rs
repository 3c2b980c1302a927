//! Where sessions are kept: a text in, an open store and its media out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use posesession_store::{MediaStore, SessionStore, SqliteStore};
use posesession_ws::{ClientError, RecordOptions, RecordService, ReplayOptions, ReplayService};
use pyo3::prelude::*;

use crate::errors;
use crate::record::LiveRecordings;

const DATABASE_FILE: &str = "posesession.db";
const MEDIA_FOLDER: &str = "media";

/// An open place.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) media: Arc<MediaStore>,
    /// Records into the store.
    pub(crate) recordings: RecordService,
    /// Those under way.
    pub(crate) live: LiveRecordings,
    /// Replays from it.
    pub(crate) replays: ReplayService,
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
        let (store, media): (Arc<dyn SessionStore>, _) = (Arc::clone(&sqlite) as _, Arc::new(media));
        let options = RecordOptions {
            // A recording that was let go of has nobody to wait for.
            publisher_patience: Duration::ZERO,
            status_every: Duration::from_millis(100),
            ..RecordOptions::default()
        };
        let recordings = RecordService::new(Arc::clone(&store), Some(Arc::clone(&media)), options);
        let replays = ReplayService::new(Arc::clone(&store), ReplayOptions::default());
        Ok(Self { store, media, recordings, live: LiveRecordings::default(), replays, sqlite })
    }

    /// Finishes the recordings, ends the replays, does what is queued, checkpoints and closes.
    /// Returns the first failure of a recording; the place is closed all the same.
    pub(crate) async fn close(&self) -> Result<(), ClientError> {
        let stopped = self.live.stop().await;
        self.replays.shutdown();
        self.recordings.shutdown().await;
        self.sqlite.close().await;
        stopped
    }
}
