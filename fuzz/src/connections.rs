//! Whole connections: a server that meets any client, a client that meets any server.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use object_store::memory::InMemory;
use posesession_store::{MediaStore, MemoryStore};
use posesession_ws::protocol::Publish;
use posesession_ws::{
    InProcessTransport, Message, RecordClient, RecordOptions, RecordService, ReplayClient, in_process,
};
use tokio::runtime::{Builder, Runtime};

/// Stands between two messages.
const SEPARATOR: &[u8] = b"\n\n";
const SESSION: &str = "0190a5e4-0000-7000-8000-000000000001";
const MOST_MESSAGES: usize = 64;
const GREETING: &str = r#"{"type":"welcome","protocol":"posesession.v1","server":"any","durable":true,"limits":{"max_message_bytes":1,"max_frame_bytes":1,"max_image_bytes":1,"max_persons":1,"max_keypoints":1,"reorder_window_ms":1,"max_idle_message_ms":1}}"#;

thread_local! {
    /// Its clock stands still but for what is waited for.
    static RUNTIME: LazyCell<Runtime> = const { LazyCell::new(|| {
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without I/O")
    }) };
}

/// Lets a client say anything to a record server, and then go.
pub fn server(data: &[u8]) {
    RUNTIME.with(|runtime| runtime.block_on(serve(data)));
}

async fn serve(data: &[u8]) {
    let media = MediaStore::new(Arc::new(InMemory::new()));
    let options = RecordOptions { publisher_patience: Duration::ZERO, ..RecordOptions::default() };
    let service = RecordService::new(Arc::new(MemoryStore::new()), Some(Arc::new(media)), options);
    let (server_end, client_end) = in_process(1024);
    let (mut say, hear) = client_end.split();
    let serving = tokio::spawn({
        let service = service.clone();
        async move { service.serve(server_end).await }
    });
    let hearing = tokio::spawn(hear.for_each(|_message| std::future::ready(())));
    for message in messages(data) {
        if say.send(message).await.is_err() {
            break;
        }
    }
    let _closed = say.close().await;
    let served = serving.await.expect("a connection doesn't panic");
    served.expect("a client that goes is no failure");
    service.shutdown().await;
    hearing.await.expect("the server ends what it says");
}

/// Lets a server say anything to the clients, after its greeting or instead of it.
pub fn client(data: &[u8]) {
    RUNTIME.with(|runtime| runtime.block_on(meet(data)));
}

async fn meet(data: &[u8]) {
    let greeted = std::iter::once(Message::text(GREETING)).chain(messages(data));
    if let Ok(mut client) = RecordClient::over(said(greeted).await).await {
        let _answer = client.resume_session(SESSION.parse().expect("it is an id"), "any", false).await;
        while client
            .next_event()
            .await
            .is_ok_and(|event| !matches!(event, posesession_ws::RecordEvent::Closed(_)))
        {}
    }
    if let Ok(mut client) = RecordClient::over(said(messages(data)).await).await {
        let _answer = client.publish(&Publish::default()).await;
        let _answer = client.stop_recording(None).await;
    }
    if let Ok(mut client) = ReplayClient::over(said(messages(data)).await).await {
        let _answer = client.pause().await;
        while client
            .next_event()
            .await
            .is_ok_and(|event| !matches!(event, posesession_ws::ReplayEvent::Closed(_)))
        {}
    }
}

/// Returns the client's end of a connection whose server said these messages and went.
async fn said(messages: impl Iterator<Item = Message>) -> InProcessTransport {
    let (mut server_end, client_end) = in_process(MOST_MESSAGES + 1);
    for message in messages {
        server_end.send(message).await.expect("there is room");
    }
    client_end
}

fn messages(data: &[u8]) -> impl Iterator<Item = Message> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let whole = rest?;
        let end = whole.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        let (part, next) = whole.split_at(end.unwrap_or(whole.len()));
        rest = next.get(SEPARATOR.len()..).filter(|next| !next.is_empty());
        Some(match std::str::from_utf8(part) {
            Ok(text) if text.starts_with(['{', '[', ' ']) => Message::text(text),
            _ => Message::Binary(Bytes::copy_from_slice(part)),
        })
    })
    .take(MOST_MESSAGES)
}
