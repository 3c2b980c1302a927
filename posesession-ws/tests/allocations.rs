//! How often a recording asks for memory on the way from a client's message to the store: what each frame costs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use futures::{SinkExt, StreamExt};
use posesession_core::{PoseJson, Skeleton, SyntheticPose};
use posesession_store::MemoryStore;
use posesession_ws::protocol::{BinaryFrame, BinaryFrameHeader};
use posesession_ws::{InProcessTransport, Message, RecordOptions, RecordService, in_process};
use serde_json::{Value, json};

const FPS: f64 = 60.0;
/// The frames of a short and a long batch; both fit into the queues on the way at once.
const SHORT: u64 = 8;
const LONG: u64 = 56;

fn skeleton() -> Skeleton {
    Skeleton::preset("mediapipe_33").unwrap()
}

fn binary(number: u64) -> Message {
    let (timestamp, pose) = SyntheticPose::new(&skeleton(), FPS).frame(number);
    let header = BinaryFrameHeader {
        timestamp,
        frame_number: Some(number),
        values_per_person: 33 * 4,
        ..BinaryFrameHeader::default()
    };
    let message = BinaryFrame::encode(&header, &pose, &[]);
    // As those that come from a socket, whose buffer they share. Memory of its own is asked for when it is first shared.
    let _shared = message.clone();
    Message::Binary(message)
}

fn text(number: u64) -> Message {
    let (timestamp, pose) = SyntheticPose::new(&skeleton(), FPS).frame(number);
    let pose_data = serde_json::to_value(PoseJson::new(&pose, &skeleton())).unwrap();
    let frame =
        json!({ "type": "frame", "frame_number": number, "timestamp": timestamp, "pose_data": pose_data });
    Message::text(frame.to_string())
}

async fn expect(client: &mut InProcessTransport, is_it: impl Fn(&Value) -> bool) {
    loop {
        let Some(Ok(Message::Text(text))) = client.next().await else { panic!("only text is sent") };
        if is_it(&serde_json::from_str(text.as_str()).unwrap()) {
            return;
        }
    }
}

/// Sends frames in a burst and waits until they are acknowledged.
async fn send(client: &mut InProcessTransport, frames: Vec<Message>, last: u64) {
    for frame in frames {
        client.send(frame).await.unwrap();
    }
    expect(client, |message| message["type"] == "ack" && message["stored_through"] == last).await;
}

/// Returns how often memory is asked for per frame, by everything between the client's queue and the store. What a batch costs
/// is left out: a long one costs as much as a short one.
fn allocations_per_frame(message: fn(u64) -> Message) -> f64 {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    // No status in the middle: what it costs has nothing to do with frames.
    let options = RecordOptions { status_every: Duration::from_secs(1 << 20), ..RecordOptions::default() };
    let service = RecordService::new(Arc::new(MemoryStore::new()), None, options);
    let (server_end, mut client) = in_process(1024);
    runtime.block_on(async {
        tokio::spawn(async move { service.serve(server_end).await });
        let publish = json!({ "type": "publish", "skeleton": "mediapipe_33" });
        client.send(Message::text(publish.to_string())).await.unwrap();
        expect(&mut client, |message| message["type"] == "ok").await;
        let start = json!({ "type": "start_recording", "name": "counted" });
        client.send(Message::text(start.to_string())).await.unwrap();
        expect(&mut client, |message| message["session_id"].is_string()).await;
    });
    let mut next = 0;
    let mut burst = |frames: u64| {
        let messages = (next..next + frames).map(message).collect();
        next += frames;
        // All of the server's tasks run in this thread, and only in here.
        measure(|| runtime.block_on(send(&mut client, messages, next - 1))).count_total
    };
    // The least of many: the first chunk after a shorter one grows, and every 256 frames chunks are joined.
    let mut least = |frames| (0..32).map(|_| burst(frames)).min().unwrap();
    let [short, long] = [SHORT, LONG].map(&mut least);
    (long - short) as f64 / (LONG - SHORT) as f64
}

/// Connects and takes the welcome, over a connection that has room for one message.
async fn connect(service: &RecordService) -> InProcessTransport {
    let (server_end, mut client) = in_process(1);
    let service = service.clone();
    tokio::spawn(async move { service.serve(server_end).await });
    expect(&mut client, |message| message["type"] == "welcome").await;
    client
}

async fn watch(service: &RecordService, format: &str) -> InProcessTransport {
    let mut viewer = connect(service).await;
    let subscribe = json!({ "type": "subscribe", "format": format });
    viewer.send(Message::text(subscribe.to_string())).await.unwrap();
    expect(&mut viewer, |message| message["type"] == "ok").await;
    viewer
}

/// Reads until a frame comes.
async fn next_frame(viewer: &mut InProcessTransport) {
    loop {
        match viewer.next().await.unwrap().unwrap() {
            Message::Binary(_) => return,
            Message::Text(text) if text.as_str().starts_with(r#"{"type":"frame""#) => return,
            Message::Text(text) => assert!(!text.contains("gap"), "one that reads in time misses nothing"),
            Message::Close(reason) => panic!("{reason:?}"),
        }
    }
}

#[test]
fn viewers_that_do_not_read_large_images_cost_a_bounded_memory() {
    const IMAGE: usize = 1 << 20;
    const FRAMES: u64 = 100;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = RecordService::new(Arc::new(MemoryStore::new()), None, RecordOptions::default());
    let (timestamp, pose) = SyntheticPose::new(&skeleton(), FPS).frame(0);
    let mut image = vec![7; IMAGE];
    image[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
    let mut camera = runtime.block_on(connect(&service));
    let (mut good, mut stalled) = (Vec::new(), Vec::new());
    for format in ["json", "binary"] {
        good.push(runtime.block_on(watch(&service, format)));
        stalled.extend((0..4).map(|_| runtime.block_on(watch(&service, format))));
    }
    let used = measure(|| {
        runtime.block_on(async {
            for number in 0..FRAMES {
                let header = BinaryFrameHeader {
                    timestamp,
                    frame_number: Some(number),
                    values_per_person: 33 * 4,
                    ..BinaryFrameHeader::default()
                };
                let frame = BinaryFrame::encode(&header, &pose, &image);
                camera.send(Message::Binary(frame)).await.unwrap();
                for viewer in &mut good {
                    next_frame(viewer).await;
                }
            }
        });
    });
    println!(
        "proof: live images: {FRAMES} frames of 1 MiB read by {} viewers, and not read by {}: at most {:.1} MiB of memory",
        good.len(),
        stalled.len(),
        used.bytes_max as f64 / f64::from(1 << 20),
    );
    // 16 MiB of the stream, what is on its way to those that read, and for the others the first message of each format.
    assert!(used.bytes_max < 32 << 20, "{} bytes", used.bytes_max);
}

#[test]
fn a_binary_frame_needs_hardly_any_memory() {
    // The queues between the tasks may ask for memory once for each 32 messages.
    let per_frame = allocations_per_frame(binary);
    assert!(per_frame < 0.1, "{per_frame} allocations a frame");
}

#[test]
fn a_json_frame_needs_as_little_memory_as_its_parts_have() {
    let per_frame = allocations_per_frame(text);
    // The message, the names in it, the lists of persons, components and ids, and the values: once, in their last place.
    assert!(per_frame < 8.5, "{per_frame} allocations a frame");
}
