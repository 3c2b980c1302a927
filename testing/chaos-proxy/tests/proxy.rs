//! What the proxy does to a connection is what its plan says.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::io::ErrorKind;
use std::time::Duration;

use chaos_proxy::{ChaosProxy, End, Plan};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(20);

/// Two ends of a connection with a proxy between them.
async fn joined(plan: &str) -> (ChaosProxy, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = ChaosProxy::start(listener.local_addr().unwrap(), 7).await.unwrap();
    proxy.set_plan(plan.parse::<Plan>().unwrap());
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (proxy, client, server)
}

/// Reads until the end, and returns what came and whether it ended with a reset.
async fn read_all(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut read = Vec::new();
    let end = tokio::time::timeout(SOON, stream.read_to_end(&mut read)).await.expect("an end");
    let reset = end.err().map(|error| error.kind()) == Some(ErrorKind::ConnectionReset);
    (read, reset)
}

#[tokio::test]
async fn without_a_plan_everything_arrives() {
    let (proxy, mut client, mut server) = joined("").await;
    let sent: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let writing = async {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
    };
    let ((), (read, reset)) = tokio::join!(writing, read_all(&mut server));
    assert!(read == sent && !reset);
    server.write_all(b"heard").await.unwrap();
    drop(server);
    assert_eq!(read_all(&mut client).await, (b"heard".to_vec(), false));
    assert_eq!(proxy.forwarded(), (400_000, 5));
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn pieces_and_delays_change_nothing_but_the_time() {
    let (_proxy, mut client, mut server) = joined("up: piece=1, delay=0-2").await;
    client.write_all(b"one by one").await.unwrap();
    let mut read = [0; 10];
    let mut largest = 0;
    let mut filled = 0;
    while filled < read.len() {
        let count = server.read(&mut read[filled..]).await.unwrap();
        (filled, largest) = (filled + count, largest.max(count));
    }
    assert_eq!(&read, b"one by one");
    assert!(largest < 10, "it came in pieces");
}

#[tokio::test]
async fn a_connection_ends_after_exactly_so_many_bytes() {
    for (end, resets) in [("close", false), ("reset", true)] {
        for count in [0, 1, 5, 9] {
            let (_proxy, mut client, mut server) = joined(&format!("up: {end}={count}")).await;
            // The connection may be gone before all is written.
            client.write_all(b"0123456789").await.ok();
            let mut read = vec![0; count];
            let whole = tokio::time::timeout(SOON, server.read_exact(&mut read)).await.unwrap();
            // A reset may overtake what came before it.
            assert!(whole.is_err() || read == b"0123456789"[..count]);
            let (more, _) = read_all(&mut server).await;
            assert!(more.is_empty(), "{end} after {count}");
            let (_, reset) = read_all(&mut client).await;
            assert!(reset || !resets, "{end} after {count}");
        }
    }
}

#[tokio::test]
async fn a_half_closed_connection_goes_on_the_other_way() {
    let (_proxy, mut client, mut server) = joined("up: half_close=3").await;
    client.write_all(b"abcdef").await.unwrap();
    assert_eq!(read_all(&mut server).await, (b"abc".to_vec(), false));
    server.write_all(b"still here").await.unwrap();
    let mut read = [0; 10];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"still here");
}

#[tokio::test]
async fn stalled_and_swallowed_bytes_never_arrive() {
    for (plan, swallowed) in [("up: stall=3", false), ("up: black_hole=3", true)] {
        let (proxy, mut client, mut server) = joined(plan).await;
        let sent = tokio::time::timeout(Duration::from_secs(1), client.write_all(&vec![7; 32 << 20])).await;
        assert_eq!(sent.is_ok(), swallowed, "{plan}");
        let mut read = [0; 3];
        server.read_exact(&mut read).await.unwrap();
        server.write_all(b"down").await.unwrap();
        let mut down = [0; 4];
        client.read_exact(&mut down).await.unwrap();
        proxy.end_all(End::Reset);
        assert_eq!(read_all(&mut server).await, (Vec::new(), true), "{plan}");
    }
}

#[tokio::test]
async fn plans_go_by_the_number_of_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = ChaosProxy::start(listener.local_addr().unwrap(), 7).await.unwrap();
    proxy.set_plans(|number| format!("up: half_close={number}").parse().unwrap());
    for number in 0..4 {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"abcd").await.unwrap();
        assert_eq!(read_all(&mut server).await.0, b"abcd"[..number]);
    }
    drop(listener);
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(read_all(&mut refused).await.1, "a server that is not there resets the connection");
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    proxy.set_upstream(other.local_addr().unwrap());
    let _client = TcpStream::connect(proxy.address()).await.unwrap();
    other.accept().await.unwrap();
}

#[tokio::test]
async fn the_program_obeys_its_stdin() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut program = tokio::process::Command::new(env!("CARGO_BIN_EXE_chaos-proxy"))
        .args([listener.local_addr().unwrap().to_string().as_str(), "7"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(program.stdout.take().unwrap()).lines();
    let mut told = program.stdin.take().unwrap();
    let first = said.next_line().await.unwrap().unwrap();
    let address = first.strip_prefix("listening on ").unwrap().to_owned();
    for (command, answer) in [
        ("plan up: half_close=2", "ok"),
        ("plan sideways", "error `sideways` is no plan"),
        ("count", "ok 0 0 0 0"),
        ("dance", "error commands are"),
    ] {
        told.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let line = said.next_line().await.unwrap().unwrap();
        assert!(line.starts_with(answer), "{command}: {line}");
    }
    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"abcd").await.unwrap();
    assert_eq!(read_all(&mut server).await.0, b"ab");
    drop(told);
    assert!(program.wait().await.unwrap().success());
}
