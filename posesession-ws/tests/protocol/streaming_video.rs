//! A streamer's video: each piece is kept until it is stored, or it is said what is not.

use bytes::Bytes;
use posesession_core::{SessionId, Timestamp};
use posesession_ws::protocol::{StartRecording, VideoFormat};
use posesession_ws::{Streamer, StreamerError, StreamerEvent, StreamerOptions};
use serde_json::json;

use crate::harness::House;
use crate::road::{Road, named, wait_for};

/// The size of each piece.
const PIECE: u64 = 400;

async fn with_video(streamer: &Streamer) -> SessionId {
    let video = Some(VideoFormat { mime: "video/webm".to_owned() });
    streamer.start_recording(StartRecording { video, ..named("Squat") }).await.unwrap()
}

async fn send(streamer: &Streamer, offset: u64) -> Result<(), StreamerError> {
    let piece = Bytes::from(vec![0; usize::try_from(PIECE).unwrap()]);
    streamer.send_video(offset, Timestamp::ZERO, piece).await
}

fn is_refusal(event: &StreamerEvent) -> bool {
    matches!(event, StreamerEvent::Error(_))
}

async fn wait_until_stored(streamer: &Streamer, bytes: u64) {
    while streamer.video_stored_bytes() < bytes {
        wait_for(streamer, |event| matches!(event, StreamerEvent::Status(_))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn video_that_nobody_stores_is_refused() {
    let house = House::new();
    let road = Road::to(&house);
    let streamer = road.streamer(StreamerOptions::default()).await;
    for _ in 0..2 {
        let refused = streamer.send_video(0, Timestamp::ZERO, vec![0; 400].into()).await;
        assert!(matches!(refused, Err(StreamerError::NoVideo)), "{refused:?}");
        streamer.start_recording(named("Without video")).await.unwrap();
        let refused = streamer.send_video(0, Timestamp::ZERO, vec![0; 400].into()).await;
        assert!(matches!(refused, Err(StreamerError::NoVideo)), "{refused:?}");
        streamer.stop_recording().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn video_for_a_recording_of_somebody_elses_without_is_refused() {
    let house = House::new();
    let road = Road::to(&house);
    let options = StreamerOptions { max_video_bytes: 1000, ..StreamerOptions::default() };
    let streamer = road.streamer(options).await;
    let session = house.connect().await.start("Theirs").await;
    wait_for(&streamer, |event| matches!(event, StreamerEvent::Started { .. })).await;
    let mut taken = 0;
    let refused = loop {
        match send(&streamer, taken * PIECE).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, StreamerError::NoVideo), "{refused:?}");
    let told = wait_for(&streamer, |event| matches!(event, StreamerEvent::VideoNotStored { .. })).await;
    let expected =
        StreamerEvent::VideoNotStored { session_id: session, stored_bytes: 0, bytes: taken * PIECE };
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_for_a_start_that_was_refused_is_told_and_gets_into_no_other_recording() {
    let house = House::new();
    let options = StreamerOptions { max_video_bytes: 1000, ..StreamerOptions::default() };
    let streamer = Road::to(&house).streamer(options).await;
    let start =
        |mime: &str| StartRecording { video: Some(VideoFormat { mime: mime.to_owned() }), ..named("Squat") };
    let pieces = async {
        let mut taken = 0;
        loop {
            match send(&streamer, taken * PIECE).await {
                Ok(()) => taken += 1,
                Err(refused) => break (taken, refused),
            }
        }
    };
    let (started, (taken, refused)) =
        tokio::join!(streamer.start_recording(start("video/unheard-of")), pieces);
    assert!(matches!(started, Err(StreamerError::Client(_))), "{started:?}");
    assert!(matches!(refused, StreamerError::NoVideo), "{refused:?}");
    let told = wait_for(&streamer, |event| matches!(event, StreamerEvent::VideoNotStored { .. })).await;
    assert!(
        matches!(told, StreamerEvent::VideoNotStored { stored_bytes: 0, bytes, .. } if bytes == taken * PIECE),
        "{told:?}"
    );
    streamer.start_recording(start("video/mp4")).await.unwrap();
    streamer.send_video(0, Timestamp::ZERO, Bytes::from_static(b"one")).await.unwrap();
    let finalized = streamer.stop_recording().await.unwrap().finalized.unwrap();
    let path = finalized.session.video_file_path.expect("a video that is one file");
    assert_eq!(std::fs::read(house.media.path().join(path)).unwrap(), b"one");
}

#[tokio::test(start_paused = true)]
async fn pieces_that_could_not_be_stored_are_sent_again_before_the_end() {
    for waits in [true, false] {
        let house = House::new();
        let streamer = Road::to(&house).streamer(StreamerOptions::default()).await;
        with_video(&streamer).await;
        send(&streamer, 0).await.unwrap();
        wait_until_stored(&streamer, PIECE).await;
        house.take_media_away();
        for n in 1..5 {
            send(&streamer, n * PIECE).await.unwrap();
        }
        wait_for(&streamer, is_refusal).await;
        house.bring_media_back();
        send(&streamer, 5 * PIECE).await.unwrap();
        if waits {
            wait_until_stored(&streamer, 6 * PIECE).await;
        }
        let finalized = streamer.stop_recording().await.unwrap().finalized.unwrap();
        assert_eq!(finalized.report["video_stored_bytes"], 6 * PIECE);
        while let Some(event) = streamer.try_event() {
            assert!(!matches!(event, StreamerEvent::VideoNotStored { .. }), "{event:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_video_that_somebody_else_stopped_is_told() {
    let house = House::new();
    let streamer = Road::to(&house).streamer(StreamerOptions::default()).await;
    let session = with_video(&streamer).await;
    send(&streamer, 0).await.unwrap();
    wait_until_stored(&streamer, PIECE).await;
    house.take_media_away();
    send(&streamer, PIECE).await.unwrap();
    send(&streamer, 2 * PIECE).await.unwrap();
    wait_for(&streamer, is_refusal).await;
    house.bring_media_back();
    house.connect().await.ask(json!({ "type": "stop_recording", "session_id": session })).await;
    let told = wait_for(&streamer, |event| matches!(event, StreamerEvent::VideoNotStored { .. })).await;
    let expected =
        StreamerEvent::VideoNotStored { session_id: session, stored_bytes: PIECE, bytes: 2 * PIECE };
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_file_with_a_hole_is_given_up_and_told() {
    let house = House::new();
    let streamer = Road::to(&house).streamer(StreamerOptions::default()).await;
    let session = with_video(&streamer).await;
    send(&streamer, 0).await.unwrap();
    wait_until_stored(&streamer, PIECE).await;
    send(&streamer, 2 * PIECE).await.unwrap();
    let told = wait_for(&streamer, |event| matches!(event, StreamerEvent::VideoNotStored { .. })).await;
    let expected =
        StreamerEvent::VideoNotStored { session_id: session, stored_bytes: PIECE, bytes: 2 * PIECE };
    assert_eq!(told, expected, "from the hole on");
    send(&streamer, PIECE).await.unwrap();
    wait_until_stored(&streamer, 2 * PIECE).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_as_lost_of_a_video_that_is_stored_or_was_to_be_erased() {
    for lost in ["recording_finalized", "recording_status", "none"] {
        for discards in [false, true] {
            let house = House::new();
            let road = Road::to(&house);
            let streamer = road.streamer(StreamerOptions::default()).await;
            with_video(&streamer).await;
            road.break_at_first(lost);
            for n in 0..3 {
                send(&streamer, n * PIECE).await.unwrap();
            }
            match discards {
                true => streamer.discard_recording().await.unwrap(),
                false => {
                    let finalized = streamer.stop_recording().await.unwrap().finalized.unwrap();
                    assert_eq!(finalized.report["video_stored_bytes"], 3 * PIECE, "{lost}");
                }
            }
            while let Some(event) = streamer.try_event() {
                assert!(!matches!(event, StreamerEvent::VideoNotStored { .. }), "{lost}: {event:?}");
            }
        }
    }
}
