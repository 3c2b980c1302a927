//! What a Postgres store must survive, on a real Postgres: restarts, crashes, others' locks, other versions.

#![expect(clippy::unwrap_used, reason = "a test's helper that fails fails the test")]

use std::sync::Arc;
use std::time::Duration;

use chaos_proxy::{ChaosProxy, End};
use posesession_core::{Batch, Chunk, ChunkQuery, Encoding, PoseData, SessionId, Skeleton, Timestamp, Unit};
use posesession_store::{
    Durability, NewSession, PostgresOptions, PostgresStore, SessionQuery, SessionStore, StoreError, Term,
};
use scratch_postgres::{ScratchPostgres, Stop};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

async fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(url, PostgresOptions::default()).await.unwrap()
}

fn skeleton() -> Skeleton {
    Skeleton::custom(2, &[("x", Unit::Image), ("y", Unit::Image)]).unwrap()
}

fn pose_of(n: u64) -> PoseData {
    PoseData::one_person([0.1, 0.2, 0.3, 0.4].map(|value: f32| (value + n as f32).sin()).to_vec())
}

fn batch(first: u64, end: u64) -> Batch {
    let mut chunk = Chunk::new(first, skeleton().layout());
    for n in first..end {
        chunk.push(Timestamp::from_micros(i64::try_from(n).unwrap() * 33_333), &pose_of(n)).unwrap();
    }
    Batch { chunk: Some(chunk), skeleton: Some(skeleton()), settled_through: Some(end), ..Batch::default() }
}

async fn start(store: &dyn SessionStore) -> (SessionId, Term) {
    let id = store.create_session(NewSession::named("Recorded")).await.unwrap().id;
    (id, store.begin_term(id).await.unwrap())
}

/// Checks that the frames `0..end` are there, once and in order, and returns how many there are.
async fn assert_frames(store: &dyn SessionStore, id: SessionId, at_least: u64) -> u64 {
    let count = store.read_session(id).await.unwrap().frame_count;
    assert!(count >= at_least, "{count} frames are stored, {at_least} were acknowledged");
    let mut next = 0;
    while next < count {
        let chunk = store.covering_chunk(id, ChunkQuery::Frame(next)).await.unwrap().chunk;
        assert_eq!(chunk.first_frame(), next);
        for n in next..chunk.end_frame() {
            assert_eq!(chunk.frame(n).unwrap().pose_data, pose_of(n), "frame {n}");
        }
        next = chunk.end_frame();
    }
    assert_eq!(next, count);
    count
}

/// Appends frames for ever, sending again what could be tried again; returns how many were acknowledged when told to end.
async fn record(
    store: Arc<PostgresStore>,
    mut ended: tokio::sync::watch::Receiver<bool>,
    progress: tokio::sync::mpsc::UnboundedSender<u64>,
) -> (SessionId, u64) {
    let (id, term) = start(&*store).await;
    let mut next = 0;
    while !*ended.borrow_and_update() {
        match store.append(id, term, &batch(next, next + 8)).await {
            Ok(appended) => {
                assert_eq!(appended.frame_count, next + 8);
                next += 8;
                let _nobody_listens = progress.send(next);
                if next.is_multiple_of(256) {
                    let _later = store.compact(id, false).await;
                }
            }
            Err(StoreError::Backend { retryable: true, .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("the recording would be lost: {error:?}"),
        }
    }
    (id, next)
}

/// Records four sessions while something happens to the database, and for a while after, and checks them.
async fn recordings_survive(server: &ScratchPostgres, trouble: impl Fn()) {
    let url = server.schema();
    let store = Arc::new(connect(&url).await);
    let (end, ended) = tokio::sync::watch::channel(false);
    let (progress, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let recordings: Vec<_> =
        (0..4).map(|_| tokio::spawn(record(Arc::clone(&store), ended.clone(), progress.clone()))).collect();
    for _ in 0..100 {
        heard.recv().await.unwrap();
    }
    tokio::task::block_in_place(trouble);
    while heard.try_recv().is_ok() {}
    for _ in 0..100 {
        heard.recv().await.unwrap();
    }
    end.send(true).unwrap();
    let other = connect(&url).await;
    for recording in recordings {
        let (id, acknowledged) = recording.await.unwrap();
        assert_frames(&other, id, acknowledged).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_survive_a_restart_of_the_database() {
    let server = ScratchPostgres::start();
    recordings_survive(&server, || {
        server.stop(Stop::Fast);
        server.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_survive_crashes_of_the_database() {
    let server = ScratchPostgres::start();
    for how in [Stop::Kill, Stop::Immediate] {
        recordings_survive(&server, || {
            server.stop(how);
            server.resume();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_survive_terminated_connections() {
    let server = ScratchPostgres::start();
    recordings_survive(&server, || {
        for _ in 0..20 {
            server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'posesession'");
        }
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_away_is_worth_another_try() {
    let server = ScratchPostgres::start();
    let store = connect(&server.schema()).await;
    let (id, term) = start(&store).await;
    server.stop(Stop::Fast);
    let failed = [
        store.append(id, term, &batch(0, 8)).await.map(drop).unwrap_err(),
        store.read_session(id).await.map(drop).unwrap_err(),
        store.create_session(NewSession::named("Now")).await.map(drop).unwrap_err(),
    ];
    for error in failed {
        assert!(matches!(&error, StoreError::Backend { retryable: true, .. }), "{error:?}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("database"), "{cause}");
    }
    server.resume();
    store.append(id, term, &batch(0, 8)).await.unwrap();
    assert_frames(&store, id, 8).await;
}

#[tokio::test]
async fn a_session_that_another_transaction_holds_delays_no_other_one() {
    let url = ScratchPostgres::shared().schema();
    let store = connect(&url).await;
    let (held, free) = (start(&store).await, start(&store).await);
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    let lock = format!("SELECT 1 FROM session_recording WHERE id = '{}' FOR UPDATE", held.0.0);
    transaction.execute(AssertSqlSafe(lock)).await.unwrap();
    let (frames, more) = (batch(0, 8), batch(8, 16));
    let waiting = store.append(held.0, held.1, &frames);
    let going_on = async {
        store.append(free.0, free.1, &frames).await.unwrap();
        store.append(free.0, free.1, &more).await.unwrap();
        transaction.rollback().await.unwrap();
    };
    let (waited, ()) = tokio::join!(waiting, going_on);
    assert_eq!(waited.unwrap().frame_count, 8);
    assert_frames(&store, free.0, 16).await;
}

#[tokio::test]
async fn appends_share_transactions() {
    let store = Arc::new(connect(&ScratchPostgres::shared().schema()).await);
    let mut sessions = Vec::new();
    for _ in 0..32 {
        sessions.push(start(&*store).await);
    }
    let before = store.commit_count();
    let frames = batch(0, 8);
    let appends = sessions.iter().map(|&(id, term)| store.append(id, term, &frames));
    for appended in futures::future::join_all(appends).await {
        assert_eq!(appended.unwrap().frame_count, 8);
    }
    let commits = store.commit_count() - before;
    assert!(commits < 32, "{commits} transactions for 32 appends");
}

#[tokio::test]
async fn programs_that_start_at_once_make_the_schema_once() {
    let url = ScratchPostgres::shared().schema();
    let stores = futures::future::join_all((0..8).map(|_| connect(&url))).await;
    let id = stores[0].create_session(NewSession::named("Seen by all")).await.unwrap().id;
    for store in &stores {
        assert_eq!(store.list_sessions(&SessionQuery::default()).await.unwrap().sessions[0].id, id);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let server = ScratchPostgres::shared();
    let url = server.schema();
    connect(&url).await.close().await;
    server.sql_at(&url, "UPDATE posesession_schema SET version = 999");
    let refused = PostgresStore::connect(&url, PostgresOptions::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::NewerSchema { found: 999, known: 3 }), "{refused:?}");
    assert_eq!(server.sql_at(&url, "SELECT version FROM posesession_schema"), "999");
}

#[tokio::test]
async fn a_database_of_version_1_is_upgraded() {
    let server = ScratchPostgres::shared();
    let url = server.schema();
    server.sql_at(&url, include_str!("../src/postgres/schema.sql"));
    server.sql_at(
        &url,
        "CREATE TABLE posesession_schema (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), version bigint NOT NULL);
         INSERT INTO posesession_schema (version) VALUES (1);
         INSERT INTO session_recording (id, name, description, created_at_micros, user_id, status, metadata, sort_name)
         VALUES ('01890a5d-ac96-774b-bcce-b302099a8057', 'Old', '', 1700000000000000, 1, 'completed', '{}', 'old');
         INSERT INTO session_search (session_key, text) VALUES (1, 'old');",
    );
    for _ in 0..2 {
        let store = connect(&url).await;
        let sessions = store.list_sessions(&SessionQuery::default()).await.unwrap().sessions;
        let [old] = &sessions[..] else { panic!("{sessions:?}") };
        assert_eq!((old.name.as_str(), &old.encoding), ("Old", &Encoding::Columnar));
        let new = NewSession { encoding: Encoding::Json, ..NewSession::named("New") };
        let new = store.create_session(new).await.unwrap();
        assert_eq!(store.read_session(new.id).await.unwrap().encoding, Encoding::Json);
        store.erase_session(new.id).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn tables_of_others_are_refused_and_left_as_they_are() {
    let server = ScratchPostgres::shared();
    let url = server.schema();
    server.sql_at(&url, "CREATE TABLE account (name text)");
    let refused = PostgresStore::connect(&url, PostgresOptions::default()).await.unwrap_err();
    assert!(matches!(&refused, StoreError::BadArgument { what } if what.contains("account")), "{refused:?}");
    let tables = "SELECT string_agg(table_name, ' ') FROM information_schema.tables
                  WHERE table_schema = current_schema()";
    assert_eq!(server.sql_at(&url, tables), "account");
}

#[tokio::test]
async fn what_can_not_be_connected_to_is_named() {
    let refused =
        PostgresStore::connect("mysql://localhost/x", PostgresOptions::default()).await.unwrap_err();
    assert!(matches!(refused, StoreError::BadArgument { .. }), "{refused:?}");
    let nobody_there = "postgres://postgres@127.0.0.1:1/postgres";
    let failed = PostgresStore::connect(nobody_there, PostgresOptions::default()).await.unwrap_err();
    assert!(matches!(failed, StoreError::Backend { retryable: true, .. }), "{failed:?}");
}

#[tokio::test]
async fn unsafe_settings_are_told() {
    for setting in ["fsync=off", "full_page_writes=off", "synchronous_commit=off"] {
        let server = ScratchPostgres::start_with(&[setting]);
        let store = connect(&server.schema()).await;
        assert!(!store.is_durable());
        assert_eq!(
            store.durability().because(),
            Some(format!("the database has `{}`", setting.replace('=', " = ")).as_str())
        );
    }
    assert_eq!(connect(&ScratchPostgres::shared().schema()).await.durability(), Durability::Durable);
}

#[tokio::test]
async fn a_closed_store_refuses_calls() {
    let store = connect(&ScratchPostgres::shared().schema()).await;
    let (id, term) = start(&store).await;
    store.close().await;
    for refused in
        [store.append(id, term, &batch(0, 8)).await.map(drop), store.read_session(id).await.map(drop)]
    {
        assert!(matches!(refused, Err(StoreError::Backend { retryable: false, .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn logical_names_are_there_for_sql() {
    let server = ScratchPostgres::shared();
    let url = server.schema();
    let store = connect(&url).await;
    let (id, term) = start(&store).await;
    store.append(id, term, &batch(0, 31)).await.unwrap();
    let facts = "SELECT id, name, duration, frame_count, status, metadata, abs(extract(epoch FROM now() - created_at)) < 3600
                 FROM session_recording";
    assert_eq!(server.sql_at(&url, facts), format!("{id}|Recorded|0.99999|31|recording|{{}}|t"));
    assert_eq!(server.sql_at(&url, "SELECT username FROM account"), "local");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_leaves_another_ones_recordings_alone() {
    let postgres = ScratchPostgres::start();
    let (one, two) = (connect(&postgres.url()).await, connect(&postgres.url()).await);
    let (left, _) = start(&one).await;
    assert_eq!(one.interrupt_live_sessions().await.unwrap(), [left], "nobody else runs");
    let (id, term) = start(&one).await;
    assert_eq!(two.interrupt_live_sessions().await.unwrap(), [], "one runs");
    one.append(id, term, &batch(0, 3)).await.unwrap();

    // The database forgets who runs when it restarts; they say so again.
    let holders =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted";
    postgres.stop(Stop::Fast);
    postgres.resume();
    while postgres.sql(holders).trim() != "2" {
        tokio::task::yield_now().await;
    }
    let three = connect(&postgres.url()).await;
    assert_eq!(three.interrupt_live_sessions().await.unwrap(), []);
    for store in [&one, &two, &three] {
        store.close().await;
    }

    let next = connect(&postgres.url()).await;
    assert_eq!(next.interrupt_live_sessions().await.unwrap(), [id], "all are gone");
}

/// A database behind a proxy, whose connections can die without a word: then no answer ever comes.
async fn behind_proxy(options: PostgresOptions) -> (PostgresStore, ChaosProxy) {
    let server = ScratchPostgres::shared();
    let upstream = server.url().split(&['@', '/'][..]).nth(3).unwrap().parse().unwrap();
    let proxy = ChaosProxy::start(upstream, 1).await.unwrap();
    let url = server.schema().replace(&upstream.to_string(), &proxy.address().to_string());
    (PostgresStore::connect(&url, options).await.unwrap(), proxy)
}

async fn close(store: &PostgresStore) {
    tokio::time::timeout(Duration::from_secs(60), store.close()).await.expect("it can be closed");
}

#[tokio::test]
async fn a_dead_connection_does_not_keep_a_server_from_saying_that_it_runs() {
    let (store, proxy) = behind_proxy(PostgresOptions::default()).await;
    store.interrupt_live_sessions().await.unwrap();
    let before = proxy.connections();
    proxy.end_all(End::BlackHole);
    let connected_anew = async {
        while proxy.connections() == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), connected_anew).await.expect("it looks for the lock again");
    close(&store).await;
}

/// A connection is asked whether it still works when a call gives it back; that, too, may never be answered.
#[tokio::test]
async fn connections_that_die_as_they_are_given_back_are_let_go_of() {
    let mut options = PostgresOptions::default();
    options.max_connections = 4;
    options.acquire_timeout = Duration::from_millis(500);
    options.statement_timeout = Duration::from_millis(500);
    options.lock_timeout = Duration::from_millis(100);
    let (store, proxy) = behind_proxy(options).await;
    let (id, term) = start(&store).await;
    for round in 0..3 {
        let calls = async {
            let reads = (0..16).map(|_| store.read_session(id));
            let _most_fail = futures::future::join_all(reads).await;
        };
        let death = async {
            for _ in 0..4 + round {
                tokio::task::yield_now().await;
            }
            proxy.end_all(End::BlackHole);
        };
        tokio::join!(calls, death);
    }
    let back = async {
        while let Err(error) = store.append(id, term, &batch(0, 8)).await {
            assert!(matches!(error, StoreError::Backend { retryable: true, .. }), "{error:?}");
        }
        let reads = (0..16).map(|_| async { while store.read_session(id).await.is_err() {} });
        futures::future::join_all(reads).await
    };
    tokio::time::timeout(Duration::from_secs(60), back).await.expect("new connections are made");
    proxy.end_all(End::BlackHole);
    close(&store).await;
}
