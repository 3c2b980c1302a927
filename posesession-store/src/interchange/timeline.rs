//! The time of a file's frames. What the file says in, session time that starts at 0 and rises out.

use posesession_core::Timestamp;

use super::ReadError;

/// Places frames on the session's timeline.
#[derive(Debug)]
pub(super) struct Timeline {
    fps: Option<f64>,
    frames: u32,
    first: Option<Timestamp>,
    last: Option<(Timestamp, u64)>,
}

impl Timeline {
    pub(super) fn new(fps: Option<f64>) -> Self {
        Self { fps, frames: 0, first: None, last: None }
    }

    /// Returns when a frame is, from what the file says: seconds, or nothing.
    pub(super) fn place(
        &mut self,
        line: u64,
        column: u64,
        seconds: Option<f64>,
    ) -> Result<Timestamp, ReadError> {
        let wrong = |what: String| ReadError::at(line, column, what);
        let seconds = match (seconds, self.fps) {
            (Some(seconds), _) => seconds,
            (None, Some(fps)) if fps.is_finite() && fps > 0.0 => f64::from(self.frames) / fps,
            (None, Some(fps)) => return Err(wrong(format!("{fps} frames a second make no time"))),
            (None, None) => {
                let what = "the frame has no time: give it a `timestamp` in seconds (or `timestamp_ms`, \
                            `timestamp_us`), or say how many frames a second the file has";
                return Err(wrong(what.to_owned()));
            }
        };
        let sent = Timestamp::from_secs_f64(seconds).map_err(|error| wrong(error.to_string()))?;
        let first = *self.first.get_or_insert(sent);
        let timestamp = Timestamp::from_micros(sent.micros_since(first));
        if let Some((last, before)) = self.last.filter(|&(last, _)| timestamp <= last) {
            let last = last.plus_micros(first.as_micros());
            return Err(wrong(format!(
                "the frame is at {sent}, not later than the one of line {before} at {last}: timestamps must increase"
            )));
        }
        self.last = Some((timestamp, line));
        self.frames = self.frames.saturating_add(1);
        Ok(timestamp)
    }
}
