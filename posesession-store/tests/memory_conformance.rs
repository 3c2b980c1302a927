//! The memory store keeps every promise of the contract, but that of surviving.

use posesession_store::{MemoryStore, session_store_conformance};

session_store_conformance!(MemoryStore::new());
