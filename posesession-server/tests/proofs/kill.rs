//! The real program under load, killed by SIGKILL at random moments.

use std::time::Duration;

use progress::Progress;
use tokio::task::JoinSet;

use crate::program::{Program, SOON};
use crate::streamer::{Promise, Source, Streamer, Total, look_into};
use crate::{drawn, is_long, seed};

const STREAMERS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_takes_nothing_that_was_acknowledged() {
    let kills = if is_long() { 1_000 } else { 50 };
    let seed = seed(3);
    // On the disk, as a user's data are.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut promises: Vec<Promise> = Vec::new();
    let (mut frames, mut sent) = (0, 0);
    let progress = Progress::new("kill -9");
    for kill in 0..kills {
        progress.tell(|| format!("{kill} of {kills} kills, {frames} frames looked for"));
        let program = Program::start(folder.path()).await;
        // Beside the new server, which has put in order what the killed one left.
        let storage = look_into(folder.path()).await;
        for promise in promises.drain(..) {
            frames += promise.check(&storage).await;
            sent += promise.sent;
        }
        storage.close().await;
        promises = stream_until_killed(program, drawn(seed, kill)).await;
    }
    let program = Program::start(folder.path()).await;
    let storage = look_into(folder.path()).await;
    for promise in &promises {
        frames += promise.check(&storage).await;
        sent += promise.sent;
    }
    storage.close().await;
    program.kill().await;
    assert!(frames > kills * 100, "there was a load: {frames} frames");
    println!(
        "proof: kill -9: {kills} kills under the load of {STREAMERS} streamers, {frames} acknowledged frames of {sent} sent, all there, \
         0 lost, 0 doubled (seed {seed})"
    );
}

/// Lets streamers send until the server is killed, after a number of acknowledged frames and a time that are both drawn.
async fn stream_until_killed(program: Program, drawn: u64) -> Vec<Promise> {
    let total = Total::default();
    let mut streamers = JoinSet::new();
    for place in 0..STREAMERS {
        // The last one has images, too.
        let source = Source::new(place, if place + 1 == STREAMERS { 300 } else { 0 });
        let mut streamer = Streamer::start(&program.address, source, &total).await.unwrap();
        streamers.spawn(async move {
            while streamer.send(10).await {}
            streamer.promise
        });
    }
    let enough = 200 + drawn % 1_500;
    tokio::time::timeout(SOON, total.reach(enough)).await.expect("they stream");
    // When it dies is the test's to draw: nothing waits for this.
    tokio::time::sleep(Duration::from_micros(drawn % 40_000)).await;
    program.kill().await;
    streamers.join_all().await
}
