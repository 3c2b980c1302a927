//! What a streamer is told to do keeps its place among the frames, whoever else tells the recording what to do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use posesession_core::{PoseData, SessionId, SessionStatus, Timestamp};
use posesession_store::SessionStore as _;
use posesession_ws::protocol::{ErrorCode, SkeletonRef};
use posesession_ws::{
    ClientError, MAX_MESSAGE_BYTES, Message, StreamEnd, Streamer, StreamerError, StreamerEvent,
    StreamerOptions, in_process,
};
use serde_json::json;

use crate::harness::House;
use crate::road::{Fate, Road, named, pose, push, stored, wait_for};

/// A recording under way, and the way that its frames take.
struct Recording {
    house: House,
    road: Road,
    streamer: Streamer,
    session: SessionId,
}

impl Recording {
    async fn start() -> Self {
        let house = House::new();
        let road = Road::to(&house);
        let streamer = road.streamer(StreamerOptions::default()).await;
        let session = streamer.start_recording(named("Squat")).await.unwrap();
        Self { house, road, streamer, session }
    }
}

/// Ends the connection and waits for the next one.
pub(crate) async fn reconnect(road: &Road, streamer: &Streamer) {
    road.cut();
    wait_for(streamer, |event| matches!(event, StreamerEvent::Reconnected { .. })).await;
}

pub(crate) fn is_paused(event: &StreamerEvent) -> bool {
    matches!(event, StreamerEvent::Status(status) if status.status == SessionStatus::Paused)
}

pub(crate) async fn push_all(streamer: &Streamer, numbers: std::ops::Range<u64>) {
    for n in numbers {
        push(streamer, n).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_refused_is_not_made_up_for() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let refused = streamer.pause_recording().await;
    assert!(
        matches!(&refused, Err(StreamerError::Client(ClientError::Refused(error))) if error.code == ErrorCode::NoRecording),
        "{refused:?}"
    );
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    push_all(&streamer, 0..10).await;
    streamer.flush().await.unwrap();
    reconnect(&road, &streamer).await;
    push_all(&streamer, 10..20).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..20));
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_resumed_stays_resumed() {
    let Recording { house, road, streamer, session } = Recording::start().await;
    push_all(&streamer, 0..5).await;
    streamer.pause_recording().await.unwrap();
    wait_for(&streamer, is_paused).await;
    let mut controller = house.connect().await;
    controller.ask(json!({ "type": "resume_recording", "session_id": session })).await;
    push_all(&streamer, 5..10).await;
    streamer.flush().await.unwrap();
    reconnect(&road, &streamer).await;
    push_all(&streamer, 10..20).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..20));
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_paused_stays_paused() {
    let Recording { house, road, streamer, session } = Recording::start().await;
    push_all(&streamer, 0..5).await;
    streamer.flush().await.unwrap();
    let mut controller = house.connect().await;
    controller.ask(json!({ "type": "pause_recording", "session_id": session })).await;
    wait_for(&streamer, is_paused).await;
    reconnect(&road, &streamer).await;
    push_all(&streamer, 5..10).await;
    streamer.flush().await.unwrap();
    assert_eq!(streamer.status(), Some(SessionStatus::Paused));
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..5), "nobody recorded what came in the pause");
}

/// Lets a controller do something while the streamer is away, which meanwhile gets the frames 5 to 7, and 8 to 11 when it is back.
async fn meanwhile(recording: &Recording, command: &str) {
    let Recording { house, road, streamer, session } = recording;
    road.lead_to(None);
    wait_for(streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
    let mut controller = house.connect().await;
    let answer = controller.ask(json!({ "type": command, "session_id": session })).await;
    assert_eq!(answer["type"], "ok", "{answer}");
    push_all(streamer, 5..8).await;
    road.lead_to(Some(house.records.clone()));
    wait_for(streamer, |event| matches!(event, StreamerEvent::Reconnected { .. })).await;
    push_all(streamer, 8..12).await;
    streamer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_paused_while_the_streamer_was_away_is_paused_from_where_it_came_back() {
    let recording = Recording::start().await;
    let Recording { house, streamer, session, .. } = &recording;
    push_all(streamer, 0..5).await;
    wait_for(streamer, |event| matches!(event, StreamerEvent::Status(_))).await;
    meanwhile(&recording, "pause_recording").await;
    wait_for(streamer, is_paused).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(house, *session).await, Vec::from_iter(0..8));
}

#[tokio::test(start_paused = true)]
async fn what_a_controller_resumed_while_the_streamer_was_away_goes_on_from_where_it_came_back() {
    let recording = Recording::start().await;
    let Recording { house, streamer, session, .. } = &recording;
    push_all(streamer, 0..5).await;
    streamer.pause_recording().await.unwrap();
    wait_for(streamer, is_paused).await;
    meanwhile(&recording, "resume_recording").await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(house, *session).await, [0, 1, 2, 3, 4, 8, 9, 10, 11]);
}

#[tokio::test(start_paused = true)]
async fn what_the_streamer_is_told_while_it_is_away_counts_more_than_what_a_controller_did() {
    let recording = Recording::start().await;
    let Recording { house, streamer, session, .. } = &recording;
    push_all(streamer, 0..5).await;
    wait_for(streamer, |event| matches!(event, StreamerEvent::Status(_))).await;
    let go_on = async {
        while streamer.is_connected() {
            tokio::task::yield_now().await;
        }
        // It is not known here that it stands still.
        streamer.resume_recording().await.unwrap();
    };
    let ((), ()) = tokio::join!(meanwhile(&recording, "pause_recording"), go_on);
    push_all(streamer, 12..15).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(house, *session).await, Vec::from_iter(0..15));
}

#[tokio::test(start_paused = true)]
async fn flushing_fails_if_the_streamer_ended_without_all_of_it() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    streamer.start_recording(named("Squat")).await.unwrap();
    road.lead_to(None);
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
    push_all(&streamer, 5..8).await;
    road.lead_to(Some(House::new().records.clone()));
    for _ in 0..2 {
        let flushed = streamer.flush().await;
        let Err(StreamerError::Ended(StreamEnd::NotResumable { not_stored, .. })) = flushed else {
            panic!("{flushed:?}")
        };
        assert_eq!(not_stored, [5..=7]);
    }
}

#[tokio::test(start_paused = true)]
async fn flushing_fails_if_somebody_else_stops_the_recording_meanwhile() {
    let Recording { house, road, streamer, session } = Recording::start().await;
    let mut controller = house.connect().await;
    // The acknowledgements are lost, so that what was pushed is not known to be stored.
    road.judge(|text| if text.contains("\"ack\"") { Fate::IsLost } else { Fate::Comes });
    push_all(&streamer, 0..5).await;
    let stop = json!({ "type": "stop_recording", "session_id": session });
    let (flushed, _stopped) = tokio::join!(streamer.flush(), controller.ask(stop));
    let Err(StreamerError::NotStored(left)) = flushed else { panic!("{flushed:?}") };
    assert_eq!((left.session_id, left.numbers), (session, vec![0..=4]));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_gone_was_not_stopped() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    streamer.start_recording(named("Squat")).await.unwrap();
    push_all(&streamer, 0..5).await;
    streamer.flush().await.unwrap();
    road.judge(|_| Fate::IsLost);
    let (other, way) = (House::new().records.clone(), road.clone());
    let replaced = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        way.judge(|_| Fate::Comes);
        way.lead_to(Some(other));
    };
    let (stopped, ()) = tokio::join!(streamer.stop_recording(), replaced);
    assert!(
        matches!(&stopped, Err(StreamerError::Ended(StreamEnd::NotResumable { .. }))),
        "every acknowledged frame is gone: {stopped:?}"
    );
    wait_for(&streamer, |event| {
        matches!(event, StreamerEvent::AcknowledgedLost { after: None, acknowledged: 4, .. })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_recording_of_somebody_elses_that_is_gone_was_not_stopped_either() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    house.connect().await.start("Theirs").await;
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Started { .. })).await;
    push_all(&streamer, 0..5).await;
    streamer.flush().await.unwrap();
    road.break_at_first("recording_finalized");
    let way = road.clone();
    let replaced = async {
        wait_for(&streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
        way.lead_to(Some(House::new().records.clone()));
    };
    let (stopped, ()) = tokio::join!(streamer.stop_recording(), replaced);
    assert!(
        matches!(&stopped, Err(StreamerError::Client(ClientError::Refused(error))) if error.code == ErrorCode::SessionNotFound),
        "{stopped:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_recording_is_stopped_though_nobody_waits_for_it() {
    let Recording { house, streamer, session, .. } = Recording::start().await;
    push_all(&streamer, 0..5).await;
    assert!(streamer.stop_recording().now_or_never().is_none());
    push_all(&streamer, 5..8).await;
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Ended { .. })).await;
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..5));
    assert_eq!(house.store.read_session(session).await.unwrap().status, SessionStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_skeleton_that_was_refused_is_not_published_again() {
    let Recording { house, road, streamer, session } = Recording::start().await;
    push_all(&streamer, 0..5).await;
    streamer.flush().await.unwrap();
    for loses_answer in [false, true] {
        if loses_answer {
            road.break_at_first("error");
        }
        let refused = streamer.declare_skeleton(SkeletonRef::Preset("coco_17".to_owned())).await;
        assert!(
            matches!(&refused, Err(StreamerError::Client(ClientError::Refused(error))) if error.code == ErrorCode::KeypointMismatch),
            "{refused:?}"
        );
        reconnect(&road, &streamer).await;
    }
    road.break_at_first("ok");
    streamer.declare_skeleton(SkeletonRef::Preset("hand_21".to_owned())).await.unwrap();
    push_all(&streamer, 5..10).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..10));
}

#[tokio::test(start_paused = true)]
async fn another_ones_recording_is_not_taken_for_the_own() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let others = async {
        // The command is lost with its connection.
        road.lead_to(None);
        wait_for(&streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
        house.connect().await.start("Theirs").await;
        road.lead_to(Some(house.records.clone()));
    };
    let (mine, ()) = tokio::join!(streamer.start_recording(named("Mine")), others);
    assert!(
        matches!(&mine, Err(StreamerError::Client(ClientError::Refused(error))) if error.code == ErrorCode::AlreadyRecording),
        "{mine:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn frames_between_a_stop_and_a_start_are_in_neither() {
    let Recording { house, streamer, session, .. } = Recording::start().await;
    push_all(&streamer, 0..5).await;
    let then = async {
        push_all(&streamer, 5..7).await;
        let begin = push_all(&streamer, 7..12);
        tokio::join!(streamer.start_recording(named("Next")), begin).0.unwrap()
    };
    let (stopped, next) = tokio::join!(streamer.stop_recording(), then);
    assert_eq!(stopped.unwrap().not_stored, [], "nothing is missing");
    push_all(&streamer, 12..15).await;
    streamer.flush().await.unwrap();
    assert_eq!(streamer.stop_recording().await.unwrap().not_stored, []);
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..5));
    assert_eq!(stored(&house, next).await, Vec::from_iter(7..15));
    assert_eq!((streamer.figures().acked, streamer.figures().unrecorded), (13, 2));
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_is_asked_for_while_another_stops_is_whole() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let first = streamer.start_recording(named("First")).await.unwrap();
    push_all(&streamer, 0..5).await;
    let (stopped, started, ()) = tokio::join!(
        streamer.stop_recording(),
        streamer.start_recording(named("Next")),
        push_all(&streamer, 5..300)
    );
    road.cut();
    push_all(&streamer, 300..310).await;
    assert_eq!(streamer.stop_recording().await.unwrap().not_stored, []);
    assert_eq!(stopped.unwrap().not_stored, []);
    assert_eq!(stored(&house, first).await, Vec::from_iter(0..5));
    assert_eq!(stored(&house, started.unwrap()).await, Vec::from_iter(5..310));
}

#[tokio::test(start_paused = true)]
async fn frames_before_a_start_are_not_recorded() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    push_all(&streamer, 0..5).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    push_all(&streamer, 10..12).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, [10, 11]);
    let figures = streamer.figures();
    assert_eq!((figures.unrecorded, figures.reconnects), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn what_no_server_takes_is_refused_at_once() {
    let Recording { house, streamer, session, .. } = Recording::start().await;
    let image = vec![0xff; MAX_MESSAGE_BYTES];
    let refused = streamer.send_frame(Some(0), Timestamp::ZERO, &pose(0), &image).await;
    assert!(
        matches!(refused, Err(StreamerError::TooLarge { bytes }) if bytes > MAX_MESSAGE_BYTES),
        "{refused:?}"
    );
    let refused = streamer.send_video(0, Timestamp::ZERO, image.into()).await;
    assert!(matches!(refused, Err(StreamerError::TooLarge { .. })), "{refused:?}");
    let ragged = PoseData { values: vec![0.0; 85], track_ids: vec![0, 1] };
    let refused = streamer.send_frame(Some(0), Timestamp::ZERO, &ragged, &[]).await;
    assert!(matches!(refused, Err(StreamerError::Ragged { values: 85, persons: 2 })), "{refused:?}");
    let label = "x".repeat(MAX_MESSAGE_BYTES);
    let refused = streamer.mark(&label, None).await;
    assert!(matches!(refused, Err(StreamerError::TooLarge { .. })), "{refused:?}");
    push_all(&streamer, 0..5).await;
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, Vec::from_iter(0..5));
    assert_eq!(streamer.figures().reconnects, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_noticed_though_nobody_records() {
    let (server_end, client_end) = in_process(8);
    let serving = tokio::spawn(async move {
        let mut server = server_end;
        server.send(Message::text(r#"{"type":"welcome"}"#)).await.unwrap();
        let Some(Ok(Message::Text(publish))) = server.next().await else { panic!("it publishes") };
        let publish: serde_json::Value = serde_json::from_str(publish.as_str()).unwrap();
        server.send(Message::text(json!({ "type": "ok", "id": publish["id"] }).to_string())).await.unwrap();
        // From here on nothing is read: the host is gone.
        std::future::pending::<()>().await;
    });
    let ends = Arc::new(Mutex::new(Some(client_end)));
    let connect = move || {
        let end = ends.lock().unwrap().take();
        async move { end.ok_or(ClientError::Closed { reason: None }) }
    };
    let streamer = Streamer::connect(connect, StreamerOptions::default()).await.unwrap();
    push_all(&streamer, 0..20).await;
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
    streamer.close().await;
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn a_slow_connection_of_a_stream_that_nobody_records_is_not_dead() {
    let (server_end, client_end) = in_process(1);
    let serving = tokio::spawn(async move {
        let mut server = server_end;
        server.send(Message::text(r#"{"type":"welcome"}"#)).await.unwrap();
        let Some(Ok(Message::Text(publish))) = server.next().await else { panic!("it publishes") };
        let publish: serde_json::Value = serde_json::from_str(publish.as_str()).unwrap();
        server.send(Message::text(json!({ "type": "ok", "id": publish["id"] }).to_string())).await.unwrap();
        while let Some(Ok(_)) = server.next().await {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let ends = Arc::new(Mutex::new(Some(client_end)));
    let connect = move || {
        let end = ends.lock().unwrap().take();
        async move { end.ok_or(ClientError::Closed { reason: None }) }
    };
    let streamer = Streamer::connect(connect, StreamerOptions::default()).await.unwrap();
    push_all(&streamer, 0..60).await;
    streamer.flush().await.unwrap();
    assert!(streamer.is_connected() && streamer.figures().unrecorded == 60);
    serving.abort();
}
