//! The program's commands, run as a user runs them: the real binary over real files.

#![expect(clippy::unwrap_used, reason = "a test's helper that fails fails the test")]

mod support;
mod usage;
mod looking;
mod playing;
mod moving;
mod recoding;
mod killed_recode;
mod removing;
mod verifying;
mod recovering;
mod beside;
