//! A store that takes nothing for a while, or never again.

use std::time::Duration;

use posesession_store::SessionStore;
use posesession_ws::{RecordOptions, in_process};
use serde_json::json;

use crate::harness::{Client, House};

/// How many frames with [`IMAGE_BYTES`] fill a recorder.
const FILLING: u64 = 16;
const IMAGE_BYTES: usize = 2_000_000;

#[tokio::test(start_paused = true)]
async fn a_sender_is_told_of_a_long_outage_slowed_and_never_cut_off() {
    let house =
        House::with(RecordOptions { status_every: Duration::from_millis(10), ..RecordOptions::default() });
    let mut client = house.connect().await;
    let session = client.start("outage").await;
    house.break_media();
    for n in 0..FILLING {
        client.frame_with_image(n, IMAGE_BYTES).await;
    }
    for n in FILLING..200 {
        client.frame(n).await;
    }
    // The client reads: what the server says during the outage, and that it goes on afterwards.
    while client.expect("recording_status").await["trouble"].is_null() {}
    for _ in 0..3000 {
        assert!(client.expect("recording_status").await["trouble"].is_string());
    }
    assert_eq!(client.expect("error").await["code"], "storage");
    house.mend_media();
    let finalized = client.stop().await;
    assert_eq!(finalized["session"]["frame_count"], 200, "{finalized}");
    assert_eq!(house.frames(session).await.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_gone_does_not_hold_up_a_shutdown_for_minutes() {
    let house = House::new();
    let mut client = house.connect().await;
    client.start("gone").await;
    house.break_media();
    for n in 0..FILLING {
        client.frame_with_image(n, IMAGE_BYTES).await;
    }
    for n in FILLING..200 {
        client.frame(n).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokio::time::timeout(Duration::from_secs(30), house.records.shutdown()).await.expect("an end");
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_is_stopped_while_the_store_is_down_ends_once_it_is_back() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("patient").await;
    client.frame_with_image(0, 100).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.break_media();
    client.frame_with_image(1, 100).await;
    for _ in 0..2 {
        let answer = client.ask(json!({ "type": "stop_recording" })).await;
        assert_eq!(answer["code"], "storage", "{answer}");
    }
    let refused = client.ask(json!({ "type": "start_recording", "name": "next" })).await;
    assert_eq!(refused["code"], "already_recording", "{refused}");
    client.frame(2).await;
    assert_eq!(client.expect("error").await["code"], "no_recording", "it takes no more frames");
    tokio::time::sleep(Duration::from_secs(300)).await;
    let stored = house.store.read_session(session).await.unwrap();
    assert_eq!((stored.status.as_str(), stored.frame_count), ("recording", 1), "nothing is given up");
    house.mend_media();
    let finalized = client.expect("recording_finalized").await;
    assert_eq!(finalized["session"]["status"], "completed", "{finalized}");
    assert_eq!(finalized["report"]["stored"], 2);
    assert_eq!(house.frames(session).await.len(), 2);
    assert_eq!(house.records.live_recordings(), 0);
    client.start("next").await;
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_a_stopping_server_can_not_store_is_left_to_be_gone_on_with() {
    let house = House::new();
    let mut client = house.connect().await;
    let session = client.start("left").await;
    client.frame_with_image(0, 100).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.break_media();
    client.frame_with_image(1, 100).await;
    client.ask(json!({ "type": "mark", "label": "the frame is in" })).await;
    house.records.shutdown().await;
    let stored = house.store.read_session(session).await.unwrap();
    assert_eq!((stored.status.as_str(), stored.frame_count), ("recording", 1));
    assert_eq!(house.store.interrupt_live_sessions().await.unwrap(), [session]);
}

#[tokio::test(start_paused = true)]
async fn clients_that_give_up_while_nothing_is_taken_leave_no_connection_behind() {
    let house = House::new();
    let mut client = house.connect().await;
    client.ask(json!({ "type": "publish", "publisher": "run-1" })).await;
    let session = client.start("full").await;
    house.break_media();
    for n in 0..FILLING {
        client.frame_with_image(n, IMAGE_BYTES).await;
    }
    for n in FILLING..200 {
        client.frame(n).await;
    }
    let commands = [
        json!({ "type": "publish", "publisher": "run-1" }),
        json!({ "type": "resume_session", "session_id": session, "publisher": "run-1" }),
        json!({ "type": "subscribe" }),
        json!({ "type": "mark", "label": "x", "session_id": session }),
    ];
    for command in commands {
        for _ in 0..50 {
            let (server_end, client_end) = in_process(1024);
            let service = house.records.clone();
            let served = tokio::spawn(async move { service.serve(server_end).await });
            let mut impatient = Client::over(client_end);
            assert_eq!(impatient.next().await["type"], "welcome");
            impatient.send(command.clone()).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(impatient);
            let ended = tokio::time::timeout(Duration::from_secs(5), served).await;
            // Some are answered, which a client that is gone doesn't read.
            let _answered = ended.expect("the end of a connection without a client").unwrap();
        }
    }
    house.mend_media();
    assert_eq!(client.stop().await["session"]["frame_count"], 200, "nobody that is gone put it out");
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_no_frames_is_answered_while_a_recorder_is_full() {
    let house = House::new();
    let mut camera = house.connect().await;
    let session = camera.start("full").await;
    house.break_media();
    for n in 0..FILLING {
        camera.frame_with_image(n, IMAGE_BYTES).await;
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut control = house.connect().await;
    let watched = control.ask(json!({ "type": "subscribe" })).await;
    assert_eq!(watched["session_id"], json!(session), "{watched}");
    control.ask(json!({ "type": "unsubscribe" })).await;
    let stopped = control.ask(json!({ "type": "stop_recording", "session_id": session })).await;
    assert_eq!(stopped["code"], "storage", "{stopped}");
    house.mend_media();
    let finalized = control.expect("recording_finalized").await;
    assert_eq!(finalized["session"]["status"], "completed", "{finalized}");
    let stored = finalized["report"]["stored"].as_u64().unwrap();
    assert!((1..FILLING).contains(&stored), "{finalized}");
    assert_eq!(house.frames(session).await.len() as u64, stored);
}
