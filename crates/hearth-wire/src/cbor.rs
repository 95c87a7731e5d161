//! AWS's CBOR, in which some SDKs speak to Kinesis: the same inputs and outputs as in AWS JSON, with
//! bytes as bytes and times as milliseconds.
//!
//! | in JSON                    | in CBOR                                             |
//! |----------------------------|-----------------------------------------------------|
//! | bytes, as base64           | a byte string                                       |
//! | a time, as seconds         | a number of milliseconds behind tag 1               |
//! | anything else              | the same: a map, an array, a text, a number, …      |
//!
//! # Promises
//!
//! 1. Whatever the bytes are, reading them ends, without a panic, and takes no more memory than a few
//!    times their length.
//! 2. What is encoded is decoded as it was, with times to the millisecond.
//!
//! # Deliberately absent
//!
//! Keys of maps that are no texts, simple values beside true, false, null and undefined, and numbers
//! beyond 64 bits: no SDK sends any.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use crate::conform::conform;
use crate::decode::DecodeError;
use crate::service::OperationDescription;

/// The content type of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-amz-cbor-1.1";

/// How deep values may be within each other: inputs are a few levels deep, and each takes a piece of
/// the stack.
const DEPTH_MAX: usize = 32;
/// How many values there may be: each takes a multiple of its byte in memory, and the largest input, of
/// 500 records, has a few thousand.
const VALUES_MAX: usize = 100_000;
/// A time of at least so much is in milliseconds: in seconds it would be in the year 5138.
const MILLIS_FROM: f64 = 100_000_000_000.0;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;
/// The tag of a time.
const TIME: u64 = 1;
/// The end of what has no length.
const BREAK: u8 = 0xff;

/// Why bytes are not CBOR that a request can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CborError {
    /// They end too early.
    Short,
    /// There is more behind the value.
    Long,
    /// A byte begins nothing that is known.
    Unknown,
    /// A text is not UTF-8.
    Text,
    /// The key of a map is no text.
    Key,
    /// Values are too deep within each other.
    Deep,
    /// There are too many values.
    Many,
    /// A number is too large, or none.
    Number,
}

impl fmt::Display for CborError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Short => "it ends too early",
            Self::Long => "there is more behind the value",
            Self::Unknown => "a byte begins nothing that is known",
            Self::Text => "a text is not UTF-8",
            Self::Key => "the key of a map is not a text",
            Self::Deep => "values are too deep within each other",
            Self::Many => "there are too many values",
            Self::Number => "a number is too large",
        })
    }
}

impl std::error::Error for CborError {}

/// Reads the input of an operation.
///
/// # Errors
///
/// If the body is not CBOR, or not an input of this operation.
pub fn input(operation: &OperationDescription, body: &[u8]) -> Result<Value, DecodeError> {
    let value = if body.is_empty() { Ok(Value::Object(Map::new())) } else { decode(body) };
    let value = value.map_err(|error| DecodeError::BodyNotCbor { reason: error.to_string() })?;
    if !value.is_object() {
        return Err(DecodeError::BodyNotAnObject);
    }
    conform(operation.input, value).map_err(DecodeError::TypeMismatch)
}

/// Reads a value. Bytes become base64, as they are in JSON; times become seconds.
///
/// # Errors
///
/// If it is not one value, or has something that is not known here.
pub fn decode(bytes: &[u8]) -> Result<Value, CborError> {
    let mut reader = Reader { rest: bytes, values: 0 };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(CborError::Long) }
}

/// What a member of an output is, where JSON does not say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// What it is in JSON.
    Plain,
    /// Bytes, which are base64 in JSON.
    Bytes,
    /// A time, which is seconds in JSON.
    Time,
}

/// Writes an output. `meaning` says what a member of this name is.
#[must_use]
pub fn encode(value: &Value, meaning: fn(&str) -> Meaning) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, value, (Meaning::Plain, meaning));
    out
}

struct Reader<'a> {
    rest: &'a [u8],
    /// How many values were begun.
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, CborError> {
        if depth > DEPTH_MAX {
            return Err(CborError::Deep);
        }
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(CborError::Many);
        }
        let first = self.byte()?;
        let (major, small) = (first >> 5, first & 0x1f);
        match major {
            UNSIGNED => self.length(small).map(Value::from),
            NEGATIVE => {
                let below =
                    i64::try_from(self.length(small)?).map_err(|_large| CborError::Number)?;
                Ok(Value::from(-1 - below))
            }
            BYTES => self.string(small, BYTES).map(|bytes| Value::from(STANDARD.encode(bytes))),
            TEXT => self.text(small).map(Value::from),
            ARRAY => self.array(small, depth),
            MAP => self.map(small, depth),
            TAG => self.tagged(small, depth),
            SIMPLE => self.simple(small),
            _ => Err(CborError::Unknown),
        }
    }

    fn byte(&mut self) -> Result<u8, CborError> {
        let (byte, rest) = self.rest.split_first().ok_or(CborError::Short)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let length = usize::try_from(length).map_err(|_large| CborError::Short)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CborError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The number that stands in the first byte, or behind it.
    fn length(&mut self, small: u8) -> Result<u64, CborError> {
        let bytes = match small {
            0..=23 => return Ok(u64::from(small)),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(CborError::Unknown),
        };
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// Whether the end of something without a length stands here; then it is taken.
    fn ends(&mut self) -> Result<bool, CborError> {
        let next = *self.rest.first().ok_or(CborError::Short)?;
        if next == BREAK {
            self.rest = &self.rest[1..];
        }
        Ok(next == BREAK)
    }

    fn string(&mut self, small: u8, major: u8) -> Result<Vec<u8>, CborError> {
        if small != 31 {
            let length = self.length(small)?;
            return self.take(length).map(<[u8]>::to_vec);
        }
        let mut whole = Vec::new();
        while !self.ends()? {
            let first = self.byte()?;
            if first >> 5 != major || first & 0x1f == 31 {
                return Err(CborError::Unknown);
            }
            let length = self.length(first & 0x1f)?;
            whole.extend_from_slice(self.take(length)?);
        }
        Ok(whole)
    }

    fn text(&mut self, small: u8) -> Result<String, CborError> {
        String::from_utf8(self.string(small, TEXT)?).map_err(|_not_utf8| CborError::Text)
    }

    fn array(&mut self, small: u8, depth: usize) -> Result<Value, CborError> {
        let mut elements = Vec::new();
        if small == 31 {
            while !self.ends()? {
                elements.push(self.value(depth + 1)?);
            }
            return Ok(Value::Array(elements));
        }
        // Nothing is allocated for what is only promised: each element has a byte at least.
        for _ in 0..self.length(small)? {
            elements.push(self.value(depth + 1)?);
        }
        Ok(Value::Array(elements))
    }

    fn map(&mut self, small: u8, depth: usize) -> Result<Value, CborError> {
        let mut members = Map::new();
        if small == 31 {
            while !self.ends()? {
                self.member(&mut members, depth)?;
            }
            return Ok(Value::Object(members));
        }
        for _ in 0..self.length(small)? {
            self.member(&mut members, depth)?;
        }
        Ok(Value::Object(members))
    }

    fn member(&mut self, members: &mut Map<String, Value>, depth: usize) -> Result<(), CborError> {
        let first = self.byte()?;
        if first >> 5 != TEXT {
            return Err(CborError::Key);
        }
        let name = self.text(first & 0x1f)?;
        let value = self.value(depth + 1)?;
        members.insert(name, value);
        Ok(())
    }

    fn tagged(&mut self, small: u8, depth: usize) -> Result<Value, CborError> {
        let tag = self.length(small)?;
        let value = self.value(depth + 1)?;
        let millis = value.as_f64().filter(|number| tag == TIME && number.abs() >= MILLIS_FROM);
        Ok(millis.map_or(value, |millis| Value::from(millis / 1_000.0)))
    }

    fn simple(&mut self, small: u8) -> Result<Value, CborError> {
        match small {
            20 => Ok(Value::Bool(false)),
            21 => Ok(Value::Bool(true)),
            22 | 23 => Ok(Value::Null),
            25 => {
                let bits = self.take(2)?;
                number(half(u16::from_be_bytes([bits[0], bits[1]])))
            }
            26 => {
                let bits = self.take(4)?.try_into().map_err(|_short| CborError::Short)?;
                number(f64::from(f32::from_be_bytes(bits)))
            }
            27 => {
                let bits = self.take(8)?.try_into().map_err(|_short| CborError::Short)?;
                number(f64::from_be_bytes(bits))
            }
            _ => Err(CborError::Unknown),
        }
    }
}

fn number(number: f64) -> Result<Value, CborError> {
    Number::from_f64(number).map(Value::Number).ok_or(CborError::Number)
}

/// A number of 16 bits: a sign, five of an exponent and ten of a fraction.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(bits & 0x03ff) / 1_024.0;
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * 2_f64.powi(-14),
        31 => f64::NAN,
        exponent => sign * (1.0 + fraction) * 2_f64.powi(i32::from(exponent) - 15),
    }
}

/// Adds a value. `as_what` is what it is, and who knows what its members are.
fn push(out: &mut Vec<u8>, value: &Value, as_what: (Meaning, fn(&str) -> Meaning)) {
    let (meaning, of_member) = as_what;
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Number(number) if meaning == Meaning::Time => push_time(out, number),
        Value::Number(number) => push_number(out, number),
        Value::String(text) => match (meaning, STANDARD.decode(text)) {
            (Meaning::Bytes, Ok(bytes)) => push_string(out, BYTES, &bytes),
            (Meaning::Plain | Meaning::Bytes | Meaning::Time, _) => {
                push_string(out, TEXT, text.as_bytes());
            }
        },
        Value::Array(elements) => {
            push_head(out, ARRAY, elements.len() as u64);
            for element in elements {
                push(out, element, as_what);
            }
        }
        Value::Object(members) => {
            push_head(out, MAP, members.len() as u64);
            for (name, member) in members {
                push_string(out, TEXT, name.as_bytes());
                push(out, member, (of_member(name), of_member));
            }
        }
    }
}

fn push_time(out: &mut Vec<u8>, seconds: &Number) {
    push_head(out, TAG, TIME);
    let millis = (seconds.as_f64().unwrap_or_default() * 1_000.0).round();
    // A whole number of this size has no fraction when it is written.
    match format!("{millis:.0}").parse::<i64>() {
        Ok(millis) => push_number(out, &Number::from(millis)),
        Err(_beyond) => push_number(out, seconds),
    }
}

fn push_number(out: &mut Vec<u8>, number: &Number) {
    if let Some(number) = number.as_u64() {
        push_head(out, UNSIGNED, number);
    } else if let Some(number) = number.as_i64() {
        push_head(out, NEGATIVE, (-1 - number).unsigned_abs());
    } else {
        out.push((SIMPLE << 5) | 27);
        out.extend_from_slice(&number.as_f64().unwrap_or_default().to_be_bytes());
    }
}

fn push_string(out: &mut Vec<u8>, major: u8, bytes: &[u8]) {
    push_head(out, major, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_head(out: &mut Vec<u8>, major: u8, length: u64) {
    let major = major << 5;
    if let Ok(length) = u8::try_from(length) {
        if length < 24 {
            out.push(major | length);
        } else {
            out.extend_from_slice(&[major | 24, length]);
        }
    } else if let Ok(length) = u16::try_from(length) {
        out.push(major | 25);
        out.extend_from_slice(&length.to_be_bytes());
    } else if let Ok(length) = u32::try_from(length) {
        out.push(major | 26);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::kinesis::Operation;

    fn of_kinesis(member: &str) -> Meaning {
        match member {
            "Data" => Meaning::Bytes,
            "Timestamp" => Meaning::Time,
            _ => Meaning::Plain,
        }
    }

    #[test]
    fn what_sdks_send_is_read() {
        #[rustfmt::skip]
        let rows: &[(&str, &[u8], Value)] = &[
            ("a map",                b"\xa1\x61a\x01",                    json!({"a": 1})),
            ("one without a length", b"\xbf\x61a\x20\xff",                json!({"a": -1})),
            ("an array without one", b"\x9f\x01\x18\x18\xff",             json!([1, 24])),
            ("bytes",                b"\x45hello",                        json!("aGVsbG8=")),
            ("bytes in pieces",      b"\x5f\x42he\x43llo\xff",            json!("aGVsbG8=")),
            ("a text in pieces",     b"\x7f\x61h\x61i\xff",               json!("hi")),
            ("true, false, null",    b"\x83\xf5\xf4\xf6",                 json!([true, false, null])),
            ("a time",               b"\xc1\x1b\0\0\x01\x8b\xcf\xe5\x68\x00", json!(1_700_000_000.0)),
            ("a time in seconds",    b"\xc1\x1a\x65\x53\xf1\x00",         json!(1_700_000_000)),
            ("a fraction",           b"\xfb\x3f\xf8\0\0\0\0\0\0",         json!(1.5)),
            ("a short one",          b"\xf9\x3e\x00",                     json!(1.5)),
        ];
        for (name, bytes, expected) in rows {
            assert_eq!(decode(bytes).as_ref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_is_not_cbor_is_refused() {
        let deep = [0x81; 100];
        let mut crowd = vec![0x9f];
        crowd.resize(VALUES_MAX + 2, 0);
        #[rustfmt::skip]
        let rows: &[(&str, &[u8], CborError)] = &[
            ("nothing",                b"",                             CborError::Short),
            ("a text that is cut",     b"\x63ab",                       CborError::Short),
            ("a text of exabytes",     b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff", CborError::Short),
            ("an array of exabytes",   b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", CborError::Short),
            ("two values",             b"\x01\x01",                     CborError::Long),
            ("a number as a key",      b"\xa1\x01\x01",                 CborError::Key),
            ("a text of other bytes",  b"\x61\xff",                     CborError::Text),
            ("no length",              b"\x1c",                         CborError::Unknown),
            ("an end of nothing",      b"\xff",                         CborError::Unknown),
            ("not a number",           b"\xf9\x7e\x00",                 CborError::Number),
            ("a well",                 &deep,                           CborError::Deep),
            ("a crowd",                crowd.as_slice(),                CborError::Many),
        ];
        for (name, bytes, expected) in rows {
            assert_eq!(decode(bytes), Err(*expected), "{name}");
        }
        let refused = input(Operation::ListStreams.description(), b"\xff");
        assert!(matches!(refused, Err(DecodeError::BodyNotCbor { .. })), "{refused:?}");
        assert_eq!(
            input(Operation::ListStreams.description(), b"\x01"),
            Err(DecodeError::BodyNotAnObject)
        );
    }

    #[test]
    fn bytes_and_times_are_written_as_such() {
        let output =
            json!({"Data": "aGVsbG8=", "Timestamp": 1_700_000_000.123, "Name": "aGVsbG8="});
        let written = encode(&output, of_kinesis);
        assert!(written.windows(6).any(|part| part == b"\x45hello"), "{written:?}");
        let millis = b"\xc1\x1b\x00\x00\x01\x8b\xcf\xe5\x68\x7b";
        assert!(written.windows(10).any(|part| part == millis), "{written:?}");
        assert_eq!(decode(&written), Ok(output));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9_f64).prop_map(|number| json!(number + 0.25)),
            ".{0,300}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..30).prop_map(Value::from),
                proptest::collection::btree_map(".{0,30}", inner, 0..30)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(value in value()) {
            let plain = |_: &str| Meaning::Plain;
            prop_assert_eq!(decode(&encode(&value, plain)), Ok(value));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let _ = decode(&bytes);
        }
    }
}
