//! The promise, tried in a world of two streamers, a network, a server that crashes and a store that forgets what was not
//! committed: the real recorder and the real client's buffer, all else as small as it can be.
//!
//! `cargo test --release -p posesession-core --test simulation` runs 100,000 seeds of some 1,000 events and every interleaving of
//! sixteen steps; a debug build does less, and `POSESESSION_LONG_TESTS=1` takes hours. `POSE_SEED=n` runs one seed alone.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod dice;
mod store;
mod books;
mod server;
mod client;
mod world;
mod chance;
mod small_scope;
