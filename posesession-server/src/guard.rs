//! What every request passes: is it meant for this server, and does it come from this server's own pages?
//!
//! A page of another site can make a browser send requests here. A foreign `Host` (a name that was made to point at
//! this machine) and a foreign `Origin` are refused; a program that sends no `Origin` is served.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::state::AppState;

/// For documents and scripts: everything from this server, nothing inline. A worker is governed by its own script's
/// header, so scripts carry it too.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";
/// For what users stored: even opened by itself, it may do nothing.
pub(crate) const MEDIA_POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";
/// For everything else.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The names under which a server is addressed.
#[derive(Debug, Clone)]
pub(crate) struct OwnNames {
    hosts: Vec<String>,
}

impl OwnNames {
    /// Makes the names of a server that listens on a loopback address.
    pub(crate) fn of(address: SocketAddr) -> Self {
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
        Self { hosts }
    }

    fn has_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own == host)
    }

    /// Says whether a request is this server's own business.
    fn check(&self, authority: Option<&str>, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = only(headers, header::HOST).ok().flatten();
        if !host.is_some_and(|host| self.has_host(host)) || !authority.is_none_or(|host| self.has_host(host))
        {
            let detail = format!("the Host header must name this server: {}", self.hosts.join(", "));
            return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden_host", detail));
        }
        let origin = only(headers, header::ORIGIN);
        let own = match origin {
            Ok(None) => true,
            Ok(Some(origin)) => origin.strip_prefix("http://").is_some_and(|host| self.has_host(host)),
            Err(Malformed) => false,
        };
        if own {
            return Ok(());
        }
        let detail = "requests of other sites' pages are not served: the Origin header must be this server's";
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

/// Refuses foreign requests, counts responses and adds the security headers that a handler did not set itself.
pub(crate) async fn guard(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let mut response = match state.own_names.check(authority, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    state.metrics.response(response.status());
    tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::CONTENT_SECURITY_POLICY, API_POLICY);
    default(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(header::REFERRER_POLICY, "no-referrer");
    default(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    default(header::CACHE_CONTROL, "no-store");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: Option<&str>, origins: &[&str]) -> Result<(), &'static str> {
        let own = OwnNames::of("127.0.0.1:8787".parse().unwrap());
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
            assert_eq!(check(Some(own), &[]), Ok(()), "{own}");
        }
        for foreign in ["evil.example", "localhost", "localhost:80", "127.0.0.1:87870", "LOCALHOST:8787", ""]
        {
            assert_eq!(check(Some(foreign), &[]), Err("forbidden"), "{foreign}");
        }
        assert_eq!(check(None, &[]), Err("forbidden"));
    }

    #[test]
    fn only_the_servers_own_pages_are_served() {
        let host = Some("localhost:8787");
        for own in ["http://localhost:8787", "http://127.0.0.1:8787"] {
            assert_eq!(check(host, &[own]), Ok(()), "{own}");
        }
        for foreign in [
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
