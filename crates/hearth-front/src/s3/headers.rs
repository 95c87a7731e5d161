//! Headers of requests: metadata, conditions, checksums, ranges, and those that are refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_services::buckets::{
    Algorithm, Checksum, Condition, Expected, Found, Metadata, ObjectName, Source, parse_md5,
};
use hyper::HeaderMap;
use percent_encoding::percent_decode_str;

use super::date;
use super::error::S3Error;
use super::{Call, check_owner};

/// Standard headers that are kept with an object.
const KEPT: [&str; 6] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];
const USER: &str = "x-amz-meta-";

/// Headers that would have an effect on AWS and would have none here.
const REFUSED: &[&str] = &[
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-object-lock-",
    "x-amz-tagging",
    "x-amz-grant-",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
    "x-amz-checksum-sha1",
    "x-amz-checksum-md5",
    "x-amz-checksum-xxhash",
    "x-amz-checksum-sha512",
];

/// Headers of that kind that say what is so anyway, on AWS.
#[rustfmt::skip]
const HARMLESS: &[(&str, &[&str])] = &[
    ("x-amz-acl",               &["private", "bucket-owner-read", "bucket-owner-full-control"]),
    ("x-amz-storage-class",     &["STANDARD"]),
    ("x-amz-server-side-encryption", &["AES256"]),
    ("x-amz-tagging-directive", &["COPY"]),
    ("x-amz-bucket-object-lock-enabled", &["false"]),
    ("x-amz-object-ownership",  &["BucketOwnerEnforced"]),
];

/// Refuses a request that asks for more than is offered.
pub(super) fn refuse_what_is_not_offered(headers: &HeaderMap) -> Result<(), S3Error> {
    for (name, value) in headers {
        let name = name.as_str();
        let value = value.to_str().unwrap_or_default();
        let is_harmless = match HARMLESS.iter().find(|(header, _)| *header == name) {
            Some((_, values)) => values.contains(&value) || value.is_empty(),
            None => !REFUSED.iter().any(|refused| name.starts_with(refused)),
        };
        if !is_harmless {
            return Err(S3Error::not_implemented(&format!("header {name}: {value}")));
        }
    }
    Ok(())
}

/// What a request says about its object.
pub(super) fn metadata(headers: &HeaderMap) -> Metadata {
    let mut metadata = Metadata::default();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if let Some(name) = name.as_str().strip_prefix(USER) {
            // Several of one name are one list.
            let kept = metadata.user.entry(name.to_owned()).or_default();
            let separator = if kept.is_empty() { "" } else { "," };
            kept.push_str(separator);
            kept.push_str(&value);
        } else if KEPT.contains(&name.as_str()) {
            metadata.headers.insert(name.as_str().to_owned(), value);
        }
    }
    if let Some(encoding) = metadata.headers.remove("content-encoding") {
        // How the request is sent is not what the object is.
        let codings = encoding.split(',').map(str::trim);
        let codings: Vec<&str> =
            codings.filter(|coding| !coding.is_empty() && *coding != "aws-chunked").collect();
        if !codings.is_empty() {
            metadata.headers.insert("content-encoding".to_owned(), codings.join(","));
        }
    }
    metadata
}

/// What must be true of the key that is written.
pub(super) fn condition(call: &Call) -> Result<Condition, S3Error> {
    match (call.header("if-none-match"), call.header("if-match")) {
        (None, None) => Ok(Condition::None),
        (Some("*"), None) => Ok(Condition::Absent),
        (None, Some(etag)) if etag != "*" => Ok(Condition::Matches(unquoted(etag).to_owned())),
        _ => Err(S3Error::not_implemented("combination of If-Match and If-None-Match")),
    }
}

pub(super) fn unquoted(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}

/// What a request says about its bytes.
pub(super) fn expected(call: &Call) -> Result<Expected, S3Error> {
    let md5 = match call.header("content-md5") {
        None => None,
        Some(text) => Some(parse_md5(text).ok_or_else(|| {
            let message = "The Content-MD5 you specified was invalid.";
            S3Error::new((400, "InvalidDigest"), message)
        })?),
    };
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let sha256 = call.header("x-amz-content-sha256").filter(is_digest);
    let named = ["x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"];
    let named = named.into_iter().find_map(|name| Algorithm::parse(call.header(name)?));
    Ok(Expected {
        md5,
        sha256: sha256.map(str::to_ascii_lowercase),
        checksum: checksum(call)?,
        algorithm: trailing(call)?.or(named),
    })
}

/// The checksum that a request has in a header.
pub(super) fn checksum(call: &Call) -> Result<Option<Checksum>, S3Error> {
    for algorithm in Algorithm::ALL {
        if let Some(value) = call.header(algorithm.header()) {
            return checked(algorithm, value).map(Some);
        }
    }
    Ok(None)
}

/// A checksum, if it can be one.
pub(super) fn checked(algorithm: Algorithm, value: &str) -> Result<Checksum, S3Error> {
    let length = match algorithm {
        Algorithm::Crc32 | Algorithm::Crc32c => 4,
        Algorithm::Crc64Nvme => 8,
        Algorithm::Sha256 => 32,
    };
    if STANDARD.decode(value).is_ok_and(|bytes| bytes.len() == length) {
        return Ok(Checksum { algorithm, value: value.to_owned() });
    }
    let text = format!("Value for {} header is invalid.", algorithm.header());
    Err(S3Error::invalid_request(text))
}

/// The algorithm of the checksum that comes behind the body.
pub(super) fn trailing(call: &Call) -> Result<Option<Algorithm>, S3Error> {
    let Some(name) = call.header("x-amz-trailer") else { return Ok(None) };
    let name = name.trim().to_ascii_lowercase();
    match Algorithm::ALL.into_iter().find(|algorithm| algorithm.header() == name) {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(S3Error::not_implemented(&format!("trailer {name}"))),
    }
}

/// The object that a copy is made of: `bucket/key?versionId=…`, encoded.
pub(super) fn copy_source(call: &Call) -> Result<Source, S3Error> {
    let refused = || {
        S3Error::invalid_argument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    };
    let source = call.header("x-amz-copy-source").unwrap_or_default();
    let (path, version) = match source.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (source, None),
    };
    let decoded = |text: &str| {
        percent_decode_str(text).decode_utf8().map(String::from).map_err(|_not_utf8| refused())
    };
    let path = decoded(path)?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').ok_or_else(refused)?;
    if bucket.is_empty() || key.is_empty() {
        return Err(refused());
    }
    let version = version.map(decoded).transpose()?;
    check_owner(call, "x-amz-source-expected-bucket-owner", bucket)?;
    let name = ObjectName { bucket: bucket.to_owned(), key: key.to_owned(), version };
    let etag = call.header("x-amz-copy-source-if-match").map(unquoted).map(str::to_owned);
    Ok(Source { name, etag })
}

/// Whether an object may be read, as far as the request made that depend on it.
pub(super) fn check_conditions(headers: &HeaderMap, found: &Found) -> Result<(), S3Error> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let modified = found.modified.0 / 1_000;
    let names_it = |list: &str| {
        list.split(',').any(|one| one.trim() == "*" || unquoted(one) == found.object.etag)
    };
    match header("if-match") {
        Some(list) if !names_it(list) => return Err(S3Error::precondition_failed()),
        Some(_) => {}
        None => {
            let since = header("if-unmodified-since").and_then(date::parse);
            if since.is_some_and(|since| modified > since) {
                return Err(S3Error::precondition_failed());
            }
        }
    }
    let is_known = match header("if-none-match") {
        Some(list) => names_it(list),
        None => {
            let since = header("if-modified-since").and_then(date::parse);
            since.is_some_and(|since| modified <= since)
        }
    };
    if is_known {
        let etag = format!("\"{}\"", found.object.etag);
        return Err(S3Error::not_modified().with("etag", etag));
    }
    Ok(())
}

/// The first and the last byte that are asked for. A range of another form is none.
pub(super) fn range(text: Option<&str>, size: u64) -> Result<Option<(u64, u64)>, S3Error> {
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // What is too large for a number is larger than every object.
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    let Some((first, last)) =
        text.and_then(|text| text.trim().strip_prefix("bytes=")?.split_once('-'))
    else {
        return Ok(None);
    };
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
        (Some(first), None) if last.is_empty() => (first, size.saturating_sub(1)),
        (None, Some(length)) if first.is_empty() => {
            if length == 0 {
                return Err(S3Error::invalid_range());
            }
            (size.saturating_sub(length), size.saturating_sub(1))
        }
        _ => return Ok(None),
    };
    if first >= size {
        return Err(S3Error::invalid_range().with("content-range", format!("bytes */{size}")));
    }
    Ok(Some((first, last)))
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        of.iter().map(header).collect()
    }

    #[test]
    fn ranges() {
        #[rustfmt::skip]
        let rows = [
            ("bytes=0-4",     10, Ok(Some((0, 4)))),
            ("bytes=5-",      10, Ok(Some((5, 9)))),
            ("bytes=-3",      10, Ok(Some((7, 9)))),
            ("bytes=-30",     10, Ok(Some((0, 9)))),
            ("bytes=5-99",    10, Ok(Some((5, 9)))),
            ("bytes=9-99999999999999999999999", 10, Ok(Some((9, 9)))),
            ("bytes=10-",     10, Err("InvalidRange")),
            ("bytes=-0",      10, Err("InvalidRange")),
            ("bytes=0-0",     0,  Err("InvalidRange")),
            ("bytes=4-3",     10, Ok(None)),
            ("bytes=0-1,3-4", 10, Ok(None)),
            ("bytes=-",       10, Ok(None)),
            ("lines=0-4",     10, Ok(None)),
        ];
        for (text, size, expected) in rows {
            let found = range(Some(text), size).map_err(|error| error.code);
            assert_eq!(found, expected, "{text} of {size}");
        }
        assert_eq!(range(None, 10), Ok(None));
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        #[rustfmt::skip]
        let rows = [
            ("content-type",                 "text/plain",  true),
            ("x-amz-acl",                    "private",     true),
            ("x-amz-acl",                    "public-read", false),
            ("x-amz-storage-class",          "STANDARD",    true),
            ("x-amz-storage-class",          "GLACIER",     false),
            ("x-amz-tagging",                "a=b",         false),
            ("x-amz-tagging-directive",      "COPY",        true),
            ("x-amz-server-side-encryption", "AES256",      true),
            ("x-amz-server-side-encryption", "aws:kms",     false),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256", false),
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256", false),
            ("x-amz-checksum-sha1",          "x",           false),
            ("x-amz-checksum-crc32",         "x",           true),
        ];
        for (name, value, expected) in rows {
            let found = refuse_what_is_not_offered(&headers(&[(name, value)]));
            assert_eq!(found.is_ok(), expected, "{name}: {value}");
        }
    }

    #[test]
    fn metadata_is_what_describes_the_object() {
        let found = metadata(&headers(&[
            ("content-type", "text/plain"),
            ("content-encoding", "aws-chunked, gzip"),
            ("content-length", "5"),
            ("x-amz-meta-a", "b"),
            ("x-amz-date", "x"),
        ]));
        let kept = |of: &[(&str, &str)]| {
            of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let expected = Metadata {
            headers: kept(&[("content-type", "text/plain"), ("content-encoding", "gzip")]),
            user: kept(&[("a", "b")]),
        };
        assert_eq!(found, expected);
    }
}
