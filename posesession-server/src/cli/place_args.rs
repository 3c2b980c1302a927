//! Where a command finds the sessions. Arguments in, a place out.

use std::path::PathBuf;

use clap::Args;

use super::failure::Failure;
use crate::{Access, Storage, StoragePlace};

/// Where the sessions are.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// The folder where sessions are kept: posesession.db and media/
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./data",
        env = "POSESESSION_DATA",
        hide_env_values = true
    )]
    #[arg(help_heading = "Where sessions are")]
    data: PathBuf,
    /// Or another database: an SQLite file (its media are in the file or beside it, in FILE-media/), or
    /// postgres://user@host/database
    #[arg(long, value_name = "FILE|URL", env = "POSESESSION_DATABASE", hide_env_values = true)]
    #[arg(help_heading = "Where sessions are")]
    database: Option<StoragePlace>,
    /// The folder with images and videos, if they are elsewhere
    #[arg(long, value_name = "DIR", env = "POSESESSION_MEDIA", hide_env_values = true)]
    #[arg(help_heading = "Where sessions are")]
    media: Option<PathBuf>,
}

impl PlaceArgs {
    /// Returns the place.
    pub(super) fn place(&self) -> StoragePlace {
        let place = self.database.clone().unwrap_or_else(|| StoragePlace::folder(&self.data));
        match &self.media {
            Some(media) => place.with_media(media),
            None if place.is_postgres() => place.with_media(self.data.join("media")),
            None => place,
        }
    }

    /// Opens the place.
    pub(super) async fn open(&self, access: Access) -> Result<Storage, Failure> {
        Ok(self.place().open(access).await?)
    }
}
