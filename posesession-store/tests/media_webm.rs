//! What becomes of a real WebM, piece by piece into the media store, as one that players can seek in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use posesession_core::{SessionId, Timestamp};
use posesession_store::{JoinedVideo, MediaStore, RecordedVideo, VideoCut, VideoGap};
use uuid::Uuid;

const SIMPLE: &[u8] = include_bytes!("../../testdata/video/media_recorder.webm");
const GROUPS: &[u8] = include_bytes!("../../testdata/video/media_recorder_alpha.webm");

/// Runs a test's body on a folder and on an object store in memory.
macro_rules! on_each_store {
    ($media:ident, $body:block) => {{
        let folder = tempfile::tempdir().unwrap();
        for $media in [
            MediaStore::open_folder(folder.path().join("media")).unwrap(),
            MediaStore::new(Arc::new(InMemory::new())),
        ] {
            $body
        }
    }};
}

fn session() -> SessionId {
    SessionId(Uuid::now_v7())
}

fn webm() -> RecordedVideo {
    RecordedVideo::of_type("video/webm;codecs=vp8")
}

async fn put(media: &MediaStore, id: SessionId, range: std::ops::Range<usize>) {
    let piece = Bytes::from_static(&SIMPLE[range.clone()]);
    media.put_video_segment(id, range.start as u64, piece).await.unwrap();
}

async fn join(media: &MediaStore, id: SessionId) -> JoinedVideo {
    media.join_video(id, &webm()).await.unwrap().unwrap()
}

async fn bytes(media: &MediaStore, joined: &JoinedVideo) -> Vec<u8> {
    let parts: Vec<Bytes> =
        media.read_video_range(&joined.path, 0..joined.length).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

async fn rewritten(source: &'static [u8], video: &RecordedVideo) -> Vec<u8> {
    let (media, id) = (MediaStore::new(Arc::new(InMemory::new())), session());
    media.put_video_segment(id, 0, source.into()).await.unwrap();
    let joined = media.join_video(id, video).await.unwrap().unwrap();
    assert!(joined.is_rewritten);
    bytes(&media, &joined).await
}

#[tokio::test]
async fn pieces_become_one_video_that_seeks() {
    let whole = rewritten(SIMPLE, &webm()).await;
    assert_ne!(whole, SIMPLE);
    on_each_store!(media, {
        let id = session();
        for start in (0..SIMPLE.len()).step_by(500) {
            put(&media, id, start..SIMPLE.len().min(start + 700)).await;
        }
        let joined = join(&media, id).await;
        assert_eq!((joined.is_rewritten, joined.gap), (true, None));
        assert_eq!(bytes(&media, &joined).await, whole);
        assert_eq!(join(&media, id).await, joined);
        assert_eq!(bytes(&media, &joined).await, whole, "joining again changes nothing");
    });
}

#[tokio::test]
async fn a_join_that_broke_off_after_the_rewriting_is_finished_by_the_next() {
    on_each_store!(media, {
        let id = session();
        put(&media, id, 0..2000).await;
        put(&media, id, 2000..SIMPLE.len()).await;
        let joined = join(&media, id).await;
        let whole = bytes(&media, &joined).await;
        // The first segment had been erased, the others had not.
        put(&media, id, 2000..SIMPLE.len()).await;
        put(&media, id, 1000..2000).await;
        assert_eq!(join(&media, id).await, joined);
        assert_eq!(bytes(&media, &joined).await, whole);
        // A late repetition of the video's start changes nothing, either.
        put(&media, id, 0..1000).await;
        assert_eq!(join(&media, id).await, joined);
        assert_eq!(bytes(&media, &joined).await, whole);
    });
}

#[tokio::test]
async fn a_video_that_was_joined_as_it_came_is_rewritten_from_itself() {
    let whole = rewritten(SIMPLE, &webm()).await;
    let folder = tempfile::tempdir().unwrap();
    let media = MediaStore::open_folder(folder.path()).unwrap();
    let id = session();
    std::fs::create_dir(folder.path().join(id.to_string())).unwrap();
    std::fs::write(folder.path().join(format!("{id}/video.webm")), &SIMPLE[..3000]).unwrap();
    put(&media, id, 3000..SIMPLE.len()).await;
    let joined = join(&media, id).await;
    assert_eq!(bytes(&media, &joined).await, whole);
}

#[tokio::test]
async fn a_gap_plays_up_to_it_and_is_joined_once_it_is_filled() {
    let whole = rewritten(SIMPLE, &webm()).await;
    on_each_store!(media, {
        let id = session();
        put(&media, id, 0..1500).await;
        put(&media, id, 2500..SIMPLE.len()).await;
        for _again in 0..2 {
            let joined = join(&media, id).await;
            assert_eq!((joined.is_rewritten, joined.gap), (true, Some(VideoGap { start: 1500, end: 2500 })));
            assert_eq!(bytes(&media, &joined).await.len() as u64, joined.length);
        }
        put(&media, id, 1400..2600).await;
        let joined = join(&media, id).await;
        assert_eq!((joined.gap, bytes(&media, &joined).await), (None, whole.clone()));
    });
}

#[tokio::test]
async fn what_is_not_understood_stays_as_it_came() {
    on_each_store!(media, {
        let id = session();
        media.put_video_segment(id, 0, "not a WebM".into()).await.unwrap();
        let joined = join(&media, id).await;
        assert!(!joined.is_rewritten);
        assert_eq!(bytes(&media, &joined).await, b"not a WebM");
        media.put_video_segment(id, 10, ", nor later".into()).await.unwrap();
        let joined = join(&media, id).await;
        assert_eq!(bytes(&media, &joined).await, b"not a WebM, nor later");
    });
}

fn ffmpeg(program: &str, arguments: &[&str]) -> String {
    let run = Command::new(program).args(["-v", "error"]).args(arguments).output().unwrap_or_else(|error| {
        panic!("this test needs {program}: install ffmpeg (`apt-get install ffmpeg`): {error}")
    });
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success() && said.is_empty(), "{program} {arguments:?}: {said}");
    String::from_utf8(run.stdout).unwrap()
}

/// The times at which players are to show pictures, in milliseconds.
fn times(path: &Path) -> Vec<i64> {
    let path = path.to_str().unwrap();
    let told =
        ffmpeg("ffprobe", &["-show_entries", "packet=pts", "-select_streams", "v", "-of", "csv=p=0", path]);
    // ffprobe tells of side data in lines of their own.
    told.lines().filter_map(|line| line.split(',').next()?.parse().ok()).collect()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn ffmpeg_finds_a_duration_seeks_and_decodes_every_picture() {
    let folder = tempfile::tempdir().unwrap();
    for source in [SIMPLE, GROUPS] {
        let recorded = write(folder.path(), "recorded.webm", source);
        let path = write(folder.path(), "seeks.webm", &rewritten(source, &webm()).await);
        assert_eq!(times(&path), times(&recorded));
        let seeks = path.to_str().unwrap();
        let duration = ffmpeg("ffprobe", &["-show_entries", "format=duration", "-of", "csv=p=0", seeks]);
        let last = *times(&path).last().unwrap() as f64 / 1000.0;
        let duration: f64 = duration.trim().parse().unwrap();
        assert!(duration >= last && duration < last + 0.1, "{duration} s, the last picture at {last} s");
        let decoded = |path: &str| ffmpeg("ffmpeg", &["-i", path, "-f", "framemd5", "-"]);
        let pictures = |told: &str| told.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(pictures(&decoded(seeks)), times(&path).len());
        // From 2 s on, ffmpeg begins to read at the key frame that the cues lead to.
        let late = ffmpeg(
            "ffprobe",
            &["-read_intervals", "2.3%+#1", "-show_entries", "packet=pts,flags", "-of", "csv=p=0", seeks],
        );
        let (at, flags) = late.trim().split_once(',').unwrap();
        assert!((1_900..2_300).contains(&at.parse::<i64>().unwrap()) && flags.starts_with('K'), "{late}");
    }
}

#[tokio::test]
async fn ffmpeg_sees_the_cuts_taken_out() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = times(&write(folder.path(), "recorded.webm", SIMPLE));
    let secs = |secs| Timestamp::from_secs_f64(secs).unwrap();
    // The first picture stood at 0.5 s of session time; at 1.5 s of it half a second was cut out.
    let cuts = vec![VideoCut { at: secs(1.5), length: secs(0.5) }];
    let video = RecordedVideo { start: Some(secs(0.5)), cuts, ..webm() };
    let cut = times(&write(folder.path(), "cut.webm", &rewritten(SIMPLE, &video).await));
    let expected = recorded.iter().map(|&time| if time < 1_500 { time.min(1_000) } else { time - 500 });
    assert_eq!(cut, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn ffmpegs_own_live_streams_are_understood() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live.webm");
    let made = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=64x48:rate=25:duration=3",
        "-f",
        "lavfi",
        "-i",
        "sine=duration=3",
    ];
    let how =
        ["-c:v", "libvpx", "-g", "25", "-c:a", "libopus", "-f", "webm", "-live", "1", live.to_str().unwrap()];
    ffmpeg("ffmpeg", &[&made[..], &how[..]].concat());
    let (media, id) = (MediaStore::new(Arc::new(InMemory::new())), session());
    media.put_video_segment(id, 0, std::fs::read(&live).unwrap().into()).await.unwrap();
    let joined = join(&media, id).await;
    assert!(joined.is_rewritten);
    let path = write(folder.path(), "seeks.webm", &bytes(&media, &joined).await);
    assert_eq!(times(&path).len(), 75);
    assert_eq!(times(&path)[0], 0);
    ffmpeg("ffmpeg", &["-i", path.to_str().unwrap(), "-f", "null", "-"]);
}
