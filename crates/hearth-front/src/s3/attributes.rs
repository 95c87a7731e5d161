//! GetObjectAttributes.

use hearth_services::buckets::PartOfObject;
use hearth_services::limits::LIST_ITEMS_MAX;
use hearth_wire::xml::Element;

use super::answer::{self, Answer};
use super::error::S3Error;
use super::listing::truth;
use super::objects::{checksum_element, name, set_version};
use super::{Call, date};

const KNOWN: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

pub(super) async fn get(call: &Call) -> Result<Answer, S3Error> {
    let wanted = wanted(call)?;
    let is_wanted = |attribute: &str| wanted.iter().any(|one| one == attribute);
    let (found, parts) = call.buckets.find_parts(&name(call)).await?;
    let object = &found.object;
    let mut attributes = Vec::new();
    if is_wanted("ETag") {
        // Without quotes, here and nowhere else.
        attributes.push(Element::text("ETag", &object.etag));
    }
    if is_wanted("Checksum")
        && let Some(checksum) = &object.checksum
    {
        attributes.push(Element::new("Checksum").children([
            checksum_element(checksum),
            Element::text("ChecksumType", object.checksum_kind.name()),
        ]));
    }
    if is_wanted("ObjectParts") && !parts.is_empty() {
        attributes.push(parts_element(call, &parts)?);
    }
    if is_wanted("StorageClass") {
        attributes.push(Element::text("StorageClass", "STANDARD"));
    }
    if is_wanted("ObjectSize") {
        attributes.push(Element::text("ObjectSize", object.size.to_string()));
    }
    let document = answer::root("GetObjectAttributesResponse").children(attributes);
    let mut answer = answer::xml(&document);
    answer::set(&mut answer, "last-modified", &date::http(found.modified));
    set_version(&mut answer, found.version.as_deref());
    Ok(answer)
}

/// The attributes that a request names, in one header or in several.
fn wanted(call: &Call) -> Result<Vec<String>, S3Error> {
    let headers = call.headers.get_all("x-amz-object-attributes").iter();
    let texts = headers.filter_map(|value| value.to_str().ok());
    let wanted: Vec<String> =
        texts.flat_map(|text| text.split(',')).map(|one| one.trim().to_owned()).collect();
    if wanted.is_empty() {
        let text = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
        return Err(S3Error::invalid_request(text));
    }
    if wanted.iter().any(|one| !KNOWN.contains(&one.as_str())) {
        return Err(S3Error::invalid_argument("Invalid attribute name specified."));
    }
    Ok(wanted)
}

fn parts_element(call: &Call, parts: &[PartOfObject]) -> Result<Element, S3Error> {
    let number = |header: &str, default: usize| match call.header(header) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_no_number| {
            S3Error::invalid_argument(format!("{header} is not a valid number"))
        }),
    };
    let items_max = number("x-amz-max-parts", LIST_ITEMS_MAX)?.min(LIST_ITEMS_MAX);
    let after = number("x-amz-part-number-marker", 0)?;
    let behind: Vec<&PartOfObject> =
        parts.iter().filter(|part| usize::from(part.number) > after).collect();
    let is_truncated = behind.len() > items_max;
    let page = behind.get(..items_max).unwrap_or(&behind);
    let next = page.last().map_or(0, |part| part.number);
    let elements = page.iter().map(|part| {
        Element::new("Part")
            .child(Element::text("PartNumber", part.number.to_string()))
            .child(Element::text("Size", part.size.to_string()))
            .children(part.checksum.as_ref().map(checksum_element))
    });
    Ok(Element::new("ObjectParts")
        .children([
            Element::text("PartsCount", parts.len().to_string()),
            Element::text("PartNumberMarker", after.to_string()),
            Element::text("NextPartNumberMarker", next.to_string()),
            Element::text("MaxParts", items_max.to_string()),
            Element::text("IsTruncated", truth(is_truncated)),
        ])
        .children(elements))
}
