//! Connections whose every byte a test decides.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// How a connection ended, as the client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// A WebSocket's goodbye with this code and reason.
    Goodbye(u16, String),
    /// The connection was closed or reset; before that it said this.
    Closed(Vec<u8>),
}

/// Connects, with as little room for what the server sends as the system allows.
pub(crate) async fn connect_narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

/// The request that opens a WebSocket.
pub(crate) fn handshake(address: SocketAddr, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// Opens a WebSocket on a connection.
pub(crate) async fn open_websocket(stream: &mut TcpStream, address: SocketAddr, path: &str) {
    stream.write_all(&handshake(address, path)).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
}

/// A client's frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = claimed(first, payload.len() as u64);
    bytes.extend(payload);
    bytes
}

/// The header of a client's frame of this length, masked with zeros.
pub(crate) fn claimed(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u16::try_from(length), length) {
        (Ok(short @ 0..126), _) => bytes.push(0x80 | short.to_be_bytes()[1]),
        (Ok(long), _) => {
            bytes.push(0xfe);
            bytes.extend(long.to_be_bytes());
        }
        (Err(_longer), longest) => {
            bytes.push(0xff);
            bytes.extend(longest.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes
}

/// The next frame that the server sends; none at the end.
pub(crate) async fn next_frame(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let length = match stream.read_u8().await.ok()? {
        126 => u64::from(stream.read_u16().await.ok()?),
        127 => stream.read_u64().await.ok()?,
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some((first, payload))
}

/// Reads a WebSocket to its end.
pub(crate) async fn websocket_end(stream: &mut (impl AsyncReadExt + Unpin)) -> End {
    while let Some((first, payload)) = next_frame(stream).await {
        if let (0x88, Some((code, reason))) = (first, payload.split_first_chunk()) {
            return End::Goodbye(u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned());
        }
    }
    End::Closed(Vec::new())
}

/// Reads a connection to its end.
pub(crate) async fn end(stream: &mut TcpStream) -> End {
    let mut said = Vec::new();
    // A reset is as good an end as any other.
    stream.read_to_end(&mut said).await.ok();
    End::Closed(said)
}

/// Sends bytes one by one until nobody takes them.
pub(crate) async fn drip(mut writer: impl AsyncWriteExt + Unpin) {
    while writer.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
