//! The two directions of one connection: bytes in, the same bytes out, until its end.

use std::convert::Infallible;
use std::future::pending;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::plan::{Direction, End, Plan};

/// How many bytes were passed on, of all connections.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    up: AtomicU64,
    down: AtomicU64,
}

impl Totals {
    pub(crate) fn both(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }
}

/// How a connection ends as a whole.
enum Broken {
    Close,
    Reset,
}

/// Joins two connections until both directions have ended.
pub(crate) async fn join(
    mut client: TcpStream,
    mut server: TcpStream,
    plan: Plan,
    seed: u64,
    end_all: watch::Receiver<Option<End>>,
    totals: &Totals,
) {
    let broken = {
        // Pieces are to arrive as they were cut.
        let _delayed = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let (up_ended, down_ended) = (CancellationToken::new(), CancellationToken::new());
        let up = Pump { plan: plan.up, delays: Delays(seed), passed: &totals.up, end_all: end_all.clone() };
        let down = Pump { plan: plan.down, delays: Delays(seed ^ (1 << 63)), passed: &totals.down, end_all };
        tokio::try_join!(
            up.run(from_client, to_server, &up_ended, &down_ended),
            down.run(from_server, to_client, &down_ended, &up_ended),
        )
    };
    if let Err(Broken::Reset) = broken {
        reset(&client);
        reset(&server);
    }
}

/// Lets the connection end with a reset once it is dropped.
pub(crate) fn reset(stream: &TcpStream) {
    // A connection that can't be reset any more is gone already.
    let _gone = stream.set_zero_linger();
}

struct Pump<'a> {
    plan: Direction,
    delays: Delays,
    passed: &'a AtomicU64,
    end_all: watch::Receiver<Option<End>>,
}

impl Pump<'_> {
    async fn run(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        ended: &CancellationToken,
        other_ended: &CancellationToken,
    ) -> Result<(), Broken> {
        let _ended = ended.clone().drop_guard();
        let mut asked = self.end_all.clone();
        let mut end = tokio::select! {
            passed = self.pass(&mut from, &mut to) => passed?,
            end = next_end(&mut asked) => end,
        };
        loop {
            let swallowing = matches!(end, End::BlackHole);
            match end {
                End::Close => return Err(Broken::Close),
                End::Reset => return Err(Broken::Reset),
                End::HalfClose => {
                    // The other side may be gone; then this direction has ended all the same.
                    let _gone = to.shutdown().await;
                    return Ok(());
                }
                End::Stall | End::BlackHole => {}
            }
            end = tokio::select! {
                end = next_end(&mut asked) => end,
                () = other_ended.cancelled() => return Ok(()),
                () = swallow(&mut from), if swallowing => return Ok(()),
            };
        }
    }

    /// Passes bytes on until the plan or the sender ends it.
    async fn pass(&mut self, from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> Result<End, Broken> {
        let mut buffer = vec![0; 16 << 10];
        let (mut left, end) = self.plan.end.unwrap_or((u64::MAX, End::HalfClose));
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = from.read(&mut buffer[..room]).await.map_err(|_reset| Broken::Reset)?;
            if count == 0 {
                return Ok(End::HalfClose);
            }
            for piece in buffer[..count].chunks(self.plan.piece.unwrap_or(count)) {
                if let Some(range) = &self.plan.delay {
                    tokio::time::sleep(self.delays.next_in(range)).await;
                }
                to.write_all(piece).await.map_err(|_reset| Broken::Reset)?;
                self.passed.fetch_add(piece.len() as u64, Ordering::Relaxed);
                left -= piece.len() as u64;
            }
        }
        Ok(end)
    }
}

/// Waits until all connections are told to end somehow.
async fn next_end(asked: &mut watch::Receiver<Option<End>>) -> End {
    loop {
        if asked.changed().await.is_err() {
            let never: Infallible = pending().await;
            match never {}
        }
        if let Some(end) = *asked.borrow_and_update() {
            return end;
        }
    }
}

/// Takes everything and throws it away, until there is no more.
async fn swallow(from: &mut ReadHalf<'_>) {
    let mut buffer = vec![0; 16 << 10];
    while matches!(from.read(&mut buffer).await, Ok(1..)) {}
}

/// Delays drawn by SplitMix64.
struct Delays(u64);

impl Delays {
    fn next_in(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let span = u64::try_from((*range.end() - *range.start()).as_micros()).unwrap_or(u64::MAX - 1);
        *range.start() + Duration::from_micros(mixed % (span + 1))
    }
}
