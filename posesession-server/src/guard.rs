//! What every request passes: the check whether it is this server's own business, and the headers of every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::own_names::Asker;
use crate::state::AppState;

/// For documents and scripts: everything from this server, nothing inline. A worker is governed by its own script's
/// header, so scripts carry it too.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";
/// For what users stored: even opened by itself, it may do nothing.
pub(crate) const MEDIA_POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";
/// For everything else.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Refuses foreign requests, counts responses and adds the security headers that a handler did not set itself.
pub(crate) async fn guard(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let (mut response, readers) = match state.own_names.check(authority, request.headers()) {
        Ok(Asker::Own) => (next.run(request).await, "same-origin"),
        Ok(Asker::AllowedOrigin) => (next.run(request).await, "cross-origin"),
        Err(refusal) => (refusal.into_response(), "same-origin"),
    };
    state.metrics.response(response.status());
    tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::CONTENT_SECURITY_POLICY, API_POLICY);
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(HeaderName::from_static("cross-origin-resource-policy"), readers);
    default(header::CACHE_CONTROL, "no-store");
    if !state.config.allowed_origins.is_empty() {
        default(header::VARY, "origin");
    }
    response
}
