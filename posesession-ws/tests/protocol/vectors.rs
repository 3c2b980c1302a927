//! The vectors of `testdata/protocol`, which the JavaScript and Python tests read, too.

use std::path::PathBuf;

use bytes::Bytes;
use posesession_core::PoseData;
use posesession_ws::protocol::{
    Ack, BinaryFrame, BinaryMessage, ProtocolError, RecordCommand, RecordingStatus, ReplayCommand,
    StateMessage, Welcome,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::harness::House;
use crate::resuming::publish;

fn read(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/protocol").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn vectors(name: &str) -> Vec<(String, Value)> {
    let vectors = read(name).as_array().unwrap().clone();
    vectors.into_iter().map(|v| (v["name"].as_str().unwrap().to_owned(), v["message"].clone())).collect()
}

#[test]
fn every_command_of_the_record_protocol_is_read() {
    for (name, message) in vectors("record_commands.json") {
        let (id, _command) =
            RecordCommand::parse(&message.to_string()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(serde_json::to_value(id).unwrap(), message["id"], "{name}");
    }
}

#[test]
fn every_command_of_the_replay_protocol_is_read_and_written_alike() {
    for (name, message) in vectors("replay_commands.json") {
        let (id, command) =
            ReplayCommand::parse(&message.to_string()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut written = serde_json::to_value(command).unwrap();
        if let Some(id) = id {
            written["id"] = serde_json::to_value(id).unwrap();
        }
        assert_eq!(written, message, "{name}");
    }
}

#[test]
fn every_message_of_the_server_is_read_and_written_alike() {
    fn both<T: Serialize + DeserializeOwned>(message: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(message.clone()).unwrap()).unwrap()
    }
    let all = vectors("record_messages.json").into_iter().chain(vectors("replay_messages.json"));
    for (name, message) in all {
        let written = match message["type"].as_str().unwrap() {
            "welcome" => both::<Welcome>(&message),
            "ack" => both::<Ack>(&message),
            "recording_status" => both::<RecordingStatus>(&message),
            "error" => both::<ProtocolError>(&message),
            "state" => both::<StateMessage>(&message),
            other => panic!("{name}: no test for {other}"),
        };
        assert_eq!(written, message, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_about_a_session_is_given_so_by_a_server() {
    let house = House::new();
    let mut camera = house.connect().await;
    let file = read("record_answers.json");
    let session = &file[0]["command"]["session_id"];
    publish(&mut camera, "cam-7f3a").await;
    let start = json!({ "type": "start_recording", "name": "Squat", "session_id": session });
    assert_eq!(camera.ask(start).await["session_id"], *session);
    for n in 0..42 {
        camera.frame(n).await;
    }
    while camera.expect("ack").await["stored_through"] != 41 {}
    let mut camera = house.connect().await;
    for vector in file.as_array().unwrap() {
        let (name, command) = (&vector["name"], &vector["command"]);
        if name == "not_resumable" {
            for n in 0..10 {
                camera.frame(n).await;
            }
            camera.stop().await;
        }
        let mut answer = camera.ask(command.clone()).await;
        answer["id"] = command["id"].clone();
        assert_eq!(answer, vector["message"], "{name}");
        if answer["type"] == "error" {
            let error: ProtocolError = serde_json::from_value(answer.clone()).unwrap();
            assert_eq!(serde_json::to_value(error).unwrap(), answer, "{name}");
        }
    }
}

fn bytes_of(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn binary_frames_are_read_and_written_alike() {
    let file = read("binary_frame_record.json");
    let vectors = file.as_array().cloned().unwrap_or_else(|| vec![file]);
    for vector in vectors {
        let (name, bytes) = (&vector["name"], bytes_of(vector["hex"].as_str().unwrap()));
        let BinaryMessage::Frame(frame) = BinaryMessage::decode(&bytes).unwrap() else {
            panic!("{name}: no frame")
        };
        let decoded = &vector["decoded"];
        assert_eq!(frame.header.timestamp.as_secs_f64(), decoded["timestamp"].as_f64().unwrap(), "{name}");
        assert_eq!(
            frame.header.session_timestamp.map(|t| t.as_secs_f64()),
            decoded["session_timestamp"].as_f64(),
            "{name}"
        );
        assert_eq!(frame.header.frame_number, decoded["frame_number"].as_u64(), "{name}");
        assert_eq!(frame.header.stream, decoded["stream"].as_str().unwrap(), "{name}");
        let image = decoded["image_hex"].as_str().unwrap_or_default();
        assert_eq!(frame.image, bytes_of(image), "{name}");
        let mut expected = PoseData::nobody();
        for person in decoded["persons"].as_array().unwrap() {
            expected.track_ids.push(u32::try_from(person["id"].as_u64().unwrap()).unwrap());
            let values: Vec<Option<f32>> = serde_json::from_value(person["values"].clone()).unwrap();
            expected.values.extend(values.into_iter().map(|value| value.unwrap_or(f32::NAN)));
        }
        assert_eq!(frame.pose_data, expected, "{name}");
        assert_eq!(BinaryFrame::encode(&frame.header, &frame.pose_data, &frame.image), bytes, "{name}");
    }
}

#[test]
fn binary_video_is_read_and_written_alike() {
    let file = read("binary_video.json");
    for vector in file.as_array().cloned().unwrap_or_else(|| vec![file]) {
        let (name, bytes) = (&vector["name"], bytes_of(vector["hex"].as_str().unwrap()));
        let BinaryMessage::Video(video) = BinaryMessage::decode(&bytes).unwrap() else {
            panic!("{name}: no video")
        };
        assert_eq!(video.offset, vector["decoded"]["offset"].as_u64().unwrap(), "{name}");
        assert_eq!(video.encode(), bytes, "{name}");
    }
}

#[test]
fn no_truncation_or_extension_of_a_binary_frame_is_read() {
    let file = read("binary_frame_record.json");
    let vector = file.as_array().map_or(file.clone(), |all| all[0].clone());
    let bytes = bytes_of(vector["hex"].as_str().unwrap());
    for length in 0..bytes.len() {
        assert!(BinaryMessage::decode(&bytes.slice(..length)).is_err(), "cut to {length} bytes");
    }
    let longer: Bytes = bytes.iter().copied().chain([0]).collect();
    assert!(BinaryMessage::decode(&longer).is_err());
}
