//! How a session's chunks are encoded once they are at rest.

use serde::{Deserialize, Serialize};

use crate::max_error::MaxError;

/// How a session's chunks are encoded at rest. In JSON `codec`, and for bounded ones `max_error` beside it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "codec", rename_all = "snake_case")]
pub enum Encoding {
    /// Compressed, lossless to the bit.
    #[default]
    Columnar,
    /// Compressed more, as values may be a little off.
    Bounded {
        /// How far.
        max_error: MaxError,
    },
    /// As JSON text that SQL can read.
    Json,
}

impl Encoding {
    /// Returns the encoding's name: `columnar`, `bounded` or `json`, as its codec's.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Columnar => "columnar",
            Self::Bounded { .. } => "bounded",
            Self::Json => "json",
        }
    }

    /// Returns how far values may be off, if they may.
    #[must_use]
    pub const fn max_error(&self) -> Option<&MaxError> {
        match self {
            Self::Bounded { max_error } => Some(max_error),
            Self::Columnar | Self::Json => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_has_one_form_in_json() {
        for (encoding, json) in [
            (Encoding::Columnar, r#"{"codec":"columnar"}"#),
            (Encoding::Json, r#"{"codec":"json"}"#),
            (
                Encoding::Bounded { max_error: MaxError::new([("x", 0.5)]).unwrap() },
                r#"{"codec":"bounded","max_error":{"x":0.5}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&encoding).unwrap(), json);
            assert_eq!(serde_json::from_str::<Encoding>(json).unwrap(), encoding);
            assert!(json.contains(encoding.name()));
        }
    }
}
