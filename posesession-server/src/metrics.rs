//! What the server counts of itself, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

/// Counters and gauges of one server, since its start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    connections_total: AtomicU64,
    connections_open: AtomicU64,
    connections_refused: AtomicU64,
    /// By the status' first digit.
    responses: [AtomicU64; 6],
    /// By [`SocketKind`].
    sockets_open: [AtomicU64; 2],
}

/// Which of the two WebSockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketKind {
    Pose,
    Replay,
}

/// Counts something that is open until it is dropped.
#[derive(Debug)]
pub(crate) struct Open<'a>(&'a AtomicU64);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn connection(&self) -> Open<'_> {
        self.connections_total.fetch_add(1, Ordering::Relaxed);
        open(&self.connections_open)
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn response(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).min(self.responses.len() - 1);
        self.responses[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn socket(&self, kind: SocketKind) -> Open<'_> {
        open(&self.sockets_open[kind as usize])
    }

    /// Writes all of it in Prometheus' text format.
    pub(crate) fn write(&self, page: &mut Page) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        page.family("posesession_connections_open", "gauge", "Connections open now, WebSockets included.");
        page.sample("posesession_connections_open", "", load(&self.connections_open));
        page.family("posesession_connections_total", "counter", "Connections accepted since the start.");
        page.sample("posesession_connections_total", "", load(&self.connections_total));
        page.family("posesession_connections_refused_total", "counter", "Connections beyond the limit.");
        page.sample("posesession_connections_refused_total", "", load(&self.connections_refused));
        page.family("posesession_websockets_open", "gauge", "WebSockets open now.");
        let [pose, replay] = &self.sockets_open;
        page.sample("posesession_websockets_open", r#"{kind="pose"}"#, load(pose));
        page.sample("posesession_websockets_open", r#"{kind="replay"}"#, load(replay));
        page.family("posesession_http_responses_total", "counter", "Responses by class of status.");
        for (class, counter) in self.responses.iter().enumerate().skip(1) {
            let label = format!("{{class=\"{class}xx\"}}");
            page.sample("posesession_http_responses_total", &label, load(counter));
        }
    }
}

fn open(gauge: &AtomicU64) -> Open<'_> {
    gauge.fetch_add(1, Ordering::Relaxed);
    Open(gauge)
}

/// A page of metrics in Prometheus' text format.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    pub(crate) fn sample(&mut self, name: &str, labels: &str, value: u64) {
        self.0.push_str(&format!("{name}{labels} {value}\n"));
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}
