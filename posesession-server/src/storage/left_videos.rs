//! Videos that were left in pieces when a server went away. Sessions in, joined videos out.

use posesession_core::{SessionId, SessionRecording, SessionStatus};
use posesession_store::{RecordedVideo, SessionChange, SessionQuery, StoreError, VideoType};

use super::Storage;

impl Storage {
    /// Gives the sessions that a predecessor left live or in work their last status.
    pub(super) async fn recover(&mut self) -> Result<(), StoreError> {
        self.interrupted = self.store.interrupt_live_sessions().await?;
        for id in &self.interrupted {
            tracing::warn!(session = %id, "the session was being recorded when the server went away; it is interrupted");
        }
        self.join_videos_of(SessionStatus::Processing, Some(SessionStatus::Completed), |_| Some(())).await
    }

    /// Joins the videos that were left in pieces. `hold` keeps a session to itself as long as that takes; one that it can't
    /// have, because it is being recorded again, is left alone.
    pub(crate) async fn join_left_videos<Held>(
        &self,
        hold: impl Fn(SessionId) -> Option<Held>,
    ) -> Result<(), StoreError> {
        // A server that died while it joined, or had no room for it, has left others than its last ones.
        let take = |session: &SessionRecording| {
            let is_filmed = RecordedVideo::from_metadata(&session.metadata).is_some()
                || self.interrupted.contains(&session.id);
            let is_left = is_filmed && session.video_file_path.is_none();
            is_left.then(|| hold(session.id)).flatten()
        };
        self.join_videos_of(SessionStatus::Interrupted, None, take).await?;
        self.join_videos_of(SessionStatus::Failed, None, take).await
    }

    /// Joins the videos of those sessions of a status that `take` gives a guard for.
    async fn join_videos_of<Held>(
        &self,
        status: SessionStatus,
        last: Option<SessionStatus>,
        take: impl Fn(&SessionRecording) -> Option<Held>,
    ) -> Result<(), StoreError> {
        let mut query =
            SessionQuery { status: Some(status), limit: SessionQuery::MAX_LIMIT, ..SessionQuery::default() };
        loop {
            let page = self.store.list_sessions(&query).await?;
            for listed in &page.sessions {
                let Some(_held) = take(listed) else { continue };
                // Somebody may have gone on with it since it was listed, and may have ended it.
                let session = self.store.read_session(listed.id).await?;
                if session.status == status && session.video_file_path.is_none() {
                    self.join_video(&session, last).await;
                }
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(());
            }
        }
    }

    /// Joins what came of a session's video, and gives it its last status. A video that can't be joined keeps no server
    /// from starting: its pieces stay where they are.
    async fn join_video(&self, session: &SessionRecording, status: Option<SessionStatus>) {
        let (Some(media), id) = (&self.media, session.id) else { return };
        let noted = RecordedVideo::from_metadata(&session.metadata);
        let video = noted.clone().unwrap_or_else(|| RecordedVideo::of_type(VideoType::Webm.mime()));
        let joined = match media.join_video(id, &video).await {
            Ok(joined) => joined.filter(|joined| joined.length > 0),
            Err(error) => {
                tracing::warn!(session = %id, %error, "the session's video could not be joined");
                return;
            }
        };
        let is_rewritten = joined.as_ref().is_some_and(|joined| joined.is_rewritten);
        let change = SessionChange {
            video: noted.filter(|_| is_rewritten).map(|noted| RecordedVideo { cuts: Vec::new(), ..noted }),
            video_file_path: joined.map(|joined| Some(joined.path)),
            status,
            ..SessionChange::default()
        };
        if change == SessionChange::default() {
            return;
        }
        if let Err(error) = self.store.update_session(id, change).await {
            tracing::warn!(session = %id, %error, "the session's video could not be noted");
        }
    }
}
