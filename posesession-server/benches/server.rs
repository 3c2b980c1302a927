//! The real server as a whole process, over loopback WebSockets, on a SQLite file on the disk.
//!
//! `cargo bench -p posesession-server`. It prints one figure a line. The baseline beside the first figures, in the same run
//! on the same disk, is the schema taken literally: one row of JSON per frame, one durable transaction per frame, and per
//! batch of eight.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use posesession_core::{Batch, Chunk, PoseJson, SessionId, SessionStatus, Skeleton, SyntheticPose};
use posesession_store::{NewSession, SessionStore, SqliteStore};
use posesession_ws::protocol::{Publish, SeekCommand, SkeletonRef, StartRecording, Subscribe, WireFormat};
use posesession_ws::{ClientError, RecordClient, RecordEvent, ReplayClient, ReplayEvent};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const RECORDED_FRAMES: u64 = 20_000;
const LONG_SESSION_FRAMES: u64 = 100_000;
const REPLAY_SECONDS: u64 = 60;
const VIEWERS: usize = 100;

/// The server, killed when the bench is over.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(data: &Path) -> Outcome<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_posesession"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = process.stdout.take().ok_or("the server's output is not piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").ok_or("no address")?.to_owned();
        Ok(Self { process, address })
    }

    fn record_url(&self) -> String {
        format!("ws://{}/ws/pose", self.address)
    }

    fn replay_url(&self, session: SessionId) -> String {
        format!("ws://{}/ws/replay/{session}", self.address)
    }

    /// The server's memory: resident set now, in MiB.
    fn resident_mib(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killing fails only if the server has ended already.
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data)?;
    let long = store_long_session(&data.join("posesession.db")).await?;
    let server = Server::start(&data)?;
    recording(&server, folder.path()).await?;
    first_frames_and_seeks(&server, long).await?;
    angles(&server, long).await?;
    memory(&server, long).await?;
    timing(&server, long).await?;
    viewers(&server).await?;
    Ok(())
}

fn skeleton() -> Outcome<Skeleton> {
    Ok(Skeleton::preset("mediapipe_33")?)
}

async fn store_long_session(path: &Path) -> Outcome<SessionId> {
    let skeleton = skeleton()?;
    let source = SyntheticPose::new(&skeleton, 60.0);
    let store = SqliteStore::open(path).await?;
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("long") };
    let id = store.create_session(new).await?.id;
    let term = store.begin_term(id).await?;
    for first in (0..LONG_SESSION_FRAMES).step_by(256) {
        let mut chunk = Chunk::new(first, skeleton.layout());
        for n in first..LONG_SESSION_FRAMES.min(first + 256) {
            let (timestamp, pose) = source.frame(n);
            chunk.push(timestamp, &pose)?;
        }
        store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await?;
        store.compact(id, false).await?;
    }
    let session = store.finish(id, term, SessionStatus::Completed).await?;
    println!(
        "stored: {} frames, {} bytes a frame at rest",
        session.frame_count,
        session.stored_bytes / session.frame_count
    );
    store.close().await;
    Ok(id)
}

/// Frames per second from the first frame sent to the last one acknowledged.
async fn recording(server: &Server, folder: &Path) -> Outcome<()> {
    let rows = literal_rows(folder, 1, 400)?;
    let batches = literal_rows(folder, 8, 3_200)?;
    println!("record, JSON rows, one durable transaction a frame: {rows:.0} frames/s");
    println!("record, JSON rows, one durable transaction per 8 frames: {batches:.0} frames/s");
    for format in [WireFormat::Binary, WireFormat::Json] {
        let rate = record(server, format).await?;
        println!(
            "record, this server, {format:?} frames, all acknowledged: {rate:.0} frames/s, {:.1} x rows, {:.1} x batches",
            rate / rows,
            rate / batches
        );
    }
    Ok(())
}

/// The schema taken literally, as an object-relational mapper does it.
fn literal_rows(folder: &Path, frames_per_commit: u64, frames: u64) -> Outcome<f64> {
    let database = rusqlite::Connection::open(folder.join(format!("literal-{frames_per_commit}.db")))?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE session_frame (id INTEGER PRIMARY KEY, session_id TEXT, timestamp REAL, frame_number INTEGER,
                                     pose_data TEXT, image_path TEXT);",
    )?;
    let skeleton = skeleton()?;
    let source = SyntheticPose::new(&skeleton, 30.0);
    let texts: Vec<_> = (0..64)
        .map(|n| serde_json::to_string(&PoseJson::new(&source.frame(n).1, &skeleton)))
        .collect::<Result<_, _>>()?;
    let begun = Instant::now();
    for first in (0..frames).step_by(usize::try_from(frames_per_commit)?) {
        database.execute_batch("BEGIN")?;
        for (n, text) in (first..first + frames_per_commit).zip(texts.iter().cycle()) {
            database.execute(
                "INSERT INTO session_frame (session_id, timestamp, frame_number, pose_data) VALUES (?1, ?2, ?3, ?4)",
                rusqlite::params!["session", n as f64 / 30.0, i64::try_from(n)?, text],
            )?;
        }
        database.execute_batch("COMMIT")?;
    }
    Ok(frames as f64 / begun.elapsed().as_secs_f64())
}

async fn record(server: &Server, format: WireFormat) -> Outcome<f64> {
    let skeleton = skeleton()?;
    let source = SyntheticPose::new(&skeleton, 30.0);
    // What is measured is the server, not how frames are made.
    let frames: Vec<_> = (0..256).map(|n| source.frame(n).1).collect();
    let texts: Vec<_> = frames
        .iter()
        .map(|pose| serde_json::to_string(&PoseJson::new(pose, &skeleton)))
        .collect::<Result<_, _>>()?;
    let mut client = RecordClient::connect(&server.record_url()).await?;
    let preset = Some(SkeletonRef::Preset("mediapipe_33".to_owned()));
    let stream = Some(format!("{format:?}"));
    client.publish(&Publish { stream, skeleton: preset, fps: Some(30.0), ..Publish::default() }).await?;
    client
        .start_recording(&StartRecording { name: format!("{format:?}"), ..StartRecording::default() })
        .await?;
    let begun = Instant::now();
    for n in 0..RECORDED_FRAMES {
        let place = usize::try_from(n % 256)?;
        let timestamp = source.frame(n).0;
        match format {
            WireFormat::Binary => client.send_frame(Some(n), timestamp, &frames[place], &[]).await?,
            WireFormat::Json => {
                let text = format!(
                    r#"{{"type":"frame","frame_number":{n},"timestamp":{},"pose_data":{}}}"#,
                    timestamp.as_secs_f64(),
                    texts[place]
                );
                client.send_text(&text).await?;
            }
        }
    }
    loop {
        match client.next_event().await? {
            RecordEvent::Ack(ack) if ack.stored_through == Some(RECORDED_FRAMES - 1) => break,
            RecordEvent::Error(error) => return Err(error.into()),
            _ => {}
        }
    }
    let rate = RECORDED_FRAMES as f64 / begun.elapsed().as_secs_f64();
    let finalized = client.stop_recording(None).await?;
    assert_eq!(finalized.session.frame_count, RECORDED_FRAMES);
    Ok(rate)
}

async fn first_frames_and_seeks(server: &Server, session: SessionId) -> Outcome<()> {
    let mut firsts = Vec::new();
    let mut seeks = Vec::new();
    for round in 0..20_u64 {
        let begun = Instant::now();
        let mut viewer = ReplayClient::connect(&server.replay_url(session)).await?;
        next_frame(&mut viewer).await?;
        firsts.push(begun.elapsed());
        for step in 0..10 {
            let frame_number = (round * 7_919 + step * 9_973) % LONG_SESSION_FRAMES;
            let begun = Instant::now();
            viewer.seek(&SeekCommand { frame_number: Some(frame_number), ..SeekCommand::default() }).await?;
            while next_frame(&mut viewer).await? != frame_number {}
            seeks.push(begun.elapsed());
        }
        viewer.close().await?;
    }
    print_quantiles(&format!("connect to first frame, {LONG_SESSION_FRAMES} frames"), firsts);
    print_quantiles("seek to its frame", seeks);
    Ok(())
}

/// How long the plot of two joints over a whole session takes, from the request to the last byte.
async fn angles(server: &Server, session: SessionId) -> Outcome<()> {
    let query = "names=left_knee,right_knee&points=1000";
    let url = format!("http://{}/api/sessions/{session}/angles?{query}", server.address);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut plots = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        client.get(&url).send().await?.error_for_status()?.bytes().await?;
        plots.push(begun.elapsed());
    }
    print_quantiles(&format!("plot 2 angles of {LONG_SESSION_FRAMES} frames"), plots);
    Ok(())
}

async fn next_frame(viewer: &mut ReplayClient) -> Result<u64, ClientError> {
    loop {
        match viewer.next_event().await? {
            ReplayEvent::Frame(frame) => return Ok(frame.frame_number),
            ReplayEvent::Closed(reason) => return Err(ClientError::Closed { reason }),
            _ => {}
        }
    }
}

async fn memory(server: &Server, session: SessionId) -> Outcome<()> {
    let before = server.resident_mib()?;
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        let mut viewer = ReplayClient::connect(&server.replay_url(session)).await?;
        next_frame(&mut viewer).await?;
        viewers.push(viewer);
    }
    let each = (server.resident_mib()? - before) / VIEWERS as f64;
    println!(
        "memory: {before:.1} MiB before, {each:.2} MiB for each of {VIEWERS} replays of {LONG_SESSION_FRAMES} frames"
    );
    Ok(())
}

/// How far from its due time each frame of a 60 fps replay arrives, over a minute.
async fn timing(server: &Server, session: SessionId) -> Outcome<()> {
    let mut viewer = ReplayClient::connect(&server.replay_url(session)).await?;
    next_frame(&mut viewer).await?;
    viewer.play(Some(1.0)).await?;
    let mut arrivals = Vec::new();
    while arrivals.len() < usize::try_from(REPLAY_SECONDS * 60)? {
        if let ReplayEvent::Frame(frame) = viewer.next_event().await? {
            arrivals.push((Instant::now(), frame.timestamp));
        }
    }
    let (begun, zero) = arrivals[0];
    let offset = |&(at, timestamp): &(Instant, posesession_core::Timestamp)| {
        let due = timestamp.micros_since(zero) as f64 / 1e6;
        (at - begun).as_secs_f64() - due
    };
    let offsets: Vec<f64> = arrivals.iter().map(offset).collect();
    // The client's clock starts with an arrival; the median offset is what that arrival itself was late by.
    let mut sorted = offsets.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let late = offsets.iter().map(|offset| Duration::from_secs_f64((offset - median).abs())).collect();
    print_quantiles("replay at 60 fps, a minute, |arrived - due|", late);
    let tenth = offsets.len() / 10;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let drift = mean(&offsets[offsets.len() - tenth..]) - mean(&offsets[..tenth]);
    println!("replay drift over that minute: {:.3} ms", drift * 1e3);
    Ok(())
}

/// How many of a 30 fps stream's frames its live viewers see.
async fn viewers(server: &Server) -> Outcome<()> {
    let skeleton = skeleton()?;
    let source = SyntheticPose::new(&skeleton, 30.0);
    let mut camera = RecordClient::connect(&server.record_url()).await?;
    let stream = Some("crowd".to_owned());
    let preset = Some(SkeletonRef::Preset("mediapipe_33".to_owned()));
    camera.publish(&Publish { stream: stream.clone(), skeleton: preset, ..Publish::default() }).await?;
    let mut watching = Vec::new();
    for _ in 0..VIEWERS {
        let mut viewer = RecordClient::connect(&server.record_url()).await?;
        viewer.subscribe(&Subscribe { stream: stream.clone(), format: WireFormat::Binary }).await?;
        watching.push(tokio::spawn(async move {
            let mut delays = Vec::new();
            loop {
                match viewer.next_event().await {
                    Ok(RecordEvent::Frame(frame)) if frame.header.frame_number == Some(299) => break delays,
                    Ok(RecordEvent::Frame(_)) => delays.push(()),
                    Ok(RecordEvent::Closed(_)) | Err(_) => break delays,
                    Ok(_) => {}
                }
            }
        }));
    }
    let mut ticks = tokio::time::interval(Duration::from_micros(33_333));
    for n in 0..300 {
        ticks.tick().await;
        let (timestamp, pose) = source.frame(n);
        camera.send_frame(Some(n), timestamp, &pose, &[]).await?;
    }
    let mut seen = 0;
    for viewer in watching {
        seen += viewer.await?.len() + 1;
    }
    println!(
        "live: {VIEWERS} viewers of a 30 fps stream saw {:.2} % of its frames",
        seen as f64 / (VIEWERS as f64 * 3.0)
    );
    Ok(())
}

fn print_quantiles(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |quantile: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place within the list"
        )]
        let place = (quantile * (times.len() - 1) as f64).round() as usize;
        times[place].as_secs_f64() * 1e3
    };
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms", at(0.5), at(0.99), at(1.0));
}
