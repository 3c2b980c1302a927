//! A disk that is full, under the database and under the media: nothing that was acknowledged is lost, and it goes on with room.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Program, SOON};
use crate::streamer::{Source, Streamer, Total, look_into};

/// Set in the process that has mounts of its own.
const INSIDE: &str = "POSESESSION_OWN_MOUNTS";

/// Runs this test once more where it may mount, and what it mounts is gone with it; returns whether that was possible.
pub(crate) fn with_own_mounts(test: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    // Root needs no user namespace, which systems may forbid.
    let options = if is_root { "-m" } else { "-rm" };
    let tried = Command::new("unshare").args([options, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return false;
    }
    let inside = Command::new("unshare")
        .arg(options)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(inside.success(), "{test} failed where it may mount");
    true
}

pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Mounts a small file system in memory.
fn mount(folder: &Path, options: &str) {
    std::fs::create_dir_all(folder).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder));
}

pub(crate) fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Takes all the room that is left.
fn fill(folder: &Path) -> PathBuf {
    let ballast = folder.join("ballast");
    let mut room = 1 << 20;
    let mut file = std::fs::File::create(&ballast).unwrap();
    while room > 0 {
        if std::io::Write::write_all(&mut file, &vec![0; room]).is_err() {
            room /= 2;
        }
    }
    ballast
}

#[test]
fn a_full_disk_stops_acknowledgements_and_nothing_else() {
    if is_inside() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(async {
            for what in ["database", "media"] {
                fill_up(what).await;
            }
        });
        return;
    }
    if with_own_mounts("disk_full::a_full_disk_stops_acknowledgements_and_nothing_else") {
        println!("proof: disk full: on small mounts of its own");
    } else {
        println!(
            "proof: disk full: not tried on a real one: this system lets nobody mount here (`unshare -rm`); SQLITE_FULL at every \
             write is in power-loss' io_errors"
        );
    }
}

async fn fill_up(what: &str) {
    const ROUNDS: u64 = 4;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let small = if what == "media" { data.join("media") } else { data.clone() };
    mount(&small, "size=16m");
    let program = Program::start(&data).await;
    let image_bytes = if what == "media" { 20_000 } else { 0 };
    let total = Total::default();
    let mut streamer = Streamer::start(&program.address, Source::new(0, image_bytes), &total).await.unwrap();
    let mut frames = 0;
    for round in 0..ROUNDS {
        assert!(streamer.send(100).await && streamer.hear_all().await, "there is room");
        let told = streamer.storage_errors.len();
        let ballast = fill(&small);
        let in_trouble = async {
            while streamer.storage_errors.len() == told {
                // A few at a time: what can't be stored waits in the server, which takes only so much.
                assert!(streamer.send(5).await, "the process stays up");
                while streamer.storage_errors.len() == told && !streamer.is_all_acknowledged() {
                    assert!(streamer.hear().await, "the process stays up");
                }
            }
        };
        tokio::time::timeout(SOON, in_trouble).await.expect("the sender hears of it");
        // What was acknowledged can be read meanwhile, and the server answers.
        let storage = look_into(&data).await;
        frames += streamer.promise.check(&storage).await;
        storage.close().await;
        let health = reqwest::get(format!("http://{}/healthz", program.address)).await.unwrap();
        assert_eq!(health.status(), 200);
        let health: serde_json::Value = health.json().await.unwrap();
        assert_eq!(health["durable"], false, "it lies in memory: {health}");
        assert!(health["not_durable_because"].as_str().unwrap().contains("tmpfs"), "{health}");
        // There is room again: something was deleted, or the disk grew.
        if round + 1 < ROUNDS {
            std::fs::remove_file(ballast).unwrap();
        } else {
            run(Command::new("mount").args(["-o", "remount,size=64m"]).arg(&small));
        }
        let caught_up = tokio::time::timeout(SOON, streamer.hear_all()).await;
        assert!(caught_up.expect("it goes on"), "the process stays up");
    }
    let finalized = streamer.client.stop_recording(None).await.unwrap();
    assert_eq!(finalized.session.frame_count, streamer.promise.sent);
    let storage = look_into(&data).await;
    frames += streamer.promise.check(&storage).await;
    storage.close().await;
    program.kill().await;
    run(Command::new("umount").arg(&small));
    println!(
        "proof: disk full: {what}, {ROUNDS} times, {frames} acknowledged frames looked for, 0 lost, every one told as `storage`"
    );
}
