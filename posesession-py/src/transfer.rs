//! Sessions from place to place and into files, with their progress told to Python.

use std::sync::atomic::{AtomicU64, Ordering};

use posesession_core::{SessionId, SessionRecording};
use posesession_store::{Progress, copy_session, export_session_file, import_session_file};
use pyo3::prelude::*;

use crate::errors;
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
    ) -> PyResult<T> {
        let mut told = None;
        wait_and(py, work, |_py| {
            let now = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
            if let Some(progress) = progress.filter(|_| told != Some(now)) {
                progress.call1(now)?;
                told = Some(now);
            }
            Ok(())
        })
    }
}

/// Writes a session into a file of its own.
pub(crate) fn export(
    py: Python<'_>,
    from: &Place,
    id: SessionId,
    path: &str,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let meter = Meter::default();
    let mut tell = |progress| meter.set(progress);
    let work = export_session_file(from.whole(), id, path, &mut tell);
    meter.wait(py, progress, work)?.map_err(errors::session_file)
}

/// Reads a session out of a file of its own.
pub(crate) fn import(
    py: Python<'_>,
    path: &str,
    to: &Place,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<SessionRecording> {
    let meter = Meter::default();
    let mut tell = |progress| meter.set(progress);
    let work = import_session_file(path, to.whole(), &mut tell);
    let copied = meter.wait(py, progress, work)?.map_err(errors::session_file)?;
    Ok(copied.session().clone())
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
    let copied = meter.wait(py, progress, work)?.map_err(errors::transfer)?;
    Ok(copied.session().clone())
}
