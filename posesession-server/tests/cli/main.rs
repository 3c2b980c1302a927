//! The program's commands, run as a user runs them: the real binary over real files.

mod support;
mod usage;
mod looking;
mod playing;
mod moving;
mod removing;
