//! `posesession rm`: sessions away.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use chrono::Utc;
use clap::Args;
use posesession_core::SessionRecording;
use posesession_store::SessionQuery;

use super::failure::{FAILED, WRONG_USAGE};
use super::{Failure, place_args::PlaceArgs, session_choice, words};
use crate::{Access, Storage};

const EXAMPLES: &str = "\
Examples:
  posesession rm Squat
      ask, then delete it; the next server that runs erases it for good
  posesession rm --erase 0198c2a1
      erase it at once: frames, markers, images and video
  posesession rm --all --yes
      delete everything without asking";

/// Deletes sessions
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Rm {
    /// The sessions: ids, beginnings of ids, or names
    #[arg(required_unless_present = "all")]
    sessions: Vec<String>,
    /// All sessions
    #[arg(long, conflicts_with = "sessions")]
    all: bool,
    /// Erase at once what otherwise is hidden, and erased by a running server a minute later
    #[arg(long)]
    erase: bool,
    /// Don't ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

impl Rm {
    pub(super) async fn run(self) -> Result<(), Failure> {
        // Whether there is anything is found out first: deleting makes no database.
        self.place.open(Access::Read).await?.close().await;
        let storage = self.place.open(Access::Write).await?;
        let done = self.remove(&storage).await;
        storage.close().await;
        done
    }

    async fn remove(&self, storage: &Storage) -> Result<(), Failure> {
        let store = storage.store().as_ref();
        let mut sessions: Vec<SessionRecording> = Vec::new();
        if self.all {
            session_choice::visit(store, SessionQuery::default(), |session| sessions.push(session)).await?;
        }
        for text in &self.sessions {
            let session = session_choice::find(store, text).await?;
            if sessions.iter().all(|known| known.id != session.id) {
                sessions.push(session);
            }
        }
        if let Some(live) = sessions.iter().find(|session| session.status.is_live() && !self.yes) {
            let name = words::line(&live.name);
            let message = format!("`{name}` ({}) is being recorded: stop it first, or give --yes", live.id);
            return Err(Failure::new(FAILED, message));
        }
        if !self.yes && !sessions.is_empty() {
            self.ask(&sessions)?;
        }
        for session in &sessions {
            if self.erase {
                // Media first: what they belong to is still known if that breaks off.
                if let Some(media) = storage.media() {
                    media.delete_session(session.id).await.map_err(|error| Failure::of(FAILED, &error))?;
                }
                store.erase_session(session.id).await?;
            } else {
                store.delete_session(session.id, Utc::now()).await?;
            }
            let done = if self.erase { "erased" } else { "deleted" };
            writeln!(io::stderr(), "{done} {}  {}", session.id, words::line(&session.name))?;
        }
        Ok(())
    }

    /// Asks whoever sits at the terminal.
    fn ask(&self, sessions: &[SessionRecording]) -> Result<(), Failure> {
        if !io::stdin().is_terminal() {
            return Err(Failure::new(
                WRONG_USAGE,
                "nobody can be asked here: give --yes to delete without asking",
            ));
        }
        let mut out = io::stderr().lock();
        for session in sessions {
            let (name, frames) = (words::line(&session.name), words::frames(session.frame_count));
            writeln!(out, "  {}  {name}, {frames}, {}", session.id, words::length(session.duration))?;
        }
        let verb = if self.erase { "Erase for good" } else { "Delete" };
        write!(out, "{verb}? [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::new(FAILED, "nothing was deleted")),
        }
    }
}
