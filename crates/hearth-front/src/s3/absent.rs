//! Settings of buckets that no bucket of ours has. Tools read them on every run, and the truth is
//! that there are none. Making one is refused.

use hearth_wire::xml::Element;
use hyper::StatusCode;

use super::Call;
use super::answer::{self, Answer};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;

/// A setting, and how S3 says that a bucket does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Absence {
    /// In the query.
    name: &'static str,
    said: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// By an error with status 404.
    Error(&'static str, &'static str),
    /// By an empty document.
    Document(&'static str),
    /// By a document with one text.
    Text(&'static str, &'static str, &'static str),
}

use Said::{Document, Error, Text};

#[rustfmt::skip]
const ABSENT: &[Absence] = &[
    Absence { name: "website",           said: Error("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration") },
    Absence { name: "replication",       said: Error("ReplicationConfigurationNotFoundError", "The replication configuration was not found") },
    Absence { name: "object-lock",       said: Error("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket") },
    Absence { name: "logging",           said: Document("BucketLoggingStatus") },
    Absence { name: "accelerate",        said: Document("AccelerateConfiguration") },
    Absence { name: "requestPayment",    said: Text("RequestPaymentConfiguration", "Payer", "BucketOwner") },
];

impl Absence {
    /// Whether S3 has an operation that deletes it.
    pub(super) fn is_deletable(&self) -> bool {
        matches!(self.said, Error(..)) && self.name != "object-lock"
    }

    /// Whether a document can say that a bucket does not have it.
    pub(super) fn is_settable(&self) -> bool {
        matches!(self.name, "logging" | "requestPayment")
    }
}

pub(super) fn find(name: &str) -> Option<&'static Absence> {
    ABSENT.iter().find(|absence| absence.name == name)
}

pub(super) fn get(call: &Call, absence: &Absence) -> Result<Answer, S3Error> {
    call.buckets.bucket(call.bucket())?;
    match absence.said {
        Error(code, message) => Err(S3Error::new((404, code), message)),
        Document(name) => Ok(answer::xml(&answer::root(name))),
        Text(name, child, text) => {
            Ok(answer::xml(&answer::root(name).child(Element::text(child, text))))
        }
    }
}

/// To say that it is not there is fine.
pub(super) async fn put(
    call: &Call,
    body: &mut Arriving,
    absence: &Absence,
) -> Result<Answer, S3Error> {
    call.buckets.bucket(call.bucket())?;
    let document = body.document(call).await?;
    let is_absent = match absence.said {
        Error(..) => false,
        Document(name) => Node::read(&document.bytes, name)?.children.is_empty(),
        Text(name, child, text) => Node::read(&document.bytes, name)?.text(child) == Some(text),
    };
    if !is_absent {
        return Err(S3Error::not_implemented(&format!("PUT ?{}", absence.name)));
    }
    Ok(answer::empty(StatusCode::OK))
}

/// To delete what is not there is fine.
pub(super) fn delete(call: &Call) -> Result<Answer, S3Error> {
    call.buckets.bucket(call.bucket())?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
