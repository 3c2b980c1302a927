use object_store::{GetRange, ObjectStoreExt as _};

use super::*;

fn open(folder: &std::path::Path) -> SqliteObjects {
    SqliteObjects::open(folder.join("media.db"), Access::Write).unwrap().0
}

fn path(text: &str) -> Path {
    Path::from(text)
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

async fn read(objects: &SqliteObjects, at: &str) -> Bytes {
    objects.get(&path(at)).await.unwrap().bytes().await.unwrap()
}

async fn listed(objects: &SqliteObjects, prefix: &str) -> Vec<String> {
    let listed = objects.list(Some(&path(prefix))).map(|object| object.unwrap().location.to_string());
    listed.collect().await
}

#[tokio::test]
async fn objects_of_every_length_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    let row = usize::try_from(PART_BYTES).unwrap();
    for length in [0, 1, row - 1, row, row + 1, 3 * row + 5] {
        let whole = bytes(length);
        objects.put(&path("a/b"), whole.clone().into()).await.unwrap();
        assert_eq!(objects.head(&path("a/b")).await.unwrap().size, length as u64);
        assert!(read(&objects, "a/b").await == whole, "{length}");
    }
    let whole = bytes(3 * row + 5);
    for range in [0..1, row - 1..row + 1, row..2 * row, 5..3 * row + 5, 3 * row + 4..3 * row + 5] {
        let got = objects.get_range(&path("a/b"), range.start as u64..range.end as u64).await.unwrap();
        assert!(got == whole.slice(range.clone()), "{range:?}");
    }
    let suffix = GetOptions { range: Some(GetRange::Suffix(7)), ..GetOptions::default() };
    let got = objects.get_opts(&path("a/b"), suffix).await.unwrap().bytes().await.unwrap();
    assert_eq!(got, whole.slice(whole.len() - 7..));
    let beyond = objects.get_range(&path("a/b"), 4 * PART_BYTES..5 * PART_BYTES).await;
    assert!(beyond.is_err());
}

#[tokio::test]
async fn an_object_put_piece_by_piece_is_there_once_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    let whole = bytes(5 << 19);
    objects.put(&path("a/b"), Bytes::from_static(b"old").into()).await.unwrap();
    let mut upload = objects.put_multipart(&path("a/b")).await.unwrap();
    for piece in [0..10, 10..1 << 20, 1 << 20..whole.len()] {
        upload.put_part(whole.slice(piece).into()).await.unwrap();
    }
    assert_eq!(read(&objects, "a/b").await, "old");
    upload.complete().await.unwrap();
    assert!(read(&objects, "a/b").await == whole);
    let mut given_up = objects.put_multipart(&path("a/c")).await.unwrap();
    given_up.put_part(whole.into()).await.unwrap();
    given_up.abort().await.unwrap();
    assert_eq!(listed(&objects, "a").await, ["a/b"]);
    let rows: i64 = objects
        .with(|db| db.query_row("SELECT count(*) FROM media_part", [], |row| row.get(0)).map_err(failed))
        .await
        .unwrap();
    assert_eq!(rows, 3, "what was replaced or given up leaves no rows");
}

#[tokio::test]
async fn a_folder_lists_what_lies_in_it_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    for at in ["a/x", "a/b/1", "a/b/2", "a/c/1", "ab/x", "a.b/x", "b"] {
        objects.put(&path(at), Bytes::from_static(b"1").into()).await.unwrap();
    }
    assert_eq!(listed(&objects, "a").await, ["a/b/1", "a/b/2", "a/c/1", "a/x"]);
    assert_eq!(listed(&objects, "").await.len(), 7);
    let within = objects.list_with_delimiter(Some(&path("a"))).await.unwrap();
    assert_eq!(within.common_prefixes, [path("a/b"), path("a/c")]);
    assert_eq!(within.objects.len(), 1);
}

#[tokio::test]
async fn objects_are_copied_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    objects.put(&path("a"), bytes(2 << 20).into()).await.unwrap();
    objects.copy(&path("a"), &path("b")).await.unwrap();
    let again = objects.copy_if_not_exists(&path("a"), &path("b")).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    objects.delete(&path("a")).await.unwrap();
    assert!(matches!(objects.head(&path("a")).await, Err(Error::NotFound { .. })));
    assert!(read(&objects, "b").await == bytes(2 << 20));
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let refused = objects.put_opts(&path("b"), bytes(1).into(), create).await;
    assert!(matches!(refused, Err(Error::AlreadyExists { .. })), "{refused:?}");
}
