//! The threads that do the work, and how Python waits for them: without the GIL, and looking for Ctrl-C.

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::errors;

/// How long a wait may last before signals are looked for.
pub(crate) const SIGNAL_CHECK: Duration = Duration::from_millis(50);

/// The process that made the runtime, and the runtime. It is never dropped: in a forked child its threads are not there,
/// and at the end of the process nobody is left to wait for them.
static RUNTIME: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// Returns the process's runtime, made when it is first asked for, and anew in a forked child.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    let process = std::process::id();
    let mut kept = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((owner, runtime)) = *kept
        && owner == process
    {
        return Ok(runtime);
    }
    let built = Builder::new_multi_thread().thread_name("posesession").enable_all().build();
    let runtime = built.map_err(|error| errors::io("threads can't be started", &error))?;
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    *kept = Some((process, runtime));
    Ok(runtime)
}

/// Waits for work without the GIL. A signal whose handler raises, such as Ctrl-C, ends the wait and drops the work.
pub(crate) fn wait<T: Send>(py: Python<'_>, work: impl Future<Output = T> + Send) -> PyResult<T> {
    wait_and(py, work, None, |_py| Ok(()))
}

/// Waits as [`wait`] does, and does something else meanwhile, now and then and at the end.
///
/// If that fails, or a signal comes, `stop` is dropped for the work to hear, and the work is waited for, so that it cleans up
/// behind itself; without `stop` the work is dropped.
pub(crate) fn wait_and<T: Send>(
    py: Python<'_>,
    work: impl Future<Output = T> + Send,
    mut stop: Option<oneshot::Sender<()>>,
    mut meanwhile: impl FnMut(Python<'_>) -> PyResult<()>,
) -> PyResult<T> {
    let runtime = runtime()?;
    let mut work = pin!(work);
    let mut broken_off = None;
    loop {
        let step = async { tokio::time::timeout(SIGNAL_CHECK, work.as_mut()).await };
        let step = py.detach(|| runtime.block_on(step));
        if broken_off.is_none()
            && let Err(error) =
                meanwhile(py).and_then(|()| if step.is_ok() { Ok(()) } else { py.check_signals() })
        {
            if stop.take().is_none() {
                return Err(error);
            }
            broken_off = Some(error);
        }
        if let Ok(done) = step {
            return broken_off.map_or(Ok(done), Err);
        }
    }
}

/// What belongs to one process: its threads, locks and files don't survive a fork.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner(u32);

impl Owner {
    pub(crate) fn this_process() -> Self {
        Self(std::process::id())
    }

    /// Refuses the use in a forked child.
    pub(crate) fn check(self, what: &str) -> PyResult<()> {
        if self.0 == std::process::id() {
            return Ok(());
        }
        let message =
            format!("the {what} belongs to the process that this one was forked from: open it here");
        Err(errors::ClosedError::new_err(message))
    }
}
