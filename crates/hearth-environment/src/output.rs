//! Cuts the output of an environment into log events.
//!
//! Two things share one pipe, so that their order is kept: plain text, of which every line is an
//! event, and frames, which keep a message of several lines together. A frame is what the official
//! runtime clients write to the descriptor in `_LAMBDA_TELEMETRY_LOG_FD`:
//!
//! ```text
//!  a5 5a 00 xx │ length, 4 bytes │ microseconds since 1970, 8 bytes │ message
//! ```
//!
//! all big-endian; the lowest two bits of `xx` are 2 (JSON) or 3 (text), the others a level.
//!
//! # Promises
//!
//! 1. Every byte of text comes out, in order, however the pipe cut it.
//! 2. Text that merely looks like the start of a frame is text.
//! 3. What is held back is bounded: an unfinished line by [`LOG_EVENT_BYTES_MAX`], an unfinished
//!    frame by that and its header.

use bytes::{Bytes, BytesMut};
use hearth_types::limits::LOG_EVENT_BYTES_MAX;
use hearth_types::logs::LogEvent;
use hearth_types::time::Timestamp;

const MAGIC: [u8; 3] = [0xA5, 0x5A, 0x00];
const HEADER_BYTES: usize = 16;

/// What was read and is not yet an event.
#[derive(Debug, Default)]
pub struct Output {
    pending: BytesMut,
    /// How much of `pending` is known to have no end of an event, so that a long line is not
    /// looked at again with every byte that is added to it.
    scanned: usize,
}

impl Output {
    /// Takes what was read at a time, and returns the events that are complete.
    pub fn push(&mut self, read: &[u8], now: Timestamp) -> Vec<LogEvent> {
        self.pending.extend_from_slice(read);
        let mut events = Vec::new();
        while let Some(event) = self.next(now) {
            events.push(event);
        }
        if self.pending.is_empty() {
            // An idle environment should not hold a buffer.
            self.pending = BytesMut::new();
        }
        events
    }

    /// Ends an unfinished line: nothing more will be written for now.
    pub fn finish(&mut self, now: Timestamp) -> Option<LogEvent> {
        self.scanned = 0;
        let rest = std::mem::take(&mut self.pending);
        (!rest.is_empty()).then(|| text(rest.freeze(), now))
    }

    fn next(&mut self, now: Timestamp) -> Option<LogEvent> {
        match frame_at_start(&self.pending) {
            Frame::Whole { length, at } => {
                self.scanned = 0;
                let _header = self.pending.split_to(HEADER_BYTES);
                let message = self.pending.split_to(length).freeze();
                Some(text(message, at))
            }
            Frame::Unfinished => None,
            Frame::No => self.next_line(now),
        }
    }

    fn next_line(&mut self, now: Timestamp) -> Option<LogEvent> {
        // The first byte is looked at already: it is text, whatever it is.
        let end = (self.scanned.max(1)..self.pending.len()).find(|at| {
            let previous_ends_line = self.pending[at - 1] == b'\n';
            previous_ends_line || !matches!(frame_at_start(&self.pending[*at..]), Frame::No)
        });
        let whole = end.or_else(|| {
            let long = self.pending.len() > LOG_EVENT_BYTES_MAX;
            (self.pending.last() == Some(&b'\n') || long).then_some(self.pending.len())
        });
        let Some(whole) = whole else {
            self.scanned = self.pending.len();
            return None;
        };
        self.scanned = 0;
        let line = self.pending.split_to(whole.min(LOG_EVENT_BYTES_MAX)).freeze();
        Some(text(line, now))
    }
}

/// AWS ends every event of text with a newline.
fn text(message: Bytes, at: Timestamp) -> LogEvent {
    if message.last() == Some(&b'\n') {
        return LogEvent { at, message };
    }
    let mut ended = BytesMut::from(&message[..]);
    ended.extend_from_slice(b"\n");
    LogEvent { at, message: ended.freeze() }
}

enum Frame {
    Whole { length: usize, at: Timestamp },
    Unfinished,
    No,
}

fn frame_at_start(bytes: &[u8]) -> Frame {
    let known = bytes.len().min(MAGIC.len());
    if bytes.is_empty() || bytes[..known] != MAGIC[..known] {
        return Frame::No;
    }
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        let kind_fits = bytes.get(3).is_none_or(|kind| kind & 0b11 >= 2);
        return if kind_fits { Frame::Unfinished } else { Frame::No };
    };
    let [.., kind] = [header[0], header[1], header[2], header[3]];
    let length = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
    if kind & 0b11 < 2 || length > LOG_EVENT_BYTES_MAX {
        return Frame::No;
    }
    let mut micros = [0; 8];
    micros.copy_from_slice(&header[8..]);
    let at = Timestamp(u64::from_be_bytes(micros) / 1_000);
    if bytes.len() < HEADER_BYTES + length {
        Frame::Unfinished
    } else {
        Frame::Whole { length, at }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn frame(message: &str) -> Vec<u8> {
        let mut bytes = vec![0xA5, 0x5A, 0x00, 0x0F];
        bytes.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&7_000_000u64.to_be_bytes());
        bytes.extend_from_slice(message.as_bytes());
        bytes
    }

    fn shown(events: &[LogEvent]) -> Vec<(u64, String)> {
        let text = |event: &LogEvent| String::from_utf8_lossy(&event.message).into_owned();
        events.iter().map(|event| (event.at.0, text(event))).collect()
    }

    #[test]
    fn lines_and_frames_keep_their_order() {
        let mut input = b"first\npart".to_vec();
        input.extend(frame("two\nlines"));
        input.extend(b"last\n");
        let expected =
            [(1_000, "first\n"), (1_000, "part\n"), (7_000, "two\nlines\n"), (1_000, "last\n")];
        let expected: Vec<_> =
            expected.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();

        let whole = Output::default().push(&input, NOW);
        assert_eq!(shown(&whole), expected);

        let mut output = Output::default();
        let pieces: Vec<_> = input.iter().flat_map(|byte| output.push(&[*byte], NOW)).collect();
        assert_eq!(shown(&pieces), expected, "however the pipe cuts it");
    }

    #[test]
    fn what_looks_like_a_frame_and_is_none_is_text() {
        let mut output = Output::default();
        let events = output.push(&[0xA5, 0x5A, 0x00, 0x00, b'x', b'\n'], NOW);
        assert_eq!(events.len(), 1);
        assert_eq!(&events[0].message[..], &[0xA5, 0x5A, 0x00, 0x00, b'x', b'\n']);
    }

    #[test]
    fn an_unfinished_line_is_ended_on_request_and_a_long_one_by_itself() {
        let mut output = Output::default();
        assert!(output.push(b"no newline", NOW).is_empty());
        assert_eq!(shown(&[output.finish(NOW).unwrap()]), [(1_000, "no newline\n".to_owned())]);
        assert_eq!(output.finish(NOW), None);

        let long = vec![b'x'; LOG_EVENT_BYTES_MAX + 10];
        let events = output.push(&long, NOW);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].message.len(), LOG_EVENT_BYTES_MAX + 1);
    }

    proptest! {
        #[test]
        fn every_byte_of_text_comes_out(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)
        ) {
            let mut output = Output::default();
            let mut out = Vec::new();
            for chunk in &chunks {
                out.extend(output.push(chunk, NOW));
            }
            out.extend(output.finish(NOW));
            let strip = |bytes: Vec<u8>| -> Vec<u8> {
                bytes.into_iter().filter(|byte| *byte != b'\n').collect()
            };
            let given = chunks.concat();
            // A random whole frame is as good as impossible; without one, only newlines are added.
            prop_assume!(!given.windows(3).any(|window| window == MAGIC));
            let got = out.iter().flat_map(|event| event.message.to_vec()).collect();
            prop_assert_eq!(strip(got), strip(given));
        }
    }
}
