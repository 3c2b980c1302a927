//! Users in SQL.

use posesession_core::{User, UserId};
use sqlx::PgConnection;

use super::failure::{FOREIGN_KEY, Failure, UNIQUE, is_code};
use super::rows;
use crate::checks::bad;
use crate::error::StoreError;
use crate::query::NewUser;

pub(super) async fn create(db: &mut PgConnection, new: &NewUser) -> Result<User, Failure> {
    let NewUser { username, email, password } = new.clone();
    let created = sqlx::query_scalar(
        "INSERT INTO account (username, email, password) VALUES ($1, $2, $3) RETURNING id",
    )
    .bind(&username)
    .bind(&email)
    .bind(&password)
    .fetch_one(db)
    .await;
    let id = UserId(unique(&username, created)?);
    Ok(User { id, username, email, password })
}

pub(super) async fn read(db: &mut PgConnection, id: UserId) -> Result<User, Failure> {
    let row = sqlx::query("SELECT id, username, email, password FROM account WHERE id = $1")
        .bind(id.0)
        .fetch_optional(db)
        .await?;
    let row = row.ok_or(StoreError::UserNotFound { id })?;
    Ok(rows::user(&row)?)
}

pub(super) async fn list(db: &mut PgConnection) -> Result<Vec<User>, Failure> {
    let rows =
        sqlx::query("SELECT id, username, email, password FROM account ORDER BY id").fetch_all(db).await?;
    Ok(rows.iter().map(rows::user).collect::<Result<_, _>>()?)
}

pub(super) async fn update(db: &mut PgConnection, user: &User) -> Result<User, Failure> {
    let updated = sqlx::query("UPDATE account SET username = $2, email = $3, password = $4 WHERE id = $1")
        .bind(user.id.0)
        .bind(&user.username)
        .bind(&user.email)
        .bind(&user.password)
        .execute(db)
        .await;
    if unique(&user.username, updated)?.rows_affected() == 0 {
        return Err(StoreError::UserNotFound { id: user.id }.into());
    }
    Ok(user.clone())
}

pub(super) async fn delete(db: &mut PgConnection, id: UserId) -> Result<(), Failure> {
    if id == UserId::LOCAL {
        return Err(bad("the local user can't be deleted".to_owned()).into());
    }
    match sqlx::query("DELETE FROM account WHERE id = $1").bind(id.0).execute(db).await {
        Err(error) if is_code(&error, FOREIGN_KEY) => Err(StoreError::UserOwnsSessions { id }.into()),
        Ok(deleted) if deleted.rows_affected() == 0 => Err(StoreError::UserNotFound { id }.into()),
        deleted => Ok(deleted.map(drop)?),
    }
}

fn unique<T>(username: &str, written: sqlx::Result<T>) -> Result<T, Failure> {
    match written {
        Err(error) if is_code(&error, UNIQUE) => {
            Err(StoreError::UsernameTaken { username: username.to_owned() }.into())
        }
        written => Ok(written?),
    }
}
