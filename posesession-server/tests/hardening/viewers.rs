//! A hundred viewers that read slowly or not at all, beside one that reads and a recording: they harm nobody.

use std::net::SocketAddr;
use std::time::Duration;

use posesession_ws::protocol::{Subscribe, WireFormat};
use posesession_ws::{RecordClient, RecordEvent};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::raw::{connect_narrow, frame, next_frame, open_websocket};
use crate::server_process::{SOON, ServerProcess};
use crate::steady::Steady;

const EACH: usize = 50;
const REPLAYS: usize = 20;
const IMAGE_BYTES: usize = 20_000;
const RUN: Duration = Duration::from_secs(8);
/// What the server may hold for one viewer: a few messages, of which each has an image.
const MOST_EACH: u64 = 256 << 10;

/// Starts to watch and reads so many bytes a second until told otherwise, then everything. Returns how many frames it was told
/// it had missed; none if it was closed.
async fn watch_slowly(address: SocketAddr, at: usize, rate: usize, go_on: CancellationToken) -> Option<u64> {
    let mut stream = connect_narrow(address).await;
    open_websocket(&mut stream, address, "/ws/pose").await;
    let format = if at.is_multiple_of(2) { "json" } else { "binary" };
    let subscribe = format!(r#"{{"type":"subscribe","stream":"steady","format":"{format}"}}"#);
    stream.write_all(&frame(0x81, subscribe.as_bytes())).await.unwrap();
    let mut read = Vec::new();
    while !go_on.is_cancelled() {
        let mut bytes = vec![0; rate / 10];
        if rate > 0 {
            let Ok(count @ 1..) = stream.read(&mut bytes).await else { return None };
            read.extend_from_slice(&bytes[..count]);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut all = std::io::Cursor::new(read).chain(&mut stream);
    loop {
        let (first, payload) = next_frame(&mut all).await?;
        if first == 0x88 {
            return None;
        }
        if first == 0x81 {
            let message: Value = serde_json::from_slice(&payload).unwrap();
            if message["type"] == "gap" {
                return message["count"].as_u64();
            }
        }
    }
}

/// Watches as it should, until told otherwise. Returns how many frames came and how many it was told it had missed: these are all
/// there were.
async fn watch_well(server: &ServerProcess, format: WireFormat, done: CancellationToken) -> (u64, u64) {
    let mut client = RecordClient::connect(&server.ws("/ws/pose")).await.unwrap();
    client.subscribe(&Subscribe { stream: Some("steady".to_owned()), format }).await.unwrap();
    let (mut numbers, mut missed) = (Vec::new(), 0);
    loop {
        let event = tokio::select! {
            event = client.next_event() => event.unwrap(),
            () = done.cancelled() => break,
        };
        match event {
            RecordEvent::Frame(frame) => numbers.extend(frame.header.frame_number),
            RecordEvent::Other(message) if message["type"] == "frame" => {
                numbers.extend(message["frame_number"].as_u64());
            }
            RecordEvent::Other(message) if message["type"] == "gap" => {
                missed += message["count"].as_u64().unwrap();
            }
            RecordEvent::Missed(count) => panic!("the test itself missed {count}"),
            RecordEvent::Closed(reason) => panic!("a good viewer is closed: {reason:?}"),
            _ => {}
        }
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "in order, and none twice");
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { panic!("no frames came") };
    let came = numbers.len() as u64;
    assert!(came + missed > last - first, "{came} of {first} to {last} came, {missed} missed");
    (came, missed)
}

/// Opens a replay that plays fast and reads nothing of it, until it is closed.
async fn replay_without_reading(server: SocketAddr, path: String) {
    let mut stream: TcpStream = connect_narrow(server).await;
    open_websocket(&mut stream, server, &path).await;
    let fast = br#"{"type":"set_range","loop":"loop"}"#;
    stream.write_all(&frame(0x81, fast)).await.unwrap();
    stream.write_all(&frame(0x81, br#"{"type":"play","rate":16}"#)).await.unwrap();
    // A ping now and then: it is there, and still takes nothing.
    while stream.write_all(&frame(0x8a, b"")).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_that_do_not_read_harm_neither_the_recording_nor_other_viewers() {
    let server = ServerProcess::impatient().await;
    let go_on = CancellationToken::new();
    let ended = CancellationToken::new();
    // One who is there already when the first frame comes counts them all.
    let steady = Steady::start(&server, IMAGE_BYTES).await;
    let before = server.memory();
    let mut slow = JoinSet::new();
    for at in 0..2 * EACH {
        let rate = if at < EACH { 0 } else { 1_000 };
        slow.spawn(watch_slowly(server.address, at, rate, go_on.clone()));
    }
    let replay = format!("/ws/replay/{}", server.long.unwrap());
    let mut replays = JoinSet::new();
    // Each is at another place soon, and sends as fast as it may.
    for _ in 0..REPLAYS {
        replays.spawn(replay_without_reading(server.address, replay.clone()));
    }
    let mut most = 0;
    let measuring = async {
        for _ in 0..RUN.as_millis() / 100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            most = most.max(server.memory().saturating_sub(before));
        }
        ended.cancel();
    };
    let (good_json, good_binary, ()) = tokio::join!(
        watch_well(&server, WireFormat::Json, ended.clone()),
        watch_well(&server, WireFormat::Binary, ended.clone()),
        measuring,
    );
    go_on.cancel();
    let (mut told, mut closed) = (0, 0);
    let all = async {
        while let Some(viewer) = slow.join_next().await {
            match viewer.unwrap() {
                Some(count) => {
                    assert!(count > 0);
                    told += 1;
                }
                None => closed += 1,
            }
        }
    };
    tokio::time::timeout(SOON, all).await.expect("every slow viewer hears of its gaps, or is closed");
    let frames = steady.finish(&server).await;
    let all = async { while replays.join_next().await.is_some() {} };
    tokio::time::timeout(SOON, all).await.expect("replays that don't read are closed");
    println!(
        "proof: {EACH} viewers that don't read and {EACH} slow ones: {told} told of gaps, {closed} closed; {REPLAYS} replays that \
         don't read, all closed; {frames} frames recorded, 0 lost; a good viewer in JSON got {} and missed {}, in binary {} and {}; \
         {:.1} MiB of memory",
        good_json.0,
        good_json.1,
        good_binary.0,
        good_binary.1,
        most as f64 / f64::from(1 << 20)
    );
    assert!(most < 2 * EACH as u64 * MOST_EACH + (32 << 20), "{most} bytes");
}
