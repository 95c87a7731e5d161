//! `aws-chunked`: bodies in signed or unsigned chunks, with trailers behind them.
//!
//! ```text
//! 5;chunk-signature=…\r\n  hello\r\n  0;chunk-signature=…\r\n  x-amz-checksum-crc32:…\r\n  \r\n
//! ```
//!
//! Pure: bytes go in as they arrive, and come out without the chunks. Signatures of chunks are not
//! checked.

use bytes::Bytes;

use super::error::S3Error;

/// A line is a size and a signature, or a trailer.
const LINE_BYTES_MAX: usize = 4 * 1024;
const TRAILERS_MAX: usize = 16;

/// Where the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a chunk.
    Size,
    /// In one.
    Data { left: u64 },
    /// Behind its bytes.
    DataEnd,
    /// Behind the last chunk.
    Trailers,
    /// Behind everything.
    Done,
}

/// Takes the chunks off a body.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    line: Vec<u8>,
    trailers: Vec<(String, String)>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { state: State::Size, line: Vec::new(), trailers: Vec::new() }
    }

    /// Takes more of the body. What is within the chunks is added to `out`.
    pub(super) fn push(&mut self, mut bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), S3Error> {
        while !bytes.is_empty() {
            match self.state {
                State::Data { left } => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    out.push(bytes.split_to(length));
                    let left = left - length as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data { left } };
                }
                State::Done => return Err(malformed()),
                State::Size | State::DataEnd | State::Trailers => {
                    if let Some(line) = self.line(&mut bytes)? {
                        self.take(&line)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The trailers, with lower-case names, if the body is whole.
    pub(super) fn finish(self) -> Result<Vec<(String, String)>, S3Error> {
        // Some clients leave out the empty line at the very end.
        let is_whole = matches!(self.state, State::Done | State::Trailers) && self.line.is_empty();
        if is_whole { Ok(self.trailers) } else { Err(S3Error::incomplete_body()) }
    }

    /// The next line without its end, once all of it is there.
    fn line(&mut self, bytes: &mut Bytes) -> Result<Option<String>, S3Error> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(bytes.len(), |end| end + 1);
        if self.line.len() + length > LINE_BYTES_MAX {
            return Err(malformed());
        }
        self.line.extend_from_slice(&bytes.split_to(length));
        if end.is_none() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r\n").ok_or_else(malformed)?;
        let text = std::str::from_utf8(line).map_err(|_not_utf8| malformed())?;
        Ok(Some(text.to_owned()))
    }

    fn take(&mut self, line: &str) -> Result<(), S3Error> {
        self.state = match self.state {
            State::Size => {
                let (size, _signature) = line.split_once(';').unwrap_or((line, ""));
                let is_number = size.bytes().all(|byte| byte.is_ascii_hexdigit());
                let size = u64::from_str_radix(size, 16).ok().filter(|_size| is_number);
                match size.ok_or_else(malformed)? {
                    0 => State::Trailers,
                    left => State::Data { left },
                }
            }
            State::DataEnd if line.is_empty() => State::Size,
            State::Trailers if line.is_empty() => State::Done,
            State::Trailers => {
                let (name, value) = line.split_once(':').ok_or_else(malformed)?;
                if self.trailers.len() == TRAILERS_MAX {
                    return Err(malformed());
                }
                self.trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                State::Trailers
            }
            State::DataEnd | State::Data { .. } | State::Done => return Err(malformed()),
        };
        Ok(())
    }
}

fn malformed() -> S3Error {
    S3Error::invalid_request("The chunks of the body are not well-formed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the chunks, and the trailers. The body arrives in pieces of this size.
    /// The bytes as text, and the trailers.
    type Decoded = (String, Vec<(String, String)>);

    fn decode(body: &str, piece: usize) -> Result<Decoded, &'static str> {
        let mut decoder = Decoder::new();
        let mut out = Vec::new();
        for piece in body.as_bytes().chunks(piece) {
            decoder.push(Bytes::copy_from_slice(piece), &mut out).map_err(|error| error.code)?;
        }
        let trailers = decoder.finish().map_err(|error| error.code)?;
        Ok((String::from_utf8(out.concat()).unwrap(), trailers))
    }

    #[test]
    fn chunks_in_pieces_of_every_size() {
        #[rustfmt::skip]
        let rows = [
            ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",                             Ok(("hello world", ""))),
            ("5;chunk-signature=ab\r\nhello\r\n0;chunk-signature=cd\r\n\r\n",      Ok(("hello", ""))),
            ("2\r\n\r\n\r\n0\r\nX-Amz-Checksum-Crc32: AA==\r\n\r\n",               Ok(("\r\n", "AA=="))),
            ("0\r\n",                                                              Ok(("", ""))),
            ("a\r\n0123456789\r\n0\r\n\r\n",                                       Ok(("0123456789", ""))),
            ("",                                                                   Err("IncompleteBody")),
            ("5\r\nhel",                                                           Err("IncompleteBody")),
            ("5\r\nhello\r\n",                                                     Err("IncompleteBody")),
            ("0\r\nx-amz",                                                         Err("IncompleteBody")),
            ("x\r\n",                                                              Err("InvalidRequest")),
            ("+5\r\nhello\r\n",                                                    Err("InvalidRequest")),
            ("\r\n",                                                               Err("InvalidRequest")),
            ("5\nhello\n",                                                         Err("InvalidRequest")),
            ("5\r\nhello6\r\n",                                                    Err("InvalidRequest")),
            ("0\r\n\r\nmore",                                                      Err("InvalidRequest")),
            ("0\r\nno trailer\r\n\r\n",                                            Err("InvalidRequest")),
        ];
        for (body, expected) in rows {
            for piece in 1..=body.len().max(1) {
                let found = decode(body, piece);
                let trailer = |trailers: &[(String, String)]| {
                    trailers.first().map_or_else(String::new, |(_, value)| value.clone())
                };
                let found = found.map(|(text, trailers)| (text, trailer(&trailers)));
                let expected = expected.map(|(text, it)| (text.to_owned(), it.to_owned()));
                assert_eq!(found, expected, "{body:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn lines_and_trailers_are_bounded() {
        assert_eq!(decode(&"0".repeat(LINE_BYTES_MAX + 1), 64), Err("InvalidRequest"));
        let trailers = "a:b\r\n".repeat(TRAILERS_MAX + 1);
        assert_eq!(decode(&format!("0\r\n{trailers}\r\n"), 64), Err("InvalidRequest"));
    }
}
