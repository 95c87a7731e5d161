//! What a field's value is compared with.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// AWS: numbers are compared up to this size.
const NUMBER_MAX: f64 = 5e9;
/// AWS: and with six digits behind the point.
const PARTS_OF_ONE: f64 = 1e6;
/// What AWS says of a number that is too large to be compared.
pub(super) const NOT_COMPARABLE: &str = "Value must be between -5.0E9 and 5.0E9, inclusive";

/// A value of an event that has no parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'e> {
    Text(Cow<'e, str>),
    /// A number, and the form of it that is compared.
    Number(Number, Option<f64>),
    True,
    False,
    Null,
}

impl Scalar<'_> {
    pub(super) fn number(number: Number) -> Self {
        Self::Number(number, number.comparable())
    }
}

/// One of what a field may be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Matcher {
    /// This string.
    Text(Box<str>),
    /// This IP address, in whatever form.
    Address(Address),
    /// This number, in whatever form.
    Number(Number),
    True,
    False,
    Null,
    /// This string in any case; folded.
    Folded(Box<str>),
    Prefix(Box<str>),
    PrefixFolded(Box<str>),
    Suffix(Box<str>),
    SuffixFolded(Box<str>),
    Wildcard(Wildcard),
    Numeric(Range),
    Cidr(Block),
    AnythingBut(Excluded),
    /// The field is there.
    Exists,
    /// The field is not there. No value is that.
    Absent,
}

/// What `anything-but` excludes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Excluded {
    Texts(Vec<Box<str>>),
    /// In the form that is compared.
    Numbers(Vec<f64>),
    /// Folded.
    Folded(Vec<Box<str>>),
    Prefixes(Vec<Box<str>>),
    Suffixes(Vec<Box<str>>),
    Wildcards(Vec<Wildcard>),
}

impl Matcher {
    /// Whether a value that is there is the one.
    pub(super) fn accepts(&self, value: &Scalar<'_>) -> bool {
        match self {
            Self::True => *value == Scalar::True,
            Self::False => *value == Scalar::False,
            Self::Null => *value == Scalar::Null,
            Self::Exists => true,
            Self::Absent => false,
            Self::AnythingBut(excluded) => !excluded.contains(value),
            Self::Number(number) => {
                matches!(value, Scalar::Number(value, _) if number.is_same(*value))
            }
            Self::Numeric(range) => as_comparable(value).is_some_and(|value| range.contains(value)),
            Self::Text(_)
            | Self::Address(_)
            | Self::Folded(_)
            | Self::Prefix(_)
            | Self::PrefixFolded(_)
            | Self::Suffix(_)
            | Self::SuffixFolded(_)
            | Self::Wildcard(_)
            | Self::Cidr(_) => as_text(value).is_some_and(|value| self.accepts_text(value)),
        }
    }

    fn accepts_text(&self, value: &str) -> bool {
        match self {
            Self::Text(text) => **text == *value,
            Self::Folded(text) => fold(value) == **text,
            Self::Prefix(prefix) => value.starts_with(&**prefix),
            Self::PrefixFolded(prefix) => fold(value).starts_with(&**prefix),
            Self::Suffix(suffix) => value.ends_with(&**suffix),
            Self::SuffixFolded(suffix) => fold(value).ends_with(&**suffix),
            Self::Wildcard(wildcard) => wildcard.matches(value),
            Self::Address(expected) => address(value) == Some(*expected),
            Self::Cidr(block) => address(value).is_some_and(|address| block.contains(address)),
            Self::Number(_)
            | Self::True
            | Self::False
            | Self::Null
            | Self::Numeric(_)
            | Self::AnythingBut(_)
            | Self::Exists
            | Self::Absent => false,
        }
    }
}

impl Excluded {
    fn contains(&self, value: &Scalar<'_>) -> bool {
        if let Self::Numbers(numbers) = self {
            return as_comparable(value)
                .is_some_and(|value| numbers.iter().any(|number| equal(*number, value)));
        }
        let Some(value) = as_text(value) else { return false };
        match self {
            Self::Texts(texts) => texts.iter().any(|text| **text == *value),
            Self::Folded(texts) => {
                let value = fold(value);
                texts.iter().any(|text| **text == *value)
            }
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| value.starts_with(&**prefix)),
            Self::Suffixes(suffixes) => suffixes.iter().any(|suffix| value.ends_with(&**suffix)),
            Self::Wildcards(wildcards) => wildcards.iter().any(|wildcard| wildcard.matches(value)),
            Self::Numbers(_) => false,
        }
    }
}

fn as_text<'a>(value: &'a Scalar<'_>) -> Option<&'a str> {
    if let Scalar::Text(text) = value { Some(text) } else { None }
}

fn as_comparable(value: &Scalar<'_>) -> Option<f64> {
    if let Scalar::Number(_, comparable) = value { *comparable } else { None }
}

/// A text in which case makes no difference.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Character by character, as AWS does it: what would become several characters stays as it is.
    let fold_one = |character: char| {
        let mut upper = character.to_uppercase();
        let upper = if upper.len() == 1 { upper.next().unwrap_or(character) } else { character };
        let mut lower = upper.to_lowercase();
        if lower.len() == 1 { lower.next().unwrap_or(upper) } else { upper }
    };
    text.chars().map(fold_one).collect()
}

/// A number of JSON, in one form for each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Number {
    Unsigned(u64),
    Signed(i64),
    /// The bits of a number with a fraction or an exponent.
    Float(u64),
}

impl Number {
    /// Reads a number as it is written in JSON; `None` if it is too large for any form.
    pub(super) fn read(text: &str) -> Option<Self> {
        // By the same reader as the numbers of events, so that both are rounded in the same way.
        let number: serde_json::Number = serde_json::from_str(text).ok()?;
        if let Some(whole) = number.as_u64() {
            return Some(Self::Unsigned(whole));
        }
        if let Some(whole) = number.as_i64() {
            return Some(Self::Signed(whole));
        }
        number.as_f64().map(Self::float)
    }

    pub(super) fn float(value: f64) -> Self {
        // Adding 0 makes one of the two zeros.
        Self::Float((value + 0.0).to_bits())
    }

    /// The number in millionths, if it can be compared; a whole number.
    pub(super) fn comparable(self) -> Option<f64> {
        let value = match self {
            Self::Unsigned(value) => value as f64,
            Self::Signed(value) => value as f64,
            Self::Float(bits) => f64::from_bits(bits),
        };
        let fits = (-NUMBER_MAX..=NUMBER_MAX).contains(&value);
        fits.then(|| (value * PARTS_OF_ONE).round() + 0.0)
    }

    /// Numbers that cannot be compared are the same only if they are written in the same way.
    fn is_same(self, other: Self) -> bool {
        match (self.comparable(), other.comparable()) {
            (Some(one), Some(other)) => equal(one, other),
            (None, None) => self == other,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// Whether two whole numbers are the same; they are exact.
fn equal(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits()
}

/// An end of a range, in millionths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    Open(f64),
    Closed(f64),
}

/// Numbers between two ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(super) bottom: Bound,
    pub(super) top: Bound,
}

impl Range {
    pub(super) const LOWEST: Bound = Bound::Closed(-NUMBER_MAX * PARTS_OF_ONE);
    pub(super) const HIGHEST: Bound = Bound::Closed(NUMBER_MAX * PARTS_OF_ONE);

    /// The only number in it, if there is only one.
    pub(super) fn only(self) -> Option<f64> {
        match (self.bottom, self.top) {
            (Bound::Closed(bottom), Bound::Closed(top)) => equal(bottom, top).then_some(bottom),
            (Bound::Open(_), _) | (_, Bound::Open(_)) => None,
        }
    }

    pub(super) fn contains(self, value: f64) -> bool {
        let above = match self.bottom {
            Bound::Open(bottom) => value > bottom,
            Bound::Closed(bottom) => value >= bottom,
        };
        let below = match self.top {
            Bound::Open(top) => value < top,
            Bound::Closed(top) => value <= top,
        };
        above && below
    }
}

/// An IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    V4(u32),
    V6(u128),
}

/// Reads an IP address; `None` if the text is not one.
pub(super) fn address(text: &str) -> Option<Address> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_hexdigit() || first == b':') {
        return None;
    }
    if text.contains(':') {
        // As Java has it, an IPv4 address with dots is not taken here.
        let wanted = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
        if !text.bytes().all(wanted) {
            return None;
        }
        let address: Ipv6Addr = text.parse().ok()?;
        // Java takes a mapped address for the one that it stands for.
        let mapped = address.to_ipv4_mapped();
        return Some(
            mapped.map_or_else(|| Address::V6(address.to_bits()), |v4| Address::V4(v4.to_bits())),
        );
    }
    let mut parts = text.split('.').map(|part| {
        let digits =
            (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse::<u8>().ok() } else { None }
    });
    let octets = [parts.next()??, parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then(|| Address::V4(Ipv4Addr::from(octets).to_bits()))
}

/// Addresses from the first to the last. AWS begins at the address that is given, also if it has bits
/// behind the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    V4 { first: u32, last: u32 },
    V6 { first: u128, last: u128 },
}

impl Block {
    fn contains(self, address: Address) -> bool {
        match (self, address) {
            (Self::V4 { first, last }, Address::V4(address)) => (first..=last).contains(&address),
            (Self::V6 { first, last }, Address::V6(address)) => (first..=last).contains(&address),
            (Self::V4 { .. }, Address::V6(_)) | (Self::V6 { .. }, Address::V4(_)) => false,
        }
    }
}

/// Why a text is not a block of addresses, in AWS's words.
#[derive(Debug)]
pub(super) struct CidrError(pub(super) String);

/// Reads a block such as `10.0.0.0/24`.
pub(super) fn cidr(text: &str) -> Result<Block, CidrError> {
    let refuse = |why: &str| CidrError(why.to_owned());
    let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
    let [start, bits] = parts.as_slice() else {
        return Err(refuse("Malformed CIDR, one '/' required"));
    };
    let bits: i32 =
        bits.parse().ok().ok_or_else(|| refuse("Malformed CIDR, mask bits must be an integer"))?;
    let bits = u32::try_from(bits)
        .ok()
        .ok_or_else(|| refuse("Malformed CIDR, mask bits must not be negative"))?;
    match address(start) {
        Some(Address::V4(first)) if bits < 32 => {
            Ok(Block::V4 { first, last: first | (u32::MAX >> bits) })
        }
        Some(Address::V6(first)) if bits < 128 => {
            Ok(Block::V6 { first, last: first | (u128::MAX >> bits) })
        }
        Some(Address::V4(_)) => Err(refuse("IPv4 mask bits must be < 32")),
        Some(Address::V6(_)) => Err(refuse("IPv6 mask bits must be < 128")),
        None => Err(CidrError(format!("Nonstandard IP address: {start}"))),
    }
}

/// A text with gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wildcard {
    /// What stands before the first gap, between gaps, and behind the last one. One more than gaps.
    pieces: Vec<Box<str>>,
}

impl Wildcard {
    /// Reads a wildcard, or says why it is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            // AWS counts bytes, the quote before the text included.
            let position = at + 1;
            let next = characters.peek().map(|(_, next)| *next);
            match (character, next) {
                ('*', Some('*')) => {
                    return Err(format!("Consecutive wildcard characters at pos {position}"));
                }
                ('*', _) => pieces.push(std::mem::take(&mut piece).into_boxed_str()),
                ('\\', Some(escaped @ ('*' | '\\'))) => {
                    characters.next();
                    piece.push(escaped);
                }
                ('\\', _) => return Err(format!("Invalid escape character at pos {position}")),
                (other, _) => piece.push(other),
            }
        }
        pieces.push(piece.into_boxed_str());
        Ok(Self { pieces })
    }

    fn matches(&self, value: &str) -> bool {
        let (Some((first, rest)), Some(last)) = (self.pieces.split_first(), self.pieces.last())
        else {
            return false;
        };
        let Some((_, middle)) = rest.split_last() else { return **first == *value };
        // The first occurrence of each piece leaves the most room for the next one.
        let Some(mut left) = value.strip_prefix(&**first) else { return false };
        for piece in middle {
            let Some(at) = left.find(&**piece) else { return false };
            left = &left[at + piece.len()..];
        }
        left.ends_with(&**last)
    }
}
