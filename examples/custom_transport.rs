//! Both protocols in process, over a transport of one's own: a pair of channels, no socket.
//!
//! `cargo run --example custom_transport`

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::channel::mpsc::{Receiver, Sender, channel};
use futures::{Sink, Stream};
use posesession::core::{PoseData, Skeleton, SyntheticPose};
use posesession::ws::protocol::{StartRecording, WireFormat};
use posesession::ws::{Message, RecordOptions, ReplayEvent, ReplayOptions, ReplayRequest, TransportError};
use posesession::{MemoryStore, RecordClient, RecordService, ReplayClient, ReplayService};

/// One end of the connection. Any `Sink` and `Stream` of messages will do: a serial line, a data channel, a file.
struct Channel {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
}

fn connection() -> (Channel, Channel) {
    let (left_sender, right_receiver) = channel(16);
    let (right_sender, left_receiver) = channel(16);
    (
        Channel { sender: left_sender, receiver: left_receiver },
        Channel { sender: right_sender, receiver: right_receiver },
    )
}

impl Stream for Channel {
    type Item = Result<Message, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.receiver).poll_next(cx).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for Channel {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.sender).poll_ready(cx).map_err(|_gone| TransportError::Closed)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), TransportError> {
        Pin::new(&mut self.sender).start_send(message).map_err(|_gone| TransportError::Closed)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.sender).poll_flush(cx).map_err(|_gone| TransportError::Closed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.sender).poll_close(cx).map_err(|_gone| TransportError::Closed)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = Arc::new(MemoryStore::new());
    let records = RecordService::new(store.clone(), None, RecordOptions::default());
    let (server_end, client_end) = connection();
    tokio::spawn({
        let records = records.clone();
        async move { records.serve(server_end).await }
    });

    let mut streamer = RecordClient::over(client_end).await?;
    let start = StartRecording { name: "No socket".to_owned(), ..StartRecording::default() };
    let session = streamer.start_recording(&start).await?;
    let source = SyntheticPose::new(&Skeleton::preset("mediapipe_33")?, 30.0);
    for n in 0..60 {
        let (timestamp, pose): (_, PoseData) = source.frame(n);
        streamer.send_frame(Some(n), timestamp, &pose, &[]).await?;
    }
    let finalized = streamer.stop_recording(None).await?;
    println!("recorded {} frames as {session}", finalized.session.frame_count);

    let replays = ReplayService::new(store, ReplayOptions::default());
    let (server_end, client_end) = connection();
    let request = ReplayRequest { autoplay: false, format: WireFormat::Binary };
    tokio::spawn(async move { replays.serve(session, request, server_end).await });
    let mut viewer = ReplayClient::over(client_end).await?;
    viewer.play(Some(4.0)).await?;
    let mut shown = 0;
    loop {
        match viewer.next_event().await? {
            ReplayEvent::Frame(_) => shown += 1,
            ReplayEvent::State(state) if state.status == "ended" => break,
            _ => {}
        }
    }
    println!("replayed {shown} frames at four times the speed");
    assert_eq!(finalized.session.frame_count, 60);
    Ok(())
}
