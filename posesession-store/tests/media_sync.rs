//! The proof, by the system calls, that what the media store puts is on the disk before it says so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use posesession_core::{ImageObject, SessionId};
use posesession_store::{MediaStore, RecordedVideo};
use uuid::Uuid;

const CHILD_FOLDER: &str = "POSESESSION_MEDIA_SYNC_FOLDER";

#[test]
fn a_put_is_synced_before_it_returns() {
    if let Ok(folder) = std::env::var(CHILD_FOLDER) {
        put_everything(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let run = Command::new("strace")
        .args(["-f", "-y", "-qq", "-s", "100", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,mkdir"])
        .arg("-o")
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_put_is_synced_before_it_returns", "--test-threads=1"])
        .env(CHILD_FOLDER, folder.path().join("media"))
        .output()
        .expect("this test needs strace: install it (`apt-get install strace`) and allow it to trace");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let calls = std::fs::read_to_string(trace).unwrap();
    // Making the folder `done-N` is what the child does after each put returned.
    let mut before = calls.as_str();
    for (done, object) in [("done-1", "images/"), ("done-2", "video/"), ("done-3", "video.webm")] {
        let (put, after) = before.split_once(done).expect(done);
        check_synced(put, object);
        before = after;
    }
}

/// Checks that the object was synced, then renamed to its name, then its folder synced.
fn check_synced(calls: &str, object: &str) {
    let lines: Vec<_> = calls.lines().collect();
    let place = |from: usize, what: &dyn Fn(&str) -> bool| {
        let found = lines[from..].iter().position(|line| what(line));
        from + found.unwrap_or_else(|| panic!("{object} is not synced in order:\n{calls}"))
    };
    let file = place(0, &|line| line.contains("sync(") && line.contains(object));
    let name = place(file, &|line| line.contains("rename") && line.contains(object));
    place(name + 1, &|line| line.contains("sync(") && !line.contains('#'));
}

fn put_everything(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let media = MediaStore::open_folder(folder).unwrap();
        let session = SessionId(Uuid::now_v7());
        let images = ImageObject { name: "images/000000000000".to_owned(), bytes: Bytes::from_static(b"x") };
        media.put_images(session, &images).await.unwrap();
        std::fs::create_dir(folder.join("done-1")).unwrap();
        media.put_video_segment(session, 0, Bytes::from_static(b"video")).await.unwrap();
        std::fs::create_dir(folder.join("done-2")).unwrap();
        media.join_video(session, &RecordedVideo::of_type("video/webm")).await.unwrap();
        std::fs::create_dir(folder.join("done-3")).unwrap();
    });
}
