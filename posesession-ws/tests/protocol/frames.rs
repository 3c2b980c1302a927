//! What becomes of odd frames: each row of the table in `docs/record-protocol.md`.

use std::time::Duration;

use futures::SinkExt;
use posesession_core::{PoseData, Timestamp};
use posesession_ws::Message;
use posesession_ws::protocol::{BinaryFrame, BinaryFrameHeader};
use serde_json::{Value, json};

use crate::harness::{Client, House, frame, pose};

/// Records frame 0, then what `send` sends, then frame 99, and returns the report, the errors told, and the stored x.
async fn record(send: impl AsyncFnOnce(&mut Client)) -> (Value, Vec<Value>, Vec<f32>) {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("odd").await;
    client.frame(0).await;
    send(&mut client).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    client
        .send(json!({ "type": "frame", "frame_number": 99, "timestamp": 103.3, "pose_data": pose(99.0) }))
        .await;
    let finalized = client.stop().await;
    let errors = client.kept_of("error").into_iter().cloned().collect();
    let frames = house.frames(session).await;
    for (n, frame) in frames.iter().enumerate() {
        assert_eq!(frame.frame_number, n as u64, "stored frame numbers have no holes");
    }
    assert!(
        frames.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp),
        "timestamps strictly increase"
    );
    let report = finalized["report"].clone();
    let refused: u64 = report["refused"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    let settled =
        ["stored", "late", "duplicate", "conflict", "paused"].map(|cause| report[cause].as_u64().unwrap());
    assert_eq!(
        report["received"].as_u64().unwrap(),
        settled.iter().sum::<u64>() + refused,
        "all frames are counted"
    );
    assert_eq!(report["stored"], frames.len());
    let xs = frames.iter().map(|frame| frame.pose_data.values.first().copied().unwrap_or(f32::NAN)).collect();
    (report, errors, xs)
}

/// Asserts that a frame is refused with `code`, that the sender hears it, and that the recording goes on.
async fn assert_refused(code: &str, frame_number: Option<u64>, send: impl AsyncFnOnce(&mut Client)) {
    let (report, errors, xs) = record(send).await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["code"], code, "{errors:?}");
    assert_eq!(errors[0]["frame_number"].as_u64(), frame_number, "{errors:?}");
    assert_eq!(xs, [0.0, 99.0]);
    assert_eq!(report["stored"], 2);
}

#[tokio::test(start_paused = true)]
async fn out_of_order_within_the_window_is_stored_in_order() {
    let (report, errors, xs) = record(async |client| {
        for n in [2, 1, 4, 3] {
            client.frame(n).await;
        }
    })
    .await;
    assert_eq!(xs, [0.0, 1.0, 2.0, 3.0, 4.0, 99.0]);
    assert_eq!(report["reordered"], 2);
    assert!(errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_frame_beyond_the_window_is_late() {
    let (report, errors, xs) = record(async |client| {
        client.frame(2).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.frame(1).await;
    })
    .await;
    assert_eq!(xs, [0.0, 2.0, 99.0]);
    assert_eq!((&report["late"], &errors[0]["code"]), (&json!(1), &json!("late")));
    assert_eq!(errors[0]["frame_number"], 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_frame_again_is_a_duplicate() {
    let (report, errors, xs) = record(async |client| {
        for n in [1, 1, 0] {
            client.frame(n).await;
        }
    })
    .await;
    assert_eq!((&report["duplicate"], xs), (&json!(2), vec![0.0, 1.0, 99.0]));
    assert!(errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_number_with_another_content_is_a_conflict() {
    let (report, errors, xs) = record(async |client| {
        let mut other = frame(0);
        other["pose_data"] = pose(7.0);
        client.send(other).await;
    })
    .await;
    assert_eq!((&report["conflict"], xs), (&json!(1), vec![0.0, 99.0]));
    assert_eq!((&errors[0]["code"], &errors[0]["frame_number"]), (&json!("conflict"), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn frames_without_numbers_are_numbered() {
    let (report, errors, xs) = record(async |client| {
        for n in [1_u64, 2, 3] {
            let mut unnumbered = frame(n);
            unnumbered.as_object_mut().unwrap().remove("frame_number");
            client.send(unnumbered).await;
        }
    })
    .await;
    assert_eq!((&report["stored"], xs), (&json!(5), vec![0.0, 1.0, 2.0, 3.0, 99.0]));
    assert!(errors.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_jumping_clock_is_rebased() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("jumps").await;
    for (n, timestamp) in [(0, 100.0), (1, 100.1), (2, 50.0), (3, 50.1), (4, 9000.0), (5, 9000.1)] {
        let mut jumping = frame(n);
        jumping["timestamp"] = json!(timestamp);
        client.send(jumping).await;
    }
    let finalized = client.stop().await;
    assert_eq!(finalized["report"]["clock_jumps"], 2);
    let times: Vec<i64> = house.frames(session).await.iter().map(|f| f.timestamp.as_micros()).collect();
    assert_eq!(times, [0, 100_000, 200_000, 300_000, 400_000, 500_000]);
}

#[tokio::test(start_paused = true)]
async fn missing_values_and_changing_persons_are_stored() {
    let (report, errors, xs) = record(async |client| {
        let two = json!({ "persons": [pose(1.0)["persons"][0], { "id": 5, "pose": [[1, 2, 3], [4, 5, 6]] }] });
        let nobody = json!({ "persons": [] });
        let missing = json!({ "persons": [{ "pose": [[null, null, null], [null, null, null]] }] });
        for (n, pose_data) in [(1, two), (2, nobody), (3, missing)] {
            client.send(json!({ "type": "frame", "frame_number": n, "timestamp": 100.1 * 1.0 + n as f64, "pose_data": pose_data })).await;
        }
    })
    .await;
    assert_eq!(report["stored"], 5);
    assert!(errors.is_empty());
    assert!(xs[0] == 0.0 && xs[1] == 1.0 && xs[2].is_nan() && xs[3].is_nan() && xs[4] == 99.0, "{xs:?}");
}

#[tokio::test(start_paused = true)]
async fn empty_frames_before_the_first_person_are_stored() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("nobody yet").await;
    for n in 0..3 {
        let mut empty = frame(n);
        empty["pose_data"] = json!({ "persons": [] });
        client.send(empty).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ack = client.expect("ack").await;
    assert_eq!(
        ack["stored_through"], 2,
        "frames without a person are acknowledged before the skeleton is known"
    );
    client.frame(3).await;
    let finalized = client.stop().await;
    assert_eq!(finalized["session"]["frame_count"], 4);
    assert_eq!(finalized["session"]["skeleton"]["name"], "custom_2");
    assert_eq!(house.frames(session).await[3].pose_data.values[..2], [3.0, 0.5]);
}

#[tokio::test(start_paused = true)]
async fn an_infinity_is_refused() {
    let mut binary = PoseData::one_person(vec![1.0; 6]);
    binary.values[3] = f32::INFINITY;
    let header = BinaryFrameHeader {
        timestamp: Timestamp::from_micros(100_100_000),
        frame_number: Some(1),
        values_per_person: 6,
        ..BinaryFrameHeader::default()
    };
    let message = BinaryFrame::encode(&header, &binary, &[]);
    assert_refused("non_finite", Some(1), async |client| {
        client.transport.send(Message::Binary(message)).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_keypoint_count_that_does_not_fit_is_refused() {
    assert_refused("keypoint_mismatch", Some(1), async |client| {
        let mut short = frame(1);
        short["pose_data"] = json!({ "persons": [{ "pose": [[1, 2, 3]] }] });
        client.send(short).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn too_many_persons_are_refused() {
    assert_refused("too_many_persons", Some(1), async |client| {
        let crowd: Vec<Value> =
            (0..65).map(|id| json!({ "id": id, "pose": [[1, 2, 3], [4, 5, 6]] })).collect();
        let mut crowded = frame(1);
        crowded["pose_data"] = json!({ "persons": crowd });
        client.send(crowded).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_ten_megabytes_is_refused() {
    assert_refused("too_large", Some(1), async |client| {
        let mut large = frame(1);
        large["note"] = json!("x".repeat(10 << 20));
        client.send(large).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_no_frame_is_refused_by_name() {
    assert_refused("bad_message", Some(1), async |client| {
        client.send(json!({ "type": "frame", "frame_number": 1, "timestamp": 100.1 })).await;
    })
    .await;
    assert_refused("bad_message", Some(1), async |client| {
        client
            .send(json!({ "type": "frame", "frame_number": 1, "timestamp": "soon", "pose_data": pose(1.0) }))
            .await;
    })
    .await;
    assert_refused("bad_json", None, async |client| {
        client.send_text(r#"{"type":"frame","frame_number":1,"timestamp":NaN}"#).await;
    })
    .await;
    assert_refused("unknown_type", None, async |client| {
        client.send(json!({ "type": "dance", "frame_number": 1 })).await;
    })
    .await;
    assert_refused("bad_binary", None, async |client| {
        client.transport.send(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    })
    .await;
    assert_refused("bad_timestamp", Some(1), async |client| {
        client
            .send(json!({ "type": "frame", "frame_number": 1, "timestamp": 1e300, "pose_data": pose(1.0) }))
            .await;
    })
    .await;
    assert_refused("bad_image", Some(1), async |client| {
        let mut picture = frame(1);
        picture["image"] = json!("R0lGODlh");
        client.send(picture).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_frame_does_not_hold_acknowledgements_back() {
    let house = House::new();
    let mut client = house.connect().await;
    client.start("refused").await;
    client.frame(0).await;
    client
        .send(json!({ "type": "frame", "frame_number": 1, "timestamp": "soon", "pose_data": pose(1.0) }))
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut acks = client.kept_of("ack").len();
    let mut through = client.expect("ack").await["stored_through"].clone();
    while through != json!(1) {
        acks += 1;
        assert!(acks < 10, "an ack through the refused frame");
        through = client.expect("ack").await["stored_through"].clone();
    }
}
