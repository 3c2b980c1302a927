//! The streamer outlives its connections: what was pushed is stored once, or counted and told.

use std::time::Duration;

use posesession_core::{Overflow, SessionStatus};
use posesession_store::{SessionQuery, SessionStore};
use posesession_ws::protocol::ErrorCode;
use posesession_ws::{
    RecordOptions, RecordService, StreamEnd, StreamerError, StreamerEvent, StreamerOptions,
};

use crate::harness::House;
use crate::road::{Fate, Road, buffer, named, push, stored, wait_for};

#[tokio::test(start_paused = true)]
async fn frames_survive_any_number_of_broken_connections() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    for n in 0..600 {
        push(&streamer, n).await.unwrap();
        tokio::time::sleep(Duration::from_millis(33)).await;
        if n % 37 == 0 {
            road.cut();
        }
    }
    let stopped = streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, (0..600).collect::<Vec<_>>());
    let figures = streamer.figures();
    assert!(figures.reconnects > 10 && figures.resent > 0, "{figures:?}");
    assert_eq!((figures.pushed, figures.sent, figures.acked), (600, 600, 600));
    assert_eq!((figures.dropped, figures.unrecorded, figures.unacked, figures.refused), (0, 0, 0, 0));
    assert!(stopped.not_stored.is_empty() && stopped.finalized.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_last_acknowledgement_may_be_lost() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    streamer.start_recording(named("Squat")).await.unwrap();
    road.break_at_first("ack");
    push(&streamer, 0).await.unwrap();
    streamer.flush().await.unwrap();
    assert_eq!((streamer.figures().reconnects, streamer.stored_through()), (1, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_left_for_another_connection() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    streamer.start_recording(named("Squat")).await.unwrap();
    // A half-open connection: it never ends, and brings nothing.
    let begun = tokio::time::Instant::now();
    road.judge(move |_| match begun.elapsed() < Duration::from_secs(5) {
        true => Fate::IsLost,
        false => Fate::Comes,
    });
    push(&streamer, 0).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    // From here on it would be heard again, but nothing more is said about the frame.
    streamer.flush().await.unwrap();
    assert_eq!(streamer.figures().reconnects, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_starts_no_second_recording() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let mut is_over = false;
    road.judge(move |text| match text.contains("session_created") || text.contains("recording_started") {
        true if !is_over => {
            is_over = true;
            Fate::Breaks
        }
        _ => Fate::Comes,
    });
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    push(&streamer, 0).await.unwrap();
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, [0]);
    let all = house.store.list_sessions(&SessionQuery::default()).await.unwrap();
    assert_eq!(all.sessions.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_answer_got_lost_is_a_stop() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    for n in 0..10 {
        push(&streamer, n).await.unwrap();
    }
    streamer.flush().await.unwrap();
    // With its connection, then on a connection that goes silent, where the try is given up in time.
    let mut fates = [Fate::Breaks, Fate::IsLost].into_iter();
    road.judge(move |text| match text.contains(r#""type":"recording_finalized""#) {
        true => fates.next().unwrap_or(Fate::Comes),
        false => Fate::Comes,
    });
    let stopped = streamer.stop_recording().await.unwrap();
    assert_eq!(stopped.session_id, session);
    assert!(stopped.not_stored.is_empty());
    let told = stopped.finalized.expect("the answer, told again");
    assert_eq!((told.session.frame_count, &told.report["stored"]), (10, &10.into()));
    assert_eq!(house.store.read_session(session).await.unwrap().status, SessionStatus::Completed);
    assert_eq!(stored(&house, session).await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_while_it_stops_is_left_for_another_connection() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    push(&streamer, 0).await.unwrap();
    let begun = tokio::time::Instant::now();
    road.judge(move |_| match begun.elapsed() < Duration::from_secs(5) {
        true => Fate::IsLost,
        false => Fate::Comes,
    });
    let stopped = streamer.stop_recording().await.unwrap();
    assert!(stopped.finalized.is_some());
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "not all the time that it may take: {:?}",
        begun.elapsed()
    );
    assert_eq!((streamer.figures().reconnects, stored(&house, session).await), (1, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn what_was_pushed_in_a_pause_is_not_stored_whatever_the_connection_does() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    for n in 0..30 {
        match n {
            10 => streamer.pause_recording().await.unwrap(),
            20 => streamer.resume_recording().await.unwrap(),
            _ => {}
        }
        push(&streamer, n).await.unwrap();
        if n % 7 == 0 {
            road.cut();
        }
    }
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, (0..10).chain(20..30).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_recording_goes_on_though_the_server_that_paused_it_is_gone() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    push(&streamer, 0).await.unwrap();
    streamer.pause_recording().await.unwrap();
    road.lead_to(None);
    house.records.shutdown().await;
    let next = RecordService::new(house.store.clone(), None, RecordOptions::default());
    // It is asked for before there is a server to ask, and that one has not paused.
    let (went_on, ()) = tokio::join!(streamer.resume_recording(), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        road.lead_to(Some(next));
    });
    went_on.unwrap();
    push(&streamer, 1).await.unwrap();
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_slows_the_sender_while_the_server_is_there() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(buffer(4, Overflow::DropOldest)).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    for n in 0..50 {
        push(&streamer, n).await.unwrap();
    }
    streamer.stop_recording().await.unwrap();
    assert_eq!(streamer.figures().dropped, 0);
    assert_eq!(stored(&house, session).await, (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_gives_way_while_the_server_is_away_is_told_and_counted() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(buffer(10, Overflow::DropOldest)).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    push(&streamer, 0).await.unwrap();
    streamer.flush().await.unwrap();
    road.lead_to(None);
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
    for n in 1..=25 {
        push(&streamer, n).await.unwrap();
    }
    let dropped = streamer.figures().dropped;
    assert_eq!(dropped + streamer.figures().unacked, 25);
    assert!(dropped > 10, "{dropped}");
    road.lead_to(Some(house.records.clone()));
    let told = wait_for(&streamer, |event| matches!(event, StreamerEvent::Dropped { .. })).await;
    assert_eq!(told, StreamerEvent::Dropped { first: 1, last: 1 });
    streamer.stop_recording().await.unwrap();
    let expected: Vec<u64> = std::iter::once(0).chain(dropped + 1..=25).collect();
    assert_eq!(stored(&house, session).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_that_may_drop_nothing_refuses() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(buffer(3, Overflow::Refuse)).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    road.lead_to(None);
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
    let mut taken = 0;
    let refused = loop {
        match push(&streamer, taken).await {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, StreamerError::Full { .. }), "{refused}");
    road.lead_to(Some(house.records.clone()));
    streamer.stop_recording().await.unwrap();
    assert_eq!(stored(&house, session).await, (0..taken).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_no_server_goes_on_with_ends_with_the_numbers_that_are_not_stored() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    for n in 0..5 {
        push(&streamer, n).await.unwrap();
    }
    streamer.flush().await.unwrap();
    road.lead_to(None);
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
    for n in 5..8 {
        push(&streamer, n).await.unwrap();
    }
    road.lead_to(Some(House::new().records.clone()));
    let error = streamer.stop_recording().await.unwrap_err();
    let StreamerError::Ended(StreamEnd::NotResumable { session_id, not_stored, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!((*session_id, not_stored.as_slice()), (session, [5..=7].as_slice()));
    assert!(error.to_string().contains("not stored: 5-7"), "{error}");
    assert_eq!(streamer.figures().unrecorded, 3);
    assert!(matches!(push(&streamer, 8).await, Err(StreamerError::Ended(_))));
}

#[tokio::test(start_paused = true)]
async fn stopping_takes_no_longer_than_it_may() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    streamer.start_recording(named("Squat")).await.unwrap();
    road.lead_to(None);
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Disconnected { .. })).await;
    push(&streamer, 0).await.unwrap();
    let error = streamer.stop_recording().await.unwrap_err();
    let StreamerError::Ended(StreamEnd::TimedOut { not_stored, .. }) = error else { panic!("{error}") };
    assert_eq!(not_stored, [0..=0]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_recorded_is_sent_and_forgotten() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    for n in 0..100 {
        push(&streamer, n).await.unwrap();
    }
    streamer.flush().await.unwrap();
    let figures = streamer.figures();
    assert_eq!((figures.sent, figures.unrecorded, figures.unacked), (100, 100, 0));
    // Somebody else begins to record it, and the streamer sees to it that all of it gets there.
    let mut controller = house.connect().await;
    let session = controller.start("By hand").await;
    let started = wait_for(&streamer, |event| matches!(event, StreamerEvent::Started { .. })).await;
    assert_eq!(started, StreamerEvent::Started { session_id: session });
    for n in 100..200 {
        push(&streamer, n).await.unwrap();
        if n % 30 == 0 {
            road.cut();
        }
    }
    streamer.flush().await.unwrap();
    controller.stop().await;
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Ended { .. })).await;
    assert_eq!(stored(&house, session).await, (100..200).collect::<Vec<_>>());
    assert_eq!(streamer.session(), None);
}

#[tokio::test(start_paused = true)]
async fn a_streamer_that_is_put_out_does_not_come_back() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let mut other = house.connect().await;
    let publish = serde_json::json!({ "type": "publish", "publisher": "another", "take_over": true });
    assert_eq!(other.ask(publish).await["type"], "ok");
    while streamer.next_event().await.is_some() {}
    let Some(StreamEnd::Superseded(error)) = streamer.end() else { panic!("{:?}", streamer.end()) };
    assert_eq!(error.code, ErrorCode::NotPublisher);
}

#[tokio::test(start_paused = true)]
async fn closing_sends_what_was_pushed() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    let session = streamer.start_recording(named("Squat")).await.unwrap();
    for n in 0..40 {
        push(&streamer, n).await.unwrap();
    }
    streamer.close().await;
    let mut controller = house.connect().await;
    assert_eq!(controller.stop().await["session"]["frame_count"], 40);
    assert_eq!(stored(&house, session).await.len(), 40);
}
