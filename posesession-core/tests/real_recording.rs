//! What the compressing codecs make of a real model's output, which no synthetic noise quite resembles.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use posesession_core::{
    Chunk, Codec, EncodedChunk, MaxError, SentPose, Skeleton, Timestamp, decode, encode, encode_bounded,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    timestamp: Timestamp,
    pose_data: SentPose,
}

/// Returns the recording as one chunk, and how many bytes its file has.
fn walk(skeleton: &Skeleton) -> (Chunk, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recordings/walk_mediapipe_33.jsonl");
    let mut chunk = Chunk::new(0, skeleton.layout());
    let dump = fs::read_to_string(path).unwrap();
    for line in dump.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        chunk.push(line.timestamp, &line.pose_data.resolve(skeleton).unwrap()).unwrap();
    }
    assert!(chunk.frame_count() >= 100, "the recording has {} frames", chunk.frame_count());
    (chunk, dump.len())
}

fn bytes(encoded: &EncodedChunk) -> f64 {
    (encoded.header.len() + encoded.payload.len()) as f64
}

#[test]
fn a_real_recording_comes_back_from_two_thirds_of_its_floats_and_a_tenth_of_its_json() {
    let (chunk, json_bytes) = walk(&Skeleton::preset("mediapipe_33").unwrap());
    let encoded = encode(&chunk, Codec::Columnar).unwrap();
    assert_eq!(decode(&encoded.header, &encoded.payload).unwrap(), chunk);
    let of_its_floats = bytes(&encoded) / (chunk.values().len() * 4) as f64;
    assert!(of_its_floats < 0.68, "{of_its_floats:.3} of {} values", chunk.values().len());
    let of_its_json = bytes(&encoded) / json_bytes as f64;
    assert!(of_its_json < 0.1, "{of_its_json:.3} of {json_bytes} bytes of JSON");
}

#[test]
fn within_a_twenty_thousandth_of_the_picture_it_takes_a_fifth_of_its_floats() {
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let (chunk, _) = walk(&skeleton);
    let max_error =
        MaxError::new([("x", 5e-5), ("y", 5e-5), ("z", 5e-5), ("confidence", 1.0 / 512.0)]).unwrap();
    let encoded = encode_bounded(&chunk, &max_error.bounds(&skeleton).unwrap()).unwrap();
    let decoded = decode(&encoded.header, &encoded.payload).unwrap();
    for (place, (sent, got)) in chunk.values().iter().zip(decoded.values()).enumerate() {
        let bound = if place % 4 == 3 { 1.0 / 512.0 } else { 5e-5 };
        assert!((f64::from(*sent) - f64::from(*got)).abs() <= bound, "{sent} became {got}");
    }
    let of_its_floats = bytes(&encoded) / (chunk.values().len() * 4) as f64;
    assert!(of_its_floats < 0.205, "{of_its_floats:.3} of {} values", chunk.values().len());
}
