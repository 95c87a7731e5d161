//! The tokens of a JSON text, with where each stands: what AWS tells of a mistake ends in its line
//! and column.
//!
//! AWS reads a text from left to right and stops where it first stumbles. It does not read a string
//! before it needs it, so a string that is not wanted at all is complained of behind its opening
//! quote, and one with a wrong text behind its closing quote.

use serde_json::Value;

/// Behind what AWS tells of a mistake.
const SOURCE: &str = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";

/// A token, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The byte behind what was read of it to know what it is.
    pub(super) begun: usize,
    /// The byte behind it.
    pub(super) ended: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// The name of a member.
    Name(String),
    Text(String),
    /// As it is written, and what it is worth.
    Number(String, f64),
    Bool(bool),
    Null,
}

impl Kind {
    /// As AWS shows it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::ObjectBegin => "{".to_owned(),
            Self::ObjectEnd => "}".to_owned(),
            Self::ArrayBegin => "[".to_owned(),
            Self::ArrayEnd => "]".to_owned(),
            Self::Name(text) | Self::Text(text) | Self::Number(text, _) => text.clone(),
            Self::Bool(truth) => truth.to_string(),
            Self::Null => "null".to_owned(),
        }
    }
}

/// Where a byte of a text stands, as AWS writes it.
pub(super) fn location(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    at(line, column)
}

fn at(line: usize, column: usize) -> String {
    format!("\n at [Source: {SOURCE}; line: {line}, column: {column}]")
}

/// The tokens of a text, or what AWS says of a text that is not JSON.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    // Reading it as a value first bounds how deep it is, and leaves only well-formed texts.
    serde_json::from_str::<Value>(text).map_err(|error| not_json(text, &error))?;
    let mut reader = Reader { text, byte: 0, found: Vec::new() };
    reader.read();
    Ok(reader.found)
}

/// What AWS says of a text that is not JSON.
pub(in crate::topics) fn not_json(text: &str, error: &serde_json::Error) -> String {
    let place = at(error.line(), error.column().max(1));
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let found = line.char_indices().find(|(byte, _)| byte + 1 == error.column());
    let why = match found {
        Some((_, odd)) if !error.is_eof() => {
            let wanted = if error.to_string().starts_with("key must be a string") {
                ": was expecting double-quote to start field name"
            } else {
                ""
            };
            format!("Unexpected character ('{odd}' (code {})){wanted}", u32::from(odd))
        }
        Some(_) | None => "Unexpected end-of-input".to_owned(),
    };
    format!("failed to parse JSON. {why}{place}")
}

/// Reads a text that is known to be JSON.
struct Reader<'a> {
    text: &'a str,
    byte: usize,
    found: Vec<Token>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(byte) = self.text.as_bytes().get(self.byte).copied() {
            match byte {
                b'{' => self.push(Kind::ObjectBegin),
                b'}' => self.push(Kind::ObjectEnd),
                b'[' => self.push(Kind::ArrayBegin),
                b']' => self.push(Kind::ArrayEnd),
                b'"' => self.string(),
                b't' => self.word("true", Kind::Bool(true)),
                b'f' => self.word("false", Kind::Bool(false)),
                b'n' => self.word("null", Kind::Null),
                b'-' | b'0'..=b'9' => self.number(),
                _blank_comma_or_colon => self.byte += 1,
            }
        }
    }

    fn push(&mut self, kind: Kind) {
        self.byte += 1;
        self.found.push(Token { kind, begun: self.byte, ended: self.byte });
    }

    fn word(&mut self, word: &str, kind: Kind) {
        self.byte += word.len();
        self.found.push(Token { kind, begun: self.byte, ended: self.byte });
    }

    fn number(&mut self) {
        let rest = &self.text[self.byte..];
        let is_of_number = |one: char| one.is_ascii_digit() || "+-.eE".contains(one);
        let length = rest.find(|one| !is_of_number(one)).unwrap_or(rest.len());
        let written = &rest[..length];
        let worth = written.parse().unwrap_or(f64::NAN);
        self.word(written, Kind::Number(written.to_owned(), worth));
    }

    fn string(&mut self) {
        let begun = self.byte + 1;
        let bytes = self.text.as_bytes();
        let mut end = begun;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let ended = (end + 1).min(bytes.len());
        let text: String = serde_json::from_str(&self.text[self.byte..ended]).unwrap_or_default();
        self.byte = ended;
        let rest = self.text[ended..].trim_start();
        let kind = if rest.starts_with(':') { Kind::Name(text) } else { Kind::Text(text) };
        self.found.push(Token { kind, begun, ended });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_know_where_they_stand() {
        let text = "{\"a\": [\"\\u0062\\\"\", -1.5e3,\n true, null]}";
        let found = tokens(text).unwrap();
        let kinds: Vec<Kind> = found.iter().map(|token| token.kind.clone()).collect();
        let expected = [
            Kind::ObjectBegin,
            Kind::Name("a".to_owned()),
            Kind::ArrayBegin,
            Kind::Text("b\"".to_owned()),
            Kind::Number("-1.5e3".to_owned(), -1_500.0),
            Kind::Bool(true),
            Kind::Null,
            Kind::ArrayEnd,
            Kind::ObjectEnd,
        ];
        assert_eq!(kinds, expected);
        assert!(location(text, found[3].begun).ends_with("; line: 1, column: 9]"));
        assert!(location(text, found[5].ended).ends_with("; line: 2, column: 6]"));
    }

    #[test]
    fn a_text_that_is_not_json_is_told_as_aws_tells_it() {
        let told = tokens("{invalid").unwrap_err();
        assert_eq!(
            told,
            "failed to parse JSON. Unexpected character ('i' (code 105)): was expecting \
             double-quote to start field name\n at [Source: REDACTED \
             (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]"
        );
        assert!(tokens("{\"a\":").unwrap_err().contains("Unexpected end-of-input"));
        assert!(tokens("{\"a\": ?}").unwrap_err().contains("Unexpected character ('?' (code 63))"));
    }
}
