//! Sequence numbers: what the records of a shard are known by, in the form that AWS gives them. No I/O.
//!
//! ```text
//!  2 │ shard made │ shard │ index │ 0 │ arrived │ shard │ 2      the number, from its highest bits on
//!  4       36         4      64     8      36       32     4      bits
//! ```
//!
//! Times are seconds since 1970. Such a number has 56 decimal digits, whatever stands in it.
//!
//! # Promises
//!
//! 1. Of two records of a shard, the later one has the greater number; so has one of a shard that was
//!    made of another, whenever its record was put.
//! 2. A number says which shard it is of; a number of another one is not taken for it.

use std::fmt;

/// The number of a record, or of a place where none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceNumber {
    /// When its shard was made, in seconds.
    pub shard_made: u64,
    /// Its shard.
    pub shard: u32,
    /// Which record of the shard it is, from 1 on; 0 is before all of them.
    pub index: u64,
    /// When it came, in seconds.
    pub arrived: u64,
}

/// The index behind all records of a shard.
pub(super) const LAST_INDEX: u64 = 0x7fff_ffff_ffff_ffff;

/// What one group of decimal digits holds.
const GROUP: u64 = 1_000_000_000_000_000_000;
const GROUP_DIGITS: usize = 18;
const SECONDS_BITS: u64 = (1 << 36) - 1;

impl SequenceNumber {
    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 56 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut limbs = [0_u64; 3];
        let (head, rest) = text.split_at(text.len() % GROUP_DIGITS);
        let groups = rest
            .as_bytes()
            .chunks(GROUP_DIGITS)
            .filter_map(|group| std::str::from_utf8(group).ok());
        for group in [head].into_iter().chain(groups) {
            let mut carry = u128::from(group.parse::<u64>().ok()?);
            for limb in limbs.iter_mut().rev() {
                let product = u128::from(*limb) * u128::from(GROUP) + carry;
                *limb = low(product);
                carry = product >> 64;
            }
            if carry != 0 {
                return None;
            }
        }
        Self::of_limbs(limbs)
    }

    fn of_limbs([high, middle, bottom]: [u64; 3]) -> Option<Self> {
        let shard = u32::try_from((bottom >> 4) & 0xffff_ffff).ok()?;
        let number = Self {
            shard_made: (high >> 20) & SECONDS_BITS,
            shard,
            index: ((high & 0xffff) << 48) | (middle >> 16),
            arrived: ((middle & 0xff) << 28) | (bottom >> 36),
        };
        (number.limbs() == [high, middle, bottom]).then_some(number)
    }

    /// The number in three parts, the highest first.
    fn limbs(self) -> [u64; 3] {
        let (made, arrived) = (self.shard_made & SECONDS_BITS, self.arrived & SECONDS_BITS);
        let shard = u64::from(self.shard);
        let high = (2 << 56) | (made << 20) | ((shard & 0xf) << 16) | (self.index >> 48);
        let middle = ((self.index & 0xffff_ffff_ffff) << 16) | (arrived >> 28);
        let bottom = ((arrived & 0xfff_ffff) << 36) | (shard << 4) | 2;
        [high, middle, bottom]
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = self.limbs();
        let mut groups = [0_u64; 4];
        for group in groups.iter_mut().rev() {
            let mut rest = 0_u128;
            for limb in &mut limbs {
                let part = (rest << 64) | u128::from(*limb);
                *limb = low(part / u128::from(GROUP));
                rest = part % u128::from(GROUP);
            }
            *group = low(rest);
        }
        let [first, second, third, fourth] = groups;
        write!(formatter, "{first}{second:018}{third:018}{fourth:018}")
    }
}

/// The lower half.
fn low(number: u128) -> u64 {
    u64::try_from(number & u128::from(u64::MAX)).expect("the upper half was taken away")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_of_aws_is_understood() {
        let number = "49590338271490256608559692538361571095921575989136588898";
        let parsed = SequenceNumber::parse(number).unwrap();
        assert_eq!(parsed.to_string(), number);
        assert_eq!((parsed.shard, parsed.index, parsed.arrived), (6, 1_734_642_199, 1_545_084_650));
    }

    #[test]
    fn what_is_not_a_number_of_a_record_is_not_read() {
        let digits = "9".repeat(56);
        for other in
            ["", "0", "1", "49590338271490256608559692538361571095921575989136588899", &digits]
        {
            assert_eq!(SequenceNumber::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn numbers_have_56_digits_read_back_and_grow(
            shard_made in 0..=SECONDS_BITS,
            shard in any::<u32>(),
            index in 0..LAST_INDEX,
            arrived in 0..=SECONDS_BITS,
            later in 0..=SECONDS_BITS,
        ) {
            let number = SequenceNumber { shard_made, shard, index, arrived };
            let text = number.to_string();
            prop_assert_eq!(text.len(), 56);
            prop_assert_eq!(SequenceNumber::parse(&text), Some(number));
            let next = SequenceNumber { index: index + 1, arrived: later, ..number };
            prop_assert!(next.to_string() > text);
            if shard_made < SECONDS_BITS {
                let child = SequenceNumber { shard_made: shard_made + 1, index: 0, ..number };
                prop_assert!(child.to_string() > text);
            }
        }
    }
}
