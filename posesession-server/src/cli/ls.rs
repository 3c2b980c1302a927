//! `posesession ls`: the sessions there are.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use posesession_core::{SessionId, SessionRecording, SessionStatus};
use posesession_store::{SessionQuery, SessionSort};

use super::text_table::{TextTable, terminal_width};
use super::{Failure, place_args::PlaceArgs, session_choice, words};
use crate::Access;

const EXAMPLES: &str = "\
Examples:
  posesession ls
      all sessions, newest first
  posesession ls squat anna
      those with both words in name, description or metadata
  posesession ls --sort duration --limit 5
      the five longest
  posesession ls --json | jq -r .id
      one JSON object a line, as in the HTTP API";

/// Lists the sessions
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Ls {
    /// Words that all must occur in the session's name, description or metadata
    words: Vec<String>,
    /// Only sessions of this status: recording, paused, processing, completed, interrupted or failed
    #[arg(long)]
    status: Option<SessionStatus>,
    /// What to sort by; the latest, longest or largest comes first, names from A to Z
    #[arg(long, value_enum, default_value_t = Sort::Created)]
    sort: Sort,
    /// The other way round
    #[arg(long, short)]
    reverse: bool,
    /// How many at most
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<usize>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    Created,
    Name,
    Duration,
    Frames,
}

impl Ls {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let storage = self.place.open(Access::Read).await?;
        let query = SessionQuery {
            search: (!self.words.is_empty()).then(|| self.words.join(" ")),
            status: self.status,
            sort: match self.sort {
                Sort::Created => SessionSort::CreatedAt,
                Sort::Name => SessionSort::Name,
                Sort::Duration => SessionSort::Duration,
                Sort::Frames => SessionSort::FrameCount,
            },
            descending: (self.sort != Sort::Name) != self.reverse,
            ..SessionQuery::default()
        };
        let mut sessions = Vec::new();
        let limit = self.limit.unwrap_or(usize::MAX);
        let damaged = session_choice::visit(storage.store().as_ref(), query, |session| {
            if sessions.len() < limit {
                sessions.push(session);
            }
        })
        .await?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            for session in &sessions {
                super::write_json_line(&mut out, session)?;
            }
        } else if sessions.is_empty() {
            let all = self.words.is_empty() && self.status.is_none();
            let hint = if all { "no sessions yet" } else { "no session is like that" };
            eprintln!("{hint}");
        } else {
            table(&sessions).write(&mut out, terminal_width())?;
        }
        out.flush()?;
        session_choice::left_out(damaged)
    }
}

fn table(sessions: &[SessionRecording]) -> TextTable<7> {
    let ids: Vec<SessionId> = sessions.iter().map(|session| session.id).collect();
    let shown = if terminal_width().is_some() { distinct_length(&ids) } else { usize::MAX };
    let row = |session: &SessionRecording| {
        [
            session.id.to_string().chars().take(shown).collect(),
            words::line(&session.name),
            words::moment(session.created_at),
            words::length(session.duration),
            session.frame_count.to_string(),
            words::bytes(session.stored_bytes),
            session.status.to_string(),
        ]
    };
    TextTable {
        head: ["ID", "NAME", "CREATED", "LENGTH", "FRAMES", "SIZE", "STATUS"],
        is_number: [false, false, false, true, true, true, false],
        wide: 1,
        rows: sessions.iter().map(row).collect(),
    }
}

/// Returns how much of the ids has to be shown to tell them apart.
fn distinct_length(ids: &[SessionId]) -> usize {
    const LEAST: usize = 8;
    let mut sorted: Vec<String> = ids.iter().map(ToString::to_string).collect();
    sorted.sort();
    let shared = |pair: &[String]| match pair {
        [a, b] => a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count() + 1,
        _ => 0,
    };
    sorted.windows(2).map(shared).max().unwrap_or(0).max(LEAST)
}
