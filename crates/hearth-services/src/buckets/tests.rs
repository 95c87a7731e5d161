//! The buckets as a whole, on a directory and a database.

mod notifying;

use std::path::Path;
use std::sync::Arc;

use hearth_store::sqlite::Sqlite;
use hearth_types::names::{AccountId, Region, Scope};
use tempfile::TempDir;

use super::*;
use crate::limits::PART_BYTES_MIN;
use crate::objects::{ObjectAddress, ObjectSource as _};
use crate::targets::{NewObject, NotTaken, PutObject as _};

fn scope(account: &str, region: &str) -> Scope {
    Scope { account: AccountId::parse(account).unwrap(), region: Region::parse(region).unwrap() }
}

fn here() -> Scope {
    scope("000000000000", "us-east-1")
}

async fn open(directory: &Path) -> (Buckets, Sqlite) {
    let store = Sqlite::open(&directory.join("hearth.db")).await.unwrap();
    let buckets = Buckets::open(directory.join("buckets"), Arc::new(store.clone())).await.unwrap();
    (buckets, store)
}

/// Buckets with one that is called `bucket`.
async fn with_bucket() -> (TempDir, Buckets) {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, _store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    (directory, buckets)
}

fn name(key: &str) -> ObjectName {
    ObjectName { bucket: "bucket".to_owned(), key: key.to_owned(), version: None }
}

fn version(key: &str, version: &str) -> ObjectName {
    ObjectName { version: Some(version.to_owned()), ..name(key) }
}

fn source(key: &str) -> Source {
    Source { name: name(key), etag: None }
}

fn put_of(key: &str) -> Put {
    Put { bucket: "bucket".to_owned(), key: key.to_owned(), ..Put::default() }
}

async fn content(buckets: &Buckets, bytes: &[u8]) -> NewContent {
    let mut receiving = buckets.receive(Expected::default()).await.unwrap();
    receiving.write(bytes).await.unwrap();
    receiving.finish(None).await.unwrap()
}

async fn put(buckets: &Buckets, key: &str, bytes: &[u8]) -> Stored {
    let content = content(buckets, bytes).await;
    buckets.put(put_of(key), content).await.unwrap()
}

async fn get(buckets: &Buckets, name: &ObjectName) -> Result<Vec<u8>, String> {
    let ObjectName { bucket, key, version } = name.clone();
    let address = ObjectAddress { scope: here(), bucket, key, version };
    buckets.fetch(&address, 64 * 1024 * 1024).await.map_err(|error| error.code)
}

fn files(directory: &Path) -> usize {
    ["content", "incoming"]
        .iter()
        .map(|part| std::fs::read_dir(directory.join("buckets").join(part)).unwrap().count())
        .sum()
}

fn code<T: std::fmt::Debug>(result: Result<T, BucketError>) -> &'static str {
    result.unwrap_err().code()
}

#[tokio::test]
async fn names_of_buckets_belong_to_one_account() {
    let (_directory, buckets) = with_bucket().await;
    let elsewhere = scope("000000000000", "eu-west-1");
    let other = scope("111111111111", "us-east-1");
    assert_eq!(code(buckets.create(&here(), "bucket").await), "BucketAlreadyOwnedByYou");
    assert_eq!(code(buckets.create(&elsewhere, "bucket").await), "BucketAlreadyOwnedByYou");
    assert_eq!(code(buckets.create(&other, "bucket").await), "BucketAlreadyExists");
    assert_eq!(code(buckets.create(&here(), "Bucket").await), "InvalidBucketName");
    buckets.create(&elsewhere, "a-bucket").await.unwrap();
    let names = |of: &Scope| -> Vec<String> {
        buckets.list(of).iter().map(|bucket| bucket.name.clone()).collect()
    };
    assert_eq!(names(&here()), ["a-bucket", "bucket"]);
    assert_eq!(names(&other), Vec::<String>::new());
    buckets.delete("bucket").await.unwrap();
    buckets.create(&other, "bucket").await.unwrap();
    assert_eq!(code(buckets.delete("missing").await), "NoSuchBucket");
}

#[tokio::test]
async fn records_and_files_survive_a_restart_and_nothing_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    let stored = put(&buckets, "a/b", b"one").await;
    assert_eq!(stored.etag, "f97c5d29941bfb1b2fdab0874906ab82");
    let upload = buckets.create_upload("bucket", "c", Metadata::default()).await.unwrap();
    let upload = UploadName { bucket: "bucket".to_owned(), key: "c".to_owned(), id: upload };
    let part = buckets.put_part(&upload, 1, content(&buckets, b"part").await).await.unwrap();
    // What a killed process leaves: bytes that arrive, and bytes that no record speaks of.
    let mut arriving = buckets.receive(Expected::default()).await.unwrap();
    arriving.write(b"half").await.unwrap();
    std::mem::forget(arriving);
    std::mem::forget(content(&buckets, b"whole").await);
    assert_eq!(files(directory.path()), 4);
    store.close().await;

    let (buckets, _store) = open(directory.path()).await;
    assert_eq!(files(directory.path()), 2);
    assert_eq!(get(&buckets, &name("a/b")).await.unwrap(), b"one");
    assert_eq!(code(buckets.create(&here(), "bucket").await), "BucketAlreadyOwnedByYou");
    let complete = Complete { parts: vec![(1, part.etag.clone())], ..Complete::default() };
    buckets.complete_upload(&upload, complete).await.unwrap();
    assert_eq!(get(&buckets, &name("c")).await.unwrap(), b"part");
    assert_eq!(files(directory.path()), 2);
}

#[tokio::test]
async fn a_put_that_is_interrupted_leaves_the_old_object_and_no_file() {
    let (directory, buckets) = with_bucket().await;
    put(&buckets, "key", b"old").await;
    let mut arriving = buckets.receive(Expected::default()).await.unwrap();
    arriving.write(b"new").await.unwrap();
    drop(arriving);
    drop(content(&buckets, b"new").await);
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"old");
    assert_eq!(files(directory.path()), 1);
    put(&buckets, "key", b"new").await;
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"new");
    assert_eq!(files(directory.path()), 1);
}

#[tokio::test]
async fn what_arrives_is_compared_with_what_was_promised() {
    let (directory, buckets) = with_bucket().await;
    let checksum = |algorithm, value: &str| Checksum { algorithm, value: value.to_owned() };
    let right = checksum(Algorithm::Crc32, "y/Q5Jg==");
    let wrong = checksum(Algorithm::Crc32, "AAAAAA==");
    let sha256 = "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
    let md5 = parse_md5("JfnnlDI7RTiF9RgfG2JNCw==");
    let none = Expected::default();
    #[rustfmt::skip]
    let rows = [
        ("nothing",      none.clone(),                                                   None,         ""),
        ("MD5",          Expected { md5, ..none.clone() },                               None,         ""),
        ("other MD5",    Expected { md5: Some([0; 16]), ..none.clone() },                None,         "BadDigest"),
        ("SHA-256",      Expected { sha256: Some(sha256.to_owned()), ..none.clone() },   None,         ""),
        ("other SHA-256", Expected { sha256: Some("0".repeat(64)), ..none.clone() },     None,         "XAmzContentSHA256Mismatch"),
        ("CRC-32",       Expected { checksum: Some(right.clone()), ..none.clone() },     None,         ""),
        ("other CRC-32", Expected { checksum: Some(wrong.clone()), ..none.clone() },     None,         "BadDigest"),
        ("trailing",     Expected { algorithm: Some(Algorithm::Crc32), ..none.clone() }, Some(&right), ""),
        ("other behind", Expected { algorithm: Some(Algorithm::Crc32), ..none.clone() }, Some(&wrong), "BadDigest"),
        ("not counted",  none,                                                           Some(&right), "BadDigest"),
    ];
    for (row, expected, trailing, refusal) in rows {
        let of_document = expected.clone();
        let mut receiving = buckets.receive(expected).await.unwrap();
        receiving.write(b"1234").await.unwrap();
        receiving.write(b"56789").await.unwrap();
        let finished = receiving.finish(trailing).await;
        if trailing.is_none() {
            let checked = of_document.check(b"123456789");
            assert_eq!(checked.as_ref().err().map_or("", BucketError::code), refusal, "{row}");
        }
        assert_eq!(finished.as_ref().err().map_or("", BucketError::code), refusal, "{row}");
    }
    assert_eq!(files(directory.path()), 0);
}

#[tokio::test]
async fn versions_are_kept_and_deleted_one_by_one() {
    let (directory, buckets) = with_bucket().await;
    assert_eq!(put(&buckets, "key", b"null").await.version, None);
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let first = put(&buckets, "key", b"first").await.version.unwrap();
    let second = put(&buckets, "key", b"second").await.version.unwrap();
    for (id, bytes) in [("null", "null"), (&*first, "first"), (&*second, "second")] {
        assert_eq!(get(&buckets, &version("key", id)).await.unwrap(), bytes.as_bytes(), "{id}");
    }
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"second");

    let marker = buckets.delete_object(&name("key"), &Occasion::default()).await.unwrap();
    assert!(marker.is_marker);
    let marker = marker.version.unwrap();
    assert_eq!(get(&buckets, &name("key")).await, Err("NoSuchKey".to_owned()));
    let of_marker = get(&buckets, &version("key", &marker)).await;
    assert_eq!(of_marker, Err("MethodNotAllowed".to_owned()));
    assert_eq!(get(&buckets, &version("key", "x")).await, Err("NoSuchVersion".to_owned()));
    let list = List { items_max: 10, ..List::default() };
    assert!(buckets.list_objects("bucket", &list).unwrap().objects.is_empty());
    let ids: Vec<String> = buckets
        .list_versions("bucket", &list)
        .unwrap()
        .versions
        .into_iter()
        .map(|one| one.version.id)
        .collect();
    assert_eq!(ids, [&*marker, &*second, &*first, "null"]);
    let refused = buckets.delete("bucket").await.unwrap_err();
    assert!(matches!(refused, BucketError::BucketHasVersions));

    assert!(
        buckets
            .delete_object(&version("key", &marker), &Occasion::default())
            .await
            .unwrap()
            .is_marker
    );
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"second");
    buckets.set_versioning("bucket", Versioning::Suspended).await.unwrap();
    assert_eq!(put(&buckets, "key", b"again").await.version.as_deref(), Some("null"));
    assert_eq!(get(&buckets, &version("key", "null")).await.unwrap(), b"again");
    for id in ["null", &*first, &*second] {
        buckets.delete_object(&version("key", id), &Occasion::default()).await.unwrap();
    }
    assert_eq!(files(directory.path()), 0);
    buckets.delete("bucket").await.unwrap();
}

#[tokio::test]
async fn conditions_are_about_what_is_there() {
    let (_directory, buckets) = with_bucket().await;
    let put_if = async |condition, bytes: &[u8]| {
        let content = content(&buckets, bytes).await;
        let put = Put { condition, ..put_of("key") };
        buckets.put(put, content).await.map_err(|error| error.code())
    };
    let etag = "f97c5d29941bfb1b2fdab0874906ab82".to_owned();
    assert_eq!(put_if(Condition::Matches(etag.clone()), b"x").await.unwrap_err(), "NoSuchKey");
    assert_eq!(put_if(Condition::Absent, b"one").await.unwrap().etag, etag);
    assert_eq!(put_if(Condition::Absent, b"two").await.unwrap_err(), "PreconditionFailed");
    put_if(Condition::Matches(etag.clone()), b"two").await.unwrap();
    assert_eq!(put_if(Condition::Matches(etag), b"x").await.unwrap_err(), "PreconditionFailed");
}

#[tokio::test]
async fn a_copy_does_not_need_its_source() {
    let (directory, buckets) = with_bucket().await;
    put(&buckets, "one", b"bytes").await;
    buckets.copy(&source("one"), put_of("two"), None).await.unwrap();
    buckets.delete_object(&name("one"), &Occasion::default()).await.unwrap();
    assert_eq!(get(&buckets, &name("two")).await.unwrap(), b"bytes");
    assert_eq!(files(directory.path()), 1);
    let itself = buckets.copy(&source("two"), put_of("two"), None).await;
    assert_eq!(code(itself), "InvalidRequest");
    let other = Source { etag: Some("other".to_owned()), ..source("two") };
    let refused = buckets.copy(&other, put_of("three"), None).await;
    assert_eq!(code(refused), "PreconditionFailed");
    let metadata = Some(Metadata::default());
    buckets.copy(&source("two"), put_of("two"), metadata).await.unwrap();
    assert_eq!(get(&buckets, &name("two")).await.unwrap(), b"bytes");
    assert_eq!(files(directory.path()), 1);
}

#[tokio::test]
async fn parts_become_an_object() {
    let (directory, buckets) = with_bucket().await;
    let id = buckets.create_upload("bucket", "key", Metadata::default()).await.unwrap();
    let upload = UploadName { bucket: "bucket".to_owned(), key: "key".to_owned(), id };
    let large = vec![7; usize::try_from(PART_BYTES_MIN).unwrap()];
    let mut parts = Vec::new();
    for (number, bytes) in [(1, &large[..]), (2, &b"twice"[..]), (2, &b"last"[..])] {
        let part = buckets.put_part(&upload, number, content(&buckets, bytes).await).await;
        parts.push((number, part.unwrap().etag.clone()));
    }
    parts.remove(1);
    let whole = [&large[..], b"last"].concat();
    let mut running = checksum::Running::new(Algorithm::Crc64Nvme);
    running.update(&whole);
    let checksum = Some(running.finish());
    let wrong = Some(Checksum { algorithm: Algorithm::Crc32, value: "AAAAAA==".to_owned() });
    let complete = Complete { parts, checksum, ..Complete::default() };
    let refused = Complete { checksum: wrong, ..complete.clone() };
    assert_eq!(code(buckets.complete_upload(&upload, refused).await), "BadDigest");
    let stored = buckets.complete_upload(&upload, complete.clone()).await.unwrap();
    assert!(stored.etag.ends_with("-2"), "{}", stored.etag);
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), whole);
    let again = buckets.complete_upload(&upload, complete.clone()).await.unwrap();
    assert_eq!(again, stored);
    assert_eq!(files(directory.path()), 1);
    put(&buckets, "key", b"other").await;
    assert_eq!(code(buckets.complete_upload(&upload, complete).await), "NoSuchUpload");
    put(&buckets, "key", &whole).await;

    let id = buckets.create_upload("bucket", "key", Metadata::default()).await.unwrap();
    let upload = UploadName { id, ..upload };
    let copied = buckets.copy_part(&source("key"), Some((1, 3)), (&upload, 1)).await.unwrap();
    assert_eq!(copied.size, 3);
    let beyond = buckets.copy_part(&source("key"), Some((1, 9_999_999)), (&upload, 1)).await;
    assert_eq!(code(beyond), "InvalidArgument");
    buckets.abort_upload(&upload).await.unwrap();
    assert_eq!(files(directory.path()), 1);
}

#[tokio::test]
async fn those_who_complete_an_upload_at_once_get_one_object() {
    let (directory, buckets) = with_bucket().await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let id = buckets.create_upload("bucket", "key", Metadata::default()).await.unwrap();
    let upload = UploadName { bucket: "bucket".to_owned(), key: "key".to_owned(), id };
    let part = buckets.put_part(&upload, 1, content(&buckets, b"part").await).await.unwrap();
    let complete = Complete { parts: vec![(1, part.etag.clone())], ..Complete::default() };
    let (one, other) = tokio::join!(
        buckets.complete_upload(&upload, complete.clone()),
        buckets.complete_upload(&upload, complete.clone()),
    );
    assert_eq!(one.unwrap(), other.unwrap());
    // An older version is found as well.
    put(&buckets, "key", b"newer").await;
    buckets.complete_upload(&upload, complete).await.unwrap();
    let list = List { items_max: 10, ..List::default() };
    assert_eq!(buckets.list_versions("bucket", &list).unwrap().versions.len(), 2);
    assert_eq!(files(directory.path()), 2);
}

#[tokio::test]
async fn bytes_that_arrive_one_by_one_are_all_there() {
    let (_directory, buckets) = with_bucket().await;
    let bytes: Vec<u8> = (0..=250).cycle().take(300 * 1024).collect();
    let mut receiving = buckets.receive(Expected::default()).await.unwrap();
    for byte in bytes.chunks(1) {
        receiving.write(byte).await.unwrap();
    }
    let content = receiving.finish(None).await.unwrap();
    buckets.put(put_of("key"), content).await.unwrap();
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), bytes);
}

#[tokio::test]
async fn code_is_fetched_from_its_own_region_and_within_its_limit() {
    let (_directory, buckets) = with_bucket().await;
    put(&buckets, "key", b"bytes").await;
    let fetch = async |region: &str, key: &str, limit: usize| {
        let scope = scope("000000000000", region);
        let (bucket, key) = ("bucket".to_owned(), key.to_owned());
        let address = ObjectAddress { scope, bucket, key, version: None };
        buckets.fetch(&address, limit).await
    };
    assert_eq!(fetch("us-east-1", "key", 5).await.unwrap(), b"bytes");
    assert_eq!(fetch("us-east-1", "key", 4).await.unwrap_err().code, "EntityTooLarge");
    let elsewhere = fetch("eu-west-1", "key", 5).await.unwrap_err();
    assert_eq!(elsewhere.code, "PermanentRedirect");
    let missing = fetch("us-east-1", "other", 5).await.unwrap_err();
    assert_eq!(missing.to_string(), "NoSuchKey: The specified key does not exist.");
}

#[tokio::test]
async fn what_is_delivered_is_an_object_and_a_bucket_that_is_missing_refuses_it() {
    let (_directory, buckets) = with_bucket().await;
    let body = bytes::Bytes::from_static(b"{}");
    let object = NewObject { bucket: "bucket", key: "a/b", region: "us-east-1", body: &body };
    assert_eq!(buckets.put_object(object).await, Ok(()));
    let found = buckets.find(&name("a/b")).unwrap().object;
    let content_type = found.metadata.headers.get("content-type").map(String::as_str);
    assert_eq!((found.size, content_type), (2, Some("application/json")));

    let nowhere = NewObject { bucket: "nowhere", ..object };
    let refused = NotTaken::Refused {
        code: "NoSuchBucket".to_owned(),
        message: "The specified bucket does not exist".to_owned(),
    };
    assert_eq!(buckets.put_object(nowhere).await, Err(refused));
}
