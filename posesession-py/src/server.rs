//! The server with its pages, in the background of a Python program; and the command line.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use posesession_server::{Cli, Origin, ServerConfig, Storage};
use pyo3::prelude::*;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::errors::{self, bad_argument};
use crate::place;
use crate::replay::patience;
use crate::runtime::{Owner, runtime, wait};

/// A server that runs.
#[pyclass(frozen, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativeServer {
    #[pyo3(get)]
    url: String,
    owner: Owner,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    /// What it ended with, once it did.
    ended: watch::Receiver<Option<Result<(), String>>>,
}

#[pymethods]
impl NativeServer {
    #[staticmethod]
    #[pyo3(signature = (*, listen="127.0.0.1:8787", place="./data", media=None, vision=None, allow_origins=None))]
    fn start(
        py: Python<'_>,
        listen: &str,
        place: &str,
        media: Option<&str>,
        vision: Option<PathBuf>,
        allow_origins: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let place = place::named(place, media)?;
        let origins = allow_origins.iter().flatten().map(|text| text.parse::<Origin>().map_err(bad_argument));
        let mut config = ServerConfig::default();
        config.allowed_origins = origins.collect::<PyResult<_>>()?;
        if let Some(vision) = vision {
            config.vision = vision;
        }
        let listen = loopback(listen)?;
        let (listener, storage) = wait(py, async {
            let listener = TcpListener::bind(listen).await?;
            let storage = Storage::open_to_serve(&place).await.map_err(errors::storage)?;
            Ok::<_, PyErr>((listener, storage))
        })??;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = watch::channel(None);
        runtime()?.spawn(async move {
            let asked_to_stop = async {
                // A handle that is gone asks for the same.
                let _asked_or_gone = stopped.await;
            };
            let result = posesession_server::run(listener, storage, config, asked_to_stop).await;
            // Nobody waits for it any more if this fails.
            let _unheard = end.send(Some(result.map_err(|error| error.to_string())));
        });
        Ok(Self { url, owner: Owner::this_process(), stop: Mutex::new(Some(stop)), ended })
    }

    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        self.owner.check("server")?;
        let timeout = timeout.map(patience).transpose()?;
        let mut ended = self.ended.clone();
        let ended = async {
            let end = ended.wait_for(Option::is_some).await;
            end.map_or_else(
                |_gone| Err("the server broke off".to_owned()),
                |end| end.clone().unwrap_or(Ok(())),
            )
        };
        let ended = match timeout {
            Some(timeout) => wait(py, async { tokio::time::timeout(timeout, ended).await.ok() })?,
            None => Some(wait(py, ended)?),
        };
        match ended {
            Some(Ok(())) => Ok(true),
            Some(Err(why)) => Err(errors::broken(why)),
            None => Ok(false),
        }
    }

    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        self.owner.check("server")?;
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.wait(py, None).map(drop)
    }
}

/// Reads an address of this machine alone.
fn loopback(text: &str) -> PyResult<SocketAddr> {
    let spelled = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    match spelled.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(address) => Err(bad_argument(format!(
            "{} can be reached from other machines, and there are no accounts yet: use 127.0.0.1",
            address.ip()
        ))),
        Err(_) => Err(bad_argument("give an address and a port, such as 127.0.0.1:8787 or [::1]:8787")),
    }
}

/// Runs the command line. Ctrl-C does what it does in a program without Python.
pub(crate) fn run_cli(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let signal = py.import("signal")?;
    let (set, interrupt) = (signal.getattr("signal")?, signal.getattr("SIGINT")?);
    // Only the main thread may.
    let before = set.call1((&interrupt, signal.getattr("SIG_DFL")?)).ok();
    let code = py.detach(|| {
        let arguments = std::iter::once(OsString::from("posesession")).chain(arguments);
        let code = Cli::run_from(arguments);
        // Without a reader there is nobody to tell.
        let _unread = io::stdout().flush();
        code
    });
    if let Some(before) = before {
        set.call1((interrupt, before))?;
    }
    Ok(code)
}
