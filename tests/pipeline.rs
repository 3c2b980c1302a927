//! The whole pipeline on real parts: a WebSocket, the recorder, SQLite on disk, the cursor, a WebSocket.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::sync::Arc;

use posesession::core::PoseData;
use posesession::ws::protocol::{Publish, StartRecording, WireFormat};
use posesession::ws::{
    RecordOptions, ReplayEvent, ReplayOptions, ReplayRequest, Transport, from_websocket, websocket_config,
};
use posesession::{
    RecordClient, RecordService, ReplayClient, ReplayService, SessionId, SessionStore, Skeleton, SqliteStore,
    SyntheticPose,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{accept_async_with_config, client_async_with_config};

/// The two ends of a WebSocket over loopback TCP.
async fn websocket() -> (impl Transport + 'static, impl Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Some(websocket_config());
    let (server, client) = tokio::join!(
        async { accept_async_with_config(listener.accept().await.unwrap().0, config).await.unwrap() },
        async {
            let socket = TcpStream::connect(address).await.unwrap();
            client_async_with_config(format!("ws://{address}/"), socket, config).await.unwrap().0
        }
    );
    (from_websocket(server), from_websocket(client))
}

async fn record(store: Arc<dyn SessionStore>, frames: u64) -> SessionId {
    let records = RecordService::new(store, None, RecordOptions::default());
    let (server_end, client_end) = websocket().await;
    let service = records.clone();
    let serving = tokio::spawn(async move { service.serve(server_end).await });
    let mut client = RecordClient::over(client_end).await.unwrap();
    client.publish(&Publish { fps: Some(30.0), ..Publish::default() }).await.unwrap();
    let start = StartRecording { name: "pipeline".to_owned(), ..StartRecording::default() };
    let session = client.start_recording(&start).await.unwrap();
    for n in 0..frames {
        let (timestamp, pose) = sent(n);
        client.send_frame(Some(n), timestamp, &pose, &[]).await.unwrap();
    }
    let finalized = client.stop_recording(None).await.unwrap();
    assert_eq!(finalized.session.frame_count, frames);
    client.close().await.unwrap();
    serving.await.unwrap().unwrap();
    session
}

fn sent(n: u64) -> (posesession::Timestamp, PoseData) {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let (timestamp, mut pose) = SyntheticPose::new(&skeleton, 30.0).frame(n);
    pose.canonicalise(&skeleton).unwrap();
    (timestamp, pose)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_replayed_bit_for_bit_after_reopening_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let session = record(store.clone(), 1_000).await;
    drop(store);

    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let extents = store.chunk_index(session).await.unwrap();
    assert!(extents.extents().len() <= 5, "the recording is compacted: {} chunks", extents.extents().len());
    let replays = ReplayService::new(store, ReplayOptions::default());
    let (server_end, client_end) = websocket().await;
    let request = ReplayRequest { autoplay: false, format: WireFormat::Binary };
    tokio::spawn(async move { replays.serve(session, request, server_end).await });
    let mut viewer = ReplayClient::over(client_end).await.unwrap();
    viewer.play(Some(16.0)).await.unwrap();
    let mut last = None;
    let mut shown = 0;
    loop {
        match viewer.next_event().await.unwrap() {
            ReplayEvent::Frame(frame) => {
                assert!(last < Some(frame.frame_number), "frames come in order");
                let (timestamp, pose) = sent(frame.frame_number);
                assert_eq!((frame.timestamp, &frame.pose_data), (timestamp, &pose));
                last = Some(frame.frame_number);
                shown += 1;
            }
            ReplayEvent::State(state) if state.status == "ended" => break,
            _ => {}
        }
    }
    // At sixteen times the speed a busy machine may skip late frames; the last one always comes.
    assert_eq!(last, Some(999));
    assert!(shown > 100, "{shown} frames shown");
}
