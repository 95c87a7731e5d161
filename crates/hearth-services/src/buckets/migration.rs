//! Moves what earlier versions of this program kept among the records onto the shelf.
//!
//! # Promises
//!
//! A record is removed when the shelf has what it said. A start that is interrupted in between is
//! finished by the next one, which writes the same rows once more: a version has the same rank
//! whenever it is moved.

use hearth_store::records::{Record, RecordKey, Records};
use hearth_store::shelf::{PartRow, Place, Shelf, UploadRow, Write};
use hearth_types::time::Timestamp;
use serde::Deserialize;

use super::checksum::{Checksum, ChecksumKind};
use super::content::ContentId;
use super::error::BucketError;
use super::notifications::Sequencers;
use super::record::{self, Content, Metadata, Object, PartRecord, UploadRecord, VersionRecord};
use super::tags::Tags;
use super::versions::Entry;

const OBJECT: &str = "bucket-object";
const UPLOAD: &str = "bucket-upload";
const PART: &str = "bucket-part";

/// A key with its versions, the newest first.
#[derive(Debug, Deserialize)]
struct OldRecord {
    bucket: String,
    key: String,
    versions: Vec<OldVersion>,
}

#[derive(Debug, Deserialize)]
struct OldVersion {
    id: String,
    modified: Timestamp,
    object: Option<OldObject>,
    #[serde(default)]
    upload: Option<String>,
}

#[derive(Debug, Deserialize)]
struct OldObject {
    content: ContentId,
    size: u64,
    etag: String,
    checksum: Option<Checksum>,
    metadata: Metadata,
}

/// Moves objects, uploads and parts.
pub(super) async fn move_records(records: &dyn Records, shelf: &Shelf) -> Result<(), BucketError> {
    for kind in [OBJECT, UPLOAD, PART] {
        for old in records.all(kind).await.map_err(BucketError::Store)? {
            let writes = writes_of(kind, &old)?;
            shelf.apply(writes).await.map_err(BucketError::Store)?;
            let Record { scope, name, document: _ } = old;
            let key = RecordKey { kind, scope, name };
            records.remove(&key).await.map_err(BucketError::Store)?;
        }
    }
    Ok(())
}

fn writes_of(kind: &'static str, old: &Record) -> Result<Vec<Write>, BucketError> {
    match kind {
        OBJECT => Ok(versions(record::read(&old.document)?)),
        UPLOAD => {
            let UploadRecord { id, bucket, key, .. } = record::read(&old.document)?;
            let document = old.document.clone();
            Ok(vec![Write::PutUpload(UploadRow { bucket, key, id, document })])
        }
        _part => {
            let PartRecord { upload, number, .. } = record::read(&old.document)?;
            let document = old.document.clone();
            Ok(vec![Write::PutPart(PartRow { upload, number, document })])
        }
    }
}

fn versions(old: OldRecord) -> Vec<Write> {
    let place = (old.bucket.as_str(), old.key.as_str());
    let mut writes = Vec::new();
    let mut rank = 0;
    // From the oldest on, so that each has a greater rank than the one before, as if it had been put
    // when it was: below all that will be put.
    for (age, version) in old.versions.into_iter().enumerate().rev() {
        let OldVersion { id, modified, object, upload } = version;
        let object = object.map(|object| Object {
            content: Content::File(object.content),
            size: object.size,
            etag: object.etag,
            checksum: object.checksum,
            checksum_kind: ChecksumKind::FullObject,
            metadata: object.metadata,
            tags: Tags::default(),
        });
        let record = VersionRecord { id, modified, object, upload };
        rank = Sequencers::first_of(modified).number().max(rank + 1);
        let row = Entry { rank, record, piece: None }.row(place);
        writes.push(Write::Put(if age == 0 { Place::Newest } else { Place::Older }, row));
    }
    writes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hearth_store::sqlite::Sqlite;
    use hearth_types::names::{AccountId, Region, Scope};

    use super::super::{Buckets, List, ObjectName};
    use super::*;
    use crate::objects::{ObjectAddress, ObjectSource as _};

    #[tokio::test]
    async fn objects_of_an_earlier_version_are_still_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        let content = "0123456789abcdef0123456789abcdef";
        let contents = directory.path().join("buckets").join("content");
        std::fs::create_dir_all(&contents).unwrap();
        std::fs::write(contents.join(content), b"bytes").unwrap();
        let bucket = r#"{"name":"bucket","scope":{"account":"000000000000","region":"us-east-1"},
            "created":1,"versioning":"Enabled"}"#;
        let object = r#"{"bucket":"bucket","key":"key","versions":[
            {"id":"second","modified":2,"object":null,"upload":null},
            {"id":"first","modified":1,"object":{
                "content":"01234567-89ab-cdef-0123-456789abcdef","size":5,"etag":"e",
                "checksum":null,"metadata":{"headers":{},"user":{"a":"b"}}}}]}"#;
        let key =
            |kind, name: &str| RecordKey { kind, scope: scope.clone(), name: name.to_owned() };
        store.put(&key("bucket", "bucket"), bucket).await.unwrap();

        for _start in 0..3 {
            // As if the server had been killed before the record was removed.
            store.put(&key(OBJECT, "bucket/key"), object).await.unwrap();
            let records = Arc::new(store.clone());
            let buckets = Buckets::open(directory.path().join("buckets"), records).await.unwrap();
            let list = List { items_max: 10, ..List::default() };
            let listed = buckets.list_versions("bucket", &list).await.unwrap().versions;
            let ids: Vec<_> = listed.iter().map(|one| one.version.id.as_str()).collect();
            assert_eq!(ids, ["second", "first"]);
            let (bucket, key) = ("bucket".to_owned(), "key".to_owned());
            let version = Some("first".to_owned());
            let name = ObjectName { bucket, key, version };
            let found = buckets.find(&name).await.unwrap();
            assert_eq!(found.object.metadata.user.get("a").map(String::as_str), Some("b"));
            let ObjectName { bucket, key, version } = name;
            let address = ObjectAddress { scope: scope.clone(), bucket, key, version };
            assert_eq!(buckets.fetch(&address, 100).await.unwrap(), b"bytes");
            assert!(store.all(OBJECT).await.unwrap().is_empty());
            buckets.finish().await;
        }
    }
}
