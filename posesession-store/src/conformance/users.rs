//! Users, whose sessions they are.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::Utc;
use posesession_core::{User, UserId};

use super::recording::Store;
use crate::error::StoreError;
use crate::query::{NewSession, NewUser};

fn named(username: &str) -> NewUser {
    NewUser { username: username.to_owned(), email: String::new(), password: String::new() }
}

pub async fn the_local_user_is_always_there(store: Store) {
    let local = store.read_user(UserId::LOCAL).await.unwrap();
    assert_eq!((local.id, local.username.as_str()), (UserId::LOCAL, "local"));
    assert_eq!(store.list_users().await.unwrap(), [local]);
    let deleted = store.delete_user(UserId::LOCAL).await;
    assert!(matches!(deleted, Err(StoreError::BadArgument { .. })));
    store.read_user(UserId::LOCAL).await.unwrap();
}

pub async fn a_user_is_read_back_as_created(store: Store) {
    for name in ["ada", "Ada", "'; DROP TABLE account; --", "<img src=x>", "アダ 👩", " ", "a%_\\\""] {
        let new = NewUser {
            username: name.to_owned(),
            email: format!("{name}@example.org"),
            password: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned(),
        };
        let created = store.create_user(new.clone()).await.unwrap();
        let expected =
            User { id: created.id, username: new.username, email: new.email, password: new.password };
        assert_eq!(created, expected);
        assert_eq!(store.read_user(created.id).await.unwrap(), expected);
    }
    let users = store.list_users().await.unwrap();
    assert_eq!(users.len(), 8);
    assert!(users.is_sorted_by(|a, b| a.id < b.id));
}

pub async fn usernames_are_unique(store: Store) {
    let ada = store.create_user(named("ada")).await.unwrap();
    let bob = store.create_user(named("bob")).await.unwrap();
    for taken in ["ada", "local"] {
        let again = store.create_user(named(taken)).await;
        assert!(matches!(again, Err(StoreError::UsernameTaken { username }) if username == taken));
    }
    let renamed = store.update_user(User { username: "ada".to_owned(), ..bob.clone() }).await;
    assert!(matches!(renamed, Err(StoreError::UsernameTaken { .. })));
    assert_eq!(store.read_user(bob.id).await.unwrap(), bob);
    store.update_user(User { email: "ada@example.org".to_owned(), ..ada }).await.unwrap();
}

pub async fn bad_users_are_refused(store: Store) {
    let long = |bytes: usize| "a".repeat(bytes);
    store.create_user(named(&long(NewUser::MAX_NAME_BYTES))).await.unwrap();
    let ada = store.create_user(named("ada")).await.unwrap();
    for name in [String::new(), long(NewUser::MAX_NAME_BYTES + 1), "a\0b".to_owned()] {
        let created = store.create_user(named(&name)).await;
        assert!(matches!(created, Err(StoreError::BadArgument { .. })), "{created:?}");
        let updated = store.update_user(User { username: name, ..ada.clone() }).await;
        assert!(matches!(updated, Err(StoreError::BadArgument { .. })), "{updated:?}");
    }
    let email = long(NewUser::MAX_FIELD_BYTES + 1);
    let created = store.create_user(NewUser { email, ..named("bob") }).await;
    assert!(matches!(created, Err(StoreError::BadArgument { .. })));
    assert_eq!(store.list_users().await.unwrap().len(), 3);
    assert_eq!(store.read_user(ada.id).await.unwrap(), ada);
}

pub async fn a_user_is_replaced(store: Store) {
    let ada = store.create_user(named("ada")).await.unwrap();
    let other = User {
        id: ada.id,
        username: "countess".to_owned(),
        email: "c@example.org".to_owned(),
        password: "hash".to_owned(),
    };
    assert_eq!(store.update_user(other.clone()).await.unwrap(), other);
    assert_eq!(store.read_user(ada.id).await.unwrap(), other);
    let nobody = User { id: UserId(999), username: "nobody".to_owned(), ..other };
    let updated = store.update_user(nobody).await;
    assert!(matches!(updated, Err(StoreError::UserNotFound { id: UserId(999) })));
}

pub async fn a_user_who_owns_sessions_is_not_deleted(store: Store) {
    let ada = store.create_user(named("ada")).await.unwrap();
    let session = NewSession { user_id: ada.id, ..NewSession::named("Hers") };
    let session = store.create_session(session).await.unwrap();
    let owns = store.delete_user(ada.id).await;
    assert!(matches!(owns, Err(StoreError::UserOwnsSessions { id }) if id == ada.id));
    store.delete_session(session.id, Utc::now()).await.unwrap();
    let owns = store.delete_user(ada.id).await;
    assert!(matches!(owns, Err(StoreError::UserOwnsSessions { .. })), "it can still be restored");
    store.erase_session(session.id).await.unwrap();
    store.delete_user(ada.id).await.unwrap();
    assert!(matches!(store.read_user(ada.id).await, Err(StoreError::UserNotFound { .. })));
    assert!(matches!(store.delete_user(ada.id).await, Err(StoreError::UserNotFound { .. })));
}

pub async fn user_ids_are_never_given_twice(store: Store) {
    let ada = store.create_user(named("ada")).await.unwrap();
    store.delete_user(ada.id).await.unwrap();
    let bob = store.create_user(named("ada")).await.unwrap();
    assert!(bob.id > ada.id);
}
