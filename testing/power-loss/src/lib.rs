//! Takes the power away from an SQLite store at every write and sync, and looks what is left.
//!
//! The real `SqliteStore` runs on SQLite's real file layer, through a [`shim`] that notes each write, truncation, sync and deletion.
//! A [`disk`] model says what may be on a disk if the power goes after any of these: what was synced is there, of everything else
//! any part may be. Each such image is opened with the real `SqliteStore` again and [`check`]ed against what the [`workload`] was
//! promised.
//!
//! The product has nothing for this: the shim is made SQLite's default file layer in the process of the test.

pub mod rng;
pub mod disk;
pub mod shim;
pub mod frames;
pub mod workload;
pub mod migration;
pub mod check;
pub mod proof;
