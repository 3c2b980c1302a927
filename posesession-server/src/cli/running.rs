//! Running a command to its end, or until the user breaks it off.

use std::future::Future;

use tokio::runtime::Runtime;

use super::failure::{FAILED, Failure, INTERRUPTED};

/// Runs a command; Ctrl-C or SIGTERM breaks it off.
pub(super) fn run(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let mut stop = StopSignals::listen()?;
        tokio::select! {
            ended = command => ended,
            () = stop.next() => Err(Failure::new(INTERRUPTED, "broken off")),
        }
    });
    // A thread that waits for the disk or for stdin is not waited for.
    runtime.shutdown_background();
    ended
}

/// Runs a command that ends properly when it is asked to stop; asked a second time, it is broken off.
pub(super) fn run_gracefully(
    command: impl AsyncFnOnce(StopSignals) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let (stop, mut again) = (StopSignals::listen()?, StopSignals::listen()?);
        let asked_twice = async {
            again.next().await;
            again.next().await;
        };
        tokio::select! {
            ended = command(stop) => ended,
            () = asked_twice => Err(Failure::new(FAILED, "asked twice to stop: stopped at once")),
        }
    });
    runtime.shutdown_background();
    ended
}

/// Makes what async commands run on.
fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::of(FAILED, &error))
}

/// What the user or the system asks a program to stop with, from the moment it is made.
#[derive(Debug)]
pub(super) struct StopSignals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Starts listening. Handlers that were there before are called, too.
    pub(super) fn listen() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| signal(kind).map_err(|error| Failure::of(FAILED, &error));
            Ok(Self {
                interrupt: listen(SignalKind::interrupt())?,
                terminate: listen(SignalKind::terminate())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Is ready at the next one.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Is ready at the next one.
    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "Ctrl-C can't be awaited");
            std::future::pending::<()>().await;
        }
    }
}
