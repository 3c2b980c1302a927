//! Every failure as a problem document (`application/problem+json`): the one place where errors become statuses.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use posesession_core::{SessionId, SessionStatus};
use posesession_store::{MediaError, StoreError};
use serde::Serialize;

/// What a handler returns.
pub(crate) type ApiResult<T = Response> = Result<T, ApiError>;

/// Why a request was not served: a status, a stable code and a sentence for humans.
///
/// The sentence never holds a path, SQL or a back end's own words: those go to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    header: Option<(header::HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    code: &'static str,
    detail: &'a str,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), header: None }
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(crate) fn session_not_found(id: &str) -> Self {
        let shown: String = id.chars().take(100).collect();
        Self::new(StatusCode::NOT_FOUND, "session_not_found", format!("there is no session {shown}"))
    }

    pub(crate) fn frame_not_found(id: SessionId, frame_number: u64) -> Self {
        let detail = format!("the session {id} has no frame {frame_number}");
        Self::new(StatusCode::NOT_FOUND, "frame_not_found", detail)
    }

    pub(crate) fn image_not_found(id: SessionId, frame_number: u64) -> Self {
        let detail = format!("the frame {frame_number} of the session {id} has no image");
        Self::new(StatusCode::NOT_FOUND, "image_not_found", detail)
    }

    pub(crate) fn video_not_found(id: SessionId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "video_not_found", format!("the session {id} has no video"))
    }

    pub(crate) fn not_found(path: &str) -> Self {
        let shown: String = path.chars().take(200).collect();
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {shown}"))
    }

    pub(crate) fn session_is_live(id: SessionId, status: SessionStatus) -> Self {
        let detail = format!("the session {id} is {status}: stop or discard the recording first");
        Self::new(StatusCode::CONFLICT, "session_is_live", detail)
    }

    pub(crate) fn bad_query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_query", detail)
    }

    pub(crate) fn bad_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_json", detail)
    }

    /// Returns the problem document.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let problem = Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
        };
        serde_json::to_vec(&problem).unwrap_or_default()
    }

    /// Logs what happened and keeps it from the client.
    pub(crate) fn internal(operation: &str, error: &dyn std::error::Error) -> Self {
        tracing::error!(operation, error = %chain(error), "a request failed inside");
        let detail = format!("the server failed to {operation}; its log says why");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

/// Writes an error and its causes in one line, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::SessionNotFound { id } => Self::session_not_found(&id.to_string()),
            StoreError::SessionExists { .. } => {
                Self::new(StatusCode::CONFLICT, "session_exists", error.to_string())
            }
            StoreError::NoSuchFrame { .. } => {
                Self::new(StatusCode::NOT_FOUND, "frame_not_found", error.to_string())
            }
            StoreError::BadArgument { what } => Self::new(StatusCode::BAD_REQUEST, "bad_argument", what),
            StoreError::Corrupt { id, ref what } => {
                tracing::error!(session = %id, what, "stored data are damaged");
                let detail = format!("the session {id} is damaged; the server's log says where");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "corrupt", detail)
            }
            StoreError::Backend { operation, retryable: true, .. } => {
                tracing::warn!(operation, error = %chain(&error), "the store is busy");
                let detail = format!("the store can't {operation} now: try again");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage", detail)
            }
            StoreError::Backend { operation, .. } => {
                tracing::error!(operation, error = %chain(&error), "the store failed");
                let detail = format!("the store failed to {operation}; the server's log says why");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "storage", detail)
            }
            other => Self::internal("use the store", &other),
        }
    }
}

impl From<MediaError> for ApiError {
    fn from(error: MediaError) -> Self {
        Self::internal("read the media", &error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_ends_own_words_stay_in_the_log() {
        let source = "no such table: frame_chunk in /srv/data/posesession.db".into();
        let error =
            StoreError::Backend { backend: "sqlite", operation: "read frames", retryable: false, source };
        let problem = ApiError::from(error);
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(problem.code, "storage");
        assert!(!problem.detail.contains("table") && !problem.detail.contains('/'), "{}", problem.detail);
    }

    #[test]
    fn a_session_that_is_there_already_is_no_failure_of_the_store() {
        let id = "0192f0c1-2345-7abc-8def-0123456789ab".parse().unwrap();
        let problem = ApiError::from(StoreError::SessionExists { id });
        assert_eq!((problem.status, problem.code), (StatusCode::CONFLICT, "session_exists"));
    }

    #[test]
    fn a_busy_store_is_unavailable_not_broken() {
        let source = "database is locked".into();
        let error = StoreError::Backend { backend: "sqlite", operation: "write", retryable: true, source };
        assert_eq!(ApiError::from(error).status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
