//! Signatures of requests, as far as they can be looked at without the key.
//!
//! A signature stands in the header `Authorization`, or in the query of an address that was signed
//! beforehand (version 4).
//!
//! # Promises
//!
//! 1. A request without a signature, or with one for something else, of another day or of another
//!    body, is refused.
//!
//! # Deliberately absent
//!
//! The check of the signature itself: callers have no keys here, so whoever can form a signature is
//! taken for who they say they are.

use hearth_types::limits::{SIGNATURE_LIFE_SECONDS_MAX, SIGNATURE_SKEW_SECONDS_MAX};
use hearth_types::time::Timestamp;
use sha2::{Digest as _, Sha256};
use time::{Date, Month, Time};

use crate::event::query_pairs;
use crate::request::Request;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error("the request is not signed")]
    None,
    /// It does not have the form of one.
    #[error("it does not have the form of one")]
    Malformed,
    /// It is for another service or another region.
    #[error("it is for another service or another region")]
    Scope,
    /// It says nothing about the host, so it could have been made for another.
    #[error("the host is not signed")]
    Host,
    /// It is too old, or from the future.
    #[error("it is too old, or from the future")]
    Date,
    /// It is of another body.
    #[error("it is of another body")]
    Body,
}

/// A signature, wherever it stood.
struct Signature {
    credential: String,
    signed_headers: String,
    signature: String,
    /// When it was made.
    date: String,
    /// For how many seconds it is good, if it says so.
    expires: Option<u64>,
}

/// Looks at the signature of a request for Lambda in a region. Returns the id of the access key.
///
/// # Errors
///
/// If there is none, or it cannot be one of this request.
pub fn check(request: &Request, region: &str) -> Result<String, SignatureError> {
    let signature = match request.header("authorization") {
        Some(header) => of_header(request, header)?,
        None => of_query(&request.query)?,
    };
    let parts: Vec<&str> = signature.credential.split('/').collect();
    let [key, day, in_region, service, "aws4_request"] = parts.as_slice() else {
        return Err(SignatureError::Malformed);
    };
    let is_hexadecimal = signature.signature.bytes().all(|byte| byte.is_ascii_hexdigit());
    if key.is_empty() || signature.signature.len() != 64 || !is_hexadecimal {
        return Err(SignatureError::Malformed);
    }
    if (*in_region, *service) != (region, "lambda") {
        return Err(SignatureError::Scope);
    }
    let mut signed = signature.signed_headers.split(';');
    if !signed.any(|name| name == "host" || name == ":authority") {
        return Err(SignatureError::Host);
    }
    let made = time_of(&signature.date).ok_or(SignatureError::Malformed)?;
    if signature.date.get(..8) != Some(*day) || !is_in_date(made, signature.expires, request.time) {
        return Err(SignatureError::Date);
    }
    check_body(request)?;
    Ok((*key).to_owned())
}

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
fn of_header(request: &Request, header: &str) -> Result<Signature, SignatureError> {
    let fields = header.strip_prefix(ALGORITHM).ok_or(SignatureError::Malformed)?;
    let find = |name: &str| {
        let mut fields = fields.split(',').map(str::trim);
        let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        value.map(str::to_owned).ok_or(SignatureError::Malformed)
    };
    Ok(Signature {
        credential: find("Credential")?,
        signed_headers: find("SignedHeaders")?,
        signature: find("Signature")?,
        date: request.header("x-amz-date").ok_or(SignatureError::Malformed)?.to_owned(),
        expires: None,
    })
}

/// `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=…`.
fn of_query(query: &str) -> Result<Signature, SignatureError> {
    let mut pairs = query_pairs(query);
    let mut take = |name: &str| {
        let at = pairs.iter().position(|(known, _)| known == name)?;
        Some(pairs.swap_remove(at).1)
    };
    let algorithm = take("X-Amz-Algorithm").ok_or(SignatureError::None)?;
    if algorithm != ALGORITHM {
        return Err(SignatureError::Malformed);
    }
    let mut find = |name: &str| take(name).ok_or(SignatureError::Malformed);
    let expires = find("X-Amz-Expires")?;
    let expires = expires.parse::<u64>().map_err(|_none| SignatureError::Malformed)?;
    Ok(Signature {
        credential: find("X-Amz-Credential")?,
        signed_headers: find("X-Amz-SignedHeaders")?,
        signature: find("X-Amz-Signature")?,
        date: find("X-Amz-Date")?,
        expires: Some(expires),
    })
}

/// Whether a signature that was made then is good now.
fn is_in_date(made: Timestamp, expires_seconds: Option<u64>, now: Timestamp) -> bool {
    let skew = SIGNATURE_SKEW_SECONDS_MAX * 1_000;
    let good_for = match expires_seconds {
        Some(seconds) if seconds > SIGNATURE_LIFE_SECONDS_MAX => return false,
        Some(seconds) => seconds * 1_000,
        None => skew,
    };
    now.millis_since(made) <= good_for && made.millis_since(now) <= skew
}

/// A client that says what its body is must have sent that.
fn check_body(request: &Request) -> Result<(), SignatureError> {
    let Some(said) = request.header("x-amz-content-sha256") else { return Ok(()) };
    if said == "UNSIGNED-PAYLOAD" || said.starts_with("STREAMING-") {
        return Ok(());
    }
    let digest = Sha256::digest(&request.body);
    let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if said.eq_ignore_ascii_case(&hexadecimal) { Ok(()) } else { Err(SignatureError::Body) }
}

/// `20261123T032035Z`.
fn time_of(text: &str) -> Option<Timestamp> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if day.len() != 8 || time.len() != 6 || !is_digits(day) || !is_digits(time) {
        return None;
    }
    let month = Month::try_from(day[4..6].parse::<u8>().ok()?).ok()?;
    let day =
        Date::from_calendar_date(day[..4].parse().ok()?, month, day[6..].parse().ok()?).ok()?;
    let (hour, minute, second) = (&time[..2], &time[2..4], &time[4..]);
    let time =
        Time::from_hms(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?).ok()?;
    let seconds = day.with_time(time).assume_utc().unix_timestamp();
    Some(Timestamp(u64::try_from(seconds).ok()?.saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::tests::request;

    const SIGNATURE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    /// The request of the tests is of 2026-11-23T03:20:35Z.
    const NOW: &str = "20261123T032035Z";

    fn header(credential: &str, signed: &str) -> String {
        format!(
            "{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={SIGNATURE}"
        )
    }

    fn checked(authorization: &str, date: &str) -> Result<String, SignatureError> {
        let headers = [("authorization", authorization), ("x-amz-date", date)];
        check(&request("GET", "/", &headers), "us-east-1")
    }

    #[test]
    fn each_thing_that_can_be_wrong() {
        let good = header("AKIATEST/20261123/us-east-1/lambda/aws4_request", "host;x-amz-date");
        let with = |credential: &str| header(credential, "host");
        #[rustfmt::skip]
        let rows = [
            ("good",             good.clone(),                                                          NOW,                Ok("AKIATEST".to_owned())),
            ("a little old",     good.clone(),                                                          "20261123T030600Z", Ok("AKIATEST".to_owned())),
            ("too old",          good.clone(),                                                          "20261123T030500Z", Err(SignatureError::Date)),
            ("from the future",  good.clone(),                                                          "20261123T033600Z", Err(SignatureError::Date)),
            ("of another day",   with("AKIATEST/20261122/us-east-1/lambda/aws4_request"),               NOW,                Err(SignatureError::Date)),
            ("another service",  with("AKIATEST/20261123/us-east-1/s3/aws4_request"),                   NOW,                Err(SignatureError::Scope)),
            ("another region",   with("AKIATEST/20261123/eu-west-1/lambda/aws4_request"),               NOW,                Err(SignatureError::Scope)),
            ("no key",           with("/20261123/us-east-1/lambda/aws4_request"),                       NOW,                Err(SignatureError::Malformed)),
            ("an odd end",       with("AKIATEST/20261123/us-east-1/lambda/aws5_request"),               NOW,                Err(SignatureError::Malformed)),
            ("without the host", header("AKIATEST/20261123/us-east-1/lambda/aws4_request", "x-amz-date"), NOW,              Err(SignatureError::Host)),
            ("an odd date",      good.clone(),                                                          "20261323T032035Z", Err(SignatureError::Malformed)),
            ("no time",          good.clone(),                                                          "yesterday",        Err(SignatureError::Malformed)),
            ("another scheme",   "Bearer x".to_owned(),                                                 NOW,                Err(SignatureError::Malformed)),
            ("cut off",          good.replace("Signature=01", "Signature="),                            NOW,                Err(SignatureError::Malformed)),
        ];
        for (name, authorization, date, expected) in rows {
            assert_eq!(checked(&authorization, date), expected, "{name}");
        }
        let unsigned = check(&request("GET", "/?a=b", &[]), "us-east-1");
        assert_eq!(unsigned, Err(SignatureError::None));
    }

    #[test]
    fn an_address_that_was_signed_beforehand_is_good_for_as_long_as_it_says() {
        let address = |made: &str, expires: &str| {
            format!(
                "/?X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential=AKIATEST%2F{}%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date={made}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNATURE}",
                &made[..8]
            )
        };
        #[rustfmt::skip]
        let rows = [
            (NOW,                "60",      Ok("AKIATEST".to_owned())),
            ("20261122T042035Z", "86400",   Ok("AKIATEST".to_owned())),
            ("20261122T022035Z", "86400",   Err(SignatureError::Date)),
            (NOW,                "604801",  Err(SignatureError::Date)),
            (NOW,                "for ever", Err(SignatureError::Malformed)),
        ];
        for (made, expires, expected) in rows {
            let path = address(made, expires).replace(' ', "+");
            assert_eq!(
                check(&request("GET", &path, &[]), "us-east-1"),
                expected,
                "{made} {expires}"
            );
        }
    }

    #[test]
    fn a_body_must_be_the_one_that_was_signed() {
        let authorization = header("AKIATEST/20261123/us-east-1/lambda/aws4_request", "host");
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        #[rustfmt::skip]
        let rows = [
            (of_abc,             Ok("AKIATEST".to_owned())),
            ("UNSIGNED-PAYLOAD", Ok("AKIATEST".to_owned())),
            (SIGNATURE,          Err(SignatureError::Body)),
        ];
        for (said, expected) in rows {
            let headers = [
                ("authorization", authorization.as_str()),
                ("x-amz-date", NOW),
                ("x-amz-content-sha256", said),
            ];
            let mut request = request("POST", "/", &headers);
            request.body = Bytes::from_static(b"abc");
            assert_eq!(check(&request, "us-east-1"), expected, "{said}");
        }
    }
}
