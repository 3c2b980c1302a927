//! What a simulation counts.

use std::sync::{Arc, Mutex, PoisonError};

use posesession_ws::StreamerFigures;

use crate::log::Found;

/// The figures of a simulation.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// How often the server crashed.
    pub crashes: u64,
    /// How often the network was cut, one way, both ways, or held up.
    pub cuts: u64,
    /// How often a streamer found a server again.
    pub reconnects: u64,
    /// How many sessions were held against the disk.
    pub sessions: u64,
    /// How many of them could not be gone on with after a crash, which their streamers were told with the numbers.
    pub ended: u64,
    /// In how many of them somebody else paused and went on.
    pub controlled: u64,
    /// How many flushes were told as done, and held against the disk.
    pub flushes: u64,
    /// How many frames were pushed.
    pub pushed: u64,
    /// How many frames were acknowledged.
    pub acked: u64,
    /// How many were sent more than once.
    pub resent: u64,
    /// How many gave way to a full buffer, told and counted.
    pub dropped: u64,
    /// How many frames were found on the disk, each compared with what was sent.
    pub found: u64,
    /// How many commits there were.
    pub commits: u64,
    /// How many of them the server was told had failed.
    pub unknown_commits: u64,
    /// What all of it was, in one number: the same for the same seed.
    pub hash: u64,
}

impl Figures {
    /// Adds those of another simulation.
    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.reconnects += other.reconnects;
        self.sessions += other.sessions;
        self.ended += other.ended;
        self.controlled += other.controlled;
        self.flushes += other.flushes;
        self.pushed += other.pushed;
        self.acked += other.acked;
        self.resent += other.resent;
        self.dropped += other.dropped;
        self.found += other.found;
        self.commits += other.commits;
        self.unknown_commits += other.unknown_commits;
        self.hash = self.hash.rotate_left(1) ^ other.hash;
    }
}

/// Where the streamers add theirs.
#[derive(Debug, Default, Clone)]
pub(crate) struct Totals(pub(crate) Arc<Mutex<Figures>>);

impl Totals {
    pub(crate) fn change(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn add_session(&self, found: Found) {
        self.change(|figures| {
            figures.sessions += 1;
            figures.found += found.frames;
            figures.hash = figures.hash.rotate_left(9) ^ found.hash;
        });
    }

    pub(crate) fn count_ended(&self) {
        self.change(|figures| figures.ended += 1);
    }

    pub(crate) fn add_figures(&self, streamer: &StreamerFigures) {
        self.change(|figures| {
            figures.reconnects += streamer.reconnects;
            figures.pushed += streamer.pushed;
            figures.acked += streamer.acked;
            figures.resent += streamer.resent;
            figures.dropped += streamer.dropped;
        });
    }
}
