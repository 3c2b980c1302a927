//! A chunk encoded anew, and known to decode to the same frames. Bytes in, bytes out.

use posesession_core::{ChannelBounds, Chunk, CodecError, EncodedChunk, Encoding, Skeleton, decode, peek};

use crate::encoded_run::at_rest;

/// Encodes a chunk anew; what JSON doesn't hold, as columns.
pub(super) fn encode_verified(
    old: &EncodedChunk,
    to: &Encoding,
    skeleton: Option<&Skeleton>,
) -> Result<EncodedChunk, CodecError> {
    let chunk = decode(&old.header, &old.payload)?;
    let new = at_rest(&chunk, to, skeleton)?;
    let bounds = peek(&new.header)?.bounds;
    if differs(&chunk, &decode(&new.header, &new.payload)?, &bounds) {
        let reason = "what was encoded doesn't decode to the same frames".to_owned();
        return Err(CodecError::BadColumn { column: "values".to_owned(), reason });
    }
    Ok(new)
}

/// Returns whether two chunks have other frames, or values further apart than the bounds allow.
fn differs(original: &Chunk, decoded: &Chunk, bounds: &ChannelBounds) -> bool {
    let same = original.first_frame() == decoded.first_frame()
        && original.layout() == decoded.layout()
        && original.timestamps() == decoded.timestamps()
        && original.person_counts() == decoded.person_counts()
        && original.track_ids() == decoded.track_ids()
        && original.images() == decoded.images()
        && original.values().len() == decoded.values().len();
    let parts = original.layout().parts.iter().enumerate();
    let of_person: Vec<Option<f64>> = parts
        .flat_map(|(component, part)| {
            let channels = (0..part.channels).map(move |channel| bounds.of(component, channel.into()));
            std::iter::repeat_n(channels, part.keypoints.into()).flatten()
        })
        .collect();
    let mut values = original.values().iter().zip(decoded.values()).zip(of_person.iter().cycle());
    let is_near = |((original, decoded), bound): ((&f32, &f32), &Option<f64>)| {
        let distance = (f64::from(*original) - f64::from(*decoded)).abs();
        original.to_bits() == decoded.to_bits() || bound.is_some_and(|bound| distance <= bound)
    };
    !same || !values.all(is_near)
}

#[cfg(test)]
mod tests {
    use posesession_core::{PoseData, Timestamp};

    use super::*;

    fn chunk(values: &[f32]) -> Chunk {
        let mut chunk = Chunk::new(0, Skeleton::infer(1, 2).unwrap().layout());
        chunk.push(Timestamp::ZERO, &PoseData::one_person(values.to_vec())).unwrap();
        chunk
    }

    #[test]
    fn values_beyond_their_bounds_differ() {
        let bounds = ChannelBounds::new(vec![vec![Some(0.25), None]]).unwrap();
        let original = chunk(&[1.0, f32::NAN]);
        for (values, is_other) in [
            ([1.0, f32::NAN], false),
            ([1.25, f32::NAN], false),
            ([0.7, f32::NAN], true),
            ([f32::NAN, f32::NAN], true),
            ([1.0, 0.0], true),
            ([1.0, f32::from_bits(0x7fc0_0001)], true),
        ] {
            assert_eq!(differs(&original, &chunk(&values), &bounds), is_other, "{values:?}");
        }
        assert!(differs(&original, &Chunk::new(0, original.layout().clone()), &bounds));
    }
}
