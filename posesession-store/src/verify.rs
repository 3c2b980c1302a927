//! Looks whether everything that was stored is still there and right. A place in, what was found out; nothing is changed.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
mod frames;
mod media;

use std::borrow::Cow;

use posesession_core::{SessionId, SessionRecording, Timestamp, UserId};
use serde::Serialize;

use crate::error::StoreError;
use crate::finding::{Finding, Severity};
use crate::query::{SessionPage, SessionQuery};
use crate::transfer::{OnProgress, Place, Progress};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use rows::{ChunkRow, ChunkRows, SessionRow, session_facts};

/// How often a session is looked at that is changed each time meanwhile.
const MOST_LOOKS: usize = 3;

/// What a look at a place found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// How many sessions were looked at.
    pub sessions: u64,
    /// How many chunks were decoded, their checksums right.
    pub chunks: u64,
    /// How many frames they have.
    pub frames: u64,
    /// How many images of frames are there.
    pub images: u64,
    /// How many videos are there.
    pub videos: u64,
    /// How many bytes of chunks and media were read.
    pub bytes: u64,
    /// All that is not as it should be.
    pub findings: Vec<Finding>,
}

impl Verified {
    /// Returns whether nothing is damaged; there may be notes.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Note)
    }
}

/// Reads everything of some sessions, or of all if none is named, and checks it.
///
/// - Every chunk is decoded, its checksum checked; frames go from 0 without holes or overlaps, their timestamps rise, and the
///   session's facts (frames, duration, bytes, skeleton, bounds) agree with them.
/// - Every image that a frame names is there in its whole length and begins like a JPEG or WebP; a video is there and begins
///   like its type, and one that was joined here is as long as it says and readable to its end.
/// - What the back end can tell of itself ([`SessionStore::self_check`](crate::SessionStore::self_check)) is told.
///
/// Nothing is changed, and the place may be in use meanwhile: what is being recorded is checked as far as it was there at the
/// start. What can't be read is a finding, not an error, so that the rest is looked at.
///
/// # Examples
///
/// ```
/// use posesession_store::{MemoryStore, NewSession, Place, SessionStore, verify};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// store.create_session(NewSession::named("Squat")).await?;
/// let verified = verify(Place { sessions: &store, media: None }, &[], &mut |_progress| {}).await;
/// assert!(verified.is_sound() && verified.sessions == 1);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub async fn verify(place: Place<'_>, only: &[SessionId], on_progress: OnProgress<'_>) -> Verified {
    let progress = Progress { done_bytes: 0, total_bytes: 0 };
    let mut verifier = Verifier { place, verified: Verified::default(), progress, on_progress };
    verifier.run(only).await;
    verifier.verified
}

/// A look under way.
struct Verifier<'a> {
    place: Place<'a>,
    verified: Verified,
    progress: Progress,
    on_progress: OnProgress<'a>,
}

impl Verifier<'_> {
    async fn run(&mut self, only: &[SessionId]) {
        match self.place.sessions.self_check(only).await {
            Ok(findings) => self.verified.findings.extend(findings),
            Err(error) => self.find(Finding::damage(None, "database", said(&error))),
        }
        let sessions = if only.is_empty() { self.all_sessions().await } else { self.chosen(only).await };
        self.progress.total_bytes = sessions.iter().map(|session| session.stored_bytes).sum();
        self.advance(0);
        for session in &sessions {
            self.verified.sessions += 1;
            self.check_steady(session).await;
        }
        if only.is_empty() {
            media::check_orphans(self, &sessions).await;
        }
        self.progress.done_bytes = self.progress.total_bytes;
        self.advance(0);
    }

    /// Checks a session, anew if something looked wrong and the session was changed or deleted meanwhile.
    async fn check_steady(&mut self, session: &SessionRecording) {
        let before = self.verified.clone();
        let mut session = Cow::Borrowed(session);
        for _ in 0..MOST_LOOKS {
            let images = frames::check(self, &session).await;
            self.check_markers(&session).await;
            media::check_session(self, &session, images).await;
            if self.verified.findings.len() == before.findings.len() {
                return;
            }
            match self.place.sessions.read_session(session.id).await {
                Ok(now) if now != *session => session = Cow::Owned(now),
                Err(StoreError::SessionNotFound { .. }) => {
                    self.verified = before;
                    return;
                }
                Ok(_) | Err(_) => return,
            }
            self.verified = before.clone();
        }
    }

    /// Lists the sessions of all users.
    async fn all_sessions(&mut self) -> Vec<SessionRecording> {
        let users = match self.place.sessions.list_users().await {
            Ok(users) => users.into_iter().map(|user| user.id).collect(),
            Err(error) => {
                self.find(Finding::damage(None, "users", said(&error)));
                vec![UserId::LOCAL]
            }
        };
        let mut sessions = Vec::new();
        for user_id in users {
            let mut query =
                SessionQuery { user_id, limit: SessionQuery::MAX_LIMIT, ..SessionQuery::default() };
            loop {
                let SessionPage { sessions: page, damaged, next } =
                    match self.place.sessions.list_sessions(&query).await {
                        Ok(page) => page,
                        Err(error) => {
                            self.find(Finding::damage(None, "the list of sessions", said(&error)));
                            break;
                        }
                    };
                for row in damaged {
                    self.find(Finding::damage(row.id.parse().ok(), "session", row.what));
                }
                sessions.extend(page);
                query.cursor = next;
                if query.cursor.is_none() {
                    break;
                }
            }
        }
        sessions
    }

    async fn chosen(&mut self, only: &[SessionId]) -> Vec<SessionRecording> {
        let mut sessions = Vec::new();
        for &id in only {
            match self.place.sessions.read_session(id).await {
                Ok(session) => sessions.push(session),
                Err(error) => self.find(Finding::damage(id, "session", said(&error))),
            }
        }
        sessions
    }

    async fn check_markers(&mut self, session: &SessionRecording) {
        match self.place.sessions.markers(session.id).await {
            Err(error) => self.find(Finding::damage(session.id, "markers", said(&error))),
            Ok(markers) if !session.status.is_live() => {
                let outside = |at: Timestamp| at > session.duration || at.as_micros() < 0;
                for marker in markers.iter().filter(|marker| outside(marker.timestamp)) {
                    let at = marker.timestamp.as_secs_f64();
                    let what = format!("a marker of kind `{}` is at {at} s, outside", marker.kind.as_str());
                    self.find(Finding::note(session.id, "markers", what));
                }
            }
            Ok(_) => {}
        }
    }

    /// Notes a finding, unless the same was found before by another way.
    fn find(&mut self, finding: Finding) {
        if !self.verified.findings.contains(&finding) {
            self.verified.findings.push(finding);
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.verified.bytes += bytes;
        self.progress.done_bytes = (self.progress.done_bytes + bytes).min(self.progress.total_bytes);
        (self.on_progress)(self.progress);
    }
}

/// Returns an error with its causes as one line.
pub(crate) fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Returns whether a failure is one of the moment (a busy database), which says nothing about what is stored.
fn is_of_the_moment(error: &StoreError) -> bool {
    matches!(error, StoreError::Backend { retryable: true, .. } | StoreError::SessionNotFound { .. })
}
