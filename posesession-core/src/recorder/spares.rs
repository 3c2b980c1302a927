//! Memory of earlier frames. Pose data that is done with in, empty pose data with room for values out.

use crate::pose::PoseData;

/// How many frames' memory is kept, enough for frames that come a few places too late, and how much of it.
const MAX_SPARES: usize = 16;
const MAX_BYTES: usize = 512 << 10;

/// Keeps a little memory, so that in a steady stream no frame needs new one.
#[derive(Debug, Default)]
pub(super) struct Spares {
    spares: Vec<PoseData>,
    bytes: usize,
}

impl Spares {
    pub(super) fn take(&mut self) -> PoseData {
        let spare = self.spares.pop().unwrap_or_default();
        self.bytes -= bytes_of(&spare);
        spare
    }

    pub(super) fn put(&mut self, mut used: PoseData) {
        used.track_ids.clear();
        used.values.clear();
        let bytes = bytes_of(&used);
        if bytes > 0 && self.spares.len() < MAX_SPARES && self.bytes + bytes <= MAX_BYTES {
            self.bytes += bytes;
            self.spares.push(used);
        }
    }
}

fn bytes_of(pose_data: &PoseData) -> usize {
    (pose_data.track_ids.capacity() + pose_data.values.capacity()) * size_of::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_empty_and_bounded() {
        let mut spares = Spares::default();
        spares.put(PoseData::one_person(vec![0.5; 132]));
        let spare = spares.take();
        assert_eq!(spare, PoseData::nobody());
        assert!(spare.values.capacity() >= 132);
        spares.put(PoseData::one_person(vec![0.5; MAX_BYTES]));
        assert_eq!(spares.bytes, 0, "a huge frame's memory is given back");
        for _ in 0..1_000 {
            spares.put(PoseData::one_person(vec![0.5; 4_096]));
        }
        assert_eq!(spares.spares.len(), MAX_SPARES);
        while spares.bytes > 0 {
            spares.take();
        }
        assert!(spares.spares.is_empty());
    }
}
