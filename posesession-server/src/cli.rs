//! The command line of the program `posesession`: one file a command.

mod failure;
mod running;
mod place_args;
mod encoding_args;
mod session_choice;
mod text_table;
mod words;
mod canvas;
mod progress;
mod format;
mod serve;
mod ls;
mod show;
mod record;
mod play;
mod export;
mod import;
mod copy;
mod recode;
mod backup;
mod verify;
mod recover;
mod rm;
mod completions;

use std::ffi::OsString;
use std::io::{self, IsTerminal};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use self::failure::Failure;

const AFTER_HELP: &str = "\
Sessions are in ./data, unless --data, --database or their environment variables say otherwise.
Commands work beside a running server.

A session is named by its id, by a beginning of its id that no other session has, or by its name
if no other session has it.

Exit codes:
  0  done; for `serve`: stopped as asked (Ctrl-C or SIGTERM)
  1  failed for another reason
  2  wrong usage, or an address that is not of this machine alone
  3  the address can't be listened on: the port is taken, or may not be used
  4  the place of the sessions can't be used: not there, not writable, damaged, or of a newer version
  5  the place is in use by a server
  6  no such session, or several that could be meant
  7  the input can't be used: the message names line and column
  8  what is stored is damaged: `verify` found something, or a list had to leave sessions out
  130  broken off by Ctrl-C or SIGTERM

Environment:
  RUST_LOG  what to log to stderr, such as `info` (what `serve` does), `debug` or `posesession=trace`
  NO_COLOR  if set, no colours";

/// Records human-pose sessions and replays them.
#[derive(Debug, Parser)]
#[command(name = "posesession", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Ls(ls::Ls),
    Show(show::Show),
    Record(record::Record),
    Play(play::Play),
    Export(export::Export),
    Import(import::Import),
    Copy(copy::Copy),
    Recode(recode::Recode),
    Backup(backup::Backup),
    Verify(verify::Verify),
    Recover(recover::Recover),
    Rm(rm::Rm),
    Completions(completions::Completions),
}

impl Cli {
    /// Runs the program with the arguments of a process, its name first, and returns the exit code. The process isn't
    /// ended: this is what another program, such as Python's, calls.
    ///
    /// While a command runs, SIGINT and SIGTERM end it; handlers that were there before are called, too.
    pub fn run_from<Args>(args: Args) -> u8
    where
        Args: IntoIterator,
        Args::Item: Into<OsString> + Clone,
    {
        match Self::try_parse_from(args) {
            Ok(cli) => cli.run(),
            Err(error) => {
                // Nobody reads: there is nothing left to do.
                let _unread = error.print();
                u8::try_from(error.exit_code()).unwrap_or(failure::WRONG_USAGE)
            }
        }
    }

    fn run(self) -> u8 {
        start_log(if matches!(self.command, Command::Serve(_)) { "info" } else { "warn" });
        let ended = match self.command {
            Command::Serve(serve) => serve.run(),
            Command::Ls(ls) => running::run(ls.run()),
            Command::Show(show) => running::run(show.run()),
            Command::Record(record) => record.run(),
            Command::Play(play) => running::run(play.run()),
            Command::Export(export) => running::run(export.run()),
            Command::Import(import) => running::run_gracefully(async |stop| import.run(stop).await),
            Command::Copy(copy) => running::run(copy.run()),
            Command::Recode(recode) => running::run(recode.run()),
            Command::Backup(backup) => running::run(backup.run()),
            Command::Verify(verify) => running::run(verify.run()),
            Command::Recover(recover) => running::run(recover.run()),
            Command::Rm(rm) => running::run(rm.run()),
            Command::Completions(completions) => completions.run(),
        };
        match ended {
            Ok(()) => 0,
            Err(failure) => failure.tell(),
        }
    }
}

fn start_log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .finish();
    // A program around this one may have set its log up: then it goes there.
    let _set_up_before = tracing::subscriber::set_global_default(subscriber);
}

/// Writes a value as one line of JSON.
fn write_json_line(to: &mut impl io::Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}

/// Reads a moment of a session.
fn seconds(text: &str) -> Result<posesession_core::Timestamp, String> {
    let secs: f64 = text.parse().map_err(|_no_number| "give a number of seconds, such as 2.5".to_owned())?;
    posesession_core::Timestamp::from_secs_f64(secs).map_err(|error| error.to_string())
}

/// Reads a number of frames per second.
fn frame_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(fps) if fps.is_finite() && fps > 0.0 => Ok(fps),
        _ => Err("give the frames per second, such as 30 or 29.97".to_owned()),
    }
}

/// Reads the name of a skeleton.
fn preset(name: &str) -> Result<posesession_core::Skeleton, String> {
    posesession_core::Skeleton::preset(name).map_err(|error| error.to_string())
}
