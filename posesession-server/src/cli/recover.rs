//! `posesession recover`: what is intact of a damaged database, in a new one.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use posesession_store::{LostPart, RecoverError, Recovered, RecoveredSession};

use super::failure::{DAMAGED, FAILED, INPUT_BROKEN, WRONG_USAGE};
use super::{Failure, progress, words};
use crate::{PlaceRecoverError, StoragePlace};

const EXAMPLES: &str = "\
Examples:
  posesession recover ./data ./rescued
      a data folder whose database is damaged, with its media, into a new folder
  posesession recover broken.db rescued.db --json | jq .lost
      a file, and what is lost, for programs

The damaged file is read page by page and never written; SQLite needn't be able to open it. A log beside it (-wal) counts. Every \
chunk of frames whose checksum is right comes along, and what is readable of names, markers, users and media.

Where frames in the middle of a session are lost, those behind them keep their times and get the next numbers, and a marker of the \
kind `gap` and the cause `lost` says how many are missing. Frames of sessions whose names are lost become sessions called \
`recovered ...`. What is lost is listed.

Ends with code 0 once all that is intact is at the new place and `verify` has found it sound there.";

/// Copies what is intact of a damaged database into a new one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Recover {
    /// What is damaged: a folder or an SQLite file
    #[arg(value_name = "SRC")]
    from: StoragePlace,
    /// A new folder or .db file
    #[arg(value_name = "DST")]
    to: StoragePlace,
    /// The folder with the source's images and videos, if they are elsewhere
    #[arg(long, value_name = "DIR")]
    from_media: Option<PathBuf>,
    /// Print one JSON object: sessions, what is lost, and what `verify` found
    #[arg(long)]
    json: bool,
}

impl Recover {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let from = match &self.from_media {
            Some(media) => self.from.with_media(media),
            None => self.from,
        };
        let bar = progress::bytes_bar("recover");
        let recovered = from.recover_into(&self.to, &mut progress::moving(&bar)).await;
        bar.finish_and_clear();
        let recovered = recovered?;
        if self.json {
            return Ok(super::write_json_line(&mut io::stdout().lock(), &recovered)?);
        }
        Ok(tell(&recovered)?)
    }
}

fn tell(recovered: &Recovered) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for RecoveredSession { id, name, frames, lost_frames, .. } in &recovered.sessions {
        let lost = if *lost_frames > 0 { format!(", {lost_frames} lost") } else { String::new() };
        writeln!(out, "recovered  {id}  {}: {}{lost}", words::line(name), words::frames(*frames))?;
    }
    for LostPart { session, frames, what, .. } in &recovered.lost {
        let session = session.map_or("-".to_owned(), |id| id.to_string());
        let frames = frames.as_ref().map_or(String::new(), |frames| {
            format!("frames {} to {}: ", frames.start, frames.end.saturating_sub(1))
        });
        writeln!(out, "lost       {session}  {frames}{}", words::line(what))?;
    }
    if recovered.unreadable_pages > 0 {
        let pages = recovered.unreadable_pages;
        writeln!(
            out,
            "lost       -  {pages} pages hold what nothing could be made of: more may be lost than is listed"
        )?;
    }
    out.flush()?;
    let (sessions, frames, chunks) = (recovered.sessions.len(), recovered.frames, recovered.chunks);
    writeln!(
        io::stderr(),
        "sound: {sessions} sessions, {frames} frames in {chunks} chunks were recovered and verified"
    )
}

impl From<PlaceRecoverError> for Failure {
    fn from(error: PlaceRecoverError) -> Self {
        match error {
            PlaceRecoverError::Place(error) => Self::from(error),
            PlaceRecoverError::NotAFile | PlaceRecoverError::IsThere { .. } => Self::of(WRONG_USAGE, &error),
            PlaceRecoverError::Recover(RecoverError::NothingFound { .. } | RecoverError::File { .. }) => {
                Self::of(INPUT_BROKEN, &error)
            }
            PlaceRecoverError::Recover(RecoverError::NotSound { .. }) => Self::of(DAMAGED, &error),
            error => Self::of(FAILED, &error),
        }
    }
}
