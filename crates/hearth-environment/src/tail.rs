//! The end of one invocation's log, as `X-Amz-Log-Result` hands it back.
//!
//! # Promises
//!
//! 1. At most `LOG_TAIL_BYTES_MAX` bytes come out, and they are the last ones.
//! 2. A character that does not fit whole is left out at the front.
//! 3. Never more than twice the limit is held, and nothing at all before the first line.

use hearth_types::limits::LOG_TAIL_BYTES_MAX;

/// The last `LOG_TAIL_BYTES_MAX` bytes of what was pushed.
#[derive(Debug, Clone, Default)]
pub struct LogTail {
    bytes: Vec<u8>,
}

impl LogTail {
    /// An empty tail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one line. Its newline is added, unless the line already ends in one.
    pub fn push(&mut self, line: &[u8]) {
        let kept = &line[line.len().saturating_sub(LOG_TAIL_BYTES_MAX)..];
        self.make_room(kept.len() + 1);
        self.bytes.extend_from_slice(kept);
        if !line.ends_with(b"\n") {
            self.bytes.push(b'\n');
        }
    }

    /// The tail, which begins at the beginning of a character.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        let excess = self.bytes.len().saturating_sub(LOG_TAIL_BYTES_MAX);
        if excess > 0 {
            // A character has at most three continuation bytes; more of them is not UTF-8 and stays.
            let split =
                self.bytes[excess..].iter().take(3).take_while(|byte| is_continuation(**byte));
            let split = split.count();
            self.bytes.drain(..excess + split);
        }
        self.bytes
    }

    /// Drops what can no longer come out, but only when the buffer would outgrow twice the limit:
    /// moving the rest at every line would copy 4 KB each time.
    fn make_room(&mut self, added: usize) {
        if self.bytes.len() + added > 2 * LOG_TAIL_BYTES_MAX {
            // A line of the whole limit and its newline leave one byte less for what was before.
            let kept = LOG_TAIL_BYTES_MAX.min(2 * LOG_TAIL_BYTES_MAX - added);
            let excess = self.bytes.len().saturating_sub(kept);
            self.bytes.drain(..excess);
        }
    }
}

/// Whether a byte is the second, third or fourth of a UTF-8 character.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(lines: &[&[u8]]) -> Vec<u8> {
        let mut tail = LogTail::new();
        for line in lines {
            tail.push(line);
        }
        tail.into_bytes()
    }

    #[test]
    fn lines_come_out_with_one_newline_each() {
        assert_eq!(tail_of(&[]), b"");
        assert_eq!(tail_of(&[b"a", b"", b"b\n"]), b"a\n\nb\n");
    }

    #[test]
    fn the_last_bytes_are_kept_and_never_more_than_twice_as_many() {
        let mut tail = LogTail::new();
        let mut whole = Vec::new();
        for number in 0..5_000 {
            let line = format!("line {number}");
            tail.push(line.as_bytes());
            whole.extend_from_slice(line.as_bytes());
            whole.push(b'\n');
            assert!(tail.bytes.len() <= 2 * LOG_TAIL_BYTES_MAX);
        }
        assert_eq!(tail.into_bytes(), whole[whole.len() - LOG_TAIL_BYTES_MAX..]);
    }

    #[test]
    fn a_line_longer_than_the_tail_leaves_its_end() {
        let line = vec![b'x'; LOG_TAIL_BYTES_MAX * 3];
        let tail = tail_of(&[&line]);
        assert_eq!(tail.len(), LOG_TAIL_BYTES_MAX);
        assert!(tail.ends_with(b"x\n"));
    }

    #[test]
    fn a_character_is_not_cut_in_two() {
        // Four bytes a character and one newline: the cut falls inside a character.
        let line = "\u{1F525}".repeat(LOG_TAIL_BYTES_MAX / 4);
        let tail = tail_of(&[line.as_bytes()]);
        let text = String::from_utf8(tail).expect("no half character");
        assert_eq!(text.len(), LOG_TAIL_BYTES_MAX - 3);
        assert!(text.ends_with("\u{1F525}\n"));
    }
}
