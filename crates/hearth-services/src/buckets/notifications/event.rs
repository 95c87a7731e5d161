//! What is told of an event: S3's records for functions, queues and topics, and the event for a bus.
//!
//! # Promises
//!
//! Of two events of one key, the later one has the greater sequencer, as a number and as a text.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_store::queue::NewEntry;
use hearth_types::names::{AccountId, Scope};
use hearth_types::time::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::super::record::BucketRecord;
use super::kinds::EventKind;
use super::{Destination, Notification};
use crate::buses::names::{BusArn, DEFAULT};
use crate::delivery::{
    BusEvent, Delivery, Origin, Parcel, PassedOn, Patience, QueueMessage, TopicMessage,
};
use crate::limits::{OBJECT_EVENT_AGE_MILLIS_MAX, OBJECT_EVENT_RETRIES_MAX};

/// The line above a message for a topic.
pub const SUBJECT: &str = "Amazon S3 Notification";
/// Who S3 itself is, in records of what it does by the rules of a bucket.
const S3_ITSELF: &str = "s3.amazonaws.com";
/// The ETag of nothing, which a delete marker has on a bus.
const ETAG_OF_NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// What stays as it is in the key of a record; a space becomes `+`.
const WRITTEN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'*').remove(b'_').remove(b'/');

/// Who brought a change about, and how it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Occasion {
    /// The id of the request.
    pub request: String,
    /// Who asked, as records say it.
    pub principal: String,
    /// Who asked, as events on a bus say it: an account, or a service.
    pub requester: String,
    /// Where the request came from.
    pub source_address: String,
    /// Its `X-Amzn-Trace-Id`.
    pub trace: Option<String>,
}

impl Occasion {
    /// A request of an account.
    #[must_use]
    pub fn of_caller(request: String, account: &AccountId, source_address: String) -> Self {
        Self {
            request,
            principal: format!("AWS:{account}"),
            requester: account.to_string(),
            source_address,
            trace: None,
        }
    }

    /// What a service of this server does, such as `lambda.amazonaws.com`.
    #[must_use]
    pub fn of_service(name: &str) -> Self {
        Self {
            request: Uuid::new_v4().to_string(),
            principal: name.to_owned(),
            requester: name.to_owned(),
            source_address: name.to_owned(),
            trace: None,
        }
    }

    /// What the rules of a bucket do.
    #[must_use]
    pub fn of_the_bucket() -> Self {
        Self::of_service(S3_ITSELF)
    }
}

/// What S3 calls the host that answered a request. Here it follows from the request.
#[must_use]
pub fn host_id(request: &str) -> String {
    STANDARD.encode(Sha256::digest(request.as_bytes()))
}

/// What a queue and a topic are sent when a configuration begins to name them.
#[must_use]
pub fn test_event(bucket: &str, request: &str, now: Timestamp) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Test<'a> {
        service: &'a str,
        event: &'a str,
        time: String,
        bucket: &'a str,
        request_id: &'a str,
        host_id: String,
    }
    let test = Test {
        service: "Amazon S3",
        event: "s3:TestEvent",
        time: now.iso(),
        bucket,
        request_id: request,
        host_id: host_id(request),
    };
    text_of(&test)
}

/// Where an event of a key stands among the others of that key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::buckets) struct Sequencer(u64);

impl Sequencer {
    /// As the shelf keeps it.
    pub(in crate::buckets) fn number(self) -> u64 {
        self.0
    }

    /// Sixteen digits, so that texts compare as numbers do.
    pub(in crate::buckets) fn text(self) -> String {
        format!("{:016X}", self.0)
    }
}

/// Gives out sequencers.
///
/// They follow the time of day. One that goes back is followed no more until it has caught up.
#[derive(Debug, Default)]
pub(in crate::buckets) struct Sequencers {
    last: AtomicU64,
}

impl Sequencers {
    /// What a millisecond counts for: so many events can have one without getting ahead of time.
    const OF_MILLISECOND: u64 = 1 << 16;

    /// Gives out none that is not greater than this.
    pub(in crate::buckets) fn above(&self, number: u64) {
        self.last.fetch_max(number, Ordering::AcqRel);
    }

    /// The least that an event of this time can have.
    pub(in crate::buckets) fn first_of(time: Timestamp) -> Sequencer {
        Sequencer(time.0.saturating_mul(Self::OF_MILLISECOND))
    }

    pub(in crate::buckets) fn next(&self, now: Timestamp) -> Sequencer {
        let Sequencer(of_now) = Self::first_of(now);
        let next = |last: u64| last.saturating_add(1).max(of_now);
        let before =
            self.last.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(next(last)));
        let (Ok(before) | Err(before)) = before;
        Sequencer(next(before))
    }
}

/// Something that has happened to an object.
#[derive(Debug, Clone, Copy)]
pub(in crate::buckets) struct Happened<'a> {
    /// What.
    pub(in crate::buckets) kind: EventKind,
    /// Where.
    pub(in crate::buckets) bucket: &'a BucketRecord,
    /// To which key.
    pub(in crate::buckets) key: &'a str,
    /// To which version, if the bucket has versions.
    pub(in crate::buckets) version: Option<&'a str>,
    /// The size and the ETag of the object, if there is one.
    pub(in crate::buckets) object: Option<(u64, &'a str)>,
    /// When.
    pub(in crate::buckets) at: Timestamp,
    /// After which others.
    pub(in crate::buckets) sequencer: Sequencer,
    /// Why.
    pub(in crate::buckets) occasion: &'a Occasion,
}

/// A delivery that is to be made: what a row of the outbox consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::buckets) struct Posting {
    /// The lane in which it waits.
    lane: String,
    /// Who gets it.
    delivery: Delivery,
    /// What is handed over.
    body: String,
}

impl Posting {
    /// The entry of the durable queue that stands for it.
    pub(in crate::buckets) fn entry(&self, now: Timestamp) -> NewEntry {
        self.delivery.entry((&self.lane, None), Bytes::from(self.body.clone()), now)
    }
}

/// A key as it stands in records.
pub(super) fn written(key: &str) -> String {
    utf8_percent_encode(key, WRITTEN).to_string().replace("%20", "+")
}

/// Whether a text can be a part of such a key.
pub(super) fn is_written(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-*_/+%".contains(&byte))
}

/// What is sent to a function, a queue or a topic.
pub(super) fn posting(told: &Notification, happened: &Happened<'_>, key: &str) -> Posting {
    let body = text_of(&Records { records: [record(told, happened, key)] });
    let parcel = match told.destination.clone() {
        Destination::Function(arn) => Parcel::Function { arn },
        Destination::Queue(arn) => Parcel::Queue { arn, message: QueueMessage::default() },
        Destination::Topic(arn) => {
            let subject = Some(SUBJECT.to_owned());
            Parcel::Topic { arn, message: TopicMessage { subject, ..TopicMessage::default() } }
        }
    };
    let addressed = (told.id.clone(), parcel);
    delivered(happened, (addressed, told.destination.arn()), body)
}

/// What is put on the default bus of the bucket's account and region.
pub(super) fn to_event_bus(happened: &Happened<'_>) -> Posting {
    let scope = happened.bucket.scope.clone();
    let Scope { account, region } = scope.clone();
    let arn = BusArn { scope, name: DEFAULT.to_owned() }.to_string();
    let event = BusEvent {
        source: "aws.s3".to_owned(),
        detail_type: happened.kind.detail_type().to_owned(),
        resources: vec![arn_of(happened.bucket)],
        // With an id and a time of its own, which stay however often it is tried.
        passed_on: Some(PassedOn {
            id: Uuid::new_v4().to_string(),
            time: happened.at.iso_seconds(),
            account: account.to_string(),
            region: region.to_string(),
            buses: 0,
        }),
    };
    let parcel = Parcel::Bus { arn: arn.clone(), event };
    delivered(happened, (("EventBridge".to_owned(), parcel), &arn), text_of(&detail(happened)))
}

fn delivered(
    happened: &Happened<'_>,
    ((configuration, parcel), destination): ((String, Parcel), &str),
    body: String,
) -> Posting {
    let bucket = arn_of(happened.bucket);
    Posting {
        // Neither has a space in it.
        lane: format!("{bucket} {destination}"),
        delivery: Delivery {
            origin: Origin::Notification { bucket, configuration },
            parcel,
            patience: Patience {
                retries_max: OBJECT_EVENT_RETRIES_MAX,
                age_ms_max: OBJECT_EVENT_AGE_MILLIS_MAX,
                http: None,
            },
            dead_letter: None,
            trace: happened.occasion.trace.clone(),
            attempts: 0,
        },
        body,
    }
}

fn arn_of(bucket: &BucketRecord) -> String {
    format!("arn:aws:s3:::{}", bucket.name)
}

fn text_of(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("it consists of texts and numbers")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Records<'a> {
    records: [Record<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'a str,
    event_time: String,
    event_name: &'static str,
    user_identity: Principal<'a>,
    request_parameters: RequestParameters<'a>,
    response_elements: ResponseElements<'a>,
    s3: Subject<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Principal<'a> {
    principal_id: &'a str,
}

#[derive(Serialize)]
struct RequestParameters<'a> {
    #[serde(rename = "sourceIPAddress")]
    source_address: &'a str,
}

#[derive(Serialize)]
struct ResponseElements<'a> {
    #[serde(rename = "x-amz-request-id")]
    request: &'a str,
    #[serde(rename = "x-amz-id-2")]
    host: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subject<'a> {
    #[serde(rename = "s3SchemaVersion")]
    schema_version: &'static str,
    configuration_id: &'a str,
    bucket: BucketPart<'a>,
    object: ObjectPart<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BucketPart<'a> {
    name: &'a str,
    owner_identity: Principal<'a>,
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectPart<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(rename = "eTag", skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequencer: Option<String>,
}

fn record<'a>(told: &'a Notification, happened: &Happened<'a>, key: &'a str) -> Record<'a> {
    let Happened { kind, bucket, version, object, at, sequencer, occasion, key: _ } = *happened;
    let size = object.map(|(size, _etag)| size).filter(|_size| kind.is_creation());
    let has_etag = kind.is_creation() || kind.is_about_tags();
    Record {
        event_version: kind.record_version(),
        event_source: "aws:s3",
        aws_region: bucket.scope.region.as_str(),
        event_time: at.iso(),
        event_name: kind.name(),
        user_identity: Principal { principal_id: &occasion.principal },
        request_parameters: RequestParameters { source_address: &occasion.source_address },
        response_elements: ResponseElements {
            request: &occasion.request,
            host: host_id(&occasion.request),
        },
        s3: Subject {
            schema_version: "1.0",
            configuration_id: &told.id,
            bucket: BucketPart {
                name: &bucket.name,
                owner_identity: Principal { principal_id: bucket.scope.account.as_str() },
                arn: arn_of(bucket),
            },
            object: ObjectPart {
                key,
                size,
                etag: object.map(|(_size, etag)| etag).filter(|_etag| has_etag),
                version_id: version,
                // AWS: only puts and deletions are ordered.
                sequencer: (!kind.is_about_tags()).then(|| sequencer.text()),
            },
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Detail<'a> {
    version: &'static str,
    bucket: NamePart<'a>,
    object: ObjectDetail<'a>,
    request_id: &'a str,
    requester: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_ip_address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_type: Option<&'static str>,
}

#[derive(Serialize)]
struct NamePart<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ObjectDetail<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequencer: Option<String>,
}

fn detail<'a>(happened: &Happened<'a>) -> Detail<'a> {
    let Happened { kind, bucket, key, version, object, sequencer, occasion, at: _ } = *happened;
    let etag = match kind {
        EventKind::DeleteMarker | EventKind::ExpireWithMarker => Some(ETAG_OF_NOTHING),
        EventKind::Delete | EventKind::Expire => None,
        EventKind::Put
        | EventKind::Post
        | EventKind::Copy
        | EventKind::CompleteUpload
        | EventKind::PutTags
        | EventKind::DeleteTags => object.map(|(_size, etag)| etag),
    };
    let by_the_bucket = matches!(kind, EventKind::Expire | EventKind::ExpireWithMarker);
    Detail {
        version: "0",
        bucket: NamePart { name: &bucket.name },
        object: ObjectDetail {
            // Here it is the key itself, as on AWS.
            key,
            size: object.map(|(size, _etag)| size).filter(|_size| kind.is_creation()),
            etag,
            version_id: version,
            sequencer: (!kind.is_about_tags()).then(|| sequencer.text()),
        },
        request_id: &occasion.request,
        requester: &occasion.requester,
        source_ip_address: (!by_the_bucket).then_some(occasion.source_address.as_str()),
        reason: kind.reason(),
        deletion_type: kind.deletion_type(),
    }
}

#[cfg(test)]
mod tests;
