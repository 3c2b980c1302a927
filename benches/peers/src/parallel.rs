//! Both cores for everybody: work whose results are used in order, and arrays that are filled part by part.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::Outcome;

/// How many threads work.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Cuts `0..count` into ranges of `size`, the last one shorter.
pub fn ranges(count: usize, size: usize) -> Vec<Range<usize>> {
    (0..count).step_by(size.max(1)).map(|start| start..(start + size).min(count)).collect()
}

/// Does `work` on all processors for each range, and hands the results to `sink` in order.
pub fn in_order<R: Send>(
    ranges: Vec<Range<usize>>,
    work: impl Fn(usize, Range<usize>) -> Outcome<R> + Sync,
    mut sink: impl FnMut(R) -> Outcome<()>,
) -> Outcome<()> {
    let total = ranges.len();
    let jobs = Mutex::new(ranges.into_iter().enumerate());
    let (done, results) = sync_channel(2 * threads());
    thread::scope(|scope| {
        for _ in 0..threads() {
            let done = done.clone();
            scope.spawn(|| {
                let done = done;
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, range)) = job else { return };
                    if done.send((index, work(index, range))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut early = BTreeMap::new();
        // Owned here, so that an error below lets the threads end.
        let results = results;
        for next in 0..total {
            let result = loop {
                if let Some(result) = early.remove(&next) {
                    break result;
                }
                let (index, result) = results.recv().map_err(|_gone| "a thread broke off")?;
                early.insert(index, result);
            };
            sink(result?)?;
        }
        Ok(())
    })
}

/// Timestamps and values of some consecutive frames, to be filled.
pub struct Part<'a> {
    pub index: usize,
    pub frames: Range<usize>,
    pub timestamps: &'a mut [i64],
    pub values: &'a mut [f32],
}

/// Makes arrays for the frames of all parts together, and fills them on all processors.
pub fn fill(
    parts: Vec<Range<usize>>,
    width: usize,
    work: impl Fn(&mut Part<'_>) -> Outcome<()> + Sync,
) -> Outcome<(Vec<i64>, Vec<f32>)> {
    let count = parts.last().map_or(0, |part| part.end);
    // Zeroed memory is given out by the system when it is first written, by whichever thread does.
    let (mut timestamps, mut values) = (vec![0; count], vec![0.0; count * width]);
    let mut waiting = Vec::new();
    let (mut times_left, mut values_left) = (timestamps.as_mut_slice(), values.as_mut_slice());
    for (index, frames) in parts.into_iter().enumerate() {
        let (part_times, rest) = times_left.split_at_mut(frames.len());
        times_left = rest;
        let (part_values, rest) = values_left.split_at_mut(frames.len() * width);
        values_left = rest;
        waiting.push(Part { index, frames, timestamps: part_times, values: part_values });
    }
    waiting.reverse();
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        let work = || -> Outcome<()> {
            loop {
                let part = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(mut part) = part else { return Ok(()) };
                work(&mut part)?;
            }
        };
        let threads: Vec<_> = (0..threads()).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_panic| Err("a thread broke off".into())))
    })?;
    Ok((timestamps, values))
}
