//! A server's WebSocket, byte by byte: who keeps to the limits stays, who doesn't hears why.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use posesession_core::SessionId;
use posesession_ws::{Message, ReplayRequest, SocketLimits, TransportError, accepted_websocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use crate::harness::House;

const LIMITS: SocketLimits =
    SocketLimits { message_timeout: Duration::from_secs(30), ping_every: Duration::from_secs(20) };

/// A masked frame of less than 126 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

/// The next frame that the server sends.
async fn next_frame(pipe: &mut DuplexStream) -> Option<(u8, Vec<u8>)> {
    let first = pipe.read_u8().await.ok()?;
    let length = match pipe.read_u8().await.ok()? {
        126 => u64::from(pipe.read_u16().await.ok()?),
        127 => pipe.read_u64().await.ok()?,
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    pipe.read_exact(&mut payload).await.ok()?;
    Some((first, payload))
}

/// Reads on until the server says goodbye, and returns its code and reason.
async fn goodbye(pipe: &mut DuplexStream) -> Option<(u16, String)> {
    loop {
        if let (0x88, payload) = next_frame(pipe).await? {
            let (code, reason) = payload.split_first_chunk().unwrap();
            return Some((u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).unwrap()));
        }
    }
}

/// Connects to the record protocol by a WebSocket.
async fn connect(house: &House, early: &[u8]) -> DuplexStream {
    let (server, client) = tokio::io::duplex(1 << 20);
    let (service, early) = (house.records.clone(), Bytes::copy_from_slice(early));
    tokio::spawn(async move { service.serve(accepted_websocket(server, early, LIMITS).await).await });
    client
}

#[tokio::test(start_paused = true)]
async fn every_misuse_is_refused_with_its_code() {
    let house = House::new();
    let masked_length =
        |first: u8, length: u64| [&[first, 0xff], &length.to_be_bytes()[..], &[0; 4]].concat();
    let empty_fragments = [frame(0x01, b""), frame(0x00, b"").repeat(1_100)].concat();
    let endless = [frame(0x01, b"a"), frame(0x00, b"b").repeat(1_200)].concat();
    for (name, sent, code) in [
        ("a length of 2^40", masked_length(0x82, 1 << 40), 1009),
        ("a length of 2^63", masked_length(0x82, 1 << 63), 1009),
        ("a length over the maximum", masked_length(0x81, (16 << 20) + 1), 1009),
        ("an unmasked frame", vec![0x81, 0x02, b'{', b'}'], 1002),
        ("bad UTF-8", frame(0x81, b"\xc3\x28"), 1007),
        ("a reserved bit", frame(0xc1, b"{}"), 1002),
        ("a reserved opcode", frame(0x83, b"{}"), 1002),
        ("a reserved control opcode", frame(0x8b, b""), 1002),
        ("a long ping", masked_length(0x89, 200), 1002),
        ("a fragmented ping", frame(0x09, b""), 1002),
        ("a fragment of nothing", frame(0x80, b"{}"), 1002),
        ("a message within another", [frame(0x01, b"{"), frame(0x81, b"}")].concat(), 1002),
        ("a close of one byte", frame(0x88, b"\x03"), 1002),
        ("a close with bad UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("empty fragments", empty_fragments, 1008),
        ("fragments of one byte", endless, 1008),
        ("a flood of pings", frame(0x89, b"").repeat(2_100), 1008),
        ("a flood of pongs", frame(0x8a, b"").repeat(2_100), 1008),
    ] {
        for early in [true, false] {
            let mut client = connect(&house, if early { &sent } else { b"" }).await;
            if !early {
                client.write_all(&sent).await.unwrap();
            }
            let (closed, reason) = goodbye(&mut client).await.expect(name);
            assert_eq!(closed, code, "{name}: {reason}");
            assert!(!reason.is_empty(), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_drips_is_refused_and_one_that_comes_in_time_is_not() {
    let house = House::new();
    let message = frame(0x81, br#"{"type":"unsubscribe","id":1}"#);
    let mut client = connect(&house, b"").await;
    next_frame(&mut client).await.expect("a welcome");
    for byte in &message {
        tokio::time::sleep(Duration::from_millis(700)).await;
        client.write_all(&[*byte]).await.unwrap();
    }
    let (first, answer) = loop {
        match next_frame(&mut client).await.expect("an answer") {
            (0x89, _) => {}
            other => break other,
        }
    };
    assert_eq!(first, 0x81);
    assert!(String::from_utf8(answer).unwrap().contains(r#""id":1"#));

    let begun = Instant::now();
    client.write_all(&frame(0x81, &[b'x'; 100])[..6]).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(client);
    let drip = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            if writer.write_all(b"x").await.is_err() {
                break;
            }
        }
    });
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    assert!(String::from_utf8_lossy(&all).contains("not whole within 30 s"));
    assert!(begun.elapsed() < Duration::from_secs(35), "{:?}", begun.elapsed());
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_server_does_not_read_does_not_count() {
    let (server, mut client) = tokio::io::duplex(64);
    let mut transport = accepted_websocket(server, Bytes::new(), LIMITS).await;
    let message = frame(0x81, &[b'x'; 100]);
    client.write_all(&message[..64]).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(10), transport.next()).await.is_err());
    // The server is busy: what the client still has to send is not taken.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let rest = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        client.write_all(&message[64..]).await.unwrap();
        client
    });
    let read = transport.next().await.unwrap().unwrap();
    assert_eq!(read, Message::text("x".repeat(100)));
    rest.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_stays_and_a_silent_one_is_gone() {
    let house = House::new();
    let mut client = connect(&house, b"").await;
    next_frame(&mut client).await.expect("a welcome");
    let begun = Instant::now();
    for _ in 0..100 {
        let (first, _) = next_frame(&mut client).await.expect("a ping");
        assert_eq!(first, 0x89);
        client.write_all(&frame(0x8a, b"")).await.unwrap();
    }
    assert_eq!(begun.elapsed().as_secs(), 2_000);
    let (code, reason) = goodbye(&mut client).await.expect("a goodbye");
    assert_eq!((code, reason.as_str()), (1008, "2 pings were not answered"));
    assert_eq!(begun.elapsed().as_secs(), 2_060);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanished_is_noticed_although_nothing_can_be_told() {
    // So small that the welcome already fills it.
    let (server, client) = tokio::io::duplex(16);
    let mut transport = accepted_websocket(server, Bytes::new(), LIMITS).await;
    let begun = Instant::now();
    let end = transport.next().await;
    assert!(matches!(end, Some(Err(TransportError::LimitExceeded { .. }))), "{end:?}");
    assert_eq!(begun.elapsed().as_secs(), 60);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_hears_why_while_it_is_still_sending() {
    let house = House::new();
    let (server, mut client) = tokio::io::duplex(1 << 10);
    let service = house.replays.clone();
    let missing: SessionId = "0190a5e4-0000-7000-8000-000000000001".parse().unwrap();
    let served = tokio::spawn(async move {
        let transport = accepted_websocket(server, Bytes::new(), LIMITS).await;
        service.serve(missing, ReplayRequest::default(), transport).await
    });
    client.write_all(&frame(0x81, b"{}").repeat(1_000)).await.unwrap();
    assert_eq!(goodbye(&mut client).await.expect("a goodbye").0, 4404);
    drop(client);
    served.await.unwrap().unwrap();
}
