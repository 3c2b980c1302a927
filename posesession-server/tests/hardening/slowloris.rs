//! Connections that take their time, in the four ways there are: each is closed by its deadline.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::raw::{End, connect_narrow, drip, end};
use crate::server_process::{SOON, ServerProcess};
use crate::steady::Steady;

const EACH: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Slow {
    Silent,
    Header,
    Body,
    Reader,
}

async fn is_closed(slow: Slow, server: (std::net::SocketAddr, posesession_core::SessionId)) -> (Slow, End) {
    let (address, id) = server;
    let ended = match slow {
        Slow::Silent => end(&mut TcpStream::connect(address).await.unwrap()).await,
        Slow::Header | Slow::Body => {
            let head = match slow {
                Slow::Header => format!("GET /api/sessions HTTP/1.1\r\nHost: {address}\r\nX-Long: "),
                _ => format!(
                    "PATCH /api/sessions/{id} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
                     Content-Length: 1000\r\n\r\n"
                ),
            };
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let (mut reader, writer) = stream.into_split();
            let mut said = Vec::new();
            tokio::select! {
                read = reader.read_to_end(&mut said) => drop(read),
                () = drip(writer) => drop(reader.read_to_end(&mut said).await),
            }
            End::Closed(said)
        }
        Slow::Reader => {
            let mut stream = connect_narrow(address).await;
            let request = format!("GET /api/sessions/{id}/video HTTP/1.1\r\nHost: {address}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            // It reads nothing until the server has lost patience, which shows when it sends something itself.
            while stream.write_all(b"\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            End::Closed(Vec::new())
        }
    };
    (slow, ended)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_closed_by_their_deadlines_and_hold_up_nobody() {
    let server = ServerProcess::impatient().await;
    let steady = Steady::start(&server, 0).await;
    let mut clients = JoinSet::new();
    for slow in [Slow::Silent, Slow::Header, Slow::Body, Slow::Reader].repeat(EACH) {
        clients.spawn(is_closed(slow, (server.address, server.long.unwrap())));
        // A burst that is more than the kernel queues for the server is turned away by the kernel, and who says nothing never
        // learns of it.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let (mut closed, mut told) = ([0; 4], 0);
    let all = async {
        while let Some(client) = clients.join_next().await {
            let (slow, End::Closed(said)) = client.unwrap() else { panic!("no WebSocket is here") };
            let said = String::from_utf8_lossy(&said);
            match slow {
                Slow::Silent => assert_eq!(said, ""),
                Slow::Header => assert!(!said.contains("200 OK"), "{said}"),
                // Who sends on for longer than the server waits for the end is reset, and may not have read the answer by then.
                Slow::Body => {
                    let answer = said.starts_with("HTTP/1.1 408") && said.contains("body_timeout");
                    assert!(answer || said.is_empty(), "{said}");
                    told += usize::from(answer);
                }
                Slow::Reader => {}
            }
            closed[slow as usize] += 1;
        }
    };
    tokio::time::timeout(SOON, all).await.expect("all are closed");
    assert_eq!(closed, [EACH; 4]);
    assert!(told > EACH / 2, "{told} were told");
    server.connections_fall_to(1).await;
    let frames = steady.finish(&server).await;
    println!(
        "proof: slow clients: {EACH} silent, {EACH} dripping a header, {EACH} dripping a body, {EACH} not reading, all closed; \
         {frames} frames recorded meanwhile, 0 lost"
    );
}
