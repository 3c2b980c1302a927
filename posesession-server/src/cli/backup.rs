//! `posesession backup`: all there is, as it is now, into a new place.

use std::io::{self, Write as _};

use clap::Args;

use super::failure::FAILED;
use super::{Failure, place_args::PlaceArgs};
use crate::{Access, StoragePlace};

const EXAMPLES: &str = "\
Examples:
  posesession backup ~/backups/2026-11-22
      into a new folder: look into it with --data ~/backups/2026-11-22
  posesession backup poses.db --data ./data
      into one new file; images and videos go to poses.db-media/

Recordings go on meanwhile, and what was acknowledged before is in the backup. Postgres has pg_dump.";

/// Backs all sessions and media up, also while a server is running
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Backup {
    /// A folder without sessions yet, or a new .db file
    #[arg(value_name = "DST")]
    to: StoragePlace,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let storage = self.place.open(Access::Read).await?;
        let file = storage.back_up(&self.to).await.map_err(|error| Failure::of(FAILED, &error))?;
        Ok(writeln!(io::stdout().lock(), "{}", file.display())?)
    }
}
