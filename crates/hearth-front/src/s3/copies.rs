//! CopyObject.

use hearth_services::buckets::{Inherit, Inherited};
use hearth_wire::xml::Element;

use super::answer::{self, Answer, quoted};
use super::error::S3Error;
use super::objects::{checksum_element, put_of, set_expiration, set_version};
use super::{Call, headers};

pub(super) async fn copy(call: &Call) -> Result<Answer, S3Error> {
    headers::refuse_what_is_not_offered(&call.headers)?;
    let source = headers::copy_source(call)?;
    let inherited = Inherited {
        metadata: directive(call, "x-amz-metadata-directive", "Unknown metadata directive.")?,
        tags: directive(call, "x-amz-tagging-directive", "Unknown tagging directive.")?,
    };
    let algorithm = headers::algorithm(call)?;
    let copied = call.buckets.copy(&source, put_of(call)?, (inherited, algorithm)).await;
    let (found, stored) = copied?;
    let checksum = stored.checksum.as_ref();
    let document = answer::root("CopyObjectResult")
        .child(Element::text("LastModified", stored.modified.iso()))
        .child(Element::text("ETag", quoted(&stored.etag)))
        .children(checksum.map(checksum_element))
        .children(
            checksum.map(|_given| Element::text("ChecksumType", stored.checksum_kind.name())),
        );
    let mut answer = answer::xml(&document);
    answer::set_encryption(&mut answer);
    set_version(&mut answer, stored.version.as_deref());
    set_expiration(&mut answer, stored.expires.as_ref());
    if let Some(version) = found.version {
        answer::set(&mut answer, "x-amz-copy-source-version-id", &version);
    }
    Ok(answer)
}

/// Whether something is taken over from the source.
fn directive(call: &Call, header: &str, unknown: &str) -> Result<Inherit, S3Error> {
    match call.header(header) {
        None | Some("COPY") => Ok(Inherit::Yes),
        Some("REPLACE") => Ok(Inherit::No),
        Some(_) => Err(S3Error::invalid_argument(unknown)),
    }
}
