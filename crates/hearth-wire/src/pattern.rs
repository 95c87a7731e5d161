//! A regular expression of a model.
//!
//! AWS writes them for Java and prints them as they are written, so [`Pattern`] keeps the text and
//! translates it only to compile it. Two things differ: `\d` and `\w` mean ASCII in Java, and Java
//! takes a hyphen that cannot be part of a range as a hyphen (`[\w-_]`, `[0-9-_]`).

use std::fmt;
use std::sync::OnceLock;

use fancy_regex::Regex;

/// An expression that a whole text has to match, compiled when it is first used.
pub struct Pattern {
    text: &'static str,
    compiled: OnceLock<Regex>,
}

impl Pattern {
    /// The expression with this text.
    pub const fn new(text: &'static str) -> Self {
        Self { text, compiled: OnceLock::new() }
    }

    /// The text, as the model has it.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// Whether the whole of `value` matches.
    ///
    /// A value that needs more steps than the engine allows does not match.
    pub fn matches(&self, value: &str) -> bool {
        let regex = self.compiled.get_or_init(|| {
            compile(self.text).expect("a test compiles every pattern of the models")
        });
        regex.is_match(value).unwrap_or(false)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Pattern").field(&self.text).finish()
    }
}

fn compile(text: &str) -> Result<Regex, Box<fancy_regex::Error>> {
    Regex::new(&format!("^(?:{})$", translate(text))).map_err(Box::new)
}

/// Writes a Java expression so that the Rust engine reads the same meaning.
fn translate(text: &str) -> String {
    let mut translated = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\\' => push_escape(&mut translated, rest, Place::Outside),
            '[' => push_class(&mut translated, rest),
            _ => {
                translated.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    translated
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    InClass,
}

/// Writes the escape that `rest` begins with, and says how many bytes it took.
fn push_escape(translated: &mut String, rest: &str, place: Place) -> usize {
    let ascii = match rest.as_bytes().get(1) {
        Some(b'd') => Some("0-9"),
        Some(b'w') => Some("a-zA-Z0-9_"),
        _ => None,
    };
    if let Some(ascii) = ascii {
        match place {
            Place::Outside => translated.extend(["[", ascii, "]"]),
            Place::InClass => translated.push_str(ascii),
        }
        return 2;
    }
    // A slash needs no escape, and not every engine allows one.
    if rest[1..].starts_with('/') {
        translated.push('/');
        return 2;
    }
    let taken = escape_length(rest);
    translated.push_str(&rest[..taken]);
    taken
}

/// How many bytes the escape takes that `rest` begins with: `\.`, `\x2e` or `\p{L}`.
fn escape_length(rest: &str) -> usize {
    let whole = match rest.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'p' | b'P') => rest.find('}').map_or(2, |end| end + 1),
        Some(_) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        None => 1,
    };
    whole.min(rest.len())
}

/// Writes the character class that `rest` begins with, and says how many bytes it took.
///
/// Hyphens that stand for themselves are moved to the end, where every engine agrees on them.
fn push_class(translated: &mut String, rest: &str) -> usize {
    translated.push('[');
    let mut at = 1;
    if rest[at..].starts_with('^') {
        translated.push('^');
        at += 1;
    }
    let mut hyphen = false;
    while let Some(first) = rest[at..].chars().next() {
        if first == ']' {
            break;
        }
        let item = class_item_length(&rest[at..]);
        let end = at + item;
        let text = &rest[at..end];
        if text == "-" || text == "\\-" {
            hyphen = true;
            at = end;
            continue;
        }
        at += push_class_item(translated, &rest[at..]);
        // A range: an item that is one character, a hyphen, and an item that can end the range.
        let after = rest[at..].strip_prefix('-').filter(|after| !after.starts_with(']'));
        if let (Some(after), true) = (after, is_one_character(text)) {
            let last = class_item_length(after);
            if is_one_character(&after[..last]) {
                translated.push('-');
                at += 1 + push_class_item(translated, after);
            }
        }
    }
    translated.push_str(if hyphen { "-]" } else { "]" });
    (at + 1).min(rest.len())
}

fn class_item_length(rest: &str) -> usize {
    match rest.chars().next() {
        Some('\\') => escape_length(rest),
        Some(character) => character.len_utf8(),
        None => 0,
    }
}

fn push_class_item(translated: &mut String, rest: &str) -> usize {
    let taken = class_item_length(rest);
    if rest.starts_with('\\') {
        return push_escape(translated, rest, Place::InClass);
    }
    translated.push_str(&rest[..taken]);
    taken
}

/// Whether a class item stands for one character, so that it can begin or end a range.
fn is_one_character(item: &str) -> bool {
    !matches!(item.as_bytes(), [b'\\', b'd' | b'D' | b'w' | b'W' | b's' | b'S' | b'p' | b'P', ..])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::service::Service;
    use crate::shape::{Kind, Shape};

    #[test]
    fn java_classes_keep_their_meaning() {
        #[rustfmt::skip]
        let rows = [
            ("[a-zA-Z0-9-_]+",         "[a-zA-Z0-9_-]+"),
            (r"[\w-_]*",               "[a-zA-Z0-9__-]*"),
            (r"[\w-]*",                "[a-zA-Z0-9_-]*"),
            (r"[_:/=+\-@]*",           "[_:/=+@-]*"),
            (r"[\x20-\x7E]+",          r"[\x20-\x7E]+"),
            (r"\d{12}|\*",             r"[0-9]{12}|\*"),
            (r"[^:*$]*",               "[^:*$]*"),
            (r"[\p{L}\p{Z}_.\-]",      r"[\p{L}\p{Z}_.-]"),
            (r"[a-zA-Z0-9-\/*:]",      "[a-zA-Z0-9/*:-]"),
            (r"arn:aws[-a-z]*:[0-9a-z-:]+", "arn:aws[a-z-]*:[0-9a-z:-]+"),
            (r"[\s\S]*",               r"[\s\S]*"),
            ("(?<!\\.)$",              "(?<!\\.)$"),
        ];
        for (java, rust) in rows {
            assert_eq!(translate(java), rust, "{java}");
        }
    }

    #[test]
    fn a_match_is_of_the_whole_text() {
        let version = Pattern::new(r"(\$LATEST|[0-9]+)");
        assert!(version.matches("$LATEST"));
        assert!(version.matches("12"));
        assert!(!version.matches("12a"));
        assert!(!version.matches("a12"));
        assert!(!version.matches("١٢"), "only ASCII digits are digits");
    }

    #[test]
    fn an_alias_is_not_a_number() {
        let alias = Pattern::new("(?!^[0-9]+$)([a-zA-Z0-9-_]+)");
        assert!(alias.matches("live"));
        assert!(!alias.matches("7"));
    }

    #[test]
    fn every_pattern_of_the_models_compiles() {
        let mut seen = BTreeSet::new();
        let mut patterns = 0;
        for service in [&crate::lambda::SERVICE, &crate::logs::SERVICE] {
            patterns += compile_all(service, &mut seen);
        }
        assert!(patterns > 50, "only {patterns} patterns were found");
    }

    fn compile_all(service: &'static Service, seen: &mut BTreeSet<String>) -> usize {
        let mut patterns = 0;
        let mut open: Vec<&'static Shape> =
            service.operations.iter().map(|operation| operation.input).collect();
        while let Some(shape) = open.pop() {
            if !seen.insert(format!("{}.{}", service.name, shape.name)) {
                continue;
            }
            match &shape.kind {
                Kind::String { pattern: Some(pattern), .. } => {
                    let compiled = compile(pattern.text());
                    assert!(compiled.is_ok(), "{}: {:?}", shape.name, compiled.err());
                    patterns += 1;
                }
                Kind::List { member, .. } => open.push(member),
                Kind::Map { key, value, .. } => open.extend([*key, *value]),
                Kind::Structure(members) => open.extend(members.iter().map(|each| each.shape)),
                Kind::String { .. }
                | Kind::Integer(_)
                | Kind::Long(_)
                | Kind::Double { .. }
                | Kind::Boolean
                | Kind::Blob(_)
                | Kind::Timestamp => {}
            }
        }
        patterns
    }
}
