//! The Postgres store keeps every promise of the contract, on a real Postgres.

use posesession_store::{PostgresOptions, PostgresStore, session_store_conformance};
use scratch_postgres::ScratchPostgres;

session_store_conformance!({
    let url = ScratchPostgres::shared().schema();
    PostgresStore::connect(&url, PostgresOptions::default()).await.expect("a new schema")
});
