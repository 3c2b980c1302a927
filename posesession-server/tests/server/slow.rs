//! Connections that say nothing, or say it slowly, or are too many: none holds a place for long.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{SOON, TestServer, assert_problem};

const SHORT: Duration = Duration::from_millis(500);

async fn impatient() -> TestServer {
    TestServer::start_with(|config| {
        config.first_byte_timeout = SHORT;
        config.header_timeout = SHORT;
        config.body_timeout = SHORT;
        config.write_timeout = SHORT;
    })
    .await
}

/// Waits until the server has closed the connection, and returns what it said before.
async fn closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut said)).await;
    // A reset is as good an end as any other.
    read.expect("the server closes the connection").ok();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = impatient().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(closed(&mut stream).await, "");
}

#[tokio::test]
async fn a_header_that_never_ends_is_closed() {
    let server = impatient().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    assert!(!closed(&mut stream).await.contains("200"));
}

#[tokio::test]
async fn a_header_that_drips_is_closed() {
    let server = impatient().await;
    let (mut reader, mut writer) = TcpStream::connect(server.address).await.unwrap().into_split();
    let drip = tokio::spawn(async move {
        for byte in b"GET /healthz HTTP/1.1\r\nX-Long: ".iter().chain(std::iter::repeat(&b'x')) {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut said = Vec::new();
    tokio::time::timeout(SOON, reader.read_to_end(&mut said)).await.expect("closed").ok();
    assert!(!String::from_utf8_lossy(&said).contains("200"));
    drip.abort();
}

#[tokio::test]
async fn a_connection_that_idles_after_a_request_is_closed() {
    let server = impatient().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(closed(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered_408() {
    let server = impatient().await;
    let id = server.recorded("mine", 1).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "PATCH /api/sessions/{id} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        server.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let answer = closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("body_timeout"), "{answer}");
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_cut_off() {
    let server = impatient().await;
    let id = server.recorded("long", 20_000).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request =
        format!("GET /api/sessions/{id}/export?format=jsonl HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    stream.write_all(request.as_bytes()).await.unwrap();
    let gone = async {
        loop {
            // The impatient server may cut the question off, too, on a busy machine.
            let Ok(answer) = server.request(reqwest::Method::GET, "/metrics").send().await else { continue };
            let metrics = answer.text().await.unwrap_or_default();
            // The one that asks is open itself.
            if metrics.contains("posesession_connections_open 1\n") {
                break;
            }
            tokio::time::sleep(SHORT / 4).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("the connection is cut off");
}

#[tokio::test]
async fn too_long_headers_are_refused() {
    let server = TestServer::start().await;
    let many = "X-Many: x\r\n".repeat(200);
    let long = format!("X-Long: {}\r\n", "x".repeat(64 << 10));
    for headers in [many, long] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", server.address);
        // The server may answer and close before all of it is sent.
        stream.write_all(request.as_bytes()).await.ok();
        let answer = closed(&mut stream).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_hear_that_the_server_is_busy() {
    let server = TestServer::start_with(|config| {
        config.max_connections = 2;
        config.first_byte_timeout = SHORT;
    })
    .await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let second = TcpStream::connect(server.address).await.unwrap();
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let answer = closed(&mut third).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["code"], "busy");
    assert!(answer.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
    let start = Instant::now();
    while server.request(reqwest::Method::GET, "/healthz").send().await.is_err()
        || server.get("/healthz").await.status() != 200
    {
        assert!(start.elapsed() < SOON, "the silent ones give their places back");
    }
    drop((first, second));
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_idle_connections() {
    let server = TestServer::start().await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    server.get("/healthz").await;
    let start = Instant::now();
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn methods_that_a_path_does_not_take_are_refused() {
    let server = TestServer::start().await;
    let put = server.request(reqwest::Method::PUT, "/api/sessions").send().await.unwrap();
    assert!(put.headers().contains_key("allow"));
    assert_problem(put, 405, "method_not_allowed").await;
}
