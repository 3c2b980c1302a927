//! A session's frames, a page at a time, or all of them as an export.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use posesession_core::{Marker, SessionRecording};
use posesession_store::{FrameWalk, StoreError};
use serde::Serialize;

use crate::error::{ApiError, ApiResult};
use crate::query::Params;
use crate::routes::sessions::session_id;
use crate::state::AppState;

/// The most frames of one page.
const MAX_PAGE_FRAMES: u64 = 1_000;
/// A page ends after the frame with which it reaches this many bytes.
const FULL_PAGE_BYTES: usize = 8 << 20;
/// An export is handed to the connection in pieces of about this many bytes.
const EXPORT_PIECE_BYTES: usize = 64 << 10;

/// Answers with the frames from `from` to before `to`, as many as one page holds, and where the next page starts.
pub(crate) async fn page(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult {
    let params = params.only(&["from", "to", "limit"])?;
    let from = params.parse("from")?.unwrap_or(0);
    let to = params.parse("to")?.unwrap_or(u64::MAX);
    let limit = params.parse("limit")?.unwrap_or(MAX_PAGE_FRAMES);
    if from > to {
        return Err(ApiError::bad_query(format!("`from={from}&to={to}`: the range ends before it starts")));
    }
    if !(1..=MAX_PAGE_FRAMES).contains(&limit) {
        return Err(ApiError::bad_query(format!("`limit={limit}`: use 1 to {MAX_PAGE_FRAMES}")));
    }
    let store = Arc::clone(state.storage.store());
    let session = store.read_session(session_id(&id)?).await?;
    let mut walk = FrameWalk::start(store, &session, from, to).await?;
    let mut json = br#"{"frames":["#.to_vec();
    for place in 0..limit {
        if json.len() >= FULL_PAGE_BYTES {
            break;
        }
        let Some(frame) = walk.next().await? else { break };
        if place > 0 {
            json.push(b',');
        }
        write_json(&mut json, &walk.json(&frame))?;
    }
    json.extend_from_slice(br#"],"next":"#);
    write_json(&mut json, &walk.upcoming())?;
    json.push(b'}');
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

/// The first line of a JSONL export.
#[derive(Serialize)]
struct ExportHead<'a> {
    session: &'a SessionRecording,
    markers: &'a [Marker],
}

/// Answers with the whole session as one file, made while it is sent: memory doesn't depend on the session's length.
pub(crate) async fn export(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult {
    let params = params.only(&["format"])?;
    let id = session_id(&id)?;
    let store = Arc::clone(state.storage.store());
    let session = store.read_session(id).await?;
    match params.text("format") {
        Some("jsonl") => {}
        Some(format) => {
            let shown: String = format.chars().take(50).collect();
            return Err(ApiError::unsupported(format!("there is no format `{shown}` yet: use format=jsonl")));
        }
        None => return Err(ApiError::bad_query("say which format: format=jsonl")),
    }
    let markers = store.markers(id).await?;
    let mut head = Vec::new();
    write_line(&mut head, &ExportHead { session: &session, markers: &markers })?;
    let walk = FrameWalk::start(store, &session, 0, u64::MAX).await?;
    let pieces = stream::try_unfold((walk, head), |(mut walk, mut piece)| async move {
        while piece.len() < EXPORT_PIECE_BYTES {
            let Some(frame) = walk.next().await.map_err(broken_off)? else { break };
            write_line(&mut piece, &walk.json(&frame)).map_err(|_logged| std::io::Error::other("no JSON"))?;
        }
        let more = (!piece.is_empty()).then(|| (Bytes::from(piece), (walk, Vec::new())));
        Ok::<_, std::io::Error>(more)
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    if let Ok(name) = HeaderValue::from_str(&attachment(&session, "jsonl")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Names a download after its session (RFC 6266): people look for the name that they gave, old clients take the id.
fn attachment(session: &SessionRecording, extension: &str) -> String {
    const MAX_CHARS: usize = 100;
    let plain = format!("attachment; filename=\"{}.{extension}\"", session.id);
    let is_separator = |letter: char| letter.is_control() || "/\\:*?\"<>|".contains(letter);
    let name: String = session.name.trim().chars().take(MAX_CHARS).collect();
    let name = name.replace(is_separator, "_");
    // A name that starts with a dot would be hidden, or lead to another folder.
    let name = name.trim_start_matches('.');
    if name.is_empty() {
        return plain;
    }
    let encoded = name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    });
    format!("{plain}; filename*=UTF-8''{encoded}.{extension}")
}

/// An export that can't go on ends without its last chunk, so that the client sees that it is not whole.
fn broken_off(error: StoreError) -> std::io::Error {
    tracing::error!(%error, "an export broke off");
    std::io::Error::other(error)
}

fn write_json(to: &mut Vec<u8>, value: &impl Serialize) -> ApiResult<()> {
    serde_json::to_writer(to, value).map_err(|error| ApiError::internal("write JSON", &error))
}

fn write_line(to: &mut Vec<u8>, value: &impl Serialize) -> ApiResult<()> {
    write_json(to, value)?;
    to.push(b'\n');
    Ok(())
}
