//! The tokens of a pattern, with the places at which AWS reports errors.
//!
//! AWS reads patterns with Jackson and reports the place at which that parser stands. It stands
//! behind the token that was read last, with two exceptions that its users see: a string is not read
//! further than its first quote until somebody wants its text, and behind a field's name it has
//! looked at the beginning of the value as well. This reader stands where Jackson would.
//!
//! # Deliberately absent
//!
//! What comes behind the end of the outermost object is not read, as in AWS's matcher.

use std::fmt;

use super::PatternError;

/// How much of a pattern is repeated in an error.
const SNIPPET_CHARACTERS_MAX: usize = 500;
const VALID_VALUE: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    StartObject,
    EndObject,
    StartArray,
    EndArray,
    /// The name of a field.
    Name(String),
    /// A string, of which [`Tokens::text`] is the text.
    Text,
    /// A number, as it is written.
    Number(String),
    True,
    False,
    Null,
    /// There is nothing more.
    End,
}

/// What has been opened and not closed.
#[derive(Debug, Clone, Copy)]
struct Open {
    kind: Kind,
    /// Where it begins.
    at: usize,
    /// Whether something is in it.
    filled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Object => "Object",
            Self::Array => "Array",
        }
    }

    fn close(self) -> char {
        match self {
            Self::Object => '}',
            Self::Array => ']',
        }
    }
}

/// Reads a text token by token.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    source: &'a str,
    /// Where the reader stands, in bytes.
    at: usize,
    open: Vec<Open>,
    /// The value of the field whose name was read last, and where it begins.
    value: Option<(Token, usize)>,
    /// Whether the reader stands behind the first quote of a string.
    in_string: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, at: 0, open: Vec::new(), value: None, in_string: false }
    }

    /// The next token.
    pub(super) fn advance(&mut self) -> Result<Token, PatternError> {
        if let Some((token, at)) = self.value.take() {
            self.enter(&token, at);
            return Ok(token);
        }
        if self.in_string {
            self.text()?;
        }
        self.skip_space();
        let Some(mut character) = self.peek() else { return self.ended() };
        if matches!(character, '}' | ']') {
            return self.close(character);
        }
        let inside = self.open.last_mut().map(|open| {
            let was_filled = open.filled;
            open.filled = true;
            (open.kind, was_filled)
        });
        if let Some((kind, true)) = inside {
            if character != ',' {
                let name = kind.name();
                return Err(
                    self.unexpected(&format!("was expecting comma to separate {name} entries"))
                );
            }
            self.at += 1;
            self.skip_space();
            character = match self.peek() {
                Some(character) => character,
                None => return self.ended(),
            };
        }
        if inside.is_some_and(|(kind, _)| kind == Kind::Object) {
            return self.name(character);
        }
        let at = self.at;
        let token = self.begin_value(character)?;
        self.enter(&token, at);
        Ok(token)
    }

    /// The text of the string that was read last.
    pub(super) fn text(&mut self) -> Result<String, PatternError> {
        self.in_string = false;
        self.string("Unexpected end-of-input: was expecting closing quote for a string value")
    }

    /// An error at the place where the reader stands.
    pub(super) fn error(&self, message: &str) -> PatternError {
        PatternError { reason: format!("{message}\n at {}", self.location(self.at)) }
    }

    /// A field's name, and the beginning of its value.
    fn name(&mut self, first: char) -> Result<Token, PatternError> {
        if first != '"' {
            return Err(self.unexpected("was expecting double-quote to start field name"));
        }
        self.at += 1;
        let name = self.string("Unexpected end-of-input in field name")?;
        self.skip_space();
        match self.peek() {
            Some(':') => self.at += 1,
            Some(_) => {
                let expected = "was expecting a colon to separate field name and value";
                return Err(self.unexpected(expected));
            }
            None => return self.ended(),
        }
        self.skip_space();
        let Some(character) = self.peek() else { return self.ended() };
        let at = self.at;
        let value = self.begin_value(character)?;
        self.value = Some((value, at));
        Ok(Token::Name(name))
    }

    fn begin_value(&mut self, first: char) -> Result<Token, PatternError> {
        match first {
            '"' => {
                self.at += 1;
                self.in_string = true;
                Ok(Token::Text)
            }
            '{' => {
                self.at += 1;
                Ok(Token::StartObject)
            }
            '[' => {
                self.at += 1;
                Ok(Token::StartArray)
            }
            '-' | '0'..='9' => self.number(),
            _ if is_word(first) && !first.is_ascii_digit() => self.literal(),
            _ => Err(self.unexpected(&format!("expected a valid value {VALID_VALUE}"))),
        }
    }

    fn literal(&mut self) -> Result<Token, PatternError> {
        let rest = self.rest();
        let word = &rest[..rest.find(|character| !is_word(character)).unwrap_or(rest.len())];
        self.at += word.len();
        match word {
            "true" => Ok(Token::True),
            "false" => Ok(Token::False),
            "null" => Ok(Token::Null),
            _ => {
                Err(self
                    .error(&format!("Unrecognized token '{word}': was expecting {VALID_VALUE}")))
            }
        }
    }

    fn number(&mut self) -> Result<Token, PatternError> {
        let start = self.at;
        if self.peek() == Some('-') {
            self.at += 1;
        }
        let whole = self.at;
        if self.digits() == 0 {
            let why = "expected digit (0-9) to follow minus sign, for valid numeric value";
            return Err(self.not_a_number(why));
        }
        if self.at - whole > 1 && self.source.as_bytes()[whole] == b'0' {
            return Err(self.error("Invalid numeric value: Leading zeroes not allowed"));
        }
        if self.peek() == Some('.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.not_a_number("Decimal point not followed by a digit"));
            }
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.not_a_number("Exponent indicator not followed by a digit"));
            }
        }
        Ok(Token::Number(self.source[start..self.at].to_owned()))
    }

    fn digits(&mut self) -> usize {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        count
    }

    fn not_a_number(&self, why: &str) -> PatternError {
        match self.peek() {
            Some(character) => {
                let shown = shown(character);
                self.error(&format!("Unexpected character ({shown}) in numeric value: {why}"))
            }
            None => self.error("Unexpected end-of-input in a Number value"),
        }
    }

    /// The text up to the closing quote, behind which the reader stands afterwards.
    fn string(&mut self, ended: &str) -> Result<String, PatternError> {
        let start = self.at;
        loop {
            let Some(character) = self.peek() else { return Err(self.error(ended)) };
            self.at += character.len_utf8();
            match character {
                '"' => break,
                '\\' => {
                    let Some(escaped) = self.peek() else { return Err(self.error(ended)) };
                    self.at += escaped.len_utf8();
                    if !matches!(escaped, '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u') {
                        let shown = shown(escaped);
                        return Err(self.error(&format!("Unrecognized character escape {shown}")));
                    }
                }
                '\0'..='\u{1f}' => {
                    let code = u32::from(character);
                    return Err(self.error(&format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {code})): has to be escaped using backslash to be included in string value"
                    )));
                }
                _ => {}
            }
        }
        // What is left that can be wrong is the digits behind `\u`.
        let text = serde_json::from_str(&self.source[start - 1..self.at]).ok();
        text.ok_or_else(|| {
            self.error("Unexpected character: expected a hex-digit for character escape sequence")
        })
    }

    fn enter(&mut self, token: &Token, at: usize) {
        let kind = match token {
            Token::StartObject => Kind::Object,
            Token::StartArray => Kind::Array,
            Token::EndObject
            | Token::EndArray
            | Token::Name(_)
            | Token::Text
            | Token::Number(_)
            | Token::True
            | Token::False
            | Token::Null
            | Token::End => return,
        };
        self.open.push(Open { kind, at, filled: false });
    }

    fn close(&mut self, character: char) -> Result<Token, PatternError> {
        match self.open.last().copied() {
            Some(open) if open.kind.close() == character => {
                let token = match open.kind {
                    Kind::Object => Token::EndObject,
                    Kind::Array => Token::EndArray,
                };
                self.open.pop();
                self.at += 1;
                Ok(token)
            }
            Some(open) => {
                let (expected, name) = (open.kind.close(), open.kind.name());
                let start = self.location(open.at);
                self.at += 1;
                Err(self.error(&format!(
                    "Unexpected close marker '{character}': expected '{expected}' (for {name} starting at {start})"
                )))
            }
            None => Err(self.unexpected(&format!("expected a valid value {VALID_VALUE}"))),
        }
    }

    fn ended(&self) -> Result<Token, PatternError> {
        let Some(open) = self.open.last() else { return Ok(Token::End) };
        let (name, start) = (open.kind.name(), self.location(open.at));
        Err(self.error(&format!(
            "Unexpected end-of-input: expected close marker for {name} (start marker at {start})"
        )))
    }

    fn unexpected(&self, expected: &str) -> PatternError {
        let character = self.peek().unwrap_or('\0');
        self.error(&format!("Unexpected character ({}): {expected}", shown(character)))
    }

    fn location(&self, at: usize) -> String {
        let before = &self.source[..at];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        // Java counts in UTF-16.
        let column = before[start..].chars().map(char::len_utf16).sum::<usize>() + 1;
        let snippet = Snippet(self.source);
        format!("[Source: (String){snippet}; line: {line}, column: {column}]")
    }

    fn skip_space(&mut self) {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += self.rest().bytes().take_while(space).count();
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
}

/// The beginning of a pattern, in quotes.
struct Snippet<'a>(&'a str);

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.0.char_indices().nth(SNIPPET_CHARACTERS_MAX).map(|(at, _)| at);
        let Some(cut) = cut else { return write!(formatter, "\"{}\"", self.0) };
        let left_out = self.0[cut..].chars().count();
        write!(formatter, "\"{}\"[truncated {left_out} chars]", &self.0[..cut])
    }
}

/// A character as Jackson shows it.
fn shown(character: char) -> String {
    let code = u32::from(character);
    if character.is_control() {
        return format!("(CTRL-CHAR, code {code})");
    }
    format!("'{character}' (code {code})")
}

/// Whether a character belongs to what Java calls an identifier.
fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}
