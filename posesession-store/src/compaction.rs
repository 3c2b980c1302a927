//! Which short chunks become one long chunk. Their sizes in, groups of them out.

use crate::store::COMPACT_FRAMES;

/// The most bytes of uncompressed chunks that become one: what a seek decodes at most, unless one frame is larger.
const MAX_GROUP_BYTES: u64 = 16 << 20;
/// The most frames of one group. Far below the codec's limit: a chunk is what a seek reads.
const MAX_GROUP_FRAMES: u64 = 4 * COMPACT_FRAMES;

/// How much a short chunk has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

/// Groups short chunks, in order, from the first one on: each returned number is how many of the next chunks make one
/// long chunk. Without `remainder`, those behind the last full group are left out.
pub(crate) fn groups(short: &[Size], remainder: bool) -> Vec<usize> {
    let mut groups = Vec::new();
    let (mut count, mut frames, mut bytes) = (0, 0, 0);
    for size in short {
        let too_much = frames + size.frames > MAX_GROUP_FRAMES || bytes + size.bytes > MAX_GROUP_BYTES;
        if count > 0 && too_much {
            groups.push(count);
            (count, frames, bytes) = (0, 0, 0);
        }
        count += 1;
        frames += size.frames;
        bytes += size.bytes;
        if frames >= COMPACT_FRAMES {
            groups.push(count);
            (count, frames, bytes) = (0, 0, 0);
        }
    }
    if remainder && count > 0 {
        groups.push(count);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(frames: &[u64]) -> Vec<Size> {
        frames.iter().map(|&frames| Size { frames, bytes: frames * 1000 }).collect()
    }

    #[test]
    fn a_group_is_full_at_256_frames() {
        assert_eq!(groups(&sizes(&[8; 31]), false), Vec::<usize>::new());
        assert_eq!(groups(&sizes(&[8; 32]), false), [32]);
        assert_eq!(groups(&sizes(&[8; 70]), false), [32, 32]);
        assert_eq!(groups(&sizes(&[8; 70]), true), [32, 32, 6]);
        assert_eq!(groups(&sizes(&[]), true), Vec::<usize>::new());
    }

    #[test]
    fn a_group_does_not_grow_beyond_its_limits() {
        assert_eq!(groups(&sizes(&[255, 60_000, 8]), true), [1, 1, 1]);
        let large = [Size { frames: 8, bytes: MAX_GROUP_BYTES / 2 }; 5];
        assert_eq!(groups(&large, true), [2, 2, 1]);
        assert_eq!(groups(&large, false), [2, 2]);
    }
}
