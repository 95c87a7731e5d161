//! Operations on objects.

use hearth_services::buckets::{
    Checksum, ChecksumKind, Condition, Found, ObjectName, PartOfObject, Put, Reader, Slice, Stored,
};
use hearth_types::time::Timestamp;
use hearth_wire::xml::Element;
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::{self, Answer, quoted};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use super::headers::Asked;
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

pub(super) fn put_of(call: &Call) -> Result<Put, S3Error> {
    Ok(Put {
        bucket: call.bucket().to_owned(),
        key: call.key().to_owned(),
        metadata: headers::metadata(&call.headers),
        tags: headers::tags(&call.headers)?,
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
    set_stored(&mut answer, &stored);
    Ok(answer)
}

/// Sets what is said of every object that was put.
pub(super) fn set_stored(answer: &mut Answer, stored: &Stored) {
    set_version(answer, stored.version.as_deref());
    set_expiration(answer, stored.expires.as_ref());
    set_checksum(answer, stored.checksum.as_ref(), stored.checksum_kind);
}

pub(super) fn set_version(answer: &mut Answer, version: Option<&str>) {
    if let Some(version) = version {
        answer::set(answer, "x-amz-version-id", version);
    }
}

pub(super) fn set_expiration(answer: &mut Answer, expires: Option<&(Timestamp, String)>) {
    if let Some((due, rule)) = expires {
        let rule = utf8_percent_encode(rule, NON_ALPHANUMERIC).to_string().replace("%2D", "-");
        let text = format!("expiry-date=\"{}\", rule-id=\"{rule}\"", date::http(*due));
        answer::set(answer, "x-amz-expiration", &text);
    }
}

fn set_checksum(answer: &mut Answer, checksum: Option<&Checksum>, kind: ChecksumKind) {
    if let Some(checksum) = checksum {
        answer::set(answer, checksum.algorithm.header(), &checksum.value);
        answer::set(answer, "x-amz-checksum-type", kind.name());
    }
}

pub(super) fn checksum_element(checksum: &Checksum) -> Element {
    Element::text(&format!("Checksum{}", checksum.algorithm.name()), &checksum.value)
}

/// GetObject and HeadObject.
pub(super) async fn get(call: &Call, method: &Method) -> Result<Answer, S3Error> {
    if method == Method::HEAD {
        let (found, parts) = call.buckets.find_parts(&name(call)).await?;
        headers::check_conditions(&call.headers, &found)?;
        let asked = headers::asked(call, found.object.size, &parts)?;
        return Ok(shown(call, &found, (asked, None)));
    }
    let choose = |found: &Found, parts: &[PartOfObject]| -> Result<(Slice, Asked), S3Error> {
        headers::check_conditions(&call.headers, found)?;
        let asked = headers::asked(call, found.object.size, parts)?;
        Ok((asked.slice(found.object.size), asked))
    };
    let (found, asked, reader) = call.buckets.read(&name(call), choose).await?;
    Ok(shown(call, &found, (asked, Some(reader))))
}

/// An object as it is answered, with its bytes or without.
fn shown(call: &Call, found: &Found, (asked, reader): (Asked, Option<Reader>)) -> Answer {
    let size = found.object.size;
    let slice = asked.slice(size);
    let status = match asked {
        Asked::Whole => StatusCode::OK,
        Asked::Range(..) | Asked::Part(..) => StatusCode::PARTIAL_CONTENT,
    };
    let mut answer = match reader {
        Some(reader) => answer::object(status, reader),
        None => answer::empty(status),
    };
    set_headers(&mut answer, call, found);
    answer::set(&mut answer, "content-length", &slice.length.to_string());
    if asked != Asked::Whole && slice.length > 0 {
        let last = slice.first + slice.length - 1;
        answer::set(&mut answer, "content-range", &format!("bytes {}-{last}/{size}", slice.first));
    }
    if let Asked::Part(count, _) = asked
        && count > 0
    {
        answer::set(&mut answer, "x-amz-mp-parts-count", &count.to_string());
    }
    let is_checked =
        call.header("x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
    if asked == Asked::Whole && is_checked {
        let object = &found.object;
        set_checksum(&mut answer, object.checksum.as_ref(), object.checksum_kind);
    }
    answer
}

fn set_headers(answer: &mut Answer, call: &Call, found: &Found) {
    answer::set(answer, "accept-ranges", "bytes");
    answer::set_encryption(answer);
    answer::set(answer, "content-type", "binary/octet-stream");
    answer::set(answer, "etag", &quoted(&found.object.etag));
    answer::set(answer, "last-modified", &date::http(found.modified));
    set_version(answer, found.version.as_deref());
    set_expiration(answer, found.expires.as_ref());
    if !found.object.tags.is_empty() {
        answer::set(answer, "x-amz-tagging-count", &found.object.tags.len().to_string());
    }
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

pub(super) async fn delete(call: &Call) -> Result<Answer, S3Error> {
    let condition = headers::condition_of_deletion(call)?;
    let deleted = call.buckets.delete_object(&name(call), &condition, &call.occasion).await?;
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    set_version(&mut answer, deleted.version.as_deref());
    if deleted.is_marker {
        answer::set(&mut answer, "x-amz-delete-marker", "true");
    }
    Ok(answer)
}

pub(super) async fn delete_many(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    call.buckets.bucket(call.bucket())?;
    let document = body.document(call).await?;
    let root = Node::read(&document.bytes, "Delete")?;
    let is_quiet = root.text("Quiet").is_some_and(|text| text.trim() == "true");
    let named = root.all("Object").map(|object| named(call, object));
    let named = named.collect::<Result<Vec<_>, S3Error>>()?;
    if named.is_empty() || named.len() > DELETED_MAX {
        return Err(S3Error::malformed_xml());
    }
    let deleted = call.buckets.delete_objects(call.bucket(), &named, &call.occasion).await?;
    let mut done = Vec::new();
    for ((name, _condition), deleted) in named.iter().zip(deleted) {
        let about = |element: &str| {
            let version = name.version.as_ref().map(|id| Element::text("VersionId", id));
            Element::new(element).child(Element::text("Key", &name.key)).children(version)
        };
        match deleted {
            Ok(_deleted) if is_quiet => {}
            Ok(deleted) if deleted.is_marker => done.push(
                about("Deleted")
                    .child(Element::text("DeleteMarker", "true"))
                    .children(deleted.version.map(|id| Element::text("DeleteMarkerVersionId", id))),
            ),
            Ok(_deleted) => done.push(about("Deleted")),
            Err(error) => done.push(about("Error").children([
                Element::text("Code", error.code()),
                Element::text("Message", error.message()),
            ])),
        }
    }
    Ok(answer::xml(&answer::root("DeleteResult").children(done)))
}

/// One of the objects that a document names.
fn named(call: &Call, object: &Node) -> Result<(ObjectName, Condition), S3Error> {
    let key = object.text("Key").ok_or_else(S3Error::malformed_xml)?.to_owned();
    let version = object.text("VersionId").filter(|id| !id.is_empty()).map(str::to_owned);
    let unknown = ["LastModifiedTime", "Size"].into_iter().find(|it| object.child(it).is_some());
    if let Some(name) = unknown {
        return Err(S3Error::not_implemented(&format!("{name} of DeleteObjects")));
    }
    let condition = match object.text("ETag").map(headers::unquoted) {
        None => Condition::None,
        Some("*") => Condition::Present,
        Some(etag) => Condition::Matches(etag.to_owned()),
    };
    Ok((ObjectName { bucket: call.bucket().to_owned(), key, version }, condition))
}
