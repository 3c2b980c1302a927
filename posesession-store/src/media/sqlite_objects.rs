//! Media inside an SQLite file, so that one file holds a whole session. Objects in, rows of at most 1 MiB out.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::sqlite::connection::{self, Access};

const STORE: &str = "SqliteObjects";

/// How much of an object one row holds; all rows of an object but the last one are full.
const PART_BYTES: u64 = 1 << 20;

/// Keeps objects in tables of an SQLite database, beside the sessions or alone.
///
/// Objects have no time: `last_modified` is always 1970. A put is durable on return if the database's settings make
/// commits durable.
#[derive(Debug, Clone)]
pub(super) struct SqliteObjects {
    db: Arc<Mutex<Connection>>,
    path: PathBuf,
}

impl SqliteObjects {
    /// Opens a database, makes the tables if they aren't there, and looks whether its commits are durable.
    pub(super) fn open(
        path: PathBuf,
        access: Access,
    ) -> std::result::Result<(Self, crate::Durability), crate::StoreError> {
        let open = || {
            let db = connection::open(&path, access)?;
            if !access.only_reads() {
                db.execute_batch(connection::MEDIA_SCHEMA)?;
            }
            let durability = connection::durability(&db, &path)?;
            Ok((db, durability))
        };
        let (db, durability) =
            open().map_err(|failure: crate::sqlite::failure::Failure| failure.during("open the media"))?;
        Ok((Self { db: Arc::new(Mutex::new(db)), path }, durability))
    }

    /// Works with the database on a thread that may block.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let db = Arc::clone(&self.db);
        let work = move || work(&mut db.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await?
    }
}

impl fmt::Display for SqliteObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.path.display())
    }
}

#[async_trait]
impl ObjectStore for SqliteObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (location, bytes) = (location.clone(), Bytes::from(payload));
        self.with(move |db| {
            let transaction = immediate(db)?;
            match options.mode {
                PutMode::Overwrite => {}
                PutMode::Create => refuse_existing(&transaction, &location)?,
                PutMode::Update(_) => return Err(not_supported("a conditional update")),
            }
            let id = begin(&transaction)?;
            for (number, part) in (0..).zip(parts(&bytes)) {
                insert_part(&transaction, id, number, &part)?;
            }
            publish(&transaction, id, &location, bytes.len() as u64)?;
            transaction.commit().map_err(failed)
        })
        .await?;
        Ok(put_result())
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let id = self.with(|db| begin(db)).await?;
        Ok(Box::new(Upload {
            objects: self.clone(),
            location: location.clone(),
            id,
            next_part: 0,
            size: 0,
            rest: BytesMut::new(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let wanted = location.clone();
        let (id, size) = self.with(move |db| find(db, &wanted)).await?;
        let meta = meta(location.clone(), size);
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            None => 0..size,
            Some(range) => range.as_range(size).map_err(failed)?,
        };
        let payload = if options.head { stream::empty().boxed() } else { self.stream(id, range.clone()) };
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta,
            range,
            attributes: object_store::Attributes::default(),
            extensions: object_store::Extensions::default(),
        })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let objects = self.clone();
        let delete = move |location: Result<Path>| {
            let objects = objects.clone();
            async move {
                let location = location?;
                let path = location.clone();
                objects
                    .with(move |db| {
                        let transaction = immediate(db)?;
                        remove(&transaction, &path)?;
                        transaction.commit().map_err(failed)
                    })
                    .await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (objects, prefix) = (self.clone(), prefix.cloned().unwrap_or_default());
        let listed = async move {
            let listed = objects.with(move |db| list(db, &prefix)).await;
            match listed {
                Ok(listed) => stream::iter(listed).map(Ok).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        };
        stream::once(listed).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned().unwrap_or_default();
        let wanted = prefix.clone();
        let mut result = ListResult {
            common_prefixes: Vec::new(),
            objects: Vec::new(),
            extensions: object_store::Extensions::default(),
        };
        for object in self.with(move |db| list(db, &wanted)).await? {
            let folder = object.location.prefix_match(&prefix).and_then(|mut parts| {
                let first = parts.next()?;
                parts.next().map(|_deeper| prefix.clone().join(first))
            });
            match folder {
                None => result.objects.push(object),
                // The objects are sorted by path: those of one folder stand together.
                Some(folder) if result.common_prefixes.last() == Some(&folder) => {}
                Some(folder) => result.common_prefixes.push(folder),
            }
        }
        Ok(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.with(move |db| {
            let transaction = immediate(db)?;
            let (source, size) = find(&transaction, &from)?;
            if options.mode == CopyMode::Create {
                refuse_existing(&transaction, &to)?;
            }
            let id = begin(&transaction)?;
            transaction
                .execute(
                    "INSERT INTO media_part (object_id, number, bytes)
                     SELECT ?1, number, bytes FROM media_part WHERE object_id = ?2 ORDER BY number",
                    [id, source],
                )
                .map_err(failed)?;
            publish(&transaction, id, &to, size)?;
            transaction.commit().map_err(failed)
        })
        .await
    }
}

impl SqliteObjects {
    /// Reads a range row by row, so that it needs little memory.
    fn stream(&self, id: i64, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
        let objects = self.clone();
        stream::try_unfold(range, move |range| {
            let objects = objects.clone();
            async move {
                if range.is_empty() {
                    return Ok(None);
                }
                let number = range.start / PART_BYTES;
                let part = objects.with(move |db| read_part(db, id, number)).await?;
                let skipped = range.start % PART_BYTES;
                let end = (range.end - number * PART_BYTES).min(part.len() as u64);
                let wanted = usize::try_from(skipped).ok().zip(usize::try_from(end).ok());
                let Some((start, end)) = wanted.filter(|(start, end)| start < end) else {
                    return Err(damaged(id, number));
                };
                let bytes = part.slice(start..end);
                let next = range.start + bytes.len() as u64..range.end;
                Ok(Some((bytes, next)))
            }
        })
        .boxed()
    }
}

/// An object that is being put piece by piece; it has no path until it is complete.
#[derive(Debug)]
struct Upload {
    objects: SqliteObjects,
    location: Path,
    id: i64,
    next_part: u64,
    size: u64,
    /// What doesn't fill a row yet.
    rest: BytesMut,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        for bytes in data {
            self.size += bytes.len() as u64;
            self.rest.extend_from_slice(&bytes);
        }
        let full = self.rest.len() - self.rest.len() % usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
        let bytes = self.rest.split_to(full).freeze();
        let first = self.next_part;
        self.next_part += bytes.len() as u64 / PART_BYTES;
        let (objects, id) = (self.objects.clone(), self.id);
        Box::pin(async move {
            objects
                .with(move |db| {
                    let transaction = immediate(db)?;
                    for (number, part) in (first..).zip(parts(&bytes)) {
                        insert_part(&transaction, id, number, &part)?;
                    }
                    transaction.commit().map_err(failed)
                })
                .await
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (id, size, number) = (self.id, self.size, self.next_part);
        let (location, rest) = (self.location.clone(), std::mem::take(&mut self.rest).freeze());
        self.objects
            .with(move |db| {
                let transaction = immediate(db)?;
                if !rest.is_empty() {
                    insert_part(&transaction, id, number, &rest)?;
                }
                publish(&transaction, id, &location, size)?;
                transaction.commit().map_err(failed)
            })
            .await?;
        Ok(put_result())
    }

    async fn abort(&mut self) -> Result<()> {
        let id = self.id;
        self.objects
            .with(move |db| {
                db.execute("DELETE FROM media_object WHERE id = ?1 AND path IS NULL", [id]).map_err(failed)
            })
            .await
            .map(drop)
    }
}

fn immediate(db: &mut Connection) -> Result<rusqlite::Transaction<'_>> {
    db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)
}

/// Starts an object that nobody sees yet, and returns its id.
fn begin(db: &Connection) -> Result<i64> {
    db.execute("INSERT INTO media_object (path, size) VALUES (NULL, 0)", []).map_err(failed)?;
    Ok(db.last_insert_rowid())
}

/// Gives an object its path, in the place of what was there.
fn publish(db: &Connection, id: i64, location: &Path, size: u64) -> Result<()> {
    remove(db, location)?;
    let size = i64::try_from(size).map_err(failed)?;
    db.execute(
        "UPDATE media_object SET path = ?2, size = ?3 WHERE id = ?1",
        params![id, location.as_ref(), size],
    )
    .map_err(failed)?;
    Ok(())
}

/// Removes an object, if it is there; its rows go with it.
fn remove(db: &Connection, location: &Path) -> Result<()> {
    db.execute("DELETE FROM media_object WHERE path = ?1", [location.as_ref()]).map_err(failed)?;
    Ok(())
}

fn refuse_existing(db: &Connection, location: &Path) -> Result<()> {
    match find(db, location) {
        Ok(_) => {
            Err(Error::AlreadyExists { path: location.to_string(), source: "it is in the database".into() })
        }
        Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns an object's id and its size in bytes.
fn find(db: &Connection, location: &Path) -> Result<(i64, u64)> {
    let found = db
        .prepare_cached("SELECT id, size FROM media_object WHERE path = ?1")
        .and_then(|mut found| {
            found.query_row([location.as_ref()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(failed)?;
    let (id, size): (i64, i64) = found.ok_or_else(|| Error::NotFound {
        path: location.to_string(),
        source: "it is not in the database".into(),
    })?;
    Ok((id, u64::try_from(size).map_err(failed)?))
}

fn insert_part(db: &Connection, id: i64, number: u64, bytes: &[u8]) -> Result<()> {
    let number = i64::try_from(number).map_err(failed)?;
    db.prepare_cached("INSERT INTO media_part (object_id, number, bytes) VALUES (?1, ?2, ?3)")
        .and_then(|mut insert| insert.execute(params![id, number, bytes]))
        .map_err(failed)?;
    Ok(())
}

fn read_part(db: &Connection, id: i64, number: u64) -> Result<Bytes> {
    let place = i64::try_from(number).map_err(failed)?;
    let part: Option<Vec<u8>> = db
        .prepare_cached("SELECT bytes FROM media_part WHERE object_id = ?1 AND number = ?2")
        .and_then(|mut part| part.query_row([id, place], |row| row.get(0)).optional())
        .map_err(failed)?;
    // The object may have been replaced since the reader found it.
    part.map(Bytes::from).ok_or_else(|| damaged(id, number))
}

/// Lists what lies in a folder, at any depth, by path.
fn list(db: &Connection, prefix: &Path) -> Result<Vec<ObjectMeta>> {
    let lowest = if prefix.as_ref().is_empty() { String::new() } else { format!("{prefix}/") };
    let rows = db
        .prepare_cached("SELECT path, size FROM media_object WHERE path > ?1 ORDER BY path")
        .and_then(|mut list| {
            let rows =
                list.query_map([&lowest], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            let inside = |row: &rusqlite::Result<(String, i64)>| {
                row.as_ref().map_or(true, |(path, _)| path.starts_with(&lowest))
            };
            rows.take_while(inside).collect::<rusqlite::Result<Vec<_>>>()
        })
        .map_err(failed)?;
    rows.into_iter()
        .map(|(path, size)| Ok(meta(Path::parse(path)?, u64::try_from(size).map_err(failed)?)))
        .collect()
}

/// Cuts bytes into rows.
fn parts(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    let step = usize::try_from(PART_BYTES).unwrap_or(usize::MAX);
    let bytes = bytes.clone();
    (0..bytes.len()).step_by(step).map(move |at| bytes.slice(at..bytes.len().min(at.saturating_add(step))))
}

fn meta(location: Path, size: u64) -> ObjectMeta {
    ObjectMeta { location, last_modified: DateTime::UNIX_EPOCH, size, e_tag: None, version: None }
}

fn put_result() -> PutResult {
    PutResult { e_tag: None, version: None, extensions: object_store::Extensions::default() }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: STORE, source: Box::new(error) }
}

fn damaged(id: i64, number: u64) -> Error {
    let what = format!("row {number} of the object {id} is missing or too short");
    Error::Generic { store: STORE, source: what.into() }
}

fn not_supported(what: &str) -> Error {
    Error::NotSupported { source: format!("{what} is not supported").into() }
}

#[cfg(test)]
mod tests;
