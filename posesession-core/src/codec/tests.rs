use proptest::prelude::*;

use super::*;
use crate::chunk::ChunkColumns;
use crate::frame::ImageRef;
use crate::pose::PoseData;
use crate::skeleton::{Layout, LayoutPart, Skeleton};
use crate::synthetic::SyntheticPose;
use crate::time::Timestamp;

const CODECS: [Codec; 3] = [Codec::Raw, Codec::Columnar, Codec::Bounded];

pub(super) fn layout(parts: &[(u16, u8)]) -> Layout {
    Layout { parts: parts.iter().map(|&(keypoints, channels)| LayoutPart { keypoints, channels }).collect() }
}

fn decoded(encoded: &EncodedChunk) -> Result<Chunk, CodecError> {
    decode(&encoded.header, &encoded.payload)
}

/// A small chunk with all that chunks can have.
pub(super) fn rich_chunk() -> Chunk {
    let mut chunk = Chunk::new(41, layout(&[(3, 2), (1, 3)]));
    let tracks: [&[u32]; 6] = [&[5], &[5, 900], &[], &[900, 5], &[], &[7]];
    for (n, ids) in tracks.iter().enumerate() {
        let values = (0..ids.len() * 9).map(|v| (v as f32 * 0.37 + n as f32 * 0.011).sin()).collect();
        let mut pose = PoseData { track_ids: ids.to_vec(), values };
        if let Some(value) = pose.values.first_mut() {
            *value = if n % 2 == 0 { f32::NAN } else { -0.0 };
        }
        chunk.push(Timestamp::from_micros(n as i64 * 33_333 - 20_000), &pose).unwrap();
        if n % 2 == 0 {
            let object = format!("images/{:012}", n / 4);
            chunk.set_last_image(ImageRef { object, offset: n as u64 * 1000, length: 987 });
        }
    }
    chunk
}

/// Puts a right checksum behind whatever the rest of the header is.
pub(super) fn with_right_crc(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let covered = &header[..header.len().saturating_sub(4)];
    let crc = crc32c::crc32c_append(crc32c::crc32c(covered), payload);
    [covered, &crc.to_le_bytes()].concat()
}

#[test]
fn a_chunk_comes_back_bit_for_bit() {
    for codec in CODECS {
        let chunk = rich_chunk();
        let encoded = encode(&chunk, codec).unwrap();
        assert_eq!(decoded(&encoded).unwrap(), chunk, "{codec}");
    }
}

#[test]
fn an_empty_chunk_and_one_without_anybody_come_back() {
    for codec in CODECS {
        let mut chunk = Chunk::new(3, Layout::default());
        assert_eq!(decoded(&encode(&chunk, codec).unwrap()).unwrap(), chunk);
        assert_eq!(peek(&encode(&chunk, codec).unwrap().header).unwrap().extent(), None);
        for n in 0..5 {
            chunk.push(Timestamp::from_micros(n), &PoseData::nobody()).unwrap();
        }
        assert_eq!(decoded(&encode(&chunk, codec).unwrap()).unwrap(), chunk);
    }
}

#[test]
fn every_preset_comes_back_and_columnar_is_smaller() {
    for name in Skeleton::preset_names() {
        let skeleton = Skeleton::preset(name).unwrap();
        let source = SyntheticPose::new(&skeleton, 30.0).with_persons(2).with_missing_every(40);
        let mut chunk = Chunk::new(0, skeleton.layout());
        for n in 0..64 {
            let (timestamp, pose) = source.frame(n);
            chunk.push(timestamp, &pose).unwrap();
        }
        let [raw, columnar] = [Codec::Raw, Codec::Columnar].map(|codec| encode(&chunk, codec).unwrap());
        assert_eq!(decoded(&raw).unwrap(), chunk, "{name}");
        assert_eq!(decoded(&columnar).unwrap(), chunk, "{name}");
        assert!(columnar.payload.len() * 10 < raw.payload.len() * 9, "{name}");
    }
}

#[test]
fn the_header_says_what_the_chunk_covers() {
    let chunk = rich_chunk();
    for codec in CODECS {
        let encoded = encode(&chunk, codec).unwrap();
        let header = peek(&encoded.header).unwrap();
        assert_eq!(header.extent(), crate::ChunkExtent::of(&chunk));
        assert_eq!((header.version, header.codec), (1, codec));
        assert_eq!((header.row_count, header.has_images), (6, true));
        assert_eq!(&header.layout, chunk.layout());
        assert_eq!(header.payload_bytes as usize, encoded.payload.len());
    }
}

#[test]
fn every_level_is_lossless() {
    for level in [0, 1, 8, 12, 255] {
        let chunk = rich_chunk();
        assert_eq!(decoded(&encode_with_level(&chunk, Codec::Columnar, level).unwrap()).unwrap(), chunk);
    }
}

#[test]
fn every_truncation_is_an_error() {
    for codec in CODECS {
        let EncodedChunk { header, payload } = encode(&rich_chunk(), codec).unwrap();
        for end in 0..header.len() {
            assert!(decode(&header[..end], &payload).is_err(), "{codec}, header to {end}");
        }
        for end in 0..payload.len() {
            let result = decode(&header, &payload[..end]);
            assert!(matches!(result, Err(CodecError::Truncated { part: "payload", .. })), "{codec} to {end}");
        }
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    for codec in CODECS {
        let EncodedChunk { mut header, mut payload } = encode(&rich_chunk(), codec).unwrap();
        for bit in 0..header.len() * 8 {
            header[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&header, &payload).is_err(), "{codec}, header bit {bit}");
            header[bit / 8] ^= 1 << (bit % 8);
        }
        for bit in 0..payload.len() * 8 {
            payload[bit / 8] ^= 1 << (bit % 8);
            let result = decode(&header, &payload);
            assert!(matches!(result, Err(CodecError::ChecksumMismatch { .. })), "{codec}, payload bit {bit}");
            payload[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(decode(&header, &payload).is_ok());
    }
}

#[test]
fn trailing_bytes_are_an_error() {
    for codec in CODECS {
        let EncodedChunk { header, payload } = encode(&rich_chunk(), codec).unwrap();
        let longer = [&payload[..], &[0]].concat();
        assert!(matches!(decode(&header, &longer), Err(CodecError::TrailingBytes { part: "payload", .. })));
        let longer = [&header[..], &[0]].concat();
        assert!(matches!(decode(&longer, &payload), Err(CodecError::TrailingBytes { part: "header", .. })));
    }
}

/// With a right checksum, what a flipped bit or a cut makes of the payload must still end in a chunk or an error.
#[test]
fn damage_under_a_right_checksum_never_panics() {
    for codec in CODECS {
        let EncodedChunk { header, payload } = encode(&rich_chunk(), codec).unwrap();
        for bit in 0..(header.len() - 4) * 8 {
            let mut header = header.clone();
            header[bit / 8] ^= 1 << (bit % 8);
            let _any = decode(&with_right_crc(&header, &payload), &payload);
        }
        for bit in 0..payload.len() * 8 {
            let mut payload = payload.clone();
            payload[bit / 8] ^= 1 << (bit % 8);
            let _any = decode(&with_right_crc(&header, &payload), &payload);
        }
        for end in 0..payload.len() {
            let mut header = header.clone();
            header[40..44].copy_from_slice(&(end as u32).to_le_bytes());
            let result = decode(&with_right_crc(&header, &payload[..end]), &payload[..end]);
            assert!(result.is_err(), "{codec}: a payload cut at {end} has not all its columns");
        }
    }
}

/// The same for streams of more than one batch, whose beginnings say how the rest is to be read.
#[test]
fn damaged_beginnings_of_long_streams_never_panic() {
    let skeleton = Skeleton::preset("hand_21").unwrap();
    let source = SyntheticPose::new(&skeleton, 30.0).with_persons(2).with_missing_every(60);
    let mut chunk = Chunk::new(0, skeleton.layout());
    for n in 0..300 {
        let (timestamp, pose) = source.frame(n);
        chunk.push(timestamp, &pose).unwrap();
    }
    let EncodedChunk { header, mut payload } = encode(&chunk, Codec::Columnar).unwrap();
    let mut start = 0;
    while start < payload.len() {
        let length = u32::from_le_bytes(*payload[start..].first_chunk().unwrap()) as usize;
        for at in start..(start + 4 + length).min(start + 60) {
            let original = payload[at];
            for damaged in [original ^ 1, original ^ 0x80, 0, 0xff] {
                payload[at] = damaged;
                let _any = decode(&with_right_crc(&header, &payload), &payload);
            }
            payload[at] = original;
        }
        start += 4 + length;
    }
}

#[test]
fn what_this_version_does_not_know_is_named() {
    let EncodedChunk { header, payload } = encode(&rich_chunk(), Codec::Raw).unwrap();
    let with = |at: usize, value: u8| {
        let mut header = header.clone();
        header[at] = value;
        let header = with_right_crc(&header, &payload);
        decode(&header, &payload).unwrap_err()
    };
    assert_eq!(with(0, b'Q'), CodecError::BadMagic);
    assert_eq!(with(4, 2), CodecError::UnsupportedVersion { version: 2 });
    for codec in [0, 5, 255] {
        assert_eq!(with(6, codec), CodecError::UnsupportedCodec { codec });
    }
    assert_eq!(with(7, 2), CodecError::BadHeader { field: "flags" });
    assert_eq!(with(51, 1), CodecError::BadHeader { field: "layout" });
}

#[test]
fn declared_counts_beyond_the_limits_are_refused_before_memory_is_taken() {
    for codec in CODECS {
        let EncodedChunk { header, payload } = encode(&rich_chunk(), codec).unwrap();
        let with = |at: usize, bytes: &[u8]| {
            let mut header = header.clone();
            header[at..at + bytes.len()].copy_from_slice(bytes);
            decode(&with_right_crc(&header, &payload), &payload).unwrap_err()
        };
        let frames = with(16, &u32::MAX.to_le_bytes());
        assert!(matches!(frames, CodecError::TooLarge { what: "frames", .. }), "{frames}");
        let rows = with(20, &u32::MAX.to_le_bytes());
        assert!(matches!(rows, CodecError::TooLarge { what: "rows", .. }), "{rows}");
        let values = with(20, &(1_u32 << 24).to_le_bytes());
        assert!(matches!(values, CodecError::TooLarge { what: "values", .. }), "{values}");
        let components = with(44, &u32::MAX.to_le_bytes());
        assert!(matches!(components, CodecError::TooLarge { what: "components", .. }), "{components}");
        let keypoints = with(48, &u16::MAX.to_le_bytes());
        assert!(matches!(keypoints, CodecError::TooLarge { what: "keypoints", .. }), "{keypoints}");
        let first = with(8, &u64::MAX.to_le_bytes());
        assert!(matches!(first, CodecError::TooLarge { what: "first frame number", .. }), "{first}");
    }
}

#[test]
fn streams_that_bring_a_dictionary_or_a_window_are_refused() {
    // A chunk of one frame in which nobody is seen: its first stream is the timestamps'.
    let mut chunk = Chunk::new(0, Layout::default());
    chunk.push(Timestamp::ZERO, &PoseData::nobody()).unwrap();
    let EncodedChunk { header, payload } = encode(&chunk, Codec::Columnar).unwrap();
    let with_stream = |stream: &[u8]| {
        let old = 4 + u32::from_le_bytes(*payload.first_chunk().unwrap()) as usize;
        let length = (stream.len() as u32).to_le_bytes();
        let payload = [&length[..], stream, &payload[old..]].concat();
        let mut header = header.clone();
        header[40..44].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        decode(&with_right_crc(&header, &payload), &payload)
    };
    let file_header = {
        let mut bytes = Vec::new();
        pco::wrapped::FileCompressor::default().write_header(&mut bytes).unwrap();
        bytes
    };
    let hostile = [&file_header[..], &[0x04, 0xff, 0xff, 0xff, 0x01]].concat();
    let error = with_stream(&hostile).unwrap_err();
    assert!(error.to_string().contains("dictionaries"), "{error}");

    let numbers: Vec<i64> = (0..64).map(|n| n * n % 7 * 1_000_003).collect();
    let config = pco::ChunkConfig::default()
        .with_delta_spec(pco::DeltaSpec::TryLookback)
        .with_mode_spec(pco::ModeSpec::Classic);
    let compressor = pco::wrapped::FileCompressor::default();
    let mut compressed = compressor.chunk_compressor(&numbers, &config).unwrap();
    let mut stream = compressed.write_meta(file_header).unwrap();
    stream = compressed.write_page(0, stream).unwrap();
    let error = with_stream(&stream).unwrap_err();
    assert!(error.to_string().contains("lookback"), "{error}");
}

#[test]
fn a_chunk_beyond_the_format_is_not_written() {
    let wide = Chunk::new(0, layout(&[(4097, 1)]));
    assert!(matches!(encode(&wide, Codec::Raw), Err(CodecError::TooLarge { what: "keypoints", .. })));
    let late = Chunk::new((1 << 53) + 1, layout(&[(1, 1)]));
    assert!(matches!(encode(&late, Codec::Raw), Err(CodecError::TooLarge { .. })));
    let mut named = Chunk::new(0, Layout::default());
    named.push(Timestamp::ZERO, &PoseData::nobody()).unwrap();
    named.set_last_image(ImageRef { object: "x".repeat(256), offset: 0, length: 1 });
    for codec in CODECS {
        assert!(matches!(encode(&named, codec), Err(CodecError::TooLarge { got: 256, limit: 255, .. })));
    }
}

fn any_value() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -1.0_f32..2.0,
        2 => (0_i32..2000).prop_map(|n| n as f32 / 1000.0),
        1 => Just(f32::NAN),
        1 => Just(-0.0_f32),
        1 => any::<u32>().prop_map(f32::from_bits),
    ]
}

fn any_image() -> impl Strategy<Value = ImageRef> {
    (0_u8..3, prop_oneof![0_u64..1_000_000, Just(1 << 63)], any::<u32>())
        .prop_map(|(object, offset, length)| ImageRef { object: format!("images/{object}"), offset, length })
}

prop_compose! {
    fn any_layout()(parts in prop::collection::vec((1_u16..6, 1_u8..5), 0..4)) -> Layout {
        layout(&parts)
    }
}

pub(super) fn any_chunk() -> impl Strategy<Value = Chunk> {
    let frame = |width: usize| {
        let ids = prop::collection::hash_set(prop_oneof![0_u32..4, any::<u32>()], 0..4);
        (ids, 1_i64..100_000, prop::option::weighted(0.3, any_image())).prop_flat_map(
            move |(ids, step, image)| {
                let ids: Vec<u32> = ids.into_iter().collect();
                let count = ids.len() * width;
                let values = prop::collection::vec(any_value(), count);
                (Just(ids), Just(step), Just(image), values)
            },
        )
    };
    any_layout().prop_flat_map(move |layout| {
        let width = layout.values_per_person();
        let frames = prop::collection::vec(frame(width), 0..20);
        (Just(layout), 0_u64..1 << 40, -1_000_000_i64..1 << 50, frames).prop_map(
            |(layout, first_frame, start, frames)| {
                let mut chunk = Chunk::new(first_frame, layout);
                let mut micros = start;
                for (track_ids, step, image, values) in frames {
                    micros += step;
                    let pose = PoseData { track_ids, values };
                    chunk.push(Timestamp::from_micros(micros), &pose).unwrap();
                    if let Some(image) = image {
                        chunk.set_last_image(image);
                    }
                }
                chunk
            },
        )
    })
}

proptest! {
    #[test]
    fn any_chunk_comes_back(chunk in any_chunk()) {
        for codec in CODECS {
            let encoded = encode(&chunk, codec).unwrap();
            prop_assert_eq!(&decoded(&encoded).unwrap(), &chunk);
            prop_assert_eq!(encode(&chunk, codec).unwrap(), encoded, "the same chunk gives the same bytes");
        }
    }

    #[test]
    fn any_bytes_give_an_error(
        header in prop::collection::vec(any::<u8>(), 0..120),
        payload in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        prop_assert!(decode(&header, &payload).is_err());
    }

    /// Random streams under a right header and checksum, so that they reach the decompressor.
    #[test]
    fn any_payload_under_a_right_header_gives_a_chunk_or_an_error(
        codec in prop::sample::select(&CODECS[..]),
        frames in 0_u32..300,
        rows in 0_u32..300,
        images in any::<bool>(),
        streams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..9),
        framed in any::<bool>(),
    ) {
        let mut payload = Vec::new();
        for stream in &streams {
            if framed {
                payload.extend_from_slice(&(stream.len() as u32 + 2).to_le_bytes());
                payload.extend_from_slice(&[4, 1]);
            }
            payload.extend_from_slice(stream);
        }
        let mut header = encode(&Chunk::new(0, layout(&[(2, 2), (1, 1)])), codec).unwrap().header;
        header[7] = u8::from(images);
        header[16..20].copy_from_slice(&frames.to_le_bytes());
        header[20..24].copy_from_slice(&rows.to_le_bytes());
        header[32..40].copy_from_slice(&i64::from(frames.saturating_sub(1)).to_le_bytes());
        header[40..44].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        let _any = decode(&with_right_crc(&header, &payload), &payload);
    }

    /// Real chunks with some bytes overwritten, under a right checksum.
    #[test]
    fn any_damage_under_a_right_checksum_gives_a_chunk_or_an_error(
        chunk in any_chunk(),
        codec in prop::sample::select(&CODECS[..]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let EncodedChunk { header, mut payload } = encode(&chunk, codec).unwrap();
        prop_assume!(!payload.is_empty());
        for (place, byte) in damage {
            let at = place.index(payload.len());
            payload[at] = byte;
        }
        let _any = decode(&with_right_crc(&header, &payload), &payload);
    }
}

#[test]
fn columns_that_contradict_the_header_are_an_error() {
    let chunk = rich_chunk();
    let EncodedChunk { header, payload } = encode(&chunk, Codec::Raw).unwrap();
    let mut later = header.clone();
    later[24..32].copy_from_slice(&(-10_000_i64).to_le_bytes());
    let error = decode(&with_right_crc(&later, &payload), &payload).unwrap_err();
    assert!(matches!(error, CodecError::BadHeader { .. }), "{error}");
    let columns = ChunkColumns { timestamps: vec![Timestamp::ZERO; 2], ..ChunkColumns::default() };
    assert!(Chunk::from_columns(columns).is_err());
}
