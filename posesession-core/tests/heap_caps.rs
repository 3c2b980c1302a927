//! What hostile bytes cost: at its peak no decoder takes more than 64 KiB and a fixed number of bytes for each byte of input,
//! nor, where a few compressed bytes may stand for many values, more than a fixed number for each value that the header
//! declares. And work grows no faster than the input: that is counted in allocations, as time would depend on the machine.

#![expect(clippy::cast_possible_truncation, reason = "the counts here are small")]

use allocation_counter::{AllocationInfo, measure};
use posesession_core::{
    Chunk, Codec, EncodedChunk, ImageRef, Landmarks, Layout, LayoutPart, MaxError, PoseData, SentPose,
    Skeleton, Timestamp, decode, encode, encode_bounded, peek,
};

/// What anything may take, whatever its input.
const BASE_BYTES: u64 = 64 << 10;
/// What the tables of one compressed stream may take, whatever it holds.
const TABLE_BYTES: u64 = 2 << 20;
/// Bytes for each byte of a payload.
const RAW: u64 = 24;
const JSON: u64 = 8;
/// Bytes for each byte of `pose_data` or `landmarks`: a component of six bytes gets memory for a body's keypoints at once.
const POSE_JSON: u64 = 128;
/// Bytes for each value that a compressed chunk declares, those of `bounded` if nearly all are kept as they are.
const VALUE: u64 = 40;

fn peak<T>(decoded: impl FnOnce() -> T) -> AllocationInfo {
    measure(|| drop(decoded()))
}

/// A header of whatever it is told, with the right checksum.
fn chunk_of(
    codec: Codec,
    flags: u8,
    frames: u32,
    rows: u32,
    parts: &[(u16, u8)],
    payload: &[u8],
) -> EncodedChunk {
    let mut header = b"PSCK\x01\0".to_vec();
    header.extend([codec as u8, flags]);
    header.extend(0_u64.to_le_bytes());
    header.extend(frames.to_le_bytes());
    header.extend(rows.to_le_bytes());
    header.extend(0_i64.to_le_bytes());
    header.extend(i64::from(frames.saturating_sub(1)).to_le_bytes());
    header.extend((payload.len() as u32).to_le_bytes());
    header.extend((parts.len() as u32).to_le_bytes());
    for &(keypoints, channels) in parts {
        header.extend(keypoints.to_le_bytes());
        header.extend([channels, 0]);
    }
    if codec == Codec::Bounded {
        for _ in 0..parts.iter().map(|part| usize::from(part.1)).sum() {
            header.extend(0.01_f64.to_le_bytes());
        }
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header), payload);
    header.extend(crc.to_le_bytes());
    EncodedChunk { header, payload: payload.to_vec() }
}

#[test]
fn counts_that_the_payload_does_not_have_cost_nothing() {
    let shapes = [
        (65_536, 1 << 20, vec![(16, 1)]),
        (65_536, 1 << 24, vec![]),
        (1, 1 << 24, vec![(1, 1)]),
        (65_536, 0, vec![(4_096, 16)]),
        (u32::MAX, u32::MAX, vec![(u16::MAX, 255)]),
    ];
    for (frames, rows, parts) in shapes {
        for codec in [Codec::Raw, Codec::Json] {
            for payload in [b"".as_slice(), b"[", b"[{", &[0; 64], &[0xff; 1_000]] {
                for flags in [0, 1] {
                    let hostile = chunk_of(codec, flags, frames, rows, &parts, payload);
                    let taken = peak(|| decode(&hostile.header, &hostile.payload).unwrap_err());
                    assert!(
                        taken.bytes_max <= BASE_BYTES,
                        "{codec}, {frames} frames, {rows} rows: {taken:?}"
                    );
                }
            }
        }
        let hostile = chunk_of(Codec::Bounded, 0, frames, rows, &parts, &[]);
        assert!(peak(|| peek(&hostile.header)).bytes_max <= BASE_BYTES);
    }
}

#[test]
fn compressed_chunks_cost_what_they_declare_and_that_is_bounded() {
    // The first stream breaks off: nothing is taken for all that would come behind it but the timestamps.
    for codec in [Codec::Columnar, Codec::Bounded] {
        for payload in [b"".as_slice(), &[0; 64], &[0xff; 1_000], &u32::MAX.to_le_bytes()] {
            let hostile = chunk_of(codec, 0, 65_536, 1 << 20, &[(16, 1)], payload);
            let taken = peak(|| decode(&hostile.header, &hostile.payload).unwrap_err());
            assert!(taken.bytes_max <= 8 * 65_536 + BASE_BYTES, "{codec}: {taken:?}");
        }
    }
    // A few hundred bytes that are a right chunk of many values.
    const ROWS: u64 = 1 << 10;
    let layout = Layout { parts: vec![LayoutPart { keypoints: 256, channels: 1 }] };
    let mut chunk = Chunk::new(0, layout);
    let pose = PoseData::one_person(vec![0.0; 256]);
    for n in 0..ROWS {
        chunk.push(Timestamp::from_micros(n.cast_signed()), &pose).unwrap();
    }
    for codec in [Codec::Columnar, Codec::Bounded] {
        let small = encode(&chunk, codec).unwrap();
        assert!(small.payload.len() < 1_000);
        let taken = peak(|| decode(&small.header, &small.payload).unwrap());
        let values = ROWS * 256;
        assert!(taken.bytes_max <= TABLE_BYTES + VALUE * values, "{codec}: {taken:?}");
        assert!(taken.count_total < 200, "{codec}: {taken:?}");
    }
}

#[test]
fn the_worst_bounded_chunk_costs_what_is_documented() {
    // Every value is kept as it is, beside its step: no channel needs more.
    let skeleton = Skeleton::infer(64, 2).unwrap();
    let mut chunk = Chunk::new(0, skeleton.layout());
    for n in 0..512_i64 {
        let values =
            (0..128_i64).map(|v| if (n + v) % 2 == 0 { f32::INFINITY } else { f32::NEG_INFINITY }).collect();
        chunk.push(Timestamp::from_micros(n), &PoseData::one_person(values)).unwrap();
    }
    let max_error = MaxError::new([("x", 0.01), ("y", 0.01)]).unwrap();
    let kept = encode_bounded(&chunk, &max_error.bounds(&skeleton).unwrap()).unwrap();
    assert_eq!(decode(&kept.header, &kept.payload).unwrap(), chunk);
    let taken = peak(|| decode(&kept.header, &kept.payload).unwrap());
    let most = TABLE_BYTES / 4 + VALUE * 512 * 128;
    assert!(taken.bytes_max <= most, "{taken:?} of {most}");
}

/// Asserts that twice the input takes at most twice the memory and the allocations, and how much at most.
fn assert_linear(what: &str, for_each: u64, input: impl Fn(usize) -> Vec<u8>, decode: impl Fn(&[u8])) {
    let [shorter, longer] = [200, 400].map(|count| {
        let input = input(count);
        let taken = peak(|| decode(&input));
        let most = BASE_BYTES + for_each * input.len() as u64;
        assert!(taken.bytes_max <= most, "{what}: {} bytes for {} of input", taken.bytes_max, input.len());
        taken
    });
    assert!(longer.count_total <= 2 * shorter.count_total + 64, "{what}: {shorter:?}, then {longer:?}");
    assert!(
        longer.bytes_total <= 3 * shorter.bytes_total + BASE_BYTES,
        "{what}: {shorter:?}, then {longer:?}"
    );
}

#[test]
fn plain_chunks_cost_a_fixed_number_of_bytes_for_each_of_the_payload() {
    // One long name that every image has: the most that a few bytes become.
    let chunk = |frames: usize| {
        let mut chunk = Chunk::new(0, Skeleton::infer(1, 1).unwrap().layout());
        for n in 0..frames as i64 {
            chunk.push(Timestamp::from_micros(n), &PoseData::nobody()).unwrap();
            chunk.set_last_image(ImageRef { object: "n".repeat(255), offset: n.unsigned_abs(), length: 1 });
        }
        encode(&chunk, Codec::Raw).unwrap()
    };
    assert_linear(
        "raw",
        RAW,
        |count| chunk(count * 10).payload,
        |payload| {
            let header = chunk(payload_frames(payload)).header;
            drop(decode(&header, payload).unwrap());
        },
    );
    let text = |frames: usize| {
        let frames = (0..frames).map(|n| {
            let seconds = n as f64 / 1e6;
            format!(
                r#"{{"frame_number":{n},"timestamp":{seconds:?},"timestamp_micros":{n},"pose_data":{{"persons":[]}},"image_path":"i#0,1"}}"#
            )
        });
        format!("[{}]", frames.collect::<Vec<_>>().join(",")).into_bytes()
    };
    assert_linear(
        "json",
        JSON,
        |count| text(count * 10),
        |payload| {
            let frames = payload.iter().filter(|&&byte| byte == b'#').count() as u32;
            let hostile = chunk_of(Codec::Json, 1, frames, 0, &[(1, 1)], payload);
            assert_eq!(decode(&hostile.header, &hostile.payload).unwrap().frame_count(), frames as usize);
        },
    );
}

/// How many frames the raw payload of `chunk` above has: 8 bytes of time, 2 of persons, 20 of image each.
fn payload_frames(payload: &[u8]) -> usize {
    (payload.len() - 4 - 256 - 4) / 30
}

#[test]
fn poses_as_json_cost_a_fixed_number_of_bytes_for_each_of_the_text() {
    let repeat = |text: &str, count: usize| vec![text; count].join(",");
    let components = repeat(r#""":[]"#, 16);
    for (what, start, each, end) in [
        ("persons of nothing", r#"{"persons":["#, "{}".to_owned(), "]}"),
        ("persons of many components", r#"{"persons":["#, format!("{{{components}}}"), "]}"),
        ("keypoints of nothing", r#"{"persons":[{"a":["#, "[]".to_owned(), "]}]}"),
        ("keypoints", r#"{"persons":[{"a":["#, "[0]".to_owned(), "]}]}"),
        ("landmarks of nothing", r#"{"landmarks":["#, "{}".to_owned(), "]}"),
        ("landmarks of persons", r#"{"landmarks":["#, "[{}]".to_owned(), "]}"),
        ("what is not known", r#"{"persons":[],"n":["#, "4294967295".to_owned(), "]}"),
        ("what is deep", r#"{"persons":[],"n":"#, "[".to_owned(), ""),
        ("counts", r#"{"n":4294967295,"persons":["#, r#"{"id":4294967295,"n":4294967295}"#.to_owned(), "]}"),
    ] {
        let input = |count| format!("{start}{}{end}", repeat(&each, count)).into_bytes();
        assert_linear(what, POSE_JSON, input, |text| drop(serde_json::from_slice::<SentPose>(text)));
        assert_linear(what, POSE_JSON, input, |text| drop(serde_json::from_slice::<Landmarks>(text)));
        assert_linear(what, POSE_JSON, input, |text| drop(serde_json::from_slice::<Skeleton>(text)));
    }
}
