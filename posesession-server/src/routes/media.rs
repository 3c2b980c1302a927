//! A session's images and video. What users stored is served so that a browser can do nothing with it but show it.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use posesession_core::{ChunkQuery, SessionId};
use posesession_store::{MediaError, MediaStore, StoreError, VideoType};

use crate::assets::is_known;
use crate::error::{ApiError, ApiResult};
use crate::guard::MEDIA_POLICY;
use crate::query::Params;
use crate::range::{self, Wanted};
use crate::routes::sessions::session_id;
use crate::state::AppState;

/// Images and video of a frame never change once they are there, but a session can be deleted: a browser may keep them
/// for an hour.
const KEEP: &str = "private, max-age=3600";

/// Answers with the camera's image of one frame.
pub(crate) async fn image(
    State(state): State<Arc<AppState>>,
    Path((id, number)): Path<(String, String)>,
    params: Params,
    request: HeaderMap,
) -> ApiResult {
    params.only(&[])?;
    let id = session_id(&id)?;
    let number: u64 = number
        .parse()
        .map_err(|_no_number| ApiError::bad_query("a frame number is a whole number from 0 up"))?;
    // The pages ask for one image after the other: their frames are in one chunk, decoded once. It may be kept longer than the
    // session is there.
    state.storage.store().read_session(id).await?;
    let chunk = state.replay.chunks().covering_chunk(id, ChunkQuery::Frame(number)).await;
    let chunk = chunk.map_err(|error| match error {
        StoreError::NoSuchFrame { .. } => ApiError::frame_not_found(id, number),
        error => error.into(),
    })?;
    let frame = chunk.frame(number).ok_or_else(|| ApiError::frame_not_found(id, number))?;
    let place = frame.image.ok_or_else(|| ApiError::image_not_found(id, number))?;
    let media = state.storage.media().ok_or_else(|| ApiError::image_not_found(id, number))?;
    let tag = format!("\"{id}-{number}-{}\"", place.length);
    if is_known(&request, &tag) {
        return Ok(not_modified(&tag));
    }
    let image = media.read_image(id, &place).await.map_err(|error| match error {
        MediaError::NotFound { .. } | MediaError::OutOfRange { .. } => {
            tracing::error!(session = %id, number, %error, "an image is not where its frame says");
            ApiError::image_not_found(id, number)
        }
        error => error.into(),
    })?;
    let content_type = image_type(&image);
    Ok((stored_headers(&tag, content_type), image).into_response())
}

/// Answers with the recorded video, whole or in part.
pub(crate) async fn video(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    params: Params,
    request: HeaderMap,
) -> ApiResult {
    params.only(&[])?;
    let id = session_id(&id)?;
    let session = state.storage.store().read_session(id).await?;
    let path = session.video_file_path.ok_or_else(|| ApiError::video_not_found(id))?;
    let media = state.storage.media().ok_or_else(|| ApiError::video_not_found(id))?;
    let missing = |error| match error {
        MediaError::NotFound { .. } => ApiError::video_not_found(id),
        error => error.into(),
    };
    let length = media.video_len(&path).await.map_err(missing)?;
    let tag = format!("\"{id}-{length}\"");
    if is_known(&request, &tag) {
        return Ok(not_modified(&tag));
    }
    let text = |name: HeaderName| request.get(name).and_then(|value| value.to_str().ok());
    // A range of another version than the one that is here would be stitched to the wrong bytes.
    let same = text(header::IF_RANGE).is_none_or(|version| version == tag);
    let wanted = range::wanted(text(header::RANGE).filter(|_| same), length);
    let content_type = video_type(media, &path, length).await.map_err(missing)?;
    let (status, bytes) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..length),
        Wanted::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Wanted::Unsatisfiable => return Err(unsatisfiable(id, length)),
    };
    let content_range = format!("bytes {}-{}/{length}", bytes.start, bytes.end.saturating_sub(1));
    let mut response = stream(media, &path, bytes).await?;
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(stored_headers(&tag, content_type));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = HeaderValue::from_str(&content_range)
    {
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// Tells a video's type by its first bytes.
async fn video_type(media: &MediaStore, path: &str, length: u64) -> Result<&'static str, MediaError> {
    let mut pieces = media.read_video_range(path, 0..length.min(12)).await?;
    let mut start = Vec::with_capacity(12);
    while let Some(piece) = pieces.try_next().await? {
        start.extend_from_slice(&piece);
    }
    Ok(match start.as_slice() {
        [0x1a, 0x45, 0xdf, 0xa3, ..] => VideoType::Webm.mime(),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => VideoType::Mp4.mime(),
        _ => "application/octet-stream",
    })
}

async fn stream(media: &MediaStore, path: &str, bytes: Range<u64>) -> ApiResult {
    let length = bytes.end - bytes.start;
    let stream = media.read_video_range(path, bytes).await?;
    let logged = stream.inspect_err(|error| tracing::error!(%error, "a video broke off"));
    let mut response = Response::new(Body::from_stream(logged));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}

fn unsatisfiable(id: SessionId, length: u64) -> ApiError {
    let detail = format!("the video of the session {id} has {length} bytes, none where asked");
    let error = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail);
    match HeaderValue::from_str(&format!("bytes */{length}")) {
        Ok(value) => error.with_header(header::CONTENT_RANGE, value),
        Err(_not_ascii) => error,
    }
}

fn not_modified(tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    let mut headers = stored_headers(tag, "");
    headers.remove(header::CONTENT_TYPE);
    response.headers_mut().extend(headers);
    response
}

/// The headers of what users stored.
fn stored_headers(tag: &str, content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(KEEP));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MEDIA_POLICY));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers
}

/// Tells an image's type by its first bytes. What is neither JPEG nor WebP is offered as bytes, never shown.
fn image_type(image: &[u8]) -> &'static str {
    match image {
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => "application/octet-stream",
    }
}
