//! Listing objects and versions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_services::buckets::{Found, List, ListedVersion};
use hearth_services::limits::LIST_ITEMS_MAX;
use hearth_types::names::AccountId;
use hearth_wire::xml::Element;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Call;
use super::answer::{self, Answer, quoted};
use super::error::S3Error;

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/');

/// How keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(super) fn of(call: &Call) -> Result<Self, S3Error> {
        match call.query("encoding-type") {
            None | Some("") => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(_) => {
                Err(S3Error::invalid_argument("Invalid Encoding Method specified in Request"))
            }
        }
    }

    /// An element with a key, or a part of one.
    pub(super) fn text(self, name: &str, key: &str) -> Element {
        match self {
            Self::Plain => Element::text(name, key),
            Self::Url => Element::text(name, utf8_percent_encode(key, PLAIN).to_string()),
        }
    }

    /// Says so itself.
    pub(super) fn element(self) -> Option<Element> {
        (self == Self::Url).then(|| Element::text("EncodingType", "url"))
    }

    pub(super) fn prefixes(self, prefixes: &[String]) -> impl Iterator<Item = Element> {
        prefixes
            .iter()
            .map(move |prefix| Element::new("CommonPrefixes").child(self.text("Prefix", prefix)))
    }
}

/// A number of items, which may be cut to what a page may have.
pub(super) fn items_max(call: &Call, name: &str) -> Result<usize, S3Error> {
    let Some(text) = call.query(name).filter(|text| !text.is_empty()) else {
        return Ok(LIST_ITEMS_MAX);
    };
    let number = text.parse::<i32>().ok().and_then(|number| usize::try_from(number).ok());
    number.map(|number| number.min(LIST_ITEMS_MAX)).ok_or_else(|| {
        S3Error::invalid_argument(format!("Provided {name} not an integer or within integer range"))
    })
}

fn non_empty(call: &Call, name: &str) -> Option<String> {
    call.query(name).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn list(call: &Call) -> Result<List, S3Error> {
    Ok(List {
        prefix: call.query("prefix").unwrap_or_default().to_owned(),
        delimiter: non_empty(call, "delimiter"),
        after: None,
        after_version: None,
        items_max: items_max(call, "max-keys")?,
    })
}

pub(super) fn truth(is_so: bool) -> &'static str {
    if is_so { "true" } else { "false" }
}

/// What every kind of listing begins with.
fn head(root: &str, list: &List, (call, encoding): (&Call, Encoding)) -> Element {
    answer::root(root)
        .child(Element::text("Name", call.bucket()))
        .child(encoding.text("Prefix", &list.prefix))
        .children(list.delimiter.as_ref().map(|it| encoding.text("Delimiter", it)))
        .child(Element::text("MaxKeys", list.items_max.to_string()))
        .children(encoding.element())
}

fn contents(found: &Found, encoding: Encoding, owner: Option<&AccountId>) -> Element {
    let checksum = found.object.checksum.as_ref();
    Element::new("Contents")
        .child(encoding.text("Key", &found.key))
        .child(Element::text("LastModified", found.modified.iso()))
        .child(Element::text("ETag", quoted(&found.object.etag)))
        .children(checksum.map(|it| Element::text("ChecksumAlgorithm", it.algorithm.name())))
        .children(
            checksum.map(|_given| Element::text("ChecksumType", found.object.checksum_kind.name())),
        )
        .child(Element::text("Size", found.object.size.to_string()))
        .children(owner.map(|account| answer::owner("Owner", account)))
        .child(Element::text("StorageClass", "STANDARD"))
}

/// Version 1.
pub(super) async fn objects(call: &Call) -> Result<Answer, S3Error> {
    let encoding = Encoding::of(call)?;
    let list = List { after: non_empty(call, "marker"), ..list(call)? };
    let bucket = call.buckets.bucket(call.bucket())?;
    let page = call.buckets.list_objects(call.bucket(), &list).await?;
    // Without a delimiter, the last key is the marker.
    let next = page.next.as_ref().filter(|_next| list.delimiter.is_some());
    let owner = Some(&bucket.scope.account);
    let document = head("ListBucketResult", &list, (call, encoding))
        .child(encoding.text("Marker", list.after.as_deref().unwrap_or_default()))
        .children(next.map(|next| encoding.text("NextMarker", next)))
        .child(Element::text("IsTruncated", truth(page.next.is_some())))
        .children(page.objects.iter().map(|found| contents(found, encoding, owner)))
        .children(encoding.prefixes(&page.prefixes));
    Ok(answer::xml(&document))
}

pub(super) async fn objects_v2(call: &Call) -> Result<Answer, S3Error> {
    let encoding = Encoding::of(call)?;
    let token = call.query("continuation-token");
    let start_after = non_empty(call, "start-after");
    let after = match token {
        Some(token) => Some(from_token(token)?),
        None => start_after.clone(),
    };
    let list = List { after, ..list(call)? };
    let bucket = call.buckets.bucket(call.bucket())?;
    let page = call.buckets.list_objects(call.bucket(), &list).await?;
    let is_owner_wanted = call.query("fetch-owner") == Some("true");
    let owner = Some(&bucket.scope.account).filter(|_account| is_owner_wanted);
    let count = page.objects.len() + page.prefixes.len();
    let next = page.next.as_ref();
    let document = head("ListBucketResult", &list, (call, encoding))
        .child(Element::text("KeyCount", count.to_string()))
        .children(token.map(|token| Element::text("ContinuationToken", token)))
        .children(next.map(|next| Element::text("NextContinuationToken", token_of(next))))
        .children(start_after.map(|after| encoding.text("StartAfter", &after)))
        .child(Element::text("IsTruncated", truth(page.next.is_some())))
        .children(page.objects.iter().map(|found| contents(found, encoding, owner)))
        .children(encoding.prefixes(&page.prefixes));
    Ok(answer::xml(&document))
}

/// Opaque to callers.
pub(super) fn token_of(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(after)
}

pub(super) fn from_token(token: &str) -> Result<String, S3Error> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let after = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    after
        .filter(|after| !after.is_empty())
        .ok_or_else(|| S3Error::invalid_argument("The continuation token provided is incorrect"))
}

pub(super) async fn versions(call: &Call) -> Result<Answer, S3Error> {
    let encoding = Encoding::of(call)?;
    let after = non_empty(call, "key-marker");
    let after_version = non_empty(call, "version-id-marker");
    if after.is_none() && after_version.is_some() {
        let text = "A version-id marker cannot be specified without a key marker.";
        return Err(S3Error::invalid_argument(text));
    }
    let list = List { after, after_version, ..list(call)? };
    let bucket = call.buckets.bucket(call.bucket())?;
    let page = call.buckets.list_versions(call.bucket(), &list).await?;
    let owner = &bucket.scope.account;
    let (next_key, next_version) = match &page.next {
        Some((key, version)) => (Some(key), version.as_deref()),
        None => (None, None),
    };
    let id = |name: &str, id: &str| Element::text(name, id);
    let document = head("ListVersionsResult", &list, (call, encoding))
        .child(encoding.text("KeyMarker", list.after.as_deref().unwrap_or_default()))
        .child(id("VersionIdMarker", list.after_version.as_deref().unwrap_or_default()))
        .children(next_key.map(|key| encoding.text("NextKeyMarker", key)))
        .children(next_version.map(|version| id("NextVersionIdMarker", version)))
        .child(Element::text("IsTruncated", truth(page.next.is_some())))
        .children(page.versions.iter().map(|listed| version(listed, encoding, owner)))
        .children(encoding.prefixes(&page.prefixes));
    Ok(answer::xml(&document))
}

fn version(listed: &ListedVersion, encoding: Encoding, owner: &AccountId) -> Element {
    let object = listed.version.object.as_ref();
    let element = Element::new(if object.is_some() { "Version" } else { "DeleteMarker" })
        .child(encoding.text("Key", &listed.key))
        .child(Element::text("VersionId", &listed.version.id))
        .child(Element::text("IsLatest", truth(listed.is_latest)))
        .child(Element::text("LastModified", listed.version.modified.iso()))
        .child(answer::owner("Owner", owner));
    match object {
        None => element,
        Some(object) => element
            .child(Element::text("ETag", quoted(&object.etag)))
            .children(
                object
                    .checksum
                    .as_ref()
                    .map(|checksum| Element::text("ChecksumAlgorithm", checksum.algorithm.name())),
            )
            .children(
                object
                    .checksum
                    .as_ref()
                    .map(|_given| Element::text("ChecksumType", object.checksum_kind.name())),
            )
            .child(Element::text("Size", object.size.to_string()))
            .child(Element::text("StorageClass", "STANDARD")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_others_are_refused() {
        for after in ["a", "dir/", "ü +\u{10FFFF}"] {
            assert_eq!(from_token(&token_of(after)).unwrap(), after);
        }
        for token in ["", "?", "_w"] {
            assert!(from_token(token).is_err(), "{token}");
        }
    }

    #[test]
    fn keys_are_encoded_when_that_is_asked_for() {
        let key = "a b/ü+&";
        assert_eq!(Encoding::Plain.text("Key", key), Element::text("Key", key));
        assert_eq!(Encoding::Url.text("Key", key), Element::text("Key", "a%20b/%C3%BC%2B%26"));
    }
}
