//! The server's memory: the real recorder, and the shell around it as short as it can be. All of it is gone after a crash.

use std::collections::VecDeque;
use std::time::Duration;

use posesession_core::{
    Accepted, Batch, CommandError, FrameRefusal, IncomingFrame, PoseData, Recorder, RecorderConfig,
    SessionStatus, Skeleton,
};

use super::books::Books;
use super::client::{Said, Told};
use super::dice::mix;
use super::store::{Fenced, Store};

/// A mistake made on purpose, which the tests must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    /// Frames are acknowledged before they are committed.
    AckBeforeCommit,
    /// A resumed streamer is told one number too many.
    ResumeOffByOne,
    /// What a streamer is told when it resumes is what it knows already.
    LostLastAck,
    /// Frames of a connection that was put out are taken.
    OldConnectionHeard,
    /// The store takes what a server of an earlier term appends.
    TermIgnored,
}

/// What waits for the store, in order.
#[derive(Debug)]
pub(crate) enum Waiting {
    Publisher(usize),
    Batch(usize, Box<Batch>),
    Finish,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) recorder: Recorder,
    pub(crate) term: u64,
    /// Who publishes, and on which connection.
    pub(crate) publisher: usize,
    pub(crate) connection: Option<u64>,
    /// How far the publisher's numbers are durable.
    pub(crate) durable: Option<u64>,
    pub(crate) waiting: VecDeque<Waiting>,
    /// All that the recorder was told, which its state follows from.
    history: u64,
    pub(crate) frame: IncomingFrame,
    /// The frame that was just refused for coming late, or in a pause.
    pub(crate) refused: Option<u64>,
    pub(crate) books: Books,
}

impl Server {
    /// Starts, as the first server of a session or after a crash, with the publisher who asks for it.
    pub(crate) fn start(
        store: &mut Store,
        publisher: usize,
        config: RecorderConfig,
        skeleton: &Skeleton,
    ) -> Self {
        let term = store.begin_term();
        let durable = store.set_publisher(term, publisher).unwrap();
        let point = store.resume_point();
        let mut history = term;
        mix(&mut history, point.frame_count);
        mix(&mut history, durable.map_or(u64::MAX, |number| number));
        let books = Books::new(point.frame_count, durable);
        let mut recorder = Recorder::reopen(point, config).unwrap();
        recorder.set_skeleton(skeleton.clone()).unwrap();
        Self {
            recorder,
            term,
            publisher,
            connection: None,
            durable,
            waiting: VecDeque::new(),
            history,
            frame: IncomingFrame {
                number: None,
                timestamp: posesession_core::Timestamp::ZERO,
                pose_data: PoseData::nobody(),
                image: None,
            },
            refused: None,
            books,
        }
    }

    /// Takes what a streamer says. Returns what it is told.
    pub(crate) fn hear(
        &mut self,
        now: Duration,
        client: usize,
        connection: u64,
        said: Said,
        planted: Planted,
    ) -> Option<Told> {
        match said {
            Said::Resume { take_over } => self.resume(now, client, connection, take_over, planted),
            _ if self.connection != Some(connection) && planted != Planted::OldConnectionHeard => None,
            Said::Frame { number, taken_at } => {
                mix(&mut self.history, number << 4 | client as u64);
                self.frame.number = Some(number);
                self.frame.timestamp = taken_at;
                let PoseData { track_ids, values } = &mut self.frame.pose_data;
                track_ids.clear();
                track_ids.push(0);
                values.clear();
                #[expect(clippy::cast_precision_loss, reason = "numbers are below 2^24")]
                values.extend([client as f32, number as f32]);
                let taken = self.recorder.handle_frame(now, &mut self.frame);
                self.books.hear_frame(number, &taken);
                match taken {
                    Ok(Accepted::Paused { .. }) | Err(FrameRefusal::Late { .. }) => {
                        self.refused = Some(number);
                    }
                    Ok(_) => {}
                    Err(FrameRefusal::NotRecording { .. }) => {
                        return Some(Told::Ended { stored_through: self.durable });
                    }
                    Err(refusal) => panic!("frame {number} is refused: {refusal}"),
                }
                self.poll(now);
                None
            }
            Said::Dropped { first, last } => {
                // What is overdue is given up first.
                self.poll(now);
                let before = self.recorder.settled_through();
                match self.recorder.drop_numbers(now, first, last, "overflow") {
                    Ok(()) => {}
                    Err(CommandError::WrongStatus { .. }) => {
                        return Some(Told::Ended { stored_through: self.durable });
                    }
                    Err(refusal) => panic!("{first} to {last} can't be dropped: {refusal}"),
                }
                // One that came before it was dropped keeps its place.
                for number in first..=last {
                    mix(&mut self.history, number << 4 | 8);
                    self.books.hear_dropped(number, before);
                }
                self.poll(now);
                None
            }
        }
    }

    fn resume(
        &mut self,
        now: Duration,
        client: usize,
        connection: u64,
        take_over: bool,
        planted: Planted,
    ) -> Option<Told> {
        if !self.recorder.status().is_live() {
            if self.publisher != client {
                return Some(Told::Ended { stored_through: None });
            }
            // What is left to be stored is told when it is.
            self.connection = Some(connection);
            return self.waiting.is_empty().then_some(Told::Ended { stored_through: self.durable });
        }
        if self.publisher != client {
            if !take_over {
                return Some(Told::Busy);
            }
            mix(&mut self.history, 1 << 40);
            self.recorder.new_numbering(now).unwrap();
            self.books.start_numbering();
            self.poll(now);
            self.waiting.push_back(Waiting::Publisher(client));
            self.publisher = client;
            self.durable = None;
        }
        self.connection = Some(connection);
        Some(Told::Resumed {
            stored_through: match planted {
                Planted::ResumeOffByOne => self.durable.map(|number| number + 1),
                _ => self.durable,
            },
        })
    }

    /// Moves batches that are due to where they wait for the store.
    pub(crate) fn poll(&mut self, now: Duration) {
        while let Some(batch) = self.recorder.poll_batch(now) {
            mix(&mut self.history, 3 << 40);
            self.waiting.push_back(Waiting::Batch(self.publisher, Box::new(batch)));
        }
    }

    /// Puts the first of what waits into the store. Returns whether something was, and what the publisher is told.
    pub(crate) fn commit(&mut self, store: &mut Store) -> Result<Option<Told>, Fenced> {
        match self.waiting.front() {
            None => return Ok(None),
            Some(Waiting::Publisher(publisher)) => {
                store.set_publisher(self.term, *publisher)?;
            }
            Some(Waiting::Batch(_, batch)) => store.append(self.term, batch)?,
            Some(Waiting::Finish) => store.finish(self.term)?,
        }
        Ok(match self.waiting.pop_front() {
            Some(Waiting::Batch(publisher, batch)) if publisher == self.publisher => {
                self.durable = self.durable.max(batch.settled_through);
                Some(Told::Ack { stored_through: self.durable })
            }
            Some(Waiting::Finish) => Some(Told::Ended { stored_through: self.durable }),
            _ => None,
        })
    }

    pub(crate) fn pause_or_resume(&mut self, now: Duration) {
        mix(&mut self.history, 2 << 40);
        if self.recorder.status() == SessionStatus::Paused {
            self.recorder.resume(now).unwrap();
        } else {
            self.recorder.pause(now).unwrap();
        }
        self.poll(now);
    }

    pub(crate) fn finish(&mut self, now: Duration) {
        self.recorder.finish(now).unwrap();
        self.books.check(&self.recorder.report());
        self.poll(now);
        self.waiting.push_back(Waiting::Finish);
    }

    /// Ends the recording as it is, and checks its report.
    pub(crate) fn interrupt(&mut self, now: Duration) {
        let _ended_before = self.recorder.interrupt(now);
        self.books.check(&self.recorder.report());
        self.poll(now);
    }

    pub(crate) fn fingerprint(&self, into: &mut u64) {
        mix(into, self.history);
        mix(into, self.publisher as u64);
        mix(into, self.waiting.len() as u64);
        mix(into, self.durable.map_or(u64::MAX, |number| number));
    }
}
