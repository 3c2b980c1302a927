//! Promises about publishers: whose numbers are settled, and up to which one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use posesession_core::{Batch, SessionStatus};

use super::recording::{Store, start};
use crate::error::StoreError;
use crate::query::{PublisherProgress, Term};

fn settled(through: u64) -> Batch {
    Batch { settled_through: Some(through), ..Batch::default() }
}

fn progress(publisher: &str, settled_through: Option<u64>) -> PublisherProgress {
    PublisherProgress { publisher: Some(publisher.to_owned()), settled_through }
}

pub async fn the_same_publisher_goes_on_where_it_was(store: Store) {
    let (id, term) = start(&store).await;
    assert_eq!(store.progress(id).await.unwrap(), PublisherProgress::default());
    store.set_publisher(id, term, "camera", None).await.unwrap();
    assert_eq!(store.progress(id).await.unwrap(), progress("camera", None));
    store.append(id, term, &settled(41)).await.unwrap();
    assert_eq!(store.progress(id).await.unwrap(), progress("camera", Some(41)));
    let term = store.begin_term(id).await.unwrap();
    assert_eq!(store.progress(id).await.unwrap(), progress("camera", Some(41)), "after a restart, too");
    store.set_publisher(id, term, "camera", Some(41)).await.unwrap();
    assert_eq!(store.progress(id).await.unwrap(), progress("camera", Some(41)));
    store.set_publisher(id, term, "camera", None).await.unwrap();
    assert_eq!(store.progress(id).await.unwrap(), progress("camera", None), "it numbers anew");
}

pub async fn another_publisher_starts_anew(store: Store) {
    let (id, term) = start(&store).await;
    store.append(id, term, &settled(7)).await.unwrap();
    store.set_publisher(id, term, "camera", None).await.unwrap();
    assert_eq!(store.progress(id).await.unwrap(), progress("camera", None), "nobody knows whose 7 that was");
    store.append(id, term, &settled(41)).await.unwrap();
    store.set_publisher(id, term, "Kamera \u{1F4F7}", None).await.unwrap();
    assert_eq!(store.progress(id).await.unwrap(), progress("Kamera \u{1F4F7}", None));
    store.set_publisher(id, term, "camera", Some(u64::MAX)).await.unwrap();
    assert_eq!(
        store.progress(id).await.unwrap(),
        progress("camera", Some(u64::MAX)),
        "what is given is kept"
    );
}

pub async fn only_the_writer_sets_the_publisher(store: Store) {
    let (id, old) = start(&store).await;
    store.set_publisher(id, old, "camera", None).await.unwrap();
    store.append(id, old, &settled(3)).await.unwrap();
    let term = store.begin_term(id).await.unwrap();
    let fenced = store.set_publisher(id, old, "other", None).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
    let never_given = store.set_publisher(id, Term(term.0 + 1), "other", None).await;
    assert!(matches!(never_given, Err(StoreError::BadArgument { .. })), "{never_given:?}");
    for name in [String::new(), "a\0b".to_owned(), "x".repeat(PublisherProgress::MAX_NAME_BYTES + 1)] {
        let refused = store.set_publisher(id, term, &name, None).await;
        assert!(matches!(refused, Err(StoreError::BadArgument { .. })), "{refused:?}");
    }
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    let late = store.set_publisher(id, term, "other", None).await;
    assert!(matches!(late, Err(StoreError::NotLive { .. })), "{late:?}");
    assert_eq!(store.progress(id).await.unwrap(), progress("camera", Some(3)));
}
