//! The formats, each with the settings that serve it best; `README.md` says which and why.

mod arrow;
mod mcap;
mod parquet;
mod posesession;
mod sqlite;
mod landmarks;

use std::path::Path;

use ::posesession::core::Skeleton;

pub use self::landmarks::to_json;
pub use self::posesession::{Posesession, chunk_from, runtime};
pub use self::sqlite::{create_rows, json_row};
use crate::Outcome;
use crate::frames::Frames;

/// One way to keep a session in a file.
pub trait Format: Sync {
    fn name(&self) -> &'static str;

    /// Writes a new file; on return it is whole and on the disk.
    fn write(&self, path: &Path, frames: &Frames) -> Outcome<()>;

    /// Writes a new file as it is handed on, where that is another one.
    fn hand_on(&self, path: &Path, frames: &Frames) -> Outcome<()> {
        self.write(path, frames)
    }

    /// Opens the file and reads all of it into timestamps and values, one array each.
    fn read(&self, path: &Path, skeleton: &Skeleton) -> Outcome<(Vec<i64>, Vec<f32>)>;

    /// Opens the file for single frames.
    fn open(&self, path: &Path, skeleton: &Skeleton) -> Outcome<Box<dyn Opened>>;

    /// Whether values may come back a little off.
    fn is_bounded(&self) -> bool {
        false
    }

    /// Whether writing a million frames takes minutes or gigabytes.
    fn is_bulky(&self) -> bool {
        false
    }
}

/// An open file.
pub trait Opened {
    /// Returns the values of one frame.
    fn frame(&mut self, n: usize) -> Outcome<Vec<f32>>;
}

/// All formats; the first is what the others are compared with.
pub fn all() -> Vec<Box<dyn Format>> {
    vec![
        Box::new(Posesession::lossless()),
        Box::new(Posesession::bounded()),
        Box::new(parquet::Parquet),
        Box::new(arrow::ArrowIpc),
        Box::new(mcap::Mcap::f32("MCAP zstd, f32", Some(::mcap::Compression::Zstd))),
        Box::new(mcap::Mcap::f32("MCAP lz4, f32", Some(::mcap::Compression::Lz4))),
        Box::new(mcap::Mcap::f32("MCAP, f32", None)),
        Box::new(mcap::Mcap::json("MCAP zstd, JSON", Some(::mcap::Compression::Zstd))),
        Box::new(mcap::Mcap::json("MCAP lz4, JSON", Some(::mcap::Compression::Lz4))),
        Box::new(mcap::Mcap::json("MCAP, JSON", None)),
        Box::new(sqlite::Rows::f32()),
        Box::new(sqlite::Rows::json()),
    ]
}

/// Returns the `f32`s of bytes as they lie in memory.
fn floats_of(bytes: &[u8], into: &mut [f32]) {
    for (value, four) in into.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*four);
    }
}

/// Returns the bytes of `f32`s.
fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
