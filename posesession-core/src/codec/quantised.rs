//! A channel with a bound: its values in whole steps, and of these what the keypoints before don't foretell.
//!
//! Keypoints of one body move together, and a model's errors are alike for neighbours. So the change of a keypoint from
//! one row to the next is foretold from the changes of the two keypoints before it, each with a weight of the keypoint's
//! own; what is left is compressed. Values that no step comes near enough, and missing ones, are kept beside as they are.
//!
//! Steps and changes are whole numbers modulo 2^32: whatever comes, reader and writer agree.

use std::ops::Range;

use super::CodecError;
use super::header::to_u32;
use super::streams::{StreamReader, StreamWriter};

/// Weights are in sixteenths.
const WEIGHT_SHIFT: u32 = 4;
/// The largest weight, in sixteenths.
const MAX_WEIGHT: f32 = 127.0;
/// 1.5 * 2^52: added to a number below 2^31, it leaves the nearest whole number in the lowest bits.
const ROUNDING: f64 = 6_755_399_441_055_744.0;
/// The bits of a missing value: the quiet NaN.
const MISSING: u32 = 0x7fc0_0000;

/// The columns of a channel while it is encoded or decoded; kept from one channel to the next.
#[derive(Debug, Default)]
pub(super) struct Quantised {
    /// `[keypoint, row]` in track order: each value's change from the row before, in steps; 0 where it is missing or kept.
    changes: Vec<i32>,
    /// How many values in a row are there, are missing, are there...
    runs: Vec<u32>,
    /// Where the values are that no step comes near enough, rising.
    places: Vec<u32>,
    /// These values' bits.
    kept: Vec<u32>,
    /// `[keypoint][2]`: of the keypoint before and of the one before that.
    weights: Vec<i16>,
    /// What is left of the changes of values that are not missing.
    rest: Vec<i32>,
}

impl Quantised {
    /// Writes a channel, shape `[keypoint, row]`, so that no value is off by more than `bound`.
    pub(super) fn put(
        &mut self,
        streams: &mut StreamWriter,
        column: &[f32],
        keypoints: usize,
        bound: f64,
    ) -> Result<(), CodecError> {
        let Some(step) = step_for(column, bound) else {
            streams.payload.extend_from_slice(&0_f64.to_le_bytes());
            return streams.put_floats(column);
        };
        let rows = column.len() / keypoints.max(1);
        self.quantise(column, rows, step, bound);
        self.foretell(rows);
        streams.payload.extend_from_slice(&step.to_le_bytes());
        streams.payload.extend_from_slice(&to_u32("runs", self.runs.len())?.to_le_bytes());
        streams.payload.extend_from_slice(&to_u32("kept values", self.kept.len())?.to_le_bytes());
        streams.put_plain("runs", &self.runs)?;
        streams.put("places of kept values", &self.places, 1)?;
        streams.put_plain("kept values", &self.kept)?;
        streams.put_plain("weights", &self.weights)?;
        streams.put_plain("changes", &self.rest)
    }

    /// Fills `changes`, `runs`, `places` and `kept`.
    fn quantise(&mut self, column: &[f32], rows: usize, step: f64, bound: f64) {
        self.changes.clear();
        self.runs.clear();
        self.places.clear();
        self.kept.clear();
        let mut run = Run::default();
        let rows_of_one = u32::try_from(rows).unwrap_or(u32::MAX);
        for (first, keypoint) in (0..).step_by(rows.max(1)).zip(column.chunks(rows.max(1))) {
            self.rest.clear();
            self.rest.extend(keypoint.iter().map(|&value| nearest(f64::from(value) / step)));
            // What a reader will get is compared, so that this is the proof. A missing value is never near.
            let is_near =
                |steps: i32, value: f32| (f64::from(restored(steps, step)) - f64::from(value)).abs() <= bound;
            let pairs = self.rest.iter().zip(keypoint);
            // Without an early end it takes several values at once.
            if pairs.fold(true, |all, (&steps, &value)| all & is_near(steps, value)) {
                run.add(false, rows_of_one, &mut self.runs);
            } else {
                let mut last = 0;
                for ((place, steps), &value) in (first..).zip(&mut self.rest).zip(keypoint) {
                    let is_missing = value.to_bits() == MISSING;
                    run.add(is_missing, 1, &mut self.runs);
                    if !is_near(*steps, value) {
                        *steps = last;
                        if !is_missing {
                            self.places.push(place);
                            self.kept.push(value.to_bits());
                        }
                    }
                    last = *steps;
                }
            }
            self.changes.extend(self.rest.first());
            self.changes.extend(self.rest.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])));
        }
        self.runs.push(run.length);
    }

    /// Fills `weights` and `rest` from `changes`.
    fn foretell(&mut self, rows: usize) {
        self.weights.clear();
        self.rest.clear();
        for start in (0..self.changes.len()).step_by(rows.max(1)) {
            let (before, from) = self.changes.split_at(start);
            let (own, neighbours) = (&from[..rows], Neighbours::of(before, rows));
            let weights = neighbours.best_weights(own);
            self.weights.extend(weights);
            self.rest.extend_from_slice(own);
            neighbours.foretell(weights, &mut self.rest[start..], i32::wrapping_sub);
        }
        let mut there = 0;
        for run in runs(&self.runs, false) {
            self.rest.copy_within(run.clone(), there);
            there += run.len();
        }
        self.rest.truncate(there);
    }

    /// Fills `column`, shape `[keypoint, row]`, from the next streams.
    pub(super) fn read_into(
        &mut self,
        streams: &mut StreamReader<'_>,
        column: &mut [f32],
        keypoints: usize,
    ) -> Result<(), CodecError> {
        let step = f64::from_le_bytes(streams.reader.array()?);
        if step == 0.0 {
            return streams.read_into("values", column);
        }
        if !(step.is_finite() && step > 0.0) {
            return Err(CodecError::bad_column("values", format_args!("a step can't be {step}")));
        }
        let (run_count, kept) = (streams.reader.u32()? as usize, streams.reader.u32()? as usize);
        if run_count > column.len() + 1 || kept > column.len() {
            let reason = format_args!("{run_count} runs and {kept} kept values in {}", column.len());
            return Err(CodecError::bad_column("values", reason));
        }
        self.runs.resize(run_count, 0);
        self.weights.resize(if column.is_empty() { 0 } else { 2 * keypoints }, 0);
        streams.read_into("runs", &mut self.runs)?;
        let all: u64 = self.runs.iter().map(|&run| u64::from(run)).sum();
        if all != column.len() as u64 {
            let reason = format_args!("they have {all} values, not {}", column.len());
            return Err(CodecError::bad_column("runs", reason));
        }
        let there = runs(&self.runs, false).map(|run| run.len()).sum();
        if kept > there {
            let reason = format_args!("{kept} are kept of {there} that are there");
            return Err(CodecError::bad_column("kept values", reason));
        }
        self.rest.resize(there, 0);
        self.places.resize(kept, 0);
        self.kept.resize(kept, 0);
        streams.read_into("places of kept values", &mut self.places)?;
        streams.read_into("kept values", &mut self.kept)?;
        streams.read_into("weights", &mut self.weights)?;
        streams.read_into("changes", &mut self.rest)?;
        self.restore(column, column.len() / keypoints.max(1), step);
        let mut lowest = 0;
        for (&place, &bits) in self.places.iter().zip(&self.kept) {
            let value = column.get_mut(place as usize).filter(|_| place >= lowest);
            let Some(value) = value else {
                let reason = format_args!("{place} doesn't rise, or isn't there");
                return Err(CodecError::bad_column("places of kept values", reason));
            };
            lowest = place.saturating_add(1);
            *value = f32::from_bits(bits);
        }
        Ok(())
    }

    /// Turns `rest` into changes by adding what was foretold, and changes into values.
    fn restore(&mut self, column: &mut [f32], rows: usize, step: f64) {
        self.changes.clear();
        self.changes.resize(column.len(), 0);
        let mut rest = self.rest.as_slice();
        for run in runs(&self.runs, false) {
            let (these, others) = rest.split_at(run.len());
            self.changes[run].copy_from_slice(these);
            rest = others;
        }
        let mut missing = runs(&self.runs, true).peekable();
        let (weights, _none_left) = self.weights.as_chunks();
        let starts = (0..).step_by(rows.max(1));
        for ((start, values), &weights) in starts.zip(column.chunks_exact_mut(rows.max(1))).zip(weights) {
            let end = start + rows;
            let (before, from) = self.changes.split_at_mut(start);
            let own = &mut from[..rows];
            Neighbours::of(before, rows).foretell(weights, own, i32::wrapping_add);
            // A missing value doesn't change, whatever was foretold.
            while let Some(run) = missing.peek().filter(|run| run.start < end) {
                own[run.start.max(start) - start..run.end.min(end) - start].fill(0);
                if run.end > end {
                    break;
                }
                missing.next();
            }
            let mut steps = 0_i32;
            for (value, &change) in values.iter_mut().zip(&*own) {
                steps = steps.wrapping_add(change);
                *value = restored(steps, step);
            }
        }
        for run in runs(&self.runs, true) {
            column[run].fill(f32::from_bits(MISSING));
        }
    }
}

/// The run that the values so far end with.
#[derive(Debug, Default)]
struct Run {
    is_missing: bool,
    length: u32,
}

impl Run {
    /// Goes on with so many values, or starts the next run.
    fn add(&mut self, are_missing: bool, values: u32, ended: &mut Vec<u32>) {
        if are_missing != self.is_missing {
            ended.push(std::mem::take(&mut self.length));
            self.is_missing = are_missing;
        }
        self.length += values;
    }
}

/// Lists where the values are that are missing, or those that are there.
fn runs(lengths: &[u32], missing: bool) -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    let all = lengths.iter().map(move |&length| {
        let start = end;
        end += length as usize;
        start..end
    });
    all.skip(usize::from(missing)).step_by(2)
}

/// Returns the longest step that keeps all values within the bound, although a restored value is rounded to an `f32`;
/// none if the bound is so tight that steps gain nothing.
fn step_for(column: &[f32], bound: f64) -> Option<f64> {
    let largest =
        column.iter().map(|value| value.abs()).filter(|value| value.is_finite()).fold(0.0, f32::max);
    let rounding = f64::from(largest) * f64::from(f32::EPSILON) / 2.0;
    (rounding <= bound / 4.0).then_some(2.0 * (bound - rounding))
}

/// Returns the whole number nearest to `steps`, or any other if it is beyond `i32`.
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are the number")]
fn nearest(steps: f64) -> i32 {
    // Rounding by a function call takes as long as all the rest.
    (steps + ROUNDING).to_bits() as i32
}

#[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is wanted")]
fn restored(steps: i32, step: f64) -> f32 {
    (f64::from(steps) * step) as f32
}

/// The changes of the two keypoints before one; empty where there is none.
struct Neighbours<'a> {
    one: &'a [i32],
    two: &'a [i32],
}

impl<'a> Neighbours<'a> {
    /// Takes them from the changes of all keypoints before.
    fn of(before: &'a [i32], rows: usize) -> Self {
        let (rest, one) = before.split_at(before.len().saturating_sub(rows));
        Self { one, two: &rest[rest.len().saturating_sub(rows)..] }
    }

    /// Returns the weights with which these foretell `own` best: those of the least squares, in which large changes count
    /// less, as a few leaps would otherwise outweigh all else.
    fn best_weights(&self, own: &[i32]) -> [i16; 2] {
        let mut sums = [0.0_f32; 5];
        // The first row has no row before, so its change is none.
        for row in 1..own.len().min(self.one.len()) {
            let [own, one] = [own[row] as f32, self.one[row] as f32];
            let two = self.two.get(row).map_or(0.0, |&two| two as f32);
            let weight = (1.0 + own.abs()).recip();
            for (sum, product) in sums.iter_mut().zip([one * one, one * two, two * two, one * own, two * own])
            {
                *sum += weight * product;
            }
        }
        let [one_one, one_two, two_two, one_own, two_own] = sums;
        // A little is added so that a neighbour that doesn't move, or both moving alike, leave a solution.
        let (one_one, two_two) = (one_one * 1.001 + 1.0, two_two * 1.001 + 1.0);
        let determinant = one_one * two_two - one_two * one_two;
        let solution = [one_own * two_two - two_own * one_two, two_own * one_one - one_own * one_two];
        #[expect(clippy::cast_possible_truncation, reason = "it is in range, and not a number becomes zero")]
        solution.map(|weight| {
            let sixteenths = (weight / determinant * 16.0).round();
            sixteenths.clamp(-MAX_WEIGHT, MAX_WEIGHT) as i16
        })
    }

    /// Adds to each change of `own` what these foretell of it, or takes it away.
    fn foretell(&self, weights: [i16; 2], own: &mut [i32], apply: impl Fn(i32, i32) -> i32) {
        if self.two.is_empty() {
            for (change, &one) in own.iter_mut().zip(self.one) {
                *change = apply(*change, foretold(weights, one, 0));
            }
        } else {
            for ((change, &one), &two) in own.iter_mut().zip(self.one).zip(self.two) {
                *change = apply(*change, foretold(weights, one, two));
            }
        }
    }
}

fn foretold([of_one, of_two]: [i16; 2], one: i32, two: i32) -> i32 {
    let sixteenths = one.wrapping_mul(i32::from(of_one)).wrapping_add(two.wrapping_mul(i32::from(of_two)));
    sixteenths.wrapping_add(1 << (WEIGHT_SHIFT - 1)) >> WEIGHT_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The streams of one channel, as a hostile writer may have them; six values of two keypoints belong in it.
    #[derive(Clone)]
    struct Hostile {
        step: f64,
        runs: Vec<u32>,
        kept: Vec<(u32, u32)>,
        weights: Vec<i16>,
        changes: Vec<i32>,
    }

    /// What a right writer has: three values there, two missing, one there, and one of them kept.
    fn right() -> Hostile {
        Hostile {
            step: 0.5,
            runs: vec![3, 2, 1],
            kept: vec![(1, f32::INFINITY.to_bits())],
            weights: vec![0, 0, 16, 0],
            changes: vec![2, 1, 1, 4],
        }
    }

    impl Hostile {
        fn read(&self) -> Result<Vec<u32>, CodecError> {
            let mut streams = StreamWriter::new(0, 0);
            streams.payload.extend_from_slice(&self.step.to_le_bytes());
            streams.payload.extend_from_slice(&to_u32("runs", self.runs.len())?.to_le_bytes());
            streams.payload.extend_from_slice(&to_u32("kept values", self.kept.len())?.to_le_bytes());
            let (places, bits): (Vec<u32>, Vec<u32>) = self.kept.iter().copied().unzip();
            streams.put_plain("runs", &self.runs)?;
            streams.put_plain("places of kept values", &places)?;
            streams.put_plain("kept values", &bits)?;
            streams.put_plain("weights", &self.weights)?;
            streams.put_plain("changes", &self.changes)?;
            let mut column = [0.0; 6];
            Quantised::default().read_into(&mut StreamReader::new(&streams.payload), &mut column, 2)?;
            Ok(column.iter().map(|value| value.to_bits()).collect())
        }
    }

    #[test]
    fn a_right_channel_is_read_as_the_format_says() {
        // Steps 2, 3 (kept: infinity), 4; missing, missing; a change of 4 beside that of 1 of the keypoint before.
        let expected = [1.0, f32::INFINITY, 2.0, f32::NAN, f32::NAN, 2.5].map(f32::to_bits);
        assert_eq!(right().read().unwrap(), expected);
    }

    #[test]
    fn steps_that_are_none_are_refused() {
        for step in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5, -f64::MIN_POSITIVE] {
            assert!(Hostile { step, ..right() }.read().is_err(), "{step}");
        }
    }

    #[test]
    fn runs_that_are_not_all_values_are_refused() {
        for runs in [
            vec![],
            vec![5],
            vec![7],
            vec![3, 2, 2],
            vec![u32::MAX, 7],
            vec![1; 7],
            vec![0; 7],
            vec![u32::MAX; 7],
            vec![0; 8],
            vec![6, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(Hostile { runs: runs.clone(), ..right() }.read().is_err(), "{runs:?}");
        }
    }

    #[test]
    fn kept_values_have_rising_places_among_those_that_are_there() {
        for places in
            [&[6_u32][..], &[u32::MAX], &[1, 1], &[2, 1], &[0, 1, 2, 5, 5], &[0, 1, 2, 3, 4, 5], &[0; 7]]
        {
            let kept = places.iter().map(|&place| (place, 0)).collect();
            assert!(Hostile { kept, ..right() }.read().is_err(), "{places:?}");
        }
    }

    #[test]
    fn streams_of_other_lengths_are_refused() {
        for weights in [vec![], vec![70, -300, 9_000], vec![70, -300, 9_000, 4, 2_222]] {
            assert!(Hostile { weights: weights.clone(), ..right() }.read().is_err(), "{weights:?}");
        }
        for changes in [vec![], vec![7, -30_000, 9], vec![7, -30_000, 9, 1 << 30, 5]] {
            assert!(Hostile { changes: changes.clone(), ..right() }.read().is_err(), "{changes:?}");
        }
    }

    #[test]
    fn any_steps_weights_and_changes_give_values() {
        for step in [f64::MIN_POSITIVE, 5e-324, 0.5, f64::MAX] {
            for weight in [i16::MIN, -1, i16::MAX] {
                for change in [i32::MIN, -1, i32::MAX] {
                    let hostile =
                        Hostile { step, weights: vec![weight; 4], changes: vec![change; 4], ..right() };
                    assert_eq!(hostile.read().unwrap().len(), 6);
                }
            }
        }
    }
}
