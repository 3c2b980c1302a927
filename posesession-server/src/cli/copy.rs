//! `posesession copy`: sessions from one place to another, whole.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use posesession_core::SessionRecording;
use posesession_store::{Copied, Place, SessionQuery, TransferError, copy_session};

use super::failure::FAILED;
use super::{Failure, progress, session_choice, words};
use crate::{Access, Storage, StoragePlace};

const EXAMPLES: &str = "\
Examples:
  posesession copy data postgres://me@localhost/poses --to-media /srv/media
      all sessions of a data folder into Postgres
  posesession copy ./data laptop.db --session Squat
      one session into a file

Copies are verified. What is at the destination already is left as it is; a copy that was broken off goes on where \
it stopped. Sessions that are being recorded are left out.";

/// Copies sessions with their media from one place to another
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Copy {
    /// Where they are: a folder, an SQLite file, or postgres://user@host/database
    #[arg(value_name = "SRC")]
    from: StoragePlace,
    /// Where they go, made if need be
    #[arg(value_name = "DST")]
    to: StoragePlace,
    /// Only this session: an id, a beginning of an id, or a name; can stand several times
    #[arg(long = "session", value_name = "SESSION")]
    sessions: Vec<String>,
    /// The folder with the source's images and videos, if they are elsewhere; for Postgres, ./data/media without it
    #[arg(long, value_name = "DIR")]
    from_media: Option<PathBuf>,
    /// The folder for the destination's images and videos, if they go elsewhere; for Postgres, ./data/media without it
    #[arg(long, value_name = "DIR")]
    to_media: Option<PathBuf>,
}

impl Copy {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let with_media = |place: &StoragePlace, media: &Option<PathBuf>| match media {
            Some(media) => place.clone().with_media(media),
            None => place.clone(),
        };
        let from = with_media(&self.from, &self.from_media).open(Access::Read).await?;
        let (sessions, damaged) = self.chosen(&from).await?;
        let to = with_media(&self.to, &self.to_media).open(Access::Write).await?;
        let done = copy_all(&sessions, &from, &to).await;
        to.close().await;
        done.and_then(|()| session_choice::left_out(damaged))
    }

    /// Returns the sessions to be copied, and how many are too damaged for it.
    async fn chosen(&self, from: &Storage) -> Result<(Vec<SessionRecording>, usize), Failure> {
        let store = from.store().as_ref();
        let mut sessions = Vec::new();
        for text in &self.sessions {
            sessions.push(session_choice::find(store, text).await?);
        }
        let mut damaged = 0;
        if self.sessions.is_empty() {
            damaged = session_choice::visit(store, SessionQuery::default(), |session| {
                if session.status.is_live() {
                    eprintln!(
                        "left out, as it is being recorded: {}  {}",
                        session.id,
                        words::line(&session.name)
                    );
                } else {
                    sessions.push(session);
                }
            })
            .await?;
        }
        Ok((sessions, damaged))
    }
}

/// Copies one after the other. One that can't be copied doesn't keep the others back.
async fn copy_all(sessions: &[SessionRecording], from: &Storage, to: &Storage) -> Result<(), Failure> {
    let mut failed = 0;
    for session in sessions {
        let copied = copy(session, from, to).await;
        let said = match &copied {
            Ok(Copied::New(_)) => "copied",
            Ok(Copied::AlreadyThere(_)) => "there already",
            Err(_) => "failed",
        };
        writeln!(io::stderr(), "{said:<14}{}  {}", session.id, words::line(&session.name))?;
        if let Err(error) = copied {
            failed += 1;
            Failure::from(error).tell();
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(FAILED, format!("{failed} of {} sessions were not copied", sessions.len()))),
    }
}

async fn copy(session: &SessionRecording, from: &Storage, to: &Storage) -> Result<Copied, TransferError> {
    let bar = progress::bytes_bar(&session.name);
    let copied = copy_session(place(from), place(to), session.id, &mut progress::moving(&bar)).await;
    bar.finish_and_clear();
    copied
}

fn place(storage: &Storage) -> Place<'_> {
    Place { sessions: storage.store().as_ref(), media: storage.media().map(Arc::as_ref) }
}
