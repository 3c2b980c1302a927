//! Images and videos: what sessions name is there, and what is there is named.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use chrono::Utc;
use posesession_core::{ChunkImage, ImageObject, SessionId, SessionRecording};

use super::frames::Images;
use super::{Verifier, said};
use crate::finding::Finding;
use crate::media::{MediaObject, MediaStore, RecordedVideo, VideoCheck};

/// How much of an object is read at once. Of longer ones, images are looked at one by one.
const AT_ONCE_BYTES: u64 = 32 << 20;

/// Checks a session's images and video.
pub(super) async fn check_session(verifier: &mut Verifier<'_>, session: &SessionRecording, images: Images) {
    let id = session.id;
    let Some(media) = verifier.place.media else {
        if let Some((object, named)) = images.first_key_value() {
            let count = images.values().map(Vec::len).sum::<usize>();
            let (frame, _) = named[0];
            let what = format!(
                "{count} images are named, the first by frame {frame} in `{object}`: there are no media"
            );
            verifier.find(Finding::damage(id, "media", what));
        }
        if session.video_file_path.is_some() {
            verifier.find(Finding::damage(id, "video", "it is named, and there are no media"));
        }
        return;
    };
    let objects = match media.session_objects(id).await {
        Ok(objects) => objects,
        Err(error) => {
            verifier.find(Finding::damage(id, "media", said(&error)));
            return;
        }
    };
    let sizes: BTreeMap<String, &MediaObject> =
        objects.iter().map(|object| (object.path.to_string(), object)).collect();
    let mut named = HashSet::new();
    for (object, images) in &images {
        let path = format!("{id}/{object}");
        let found = match sizes.get(&path) {
            None => Err(format!("{} are in `{object}`, which is not there", counted(images.len()))),
            Some(object) => check_images(verifier, media, object, images).await,
        };
        if let Err(what) = found {
            let place = format!("images of frames {} to {}", first(images), last(images));
            verifier.find(Finding::damage(id, place, what));
        }
        named.insert(path);
    }
    if let Some(path) = &session.video_file_path {
        check_video(verifier, media, session, path).await;
        named.insert(path.clone());
    }
    note_video_facts(verifier, session);
    let left: Vec<_> = objects.iter().filter(|object| !named.contains(object.path.as_ref())).collect();
    if !left.is_empty() && !session.status.is_live() {
        let bytes: u64 = left.iter().map(|object| object.size).sum();
        let what =
            format!("{} objects of {bytes} bytes that nothing names, such as `{}`", left.len(), left[0].path);
        verifier.find(Finding::note(id, "media", what));
    }
}

fn counted(images: usize) -> String {
    if images == 1 { "1 image".to_owned() } else { format!("{images} images") }
}

fn first(images: &[(u64, ChunkImage)]) -> u64 {
    images.first().map_or(0, |(frame, _)| *frame)
}

fn last(images: &[(u64, ChunkImage)]) -> u64 {
    images.last().map_or(0, |(frame, _)| *frame)
}

async fn check_images(
    verifier: &mut Verifier<'_>,
    media: &MediaStore,
    object: &MediaObject,
    images: &[(u64, ChunkImage)],
) -> Result<(), String> {
    let mut whole = Bytes::new();
    let mut checksum = 0;
    let mut checked = 0;
    while checked < object.size {
        let end = object.size.min(checked + AT_ONCE_BYTES);
        let piece = media.object_bytes(object, checked..end).await.map_err(|error| said(&error))?;
        verifier.advance(piece.len() as u64);
        checksum = crc32c::crc32c_append(checksum, &piece);
        whole = piece;
        checked = end;
    }
    let whole = (object.size <= AT_ONCE_BYTES).then_some(whole);
    if ImageObject::named_checksum(object.path.as_ref()).is_some_and(|named| named != checksum) {
        return Err(format!("the bytes of `{}` are not those that its name tells", object.path));
    }
    for (frame, ChunkImage { image, .. }) in images {
        let end = image.offset.saturating_add(u64::from(image.length));
        if end > object.size {
            return Err(format!(
                "the image of frame {frame} ends at byte {end} of `{}`, which has {}",
                image.object, object.size
            ));
        }
        let start = image.offset..end.min(image.offset.saturating_add(12));
        let bytes: Bytes = match &whole {
            Some(whole) => {
                let [start, end] =
                    [start.start, start.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
                whole.get(start..end).map(Bytes::copy_from_slice).unwrap_or_default()
            }
            None => media.object_bytes(object, start).await.map_err(|error| said(&error))?,
        };
        if !is_image(&bytes) {
            return Err(format!("the image of frame {frame} in `{}` is neither JPEG nor WebP", image.object));
        }
        verifier.verified.images += 1;
    }
    Ok(())
}

fn is_image(start: &[u8]) -> bool {
    start.starts_with(&[0xff, 0xd8, 0xff])
        || (start.starts_with(b"RIFF") && start.get(8..12).is_some_and(|kind| kind == b"WEBP"))
}

async fn check_video(
    verifier: &mut Verifier<'_>,
    media: &MediaStore,
    session: &SessionRecording,
    path: &str,
) {
    match media.check_video(path).await {
        Err(error) => verifier.find(Finding::damage(session.id, "video", said(&error))),
        Ok(VideoCheck { bytes, wrong: None }) => {
            verifier.verified.videos += 1;
            verifier.verified.bytes += bytes;
        }
        Ok(VideoCheck { wrong: Some(wrong), .. }) => {
            verifier.find(Finding::damage(session.id, "video", format!("`{path}`: {wrong}")));
        }
    }
}

/// Notes what the metadata say of a video that makes no sense.
fn note_video_facts(verifier: &mut Verifier<'_>, session: &SessionRecording) {
    if session.metadata.contains_key("video") && RecordedVideo::from_metadata(&session.metadata).is_none() {
        let what = "the metadata's `video` can't be read: when it starts and what is cut out is not known";
        verifier.find(Finding::note(session.id, "video", what));
    }
}

/// Notes media of sessions that are not there.
pub(super) async fn check_orphans(verifier: &mut Verifier<'_>, sessions: &[SessionRecording]) {
    let Some(media) = verifier.place.media else { return };
    let mut known: HashSet<SessionId> = sessions.iter().map(|session| session.id).collect();
    // Sessions that began since, and those that wait to be erased.
    if let Ok(deleted) = verifier.place.sessions.deleted_sessions(Utc::now()).await {
        known.extend(deleted);
    }
    let folders = match media.folders().await {
        Ok(folders) => folders,
        Err(error) => {
            verifier.find(Finding::damage(None, "media", said(&error)));
            return;
        }
    };
    for folder in folders {
        let session = folder.parse::<SessionId>().ok();
        if let Some(id) = session
            && (known.contains(&id) || verifier.place.sessions.read_session(id).await.is_ok())
        {
            continue;
        }
        let what = format!("the folder `{folder}` belongs to no session that can be read");
        verifier.find(Finding::note(session, "media", what));
    }
}
