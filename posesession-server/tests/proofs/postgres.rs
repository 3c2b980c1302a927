//! The real program on a Postgres that restarts, crashes and cuts its connections, again and again, during recordings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use posesession_server::{Access, StoragePlace};
use progress::Progress;
use scratch_postgres::{ScratchPostgres, Stop};
use tokio::task::JoinSet;

use crate::is_long;
use crate::program::{Program, serve};
use crate::streamer::{Promise, Source, Streamer, Total};

const STREAMERS: u64 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_and_cut_connections_of_postgres_take_nothing_that_was_acknowledged() {
    let (restarts, cuts) = if is_long() { (100, 400) } else { (20, 100) };
    let (server, folder) = (ScratchPostgres::start(), tempfile::tempdir().unwrap());
    let url = server.schema();
    let media = folder.path().join("media");
    let mut command = serve(folder.path());
    command.arg("--database").arg(&url).arg("--media").arg(&media);
    let program = Program::of(command).await.expect("the server starts");

    let total = Total::default();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut streamers = JoinSet::new();
    for place in 0..STREAMERS {
        // All are there before the first restart: a recording can't be started meanwhile.
        let mut streamer = Streamer::start(&program.address, Source::new(place, 0), &total).await.unwrap();
        let is_over = Arc::clone(&is_over);
        streamers.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                assert!(streamer.send(10).await, "the server stays up");
            }
            assert!(streamer.hear_all().await, "the server stays up");
            let finalized = streamer.client.stop_recording(None).await.unwrap();
            assert_eq!(finalized.session.frame_count, streamer.promise.sent);
            (streamer.promise, streamer.storage_errors.len())
        });
    }
    let mut next = 0;
    let progress = Progress::new("Postgres");
    for (restart, how) in
        [Stop::Fast, Stop::Immediate, Stop::Kill].into_iter().cycle().take(restarts).enumerate()
    {
        progress.tell(|| format!("{restart} of {restarts} restarts"));
        next = total.reach(next + 200).await;
        tokio::task::block_in_place(|| {
            server.stop(how);
            server.resume();
        });
    }
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'posesession'";
    let mut hit = 0;
    for _ in 0..cuts {
        // Each finds connections that work again.
        next = total.reach(next + 20).await;
        hit += tokio::task::block_in_place(|| server.sql(cut)).parse::<usize>().unwrap();
    }
    assert!(hit >= cuts, "{hit} connections were cut");
    total.reach(next + 200).await;
    is_over.store(true, Ordering::Relaxed);

    let (promises, errors): (Vec<Promise>, Vec<usize>) = streamers.join_all().await.into_iter().unzip();
    let place = url.parse::<StoragePlace>().unwrap().with_media(media);
    let storage = place.open(Access::Read).await.unwrap();
    let mut frames = 0;
    for promise in &promises {
        frames += promise.check(&storage).await;
    }
    storage.close().await;
    program.kill().await;
    println!(
        "proof: Postgres: {restarts} restarts (fast, immediate, kill -9 in turn) and {cuts} times all connections cut ({hit} in all) during {STREAMERS} \
         recordings, {frames} frames acknowledged, all there, 0 lost, 0 doubled; told as `storage` {} times",
        errors.iter().sum::<usize>()
    );
}
