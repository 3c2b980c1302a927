//! What a streamer knows of its session, held against what the disk has: the invariants.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use posesession_core::{ChunkQuery, PoseData, SessionId, Timestamp};
use posesession_store::{MemoryStore, SessionStore};

/// What a streamer noted of one session.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) session: SessionId,
    /// Every number that was taken, and whether the recording stood still then, as far as that is known.
    sent: BTreeMap<u64, Option<bool>>,
    dropped: Vec<RangeInclusive<u64>>,
    /// The highest number that the streamer has read an acknowledgement of.
    acked: Option<u64>,
}

/// What the disk had of a session.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) frames: u64,
    pub(crate) hash: u64,
}

impl Log {
    pub(crate) fn of(session: SessionId) -> Self {
        Self { session, sent: BTreeMap::new(), dropped: Vec::new(), acked: None }
    }

    pub(crate) fn note_sent(&mut self, number: u64, is_paused: Option<bool>) {
        self.sent.insert(number, is_paused);
    }

    /// Notes that somebody else may have paused before what is not acknowledged arrived.
    pub(crate) fn note_controlled(&mut self) {
        for (_, is_paused) in self.sent.iter_mut().filter(|(number, _)| Some(**number) > self.acked) {
            *is_paused = None;
        }
    }

    pub(crate) fn note_dropped(&mut self, numbers: RangeInclusive<u64>) {
        self.dropped.push(numbers);
    }

    /// Notes an acknowledgement.
    ///
    /// # Errors
    ///
    /// If it goes back (I4).
    pub(crate) fn note_acked(&mut self, through: Option<u64>) -> Result<(), String> {
        if through < self.acked {
            return Err(format!("I4: the acknowledgement went back from {:?} to {through:?}", self.acked));
        }
        self.acked = through;
        Ok(())
    }

    /// Looks whether everything that was sent is acknowledged, as a flush says.
    ///
    /// # Errors
    ///
    /// If it isn't.
    pub(crate) fn check_flushed(&self) -> Result<(), String> {
        match self.sent.keys().next_back() {
            Some(&last) if Some(last) > self.acked => {
                Err(format!("flushed, but frame {last} is not acknowledged: only {:?}", self.acked))
            }
            _ => Ok(()),
        }
    }

    /// Compares with the disk. `not_stored` are the numbers that the streamer was told are not stored; `is_whole` says that all
    /// others must be.
    ///
    /// # Errors
    ///
    /// What is wrong, by the invariant's name.
    pub(crate) async fn check(
        &self,
        disk: &MemoryStore,
        not_stored: &[RangeInclusive<u64>],
        is_whole: bool,
    ) -> Result<Found, String> {
        let on_disk = read(disk, self.session).await?;
        let mut found = Found::default();
        let mut last: Option<(u64, Timestamp)> = None;
        for (at, (number, timestamp)) in (0_u64..).zip(&on_disk) {
            if !self.sent.contains_key(number) {
                return Err(format!("I2: frame {number} was never sent"));
            }
            if let Some((before, time)) = last
                && (before >= *number || time >= *timestamp)
            {
                return Err(format!("I2: frame {number} at {timestamp} stands behind {before} at {time}"));
            }
            last = Some((*number, *timestamp));
            found.hash = found.hash.rotate_left(7) ^ (number.wrapping_mul(31) + at);
        }
        found.frames = on_disk.len() as u64;
        let stored: std::collections::BTreeSet<u64> = on_disk.iter().map(|(number, _)| *number).collect();
        let is_named =
            |number: u64, ranges: &[RangeInclusive<u64>]| ranges.iter().any(|range| range.contains(&number));
        for (&number, &is_paused) in &self.sent {
            if stored.contains(&number) {
                if is_paused == Some(true) {
                    return Err(format!("frame {number} was pushed in a pause, and is stored"));
                }
                continue;
            }
            if is_paused != Some(false) || is_named(number, &self.dropped) {
                continue;
            }
            if Some(number) <= self.acked {
                return Err(format!("I1: frame {number} was acknowledged, and is not on the disk"));
            }
            if is_whole && !is_named(number, not_stored) {
                return Err(format!("frame {number} is neither stored nor told as missing"));
            }
        }
        Ok(found)
    }
}

/// Reads a session: the numbers of its frames, told by their content, and their times.
async fn read(disk: &MemoryStore, session: SessionId) -> Result<Vec<(u64, Timestamp)>, String> {
    let told = |error: posesession_store::StoreError| error.to_string();
    let count = disk.read_session(session).await.map_err(told)?.frame_count;
    let mut frames = Vec::new();
    while (frames.len() as u64) < count {
        let at = frames.len() as u64;
        let chunk = disk.covering_chunk(session, ChunkQuery::Frame(at)).await.map_err(told)?.chunk;
        for frame in chunk.frames().skip(usize::try_from(at - chunk.first_frame()).unwrap_or(0)) {
            let number = number_of(&frame.pose_data)?;
            frames.push((number, frame.timestamp));
        }
    }
    Ok(frames)
}

/// How many values a frame has: a person of `coco_17`.
const VALUES: u16 = 17 * 3;

/// Makes the frame of a number. No two are alike.
pub(crate) fn pose(number: u64) -> PoseData {
    let value = |at: u16| number as f32 + f32::from(at) / 64.0;
    PoseData::one_person((0..VALUES).map(value).collect())
}

/// Returns the number of the frame, all of whose values must be as they were sent.
fn number_of(pose_data: &PoseData) -> Result<u64, String> {
    let first = pose_data.values.first().copied().unwrap_or(f32::NAN);
    // Whole seconds are whole numbers, by a conversion that checks them.
    let number = Duration::try_from_secs_f32(first).ok().map(|number| number.as_secs());
    match number {
        Some(number) if *pose_data == pose(number) => Ok(number),
        _ => Err("I1: a stored frame has other values than were sent".to_owned()),
    }
}
