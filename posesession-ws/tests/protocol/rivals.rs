//! Publishers and servers that take what another one still holds for theirs.

use posesession_core::SessionId;
use serde_json::json;

use crate::harness::House;
use crate::resuming::{SECOND, publish, resume};

/// The first coordinate of each stored frame: by it the tests know which frame it was.
async fn stored(house: &House, session: SessionId) -> Vec<f32> {
    house.frames(session).await.iter().map(|frame| frame.pose_data.values[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_the_recording_of_a_publisher_that_is_away_without_taking_it_over() {
    let house = House::new();
    let mut camera = house.connect().await;
    publish(&mut camera, "run-1").await;
    let session = camera.start("waits").await;
    for n in 0..10 {
        camera.frame(n).await;
    }
    tokio::time::sleep(SECOND).await;
    // Its last acknowledgement is lost with the connection.
    drop(camera);
    tokio::time::sleep(SECOND).await;
    let mut other = house.connect().await;
    other.frame(0).await;
    assert_eq!(other.expect("error").await["code"], "stream_busy", "by a frame");
    assert_eq!(publish(&mut other, "run-2").await["code"], "stream_busy", "by a command");
    assert_eq!(other.ask(resume(session, "run-2")).await["code"], "stream_busy", "by the session");
    drop(other);
    let mut camera = house.connect().await;
    assert_eq!(publish(&mut camera, "run-1").await["stored_through"], 9);
    for n in 5..15 {
        camera.frame(n).await;
    }
    let finalized = camera.stop().await;
    assert_eq!(finalized["report"]["duplicate"], 5, "{finalized}");
    let expected: Vec<f32> = (0_u8..15).map(f32::from).collect();
    assert_eq!(stored(&house, session).await, expected);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_publisher_without_a_name() {
    let house = House::new();
    let mut camera = house.connect().await;
    let session = camera.start("nameless").await;
    camera.frame(0).await;
    tokio::time::sleep(SECOND).await;
    drop(camera);
    tokio::time::sleep(SECOND).await;
    let mut camera = house.connect().await;
    camera.frame(1).await;
    let stopped = camera.ask(json!({ "type": "stop_recording", "session_id": session })).await;
    assert_eq!(stopped["session"]["frame_count"], 2, "{stopped}");
}
