//! Blocks in, clusters of known size out, and a bounded list of cue points.

use bytes::Bytes;

use super::ebml::{self, id};
use super::reader::Block;

/// A cluster ends at the first key frame after this time, so that seeking finds one nearby.
const MIN_CLUSTER_NANOS: u64 = 500_000_000;
/// A cluster ends after this time or with this many bytes, with or without a key frame.
const MAX_CLUSTER_NANOS: u64 = 5_000_000_000;
const MAX_CLUSTER_BYTES: usize = 4 * 1024 * 1024;
/// The most cue points; of more, every second one is left out.
const MAX_CUES: usize = 4096;

/// A key frame that can be sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cue {
    /// In ticks.
    pub(super) time: u64,
    /// Where its cluster is, counted from the first cluster.
    pub(super) position: u64,
}

/// Gathers blocks into clusters. A cluster is held in memory until it ends, which is what makes its size known.
#[derive(Debug)]
pub(super) struct Clusters {
    cue_track: u64,
    min_ticks: u64,
    max_ticks: u64,
    /// The cluster in the making: its blocks, and when it starts.
    blocks: Vec<u8>,
    start: Option<u64>,
    /// Whether it starts with a key frame of the track that is sought.
    opens_with_key: bool,
    /// The latest time in it at which a picture is shown that needs others.
    latest_dependent: Option<u64>,
    /// How many bytes the clusters before it have.
    written: u64,
    cues: Vec<Cue>,
    cue_spacing: u64,
}

impl Clusters {
    pub(super) fn new(cue_track: u64, nanos_per_tick: u64) -> Self {
        let ticks = |nanos: u64| (nanos / nanos_per_tick.max(1)).max(1);
        Self {
            cue_track,
            min_ticks: ticks(MIN_CLUSTER_NANOS),
            max_ticks: ticks(MAX_CLUSTER_NANOS),
            blocks: Vec::new(),
            start: None,
            opens_with_key: false,
            latest_dependent: None,
            written: 0,
            cues: Vec::new(),
            cue_spacing: 0,
        }
    }

    /// Takes the next block, to be shown at `time`; returns the cluster that ends before it.
    pub(super) fn push(&mut self, mut block: Block, time: u64) -> Option<Bytes> {
        let is_sought = block.is_key && block.track == self.cue_track;
        let ended = if self.ends_before(&block, time, is_sought) { self.close() } else { None };
        if self.start.is_none() {
            self.start = Some(time);
            self.opens_with_key = is_sought;
            if is_sought {
                self.add_cue(time);
            }
        }
        if block.track == self.cue_track && !block.is_key {
            self.latest_dependent = self.latest_dependent.max(Some(time));
        }
        let relative = self.relative(time).unwrap_or_default().to_be_bytes();
        block.element[block.time_at..block.time_at + 2].copy_from_slice(&relative);
        self.blocks.extend_from_slice(&block.element);
        ended
    }

    fn ends_before(&self, block: &Block, time: u64, is_sought: bool) -> bool {
        let Some(start) = self.start else { return false };
        let elapsed = time.saturating_sub(start);
        self.relative(time).is_none()
            || elapsed >= self.max_ticks
            || self.blocks.len() + block.element.len() > MAX_CLUSTER_BYTES
            || is_sought && (elapsed >= self.min_ticks || !self.opens_with_key || self.hides(time))
    }

    /// Says whether a key frame shown at this time could not be sought: a player that has sought goes through the cluster
    /// to the first picture that is not shown before, and that one would need others. A cut leaves such times.
    fn hides(&self, time: u64) -> bool {
        self.latest_dependent.is_some_and(|latest| time <= latest)
    }

    /// Returns a time as a block of the cluster in the making says it; none if it is too far from the cluster's start.
    fn relative(&self, time: u64) -> Option<i16> {
        let start = self.start?;
        let distance = i64::try_from(time.abs_diff(start)).ok()?;
        i16::try_from(if time < start { -distance } else { distance }).ok()
    }

    /// Ends the cluster in the making.
    pub(super) fn close(&mut self) -> Option<Bytes> {
        let start = self.start.take()?;
        self.latest_dependent = None;
        let mut time = Vec::new();
        ebml::put_unsigned(&mut time, id::TIMESTAMP, start);
        let mut cluster = Vec::with_capacity(32 + self.blocks.len());
        ebml::put_wide_head(&mut cluster, id::CLUSTER, (time.len() + self.blocks.len()) as u64);
        cluster.extend_from_slice(&time);
        cluster.append(&mut self.blocks);
        self.written += cluster.len() as u64;
        Some(cluster.into())
    }

    fn add_cue(&mut self, time: u64) {
        // Of two at one time the later one stays to be seen.
        if let Some(last) = self.cues.last_mut().filter(|last| last.time == time) {
            last.position = self.written;
            return;
        }
        if self.cues.last().is_some_and(|last| time < last.time.saturating_add(self.cue_spacing)) {
            return;
        }
        self.cues.push(Cue { time, position: self.written });
        if self.cues.len() >= MAX_CUES {
            let mut place = 0;
            self.cues.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            let spread = self.cues.last().map_or(0, |last| last.time)
                - self.cues.first().map_or(0, |first| first.time);
            self.cue_spacing = spread / self.cues.len().max(1) as u64 + 1;
        }
    }

    /// Returns how many bytes the clusters have that have ended.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Returns the cue points, rising in time and position.
    pub(super) fn into_cues(self) -> Vec<Cue> {
        self.cues
    }
}
