//! The program `posesession`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    posesession_server::cli::Cli::parse().run()
}
