//! The origins of other sites' pages. Text in, an origin as browsers send it out.

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderValue;
use thiserror::Error;
use url::Url;

/// Where a page comes from: scheme, host and port, exactly as browsers write it in the header `Origin`.
///
/// # Examples
///
/// ```
/// use posesession_server::Origin;
///
/// let origin: Origin = "http://localhost:8000".parse()?;
/// assert_eq!(origin.to_string(), "http://localhost:8000");
/// assert!("http://localhost:8000/page.html".parse::<Origin>().is_err());
/// # Ok::<(), posesession_server::OriginError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    pub(crate) fn is(&self, origin: &str) -> bool {
        self.0 == *origin
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text == "null" || text.contains('*') {
            return Err(OriginError::TooWide);
        }
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let as_sent = url.ok_or(OriginError::Malformed)?.origin().ascii_serialization();
        // What is compared with the header is what the user wrote: anything to be cut off or respelt is shown instead.
        if as_sent != text {
            return Err(OriginError::Spelling { as_sent });
        }
        HeaderValue::from_str(text).map(Self).map_err(|_no_header| OriginError::Malformed)
    }
}

/// Why a text is no [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OriginError {
    /// A pattern, or `null`, which a page of any site can be made to send.
    #[error("`*` and `null` would let every site in: name each origin, such as http://localhost:8000")]
    TooWide,
    /// No address of `http` or `https`.
    #[error("give scheme, host and port, such as http://localhost:8000 or https://example.org")]
    Malformed,
    /// An address, but not spelt as browsers send its origin: a path, a default port, a capital letter...
    #[error("browsers send this origin as {as_sent}: write it so, without path or default port")]
    Spelling {
        /// How browsers write it.
        as_sent: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_as_browsers_send_them() {
        for text in [
            "http://localhost:8000",
            "http://127.0.0.1:8000",
            "http://[::1]:8000",
            "https://example.org",
            "https://example.org:8443",
            "https://xn--bung-zra.example",
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!(origin.to_string(), text);
            assert!(origin.is(text) && !origin.is("http://localhost") && !origin.is(""));
        }
    }

    #[test]
    fn other_spellings_are_refused_and_the_right_one_shown() {
        for (text, as_sent) in [
            ("http://localhost:8000/", "http://localhost:8000"),
            ("http://localhost:8000/page.html", "http://localhost:8000"),
            ("http://localhost:80", "http://localhost"),
            ("https://example.org:443", "https://example.org"),
            ("HTTP://Localhost:8000", "http://localhost:8000"),
            ("https://user:secret@example.org", "https://example.org"),
            ("https://example.org?query", "https://example.org"),
            ("https://example.org#place", "https://example.org"),
            ("https://übung.example", "https://xn--bung-zra.example"),
            ("http://0x7f.1:8000", "http://127.0.0.1:8000"),
            (" http://localhost:8000", "http://localhost:8000"),
            ("http:localhost", "http://localhost"),
        ] {
            let expected = OriginError::Spelling { as_sent: as_sent.to_owned() };
            assert_eq!(text.parse::<Origin>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn what_names_no_one_site_is_refused() {
        for text in ["*", "null", "http://*", "http://*.example.org", "https://example.org:*"] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::TooWide), "{text}");
        }
        for text in ["", "localhost", "localhost:8000", "//localhost", "http://", "ftp://example.org"] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::Malformed), "{text}");
        }
        for text in ["file:///page.html", "ws://localhost:8000", "data:text/html,x", "http://localhost:99999"]
        {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::Malformed), "{text}");
        }
    }
}
