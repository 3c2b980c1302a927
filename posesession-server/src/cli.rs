//! The command line of the program `posesession`.

mod serve;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

const EXIT_CODES: &str = "\
Exit codes:
  0  stopped as asked (Ctrl-C or SIGTERM)
  1  failed for another reason
  2  wrong usage, or an address that is not of this machine alone
  3  the address can't be listened on: the port is taken, or may not be used
  4  the data folder can't be used: not writable, damaged, or made by a newer version
  5  the data folder is in use by another posesession

Environment:
  RUST_LOG  what to log to stderr, for example `info` (default), `debug` or `posesession_server=trace`";

/// Records human-pose sessions and replays them.
#[derive(Debug, Parser)]
#[command(name = "posesession", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
}

impl Cli {
    /// Runs the command to its end and returns the program's exit code.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("info"));
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal())
            .finish();
        if tracing::subscriber::set_global_default(subscriber).is_err() {
            eprintln!("posesession: the log was set up before; it goes where it went");
        }
        let ended = match self.command {
            Command::Serve(serve) => serve.run(),
        };
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("posesession: {}", failure.message);
                ExitCode::from(failure.exit_code)
            }
        }
    }
}

/// What a command ends with when it fails.
#[derive(Debug)]
struct Failure {
    exit_code: u8,
    message: String,
}

impl Failure {
    fn new(exit_code: u8, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self { exit_code, message }
    }
}
