//! The frames of AWS's event streams, as an answer of `InvokeWithResponseStream` has them.
//!
//! ```text
//! ┌───────┬─────────────┬─────┬─────────┬─────────┬─────┐
//! │ bytes │ of headers  │ CRC │ headers │ payload │ CRC │   numbers are u32, big-endian
//! └───────┴─────────────┴─────┴─────────┴─────────┴─────┘
//! ```
//!
//! # Deliberately absent
//!
//! The checksums: the SDKs of the end-to-end tests check them. Payloads are counted and not kept.

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// A frame that is longer is none.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What stands before the headers.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// The kind of a header whose value is text.
const TEXT: u8 = 7;

/// What came of a stream so far.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The beginning of a frame that is not complete yet.
    begun: Vec<u8>,
    /// How long the payload is without the frames around it.
    pub(crate) payload_bytes: u64,
    /// Whether the function has finished well.
    pub(crate) is_complete: bool,
}

impl Frames {
    /// Takes the next piece, wherever it was cut.
    pub(crate) fn take(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        let mut begun = std::mem::take(&mut self.begun);
        begun.extend_from_slice(piece);
        let mut at = 0;
        while let Some(frame) = first_frame(&begun[at..])? {
            self.frame(frame)?;
            at += frame.len();
        }
        begun.drain(..at);
        self.begun = begun;
        Ok(())
    }

    fn frame(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        let headers_end = PRELUDE_BYTES + number(&frame[4..]).context("no frame is so short")?;
        let payload_end = frame.len() - CHECKSUM_BYTES;
        ensure!(headers_end <= payload_end, "the headers do not fit into their frame");
        let headers = &frame[PRELUDE_BYTES..headers_end];
        let payload = &frame[headers_end..payload_end];
        let shown = || String::from_utf8_lossy(payload).into_owned();
        match (header(headers, ":message-type"), header(headers, ":event-type")) {
            (Some("event"), Some("PayloadChunk")) => {
                let length = u64::try_from(payload.len()).expect("a frame is short");
                self.payload_bytes += length;
            }
            (Some("event"), Some("InvokeComplete")) => {
                let said: Value = serde_json::from_slice(payload).context("not JSON")?;
                ensure!(said["ErrorCode"].is_null(), "the function failed: {said}");
                self.is_complete = true;
            }
            (message, event) => bail!("a message {message:?}, event {event:?}: {}", shown()),
        }
        Ok(())
    }
}

/// The frame at the beginning, if it is complete.
fn first_frame(bytes: &[u8]) -> anyhow::Result<Option<&[u8]>> {
    let Some(length) = number(bytes) else {
        return Ok(None);
    };
    let possible = PRELUDE_BYTES + CHECKSUM_BYTES..=FRAME_BYTES_MAX;
    ensure!(possible.contains(&length), "a frame of {length} bytes");
    Ok(bytes.get(..length))
}

/// The number at the beginning.
fn number(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*bytes.first_chunk::<4>()?)).ok()
}

/// The value of a header that is text.
fn header<'a>(headers: &'a [u8], wanted: &str) -> Option<&'a str> {
    let mut rest = headers;
    while let Some((&length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(length))?;
        let (&[kind, high, low], after) = after.split_first_chunk::<3>()?;
        if kind != TEXT {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, after) = after.split_at_checked(length)?;
        if name == wanted.as_bytes() {
            return std::str::from_utf8(value).ok();
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{CHECKSUM_BYTES, Frames, PRELUDE_BYTES, TEXT};

    /// A frame with these headers; its checksums are zero.
    fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        for (name, value) in headers {
            packed.push(u8::try_from(name.len()).unwrap());
            packed.extend_from_slice(name.as_bytes());
            packed.push(TEXT);
            packed.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            packed.extend_from_slice(value.as_bytes());
        }
        let length = PRELUDE_BYTES + packed.len() + payload.len() + CHECKSUM_BYTES;
        let mut frame = u32::try_from(length).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(&packed);
        frame.extend_from_slice(payload);
        frame.extend_from_slice(&[0; CHECKSUM_BYTES]);
        frame
    }

    fn event(kind: &str, payload: &str) -> Vec<u8> {
        frame(&[(":event-type", kind), (":message-type", "event")], payload.as_bytes())
    }

    #[test]
    fn a_stream_is_counted_wherever_it_is_cut() {
        let parts = [
            event("PayloadChunk", "four"),
            event("PayloadChunk", "seventh"),
            event("InvokeComplete", "{}"),
        ];
        let stream = parts.concat();
        for length in [1, 7, 64, stream.len()] {
            let mut frames = Frames::default();
            for piece in stream.chunks(length) {
                frames.take(piece).unwrap();
            }
            assert_eq!(frames.payload_bytes, 11, "in pieces of {length}");
            assert!(frames.is_complete, "in pieces of {length}");
        }
    }

    #[test]
    fn a_failure_is_not_taken_for_an_end() {
        #[rustfmt::skip]
        let rows = [
            ("function",  event("InvokeComplete", "{\"ErrorCode\":\"Unhandled\"}")),
            ("exception", frame(&[(":message-type", "exception")], b"{}")),
            ("no frame",  b"HTTP/1.1 500".to_vec()),
        ];
        for (name, bytes) in rows {
            assert!(Frames::default().take(&bytes).is_err(), "{name}");
        }
    }
}
