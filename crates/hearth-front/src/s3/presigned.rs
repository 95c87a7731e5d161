//! Requests that are signed in their query: when they expire.
//!
//! # Deliberately absent
//!
//! The signature itself: it is made with a secret of the caller's, which this server does not know.

use hearth_types::time::Timestamp;

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
