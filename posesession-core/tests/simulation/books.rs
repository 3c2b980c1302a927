//! What a streamer's words come to, number by number, to hold a recorder's report against. What was heard in, sums out.
//!
//! It knows nothing of the recorder's own counts: what is stored it learns from the store, what was sent and dropped from what the
//! streamers said, and what was refused from what they were told.

use posesession_core::{Accepted, FrameRefusal, QualityReport};

/// What a number became by the first word about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing was heard of it.
    Unheard,
    /// Its frame was taken.
    Taken,
    /// Its frame came in a pause.
    Paused,
    /// Its streamer had no room to keep it.
    Dropped,
    /// Its frame, or the word that it was dropped, came after it was given up.
    GivenUp,
}

/// The books of one recorder.
#[derive(Debug)]
pub(crate) struct Books {
    /// The lowest number of the numbering that is this recorder's; none before the first.
    first: Option<u64>,
    /// From `first` on.
    fates: Vec<Fate>,
    /// Of the numberings before.
    closed: Sums,
    /// What came, again and again or not.
    received: u64,
    stored_before: u64,
    /// How many numberings there were before this one.
    numberings: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sums {
    sent: u64,
    taken: u64,
    paused: u64,
    dropped: u64,
    missing: u64,
}

impl Books {
    /// Opens the books of a recorder that goes on behind `settled_through`.
    pub(crate) fn new(stored_before: u64, settled_through: Option<u64>) -> Self {
        Self {
            first: settled_through.map(|number| number + 1),
            fates: Vec::new(),
            closed: Sums::default(),
            received: 0,
            stored_before,
            numberings: 0,
        }
    }

    /// Enters a frame and what its sender was told.
    pub(crate) fn hear_frame(&mut self, number: u64, told: &Result<Accepted, FrameRefusal>) {
        if matches!(told, Err(FrameRefusal::NotRecording { .. } | FrameRefusal::NotPolled { .. })) {
            return;
        }
        self.received += 1;
        let Some(fate) = self.fate(number) else { return };
        if *fate != Fate::Unheard {
            return;
        }
        *fate = match told {
            Ok(Accepted::Paused { .. }) => Fate::Paused,
            Ok(Accepted::Stored { .. } | Accepted::Waiting { .. }) => Fate::Taken,
            Err(FrameRefusal::Late { .. }) => Fate::GivenUp,
            other => panic!("frame {number}, which is heard of for the first time, is told {other:?}"),
        };
    }

    /// Enters that a number won't come, the recorder having settled all up to `settled_through` before.
    pub(crate) fn hear_dropped(&mut self, number: u64, settled_through: Option<u64>) {
        let is_given_up = self.first.is_some() && settled_through >= Some(number);
        let Some(fate) = self.fate(number) else { return };
        if *fate == Fate::Unheard {
            *fate = if is_given_up { Fate::GivenUp } else { Fate::Dropped };
        }
    }

    /// Another streamer's numbers follow.
    pub(crate) fn start_numbering(&mut self) {
        self.closed = self.sums();
        self.first = None;
        self.fates.clear();
        self.numberings += 1;
    }

    fn fate(&mut self, number: u64) -> Option<&mut Fate> {
        let place = number.checked_sub(*self.first.get_or_insert(number))?;
        let place = usize::try_from(place).ok()?;
        if place >= self.fates.len() {
            self.fates.resize(place + 1, Fate::Unheard);
        }
        self.fates.get_mut(place)
    }

    fn sums(&self) -> Sums {
        let count = |fate| self.fates.iter().filter(|&&is| is == fate).count() as u64;
        Sums {
            sent: self.closed.sent + self.fates.len() as u64,
            taken: self.closed.taken + count(Fate::Taken),
            paused: self.closed.paused + count(Fate::Paused),
            dropped: self.closed.dropped + count(Fate::Dropped),
            missing: self.closed.missing + count(Fate::Unheard) + count(Fate::GivenUp),
        }
    }

    /// Checks the report of a recorder that has ended: every number has one cause, and each cause its count.
    pub(crate) fn check(&self, report: &QualityReport) {
        let refused: u64 = report.refused.values().sum();
        let by_cause = report.stored
            + report.paused
            + refused
            + report.missing
            + report.missing_in_pauses
            + report.dropped.values().sum::<u64>();
        assert_eq!(report.sent, by_cause, "the report's books: {report:?}");
        let told = Sums {
            sent: report.sent,
            taken: report.stored,
            paused: report.paused,
            dropped: report.dropped.get("overflow").copied().unwrap_or_default(),
            missing: report.missing + report.missing_in_pauses,
        };
        assert_eq!(told, self.sums(), "the report, and what was heard");
        assert!(report.dropped.keys().all(|cause| cause == "overflow"), "{:?}", report.dropped);
        assert_eq!((refused, report.conflict), (0, 0), "{:?}", report.refused);
        assert_eq!(report.stored_before, self.stored_before);
        assert_eq!(report.received, self.received, "what came");
        let came = report.stored + report.late + report.duplicate + report.paused;
        assert_eq!(report.received, came, "every frame that came is counted once");
    }

    /// Returns the first number of a recorder with one numbering alone.
    pub(crate) fn only_first(&self) -> Option<u64> {
        self.first.filter(|_| self.numberings == 0)
    }
}
