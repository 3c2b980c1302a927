//! The writers of appends: batches of all sessions in, one transaction for many of them out.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use posesession_core::SessionId;
use sqlx::postgres::PgPool;
use sqlx::{Connection as _, PgConnection, Postgres, pool::PoolConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::append::{Held, Request, append};
use super::failure::{Failure, unreached};
use crate::encoding::EncodedBatch;
use crate::error::StoreError;
use crate::query::{Appended, Term};

/// How many transactions are under way at once: while the disk syncs for one, the next one is written.
const LANES: usize = 2;
/// How many appends may wait per lane before a caller has to.
const QUEUE: usize = 1_024;
/// How many appends, and about how many bytes, one transaction takes at most: its time is every caller's waiting time.
const GROUP_JOBS: usize = 256;
const GROUP_BYTES: usize = 8 << 20;

const OPERATION: &str = "append frames";

/// The handle to the tasks that write. A session's appends always go through the same one.
#[derive(Debug)]
pub(super) struct Writers {
    /// None once the store is closed: that ends the tasks.
    lanes: Mutex<Vec<mpsc::Sender<Job>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
}

/// An append, and the caller who waits for it.
struct Job {
    request: Request,
    caller: oneshot::Sender<Result<Appended, StoreError>>,
}

impl Writers {
    pub(super) fn start(pool: &PgPool, time_limit: Duration) -> Self {
        let commits = Arc::new(AtomicU64::new(0));
        let (mut lanes, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..LANES {
            let (lane, queue) = mpsc::channel(QUEUE);
            let writer =
                Writer { pool: pool.clone(), time_limit, commits: Arc::clone(&commits), connection: None };
            tasks.push(tokio::spawn(writer.run(queue)));
            lanes.push(lane);
        }
        Self { lanes: Mutex::new(lanes), tasks: Mutex::new(tasks), commits }
    }

    /// Appends a batch and returns once it is durable.
    pub(super) async fn append(
        &self,
        id: SessionId,
        term: Term,
        batch: EncodedBatch,
    ) -> Result<Appended, StoreError> {
        let closed = || unreached(OPERATION, "the store is closed");
        // The lower bits of a UUID are random.
        let lane = usize::try_from(id.0.as_u128() % LANES as u128).unwrap_or(0);
        let lane = held(&self.lanes).get(lane).cloned().ok_or_else(closed)?;
        let (caller, answer) = oneshot::channel();
        let job = Job { request: Request { id, term, batch }, caller };
        lane.send(job).await.map_err(|_closed| closed())?;
        drop(lane);
        answer.await.map_err(|_closed| closed())?
    }

    /// Does what is queued; later appends are refused.
    pub(super) async fn close(&self) {
        held(&self.lanes).clear();
        let tasks: Vec<_> = held(&self.tasks).drain(..).collect();
        for task in tasks {
            if let Err(broken) = task.await {
                tracing::error!("a writer broke off: {broken}");
            }
        }
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One lane: it takes all appends that wait, writes them in one transaction, commits, then answers them all.
struct Writer {
    pool: PgPool,
    time_limit: Duration,
    commits: Arc<AtomicU64>,
    connection: Option<PoolConnection<Postgres>>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut waiting = VecDeque::new();
        let mut alone = JoinSet::new();
        loop {
            if waiting.is_empty() {
                match queue.recv().await {
                    Some(job) => waiting.push_back(job),
                    None => break,
                }
            }
            while waiting.len() < QUEUE
                && let Ok(job) = queue.try_recv()
            {
                waiting.push_back(job);
            }
            let group = next_group(&mut waiting);
            for job in self.write(group).await {
                let (pool, time_limit) = (self.pool.clone(), self.time_limit);
                alone.spawn(write_alone(pool, time_limit, job));
            }
            while alone.try_join_next().is_some() {}
        }
        alone.join_all().await;
    }

    /// Writes a group and answers it; returns those that are to be tried again, each by itself: because another
    /// transaction holds the session, or because the whole one failed, and one of them may be why.
    async fn write(&mut self, mut group: Vec<Job>) -> Vec<Job> {
        // A caller who is gone by now can't have been told of anything: nothing happens.
        group.retain(|job| !job.caller.is_closed());
        if group.is_empty() {
            return group;
        }
        let Ok(answers) = self.transact(&group).await else {
            return group;
        };
        let mut again = Vec::new();
        for (job, answer) in group.into_iter().zip(answers) {
            match answer {
                // A caller who no longer waits doesn't need the answer.
                Some(answer) => drop(job.caller.send(answer)),
                None => again.push(job),
            }
        }
        fail_point!("after_ack");
        again
    }

    async fn transact(&mut self, group: &[Job]) -> Result<Answers, Failure> {
        let mut db = match self.connection.take() {
            Some(db) => db,
            None => self.pool.acquire().await?,
        };
        let requests: Vec<_> = group.iter().map(|job| &job.request).collect();
        let done = tokio::time::timeout(self.time_limit, transact(&mut db, &requests, Held::Skip)).await;
        match done {
            Ok(Ok(answers)) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                self.connection = Some(db);
                Ok(answers)
            }
            Ok(Err(failure)) => {
                db.close_on_drop();
                Err(failure)
            }
            Err(_elapsed) => {
                db.close_on_drop();
                Err(Failure::Late)
            }
        }
    }
}

type Answers = Vec<Option<Result<Appended, StoreError>>>;

/// Takes the next appends that go together: at most one of a session, so that each sees what came before.
fn next_group(waiting: &mut VecDeque<Job>) -> Vec<Job> {
    let (mut group, mut later) = (Vec::new(), VecDeque::new());
    let (mut bytes, mut sessions) = (0, HashSet::new());
    while let Some(job) = waiting.pop_front() {
        let is_full = group.len() >= GROUP_JOBS || bytes >= GROUP_BYTES;
        if is_full || !sessions.insert(job.request.id) {
            later.push_back(job);
        } else {
            bytes += job.request.batch.bytes();
            group.push(job);
        }
    }
    *waiting = later;
    group
}

/// Appends one batch in a transaction of its own. It is tried twice: the connection may have died long before, and where a
/// commit was not answered, the second time finds out what became of it, as nothing is stored twice.
async fn write_alone(pool: PgPool, time_limit: Duration, job: Job) {
    let Job { request, caller } = job;
    let mut tries = 0;
    let answer = loop {
        tries += 1;
        let attempt = async {
            let mut db = pool.acquire().await?;
            let done = transact(&mut db, &[&request], Held::Wait).await;
            if done.is_err() {
                db.close_on_drop();
            }
            done
        };
        let done = tokio::time::timeout(time_limit, attempt).await.unwrap_or(Err(Failure::Late));
        match done {
            Err(failure) if tries < 2 && failure.may_be_tried_at_once(true) => {}
            Err(failure) => break Err(failure.during(OPERATION)),
            Ok(mut answers) => {
                let answer = answers.pop().flatten();
                break answer.unwrap_or(Err(StoreError::SessionNotFound { id: request.id }));
            }
        }
    };
    // A caller who no longer waits doesn't need the answer.
    let _gone = caller.send(answer);
}

async fn transact(db: &mut PgConnection, requests: &[&Request], held: Held) -> Result<Answers, Failure> {
    fail_point!("before_begin");
    let mut transaction = db.begin().await?;
    let answers = append(&mut transaction, requests, held).await?;
    fail_point!("after_insert");
    fail_point!("before_commit");
    transaction.commit().await.map_err(Failure::Unknown)?;
    fail_point!("after_commit_before_ack");
    Ok(answers)
}
