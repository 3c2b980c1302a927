//! `posesession show`: what there is to know of a session, and what it looks like.

mod quality;

use std::io::{self, IsTerminal as _, Write};

use clap::Args;
use posesession_core::{ChunkQuery, Frame, Marker, MarkerKind, SessionRecording, Timestamp};
use posesession_store::{SessionStore, StoreError};
use serde::Serialize;

use self::quality::Quality;
use super::text_table::terminal_width;
use super::{Failure, canvas, place_args::PlaceArgs, session_choice, words};
use crate::Access;

const EXAMPLES: &str = "\
Examples:
  posesession show Squat
      facts, how good the recording is, and a picture of the body
  posesession show Squat --at 3.2
      the picture of 3.2 s
  posesession show 0198c2a1 --json
      session, markers and quality as one JSON object";

/// How wide and high the picture is where the terminal doesn't say more.
const CANVAS_COLUMNS: usize = 64;
const CANVAS_ROWS: usize = 22;

/// Shows a session: facts, quality, the skeleton
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Show {
    /// The session: its id, a beginning of its id, or its name
    session: String,
    /// The moment to be drawn, in seconds; by default the first in which somebody is seen
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds)]
    at: Option<Timestamp>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct Shown<'a> {
    session: &'a SessionRecording,
    markers: &'a [Marker],
    quality: &'a Quality,
}

impl Show {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let storage = self.place.open(Access::Read).await?;
        let store = storage.store().as_ref();
        let session = session_choice::find(store, &self.session).await?;
        let markers = store.markers(session.id).await?;
        let quality = Quality::of(store, &session, &markers).await?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            let shown = Shown { session: &session, markers: &markers, quality: &quality };
            super::write_json_line(&mut out, &shown)?;
            return Ok(out.flush()?);
        }
        facts(&mut out, &session)?;
        quality.write(&mut out)?;
        list_markers(&mut out, &markers)?;
        if let Some(frame) = self.frame(store, &session, &quality).await? {
            draw(&mut out, &session, &frame)?;
        }
        Ok(out.flush()?)
    }

    async fn frame(
        &self,
        store: &dyn SessionStore,
        session: &SessionRecording,
        quality: &Quality,
    ) -> Result<Option<Frame>, StoreError> {
        let query = match (self.at, quality.first_seen) {
            _ if session.frame_count == 0 => return Ok(None),
            (Some(at), _) => ChunkQuery::Time(at.clamp(Timestamp::ZERO, session.duration)),
            (None, Some(frame_number)) => ChunkQuery::Frame(frame_number),
            (None, None) => return Ok(None),
        };
        let chunk = store.covering_chunk(session.id, query).await?.chunk;
        let frame_number = match query {
            ChunkQuery::Frame(frame_number) => Some(frame_number),
            ChunkQuery::Time(at) => chunk.frame_at(at),
        };
        Ok(frame_number.and_then(|frame_number| chunk.frame(frame_number)))
    }
}

fn facts(out: &mut impl Write, session: &SessionRecording) -> io::Result<()> {
    let mut fact = |name: &str, text: &str| writeln!(out, "{name:<14}{text}");
    fact("name", &words::line(&session.name))?;
    fact("id", &session.id.to_string())?;
    if !session.description.is_empty() {
        fact("description", &words::line(&session.description))?;
    }
    fact("created", &words::moment(session.created_at))?;
    fact("status", session.status.as_str())?;
    fact(
        "length",
        &format!("{} in {}", words::length(session.duration), words::frames(session.frame_count)),
    )?;
    let per_frame = session.stored_bytes.checked_div(session.frame_count);
    let per_frame = per_frame.map(|bytes| format!(", {bytes} a frame")).unwrap_or_default();
    fact("size", &format!("{}{per_frame}", words::bytes(session.stored_bytes)))?;
    fact("encoding", &words::encoding(&session.encoding))?;
    if let Some(skeleton) = &session.skeleton {
        let parts: Vec<String> = skeleton
            .components
            .iter()
            .map(|part| {
                let channels: Vec<&str> = part.channels.iter().map(|channel| channel.name.as_str()).collect();
                format!("{} {} x {}", part.name, part.keypoints.len(), channels.join(", "))
            })
            .collect();
        fact("skeleton", &words::line(&format!("{} ({})", skeleton.name, parts.join("; "))))?;
    }
    if let Some(video) = &session.video_file_path {
        fact("video", &words::line(video))?;
    }
    for (key, value) in session.metadata.iter().filter(|(key, _)| key.as_str() != "video") {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fact(&format!("{:<13} ", words::line(key)), &words::line(&value))?;
    }
    Ok(())
}

fn list_markers(out: &mut impl Write, markers: &[Marker]) -> io::Result<()> {
    const MOST: usize = 20;
    let marks: Vec<&Marker> = markers.iter().filter(|marker| marker.kind == MarkerKind::User).collect();
    for mark in marks.iter().take(MOST) {
        writeln!(out, "{:<14}{}  {}", "mark", words::length(mark.timestamp), words::line(&mark.label))?;
    }
    if marks.len() > MOST {
        writeln!(out, "{:<14}and {} more", "", marks.len() - MOST)?;
    }
    Ok(())
}

/// Returns how wide the recorded picture was for its height: keypoints are parts of both. A camera's usual 16:9 if nobody
/// noted it.
fn aspect(session: &SessionRecording) -> f32 {
    let side = |name| session.metadata.get(name).and_then(serde_json::Value::as_u64);
    let side = |name| side(name).and_then(|side| u16::try_from(side).ok()).filter(|&side| side > 0);
    match (side("image_width"), side("image_height")) {
        (Some(width), Some(height)) => f32::from(width) / f32::from(height),
        _ => 16.0 / 9.0,
    }
}

fn draw(out: &mut impl Write, session: &SessionRecording, frame: &Frame) -> io::Result<()> {
    let Some(skeleton) = &session.skeleton else { return Ok(()) };
    let columns = terminal_width().unwrap_or(CANVAS_COLUMNS).min(CANVAS_COLUMNS);
    let is_coloured =
        io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let lines = canvas::draw(skeleton, &frame.pose_data, aspect(session), columns, CANVAS_ROWS, is_coloured);
    let seen = if lines.is_empty() { ": nobody is seen" } else { "" };
    writeln!(out, "\nframe {} at {}{seen}\n", frame.frame_number, frame.timestamp)?;
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}
