//! What hostile, slow and broken connections can do to a server, and to a recording that goes on beside them: nothing.
//!
//! The server is a process of its own where its memory is measured.

#![expect(clippy::unwrap_used, reason = "a test's helper that fails fails the test")]

mod server_process;
mod raw;
mod steady;
mod idle;
mod slowloris;
mod hostile;
mod unfinished;
mod viewers;
mod chaos;
