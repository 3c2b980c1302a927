//! Users in SQL.

use posesession_core::{User, UserId};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::failure::Failure;
use super::rows;
use crate::checks::bad;
use crate::error::StoreError;
use crate::query::NewUser;

pub(super) fn create(db: &Connection, new: NewUser) -> Result<User, Failure> {
    let NewUser { username, email, password } = new;
    let inserted = db
        .prepare_cached("INSERT INTO account (username, email, password) VALUES (?1, ?2, ?3)")?
        .execute(params![username, email, password]);
    unique(&username, inserted)?;
    Ok(User { id: UserId(db.last_insert_rowid()), username, email, password })
}

pub(super) fn read(db: &Connection, id: UserId) -> Result<User, Failure> {
    let user = db
        .prepare_cached("SELECT id, username, email, password FROM account WHERE id = ?1")?
        .query_row([id.0], rows::user)
        .optional()?;
    user.ok_or_else(|| StoreError::UserNotFound { id }.into())
}

pub(super) fn list(db: &Connection) -> Result<Vec<User>, Failure> {
    let mut statement = db.prepare_cached("SELECT id, username, email, password FROM account ORDER BY id")?;
    let users = statement.query_map([], rows::user)?;
    Ok(users.collect::<Result<_, _>>()?)
}

pub(super) fn update(db: &Connection, user: User) -> Result<User, Failure> {
    let updated = db
        .prepare_cached("UPDATE account SET username = ?2, email = ?3, password = ?4 WHERE id = ?1")?
        .execute(params![user.id.0, user.username, user.email, user.password]);
    if unique(&user.username, updated)? == 0 {
        return Err(StoreError::UserNotFound { id: user.id }.into());
    }
    Ok(user)
}

pub(super) fn delete(db: &Connection, id: UserId) -> Result<(), Failure> {
    if id == UserId::LOCAL {
        return Err(bad("the local user can't be deleted".to_owned()).into());
    }
    read(db, id)?;
    let owns =
        db.prepare_cached("SELECT 1 FROM session_recording WHERE user_id = ?1 LIMIT 1")?.exists([id.0])?;
    if owns {
        return Err(StoreError::UserOwnsSessions { id }.into());
    }
    db.prepare_cached("DELETE FROM account WHERE id = ?1")?.execute([id.0])?;
    Ok(())
}

fn unique(username: &str, written: rusqlite::Result<usize>) -> Result<usize, Failure> {
    match written {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(StoreError::UsernameTaken { username: username.to_owned() }.into())
        }
        written => Ok(written?),
    }
}
