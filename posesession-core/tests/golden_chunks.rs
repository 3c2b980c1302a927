//! Every chunk that a released version wrote is read for ever: the golden files of `testdata/chunks`.
//!
//! Each `NAME.chunk` is the length of the header as a `u32`, little endian, then the header, then the payload; beside it
//! `NAME.json` holds what it decodes to. `WRITE_GOLDEN_CHUNKS=1 cargo test -p posesession-core --test golden_chunks`
//! writes the files of [`cases`] that are missing. A file that stands is never written again: it is the proof.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use posesession_core::{
    ChannelBounds, Chunk, ChunkColumns, ChunkImage, Codec, Component, EncodedChunk, Encoding, ImageRef,
    Layout, LayoutPart, PoseData, Skeleton, SyntheticPose, Timestamp, Unit, decode, encode, encode_at_rest,
    encode_bounded, peek,
};
use serde::{Deserialize, Serialize};

const CODECS: [Codec; 4] = [Codec::Raw, Codec::Columnar, Codec::Bounded, Codec::Json];

#[derive(Serialize, Deserialize)]
struct Golden {
    codec: String,
    first_frame: u64,
    components: Vec<Part>,
    /// `[component, channel]`; none but in `bounded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bounds: Vec<Vec<Option<f64>>>,
    frames: Vec<Frame>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    keypoints: u16,
    channels: u8,
}

#[derive(Serialize, Deserialize)]
struct Frame {
    timestamp_micros: i64,
    persons: Vec<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
}

#[derive(Serialize, Deserialize)]
struct Person {
    id: u32,
    /// `null` for the canonical NaN.
    values: Vec<Option<f32>>,
}

#[derive(Serialize, Deserialize)]
struct Image {
    object: String,
    offset: u64,
    length: u32,
}

impl Golden {
    fn of(chunk: &Chunk, codec: Codec) -> Self {
        let width = chunk.layout().values_per_person();
        let frame = |frame: posesession_core::Frame| Frame {
            timestamp_micros: frame.timestamp.as_micros(),
            persons: (0..frame.pose_data.person_count())
                .map(|p| Person {
                    id: frame.pose_data.track_ids[p],
                    values: frame.pose_data.values[p * width..(p + 1) * width]
                        .iter()
                        .map(|&v| (!v.is_nan()).then_some(v))
                        .collect(),
                })
                .collect(),
            image: frame.image.map(|ImageRef { object, offset, length }| Image { object, offset, length }),
        };
        let parts = chunk.layout().parts.iter();
        Self {
            codec: codec.to_string(),
            first_frame: chunk.first_frame(),
            components: parts.map(|p| Part { keypoints: p.keypoints, channels: p.channels }).collect(),
            bounds: if codec == Codec::Bounded { bounds(chunk.layout()) } else { Vec::new() },
            frames: chunk.frames().map(frame).collect(),
        }
    }

    fn chunk(self) -> Chunk {
        let parts =
            self.components.iter().map(|p| LayoutPart { keypoints: p.keypoints, channels: p.channels });
        let mut columns = ChunkColumns {
            first_frame: self.first_frame,
            layout: Layout { parts: parts.collect() },
            ..ChunkColumns::default()
        };
        for (index, frame) in self.frames.into_iter().enumerate() {
            columns.timestamps.push(Timestamp::from_micros(frame.timestamp_micros));
            columns.person_counts.push(u16::try_from(frame.persons.len()).unwrap());
            for person in frame.persons {
                columns.track_ids.push(person.id);
                columns.values.extend(person.values.iter().map(|v| v.unwrap_or(f32::NAN)));
            }
            if let Some(Image { object, offset, length }) = frame.image {
                let frame = u32::try_from(index).unwrap();
                columns.images.push(ChunkImage { frame, image: ImageRef { object, offset, length } });
            }
        }
        Chunk::from_columns(columns).unwrap()
    }
}

/// What the golden files hold: each of these in each codec.
fn cases() -> Vec<(&'static str, Chunk)> {
    let mediapipe = Skeleton::preset("mediapipe_33").unwrap();
    let source = SyntheticPose::new(&mediapipe, 30.0);
    let mut one_person = Chunk::new(0, mediapipe.layout());
    for n in 0..16 {
        let (timestamp, pose) = source.frame(n);
        one_person.push(timestamp, &pose).unwrap();
    }

    let mut nobody = Chunk::new(1_000_000, Layout::default());
    for n in 0..5 {
        nobody.push(Timestamp::from_micros(n * 40_000), &PoseData::nobody()).unwrap();
    }
    // The skeleton is known, but nobody is seen: columns without a number.
    let mut nobody_seen = Chunk::new(7, everything().layout().clone());
    for n in 0..3 {
        nobody_seen.push(Timestamp::from_micros(n * 40_000), &PoseData::nobody()).unwrap();
    }
    vec![
        ("one_person", one_person),
        ("nobody", nobody),
        ("nobody_seen", nobody_seen),
        ("everything", everything()),
    ]
}

/// Several components, persons that come and go, missing values, negative zeros, empty frames, images of two objects.
fn everything() -> Chunk {
    let layout = Layout {
        parts: vec![LayoutPart { keypoints: 3, channels: 2 }, LayoutPart { keypoints: 1, channels: 3 }],
    };
    let mut chunk = Chunk::new(41, layout);
    let tracks: [&[u32]; 6] = [&[5], &[5, 900], &[], &[900, 5], &[], &[7]];
    for (n, ids) in (0_u8..).zip(tracks) {
        let mut values: Vec<f32> = (0_u8..)
            .take(ids.len() * 9)
            .map(|v| (f32::from(v) * 0.37 + f32::from(n) * 0.011).sin())
            .collect();
        if let Some(value) = values.first_mut() {
            *value = if n % 2 == 0 { f32::NAN } else { -0.0 };
        }
        let timestamp = Timestamp::from_micros(i64::from(n) * 33_333 - 20_000);
        chunk.push(timestamp, &PoseData { track_ids: ids.to_vec(), values }).unwrap();
        if n % 2 == 0 {
            let object = format!("images/{:012}", n / 4);
            chunk.set_last_image(ImageRef { object, offset: u64::from(n) * 1000, length: 987 });
        }
    }
    chunk
}

/// A bound for all channels but the last of each component.
fn bounds(layout: &Layout) -> Vec<Vec<Option<f64>>> {
    let bound = |part: &LayoutPart, channel: u8| (channel + 1 < part.channels).then_some(0.001);
    layout.parts.iter().map(|part| (0..part.channels).map(|channel| bound(part, channel)).collect()).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/chunks")
}

fn encoded(name: &str, chunk: &Chunk, codec: Codec) -> EncodedChunk {
    match codec {
        Codec::Json => {}
        Codec::Bounded => {
            let bounds = ChannelBounds::new(bounds(chunk.layout())).unwrap();
            return encode_bounded(chunk, &bounds).unwrap();
        }
        codec => return encode(chunk, codec).unwrap(),
    }
    let skeleton = match name {
        "one_person" => Some(Skeleton::preset("mediapipe_33").unwrap()),
        "everything" => Some(everythings()),
        _ => None,
    };
    encode_at_rest(chunk, &Encoding::Json, skeleton.as_ref()).unwrap()
}

/// The skeleton of [`everything`].
fn everythings() -> Skeleton {
    let mut skeleton = Skeleton::custom(3, &[("x", Unit::Image), ("y", Unit::Image)]).unwrap();
    let second = Skeleton::custom(1, &[("x", Unit::Image), ("y", Unit::Image), ("z", Unit::Image)]).unwrap();
    let second = second.components.into_iter().map(|c| Component { name: "hand".to_owned(), ..c });
    skeleton.components.extend(second);
    skeleton
}

fn write_missing(name: &str, chunk: &Chunk, codec: Codec) {
    let path = folder().join(format!("{codec}_{name}.chunk"));
    if path.exists() {
        return;
    }
    let encoded = encoded(name, chunk, codec);
    let chunk = &decode(&encoded.header, &encoded.payload).unwrap();
    let length = u32::try_from(encoded.header.len()).unwrap().to_le_bytes();
    fs::write(&path, [&length[..], &encoded.header, &encoded.payload].concat()).unwrap();
    let json =
        serde_json::to_string(&Golden::of(chunk, codec)).unwrap().replace("{\"timestamp", "\n{\"timestamp");
    fs::write(path.with_extension("json"), json + "\n").unwrap();
}

#[test]
fn golden_chunks_decode_to_what_stands_beside_them() {
    if std::env::var_os("WRITE_GOLDEN_CHUNKS").is_some() {
        for (name, chunk) in cases() {
            for codec in CODECS {
                write_missing(name, &chunk, codec);
            }
        }
    }
    for (name, _) in cases() {
        for codec in CODECS {
            let path = folder().join(format!("{codec}_{name}.chunk"));
            let file = fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
            let (length, rest) = file.split_first_chunk::<4>().unwrap();
            let (header, payload) = rest.split_at(u32::from_le_bytes(*length) as usize);

            let golden: Golden =
                serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
            let peeked = peek(header).unwrap();
            assert_eq!(peeked.codec.to_string(), golden.codec);
            assert_eq!(peeked.bounds, ChannelBounds::new(golden.bounds.clone()).unwrap());
            let expected = golden.chunk();
            assert_eq!(decode(header, payload).unwrap(), expected, "{codec}_{name}");
            // What `columnar` and `bounded` compress to may change with `pco`; that it decompresses may not.
            if codec == Codec::Raw {
                let encoded = encoded(name, &expected, codec);
                assert_eq!((&encoded.header[..], &encoded.payload[..]), (header, payload), "{codec}_{name}");
            }
        }
    }
}
