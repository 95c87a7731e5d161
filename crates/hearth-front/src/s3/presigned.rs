//! Requests that are signed in their query: when they expire, and the headers that are there.
//!
//! # Deliberately absent
//!
//! The signature itself: it is made with a secret of the caller's, which this server does not know.

use hearth_types::time::Timestamp;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use super::error::S3Error;
use super::request::Target;

/// AWS: the longest time for which a request may be signed.
const SECONDS_MAX: u64 = 604_800;

/// What a request of version 4 has in its query.
const PARAMETERS: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
];

/// What speaks of bytes. A client that signs a query has none yet, and means those of nothing.
const OF_BYTES: [&str; 4] =
    ["x-amz-checksum-", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer"];

/// What begins like that and speaks of no bytes.
const OF_CHECKSUMS: [&str; 3] =
    ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// Refuses a request whose time is over, or that does not say when it is.
pub(super) fn check(target: &Target, now: Timestamp) -> Result<(), S3Error> {
    let find = |name: &str| {
        let mut parameters = target.parameters();
        let found = parameters.find(|(parameter, _)| parameter.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    };
    if find("X-Amz-Algorithm").is_some() || find("X-Amz-Signature").is_some() {
        return check_version_4(find, now);
    }
    if let (Some(_key), Some(_signature)) = (find("AWSAccessKeyId"), find("Signature")) {
        return check_version_2(find("Expires"), now);
    }
    Ok(())
}

/// The headers of a request, and those that are in its query because it is signed there: AWS takes
/// them as headers, and some clients put all of them there. One that was sent says more.
pub(super) fn headers(sent: &HeaderMap, target: &Target) -> Result<HeaderMap, S3Error> {
    let mut headers = sent.clone();
    if target.query("X-Amz-Signature").is_none() {
        return Ok(headers);
    }
    for (name, value) in target.parameters() {
        let name = name.to_ascii_lowercase();
        if !is_header(&name) || sent.contains_key(name.as_str()) {
            continue;
        }
        let invalid = || S3Error::invalid_argument(format!("The parameter {name} is not valid."));
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_odd| invalid())?;
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_odd| invalid())?;
        headers.append(header, value);
    }
    Ok(headers)
}

/// Whether a parameter stands for a header.
fn is_header(name: &str) -> bool {
    let is_of_signature = PARAMETERS.iter().any(|one| one.eq_ignore_ascii_case(name));
    let is_of_bytes =
        OF_BYTES.iter().any(|begin| name.starts_with(begin)) && !OF_CHECKSUMS.contains(&name);
    name.starts_with("x-amz-") && !is_of_signature && !is_of_bytes
}

fn check_version_4<'a>(
    find: impl Fn(&str) -> Option<&'a str>,
    now: Timestamp,
) -> Result<(), S3Error> {
    let refused =
        |text: &str| Err(S3Error::new((400, "AuthorizationQueryParametersError"), text.to_owned()));
    if PARAMETERS.iter().any(|name| find(name).is_none_or(str::is_empty)) {
        return refused(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        );
    }
    let given = find("X-Amz-Expires").unwrap_or_default();
    let Ok(seconds) = given.parse::<i64>() else {
        return refused("X-Amz-Expires should be a number");
    };
    let Ok(seconds) = u64::try_from(seconds) else {
        return refused("X-Amz-Expires must be non-negative");
    };
    if seconds > SECONDS_MAX {
        return refused(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        );
    }
    let Some(begin) = find("X-Amz-Date").and_then(basic_time) else {
        return refused("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    };
    let end = begin.plus_millis(seconds * 1_000);
    if now > end {
        return Err(expired(end, now).with_detail("X-Amz-Expires", given));
    }
    Ok(())
}

fn check_version_2(expires: Option<&str>, now: Timestamp) -> Result<(), S3Error> {
    let Some(seconds) = expires.and_then(|text| text.parse::<u64>().ok()) else {
        let text = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
        return Err(S3Error::new((403, "AccessDenied"), text));
    };
    let end = Timestamp(seconds.saturating_mul(1_000));
    if now > end { Err(expired(end, now)) } else { Ok(()) }
}

fn expired(end: Timestamp, now: Timestamp) -> S3Error {
    let refused = S3Error::new((403, "AccessDenied"), "Request has expired");
    refused.with_detail("Expires", end.iso_seconds()).with_detail("ServerTime", now.iso_seconds())
}

/// A time such as `20261123T032035Z`.
pub(super) fn basic_time(text: &str) -> Option<Timestamp> {
    let is_form = text.len() == 16
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 => byte == b'T',
            15 => byte == b'Z',
            _digit => byte.is_ascii_digit(),
        });
    if !is_form {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let (date, time) = ((part(0, 4), part(4, 6), part(6, 8)), (part(9, 11), part(11, 13)));
    let iso = format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, time.0, time.1, part(13, 15));
    iso_time(&iso)
}

/// A time such as `2026-11-23T03:20:35Z`, with or without milliseconds.
pub(super) fn iso_time(text: &str) -> Option<Timestamp> {
    let seconds = hearth_wire::timestamp::parse(text).filter(|_seconds| text.contains('T'))?;
    // Whole milliseconds up to the year 9999 are exact.
    let millis = format!("{:.0}", seconds * 1_000.0);
    millis.parse().ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn check_at(query: &str, now: u64) -> Result<(), S3Error> {
        let request = Request::get(format!("/b/k?{query}")).body(()).unwrap();
        check(&Target::read(&request.into_parts().0).unwrap(), Timestamp(now))
    }

    #[test]
    fn a_request_of_version_4_expires() {
        let signed = |date: &str, expires: &str| {
            format!(
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=k&X-Amz-Signature=s&X-Amz-Date={date}&X-Amz-SignedHeaders=host&X-Amz-Expires={expires}"
            )
        };
        let (date, at) = ("20261123T032035Z", 1_795_404_035_000);
        let parameters = "AuthorizationQueryParametersError";
        #[rustfmt::skip]
        let rows = [
            (signed(date, "60"),                 at,          ""),
            (signed(date, "60"),                 at + 60_000, ""),
            (signed(date, "60"),                 at + 60_001, "AccessDenied"),
            (signed(date, "604801"),             at,          parameters),
            (signed(date, "-1"),                 at,          parameters),
            (signed(date, "x"),                  at,          parameters),
            (signed(date, ""),                   at,          parameters),
            (signed("2026-11-23", "60"),         at,          parameters),
            ("X-Amz-Signature=s".to_owned(),     at,          parameters),
            (String::new(),                      at,          ""),
        ];
        for (query, now, refusal) in rows {
            let found = check_at(&query, now);
            assert_eq!(found.err().map_or("", |error| error.code), refusal, "{query} {now}");
        }
    }

    #[test]
    fn headers_may_be_in_a_query_that_is_signed() {
        let parameters = "X-Amz-Date=d&x-amz-meta-a=b+c&X-Amz-Meta-Sent=no&x-id=PutObject\
            &x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-checksum-type=COMPOSITE";
        let found = |query: String| {
            let request = Request::put(format!("/b/k?{query}")).header("x-amz-meta-sent", "yes");
            let (head, ()) = request.body(()).unwrap().into_parts();
            let found = headers(&head.headers, &Target::read(&head).unwrap()).unwrap();
            let text = |(name, value): (&HeaderName, &HeaderValue)| {
                format!("{name}: {}", value.to_str().unwrap())
            };
            let mut texts: Vec<String> = found.iter().map(text).collect();
            texts.sort();
            texts
        };
        assert_eq!(found(parameters.to_owned()), ["x-amz-meta-sent: yes"]);
        let signed = found(format!("{parameters}&X-Amz-Signature=s"));
        let expected =
            ["x-amz-checksum-type: COMPOSITE", "x-amz-meta-a: b c", "x-amz-meta-sent: yes"];
        assert_eq!(signed, expected);
        let odd = Request::put("/b/k?X-Amz-Signature=s&x-amz-meta-a=%0A").body(()).unwrap();
        let target = Target::read(&odd.into_parts().0).unwrap();
        let refused = headers(&HeaderMap::new(), &target).unwrap_err();
        assert_eq!(refused.code, "InvalidArgument");
    }

    #[test]
    fn a_request_of_version_2_expires() {
        #[rustfmt::skip]
        let rows = [
            ("AWSAccessKeyId=k&Signature=s&Expires=100", 100_000, ""),
            ("AWSAccessKeyId=k&Signature=s&Expires=100", 100_001, "AccessDenied"),
            ("AWSAccessKeyId=k&Signature=s&Expires=x",   0,       "AccessDenied"),
            ("AWSAccessKeyId=k&Signature=s",             0,       "AccessDenied"),
            ("Expires=100",                              200_000, ""),
        ];
        for (query, now, refusal) in rows {
            let found = check_at(query, now);
            assert_eq!(found.err().map_or("", |error| error.code), refusal, "{query} {now}");
        }
    }

    #[test]
    fn times() {
        let at = Some(Timestamp(1_795_404_035_000));
        assert_eq!(basic_time("20261123T032035Z"), at);
        assert_eq!(iso_time("2026-11-23T03:20:35Z"), at);
        assert_eq!(iso_time("2026-11-23T03:20:35.500Z"), Some(Timestamp(1_795_404_035_500)));
        for text in ["", "20261123T032035", "2026112ET032035Z", "20261323T032035Z", "1795404035"] {
            assert_eq!((basic_time(text), iso_time(text)), (None, None), "{text}");
        }
    }
}
