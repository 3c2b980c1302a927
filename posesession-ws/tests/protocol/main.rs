//! Both protocols, from a client's text to the store and back, over an in-process transport in paused time.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod harness;
mod frames;
mod parties;
mod recording;
mod resuming;
mod rivals;
mod road;
mod streaming;
mod streaming_commands;
mod streaming_controllers;
mod streaming_limits;
mod streaming_video;
mod replaying;
mod reading;
mod trouble;
mod halfway;
mod pre_roll;
mod guarded;
mod vectors;
