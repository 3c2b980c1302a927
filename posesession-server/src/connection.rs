//! One connection: bytes in, requests to the router, responses out, each step with a deadline.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::error::ApiError;
use crate::state::AppState;

/// The most header lines of a request.
const MAX_HEADERS: usize = 64;
/// The longest request header, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// How long a client that was answered for the last time may take to end the connection, and how much it may still send. A
/// connection that is dropped before is reset, and an answer that is on its way gets lost with it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 16 << 20;

/// The place that a connection takes among [`crate::ServerConfig::max_connections`]. A WebSocket, which outlives the
/// HTTP connection it came from, keeps a clone.
pub(crate) type Slot = Arc<OwnedSemaphorePermit>;

/// A connection that was given a slot.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) slot: Slot,
    pub(crate) router: Router,
    pub(crate) state: Arc<AppState>,
    /// Cancelled when the server stops: the request in hand is the last.
    pub(crate) draining: CancellationToken,
}

impl Connection {
    /// Serves requests until the peer leaves, idles for too long or becomes a WebSocket, or the server stops.
    pub(crate) async fn serve(self) {
        let Self { stream, slot, router, state, draining } = self;
        let _open = state.metrics.connection();
        let config = &state.config;
        let mut byte = [0];
        let first_byte = tokio::time::timeout(config.first_byte_timeout, stream.peek(&mut byte));
        let spoke = tokio::select! {
            spoke = first_byte => spoke,
            () = draining.cancelled() => return,
        };
        if !matches!(spoke, Ok(Ok(1..))) {
            return;
        }
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small packets will be delayed");
        }
        let io = TokioIo::new(Stalling::new(stream, config.write_timeout));
        let service = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Arc::clone(&slot));
            request
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEADER_BYTES)
            .serve_connection(io, TowerToHyperService::new(service))
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}

/// Tells a connection beyond the limit so, without reading what it has to say.
pub(crate) async fn refuse(mut stream: TcpStream) {
    let problem = ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "the server has as many connections as it takes: try again",
    );
    let body = problem.to_json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\
         retry-after: 1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let told = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await
    };
    match tokio::time::timeout(Duration::from_secs(1), told).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a refused connection left before it was told"),
        Err(_elapsed) => tracing::debug!("a refused connection did not listen"),
    }
}

/// A stream whose writes fail once its peer has taken nothing for a while, and whose end waits a moment for the peer's.
#[derive(Debug)]
pub(crate) struct Stalling {
    stream: TcpStream,
    timeout: Duration,
    /// Set while a write or the end waits.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Once everything is written, how much is still read.
    linger_bytes: Option<usize>,
}

impl Stalling {
    fn new(stream: TcpStream, timeout: Duration) -> Self {
        Self { stream, timeout, deadline: None, linger_bytes: None }
    }

    /// Passes a write's outcome on, or fails it if it has been pending for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let timeout = self.timeout;
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer has stopped reading")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Stalling {
    /// Reads until the peer has ended, or long enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4 << 10];
        while let Some(left) = self.linger_bytes.filter(|&left| left > 0) {
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.linger_bytes = Some(left.saturating_sub(buf.filled().len()));
                }
                Poll::Ready(_) => self.linger_bytes = Some(0),
                Poll::Pending => {
                    if let Some(deadline) = &mut self.deadline {
                        ready!(deadline.as_mut().poll(cx));
                    }
                    self.linger_bytes = Some(0);
                }
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Stalling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stalling {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger_bytes.is_none() {
            let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.watch(cx, ended))?;
            self.linger_bytes = Some(LINGER_BYTES);
            self.deadline = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        self.poll_linger(cx).map(Ok)
    }
}
