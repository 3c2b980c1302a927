//! A folder that can't be written any more, under a server and before one starts: it says so, keeps what is there readable, and goes on
//! when it can be written again.
//!
//! It is made so in two ways: by the modes of files and folders, which bind every user but root, and by a mount that is read-only,
//! where the system lets somebody mount.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::disk_full::{is_inside, run, with_own_mounts};
use crate::program::{Program, SOON, serve};
use crate::streamer::{Source, Streamer, Total, look_into};

const TEST: &str = "read_only::what_is_read_only_is_refused_in_words_and_can_be_read";
/// Set in the process that has given root's privileges away.
const UNPRIVILEGED: &str = "POSESESSION_BOUND_BY_MODES";

#[test]
fn what_is_read_only_is_refused_in_words_and_can_be_read() {
    if is_inside() {
        return attempt(Way::Mount);
    }
    if do_modes_bind() {
        attempt(Way::Modes);
    } else {
        without_privileges();
    }
    if std::env::var_os(UNPRIVILEGED).is_none() && !with_own_mounts(TEST) {
        println!("proof: read-only: by modes alone: this system lets nobody mount here (`unshare -rm`)");
    }
}

/// Returns whether a folder's mode keeps this process from writing there.
fn do_modes_bind() -> bool {
    let folder = tempfile::tempdir().unwrap();
    set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    std::fs::write(folder.path().join("file"), "").is_err()
}

/// Runs this test once more as a root whom modes bind like anybody else.
fn without_privileges() {
    assert!(std::env::var_os(UNPRIVILEGED).is_none(), "modes bind whoever has no privileges");
    let inside = Command::new("setpriv")
        .args(["--bounding-set", "-all", "--inh-caps", "-all"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
        .env(UNPRIVILEGED, "1")
        .status();
    assert!(
        inside.is_ok_and(|inside| inside.success()),
        "it failed, or modes don't bind this user and `setpriv` can't change that: then run this test as an ordinary user"
    );
}

/// How a folder is made read-only.
#[derive(Debug, Clone, Copy)]
enum Way {
    Modes,
    Mount,
}

/// A folder that is read-only until it is unlocked.
struct Locked {
    folder: PathBuf,
    /// Everything in the folder and the modes that it had, folders first; none if it is mounted.
    modes: Vec<(PathBuf, Permissions)>,
}

impl Locked {
    fn new(folder: &Path, way: Way) -> Self {
        let mut modes = Vec::new();
        match way {
            Way::Modes => {
                remember(folder, &mut modes);
                for (path, before) in &modes {
                    set_permissions(path, Permissions::from_mode(before.mode() & 0o555)).unwrap();
                }
            }
            Way::Mount => {
                run(Command::new("mount").arg("--bind").args([folder, folder]));
                run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(folder));
            }
        }
        Self { folder: folder.to_owned(), modes }
    }

    fn unlock(self) {
        if self.modes.is_empty() {
            run(Command::new("umount").arg(&self.folder));
        }
        for (path, before) in self.modes {
            set_permissions(path, before).unwrap();
        }
    }
}

fn remember(path: &Path, modes: &mut Vec<(PathBuf, Permissions)>) {
    modes.push((path.to_owned(), std::fs::metadata(path).unwrap().permissions()));
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            remember(&entry.unwrap().path(), modes);
        }
    }
}

fn attempt(way: Way) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(lock_and_unlock(way));
}

async fn lock_and_unlock(way: Way) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let program = Program::start(&data).await;
    let total = Total::default();
    let mut streamer = Streamer::start(&program.address, Source::new(0, 2_000), &total).await.unwrap();
    assert!(streamer.send(50).await && streamer.hear_all().await);
    let mut frames = 0;

    // Under a running server. Files that it has open stay writable, so the database goes on; images are files of their own.
    let locked = Locked::new(&data, way);
    let refused = async {
        while streamer.storage_errors.is_empty() {
            // A few at a time: what can't be stored waits in the server, which takes only so much.
            assert!(streamer.send(5).await, "the process stays up");
            while streamer.storage_errors.is_empty() && !streamer.is_all_acknowledged() {
                assert!(streamer.hear().await, "the process stays up");
            }
        }
    };
    tokio::time::timeout(SOON, refused).await.expect("the sender hears of it");
    assert!(!streamer.is_all_acknowledged(), "what is not stored is not acknowledged");
    frames += check(&data, &streamer).await;
    let health = reqwest::get(format!("http://{}/healthz", program.address)).await.unwrap();
    assert_eq!(health.status(), 200);
    locked.unlock();
    let caught_up = tokio::time::timeout(SOON, streamer.hear_all()).await;
    assert!(caught_up.expect("it goes on"), "the process stays up");
    assert!(streamer.send(50).await && streamer.hear_all().await);
    frames += check(&data, &streamer).await;

    // Before a server starts. The last one was killed, so that what is acknowledged is in the log alone.
    program.kill().await;
    let locked = Locked::new(&data, way);
    let refused = serve(&data).into_std().stderr(Stdio::piped()).output().unwrap();
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("can't be"), "{said}");
    frames += check(&data, &streamer).await;
    locked.unlock();
    let program = Program::start(&data).await;
    frames += check(&data, &streamer).await;
    program.kill().await;
    println!(
        "proof: read-only: by {way:?}, under a server and before one: told as `storage` and with a reason, {frames} acknowledged frames \
         looked for, read-only and when it is writable again, 0 lost"
    );
}

async fn check(data: &Path, streamer: &Streamer) -> u64 {
    let storage = look_into(data).await;
    let frames = streamer.promise.check(&storage).await;
    storage.close().await;
    frames
}
