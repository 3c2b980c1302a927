//! A service over a memory store, and clients that speak JSON to it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use posesession_core::{ChunkQuery, Frame, SessionId, Timestamp};
use posesession_store::{MediaStore, MemoryStore, SessionStore};
use posesession_ws::protocol::BinaryVideo;
use posesession_ws::{
    InProcessTransport, Message, RecordOptions, RecordService, ReplayOptions, ReplayRequest, ReplayService,
    in_process,
};
use serde_json::{Value, json};

pub(crate) struct House {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) records: RecordService,
    pub(crate) replays: ReplayService,
    pub(crate) media: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(RecordOptions::default())
    }

    pub(crate) fn with(options: RecordOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let media = Arc::new(MediaStore::open_folder(folder.path()).unwrap());
        let store = Arc::new(MemoryStore::new());
        Self {
            records: RecordService::new(store.clone(), Some(media), options),
            replays: ReplayService::new(store.clone(), ReplayOptions::default()),
            store,
            media: folder,
        }
    }

    /// Connects to `/ws/pose` and takes the welcome.
    pub(crate) async fn connect(&self) -> Client {
        let (server_end, client_end) = in_process(1024);
        let service = self.records.clone();
        tokio::spawn(async move { service.serve(server_end).await });
        let mut client = Client::over(client_end);
        assert_eq!(client.next().await["type"], "welcome");
        client
    }

    pub(crate) fn replay(&self, session: SessionId, request: ReplayRequest) -> Client {
        let (server_end, client_end) = in_process(1024);
        let service = self.replays.clone();
        tokio::spawn(async move { service.serve(session, request, server_end).await });
        Client::over(client_end)
    }

    /// Lets every image fail to be stored, and with it the frames from there on.
    pub(crate) fn break_media(&self) {
        std::fs::remove_dir_all(self.media.path()).unwrap();
        std::fs::write(self.media.path(), "no folder").unwrap();
    }

    pub(crate) fn mend_media(&self) {
        std::fs::remove_file(self.media.path()).unwrap();
        std::fs::create_dir(self.media.path()).unwrap();
    }

    /// Lets the media store fail, and keeps what it has for [`Self::bring_media_back`].
    pub(crate) fn take_media_away(&self) {
        std::fs::rename(self.media.path(), self.media.path().with_extension("away")).unwrap();
        std::fs::write(self.media.path(), "no folder").unwrap();
    }

    pub(crate) fn bring_media_back(&self) {
        std::fs::remove_file(self.media.path()).unwrap();
        std::fs::rename(self.media.path().with_extension("away"), self.media.path()).unwrap();
    }

    pub(crate) async fn frames(&self, session: SessionId) -> Vec<Frame> {
        let count = self.store.read_session(session).await.unwrap().frame_count;
        let mut frames = Vec::new();
        while (frames.len() as u64) < count {
            let query = ChunkQuery::Frame(frames.len() as u64);
            let chunk = self.store.covering_chunk(session, query).await.unwrap().chunk;
            frames.extend(chunk.frames().skip(frames.len() - usize::try_from(chunk.first_frame()).unwrap()));
        }
        frames
    }
}

pub(crate) struct Client {
    pub(crate) transport: InProcessTransport,
    kept: Vec<Value>,
}

impl Client {
    pub(crate) fn over(transport: InProcessTransport) -> Self {
        Self { transport, kept: Vec::new() }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.transport.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.transport.send(Message::text(text)).await.unwrap();
    }

    /// The next message, in order of arrival. A test that waits for what never comes fails after a virtual hour.
    pub(crate) async fn next(&mut self) -> Value {
        if !self.kept.is_empty() {
            return self.kept.remove(0);
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(3600), self.transport.next()).await;
        match next.expect("a message within an hour") {
            Some(Ok(Message::Text(text))) => serde_json::from_str(text.as_str()).unwrap(),
            Some(Ok(Message::Close(reason))) => {
                json!({ "type": "close", "code": reason.map(|reason| reason.code) })
            }
            other => panic!("a text message, not {other:?}"),
        }
    }

    /// The next message of a type; others are kept for later.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        if let Some(place) = self.kept.iter().position(|message| message["type"] == kind) {
            return self.kept.remove(place);
        }
        loop {
            let message = self.receive().await;
            if message["type"] == kind {
                return message;
            }
            self.kept.push(message);
        }
    }

    /// Sends a command and returns its answer.
    pub(crate) async fn ask(&mut self, mut command: Value) -> Value {
        let id = format!("ask-{}", rand_like());
        command["id"] = json!(id);
        self.send(command).await;
        loop {
            let message = self.receive().await;
            if message["id"] == id.as_str() {
                return message;
            }
            self.kept.push(message);
        }
    }

    pub(crate) async fn start(&mut self, name: &str) -> SessionId {
        let answer = self.ask(json!({ "type": "start_recording", "name": name })).await;
        assert_eq!(answer["type"], "session_created", "{answer}");
        session_id(&answer)
    }

    pub(crate) async fn stop(&mut self) -> Value {
        let answer = self.ask(json!({ "type": "stop_recording" })).await;
        assert_eq!(answer["type"], "recording_finalized", "{answer}");
        answer
    }

    /// Sends frame `n` of a 30 fps stream of two-keypoint poses.
    pub(crate) async fn frame(&mut self, n: u64) {
        self.send(frame(n)).await;
    }

    /// Sends frame `n` with an image of this many bytes.
    pub(crate) async fn frame_with_image(&mut self, n: u64, bytes: usize) {
        let mut image = vec![0; bytes];
        image[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
        let mut frame = frame(n);
        frame["image"] = json!(STANDARD.encode(image));
        self.send(frame).await;
    }

    pub(crate) fn kept_of(&self, kind: &str) -> Vec<&Value> {
        self.kept.iter().filter(|message| message["type"] == kind).collect()
    }
}

/// A number that differs from call to call, for ids.
fn rand_like() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn frame(n: u64) -> Value {
    json!({ "type": "frame", "frame_number": n, "timestamp": 100.0 + n as f64 / 30.0, "pose_data": pose(n as f32) })
}

pub(crate) fn pose(x: f32) -> Value {
    json!({ "persons": [{ "id": 0, "pose": [[x, 0.5, 0.9], [x + 0.25, null, 0.8]] }] })
}

/// A piece of video, whose first picture was taken half a second after frame 0.
pub(crate) fn video(offset: u64, data: &'static [u8]) -> Message {
    let timestamp = Timestamp::from_secs_f64(100.5).unwrap();
    let data = Bytes::from_static(data);
    Message::Binary(BinaryVideo { stream: String::new(), offset, timestamp, data }.encode())
}

pub(crate) fn session_id(message: &Value) -> SessionId {
    message["session_id"].as_str().unwrap_or_else(|| panic!("a session_id in {message}")).parse().unwrap()
}
