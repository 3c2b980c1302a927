//! What survives a crash: a store as simple as it can be said. Batches in, committed frames out.

use posesession_core::{Batch, ResumePoint, Skeleton, Timestamp};

use super::dice::mix;

/// A frame as it is told apart: whose, and which number.
pub(crate) type Frame = (usize, u64);

/// All of it is durable.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) frames: Vec<Frame>,
    pub(crate) publisher: Option<usize>,
    pub(crate) settled: Option<u64>,
    pub(crate) term: u64,
    pub(crate) is_finished: bool,
    skeleton: Option<Skeleton>,
    duration: Timestamp,
}

/// The term is over: another server records.
#[derive(Debug, PartialEq)]
pub(crate) struct Fenced;

impl Store {
    pub(crate) fn begin_term(&mut self) -> u64 {
        self.term += 1;
        self.term
    }

    /// From now on `settled` is of this publisher's numbers; the number is kept if it was before.
    pub(crate) fn set_publisher(&mut self, term: u64, publisher: usize) -> Result<Option<u64>, Fenced> {
        self.check(term)?;
        if self.publisher != Some(publisher) {
            self.publisher = Some(publisher);
            self.settled = None;
        }
        Ok(self.settled)
    }

    /// Appends a batch, or finds that it is there already. Panics for what a right recorder never hands out.
    pub(crate) fn append(&mut self, term: u64, batch: &Batch) -> Result<(), Fenced> {
        self.check(term)?;
        if let Some(skeleton) = &batch.skeleton {
            assert!(self.skeleton.as_ref().is_none_or(|known| known == skeleton));
            self.skeleton = Some(skeleton.clone());
        }
        if let Some(chunk) = &batch.chunk {
            let first = usize::try_from(chunk.first_frame()).unwrap();
            let frames = chunk.values().chunks_exact(2).map(frame_of);
            if let Some(stored) = self.frames.get(first..first + chunk.frame_count()) {
                assert!(frames.eq(stored.iter().copied()), "a batch that comes again is the same");
            } else {
                assert_eq!(first, self.frames.len(), "frames are numbered without holes");
                let increases = first == 0 || chunk.timestamps()[0] > self.duration;
                assert!(increases, "session time increases");
                self.frames.extend(frames);
                self.duration = *chunk.timestamps().last().unwrap();
            }
        }
        self.settled = self.settled.max(batch.settled_through);
        Ok(())
    }

    pub(crate) fn finish(&mut self, term: u64) -> Result<(), Fenced> {
        self.check(term)?;
        self.is_finished = true;
        Ok(())
    }

    /// Returns where a recorder goes on.
    pub(crate) fn resume_point(&self) -> ResumePoint {
        ResumePoint {
            skeleton: self.skeleton.clone(),
            frame_count: self.frames.len() as u64,
            duration: self.duration,
            settled_through: self.settled,
        }
    }

    fn check(&self, term: u64) -> Result<(), Fenced> {
        if term == self.term && !self.is_finished { Ok(()) } else { Err(Fenced) }
    }

    pub(crate) fn fingerprint(&self, into: &mut u64) {
        for &(client, number) in &self.frames {
            mix(into, number * 2 + client as u64);
        }
        mix(into, self.publisher.map_or(9, |publisher| publisher as u64));
        mix(into, self.settled.map_or(u64::MAX, |number| number));
        mix(into, self.term);
    }
}

/// Reads back who sent a frame and under which number: that is what its values are.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers went in")]
fn frame_of(values: &[f32]) -> Frame {
    (values[0] as usize, values[1] as u64)
}
