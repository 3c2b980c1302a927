//! A server elsewhere: its address in, recordings and replays over the network out.

use std::future::Future;
use std::time::Duration;

use posesession_ws::{ClientError, RecordClient, ReplayClient, ServerUrl};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::convert::session_id;
use crate::errors::{self, bad_argument};
use crate::record::{AskedEncoding, Buffer, NativePublication, NativeRecording, Start};
use crate::replay::{Begin, NativeReplay, patience};
use crate::runtime::wait;

/// A server.
#[pyclass(frozen, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativeClient {
    /// `host:port`
    authority: String,
    timeout: Duration,
}

impl NativeClient {
    fn pose_url(&self) -> ServerUrl {
        ServerUrl(format!("ws://{}/ws/pose", self.authority))
    }

    /// Waits for a connection as long as it may take.
    async fn connected<C>(
        &self,
        connecting: impl Future<Output = Result<C, ClientError>> + Send,
    ) -> Result<C, ClientError> {
        let reason = Some(posesession_ws::CloseReason::new(0, "it doesn't answer"));
        let connected = tokio::time::timeout(self.timeout, connecting).await;
        connected.unwrap_or(Err(ClientError::Closed { reason }))
    }
}

#[pymethods]
impl NativeClient {
    #[staticmethod]
    #[pyo3(signature = (url, timeout=10.0))]
    fn connect(py: Python<'_>, url: &str, timeout: f64) -> PyResult<Self> {
        let client = Self { authority: authority(url)?, timeout: patience(timeout)? };
        let ServerUrl(pose_url) = client.pose_url();
        let greeted = wait(py, async {
            let greeted = client.connected(RecordClient::connect(&pose_url)).await?;
            greeted.close().await
        })?;
        greeted.map_err(errors::client)?;
        Ok(client)
    }

    #[getter]
    fn ws_url(&self) -> String {
        format!("ws://{}", self.authority)
    }

    #[getter]
    fn http_url(&self) -> String {
        format!("http://{}", self.authority)
    }

    #[pyo3(signature = (name, *, skeleton=None, description="", metadata=None, fps=None, max_error=None, codec=None, stream="default", take_over=false, buffer_seconds=600.0, buffer_bytes=67_108_864, on_overflow="drop_oldest", stop_seconds=60.0))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn record(
        &self,
        py: Python<'_>,
        name: String,
        skeleton: Option<&Bound<'_, PyAny>>,
        description: &str,
        metadata: Option<&Bound<'_, PyDict>>,
        fps: Option<f64>,
        max_error: Option<&Bound<'_, PyDict>>,
        codec: Option<String>,
        stream: &str,
        take_over: bool,
        buffer_seconds: f64,
        buffer_bytes: u64,
        on_overflow: &str,
        stop_seconds: f64,
    ) -> PyResult<NativeRecording> {
        let buffer = Buffer::new(buffer_seconds, buffer_bytes, on_overflow, stop_seconds)?;
        let encoding = AskedEncoding::new(max_error, codec)?;
        let mut start = Start::new(name, skeleton, description, metadata, fps, encoding)?;
        start.publish.stream = Some(stream.to_owned());
        start.publish.take_over = take_over;
        wait(py, NativeRecording::begin_at(self.pose_url(), start, buffer, self.timeout))?
    }

    #[pyo3(signature = (stream, *, skeleton=None, fps=None, take_over=false, buffer_seconds=600.0, buffer_bytes=67_108_864, on_overflow="drop_oldest"))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn publish(
        &self,
        py: Python<'_>,
        stream: String,
        skeleton: Option<&Bound<'_, PyAny>>,
        fps: Option<f64>,
        take_over: bool,
        buffer_seconds: f64,
        buffer_bytes: u64,
        on_overflow: &str,
    ) -> PyResult<NativePublication> {
        let stop_seconds = self.timeout.as_secs_f64();
        let buffer = Buffer::new(buffer_seconds, buffer_bytes, on_overflow, stop_seconds)?;
        let mut start = Start::new(String::new(), skeleton, "", None, fps, AskedEncoding::default())?;
        start.publish.stream = Some(stream);
        start.publish.take_over = take_over;
        wait(py, NativePublication::begin_at(self.pose_url(), start, buffer, self.timeout))?
    }

    #[pyo3(signature = (id, *, rate=1.0, start=None, end=None, r#loop="none", autoplay=true))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn replay(
        &self,
        py: Python<'_>,
        id: &str,
        rate: f64,
        start: Option<f64>,
        end: Option<f64>,
        r#loop: &str,
        autoplay: bool,
    ) -> PyResult<NativeReplay> {
        let begin = Begin::new(rate, start, end, r#loop, autoplay)?;
        let url = format!("ws://{}/ws/replay/{}", self.authority, session_id(id)?);
        let connected = self.connected(ReplayClient::connect(&url));
        wait(py, NativeReplay::begin(connected, begin))?
    }
}

/// Reads `host:port` out of a server's address.
fn authority(url: &str) -> PyResult<String> {
    let rest = url.strip_prefix("ws://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.trim_end_matches('/'));
    match authority {
        Some(authority) if !authority.is_empty() && !authority.contains(['/', '?', '#', '@']) => {
            Ok(authority.to_owned())
        }
        _ => Err(bad_argument(format!(
            "`{url}` is no server's address: use ws://host:port or http://host:port"
        ))),
    }
}
