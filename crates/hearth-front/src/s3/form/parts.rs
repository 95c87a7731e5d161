//! `multipart/form-data`, taken apart as it arrives. Pure.
//!
//! ```text
//!  --boundary␍␊ headers ␍␊␍␊ content ␍␊--boundary␍␊ … ␍␊--boundary--
//! ```
//!
//! # Promises
//!
//! 1. What comes out does not depend on the pieces in which the body arrives.
//! 2. No more is held than headers, which are bounded, and what has just arrived.

use super::super::error::S3Error;

/// What the headers of one part may have.
const HEADERS_BYTES_MAX: usize = 8 * 1024;

/// What is found next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Nothing before more has arrived.
    More,
    /// A part begins.
    Part(PartHead),
    /// Some of its content.
    Data(Vec<u8>),
    /// It ends.
    PartEnd,
    /// There are no more parts.
    End,
}

/// What is said of a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PartHead {
    /// The name of its field.
    pub(super) name: String,
    /// The name of its file, if it is one.
    pub(super) file_name: Option<String>,
}

/// Where the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Before,
    /// Just behind a boundary.
    Behind,
    Headers,
    Content,
    Done,
}

/// Takes a body apart.
#[derive(Debug)]
pub(super) struct Parts {
    state: State,
    buffer: Vec<u8>,
    /// What ends a part: a line end, two hyphens and the boundary.
    delimiter: Vec<u8>,
}

impl Parts {
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // So that the first boundary looks like all others.
        Self { state: State::Before, buffer: b"\r\n".to_vec(), delimiter }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Result<Event, S3Error> {
        loop {
            match self.state {
                State::Before => match self.content() {
                    Event::Data(_) => {}
                    Event::PartEnd => self.state = State::Behind,
                    other @ (Event::More | Event::Part(_) | Event::End) => return Ok(other),
                },
                State::Behind => {
                    let Some(end) = self.buffer.get(..2) else { return Ok(Event::More) };
                    self.state = match end {
                        b"--" => State::Done,
                        b"\r\n" => State::Headers,
                        _neither => return Err(malformed()),
                    };
                    if self.state == State::Done {
                        self.buffer.clear();
                    } else {
                        self.buffer.drain(..2);
                    }
                }
                State::Headers => {
                    let Some(length) = find(&self.buffer, b"\r\n\r\n") else {
                        if self.buffer.len() > HEADERS_BYTES_MAX {
                            return Err(malformed());
                        }
                        return Ok(Event::More);
                    };
                    let head = read_head(self.buffer.get(..length).unwrap_or_default())?;
                    self.buffer.drain(..length + 4);
                    self.state = State::Content;
                    return Ok(Event::Part(head));
                }
                State::Content => {
                    let event = self.content();
                    if event == Event::PartEnd {
                        self.state = State::Behind;
                    }
                    return Ok(event);
                }
                State::Done => return Ok(Event::End),
            }
        }
    }

    /// What comes before the next boundary, as far as it has arrived.
    fn content(&mut self) -> Event {
        match find(&self.buffer, &self.delimiter) {
            Some(0) => {
                self.buffer.drain(..self.delimiter.len());
                Event::PartEnd
            }
            Some(length) => Event::Data(self.buffer.drain(..length).collect()),
            None => {
                // What may be the beginning of a boundary stays.
                let length = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                if length == 0 {
                    return Event::More;
                }
                Event::Data(self.buffer.drain(..length).collect())
            }
        }
    }
}

/// Where a text begins in another one.
fn find(within: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    while let Some(rest) = within.get(from..) {
        let place = from + rest.iter().position(|byte| byte == first)?;
        if within.get(place..).is_some_and(|rest| rest.starts_with(wanted)) {
            return Some(place);
        }
        from = place + 1;
    }
    None
}

/// Reads the headers of a part.
fn read_head(bytes: &[u8]) -> Result<PartHead, S3Error> {
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| malformed())?;
    for line in text.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { continue };
        if !name.trim().eq_ignore_ascii_case("content-disposition") {
            continue;
        }
        let field = parameter(value, "name").ok_or_else(malformed)?;
        return Ok(PartHead { name: field, file_name: parameter(value, "filename") });
    }
    Err(malformed())
}

/// A parameter such as `name="value"`. Browsers write a quote as `%22`.
fn parameter(disposition: &str, wanted: &str) -> Option<String> {
    let mut rest = disposition;
    loop {
        let (_, behind) = rest.split_once(';')?;
        let (name, value) = behind.split_once('=')?;
        let (value, behind) = match value.trim_start().strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => {
                let end = value.find(';').unwrap_or(value.len());
                value.split_at(end)
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value.trim().replace("%22", "\""));
        }
        rest = behind;
    }
}

pub(super) fn malformed() -> S3Error {
    let text = "The body of your POST request is not well-formed multipart/form-data.";
    S3Error::new((400, "MalformedPOSTRequest"), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, file names and contents of the parts. The body arrives in pieces of this size.
    type Taken = Vec<(PartHead, Vec<u8>)>;

    fn take(body: &[u8], piece: usize) -> Result<Taken, &'static str> {
        let mut parts = Parts::new("b");
        let mut pieces = body.chunks(piece);
        let mut taken: Taken = Vec::new();
        loop {
            match parts.next().map_err(|error| error.code)? {
                Event::More => match pieces.next() {
                    Some(piece) => parts.push(piece),
                    None => return Err("cut"),
                },
                Event::Part(head) => taken.push((head, Vec::new())),
                Event::Data(data) => taken.last_mut().unwrap().1.extend(data),
                Event::PartEnd => {}
                Event::End => return Ok(taken),
            }
        }
    }

    fn head(name: &str, file_name: Option<&str>) -> PartHead {
        PartHead { name: name.to_owned(), file_name: file_name.map(str::to_owned) }
    }

    #[test]
    fn a_form_in_pieces_of_every_size() {
        let body = "before\r\n--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na;b\r\n--b\r\n\
            content-type: text/plain\r\nContent-Disposition: form-data; name=\"file\"; \
            filename=\"x %22y%22; z.txt\"\r\n\r\n\r\n--\r\n-b\r\n--b--\r\nbehind";
        let expected = vec![
            (head("key", None), b"a;b".to_vec()),
            (head("file", Some("x \"y\"; z.txt")), b"\r\n--\r\n-b".to_vec()),
        ];
        for piece in 1..=body.len() {
            assert_eq!(take(body.as_bytes(), piece).unwrap(), expected, "{piece}");
        }
    }

    #[test]
    fn what_is_no_form() {
        let part = "Content-Disposition: form-data; name=\"a\"\r\n\r\n";
        let long = format!("--b\r\n{}", "x".repeat(HEADERS_BYTES_MAX + 1));
        #[rustfmt::skip]
        let rows = [
            (String::new(),                                              "cut"),
            ("--b".to_owned(),                                           "cut"),
            (format!("--b\r\n{part}x"),                                  "cut"),
            (format!("--b\r\n{part}x\r\n--bc"),                          "cut"),
            ("--bxx".to_owned(),                                         "MalformedPOSTRequest"),
            ("--b\r\na: b\r\n\r\nx\r\n--b--".to_owned(),                 "MalformedPOSTRequest"),
            ("--b\r\nContent-Disposition: form-data\r\n\r\n".to_owned(), "MalformedPOSTRequest"),
            (long,                                                       "MalformedPOSTRequest"),
        ];
        for (body, refusal) in rows {
            assert_eq!(take(body.as_bytes(), 7).unwrap_err(), refusal, "{body}");
        }
        assert!(take(b"--b--", 1).unwrap().is_empty());
    }

    #[test]
    fn contents_come_out_as_they_went_in() {
        // What looks like the beginning of a boundary, in every place.
        let contents = ["", "\r", "\r\n", "\r\n-", "\r\n--", "--b", "x\r\n\r\n--", "\r\r\n--x\r"];
        for (one, other) in contents.iter().flat_map(|one| contents.map(|other| (*one, other))) {
            let part = |content: &str| {
                format!("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n{content}\r\n")
            };
            let body = format!("{}{}--b--", part(one), part(other));
            for piece in [1, 2, 3, 5, 1_000] {
                let taken = take(body.as_bytes(), piece).unwrap();
                let found: Vec<String> =
                    taken.into_iter().map(|(_, it)| String::from_utf8(it).unwrap()).collect();
                assert_eq!(found, [one, other], "{body:?} {piece}");
            }
        }
    }
}
