//! Tags of buckets and objects: reading and writing their document.

use hearth_services::buckets::{EventKind, Tagged, Tags};
use hearth_wire::xml::Element;
use hyper::StatusCode;

use super::Call;
use super::answer::{self, Answer};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use super::objects::{name, set_version};

pub(super) async fn get(call: &Call) -> Result<Answer, S3Error> {
    let found = call.buckets.find(&name(call)).await?;
    let mut answer = answer::xml(&document(&found.object.tags));
    set_version(&mut answer, found.version.as_deref());
    Ok(answer)
}

pub(super) async fn put(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    call.buckets.find(&name(call)).await?;
    let given = body.document(call).await?;
    let tags = read(&Node::read(&given.bytes, "Tagging")?, Tagged::Object)?;
    let why = (EventKind::PutTags, &call.occasion);
    let found = call.buckets.set_tags(&name(call), tags, why).await?;
    let mut answer = answer::empty(StatusCode::OK);
    set_version(&mut answer, found.version.as_deref());
    Ok(answer)
}

pub(super) async fn delete(call: &Call) -> Result<Answer, S3Error> {
    let why = (EventKind::DeleteTags, &call.occasion);
    let found = call.buckets.set_tags(&name(call), Tags::default(), why).await?;
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    set_version(&mut answer, found.version.as_deref());
    Ok(answer)
}

/// The document of tags.
pub(super) fn document(tags: &Tags) -> Element {
    answer::root("Tagging").child(Element::new("TagSet").children(elements(tags)))
}

/// Tags, an element for each.
pub(super) fn elements(tags: &Tags) -> impl Iterator<Item = Element> {
    tags.iter().map(|(key, value)| {
        Element::new("Tag").children([Element::text("Key", key), Element::text("Value", value)])
    })
}

/// Reads the document of tags.
pub(super) fn read(root: &Node, tagged: Tagged) -> Result<Tags, S3Error> {
    let set = root.child("TagSet").ok_or_else(S3Error::malformed_xml)?;
    read_all(set, tagged)
}

/// Reads the tags in an element.
pub(super) fn read_all(set: &Node, tagged: Tagged) -> Result<Tags, S3Error> {
    let tags = set.all("Tag").map(|tag| match (tag.text("Key"), tag.text("Value")) {
        (Some(key), Some(value)) => Ok((key.to_owned(), value.to_owned())),
        _ => Err(S3Error::malformed_xml()),
    });
    Ok(Tags::new(tags.collect::<Result<_, S3Error>>()?, tagged)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let tags = vec![("a b".to_owned(), "ü".to_owned()), ("c".to_owned(), String::new())];
        let tags = Tags::new(tags, Tagged::Object).unwrap();
        let written = document(&tags).document();
        let root = Node::read(written.as_bytes(), "Tagging").unwrap();
        assert_eq!(read(&root, Tagged::Object).unwrap(), tags);
        for broken in ["<Tagging/>", "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>"]
        {
            let root = Node::read(broken.as_bytes(), "Tagging").unwrap();
            assert_eq!(read(&root, Tagged::Object).unwrap_err().code, "MalformedXML");
        }
    }
}
