//! Is the server well, and what does it count?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use posesession_core::SessionStatus;
use posesession_store::{ChunkCacheStats, SessionQuery, SessionTotals};
use serde_json::{Value, json};

use crate::error::ApiResult;
use crate::metrics::Page;
use crate::state::AppState;

/// Answers `ok` if the store can be read, a problem if not.
pub(crate) async fn healthz(State(state): State<Arc<AppState>>) -> ApiResult<Json<Value>> {
    let store = state.storage.store();
    store.list_sessions(&SessionQuery { limit: 1, ..SessionQuery::default() }).await?;
    let durability = state.storage.durability();
    let mut health = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "durable": durability.is_durable(),
    });
    if let Some(because) = durability.because() {
        health["not_durable_because"] = because.into();
    }
    Ok(Json(health))
}

/// Writes the server's counters in Prometheus' text format.
pub(crate) async fn metrics(State(state): State<Arc<AppState>>) -> ApiResult<Response> {
    let mut page = Page::default();
    let counted = state.storage.store().count_sessions(&SessionQuery::default()).await?;
    let families = [
        ("posesession_sessions", "Sessions by status."),
        ("posesession_frames_stored", "Frames stored, by the status of their session."),
        ("posesession_stored_bytes", "Bytes of stored chunks, by the status of their session."),
    ];
    for (place, (name, help)) in families.into_iter().enumerate() {
        page.family(name, "gauge", help);
        for status in SessionStatus::ALL {
            let SessionTotals { sessions, frames, stored_bytes } =
                counted.get(&status).copied().unwrap_or_default();
            page.sample(name, &format!("{{status=\"{status}\"}}"), [sessions, frames, stored_bytes][place]);
        }
    }
    page.family("posesession_recordings_live", "gauge", "Sessions that are being recorded by this server.");
    page.sample("posesession_recordings_live", "", state.record.live_recordings() as u64);
    state.metrics.write(&mut page);
    write_chunk_cache(state.replay.chunks().stats(), &mut page);
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((content_type, page.into_text()).into_response())
}

fn write_chunk_cache(stats: ChunkCacheStats, page: &mut Page) {
    let ChunkCacheStats { hits, misses, chunks, bytes, max_bytes } = stats;
    for (name, kind, help, value) in [
        ("hits_total", "counter", "Looks for a chunk that were answered without a read of their own.", hits),
        ("misses_total", "counter", "Looks for a chunk that read and decoded it.", misses),
        ("chunks", "gauge", "Decoded chunks that are kept.", chunks as u64),
        ("bytes", "gauge", "Bytes of memory that they take.", bytes as u64),
        ("max_bytes", "gauge", "Bytes of memory that they may take.", max_bytes as u64),
    ] {
        let name = format!("posesession_chunk_cache_{name}");
        page.family(&name, kind, help);
        page.sample(&name, "", value);
    }
}
