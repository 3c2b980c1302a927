//! `posesession export`: a session out, as a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use posesession_core::SessionRecording;
use posesession_store::{FrameExport, FrameFormat, Place, SessionFileError, export_session_file};

use super::failure::{FAILED, WRONG_USAGE};
use super::format::Format;
use super::{Failure, place_args::PlaceArgs, progress, session_choice};
use crate::{Access, Storage};

const EXAMPLES: &str = "\
Examples:
  posesession export Squat squat.db
      all of it in one file: `import` and every --database read it
  posesession export Squat squat.csv
      a table, a column for each number
  posesession export Squat --format csv-long
      a table to stdout, a line for each keypoint
  posesession export Squat | gzip > squat.jsonl.gz
      JSON Lines to stdout";

/// Writes a session into a file: SQLite with media, JSON Lines or CSV
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// The session: its id, a beginning of its id, or its name
    session: String,
    /// The file; `-` or nothing for stdout
    file: Option<PathBuf>,
    /// The format; without it, the file's name tells, and stdout gets JSON Lines
    #[arg(long, short, value_enum)]
    format: Option<Format>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Export {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let file = self.file.as_deref().filter(|file| *file != Path::new("-"));
        let format = match (self.format, file) {
            (Some(format), _) => format,
            (None, None) => Format::Jsonl,
            (None, Some(file)) => Format::of_name(file).ok_or_else(|| {
                let file = file.display();
                Failure::new(
                    WRONG_USAGE,
                    format!(
                        "`{file}` doesn't tell its format: give --format, or end it in .db, .jsonl or .csv"
                    ),
                )
            })?,
        };
        if let Some(file) = file.filter(|file| file.exists() && !self.force) {
            let message =
                format!("`{}` is there already: give another name, or --force to replace it", file.display());
            return Err(Failure::new(WRONG_USAGE, message));
        }
        let storage = self.place.open(Access::Read).await?;
        let session = session_choice::find(storage.store().as_ref(), &self.session).await?;
        match (format.of_frames(), file) {
            (Some(format), Some(file)) => frames_to_file(&storage, &session, format, file).await,
            (Some(format), None) => {
                let mut out = io::BufWriter::new(io::stdout().lock());
                write_frames(&storage, &session, format, &mut out).await?;
                Ok(out.flush()?)
            }
            (None, Some(file)) => whole(&storage, &session, file).await,
            (None, None) => Err(Failure::new(WRONG_USAGE, "an SQLite file can't go to stdout: name a file")),
        }
    }
}

async fn whole(storage: &Storage, session: &SessionRecording, file: &Path) -> Result<(), Failure> {
    let bar = progress::bytes_bar(&session.name);
    let from = Place { sessions: storage.store().as_ref(), media: storage.media().map(Arc::as_ref) };
    let done = export_session_file(from, session.id, file, &mut progress::moving(&bar)).await;
    bar.finish_and_clear();
    done.map_err(|error| match error {
        SessionFileError::Transfer(error) => error.into(),
        error => Failure::of(FAILED, &error),
    })
}

/// Writes beside the file first: half a file never has its name.
async fn frames_to_file(
    storage: &Storage,
    session: &SessionRecording,
    format: FrameFormat,
    file: &Path,
) -> Result<(), Failure> {
    let unwritten =
        |error: io::Error| Failure::new(FAILED, format!("`{}` can't be written: {error}", file.display()));
    let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let draft = builder.prefix(".posesession-export-").tempfile_in(folder).map_err(unwritten)?;
    let mut out = io::BufWriter::new(draft);
    write_frames(storage, session, format, &mut out).await?;
    let draft = out.into_inner().map_err(|error| unwritten(error.into_error()))?;
    draft.as_file().sync_all().map_err(unwritten)?;
    draft.persist(file).map_err(|error| unwritten(error.error))?;
    Ok(())
}

async fn write_frames(
    storage: &Storage,
    session: &SessionRecording,
    format: FrameFormat,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut export = FrameExport::start(Arc::clone(storage.store()), session.id, format).await?;
    while let Some(piece) = export.next_piece().await? {
        out.write_all(&piece)?;
    }
    Ok(())
}
