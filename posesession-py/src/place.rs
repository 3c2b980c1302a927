//! An open place of sessions: store and media, and what records into it and replays from it.

use std::sync::Arc;
use std::time::Duration;

use posesession_server::{Access, Storage, StoragePlace};
use posesession_store::{MediaStore, SessionStore};
use posesession_ws::{ClientError, RecordOptions, RecordService, ReplayOptions, ReplayService};
use pyo3::prelude::*;

use crate::errors::{self, bad_argument};
use crate::record::live_recordings::LiveRecordings;

/// An open place.
#[derive(Debug)]
pub(crate) struct Place {
    storage: Storage,
    /// Records into the store.
    pub(crate) recordings: RecordService,
    /// Those under way.
    pub(crate) live: LiveRecordings,
    /// Replays from it.
    pub(crate) replays: ReplayService,
}

impl Place {
    /// Opens a place, making it if it isn't there.
    pub(crate) async fn open(named: StoragePlace) -> PyResult<Self> {
        let storage = named.open(Access::Write).await.map_err(errors::storage)?;
        let options = RecordOptions {
            // A recording that was let go of has nobody to wait for.
            publisher_patience: Duration::ZERO,
            status_every: Duration::from_millis(100),
            ..RecordOptions::default()
        };
        let store = Arc::clone(storage.store());
        let recordings = RecordService::new(Arc::clone(&store), storage.media().map(Arc::clone), options);
        let replays = ReplayService::new(store, ReplayOptions::default());
        Ok(Self { storage, recordings, live: LiveRecordings::default(), replays })
    }

    /// Returns the sessions.
    pub(crate) fn store(&self) -> &Arc<dyn SessionStore> {
        self.storage.store()
    }

    /// Returns the images and videos, if there is a place for them.
    pub(crate) fn media(&self) -> Option<&MediaStore> {
        self.storage.media().map(AsRef::as_ref)
    }

    /// Returns it as those have it who move sessions.
    pub(crate) fn whole(&self) -> posesession_store::Place<'_> {
        posesession_store::Place { sessions: &**self.store(), media: self.media() }
    }

    /// Writes the database as it is at this moment into a new SQLite file, and the media that are not in it into the folder
    /// beside that file where they are looked for.
    pub(crate) async fn back_up(&self, path: &str) -> PyResult<()> {
        let Some(sqlite) = self.storage.sqlite() else {
            let message = "only SQLite databases are backed up here: back Postgres up with pg_dump";
            return Err(errors::UnsupportedError::new_err(message));
        };
        sqlite.back_up(path).await.map_err(errors::store)?;
        let has_media_inside = sqlite.has_media().await.map_err(errors::store)?;
        if let Some(media) = self.media().filter(|_| !has_media_inside) {
            let folder = MediaStore::open_folder(format!("{path}-media")).map_err(errors::media)?;
            media.back_up(&folder).await.map_err(errors::media)?;
        }
        Ok(())
    }

    /// Finishes the recordings, ends the replays, does what is queued, checkpoints and closes.
    ///
    /// Returns the first failure of a recording; the place is closed all the same.
    pub(crate) async fn close(&self) -> Result<(), ClientError> {
        let stopped = self.live.stop().await;
        self.replays.shutdown();
        self.recordings.shutdown().await;
        self.storage.close().await;
        stopped
    }
}

/// Reads where sessions are: a folder, a `.db` file or `postgres://...`, and the folder of their media if it is another one.
pub(crate) fn named(place: &str, media: Option<&str>) -> PyResult<StoragePlace> {
    let place: StoragePlace = place.parse().map_err(bad_argument)?;
    Ok(match media {
        Some(folder) => place.with_media(folder),
        None => place,
    })
}
