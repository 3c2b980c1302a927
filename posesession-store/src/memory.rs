//! A store in memory, for tests, examples and sessions that nobody keeps. Batches in, chunks out.

mod entry;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use posesession_core::{
    Batch, ChunkIndex, ChunkQuery, Codec, EncodedChunk, Encoding, Marker, SessionId, SessionRecording,
    SessionStatus, User, UserId, decode, encode,
};

use self::entry::Entry;
use crate::checks::{self, bad};
use crate::durability::Durability;
use crate::encoded_run::{Encoded, EncodedRun};
use crate::error::StoreError;
use crate::listing::{Place, search_text, search_words};
use crate::query::{
    Appended, Compacted, EncodedStoredChunk, NewSession, NewUser, PublisherProgress, SessionChange,
    SessionPage, SessionQuery, SessionTotals, StoredChunk, Term,
};
use crate::store::SessionStore;

/// Keeps sessions in memory; they are gone with the store. Compaction joins chunks, it doesn't compress
/// them, so that values are exact whatever a session's encoding.
///
/// # Examples
///
/// ```
/// use posesession_store::{MemoryStore, NewSession, SessionStore};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let session = store.create_session(NewSession::named("Squat")).await?;
/// assert_eq!(store.read_session(session.id).await?.name, "Squat");
/// # Ok::<(), posesession_store::StoreError>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sessions: HashMap<SessionId, Entry>,
    users: BTreeMap<UserId, User>,
    last_key: u32,
    last_user: UserId,
}

impl MemoryStore {
    /// Makes a store without sessions, with the one user `local`.
    #[must_use]
    pub fn new() -> Self {
        let local = User {
            id: UserId::LOCAL,
            username: "local".to_owned(),
            email: String::new(),
            password: String::new(),
        };
        let state = State {
            sessions: HashMap::new(),
            users: BTreeMap::from([(UserId::LOCAL, local)]),
            last_key: 0,
            last_user: UserId::LOCAL,
        };
        Self { state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made after its last check, so a panic can't have left half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn entry(&self, id: SessionId) -> Result<&Entry, StoreError> {
        let entry = self.sessions.get(&id).filter(|entry| entry.deleted_at.is_none());
        entry.ok_or(StoreError::SessionNotFound { id })
    }

    fn entry_mut(&mut self, id: SessionId) -> Result<&mut Entry, StoreError> {
        let entry = self.sessions.get_mut(&id).filter(|entry| entry.deleted_at.is_none());
        entry.ok_or(StoreError::SessionNotFound { id })
    }

    /// Returns the sessions that all pages of a list have together.
    fn listed(&self, query: &SessionQuery) -> impl Iterator<Item = &SessionRecording> {
        let words = search_words(query);
        let (user_id, status) = (query.user_id, query.status);
        let there = self.sessions.values().filter(|entry| entry.deleted_at.is_none());
        there.map(|entry| &entry.recording).filter(move |session| {
            if session.user_id != user_id || status.is_some_and(|status| session.status != status) {
                return false;
            }
            let text = search_text(&session.name, &session.description, &session.metadata);
            words.iter().all(|word| text.contains(word))
        })
    }

    fn check_username(&self, username: &str, but: Option<UserId>) -> Result<(), StoreError> {
        if self.users.values().any(|user| user.username == username && Some(user.id) != but) {
            return Err(StoreError::UsernameTaken { username: username.to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    fn is_durable(&self) -> bool {
        false
    }

    fn durability(&self) -> Durability {
        Durability::not("the sessions are kept in memory")
    }

    async fn create_session(&self, new: NewSession) -> Result<SessionRecording, StoreError> {
        checks::new_session(&new)?;
        let mut state = self.lock();
        if state.sessions.contains_key(&new.id) {
            return Err(StoreError::SessionExists { id: new.id });
        }
        if !state.users.contains_key(&new.user_id) {
            return Err(StoreError::UserNotFound { id: new.user_id });
        }
        let key = state.last_key.checked_add(1);
        let key = key.ok_or_else(|| bad("the store has given out all its session keys".to_owned()))?;
        state.last_key = key;
        let recording = checks::recording_of(new);
        let entry = Entry {
            key,
            recording: recording.clone(),
            deleted_at: None,
            term: Term::FIRST,
            progress: PublisherProgress::default(),
            recoding: None,
            chunks: Vec::new(),
            index: ChunkIndex::default(),
            markers: Vec::new(),
        };
        state.sessions.insert(recording.id, entry);
        Ok(recording)
    }

    async fn read_session(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        Ok(self.lock().entry(id)?.recording.clone())
    }

    async fn list_sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        checks::query(query)?;
        let after = Place::from_cursor(query)?;
        let state = self.lock();
        let mut found: Vec<_> = state
            .listed(query)
            .map(|session| (Place::of(session, query.sort), session))
            .filter(|(place, _)| match &after {
                Some(after) if query.descending => place < after,
                Some(after) => place > after,
                None => true,
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| if query.descending { b.cmp(a) } else { a.cmp(b) });
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let next = found.last().filter(|_| more).map(|(place, _)| place.to_cursor(query));
        let sessions = found.into_iter().map(|(_, session)| session.clone()).collect();
        Ok(SessionPage { sessions, damaged: Vec::new(), next })
    }

    async fn count_sessions(
        &self,
        query: &SessionQuery,
    ) -> Result<HashMap<SessionStatus, SessionTotals>, StoreError> {
        checks::search(query)?;
        let mut counted = HashMap::new();
        for session in self.lock().listed(query) {
            let totals: &mut SessionTotals = counted.entry(session.status).or_default();
            totals.sessions += 1;
            totals.frames += session.frame_count;
            totals.stored_bytes += session.stored_bytes;
        }
        Ok(counted)
    }

    async fn update_session(
        &self,
        id: SessionId,
        change: SessionChange,
    ) -> Result<SessionRecording, StoreError> {
        checks::change(&change)?;
        let mut state = self.lock();
        let entry = state.entry_mut(id)?;
        if let Some(term) = change.term {
            checks::term(id, entry.term, term)?;
        }
        let session = &mut entry.recording;
        session.metadata = checks::changed_metadata(session.metadata.clone(), &change)?;
        session.name = change.name.unwrap_or_else(|| session.name.clone());
        session.description = change.description.unwrap_or_else(|| session.description.clone());
        session.status = change.status.unwrap_or(session.status);
        session.video_file_path = change.video_file_path.unwrap_or_else(|| session.video_file_path.clone());
        session.report = change.report.or_else(|| session.report.take());
        Ok(session.clone())
    }

    async fn delete_session(&self, id: SessionId, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.lock().entry_mut(id)?.deleted_at = Some(checks::kept_time(at));
        Ok(())
    }

    async fn restore_session(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        let mut state = self.lock();
        let entry = state.sessions.get_mut(&id).ok_or(StoreError::SessionNotFound { id })?;
        entry.deleted_at = None;
        Ok(entry.recording.clone())
    }

    async fn deleted_sessions(&self, deleted_before: DateTime<Utc>) -> Result<Vec<SessionId>, StoreError> {
        let state = self.lock();
        let deleted = state.sessions.values().filter_map(|entry| Some((entry.deleted_at?, entry.key, entry)));
        let mut deleted: Vec<_> = deleted.filter(|&(at, ..)| at < deleted_before).collect();
        deleted.sort_by_key(|&(at, key, _)| (at, key));
        Ok(deleted.into_iter().map(|(_, _, entry)| entry.recording.id).take(1_000).collect())
    }

    async fn erase_session(&self, id: SessionId) -> Result<(), StoreError> {
        self.lock().sessions.remove(&id).map(drop).ok_or(StoreError::SessionNotFound { id })
    }

    async fn create_user(&self, new: NewUser) -> Result<User, StoreError> {
        let NewUser { username, email, password } = new;
        checks::user(&username, &email, &password)?;
        let mut state = self.lock();
        state.check_username(&username, None)?;
        state.last_user = UserId(state.last_user.0 + 1);
        let user = User { id: state.last_user, username, email, password };
        state.users.insert(user.id, user.clone());
        Ok(user)
    }

    async fn read_user(&self, id: UserId) -> Result<User, StoreError> {
        self.lock().users.get(&id).cloned().ok_or(StoreError::UserNotFound { id })
    }

    async fn list_users(&self) -> Result<Vec<User>, StoreError> {
        Ok(self.lock().users.values().cloned().collect())
    }

    async fn update_user(&self, user: User) -> Result<User, StoreError> {
        checks::user(&user.username, &user.email, &user.password)?;
        let mut state = self.lock();
        if !state.users.contains_key(&user.id) {
            return Err(StoreError::UserNotFound { id: user.id });
        }
        state.check_username(&user.username, Some(user.id))?;
        state.users.insert(user.id, user.clone());
        Ok(user)
    }

    async fn delete_user(&self, id: UserId) -> Result<(), StoreError> {
        if id == UserId::LOCAL {
            return Err(bad("the local user can't be deleted".to_owned()));
        }
        let mut state = self.lock();
        if !state.users.contains_key(&id) {
            return Err(StoreError::UserNotFound { id });
        }
        if state.sessions.values().any(|entry| entry.recording.user_id == id) {
            return Err(StoreError::UserOwnsSessions { id });
        }
        state.users.remove(&id);
        Ok(())
    }

    async fn begin_term(&self, id: SessionId) -> Result<Term, StoreError> {
        let mut state = self.lock();
        let entry = state.entry_mut(id)?;
        entry.recording.status = checks::begin(id, entry.recording.status)?;
        entry.term = Term(entry.term.0 + 1);
        Ok(entry.term)
    }

    async fn append(&self, id: SessionId, term: Term, batch: &Batch) -> Result<Appended, StoreError> {
        self.lock().entry_mut(id)?.append(term, batch)
    }

    async fn append_encoded(
        &self,
        id: SessionId,
        term: Term,
        run: EncodedRun,
    ) -> Result<Appended, StoreError> {
        let decoded = run.encoded().iter().map(Encoded::decode).collect::<Result<Vec<_>, _>>()?;
        self.lock().entry_mut(id)?.append_encoded(term, &run, &decoded)
    }

    async fn set_publisher(
        &self,
        id: SessionId,
        term: Term,
        publisher: &str,
        settled_through: Option<u64>,
    ) -> Result<(), StoreError> {
        checks::publisher(publisher)?;
        let mut state = self.lock();
        let entry = state.entry_mut(id)?;
        checks::writer(id, entry.term, term, entry.recording.status)?;
        entry.progress = PublisherProgress { publisher: Some(publisher.to_owned()), settled_through };
        Ok(())
    }

    async fn progress(&self, id: SessionId) -> Result<PublisherProgress, StoreError> {
        Ok(self.lock().entry(id)?.progress.clone())
    }

    async fn compact(&self, id: SessionId, remainder: bool) -> Result<Compacted, StoreError> {
        self.lock().entry_mut(id)?.compact(remainder)
    }

    async fn chunk_index(&self, id: SessionId) -> Result<ChunkIndex, StoreError> {
        Ok(self.lock().entry(id)?.index.clone())
    }

    async fn covering_chunk(&self, id: SessionId, query: ChunkQuery) -> Result<StoredChunk, StoreError> {
        let (kept, extent) = self.lock().entry(id)?.covering(query)?;
        Ok(StoredChunk { chunk: Arc::unwrap_or_clone(kept.chunk), extent })
    }

    async fn encoded_chunk(
        &self,
        id: SessionId,
        query: ChunkQuery,
    ) -> Result<EncodedStoredChunk, StoreError> {
        let (kept, extent) = self.lock().entry(id)?.covering(query)?;
        let chunk = match kept.encoded {
            Some(encoded) => Arc::unwrap_or_clone(encoded),
            None => encode(&kept.chunk, Codec::Raw)
                .map_err(|error| StoreError::Corrupt { id, what: error.to_string() })?,
        };
        Ok(EncodedStoredChunk { chunk, extent })
    }

    async fn markers(&self, id: SessionId) -> Result<Vec<Marker>, StoreError> {
        Ok(self.lock().entry(id)?.markers.clone())
    }

    async fn finish(
        &self,
        id: SessionId,
        term: Term,
        status: SessionStatus,
    ) -> Result<SessionRecording, StoreError> {
        checks::last_status(status)?;
        let mut state = self.lock();
        let entry = state.entry_mut(id)?;
        checks::writer(id, entry.term, term, entry.recording.status)?;
        entry.compact(true)?;
        entry.recording.status = status;
        Ok(entry.recording.clone())
    }

    async fn session_key(&self, id: SessionId) -> Result<u32, StoreError> {
        Ok(self.lock().entry(id)?.key)
    }

    async fn begin_recode(&self, id: SessionId, to: &Encoding) -> Result<SessionRecording, StoreError> {
        let mut state = self.lock();
        let entry = state.entry_mut(id)?;
        entry.recording.encoding = checks::recoded(&entry.recording, entry.recoding.as_ref(), to)?;
        entry.recoding = Some(to.clone());
        Ok(entry.recording.clone())
    }

    async fn replace_chunk(
        &self,
        id: SessionId,
        replaced: &EncodedChunk,
        by: &EncodedChunk,
    ) -> Result<bool, StoreError> {
        checks::replacement(replaced, by)?;
        let decoded = |chunk: &EncodedChunk| {
            decode(&chunk.header, &chunk.payload).map_err(|error| bad(error.to_string()))
        };
        let (old, chunk) = (decoded(replaced)?, decoded(by)?);
        Ok(self.lock().entry_mut(id)?.replace(&old, chunk, by))
    }

    async fn end_recode(&self, id: SessionId) -> Result<SessionRecording, StoreError> {
        let mut state = self.lock();
        let entry = state.entry_mut(id)?;
        entry.recoding = None;
        Ok(entry.recording.clone())
    }

    async fn interrupt_live_sessions(&self) -> Result<Vec<SessionId>, StoreError> {
        let mut state = self.lock();
        let mut interrupted = Vec::new();
        for entry in state.sessions.values_mut().filter(|entry| entry.recording.status.is_live()) {
            entry.recording.status = SessionStatus::Interrupted;
            if entry.deleted_at.is_none() {
                interrupted.push(entry.recording.id);
            }
        }
        interrupted.sort_unstable();
        Ok(interrupted)
    }
}
