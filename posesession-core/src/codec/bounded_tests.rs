//! What a bound promises, whatever the values.

use proptest::prelude::*;

use super::tests::{any_chunk, layout, rich_chunk, with_right_crc};
use super::*;
use crate::max_error::MaxError;
use crate::pose::PoseData;
use crate::synthetic::SyntheticPose;
use crate::time::Timestamp;

/// The same bound for every channel.
fn one_bound(chunk: &Chunk, bound: f64) -> ChannelBounds {
    let parts = chunk.layout().parts.iter().map(|part| vec![Some(bound); usize::from(part.channels)]);
    ChannelBounds::new(parts.collect()).unwrap()
}

/// Returns the bound of each value of a row.
fn bounds_of_row(chunk: &Chunk, bounds: &ChannelBounds) -> Vec<Option<f64>> {
    let mut row = Vec::new();
    for (component, part) in chunk.layout().parts.iter().enumerate() {
        for _keypoint in 0..part.keypoints {
            row.extend((0..usize::from(part.channels)).map(|channel| bounds.of(component, channel)));
        }
    }
    row
}

/// Says what a reader gets that it should not.
fn broken_promise(original: &Chunk, decoded: &Chunk, bounds: &ChannelBounds) -> Option<String> {
    let all_but_values = |chunk: &Chunk| {
        (
            chunk.first_frame(),
            chunk.layout().clone(),
            chunk.timestamps().to_vec(),
            chunk.person_counts().to_vec(),
            chunk.track_ids().to_vec(),
            chunk.images().to_vec(),
            chunk.values().len(),
        )
    };
    if all_but_values(original) != all_but_values(decoded) {
        return Some("something beside the values is not the same".to_owned());
    }
    let row = bounds_of_row(original, bounds);
    let pairs = original.values().iter().zip(decoded.values()).zip(row.iter().cycle());
    let mut broken = pairs.filter(|((sent, got), bound)| match bound {
        Some(bound) if sent.is_finite() => {
            let error = (f64::from(**got) - f64::from(**sent)).abs();
            // Not a number is no error that is small enough.
            !matches!(error.partial_cmp(bound), Some(std::cmp::Ordering::Less | std::cmp::Ordering::Equal))
        }
        _ => sent.to_bits() != got.to_bits(),
    });
    broken.next().map(|((sent, got), bound)| format!("{sent:e} came back as {got:e} under {bound:?}"))
}

fn coded(chunk: &Chunk, bounds: &ChannelBounds) -> Chunk {
    let encoded = encode_bounded(chunk, bounds).unwrap();
    let header = peek(&encoded.header).unwrap();
    assert_eq!((header.codec, &header.bounds), (Codec::Bounded, bounds));
    decode(&encoded.header, &encoded.payload).unwrap()
}

/// Two persons who come and go, with missing keypoints.
fn moving_chunk(frames: u64) -> Chunk {
    let skeleton = Skeleton::preset("hand_21").unwrap();
    let source = SyntheticPose::new(&skeleton, 30.0).with_persons(2).with_missing_every(9);
    let mut chunk = Chunk::new(0, skeleton.layout());
    for n in 0..frames {
        let (timestamp, pose) = source.frame(n);
        chunk.push(timestamp, &pose).unwrap();
    }
    chunk
}

#[test]
fn a_bounded_chunk_is_much_smaller_and_within_its_bounds() {
    let chunk = moving_chunk(256);
    let bounds = one_bound(&chunk, 5e-5);
    assert_eq!(broken_promise(&chunk, &coded(&chunk, &bounds), &bounds), None);
    let bytes = |encoded: EncodedChunk| encoded.header.len() + encoded.payload.len();
    let bounded = bytes(encode_bounded(&chunk, &bounds).unwrap());
    assert!(bounded * 2 < bytes(encode(&chunk, Codec::Columnar).unwrap()), "{bounded} bytes");
}

#[test]
fn what_no_step_comes_near_is_kept_to_the_bit() {
    let odd = [
        f32::NAN,
        f32::from_bits(0xffc0_0001),
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE,
        -0.0,
        1.0,
        1e9,
    ];
    for bound in [1e-3, 1.0, 1e30] {
        let mut chunk = Chunk::new(0, layout(&[(3, 1)]));
        for n in 0..odd.len() {
            let values = (0..3).map(|k| odd[(n * (k + 1) + k) % odd.len()]).collect();
            chunk.push(Timestamp::from_micros(n as i64), &PoseData::one_person(values)).unwrap();
        }
        let bounds = one_bound(&chunk, bound);
        assert_eq!(broken_promise(&chunk, &coded(&chunk, &bounds), &bounds), None, "{bound}");
    }
}

#[test]
fn a_bound_tighter_than_the_values_own_precision_is_lossless() {
    let chunk = moving_chunk(64);
    let bounds = one_bound(&chunk, 1e-9);
    assert_eq!(coded(&chunk, &bounds), chunk);
}

#[test]
fn channels_without_a_bound_stay_lossless_beside_others() {
    let chunk = rich_chunk();
    let bounds = ChannelBounds::new(vec![vec![Some(0.01), None], vec![None, Some(0.1), None]]).unwrap();
    let decoded = coded(&chunk, &bounds);
    assert_eq!(broken_promise(&chunk, &decoded, &bounds), None);
    assert_ne!(decoded, chunk, "the others are a little off");
}

#[test]
fn a_value_that_is_coded_again_under_the_same_bound_stays_within_two() {
    let chunk = moving_chunk(64);
    let (once, twice) = (one_bound(&chunk, 1e-3), one_bound(&chunk, 2e-3));
    let again = coded(&coded(&chunk, &once), &once);
    assert_eq!(broken_promise(&chunk, &again, &twice), None);
}

#[test]
fn bounds_for_another_shape_are_refused() {
    let other = ChannelBounds::new(vec![vec![Some(0.1)]]).unwrap();
    assert!(matches!(encode_bounded(&rich_chunk(), &other), Err(CodecError::BadBounds { .. })));
    let max_error = MaxError::new([("q", 0.1)]).unwrap();
    let hand = Skeleton::preset("hand_21").unwrap();
    let refused =
        encode_at_rest(&moving_chunk(1), &Encoding::Bounded { max_error }, Some(&hand)).unwrap_err();
    assert!(refused.to_string().contains("`q`"), "{refused}");
}

#[test]
fn a_header_with_wrong_bounds_is_refused() {
    let chunk = rich_chunk();
    let EncodedChunk { header, payload } = encode_bounded(&chunk, &one_bound(&chunk, 0.01)).unwrap();
    let first_bound = header.len() - 4 - 5 * 8;
    for bound in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
        let mut header = header.clone();
        header[first_bound..first_bound + 8].copy_from_slice(&bound.to_le_bytes());
        let refused = decode(&with_right_crc(&header, &payload), &payload).unwrap_err();
        assert_eq!(refused, CodecError::BadHeader { field: "bounds" });
    }
    let shorter = [&header[..first_bound], &header[first_bound + 8..]].concat();
    assert!(matches!(
        decode(&with_right_crc(&shorter, &payload), &payload),
        Err(CodecError::Truncated { part: "header", .. })
    ));
}

#[test]
fn every_truncation_and_every_flipped_bit_is_an_error() {
    let chunk = rich_chunk();
    let EncodedChunk { mut header, mut payload } = encode_bounded(&chunk, &one_bound(&chunk, 0.01)).unwrap();
    for end in 0..payload.len() {
        assert!(decode(&header, &payload[..end]).is_err(), "payload to {end}");
    }
    for end in 0..header.len() {
        assert!(decode(&header[..end], &payload).is_err(), "header to {end}");
    }
    for bit in 0..header.len() * 8 {
        header[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&header, &payload).is_err(), "header bit {bit}");
        header[bit / 8] ^= 1 << (bit % 8);
    }
    for bit in 0..payload.len() * 8 {
        payload[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&header, &payload).is_err(), "payload bit {bit}");
        payload[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn damage_under_a_right_checksum_never_panics() {
    let chunk = rich_chunk();
    let EncodedChunk { header, payload } = encode_bounded(&chunk, &one_bound(&chunk, 0.01)).unwrap();
    for at in 0..payload.len() {
        for byte in [payload[at] ^ 1, payload[at] ^ 0x80, 0, 0xff] {
            let mut payload = payload.clone();
            payload[at] = byte;
            let _any = decode(&with_right_crc(&header, &payload), &payload);
        }
    }
}

proptest! {
    #[test]
    fn no_value_is_off_by_more_than_its_bound(
        chunk in any_chunk(),
        exponents in prop::collection::vec(prop::option::of(-30.0_f64..30.0), 16),
    ) {
        let mut next = exponents.iter().cycle();
        let mut bound = || next.next().copied().flatten().map(|exponent| 10_f64.powf(exponent));
        let parts = chunk.layout().parts.iter().map(|part| (0..part.channels).map(|_| bound()).collect());
        let bounds = ChannelBounds::new(parts.collect()).unwrap();
        prop_assert_eq!(broken_promise(&chunk, &coded(&chunk, &bounds), &bounds), None);
        let bytes = encode_bounded(&chunk, &bounds).unwrap();
        prop_assert_eq!(encode_bounded(&chunk, &bounds).unwrap(), bytes, "the same chunk gives the same bytes");
    }

    #[test]
    fn any_damage_under_a_right_checksum_gives_a_chunk_or_an_error(
        chunk in any_chunk(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let EncodedChunk { header, mut payload } = encode_bounded(&chunk, &one_bound(&chunk, 0.01)).unwrap();
        prop_assume!(!payload.is_empty());
        for (place, byte) in damage {
            let at = place.index(payload.len());
            payload[at] = byte;
        }
        let _any = decode(&with_right_crc(&header, &payload), &payload);
    }
}
