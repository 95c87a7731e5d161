//! Operations on buckets.

use hearth_services::buckets::{BucketError, Settings, Tagged, Versioning};
use hearth_wire::xml::Element;
use hyper::StatusCode;

use super::Call;
use super::answer::{self, Answer};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use super::headers;
use super::listing::{from_token, token_of};
use super::tagging;

/// The region whose buckets have no location, because it was the first.
const FIRST_REGION: &str = "us-east-1";

/// AWS: buckets on one page.
const BUCKETS_PER_PAGE_MAX: usize = 10_000;

pub(super) fn list(call: &Call) -> Result<Answer, S3Error> {
    let prefix = call.query("prefix").unwrap_or_default();
    let region = call.query("bucket-region");
    let after = call.query("continuation-token").map(from_token).transpose()?;
    let items_max = match call.query("max-buckets") {
        None => BUCKETS_PER_PAGE_MAX,
        Some(text) => {
            let number = text.parse().ok().filter(|it| (1..=BUCKETS_PER_PAGE_MAX).contains(it));
            number.ok_or_else(|| {
                S3Error::invalid_argument("max-buckets must be an integer between 1 and 10000")
            })?
        }
    };
    let mut buckets = call.buckets.list(&call.scope);
    buckets.retain(|bucket| {
        let is_there = region.is_none_or(|region| bucket.scope.region.as_str() == region);
        let is_behind = after.as_ref().is_none_or(|after| bucket.name > *after);
        is_there && is_behind && bucket.name.starts_with(prefix)
    });
    let is_truncated = buckets.len() > items_max;
    buckets.truncate(items_max);
    let next = buckets.last().filter(|_last| is_truncated);
    let next = next.map(|last| Element::text("ContinuationToken", token_of(&last.name)));
    let elements = buckets.iter().map(|bucket| {
        Element::new("Bucket").children([
            Element::text("Name", &bucket.name),
            Element::text("CreationDate", bucket.created.iso()),
            Element::text("BucketRegion", bucket.scope.region.as_str()),
        ])
    });
    let document = answer::root("ListAllMyBucketsResult")
        .child(answer::owner("Owner", &call.scope.account))
        .child(Element::new("Buckets").children(elements))
        .children(next)
        .children(call.query("prefix").map(|prefix| Element::text("Prefix", prefix)));
    Ok(answer::xml(&document))
}

pub(super) async fn create(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    headers::refuse_what_is_not_offered(&call.headers)?;
    let document = body.document(call).await?;
    let mut settings = Settings::default();
    if !document.bytes.is_empty() {
        let root = Node::read(&document.bytes, "CreateBucketConfiguration")?;
        let known = |child: &Node| matches!(&*child.name, "LocationConstraint" | "Tags");
        if let Some(other) = root.children.iter().find(|child| !known(child)) {
            return Err(S3Error::not_implemented(&format!("bucket with {}", other.name)));
        }
        if let Some(tags) = root.child("Tags") {
            settings.tags = tagging::read_all(tags, Tagged::Bucket)?;
        }
        check_location(call, root.text("LocationConstraint"))?;
    } else {
        check_location(call, None)?;
    }
    match call.buckets.create_with(&call.scope, call.bucket(), settings).await {
        // As on AWS: in this region, making a bucket again is fine.
        Err(BucketError::BucketAlreadyOwnedByYou) if is_first_in_first(call) => {}
        made => made?,
    }
    let mut answer = answer::empty(StatusCode::OK);
    answer::set(&mut answer, "location", &format!("/{}", call.bucket()));
    Ok(answer)
}

fn is_first_in_first(call: &Call) -> bool {
    let there = call.buckets.bucket(call.bucket());
    let is_first = |region: &str| region == FIRST_REGION;
    is_first(call.scope.region.as_str())
        && there.is_ok_and(|bucket| is_first(bucket.scope.region.as_str()))
}

/// A bucket is made where the request goes to.
fn check_location(call: &Call, location: Option<&str>) -> Result<(), S3Error> {
    let here = call.scope.region.as_str();
    let location = location.map(str::trim).filter(|location| !location.is_empty());
    let named = location.map(|location| if location == "EU" { "eu-west-1" } else { location });
    match named {
        Some(FIRST_REGION) => Err(S3Error::new(
            (400, "InvalidLocationConstraint"),
            "The specified location-constraint is not valid",
        )),
        None if here == FIRST_REGION => Ok(()),
        Some(named) if named == here => Ok(()),
        other => {
            let other = other.unwrap_or("unspecified");
            Err(S3Error::new(
                (400, "IllegalLocationConstraintException"),
                format!(
                    "The {other} location constraint is incompatible for the region specific endpoint this request was sent to."
                ),
            ))
        }
    }
}

pub(super) fn head(call: &Call) -> Result<Answer, S3Error> {
    let bucket = call.buckets.bucket(call.bucket())?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::set(&mut answer, "x-amz-bucket-region", bucket.scope.region.as_str());
    answer::set(&mut answer, "x-amz-access-point-alias", "false");
    Ok(answer)
}

pub(super) async fn delete(call: &Call) -> Result<Answer, S3Error> {
    call.buckets.delete(call.bucket()).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

pub(super) fn location(call: &Call) -> Result<Answer, S3Error> {
    let bucket = call.buckets.bucket(call.bucket())?;
    let region = bucket.scope.region.as_str();
    // The document is the element itself, and the first region is an empty one.
    let region = if region == FIRST_REGION { "" } else { region };
    let document = Element::text("LocationConstraint", region);
    Ok(answer::xml(&document.attribute("xmlns", answer::NAMESPACE)))
}

pub(super) fn versioning(call: &Call) -> Result<Answer, S3Error> {
    let bucket = call.buckets.bucket(call.bucket())?;
    let status = match bucket.versioning {
        Versioning::Never => None,
        Versioning::Enabled => Some("Enabled"),
        Versioning::Suspended => Some("Suspended"),
    };
    let status = status.map(|status| Element::text("Status", status));
    Ok(answer::xml(&answer::root("VersioningConfiguration").children(status)))
}

pub(super) async fn set_versioning(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    call.buckets.bucket(call.bucket())?;
    let document = body.document(call).await?;
    let root = Node::read(&document.bytes, "VersioningConfiguration")?;
    if root.text("MfaDelete") == Some("Enabled") {
        return Err(S3Error::not_implemented("MfaDelete"));
    }
    let versioning = match root.text("Status") {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => {
            let message = "The Versioning element must be specified";
            return Err(S3Error::new((400, "IllegalVersioningConfigurationException"), message));
        }
    };
    call.buckets.set_versioning(call.bucket(), versioning).await?;
    Ok(answer::empty(StatusCode::OK))
}

/// Everything is its owner's.
pub(super) async fn acl(call: &Call) -> Result<Answer, S3Error> {
    let bucket = call.buckets.bucket(call.bucket())?;
    if !call.key().is_empty() {
        call.buckets.find(&super::objects::name(call)).await?;
    }
    let account = &bucket.scope.account;
    let grantee = answer::owner("Grantee", account)
        .attribute("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
        .attribute("xsi:type", "CanonicalUser");
    let grant =
        Element::new("Grant").children([grantee, Element::text("Permission", "FULL_CONTROL")]);
    let document = answer::root("AccessControlPolicy").children([
        answer::owner("Owner", account),
        Element::new("AccessControlList").child(grant),
    ]);
    Ok(answer::xml(&document))
}
