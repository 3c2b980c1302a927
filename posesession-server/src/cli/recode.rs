//! `posesession recode`: sessions in another encoding, in their place.

use std::io::{self, Write as _};

use clap::Args;
use posesession_core::{Encoding, SessionRecording};
use posesession_store::{RecodeError, Recoded, recode_session};
use serde::Serialize;

use super::encoding_args::EncodingArgs;
use super::failure::{FAILED, WRONG_USAGE};
use super::{Failure, place_args::PlaceArgs, progress, session_choice, words};
use crate::{Access, Storage};

const EXAMPLES: &str = "\
Examples:
  posesession recode Squat --codec json
      to look at its frames with SQL
  posesession recode Squat --codec columnar
      and back
  posesession recode Squat Lunge --codec bounded --max-error x=5e-5,y=5e-5,z=5e-5,confidence=0.002
      a third of the size; what the bounds allow to be lost is lost for good

Frames are compared before they take the place of the old ones. A session that is recoded can be replayed meanwhile; what \
is broken off goes on when it is done again. Sessions that are being recorded are not recoded.

A session that is or was bounded keeps telling how far its values may be off: recoded to other bounds, the sum of both.";

/// Encodes sessions anew: columnar, bounded, or json for SQL
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Recode {
    /// The sessions: ids, beginnings of ids, or names
    #[arg(required = true)]
    sessions: Vec<String>,
    #[command(flatten)]
    encoding: EncodingArgs,
    /// Print a line of JSON for each session
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct Told<'a> {
    session: &'a SessionRecording,
    recoded_frames: u64,
    left_frames: u64,
    bytes_before: u64,
}

impl Recode {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let to = self.encoding.encoding()?.ok_or_else(|| {
            Failure::new(WRONG_USAGE, "--codec says what to recode to: columnar, bounded or json")
        })?;
        // Whether there is anything is found out first: recoding makes no database.
        self.place.open(Access::Read).await?.close().await;
        let storage = self.place.open(Access::Write).await?;
        let done = self.recode_all(&storage, &to).await;
        storage.close().await;
        done
    }

    /// Recodes one after the other. One that can't be recoded doesn't keep the others back.
    async fn recode_all(&self, storage: &Storage, to: &Encoding) -> Result<(), Failure> {
        let store = storage.store().as_ref();
        let mut sessions: Vec<SessionRecording> = Vec::new();
        for text in &self.sessions {
            let session = session_choice::find(store, text).await?;
            if sessions.iter().all(|known| known.id != session.id) {
                sessions.push(session);
            }
        }
        let mut failed = 0;
        for session in &sessions {
            let bar = progress::bytes_bar(&session.name);
            let recoded = recode_session(store, session.id, to, &mut progress::moving(&bar)).await;
            bar.finish_and_clear();
            match recoded {
                Ok(recoded) => self.tell(&recoded)?,
                Err(error) => {
                    failed += 1;
                    writeln!(io::stderr(), "failed        {}  {}", session.id, words::line(&session.name))?;
                    Failure::from(error).tell();
                }
            }
        }
        match failed {
            0 => Ok(()),
            _ => {
                Err(Failure::new(FAILED, format!("{failed} of {} sessions were not recoded", sessions.len())))
            }
        }
    }

    fn tell(&self, recoded: &Recoded) -> io::Result<()> {
        let Recoded { session, frames, bytes_before, left_frames } = recoded;
        if self.json {
            let told = Told {
                session,
                recoded_frames: *frames,
                left_frames: *left_frames,
                bytes_before: *bytes_before,
            };
            return super::write_json_line(&mut io::stdout().lock(), &told);
        }
        let mut out = io::stderr().lock();
        let done = if *frames > 0 { "recoded" } else { "as it was" };
        let (before, after) = (words::bytes(*bytes_before), words::bytes(session.stored_bytes));
        writeln!(out, "{done:<14}{}  {}: {before}, now {after}", session.id, words::line(&session.name))?;
        if *left_frames > 0 {
            let left = words::frames(*left_frames);
            writeln!(out, "{:<14}{left} with values for which JSON has no word stay columnar", "")?;
        }
        Ok(())
    }
}

impl From<RecodeError> for Failure {
    fn from(error: RecodeError) -> Self {
        match error {
            RecodeError::Store(error) => Self::from(error),
            error => Self::of(FAILED, &error),
        }
    }
}
