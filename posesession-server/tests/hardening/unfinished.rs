//! Many long messages that are never finished: what of them is in memory has a bound of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::raw::{End, claimed, next_frame, open_websocket, websocket_end};
use crate::server_process::{SOON, ServerProcess};
use crate::steady::Steady;

const CLIENTS: usize = 80;
/// As long as a message may be.
const MESSAGE: usize = 16 << 20;
/// The bound, a little that each may have beyond it, and what the rest of the server needs meanwhile.
const MOST: u64 = (256 << 20) + CLIENTS as u64 * (512 << 10) + (64 << 20);

/// Sends all of a message but its last byte, as far as it is taken, and waits for the end.
async fn leave_unfinished(address: SocketAddr, taken: Arc<AtomicU64>) -> End {
    let mut stream = TcpStream::connect(address).await.unwrap();
    open_websocket(&mut stream, address, "/ws/pose").await;
    next_frame(&mut stream).await.expect("a welcome");
    let (mut reader, mut writer) = stream.split();
    let writing = async {
        let piece = vec![1; 64 << 10];
        let mut left = MESSAGE - 1;
        let mut goes_on = writer.write_all(&claimed(0x82, MESSAGE as u64)).await.is_ok();
        while goes_on && left > 0 {
            let part = left.min(piece.len());
            goes_on = writer.write_all(&piece[..part]).await.is_ok();
            left -= part;
            taken.fetch_add(part as u64, Ordering::Relaxed);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        end = websocket_end(&mut reader) => end,
        () = writing => unreachable!("it waits to be told"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_messages_have_a_bound_together() {
    let server = ServerProcess::impatient().await;
    let steady = Steady::start(&server, 0).await;
    let (before, taken) = (server.memory(), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(leave_unfinished(server.address, Arc::clone(&taken)));
    }
    let mut most = 0;
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let all = async {
        loop {
            tokio::select! {
                ended = clients.join_next() => match ended {
                    Some(end) => assert!(matches!(end.unwrap(), End::Goodbye(1008, _) | End::Closed(_))),
                    None => break,
                },
                _ = look.tick() => most = server.memory().saturating_sub(before).max(most),
            }
        }
    };
    tokio::time::timeout(SOON, all).await.expect("all are closed");
    let frames = steady.finish(&server).await;
    println!(
        "proof: unfinished messages: {CLIENTS} of 16 MiB less a byte, {} MiB of them sent: {} MiB at most in memory beyond what it was; \
         {frames} frames recorded meanwhile, 0 lost",
        taken.load(Ordering::Relaxed) >> 20,
        most >> 20
    );
    assert!(most < MOST, "{most} bytes");
}
