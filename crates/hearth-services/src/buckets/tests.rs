//! The buckets as a whole, on a directory and a database.

mod expiring;
mod notifying;
mod uploads;
mod versions;

use std::path::Path;
use std::sync::Arc;

use hearth_store::sqlite::Sqlite;
use hearth_types::names::{AccountId, Region, Scope};
use tempfile::TempDir;

use super::*;
use crate::limits::{INLINE_BYTES_MAX, PART_BYTES_MIN};
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
    Source { name: name(key), ..Source::default() }
}

fn put_of(key: &str) -> Put {
    Put { bucket: "bucket".to_owned(), key: key.to_owned(), ..Put::default() }
}

async fn content(buckets: &Buckets, bytes: &[u8]) -> NewContent {
    let mut receiving = buckets.receive(Expected::default());
    receiving.write(bytes).await.unwrap();
    receiving.finish(None).await.unwrap()
}

/// More than is kept beside a record.
fn large(byte: u8) -> Vec<u8> {
    vec![byte; INLINE_BYTES_MAX + 1]
}

async fn upload(buckets: &Buckets, key: &str) -> UploadName {
    let (bucket, key) = ("bucket".to_owned(), key.to_owned());
    let new = NewUpload { bucket, key, ..NewUpload::default() };
    let UploadRecord { bucket, key, id, .. } = buckets.create_upload(new).await.unwrap();
    UploadName { bucket, key, id }
}

async fn put_part(
    buckets: &Buckets,
    upload: &UploadName,
    (number, bytes): (u16, &[u8]),
) -> (u16, String) {
    let mut receiving = buckets.receive_part(upload, Expected::default()).await.unwrap();
    receiving.write(bytes).await.unwrap();
    let content = receiving.finish(None).await.unwrap();
    let part = buckets.put_part(upload, number, content).await.unwrap();
    (number, part.etag)
}

async fn delete(buckets: &Buckets, name: &ObjectName) -> Deleted {
    buckets.delete_object(name, &Condition::None, &Occasion::default()).await.unwrap()
}

async fn copy(buckets: &Buckets, from: &str, to: &str) -> Result<Stored, BucketError> {
    let copied = buckets.copy(&source(from), put_of(to), Default::default()).await;
    copied.map(|(_found, stored)| stored)
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
    put(&buckets, "large", &large(1)).await;
    let upload = upload(&buckets, "c").await;
    let part = put_part(&buckets, &upload, (1, b"part")).await;
    // What a killed process leaves: bytes that arrive, and bytes that no record speaks of.
    let mut arriving = buckets.receive(Expected::default());
    arriving.write(&[0; 300 * 1024]).await.unwrap();
    arriving.write(&[0; 300 * 1024]).await.unwrap();
    std::mem::forget(arriving);
    std::mem::forget(content(&buckets, &large(2)).await);
    assert_eq!(files(directory.path()), 4);
    buckets.finish().await;
    store.close().await;

    let (buckets, _store) = open(directory.path()).await;
    assert_eq!(files(directory.path()), 2);
    assert_eq!(get(&buckets, &name("a/b")).await.unwrap(), b"one");
    assert_eq!(get(&buckets, &name("large")).await.unwrap(), large(1));
    assert_eq!(code(buckets.create(&here(), "bucket").await), "BucketAlreadyOwnedByYou");
    let complete = Complete { parts: vec![part], ..Complete::default() };
    buckets.complete_upload(&upload, complete).await.unwrap();
    assert_eq!(get(&buckets, &name("c")).await.unwrap(), b"part");
    assert_eq!(files(directory.path()), 2);
}

#[tokio::test]
async fn a_put_that_is_interrupted_leaves_the_old_object_and_no_file() {
    let (directory, buckets) = with_bucket().await;
    put(&buckets, "key", &large(1)).await;
    let mut arriving = buckets.receive(Expected::default());
    arriving.write(&large(2)).await.unwrap();
    drop(arriving);
    drop(content(&buckets, &large(2)).await);
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), large(1));
    assert_eq!(files(directory.path()), 1);
    put(&buckets, "key", &large(2)).await;
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), large(2));
    assert_eq!(files(directory.path()), 1);
    put(&buckets, "key", b"small").await;
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"small");
    assert_eq!(files(directory.path()), 0);
}

#[tokio::test]
async fn what_is_read_stays_readable_when_it_is_replaced() {
    let (directory, buckets) = with_bucket().await;
    put(&buckets, "key", &large(1)).await;
    let whole = |found: &Found, _parts: &[PartOfObject]| {
        Ok::<_, BucketError>((Slice::whole(&found.object), ()))
    };
    let (_found, (), mut reader) = buckets.read(&name("key"), whole).await.unwrap();
    put(&buckets, "key", b"small").await;
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(bytes, large(1));
    drop(reader);
    assert_eq!(files(directory.path()), 0);
}

#[tokio::test]
async fn those_who_put_one_key_at_once_leave_one_object() {
    let (directory, buckets) = with_bucket().await;
    let put = async |byte: u8| put(&buckets, "key", &large(byte)).await;
    tokio::join!(put(1), put(2), put(3), put(4));
    let found = get(&buckets, &name("key")).await.unwrap();
    assert!((1..=4).any(|byte| found == large(byte)));
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
        let mut receiving = buckets.receive(expected);
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
    for (from, to, bytes) in [("one", "two", b"bytes".to_vec()), ("big", "bigger", large(1))] {
        put(&buckets, from, &bytes).await;
        copy(&buckets, from, to).await.unwrap();
        delete(&buckets, &name(from)).await;
        assert_eq!(get(&buckets, &name(to)).await.unwrap(), bytes);
    }
    assert_eq!(files(directory.path()), 1);
    assert_eq!(code(copy(&buckets, "two", "two").await), "InvalidRequest");
    let matches = Some(ETags::These(vec!["other".to_owned()]));
    let conditions = Preconditions { matches, ..Preconditions::default() };
    let other = Source { conditions, ..source("two") };
    let refused = buckets.copy(&other, put_of("three"), Default::default()).await;
    assert_eq!(code(refused), "PreconditionFailed");
    let anew = Inherited { metadata: Inherit::No, tags: Inherit::Yes };
    buckets.copy(&source("bigger"), put_of("bigger"), (anew, None)).await.unwrap();
    assert_eq!(get(&buckets, &name("bigger")).await.unwrap(), large(1));
    assert_eq!(files(directory.path()), 1);
    let of_other = (Inherited::default(), Some(Algorithm::Sha256));
    let (_found, stored) = buckets.copy(&source("two"), put_of("four"), of_other).await.unwrap();
    assert_eq!(stored.checksum.unwrap().algorithm, Algorithm::Sha256);
}

#[tokio::test]
async fn many_are_deleted_together_and_each_is_answered() {
    let (directory, buckets) = with_bucket().await;
    let names: Vec<String> = (0..250).map(|number| format!("{number:03}")).collect();
    for key in &names {
        put(&buckets, key, b"x").await;
    }
    put(&buckets, "large", &large(1)).await;
    let mut asked: Vec<(ObjectName, Condition)> =
        names.iter().map(|key| (name(key), Condition::None)).collect();
    asked.push((name("large"), Condition::Matches("other".to_owned())));
    asked.push((name("000"), Condition::None));
    asked.push((name("never there"), Condition::None));
    asked.push((name("large"), Condition::Present));
    let nobody = Occasion::default();
    let done = buckets.delete_objects("bucket", &asked, &nobody).await.unwrap();
    assert_eq!(done.len(), asked.len());
    let refused = done.iter().filter_map(|one| one.as_ref().err()).map(BucketError::code);
    assert_eq!(refused.collect::<Vec<_>>(), ["PreconditionFailed"]);
    assert_eq!(files(directory.path()), 0);
    buckets.delete("bucket").await.unwrap();
    let missing = buckets.delete_objects("bucket", &asked, &nobody).await;
    assert_eq!(code(missing), "NoSuchBucket");
}

#[tokio::test]
async fn tags_are_of_one_version() {
    let (_directory, buckets) = with_bucket().await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let first = put(&buckets, "key", b"first").await.version.unwrap();
    put(&buckets, "key", b"second").await;
    let tags =
        |value: &str| Tags::new(vec![("a".to_owned(), value.to_owned())], Tagged::Object).unwrap();
    let why = (EventKind::PutTags, &Occasion::default());
    buckets.set_tags(&version("key", &first), tags("old"), why).await.unwrap();
    buckets.set_tags(&name("key"), tags("new"), why).await.unwrap();
    let of = async |name: &ObjectName| buckets.find(name).await.unwrap().object.tags;
    assert_eq!(of(&version("key", &first)).await, tags("old"));
    assert_eq!(of(&name("key")).await, tags("new"));
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), b"second");
    delete(&buckets, &name("key")).await;
    assert_eq!(code(buckets.set_tags(&name("key"), tags("x"), why).await), "NoSuchKey");
}

#[tokio::test]
async fn settings_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    let policy = Some("{}".to_owned());
    buckets.set("bucket", |settings| settings.policy = policy.clone()).await.unwrap();
    assert_eq!(code(buckets.set("missing", |_settings| ()).await), "NoSuchBucket");
    buckets.finish().await;
    store.close().await;
    let (buckets, _store) = open(directory.path()).await;
    assert_eq!(buckets.bucket("bucket").unwrap().settings.policy, policy);
}

#[tokio::test]
async fn bytes_that_arrive_one_by_one_are_all_there() {
    let (_directory, buckets) = with_bucket().await;
    let bytes: Vec<u8> = (0..=250).cycle().take(300 * 1024).collect();
    let mut receiving = buckets.receive(Expected::default());
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
    let found = buckets.find(&name("a/b")).await.unwrap().object;
    let content_type = found.metadata.headers.get("content-type").map(String::as_str);
    assert_eq!((found.size, content_type), (2, Some("application/json")));

    let nowhere = NewObject { bucket: "nowhere", ..object };
    let refused = NotTaken::Refused {
        code: "NoSuchBucket".to_owned(),
        message: "The specified bucket does not exist".to_owned(),
    };
    assert_eq!(buckets.put_object(nowhere).await, Err(refused));
}
