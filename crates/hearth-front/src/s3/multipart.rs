//! Uploads in parts.

use hearth_services::buckets::{
    Algorithm, Checksum, Complete, Expected, PartRecord, UploadName, UploadRecord,
};
use hearth_services::limits::{LIST_ITEMS_MAX, PARTS_MAX};
use hearth_wire::xml::Element;
use hyper::StatusCode;

use super::answer::{self, Answer, quoted};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use super::listing::{Encoding, items_max, truth};
use super::objects::checksum_element;
use super::{Call, headers};

fn upload(call: &Call) -> UploadName {
    UploadName {
        bucket: call.bucket().to_owned(),
        key: call.key().to_owned(),
        id: call.query("uploadId").unwrap_or_default().to_owned(),
    }
}

fn number(text: Option<&str>) -> Result<u16, S3Error> {
    let number = text.and_then(|text| text.parse().ok());
    number.filter(|number| (1..=PARTS_MAX).contains(number)).ok_or_else(|| {
        S3Error::invalid_argument(format!(
            "Part number must be an integer between 1 and {PARTS_MAX}, inclusive"
        ))
    })
}

pub(super) async fn create(call: &Call) -> Result<Answer, S3Error> {
    headers::refuse_what_is_not_offered(&call.headers)?;
    let metadata = headers::metadata(&call.headers);
    let id = call.buckets.create_upload(call.bucket(), call.key(), metadata).await?;
    let document = answer::root("InitiateMultipartUploadResult").children([
        Element::text("Bucket", call.bucket()),
        Element::text("Key", call.key()),
        Element::text("UploadId", id),
    ]);
    let mut answer = answer::xml(&document);
    answer::set_encryption(&mut answer);
    Ok(answer)
}

pub(super) async fn put_part(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    headers::refuse_what_is_not_offered(&call.headers)?;
    let number = number(call.query("partNumber"))?;
    let upload = upload(call);
    call.buckets.list_parts(&upload)?;
    let content = body.receive(call).await?;
    let part = call.buckets.put_part(&upload, number, content).await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::set(&mut answer, "etag", &quoted(&part.etag));
    if let Some(checksum) = &part.checksum {
        answer::set(&mut answer, checksum.algorithm.header(), &checksum.value);
    }
    Ok(answer)
}

pub(super) async fn copy_part(call: &Call) -> Result<Answer, S3Error> {
    headers::refuse_what_is_not_offered(&call.headers)?;
    let number = number(call.query("partNumber"))?;
    let source = headers::copy_source(call)?;
    let range = match call.header("x-amz-copy-source-range") {
        None => None,
        Some(text) => Some(whole_range(text).ok_or_else(|| {
            S3Error::invalid_argument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
        })?),
    };
    let part = call.buckets.copy_part(&source, range, (&upload(call), number)).await?;
    let document = answer::root("CopyPartResult").children([
        Element::text("LastModified", part.modified.iso()),
        Element::text("ETag", quoted(&part.etag)),
    ]);
    Ok(answer::xml(&document))
}

/// `bytes=first-last`, both given.
fn whole_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

pub(super) fn list_parts(call: &Call) -> Result<Answer, S3Error> {
    let encoding = Encoding::of(call)?;
    let items_max = items_max(call, "max-parts")?;
    let marker = call.query("part-number-marker").filter(|text| !text.is_empty()).unwrap_or("0");
    let after: u16 = marker
        .parse()
        .ok()
        .ok_or_else(|| S3Error::invalid_argument("part-number-marker must be an integer"))?;
    let name = upload(call);
    let bucket = call.buckets.bucket(call.bucket())?;
    let (_record, parts) = call.buckets.list_parts(&name)?;
    let mut due: Vec<_> = parts.iter().filter(|part| part.number > after).collect();
    let is_truncated = due.len() > items_max;
    due.truncate(items_max);
    let next = due.last().map_or(0, |part| part.number);
    let document = answer::root("ListPartsResult")
        .children([
            Element::text("Bucket", call.bucket()),
            encoding.text("Key", call.key()),
            Element::text("UploadId", name.id),
            answer::owner("Initiator", &bucket.scope.account),
            answer::owner("Owner", &bucket.scope.account),
            Element::text("StorageClass", "STANDARD"),
            Element::text("PartNumberMarker", after.to_string()),
            Element::text("NextPartNumberMarker", next.to_string()),
            Element::text("MaxParts", items_max.to_string()),
            Element::text("IsTruncated", truth(is_truncated)),
        ])
        .children(due.into_iter().map(|part| part_element(part)));
    Ok(answer::xml(&document))
}

fn part_element(part: &PartRecord) -> Element {
    Element::new("Part")
        .children([
            Element::text("PartNumber", part.number.to_string()),
            Element::text("LastModified", part.modified.iso()),
            Element::text("ETag", quoted(&part.etag)),
            Element::text("Size", part.size.to_string()),
        ])
        .children(part.checksum.as_ref().map(checksum_element))
}

pub(super) async fn complete(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    let name = upload(call);
    call.buckets.bucket(call.bucket())?;
    // The checksums in the headers are the object's, and not the document's.
    let checksum = whole_checksum(call)?;
    let expected = Expected { checksum: None, algorithm: None, ..headers::expected(call)? };
    let document = body.document_as(call, expected).await?;
    let root = Node::read(&document.bytes, "CompleteMultipartUpload")?;
    let (mut parts, mut checksums) = (Vec::new(), Vec::new());
    for part in root.all("Part") {
        let number = number(part.text("PartNumber").map(str::trim))?;
        let etag = part.text("ETag").ok_or_else(S3Error::malformed_xml)?;
        checksums.extend(checksums_of(part).map(|checksum| (number, checksum)));
        parts.push((number, headers::unquoted(etag).to_owned()));
    }
    if parts.is_empty() || parts.len() > usize::from(PARTS_MAX) {
        return Err(S3Error::malformed_xml());
    }
    let condition = headers::condition(call)?;
    let occasion = call.occasion.clone();
    let complete = Complete { parts, checksums, condition, checksum, occasion };
    let stored = call.buckets.complete_upload(&name, complete).await?;
    let host = call.header("host").unwrap_or_default();
    let document = answer::root("CompleteMultipartUploadResult")
        .children([
            Element::text("Location", format!("http://{host}/{}/{}", name.bucket, name.key)),
            Element::text("Bucket", name.bucket),
            Element::text("Key", name.key),
            Element::text("ETag", quoted(&stored.etag)),
        ])
        .children(stored.checksum.as_ref().map(checksum_element));
    let mut answer = answer::xml(&document);
    if let Some(version) = stored.version {
        answer::set(&mut answer, "x-amz-version-id", &version);
    }
    Ok(answer)
}

/// The checksums that a part is named with.
fn checksums_of(part: &Node) -> impl Iterator<Item = Checksum> {
    Algorithm::ALL.into_iter().filter_map(move |algorithm| {
        let value = part.text(&format!("Checksum{}", algorithm.name()))?.trim().to_owned();
        Some(Checksum { algorithm, value })
    })
}

/// The checksum of the whole object, if the request has one.
fn whole_checksum(call: &Call) -> Result<Option<Checksum>, S3Error> {
    if call.header("x-amz-checksum-type") == Some("COMPOSITE") {
        if Algorithm::ALL.iter().any(|one| call.headers.contains_key(one.header())) {
            return Err(S3Error::not_implemented("checksums over the checksums of parts"));
        }
        return Ok(None);
    }
    headers::checksum(call)
}

pub(super) async fn abort(call: &Call) -> Result<Answer, S3Error> {
    call.buckets.abort_upload(&upload(call)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) fn list_uploads(call: &Call) -> Result<Answer, S3Error> {
    if call.query("delimiter").is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(S3Error::not_implemented("delimiter of ListMultipartUploads"));
    }
    let encoding = Encoding::of(call)?;
    let items_max = items_max(call, "max-uploads")?.min(LIST_ITEMS_MAX);
    let prefix = call.query("prefix").unwrap_or_default();
    let key_marker = call.query("key-marker").unwrap_or_default();
    let id_marker = call.query("upload-id-marker").filter(|id| !id.is_empty());
    let is_due = |upload: &UploadRecord| {
        let is_behind = match id_marker {
            Some(id) if upload.key == key_marker => upload.id.as_str() > id,
            Some(_) | None => upload.key.as_str() > key_marker,
        };
        upload.key.starts_with(prefix) && is_behind
    };
    let bucket = call.buckets.bucket(call.bucket())?;
    let uploads = call.buckets.list_uploads(call.bucket())?;
    let mut due: Vec<_> = uploads.iter().filter(|upload| is_due(upload)).collect();
    let is_truncated = due.len() > items_max;
    due.truncate(items_max);
    let next = due.last().filter(|_last| is_truncated);
    let document = answer::root("ListMultipartUploadsResult")
        .child(Element::text("Bucket", call.bucket()))
        .child(encoding.text("KeyMarker", key_marker))
        .child(Element::text("UploadIdMarker", id_marker.unwrap_or_default()))
        .children(next.map(|last| encoding.text("NextKeyMarker", &last.key)))
        .children(next.map(|last| Element::text("NextUploadIdMarker", &last.id)))
        .child(encoding.text("Prefix", prefix))
        .child(Element::text("MaxUploads", items_max.to_string()))
        .child(Element::text("IsTruncated", truth(is_truncated)))
        .children(encoding.element())
        .children(due.iter().map(|upload| {
            Element::new("Upload").children([
                encoding.text("Key", &upload.key),
                Element::text("UploadId", &upload.id),
                answer::owner("Initiator", &bucket.scope.account),
                answer::owner("Owner", &bucket.scope.account),
                Element::text("StorageClass", "STANDARD"),
                Element::text("Initiated", upload.initiated.iso()),
            ])
        }));
    Ok(answer::xml(&document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_parts() {
        for (text, expected) in [
            (Some("1"), Some(1)),
            (Some("10000"), Some(10_000)),
            (Some("0"), None),
            (Some("10001"), None),
            (Some("99999999"), None),
            (Some("x"), None),
            (None, None),
        ] {
            assert_eq!(number(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn ranges_of_copies_have_both_ends() {
        assert_eq!(whole_range("bytes=0-4"), Some((0, 4)));
        for text in ["bytes=0-", "bytes=-4", "0-4", ""] {
            assert_eq!(whole_range(text), None, "{text}");
        }
    }
}
