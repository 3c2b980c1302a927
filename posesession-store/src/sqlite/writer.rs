//! The one writer: jobs of all sessions in, one commit for many of them out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::connection::{self, Access};
use super::failure::{BACKEND, Failure, unreached};
use crate::error::StoreError;

/// How many jobs may wait before a caller has to.
const QUEUE: usize = 1_024;
/// How many jobs, and about how many bytes, one commit takes at most: its time is every job's waiting time.
const GROUP_JOBS: usize = 256;
const GROUP_BYTES: usize = 8 << 20;

/// The handle to the thread that owns the write connection.
///
/// The thread takes all jobs that wait, does each in a savepoint of one transaction, commits once (one sync of the
/// disk), then answers them all. A job that fails is rolled back alone.
#[derive(Debug)]
pub(super) struct Writer {
    /// Gone once the store is dropped: that ends the thread.
    queue: Option<mpsc::Sender<Message>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
    /// Why jobs are refused that the thread doesn't take.
    refusal: &'static str,
}

enum Message {
    Write(Box<dyn Job>),
    /// Move the log's content into the database and empty the log.
    Checkpoint(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// A change, and the caller who waits for it.
trait Job: Send {
    fn bytes(&self) -> usize;
    /// Makes the change; returns whether it is to stay.
    fn run(&mut self, db: &Connection) -> bool;
    /// Tells the caller; with a cause if the transaction was not committed.
    fn answer(self: Box<Self>, lost: Option<&Lost>);
}

struct Write<T, F> {
    operation: &'static str,
    bytes: usize,
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

/// Why a transaction was not committed, or may not have been.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the transaction was not committed, or it is unknown whether it was: {cause}")]
struct Lost {
    cause: String,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Failure> + Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, db: &Connection) -> bool {
        // A caller who is gone by now can't have been told of anything: nothing happens.
        let Some(work) = self.work.take().filter(|_| !self.caller.is_closed()) else {
            return false;
        };
        let result = work(db).map_err(|failure| failure.during(self.operation));
        let stays = result.is_ok();
        self.result = Some(result);
        stays
    }

    fn answer(self: Box<Self>, lost: Option<&Lost>) {
        let answer = match lost {
            None => self.result,
            Some(lost) => Some(Err(StoreError::Backend {
                backend: BACKEND,
                operation: self.operation,
                retryable: true,
                source: Box::new(lost.clone()),
            })),
        };
        if let Some(answer) = answer {
            // A caller who no longer waits doesn't need the answer.
            let _gone = self.caller.send(answer);
        }
    }
}

impl Writer {
    /// Starts the thread on an open connection.
    pub(super) fn start(db: Connection, path: PathBuf, access: Access) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let committer = Committer { db: Some(db), path, access, commits: Arc::clone(&commits) };
        let thread =
            std::thread::Builder::new().name("posesession-sqlite".to_owned()).spawn(|| committer.run(jobs));
        let thread = thread.map_err(|error| unreached("start the writer", &error.to_string()))?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { queue: Some(queue), thread, commits, refusal: "the store is closed" })
    }

    /// Makes a writer that refuses all jobs.
    pub(super) fn none() -> Self {
        let refusal = "the file was opened to be read only";
        Self { queue: None, thread: Mutex::default(), commits: Arc::default(), refusal }
    }

    /// Makes a change; durable on return. `bytes` is about how much it writes.
    ///
    /// If the caller stops waiting, the change has happened wholly or not at all.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        bytes: usize,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let job = Write { operation, bytes, work: Some(work), result: None, caller };
        if !self.send(Message::Write(Box::new(job))).await {
            return Err(unreached(operation, self.refusal));
        }
        match answer.await {
            Ok(result) => result,
            Err(_no_answer) => Err(unreached(operation, "the writer broke off: this is a bug")),
        }
    }

    /// Moves the log's content into the database and empties the log, as far as readers allow.
    pub(super) async fn checkpoint(&self) {
        let (done, answer) = oneshot::channel();
        if self.send(Message::Checkpoint(done)).await {
            // The thread may end before; it checkpoints then, too.
            let _ended = answer.await;
        }
    }

    /// Does what is queued, then closes the connection. Later jobs are refused.
    pub(super) async fn close(&self) {
        let (done, answer) = oneshot::channel();
        if self.send(Message::Close(done)).await {
            let _ended = answer.await;
        }
    }

    /// Returns how many transactions were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    async fn send(&self, message: Message) -> bool {
        match &self.queue {
            Some(queue) => queue.send(message).await.is_ok(),
            None => false,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread's own panics are caught where they happen; there is nobody to tell of another one.
            let _panicked = thread.join();
        }
    }
}

/// What runs in the thread.
struct Committer {
    /// Gone after a failed commit, until the next job needs it.
    db: Option<Connection>,
    path: PathBuf,
    access: Access,
    commits: Arc<AtomicU64>,
}

impl Committer {
    fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut next = queue.blocking_recv();
        while let Some(message) = next.take() {
            match message {
                Message::Write(job) => next = self.commit_group(job, &mut queue),
                Message::Checkpoint(done) => {
                    self.checkpoint();
                    let _gone = done.send(());
                }
                Message::Close(done) => {
                    queue.close();
                    while let Some(message) = queue.blocking_recv() {
                        if let Message::Write(job) = message {
                            self.commit_all(vec![job]);
                        }
                    }
                    self.end();
                    let _gone = done.send(());
                    return;
                }
            }
            if next.is_none() {
                next = queue.blocking_recv();
            }
        }
        self.end();
    }

    /// Commits a job together with those that wait behind it; returns the message that ended the group, if one did.
    fn commit_group(&mut self, first: Box<dyn Job>, queue: &mut mpsc::Receiver<Message>) -> Option<Message> {
        let mut bytes = first.bytes();
        let mut group = vec![first];
        let mut next = None;
        while group.len() < GROUP_JOBS && bytes < GROUP_BYTES {
            match queue.try_recv() {
                Ok(Message::Write(job)) => {
                    bytes += job.bytes();
                    group.push(job);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_none_waits) => break,
            }
        }
        self.commit_all(group);
        next
    }

    fn commit_all(&mut self, mut group: Vec<Box<dyn Job>>) {
        let done = self.perform(&mut group).and_then(|()| {
            if planted!("planted::ack_before_commit") {
                std::mem::take(&mut group).into_iter().for_each(|job| job.answer(None));
            }
            self.commit()
        });
        let lost = match done {
            Ok(()) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(failure) => {
                // After a failed commit or sync, this connection's view of the file can't be trusted: what became of
                // the transaction is read from the file by a new one.
                self.db = None;
                let cause = failure.during("commit");
                let cause =
                    std::error::Error::source(&cause).map_or_else(|| cause.to_string(), ToString::to_string);
                Some(Lost { cause })
            }
        };
        if let Some(lost) = &lost {
            tracing::warn!(path = %self.path.display(), "{lost}");
        }
        group.into_iter().for_each(|job| job.answer(lost.as_ref()));
        fail_point!("after_ack");
    }

    /// Begins a transaction and does the jobs in it.
    fn perform(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let db = match self.db.take() {
            Some(db) => db,
            None => connection::open(&self.path, self.access)?,
        };
        let db = self.db.insert(db);
        fail_point!("before_begin");
        execute(db, "BEGIN IMMEDIATE")?;
        for job in group {
            execute(db, "SAVEPOINT job")?;
            let stays = catch_unwind(AssertUnwindSafe(|| job.run(db))).unwrap_or(false);
            if db.is_autocommit() {
                // A full disk, for one, ends the whole transaction and not only the statement.
                let message = Some("the transaction was rolled back by a failing statement".to_owned());
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT);
                return Err(rusqlite::Error::SqliteFailure(code, message).into());
            }
            if !stays {
                execute(db, "ROLLBACK TO job")?;
            }
            execute(db, "RELEASE job")?;
            fail_point!("after_insert");
        }
        Ok(())
    }

    fn commit(&self) -> Result<(), Failure> {
        let db = self.db.as_ref().ok_or_else(|| unreached("commit", "there is no transaction"))?;
        fail_point!("before_commit");
        execute(db, "COMMIT")?;
        fail_point!("after_commit_before_ack");
        Ok(())
    }

    fn checkpoint(&self) {
        let Some(db) = &self.db else {
            return;
        };
        fail_point!("during_checkpoint");
        // Readers are brief; what one of them still holds, the next checkpoint takes along.
        let emptied = db
            .busy_timeout(Duration::from_millis(250))
            .and_then(|()| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(())));
        fail_point!("during_checkpoint");
        if let Err(error) = emptied.and(db.busy_timeout(connection::BUSY_TIMEOUT)) {
            tracing::warn!(path = %self.path.display(), "the log could not be emptied: {error}");
        }
    }

    fn end(&mut self) {
        self.checkpoint();
        if let Some(Err((_, error))) = self.db.take().map(Connection::close) {
            tracing::warn!(path = %self.path.display(), "the database could not be closed: {error}");
        }
    }
}

/// Executes a statement that is needed again and again: it is parsed once.
fn execute(db: &Connection, sql: &str) -> Result<(), Failure> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}
