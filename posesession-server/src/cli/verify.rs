//! `posesession verify`: whether everything that was stored is still there and right.

use std::io::{self, Write as _};
use std::sync::Arc;

use clap::Args;
use posesession_core::SessionId;
use posesession_store::{Finding, Place, Severity, Verified, verify};
use serde::Serialize;

use super::failure::DAMAGED;
use super::{Failure, place_args::PlaceArgs, progress, session_choice, words};
use crate::Access;

const EXAMPLES: &str = "\
Examples:
  posesession verify
      all sessions and media of ./data
  posesession verify --database laptop.db Squat
      one session of a file
  posesession verify --json | jq '.findings[] | select(.severity == \"damage\")'
      what is damaged, for programs

Every chunk is decoded and its checksum checked; frames, times, markers, images, videos and the database's own order are \
compared with each other. Nothing is changed, and a server may be recording meanwhile.

Ends with code 0 if everything is sound, with 8 if something is damaged, and with 4 if there is nothing that could be \
opened: `posesession recover` gets out of it what is intact.";

/// Checks everything that is stored, and changes nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    /// Only these sessions: ids, beginnings of ids, or names; all without
    sessions: Vec<String>,
    /// Print one JSON object: totals, and findings with severity, session, where and what
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct Told<'a> {
    sound: bool,
    #[serde(flatten)]
    verified: &'a Verified,
}

impl Verify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let storage = self.place.open(Access::Read).await?;
        let store = storage.store().as_ref();
        let mut only: Vec<SessionId> = Vec::new();
        for text in &self.sessions {
            // An id is taken as it is: whether its session can be read is what is to be found out.
            only.push(match text.parse() {
                Ok(id) => id,
                Err(_) => session_choice::find(store, text).await?.id,
            });
        }
        let bar = progress::bytes_bar("verify");
        let place = Place { sessions: store, media: storage.media().map(Arc::as_ref) };
        let verified = verify(place, &only, &mut progress::moving(&bar)).await;
        bar.finish_and_clear();
        storage.close().await;
        if self.json {
            let told = Told { sound: verified.is_sound(), verified: &verified };
            super::write_json_line(&mut io::stdout().lock(), &told)?;
        } else {
            tell(&verified)?;
        }
        result(&verified)
    }
}

/// Prints what was found, damage first, and how much was looked at.
fn tell(verified: &Verified) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for severity in [Severity::Damage, Severity::Note] {
        for Finding { session, place, what, .. } in
            verified.findings.iter().filter(|finding| finding.severity == severity)
        {
            let session = session.map_or(String::new(), |id| format!("  {id}"));
            writeln!(out, "{:<8}{session}  {place}: {}", severity.as_str(), words::line(what))?;
        }
    }
    out.flush()?;
    let Verified { sessions, chunks, frames, images, videos, bytes, .. } = verified;
    let sound = if verified.is_sound() { "sound" } else { "damaged" };
    writeln!(
        io::stderr(),
        "{sound}: {sessions} sessions, {frames} frames in {chunks} chunks, {images} images, {videos} videos, {} read",
        words::bytes(*bytes)
    )
}

fn result(verified: &Verified) -> Result<(), Failure> {
    let damaged = verified.findings.iter().filter(|finding| finding.severity == Severity::Damage).count();
    match damaged {
        0 => Ok(()),
        _ => Err(Failure::new(
            DAMAGED,
            format!(
                "{damaged} findings of damage: `posesession recover` copies what is intact to a new place"
            ),
        )),
    }
}
