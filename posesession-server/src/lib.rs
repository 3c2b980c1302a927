//! The posesession server: HTTP, the two WebSockets and the three pages, over one data folder.
//!
//! [`run`] serves a listener until it is told to stop; the program `posesession` ([`cli`]) is a thin shell around it.
//! The modules stand in the order in which a request meets them.

#![allow(dead_code, reason = "the routes that use the rest come next")]

pub mod cli;
mod config;
mod storage;
mod server;
mod connection;
mod guard;
mod state;
mod routes;
mod assets;
mod vision;
mod error;
mod metrics;
mod housekeeping;

pub use config::ServerConfig;
pub use server::run;
pub use storage::{Storage, StorageError};
