//! Hash keys, and the ranges of them that shards have. No I/O.

use std::fmt;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// A number of 128 bits, by which a record finds its shard. In decimal digits on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HashKey(pub u128);

impl HashKey {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten().map(Self)
    }

    /// That of a partition key.
    #[must_use]
    pub fn of_partition_key(key: &str) -> Self {
        let digest: [u8; 16] = Md5::digest(key.as_bytes()).into();
        Self(u128::from_be_bytes(digest))
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl TryFrom<String> for HashKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a hash key"))
    }
}

impl From<HashKey> for String {
    fn from(key: HashKey) -> Self {
        key.to_string()
    }
}

/// The hash keys from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HashRange {
    /// The first.
    pub first: HashKey,
    /// The last, which belongs to it.
    pub last: HashKey,
}

impl HashRange {
    /// Whether it has a key.
    #[must_use]
    pub fn has(&self, key: HashKey) -> bool {
        (self.first..=self.last).contains(&key)
    }
}

/// All hash keys, in so many ranges of the same size, as AWS divides them.
pub(super) fn even(ranges: u32) -> Vec<HashRange> {
    let begins: Vec<u128> = begins(ranges).collect();
    let ends = begins.iter().skip(1).map(|next| next - 1).chain([u128::MAX]);
    let ranges = begins.iter().zip(ends);
    ranges.map(|(first, last)| HashRange { first: HashKey(*first), last: HashKey(last) }).collect()
}

/// Where each of so many ranges of the same size begins.
pub(super) fn begins(ranges: u32) -> impl Iterator<Item = u128> {
    let count = u128::from(ranges.max(1));
    // All keys are one more than the largest of them, which is one more than fits.
    let (whole, rest) = (u128::MAX / count, u128::MAX % count);
    let width = if rest == count - 1 { whole.wrapping_add(1) } else { whole };
    (0..count).map(move |range| range.wrapping_mul(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ranges: u32) -> Vec<(String, String)> {
        let ranges = even(ranges);
        ranges.iter().map(|range| (range.first.to_string(), range.last.to_string())).collect()
    }

    #[test]
    fn ranges_are_those_of_aws() {
        let all = "340282366920938463463374607431768211455";
        assert_eq!(texts(1), [("0".to_owned(), all.to_owned())]);
        let half = "170141183460469231731687303715884105728";
        assert_eq!(texts(2)[1], (half.to_owned(), all.to_owned()));
        let third = "113427455640312821154458202477256070485";
        assert_eq!(texts(3)[1].0, third);
        assert_eq!(texts(3)[2].1, all);
    }

    #[test]
    fn every_key_has_one_range() {
        for count in [1, 2, 3, 7, 100, 1_000] {
            let ranges = even(count);
            assert_eq!(ranges.len(), usize::try_from(count).unwrap());
            assert_eq!((ranges[0].first.0, ranges[ranges.len() - 1].last.0), (0, u128::MAX));
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].last.0 + 1, pair[1].first.0);
            }
        }
    }

    #[test]
    fn the_key_of_a_partition_is_its_md5() {
        let key = HashKey::of_partition_key("a");
        assert_eq!(format!("{:032x}", key.0), "0cc175b9c0f1b6a831c399e269772661");
        assert_eq!(HashKey::parse(&key.to_string()), Some(key));
        for other in ["", "-1", "+1", "x", "340282366920938463463374607431768211456"] {
            assert_eq!(HashKey::parse(other), None, "{other}");
        }
    }
}
