//! Query parameters: text in, values or a clear refusal out.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use crate::error::{ApiError, ApiResult};

/// The query parameters of a request, not yet looked at.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Result<Vec<(String, String)>, String>,
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        Ok(Self { pairs: pairs.map(|Query(pairs)| pairs).map_err(|error| error.body_text()) })
    }
}

impl Params {
    /// Checks that there are no other parameters than these, and none twice: a parameter that is misspelt is an error,
    /// not ignored.
    pub(crate) fn only(self, names: &[&str]) -> ApiResult<Known> {
        let pairs = self.pairs.map_err(ApiError::bad_query)?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            let shown: String = name.chars().take(50).collect();
            if !names.contains(&name.as_str()) {
                let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                let detail = format!("there is no parameter `{shown}` here; those there are: {known}");
                return Err(ApiError::bad_query(detail));
            }
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::bad_query(format!("the parameter `{shown}` stands twice")));
            }
        }
        Ok(Known { pairs })
    }
}

/// Query parameters whose names are known to be right.
#[derive(Debug)]
pub(crate) struct Known {
    pairs: Vec<(String, String)>,
}

impl Known {
    /// Returns a parameter's text, if it is there.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns a parameter's value, if it is there.
    pub(crate) fn parse<T>(&self, name: &str) -> ApiResult<Option<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        let refuse = |text: &str, error: T::Err| {
            let shown: String = text.chars().take(50).collect();
            ApiError::bad_query(format!("`{name}={shown}`: {error}"))
        };
        self.text(name).map(|text| text.parse().map_err(|error| refuse(text, error))).transpose()
    }

    /// Returns the place of a parameter's value among `words`.
    pub(crate) fn word(&self, name: &str, words: &[&str]) -> ApiResult<Option<usize>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let place = words.iter().position(|word| *word == text);
        let shown: String = text.chars().take(50).collect();
        place
            .map(Some)
            .ok_or_else(|| ApiError::bad_query(format!("`{name}={shown}`: use one of {}", words.join(", "))))
    }
}
