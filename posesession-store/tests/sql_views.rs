//! What `docs/sql.md` shows is what `sqlite3` and `psql` print.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use posesession_core::{
    Batch, Chunk, Encoding, ImageRef, MaxError, PoseData, SessionId, SessionStatus, Skeleton, Timestamp, Unit,
};
use posesession_store::{NewSession, PostgresOptions, PostgresStore, SessionStore, SqliteStore};
use scratch_postgres::ScratchPostgres;

/// An example of the document: which database it is for, if not for both, and what it prints.
struct Example {
    only: String,
    sql: String,
    printed: String,
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut blocks = include_str!("../../docs/sql.md").split("```").skip(1).step_by(2);
    while let Some((info, body)) = blocks.next().and_then(|block| block.split_once('\n')) {
        let Some(only) = info.strip_prefix("sql") else { continue };
        let printed = blocks.next().unwrap().strip_prefix("text\n").expect("what it prints comes next");
        examples.push(Example {
            only: only.trim().to_owned(),
            sql: body.to_owned(),
            printed: printed.trim_end_matches('\n').to_owned(),
        });
    }
    assert!(examples.len() >= 5);
    examples
}

/// Records the document's session, and two of other codecs.
async fn record(store: &dyn SessionStore) {
    let bounded = Encoding::Bounded { max_error: MaxError::new([("x", 5e-5)]).unwrap() };
    let id = SessionId("0190a5e4-7c3a-7000-8000-3f2b1c9d4e5f".parse().unwrap());
    let named = NewSession::named("Squat");
    for (id, encoding) in [
        (id, Encoding::Json),
        (NewSession::named("").id, Encoding::Columnar),
        (NewSession::named("").id, bounded),
    ] {
        let skeleton = Skeleton::custom(2, &[("x", Unit::Image), ("y", Unit::Image)]).unwrap();
        let mut chunk = Chunk::new(0, skeleton.layout());
        let two = PoseData {
            track_ids: vec![0, 7],
            values: vec![0.52, 0.25, 0.53, f32::NAN, 0.2, 0.3, 0.21, 0.75],
        };
        let poses = [PoseData::one_person(vec![0.5, 0.25, 0.51, 0.75]), PoseData::nobody(), two];
        for (pose, micros) in poses.iter().zip([0, 33_333, 66_667]) {
            chunk.push(Timestamp::from_micros(micros), pose).unwrap();
        }
        chunk.set_last_image(ImageRef { object: "images/000000000000".to_owned(), offset: 0, length: 987 });
        store.create_session(NewSession { id, encoding, ..named.clone() }).await.unwrap();
        let term = store.begin_term(id).await.unwrap();
        let batch = Batch { chunk: Some(chunk), skeleton: Some(skeleton), ..Batch::default() };
        store.append(id, term, &batch).await.unwrap();
        store.finish(id, term, SessionStatus::Completed).await.unwrap();
    }
    // Deleted ones are in neither view.
    let gone =
        store.create_session(NewSession { encoding: Encoding::Json, ..NewSession::named("Gone") }).await;
    store.delete_session(gone.unwrap().id, chrono::Utc::now()).await.unwrap();
}

#[tokio::test]
async fn the_examples_print_what_they_show_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posesession.db");
    let store = SqliteStore::open(&path).await.unwrap();
    record(&store).await;
    for Example { sql, printed, .. } in examples().iter().filter(|example| example.only != "postgres") {
        let output = Command::new("sqlite3").arg("-readonly").arg(&path).arg(sql).output();
        let output = output.expect("this test needs the command `sqlite3`: apt-get install sqlite3");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n'), printed, "{sql}");
    }
}

#[tokio::test]
async fn the_examples_print_what_they_show_in_postgres() {
    let server = ScratchPostgres::shared();
    let url = server.schema();
    let store = PostgresStore::connect(&url, PostgresOptions::default()).await.unwrap();
    record(&store).await;
    for Example { sql, printed, .. } in examples().iter().filter(|example| example.only != "sqlite") {
        assert_eq!(server.sql_at(&url, sql), *printed, "{sql}");
    }
}

#[tokio::test]
async fn frames_have_ids_of_their_own_in_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posesession.db");
    let store = SqliteStore::open(&path).await.unwrap();
    record(&store).await;
    let sql =
        "SELECT id - (SELECT min(key) FROM session_recording) * 4294967296 FROM session_frame ORDER BY id";
    let output = Command::new("sqlite3").arg(&path).arg(sql).output();
    let output = output.expect("this test needs the command `sqlite3`: apt-get install sqlite3");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n1\n2\n");
    let server = ScratchPostgres::shared();
    let url = server.schema();
    let store = PostgresStore::connect(&url, PostgresOptions::default()).await.unwrap();
    record(&store).await;
    assert_eq!(server.sql_at(&url, sql), "0\n1\n2");
}
