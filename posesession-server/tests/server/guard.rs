//! Host, Origin and the headers of every answer.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::media::with_video;
use crate::support::{TestServer, assert_problem, raw};

const ALLOWED: &str = "http://localhost:8000";
const ALSO_ALLOWED: &str = "https://example.org";

#[tokio::test]
async fn foreign_hosts_are_refused() {
    let server = TestServer::start().await;
    let port = server.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("127.0.0.1".to_owned(), 403),
        ("localhost:1".to_owned(), 403),
        (format!("evil.example:{port}"), 403),
        (format!("localhost.evil.example:{port}"), 403),
        (format!("LOCALHOST:{port}"), 403),
        (String::new(), 403),
    ] {
        let response = server.request(Method::GET, "/healthz").header("host", &host).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{host}");
        if status == 403 {
            assert_problem(response, 403, "forbidden_host").await;
        }
    }
    for request in [
        "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.0\r\n\r\n".to_owned(),
        format!(
            "GET /healthz HTTP/1.1\r\nHost: evil.example\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        ),
        format!(
            "GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        ),
        format!(
            "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        ),
    ] {
        let answer = raw(server.address, request.as_bytes()).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(status == "403" || status == "400", "{request}: {answer}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let server = TestServer::start().await;
    let port = server.address.port();
    let id = server.recorded("mine", 3).await;
    for (origin, own) in [
        (format!("http://127.0.0.1:{port}"), true),
        (format!("http://localhost:{port}"), true),
        ("http://evil.example".to_owned(), false),
        (format!("https://127.0.0.1:{port}"), false),
        ("http://127.0.0.1:1".to_owned(), false),
        (format!("http://127.0.0.1:{port}.evil.example"), false),
        (format!("http://app.localhost:{port}"), false),
        (format!("HTTP://LOCALHOST:{port}"), false),
        ("null".to_owned(), false),
        (String::new(), false),
    ] {
        for path in ["/api/sessions", "/session_list.html", "/ws/pose"] {
            let response = server.request(Method::GET, path).header("origin", &origin).send().await.unwrap();
            assert_eq!(response.status() != 403, own, "{origin} {path}");
        }
        if !own {
            let delete = server.request(Method::DELETE, &format!("/api/sessions/{id}"));
            let response = delete.header("origin", &origin).send().await.unwrap();
            assert_problem(response, 403, "forbidden_origin").await;
        }
    }
    assert_eq!(server.json(&format!("/api/sessions/{id}")).await["name"], "mine");
    let twice = server.request(Method::GET, "/api/sessions");
    let twice =
        twice.header("origin", format!("http://localhost:{port}")).header("origin", "http://evil.example");
    assert_problem(twice.send().await.unwrap(), 403, "forbidden_origin").await;
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let server = TestServer::start().await;
    for path in ["/", "/api/sessions", "/api/nothing", "/healthz", "/js/posesession.js", "/nothing.html"] {
        let response = server.get(path).await;
        for name in [
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "cross-origin-resource-policy",
        ] {
            assert!(response.headers().contains_key(name), "{path} lacks {name}");
        }
    }
}

async fn open_to_other_sites() -> TestServer {
    let allowed = [ALLOWED, ALSO_ALLOWED].map(|origin| origin.parse().unwrap());
    TestServer::start_with(|config| config.allowed_origins = allowed.to_vec()).await
}

async fn sent(server: &TestServer, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = server.request(method, path);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

/// Checks that an answer may be read by pages of `origin` and is kept apart for them.
fn assert_readable_by(headers: &HeaderMap, origin: &str, what: &str) {
    assert_eq!(headers.get_all("access-control-allow-origin").iter().collect::<Vec<_>>(), [origin], "{what}");
    assert_eq!(headers["vary"], "origin", "{what}");
    assert_eq!(headers["cross-origin-resource-policy"], "cross-origin", "{what}");
    assert!(!headers.contains_key("access-control-allow-credentials"), "{what}");
}

#[tokio::test]
async fn pages_of_an_allowed_site_can_read_every_answer() {
    let server = open_to_other_sites().await;
    let (id, video) = with_video(&server, 300_000).await;
    let film = format!("/api/sessions/{id}/video");
    let tag = server.get(&film).await.headers()["etag"].to_str().unwrap().to_owned();
    let delete = format!("/api/sessions/{id}");
    for (method, path, header, status) in [
        (Method::GET, "/js/posesession.js", None, 200),
        (Method::GET, "/api/sessions", None, 200),
        (Method::GET, "/api/sessions?limit=0", None, 400),
        (Method::GET, "/api/sessions/nothing", None, 404),
        (Method::GET, "/nothing/at/all", None, 404),
        (Method::PUT, "/api/sessions", None, 405),
        (Method::GET, "/ws/pose", None, 426),
        (Method::GET, &film, None, 200),
        (Method::GET, &film, Some(("range", "bytes=1000-1999")), 206),
        (Method::GET, &film, Some(("range", "bytes=300000-")), 416),
        (Method::GET, &film, Some(("if-none-match", tag.as_str())), 304),
        (Method::HEAD, &film, None, 200),
        (Method::DELETE, &delete, None, 204),
    ] {
        let mut headers = vec![("origin", ALLOWED)];
        headers.extend(header);
        let answer = sent(&server, method.clone(), path, &headers).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_readable_by(answer.headers(), ALLOWED, path);
        let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
        for name in ["etag", "content-range", "content-length", "accept-ranges", "content-disposition"] {
            assert!(exposed.split(',').any(|listed| listed == name), "{name}: {exposed}");
        }
        if status == 206 {
            assert_eq!(answer.headers()["content-range"], "bytes 1000-1999/300000");
            assert_eq!(answer.bytes().await.unwrap(), video[1000..2000]);
        }
    }
    let other = sent(&server, Method::GET, "/api/sessions", &[("origin", ALSO_ALLOWED)]).await;
    assert_readable_by(other.headers(), ALSO_ALLOWED, "each site gets its own name");
}

#[tokio::test]
async fn a_preflight_says_what_pages_of_an_allowed_site_may_send() {
    let server = open_to_other_sites().await;
    let id = server.recorded("theirs", 3).await;
    let asked = [
        ("origin", ALLOWED),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "content-type"),
    ];
    for path in [&format!("/api/sessions/{id}"), "/js/posesession.js", "/nothing/at/all"] {
        let answer = sent(&server, Method::OPTIONS, path, &asked).await;
        assert!(answer.status().is_success(), "{path}");
        assert_readable_by(answer.headers(), ALLOWED, path);
        let list = |name: &str| {
            let text = answer.headers()[name].to_str().unwrap().to_ascii_lowercase();
            text.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list("access-control-allow-methods"), ["get", "head", "post", "patch", "delete"]);
        let headers = ["content-type", "if-none-match", "if-range", "range"];
        assert_eq!(list("access-control-allow-headers"), headers);
        assert_eq!(list("access-control-max-age"), ["600"]);
    }
    assert_eq!(server.json(&format!("/api/sessions/{id}")).await["name"], "theirs");
}

#[tokio::test]
async fn only_the_allowed_sites_are_let_in() {
    let server = open_to_other_sites().await;
    let preflight = ("access-control-request-method", "GET");
    for origin in [
        "http://localhost:8001",
        "http://localhost",
        "https://localhost:8000",
        "http://127.0.0.1:8000",
        "http://example.org",
        "https://sub.example.org",
        "https://example.org.evil.example",
        "HTTPS://EXAMPLE.ORG",
        "http://localhost:8000, https://example.org",
        "null",
        "",
    ] {
        for method in [Method::GET, Method::DELETE, Method::OPTIONS] {
            let answer = sent(&server, method, "/api/sessions", &[("origin", origin), preflight]).await;
            let named = answer.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(named, None, "{origin}");
            assert_eq!(answer.headers()["cross-origin-resource-policy"], "same-origin", "{origin}");
            assert_eq!(answer.headers().get("vary").unwrap(), "origin", "{origin}");
            assert_problem(answer, 403, "forbidden_origin").await;
        }
    }
    let both = [("origin", ALLOWED), ("origin", ALSO_ALLOWED)];
    assert_problem(sent(&server, Method::GET, "/api/sessions", &both).await, 403, "forbidden_origin").await;
    let misled = [("origin", ALLOWED), ("host", "localhost:8000")];
    assert_problem(sent(&server, Method::GET, "/api/sessions", &misled).await, 403, "forbidden_host").await;
}

#[tokio::test]
async fn what_is_kept_for_one_site_is_not_shown_to_another() {
    let server = open_to_other_sites().await;
    let own = format!("http://{}", server.address);
    for headers in [vec![], vec![("origin", own.as_str())]] {
        let answer = sent(&server, Method::GET, "/js/posesession.js", &headers).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["vary"], "origin");
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        assert_eq!(answer.headers()["cross-origin-resource-policy"], "same-origin");
    }
    let closed = TestServer::start().await;
    let answer = closed.get("/js/posesession.js").await;
    assert!(!answer.headers().contains_key("vary"), "without allowed sites nothing depends on who asks");
    let preflight = [("origin", ALLOWED), ("access-control-request-method", "GET")];
    let answer = sent(&closed, Method::OPTIONS, "/api/sessions", &preflight).await;
    assert_problem(answer, 403, "forbidden_origin").await;
}

#[tokio::test]
async fn both_websockets_open_for_pages_of_an_allowed_site() {
    let server = open_to_other_sites().await;
    let id = server.recorded("theirs", 3).await;
    for path in ["/ws/pose".to_owned(), format!("/ws/replay/{id}")] {
        for (origin, allowed) in [(ALLOWED, true), (ALSO_ALLOWED, true), ("http://localhost:8001", false)] {
            let mut request = server.ws(&path).into_client_request().unwrap();
            request.headers_mut().insert("origin", origin.parse().unwrap());
            assert_eq!(connect_async(request).await.is_ok(), allowed, "{origin} {path}");
        }
    }
}
