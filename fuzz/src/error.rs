//! What the server's query parameters need of its errors.

use std::fmt::Display;

#[derive(Debug)]
pub(crate) struct ApiError;

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn bad_query(detail: impl Display) -> Self {
        assert!(detail.to_string().len() < 4096, "an answer doesn't grow with the request");
        Self
    }
}
