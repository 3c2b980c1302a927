//! When a recording was told to stand still, by frame numbers: what a server that is resumed at an earlier number must be told
//! again.

use std::collections::VecDeque;

/// Pauses and their ends, as far as frames around them may have to be sent again.
#[derive(Debug, Default)]
pub(super) struct PauseTimeline {
    /// Whether it stands still at what is settled.
    is_paused_before: bool,
    /// The highest number pushed before a change, and whether it is a pause; rising.
    changes: VecDeque<(Option<u64>, bool)>,
}

impl PauseTimeline {
    pub(super) fn change(&mut self, after: Option<u64>, is_pause: bool) {
        let is_crowded = self.changes.len() > 64;
        match self.changes.back_mut() {
            // Whatever happens between two frames, the last word counts; nothing piles up while no frame comes.
            Some(last) if last.0 == after && is_crowded => last.1 = is_pause,
            _ => self.changes.push_back((after, is_pause)),
        }
    }

    /// Takes a change back that was refused.
    pub(super) fn undo(&mut self, after: Option<u64>, is_pause: bool) {
        if let Some(at) = self.changes.iter().rposition(|&change| change == (after, is_pause)) {
            self.changes.remove(at);
        }
    }

    /// Forgets changes that the other side has certainly seen: a frame after them is settled.
    pub(super) fn settle(&mut self, through: u64) {
        while let Some(&(after, is_pause)) = self.changes.front()
            && after < Some(through)
        {
            self.is_paused_before = is_pause;
            self.changes.pop_front();
        }
    }

    /// Returns whether the recording stands still when a frame of this number comes; none: after all frames.
    pub(super) fn is_paused_at(&self, number: Option<u64>) -> bool {
        let before = self.changes.iter().rev().find(|(after, _)| number.is_none_or(|n| *after < Some(n)));
        before.map_or(self.is_paused_before, |&(_, is_pause)| is_pause)
    }

    /// Forgets a recording whose last number is `last`; what was said since is of the next one.
    pub(super) fn end(&mut self, last: Option<u64>) {
        self.is_paused_before = false;
        self.changes.retain(|&(after, _)| after > last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_holds_for_the_frames_after_it() {
        let mut timeline = PauseTimeline::default();
        timeline.change(Some(9), true);
        timeline.change(Some(19), false);
        let paused = |timeline: &PauseTimeline, n| timeline.is_paused_at(Some(n));
        assert!(!paused(&timeline, 9) && paused(&timeline, 10) && paused(&timeline, 19));
        assert!(!paused(&timeline, 20) && !timeline.is_paused_at(None));
        timeline.settle(9);
        assert!(!paused(&timeline, 9), "the pause may not have come through");
        timeline.settle(15);
        assert!(paused(&timeline, 16) && !paused(&timeline, 20));
        timeline.settle(20);
        assert!(timeline.changes.is_empty() && !timeline.is_paused_at(None));
    }
}
