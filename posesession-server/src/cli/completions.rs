//! `posesession completions`: a script that lets a shell complete commands and options.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Failure};

const EXAMPLES: &str = "\
Examples:
  posesession completions bash > ~/.local/share/bash-completion/completions/posesession
  posesession completions zsh > ~/.zfunc/_posesession
  posesession completions fish > ~/.config/fish/completions/posesession.fish";

/// Prints a script that lets a shell complete commands and options
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        // Made in memory first: the generator panics where it can't write.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "posesession", &mut script);
        Ok(io::stdout().lock().write_all(&script)?)
    }
}
