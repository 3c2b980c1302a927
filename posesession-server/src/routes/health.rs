//! Is the server well, and what does it count?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use posesession_core::SessionStatus;
use posesession_store::SessionQuery;
use serde_json::{Value, json};

use crate::error::ApiResult;
use crate::metrics::Page;
use crate::state::AppState;

/// Answers `ok` if the store can be read, a problem if not.
pub(crate) async fn healthz(State(state): State<Arc<AppState>>) -> ApiResult<Json<Value>> {
    let store = state.storage.store();
    store.list_sessions(&SessionQuery { limit: 1, ..SessionQuery::default() }).await?;
    Ok(Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "durable": store.is_durable(),
    })))
}

/// Writes the server's counters in Prometheus' text format.
pub(crate) async fn metrics(State(state): State<Arc<AppState>>) -> ApiResult<Response> {
    let mut page = Page::default();
    let mut by_status = [(0_u64, 0_u64, 0_u64); SessionStatus::ALL.len()];
    let mut query = SessionQuery { limit: SessionQuery::MAX_LIMIT, ..SessionQuery::default() };
    loop {
        let listed = state.storage.store().list_sessions(&query).await?;
        for session in &listed.sessions {
            let totals = &mut by_status[session.status as usize];
            totals.0 += 1;
            totals.1 += session.frame_count;
            totals.2 += session.stored_bytes;
        }
        query.cursor = listed.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let families = [
        ("posesession_sessions", "Sessions by status."),
        ("posesession_frames_stored", "Frames stored, by the status of their session."),
        ("posesession_stored_bytes", "Bytes of stored chunks, by the status of their session."),
    ];
    for (place, (name, help)) in families.into_iter().enumerate() {
        page.family(name, "gauge", help);
        for (status, (sessions, frames, bytes)) in SessionStatus::ALL.into_iter().zip(by_status) {
            page.sample(name, &format!("{{status=\"{status}\"}}"), [sessions, frames, bytes][place]);
        }
    }
    page.family("posesession_recordings_live", "gauge", "Sessions that are being recorded by this server.");
    page.sample("posesession_recordings_live", "", state.record.live_recordings() as u64);
    state.metrics.write(&mut page);
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((content_type, page.into_text()).into_response())
}
