//! Host, Origin and the headers of every answer.

use reqwest::Method;

use crate::support::{TestServer, assert_problem, raw};

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
