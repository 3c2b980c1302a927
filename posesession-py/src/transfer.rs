//! Sessions from place to place, into files and out of them, with their progress told to Python.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use posesession_core::{SessionId, SessionRecording};
use posesession_store::{
    FrameExport, FrameFormat, ImportOptions, Progress, ReadOptions, copy_session, export_session_file,
    import_frames_until, import_session_file_until,
};
use pyo3::prelude::*;
use tokio::sync::oneshot;

use crate::errors::{self, bad_argument};
use crate::place::Place;
use crate::runtime::wait_and;

/// How far the work is; written by it, read by the thread that waits for it.
#[derive(Debug, Default)]
struct Meter {
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    fn set(&self, progress: Progress) {
        self.done.store(progress.done_bytes, Ordering::Relaxed);
        self.total.store(progress.total_bytes, Ordering::Relaxed);
    }

    /// Waits for work, and calls `progress(done, total)` meanwhile and at the end.
    fn wait<T: Send>(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        work: impl Future<Output = T> + Send,
        stop: Option<oneshot::Sender<()>>,
    ) -> PyResult<T> {
        let mut told = None;
        wait_and(py, work, stop, |_py| {
            let now = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
            if let Some(progress) = progress.filter(|_| told != Some(now)) {
                progress.call1(now)?;
                told = Some(now);
            }
            Ok(())
        })
    }
}

/// A format of files.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FileFormat {
    /// One session with all that belongs to it.
    Sqlite,
    /// What other programs read and write.
    Frames(FrameFormat),
}

impl FileFormat {
    /// Reads a format's name.
    pub(crate) fn named(name: &str) -> PyResult<Self> {
        match name {
            "sqlite" => Ok(Self::Sqlite),
            name => name.parse().map(Self::Frames).map_err(|_unknown| {
                bad_argument(format!("`{name}` is no format of files: use sqlite, jsonl, csv or csv-long"))
            }),
        }
    }

    /// Tells a file's format by its name, and the two kinds of CSV by their first line.
    pub(crate) fn of_file(path: &str) -> PyResult<Self> {
        let extension = Path::new(path).extension().map(|end| end.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("db" | "sqlite" | "sqlite3") => Ok(Self::Sqlite),
            Some("jsonl" | "ndjson" | "json") => Ok(Self::Frames(FrameFormat::JsonLines)),
            Some("csv") => {
                // The rest of a longer line tells no more.
                let mut line = Vec::new();
                BufReader::new(File::open(path)?.take(1024)).read_until(b'\n', &mut line)?;
                let is_long =
                    String::from_utf8_lossy(&line).split(',').any(|field| field.trim() == "keypoint");
                Ok(Self::Frames(if is_long { FrameFormat::CsvLong } else { FrameFormat::CsvWide }))
            }
            _ => Err(bad_argument(format!(
                "the name of `{path}` doesn't tell its format: give `format`, one of sqlite, jsonl, csv and csv-long"
            ))),
        }
    }
}

/// Writes a session into a file.
pub(crate) fn export(
    py: Python<'_>,
    from: &Place,
    id: SessionId,
    path: &str,
    format: FileFormat,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let meter = Meter::default();
    match format {
        FileFormat::Sqlite => {
            let mut tell = |progress| meter.set(progress);
            let work = export_session_file(from.whole(), id, path, &mut tell);
            meter.wait(py, progress, work, None)?.map_err(errors::session_file)
        }
        FileFormat::Frames(format) => {
            let work = write_frames(from, id, Path::new(path), format, &meter);
            meter.wait(py, progress, work, None)?
        }
    }
}

/// Writes frames under a temporary name beside the file, which takes its place when it is whole.
async fn write_frames(
    from: &Place,
    id: SessionId,
    path: &Path,
    format: FrameFormat,
    meter: &Meter,
) -> PyResult<()> {
    let mut export = FrameExport::start(Arc::clone(from.store()), id, format).await.map_err(errors::store)?;
    let total_bytes = export.session().frame_count;
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    while let Some(piece) = export.next_piece().await.map_err(errors::store)? {
        file.write_all(&piece)?;
        meter.set(Progress { done_bytes: export.frames_done(), total_bytes });
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Reads a session out of a file. Broken off, it leaves nothing of it.
pub(crate) fn import(
    py: Python<'_>,
    path: &str,
    format: FileFormat,
    options: (Option<String>, Option<f64>),
    to: &Place,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<SessionRecording> {
    let meter = Arc::new(Meter::default());
    let (stop, dropped) = oneshot::channel();
    let stopped = async move {
        let _stop_was_dropped = dropped.await;
    };
    match format {
        FileFormat::Sqlite => {
            // What isn't there is told like any other file.
            std::fs::metadata(path)?;
            let mut tell = |progress| meter.set(progress);
            let work = import_session_file_until(path, to.whole(), &mut tell, stopped);
            let copied = meter.wait(py, progress, work, Some(stop))?.map_err(errors::session_file)?;
            Ok(copied.session().clone())
        }
        FileFormat::Frames(format) => {
            let (name, fps) = options;
            // Opening a pipe waits for its other end, which may be this program.
            let file = py.detach(|| File::open(path))?;
            meter.total.store(file.metadata()?.len(), Ordering::Relaxed);
            let stem = Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
            let options = ImportOptions {
                name,
                fallback_name: stem.into_owned(),
                read: ReadOptions { fps, skeleton: None },
            };
            let file = Metered { file, meter: Arc::clone(&meter) };
            let work = import_frames_until(file, format, options, &**to.store(), stopped);
            meter.wait(py, progress, work, Some(stop))?.map_err(errors::import)
        }
    }
}

/// A file that tells how much of it was read.
struct Metered {
    file: File,
    meter: Arc<Meter>,
}

impl Read for Metered {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(bytes)?;
        self.meter.done.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Copies a session to another place.
pub(crate) fn copy(
    py: Python<'_>,
    from: &Place,
    id: SessionId,
    to: &Place,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<SessionRecording> {
    let meter = Meter::default();
    let mut tell = |progress| meter.set(progress);
    let work = copy_session(from.whole(), to.whole(), id, &mut tell);
    let copied = meter.wait(py, progress, work, None)?.map_err(errors::transfer)?;
    Ok(copied.session().clone())
}
