//! Which session is meant. What the user typed in, one session out, or the ones that could be meant.

use posesession_core::{SessionId, SessionRecording};
use posesession_store::{SessionQuery, SessionStore};

use super::failure::{DAMAGED, Failure, NO_SUCH_SESSION};
use super::words;

/// The shortest beginning of an id that counts as one.
const SHORTEST_PREFIX: usize = 4;
/// How many of the sessions that could be meant are listed.
const MOST_LISTED: usize = 10;

/// Returns the session that `text` names: by its id, by a beginning of it that no other has, or by its name.
pub(super) async fn find(store: &dyn SessionStore, text: &str) -> Result<SessionRecording, Failure> {
    if let Ok(id) = text.parse::<SessionId>() {
        return Ok(store.read_session(id).await?);
    }
    let mut meant = Vec::new();
    visit(store, SessionQuery::default(), |session| {
        if is_meant(text, &session) {
            meant.push(session);
        }
    })
    .await?;
    match meant.len() {
        1 => Ok(meant.remove(0)),
        0 => Err(Failure::new(
            NO_SUCH_SESSION,
            format!(
                "no session is called `{text}`, nor has an id that starts so: `posesession ls` lists them"
            ),
        )),
        count => {
            let mut message = format!("`{text}` could be {count} sessions; give one's id:");
            for session in meant.iter().take(MOST_LISTED) {
                let created = words::moment(session.created_at);
                message.push_str(&format!("\n  {}  {created}  {}", session.id, words::line(&session.name)));
            }
            if count > MOST_LISTED {
                message.push_str(&format!("\n  and {} more", count - MOST_LISTED));
            }
            Err(Failure::new(NO_SUCH_SESSION, message))
        }
    }
}

/// Hands all sessions of a list over, page by page. Says which are damaged and so left out, and returns how many.
pub(super) async fn visit(
    store: &dyn SessionStore,
    query: SessionQuery,
    mut visitor: impl FnMut(SessionRecording),
) -> Result<usize, Failure> {
    let mut query = SessionQuery { limit: SessionQuery::MAX_LIMIT, ..query };
    let mut damaged = 0;
    loop {
        let page = store.list_sessions(&query).await?;
        page.sessions.into_iter().for_each(&mut visitor);
        for session in page.damaged {
            damaged += 1;
            eprintln!("left out, as it is damaged: {}  {}", session.id, words::line(&session.what));
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(damaged);
        }
    }
}

/// Makes sessions that had to be left out a failure, once all else is done.
pub(super) fn left_out(damaged: usize) -> Result<(), Failure> {
    match damaged {
        0 => Ok(()),
        _ => Err(Failure::new(
            DAMAGED,
            format!("{damaged} sessions are damaged: `posesession verify` says how"),
        )),
    }
}

fn is_meant(text: &str, session: &SessionRecording) -> bool {
    let is_beginning =
        || text.len() >= SHORTEST_PREFIX && session.id.to_string().starts_with(&text.to_ascii_lowercase());
    session.name == text || is_beginning()
}
