//! A recording through the real server goes on while its Postgres restarts, crashes, or cuts its connections: it says so, and
//! catches up.

#![expect(clippy::unwrap_used, reason = "a test's helper that fails fails the test")]

use std::time::Duration;

use posesession_core::{ChunkQuery, SessionId, Skeleton, SyntheticPose};
use posesession_server::{Access, ServerConfig, Storage, StoragePlace, run};
use posesession_store::SessionStore;
use posesession_ws::protocol::StartRecording;
use posesession_ws::{RecordClient, RecordEvent};
use scratch_postgres::{ScratchPostgres, Stop};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long anything may take that should take little time.
const LONGEST: Duration = Duration::from_secs(120);

fn source() -> SyntheticPose {
    SyntheticPose::new(&Skeleton::preset("mediapipe_33").unwrap(), 60.0)
}

/// A sender of frames, and what it has heard.
struct Sender {
    client: RecordClient,
    source: SyntheticPose,
    sent: u64,
    acknowledged: Option<u64>,
    trouble: Option<String>,
}

impl Sender {
    async fn send(&mut self, frames: u64) {
        for number in self.sent..self.sent + frames {
            let (timestamp, pose) = self.source.frame(number);
            self.client.send_frame(Some(number), timestamp, &pose, b"").await.unwrap();
        }
        self.sent += frames;
    }

    /// Listens until it has heard what is waited for. An acknowledgement never goes backwards.
    async fn hear(&mut self, what: &str, until: impl Fn(&Self) -> bool) {
        let heard = async {
            while !until(self) {
                match self.client.next_event().await.unwrap() {
                    RecordEvent::Ack(ack) => {
                        assert!(ack.stored_through >= self.acknowledged, "{ack:?}");
                        self.acknowledged = ack.stored_through;
                    }
                    RecordEvent::Status(status) => self.trouble = status.trouble,
                    RecordEvent::Closed(reason) => panic!("closed: {reason:?}"),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(LONGEST, heard).await.expect(what);
    }
}

/// Records through a server on this database while something happens to it, and returns the session.
async fn record_through(place: &StoragePlace, trouble: impl AsyncFn(&mut Sender)) -> SessionId {
    let storage = Storage::open_to_serve(place).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(run(listener, storage, ServerConfig::default(), async {
        stopped.await.ok();
    }));
    let client = RecordClient::connect(&format!("ws://{address}/ws/pose")).await.unwrap();
    assert!(client.welcome().durable);
    let mut sender = Sender { client, source: source(), sent: 0, acknowledged: None, trouble: None };
    let start = StartRecording { name: "through trouble".to_owned(), ..StartRecording::default() };
    let id = sender.client.start_recording(&start).await.unwrap();
    sender.send(600).await;
    sender.hear("the first frames acknowledged", |sender| sender.acknowledged == Some(599)).await;

    trouble(&mut sender).await;

    sender.send(60).await;
    let last = sender.sent - 1;
    sender.hear("the last frames acknowledged", |sender| sender.acknowledged == Some(last)).await;
    sender.hear("the trouble is over", |sender| sender.trouble.is_none()).await;
    let finalized = sender.client.stop_recording(None).await.unwrap();
    assert_eq!(finalized.session.frame_count, sender.sent);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    id
}

/// Checks with a connection of its own that every frame is there once, in order, bit for bit.
async fn assert_whole(place: &StoragePlace, id: SessionId, frames: u64) {
    let storage = place.open(Access::Read).await.unwrap();
    let (store, source): (&dyn SessionStore, _) = (&**storage.store(), source());
    assert_eq!(store.read_session(id).await.unwrap().frame_count, frames);
    let mut next = 0;
    while next < frames {
        let chunk = store.covering_chunk(id, ChunkQuery::Frame(next)).await.unwrap().chunk;
        for number in next..chunk.end_frame() {
            assert_eq!(chunk.frame(number).unwrap().pose_data, source.frame(number).1, "frame {number}");
        }
        next = chunk.end_frame();
    }
    storage.close().await;
}

fn place_in(folder: &tempfile::TempDir, url: &str) -> StoragePlace {
    url.parse::<StoragePlace>().unwrap().with_media(folder.path().join("media"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_outlives_restarts_and_crashes_of_the_database() {
    let (server, folder) = (ScratchPostgres::start(), tempfile::tempdir().unwrap());
    for how in [Stop::Fast, Stop::Kill, Stop::Immediate] {
        let place = place_in(&folder, &server.schema());
        let id = record_through(&place, async |sender| {
            tokio::task::block_in_place(|| server.stop(how));
            sender.send(60).await;
            let in_trouble = |sender: &Sender| sender.trouble.is_some();
            sender.hear("the trouble is told", in_trouble).await;
            let trouble = sender.trouble.clone().unwrap();
            assert!(trouble.contains("database"), "{trouble}");
            assert_eq!(sender.acknowledged, Some(599), "nothing can be durable now");
            sender.send(60).await;
            tokio::task::block_in_place(|| server.resume());
        })
        .await;
        assert_whole(&place, id, 780).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_outlives_connections_that_are_cut() {
    let (server, folder) = (ScratchPostgres::start(), tempfile::tempdir().unwrap());
    let place = place_in(&folder, &server.schema());
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'posesession'";
    let id = record_through(&place, async |sender| {
        for _ in 0..20 {
            sender.send(6).await;
            tokio::task::block_in_place(|| server.sql(cut));
        }
    })
    .await;
    assert_whole(&place, id, 780).await;
}
