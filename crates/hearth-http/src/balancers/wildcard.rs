//! Wildcards in the conditions of rules: `*` stands for any characters, `?` for one. A `\` before
//! one of them, or before another `\`, takes its meaning away.
//!
//! # Promises
//!
//! 1. A match takes no more steps than the text is long times the pattern.

/// Whether letters of both cases are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// They are not.
    Sensitive,
    /// Those of ASCII are.
    Insensitive,
}

/// What stands at a place of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Byte(u8),
}

/// Whether a text fits a pattern as a whole.
#[must_use]
pub(super) fn fits(pattern: &str, text: &str, case: Case) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut here) = (0, 0);
    // What stands behind the last `*`, and from where on the text was tried with it.
    let mut star = None;
    while here < text.len() {
        match token(pattern, at) {
            Some((Token::Any, next)) => {
                at = next;
                star = Some((next, here));
            }
            Some((Token::One, next)) => {
                at = next;
                here += 1;
            }
            Some((Token::Byte(byte), next)) if is_same(byte, text[here], case) => {
                at = next;
                here += 1;
            }
            Some((Token::Byte(_), _)) | None => {
                let Some((behind, tried)) = star else { return false };
                (at, here) = (behind, tried + 1);
                star = Some((behind, here));
            }
        }
    }
    while let Some((Token::Any, next)) = token(pattern, at) {
        at = next;
    }
    at == pattern.len()
}

/// How many wildcards a pattern has.
#[must_use]
pub(super) fn count(pattern: &str) -> usize {
    let (pattern, mut at, mut count) = (pattern.as_bytes(), 0, 0);
    while let Some((found, next)) = token(pattern, at) {
        count += usize::from(matches!(found, Token::Any | Token::One));
        at = next;
    }
    count
}

/// The token at a place, and where the next one begins.
fn token(pattern: &[u8], at: usize) -> Option<(Token, usize)> {
    let found = match (pattern.get(at)?, pattern.get(at + 1)) {
        (b'*', _) => (Token::Any, at + 1),
        (b'?', _) => (Token::One, at + 1),
        (b'\\', Some(plain @ (b'*' | b'?' | b'\\'))) => (Token::Byte(*plain), at + 2),
        (byte, _) => (Token::Byte(*byte), at + 1),
    };
    Some(found)
}

fn is_same(one: u8, other: u8, case: Case) -> bool {
    match case {
        Case::Sensitive => one == other,
        Case::Insensitive => one.eq_ignore_ascii_case(&other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_and_what_fits_them() {
        #[rustfmt::skip]
        let rows = [
            ("",              "",              true),
            ("",              "a",             false),
            ("*",             "",              true),
            ("*",             "anything",      true),
            ("?",             "",              false),
            ("?",             "a",             true),
            ("?",             "ab",            false),
            ("/img/*",        "/img/",         true),
            ("/img/*",        "/img",          false),
            ("/img/*/pics",   "/img/a/b/pics", true),
            ("/img/*/pics",   "/img/pics",     false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com",   false),
            ("a*b*c",         "abxbxc",        true),
            ("a*b*c",         "abxbx",         false),
            ("**",            "",              true),
            ("*?",            "",              false),
            ("*?",            "ab",            true),
            (r"\*",           "*",             true),
            (r"\*",           "a",             false),
            (r"\?",           "?",             true),
            (r"\\",           r"\",            true),
            (r"\a",           r"\a",           true),
            (r"a\",           r"a\",           true),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(fits(pattern, text, Case::Sensitive), expected, "{pattern} and {text}");
        }
    }

    #[test]
    fn case_matters_where_it_does() {
        assert!(fits("/A*", "/ab", Case::Insensitive));
        assert!(!fits("/A*", "/ab", Case::Sensitive));
    }

    #[test]
    fn escaped_wildcards_are_not_counted() {
        for (pattern, expected) in [("", 0), ("a", 0), ("*a?", 2), (r"\*?\\*", 2), ("**", 2)] {
            assert_eq!(count(pattern), expected, "{pattern}");
        }
    }

    /// What the words of the documentation say, without a thought for the time that it takes.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (token(pattern, 0), text.first()) {
            (None, first) => first.is_none(),
            (Some((Token::Any, next)), first) => {
                slow(&pattern[next..], text) || (first.is_some() && slow(pattern, &text[1..]))
            }
            (Some((Token::One, next)), Some(_)) => slow(&pattern[next..], &text[1..]),
            (Some((Token::Byte(byte), next)), Some(first)) => {
                byte == *first && slow(&pattern[next..], &text[1..])
            }
            (Some((Token::One | Token::Byte(_), _)), None) => false,
        }
    }

    proptest! {
        #[test]
        fn the_fast_way_finds_what_the_slow_one_does(
            pattern in r"[ab*?\\]{0,8}", text in r"[ab*\\]{0,10}"
        ) {
            let expected = slow(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(fits(&pattern, &text, Case::Sensitive), expected);
        }

        #[test]
        fn a_text_fits_itself_when_it_is_escaped(text in r"[a*?\\]{0,20}") {
            let mut pattern = String::new();
            for letter in text.chars() {
                if letter != 'a' {
                    pattern.push('\\');
                }
                pattern.push(letter);
            }
            prop_assert!(fits(&pattern, &text, Case::Sensitive));
            prop_assert_eq!(count(&pattern), 0);
        }

        #[test]
        fn what_is_between_stars_has_to_be_there(text in ".*", part in "[a-z]{1,3}") {
            let pattern = format!("*{part}*");
            prop_assert_eq!(fits(&pattern, &text, Case::Sensitive), text.contains(&part));
        }
    }
}
