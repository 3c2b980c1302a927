//! Gets out of a damaged SQLite database what is intact. A file in, sessions at another place out.

mod lost;
mod plan;
mod writing;

use std::collections::{BTreeSet, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use object_store::path::Path as ObjectPath;
use posesession_core::{SessionId, UserId};
use serde::Serialize;
use thiserror::Error;
use uuid::Uuid;

pub use self::lost::LostPart;
use crate::error::StoreError;
use crate::finding::{Finding, Severity};
use crate::media::{MediaError, MediaObject, MediaStore};
use crate::query::NewUser;
use crate::sqlite::salvage::{FoundObject, Piece, Salvage};
use crate::transfer::{ObjectFailure, OnProgress, Place, Progress};
use crate::verify::{Verified, said, verify};

/// What came of recovering a database.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Recovered {
    /// The sessions that are there now.
    pub sessions: Vec<RecoveredSession>,
    /// How many chunks were intact; all of them are there now.
    pub chunks: u64,
    /// How many frames they have.
    pub frames: u64,
    /// What is known to be lost.
    pub lost: Vec<LostPart>,
    /// How many pages of the file hold something that nothing could be made of, or that was not read since rows that lie over each
    /// other would have cost too much. If there are some, sessions of which neither facts nor frames are left may be lost beside
    /// what is listed.
    pub unreadable_pages: u64,
    /// What a look at the new place found: nothing is damaged but media that were lost.
    pub verified: Verified,
}

/// A session that was recovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveredSession {
    /// Its id; a new one if the old one is lost.
    pub id: SessionId,
    /// Its name.
    pub name: String,
    /// How many frames it has now.
    pub frames: u64,
    /// How many frames of it are known to be lost.
    pub lost_frames: u64,
    /// Whether its own facts (name, metadata...) were still there.
    pub has_facts: bool,
}

/// Reads a damaged SQLite database, with its log, and writes every intact chunk to a place that is empty.
///
/// The file is read page by page and never written; SQLite needn't be able to open it. Facts of sessions, markers, users and media
/// come along as far as they are readable. Media in a folder are copied from `media`.
///
/// Where chunks are lost in the middle of a session, the frames behind them go on under the next numbers, at their own times, and a
/// `gap` marker of the cause `lost` tells how many are missing and which numbers the frames had. Frames whose session is lost
/// become a session called `recovered ...`.
///
/// # Errors
///
/// [`RecoverError`]. What was written by then stays.
pub async fn recover(
    database: impl AsRef<Path>,
    media: Option<&MediaStore>,
    to: Place<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Recovered, RecoverError> {
    let path = database.as_ref().to_owned();
    let unreadable = |source| RecoverError::File { path: path.clone(), source };
    let file = path.clone();
    let reading = tokio::task::spawn_blocking(move || {
        (!has_hot_journal(&file)).then(|| Salvage::read(&file)).transpose()
    });
    let salvage = reading.await.map_err(std::io::Error::other).and_then(|read| read).map_err(unreadable)?;
    let Some(salvage) = salvage else { return Err(RecoverError::Journal { path }) };
    let total_bytes = salvage.chunks.iter().map(|chunk| u64::from(chunk.header.payload_bytes)).sum();
    let progress = Progress { done_bytes: 0, total_bytes };
    let mut recovering = Recovering {
        to,
        progress,
        on_progress,
        users: HashMap::new(),
        lost: Vec::new(),
        sessions: Vec::new(),
    };
    recovering.advance(0);
    recovering.run(&salvage, media).await?;
    if recovering.sessions.is_empty() {
        return Err(RecoverError::NothingFound { path });
    }
    let verified = verify(to, &[], &mut |_progress| {}).await;
    recovering.judge(&salvage, verified)
}

/// A recovery under way.
struct Recovering<'a> {
    to: Place<'a>,
    progress: Progress,
    on_progress: OnProgress<'a>,
    /// The users at the destination, by their ids in the file.
    users: HashMap<i64, UserId>,
    lost: Vec<LostPart>,
    sessions: Vec<RecoveredSession>,
}

impl Recovering<'_> {
    async fn run(&mut self, salvage: &Salvage, media: Option<&MediaStore>) -> Result<(), RecoverError> {
        self.create_users(salvage).await?;
        let plans = plan::plans(salvage);
        let known: BTreeSet<SessionId> = salvage.sessions.values().map(|facts| facts.id).collect();
        let mut folders = self.unclaimed(media, &known).await;
        for plan in &plans {
            let id = match plan.facts {
                Some(facts) => facts.id,
                // Media tell whose they are: if those of one session are left, they are this one's.
                None if plans.iter().filter(|plan| plan.facts.is_none()).count() == 1
                    && folders.len() == 1 =>
                {
                    folders.pop().unwrap_or_else(fresh_id)
                }
                None => fresh_id(),
            };
            let (mut at, mut written) = (id, self.write(salvage, plan, id).await);
            if let Err(StoreError::SessionExists { .. }) = written {
                // Another row has its id: of two, one is made of damaged bytes.
                at = fresh_id();
                written = self.write(salvage, plan, at).await;
            }
            let mut written = match written {
                Ok(written) => written,
                Err(error @ StoreError::Backend { .. }) => return Err(RecoverError::Write(error)),
                Err(error) => {
                    self.give_up(plan, (id, at), &error).await?;
                    continue;
                }
            };
            self.lost.append(&mut written.lost);
            if written.id == id {
                self.copy_media(salvage, media, id).await?;
            }
            let id = written.id;
            for what in plan.facts.iter().flat_map(|facts| &facts.lost) {
                self.lose(Some(id), Some(&written.name), format!("its {what}"));
            }
            if plan.facts.is_none() {
                self.lose(Some(id), Some(&written.name), "its name and all its other facts".to_owned());
            }
            let writing::Written { id, name, frames, lost_frames, .. } = written;
            let has_facts = plan.facts.is_some();
            self.sessions.push(RecoveredSession { id, name, frames, lost_frames, has_facts });
        }
        for path in &salvage.lost_objects {
            self.lose(
                path.split('/').next().and_then(|id| id.parse().ok()),
                None,
                format!("the media object `{path}`"),
            );
        }
        Ok(())
    }

    fn lose(&mut self, session: Option<SessionId>, name: Option<&str>, what: String) {
        self.lost.push(LostPart { session, name: name.map(str::to_owned), frames: None, what });
    }

    async fn write(
        &mut self,
        salvage: &Salvage,
        plan: &plan::Plan<'_>,
        id: SessionId,
    ) -> Result<writing::Written, StoreError> {
        let owner = plan.facts.and_then(|facts| self.users.get(&facts.user_id));
        let (store, owner) = (self.to.sessions, owner.copied().unwrap_or(UserId::LOCAL));
        writing::write(store, salvage, plan, (id, owner), &mut |bytes| self.advance(bytes)).await
    }

    /// Lists the sessions that have media and are not known.
    async fn unclaimed(&mut self, media: Option<&MediaStore>, known: &BTreeSet<SessionId>) -> Vec<SessionId> {
        let Some(media) = media else { return Vec::new() };
        match media.folders().await {
            Ok(folders) => {
                let ids = folders.iter().filter_map(|folder| folder.parse().ok());
                ids.filter(|id| !known.contains(id)).collect()
            }
            Err(error) => {
                self.lose(None, None, format!("media whose session is lost: {}", said(&error)));
                Vec::new()
            }
        }
    }

    /// Notes a session that the new place doesn't take, neither by its own id nor where another one has that, and leaves nothing of
    /// it there.
    async fn give_up(
        &mut self,
        plan: &plan::Plan<'_>,
        (id, at): (SessionId, SessionId),
        error: &StoreError,
    ) -> Result<(), RecoverError> {
        // Another row of this id may have been recovered before.
        let is_there = self.sessions.iter().any(|session| session.id == at);
        if !is_there {
            match self.to.sessions.erase_session(at).await {
                Ok(()) | Err(StoreError::SessionNotFound { .. }) => {}
                Err(error) => return Err(RecoverError::Write(error)),
            }
        }
        let mut what = format!("the whole session: it could not be written: {}", said(error));
        if plan.facts.is_none() {
            what.push_str("; how many more frames it had is not known");
        }
        self.lost.push(LostPart {
            // Who looks for it by an id that another session has finds that one.
            session: (at == id && !is_there).then_some(id),
            name: plan.facts.map(|facts| facts.name.clone()),
            frames: Some(0..plan.end_frame()).filter(|frames| !frames.is_empty()),
            what,
        });
        Ok(())
    }

    async fn create_users(&mut self, salvage: &Salvage) -> Result<(), RecoverError> {
        for (&id, user) in &salvage.users {
            let user_id = if id == UserId::LOCAL.0 {
                UserId::LOCAL
            } else {
                let new = NewUser {
                    username: user.username.clone(),
                    email: user.email.clone(),
                    password: user.password.clone(),
                };
                match self.to.sessions.create_user(new).await {
                    Ok(user) => user.id,
                    Err(StoreError::UsernameTaken { .. } | StoreError::BadArgument { .. }) => UserId::LOCAL,
                    Err(error) => return Err(RecoverError::Write(error)),
                }
            };
            self.users.insert(id, user_id);
        }
        Ok(())
    }

    /// Copies a session's media, from the folder beside the database and out of it. What can't be read is lost.
    async fn copy_media(
        &mut self,
        salvage: &Salvage,
        media: Option<&MediaStore>,
        id: SessionId,
    ) -> Result<(), RecoverError> {
        let Some(to) = self.to.media else { return Ok(()) };
        if let Some(from) = media {
            match from.session_objects(id).await {
                Ok(objects) => {
                    for object in objects {
                        let copied = async {
                            let bytes = from.object_stream(&object).await.map_err(ObjectFailure::Read)?;
                            to.put_object(&object, bytes.map_err(ObjectFailure::Read).boxed()).await
                        };
                        let copied = copied.await;
                        self.note_copied(id, object.path.as_ref(), copied)?;
                    }
                }
                Err(error) => self.lose(Some(id), None, format!("its media: {}", said(&error))),
            }
        }
        let own = format!("{id}/");
        for FoundObject { path, pieces } in
            salvage.objects.iter().filter(|object| object.path.starts_with(&own))
        {
            let Ok(location) = ObjectPath::parse(path) else {
                self.lose(Some(id), None, format!("the media object `{path}`: it has no such name"));
                continue;
            };
            let parts = pieces.chunks(256).map(|part| {
                let bytes = salvage.bytes(part).map(Bytes::from);
                bytes.map_err(|error| {
                    ObjectFailure::Read(MediaError::Backend {
                        operation: "read media out of the database",
                        source: Box::new(error),
                    })
                })
            });
            let size = pieces.iter().map(Piece::bytes).sum();
            let object = MediaObject { path: location, size };
            let copied = to.put_object(&object, stream::iter(parts).boxed()).await;
            self.note_copied(id, path, copied)?;
        }
        Ok(())
    }

    /// Notes an object that can't be read. One that can't be written ends the recovery: the new place is at fault.
    fn note_copied<T>(
        &mut self,
        session: SessionId,
        path: &str,
        copied: Result<T, ObjectFailure>,
    ) -> Result<(), RecoverError> {
        match copied {
            Ok(_) => Ok(()),
            Err(ObjectFailure::Write(error)) => Err(RecoverError::Media(error)),
            Err(ObjectFailure::Read(error)) => {
                self.lose(Some(session), None, format!("the media object `{path}`: {}", said(&error)));
                Ok(())
            }
        }
    }

    /// Says what came of it, if the new place is sound but for media that were lost before.
    fn judge(mut self, salvage: &Salvage, verified: Verified) -> Result<Recovered, RecoverError> {
        let is_of_media = |finding: &Finding| {
            finding.place == "media" || finding.place == "video" || finding.place.starts_with("images of")
        };
        let damage = || verified.findings.iter().filter(|finding| finding.severity == Severity::Damage);
        if let Some(finding) = damage().find(|finding| !is_of_media(finding)) {
            return Err(RecoverError::NotSound { place: finding.place.clone(), what: finding.what.clone() });
        }
        for finding in damage() {
            let (session, what) = (finding.session, format!("{}: {}", finding.place, finding.what));
            self.lost.push(LostPart { session, name: None, frames: None, what });
        }
        Ok(Recovered {
            chunks: verified.chunks,
            frames: self.sessions.iter().map(|session| session.frames).sum(),
            sessions: self.sessions,
            lost: self.lost,
            unreadable_pages: salvage.unreadable_pages,
            verified,
        })
    }

    fn advance(&mut self, bytes: u64) {
        let Progress { done_bytes, total_bytes } = self.progress;
        self.progress.done_bytes = (done_bytes + bytes).min(total_bytes);
        (self.on_progress)(self.progress);
    }
}

/// Returns whether a rollback journal lies beside a database that says what to put back (SQLite's file format, section 3).
fn has_hot_journal(path: &Path) -> bool {
    const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    let mut head = [0; 8];
    std::fs::File::open(name).is_ok_and(|mut journal| journal.read_exact(&mut head).is_ok() && head == MAGIC)
}

fn fresh_id() -> SessionId {
    SessionId(Uuid::now_v7())
}

/// Why a database was not recovered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// The file can't be read.
    #[error("`{}` can't be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A commit was under way without a log: its rollback journal, which only SQLite can apply, lies beside the file.
    #[error(
        "`{}` has a rollback journal beside it: let SQLite undo what a commit had begun (`sqlite3 FILE .tables`); if it can't open \
         the database, move the journal away, and recover what the file itself holds",
        path.display()
    )]
    Journal {
        /// The file.
        path: PathBuf,
    },
    /// No session and no chunk was found in the file.
    #[error("`{}` holds nothing of a session that could be recovered", path.display())]
    NothingFound {
        /// The file.
        path: PathBuf,
    },
    /// The destination can't be written.
    #[error("what was recovered can't be written")]
    Write(#[source] StoreError),
    /// Media can't be read or written.
    #[error("the media can't be copied")]
    Media(#[source] MediaError),
    /// What was written is not sound. This is a fault of the program.
    #[error("what was recovered is not sound: {place}: {what}")]
    NotSound {
        /// What is not as it should be.
        place: String,
        /// What is the matter with it.
        what: String,
    },
}
