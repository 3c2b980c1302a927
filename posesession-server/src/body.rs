//! Request bodies: JSON, of a bounded size, within a bounded time.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::config::ServerConfig;
use crate::error::{ApiError, ApiResult};

/// Reads a request's JSON body.
pub(crate) async fn read_json<T: DeserializeOwned>(request: Request, config: &ServerConfig) -> ApiResult<T> {
    if !is_json(request.headers()) {
        let detail = "send JSON, with the header `Content-Type: application/json`";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let body = Limited::new(request.into_body(), config.max_body_bytes);
    let collected = match tokio::time::timeout(config.body_timeout, body.collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {} bytes", config.max_body_bytes);
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
        }
        Ok(Err(error)) => return Err(ApiError::bad_json(format!("the body broke off: {error}"))),
        Err(_elapsed) => {
            let detail = format!("the body did not arrive within {} s", config.body_timeout.as_secs_f64());
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail));
        }
    };
    serde_json::from_slice(&collected).map_err(|error| ApiError::bad_json(error.to_string()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
