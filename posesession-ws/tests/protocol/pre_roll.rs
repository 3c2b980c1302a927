//! What is kept before a recording is asked for: whose it is, and what forgets it.

use serde_json::{Value, json};

use crate::harness::{Client, House, frame};
use crate::resuming::SECOND;

async fn publish(camera: &mut Client, publisher: &str, pre_roll_max: Option<u64>) {
    let mut publish = json!({ "type": "publish", "publisher": publisher });
    if let Some(seconds) = pre_roll_max {
        publish["pre_roll_max"] = json!(seconds);
    }
    assert_eq!(camera.ask(publish).await["type"], "ok");
}

/// Starts with what there is, stops at once, and returns how many frames are stored.
async fn stored(camera: &mut Client) -> Value {
    let started = camera.ask(json!({ "type": "start_recording", "name": "x", "pre_roll": 60 })).await;
    assert_eq!(started["type"], "session_created", "{started}");
    camera.stop().await["report"]["stored"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_comes_back_finds_what_was_kept_and_another_one_does_not() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1", Some(60)).await;
    for n in 0..30 {
        camera.frame(n).await;
    }
    drop(camera);
    tokio::time::sleep(5 * SECOND).await;
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1", None).await;
    for n in 30..33 {
        camera.frame(n).await;
    }
    assert_eq!(stored(&mut camera).await, 33);
    for n in 33..40 {
        camera.frame(n).await;
    }
    let mut other = house.connect().await;
    let taken = json!({ "type": "publish", "publisher": "run-2", "take_over": true });
    assert_eq!(other.ask(taken).await["type"], "ok");
    for n in 0..3 {
        other.frame(n).await;
    }
    assert_eq!(stored(&mut other).await, 0, "it asked for nothing to be kept");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_keeps_frames_ends_once_they_are_too_old() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1", Some(2)).await;
    camera.frame(0).await;
    drop(camera);
    tokio::time::sleep(10 * SECOND).await;
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1", None).await;
    camera.frame(1).await;
    assert_eq!(stored(&mut camera).await, 0, "the stream is another one, of which nothing was asked");
}

#[tokio::test(start_paused = true)]
async fn the_first_person_forgets_nobody_and_another_skeleton_all() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1", Some(60)).await;
    for n in 0..30 {
        let mut empty = frame(n);
        empty["pose_data"] = json!({ "persons": [] });
        camera.send(empty).await;
    }
    for n in 30..33 {
        camera.frame(n).await;
    }
    drop(camera);
    tokio::time::sleep(SECOND / 30).await;
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1", None).await;
    camera.frame(33).await;
    assert_eq!(stored(&mut camera).await, 34);
    camera.frame(34).await;
    drop(camera);
    tokio::time::sleep(SECOND / 30).await;
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1", None).await;
    let mut larger = frame(35);
    let keypoint = json!([0.5, 0.5, 0.9]);
    larger["pose_data"] =
        json!({ "persons": [{ "id": 0, "pose": [keypoint.clone(), keypoint.clone(), keypoint] }] });
    camera.send(larger).await;
    assert_eq!(stored(&mut camera).await, 1);
}

#[tokio::test(start_paused = true)]
async fn numbers_that_will_not_come_are_checked_while_nothing_is_recorded_too() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1", Some(60)).await;
    for (first, last, cause) in [(9, 1, "overflow"), (1, 9, "NO WORD"), (1, u64::MAX, "overflow")] {
        let dropped = json!({ "type": "frames_dropped", "first": first, "last": last, "cause": cause });
        let refused = camera.ask(dropped).await;
        assert_eq!(refused["code"], "out_of_range", "{refused}");
    }
}
