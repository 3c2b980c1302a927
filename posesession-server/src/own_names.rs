//! Which requests are this server's own business: addressed to it, and from its own pages, from those of sites that it
//! was told to allow, or from no page.
//!
//! A page of another site can make a browser send requests here. A foreign `Host` (a name that was made to point at
//! this machine) and a foreign `Origin` are refused; a program that sends no `Origin` is served.

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use crate::error::ApiError;
use crate::origin::Origin;

/// The names under which a server is addressed, and the other sites whose pages may.
#[derive(Debug, Clone)]
pub(crate) struct OwnNames {
    hosts: Vec<String>,
    allowed: Vec<Origin>,
}

/// Who sends a request that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// One of the server's own pages, or a program.
    Own,
    /// A page of another site that was allowed.
    AllowedOrigin,
}

impl OwnNames {
    /// Makes the names of a server that listens on a loopback address.
    pub(crate) fn of(address: SocketAddr, allowed: Vec<Origin>) -> Self {
        let port = address.port();
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        let own = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        if !names.contains(&own) {
            names.push(own);
        }
        let mut hosts: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == 80 {
            hosts.extend(names);
        }
        Self { hosts, allowed }
    }

    fn has_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own == host)
    }

    /// Says whether a request is this server's own business, and who sends it.
    pub(crate) fn check(&self, authority: Option<&str>, headers: &HeaderMap) -> Result<Asker, ApiError> {
        let host = only(headers, header::HOST).ok().flatten();
        if !host.is_some_and(|host| self.has_host(host)) || !authority.is_none_or(|host| self.has_host(host))
        {
            let detail = format!("the Host header must name this server: {}", self.hosts.join(", "));
            return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden_host", detail));
        }
        match only(headers, header::ORIGIN) {
            Ok(None) => return Ok(Asker::Own),
            Ok(Some(origin)) if origin.strip_prefix("http://").is_some_and(|host| self.has_host(host)) => {
                return Ok(Asker::Own);
            }
            Ok(Some(origin)) if self.allowed.iter().any(|allowed| allowed.is(origin)) => {
                return Ok(Asker::AllowedOrigin);
            }
            Ok(Some(_)) | Err(Malformed) => {}
        }
        let detail = "requests of other sites' pages are not served: the Origin header must be this server's, or one \
                      that it was started with (`--allow-origin`)";
        Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden_origin", detail))
    }
}

/// A header that stands twice or is no text.
struct Malformed;

fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Malformed> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_not_ascii| Malformed),
        (Some(_), Some(_)) => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn check(host: Option<&str>, origins: &[&str]) -> Result<Asker, &'static str> {
        let allowed = vec!["https://example.org".parse().unwrap()];
        let own = OwnNames::of("127.0.0.1:8787".parse().unwrap(), allowed);
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        own.check(None, &headers).map_err(|refusal| match refusal.into_response().status() {
            StatusCode::FORBIDDEN => "forbidden",
            _ => "other",
        })
    }

    #[test]
    fn only_the_servers_own_names_are_served() {
        for own in ["127.0.0.1:8787", "localhost:8787", "[::1]:8787"] {
            assert_eq!(check(Some(own), &[]), Ok(Asker::Own), "{own}");
        }
        for foreign in ["evil.example", "localhost", "localhost:80", "127.0.0.1:87870", "LOCALHOST:8787", ""]
        {
            assert_eq!(check(Some(foreign), &[]), Err("forbidden"), "{foreign}");
        }
        assert_eq!(check(None, &[]), Err("forbidden"));
    }

    #[test]
    fn only_the_servers_own_pages_and_allowed_ones_are_served() {
        let host = Some("localhost:8787");
        for own in ["http://localhost:8787", "http://127.0.0.1:8787"] {
            assert_eq!(check(host, &[own]), Ok(Asker::Own), "{own}");
        }
        assert_eq!(check(host, &["https://example.org"]), Ok(Asker::AllowedOrigin));
        assert_eq!(check(Some("example.org"), &["https://example.org"]), Err("forbidden"));
        assert_eq!(check(host, &["https://example.org", "https://example.org"]), Err("forbidden"));
        for foreign in [
            "http://example.org",
            "https://example.org:443",
            "https://sub.example.org",
            "https://localhost:8787",
            "http://localhost:8788",
            "http://localhost",
            "http://evil.example:8787",
            "http://localhost:8787.evil.example",
            "http://localhost:8787/",
            "HTTP://localhost:8787",
            "null",
            "",
        ] {
            assert_eq!(check(host, &[foreign]), Err("forbidden"), "{foreign}");
        }
        assert_eq!(check(host, &["http://localhost:8787", "http://localhost:8787"]), Err("forbidden"));
    }
}
