//! What buckets and keys may be called.

use std::net::Ipv4Addr;

use super::error::BucketError;
use crate::limits::KEY_BYTES_MAX;

/// Whether a text is the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens,
/// in labels that begin and end with a letter or a digit, and no address.
#[must_use]
pub fn is_bucket_name(text: &str) -> bool {
    let is_edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(is_edge)
            && bytes.last().is_some_and(is_edge)
            && bytes.iter().all(|byte| is_edge(byte) || *byte == b'-')
    };
    let reserved_heads = ["xn--", "sthree-", "amzn-s3-demo-"];
    let reserved_tails = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    (3..=63).contains(&text.len())
        && text.split('.').all(is_label)
        && text.parse::<Ipv4Addr>().is_err()
        && !reserved_heads.iter().any(|head| text.starts_with(head))
        && !reserved_tails.iter().any(|tail| text.ends_with(tail))
}

/// Refuses what cannot be a key.
pub(super) fn check_key(key: &str) -> Result<(), BucketError> {
    if key.is_empty() {
        return Err(BucketError::InvalidArgument("A key must be specified.".to_owned()));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(BucketError::KeyTooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_buckets() {
        let longest = "a".repeat(63);
        let too_long = "a".repeat(64);
        #[rustfmt::skip]
        let rows = [
            ("abc",              true),
            ("a-b.c-d.1",        true),
            ("123",              true),
            (longest.as_str(),   true),
            (too_long.as_str(),  false),
            ("ab",               false),
            ("",                 false),
            ("Abc",              false),
            ("a_b",              false),
            ("-abc",             false),
            ("abc-",             false),
            ("a..b",             false),
            (".abc",             false),
            ("a.-b",             false),
            ("192.168.5.4",      false),
            ("xn--abc",          false),
            ("abc-s3alias",      false),
            ("a/b",              false),
            ("äbc",              false),
        ];
        for (name, expected) in rows {
            assert_eq!(is_bucket_name(name), expected, "{name}");
        }
    }

    #[test]
    fn keys_have_between_1_and_1024_bytes() {
        assert!(check_key("").is_err());
        assert!(check_key(&"a".repeat(1024)).is_ok());
        assert!(matches!(check_key(&"ä".repeat(513)), Err(BucketError::KeyTooLong)));
    }
}
