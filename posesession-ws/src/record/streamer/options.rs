//! How a streamer goes about it.

use std::time::Duration;

use posesession_core::UnackedLimits;

use crate::protocol::Publish;

/// The settings of a [`Streamer`](super::Streamer).
#[derive(Debug, Clone)]
pub struct StreamerOptions {
    /// What is published, and how. Without a `publisher` it gets a random one. `take_over` counts for the first connection only:
    /// whoever has put this streamer out is not put out in turn.
    pub publish: Publish,
    /// How much is kept of what isn't acknowledged, and what gives way.
    pub buffer: UnackedLimits,
    /// How many bytes of video are kept until they are stored.
    pub max_video_bytes: usize,
    /// How long a connection may take, from the first packet to the resumed session.
    pub connect_within: Duration,
    /// How long unacknowledged frames, or an unanswered command, may go without a sign of life: then the connection is given up.
    pub silence: Duration,
    /// How long [`Streamer::stop_recording`](super::Streamer::stop_recording) may take in all.
    pub stop_within: Duration,
    /// What the waits between two tries are drawn from; random if none.
    pub seed: Option<u64>,
}

impl Default for StreamerOptions {
    /// 64 MiB and ten minutes of frames, the oldest of which give way; 64 MiB of video; 10 s to connect, 10 s of silence, a minute to
    /// stop.
    fn default() -> Self {
        Self {
            publish: Publish::default(),
            buffer: UnackedLimits::default(),
            max_video_bytes: 64 << 20,
            connect_within: Duration::from_secs(10),
            silence: Duration::from_secs(10),
            stop_within: Duration::from_secs(60),
            seed: None,
        }
    }
}
