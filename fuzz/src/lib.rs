//! Any bytes into every decoder: what each fuzz target does with its input, and asserts.
//!
//! All of them assert that nothing panics (debug assertions and overflow checks are on), and that the memory taken at the
//! peak is at most 64 KiB and a fixed number of bytes for each byte of input; those that decode, that encoding again and
//! decoding gives the same. See `docs/fuzzing.md`.

mod heap;
mod chunks;
mod poses;
mod messages;
mod connections;
mod files;
mod requests;
#[allow(dead_code, reason = "of what is compiled from elsewhere not all is needed")]
mod media;
// Modules that are private in their crates, compiled from where they stand.
#[path = "../../posesession-server/src/range.rs"]
mod range;
#[path = "../../posesession-server/src/query.rs"]
mod parameters;
mod error;
// What the walker of database files needs of its crate, and itself: these are links, too.
#[allow(dead_code, reason = "of what is compiled from elsewhere not all is needed")]
#[path = "../../posesession-store/src/sql/values.rs"]
mod sql;
#[allow(dead_code, reason = "of what is compiled from elsewhere not all is needed")]
mod salvage;
mod recovered;

pub use chunks::{chunk, encoded_run, mutate_chunk};
pub use connections::{client, server};
pub use files::interchange;
pub use media::webm;
pub use messages::{binary_message, record_message, replay_command};
pub use poses::pose_json;
pub use recovered::{mutate_salvage, salvage};
pub use requests::query;
