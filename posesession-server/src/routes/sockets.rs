//! The two WebSockets: an HTTP request in, a connection of the record or replay protocol out; and what streams there are.

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use posesession_ws::protocol::{SUBPROTOCOL, WireFormat};
use posesession_ws::{GuardedTransport, ReplayRequest, SocketLimits, TransportError, accepted_websocket};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::config::ServerConfig;
use crate::connection::{Slot, Stalling};
use crate::error::{ApiError, ApiResult};
use crate::metrics::SocketKind;
use crate::query::Params;
use crate::routes::sessions::session_id;
use crate::state::AppState;

/// A WebSocket over what was an HTTP connection, as the protocols take it.
type Transport = GuardedTransport<Stalling>;

/// Lists what can be watched and recorded over the record protocol.
pub(crate) async fn streams(State(state): State<Arc<AppState>>, params: Params) -> ApiResult<Json<Value>> {
    params.only(&[])?;
    Ok(Json(json!({ "streams": state.record.published_streams() })))
}

/// Opens the record protocol.
pub(crate) async fn pose(State(state): State<Arc<AppState>>, request: Request) -> ApiResult {
    let service = state.record.clone();
    upgrade(&state, SocketKind::Pose, request, |transport| async move { service.serve(transport).await })
}

/// Opens the replay protocol. A session that is not there is said so within the protocol: a browser shows a page nothing
/// of an HTTP answer to its WebSocket.
pub(crate) async fn replay(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    params: Params,
    request: Request,
) -> ApiResult {
    let params = params.only(&["autoplay", "format"])?;
    let asked = ReplayRequest {
        autoplay: params.word("autoplay", &["0", "1"])? == Some(1),
        format: match params.word("format", &["json", "binary"])? {
            Some(1) => WireFormat::Binary,
            _ => WireFormat::Json,
        },
    };
    let id = session_id(&id)?;
    let service = state.replay.clone();
    let serve = move |transport| async move { service.serve(id, asked, transport).await };
    upgrade(&state, SocketKind::Replay, request, serve)
}

/// Sends every message back as it came: the WebSocket that both protocols are served over, without a protocol.
#[cfg(feature = "echo")]
pub(crate) async fn echo(State(state): State<Arc<AppState>>, request: Request) -> ApiResult {
    upgrade(&state, SocketKind::Pose, request, send_back)
}

#[cfg(feature = "echo")]
async fn send_back(mut transport: Transport) -> Result<(), TransportError> {
    use futures::{SinkExt, StreamExt};
    use posesession_ws::Message;

    while let Some(message) = transport.next().await {
        match message {
            Ok(Message::Close(_)) => break,
            Ok(message) => transport.send(message).await?,
            Err(error) => {
                let Some(reason) = error.close_reason() else { return Err(error) };
                transport.send(Message::Close(Some(reason))).await?;
                break;
            }
        }
    }
    transport.close().await
}

/// Answers an upgrade and hands the WebSocket to `serve` once the client has the answer.
fn upgrade<F, Served>(state: &Arc<AppState>, kind: SocketKind, mut request: Request, serve: F) -> ApiResult
where
    F: FnOnce(Transport) -> Served + Send + 'static,
    Served: Future<Output = Result<(), TransportError>> + Send,
{
    let handshake = Handshake::read(request.method(), request.headers())?;
    let slot = request.extensions_mut().remove::<Slot>();
    let upgrade = hyper::upgrade::on(&mut request);
    let connection_state = Arc::clone(state);
    let socket = async move {
        let _slot = slot;
        let Some((stream, early)) = upgrade.await.ok().and_then(tcp) else {
            tracing::debug!("a WebSocket's connection broke off before it was one");
            return;
        };
        let _open = connection_state.metrics.socket(kind);
        let ServerConfig { message_timeout, ping_every, .. } = connection_state.config;
        let transport = accepted_websocket(stream, early, SocketLimits { message_timeout, ping_every }).await;
        if let Err(error) = Box::pin(serve(transport)).await {
            tracing::debug!(?kind, %error, "a WebSocket broke off");
        }
    };
    state.sockets.spawn(state.cut_off.clone().run_until_cancelled_owned(socket));
    Ok(handshake.accept())
}

/// Returns the stream under an upgraded connection, and what was read of it already.
fn tcp(upgraded: Upgraded) -> Option<(Stalling, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<Stalling>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

/// What the opening handshake (RFC 6455, section 4.2) asks for.
#[derive(Debug)]
struct Handshake {
    accept: String,
    subprotocol: bool,
}

impl Handshake {
    fn read(method: &Method, headers: &HeaderMap) -> Result<Self, ApiError> {
        let upgrades = has_token(headers, header::CONNECTION, "upgrade")
            && has_token(headers, header::UPGRADE, "websocket");
        if method != Method::GET || !upgrades {
            let error = refused(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket: connect to it as one");
            return Err(error.with_header(header::UPGRADE, HeaderValue::from_static("websocket")));
        }
        if !has_token(headers, header::SEC_WEBSOCKET_VERSION, "13") {
            let error = refused(StatusCode::UPGRADE_REQUIRED, "use version 13 of the WebSocket protocol");
            return Err(error.with_header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        if BASE64.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
            let detail = "Sec-WebSocket-Key must be 16 bytes in base64";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_handshake", detail));
        }
        let subprotocol = has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        Ok(Self { accept: derive_accept_key(key), subprotocol })
    }

    fn accept(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        }
        response
    }
}

fn refused(status: StatusCode, detail: &str) -> ApiError {
    ApiError::new(status, "upgrade_required", detail)
}

/// Returns whether a header's comma-separated list has a word; upper and lower case are alike.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(changed: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in changed {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_standards_example_is_accepted() {
        let asked = headers(&[("sec-websocket-protocol", "other, posesession.v1")]);
        let response = Handshake::read(&Method::GET, &asked).unwrap().accept();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["sec-websocket-protocol"], "posesession.v1");
        let plain = Handshake::read(&Method::GET, &headers(&[])).unwrap().accept();
        assert!(!plain.headers().contains_key("sec-websocket-protocol"));
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        for changed in [
            ("connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", ""),
            ("sec-websocket-key", "c2hvcnQ="),
            ("sec-websocket-key", "not base64 at all!!!!!!!"),
        ] {
            assert!(Handshake::read(&Method::GET, &headers(&[changed])).is_err(), "{changed:?}");
        }
        assert!(Handshake::read(&Method::POST, &headers(&[])).is_err());
    }
}
