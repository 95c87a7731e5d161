//! Signature version 4: a request that proves who sends it.
//!
//! Pure; the time is an argument. Paths and queries come encoded as they are sent.

use std::fmt;

use hearth_types::time::Timestamp;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a request without a body.
pub const SHA256_OF_NOTHING: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Who signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Which goes along with the request.
    pub access_key_id: String,
    /// Which does not.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish()
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// The path, encoded.
    pub path: &'a str,
    /// The query, encoded, in the order of its names.
    pub query: &'a str,
    /// The headers that are signed, with lower-case names, in order.
    pub headers: &'a [(&'a str, &'a str)],
    /// The SHA-256 of the body in hexadecimal digits.
    pub payload_sha256: &'a str,
    /// Such as `20130524T000000Z`; also in a header.
    pub time: &'a str,
    /// Such as `us-east-1`.
    pub region: &'a str,
    /// Such as `s3`.
    pub service: &'a str,
}

/// The value of the `Authorization` header.
#[must_use]
pub fn sign(signing: &Signing<'_>, credentials: &Credentials) -> String {
    let Signing { method, path, query, headers, payload_sha256, time, region, service } = *signing;
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
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
