//! The program `posesession`.

use std::process::ExitCode;

fn main() -> ExitCode {
    posesession_server::Cli::run_from(std::env::args_os()).into()
}
