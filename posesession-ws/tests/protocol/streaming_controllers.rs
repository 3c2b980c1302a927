//! What somebody else asks of a recording, and what a streamer that was not there knows of it.

use std::sync::{Arc, Mutex};

use futures::{SinkExt as _, StreamExt as _};
use posesession_core::SessionStatus;
use posesession_ws::protocol::ErrorCode;
use posesession_ws::{
    ClientError, InProcessTransport, Message, RecordOptions, RecordService, Streamer, StreamerError,
    StreamerEvent, StreamerOptions, in_process,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::harness::{Client, House};
use crate::road::{Fate, Road, named, push, stored, wait_for};
use crate::streaming_commands::{is_paused, push_all, reconnect};

fn is_disconnected(event: &StreamerEvent) -> bool {
    matches!(event, StreamerEvent::Disconnected { .. })
}

fn is_recording(event: &StreamerEvent) -> bool {
    matches!(event, StreamerEvent::Status(status) if status.status == SessionStatus::Recording)
}

#[tokio::test(start_paused = true)]
async fn what_was_paused_before_the_streamer_came_stays_paused() {
    let house = House::new();
    let road = Road::to(&house);
    let mut controller = house.connect().await;
    let session = controller.start("Theirs").await;
    controller.ask(json!({ "type": "pause_recording" })).await;
    let streamer = road.streamer(StreamerOptions::default()).await;
    push_all(&streamer, 0..3).await;
    streamer.flush().await.unwrap();
    reconnect(&road, &streamer).await;
    push_all(&streamer, 3..6).await;
    streamer.flush().await.unwrap();
    assert_eq!(streamer.status(), Some(SessionStatus::Paused));
    controller.ask(json!({ "type": "resume_recording" })).await;
    wait_for(&streamer, is_recording).await;
    push_all(&streamer, 6..9).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::from_iter(6..9));
}

#[tokio::test(start_paused = true)]
async fn what_was_started_and_paused_while_the_streamer_was_away_stays_paused() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    road.lead_to(None);
    wait_for(&streamer, is_disconnected).await;
    let mut controller = house.connect().await;
    let session = controller.start("Theirs").await;
    controller.ask(json!({ "type": "pause_recording" })).await;
    road.lead_to(Some(house.records.clone()));
    wait_for(&streamer, is_paused).await;
    reconnect(&road, &streamer).await;
    push_all(&streamer, 0..5).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::<u64>::new());
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_paused_before_its_start_was_answered_stays_paused() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let mut is_over = false;
    road.judge(move |text| match text {
        _ if is_over => Fate::Comes,
        text if text.contains(r#""type":"session_created""#) => {
            is_over = true;
            Fate::Breaks
        }
        _ => Fate::IsLost,
    });
    let paused = async {
        wait_for(&streamer, is_disconnected).await;
        let mut controller = house.connect().await;
        let answer = controller.ask(json!({ "type": "pause_recording" })).await;
        assert_eq!(answer["type"], "ok", "{answer}");
    };
    let (started, ()) = tokio::join!(streamer.start_recording(named("Squat")), paused);
    push_all(&streamer, 0..5).await;
    streamer.flush().await.unwrap();
    assert_eq!(streamer.status(), Some(SessionStatus::Paused));
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, started.unwrap()).await, Vec::<u64>::new());
}

/// Lets another server, with the same store, go on with what the house's records.
async fn next_server(house: &House) -> RecordService {
    house.records.shutdown().await;
    RecordService::new(house.store.clone(), None, RecordOptions::default())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgot_of_a_pause_is_no_controller_though_its_first_answer_is_lost() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    push_all(&streamer, 0..5).await;
    streamer.pause_recording().await.unwrap();
    push(&streamer, 5).await.unwrap();
    streamer.flush().await.unwrap();
    road.break_at_first("session_resumed");
    let next = next_server(&house).await;
    road.lead_to(Some(next));
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Reconnected { .. })).await;
    push_all(&streamer, 6..9).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..5), "the pause is the streamer's own");
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_asks_of_the_next_server_counts_though_its_first_answer_is_lost() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    push_all(&streamer, 0..5).await;
    streamer.flush().await.unwrap();
    let next = next_server(&house).await;
    let (records, was_lost) = (next.clone(), Arc::new(Notify::new()));
    let (tell, mut is_over) = (Arc::clone(&was_lost), false);
    road.judge(move |text| match text.contains(r#""type":"session_resumed""#) && !is_over {
        true => {
            is_over = true;
            tell.notify_one();
            Fate::Breaks
        }
        false => Fate::Comes,
    });
    road.lead_to(Some(next));
    was_lost.notified().await;
    let (server_end, client_end) = in_process(64);
    tokio::spawn(async move { records.serve(server_end).await });
    let mut controller = Client::over(client_end);
    let answer = controller.ask(json!({ "type": "pause_recording" })).await;
    assert_eq!(answer["type"], "ok", "{answer}");
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Reconnected { .. })).await;
    push_all(&streamer, 5..9).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..5));
}

const SESSION: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

/// A server that answers as it is told. At nothing, the connection breaks.
async fn play(server: InProcessTransport, answer: impl Fn(&Value) -> Option<Value>) {
    let mut server = server;
    server.send(Message::text(r#"{"type":"welcome"}"#)).await.unwrap();
    while let Some(Ok(message)) = server.next().await {
        let Message::Text(text) = message else { continue };
        let command: Value = serde_json::from_str(text.as_str()).unwrap();
        let Some(mut answer) = answer(&command) else { return };
        answer["id"] = command["id"].clone();
        server.send(Message::text(answer.to_string())).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_of_which_no_server_knows_is_not_told_as_done() {
    // Somebody else's session, and the streamer's own.
    for (is_own, discards) in [(false, false), (true, false), (false, true), (true, true)] {
        let (first, mut ends) = (in_process(8), Vec::new());
        ends.push(first.1);
        tokio::spawn(play(first.0, move |command| match command["type"].as_str() {
            Some("publish") if !is_own => Some(json!({ "type": "ok", "session_id": SESSION })),
            Some("publish") => Some(json!({ "type": "ok" })),
            Some("start_recording") => Some(json!({ "type": "session_created", "session_id": SESSION })),
            _ => None,
        }));
        let second = in_process(8);
        ends.insert(0, second.1);
        tokio::spawn(play(second.0, |command| {
            let code = match command["type"].as_str() {
                Some("publish") => return Some(json!({ "type": "ok" })),
                Some("resume_session") => "already_recording",
                _ => "no_recording",
            };
            Some(json!({ "type": "error", "code": code, "message": "not here" }))
        }));
        let ends = Arc::new(Mutex::new(ends));
        let connect = move || {
            let end = ends.lock().unwrap().pop();
            async move { end.ok_or(ClientError::Closed { reason: None }) }
        };
        let streamer = Streamer::connect(connect, StreamerOptions::default()).await.unwrap();
        if is_own {
            streamer.start_recording(named("Squat")).await.unwrap();
        }
        let ended = match discards {
            true => streamer.discard_recording().await,
            false => streamer.stop_recording().await.map(drop),
        };
        assert!(
            matches!(&ended, Err(StreamerError::Client(ClientError::Refused(error))) if error.code == ErrorCode::AlreadyRecording),
            "{ended:?}"
        );
    }
}
