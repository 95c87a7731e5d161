//! Signature version 4: a request that proves who sends it.
//!
//! Pure; the time is an argument. Paths and queries come encoded as they are sent. One signer for
//! all services: they differ in their name alone.

use std::fmt;

use hearth_types::time::Timestamp;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// Who signs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// Which goes along with the request.
    pub(super) access_key_id: String,
    /// Which does not.
    pub(super) secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish()
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signing<'a> {
    /// Such as `GET`.
    pub(super) method: &'a str,
    /// The path, encoded.
    pub(super) path: &'a str,
    /// The query, encoded, in the order of its names.
    pub(super) query: &'a str,
    /// The headers that are signed, with lower-case names, in order.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The SHA-256 of the body in hexadecimal digits.
    pub(super) payload_sha256: &'a str,
    /// Such as `20130524T000000Z`; also in a header.
    pub(super) time: &'a str,
    /// Such as `us-east-1`.
    pub(super) region: &'a str,
    /// Such as `s3`.
    pub(super) service: &'a str,
}

/// The value of the `Authorization` header.
#[must_use]
pub(super) fn sign(signing: &Signing<'_>, credentials: &Credentials) -> String {
    let Signing { method, path, query, headers, payload_sha256, time, region, service } = *signing;
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}:{}\n", trimmed(value))).collect();
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload_sha256}");
    let date = time.get(..8).unwrap_or(time);
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let canonical = hex(&Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
    let mut key = format!("AWS4{}", credentials.secret_access_key).into_bytes();
    for part in [date, region, service, "aws4_request"] {
        key = keyed(&key, part);
    }
    let signature = hex(&keyed(&key, &text));
    let id = &credentials.access_key_id;
    format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

/// `20130524T000000Z`.
pub(super) fn time(at: Timestamp) -> String {
    let whole_seconds: String = at.iso().chars().take("2013-05-24T00:00:00".len()).collect();
    format!("{}Z", whole_seconds.replace(['-', ':'], ""))
}

/// The SHA-256 of a body in hexadecimal digits.
pub(super) fn sha256(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

/// A value as it is signed: without spaces around it, and with one where there are several.
fn trimmed(value: &str) -> String {
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256_OF_NOTHING: &str =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// From AWS's signing test suite, whose service is called `service`.
    #[test]
    fn the_published_vectors() {
        let time = "20150830T123600Z";
        let host = ("host", "example.amazonaws.com");
        let date = ("x-amz-date", time);
        let form = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
        assert_eq!(sha256(b"Param1=value1"), form);
        assert_eq!(sha256(b""), SHA256_OF_NOTHING);
        let posted = [
            ("content-length", "13"),
            ("content-type", "application/x-www-form-urlencoded"),
            host,
            ("x-amz-content-sha256", form),
            date,
        ];
        let spaces = [host, ("my-header1", " value1"), ("my-header2", " \"a   b   c\""), date];
        let other = [host, ("my-header1", "value1"), date];
        let two = "Param1=value1&Param2=value2";
        type Row<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);
        #[rustfmt::skip]
        let rows: [Row<'_>; 6] = [
            ("get-vanilla",                      "GET",  "",              &[host, date], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("get-vanilla-query-order-key-case", "GET",  two,             &[host, date], "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
            ("get-header-value-trim",            "GET",  "",              &spaces,       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
            ("post-header-key-sort",             "POST", "",              &other,        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
            ("post-vanilla-query",               "POST", "Param1=value1", &[host, date], "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
            ("post-x-www-form-urlencoded",       "POST", "",              &posted,       "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
        ];
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        for (name, method, query, headers, expected) in rows {
            let payload_sha256 = if headers == posted { form } else { SHA256_OF_NOTHING };
            let region = "us-east-1";
            let signing = Signing {
                method,
                path: "/",
                query,
                headers,
                payload_sha256,
                time,
                region,
                service: "service",
            };
            let signed = sign(&signing, &credentials);
            assert!(signed.ends_with(&format!(" Signature={expected}")), "{name}: {signed}");
        }
    }

    /// From AWS's documentation of S3: a GET of a part of an object.
    #[test]
    fn the_published_example() {
        let time = "20130524T000000Z";
        let signing = Signing {
            method: "GET",
            path: "/test.txt",
            query: "",
            headers: &[
                ("host", "examplebucket.s3.amazonaws.com"),
                ("range", "bytes=0-9"),
                ("x-amz-content-sha256", SHA256_OF_NOTHING),
                ("x-amz-date", time),
            ],
            payload_sha256: SHA256_OF_NOTHING,
            time,
            region: "us-east-1",
            service: "s3",
        };
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let expected = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                        SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
                        Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(sign(&signing, &credentials), expected);
        assert!(!format!("{credentials:?}").contains("wJalr"));
    }

    #[test]
    fn times_have_no_punctuation() {
        assert_eq!(time(Timestamp(1_795_404_035_123)), "20261123T032035Z");
    }
}
