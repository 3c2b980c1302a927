//! Sessions: list, read, change, delete, restore.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use chrono::Utc;
use posesession_core::{SessionId, SessionRecording};
use posesession_store::{DamagedSession, SessionChange, SessionPage, SessionQuery, SessionSort};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::body::read_json;
use crate::error::{ApiError, ApiResult};
use crate::query::Params;
use crate::state::AppState;

const SORTS: [(&str, SessionSort); 4] = [
    ("created_at", SessionSort::CreatedAt),
    ("name", SessionSort::Name),
    ("duration", SessionSort::Duration),
    ("frame_count", SessionSort::FrameCount),
];

#[derive(Debug, Serialize)]
pub(crate) struct SessionList {
    sessions: Vec<SessionRecording>,
    next: Option<String>,
    /// How many sessions all pages have together, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// The sessions of this page that can't be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<DamagedSession>,
}

/// What a `PATCH` may change. `null` is no value for any of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Change {
    #[serde(deserialize_with = "present")]
    name: Option<String>,
    #[serde(deserialize_with = "present")]
    description: Option<String>,
    #[serde(deserialize_with = "present")]
    metadata: Option<Map<String, Value>>,
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads an id from a path. A text that is no id names no session.
pub(crate) fn session_id(text: &str) -> ApiResult<SessionId> {
    text.parse().map_err(|_no_uuid| ApiError::session_not_found(text))
}

pub(crate) async fn list(State(state): State<Arc<AppState>>, params: Params) -> ApiResult<Json<SessionList>> {
    let params = params.only(&["q", "status", "sort", "order", "limit", "cursor", "count"])?;
    let sort = params.word("sort", &SORTS.map(|(name, _)| name))?;
    let descending = params.word("order", &["asc", "desc"])?.map(|place| place == 1);
    let limit = params.parse("limit")?.unwrap_or(SessionQuery::default().limit);
    if !(1..=SessionQuery::MAX_LIMIT).contains(&limit) {
        let detail = format!("`limit={limit}`: use 1 to {}", SessionQuery::MAX_LIMIT);
        return Err(ApiError::bad_query(detail));
    }
    let query = SessionQuery {
        search: params.text("q").filter(|words| !words.is_empty()).map(str::to_owned),
        status: params.parse("status")?,
        sort: sort.map_or(SessionSort::CreatedAt, |place| SORTS[place].1),
        // Names are wanted from A to Z, everything else from the latest or largest down.
        descending: descending.unwrap_or(sort.is_none_or(|place| SORTS[place].1 != SessionSort::Name)),
        limit,
        cursor: params.text("cursor").map(str::to_owned),
        ..SessionQuery::default()
    };
    let store = state.storage.store();
    let total = match params.word("count", &["0", "1"])? {
        Some(1) => Some(store.count_sessions(&query).await?.values().map(|totals| totals.sessions).sum()),
        _ => None,
    };
    let page = store.list_sessions(&query).await?;
    let SessionPage { sessions, damaged, next } = page;
    Ok(Json(SessionList { sessions, next, total, damaged }))
}

pub(crate) async fn read(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<SessionRecording>> {
    params.only(&[])?;
    Ok(Json(state.storage.store().read_session(session_id(&id)?).await?))
}

pub(crate) async fn change(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult<Json<SessionRecording>> {
    let id = session_id(&id)?;
    let object: Map<String, Value> = read_json(request, &state.config).await?;
    let Change { name, description, metadata } = serde_json::from_value(Value::Object(object))
        .map_err(|error| ApiError::bad_json(error.to_string()))?;
    let change = SessionChange { name, description, metadata, ..SessionChange::default() };
    Ok(Json(state.storage.store().update_session(id, change).await?))
}

/// Hides a session. One that is being recorded is left alone: whoever records it must stop or discard it, so that a
/// click in a list can't take frames from under a streamer.
pub(crate) async fn delete(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id = session_id(&id)?;
    let session = state.storage.store().read_session(id).await?;
    if session.status.is_live() {
        return Err(ApiError::session_is_live(id, session.status));
    }
    state.storage.store().delete_session(id, Utc::now()).await?;
    state.replay.session_changed(id);
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn restore(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
) -> ApiResult<Json<SessionRecording>> {
    Ok(Json(state.storage.store().restore_session(session_id(&id)?).await?))
}
