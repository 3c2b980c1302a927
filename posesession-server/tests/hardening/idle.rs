//! A thousand connections that do nothing.

use tokio::net::TcpStream;

use crate::raw::{next_frame, open_websocket};
use crate::server_process::ServerProcess;
use crate::steady::Steady;

const CLIENTS: usize = 1_000;
const MOST: u64 = 16 << 20;

#[tokio::test]
async fn a_thousand_idle_websockets_take_less_than_16_mib() {
    let server = ServerProcess::real().await;
    // What the server loads when it is first used is not the clients'.
    let warm_up = Steady::start(&server, 0).await;
    warm_up.finish(&server).await;
    let before = server.memory();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        open_websocket(&mut client, server.address, "/ws/pose").await;
        let (_, welcome) = next_frame(&mut client).await.unwrap();
        assert!(String::from_utf8(welcome).unwrap().contains("welcome"));
        clients.push(client);
    }
    let grown = server.memory().saturating_sub(before);
    println!(
        "proof: {CLIENTS} idle WebSockets: {:.1} MiB of memory, {} bytes each",
        grown as f64 / f64::from(1 << 20),
        grown / CLIENTS as u64
    );
    assert!(grown < MOST, "{grown} bytes");
}
