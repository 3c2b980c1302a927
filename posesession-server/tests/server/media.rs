//! Images and video, as they were recorded.

use bytes::Bytes;
use posesession_core::{
    Batch, Chunk, ImageObject, ImageRef, PoseData, SessionId, SessionStatus, Skeleton, Timestamp,
};
use posesession_store::{NewSession, RecordedVideo, SessionChange};
use posesession_ws::RecordClient;
use posesession_ws::protocol::StartRecording;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::support::{TestServer, assert_problem};

const JPEG: &[u8] = b"\xff\xd8\xff\xe0 a picture \xff\xd9";
const WEBP: &[u8] = b"RIFF\x10\0\0\0WEBPVP8 a picture";
const PAGE: &[u8] = b"<!doctype html><script>alert(1)</script>";

/// Stores a session whose frames 0, 1 and 2 have a JPEG, a WebP and a page that claims to be an image; frame 3 has none.
async fn with_images(server: &TestServer) -> SessionId {
    let skeleton = Skeleton::preset("coco_17").unwrap();
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("pictures") };
    let id = server.store.create_session(new).await.unwrap().id;
    let term = server.store.begin_term(id).await.unwrap();
    let name = "images/000000000000".to_owned();
    let mut chunk = Chunk::new(0, skeleton.layout());
    let mut bytes = Vec::new();
    for (number, image) in (0..).zip([JPEG, WEBP, PAGE]) {
        chunk.push(Timestamp::from_micros(number * 33_333), &PoseData::nobody()).unwrap();
        let offset = u64::try_from(bytes.len()).unwrap();
        let length = u32::try_from(image.len()).unwrap();
        chunk.set_last_image(ImageRef { object: name.clone(), offset, length });
        bytes.extend_from_slice(image);
    }
    chunk.push(Timestamp::from_micros(100_000), &PoseData::nobody()).unwrap();
    let images = ImageObject { name, bytes: Bytes::from(bytes) };
    server.media.put_images(id, &images).await.unwrap();
    let batch = Batch { chunk: Some(chunk), ..Batch::default() };
    server.store.append(id, term, &batch).await.unwrap();
    server.store.finish(id, term, SessionStatus::Completed).await.unwrap();
    id
}

/// Stores a session with a WebM of `length` bytes.
pub(crate) async fn with_video(server: &TestServer, length: usize) -> (SessionId, Vec<u8>) {
    let id = server.recorded("filmed", 10).await;
    let mut video = b"\x1a\x45\xdf\xa3".to_vec();
    video.extend((0..).map(|n: u32| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).take(length - 4));
    for (place, piece) in video.chunks(100_000).enumerate() {
        let offset = u64::try_from(place * 100_000).unwrap();
        server.media.put_video_segment(id, offset, Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let joined = server.media.join_video(id, &RecordedVideo::of_type("video/webm")).await.unwrap().unwrap();
    let change = SessionChange { video_file_path: Some(Some(joined.path)), ..SessionChange::default() };
    server.store.update_session(id, change).await.unwrap();
    (id, video)
}

#[tokio::test]
async fn images_come_back_with_the_type_of_their_bytes() {
    let server = TestServer::start().await;
    let id = with_images(&server).await;
    for (number, image, content_type) in
        [(0, JPEG, "image/jpeg"), (1, WEBP, "image/webp"), (2, PAGE, "application/octet-stream")]
    {
        let response = server.get(&format!("/api/sessions/{id}/frames/{number}/image")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], content_type);
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["content-security-policy"], "sandbox; default-src 'none'; frame-ancestors 'none'");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        assert_eq!(headers["cache-control"], "private, max-age=3600");
        assert_eq!(response.bytes().await.unwrap(), image);
    }
}

#[tokio::test]
async fn an_image_that_the_browser_has_is_not_sent_again() {
    let server = TestServer::start().await;
    let id = with_images(&server).await;
    let path = format!("/api/sessions/{id}/frames/0/image");
    let tag = server.get(&path).await.headers()["etag"].clone();
    let again = server.request(Method::GET, &path).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(!again.headers().contains_key("content-type"));
}

#[tokio::test]
async fn images_that_are_not_there_are_told_apart() {
    let server = TestServer::start().await;
    let id = with_images(&server).await;
    for (frame, status, code) in [
        ("3", 404, "image_not_found"),
        ("4", 404, "frame_not_found"),
        ("18446744073709551615", 404, "frame_not_found"),
        ("-1", 400, "bad_query"),
        ("x", 400, "bad_query"),
        ("99999999999999999999", 400, "bad_query"),
        ("..%2f..%2f0", 400, "bad_query"),
    ] {
        let response = server.get(&format!("/api/sessions/{id}/frames/{frame}/image")).await;
        assert_problem(response, status, code).await;
    }
    let frames = server.json(&format!("/api/sessions/{id}/frames")).await;
    assert_eq!(
        frames["frames"][1]["image_path"],
        format!("images/000000000000#{},{}", JPEG.len(), WEBP.len())
    );
    server.media.delete_session(id).await.unwrap();
    let response = server.get(&format!("/api/sessions/{id}/frames/0/image")).await;
    assert_problem(response, 404, "image_not_found").await;
}

async fn ranged(server: &TestServer, path: &str, range: &str) -> Response {
    server.request(Method::GET, path).header("range", range).send().await.unwrap()
}

#[tokio::test]
async fn videos_are_served_whole_and_in_parts() {
    let server = TestServer::start().await;
    let length = 1_234_567;
    let (id, video) = with_video(&server, length).await;
    let path = format!("/api/sessions/{id}/video");
    let whole = server.get(&path).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.headers()["content-type"], "video/webm");
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(whole.headers()["content-length"], "1234567");
    assert_eq!(
        whole.headers()["content-security-policy"],
        "sandbox; default-src 'none'; frame-ancestors 'none'"
    );
    assert!(!whole.headers().contains_key("content-range"));
    assert_eq!(whole.bytes().await.unwrap(), video);

    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, length),
        ("bytes=99999-100001", 99_999, 100_002),
        ("bytes=1234560-9999999999", 1_234_560, length),
        ("bytes=-7", length - 7, length),
    ] {
        let part = ranged(&server, &path, range).await;
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let content_range = format!("bytes {start}-{}/{length}", end - 1);
        assert_eq!(part.headers()["content-range"], content_range.as_str(), "{range}");
        assert_eq!(part.headers()["content-length"], (end - start).to_string().as_str(), "{range}");
        assert_eq!(part.bytes().await.unwrap(), video[start..end], "{range}");
    }
    for ignored in ["bytes=0-1,4-5", "bytes=5-2", "pages=1-2", "bytes=x"] {
        let whole = ranged(&server, &path, ignored).await;
        assert_eq!(whole.status(), StatusCode::OK, "{ignored}");
        assert_eq!(whole.content_length(), Some(1_234_567), "{ignored}");
    }
    for beyond in ["bytes=1234567-", "bytes=9999999-99999999", "bytes=-0"] {
        let response = ranged(&server, &path, beyond).await;
        assert_eq!(response.headers()["content-range"], "bytes */1234567", "{beyond}");
        assert_problem(response, 416, "range_not_satisfiable").await;
    }
}

#[tokio::test]
async fn a_videos_head_has_its_length_and_no_body() {
    let server = TestServer::start().await;
    let (id, _) = with_video(&server, 5_000).await;
    let path = format!("/api/sessions/{id}/video");
    let head = server.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-length"], "5000");
    assert_eq!(head.headers()["accept-ranges"], "bytes");
    assert!(head.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_range_of_another_version_is_the_whole_video() {
    let server = TestServer::start().await;
    let (id, video) = with_video(&server, 5_000).await;
    let path = format!("/api/sessions/{id}/video");
    let tag = server.get(&path).await.headers()["etag"].clone();
    let ask = || server.request(Method::GET, &path).header("range", "bytes=10-19");
    let same = ask().header("if-range", &tag).send().await.unwrap();
    assert_eq!(same.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(same.bytes().await.unwrap(), video[10..20]);
    let other = ask().header("if-range", "\"another\"").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
    let known = server.request(Method::GET, &path).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn a_session_without_video_says_so() {
    let server = TestServer::start().await;
    let id = server.recorded("not filmed", 3).await;
    assert_problem(server.get(&format!("/api/sessions/{id}/video")).await, 404, "video_not_found").await;
}

/// What Chromium records of a canvas: no duration, nothing to seek by.
const WEBM: &[u8] = include_bytes!("../../../testdata/video/media_recorder.webm");

#[tokio::test]
async fn a_video_that_a_browser_recorded_is_sought_over_http() {
    let server = TestServer::start().await;
    let mut client = RecordClient::connect(&server.ws("/ws/pose")).await.unwrap();
    let video = json!({ "mime": "video/webm;codecs=vp8" });
    let start: StartRecording = serde_json::from_value(json!({ "name": "filmed", "video": video })).unwrap();
    let id = client.start_recording(&start).await.unwrap();
    let pose = PoseData::one_person(vec![0.5; 132]);
    for number in 0..90 {
        let timestamp = Timestamp::from_micros(i64::try_from(number).unwrap() * 33_333);
        client.send_frame(Some(number), timestamp, &pose, b"").await.unwrap();
    }
    for (place, piece) in WEBM.chunks(1_000).enumerate() {
        let offset = u64::try_from(place * 1_000).unwrap();
        let piece = Bytes::from_static(piece);
        client.send_video(offset, Timestamp::from_micros(500_000), piece).await.unwrap();
    }
    let finalized = client.stop_recording(None).await.unwrap();
    assert_eq!(serde_json::to_value(finalized.session.metadata).unwrap()["video"]["start"], 0.5);

    let url = format!("http://{}/api/sessions/{id}/video", server.address);
    let probe = tokio::process::Command::new("ffprobe")
        .args(["-v", "error", "-read_intervals", "2.3%+#1", "-of", "csv=p=0"])
        .args(["-show_entries", "packet=pts_time,flags:format=duration", &url])
        .output()
        .await
        .expect("this test needs ffprobe: install ffmpeg (`apt-get install ffmpeg`)");
    assert!(probe.status.success() && probe.stderr.is_empty(), "{}", String::from_utf8_lossy(&probe.stderr));
    // The key frame before 2.3 s, and the whole length.
    let told = String::from_utf8(probe.stdout).unwrap();
    let mut lines = told.lines();
    let packet = lines.next().unwrap();
    assert!(packet.starts_with("2.0") && packet.contains(",K"), "{told}");
    let duration: f64 = lines.next().unwrap().parse().unwrap();
    assert!((2.6..2.7).contains(&duration), "{told}");
}
