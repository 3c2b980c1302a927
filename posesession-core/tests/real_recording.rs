//! What the columnar codec makes of a real model's output, which no synthetic noise quite resembles.

use std::fs;
use std::path::Path;

use posesession_core::{Chunk, Codec, SentPose, Skeleton, Timestamp, decode, encode};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    timestamp: Timestamp,
    pose_data: SentPose,
}

#[test]
fn a_real_recording_comes_back_from_two_thirds_of_its_floats_and_a_tenth_of_its_json() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/walk_mediapipe_33.jsonl");
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let mut chunk = Chunk::new(0, skeleton.layout());
    let dump = fs::read_to_string(path).unwrap();
    for line in dump.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        chunk.push(line.timestamp, &line.pose_data.resolve(&skeleton).unwrap()).unwrap();
    }
    let encoded = encode(&chunk, Codec::Columnar).unwrap();
    assert_eq!(decode(&encoded.header, &encoded.payload).unwrap(), chunk);

    let bytes = (encoded.header.len() + encoded.payload.len()) as f64;
    let of_its_floats = bytes / (chunk.values().len() * 4) as f64;
    assert!(chunk.frame_count() >= 100, "the recording has {} frames", chunk.frame_count());
    assert!(
        of_its_floats < 0.68,
        "{:.0} bytes a person, {of_its_floats:.3}",
        bytes / chunk.track_ids().len() as f64
    );
    let of_its_json = bytes / dump.len() as f64;
    assert!(of_its_json < 0.1, "{:.0} bytes of {} of JSON, {of_its_json:.3}", bytes, dump.len());
}
