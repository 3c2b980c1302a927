//! Somebody else, who pauses recordings and lets them go on, over connections of their own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use posesession_ws::protocol::Subscribe;
use posesession_ws::{ClientError, RecordClient};

use crate::connecting::connect;
use crate::rng::Rng;

/// How long one interference may take; servers are away for less.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that a controller may interfere with, and whether it has.
#[derive(Debug, Default, Clone)]
pub(crate) struct Control(Arc<Mutex<Stream>>);

#[derive(Debug, Default)]
struct Stream {
    name: Option<String>,
    is_controlled: bool,
}

impl Control {
    /// Hands over a new stream, with which nobody has interfered yet.
    pub(crate) fn offer(&self, name: &str) {
        *self.stream() = Stream { name: Some(name.to_owned()), is_controlled: false };
    }

    /// Returns whether a controller may have paused it, or let it go on: then it may do so at any time later, too, by what is
    /// still on its way.
    pub(crate) fn is_controlled(&self) -> bool {
        self.stream().is_controlled
    }

    fn take(&self) -> Option<String> {
        let mut stream = self.stream();
        stream.is_controlled = stream.name.is_some();
        stream.name.clone()
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Interferes with one stream after the other, until it is time.
pub(crate) async fn interfere(controls: Vec<Control>, mut rng: Rng, until: Duration) {
    while turmoil::sim_elapsed().unwrap_or_default() < until {
        tokio::time::sleep(rng.millis(10_000, 90_000)).await;
        let drawn = usize::try_from(rng.between(0, controls.len() as u64)).unwrap_or(0);
        if let Some(stream) = controls.get(drawn).and_then(Control::take) {
            // It may come to nothing: the server is away, nobody records, or it stands still already.
            let _failed = tokio::time::timeout(PATIENCE, pause_for_a_while(stream, &mut rng)).await;
        }
    }
}

async fn pause_for_a_while(stream: String, rng: &mut Rng) -> Result<(), ClientError> {
    let mut client = RecordClient::over(connect().await?).await?;
    client.subscribe(&Subscribe { stream: Some(stream), ..Subscribe::default() }).await?;
    client.pause_recording().await?;
    tokio::time::sleep(rng.millis(0, 15_000)).await;
    if rng.once_in(4) { Ok(()) } else { client.resume_recording().await }
}
