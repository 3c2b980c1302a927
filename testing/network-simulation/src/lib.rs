//! The real record service, real WebSockets and real streamers over a simulated network, in virtual time: servers crash and come
//! back, links break, packets are lost, stores answer late or not at all. Whatever happens, what the streamers were told is held
//! against what the disk has.
//!
//! All of it comes from one seed. The same seed gives the same course where tokio is built with `--cfg tokio_unstable`, as the
//! Makefile does; else `select!` draws its own lots.

mod log;
mod model_store;
mod connecting;
mod controller;
mod rng;
mod streamer_program;
mod totals;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use posesession_store::{MemoryStore, SessionStore};
use posesession_ws::{RecordOptions, RecordService, from_websocket, websocket_config};
use progress::Progress;
use tokio_tungstenite::accept_async_with_config;

use self::controller::{Control, interfere};
use self::model_store::{Counts, ModelStore};
use self::rng::Rng;
use self::streamer_program::Program;
pub use self::totals::Figures;
use self::totals::Totals;

const SERVER: &str = "server";
const PORT: u16 = 8787;
const STREAMERS: usize = 3;
/// How fine virtual time is.
const TICK: Duration = Duration::from_millis(4);

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// How long, in virtual time, sessions are recorded and faults come.
    pub length: Duration,
    /// A planted fault: the store says that frames are durable before they are.
    pub acks_before_commit: bool,
}

impl Plan {
    /// Makes a plan without planted faults.
    #[must_use]
    pub fn new(seed: u64, length: Duration) -> Self {
        Self { seed, length, acks_before_commit: false }
    }
}

/// What may go wrong for a while.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Crash,
    Cut(usize),
    CutOneWay(usize, bool),
    HeldUp(usize),
}

/// Runs a simulation.
///
/// # Errors
///
/// The first broken promise, in words.
pub fn simulate(plan: Plan) -> Result<Figures, String> {
    let mut rng = Rng::new(plan.seed);
    let totals = Totals::default();
    let counts = Arc::<Mutex<Counts>>::default();
    let disk = Arc::new(MemoryStore::new());
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(rng.next())
        .tick_duration(TICK)
        .simulation_duration(plan.length + Duration::from_secs(7200))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(40))
        .tcp_capacity(4096);
    let mut sim = builder.build();
    let server_rng = Arc::new(Mutex::new(rng.fork()));
    {
        let (disk, counts) = (Arc::clone(&disk), Arc::clone(&counts));
        sim.host(SERVER, move || {
            let rng = server_rng.lock().unwrap_or_else(PoisonError::into_inner).fork();
            let (disk, counts) = (Arc::clone(&disk), Arc::clone(&counts));
            serve(disk, rng, counts, plan.acks_before_commit)
        });
    }
    let controls: Vec<Control> = (0..STREAMERS).map(|_| Control::default()).collect();
    for (streamer, control) in controls.iter().enumerate() {
        let program = Program {
            name: name_of(streamer),
            disk: Arc::clone(&disk),
            totals: totals.clone(),
            rng: rng.fork(),
            control: control.clone(),
            until: plan.length,
        };
        sim.client(name_of(streamer), async move { Ok(program.run().await?) });
    }
    let controller = interfere(controls, rng.fork(), plan.length);
    sim.client("controller", async move {
        controller.await;
        Ok(())
    });
    let mut next = Duration::ZERO;
    let mut fault = None;
    let progress = Progress::new("network simulation");
    loop {
        if sim.elapsed() >= next {
            match fault.take() {
                Some(past) => {
                    end(&mut sim, past);
                    next = sim.elapsed() + rng.millis(500, 12_000);
                }
                None if sim.elapsed() < plan.length => {
                    let drawn = draw(&mut rng);
                    begin(&mut sim, drawn, &totals);
                    fault = Some(drawn);
                    next = sim.elapsed() + rng.millis(10, 6_000);
                }
                None => next = Duration::MAX,
            }
        }
        progress.tell(|| {
            let (now, length) = (sim.elapsed().as_secs() / 60, plan.length.as_secs() / 60);
            format!("seed {}, {now} of {length} virtual minutes", plan.seed)
        });
        if sim.step().map_err(|error| error.to_string())? {
            break;
        }
    }
    let counts = *counts.lock().unwrap_or_else(PoisonError::into_inner);
    totals.change(|figures| {
        figures.commits = counts.commits;
        figures.unknown_commits = counts.unknown;
        figures.hash ^= counts.commits.wrapping_mul(0x9e37_79b9) ^ (counts.failed << 32);
    });
    let figures = *totals.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(figures)
}

fn name_of(streamer: usize) -> String {
    format!("streamer-{streamer}")
}

fn draw(rng: &mut Rng) -> Fault {
    let streamer = usize::try_from(rng.between(0, STREAMERS as u64)).unwrap_or(0);
    match rng.between(0, 20) {
        0..=2 => Fault::Cut(streamer),
        3..=5 => Fault::CutOneWay(streamer, rng.once_in(2)),
        6 => Fault::HeldUp(streamer),
        _ => Fault::Crash,
    }
}

fn begin(sim: &mut turmoil::Sim<'_>, fault: Fault, totals: &Totals) {
    match fault {
        Fault::Crash => sim.crash(SERVER),
        Fault::Cut(streamer) => sim.partition(SERVER, name_of(streamer)),
        Fault::CutOneWay(streamer, true) => sim.partition_oneway(SERVER, name_of(streamer)),
        Fault::CutOneWay(streamer, false) => sim.partition_oneway(name_of(streamer), SERVER),
        Fault::HeldUp(streamer) => sim.hold(SERVER, name_of(streamer)),
    }
    totals.change(|figures| match fault {
        Fault::Crash => figures.crashes += 1,
        _ => figures.cuts += 1,
    });
}

fn end(sim: &mut turmoil::Sim<'_>, fault: Fault) {
    match fault {
        Fault::Crash => sim.bounce(SERVER),
        Fault::Cut(streamer) => sim.repair(SERVER, name_of(streamer)),
        Fault::CutOneWay(streamer, true) => sim.repair_oneway(SERVER, name_of(streamer)),
        Fault::CutOneWay(streamer, false) => sim.repair_oneway(name_of(streamer), SERVER),
        Fault::HeldUp(streamer) => sim.release(SERVER, name_of(streamer)),
    }
}

/// A server, from its start to its crash.
async fn serve(
    disk: Arc<MemoryStore>,
    mut rng: Rng,
    counts: Arc<Mutex<Counts>>,
    acks_before_commit: bool,
) -> turmoil::Result {
    if rng.once_in(2) {
        // As the program does at its start, unless it is so new that it leaves sessions to their streamers.
        disk.interrupt_live_sessions().await?;
    }
    let store = ModelStore::new(disk, rng, counts, acks_before_commit);
    let service = RecordService::new(Arc::new(store), None, RecordOptions::default());
    let listener = turmoil::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let accepting = accept_async_with_config(stream, Some(websocket_config()));
            let accepted = tokio::time::timeout(Duration::from_secs(5), accepting).await;
            if let Ok(Ok(socket)) = accepted {
                // A connection that breaks off is what all of this is about.
                let _broken = service.serve(from_websocket(socket)).await;
            }
        });
    }
}
