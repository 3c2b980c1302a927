//! How a session's chunks are encoded once they are at rest, and how exact that leaves its values.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::max_error::MaxError;

/// How a session's chunks are encoded at rest.
///
/// In JSON two fields, which stand among a session's own: `codec`, and `max_error` if values may be off. `codec` may be left
/// out: then it is `bounded` where there is a `max_error`, and `columnar` where there is none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "EncodingJson", into = "EncodingJson")]
pub enum Encoding {
    /// Compressed, lossless to the bit.
    #[default]
    Columnar,
    /// Compressed more, as values may be a little off.
    Bounded {
        /// How far.
        max_error: MaxError,
    },
    /// As JSON text that SQL can read, lossless.
    Json,
    /// Lossless again, of a session that once was bounded: its values stay as far off as they were.
    Recoded {
        /// What its chunks are now.
        into: Lossless,
        /// How far its values are off.
        max_error: MaxError,
    },
}

/// An encoding that changes no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lossless {
    /// [`Encoding::Columnar`].
    Columnar,
    /// [`Encoding::Json`].
    Json,
}

impl Encoding {
    /// The names of the codecs.
    pub const CODECS: [&str; 3] = ["columnar", "bounded", "json"];

    /// Returns the name of the codec: `columnar`, `bounded` or `json`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Columnar | Self::Recoded { into: Lossless::Columnar, .. } => "columnar",
            Self::Bounded { .. } => "bounded",
            Self::Json | Self::Recoded { into: Lossless::Json, .. } => "json",
        }
    }

    /// Returns how far the session's values may be from those that were sent, if they may.
    #[must_use]
    pub const fn max_error(&self) -> Option<&MaxError> {
        match self {
            Self::Bounded { max_error } | Self::Recoded { max_error, .. } => Some(max_error),
            Self::Columnar | Self::Json => None,
        }
    }

    /// Returns the lossless encoding of a session that was encoded so before: its values stay as far off as they were.
    #[must_use]
    pub fn recoded(&self, into: Lossless) -> Self {
        match (self.max_error(), into) {
            (Some(max_error), into) => Self::Recoded { into, max_error: max_error.clone() },
            (None, Lossless::Columnar) => Self::Columnar,
            (None, Lossless::Json) => Self::Json,
        }
    }

    /// Makes the encoding that a session is to have, of what its starter says; nothing, if that is nothing.
    ///
    /// # Errors
    ///
    /// [`BadEncoding`], [`BadEncoding::LosslessCodec`] among them.
    pub fn declared(codec: Option<&str>, max_error: Option<MaxError>) -> Result<Option<Self>, BadEncoding> {
        if codec.is_none() && max_error.is_none() {
            return Ok(None);
        }
        match Self::from_parts(codec, max_error)? {
            encoding @ Self::Recoded { .. } => Err(BadEncoding::LosslessCodec { codec: encoding.name() }),
            encoding => Ok(Some(encoding)),
        }
    }

    /// Makes the encoding of its codec's name and its bounds, as they stand in JSON and SQL. Bounds of no channel are none.
    ///
    /// # Errors
    ///
    /// [`BadEncoding`].
    pub fn from_parts(codec: Option<&str>, max_error: Option<MaxError>) -> Result<Self, BadEncoding> {
        let max_error = max_error.filter(|max_error| !max_error.is_empty());
        let lossless = |into| match max_error.clone() {
            Some(max_error) => Self::Recoded { into, max_error },
            None if into == Lossless::Json => Self::Json,
            None => Self::Columnar,
        };
        match (codec, &max_error) {
            (Some("columnar"), _) | (None, None) => Ok(lossless(Lossless::Columnar)),
            (Some("json"), _) => Ok(lossless(Lossless::Json)),
            (Some("bounded") | None, Some(max_error)) => Ok(Self::Bounded { max_error: max_error.clone() }),
            (Some("bounded"), None) => Err(BadEncoding::NeedsMaxError),
            (Some(codec), _) => Err(BadEncoding::UnknownCodec { codec: codec.to_owned() }),
        }
    }
}

/// The JSON of an [`Encoding`].
#[derive(Serialize, Deserialize)]
struct EncodingJson {
    codec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_error: Option<MaxError>,
}

impl From<Encoding> for EncodingJson {
    fn from(encoding: Encoding) -> Self {
        Self { codec: Some(encoding.name().to_owned()), max_error: encoding.max_error().cloned() }
    }
}

impl TryFrom<EncodingJson> for Encoding {
    type Error = BadEncoding;

    fn try_from(json: EncodingJson) -> Result<Self, BadEncoding> {
        Self::from_parts(json.codec.as_deref(), json.max_error)
    }
}

/// Why an encoding is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadEncoding {
    /// The codec `bounded` without a bound.
    #[error(
        "the codec `bounded` needs `max_error`: the bound of at least one channel, such as {{\"x\": 5e-5}}"
    )]
    NeedsMaxError,
    /// Bounds for a codec that keeps values as they are.
    #[error(
        "the codec `{codec}` is lossless and has no `max_error`: leave one of them out, or use `bounded`"
    )]
    LosslessCodec {
        /// The codec.
        codec: &'static str,
    },
    /// A word that is no codec for a session.
    #[error("`{codec}` is no codec for a session: use {}", Encoding::CODECS.join(", "))]
    UnknownCodec {
        /// The word.
        codec: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half() -> MaxError {
        MaxError::new([("x", 0.5)]).unwrap()
    }

    #[test]
    fn an_encoding_has_one_form_in_json() {
        let recoded = |into| Encoding::Recoded { into, max_error: half() };
        for (encoding, json) in [
            (Encoding::Columnar, r#"{"codec":"columnar"}"#),
            (Encoding::Json, r#"{"codec":"json"}"#),
            (Encoding::Bounded { max_error: half() }, r#"{"codec":"bounded","max_error":{"x":0.5}}"#),
            (recoded(Lossless::Columnar), r#"{"codec":"columnar","max_error":{"x":0.5}}"#),
            (recoded(Lossless::Json), r#"{"codec":"json","max_error":{"x":0.5}}"#),
        ] {
            assert_eq!(serde_json::to_string(&encoding).unwrap(), json);
            assert_eq!(serde_json::from_str::<Encoding>(json).unwrap(), encoding);
            assert!(json.contains(encoding.name()));
        }
    }

    #[test]
    fn a_codec_that_is_left_out_is_told_by_the_bounds() {
        let read = |json| serde_json::from_str::<Encoding>(json).unwrap();
        assert_eq!(read("{}"), Encoding::Columnar);
        assert_eq!(read(r#"{"max_error":{}}"#), Encoding::Columnar);
        assert_eq!(read(r#"{"max_error":{"x":0.5}}"#), Encoding::Bounded { max_error: half() });
    }

    #[test]
    fn a_session_that_starts_is_bounded_or_lossless() {
        let declared = Encoding::declared;
        assert_eq!(declared(None, None), Ok(None));
        assert_eq!(declared(Some("json"), None), Ok(Some(Encoding::Json)));
        assert_eq!(declared(None, Some(half())), Ok(Some(Encoding::Bounded { max_error: half() })));
        assert_eq!(declared(Some("json"), Some(half())), Err(BadEncoding::LosslessCodec { codec: "json" }));
        assert_eq!(declared(Some("bounded"), None), Err(BadEncoding::NeedsMaxError));
    }

    #[test]
    fn what_is_no_encoding_is_refused_by_name() {
        let refused = |json| serde_json::from_str::<Encoding>(json).unwrap_err().to_string();
        assert!(refused(r#"{"codec":"zip"}"#).starts_with("`zip` is no codec for a session: use columnar"));
        assert!(refused(r#"{"codec":"bounded"}"#).contains("needs `max_error`"));
        assert!(refused(r#"{"codec":"bounded","max_error":{}}"#).contains("needs `max_error`"));
        assert!(refused(r#"{"max_error":{"x":-1}}"#).contains("`max_error` of `x` is -1"));
    }
}
