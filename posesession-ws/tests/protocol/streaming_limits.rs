//! Commands at the edge of what a server reads, and those that nobody waits for.

use futures::FutureExt as _;
use posesession_core::Skeleton;
use posesession_ws::protocol::{SkeletonRef, StartRecording};
use posesession_ws::{
    ClientError, MAX_MESSAGE_BYTES, Streamer, StreamerError, StreamerOptions, from_websocket,
    websocket_config,
};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::harness::House;
use crate::road::{Road, named, stored};
use crate::streaming_commands::push_all;

/// Connects by real WebSockets, with their limits.
async fn streamer(house: &House) -> Streamer {
    let records = house.records.clone();
    let connect = move || {
        let records = records.clone();
        async move {
            let (server_end, client_end) = tokio::io::duplex(1 << 20);
            tokio::spawn(async move {
                let config = Some(websocket_config());
                let socket = WebSocketStream::from_raw_socket(server_end, Role::Server, config).await;
                records.serve(from_websocket(socket)).await
            });
            let config = Some(websocket_config());
            let socket = WebSocketStream::from_raw_socket(client_end, Role::Client, config).await;
            Ok::<_, ClientError>(from_websocket(socket))
        }
    };
    Streamer::connect(connect, StreamerOptions::default()).await.unwrap()
}

/// A minute of virtual time is enough for any answer.
async fn in_time<T>(asked: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(60), asked).await.expect("an answer")
}

#[tokio::test(start_paused = true)]
async fn a_start_that_no_server_reads_is_refused_once() {
    let house = House::new();
    let streamer = streamer(&house).await;
    // So large that it fits by itself, but not with the session's id.
    let description = "x".repeat(MAX_MESSAGE_BYTES - 100);
    let refused = in_time(streamer.start_recording(StartRecording { description, ..named("Squat") })).await;
    assert!(
        matches!(refused, Err(StreamerError::TooLarge { bytes }) if bytes > MAX_MESSAGE_BYTES),
        "{refused:?}"
    );
    streamer.start_recording(named("Squat")).await.unwrap();
    streamer.stop_recording().await.unwrap();
    assert_eq!(streamer.figures().reconnects, 0);
}

#[tokio::test(start_paused = true)]
async fn a_skeleton_that_no_server_reads_is_refused_once() {
    let house = House::new();
    let streamer = streamer(&house).await;
    let mut skeleton = Skeleton::preset("hand_21").unwrap();
    skeleton.name = String::new();
    let size = serde_json::to_string(&skeleton).unwrap().len();
    skeleton.name = "x".repeat(MAX_MESSAGE_BYTES - size - 100);
    let refused = in_time(streamer.declare_skeleton(SkeletonRef::Full(skeleton))).await;
    assert!(
        matches!(refused, Err(StreamerError::TooLarge { bytes }) if bytes > MAX_MESSAGE_BYTES),
        "{refused:?}"
    );
    streamer.start_recording(named("Squat")).await.unwrap();
    streamer.stop_recording().await.unwrap();
    assert_eq!(streamer.figures().reconnects, 0);
}

#[tokio::test(start_paused = true)]
async fn commands_with_a_place_are_carried_out_though_nobody_waits_for_them() {
    let house = House::new();
    let streamer = Road::to(&house).streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    push_all(&streamer, 0..3).await;
    assert!(streamer.pause_recording().now_or_never().is_none());
    push_all(&streamer, 3..6).await;
    for _ in 0..62 {
        assert!(streamer.mark("one of many", None).now_or_never().is_none());
    }
    assert!(streamer.resume_recording().now_or_never().is_none(), "the last that has a place");
    push_all(&streamer, 6..9).await;
    assert!(streamer.pause_recording().now_or_never().is_none(), "it waits for one");
    push_all(&streamer, 9..12).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, [0, 1, 2, 6, 7, 8, 9, 10, 11]);
}
