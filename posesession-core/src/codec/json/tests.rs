use proptest::prelude::*;

use super::super::{Codec, EncodedChunk, decode as decode_chunk, encode_at_rest, header};
use super::*;
use crate::encoding::Encoding;
use crate::max_error::ChannelBounds;
use crate::pose::PoseData;
use crate::skeleton::{Channel, Component, Layout, Unit};
use crate::time::Timestamp;

/// Two components: three keypoints of two channels, and one of three.
fn skeleton() -> Skeleton {
    let component = |name: &str, keypoints: usize, channels: &[&str]| Component {
        name: name.to_owned(),
        keypoints: (0..keypoints).map(|k| format!("k{k}")).collect(),
        edges: Vec::new(),
        mirrored: Vec::new(),
        channels: channels.iter().map(|c| Channel { name: (*c).to_owned(), unit: Unit::Image }).collect(),
    };
    let components = vec![component("body \"1\"", 3, &["x", "y"]), component("hand", 1, &["x", "y", "z"])];
    Skeleton { name: "two".to_owned(), components }
}

fn encoded(chunk: &Chunk) -> Result<EncodedChunk, CodecError> {
    encode_at_rest(chunk, &Encoding::Json, Some(&skeleton()))
}

fn decoded(encoded: &EncodedChunk) -> Result<Chunk, CodecError> {
    decode_chunk(&encoded.header, &encoded.payload)
}

/// A chunk whose frames have 0, 1, 2... persons, 9 values each.
fn chunk_of(values: &[f32], persons: &[usize]) -> Chunk {
    let mut values = values.iter().copied().cycle();
    let mut chunk = Chunk::new(41, skeleton().layout());
    for (n, &persons) in persons.iter().enumerate() {
        let pose = PoseData {
            track_ids: (0..persons).map(|p| (n * 1_000 + p) as u32).collect(),
            values: values.by_ref().take(persons * 9).collect(),
        };
        chunk.push(Timestamp::from_micros(n as i64 * 33_333 - 20_000), &pose).unwrap();
        if n % 2 == 0 {
            let object = format!("im#ages/\"{}\"\n\u{1F9D7}", n / 4);
            chunk.set_last_image(ImageRef { object, offset: n as u64 * 1_000, length: 987 });
        }
    }
    chunk
}

fn rich_chunk() -> Chunk {
    let values = [0.5, -0.0, f32::NAN, 1e-45, f32::MAX, -f32::MIN_POSITIVE, 0.1, 16_777_217.0, 1.0 / 3.0];
    chunk_of(&values, &[1, 2, 0, 3, 0, 1])
}

/// The chunk with another text, behind a right checksum.
fn with_text(text: &str) -> EncodedChunk {
    let header =
        header::write(&rich_chunk(), Codec::Json, &ChannelBounds::default(), text.as_bytes()).unwrap();
    EncodedChunk { header, payload: text.as_bytes().to_vec() }
}

fn text() -> String {
    String::from_utf8(encoded(&rich_chunk()).unwrap().payload).unwrap()
}

#[test]
fn the_text_is_that_of_the_protocol() {
    let frames: Vec<serde_json::Value> = serde_json::from_str(&text()).unwrap();
    assert_eq!(frames.len(), 6);
    for (frame, json) in rich_chunk().frames().zip(&frames) {
        let pose = serde_json::to_string(&PoseJson::new(&frame.pose_data, &skeleton())).unwrap();
        assert!(text().contains(&format!("\"pose_data\":{pose},")), "{pose}");
        assert_eq!(json["frame_number"], frame.frame_number);
        assert_eq!(json["timestamp"], frame.timestamp.as_secs_f64());
        assert_eq!(json["timestamp_micros"], frame.timestamp.as_micros());
        assert_eq!(
            json["image_path"].as_str().map(str::to_owned),
            frame.image.map(|image| image.to_string())
        );
    }
    let first = text().lines().next().unwrap().to_owned();
    assert!(first.starts_with(
        r#"[{"frame_number":41,"timestamp":-0.02,"timestamp_micros":-20000,"pose_data":{"persons":[{"id":0,"body \"1\"":[[0.5,-0.0],[null,1e-45],"#
    ), "{first}");
}

#[test]
fn a_chunk_comes_back_bit_for_bit() {
    let chunk = rich_chunk();
    assert_eq!(decoded(&encoded(&chunk).unwrap()).unwrap(), chunk);
    for empty in [Chunk::new(3, skeleton().layout()), Chunk::new(3, Layout::default())] {
        let encoded = encode_at_rest(&empty, &Encoding::Json, None).unwrap();
        assert_eq!(encoded.payload, b"[]");
        assert_eq!(decoded(&encoded).unwrap(), empty);
    }
}

#[test]
fn what_json_does_not_hold_is_refused_by_name() {
    let refused =
        |chunk: &Chunk, skeleton: Option<&Skeleton>| match encode_at_rest(chunk, &Encoding::Json, skeleton) {
            Err(CodecError::NotJson { why }) => why,
            other => panic!("{other:?}"),
        };
    let odd = |bits: u32| chunk_of(&[f32::from_bits(bits)], &[1]);
    assert!(refused(&odd(0x7fc0_0001), Some(&skeleton())).contains("7fc00001"));
    assert!(refused(&odd(0xffc0_0000), Some(&skeleton())).contains("ffc00000"));
    assert!(refused(&odd(0xff80_0000), Some(&skeleton())).contains("-inf"));
    assert!(refused(&rich_chunk(), None).contains("skeleton"));
    let other = Skeleton::preset("hand_21").unwrap();
    assert!(refused(&rich_chunk(), Some(&other)).contains("layout"));
    let mut nul = rich_chunk();
    nul.set_last_image(ImageRef { object: "a\0b".to_owned(), offset: 0, length: 1 });
    assert!(refused(&nul, Some(&skeleton())).contains("NUL"));
    let mut long = rich_chunk();
    long.set_last_image(ImageRef { object: "a".repeat(256), offset: 0, length: 1 });
    assert!(matches!(encoded(&long), Err(CodecError::TooLarge { got: 256, .. })));
}

#[test]
fn a_text_that_contradicts_itself_or_its_header_is_refused() {
    assert_eq!(decoded(&with_text(&text())).unwrap(), rich_chunk());
    let spaced = text().replace(",\n{", " ,\n\t{ ").replace("\":", "\" : ").replace("],[", "]\r, [");
    assert_eq!(decoded(&with_text(&spaced)).unwrap(), rich_chunk(), "spaces between tokens are allowed");
    // Spaces inside texts are part of them.
    assert!(decoded(&with_text(&text().replace("#0,987", "#0 ,987"))).is_err());
    let last = text().rfind("{\"persons\":[{").unwrap();
    let rest = text()[last..].find(",\"image_path\"").unwrap();
    let fewer = format!("{}{{\"persons\":[]}}{}", &text()[..last], &text()[last + rest..]);
    let refused = decoded(&with_text(&fewer)).unwrap_err().to_string();
    assert!(refused.contains("fewer persons than the header says"), "{refused}");
    for (from, to) in [
        ("\"frame_number\":42", "\"frame_number\":43"),
        ("\"timestamp\":-0.02", "\"timestamp\":-0.020001"),
        ("\"timestamp_micros\":-20000", "\"timestamp_micros\":-20001"),
        ("\"timestamp_micros\":-20000", "\"timestamp_micros\":-2e4"),
        ("\"id\":0,", "\"id\":-1,"),
        ("\"id\":0,", ""),
        ("\"hand\"", "\"foot\""),
        ("\"hand\"", "hand"),
        ("[0.5,-0.0]", "[0.5,-0.0,1]"),
        ("[0.5,-0.0]", "[0.5]"),
        ("[0.5,-0.0]", "[0.5,1e39]"),
        ("[0.5,-0.0]", "[0.5,NaN]"),
        ("[0.5,-0.0]", "[0.5,00]"),
        ("[0.5,-0.0]", "[[[[[[[[[0.5,-0.0]"),
        ("[0.5,-0.0]", "[0.5,\"1\"]"),
        ("#0,987", "#0,-987"),
        ("#0,987", "#0,4294967296"),
        ("#0,987", "#0"),
        ("#0,987", "#18446744073709551615,987"),
        ("\"image_path\":null", "\"image_path\":0"),
        ("{\"persons\":[]}", "{\"persons\":[{\"id\":1}]}"),
        ("{\"persons\":[]}", "{}"),
        (",\n{", "{"),
        (",\n{", ",,{"),
    ] {
        assert!(text().contains(from), "{from}");
        let refused = decoded(&with_text(&text().replacen(from, to, 1)));
        assert!(refused.is_err(), "{to}: {refused:?}");
    }
    for end in 0..text().len() {
        if let Some(cut) = text().get(..end) {
            assert!(decoded(&with_text(cut)).is_err(), "{end} bytes");
        }
    }
    for more in [",", "]", "[]", "\0"] {
        assert!(decoded(&with_text(&(text() + more))).is_err(), "{more}");
    }
}

proptest! {
    #[test]
    fn every_value_comes_back_bit_for_bit(
        bits in proptest::collection::vec(any::<u32>(), 9..40),
        persons in proptest::collection::vec(0_usize..4, 0..9),
    ) {
        let held = |bits: u32| Some(f32::from_bits(bits)).filter(|v| v.is_finite()).unwrap_or(f32::NAN);
        let values: Vec<f32> = bits.into_iter().map(held).collect();
        let chunk = chunk_of(&values, &persons);
        prop_assert_eq!(decoded(&encoded(&chunk).unwrap()).unwrap(), chunk);
    }

    #[test]
    fn any_bytes_give_a_chunk_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let header = header::write(&rich_chunk(), Codec::Json, &ChannelBounds::default(), &bytes).unwrap();
        let _chunk_or_error = decode_chunk(&header, &bytes);
    }

    #[test]
    fn any_text_with_a_part_replaced_gives_a_chunk_or_an_error(
        place in any::<proptest::sample::Index>(),
        length in 0_usize..20,
        part in "[\\[\\]{}\",:0-9a-z.#\\\\-]{0,20}",
    ) {
        let mut text: Vec<char> = text().chars().collect();
        let start = place.index(text.len());
        let end = text.len().min(start + length);
        text.splice(start..end, part.chars());
        let text: String = text.into_iter().collect();
        let _chunk_or_error = decoded(&with_text(&text));
    }
}

#[test]
fn what_is_never_written_is_not_read_either() {
    for (from, to, why) in [
        ("im#ages", "im\\u0000#ages", "an image object's name has a NUL character"),
        ("\"hand\"", "\"ha\\u0000nd\"", "a component's name has a NUL character"),
        ("[0.5,-0.0]", &format!("[0.5{},-0.0]", "0".repeat(62)), "a number belongs"),
    ] {
        let refused = decoded(&with_text(&text().replace(from, to))).unwrap_err().to_string();
        assert!(refused.contains(why), "{to}: {refused}");
    }
    let longest = text().replace("[0.5,-0.0]", &format!("[0.5{},-0.0]", "0".repeat(61)));
    assert_eq!(decoded(&with_text(&longest)).unwrap(), rich_chunk(), "64 bytes are a number");
}
