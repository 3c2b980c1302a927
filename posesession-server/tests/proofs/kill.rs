//! The real program under load, killed by SIGKILL at random moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use posesession_ws::protocol::{Publish, SkeletonRef, StartRecording};
use posesession_ws::{Connect as _, ServerUrl, StreamerOptions};
use tokio::sync::watch;

use progress::Progress;
use tokio::task::JoinSet;

use crate::program::{Program, SOON};
use crate::streamer::{Promise, SKELETON, Source, Streamer, Total, look_into};
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
    let (address, addresses) = watch::channel(String::new());
    let (outlived, is_over) = (Total::default(), Arc::new(AtomicBool::new(false)));
    let mut outliving = None;
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
        address.send_replace(program.address.clone());
        let (addresses, total, is_over) = (addresses.clone(), outlived.clone(), Arc::clone(&is_over));
        let _running = outliving.get_or_insert_with(|| tokio::spawn(outlive(addresses, total, is_over)));
        promises = stream_until_killed(program, drawn(seed, kill), &outlived).await;
    }
    let program = Program::start(folder.path()).await;
    address.send_replace(program.address.clone());
    is_over.store(true, Ordering::Relaxed);
    let (whole, reconnects) = outliving.expect("it is there").await.unwrap();
    assert!(reconnects >= kills, "{reconnects} reconnects");
    let storage = look_into(folder.path()).await;
    for promise in &promises {
        frames += promise.check(&storage).await;
        sent += promise.sent;
    }
    let resumed = whole.check(&storage).await;
    storage.close().await;
    program.kill().await;
    assert!(frames > kills * 100, "there was a load: {frames} frames");
    println!(
        "proof: kill -9: {kills} kills under the load of {STREAMERS} streamers, {frames} acknowledged frames of {sent} sent, all there, \
         0 lost, 0 doubled; one recording that went on through all of them: {resumed} frames of {}, {reconnects} reconnects (seed {seed})",
        whole.sent
    );
}

/// Lets streamers send until the server is killed, after a number of acknowledged frames and a time that are both drawn.
async fn stream_until_killed(program: Program, drawn: u64, outlived: &Total) -> Vec<Promise> {
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
    let before = outlived.reach(0).await;
    tokio::time::timeout(SOON, outlived.reach(before + 1)).await.expect("it goes on");
    // When it dies is the test's to draw: nothing waits for this.
    tokio::time::sleep(Duration::from_micros(drawn % 40_000)).await;
    program.kill().await;
    streamers.join_all().await
}

/// Records one session through all the servers; returns it with how often the streamer came back.
async fn outlive(
    addresses: watch::Receiver<String>,
    total: Total,
    is_over: Arc<AtomicBool>,
) -> (Promise, u64) {
    let source = Source::new(STREAMERS, 100);
    let connect = move || {
        let mut url = ServerUrl(format!("ws://{}/ws/pose", *addresses.borrow()));
        async move { url.connect().await }
    };
    let publish = Publish {
        stream: Some("outliving".to_owned()),
        skeleton: Some(SkeletonRef::Preset(SKELETON.to_owned())),
        ..Publish::default()
    };
    let options = StreamerOptions { publish, ..StreamerOptions::default() };
    let streamer = posesession_ws::Streamer::connect(connect, options).await.unwrap();
    let start = StartRecording { name: "Outliving".to_owned(), ..StartRecording::default() };
    let session = streamer.start_recording(start).await.unwrap();
    let mut sent = 0;
    while !is_over.load(Ordering::Relaxed) {
        for _ in 0..10 {
            let (timestamp, pose, image) = source.frame(sent);
            streamer.send_frame(Some(sent), timestamp, &pose, &image).await.unwrap();
            sent += 1;
        }
        streamer.flush().await.unwrap();
        total.add(10);
    }
    let stopped = streamer.stop_recording().await.unwrap();
    assert_eq!((stopped.not_stored.len(), streamer.figures().unacked), (0, 0));
    (Promise::whole(session, &source, sent), streamer.figures().reconnects)
}
