//! The media store's promises, in a real folder and in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use posesession_core::{ImageObject, ImageRef, SessionId};
use posesession_store::{MediaError, MediaStore, RecordedVideo, VideoGap, VideoType};
use uuid::Uuid;

fn session() -> SessionId {
    SessionId(Uuid::now_v7())
}

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

fn images(bytes: &'static [u8]) -> ImageObject {
    ImageObject { name: "images/000000000000".to_owned(), bytes: Bytes::from_static(bytes) }
}

fn image(offset: u64, length: u32) -> ImageRef {
    ImageRef { object: "images/000000000000".to_owned(), offset, length }
}

async fn video(media: &MediaStore, path: &str) -> Vec<u8> {
    let length = media.video_len(path).await.unwrap();
    read(media, path, 0..length).await
}

async fn read(media: &MediaStore, path: &str, bytes: std::ops::Range<u64>) -> Vec<u8> {
    let parts: Vec<Bytes> = media.read_video_range(path, bytes).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

#[tokio::test]
async fn images_are_read_back_from_their_place() {
    on_each_store!(media, {
        let (one, other) = (session(), session());
        media.put_images(one, &images(b"firstsecond")).await.unwrap();
        media.put_images(one, &images(b"firstsecond")).await.unwrap();
        assert_eq!(media.read_image(one, &image(0, 5)).await.unwrap(), "first");
        assert_eq!(media.read_image(one, &image(5, 6)).await.unwrap(), "second");
        assert_eq!(media.read_image(one, &image(3, 0)).await.unwrap(), "");
        let elsewhere = media.read_image(other, &image(0, 5)).await;
        assert!(matches!(elsewhere, Err(MediaError::NotFound { .. })));
        for (offset, length) in [(5, 7), (11, 1), (u64::MAX, 1)] {
            let beyond = media.read_image(one, &image(offset, length)).await;
            assert!(matches!(beyond, Err(MediaError::OutOfRange { length: 11, .. })), "{beyond:?}");
        }
    });
}

#[tokio::test]
async fn a_canary_outside_the_folder_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("canary"), b"alive").unwrap();
    let media = MediaStore::open_folder(folder.path().join("media")).unwrap();
    for name in ["../../canary", "..\\..\\canary", "%2e%2e/%2e%2e/canary", "/canary"] {
        let put =
            media.put_images(session(), &ImageObject { name: name.to_owned(), bytes: "dead".into() }).await;
        assert!(matches!(put, Err(MediaError::BadName { .. })), "{put:?}");
        let place = ImageRef { object: name.to_owned(), offset: 0, length: 4 };
        assert!(matches!(media.read_image(session(), &place).await, Err(MediaError::BadName { .. })));
        assert!(matches!(media.video_len(name).await, Err(MediaError::BadName { .. })));
    }
    assert_eq!(std::fs::read(folder.path().join("canary")).unwrap(), b"alive");
}

#[tokio::test]
async fn segments_become_one_video() {
    on_each_store!(media, {
        let id = session();
        assert_eq!(media.join_video(id, &RecordedVideo::of_type("video/webm")).await.unwrap(), None);
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n / 7 % 251) as u8).collect();
        // Out of order, one twice, and one that overlaps two others, as after a reconnection.
        for range in [400_000..1_000_000, 0..300_000, 0..300_000, 250_000..500_000, 0..10] {
            let segment = Bytes::copy_from_slice(&bytes[range.clone()]);
            media.put_video_segment(id, range.start as u64, segment).await.unwrap();
        }
        let joined = media.join_video(id, &RecordedVideo::of_type("video/webm")).await.unwrap().unwrap();
        assert_eq!((joined.length, joined.gap), (1_000_000, None));
        assert_eq!(joined.path, format!("{id}/video.webm"));
        assert_eq!(video(&media, &joined.path).await, bytes);
        assert_eq!(read(&media, &joined.path, 299_990..400_010).await, bytes[299_990..400_010]);
        assert_eq!(read(&media, &joined.path, 5..5).await, b"");
        let beyond = media.read_video_range(&joined.path, 0..1_000_001).await.map(drop);
        assert!(matches!(beyond, Err(MediaError::OutOfRange { length: 1_000_000, .. })));
        assert_eq!(media.join_video(id, &RecordedVideo::of_type("video/webm")).await.unwrap(), Some(joined));
    });
}

#[tokio::test]
async fn a_gap_is_reported_until_it_is_filled() {
    on_each_store!(media, {
        let id = session();
        media.put_video_segment(id, 0, "0123".into()).await.unwrap();
        media.put_video_segment(id, 6, "67".into()).await.unwrap();
        for _again in 0..2 {
            let joined = media.join_video(id, &RecordedVideo::of_type("video/mp4")).await.unwrap().unwrap();
            assert_eq!((joined.length, joined.gap), (4, Some(VideoGap { start: 4, end: 6 })));
            assert_eq!(video(&media, &joined.path).await, b"0123");
        }
        media.put_video_segment(id, 3, "345".into()).await.unwrap();
        let joined = media.join_video(id, &RecordedVideo::of_type("video/mp4")).await.unwrap().unwrap();
        assert_eq!((joined.length, joined.gap), (8, None));
        assert_eq!(video(&media, &joined.path).await, b"01234567");
    });
}

#[tokio::test]
async fn a_video_without_its_start_is_a_gap() {
    on_each_store!(media, {
        let id = session();
        media.put_video_segment(id, 9, "x".into()).await.unwrap();
        let joined = media.join_video(id, &RecordedVideo::of_type("video/webm")).await.unwrap().unwrap();
        assert_eq!((joined.length, joined.gap), (0, Some(VideoGap { start: 0, end: 9 })));
        assert!(matches!(media.video_len(&joined.path).await, Err(MediaError::NotFound { .. })));
    });
}

#[tokio::test]
async fn a_deleted_session_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let media = MediaStore::open_folder(folder.path()).unwrap();
    let (gone, stays) = (session(), session());
    for id in [gone, stays] {
        media.put_images(id, &images(b"image")).await.unwrap();
        media.put_video_segment(id, 0, "video".into()).await.unwrap();
        media.join_video(id, &RecordedVideo::of_type("video/webm")).await.unwrap();
        media.put_video_segment(id, 7, "late".into()).await.unwrap();
    }
    media.delete_session(gone).await.unwrap();
    media.delete_session(gone).await.unwrap();
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [std::ffi::OsString::from(stays.to_string())]);
    assert_eq!(media.read_image(stays, &image(0, 5)).await.unwrap(), "image");
}

#[tokio::test]
async fn a_folder_that_can_not_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let opened = MediaStore::open_folder(folder.path().join("file/media")).map(drop);
    assert!(matches!(opened, Err(MediaError::Backend { operation: "open its folder", .. })));
}

#[test]
fn video_types_are_known_by_media_type_and_path() {
    assert_eq!(VideoType::of("video/webm;codecs=vp9,opus"), Some(VideoType::Webm));
    assert_eq!(VideoType::of("Video/MP4 ; codecs=avc1"), Some(VideoType::Mp4));
    assert_eq!(VideoType::of("x/video.mp4"), Some(VideoType::Mp4));
    assert_eq!(VideoType::of("video/ogg"), None);
    assert_eq!(VideoType::of(""), None);
}
