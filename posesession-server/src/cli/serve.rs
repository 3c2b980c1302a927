//! `posesession serve`: the server, until Ctrl-C or SIGTERM.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use posesession_core::Encoding;
use posesession_store::{ChunkCache, Durability};
use tokio::net::TcpListener;

use super::Failure;
use super::failure::{ADDRESS_UNUSABLE, FAILED, WRONG_USAGE};
use super::place_args::PlaceArgs;
use super::running;
use crate::{Origin, ServerConfig, Storage};

const EXAMPLES: &str = "\
Examples:
  posesession serve
      listen on http://127.0.0.1:8787, keep sessions in ./data
  posesession serve --listen 127.0.0.1:0
      take any free port; the first line printed says which
  posesession serve --data ~/poses --listen [::1]:80
      keep sessions elsewhere, listen on IPv6
  posesession serve --database postgres://me@localhost/poses --media /srv/media
      keep sessions in a database, images and videos in a folder
  posesession serve --allow-origin http://localhost:8000
      let the pages of a site of your own show and record sessions

The first line on stdout is `listening on http://ADDRESS:PORT`, once connections are taken. Ctrl-C stores the \
recordings, which their streamers can go on with after the next start, and stops; a second Ctrl-C stops at once.";

const MIB_OF_CHUNKS: usize = ChunkCache::DEFAULT_BYTES >> 20;

/// Serves the pages, the HTTP API and the two WebSockets, to this machine alone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    /// The address to listen on, one of this machine alone (127.0.0.1, [::1] or localhost); port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8787", env = "POSESESSION_LISTEN")]
    #[arg(value_parser = loopback)]
    listen: SocketAddr,
    #[command(flatten)]
    place: PlaceArgs,
    /// The folder with the browser's pose model and library, filled by `make vision`
    #[arg(long, value_name = "DIR", default_value = "./vision", env = "POSESESSION_VISION")]
    vision: PathBuf,
    /// Another site whose pages may use the scripts, the HTTP API and the WebSockets, and so read, change and delete
    /// all sessions; can stand several times
    #[arg(
        long = "allow-origin",
        value_name = "ORIGIN",
        env = "POSESESSION_ALLOW_ORIGIN",
        value_delimiter = ','
    )]
    allowed_origins: Vec<Origin>,
    /// How many MiB of decoded frames are kept in memory, so that replays of the same session decode them once; 0 keeps none
    #[arg(long, value_name = "MIB", default_value_t = MIB_OF_CHUNKS, env = "POSESESSION_CHUNK_CACHE_MIB")]
    chunk_cache_mib: usize,
    /// How sessions are kept whose starter doesn't say: columnar (compressed) or json (text that SQL can read), both lossless
    #[arg(long, default_value = "columnar", value_parser = ["columnar", "json"], env = "POSESESSION_CODEC")]
    codec: String,
    /// How long a recording waits for a streamer that is gone, before it ends as interrupted: 90s, 10m, 1h...
    #[arg(long, value_name = "TIME", default_value = "10m", env = "POSESESSION_RESUME_WINDOW")]
    resume_window: humantime::Duration,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        running::run_gracefully(async |mut stop| self.serve(stop.next()).await)
    }

    async fn serve(self, asked_to_stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self { listen, place, vision, allowed_origins, chunk_cache_mib, codec, resume_window } = self;
        let encoding =
            Encoding::from_parts(Some(&codec), None).map_err(|error| Failure::of(WRONG_USAGE, &error))?;
        let listener = TcpListener::bind(listen).await.map_err(|error| unusable(listen, &error))?;
        let address = listener.local_addr().map_err(|error| unusable(listen, &error))?;
        let storage = Storage::open_to_serve(&place.place()).await?;
        if let Err(error) = announce(address, &storage.durability()) {
            tracing::debug!(%error, "nobody reads stdout");
        }
        for origin in &allowed_origins {
            tracing::info!(%origin, "this other site's pages may use the server");
        }
        let chunk_cache_bytes = chunk_cache_mib.saturating_mul(1 << 20);
        let config = ServerConfig {
            vision,
            allowed_origins,
            chunk_cache_bytes,
            encoding,
            resume_window: resume_window.into(),
            ..ServerConfig::default()
        };
        let ended = crate::run(listener, storage, config, asked_to_stop).await;
        ended.map_err(|error| Failure::of(FAILED, &error))
    }
}

/// Reads an address of this machine alone.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let spelled = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address: SocketAddr = spelled
        .parse()
        .map_err(|_error| "give an address and a port, such as 127.0.0.1:8787 or [::1]:8787".to_owned())?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "{} can be reached from other machines, and there are no accounts yet: \
             use 127.0.0.1 (or [::1]), and a tunnel such as `ssh -L` to reach it from elsewhere",
            address.ip()
        ));
    }
    Ok(address)
}

fn unusable(address: SocketAddr, error: &io::Error) -> Failure {
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "the port {} is taken: another program (perhaps another posesession) listens on {address}; \
             give another one with --listen, or port 0 for any",
            address.port()
        ),
        io::ErrorKind::PermissionDenied => {
            format!("this user may not listen on port {}: use one from 1024 up", address.port())
        }
        _ => format!("can't listen on {address}: {error}"),
    };
    Failure::new(ADDRESS_UNUSABLE, message)
}

/// Prints where the server is, the first line for programs, the others for humans, and what it can't promise.
fn announce(address: SocketAddr, durability: &Durability) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    writeln!(out, "  sessions  http://{address}/session_list.html")?;
    writeln!(out, "  record    http://{address}/pose_realtime.html")?;
    if !durability.is_durable() {
        writeln!(out, "  {durability}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_alone_are_taken() {
        for own in ["127.0.0.1:8787", "127.0.0.1:0", "[::1]:80", "localhost:8080", "127.1.2.3:1"] {
            assert!(loopback(own).is_ok(), "{own}");
        }
        for refused in ["0.0.0.0:8787", "[::]:8787", "192.168.1.2:80", "example.org:80", "127.0.0.1", ""] {
            assert!(loopback(refused).is_err(), "{refused}");
        }
    }
}
