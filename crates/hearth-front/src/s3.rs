//! S3's wire.
//!
//! ```text
//!  request ──▶ buckets, settings (cors, lifecycle, tagging), notifications, absent ──▶ answer
//!     │        objects, copies, attributes, listing, multipart, form (policy)          error
//!     │        └─▶ headers, document, body (chunked)
//!     └──▶ presigned: whether its time is over, and the headers in its query
//! ```
//!
//! # Promises
//!
//! 1. Objects are streamed in both directions, and held in memory nowhere.
//! 2. A request that asks for something that is not offered is refused by name; nothing that has
//!    an effect on AWS is accepted and dropped.
//! 3. A change that has begun is finished, also when the client goes away.
//!
//! # Deliberately absent
//!
//! Authentication: signatures, also those of chunks, of presigned requests and of forms, are not
//! checked; what such a request says of its time and a form's policy of its fields is. Lists of
//! access but the owner's. Encryption: AES256, which every object has on AWS, is accepted and
//! answered, because clients ask for it always; nothing is encrypted. Keys of KMS and of customers
//! are refused.

mod request;
mod presigned;
mod buckets;
mod settings;
mod cors;
mod lifecycle;
mod tagging;
mod objects;
mod copies;
mod attributes;
mod multipart;
mod listing;
mod form;
mod policy;
mod notifications;
mod absent;
mod headers;
mod body;
mod chunked;
mod document;
mod answer;
mod date;
mod error;

use std::net::IpAddr;
use std::sync::Arc;

use hearth_services::buckets::{Buckets, Occasion, host_id};
use hearth_types::ids::RequestId;
use hearth_types::names::Scope;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response};

use self::answer::Answer;
pub(crate) use self::answer::ObjectBody;
use self::body::Arriving;
use self::cors::OfPage;
use self::error::S3Error;
use self::request::{BucketOperation, S3Operation, Target};
use crate::body::BodyRoom;
use crate::front::{Arrived, Front};
use crate::own;
use crate::server::Admission;

/// The operations that are offered.
pub(crate) const OFFERED: &[&str] = &[
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteBucketCors",
    "DeleteBucketEncryption",
    "DeleteBucketLifecycle",
    "DeleteBucketOwnershipControls",
    "DeleteBucketPolicy",
    "DeleteBucketTagging",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "DeletePublicAccessBlock",
    "GetBucketAccelerateConfiguration",
    "GetBucketAcl",
    "GetBucketCors",
    "GetBucketEncryption",
    "GetBucketLifecycleConfiguration",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketNotificationConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectTagging",
    "GetPublicAccessBlock",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutBucketAcl",
    "PutBucketCors",
    "PutBucketEncryption",
    "PutBucketLifecycleConfiguration",
    "PutBucketLogging",
    "PutBucketNotificationConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutObject",
    "PutObjectAcl",
    "PutObjectTagging",
    "PutPublicAccessBlock",
    "UploadPart",
    "UploadPartCopy",
];

/// Whether a request is for S3: by the service that it is signed for, by a signature that only S3
/// takes, by its host, or, if nobody signed it, by the bucket that its path begins with.
pub(crate) fn is_s3(head: &Parts, buckets: &Buckets) -> bool {
    let has_bucket = |name: &str| buckets.bucket(name).is_ok();
    is_s3_with(head, has_bucket)
}

fn is_s3_with(head: &Parts, has_bucket: impl Fn(&str) -> bool) -> bool {
    if head.uri.path().starts_with(own::PREFIX) {
        return false;
    }
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(authorization) = header(AUTHORIZATION) {
        // Version 2 is `AWS key:signature`, and no other service takes it.
        return authorization.contains("/s3/aws4_request") || authorization.starts_with("AWS ");
    }
    let query = head.uri.query().unwrap_or_default();
    let names = |text: &str| query.split('&').any(|pair| pair.starts_with(text));
    if let Some(credential) = query.split('&').find(|pair| pair.starts_with("X-Amz-Credential=")) {
        return credential.contains("%2Fs3%2F")
            || credential.contains("%2fs3%2f")
            || credential.contains("/s3/");
    }
    let is_version_2 = names("AWSAccessKeyId=") && names("Signature=");
    if is_version_2 {
        return true;
    }
    let path = head.uri.path().strip_prefix('/').unwrap_or_default();
    let first = path.split('/').next().unwrap_or_default();
    // What has an operation in a header of its own, or its key, is somebody else's.
    let is_bare =
        !["x-amz-target", "x-api-key"].iter().any(|name| head.headers.contains_key(*name));
    let is_of_host = header(HOST).is_some_and(request::is_s3_host);
    let is_of_bucket = is_bare && !first.is_empty() && has_bucket(first);
    (is_of_host || is_of_bucket) && !is_of_another_service(head)
}

/// Whether a request that nobody signed has the form of another service's: a form for one of the
/// query services, or a path below the date of an API, such as `/2015-03-31/functions`.
fn is_of_another_service(head: &Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let path = head.uri.path();
    let has_query = head.uri.query().is_some_and(|query| !query.is_empty());
    (is_form && head.method == Method::POST && path == "/" && !has_query) || begins_with_date(path)
}

fn begins_with_date(path: &str) -> bool {
    let form = b"/0000-00-00/";
    path.len() >= form.len()
        && path.bytes().zip(form).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _itself => byte == *form,
        })
}

/// Answers a request. There is always an answer.
pub(crate) async fn answer(front: &Arc<Front>, arrived: Arrived) -> Response<ObjectBody> {
    let id = arrived.id;
    let method = arrived.head.method.clone();
    let resource = arrived.head.uri.path().to_owned();
    let target = Target::read(&arrived.head);
    let page = target.as_ref().ok().and_then(|it| OfPage::read(&arrived.head, &it.bucket));
    let is_change = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&method);
    let done = if is_change {
        let of_task = Arc::clone(front);
        let performing = async move { perform(&of_task, arrived, target).await };
        front.finished(performing).await.unwrap_or_else(|| Err(S3Error::broken()))
    } else {
        perform(front, arrived, target).await
    };
    let mut answer = done.unwrap_or_else(|error| error.render(&method, &resource, id));
    if let Some(page) = page {
        page.let_in(&front.buckets, &mut answer);
    }
    let value = HeaderValue::from_str(&id.to_string()).expect("an id has no odd characters");
    answer.headers_mut().insert(HeaderName::from_static("x-amz-request-id"), value);
    answer::set(&mut answer, "x-amz-id-2", &host_id(&id.to_string()));
    answer
}

/// A request that has been understood, without its body.
#[derive(Debug)]
struct Call {
    buckets: Arc<Buckets>,
    room: BodyRoom,
    scope: Scope,
    /// Who asks, for those who are told of what they do.
    occasion: Occasion,
    headers: HeaderMap,
    target: Target,
}

impl Call {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.target.query(name)
    }

    fn bucket(&self) -> &str {
        &self.target.bucket
    }

    fn key(&self) -> &str {
        &self.target.key
    }
}

async fn perform(
    front: &Front,
    arrived: Arrived,
    target: Result<Target, S3Error>,
) -> Result<Answer, S3Error> {
    let Arrived { id, scope, from, head, body } = arrived;
    let mut body = Arriving::new(body);
    let occasion = occasion(&head, &scope, (id, from));
    let performed = match target {
        Ok(target) => operate(front, (&head, scope, occasion), (target, &mut body)).await,
        Err(refused) => Err(refused),
    };
    // A client that waits for leave to send has not sent anything.
    if performed.is_err() && !head.headers.contains_key("expect") {
        body.discard().await;
    }
    performed
}

async fn operate(
    front: &Front,
    (head, scope, occasion): (&Parts, Scope, Occasion),
    (target, body): (Target, &mut Arriving),
) -> Result<Answer, S3Error> {
    if *front.admission.borrow() == Admission::Draining {
        return Err(S3Error::draining());
    }
    presigned::check(&target, front.buckets.now())?;
    let headers = presigned::headers(&head.headers, &target)?;
    let is_copy = headers.contains_key("x-amz-copy-source");
    let operation = request::operation(&head.method, &target, is_copy)?;
    let call = Call {
        buckets: Arc::clone(&front.buckets),
        room: front.body_room.clone(),
        occasion,
        scope,
        headers,
        target,
    };
    check_owner(&call, "x-amz-expected-bucket-owner", call.bucket())?;
    match operation {
        S3Operation::Bucket(BucketOperation::PutNotification) => {
            notifications::put(front, &call, body).await
        }
        S3Operation::Bucket(operation) => of_bucket(operation, &call, body).await,
        S3Operation::ListObjects => listing::objects(&call).await,
        S3Operation::ListObjectsV2 => listing::objects_v2(&call).await,
        S3Operation::ListObjectVersions => listing::versions(&call).await,
        S3Operation::ListMultipartUploads => multipart::list_uploads(&call).await,
        S3Operation::PutObject => objects::put(&call, body).await,
        S3Operation::PostObject => form::post(&call, body).await,
        S3Operation::CopyObject => copies::copy(&call).await,
        S3Operation::GetObject => objects::get(&call, &Method::GET).await,
        S3Operation::HeadObject => objects::get(&call, &Method::HEAD).await,
        S3Operation::GetObjectAttributes => attributes::get(&call).await,
        S3Operation::GetObjectTagging => tagging::get(&call).await,
        S3Operation::PutObjectTagging => tagging::put(&call, body).await,
        S3Operation::DeleteObjectTagging => tagging::delete(&call).await,
        S3Operation::DeleteObject => objects::delete(&call).await,
        S3Operation::DeleteObjects => objects::delete_many(&call, body).await,
        S3Operation::CreateMultipartUpload => multipart::create(&call).await,
        S3Operation::UploadPart => multipart::put_part(&call, body).await,
        S3Operation::UploadPartCopy => multipart::copy_part(&call).await,
        S3Operation::ListParts => multipart::list_parts(&call).await,
        S3Operation::CompleteMultipartUpload => multipart::complete(&call, body).await,
        S3Operation::AbortMultipartUpload => multipart::abort(&call).await,
    }
}

async fn of_bucket(
    operation: BucketOperation,
    call: &Call,
    body: &mut Arriving,
) -> Result<Answer, S3Error> {
    match operation {
        BucketOperation::List => buckets::list(call),
        BucketOperation::Create => buckets::create(call, body).await,
        BucketOperation::Head => buckets::head(call),
        BucketOperation::Delete => buckets::delete(call).await,
        BucketOperation::GetLocation => buckets::location(call),
        BucketOperation::GetVersioning => buckets::versioning(call),
        BucketOperation::PutVersioning => buckets::set_versioning(call, body).await,
        BucketOperation::GetNotification => notifications::get(call),
        // It needs those who are to be told, and is answered before.
        BucketOperation::PutNotification => Err(S3Error::broken()),
        BucketOperation::GetAcl => buckets::acl(call).await,
        BucketOperation::PutAcl => settings::put_acl(call, body).await,
        BucketOperation::Get(setting) => settings::get(call, setting),
        BucketOperation::Put(setting) => settings::put(call, body, setting).await,
        BucketOperation::DeleteSetting(setting) => settings::delete(call, setting).await,
        BucketOperation::GetPolicyStatus => settings::policy_status(call),
        BucketOperation::GetAbsent(absence) => absent::get(call, absence),
        BucketOperation::PutAbsent(absence) => absent::put(call, body, absence).await,
        BucketOperation::DeleteAbsent => absent::delete(call),
        BucketOperation::Preflight => cors::preflight(call),
    }
}

/// Who asks, and from where.
fn occasion(head: &Parts, scope: &Scope, (id, from): (RequestId, IpAddr)) -> Occasion {
    let trace = head.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    let trace = trace.map(str::to_owned);
    let caller = Occasion::of_caller(id.to_string(), &scope.account, from.to_string());
    Occasion { trace, ..caller }
}

/// Refuses a request that names another owner than the bucket has.
fn check_owner(call: &Call, header: &str, bucket: &str) -> Result<(), S3Error> {
    let Some(expected) = call.header(header) else { return Ok(()) };
    match call.buckets.bucket(bucket) {
        Ok(bucket) if bucket.scope.account.as_str() != expected => Err(S3Error::access_denied()),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    /// Whether there is a bucket.
    fn there(name: &str) -> bool {
        name == "there" || name == "2015-03-31"
    }

    #[test]
    fn requests_for_s3() {
        let signed = |service: &str| {
            format!("AWS4-HMAC-SHA256 Credential=k/20261123/us-east-1/{service}/aws4_request, S=")
        };
        let (s3, lambda) = (signed("s3"), signed("lambda"));
        #[rustfmt::skip]
        let rows: [(&str, &str, &str, bool); 20] = [
            ("127.0.0.1:4566",            "/b/k",                                         &s3,       true),
            ("127.0.0.1:4566",            "/b/k",                                         &lambda,   false),
            ("127.0.0.1:4566",            "/b/k",                                         "AWS k:s", true),
            ("127.0.0.1:4566",            "/b/k",                                         "",        false),
            ("b.s3.localhost:4566",       "/k",                                           &lambda,   false),
            ("b.s3.localhost:4566",       "/k",                                           "",        true),
            ("s3.localhost",              "/b",                                           "",        true),
            ("b.localhost",               "/k",                                           "",        false),
            ("b.s3-eu-west-1.localhost:1", "/k",                                          "",        true),
            ("b.s3-thing.localhost:4566", "/k",                                           "",        false),
            ("s3.localhost",              "/2015-03-31/functions",                        "",        false),
            ("s3.localhost",              "/2015-03-31",                                  "",        true),
            ("127.0.0.1:4566",            "/b/k?X-Amz-Credential=k%2F2026%2Fus-east-1%2Fs3%2Faws4_request", "", true),
            ("127.0.0.1:4566",            "/b/k?X-Amz-Credential=k%2F2026%2Fus-east-1%2Fsts%2Faws4_request", "", false),
            ("127.0.0.1:4566",            "/b/k?AWSAccessKeyId=k&Signature=s&Expires=1",  "",        true),
            ("127.0.0.1:4566",            "/_hearth/health",                              &s3,       false),
            ("127.0.0.1:4566",            "/there/k",                                     "",        true),
            ("127.0.0.1:4566",            "/there",                                       "",        true),
            ("127.0.0.1:4566",            "/there/k",                                     &lambda,   false),
            ("127.0.0.1:4566",            "/2015-03-31/functions",                        "",        false),
        ];
        for (host, uri, authorization, expected) in rows {
            let mut request = Request::get(uri).header(HOST, host);
            if !authorization.is_empty() {
                request = request.header(AUTHORIZATION, authorization);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(is_s3_with(&head, there), expected, "{host} {uri} {authorization}");
        }
    }

    #[test]
    fn a_form_is_for_a_query_service_unless_it_is_signed_for_s3() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let signed = "AWS4-HMAC-SHA256 Credential=k/20261123/us-east-1/s3/aws4_request, S=";
        #[rustfmt::skip]
        let rows: [(&str, &str, Option<&str>, bool); 5] = [
            ("/",        form,              None,         false),
            ("/",        form,              Some(signed), true),
            ("/",        "application/xml", None,         true),
            ("/?delete", form,              None,         true),
            ("/k",       form,              None,         true),
        ];
        for (uri, kind, authorization, expected) in rows {
            let mut request =
                Request::post(uri).header(HOST, "b.s3.localhost").header(CONTENT_TYPE, kind);
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(is_s3_with(&head, there), expected, "{uri} {kind} {authorization:?}");
        }
    }
}
