//! A server as a process of its own.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long anything may take that should take little time.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A running server. It is killed when it is dropped.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) address: String,
    /// Kept open, so that the server may go on writing.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts the real program on a data folder.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::of(serve(data)).await.expect("the server starts")
    }

    /// Starts a program and waits for the line with its address; how it ended, if it ends before.
    pub(crate) async fn of(mut command: Command) -> Result<Self, ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = tokio::time::timeout(SOON, lines.next_line()).await.expect("a line").unwrap();
            let Some(line) = line else {
                return Err(tokio::time::timeout(SOON, child.wait()).await.expect("it ends").unwrap());
            };
            // A test's own process says more than a server does.
            if let Some((_, address)) = line.split_once("listening on http://") {
                return Ok(Self { child, address: address.to_owned(), _lines: lines });
            }
        }
    }

    /// Ends it by SIGKILL and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// The real program, serving a data folder on a free port.
pub(crate) fn serve(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posesession"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command.stderr(Stdio::null());
    command
}
