//! Uploads in parts.

use hearth_services::buckets::{
    Algorithm, BucketRecord, Checksum, Complete, List, NewUpload, PartRecord, UploadName,
    UploadRecord,
};
use hearth_services::limits::PARTS_MAX;
use hearth_wire::xml::Element;
use hyper::StatusCode;

use super::answer::{self, Answer, quoted};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use super::listing::{Encoding, items_max, truth};
use super::objects::{checksum_element, set_expiration, set_version};
use super::{Call, date, headers};

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
    let kind = headers::checksum_kind(call)?;
    let checksum = match (headers::algorithm(call)?, kind) {
        (Some(algorithm), kind) => {
            Some((algorithm, kind.unwrap_or_else(|| algorithm.kind_of_uploads())))
        }
        (None, None) => None,
        (None, Some(_)) => {
            let text = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
            return Err(S3Error::invalid_request(text));
        }
    };
    let new = NewUpload {
        bucket: call.bucket().to_owned(),
        key: call.key().to_owned(),
        metadata: headers::metadata(&call.headers),
        tags: headers::tags(&call.headers)?,
        checksum,
    };
    let record = call.buckets.create_upload(new).await?;
    let document = answer::root("InitiateMultipartUploadResult").children([
        Element::text("Bucket", call.bucket()),
        Element::text("Key", call.key()),
        Element::text("UploadId", &record.id),
    ]);
    let mut answer = answer::xml(&document);
    answer::set_encryption(&mut answer);
    if let Some((algorithm, kind)) = checksum {
        answer::set(&mut answer, "x-amz-checksum-algorithm", algorithm.name());
        answer::set(&mut answer, "x-amz-checksum-type", kind.name());
    }
    set_abort(call, &mut answer, &record);
    Ok(answer)
}

/// Says when an upload is forgotten, if a rule does.
fn set_abort(call: &Call, answer: &mut Answer, record: &UploadRecord) {
    if let Some((due, rule)) = call.buckets.upload_expires(record) {
        answer::set(answer, "x-amz-abort-date", &date::http(due));
        answer::set(answer, "x-amz-abort-rule-id", &rule);
    }
}

pub(super) async fn put_part(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    headers::refuse_what_is_not_offered(&call.headers)?;
    let number = number(call.query("partNumber"))?;
    let upload = upload(call);
    let content = body.receive_part(call, &upload).await?;
    let part = call.buckets.put_part(&upload, number, content).await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::set(&mut answer, "etag", &quoted(&part.etag));
    answer::set_encryption(&mut answer);
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
    let copied = call.buckets.copy_part(&source, range, (&upload(call), number)).await;
    let (found, part) = copied?;
    let document = answer::root("CopyPartResult")
        .children([
            Element::text("LastModified", part.modified.iso()),
            Element::text("ETag", quoted(&part.etag)),
        ])
        .children(part.checksum.as_ref().map(checksum_element));
    let mut answer = answer::xml(&document);
    answer::set_encryption(&mut answer);
    if let Some(version) = found.version {
        answer::set(&mut answer, "x-amz-copy-source-version-id", &version);
    }
    Ok(answer)
}

/// `bytes=first-last`, both given.
fn whole_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

pub(super) async fn list_parts(call: &Call) -> Result<Answer, S3Error> {
    let encoding = Encoding::of(call)?;
    let items_max = items_max(call, "max-parts")?;
    let marker = call.query("part-number-marker").filter(|text| !text.is_empty()).unwrap_or("0");
    let after: u16 = marker
        .parse()
        .ok()
        .ok_or_else(|| S3Error::invalid_argument("part-number-marker must be an integer"))?;
    let name = upload(call);
    let bucket = call.buckets.bucket(call.bucket())?;
    // One more says whether there is another page.
    let (record, mut due) = call.buckets.list_parts(&name, after, items_max + 1).await?;
    let is_truncated = due.len() > items_max;
    due.truncate(items_max);
    let next = due.last().map_or(0, |part| part.number);
    let checksum = record.checksum;
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
        .children(checksum.map(|(it, _kind)| Element::text("ChecksumAlgorithm", it.name())))
        .children(checksum.map(|(_it, kind)| Element::text("ChecksumType", kind.name())))
        .children(due.iter().map(part_element));
    let mut answer = answer::xml(&document);
    set_abort(call, &mut answer, &record);
    Ok(answer)
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
    let checksum = composite_or_whole(call)?;
    let document = body.document_as(call, headers::digests(call)?).await?;
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
    let complete = Complete {
        parts,
        checksums,
        condition: headers::condition(call)?,
        checksum,
        checksum_kind: headers::checksum_kind(call)?,
        size: call.header("x-amz-mp-object-size").and_then(|size| size.parse().ok()),
        occasion: call.occasion.clone(),
    };
    let stored = call.buckets.complete_upload(&name, complete).await?;
    let host = call.header("host").unwrap_or_default();
    let document = answer::root("CompleteMultipartUploadResult")
        .children([
            Element::text("Location", format!("http://{host}/{}/{}", name.bucket, name.key)),
            Element::text("Bucket", name.bucket),
            Element::text("Key", name.key),
            Element::text("ETag", quoted(&stored.etag)),
        ])
        .children(stored.checksum.as_ref().map(checksum_element))
        .children(
            stored
                .checksum
                .as_ref()
                .map(|_given| Element::text("ChecksumType", stored.checksum_kind.name())),
        );
    let mut answer = answer::xml(&document);
    answer::set_encryption(&mut answer);
    set_version(&mut answer, stored.version.as_deref());
    set_expiration(&mut answer, stored.expires.as_ref());
    Ok(answer)
}

/// The checksums that a part is named with.
fn checksums_of(part: &Node) -> impl Iterator<Item = Checksum> {
    Algorithm::ALL.into_iter().filter_map(move |algorithm| {
        let value = part.text(&format!("Checksum{}", algorithm.name()))?.trim().to_owned();
        Some(Checksum { algorithm, value })
    })
}

/// The checksum of the object, if the request has one. That of a composite one may have the number of
/// its parts behind it.
fn composite_or_whole(call: &Call) -> Result<Option<Checksum>, S3Error> {
    for algorithm in Algorithm::ALL {
        let Some(value) = call.header(algorithm.header()) else { continue };
        headers::checked(algorithm, value.split('-').next().unwrap_or_default())?;
        return Ok(Some(Checksum { algorithm, value: value.to_owned() }));
    }
    Ok(None)
}

pub(super) async fn abort(call: &Call) -> Result<Answer, S3Error> {
    call.buckets.abort_upload(&upload(call)).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn list_uploads(call: &Call) -> Result<Answer, S3Error> {
    let encoding = Encoding::of(call)?;
    let after = call.query("key-marker").filter(|key| !key.is_empty()).map(str::to_owned);
    let id_marker = call.query("upload-id-marker").filter(|id| !id.is_empty());
    let list = List {
        prefix: call.query("prefix").unwrap_or_default().to_owned(),
        delimiter: call.query("delimiter").filter(|it| !it.is_empty()).map(str::to_owned),
        // Without a key, the id of an upload says nothing.
        after_version: id_marker.filter(|_id| after.is_some()).map(str::to_owned),
        after,
        items_max: items_max(call, "max-uploads")?,
    };
    let bucket = call.buckets.bucket(call.bucket())?;
    let page = call.buckets.list_uploads(call.bucket(), &list).await?;
    let (next_key, next_id) = match &page.next {
        Some((key, id)) => (Some(key), id.as_deref()),
        None => (None, None),
    };
    let document = answer::root("ListMultipartUploadsResult")
        .child(Element::text("Bucket", call.bucket()))
        .child(encoding.text("KeyMarker", list.after.as_deref().unwrap_or_default()))
        .child(Element::text("UploadIdMarker", id_marker.unwrap_or_default()))
        .children(next_key.map(|key| encoding.text("NextKeyMarker", key)))
        .children(next_id.map(|id| Element::text("NextUploadIdMarker", id)))
        .child(encoding.text("Prefix", &list.prefix))
        .children(list.delimiter.as_ref().map(|it| encoding.text("Delimiter", it)))
        .child(Element::text("MaxUploads", list.items_max.to_string()))
        .child(Element::text("IsTruncated", truth(page.next.is_some())))
        .children(encoding.element())
        .children(page.uploads.iter().map(|it| upload_element(it, encoding, &bucket)))
        .children(encoding.prefixes(&page.prefixes));
    Ok(answer::xml(&document))
}

fn upload_element(upload: &UploadRecord, encoding: Encoding, bucket: &BucketRecord) -> Element {
    let checksum = upload.checksum;
    Element::new("Upload")
        .children([
            encoding.text("Key", &upload.key),
            Element::text("UploadId", &upload.id),
            answer::owner("Initiator", &bucket.scope.account),
            answer::owner("Owner", &bucket.scope.account),
            Element::text("StorageClass", "STANDARD"),
            Element::text("Initiated", upload.initiated.iso()),
        ])
        .children(checksum.map(|(it, _kind)| Element::text("ChecksumAlgorithm", it.name())))
        .children(checksum.map(|(_it, kind)| Element::text("ChecksumType", kind.name())))
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
