//! A TCP proxy for tests: connections in, the same bytes out, as late, as torn and as incomplete as a [`Plan`] says.
//!
//! What it does to a connection depends on the plan, the seed and the connection's number alone, so that a failure can be
//! repeated. The time that things take is still the machine's.

mod plan;
mod pump;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

pub use self::plan::{Direction, End, Plan, PlanError};
use self::pump::Totals;

type Plans = Box<dyn FnMut(u64) -> Plan + Send>;

/// A proxy on a free port of this machine. It ends, with all its connections, when it is dropped.
///
/// # Examples
///
/// ```
/// use chaos_proxy::ChaosProxy;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
/// let proxy = ChaosProxy::start(upstream, 7).await?;
/// // The client's bytes come one by one, and the connection is reset after the thousandth.
/// proxy.set_plan("up: piece=1, reset=1000; down: delay=0-20".parse()?);
/// println!("connect to {}", proxy.address());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ChaosProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
}

struct Shared {
    seed: u64,
    upstream: Mutex<SocketAddr>,
    plans: Mutex<Plans>,
    accepted: AtomicU64,
    open: AtomicU64,
    totals: Totals,
    end_all: watch::Sender<Option<End>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("seed", &self.seed)
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}

impl ChaosProxy {
    /// Starts a proxy before `upstream` that changes nothing yet. `seed` decides about delays.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if there is no free port.
    pub async fn start(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            seed,
            upstream: Mutex::new(upstream),
            plans: Mutex::new(Box::new(|_number| Plan::default())),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            totals: Totals::default(),
            end_all: watch::Sender::new(None),
        });
        let accepting = AbortOnDropHandle::new(tokio::spawn(accept(listener, Arc::clone(&shared))));
        Ok(Self { address, shared, _accepting: accepting })
    }

    /// Returns where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what is done to connections that are made from now on.
    pub fn set_plan(&self, plan: Plan) {
        self.set_plans(move |_number| plan.clone());
    }

    /// Sets what is done to each connection that is made from now on, by its number: 0 is the proxy's first.
    pub fn set_plans(&self, plans: impl FnMut(u64) -> Plan + Send + 'static) {
        *lock(&self.shared.plans) = Box::new(plans);
    }

    /// Sets where connections that are made from now on lead: a server that was started anew has another port.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        *lock(&self.shared.upstream) = upstream;
    }

    /// Does this to both directions of all connections that are open. One that is stalled or swallowed can still be closed or
    /// reset.
    pub fn end_all(&self, end: End) {
        self.shared.end_all.send_replace(Some(end));
    }

    /// Returns how many connections were made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Returns how many connections are open.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Returns how many bytes were passed on: from clients to the server, and back.
    #[must_use]
    pub fn forwarded(&self) -> (u64, u64) {
        self.shared.totals.both()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with the proxy, and all connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _peer)) = listener.accept().await else { return };
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
        let plan = (lock(&shared.plans))(number);
        // What was done to all before is not meant for this one.
        let mut end_all = shared.end_all.subscribe();
        end_all.mark_unchanged();
        connections.spawn(serve(Arc::clone(&shared), client, number, plan, end_all));
    }
}

async fn serve(
    shared: Arc<Shared>,
    client: TcpStream,
    number: u64,
    plan: Plan,
    end_all: watch::Receiver<Option<End>>,
) {
    let _open = Open::new(&shared.open);
    let upstream = *lock(&shared.upstream);
    match TcpStream::connect(upstream).await {
        Ok(server) => {
            // The two directions of a connection have delays of their own.
            let seed = shared.seed.wrapping_add(number.wrapping_mul(2));
            pump::join(client, server, plan, seed, end_all, &shared.totals).await;
        }
        Err(_unreachable) => pump::reset(&client),
    }
}

/// Counts a connection as open until it is dropped.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Locks a mutex. What it guards is one value, whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
