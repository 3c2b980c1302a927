//! What is done with the store while the power is there, and what it promised at which operation of the disk.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::path::Path;

use futures::future::try_join_all;
use posesession_core::{SessionId, SessionStatus};
use posesession_store::{NewSession, SessionStore, SqliteStore, StoreError, Term};

use crate::disk::Operation;
use crate::frames;
use crate::shim::{self, Fault};

/// The name of the database in its folder.
pub const DATABASE: &str = "posesession.db";

/// Something that was begun, or that the store said is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The session is there.
    Created(usize),
    /// An append up to this frame was begun.
    Sent(usize, u64),
    /// All frames before this one are acknowledged.
    Acknowledged(usize, u64),
    /// The session's end was begun.
    Finishing(usize),
    /// It is completed.
    Finished(usize),
    /// It began to be erased.
    Erasing(usize),
    /// It is erased.
    Erased(usize),
}

/// All that was done and promised in a run.
#[derive(Debug, Default)]
pub struct Run {
    /// The sessions, by their place.
    pub sessions: Vec<SessionId>,
    /// What was done to the disk, in order.
    pub operations: Vec<Operation>,
    /// Each with how many operations of the disk there had been.
    pub events: Vec<(usize, Event)>,
    /// How often the store answered that something failed and may be tried again, and it was.
    pub refusals: usize,
    /// How often a database was opened.
    pub openings: usize,
    /// How many of the disk's operations failed.
    pub failures: usize,
}

/// How much is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// How many sessions at once.
    pub sessions: usize,
    /// How many batches each has.
    pub batches: u64,
    /// How many frames a batch has.
    pub frames: u64,
}

/// What was begun and promised so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    events: RefCell<Vec<(usize, Event)>>,
    refusals: Cell<usize>,
}

/// How often something may fail before it is given up.
const TRIES: usize = 30;

impl Log {
    /// Returns how often something was refused, and all events.
    pub(crate) fn end(self) -> (usize, Vec<(usize, Event)>) {
        (self.refusals.get(), self.events.into_inner())
    }

    fn note(&self, event: Event) {
        // What is promised is noted after more of the disk's operations than it needed, never after fewer.
        self.events.borrow_mut().push((shim::position(), event));
    }

    /// Does something again as long as the store says that this may help.
    async fn persist<T>(&self, work: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        for _ in 1..TRIES {
            match work().await {
                Err(StoreError::Backend { retryable: true, .. }) => self.refusals.update(|count| count + 1),
                done => return done,
            }
        }
        work().await
    }
}

impl Run {
    /// Makes a store in an empty folder and uses it: sessions recorded at once, compacted, finished, one of them erased; the
    /// store closed and opened again, the log emptied several times. With a fault, some of the disk's operations fail; what the
    /// store says may be tried again is.
    ///
    /// # Errors
    ///
    /// Those of the store that can't be helped by trying again; it has no reason for any.
    ///
    /// # Panics
    ///
    /// Panics if it can't be waited for the store.
    pub fn record(folder: &Path, size: Size, fault: Option<Fault>) -> Result<Self, StoreError> {
        // There is one shim for all tests of the process.
        let _alone = shim::alone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        shim::install();
        shim::watch(folder);
        shim::set_fault(fault);
        let log = Log::default();
        let recorded = runtime.block_on(use_store(&folder.join(DATABASE), size, &log));
        // What a panic leaves half done is not for the next run.
        let failures = shim::set_fault(None);
        let openings = shim::databases_opened();
        let operations = shim::end_watch();
        let (refusals, events) = log.end();
        Ok(Self { sessions: recorded?, operations, events, refusals, openings, failures })
    }
}

async fn use_store(path: &Path, size: Size, log: &Log) -> Result<Vec<SessionId>, StoreError> {
    let store = log.persist(async || SqliteStore::open(path).await).await?;
    let mut user = UserOf { store: &store, size, log, sessions: Vec::new() };
    for place in 0..size.sessions {
        user.create(place).await?;
    }
    let half = size.batches / 2;
    try_join_all((0..size.sessions).map(|place| user.append(place, 0..half))).await?;
    // The last one is erased, which empties the log, too.
    let last = size.sessions - 1;
    user.erase(last).await?;
    let first = user.sessions[0].0;
    log.persist(async || store.compact(first, false).await).await?;
    try_join_all((0..last).map(|place| user.append(place, half..size.batches))).await?;
    user.finish(0).await?;
    let sessions = user.sessions;
    store.close().await;
    drop(store);

    let store = log.persist(async || SqliteStore::open(path).await).await?;
    let user = UserOf { store: &store, size, log, sessions };
    for place in 1..last {
        user.append(place, size.batches..size.batches + 2).await?;
    }
    for place in 1..last {
        user.finish(place).await?;
    }
    Ok(user.sessions.into_iter().map(|(id, _term)| id).collect())
}

/// Someone who uses an open store.
pub(crate) struct UserOf<'a> {
    pub(crate) store: &'a SqliteStore,
    pub(crate) size: Size,
    pub(crate) log: &'a Log,
    pub(crate) sessions: Vec<(SessionId, Term)>,
}

impl UserOf<'_> {
    pub(crate) async fn create(&mut self, place: usize) -> Result<(), StoreError> {
        let new =
            NewSession { skeleton: Some(frames::skeleton()), ..NewSession::named("Through power losses") };
        let id = new.id;
        let create = async || match self.store.create_session(new.clone()).await {
            // A commit that was said to have failed did not.
            Err(StoreError::SessionExists { .. }) => Ok(()),
            created => created.map(drop),
        };
        self.log.persist(create).await?;
        let term = self.log.persist(async || self.store.begin_term(id).await).await?;
        self.sessions.push((id, term));
        self.log.note(Event::Created(place));
        Ok(())
    }

    pub(crate) async fn append(&self, place: usize, batches: Range<u64>) -> Result<(), StoreError> {
        let (id, term) = self.sessions[place];
        for number in batches {
            let (first, end) = (number * self.size.frames, (number + 1) * self.size.frames);
            let batch = frames::batch(place, first, end);
            self.log.note(Event::Sent(place, end));
            self.log.persist(async || self.store.append(id, term, &batch).await).await?;
            self.log.note(Event::Acknowledged(place, end));
        }
        Ok(())
    }

    async fn erase(&self, place: usize) -> Result<(), StoreError> {
        self.log.note(Event::Erasing(place));
        let erase = async || match self.store.erase_session(self.sessions[place].0).await {
            Err(StoreError::SessionNotFound { .. }) => Ok(()),
            erased => erased,
        };
        self.log.persist(erase).await?;
        self.log.note(Event::Erased(place));
        Ok(())
    }

    pub(crate) async fn finish(&self, place: usize) -> Result<(), StoreError> {
        let (id, term) = self.sessions[place];
        self.log.note(Event::Finishing(place));
        let finish = async || match self.store.finish(id, term, SessionStatus::Completed).await {
            Err(StoreError::NotLive { status: SessionStatus::Completed, .. }) => Ok(()),
            finished => finished.map(drop),
        };
        self.log.persist(finish).await?;
        self.log.note(Event::Finished(place));
        Ok(())
    }
}
