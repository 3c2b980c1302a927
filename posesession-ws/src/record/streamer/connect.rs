//! Where a streamer's connections come from. Nothing in, one transport after the other out.

use std::future::Future;

use crate::caller::{ClientError, ClientTransport, connect};
use crate::transport::Transport;

/// Makes the connections of a [`Streamer`](super::Streamer): a new one whenever the last one broke.
///
/// A closure that returns a future is one, for transports of one's own.
pub trait Connect: Send + 'static {
    /// What it connects by.
    type Transport: Transport + 'static;

    /// Connects, or says why it can't. It is given up when it takes longer than the streamer's options allow.
    ///
    /// # Errors
    ///
    /// [`ClientError`]. The first connection fails with it; later, every error leads to another try.
    fn connect(&mut self) -> impl Future<Output = Result<Self::Transport, ClientError>> + Send;
}

impl<F, Fut, T> Connect for F
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, ClientError>> + Send,
    T: Transport + 'static,
{
    type Transport = T;

    fn connect(&mut self) -> impl Future<Output = Result<T, ClientError>> + Send {
        self()
    }
}

/// Connects to a server's address: `ws://127.0.0.1:8787/ws/pose`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(pub String);

impl Connect for ServerUrl {
    type Transport = ClientTransport;

    fn connect(&mut self) -> impl Future<Output = Result<ClientTransport, ClientError>> + Send {
        connect(&self.0)
    }
}
