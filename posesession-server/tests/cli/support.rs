//! Places with sessions, and the program run on them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use posesession_core::{
    IncomingFrame, Recorder, RecorderConfig, SessionId, SessionStatus, Skeleton, SyntheticPose,
};
use posesession_server::{Access, StoragePlace};
use posesession_store::NewSession;
use tempfile::TempDir;

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) said: String,
}

/// Returns the program with arguments, without anything of the environment that it would heed.
pub(crate) fn posesession(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posesession"));
    for name in ["POSESESSION_DATA", "POSESESSION_DATABASE", "POSESESSION_MEDIA", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command in a folder.
pub(crate) fn run_in(folder: &Path, args: &[&str]) -> Ended {
    run_with_input(folder, args, "")
}

/// Runs a command in a folder, with a text on stdin.
pub(crate) fn run_with_input(folder: &Path, args: &[&str], input: &str) -> Ended {
    let mut child = posesession(args).current_dir(folder).stdin(Stdio::piped()).spawn().unwrap();
    // A program that needs no input may have ended by now.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Makes a folder with a data folder that has sessions of these names, of 90 frames in 3 s each.
pub(crate) fn folder_with(names: &[&str]) -> (TempDir, Vec<SessionId>) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ids = runtime.block_on(async {
        let storage = StoragePlace::folder(folder.path().join("data")).open(Access::Write).await.unwrap();
        let mut ids = Vec::new();
        for name in names {
            ids.push(record(storage.store().as_ref(), name).await);
        }
        storage.close().await;
        ids
    });
    (folder, ids)
}

async fn record(store: &dyn posesession_store::SessionStore, name: &str) -> SessionId {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let id = store.create_session(NewSession::named(name)).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let camera = SyntheticPose::new(&skeleton, 30.0);
    let mut recorder = Recorder::new(Some(skeleton), RecorderConfig::default()).unwrap();
    for n in 0..90 {
        let (timestamp, pose_data) = camera.frame(n);
        let mut frame = IncomingFrame { number: Some(n), timestamp, pose_data, image: None };
        recorder.handle_frame(Duration::ZERO, &mut frame).unwrap();
    }
    recorder.mark(Duration::ZERO, "deep", None).unwrap();
    recorder.finish(Duration::ZERO).unwrap();
    while let Some(batch) = recorder.poll_batch(Duration::ZERO) {
        store.append(id, term, &batch).await.unwrap();
    }
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    id
}
