//! A thousand hostile clients at once, of fourteen kinds: each is refused with its code, and the server is as it was.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::raw::{
    End, claimed, connect_narrow, end, frame, handshake, next_frame, open_websocket, websocket_end,
};
use crate::server_process::{SOON, ServerProcess};
use crate::steady::Steady;

const CLIENTS: usize = 1_000;
/// How much more memory the server may hold afterwards: what an allocator keeps, not what clients left.
const MOST_LEFT: u64 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Length2To40,
    Length2To63,
    OverMaximum,
    Unmasked,
    BadUtf8,
    ReservedBit,
    ReservedOpcode,
    LongPing,
    FragmentBomb,
    EmptyFragments,
    Garbage,
    BadClose,
    NeverRead,
    HalfHandshake,
    UnfinishedMessage,
}

impl Kind {
    const ALL: [Self; 15] = [
        Self::Length2To40,
        Self::Length2To63,
        Self::OverMaximum,
        Self::Unmasked,
        Self::BadUtf8,
        Self::ReservedBit,
        Self::ReservedOpcode,
        Self::LongPing,
        Self::FragmentBomb,
        Self::EmptyFragments,
        Self::Garbage,
        Self::BadClose,
        Self::NeverRead,
        Self::HalfHandshake,
        Self::UnfinishedMessage,
    ];

    /// What the client sends once the WebSocket is open.
    fn bytes(self, seed: usize) -> Vec<u8> {
        match self {
            Self::Length2To40 => claimed(0x82, 1 << 40),
            Self::Length2To63 => claimed(0x82, 1 << 63),
            Self::OverMaximum => [claimed(0x82, (16 << 20) + 1), vec![1; 64 << 10]].concat(),
            Self::Unmasked => vec![0x81, 0x02, b'{', b'}'],
            Self::BadUtf8 => frame(0x81, b"{\"type\":\"\xc3\x28\"}"),
            Self::ReservedBit => frame(0xa1, b"{}"),
            Self::ReservedOpcode => frame(0x87, b"{}"),
            Self::LongPing => frame(0x89, &[0; 4_000]),
            Self::FragmentBomb => [frame(0x02, &[1; 60_000]), frame(0x00, &[1; 60_000]).repeat(290)].concat(),
            Self::EmptyFragments => [frame(0x01, b""), frame(0x00, b"").repeat(50_000)].concat(),
            // Whatever it looks like, it never becomes more than the beginning of a message.
            Self::Garbage => {
                (0..2_000_u64).map(|at| mixed(seed as u64 * 2_000 + at).to_be_bytes()[0]).collect()
            }
            Self::BadClose => frame(0x88, b"\x03"),
            // The answer repeats the id, so that few fill what lies between.
            Self::NeverRead => {
                let question = format!(r#"{{"type":"nonsense","id":"{}"}}"#, "i".repeat(4_000));
                frame(0x81, question.as_bytes()).repeat(500)
            }
            Self::HalfHandshake => Vec::new(),
            Self::UnfinishedMessage => [claimed(0x82, 1_000), vec![1; 500]].concat(),
        }
    }

    fn is_refused_by(self, end: &End) -> bool {
        let code = match end {
            End::Goodbye(code, reason) => {
                assert!(!reason.is_empty(), "{self:?}: {code}");
                Some(*code)
            }
            End::Closed(_) => None,
        };
        match self {
            Self::Length2To40 | Self::Length2To63 | Self::OverMaximum => code == Some(1009),
            // Whichever it exceeds first, size or time.
            Self::FragmentBomb => matches!(code, Some(1008 | 1009)),
            Self::Unmasked | Self::ReservedBit | Self::ReservedOpcode | Self::LongPing | Self::BadClose => {
                code == Some(1002)
            }
            Self::BadUtf8 => code == Some(1007),
            Self::EmptyFragments | Self::UnfinishedMessage => code == Some(1008),
            Self::Garbage => matches!(code, Some(1002 | 1007 | 1008 | 1009)),
            // They don't listen, or are no WebSocket yet.
            Self::NeverRead | Self::HalfHandshake => code.is_none(),
        }
    }

    async fn attack(self, address: SocketAddr, seed: usize) -> End {
        if self == Self::HalfHandshake {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = handshake(address, "/ws/pose");
            stream.write_all(&request[..request.len() / 2]).await.unwrap();
            return end(&mut stream).await;
        }
        let mut stream = match self {
            Self::NeverRead => connect_narrow(address).await,
            _ => TcpStream::connect(address).await.unwrap(),
        };
        open_websocket(&mut stream, address, "/ws/pose").await;
        let bytes = self.bytes(seed);
        if self == Self::NeverRead {
            // It goes on until the server has had enough.
            while stream.write_all(&bytes).await.is_ok() {}
            return End::Closed(Vec::new());
        }
        next_frame(&mut stream).await.expect("a welcome");
        let (mut reader, mut writer) = stream.split();
        let writing = async {
            // The server may refuse it before all is sent.
            writer.write_all(&bytes).await.ok();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            end = websocket_end(&mut reader) => end,
            () = writing => unreachable!("it waits to be told"),
        }
    }
}

/// SplitMix64.
fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

async fn attack_with(server: &ServerProcess, clients: usize) {
    let mut attacks = JoinSet::new();
    for seed in 0..clients {
        let mut kind = Kind::ALL[seed % Kind::ALL.len()];
        // Each takes 16 MiB of the server for a moment: a few show as much as many.
        if kind == Kind::FragmentBomb && seed > 150 {
            kind = Kind::EmptyFragments;
        }
        let address = server.address;
        attacks.spawn(async move { (kind, seed, kind.attack(address, seed).await) });
    }
    let all = async {
        while let Some(attack) = attacks.join_next().await {
            let (kind, seed, end) = attack.unwrap();
            assert!(kind.is_refused_by(&end), "{kind:?} with seed {seed}: {end:?}");
        }
    };
    tokio::time::timeout(SOON, all).await.expect("all are refused");
    server.connections_fall_to(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_hostile_clients_leave_no_trace() {
    let server = ServerProcess::impatient().await;
    let steady = Steady::start(&server, 0).await;
    let start = server.memory();
    // What the allocator keeps after the first thousand serves the second: only what clients leave behind grows again.
    attack_with(&server, CLIENTS).await;
    let first = server.memory();
    attack_with(&server, CLIENTS).await;
    let left = server.memory().saturating_sub(first);
    let frames = steady.finish(&server).await;
    println!(
        "proof: twice {CLIENTS} hostile clients at once, of {} kinds, all refused by name; {frames} frames recorded meanwhile, 0 lost; \
         memory {} MiB, then {} MiB, then {} MiB",
        Kind::ALL.len(),
        start >> 20,
        first >> 20,
        (first + left) >> 20
    );
    assert!(left < MOST_LEFT, "{left} bytes");
}
