//! AWS's event stream: messages one after another in one answer, each in a frame.
//!
//! ```text
//!  total length │ length of headers │ CRC of the two │ headers │ payload │ CRC of all before it
//!     4 bytes   │      4 bytes      │    4 bytes     │         │         │       4 bytes
//!
//!  a header:  length of name, 1 byte │ name │ 7, for a text │ length, 2 bytes │ text
//! ```
//!
//! all big-endian; the checksums are CRC-32.
//!
//! # Promises
//!
//! 1. What is encoded is decoded as it was.
//! 2. A frame of which one bit was changed is not decoded.
//! 3. Decoding does not panic, and holds nothing that has not arrived.
//!
//! # Deliberately absent
//!
//! Headers of other types than text: no service sends any in an answer that is served here.

use std::fmt;

/// The content type of such an answer.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// What tells one message from another.
const EVENT_TYPE: &str = ":event-type";
/// The type of the header values that are texts.
const TEXT: u8 = 7;
const LENGTHS_BYTES: usize = 8;
const PRELUDE_BYTES: usize = LENGTHS_BYTES + 4;
const CHECKSUM_BYTES: usize = 4;
/// AWS: the longest frame.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Why bytes are not the beginning of an event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// A length cannot be.
    Length,
    /// A checksum is not that of the bytes before it.
    Checksum,
    /// The headers are not headers, or not texts.
    Headers,
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Length => "a length in the frame cannot be",
            Self::Checksum => "a checksum is not that of the bytes before it",
            Self::Headers => "the headers of the frame cannot be read",
        })
    }
}

impl std::error::Error for FrameError {}

/// The frame of an event.
///
/// # Panics
///
/// If it would be longer than AWS lets a frame be.
#[must_use]
pub fn event(event_type: &str, content_type: &str, payload: &[u8]) -> Vec<u8> {
    encode(
        &[(EVENT_TYPE, event_type), (":content-type", content_type), (":message-type", "event")],
        payload,
    )
}

/// The frame of an error that ends a stream.
///
/// # Panics
///
/// If it would be longer than AWS lets a frame be.
#[must_use]
pub fn exception(exception_type: &str, content_type: &str, payload: &[u8]) -> Vec<u8> {
    encode(
        &[
            (":exception-type", exception_type),
            (":content-type", content_type),
            (":message-type", "exception"),
        ],
        payload,
    )
}

impl Message {
    /// Which event this is.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        let header = self.headers.iter().find(|(name, _)| name == EVENT_TYPE);
        header.map(|(_, value)| value.as_str())
    }

    /// Reads the first message. Returns it with the length of its frame, or nothing if it has not
    /// arrived as a whole.
    ///
    /// # Errors
    ///
    /// If it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(prelude) = bytes.get(..PRELUDE_BYTES) else { return Ok(None) };
        let (lengths, checksum) = prelude.split_at(LENGTHS_BYTES);
        if crc32fast::hash(lengths).to_be_bytes() != checksum {
            return Err(FrameError::Checksum);
        }
        let (total, headers) = (length(&lengths[..4]), length(&lengths[4..]));
        let payload_at = PRELUDE_BYTES + headers;
        if total > FRAME_BYTES_MAX || payload_at + CHECKSUM_BYTES > total {
            return Err(FrameError::Length);
        }
        let Some(frame) = bytes.get(..total) else { return Ok(None) };
        let (checked, checksum) = frame.split_at(total - CHECKSUM_BYTES);
        if crc32fast::hash(checked).to_be_bytes() != checksum {
            return Err(FrameError::Checksum);
        }
        let headers = decode_headers(&checked[PRELUDE_BYTES..payload_at])?;
        let payload = checked[payload_at..].to_vec();
        Ok(Some((Self { headers, payload }, total)))
    }
}

fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let headers_bytes: usize =
        headers.iter().map(|(name, value)| 4 + name.len() + value.len()).sum();
    let total = PRELUDE_BYTES + headers_bytes + payload.len() + CHECKSUM_BYTES;
    assert!(total <= FRAME_BYTES_MAX, "an answer is smaller than a frame may be");
    let mut frame = Vec::with_capacity(total);
    push_length(&mut frame, total);
    push_length(&mut frame, headers_bytes);
    push_checksum(&mut frame);
    for (name, value) in headers {
        frame.push(u8::try_from(name.len()).expect("headers have short names"));
        frame.extend_from_slice(name.as_bytes());
        frame.push(TEXT);
        let length = u16::try_from(value.len()).expect("headers have short values");
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(value.as_bytes());
    }
    frame.extend_from_slice(payload);
    push_checksum(&mut frame);
    frame
}

fn push_length(frame: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a frame is bounded");
    frame.extend_from_slice(&length.to_be_bytes());
}

fn push_checksum(frame: &mut Vec<u8>) {
    let checksum = crc32fast::hash(frame);
    frame.extend_from_slice(&checksum.to_be_bytes());
}

/// The number in four bytes.
fn length(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

fn decode_headers(mut bytes: &[u8]) -> Result<Vec<(String, String)>, FrameError> {
    let mut headers = Vec::new();
    while let Some((name_length, rest)) = bytes.split_first() {
        let (name, rest) = take(rest, usize::from(*name_length))?;
        let (head, rest) = take(rest, 3)?;
        if head[0] != TEXT {
            return Err(FrameError::Headers);
        }
        let (value, rest) = take(rest, length(&head[1..]))?;
        headers.push((text(name)?, text(value)?));
        bytes = rest;
    }
    Ok(headers)
}

fn take(bytes: &[u8], length: usize) -> Result<(&[u8], &[u8]), FrameError> {
    bytes.split_at_checked(length).ok_or(FrameError::Headers)
}

fn text(bytes: &[u8]) -> Result<String, FrameError> {
    let text = std::str::from_utf8(bytes).map(str::to_owned);
    text.map_err(|_not_utf8| FrameError::Headers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Computed with Python's `binascii.crc32`, and read by botocore.
    #[test]
    fn frames_are_those_that_aws_would_send() {
        #[rustfmt::skip]
        let rows = [
            (event("PayloadChunk", "application/octet-stream", b"hello"),
             "0000006f0000005af5fe871f0b3a6576656e742d7479706507000c5061796c6f61644368756e6b\
              0d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d\
              0d3a6d6573736167652d747970650700056576656e7468656c6c6f29e71260"),
            (event("InvokeComplete", "application/json", b"{}"),
             "00000066000000541f56c8690b3a6576656e742d7479706507000e496e766f6b65436f6d706c657465\
              0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e\
              0d3a6d6573736167652d747970650700056576656e747b7d7006d467"),
            (encode(&[], b""), "000000100000000005c248eb7d98c8ff"),
        ];
        for (frame, expected) in rows {
            assert_eq!(hex(&frame), expected);
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_although_their_checksum_is_right() {
        #[rustfmt::skip]
        let rows = [
            ("shorter than its own frame", 15,                      0,          Some(FrameError::Length)),
            ("headers beyond the end",     32,                      17,         Some(FrameError::Length)),
            ("longer than a frame may be", FRAME_BYTES_MAX + 1,     0,          Some(FrameError::Length)),
            ("headers of four gigabytes",  32,                      0xffff_ffff, Some(FrameError::Length)),
            ("not all there",              32,                      16,         None),
        ];
        for (name, total, headers, expected) in rows {
            let mut bytes = Vec::new();
            push_length(&mut bytes, total);
            push_length(&mut bytes, headers);
            push_checksum(&mut bytes);
            assert_eq!(Message::decode(&bytes).err(), expected, "{name}");
        }
        let odd = [":a", ":b"].map(|name| (name, "value"));
        let mut frame = encode(&odd, b"");
        frame[PRELUDE_BYTES + 3] = 9; // A type that is no text.
        frame.truncate(frame.len() - CHECKSUM_BYTES);
        push_checksum(&mut frame);
        assert_eq!(Message::decode(&frame), Err(FrameError::Headers));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_and_what_is_cut_waits(
            headers in proptest::collection::vec(("[:a-z-]{1,20}", ".{0,20}"), 0..5),
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            cut in any::<prop::sample::Index>(),
        ) {
            let of: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let frame = encode(&of, &payload);
            let short = &frame[..cut.index(frame.len())];
            prop_assert_eq!(Message::decode(short), Ok(None));
            let mut stream = frame.clone();
            stream.extend_from_slice(b"the next");
            let message = Message { headers, payload };
            prop_assert_eq!(Message::decode(&stream), Ok(Some((message, frame.len()))));
        }

        #[test]
        fn a_frame_with_a_changed_bit_is_not_decoded(
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            byte in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let mut frame = event("PayloadChunk", "application/octet-stream", &payload);
            let at = byte.index(frame.len());
            frame[at] ^= 1 << bit;
            prop_assert!(Message::decode(&frame).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            let _ = Message::decode(&bytes);
            let _ = decode_headers(&bytes);
        }
    }
}
