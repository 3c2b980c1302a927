//! Sessions as files: out as a download, in as an upload.

use std::fs::File;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use futures::stream::{self, StreamExt as _};
use posesession_core::SessionRecording;
use posesession_store::{
    Copied, FrameExport, FrameFormat, ImportError, ImportOptions, MediaStore, Place, ReadError, ReadOptions,
    SessionFileError, SessionStore, StoreError, TransferError, export_session_file, import_frames,
    import_session_file,
};
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

use crate::error::{ApiError, ApiResult};
use crate::query::Params;
use crate::routes::sessions::session_id;
use crate::state::AppState;

const SQLITE: &str = "sqlite";
const SQLITE_MIME: &str = "application/vnd.sqlite3";
const FORMATS: [&str; 4] =
    [SQLITE, FrameFormat::JsonLines.as_str(), FrameFormat::CsvWide.as_str(), FrameFormat::CsvLong.as_str()];
/// Media types in, formats out; long CSV has no type of its own.
const MEDIA_TYPES: [(&str, &str); 6] = [
    (SQLITE_MIME, SQLITE),
    ("application/x-sqlite3", SQLITE),
    ("application/jsonl", "jsonl"),
    ("application/x-ndjson", "jsonl"),
    ("application/ndjson", "jsonl"),
    ("text/csv", "csv"),
];

/// Answers with the whole session as one file. Frames are written while they are sent: memory doesn't depend on the
/// session's length.
pub(crate) async fn export(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult {
    let params = params.only(&["format"])?;
    let id = session_id(&id)?;
    let store = Arc::clone(state.storage.store());
    let session = store.read_session(id).await?;
    let format = params.word("format", &FORMATS)?;
    let format = format.ok_or_else(|| {
        ApiError::bad_query(format!("say which format: format={}", FORMATS.join(", format=")))
    })?;
    match FORMATS[format].parse::<FrameFormat>() {
        Ok(format) => export_frames(FrameExport::start(store, id, format).await?, format),
        Err(_sqlite) => export_file(&state, &session).await,
    }
}

fn export_frames(export: FrameExport, format: FrameFormat) -> ApiResult {
    let session = export.session().clone();
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next_piece().await.map_err(broken_off)?;
        Ok::<_, io::Error>(piece.map(|piece| (piece, export)))
    });
    Ok(download(Body::from_stream(pieces), format.mime(), &session, format.extension()))
}

/// Makes the session's file in a folder of its own, which goes with the answer.
async fn export_file(state: &AppState, session: &SessionRecording) -> ApiResult {
    let folder =
        tempfile::tempdir().map_err(|error| ApiError::internal("make a folder for a file", &error))?;
    let path = folder.path().join("session.db");
    let (store, media) = (state.storage.store(), state.storage.media());
    let from = place(store.as_ref(), media.map(Arc::as_ref));
    export_session_file(from, session.id, &path, &mut |_progress| {}).await.map_err(not_exported)?;
    let unreadable = |error: io::Error| ApiError::internal("read a file that it made", &error);
    let file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
    let length = file.metadata().await.map_err(unreadable)?.len();
    let pieces = ReaderStream::new(file).map(move |piece| {
        let _kept_until_all_is_sent = &folder;
        piece
    });
    let mut response = download(Body::from_stream(pieces), SQLITE_MIME, session, "db");
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

fn download(body: Body, mime: &'static str, session: &SessionRecording, extension: &str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    if let Ok(name) = HeaderValue::from_str(&attachment(session, extension)) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    response
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
fn broken_off(error: StoreError) -> io::Error {
    tracing::error!(%error, "an export broke off");
    io::Error::other(error)
}

/// Imports a session from the file in the body: all of it, or nothing.
///
/// The file is taken in whole before anything is imported, so that a client that goes away leaves nothing.
pub(crate) async fn import(
    State(state): State<Arc<AppState>>,
    params: Params,
    request: Request,
) -> ApiResult {
    let params = params.only(&["format", "name", "fps"])?;
    let format = match params.word("format", &FORMATS)? {
        Some(format) => FORMATS[format],
        None => format_of(request.headers())?,
    };
    let name = params.text("name").map(str::to_owned);
    let read = ReadOptions { fps: params.parse("fps")?, skeleton: None };
    let folder =
        tempfile::tempdir().map_err(|error| ApiError::internal("make a folder for a file", &error))?;
    let path = folder.path().join("upload");
    receive(request.into_body().into_data_stream(), &path, &state).await?;
    let importing = Arc::clone(&state);
    // A task of its own: it ends the import, one way or the other, if the client doesn't wait.
    let task = state.sockets.spawn(async move {
        let (store, media) = (importing.storage.store(), importing.storage.media());
        let imported = match format.parse() {
            Ok(format) => {
                let fallback_name = "Imported session".to_owned();
                let file = File::open(&path).map_err(|error| ApiError::internal("read an upload", &error))?;
                let options = ImportOptions { name, fallback_name, read };
                let imported = import_frames(file, format, options, store.as_ref()).await;
                Copied::New(imported.map_err(not_imported)?)
            }
            Err(_sqlite) if name.is_some() => {
                return Err(ApiError::bad_query("a session's file keeps its name: leave `name` out"));
            }
            Err(_sqlite) => {
                let to = place(store.as_ref(), media.map(Arc::as_ref));
                let imported = import_session_file(&path, to, &mut |_progress| {}).await;
                imported.map_err(file_not_imported)?
            }
        };
        drop(folder);
        Ok(imported)
    });
    let imported = task.await.map_err(|error| ApiError::internal("import a session", &error))??;
    let status = match imported {
        Copied::New(_) => StatusCode::CREATED,
        Copied::AlreadyThere(_) => StatusCode::OK,
    };
    let session = imported.session();
    // A file brings its session's id: one of that id may have been there before.
    state.replay.session_changed(session.id);
    let location = format!("/api/sessions/{}", session.id);
    Ok((status, [(header::LOCATION, location)], Json(session)).into_response())
}

fn place<'a>(sessions: &'a dyn SessionStore, media: Option<&'a MediaStore>) -> Place<'a> {
    Place { sessions, media }
}

fn format_of(headers: &HeaderMap) -> ApiResult<&'static str> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    let known = MEDIA_TYPES.iter().find(|(mime, _)| essence.eq_ignore_ascii_case(mime));
    known.map(|(_, format)| *format).ok_or_else(|| {
        let detail = format!(
            "say what the file is: `format={}`, or a `Content-Type` such as `text/csv`",
            FORMATS.join("`, `format=")
        );
        ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    })
}

/// Writes the body to a file, up to [`crate::ServerConfig::max_import_bytes`]. It may take as long as it likes, but not
/// stand still.
async fn receive(mut body: BodyDataStream, path: &FilePath, state: &AppState) -> ApiResult<()> {
    let unwritable = |error: io::Error| ApiError::internal("keep an upload", &error);
    let mut file = tokio::fs::File::create(path).await.map_err(unwritable)?;
    let (most, patience) = (state.config.max_import_bytes, state.config.body_timeout);
    let mut length = 0;
    loop {
        let piece = match tokio::time::timeout(patience, body.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => return Err(bad_file(format!("the body broke off: {error}"))),
            Err(_elapsed) => {
                let detail = format!("the body stood still for {} s", patience.as_secs_f64());
                return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail));
            }
        };
        length += piece.len() as u64;
        if length > most {
            let detail = format!("the file is longer than {most} bytes");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
        }
        file.write_all(&piece).await.map_err(unwritable)?;
    }
    file.flush().await.map_err(unwritable)
}

fn bad_file(detail: impl Into<String>) -> ApiError {
    ApiError::new(http::StatusCode::BAD_REQUEST, "bad_file", detail)
}

fn not_imported(error: ImportError) -> ApiError {
    match error {
        ImportError::Read(ReadError::Io { line, source }) => bad_file(format!("line {line}: {source}")),
        ImportError::Read(_) | ImportError::Empty => bad_file(error.to_string()),
        ImportError::Store(error) => error.into(),
        other => ApiError::internal("import a session", &other),
    }
}

fn file_not_imported(error: SessionFileError) -> ApiError {
    match error {
        SessionFileError::Store(error @ StoreError::NewerSchema { .. }) => bad_file(error.to_string()),
        SessionFileError::NotOneSession { .. } => bad_file("the file doesn't hold exactly one session"),
        SessionFileError::Store(_)
        | SessionFileError::Media(_)
        | SessionFileError::Transfer(
            TransferError::Read(_) | TransferError::ReadMedia(_) | TransferError::NotFinished { .. },
        ) => bad_file("the file is not a session's, or it is damaged"),
        SessionFileError::Transfer(TransferError::Write(error)) => error.into(),
        SessionFileError::Transfer(
            error @ (TransferError::Differs { .. } | TransferError::Deleted { .. }),
        ) => ApiError::new(StatusCode::CONFLICT, "session_exists", error.to_string()),
        SessionFileError::Transfer(error @ TransferError::NoMediaStore { .. }) => bad_file(error.to_string()),
        other => ApiError::internal("import a session", &other),
    }
}

fn not_exported(error: SessionFileError) -> ApiError {
    match error {
        SessionFileError::Transfer(TransferError::NotFinished { id, status }) => {
            ApiError::session_is_live(id, status)
        }
        SessionFileError::Transfer(TransferError::Read(error)) => error.into(),
        other => ApiError::internal("export a session", &other),
    }
}
