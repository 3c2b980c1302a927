//! Recordings over connections that are cut at any byte, trickle, or go dead: every frame is stored, once and in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chaos_proxy::{ChaosProxy, Direction, End, Plan};
use posesession_core::{ChunkQuery, PoseData, SessionId, SessionStatus, Timestamp};
use posesession_server::{ServerConfig, Storage, run};
use posesession_store::SessionStore;
use posesession_ws::protocol::{Publish, StartRecording};
use posesession_ws::{ClientError, Streamer, StreamerOptions, from_websocket, websocket_config};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::client_async_with_config;

/// How many recordings must have had their connection broken.
const CUTS: u64 = 2_000;
const AT_ONCE: usize = 64;
const FRAMES: u64 = 100;
/// Within how many bytes a connection is cut: about as many as a recording sends and gets.
const UP: u64 = 62_000;
const DOWN: u64 = 4_500;
/// How long one recording may take, on a busy machine, too.
const PATIENCE: Duration = Duration::from_secs(120);
/// How a connection that broke off is told to the streamer.
const GONE: ClientError = ClientError::Closed { reason: None };

/// What was seen of one recording.
struct Seen {
    session: SessionId,
    connections: u64,
    resent: u64,
    /// How many bytes went up and down.
    bytes: (u64, u64),
}

fn pose(seed: u64, number: u64) -> PoseData {
    let first = u16::try_from(seed % 1_000).unwrap();
    let second = u16::try_from(number).unwrap();
    let mut values = vec![0.25; 33 * 4];
    (values[0], values[1]) = (f32::from(first) / 1_000.0, f32::from(second) / 100.0);
    PoseData::one_person(values)
}

/// Records some frames through a proxy that does this to its first connection, or two.
async fn record(server: SocketAddr, seed: u64, plans: [Plan; 2]) -> Seen {
    let proxy = ChaosProxy::start(server, seed).await.unwrap();
    proxy.set_plans(move |number| {
        usize::try_from(number).ok().and_then(|place| plans.get(place)).cloned().unwrap_or_default()
    });
    let publish = Publish {
        stream: Some(format!("stream-{seed}")),
        publisher: Some(format!("publisher-{seed}")),
        // A connection that went dead may still be there for the server.
        take_over: true,
        ..Publish::default()
    };
    let options = StreamerOptions {
        publish,
        connect_within: Duration::from_secs(2),
        silence: Duration::from_secs(2),
        seed: Some(seed),
        ..StreamerOptions::default()
    };
    // The server answers to its own name alone, not the proxy's.
    let (url, through) = (format!("ws://{server}/ws/pose"), proxy.address());
    let connect = move || {
        let url = url.clone();
        async move {
            let stream = TcpStream::connect(through).await.map_err(|_refused| GONE)?;
            let opened = client_async_with_config(url, stream, Some(websocket_config())).await;
            opened.map(|(socket, _response)| from_websocket(socket)).map_err(|_broken| GONE)
        }
    };
    let streamer = loop {
        match Streamer::connect(connect.clone(), options.clone()).await {
            Ok(streamer) => break streamer,
            // The first connection is the caller's to try again.
            Err(_broken) => {}
        }
    };
    let start = StartRecording { name: format!("session {seed}"), ..StartRecording::default() };
    let session = streamer.start_recording(start).await.unwrap();
    for number in 0..FRAMES {
        let timestamp = Timestamp::from_micros(i64::try_from(number).unwrap() * 16_667);
        streamer.send_frame(None, timestamp, &pose(seed, number), &[]).await.unwrap();
    }
    let stopped = match streamer.stop_recording().await {
        Ok(stopped) => stopped,
        Err(error) => panic!("with seed {seed}: {error}"),
    };
    let figures = streamer.figures();
    assert_eq!((figures.acked, figures.unacked, figures.unrecorded), (FRAMES, 0, 0), "with seed {seed}");
    assert_eq!(
        (stopped.status, stopped.not_stored.len()),
        (Some(SessionStatus::Completed), 0),
        "with seed {seed}"
    );
    // However often the answer got lost.
    let finalized = stopped.finalized.unwrap_or_else(|| panic!("with seed {seed}: stopped without a report"));
    assert_eq!(finalized.session.frame_count, FRAMES, "with seed {seed}");
    Seen { session, connections: proxy.connections(), resent: figures.resent, bytes: proxy.forwarded() }
}

async fn assert_stored(store: &dyn SessionStore, session: SessionId, seed: u64) {
    let recording = store.read_session(session).await.unwrap();
    assert_eq!(recording.frame_count, FRAMES, "with seed {seed}");
    let mut number = 0;
    while number < FRAMES {
        let chunk = store.covering_chunk(session, ChunkQuery::Frame(number)).await.unwrap().chunk;
        let before = usize::try_from(number - chunk.first_frame()).unwrap();
        for frame in chunk.frames().skip(before) {
            assert_eq!(
                (frame.frame_number, frame.pose_data),
                (number, pose(seed, number)),
                "with seed {seed}"
            );
            number += 1;
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Draws what happens to a connection.
    fn plan(&mut self) -> Plan {
        let end = match self.below(20) {
            0 => End::Stall,
            1 => End::BlackHole,
            2 | 3 => End::HalfClose,
            4..10 => End::Close,
            _ => End::Reset,
        };
        let piece = match self.below(20) {
            0 => Some(1),
            1..5 => Some(2 + usize::try_from(self.below(60)).unwrap()),
            _ => None,
        };
        let delay =
            (piece.is_none() && self.below(4) == 0).then(|| Duration::ZERO..=Duration::from_millis(20));
        let whole = Direction { piece, delay, end: None };
        let (bytes, is_down) = if self.below(3) == 0 { (DOWN, true) } else { (UP, false) };
        let cut = Direction { end: Some((self.below(bytes + 1), end)), ..whole.clone() };
        if is_down { Plan { up: whole, down: cut } } else { Plan { up: cut, down: whole } }
    }

    /// Draws what happens to a recording's first connections: every fourth is cut again while it comes back.
    fn plans(seed: u64) -> [Plan; 2] {
        let mut random = Self(seed);
        let first = random.plan();
        [first, if random.below(4) == 0 { random.plan() } else { Plan::default() }]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_over_broken_connections_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).await.unwrap();
    let store = Arc::clone(storage.store());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(run(listener, storage, ServerConfig::default(), std::future::pending()));

    // The recording of a seed that failed comes first with it.
    let base: u64 = std::env::var("POSESESSION_SEED").map_or(7, |seed| seed.parse().unwrap());
    let clean = record(server, u64::MAX, [Plan::default(), Plan::default()]).await;
    assert_eq!(clean.connections, 1);
    let mut recordings = JoinSet::new();
    let (mut begun, mut cut, mut reconnects, mut resent) = (0, 0, 0, 0);
    while cut < CUTS || !recordings.is_empty() {
        if cut < CUTS && recordings.len() < AT_ONCE {
            let (store, seed) = (Arc::clone(&store), base.wrapping_add(begun));
            recordings.spawn(async move {
                let plans = Random::plans(seed);
                let told = format!("{plans:?}");
                let recorded = tokio::time::timeout(PATIENCE, record(server, seed, plans)).await;
                let seen = recorded.unwrap_or_else(|_late| panic!("with seed {seed}: it never ends: {told}"));
                assert_stored(&*store, seen.session, seed).await;
                seen
            });
            begun += 1;
        } else if let Some(recorded) = recordings.join_next().await {
            let seen = recorded.unwrap();
            cut += u64::from(seen.connections > 1);
            reconnects += seen.connections - 1;
            resent += seen.resent;
        }
    }
    let url = format!("http://{server}/api/sessions?count=1&limit=1");
    let sessions: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(sessions["total"], begun + 1, "no recording was begun twice: {sessions}");
    println!(
        "proof: chaos proxy: {cut} of {begun} recordings cut within {UP} bytes up or {DOWN} down ({} and {} without a cut), \
         {reconnects} reconnects, {} frames stored, {resent} sent again, 0 lost, 0 doubled, every stop told (seed {base})",
        clean.bytes.0,
        clean.bytes.1,
        begun * FRAMES,
    );
}
