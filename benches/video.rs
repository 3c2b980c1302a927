//! Joins a long video out of its segments: an hour of WebM that is rewritten, beside the same bytes joined as they came.
//!
//! `cargo bench --bench video`, or `-- MINUTES`. A segment a second, a key frame in each, 30 pictures of together 280 kB: an hour
//! has about 1 GB. Prints the time, and how far the process' memory grew. A video is made once and joined once: what takes
//! seconds needs no statistics.

use std::time::Instant;

use posesession_core::SessionId;
use posesession_store::{MediaStore, RecordedVideo};

const PICTURES_A_SECOND: usize = 30;
const PICTURE_BYTES: usize = 9_300;
const START: &[u8] = include_bytes!("../testdata/video/media_recorder.webm");
/// Where in the file that a browser recorded the first cluster begins.
const CLUSTER_ID: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];

/// A second of a live stream: a cluster of unknown size.
fn second(number: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(PICTURES_A_SECOND * (PICTURE_BYTES + 16));
    if number == 0 {
        let front = START.windows(4).position(|bytes| bytes == CLUSTER_ID).expect("a cluster in the sample");
        out.extend_from_slice(&START[..front]);
    }
    out.extend_from_slice(&CLUSTER_ID);
    out.extend_from_slice(&[0xff, 0xe7, 0x84]);
    out.extend_from_slice(&(number * 1_000).to_be_bytes());
    for picture in 0..PICTURES_A_SECOND {
        let size = u32::try_from(PICTURE_BYTES + 4).expect("a small picture") | 0x1000_0000;
        out.push(0xa3);
        out.extend_from_slice(&size.to_be_bytes());
        let millis = u16::try_from(picture * 1_000 / PICTURES_A_SECOND).expect("less than a second");
        let [high, low] = millis.to_be_bytes();
        out.extend_from_slice(&[0x81, high, low, if picture == 0 { 0x80 } else { 0 }]);
        out.extend((0..PICTURE_BYTES).map(|n| (n * 31 + picture).to_le_bytes()[0]));
    }
    out
}

/// Returns the most memory that the process has had, in bytes; none where the system doesn't say.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

async fn join(media: &MediaStore, minutes: u32, video: &RecordedVideo) {
    let id: SessionId = "0190a5e4-0000-7000-8000-000000000001".parse().expect("an id");
    let mut offset = 0;
    for number in 0..minutes * 60 {
        let segment = second(number);
        let length = segment.len() as u64;
        media.put_video_segment(id, offset, segment.into()).await.expect("the folder takes a segment");
        offset += length;
    }
    let before = peak_bytes();
    let begun = Instant::now();
    let joined = media.join_video(id, video).await.expect("the video is joined").expect("there is a video");
    let took = begun.elapsed().as_secs_f64();
    let grown = peak_bytes().zip(before).map(|(after, before)| (after - before) as f64 / 1e6);
    println!(
        "{}: {minutes} min, {:.0} MB in {took:.2} s ({:.0} MB/s); peak memory +{:.1} MB, now {:.1} MB",
        if joined.is_rewritten { "rewritten" } else { "as it came" },
        joined.length as f64 / 1e6,
        joined.length as f64 / 1e6 / took,
        grown.unwrap_or(f64::NAN),
        peak_bytes().map_or(f64::NAN, |bytes| bytes as f64 / 1e6),
    );
    media.delete_session(id).await.expect("the folder lets go of the video");
}

fn main() {
    let minutes = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    runtime.block_on(async {
        let media = MediaStore::open_folder(folder.path()).expect("a media folder");
        join(&media, minutes, &RecordedVideo::of_type("video/mp4")).await;
        join(&media, minutes, &RecordedVideo::of_type("video/webm")).await;
    });
}
