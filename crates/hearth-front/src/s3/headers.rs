//! Headers of requests: metadata, tags, conditions, checksums, ranges, and those that are refused.

use hearth_services::buckets::{
    Algorithm, BucketError, Checksum, ChecksumKind, Conclusion, Condition, ETags, Expected, Found,
    Metadata, ObjectName, PartOfObject, Preconditions, Slice, Source, Tagged, Tags, parse_md5,
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
    "x-amz-object-lock-",
    "x-amz-grant-",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
    "x-amz-checksum-md5",
    "x-amz-checksum-xxhash",
    "x-amz-checksum-sha512",
];

/// Headers of that kind that say what is so anyway, on AWS.
#[rustfmt::skip]
const HARMLESS: &[(&str, &[&str])] = &[
    ("x-amz-storage-class",     &["STANDARD"]),
    ("x-amz-server-side-encryption", &["AES256"]),
    ("x-amz-bucket-object-lock-enabled", &["false"]),
    ("x-amz-object-ownership",  &["BucketOwnerEnforced"]),
];

/// Lists of access that say what is so anyway: everything is the bucket owner's.
pub(super) const OWNERS_LISTS: &[&str] =
    &["private", "bucket-owner-read", "bucket-owner-full-control"];

/// Refuses a request that asks for more than is offered.
pub(super) fn refuse_what_is_not_offered(headers: &HeaderMap) -> Result<(), S3Error> {
    let list = headers.get("x-amz-acl").and_then(|list| list.to_str().ok());
    if list.is_some_and(|list| !list.is_empty() && !OWNERS_LISTS.contains(&list)) {
        return Err(S3Error::lists_not_supported());
    }
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

/// The tags that a request has in a header: `a=b&c=d`.
pub(super) fn tags(headers: &HeaderMap) -> Result<Tags, S3Error> {
    let Some(text) = headers.get("x-amz-tagging") else { return Ok(Tags::default()) };
    let refused = || {
        let text = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.";
        S3Error::invalid_argument(text)
    };
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().map(String::from).map_err(|_not_utf8| refused())
    };
    let text = text.to_str().map_err(|_not_ascii| refused())?;
    let mut tags: Vec<(String, String)> = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decoded(key)?;
        if tags.iter().any(|(before, _)| *before == key) {
            return Err(refused());
        }
        tags.push((key, decoded(value)?));
    }
    Ok(Tags::new(tags, Tagged::Object)?)
}

/// What must be true of the key that is written.
pub(super) fn condition(call: &Call) -> Result<Condition, S3Error> {
    match (call.header("if-none-match"), call.header("if-match")) {
        (None, None) => Ok(Condition::None),
        (Some("*"), None) => Ok(Condition::Absent),
        (None, Some("*")) => Ok(Condition::Present),
        (None, Some(etag)) => Ok(Condition::Matches(unquoted(etag).to_owned())),
        (Some(_), None) => Err(S3Error::not_implemented("If-None-Match with an ETag")),
        (Some(_), Some(_)) => {
            Err(S3Error::not_implemented("combination of If-Match and If-None-Match"))
        }
    }
}

/// What must be true of the object that is deleted.
pub(super) fn condition_of_deletion(call: &Call) -> Result<Condition, S3Error> {
    let unknown = ["x-amz-if-match-last-modified-time", "x-amz-if-match-size", "if-none-match"];
    if let Some(name) = unknown.into_iter().find(|name| call.headers.contains_key(*name)) {
        return Err(S3Error::not_implemented(&format!("header {name} of DeleteObject")));
    }
    condition(call)
}

pub(super) fn unquoted(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}

/// What a request says about its bytes.
pub(super) fn expected(call: &Call) -> Result<Expected, S3Error> {
    let named = ["x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"];
    let named = named.into_iter().find_map(|name| Algorithm::parse(call.header(name)?));
    let algorithm = trailing(call)?.or(named);
    Ok(Expected { checksum: checksum(call)?, algorithm, ..digests(call)? })
}

/// The same without S3's own checksums, which may speak of something else.
pub(super) fn digests(call: &Call) -> Result<Expected, S3Error> {
    let md5 = match call.header("content-md5") {
        None => None,
        Some(text) => Some(parse_md5(text).ok_or_else(|| {
            let message = "The Content-MD5 you specified was invalid.";
            S3Error::new((400, "InvalidDigest"), message)
        })?),
    };
    let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let sha256 = call.header("x-amz-content-sha256").filter(is_digest);
    Ok(Expected { md5, sha256: sha256.map(str::to_ascii_lowercase), ..Expected::default() })
}

/// The checksum that a request has in a header.
pub(super) fn checksum(call: &Call) -> Result<Option<Checksum>, S3Error> {
    let given = |algorithm: Algorithm| Some((algorithm, call.header(algorithm.header())?));
    let mut given = Algorithm::ALL.into_iter().filter_map(given);
    let first = given.next();
    if given.next().is_some() {
        let text =
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
        return Err(S3Error::invalid_request(text));
    }
    first.map(|(algorithm, value)| checked(algorithm, value)).transpose()
}

/// A checksum, if it can be one.
pub(super) fn checked(algorithm: Algorithm, value: &str) -> Result<Checksum, S3Error> {
    let checksum = Checksum { algorithm, value: value.to_owned() };
    if checksum.is_well_formed() {
        return Ok(checksum);
    }
    let text = format!("Value for {} header is invalid.", algorithm.header());
    Err(S3Error::invalid_request(text))
}

/// The algorithm that a request names for its checksum.
pub(super) fn algorithm(call: &Call) -> Result<Option<Algorithm>, S3Error> {
    let Some(name) = call.header("x-amz-checksum-algorithm") else { return Ok(None) };
    match Algorithm::parse(name) {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(S3Error::invalid_request(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )),
    }
}

/// What the checksum of an object in parts shall be made of.
pub(super) fn checksum_kind(call: &Call) -> Result<Option<ChecksumKind>, S3Error> {
    let Some(name) = call.header("x-amz-checksum-type") else { return Ok(None) };
    let kind = ChecksumKind::parse(name);
    let text = "Value for x-amz-checksum-type header is invalid.";
    kind.map(Some).ok_or_else(|| S3Error::invalid_request(text))
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
    let conditions = preconditions(&call.headers, "x-amz-copy-source-");
    Ok(Source { name, conditions })
}

/// The conditions that a request has in headers whose names begin with this.
pub(super) fn preconditions(headers: &HeaderMap, prefix: &str) -> Preconditions {
    let header =
        |name: &str| headers.get(format!("{prefix}{name}")).and_then(|value| value.to_str().ok());
    let etags = |name: &str| {
        let list = header(name)?;
        if list.split(',').any(|one| one.trim() == "*") {
            return Some(ETags::Any);
        }
        Some(ETags::These(list.split(',').map(|one| unquoted(one).to_owned()).collect()))
    };
    let time = |name: &str| header(name).and_then(date::parse);
    Preconditions {
        matches: etags("if-match"),
        matches_none: etags("if-none-match"),
        modified_since: time("if-modified-since"),
        unmodified_since: time("if-unmodified-since"),
    }
}

/// Whether an object may be read, as far as the request made that depend on it.
pub(super) fn check_conditions(headers: &HeaderMap, found: &Found) -> Result<(), S3Error> {
    match preconditions(headers, "").conclude(&found.object, found.modified) {
        Conclusion::Proceed => Ok(()),
        Conclusion::Failed => Err(S3Error::precondition_failed()),
        Conclusion::NotModified => {
            let etag = format!("\"{}\"", found.object.etag);
            let refused = S3Error::not_modified().with("etag", etag);
            let refused = refused.with("last-modified", date::http(found.modified));
            Err(match &found.version {
                Some(version) => refused.with("x-amz-version-id", version),
                None => refused,
            })
        }
    }
}

/// What of an object is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Whole,
    /// First and last byte.
    Range(u64, u64),
    /// A part: of how many, and its bytes.
    Part(usize, Slice),
}

impl Asked {
    /// The bytes that are asked for.
    pub(super) fn slice(self, size: u64) -> Slice {
        match self {
            Self::Whole => Slice { first: 0, length: size },
            Self::Range(first, last) => Slice { first, length: last - first + 1 },
            Self::Part(_, slice) => slice,
        }
    }
}

/// What a request asks for of an object with these parts.
pub(super) fn asked(call: &Call, size: u64, parts: &[PartOfObject]) -> Result<Asked, S3Error> {
    let range_header = call.header("range");
    let Some(number) = call.query("partNumber") else {
        let range = range(range_header, size)?;
        return Ok(range.map_or(Asked::Whole, |(first, last)| Asked::Range(first, last)));
    };
    if range_header.is_some() {
        let text = "Cannot specify both Range header and partNumber query parameter";
        return Err(S3Error::invalid_request(text));
    }
    let number = number.parse::<u16>().ok().filter(|number| *number >= 1);
    let number = number.ok_or_else(|| {
        S3Error::invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
    })?;
    // An object that was put as a whole is its own first part.
    if parts.is_empty() && number == 1 {
        return Ok(Asked::Part(0, Slice { first: 0, length: size }));
    }
    // Parts are counted by their place: with gaps in their numbers, there are fewer.
    let place = usize::from(number) - 1;
    let part = parts.get(place).ok_or(BucketError::InvalidPartNumber)?;
    let first = parts.iter().take(place).map(|part| part.size).sum();
    Ok(Asked::Part(parts.len(), Slice { first, length: part.size }))
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
            ("x-amz-tagging",                "a=b",         true),
            ("x-amz-server-side-encryption", "AES256",      true),
            ("x-amz-server-side-encryption", "aws:kms",     false),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256", false),
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256", false),
            ("x-amz-checksum-sha512",        "x",           false),
            ("x-amz-checksum-crc32",         "x",           true),
        ];
        for (name, value, expected) in rows {
            let found = refuse_what_is_not_offered(&headers(&[(name, value)]));
            assert_eq!(found.is_ok(), expected, "{name}: {value}");
        }
    }

    #[test]
    fn tags_are_encoded_like_a_query() {
        let found = |text: &'static str| {
            let found = tags(&headers(&[("x-amz-tagging", text)]));
            found.map_err(|error| error.code).map(|tags| {
                tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
            })
        };
        #[rustfmt::skip]
        let rows: [(&str, Result<&[&str], &str>); 6] = [
            ("a=b&c=",           Ok(&["a=b", "c="])),
            ("a+b=%C3%BC&c",     Ok(&["a b=ü", "c="])),
            ("",                 Ok(&[])),
            ("a=b&a=c",          Err("InvalidArgument")),
            ("a=%FF",            Err("InvalidArgument")),
            ("a%3F=b",           Err("InvalidTag")),
        ];
        for (text, expected) in rows {
            let expected = expected.map(|tags| tags.iter().map(|it| (*it).to_owned()).collect());
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn conditions_are_lists_of_etags_and_times() {
        let found = preconditions(
            &headers(&[
                ("x-if-match", "\"a\", b"),
                ("x-if-none-match", "*"),
                ("x-if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ]),
            "x-",
        );
        let expected = Preconditions {
            matches: Some(ETags::These(vec!["a".to_owned(), "b".to_owned()])),
            matches_none: Some(ETags::Any),
            modified_since: Some(784_111_777),
            unmodified_since: None,
        };
        assert_eq!(found, expected);
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
