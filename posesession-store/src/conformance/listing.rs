//! Lists: found by words, in every order, a page at a time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use posesession_core::{SessionId, SessionRecording, SessionStatus, UserId};
use serde_json::json;

use super::recording::{Store, record};
use crate::error::StoreError;
use crate::query::{NewSession, NewUser, SessionChange, SessionQuery, SessionSort, SessionTotals};

const SORTS: [SessionSort; 4] =
    [SessionSort::CreatedAt, SessionSort::Name, SessionSort::Duration, SessionSort::FrameCount];

async fn all(store: &Store, query: &SessionQuery) -> Vec<SessionRecording> {
    let mut query = query.clone();
    let mut sessions = Vec::new();
    loop {
        let page = store.list_sessions(&query).await.unwrap();
        assert!(page.sessions.len() <= query.limit);
        sessions.extend(page.sessions);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return sessions,
        }
    }
}

async fn create(store: &Store, name: &str) -> SessionId {
    store.create_session(NewSession::named(name)).await.unwrap().id
}

/// Creates `count` sessions in which every sort key occurs twice.
async fn create_many(store: &Store, count: u32) -> Vec<SessionRecording> {
    let now = Utc::now();
    let mut sessions = Vec::new();
    for n in 0..count {
        // Multiplying by 7 mixes the order of each key against that of creation.
        let place = n * 7 % count / 2;
        let new = NewSession {
            created_at: now + TimeDelta::seconds(i64::from(place * 5 % count)),
            ..NewSession::named(&format!("Session {}", place * 3 % count))
        };
        let id = store.create_session(new).await.unwrap().id;
        let term = store.begin_term(id).await.unwrap();
        record(store, (id, term), 0, u64::from(place), 64).await;
        sessions.push(store.read_session(id).await.unwrap());
    }
    sessions
}

fn in_order(a: &SessionRecording, b: &SessionRecording, sort: SessionSort) -> bool {
    match sort {
        SessionSort::CreatedAt => (a.created_at, a.id) < (b.created_at, b.id),
        SessionSort::Name => (&a.name, a.id) < (&b.name, b.id),
        SessionSort::Duration => (a.duration, a.id) < (b.duration, b.id),
        SessionSort::FrameCount => (a.frame_count, a.id) < (b.frame_count, b.id),
    }
}

pub async fn every_order_lists_each_session_exactly_once(store: Store) {
    let mut expected = create_many(&store, 23).await;
    for sort in SORTS {
        for limit in [1, 5, 23, 24] {
            let query = SessionQuery { sort, limit, descending: false, ..SessionQuery::default() };
            let listed = all(&store, &query).await;
            assert!(listed.is_sorted_by(|a, b| in_order(a, b, sort)), "{sort:?}");
            let mut descending = all(&store, &SessionQuery { descending: true, ..query }).await;
            descending.reverse();
            assert_eq!(descending, listed);
            let mut ids = listed;
            ids.sort_by_key(|session| session.id);
            expected.sort_by_key(|session| session.id);
            assert_eq!(ids, expected, "{sort:?}, {limit} a page");
        }
    }
}

pub async fn equal_keys_are_sorted_by_id(store: Store) {
    let now = Utc::now();
    for _ in 0..7 {
        let new = NewSession { created_at: now, ..NewSession::named("Same") };
        store.create_session(new).await.unwrap();
    }
    for sort in SORTS {
        let query = SessionQuery { sort, limit: 2, descending: false, ..SessionQuery::default() };
        let listed = all(&store, &query).await;
        assert_eq!(listed.len(), 7);
        assert!(listed.is_sorted_by(|a, b| a.id < b.id), "{sort:?}");
    }
}

pub async fn long_names_are_listed_exactly_once(store: Store) {
    let long = "ä".repeat(SessionSort::MAX_NAME_BYTES);
    for n in 0..6 {
        create(&store, &format!("{long}{}", 6 - n)).await;
        create(&store, &format!("{n}{}", "\u{1F9D7}".repeat(1_000))).await;
    }
    let query = SessionQuery { sort: SessionSort::Name, limit: 5, ..SessionQuery::default() };
    let mut ids: Vec<_> = all(&store, &query).await.iter().map(|session| session.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 12);
}

pub async fn pages_stay_exact_while_sessions_come_and_go(store: Store) {
    let stay = create_many(&store, 30).await;
    for sort in SORTS {
        let mut query = SessionQuery { sort, limit: 4, ..SessionQuery::default() };
        let mut seen = Vec::new();
        let mut round = 0_u32;
        loop {
            // One comes for good, one comes and goes, and the session that the cursor stands on goes.
            create(&store, &format!("New {round}")).await;
            let brief = create(&store, "Session 5").await;
            let on_cursor = create(&store, "A session to stand on").await;
            let page = store.list_sessions(&query).await.unwrap();
            seen.extend(page.sessions.iter().map(|session| session.id));
            store.erase_session(brief).await.unwrap();
            store.delete_session(on_cursor, Utc::now()).await.unwrap();
            round += 1;
            assert!(round < 200, "the list doesn't end");
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        for session in &stay {
            let times = seen.iter().filter(|id| **id == session.id).count();
            assert_eq!(times, 1, "{sort:?}: {} was listed {times} times", session.name);
        }
        // What came during this listing goes, so that the next one ends, too.
        for new in
            all(&store, &SessionQuery { search: Some("New".to_owned()), ..SessionQuery::default() }).await
        {
            store.erase_session(new.id).await.unwrap();
        }
    }
}

pub async fn the_count_is_that_of_all_pages(store: Store) {
    let none = store.count_sessions(&SessionQuery::default()).await.unwrap();
    assert_eq!(none, HashMap::new());
    for (session, place) in create_many(&store, 17).await.iter().zip(0..) {
        let change = SessionChange {
            status: Some(SessionStatus::ALL[place % 4]),
            description: Some(["odd", "even Climb"][place % 2].to_owned()),
            ..SessionChange::default()
        };
        store.update_session(session.id, change).await.unwrap();
        if place % 8 == 5 {
            store.delete_session(session.id, Utc::now()).await.unwrap();
        }
    }
    let new = NewUser { username: "ada".to_owned(), email: String::new(), password: String::new() };
    let ada = store.create_user(new).await.unwrap().id;
    store.create_session(NewSession { user_id: ada, ..NewSession::named("Climb") }).await.unwrap();

    let search = |words: &str| SessionQuery { search: Some(words.to_owned()), ..SessionQuery::default() };
    let of = |status| SessionQuery { status: Some(status), ..SessionQuery::default() };
    for query in [
        SessionQuery::default(),
        search("climb"),
        search("CLIMB session 1"),
        search("nowhere"),
        search("  "),
        of(SessionStatus::Recording),
        of(SessionStatus::Completed),
        of(SessionStatus::Failed),
        SessionQuery { status: Some(SessionStatus::Paused), ..search("odd") },
        SessionQuery { status: Some(SessionStatus::Completed), ..search("climb") },
        SessionQuery { user_id: ada, ..SessionQuery::default() },
        SessionQuery { user_id: UserId(99), ..SessionQuery::default() },
    ] {
        let mut expected: HashMap<SessionStatus, SessionTotals> = HashMap::new();
        for session in all(&store, &query).await {
            let totals = expected.entry(session.status).or_default();
            totals.sessions += 1;
            totals.frames += session.frame_count;
            totals.stored_bytes += session.stored_bytes;
        }
        assert_eq!(store.count_sessions(&query).await.unwrap(), expected, "{query:?}");
        // Of one page it says the same, and of a page that there isn't.
        let cursor = Some("not a cursor".to_owned());
        for (sort, limit) in [(SessionSort::Name, 1), (SessionSort::FrameCount, 0)] {
            let page =
                SessionQuery { sort, limit, descending: false, cursor: cursor.clone(), ..query.clone() };
            assert_eq!(store.count_sessions(&page).await.unwrap(), expected, "{page:?}");
        }
    }
}

async fn found(store: &Store, search: &str) -> Vec<SessionId> {
    let query = SessionQuery { search: Some(search.to_owned()), limit: 3, ..SessionQuery::default() };
    let mut ids: Vec<_> = all(store, &query).await.iter().map(|session| session.id).collect();
    ids.sort_unstable();
    ids
}

pub async fn every_word_must_occur(store: Store) {
    let new = NewSession {
        description: "Third try, left hand first\nÜberhang".to_owned(),
        ..NewSession::named("Boulder PROBLEM 7")
    };
    let boulder = store.create_session(new).await.unwrap().id;
    let squat = create(&store, "Squat").await;
    for search in ["boulder", "Problem 7", "7 TRY", "  left\tboulder\n ", "oulde", "Try,"] {
        assert_eq!(found(&store, search).await, [boulder], "{search:?}");
    }
    assert_eq!(found(&store, "Überhang").await, [boulder]);
    assert_eq!(found(&store, "boulder squat").await, []);
    for everything in ["", "  \n"] {
        assert_eq!(found(&store, everything).await, [boulder, squat]);
    }
    let change = SessionChange { name: Some("Renamed".to_owned()), ..SessionChange::default() };
    store.update_session(squat, change).await.unwrap();
    assert_eq!(found(&store, "squat").await, []);
    assert_eq!(found(&store, "renamed").await, [squat]);
}

pub async fn words_are_found_in_metadata(store: Store) {
    let metadata = json!({"Wall": {"angle": 37.5, "set by": ["Ada", "Bo \"the\" bolt"]}, "indoor": true});
    let new = NewSession { metadata: metadata.as_object().unwrap().clone(), ..NewSession::named("Climb") };
    let climb = store.create_session(new).await.unwrap().id;
    create(&store, "Another").await;
    for search in ["wall", "37.5", "ada climb", "\"the\"", "set", "true"] {
        assert_eq!(found(&store, search).await, [climb], "{search:?}");
    }
    for search in ["{", "\\\"", "null"] {
        assert_eq!(found(&store, search).await, [], "{search:?}");
    }
    let change = SessionChange { metadata: Some(serde_json::Map::new()), ..SessionChange::default() };
    store.update_session(climb, change).await.unwrap();
    assert_eq!(found(&store, "ada").await, []);
}

pub async fn special_characters_are_searched_as_they_are(store: Store) {
    let names = [
        "100%",
        "a_b",
        "a\\b",
        "it's",
        "say \"hi\"",
        "a*b?",
        "[a-c]",
        "x OR y",
        "'; DROP TABLE account; --",
        "-not",
        "<img>",
    ];
    let mut ids = Vec::new();
    for name in names {
        ids.push(create(&store, name).await);
    }
    create(&store, "plain aXb abc 100").await;
    for (name, id) in names.iter().zip(ids) {
        assert_eq!(found(&store, name).await, [id], "{name:?}");
    }
    for search in ["%%", "__", "a%b", "a?b", "*", "hi OR say"] {
        let expected = usize::from(search == "*");
        assert_eq!(found(&store, search).await.len(), expected, "{search:?}");
    }
}

pub async fn only_sessions_of_the_status_are_listed(store: Store) {
    let mut ids = Vec::new();
    for status in SessionStatus::ALL {
        let id = create(&store, status.as_str()).await;
        let change = SessionChange { status: Some(status), ..SessionChange::default() };
        store.update_session(id, change).await.unwrap();
        ids.push((status, id));
    }
    for (status, id) in ids {
        let query = SessionQuery { status: Some(status), ..SessionQuery::default() };
        let listed = all(&store, &query).await;
        assert_eq!(listed.iter().map(|session| session.id).collect::<Vec<_>>(), [id]);
    }
}

pub async fn only_sessions_of_the_user_are_listed(store: Store) {
    let new = NewUser { username: "ada".to_owned(), email: String::new(), password: String::new() };
    let ada = store.create_user(new).await.unwrap().id;
    let mine = create(&store, "Mine").await;
    let hers = NewSession { user_id: ada, ..NewSession::named("Hers") };
    let hers = store.create_session(hers).await.unwrap().id;
    for (user_id, expected) in [(UserId::LOCAL, vec![mine]), (ada, vec![hers]), (UserId(99), vec![])] {
        let listed = all(&store, &SessionQuery { user_id, ..SessionQuery::default() }).await;
        assert_eq!(listed.iter().map(|session| session.id).collect::<Vec<_>>(), expected);
    }
}

pub async fn limits_out_of_range_are_refused(store: Store) {
    for limit in [0, SessionQuery::MAX_LIMIT + 1, usize::MAX] {
        let listed = store.list_sessions(&SessionQuery { limit, ..SessionQuery::default() }).await;
        assert!(matches!(listed, Err(StoreError::BadArgument { .. })), "{limit}");
    }
    let words = |count: usize| SessionQuery { search: Some("a ".repeat(count)), ..SessionQuery::default() };
    store.list_sessions(&words(SessionQuery::MAX_WORDS)).await.unwrap();
    let listed = store.list_sessions(&words(SessionQuery::MAX_WORDS + 1)).await;
    assert!(matches!(listed, Err(StoreError::BadArgument { .. })), "{listed:?}");
    store.count_sessions(&words(SessionQuery::MAX_WORDS)).await.unwrap();
    let counted = store.count_sessions(&words(SessionQuery::MAX_WORDS + 1)).await;
    assert!(matches!(counted, Err(StoreError::BadArgument { .. })), "{counted:?}");
    let most = SessionQuery { limit: SessionQuery::MAX_LIMIT, ..SessionQuery::default() };
    assert_eq!(store.list_sessions(&most).await.unwrap().next, None);
}

pub async fn cursors_of_another_list_are_refused(store: Store) {
    create(&store, "One").await;
    create(&store, "Two").await;
    let mut cursors: Vec<_> =
        ["", "x", "0", "'; DROP TABLE account; --", "\u{0}", "ÿ"].map(str::to_owned).into();
    let by_time = SessionQuery { limit: 1, ..SessionQuery::default() };
    cursors.extend(store.list_sessions(&by_time).await.unwrap().next);
    for cursor in cursors {
        for sort in [SessionSort::Name, SessionSort::FrameCount] {
            let query = SessionQuery { sort, cursor: Some(cursor.clone()), ..SessionQuery::default() };
            let listed = store.list_sessions(&query).await;
            assert!(matches!(listed, Err(StoreError::BadArgument { .. })), "{cursor:?} {listed:?}");
        }
    }
}
