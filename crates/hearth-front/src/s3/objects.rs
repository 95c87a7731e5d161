//! Operations on objects.

use std::io::SeekFrom;

use hearth_services::buckets::{Checksum, Found, ObjectName, Put, Stored};
use hearth_wire::xml::Element;
use hyper::{Method, StatusCode};
use tokio::io::AsyncSeekExt as _;

use super::answer::{self, Answer, quoted};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use super::{Call, date, headers};

/// AWS: keys in one request.
const DELETED_MAX: usize = 1_000;

/// What a request may say about the headers of its answer, and which it means.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

/// The object that a request is about.
pub(super) fn name(call: &Call) -> ObjectName {
    ObjectName {
        bucket: call.bucket().to_owned(),
        key: call.key().to_owned(),
        version: call.query("versionId").filter(|id| !id.is_empty()).map(str::to_owned),
    }
}

fn put_of(call: &Call) -> Result<Put, S3Error> {
    Ok(Put {
        bucket: call.bucket().to_owned(),
        key: call.key().to_owned(),
        metadata: headers::metadata(&call.headers),
        condition: headers::condition(call)?,
        occasion: call.occasion.clone(),
        ..Put::default()
    })
}

pub(super) async fn put(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    headers::refuse_what_is_not_offered(&call.headers)?;
    call.buckets.bucket(call.bucket())?;
    let put = put_of(call)?;
    let content = body.receive(call).await?;
    let stored = call.buckets.put(put, content).await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::set(&mut answer, "etag", &quoted(&stored.etag));
    answer::set_encryption(&mut answer);
    describe(&mut answer, stored.version.as_deref(), stored.checksum.as_ref());
    Ok(answer)
}

/// Sets what the answers to puts and gets have in common.
fn describe(answer: &mut Answer, version: Option<&str>, checksum: Option<&Checksum>) {
    if let Some(version) = version {
        answer::set(answer, "x-amz-version-id", version);
    }
    if let Some(checksum) = checksum {
        answer::set(answer, checksum.algorithm.header(), &checksum.value);
        answer::set(answer, "x-amz-checksum-type", "FULL_OBJECT");
    }
}

pub(super) async fn copy(call: &Call) -> Result<Answer, S3Error> {
    headers::refuse_what_is_not_offered(&call.headers)?;
    let source = headers::copy_source(call)?;
    let put = put_of(call)?;
    let metadata = match call.header("x-amz-metadata-directive") {
        None | Some("COPY") => None,
        Some("REPLACE") => Some(put.metadata.clone()),
        Some(_) => return Err(S3Error::invalid_argument("Unknown metadata directive.")),
    };
    let (found, stored) = call.buckets.copy(&source, put, metadata).await?;
    let Stored { version, etag, modified, checksum } = stored;
    let checksum = checksum.as_ref();
    let document = answer::root("CopyObjectResult")
        .child(Element::text("LastModified", modified.iso()))
        .child(Element::text("ETag", quoted(&etag)))
        .children(checksum.map(checksum_element));
    let mut answer = answer::xml(&document);
    answer::set_encryption(&mut answer);
    describe(&mut answer, version.as_deref(), None);
    if let Some(version) = found.version {
        answer::set(&mut answer, "x-amz-copy-source-version-id", &version);
    }
    Ok(answer)
}

pub(super) fn checksum_element(checksum: &Checksum) -> Element {
    Element::text(&format!("Checksum{}", checksum.algorithm.name()), &checksum.value)
}

/// GetObject and HeadObject.
pub(super) async fn get(call: &Call, method: &Method) -> Result<Answer, S3Error> {
    if call.query("partNumber").is_some() {
        return Err(S3Error::not_implemented("partNumber of GetObject and HeadObject"));
    }
    let (found, file) = if method == Method::HEAD {
        (call.buckets.find(&name(call))?, None)
    } else {
        let (found, file) = call.buckets.read(&name(call)).await?;
        (found, Some(file))
    };
    headers::check_conditions(&call.headers, &found)?;
    let size = found.object.size;
    let range = headers::range(call.header("range"), size)?;
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let (first, length) = range.map_or((0, size), |(first, last)| (first, last - first + 1));
    let mut answer = match file {
        Some(mut file) => {
            file.seek(SeekFrom::Start(first)).await.map_err(|error| {
                tracing::error!(%error, "an object could not be read");
                S3Error::broken()
            })?;
            answer::file(status, file, length)
        }
        None => answer::empty(status),
    };
    set_headers(&mut answer, call, &found);
    answer::set(&mut answer, "content-length", &length.to_string());
    if let Some((first, last)) = range {
        answer::set(&mut answer, "content-range", &format!("bytes {first}-{last}/{size}"));
    } else if call
        .header("x-amz-checksum-mode")
        .is_some_and(|it| it.eq_ignore_ascii_case("ENABLED"))
    {
        describe(&mut answer, None, found.object.checksum.as_ref());
    }
    Ok(answer)
}

fn set_headers(answer: &mut Answer, call: &Call, found: &Found) {
    answer::set(answer, "accept-ranges", "bytes");
    answer::set_encryption(answer);
    answer::set(answer, "content-type", "binary/octet-stream");
    answer::set(answer, "etag", &quoted(&found.object.etag));
    answer::set(answer, "last-modified", &date::http(found.modified));
    describe(answer, found.version.as_deref(), None);
    let metadata = &found.object.metadata;
    for (name, value) in &metadata.headers {
        answer::set(answer, name, value);
    }
    for (name, value) in &metadata.user {
        answer::set(answer, &format!("x-amz-meta-{name}"), value);
    }
    for (parameter, header) in OVERRIDES {
        if let Some(value) = call.query(parameter) {
            answer::set(answer, header, value);
        }
    }
}

/// There are no tags.
pub(super) fn tagging(call: &Call) -> Result<Answer, S3Error> {
    let found = call.buckets.find(&name(call))?;
    let document = answer::root("Tagging").child(Element::new("TagSet"));
    let mut answer = answer::xml(&document);
    describe(&mut answer, found.version.as_deref(), None);
    Ok(answer)
}

pub(super) async fn delete(call: &Call) -> Result<Answer, S3Error> {
    refuse_conditions(call)?;
    let deleted = call.buckets.delete_object(&name(call), &call.occasion).await?;
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    describe(&mut answer, deleted.version.as_deref(), None);
    if deleted.is_marker {
        answer::set(&mut answer, "x-amz-delete-marker", "true");
    }
    Ok(answer)
}

/// A deletion that shall depend on something must not go on without it.
fn refuse_conditions(call: &Call) -> Result<(), S3Error> {
    let conditions = ["if-match", "x-amz-if-match-last-modified-time", "x-amz-if-match-size"];
    match conditions.into_iter().find(|name| call.headers.contains_key(*name)) {
        Some(name) => Err(S3Error::not_implemented(&format!("header {name} of DeleteObject"))),
        None => Ok(()),
    }
}

pub(super) async fn delete_many(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    call.buckets.bucket(call.bucket())?;
    let document = body.document(call).await?;
    let root = Node::read(&document.bytes, "Delete")?;
    let is_quiet = root.text("Quiet").is_some_and(|text| text.trim() == "true");
    let named: Vec<&Node> = root.all("Object").collect();
    if named.is_empty() || named.len() > DELETED_MAX {
        return Err(S3Error::malformed_xml());
    }
    let mut done = Vec::new();
    for object in named {
        let key = object.text("Key").ok_or_else(S3Error::malformed_xml)?;
        let version = object.text("VersionId").filter(|id| !id.is_empty());
        let element = delete_one(call, key, version).await;
        let is_shown = element.is_err() || !is_quiet;
        done.extend(is_shown.then(|| element.unwrap_or_else(|error| error)));
    }
    Ok(answer::xml(&answer::root("DeleteResult").children(done)))
}

/// What is said about one of many: that it is deleted, or why not.
async fn delete_one(call: &Call, key: &str, version: Option<&str>) -> Result<Element, Element> {
    let bucket = call.bucket().to_owned();
    let name = ObjectName { bucket, key: key.to_owned(), version: version.map(str::to_owned) };
    let about = |element: &str| {
        let version = version.map(|version| Element::text("VersionId", version));
        Element::new(element).child(Element::text("Key", key)).children(version)
    };
    match call.buckets.delete_object(&name, &call.occasion).await {
        Ok(deleted) if deleted.is_marker => Ok(about("Deleted")
            .child(Element::text("DeleteMarker", "true"))
            .children(deleted.version.map(|id| Element::text("DeleteMarkerVersionId", id)))),
        Ok(_deleted) => Ok(about("Deleted")),
        Err(error) => Err(about("Error").children([
            Element::text("Code", error.code()),
            Element::text("Message", error.message()),
        ])),
    }
}
