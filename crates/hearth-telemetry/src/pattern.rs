//! CloudWatch's filter patterns, as far as they are built: terms for unstructured events.
//!
//! ```text
//! ERROR timeout      both occur
//! "disk full"        the phrase occurs; \" and \\ stand for " and \
//! -DEBUG             does not occur
//! ?ERROR ?WARN       at least one of these occurs
//! ```
//!
//! Terms are compared case-sensitively and may occur anywhere, also inside a word. An empty pattern
//! matches every event.
//!
//! # Deliberately absent
//!
//! JSON selectors (`{ $.level = "error" }`), space-delimited patterns (`[ip, user, ...]`) and
//! regular expressions (`%ERR.R%`). They are refused, so that nobody takes an empty answer for
//! "there are none". Not refused, although AWS does: a bare term with punctuation in it.

use crate::error::LogError;

/// What the message of an event has to contain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterPattern {
    /// All of these.
    required: Vec<String>,
    /// At least one of these, unless there are none.
    optional: Vec<String>,
    /// None of these.
    excluded: Vec<String>,
}

impl FilterPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`LogError::PatternRefused`] if it is malformed or of a kind that is not built.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let mut rest = text.trim();
        refuse_what_is_not_built(rest)?;
        let mut pattern = Self::default();
        while !rest.is_empty() {
            let (terms, term) = match rest.as_bytes()[0] {
                b'-' => (&mut pattern.excluded, &rest[1..]),
                b'?' => (&mut pattern.optional, &rest[1..]),
                _ => (&mut pattern.required, rest),
            };
            let (term, behind) = match term.strip_prefix('"') {
                Some(phrase) => quoted(phrase)?,
                None => bare(term)?,
            };
            terms.push(term);
            rest = behind.trim_start();
        }
        Ok(pattern)
    }

    /// Whether an event with this message is meant.
    #[must_use]
    pub fn matches(&self, message: &[u8]) -> bool {
        // Borrows, unless there are bytes in it that are not UTF-8.
        let text = String::from_utf8_lossy(message);
        let occurs = |term: &String| text.contains(term.as_str());
        self.required.iter().all(occurs)
            && (self.optional.is_empty() || self.optional.iter().any(occurs))
            && !self.excluded.iter().any(occurs)
    }
}

fn refuse_what_is_not_built(pattern: &str) -> Result<(), LogError> {
    let kind = match pattern.as_bytes().first() {
        Some(b'{') => "JSON selectors `{ ... }` are",
        Some(b'[') => "space-delimited patterns `[ ... ]` are",
        Some(b'%') => "regular expressions `%...%` are",
        _ => return Ok(()),
    };
    Err(refused(format!(
        "{kind} not built in Hearth; use terms, such as `ERROR -DEBUG \"a phrase\"`"
    )))
}

/// A phrase, its opening quote already taken, and what is behind its closing one.
fn quoted(text: &str) -> Result<(String, &str), LogError> {
    let mut phrase = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let behind = &text[at + 1..];
                if !behind.is_empty() && !behind.starts_with(char::is_whitespace) {
                    return Err(refused(format!(
                        "there is no space behind the phrase \"{phrase}\""
                    )));
                }
                return Ok((phrase, behind));
            }
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => phrase.push(escaped),
                Some((_, other)) => phrase.extend(['\\', other]),
                None => break,
            },
            other => phrase.push(other),
        }
    }
    Err(refused(format!("the quote before `{text}` is not closed")))
}

/// A term without quotes, and what is behind it.
fn bare(text: &str) -> Result<(String, &str), LogError> {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (term, behind) = text.split_at(end);
    if term.is_empty() {
        return Err(refused("there is no term behind `-` or `?`".to_owned()));
    }
    if term.contains('"') {
        return Err(refused(format!("there is a quote inside the term `{term}`")));
    }
    Ok((term.to_owned(), behind))
}

fn refused(reason: String) -> LogError {
    LogError::PatternRefused { reason }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_of_term() {
        #[rustfmt::skip]
        let rows: &[(&str, &str, bool)] = &[
            ("",                      "anything",              true),
            ("  ",                    "anything",              true),
            ("ERROR",                 "[ERROR] it broke",      true),
            ("ERROR",                 "[error] it broke",      false),
            ("ERROR broke",           "it broke: ERROR",       true),
            ("ERROR  timeout",        "it broke: ERROR",       false),
            ("\"it broke\"",          "ERROR it broke",        true),
            ("\"it broke\"",          "ERROR broke it",        false),
            ("\"say \\\"hi\\\"\" x",  "x: say \"hi\"",         true),
            ("\"a\\\\b\"",            "a\\b",                  true),
            ("-DEBUG",                "INFO fine",             true),
            ("-DEBUG",                "DEBUG fine",            false),
            ("fine -\"not so\"",      "fine",                  true),
            ("fine -\"not so\"",      "not so fine",           false),
            ("?ERROR ?WARN",          "WARN: hot",             true),
            ("?ERROR ?WARN",          "INFO: warm",            false),
            ("hot ?ERROR ?WARN",      "WARN: hot",             true),
            ("hot ?ERROR ?WARN",      "WARN: cold",            false),
            ("\u{e4}rger",            "viel \u{e4}rger",       true),
        ];
        for (pattern, message, expected) in rows {
            let parsed = FilterPattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(message.as_bytes()), *expected, "{pattern} on {message}");
        }
    }

    #[test]
    fn other_kinds_and_broken_ones_are_refused() {
        #[rustfmt::skip]
        let rows: &[(&str, &str)] = &[
            ("{ $.level = \"x\" }", "not built"),
            (" [ip, user]",         "not built"),
            ("%ERR.R%",             "not built"),
            ("\"open",              "not closed"),
            ("\"open\\",            "not closed"),
            ("\"a\"b",              "no space"),
            ("a\"b\"",              "quote inside"),
            ("a - b",               "no term"),
            ("?",                   "no term"),
        ];
        for (pattern, reason) in rows {
            let error = FilterPattern::parse(pattern).expect_err(pattern).to_string();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_can_be_searched() {
        let pattern = FilterPattern::parse("ERROR").expect("a term");
        assert!(pattern.matches(b"\xff\xfe ERROR \xff"));
    }

    proptest! {
        #[test]
        fn no_pattern_panics(text in ".*") {
            let _ = FilterPattern::parse(&text);
        }
    }
}
