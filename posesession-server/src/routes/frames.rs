//! A session's frames, a page at a time.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::IntoResponse;
use posesession_store::FrameWalk;
use serde::Serialize;

use crate::error::{ApiError, ApiResult};
use crate::query::Params;
use crate::routes::sessions::session_id;
use crate::state::AppState;

/// The most frames of one page.
const MAX_PAGE_FRAMES: u64 = 1_000;
/// A page ends after the frame with which it reaches this many bytes.
const FULL_PAGE_BYTES: usize = 8 << 20;
/// Who asks for so few frames looks at a place, and will look at the frames beside it. Who asks for more reads all of them
/// once, and shall not drive out the chunks that replays need.
const LOOK_FRAMES: u64 = 64;

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
    let mut walk = if limit.min(to - from) <= LOOK_FRAMES {
        FrameWalk::start_cached(state.replay.chunks(), &session, from, to).await?
    } else {
        FrameWalk::start(store, &session, from, to).await?
    };
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

fn write_json(to: &mut Vec<u8>, value: &impl Serialize) -> ApiResult<()> {
    serde_json::to_writer(to, value).map_err(|error| ApiError::internal("write JSON", &error))
}
