//! What is set of a bucket by documents of its own.
//!
//! # Deliberately absent
//!
//! Effects of policies and of what is kept from the public: callers are not authenticated. Both are
//! kept and handed back, as the document of compatibility says.

use hearth_services::buckets::{BucketError, cors as cors_rules, lifecycle as lifecycle_rules};
use hearth_services::buckets::{
    BucketRecord, Ownership, PublicAccess, PublicAccessBlock, Settings, Tagged, Tags,
};
use hearth_services::limits::BUCKET_POLICY_BYTES_MAX;
use hearth_wire::xml::Element;
use http_body_util::{Either, Full};
use hyper::StatusCode;
use serde_json::Value;

use super::answer::{self, Answer};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use super::listing::truth;
use super::request::Setting;
use super::{Call, cors, headers, lifecycle, tagging};

const OWNERSHIP: &str = "OwnershipControls";
const PUBLIC_ACCESS: &str = "PublicAccessBlockConfiguration";
const MINIMUM_SIZE: &str = "x-amz-transition-default-minimum-object-size";
const MINIMUM_SIZES: [&str; 2] = ["all_storage_classes_128K", "varies_by_storage_class"];
const NO_POLICY: (&str, &str) = ("NoSuchBucketPolicy", "The bucket policy does not exist");

/// The four switches, and their elements.
const SWITCHES: [(&str, fn(&mut PublicAccessBlock) -> &mut bool); 4] = [
    ("BlockPublicAcls", |block| &mut block.block_public_acls),
    ("IgnorePublicAcls", |block| &mut block.ignore_public_acls),
    ("BlockPublicPolicy", |block| &mut block.block_public_policy),
    ("RestrictPublicBuckets", |block| &mut block.restrict_public_buckets),
];

pub(super) fn get(call: &Call, setting: Setting) -> Result<Answer, S3Error> {
    let bucket = call.buckets.bucket(call.bucket())?;
    let settings = &bucket.settings;
    match setting {
        Setting::Tagging if settings.tags.is_empty() => {
            Err(S3Error::missing("NoSuchTagSet", "The TagSet does not exist"))
        }
        Setting::Tagging => Ok(answer::xml(&tagging::document(&settings.tags))),
        Setting::Cors if settings.cors.is_empty() => {
            let text = "The CORS configuration does not exist";
            Err(S3Error::missing("NoSuchCORSConfiguration", text))
        }
        Setting::Cors => Ok(answer::xml(&cors::document(&settings.cors))),
        Setting::Lifecycle if settings.lifecycle.is_empty() => {
            let text = "The lifecycle configuration does not exist";
            Err(S3Error::missing("NoSuchLifecycleConfiguration", text))
        }
        Setting::Lifecycle => {
            let mut answer = answer::xml(&lifecycle::document(&settings.lifecycle));
            answer::set(&mut answer, MINIMUM_SIZE, minimum_size(settings));
            Ok(answer)
        }
        Setting::Policy => policy(settings),
        Setting::Ownership => ownership(settings),
        Setting::PublicAccess => public_access(settings),
        Setting::Encryption => Ok(answer::xml(&encryption())),
    }
}

fn policy(settings: &Settings) -> Result<Answer, S3Error> {
    let (code, text) = NO_POLICY;
    let policy = settings.policy.clone().ok_or_else(|| S3Error::missing(code, text))?;
    let mut answer = Answer::new(Either::Left(Full::new(policy.into())));
    answer::set(&mut answer, "content-type", "application/json");
    Ok(answer)
}

fn ownership(settings: &Settings) -> Result<Answer, S3Error> {
    match settings.ownership {
        Ownership::BucketOwnerEnforced => {
            let rule = Element::text("ObjectOwnership", "BucketOwnerEnforced");
            let document = answer::root(OWNERSHIP).child(Element::new("Rule").child(rule));
            Ok(answer::xml(&document))
        }
        Ownership::Unsaid => {
            let text = "The bucket ownership controls were not found";
            Err(S3Error::missing("OwnershipControlsNotFoundError", text))
        }
    }
}

fn public_access(settings: &Settings) -> Result<Answer, S3Error> {
    let PublicAccess::Blocked(mut block) = settings.public_access else {
        let text = "The public access block configuration was not found";
        return Err(S3Error::missing("NoSuchPublicAccessBlockConfiguration", text));
    };
    let elements = SWITCHES.map(|(name, switch)| Element::text(name, truth(*switch(&mut block))));
    Ok(answer::xml(&answer::root(PUBLIC_ACCESS).children(elements)))
}

/// What every bucket has on AWS. Nothing is encrypted here.
fn encryption() -> Element {
    let by_default = Element::new("ApplyServerSideEncryptionByDefault")
        .child(Element::text("SSEAlgorithm", "AES256"));
    let rule =
        Element::new("Rule").child(by_default).child(Element::text("BucketKeyEnabled", "false"));
    answer::root("ServerSideEncryptionConfiguration").child(rule)
}

fn minimum_size(settings: &Settings) -> &str {
    settings.transition_default_minimum_object_size.as_deref().unwrap_or(MINIMUM_SIZES[0])
}

/// Whether the policy of a bucket lets everybody in.
pub(super) fn policy_status(call: &Call) -> Result<Answer, S3Error> {
    let bucket = call.buckets.bucket(call.bucket())?;
    let (code, text) = NO_POLICY;
    let policy = bucket.settings.policy.as_ref().ok_or_else(|| S3Error::missing(code, text))?;
    let is_public = truth(lets_everybody_in(policy));
    let document = answer::root("PolicyStatus").child(Element::text("IsPublic", is_public));
    Ok(answer::xml(&document))
}

/// Whether a statement allows something to everybody without any condition.
fn lets_everybody_in(policy: &str) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy.get("Statement");
    let one = statements.filter(|statement| statement.is_object());
    let many = statements.and_then(Value::as_array).into_iter().flatten();
    let is_everybody = |principal: &Value| match principal.get("AWS").unwrap_or(principal) {
        Value::String(name) => name == "*",
        Value::Array(names) => names.iter().any(|name| name == "*"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    one.into_iter().chain(many).any(|statement| {
        statement.get("Effect").is_some_and(|effect| effect == "Allow")
            && statement.get("Principal").is_some_and(is_everybody)
            && statement.get("Condition").is_none()
    })
}

pub(super) async fn put(
    call: &Call,
    body: &mut Arriving,
    setting: Setting,
) -> Result<Answer, S3Error> {
    let bucket = call.buckets.bucket(call.bucket())?;
    let document = body.document(call).await?;
    let root = |name: &str| Node::read(&document.bytes, name);
    let name = call.bucket();
    match setting {
        Setting::Tagging => {
            let tags = tagging::read(&root("Tagging")?, Tagged::Bucket)?;
            call.buckets.set(name, |settings| settings.tags = tags).await?;
            return Ok(answer::empty(StatusCode::NO_CONTENT));
        }
        Setting::Cors => {
            let rules = cors::read(&root("CORSConfiguration")?)?;
            cors_rules::check_rules(&rules)?;
            call.buckets.set(name, |settings| settings.cors = rules).await?;
        }
        Setting::Lifecycle => return put_lifecycle(call, &root("LifecycleConfiguration")?).await,
        Setting::Policy => {
            let policy = check_policy(&document.bytes)?;
            refuse_public(&bucket, &policy)?;
            call.buckets.set(name, |settings| settings.policy = Some(policy)).await?;
            return Ok(answer::empty(StatusCode::NO_CONTENT));
        }
        Setting::Ownership => {
            let root = root(OWNERSHIP)?;
            let rule = root.child("Rule").and_then(|rule| rule.text("ObjectOwnership"));
            let rule = rule.ok_or_else(S3Error::malformed_xml)?.trim();
            if rule != "BucketOwnerEnforced" {
                return Err(S3Error::not_implemented(&format!("ObjectOwnership {rule}")));
            }
            let ownership = Ownership::BucketOwnerEnforced;
            call.buckets.set(name, |settings| settings.ownership = ownership).await?;
        }
        Setting::PublicAccess => {
            let block = PublicAccess::Blocked(read_block(&root(PUBLIC_ACCESS)?)?);
            call.buckets.set(name, |settings| settings.public_access = block).await?;
        }
        Setting::Encryption => {
            check_encryption(&root("ServerSideEncryptionConfiguration")?)?;
        }
    }
    Ok(answer::empty(StatusCode::OK))
}

async fn put_lifecycle(call: &Call, root: &Node) -> Result<Answer, S3Error> {
    let rules = lifecycle::read(root)?;
    lifecycle_rules::check_rules(&rules)?;
    let size = call.header(MINIMUM_SIZE).unwrap_or(MINIMUM_SIZES[0]);
    if !MINIMUM_SIZES.contains(&size) {
        let text = format!("Invalid value for header {MINIMUM_SIZE}: {size}");
        return Err(S3Error::invalid_argument(text));
    }
    let set = call.buckets.set(call.bucket(), |settings| {
        settings.lifecycle = rules;
        settings.transition_default_minimum_object_size = Some(size.to_owned());
    });
    set.await?;
    let mut answer = answer::empty(StatusCode::OK);
    answer::set(&mut answer, MINIMUM_SIZE, size);
    Ok(answer)
}

/// Refuses what is no policy.
fn check_policy(bytes: &[u8]) -> Result<String, S3Error> {
    let malformed = |text: &str| BucketError::MalformedPolicy(text.to_owned());
    if bytes.len() > BUCKET_POLICY_BYTES_MAX {
        let text = "Normalized policy document exceeds the maximum allowed size of 20480 bytes.";
        return Err(malformed(text).into());
    }
    let no_json = "Policies must be valid JSON and the first byte must be '{'";
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| malformed(no_json))?;
    let policy: Value = serde_json::from_str(text).map_err(|_no_json| malformed(no_json))?;
    if !text.starts_with('{') {
        return Err(malformed(no_json).into());
    }
    match policy.get("Statement") {
        Some(Value::Object(_)) => {}
        Some(Value::Array(statements)) if statements.iter().all(Value::is_object) => {}
        _ => return Err(malformed("Missing required field Statement").into()),
    }
    Ok(text.to_owned())
}

/// AWS: a bucket whose switches say so takes no policy that lets everybody in.
fn refuse_public(bucket: &BucketRecord, policy: &str) -> Result<(), S3Error> {
    let is_blocked = match bucket.settings.public_access {
        PublicAccess::Blocked(block) => block.block_public_policy,
        PublicAccess::Unsaid => false,
    };
    if is_blocked && lets_everybody_in(policy) {
        return Err(S3Error::access_denied());
    }
    Ok(())
}

fn read_block(root: &Node) -> Result<PublicAccessBlock, S3Error> {
    let mut block = PublicAccessBlock {
        block_public_acls: false,
        ignore_public_acls: false,
        block_public_policy: false,
        restrict_public_buckets: false,
    };
    for (name, switch) in SWITCHES {
        *switch(&mut block) = match root.text(name).map(str::trim) {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(_) => return Err(S3Error::malformed_xml()),
        };
    }
    Ok(block)
}

/// Refuses keys of KMS: there are none.
fn check_encryption(root: &Node) -> Result<(), S3Error> {
    let rule = root.child("Rule").ok_or_else(S3Error::malformed_xml)?;
    let by_default = rule.child("ApplyServerSideEncryptionByDefault");
    let algorithm = by_default.and_then(|it| it.text("SSEAlgorithm")).map(str::trim);
    match algorithm {
        None | Some("AES256") => Ok(()),
        Some(other) => Err(S3Error::not_implemented(&format!("encryption with {other}"))),
    }
}

pub(super) async fn delete(call: &Call, setting: Setting) -> Result<Answer, S3Error> {
    let change = |settings: &mut Settings| match setting {
        Setting::Tagging => settings.tags = Tags::default(),
        Setting::Cors => settings.cors = Vec::new(),
        Setting::Lifecycle => {
            settings.lifecycle = Vec::new();
            settings.transition_default_minimum_object_size = None;
        }
        Setting::Policy => settings.policy = None,
        Setting::Ownership => settings.ownership = Ownership::Unsaid,
        Setting::PublicAccess => settings.public_access = PublicAccess::Unsaid,
        // It goes back to AWS's own, which it has never left.
        Setting::Encryption => {}
    };
    call.buckets.set(call.bucket(), change).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Takes a list of access that says what is so: everything is the bucket owner's.
pub(super) async fn put_acl(call: &Call, body: &mut Arriving) -> Result<Answer, S3Error> {
    call.buckets.bucket(call.bucket())?;
    if !call.key().is_empty() {
        call.buckets.find(&super::objects::name(call)).await?;
    }
    let canned = call.header("x-amz-acl");
    let has_grants = call.headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    let document = body.document(call).await?;
    let is_owners = match canned {
        Some(list) => headers::OWNERS_LISTS.contains(&list),
        None if document.bytes.is_empty() => false,
        None => only_owner(&Node::read(&document.bytes, "AccessControlPolicy")?),
    };
    if has_grants || !is_owners {
        return Err(S3Error::lists_not_supported());
    }
    Ok(answer::empty(StatusCode::OK))
}

/// Whether a list lets nobody in but its owner.
fn only_owner(root: &Node) -> bool {
    let owner = root.child("Owner").and_then(|owner| owner.text("ID")).unwrap_or_default();
    let Some(list) = root.child("AccessControlList") else { return false };
    list.all("Grant").all(|grant| {
        let grantee = grant.child("Grantee").and_then(|grantee| grantee.text("ID"));
        grantee == Some(owner) && grant.text("Permission") == Some("FULL_CONTROL")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_must_be() {
        #[rustfmt::skip]
        let rows = [
            ("{\"Version\":\"2012-10-17\",\"Statement\":[]}", ""),
            ("{\"Statement\":{\"Effect\":\"Allow\"}}",        ""),
            ("{\"Statement\":[1]}",                           "MalformedPolicy"),
            ("{}",                                            "MalformedPolicy"),
            ("[]",                                            "MalformedPolicy"),
            (" {\"Statement\":[]}",                           "MalformedPolicy"),
            ("",                                              "MalformedPolicy"),
        ];
        for (text, refusal) in rows {
            let found = check_policy(text.as_bytes());
            assert_eq!(found.err().map_or("", |error| error.code), refusal, "{text}");
        }
    }

    #[test]
    fn a_policy_is_public_if_it_lets_everybody_in_without_a_condition() {
        let statement = |within: &str| format!("{{\"Statement\":[{{\"Effect\":{within}}}]}}");
        #[rustfmt::skip]
        let rows = [
            ("\"Allow\",\"Principal\":\"*\"",                               true),
            ("\"Allow\",\"Principal\":{\"AWS\":\"*\"}",                     true),
            ("\"Allow\",\"Principal\":{\"AWS\":[\"1\",\"*\"]}",             true),
            ("\"Deny\",\"Principal\":\"*\"",                                false),
            ("\"Allow\",\"Principal\":{\"AWS\":\"111111111111\"}",          false),
            ("\"Allow\",\"Principal\":{\"Service\":\"*\"}",                 false),
            ("\"Allow\",\"Principal\":\"*\",\"Condition\":{}",              false),
        ];
        for (within, expected) in rows {
            assert_eq!(lets_everybody_in(&statement(within)), expected, "{within}");
        }
    }

    #[test]
    fn switches_are_off_unless_they_are_on() {
        let read = |text: &str| {
            let text = format!("<{PUBLIC_ACCESS}>{text}</{PUBLIC_ACCESS}>");
            read_block(&Node::read(text.as_bytes(), PUBLIC_ACCESS).unwrap())
        };
        let block = read("<BlockPublicPolicy>TRUE</BlockPublicPolicy>").unwrap();
        assert!(block.block_public_policy && !block.block_public_acls);
        assert!(read("<BlockPublicAcls>1</BlockPublicAcls>").is_err());
    }

    #[test]
    fn keys_of_kms_are_refused() {
        for (algorithm, is_taken) in [("AES256", true), ("aws:kms", false), ("aws:kms:dsse", false)]
        {
            let text = format!(
                "<S><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></S>"
            );
            let root = Node::read(text.as_bytes(), "S").unwrap();
            assert_eq!(check_encryption(&root).is_ok(), is_taken, "{algorithm}");
        }
    }
}
