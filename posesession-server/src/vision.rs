//! The browser's pose model and library, which are fetched, not built: found at run time in a folder.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, header};
use serde::Serialize;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::assets::{asset, is_plain};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// The command that fills the folder.
const FETCH_COMMAND: &str = "make vision";
const BUNDLE: &str = "vision_bundle.mjs";
const MODELS: [&str; 3] = ["lite", "full", "heavy"];
/// How much of a file is read at a time, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// What `GET /api/vision` says.
#[derive(Debug, Serialize)]
pub(crate) struct Vision {
    available: bool,
    models: Vec<&'static str>,
    fetch_command: &'static str,
}

/// Says which models are there, and how to get them if none is.
pub(crate) async fn describe(State(state): State<Arc<AppState>>) -> Json<Vision> {
    let folder = &state.config.vision;
    let mut models = Vec::new();
    for model in MODELS {
        if open(folder, &model_name(model)).await.is_some() {
            models.push(model);
        }
    }
    let library = open(folder, BUNDLE).await.is_some() && has_wasm(folder).await;
    Json(Vision { available: library && !models.is_empty(), models, fetch_command: FETCH_COMMAND })
}

/// Serves one of the folder's known files.
pub(crate) async fn file(
    State(state): State<Arc<AppState>>,
    UrlPath(path): UrlPath<String>,
    request: HeaderMap,
) -> ApiResult {
    let missing = || ApiError::not_found(&format!("/vision/{path}"));
    if !is_served(&path) {
        return Err(missing());
    }
    let (file, metadata) = open(&state.config.vision, &path).await.ok_or_else(missing)?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let tag = format!("\"{:x}-{:x}\"", modified.unwrap_or_default().as_nanos(), metadata.len());
    let body = || Body::from_stream(ReaderStream::with_capacity(file, READ_BYTES));
    let mut response = asset(&path, &tag, &request, body);
    if response.status().is_success() {
        response.headers_mut().insert(header::CONTENT_LENGTH, metadata.len().into());
    }
    Ok(response)
}

fn model_name(model: &str) -> String {
    format!("pose_landmarker_{model}.task")
}

/// Returns whether a path is one of those that the folder is there for.
fn is_served(path: &str) -> bool {
    let wasm = |name: &str| {
        !name.contains('/') && [".wasm", ".js", ".mjs"].iter().any(|extension| name.ends_with(extension))
    };
    is_plain(path)
        && (path == BUNDLE
            || MODELS.iter().any(|model| path == model_name(model))
            || path.strip_prefix("wasm/").is_some_and(wasm))
}

/// Opens a file of the folder, unless it is none or a link leads it out of the folder.
async fn open(folder: &Path, path: &str) -> Option<(File, Metadata)> {
    let root = tokio::fs::canonicalize(folder).await.ok()?;
    let real: PathBuf = tokio::fs::canonicalize(root.join(path)).await.ok()?;
    if !real.starts_with(&root) {
        tracing::warn!(path, "a link leads out of the vision folder; it is not followed");
        return None;
    }
    let file = File::open(real).await.ok()?;
    let metadata = file.metadata().await.ok()?;
    metadata.is_file().then_some((file, metadata))
}

async fn has_wasm(folder: &Path) -> bool {
    let Ok(mut names) = tokio::fs::read_dir(folder.join("wasm")).await else { return false };
    while let Ok(Some(entry)) = names.next_entry().await {
        if entry.file_name().to_string_lossy().ends_with(".wasm") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_files_are_served() {
        for served in [
            "vision_bundle.mjs",
            "pose_landmarker_lite.task",
            "wasm/vision_wasm_internal.wasm",
            "wasm/vision_wasm_module_internal.js",
        ] {
            assert!(is_served(served), "{served}");
        }
        for refused in [
            "",
            "other.mjs",
            "pose_landmarker_huge.task",
            "../posesession.db",
            "wasm/../vision_bundle.mjs",
            "wasm/deeper/x.js",
            "wasm/.hidden.js",
            "wasm/x.html",
            "wasm/",
            "wasm\\x.js",
            "wasm/%2e%2e/x.js",
            "/etc/passwd",
            "wasm//x.js",
            "wasm/x.js\0",
        ] {
            assert!(!is_served(refused), "{refused}");
        }
    }
}
