//! `posesession import`: files in, sessions in a place out.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use posesession_core::{SessionRecording, Skeleton};
use posesession_store::{
    FrameFormat, ImportError, ImportOptions, Place, ReadOptions, SessionFileError, import_frames_until,
    import_session_file_until,
};

use super::failure::{FAILED, INPUT_BROKEN, INTERRUPTED, WRONG_USAGE};
use super::format::{self, Format};
use super::running::StopSignals;
use super::{Failure, place_args::PlaceArgs, progress, words};
use crate::{Access, Storage};

const EXAMPLES: &str = "\
Examples:
  posesession import squat.db
      a session that `export` wrote, whole
  posesession import landmarks.jsonl --name Squat
      MediaPipe's landmarks, an object a line
  posesession import poses.csv --fps 30
      a table without times
  some_program | posesession import - --format jsonl
      from stdin

What is read is described in docs/file-formats.md. A broken file is refused with line and column, and nothing of it \
is imported.";

/// Makes sessions of files: SQLite as exported, JSON Lines, CSV
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Import {
    /// The files; `-` for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The format; without it, each file's name and first line tell
    #[arg(long, short, value_enum)]
    format: Option<Format>,
    /// The session's name; else the file's own facts or its name are taken. Not for SQLite files
    #[arg(long)]
    name: Option<String>,
    /// Frames a second, for files whose frames have no time
    #[arg(long, value_parser = super::frame_rate)]
    fps: Option<f64>,
    /// The keypoints, if the file doesn't tell: a preset such as mediapipe_33 or coco_17
    #[arg(long, value_parser = super::preset)]
    skeleton: Option<Skeleton>,
    /// Print each session as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Import {
    /// Asked to stop, it takes back what it has of the file at hand, and imports no other.
    pub(super) async fn run(self, mut stop: StopSignals) -> Result<(), Failure> {
        // What can't be read is found out before a database is made for it.
        for file in self.files.iter().filter(|file| !is_stdin(file)) {
            File::open(file).map_err(|error| unreadable(file, &error))?;
        }
        let storage = self.place.open(Access::Write).await?;
        let done = self.import_all(&storage, &mut stop).await;
        storage.close().await;
        done
    }

    async fn import_all(&self, storage: &Storage, stop: &mut StopSignals) -> Result<(), Failure> {
        for file in &self.files {
            let session = self.import(storage, file, stop).await?;
            let mut out = io::stdout().lock();
            if self.json {
                super::write_json_line(&mut out, &session)?;
            } else {
                let length = words::length(session.duration);
                let (name, frames) = (words::line(&session.name), words::frames(session.frame_count));
                writeln!(out, "{}  {name}, {frames}, {length}", session.id)?;
            }
        }
        Ok(())
    }

    async fn import(
        &self,
        storage: &Storage,
        file: &Path,
        stop: &mut StopSignals,
    ) -> Result<SessionRecording, Failure> {
        let format = match self.format {
            Some(format) => format,
            None => Format::of_name(file).ok_or_else(|| {
                let file = file.display();
                Failure::new(WRONG_USAGE, format!("`{file}` doesn't tell its format: give --format"))
            })?,
        };
        let bar = progress::bytes_bar(&file.display().to_string());
        let imported = match format.of_frames() {
            None if is_stdin(file) => {
                Err(Failure::new(WRONG_USAGE, "an SQLite file can't come from stdin: name a file"))
            }
            None => self.import_whole(storage, file, &bar, stop).await,
            Some(frames) => self.import_frames(storage, file, frames, &bar, stop).await,
        };
        bar.finish_and_clear();
        imported
    }

    async fn import_whole(
        &self,
        storage: &Storage,
        file: &Path,
        bar: &indicatif::ProgressBar,
        stop: &mut StopSignals,
    ) -> Result<SessionRecording, Failure> {
        if self.name.is_some() || self.fps.is_some() || self.skeleton.is_some() {
            let message = "an SQLite file tells name, time and keypoints itself: leave --name, --fps and --skeleton out";
            return Err(Failure::new(WRONG_USAGE, message));
        }
        let to = Place { sessions: storage.store().as_ref(), media: storage.media().map(Arc::as_ref) };
        let imported = import_session_file_until(file, to, &mut progress::moving(bar), stop.next()).await;
        match imported {
            Ok(copied) => Ok(copied.session().clone()),
            Err(SessionFileError::Transfer(error)) => Err(error.into()),
            Err(error @ SessionFileError::Stopped) => Err(Failure::of(INTERRUPTED, &error)),
            Err(error) => Err(Failure::of(INPUT_BROKEN, &error)),
        }
    }

    async fn import_frames(
        &self,
        storage: &Storage,
        file: &Path,
        format: FrameFormat,
        bar: &indicatif::ProgressBar,
        stop: &mut StopSignals,
    ) -> Result<SessionRecording, Failure> {
        let input: Box<dyn Read + Send> = if is_stdin(file) {
            Box::new(io::stdin())
        } else {
            let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
            bar.set_length(opened.metadata().map_or(0, |facts| facts.len()));
            Box::new(bar.wrap_read(opened))
        };
        let mut input = BufReader::new(input);
        let guess_csv = self.format.is_none() && format == FrameFormat::CsvWide;
        let format = if guess_csv {
            let start = input.fill_buf().map_err(|error| unreadable(file, &error))?;
            format::csv_of_header(start.split(|&byte| byte == b'\n').next().unwrap_or_default())
        } else {
            format
        };
        let stem = if is_stdin(file) { None } else { file.file_stem() };
        let options = ImportOptions {
            name: self.name.clone(),
            fallback_name: stem
                .map_or_else(|| "Imported".to_owned(), |stem| stem.to_string_lossy().into_owned()),
            read: ReadOptions { fps: self.fps, skeleton: self.skeleton.clone() },
        };
        let store = storage.store().as_ref();
        let imported = import_frames_until(input, format, options, store, stop.next()).await;
        imported.map_err(|error| match error {
            ImportError::Store(error) => error.into(),
            ImportError::Stopped => Failure::of(INTERRUPTED, &error),
            ImportError::Read(_) | ImportError::Empty => {
                let told = Failure::of(INPUT_BROKEN, &error);
                told.about(&file.display().to_string())
            }
            error => Failure::of(FAILED, &error),
        })
    }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    Failure::new(INPUT_BROKEN, format!("`{}` can't be read: {error}", file.display()))
}
