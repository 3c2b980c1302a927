//! Connections over the simulated network.

use posesession_ws::{ClientError, Transport, from_websocket, websocket_config};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error as WsError;

use crate::{PORT, SERVER};

pub(crate) async fn connect() -> Result<impl Transport, ClientError> {
    let url = format!("ws://{SERVER}/ws/pose");
    let unreachable =
        |source: WsError| ClientError::Unreachable { url: url.clone(), source: Box::new(source) };
    let stream = turmoil::net::TcpStream::connect((SERVER, PORT)).await;
    let stream = stream.map_err(|error| unreachable(WsError::Io(error)))?;
    let config = Some(websocket_config());
    let connected = client_async_with_config(url.as_str(), stream, config).await;
    Ok(from_websocket(connected.map_err(unreachable)?.0))
}
