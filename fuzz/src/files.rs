//! Other programs' files. The first byte says of which format.

use posesession_core::{Chunk, Codec, Skeleton, decode, encode};
use posesession_store::{FrameFormat, ReadOptions, read_frames};

use crate::heap::bounded;

/// Reads a file of frames as an import does.
pub fn interchange(data: &[u8]) {
    let Some((&kind, file)) = data.split_first() else { return };
    let format = FrameFormat::ALL[usize::from(kind) % FrameFormat::ALL.len()];
    let options = ReadOptions {
        fps: (kind & 16 != 0).then_some(30.0),
        skeleton: (kind & 32 != 0).then(|| Skeleton::preset("hand_21").expect("it is a preset")),
    };
    bounded(file.len(), 2_000, || {
        let Ok(mut frames) = read_frames(file, format, options) else { return };
        let mut chunk: Option<Chunk> = None;
        while let Ok(Some(frame)) = frames.next_frame() {
            assert!(frame.line > 0);
            let Some(skeleton) = frames.skeleton().filter(|_| !frame.pose_data.values.is_empty()) else {
                assert!(frame.pose_data.track_ids.is_empty());
                continue;
            };
            skeleton.validate().expect("what is read is valid");
            let chunk = chunk.get_or_insert_with(|| Chunk::new(0, skeleton.layout()));
            chunk.push(frame.timestamp, &frame.pose_data).expect("frames fit their skeleton, and time rises");
        }
        let Some(chunk) = chunk else { return };
        let encoded = encode(&chunk, Codec::Raw).expect("a chunk can be encoded");
        assert_eq!(decode(&encoded.header, &encoded.payload).as_ref(), Ok(&chunk));
    });
}
