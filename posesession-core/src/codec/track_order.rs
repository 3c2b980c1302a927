//! The order of rows in which each track's frames stand together, and values moved into and out of it.

use std::ops::Range;

/// How many rows are moved at a time: as many `f32`s of one keypoint as fill a cache line.
const TILE_ROWS: usize = 16;

/// A chunk's rows by rising track id, then by frame. It follows from the track ids alone, so it isn't stored.
#[derive(Debug)]
pub(super) struct TrackOrder {
    rows: Vec<u32>,
}

/// Where the values of one channel of one component stand in a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelPlace {
    /// How many values a row has.
    pub(super) row_width: usize,
    /// Where the first keypoint's value is.
    pub(super) first: usize,
    /// How far the next keypoint's value is.
    pub(super) stride: usize,
    pub(super) keypoints: usize,
}

impl TrackOrder {
    pub(super) fn of(track_ids: &[u32]) -> Self {
        let mut rows: Vec<u32> = (0..).take(track_ids.len()).collect();
        rows.sort_by_key(|&row| track_ids[row as usize]);
        Self { rows }
    }

    /// Copies a channel out of `values` (`[row, value]`) into `column` (`[keypoint, row in this order]`).
    pub(super) fn gather(&self, values: &[f32], place: ChannelPlace, column: &mut [f32]) {
        for tile in self.tiles() {
            for keypoint in 0..place.keypoints {
                let at = place.first + keypoint * place.stride;
                let into = &mut column[keypoint * self.rows.len()..][tile.clone()];
                for (value, &row) in into.iter_mut().zip(&self.rows[tile.clone()]) {
                    *value = values[row as usize * place.row_width + at];
                }
            }
        }
    }

    /// Copies a channel from `column` back into `values`, the reverse of [`Self::gather`].
    pub(super) fn scatter(&self, column: &[f32], place: ChannelPlace, values: &mut [f32]) {
        for tile in self.tiles() {
            for keypoint in 0..place.keypoints {
                let at = place.first + keypoint * place.stride;
                let from = &column[keypoint * self.rows.len()..][tile.clone()];
                for (&value, &row) in from.iter().zip(&self.rows[tile.clone()]) {
                    values[row as usize * place.row_width + at] = value;
                }
            }
        }
    }

    fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = self.rows.len();
        (0..rows).step_by(TILE_ROWS).map(move |start| start..(start + TILE_ROWS).min(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracks_frames_stand_together_and_find_their_way_back() {
        let ids = [7, 2, 2, 7, 9, 2, 7];
        let order = TrackOrder::of(&ids);
        assert_eq!(order.rows, [1, 2, 5, 0, 3, 6, 4]);
        let values: Vec<f32> = (0..7 * 6).map(|v| v as f32).collect();
        let place = |channel| ChannelPlace { row_width: 6, first: channel, stride: 2, keypoints: 3 };
        let mut back = vec![f32::NAN; values.len()];
        for (channel, first) in [(0, 6.0), (1, 7.0)] {
            let mut column = vec![0.0; 21];
            order.gather(&values, place(channel), &mut column);
            assert_eq!(column[0], first, "the first keypoint of the first row of track 2");
            order.scatter(&column, place(channel), &mut back);
        }
        assert_eq!(back, values);
    }
}
