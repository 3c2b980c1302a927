//! The posesession server: HTTP, the two WebSockets and the three pages, over one data folder.
//!
//! [`run`] serves a listener until it is told to stop; the program `posesession` ([`Cli`]) is a thin shell around it.
//! The modules stand in the order in which a request meets them.

mod cli;
mod origin;
mod config;
mod storage;
mod server;
mod connection;
mod own_names;
mod state;
mod guard;
mod cross_origin;
mod routes;
mod assets;
mod vision;
mod query;
mod body;
mod range;
mod error;
mod metrics;
mod housekeeping;
mod openapi;

pub use cli::Cli;
pub use config::ServerConfig;
pub use origin::{Origin, OriginError};
pub use server::run;
pub use storage::{Access, BackupError, PlaceError, PlaceRecoverError, Storage, StorageError, StoragePlace};
