//! A streamer's way to the service, which tests cut, close and listen on.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Sink, Stream};
use posesession_core::{Overflow, PoseData, Timestamp, UnackedLimits};
use posesession_ws::protocol::{Publish, SkeletonRef, StartRecording};
use posesession_ws::{
    ClientError, InProcessTransport, Message, RecordService, Streamer, StreamerError, StreamerEvent,
    StreamerOptions, TransportError, in_process,
};
use tokio::task::AbortHandle;

use crate::harness::House;

/// What becomes of a message on its way to the client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Comes,
    IsLost,
    /// It is lost, and the connection with it.
    Breaks,
}

pub(crate) type Judge = Box<dyn FnMut(&str) -> Fate + Send>;

/// A way to the service that tests can cut, close and listen on.
#[derive(Clone)]
pub(crate) struct Road(Arc<Mutex<RoadState>>);

pub(crate) struct RoadState {
    service: Option<RecordService>,
    connection: Option<AbortHandle>,
    judge: Judge,
}

impl Road {
    pub(crate) fn to(house: &House) -> Self {
        let state = RoadState {
            service: Some(house.records.clone()),
            connection: None,
            judge: Box::new(|_| Fate::Comes),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Ends the present connection; what is on its way is lost.
    pub(crate) fn cut(&self) {
        if let Some(connection) = self.0.lock().unwrap().connection.take() {
            connection.abort();
        }
    }

    pub(crate) fn lead_to(&self, service: Option<RecordService>) {
        self.0.lock().unwrap().service = service;
        self.cut();
    }

    pub(crate) fn judge(&self, judge: impl FnMut(&str) -> Fate + Send + 'static) {
        self.0.lock().unwrap().judge = Box::new(judge);
    }

    /// Loses the first message of a type, and the connection with it.
    pub(crate) fn break_at_first(&self, kind: &str) {
        let (kind, mut is_over) = (format!("\"type\":\"{kind}\""), false);
        self.judge(move |text| match text.contains(&kind) && !is_over {
            true => {
                is_over = true;
                Fate::Breaks
            }
            false => Fate::Comes,
        });
    }

    pub(crate) async fn streamer(&self, options: StreamerOptions) -> Streamer {
        let road = self.clone();
        let publish = Publish {
            skeleton: Some(SkeletonRef::Preset("hand_21".to_owned())),
            publisher: Some("glove".to_owned()),
            ..Publish::default()
        };
        let options = StreamerOptions { publish, seed: Some(1), ..options };
        let connect = move || {
            let connected = road.connect();
            async move { connected }
        };
        Streamer::connect(connect, options).await.unwrap()
    }

    pub(crate) fn connect(&self) -> Result<Bumpy, ClientError> {
        let mut state = self.0.lock().unwrap();
        let Some(service) = state.service.clone() else {
            return Err(ClientError::Closed { reason: None });
        };
        let (server_end, client_end) = in_process(64);
        let serving = tokio::spawn(async move { service.serve(server_end).await });
        state.connection = Some(serving.abort_handle());
        Ok(Bumpy { inner: client_end, road: self.clone(), is_broken: false })
    }
}

/// A connection that loses what the road's judge says.
pub(crate) struct Bumpy {
    inner: InProcessTransport,
    road: Road,
    is_broken: bool,
}

impl Stream for Bumpy {
    type Item = Result<Message, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.is_broken {
                return Poll::Ready(None);
            }
            let Poll::Ready(next) = Pin::new(&mut self.inner).poll_next(cx) else { return Poll::Pending };
            let Some(Ok(Message::Text(text))) = &next else { return Poll::Ready(next) };
            let fate = (self.road.0.lock().unwrap().judge)(text.as_str());
            match fate {
                Fate::Comes => return Poll::Ready(next),
                Fate::IsLost => {}
                Fate::Breaks => {
                    self.is_broken = true;
                    self.road.cut();
                }
            }
        }
    }
}

impl Sink<Message> for Bumpy {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.inner).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), TransportError> {
        Pin::new(&mut self.inner).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

pub(crate) fn named(name: &str) -> StartRecording {
    StartRecording { name: name.to_owned(), ..StartRecording::default() }
}

pub(crate) fn buffer(frames: usize, overflow: Overflow) -> StreamerOptions {
    // A frame of a hand takes 420 bytes and the overhead of its message.
    let buffer = UnackedLimits { max_bytes: frames * 550, overflow, ..UnackedLimits::default() };
    StreamerOptions { buffer, ..StreamerOptions::default() }
}

pub(crate) fn pose(n: u64) -> PoseData {
    PoseData::one_person((0..84).map(|value| n as f32 + value as f32 / 128.0).collect())
}

pub(crate) async fn push(streamer: &Streamer, n: u64) -> Result<u64, StreamerError> {
    let timestamp = Timestamp::from_micros(33_333 * i64::try_from(n).unwrap());
    streamer.send_frame(Some(n), timestamp, &pose(n), &[]).await
}

/// The numbers of the frames that are stored, found by their content.
pub(crate) async fn stored(house: &House, session: posesession_core::SessionId) -> Vec<u64> {
    let frames = house.frames(session).await;
    frames
        .iter()
        .map(|frame| {
            let n = (0..10_000).find(|&n| frame.pose_data == pose(n));
            n.expect("every stored frame is one that was sent")
        })
        .collect()
}

pub(crate) async fn wait_for(streamer: &Streamer, is_it: impl Fn(&StreamerEvent) -> bool) -> StreamerEvent {
    let waited = tokio::time::timeout(Duration::from_secs(3600), async {
        loop {
            let event = streamer.next_event().await.expect("the streamer goes on");
            if is_it(&event) {
                return event;
            }
        }
    });
    waited.await.expect("the event within an hour")
}
