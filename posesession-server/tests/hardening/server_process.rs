//! The server as a process: the real program, or one with short deadlines, which this test binary is by itself.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use posesession_core::{Batch, Chunk, SessionId, SessionStatus, Skeleton, SyntheticPose};
use posesession_server::{ServerConfig, Storage, run};
use posesession_store::{NewSession, RecordedVideo, SessionChange};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

/// How long anything may take that takes no time at all, or one of the short deadlines.
pub(crate) const SOON: Duration = Duration::from_secs(240);
/// The deadlines of [`ServerProcess::impatient`].
const SHORT: Duration = Duration::from_secs(2);

/// Holds the data folder by which this binary knows that it is to be a server.
const DATA: &str = "POSESESSION_HARDENING_DATA";
const VIDEO_BYTES: usize = 32 << 20;

/// One test at a time: each takes the whole machine, and what it measures is its own.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A running server.
pub(crate) struct ServerProcess {
    child: Child,
    _folder: TempDir,
    pub(crate) address: SocketAddr,
    /// A finished session of 1,000 frames with a video of 32 MiB, if the server is impatient.
    pub(crate) long: Option<SessionId>,
    _alone: MutexGuard<'static, ()>,
}

impl ServerProcess {
    /// Starts the program as users do.
    pub(crate) async fn real() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_posesession"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
        Self::start(command, folder).await
    }

    /// Starts a server that closes what makes it wait for two seconds.
    pub(crate) async fn impatient() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "server_process::be_a_server", "--nocapture"]);
        command.env(DATA, folder.path());
        // Its memory is looked at: what the program gives back, the allocator is to give back, too, and not keep for later.
        command.envs([
            ("MALLOC_ARENA_MAX", "1"),
            ("MALLOC_MMAP_THRESHOLD_", "65536"),
            ("MALLOC_TRIM_THRESHOLD_", "65536"),
        ]);
        Self::start(command, folder).await
    }

    async fn start(mut command: Command, folder: TempDir) -> Self {
        let alone = ALONE.lock().await;
        allow_open_files();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut long = None;
        let announced = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the server says where it listens");
                if let Some(id) = line.strip_prefix("long session ") {
                    long = Some(id.parse().unwrap());
                }
                if let Some(address) = line.strip_prefix("listening on http://") {
                    break address.parse().unwrap();
                }
            }
        };
        let address = tokio::time::timeout(SOON, announced).await.expect("the server starts");
        // It may go on talking, as the harness of a test that takes long does.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, _folder: folder, address, long, _alone: alone }
    }

    /// The address of a WebSocket.
    pub(crate) fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// How much memory the process holds, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    /// Waits until so few connections are open, the one that asks not counted.
    pub(crate) async fn connections_fall_to(&self, count: u64) {
        let fallen = async {
            loop {
                let metrics = reqwest::get(format!("http://{}/metrics", self.address)).await.unwrap();
                let metrics = metrics.text().await.unwrap();
                let number = |name: &str| -> u64 {
                    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
                    line.trim().parse().unwrap()
                };
                let sockets = number(r#"posesession_websockets_open{kind="pose"}"#)
                    + number(r#"posesession_websockets_open{kind="replay"}"#);
                if number("posesession_connections_open ") + sockets <= count + 1 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(SOON, fallen).await.expect("the connections end");
    }
}

/// Some thousand connections are some thousand open files.
fn allow_open_files() {
    const WANTED: u64 = 4_096;
    let allowed = || -> u64 {
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(u64::MAX)
    };
    if allowed() < WANTED {
        let pid = std::process::id().to_string();
        let limit = format!("--nofile={WANTED}:");
        std::process::Command::new("prlimit").args(["--pid", &pid, &limit]).status().ok();
        assert!(allowed() >= WANTED, "this test opens {WANTED} files: `ulimit -n {WANTED}` first");
    }
}

/// No test, but the impatient server: started by the tests, as nothing else is a process with short deadlines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other tests start it"]
async fn be_a_server() {
    let Ok(folder) = std::env::var(DATA) else { return };
    let storage = Storage::open(Path::new(&folder)).await.unwrap();
    let long = store_long_session(&storage).await;
    let mut config = ServerConfig::default();
    config.max_connections = 4_096;
    config.first_byte_timeout = SHORT;
    config.header_timeout = SHORT;
    config.body_timeout = SHORT;
    config.write_timeout = SHORT;
    config.message_timeout = SHORT;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut out = std::io::stdout();
    // The test harness has begun a line of its own.
    write!(out, "\nlong session {long}\nlistening on http://{}\n", listener.local_addr().unwrap()).unwrap();
    out.flush().unwrap();
    run(listener, storage, config, std::future::pending()).await.unwrap();
}

async fn store_long_session(storage: &Storage) -> SessionId {
    let (store, media) = (storage.store(), storage.media().unwrap());
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let session = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("long") };
    let id = store.create_session(session).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let source = SyntheticPose::new(&skeleton, 30.0);
    let mut chunk = Chunk::new(0, skeleton.layout());
    for number in 0..1_000 {
        let (timestamp, pose) = source.frame(number);
        chunk.push(timestamp, &pose).unwrap();
    }
    store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await.unwrap();
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    let mut video = vec![0; VIDEO_BYTES];
    video[..4].copy_from_slice(b"\x1a\x45\xdf\xa3");
    media.put_video_segment(id, 0, Bytes::from(video)).await.unwrap();
    let joined = media.join_video(id, &RecordedVideo::of_type("video/webm")).await.unwrap().unwrap();
    let change = SessionChange { video_file_path: Some(Some(joined.path)), ..SessionChange::default() };
    store.update_session(id, change).await.unwrap();
    id
}
