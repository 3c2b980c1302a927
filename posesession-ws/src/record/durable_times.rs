//! How long frames took to become durable. Stored batches in, quantiles out.

use std::time::Duration;

use hdrhistogram::Histogram;
use posesession_core::Batch;

/// What is counted as this much if it took longer: an hour, in microseconds.
const LONGEST_MICROS: u64 = 3_600_000_000;

/// The times from the arrivals of frames until they were durable, to two digits. All frames of a batch count as old as the
/// first of them, so none took longer than is told.
#[derive(Debug, Default)]
pub(super) struct DurableTimes {
    /// Made with the first frames: most streams that come and go are never recorded.
    micros: Option<Histogram<u32>>,
}

impl DurableTimes {
    /// Counts the frames of a batch that has become durable `now`.
    pub(super) fn count(&mut self, batch: &Batch, now: Duration) {
        let (Some(chunk), Some(arrived)) = (&batch.chunk, batch.arrived) else { return };
        let micros = u64::try_from(now.saturating_sub(arrived).as_micros()).unwrap_or(u64::MAX);
        if self.micros.is_none() {
            self.micros = Histogram::new_with_bounds(1, LONGEST_MICROS, 2).ok();
        }
        if let Some(counted) = &mut self.micros {
            counted
                .saturating_record_n(micros.max(1), u32::try_from(chunk.frame_count()).unwrap_or(u32::MAX));
        }
    }

    /// Returns the times, in milliseconds, that half of the frames and 99 of 100 didn't exceed; 0 before the first.
    pub(super) fn p50_and_p99_ms(&self) -> (f64, f64) {
        let quantile = |at| {
            let micros = self.micros.as_ref().map_or(0, |counted| counted.value_at_quantile(at));
            Duration::from_micros(micros).as_secs_f64() * 1e3
        };
        (quantile(0.5), quantile(0.99))
    }
}

#[cfg(test)]
mod tests {
    use posesession_core::{Chunk, PoseData, Skeleton, Timestamp};

    use super::*;

    fn batch(frames: i64, arrived_ms: u64) -> Batch {
        let skeleton = Skeleton::preset("hand_21").unwrap();
        let mut chunk = Chunk::new(0, skeleton.layout());
        for n in 0..frames {
            chunk.push(Timestamp::from_micros(n), &PoseData::nobody()).unwrap();
        }
        let arrived = Some(Duration::from_millis(arrived_ms));
        Batch { chunk: Some(chunk), arrived, ..Batch::default() }
    }

    #[test]
    fn quantiles_are_of_frames_and_not_of_batches() {
        let mut times = DurableTimes::default();
        assert_eq!(times.p50_and_p99_ms(), (0.0, 0.0));
        times.count(&batch(198, 1_000), Duration::from_millis(1_100));
        times.count(&batch(2, 1_000), Duration::from_millis(3_000));
        times.count(&Batch::default(), Duration::from_secs(1_000));
        let (p50, p99) = times.p50_and_p99_ms();
        assert!((100.0..102.0).contains(&p50) && (100.0..102.0).contains(&p99), "{p50} {p99}");
        times.count(&batch(1, 0), Duration::from_secs(1_000_000));
        let (_, p99) = times.p50_and_p99_ms();
        assert!((2_000.0..2_040.0).contains(&p99), "{p99}");
    }
}
