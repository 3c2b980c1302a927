//! The real server on a free port, asked over real sockets.

#![expect(clippy::unwrap_used, reason = "a test's helper that fails fails the test")]

mod support;
mod transfer;
mod pages;
mod guard;
mod sessions;
mod frames;
mod chunk_cache;
mod angles;
mod media;
mod sockets;
mod slow;
mod documented;
mod program;
mod restart;
