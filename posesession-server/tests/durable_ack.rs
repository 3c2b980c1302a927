//! An acknowledgement leaves the real server only after the database is synced: seen in its system calls.

#![expect(clippy::unwrap_used, reason = "a test's helper that fails fails the test")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use posesession_core::{PoseData, Timestamp};
use posesession_ws::protocol::StartRecording;
use posesession_ws::{RecordClient, RecordEvent};

const STRACE: &str = "/usr/bin/strace";

/// One finished system call of the trace, in the order in which they finished; socket writes where they began.
#[derive(Debug, PartialEq)]
enum Call {
    WalWritten,
    WalSynced,
    Sent(String),
}

/// The real server under strace.
struct Traced {
    strace: Child,
    address: String,
}

impl Traced {
    fn start(data: &Path, trace: &Path) -> Self {
        assert!(Path::new(STRACE).exists(), "this test needs {STRACE}: `make setup` installs it");
        let mut strace = Command::new(STRACE)
            .args([
                "-f",
                "-y",
                "-s",
                "4000",
                "-e",
                "trace=pwrite64,write,writev,sendto,sendmsg,fsync,fdatasync",
                "-o",
            ])
            .arg(trace)
            .arg(env!("CARGO_BIN_EXE_posesession"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(strace.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("listening on http://").expect("the server's first line").to_owned();
        Self { strace, address }
    }

    /// Ends the server as a user would, and waits until its trace is complete.
    fn end(mut self, trace: &Path) {
        let first = std::fs::read_to_string(trace).unwrap();
        let server = first.split_whitespace().next().unwrap().to_owned();
        assert!(Command::new("kill").args(["-TERM", &server]).status().unwrap().success());
        self.strace.wait().unwrap();
    }
}

fn calls(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut syncing = std::collections::HashSet::new();
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let is_wal = call.contains("posesession.db-wal>");
        let is_sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if call.starts_with("pwrite64(") && is_wal {
            calls.push(Call::WalWritten);
        } else if is_sync && is_wal && call.contains("unfinished") {
            syncing.insert(pid.to_owned());
        } else if is_sync && is_wal && call.ends_with("= 0")
            || call.contains("sync resumed>") && call.ends_with("= 0") && syncing.remove(pid)
        {
            calls.push(Call::WalSynced);
        } else if call.contains("<socket:") || call.contains("<TCP:") {
            calls.push(Call::Sent(call.to_owned()));
        }
    }
    calls
}

#[tokio::test]
async fn the_database_is_synced_before_an_acknowledgement_is_sent() {
    // On the disk: what lies in memory is not durable, and the server would say so.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let trace_path = folder.path().join("trace");
    let server = Traced::start(&folder.path().join("data"), &trace_path);
    let mut client = RecordClient::connect(&format!("ws://{}/ws/pose", server.address)).await.unwrap();
    assert!(client.welcome().durable, "the server itself says so");
    let start = StartRecording { name: "traced".to_owned(), ..StartRecording::default() };
    client.start_recording(&start).await.unwrap();
    for n in 0..8 {
        let timestamp = Timestamp::from_micros(i64::try_from(n).unwrap() * 33_333);
        client.send_frame(Some(n), timestamp, &PoseData::one_person(vec![0.5; 132]), &[]).await.unwrap();
    }
    loop {
        if let RecordEvent::Ack(ack) = client.next_event().await.unwrap() {
            assert_eq!(ack.stored_through, Some(7));
            break;
        }
    }
    server.end(&trace_path);

    let trace = std::fs::read_to_string(&trace_path).unwrap();
    let calls = calls(&trace);
    let sent = |kind: &str| {
        let text = format!(r#"\"type\":\"{kind}\""#);
        calls.iter().position(|call| matches!(call, Call::Sent(sent) if sent.contains(&text)))
    };
    let created = sent("session_created").expect("the answer to start_recording in the trace");
    let acknowledged = sent("ack").expect("the acknowledgement in the trace");
    let before = &calls[created..acknowledged];
    let written =
        before.iter().rposition(|call| *call == Call::WalWritten).expect("frames written to the WAL");
    let synced = before.iter().rposition(|call| *call == Call::WalSynced).expect("the WAL synced");
    assert!(synced > written, "the last sync of the WAL covers the last write before the acknowledgement");
}
