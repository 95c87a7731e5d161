//! What a request asks for: its bucket, its key and its operation.

use hearth_services::buckets::is_bucket_name;
use hearth_types::names::Region;
use hyper::Method;
use hyper::header::HOST;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::absent::{self, Absence};
use super::error::S3Error;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum S3Operation {
    /// What is about a bucket alone.
    Bucket(BucketOperation),
    ListObjects,
    ListObjectsV2,
    ListObjectVersions,
    ListMultipartUploads,
    PutObject,
    /// An upload by a form.
    PostObject,
    CopyObject,
    GetObject,
    HeadObject,
    GetObjectAttributes,
    GetObjectTagging,
    PutObjectTagging,
    DeleteObjectTagging,
    DeleteObject,
    DeleteObjects,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    ListParts,
    CompleteMultipartUpload,
    AbortMultipartUpload,
}

/// What can be asked of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BucketOperation {
    /// Of all buckets.
    List,
    Create,
    Head,
    Delete,
    GetLocation,
    GetVersioning,
    PutVersioning,
    GetNotification,
    PutNotification,
    /// Of a bucket or of an object.
    GetAcl,
    PutAcl,
    Get(Setting),
    Put(Setting),
    DeleteSetting(Setting),
    GetPolicyStatus,
    /// A setting that no bucket has.
    GetAbsent(&'static Absence),
    /// One that says that it has not.
    PutAbsent(&'static Absence),
    DeleteAbsent,
    /// A browser asks whether a page may do something.
    Preflight,
}

/// What is set of a bucket by a document of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Tagging,
    Cors,
    Lifecycle,
    Policy,
    Ownership,
    PublicAccess,
    Encryption,
}

impl Setting {
    /// By its name in a query.
    fn find(name: &str) -> Option<Self> {
        match name {
            "tagging" => Some(Self::Tagging),
            "cors" => Some(Self::Cors),
            "lifecycle" => Some(Self::Lifecycle),
            "policy" => Some(Self::Policy),
            "ownershipControls" => Some(Self::Ownership),
            "publicAccessBlock" => Some(Self::PublicAccess),
            "encryption" => Some(Self::Encryption),
            _other => None,
        }
    }
}

/// Which bucket and key a request is about. Either is empty if it is about none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Target {
    pub(super) bucket: String,
    pub(super) key: String,
    query: Vec<(String, String)>,
}

impl Target {
    /// An object, and nothing else.
    pub(super) fn of(bucket: &str, key: &str) -> Self {
        Self { bucket: bucket.to_owned(), key: key.to_owned(), query: Vec::new() }
    }

    pub(super) fn read(head: &Parts) -> Result<Self, S3Error> {
        let path = head.uri.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let (bucket, key) = match host.and_then(bucket_of_host) {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        let pair = |pair: &str| -> Result<(String, String), S3Error> {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(&name.replace('+', " "))?, decoded(&value.replace('+', " "))?))
        };
        let query = head.uri.query().unwrap_or_default().split('&');
        let query =
            query.filter(|text| !text.is_empty()).map(pair).collect::<Result<_, S3Error>>()?;
        Ok(Self { bucket: decoded(bucket)?, key: decoded(key)?, query })
    }

    /// Every parameter of the query, decoded.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What of the bucket or the object is meant, if it is not all of it.
    fn sub_resource(&self) -> Option<&'static str> {
        SUB_RESOURCES.iter().find(|name| self.query(name).is_some()).copied()
    }
}

/// Names in a query that change the operation. `uploads` and `uploadId` are looked at apart.
const SUB_RESOURCES: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "versioning",
    "versions",
    "website",
];

fn decoded(text: &str) -> Result<String, S3Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_not_utf8| S3Error::invalid_uri())
}

/// Whether a host is S3's, with or without a bucket before it.
pub(super) fn is_s3_host(host: &str) -> bool {
    let name = without_port(host);
    name.starts_with("s3.") || end_of_bucket(name).is_some()
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _port)| name)
}

/// Where the bucket ends in a name such as `bucket.s3.localhost` or `bucket.s3-eu-west-1.localhost`.
fn end_of_bucket(name: &str) -> Option<usize> {
    let with_region = |(place, dash): &(usize, &str)| {
        let behind = name.get(place + dash.len()..).unwrap_or_default();
        let label = behind.split('.').next().unwrap_or_default();
        let ends_with_digit = label.ends_with(|one: char| one.is_ascii_digit());
        ends_with_digit && Region::parse(label).is_ok()
    };
    let found = || name.match_indices(".s3-").find(with_region).map(|(place, _dash)| place);
    name.find(".s3.").or_else(found)
}

/// The bucket in a host such as `bucket.s3.localhost:4566` or `bucket.localhost`.
fn bucket_of_host(host: &str) -> Option<&str> {
    let name = without_port(host);
    if name.starts_with("s3.") {
        return None;
    }
    if let Some(end) = end_of_bucket(name) {
        return name.get(..end);
    }
    let bucket = name.strip_suffix(".localhost")?;
    (is_bucket_name(bucket) && !bucket.contains('.')).then_some(bucket)
}

/// What a request asks for.
pub(super) fn operation(
    method: &Method,
    target: &Target,
    is_copy: bool,
) -> Result<S3Operation, S3Error> {
    if *method == Method::OPTIONS && !target.bucket.is_empty() {
        return Ok(S3Operation::Bucket(BucketOperation::Preflight));
    }
    if target.bucket.is_empty() {
        return match *method {
            Method::GET if target.key.is_empty() => Ok(S3Operation::Bucket(BucketOperation::List)),
            _ => Err(S3Error::method_not_allowed()),
        };
    }
    if target.key.is_empty() {
        of_bucket(method, target)
    } else {
        of_object(method, target, is_copy)
    }
}

fn of_bucket(method: &Method, target: &Target) -> Result<S3Operation, S3Error> {
    if let Some(name) = target.sub_resource() {
        return of_bucket_part(method, name);
    }
    match *method {
        Method::GET if target.query("uploads").is_some() => Ok(S3Operation::ListMultipartUploads),
        Method::GET => match target.query("list-type") {
            None => Ok(S3Operation::ListObjects),
            Some("2") => Ok(S3Operation::ListObjectsV2),
            Some(other) => {
                Err(S3Error::invalid_argument(format!("There is no list-type {other}.")))
            }
        },
        Method::PUT => Ok(S3Operation::Bucket(BucketOperation::Create)),
        Method::HEAD => Ok(S3Operation::Bucket(BucketOperation::Head)),
        Method::DELETE => Ok(S3Operation::Bucket(BucketOperation::Delete)),
        Method::POST => Ok(S3Operation::PostObject),
        _ => Err(S3Error::method_not_allowed()),
    }
}

fn of_bucket_part(method: &Method, name: &str) -> Result<S3Operation, S3Error> {
    if let Some(setting) = Setting::find(name) {
        return match *method {
            Method::GET => Ok(S3Operation::Bucket(BucketOperation::Get(setting))),
            Method::PUT => Ok(S3Operation::Bucket(BucketOperation::Put(setting))),
            Method::DELETE => Ok(S3Operation::Bucket(BucketOperation::DeleteSetting(setting))),
            _ => Err(not_offered(method, name)),
        };
    }
    match (method.as_str(), name) {
        ("GET", "location") => Ok(S3Operation::Bucket(BucketOperation::GetLocation)),
        ("GET", "versioning") => Ok(S3Operation::Bucket(BucketOperation::GetVersioning)),
        ("PUT", "versioning") => Ok(S3Operation::Bucket(BucketOperation::PutVersioning)),
        ("GET", "notification") => Ok(S3Operation::Bucket(BucketOperation::GetNotification)),
        ("PUT", "notification") => Ok(S3Operation::Bucket(BucketOperation::PutNotification)),
        ("GET", "acl") => Ok(S3Operation::Bucket(BucketOperation::GetAcl)),
        ("PUT", "acl") => Ok(S3Operation::Bucket(BucketOperation::PutAcl)),
        ("GET", "policyStatus") => Ok(S3Operation::Bucket(BucketOperation::GetPolicyStatus)),
        ("GET", "versions") => Ok(S3Operation::ListObjectVersions),
        ("POST", "delete") => Ok(S3Operation::DeleteObjects),
        ("GET", _) => absent::find(name)
            .map(|it| S3Operation::Bucket(BucketOperation::GetAbsent(it)))
            .ok_or_else(|| not_offered(method, name)),
        ("PUT", _) if absent::find(name).is_some_and(|absence| absence.is_settable()) => {
            let absence = absent::find(name);
            absence
                .map(|it| S3Operation::Bucket(BucketOperation::PutAbsent(it)))
                .ok_or_else(|| not_offered(method, name))
        }
        ("DELETE", _) if absent::find(name).is_some_and(|absence| absence.is_deletable()) => {
            Ok(S3Operation::Bucket(BucketOperation::DeleteAbsent))
        }
        _ => Err(not_offered(method, name)),
    }
}

fn of_object(method: &Method, target: &Target, is_copy: bool) -> Result<S3Operation, S3Error> {
    if let Some(name) = target.sub_resource() {
        return match (method.as_str(), name) {
            ("GET", "acl") => Ok(S3Operation::Bucket(BucketOperation::GetAcl)),
            ("PUT", "acl") => Ok(S3Operation::Bucket(BucketOperation::PutAcl)),
            ("GET", "attributes") => Ok(S3Operation::GetObjectAttributes),
            ("GET", "tagging") => Ok(S3Operation::GetObjectTagging),
            ("PUT", "tagging") => Ok(S3Operation::PutObjectTagging),
            ("DELETE", "tagging") => Ok(S3Operation::DeleteObjectTagging),
            _ => Err(not_offered(method, name)),
        };
    }
    let is_of_upload = target.query("uploadId").is_some();
    match *method {
        Method::PUT if is_of_upload && is_copy => Ok(S3Operation::UploadPartCopy),
        Method::PUT if is_of_upload => Ok(S3Operation::UploadPart),
        Method::PUT if is_copy => Ok(S3Operation::CopyObject),
        Method::PUT => Ok(S3Operation::PutObject),
        Method::GET if is_of_upload => Ok(S3Operation::ListParts),
        Method::GET => Ok(S3Operation::GetObject),
        Method::HEAD => Ok(S3Operation::HeadObject),
        Method::DELETE if is_of_upload => Ok(S3Operation::AbortMultipartUpload),
        Method::DELETE => Ok(S3Operation::DeleteObject),
        Method::POST if target.query("uploads").is_some() => Ok(S3Operation::CreateMultipartUpload),
        Method::POST if is_of_upload => Ok(S3Operation::CompleteMultipartUpload),
        _ => Err(S3Error::method_not_allowed()),
    }
}

fn not_offered(method: &Method, name: &str) -> S3Error {
    S3Error::not_implemented(&format!("{method} ?{name}"))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn target(host: &str, uri: &str) -> Result<Target, S3Error> {
        let (head, ()) = Request::get(uri).header(HOST, host).body(()).unwrap().into_parts();
        Target::read(&head)
    }

    #[test]
    fn buckets_and_keys() {
        #[rustfmt::skip]
        let rows = [
            ("127.0.0.1:4566",                 "/",                     "",    ""),
            ("127.0.0.1:4566",                 "/b",                    "b",   ""),
            ("127.0.0.1:4566",                 "/b/",                   "b",   ""),
            ("127.0.0.1:4566",                 "/b/a%20dir//%C3%BC%2F+", "b",   "a dir//ü/+"),
            ("[::1]:4566",                     "/b/k",                  "b",   "k"),
            ("localhost:4566",                 "/b/k",                  "b",   "k"),
            ("s3.localhost",                   "/b/k",                  "b",   "k"),
            ("s3.us-east-1.localhost:4566",    "/b/k",                  "b",   "k"),
            ("bucket.localhost:4566",          "/b/k",                  "bucket", "b/k"),
            ("bucket.s3.localhost:4566",       "/",                     "bucket", ""),
            ("my.bucket.s3.eu-west-1.amazonaws.com", "/k",              "my.bucket", "k"),
            ("bucket.s3-eu-west-1.amazonaws.com", "/k",                 "bucket", "k"),
            ("bucket.s3-my-thing.example.com", "/b/k",                  "b",   "k"),
        ];
        for (host, uri, bucket, key) in rows {
            let found = target(host, uri).unwrap();
            assert_eq!((&*found.bucket, &*found.key), (bucket, key), "{host} {uri}");
        }
        assert_eq!(target("a", "/b/%FF"), Err(S3Error::invalid_uri()));
        let found = target("a", "/b?prefix=a+b%2Bc&delete&x=").unwrap();
        assert_eq!(found.query("prefix"), Some("a b+c"));
        assert_eq!((found.query("delete"), found.query("y")), (Some(""), None));
    }

    #[test]
    fn operations() {
        #[rustfmt::skip]
        let rows = [
            ("GET",    "/",                          Ok(S3Operation::Bucket(BucketOperation::List))),
            ("PUT",    "/",                          Err("MethodNotAllowed")),
            ("PUT",    "/b",                         Ok(S3Operation::Bucket(BucketOperation::Create))),
            ("GET",    "/b",                         Ok(S3Operation::ListObjects)),
            ("GET",    "/b?list-type=2",             Ok(S3Operation::ListObjectsV2)),
            ("GET",    "/b?list-type=3",             Err("InvalidArgument")),
            ("GET",    "/b?versions",                Ok(S3Operation::ListObjectVersions)),
            ("GET",    "/b?uploads",                 Ok(S3Operation::ListMultipartUploads)),
            ("POST",   "/b?delete",                  Ok(S3Operation::DeleteObjects)),
            ("POST",   "/b",                         Ok(S3Operation::PostObject)),
            ("OPTIONS", "/b/k?tagging",              Ok(S3Operation::Bucket(BucketOperation::Preflight))),
            ("PUT",    "/b?policy",                  Ok(S3Operation::Bucket(BucketOperation::Put(Setting::Policy)))),
            ("GET",    "/b?tagging",                 Ok(S3Operation::Bucket(BucketOperation::Get(Setting::Tagging)))),
            ("PUT",    "/b?website",                 Err("NotImplemented")),
            ("GET",    "/b?notification",            Ok(S3Operation::Bucket(BucketOperation::GetNotification))),
            ("PUT",    "/b?notification",            Ok(S3Operation::Bucket(BucketOperation::PutNotification))),
            ("GET",    "/b?inventory",               Err("NotImplemented")),
            ("DELETE", "/b?cors",                    Ok(S3Operation::Bucket(BucketOperation::DeleteSetting(Setting::Cors)))),
            ("DELETE", "/b?website",                 Ok(S3Operation::Bucket(BucketOperation::DeleteAbsent))),
            ("DELETE", "/b?logging",                 Err("NotImplemented")),
            ("PUT",    "/b/k",                       Ok(S3Operation::PutObject)),
            ("PUT",    "/b/k?partNumber=1&uploadId=x", Ok(S3Operation::UploadPart)),
            ("POST",   "/b/k?uploads=",              Ok(S3Operation::CreateMultipartUpload)),
            ("POST",   "/b/k?uploadId=x",            Ok(S3Operation::CompleteMultipartUpload)),
            ("DELETE", "/b/k?uploadId=x",            Ok(S3Operation::AbortMultipartUpload)),
            ("DELETE", "/b/k?versionId=x",           Ok(S3Operation::DeleteObject)),
            ("GET",    "/b/k?attributes",            Ok(S3Operation::GetObjectAttributes)),
            ("PUT",    "/b/k?tagging",               Ok(S3Operation::PutObjectTagging)),
            ("PUT",    "/b/k?retention",             Err("NotImplemented")),
            ("PATCH",  "/b/k",                       Err("MethodNotAllowed")),
        ];
        for (method, uri, expected) in rows {
            let target = target("a", uri).unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = operation(&method, &target, false).map_err(|error| error.code);
            assert_eq!(found, expected, "{method} {uri}");
        }
    }
}
