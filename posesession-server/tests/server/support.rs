//! A server on a free port with a data folder of its own, and what tests ask it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use posesession_core::{Batch, Chunk, SessionId, SessionStatus, Skeleton, SyntheticPose};
use posesession_server::{ServerConfig, Storage, run};
use posesession_store::{MediaStore, NewSession, SessionStore};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long anything may take that should take no time at all.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) media: Arc<MediaStore>,
    pub(crate) folder: TempDir,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_config| {}).await
    }

    /// Starts a server whose vision folder is `vision` within its folder.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut ServerConfig)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), adjust).await
    }

    /// Starts a server on a folder that a test has prepared.
    pub(crate) async fn start_in(folder: TempDir, adjust: impl FnOnce(&mut ServerConfig)) -> Self {
        let storage = Storage::open(&folder.path().join("data")).await.unwrap();
        let store = Arc::clone(storage.store());
        let media = Arc::clone(storage.media().unwrap());
        let mut config = ServerConfig::default();
        config.vision = folder.path().join("vision");
        adjust(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            stopped.await.ok();
        };
        let task = tokio::spawn(run(listener, storage, config, shutdown));
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // An impatient server may close an idle connection just when it is used again.
            .pool_max_idle_per_host(0)
            .timeout(SOON)
            .build()
            .unwrap();
        Self { address, store, media, folder, client, stop: Some(stop), task }
    }

    /// Stops the server as a signal does, and returns its folder.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(SOON, self.task).await.expect("the server stops").unwrap().unwrap();
        self.folder
    }

    /// The address of a WebSocket.
    pub(crate) fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    /// Stores a finished session of `frames` frames, as a recording would.
    pub(crate) async fn recorded(&self, name: &str, frames: u64) -> SessionId {
        record(&*self.store, name, frames, Some(SessionStatus::Completed)).await
    }

    /// Stores a session that is still being recorded.
    pub(crate) async fn recording(&self, name: &str, frames: u64) -> SessionId {
        record(&*self.store, name, frames, None).await
    }
}

/// Stores a session of `frames` synthetic frames, in chunks of 100.
pub(crate) async fn record(
    store: &dyn SessionStore,
    name: &str,
    frames: u64,
    status: Option<SessionStatus>,
) -> SessionId {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let session = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named(name) };
    let id = store.create_session(session).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let source = SyntheticPose::new(&skeleton, 30.0);
    for first in (0..frames).step_by(100) {
        let mut chunk = Chunk::new(first, skeleton.layout());
        for number in first..frames.min(first + 100) {
            let (timestamp, pose) = source.frame(number);
            chunk.push(timestamp, &pose).unwrap();
        }
        store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await.unwrap();
    }
    if let Some(status) = status {
        store.finish(id, term, status).await.unwrap();
    }
    id
}

/// Checks that an answer is a problem document with this status and code.
pub(crate) async fn assert_problem(response: Response, status: u16, code: &str) -> Value {
    let path = response.url().to_string();
    assert_eq!(response.status().as_u16(), status, "{path}");
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], code, "{path}: {problem}");
    assert_eq!(problem["status"], status, "{path}");
    let detail = problem["detail"].as_str().unwrap();
    // The format of files has its name; the back end has none.
    let words = detail.replace("format=sqlite", "").replace("use one of sqlite", "").to_lowercase();
    assert!(!detail.is_empty() && !words.contains("sqlite"), "{path}: {detail}");
    problem
}

/// Sends bytes as they are and returns what comes back until the server closes the connection.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a `GET` of a path exactly as it is written and returns the status.
pub(crate) async fn raw_status(address: SocketAddr, path: &str, headers: &str) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    let answer = raw(address, request.as_bytes()).await;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

pub(crate) fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}
