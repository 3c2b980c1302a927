//! The SQLite store keeps every promise of the contract.

use posesession_store::{SqliteStore, session_store_conformance};

session_store_conformance!({
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(folder.path().join("posesession.db")).await.expect("a new database");
    (store, folder)
});
