//! The pages, their scripts and styles, embedded in the program. A path in, a file out.

use std::path::Path;

use axum::body::Body;
use axum::extract::Path as UrlPath;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;

use crate::error::{ApiError, ApiResult};
use crate::guard::PAGE_POLICY;

/// In debug builds the files are read from the source tree at each request, so that a page can be worked on without
/// building the program.
#[derive(RustEmbed)]
#[folder = "web"]
#[include = "pose_realtime.html"]
#[include = "session_list.html"]
#[include = "session_replay.html"]
#[include = "js/*"]
#[include = "style/*"]
struct Web;

const CAMERA_ONLY: &str = "camera=(self), microphone=(), geolocation=(), display-capture=()";

/// Sends a visitor to the first page.
pub(crate) async fn home() -> Redirect {
    Redirect::to("/session_list.html")
}

pub(crate) async fn page(UrlPath(name): UrlPath<String>, headers: HeaderMap) -> ApiResult {
    if !name.ends_with(".html") {
        return Err(ApiError::not_found(&format!("/{name}")));
    }
    embedded(&name, &headers)
}

pub(crate) async fn script(UrlPath(name): UrlPath<String>, headers: HeaderMap) -> ApiResult {
    embedded(&format!("js/{name}"), &headers)
}

pub(crate) async fn style(UrlPath(name): UrlPath<String>, headers: HeaderMap) -> ApiResult {
    embedded(&format!("style/{name}"), &headers)
}

fn embedded(path: &str, request: &HeaderMap) -> ApiResult {
    let missing = || ApiError::not_found(&format!("/{path}"));
    if !is_plain(path) {
        return Err(missing());
    }
    let file = Web::get(path).ok_or_else(missing)?;
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    Ok(asset(path, &tag, request, || Body::from(file.data.into_owned())))
}

/// Answers with an asset, or that the one which the browser has is still right.
pub(crate) fn asset(path: &str, tag: &str, request: &HeaderMap, body: impl FnOnce() -> Body) -> Response {
    let known = is_known(request, tag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(body()) };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if !known {
        set(header::CONTENT_TYPE, content_type(path));
    }
    set(header::ETAG, tag);
    set(header::CACHE_CONTROL, "no-cache");
    set(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    set(HeaderName::from_static("permissions-policy"), CAMERA_ONLY);
    response
}

/// Returns whether the client says that it has what `tag` names.
pub(crate) fn is_known(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}

/// Returns whether a path has only ordinary names in it: no way up, nothing hidden, nothing encoded.
pub(crate) fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    path.split('/').all(|name| !name.is_empty() && !name.starts_with('.') && name.chars().all(plain))
}

pub(crate) fn content_type(path: &str) -> &'static str {
    match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}
