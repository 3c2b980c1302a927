//! The record and replay endpoints inside a program of one's own: `/ws/pose` and `/ws/replay/{session_id}`.
//!
//! `cargo run --example server -- sessions.db`, then point any posesession client at the address it prints.

use std::sync::{Arc, Mutex};

use posesession::ws::{RecordOptions, ReplayOptions, ReplayRequest, from_websocket, websocket_config};
use posesession::{RecordService, ReplayService, SessionId, SessionStore, SqliteStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "sessions.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8788".to_owned());
    let store: Arc<dyn SessionStore> = Arc::new(SqliteStore::open(&path).await?);
    let records = RecordService::new(store.clone(), None, RecordOptions::default());
    let replays = ReplayService::new(store, ReplayOptions::default());

    let listener = TcpListener::bind(&address).await?;
    println!("record at ws://{}/ws/pose", listener.local_addr()?);
    loop {
        tokio::select! {
            connection = listener.accept() => {
                let (socket, _) = connection?;
                let (records, replays) = (records.clone(), replays.clone());
                tokio::spawn(async move {
                    if let Err(error) = serve(socket, records, replays).await {
                        eprintln!("a connection broke off: {error}");
                    }
                });
            }
            interrupt = tokio::signal::ctrl_c() => {
                interrupt?;
                records.shutdown().await;
                replays.shutdown();
                return Ok(());
            }
        }
    }
}

async fn serve(socket: TcpStream, records: RecordService, replays: ReplayService) -> Result<(), AnyError> {
    let path = Arc::new(Mutex::new(String::new()));
    let seen = path.clone();
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let note_path = move |request: &Request, response: Response| {
        request.uri().path().clone_into(&mut seen.lock().expect("nobody panics while holding it"));
        Ok(response)
    };
    let websocket = accept_hdr_async_with_config(socket, note_path, Some(websocket_config())).await?;
    let path = path.lock().expect("nobody panics while holding it").clone();
    match path.strip_prefix("/ws/replay/") {
        Some(id) => {
            let id: SessionId = id.parse()?;
            replays.serve(id, ReplayRequest::default(), from_websocket(websocket)).await?;
        }
        None => records.serve(from_websocket(websocket)).await?,
    }
    Ok(())
}
