//! The program itself: its first line, its exit codes, its signals.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::SOON;

pub(crate) fn posesession(data: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posesession"));
    command.args(["serve", "--listen", listen, "--data"]).arg(data);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Starts the program and returns it with the address that it prints.
pub(crate) async fn started(data: &Path) -> (Child, String) {
    announced(posesession(data, "127.0.0.1:0")).await
}

async fn announced(mut command: Command) -> (Child, String) {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(SOON, lines.next_line()).await.expect("a first line").unwrap().unwrap();
    let address = first.strip_prefix("listening on http://").expect(&first).to_owned();
    assert!(lines.next_line().await.unwrap().unwrap().contains("session_list.html"));
    (child, address)
}

/// Runs the program to its end and returns its exit code and what it wrote to stderr.
pub(crate) async fn ended(mut command: Command) -> (i32, String) {
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
    let status = tokio::time::timeout(SOON, child.wait()).await.expect("the program ends").unwrap();
    (status.code().unwrap_or(-1), said)
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let sent = std::process::Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[tokio::test]
async fn it_serves_until_it_is_asked_to_stop() {
    for name in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, address) = started(folder.path()).await;
        let answer = reqwest::get(format!("http://{address}/healthz")).await.unwrap();
        assert_eq!(answer.status(), 200);
        signal(&child, name);
        let status = tokio::time::timeout(SOON, child.wait()).await.expect("the program ends").unwrap();
        assert_eq!(status.code(), Some(0), "{name}");
    }
}

#[tokio::test]
async fn it_keeps_as_many_decoded_frames_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (args, bytes) in [(&[][..], 64 << 20), (&["--chunk-cache-mib", "3"], 3 << 20)] {
        let mut command = posesession(folder.path(), "127.0.0.1:0");
        command.args(args);
        let (mut child, address) = announced(command).await;
        let metrics = reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
        let line = format!("posesession_chunk_cache_max_bytes {bytes}\n");
        assert!(metrics.contains(&line), "{metrics}");
        child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn two_servers_never_share_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, _address) = started(folder.path()).await;
    let (code, said) = ended(posesession(folder.path(), "127.0.0.1:0")).await;
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("in use") && said.contains(&first.id().unwrap().to_string()), "{said}");
    first.kill().await.unwrap();
    let (_again, _address) = started(folder.path()).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let (_child, address) = started(&folder.path().join("a")).await;
    let (code, said) = ended(posesession(&folder.path().join("b"), &address)).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("is taken"), "{said}");
}

#[tokio::test]
async fn a_data_folder_that_is_none_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let (code, said) = ended(posesession(&file, "127.0.0.1:0")).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("can't be used"), "{said}");
}

#[tokio::test]
async fn addresses_that_others_can_reach_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8787", "nowhere"] {
        let (code, said) = ended(posesession(folder.path(), listen)).await;
        assert_eq!(code, 2, "{listen}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is created");
}

#[tokio::test]
async fn other_sites_are_let_in_only_by_their_exact_origin() {
    let folder = tempfile::tempdir().unwrap();
    for (origin, advice) in [
        ("*", "name each origin"),
        ("null", "name each origin"),
        ("localhost:8000", "give scheme, host and port"),
        ("http://localhost:8000/embed.html", "write it so"),
    ] {
        let mut command = posesession(folder.path(), "127.0.0.1:0");
        command.args(["--allow-origin", "http://localhost:8000", "--allow-origin", origin]);
        let (code, said) = ended(command).await;
        assert_eq!(code, 2, "{origin}: {said}");
        assert!(said.contains(advice), "{origin}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is created");
}
