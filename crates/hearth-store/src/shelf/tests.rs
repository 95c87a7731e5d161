//! The shelf on a file.

use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn row(key: &str, rank: u64) -> Row {
    Row {
        bucket: "bucket".to_owned(),
        key: key.to_owned(),
        rank,
        version: format!("v{rank}"),
        kind: RowKind::Small,
        upload: None,
        piece: None,
        document: "{}".to_owned(),
    }
}

async fn open(directory: &Path) -> Shelf {
    Shelf::open(&directory.join("objects.db")).await.unwrap()
}

async fn new() -> (TempDir, Shelf) {
    let directory = tempfile::tempdir().unwrap();
    let shelf = open(directory.path()).await;
    (directory, shelf)
}

fn places(rows: &[Row]) -> Vec<(&str, u64)> {
    rows.iter().map(|row| (row.key.as_str(), row.rank)).collect()
}

fn first() -> Start {
    Start::At(Vec::new())
}

#[tokio::test]
async fn what_was_put_is_there_after_a_restart() {
    let (directory, shelf) = new().await;
    let with_piece = Row { piece: Some(7), ..row("a", 2) };
    let writes = vec![
        Write::PutPiece(7, Bytes::from_static(b"bytes")),
        Write::Put(Place::Newest, with_piece.clone()),
        Write::Put(Place::Older, row("a", 1)),
        Write::PutNote(9, "note".to_owned()),
    ];
    shelf.apply(writes).await.unwrap();
    shelf.close().await;
    assert!(matches!(shelf.apply(Vec::new()).await, Err(StoreError::Closed)));

    let shelf = open(directory.path()).await;
    let found = shelf.newest("bucket", "a").await.unwrap().unwrap();
    let expected = Whole { row: with_piece, piece: Some(Bytes::from_static(b"bytes")) };
    assert_eq!(found, expected);
    let older = shelf.older("bucket", "a", Some("v1")).await.unwrap().unwrap();
    assert_eq!(older.row, row("a", 1));
    assert_eq!(shelf.older("bucket", "a", Some("v2")).await.unwrap(), None);
    assert_eq!(shelf.newest("other", "a").await.unwrap(), None);
    assert_eq!(shelf.greatest_id().await.unwrap(), 9);
    assert_eq!(shelf.notes(5).await.unwrap(), [(9, "note".to_owned())]);
}

#[tokio::test]
async fn versions_come_in_the_order_of_their_keys_and_of_each_key_the_newest_first() {
    let (_directory, shelf) = new().await;
    // A key that the other one begins with, and one with a byte that no text of C could have.
    let marker = Row { kind: RowKind::Marker, ..row("a\0b", 8) };
    let writes = vec![
        Write::Put(Place::Newest, row("b", 1)),
        Write::Put(Place::Newest, row("a", 5)),
        Write::Put(Place::Older, row("a", 3)),
        Write::Put(Place::Older, row("a", 4)),
        Write::Put(Place::Newest, marker),
        Write::Put(Place::Older, row("a\0b", 7)),
        Write::Put(Place::Newest, row("é", 9)),
    ];
    shelf.apply(writes).await.unwrap();
    let versions = async |start: &Start, items| shelf.versions("bucket", start, items).await;
    let all = versions(&first(), 100).await.unwrap();
    let expected = [("a", 5), ("a", 4), ("a", 3), ("a\0b", 8), ("a\0b", 7), ("b", 1), ("é", 9)];
    assert_eq!(places(&all), expected);
    let behind = versions(&Start::After(b"a".to_vec()), 2).await.unwrap();
    assert_eq!(places(&behind), [("a\0b", 8), ("a\0b", 7)]);
    let objects = shelf.objects("bucket", &first(), 100).await.unwrap();
    assert_eq!(places(&objects), [("a", 5), ("b", 1), ("é", 9)]);
    let at = shelf.objects("bucket", &Start::At(b"b".to_vec()), 1).await.unwrap();
    assert_eq!(places(&at), [("b", 1)]);
    let below = shelf.versions_below(("bucket", "a"), 5, 1).await.unwrap();
    assert_eq!(places(&below), [("a", 4)]);
    let newest_of_them = shelf.older("bucket", "a", None).await.unwrap().unwrap();
    assert_eq!(newest_of_them.row.rank, 4);
}

#[tokio::test]
async fn uploads_and_their_parts_are_forgotten_together() {
    let (_directory, shelf) = new().await;
    let upload = |key: &str, id: &str| UploadRow {
        bucket: "bucket".to_owned(),
        key: key.to_owned(),
        id: id.to_owned(),
        document: "{}".to_owned(),
    };
    let part = |number| PartRow { upload: "1".to_owned(), number, document: "{}".to_owned() };
    let writes = vec![
        Write::PutUpload(upload("b", "1")),
        Write::PutUpload(upload("a", "2")),
        Write::PutUpload(upload("a", "3")),
        Write::PutPart(part(2)),
        Write::PutPart(part(1)),
    ];
    shelf.apply(writes).await.unwrap();
    let ids = async |start: &Start, id: &str| -> Vec<String> {
        let found = shelf.uploads("bucket", (start, id), 10).await.unwrap();
        found.into_iter().map(|upload| upload.id).collect()
    };
    assert_eq!(ids(&first(), "").await, ["2", "3", "1"]);
    assert_eq!(ids(&Start::At(b"a".to_vec()), "2").await, ["3", "1"]);
    assert_eq!(ids(&Start::After(b"a".to_vec()), "").await, ["1"]);
    assert_eq!(shelf.parts("1", 1, 10).await.unwrap(), [part(2)]);
    assert_eq!(shelf.part("1", 1).await.unwrap(), Some(part(1)));
    let mut seen = Vec::new();
    shelf.visit_parts(|part| seen.push(part.number)).await.unwrap();
    assert_eq!(seen, [1, 2]);

    let (bucket, key, id) = ("bucket".to_owned(), "b".to_owned(), "1".to_owned());
    shelf.apply(vec![Write::RemoveUpload { bucket, key, id }]).await.unwrap();
    assert_eq!(shelf.upload(("bucket", "b"), "1").await.unwrap(), None);
    assert!(shelf.parts("1", 0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_an_upload_became_is_found_wherever_it_stands() {
    let (_directory, shelf) = new().await;
    let of = |key: &str, upload: &str| Row { upload: Some(upload.to_owned()), ..row(key, 3) };
    let older = Row { rank: 2, ..of("a", "x") };
    let writes =
        vec![Write::Put(Place::Newest, of("a", "y")), Write::Put(Place::Older, older.clone())];
    shelf.apply(writes).await.unwrap();
    assert_eq!(shelf.of_upload("bucket", "a", "x").await.unwrap(), Some(older));
    assert_eq!(shelf.of_upload("bucket", "a", "y").await.unwrap(), Some(of("a", "y")));
    assert_eq!(shelf.of_upload("bucket", "b", "y").await.unwrap(), None);
}

#[tokio::test]
async fn every_version_with_files_is_visited_once() {
    let (_directory, shelf) = new().await;
    let mut writes = Vec::new();
    for number in 1..=600 {
        let large = Row { kind: RowKind::Large, ..row(&format!("{:03}", number % 7), number) };
        writes.push(Write::Put(Place::Older, large));
        writes.push(Write::Put(Place::Newest, row(&format!("small {number}"), number)));
    }
    writes.push(Write::Put(Place::Newest, Row { kind: RowKind::Large, ..row("x", 1_000) }));
    shelf.apply(writes).await.unwrap();
    let mut ranks = Vec::new();
    shelf.visit_files(|whole| ranks.push(whole.row.rank)).await.unwrap();
    ranks.sort_unstable();
    assert_eq!(ranks, (1..=600).chain([1_000]).collect::<Vec<u64>>());
}

#[tokio::test]
async fn those_who_write_at_once_are_all_answered() {
    let (_directory, shelf) = new().await;
    let put =
        |rank: u64| shelf.apply(vec![Write::Put(Place::Newest, row(&rank.to_string(), rank))]);
    let done = tokio::join!(put(1), put(2), put(3), put(4));
    assert!(matches!(done, (Ok(()), Ok(()), Ok(()), Ok(()))), "{done:?}");
    assert_eq!(shelf.objects("bucket", &first(), 100).await.unwrap().len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Pages of any size have what one page has.
    #[test]
    fn pages_leave_nothing_out(
        keys in proptest::collection::btree_set("[a-c\\x00é]{1,4}", 1..30),
        items in 1_usize..7,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_directory, shelf) = new().await;
            let ranks = 1_u64..;
            let puts = keys.iter().zip(ranks);
            let puts = puts.map(|(key, rank)| Write::Put(Place::Newest, row(key, rank)));
            shelf.apply(puts.collect()).await.unwrap();
            let (mut start, mut found) = (first(), Vec::new());
            loop {
                let page = shelf.objects("bucket", &start, items).await.unwrap();
                let Some(last) = page.last() else { break };
                start = Start::After(last.key.clone().into_bytes());
                found.extend(page.into_iter().map(|row| row.key));
            }
            assert_eq!(found, keys.iter().cloned().collect::<Vec<_>>());
        });
    }
}
