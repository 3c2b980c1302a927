//! Commands beside each other: a server that runs, a recording that goes on, signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::support::{folder_with, posesession, run_in};

const LINES: &str =
    "{\"timestamp\":0,\"landmarks\":[[0,0.5,0]]}\n{\"timestamp\":0.1,\"landmarks\":[[1,0.5,0]]}\n";

/// Starts a recording in a folder and returns once two frames are stored.
fn recording_in(folder: &Path) -> Child {
    let mut command = posesession(&["record", "--name", "Live", "--json"]);
    let mut child = command.current_dir(folder).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(LINES.as_bytes()).unwrap();
    let stored = || {
        let listed = run_in(folder, &["ls", "--json", "--status", "recording"]);
        listed.out.lines().any(|line| serde_json::from_str::<Value>(line).unwrap()["frame_count"] == 2)
    };
    while !stored() {
        assert!(child.try_wait().unwrap().is_none(), "the recording goes on while its input is open");
    }
    child
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn a_signal_finishes_a_recording() {
    for name in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = recording_in(folder.path());
        let input = child.stdin.take();
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_eq!(output.status.code(), Some(0), "{name}");
        let recorded: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(recorded["session"]["status"], "completed");
        assert_eq!(recorded["report"]["stored"], 2);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_breaks_a_replay_off() {
    let (folder, _ids) = folder_with(&["Squat"]);
    let mut command = posesession(&["play", "Squat", "--loop"]);
    let mut child = command.current_dir(folder.path()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    signal(&child, "-INT");
    out.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[cfg(unix)]
#[test]
fn a_signal_takes_an_import_back() {
    for name in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = posesession(&["import", "-", "--format", "jsonl"]);
        let mut child = command.current_dir(folder.path()).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        for n in 0..2_000 {
            writeln!(input, "{{\"timestamp\":{n},\"landmarks\":[[0,0.5,0]]}}").unwrap();
        }
        let is_begun = || run_in(folder.path(), &["ls", "--json"]).out.contains("recording");
        while !is_begun() {
            assert!(child.try_wait().unwrap().is_none(), "the import goes on while its input is open");
        }
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_eq!(output.status.code(), Some(130), "{name}");
        assert_eq!(run_in(folder.path(), &["ls", "--json"]).out, "", "nothing of it is left");
    }
}

#[test]
fn no_server_starts_where_a_session_is_being_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = recording_in(folder.path());
    let ended = run_in(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, 5, "{}", ended.said);
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn commands_work_beside_a_server() {
    let (folder, _ids) = folder_with(&["Squat", "Lunge"]);
    assert_eq!(run_in(folder.path(), &["copy", "data", "poses.db"]).code, 0);
    for place in [&[][..], &["--database", "poses.db"]] {
        let folder = folder.path();
        let mut command = posesession(&[&["serve", "--listen", "127.0.0.1:0"], place].concat());
        let mut server = command.current_dir(folder).stderr(Stdio::null()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.starts_with("listening on http://127.0.0.1:"), "{first}");
        for command in [&["show", "Squat"][..], &["rm", "Lunge", "--yes"], &["ls"]] {
            let ended = run_in(folder, &[command, place].concat());
            assert_eq!(ended.code, 0, "{command:?}: {}", ended.said);
        }
        let recorded = {
            let mut child = posesession(&[&["record"], place].concat());
            let mut child = child.current_dir(folder).stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(LINES.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        };
        assert_eq!(recorded.status.code(), Some(0), "{}", String::from_utf8_lossy(&recorded.stderr));
        let listed = run_in(folder, &[&["ls", "--json"], place].concat());
        assert_eq!(listed.out.lines().count(), 2, "one deleted, one recorded");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}
