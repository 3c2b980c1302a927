//! Many at once: writers who are fenced off, readers who see a prefix.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use posesession_core::{ChunkQuery, SessionStatus};

use super::recording::{Store, append, assert_frames, assert_prefix, batch, frames, record, start};
use crate::error::StoreError;
use crate::query::{NewSession, SessionChange, Term};
use crate::store::COMPACT_FRAMES;

pub async fn an_older_term_is_fenced_off(store: Store) {
    let older = start(&store).await;
    record(&store, older, 0, 8, 8).await;
    let newer = (older.0, store.begin_term(older.0).await.unwrap());
    for (first, end) in [(8, 16), (0, 8)] {
        let refused = append(&store, older, first, end).await;
        assert!(matches!(refused, Err(StoreError::Fenced { id }) if id == older.0), "{refused:?}");
    }
    let refused = store.finish(older.0, older.1, SessionStatus::Completed).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    record(&store, newer, 8, 16, 8).await;
    assert_frames(&store, older.0, 16).await;
}

pub async fn who_creates_a_session_is_its_first_writer(store: Store) {
    let id = store.create_session(NewSession::named("First")).await.unwrap().id;
    record(&store, (id, Term::FIRST), 0, 8, 8).await;
    let next = store.begin_term(id).await.unwrap();
    assert!(next > Term::FIRST);
    let refused = append(&store, (id, Term::FIRST), 8, 16).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    let refused = store.finish(id, Term::FIRST, SessionStatus::Failed).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
}

pub async fn a_change_of_an_older_writer_is_refused(store: Store) {
    let (id, old) = start(&store).await;
    let by = |term| SessionChange { name: Some("Mine".into()), term: Some(term), ..SessionChange::default() };
    assert_eq!(store.update_session(id, by(old)).await.unwrap().name, "Mine");
    let term = store.begin_term(id).await.unwrap();
    let before = store.finish(id, term, SessionStatus::Completed).await.unwrap();
    let refused = store.update_session(id, by(old)).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    let refused = store.update_session(id, by(Term(term.0 + 1))).await;
    assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    assert_eq!(store.read_session(id).await.unwrap(), before);
    store.update_session(id, by(term)).await.unwrap();
}

pub async fn terms_rise(store: Store) {
    let (id, mut last) = start(&store).await;
    for _ in 0..5 {
        let next = store.begin_term(id).await.unwrap();
        assert!(next > last);
        last = next;
    }
}

pub async fn a_term_that_was_never_given_is_refused(store: Store) {
    let (id, term) = start(&store).await;
    for never in [Term(term.0 + 1), Term(u64::MAX)] {
        let refused = append(&store, (id, never), 0, 8).await;
        assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    }
    assert_frames(&store, id, 0).await;
}

pub async fn a_new_term_revives_an_interrupted_session_only(store: Store) {
    for status in SessionStatus::ALL {
        let (id, term) = start(&store).await;
        let change = SessionChange { status: Some(status), ..SessionChange::default() };
        store.update_session(id, change).await.unwrap();
        let begun = store.begin_term(id).await;
        let after = store.read_session(id).await.unwrap().status;
        match status {
            SessionStatus::Interrupted => {
                assert!(begun.unwrap() > term);
                assert_eq!(after, SessionStatus::Recording);
            }
            SessionStatus::Recording | SessionStatus::Paused => {
                begun.unwrap();
                assert_eq!(after, status);
            }
            _ => {
                assert!(matches!(begun, Err(StoreError::NotLive { status: was, .. }) if was == status));
                assert_eq!(after, status);
                let refused = append(&store, (id, term), 0, 8).await;
                assert!(matches!(refused, Err(StoreError::NotLive { .. })), "{refused:?}");
            }
        }
    }
}

pub async fn of_many_writers_at_once_the_last_one_wins(store: Store) {
    let (id, _) = start(&store).await;
    let writers = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let term = store.begin_term(id).await.unwrap();
            let mut stored = 0;
            // Each goes on from where it finds the session, as a server does that takes a session over.
            for _ in 0..30 {
                let next = store.read_session(id).await.unwrap().frame_count;
                match append(&store, (id, term), next, next + 4).await {
                    Ok(appended) => stored += u64::from(!appended.already_stored) * 4,
                    Err(StoreError::Fenced { .. }) => return (term, stored, true),
                    Err(StoreError::OutOfOrder { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            (term, stored, false)
        })
    });
    let results: Vec<_> = futures::future::join_all(writers).await.into_iter().map(Result::unwrap).collect();
    let last = results.iter().max_by_key(|(term, ..)| *term).unwrap();
    assert!(!last.2, "the last writer is never fenced off");
    let mut terms: Vec<_> = results.iter().map(|(term, ..)| *term).collect();
    terms.sort_unstable();
    terms.dedup();
    assert_eq!(terms.len(), 8, "no two writers have the same term");
    assert_frames(&store, id, results.iter().map(|(_, stored, _)| stored).sum()).await;
}

pub async fn many_sessions_are_appended_to_at_once(store: Store) {
    let tasks = (0..24).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let writer = start(&store).await;
            record(&store, writer, 0, 80, 8).await;
            writer
        })
    });
    for writer in futures::future::join_all(tasks).await {
        assert_frames(&store, writer.unwrap().0, 80).await;
    }
}

pub async fn the_same_batch_from_many_tasks_is_stored_once(store: Store) {
    let writer = start(&store).await;
    for first in [0, 8, 16] {
        let tasks = (0..8).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { append(&store, writer, first, first + 8).await.unwrap() })
        });
        let results = futures::future::join_all(tasks).await;
        let new = results.into_iter().filter(|appended| !appended.as_ref().unwrap().already_stored);
        assert_eq!(new.count(), 1);
    }
    assert_frames(&store, writer.0, 24).await;
}

pub async fn readers_see_a_prefix_while_frames_come_in(store: Store) {
    let writer = start(&store).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        async move {
            let mut seen = 0;
            while !done.load(Ordering::SeqCst) {
                let told = store.read_session(writer.0).await.unwrap().frame_count;
                let read = frames(&store, writer.0).await;
                assert!(read.len() as u64 >= told.max(seen), "frames vanished");
                assert_eq!(read.len() % 8, 0, "a part of a batch was seen");
                assert_prefix(&read);
                let index = store.chunk_index(writer.0).await.unwrap();
                assert!(index.frame_count() >= read.len() as u64);
                seen = read.len() as u64;
                tokio::task::yield_now().await;
            }
        }
    });
    record(&store, writer, 0, 480, 8).await;
    done.store(true, Ordering::SeqCst);
    reader.await.unwrap();
}

pub async fn readers_see_the_same_frames_during_compaction(store: Store) {
    let writer = start(&store).await;
    let frames_before = 4 * COMPACT_FRAMES + 8;
    record(&store, writer, 0, frames_before, 8).await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2_u64)
        .map(|reader| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                let mut n = reader * 100;
                while !done.load(Ordering::SeqCst) {
                    n = (n + 37) % frames_before;
                    let stored = store.covering_chunk(writer.0, ChunkQuery::Frame(n)).await.unwrap();
                    assert_eq!(stored.chunk.frame(n), batch(n, n + 1).chunk.unwrap().frame(n));
                    let index = store.chunk_index(writer.0).await.unwrap();
                    assert!(index.frame_count() >= frames_before);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let appending = tokio::spawn({
        let store = Arc::clone(&store);
        async move { record(&store, writer, frames_before, frames_before + 300, 8).await }
    });
    // Two compactions at once must not replace the same chunks twice.
    let compacting = (0..2).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..4 {
                store.compact(writer.0, false).await.unwrap();
            }
        })
    });
    for task in futures::future::join_all(compacting).await {
        task.unwrap();
    }
    appending.await.unwrap();
    store.compact(writer.0, true).await.unwrap();
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    assert_frames(&store, writer.0, frames_before + 300).await;
}

pub async fn an_append_that_is_dropped_happens_wholly_or_not_at_all(store: Store) {
    let writer = start(&store).await;
    let mut next = 0;
    for round in 0..40_u32 {
        let task = tokio::spawn({
            let store = Arc::clone(&store);
            async move { append(&store, writer, next, next + 8).await.map(drop) }
        });
        for _ in 0..round % 8 {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _finished_or_dropped = task.await;
        // Whatever became of it, the same batch can be appended again.
        append(&store, writer, next, next + 8).await.unwrap();
        next += 8;
        assert_eq!(store.read_session(writer.0).await.unwrap().frame_count, next);
    }
    assert_frames(&store, writer.0, next).await;
}

pub async fn finishing_and_appending_at_once_lose_nothing(store: Store) {
    for _ in 0..4 {
        let writer = start(&store).await;
        record(&store, writer, 0, 80, 8).await;
        let appending = tokio::spawn({
            let store = Arc::clone(&store);
            async move {
                let mut next = 80;
                loop {
                    match append(&store, writer, next, next + 8).await {
                        Ok(_) => next += 8,
                        Err(StoreError::NotLive { status: SessionStatus::Completed, .. }) => return next,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
        tokio::task::yield_now().await;
        let finished = store.finish(writer.0, writer.1, SessionStatus::Completed).await.unwrap();
        let acknowledged = appending.await.unwrap();
        assert_eq!(finished.frame_count, acknowledged);
        assert_frames(&store, writer.0, acknowledged).await;
    }
}
