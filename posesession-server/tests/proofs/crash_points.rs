//! The server dies at each of the places where that hurts most.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use posesession_server::{ServerConfig, Storage, run};
use progress::Progress;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::program::{Program, SOON};
use crate::streamer::{Promise, Source, Streamer, Total, look_into};
use crate::{drawn, is_long, seed};

/// What a child process is to do: `PLACE HIT FOLDER`.
const CHILD: &str = "POSESESSION_CRASH";

/// The places, and how often each is reached at most before the process dies there.
const PLACES: [(&str, u64); 8] = [
    ("before_begin", 12),
    ("after_insert", 12),
    ("before_commit", 12),
    ("after_commit_before_ack", 12),
    ("after_ack", 12),
    ("during_checkpoint", 2),
    ("during_media_put", 12),
    ("during_migration", 3),
];

/// Is a server in a process of its own that dies at the place it was given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_crashes() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let mut words = told.splitn(3, ' ');
    let (place, hit, folder) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let last: u64 = hit.parse().unwrap();
    let hits = AtomicU64::new(0);
    fail::cfg_callback(place, move || {
        if hits.fetch_add(1, Ordering::SeqCst) + 1 == last {
            // As SIGKILL does: no destructor runs, nothing is flushed.
            std::process::abort();
        }
    })
    .unwrap();
    let storage = Storage::open(Path::new(folder)).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    let asked_to_stop = async {
        // By the end of its input.
        tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await.unwrap().unwrap();
    };
    run(listener, storage, ServerConfig::default(), asked_to_stop).await.unwrap();
}

fn child(place: &str, hit: u64, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "crash_points::child_that_crashes", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{place} {hit} {}", folder.display()))
        .stdin(Stdio::piped())
        .stderr(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_place_takes_nothing_that_was_acknowledged() {
    let times = if is_long() { 25 } else { 5 };
    let seed = seed(4);
    let (mut crashes, mut frames) = (0, 0);
    let progress = Progress::new("crash points");
    for (number, (place, most)) in (0..).zip(PLACES) {
        for time in 0..times {
            progress.tell(|| format!("{crashes} crashes, at `{place}`"));
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let hit = 1 + drawn(seed, 1_000 * number + time) % most;
            // The log is emptied at the end: to that it is asked.
            let rounds = if place == "during_checkpoint" { 5 } else { 2_000 };
            let promises = stream_until_crashed(child(place, hit, folder.path()), rounds).await;
            crashes += 1;
            // The next server is the real program.
            let program = Program::start(folder.path()).await;
            let storage = look_into(folder.path()).await;
            for promise in &promises {
                frames += promise.check(&storage).await;
            }
            storage.close().await;
            // And it records.
            let mut streamer =
                Streamer::start(&program.address, Source::new(9, 0), &Total::default()).await.unwrap();
            assert!(streamer.send(5).await && streamer.hear_all().await, "{place}, {hit}");
            program.kill().await;
        }
    }
    assert!(frames > 100 * crashes, "they streamed: {frames} frames");
    println!(
        "proof: crash points: {crashes} crashes at {} places, {frames} acknowledged frames, all there (seed {seed})",
        PLACES.len()
    );
}

/// Streams to a server until it is dead; if it doesn't die of so much, it is asked to stop, and dies then.
async fn stream_until_crashed(child: Command, rounds: usize) -> Vec<Promise> {
    let mut program = match Program::of(child).await {
        Ok(program) => program,
        Err(status) => {
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            assert_eq!(signal, Some(6), "it aborts where it opens the database: {status}");
            return Vec::new();
        }
    };
    let total = Total::default();
    let (mut one, mut other) = (
        Streamer::start(&program.address, Source::new(0, 0), &total).await.ok(),
        Streamer::start(&program.address, Source::new(1, 200), &total).await.ok(),
    );
    for _ in 0..rounds {
        let (one_lives, other_lives) = tokio::join!(send(&mut one), send(&mut other));
        if !one_lives && !other_lives {
            break;
        }
    }
    drop(program.child.stdin.take());
    let status = tokio::time::timeout(SOON, program.child.wait()).await.expect("it ends").unwrap();
    assert!(!status.success(), "it never came to that place");
    [one, other].into_iter().flatten().map(|streamer| streamer.promise).collect()
}

async fn send(streamer: &mut Option<Streamer>) -> bool {
    match streamer {
        Some(streamer) => streamer.send(20).await,
        None => false,
    }
}
