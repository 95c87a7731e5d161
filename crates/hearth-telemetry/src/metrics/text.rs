//! Prometheus's text format, version 0.0.4, as far as it is needed.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//!
//! ```text
//! # HELP aws_sqs_number_of_messages_sent_total NumberOfMessagesSent of AWS/SQS
//! # TYPE aws_sqs_number_of_messages_sent_total counter
//! aws_sqs_number_of_messages_sent_total{queue_name="orders"} 12
//! ```
//!
//! # Promises
//!
//! Whatever a label's value is, it is one value when it is read.
//!
//! # Deliberately absent
//!
//! Nothing checks that the samples of a family stand together: whoever writes a page does.

use std::fmt;

/// What the page is, in HTTP's words.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until a restart.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How many were below each of several bounds.
    Histogram,
    /// Below which bounds each of several parts was.
    Summary,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

impl Page {
    /// Begins a family.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.word()));
    }

    /// Writes one value of the family that was begun last.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        self.text.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.text.push_str(&format!("{end} {value}\n"));
    }

    /// The whole page.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }
}

/// One of AWS's names as Prometheus writes names: `AWS/Lambda` is `aws_lambda`.
#[must_use]
pub fn name_of(aws: &str) -> String {
    let mut name = String::with_capacity(aws.len() + 8);
    let mut before = None;
    for character in aws.chars() {
        let begins = character.is_ascii_uppercase()
            && before.is_some_and(|before: char| before.is_ascii_lowercase());
        if begins {
            name.push('_');
        }
        let kept = character.is_ascii_alphanumeric();
        name.push(if kept { character.to_ascii_lowercase() } else { '_' });
        before = Some(character);
    }
    name
}

/// Durations are in seconds.
#[must_use]
pub fn seconds(milliseconds: u64) -> f64 {
    // Exact up to some hundred thousand years.
    milliseconds as f64 / 1_000.0
}

/// Reads a page, more strictly than Prometheus does.
#[cfg(test)]
pub(crate) mod read {
    /// One value.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) struct Sample {
        pub(crate) name: String,
        pub(crate) labels: Vec<(String, String)>,
        pub(crate) value: f64,
    }

    /// All values of a page, in their order. Panics if something is not as it should be.
    pub(crate) fn read(text: &str) -> Vec<Sample> {
        assert!(text.is_empty() || text.ends_with('\n'), "the last line has an end");
        let (mut samples, mut families) = (Vec::new(), Vec::<String>::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a family has a help");
                assert!(!families.iter().any(|family| family == name), "{name} comes twice");
                assert!(is_name(name) && !help.is_empty(), "{line}");
                families.push(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a family has a type");
                assert_eq!(families.last().map(String::as_str), Some(name));
                assert!(["counter", "gauge", "histogram", "summary"].contains(&kind), "{line}");
            } else {
                let sample = sample(line);
                let family = families.last().expect("a sample belongs to a family");
                let suffix = sample.name.strip_prefix(family.as_str());
                let suffix = suffix.unwrap_or_else(|| panic!("{line} is not of {family}"));
                assert!(["", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
                let twice =
                    |other: &Sample| (&other.name, &other.labels) == (&sample.name, &sample.labels);
                assert!(!samples.iter().any(twice), "{line} comes twice");
                samples.push(sample);
            }
        }
        samples
    }

    fn is_name(name: &str) -> bool {
        let first = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
        first && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
    }

    fn sample(line: &str) -> Sample {
        let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a sample has a value"));
        assert!(is_name(name), "{line}");
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Vec::new(), rest),
        };
        let value = value.strip_prefix(' ').expect("a space stands before the value");
        Sample { name: name.to_owned(), labels, value: value.parse().expect("a number") }
    }

    /// The labels, and what comes behind them.
    fn labels(mut rest: &str) -> (Vec<(String, String)>, &str) {
        let mut labels = Vec::new();
        loop {
            let (name, value) = rest.split_once("=\"").expect("a label has a value");
            assert!(is_name(name), "{name}");
            let (value, behind) = quoted(value);
            labels.push((name.to_owned(), value));
            match behind.split_at(1) {
                (",", behind) => rest = behind,
                ("}", behind) => return (labels, behind),
                (other, _) => panic!("`{other}` behind a label"),
            }
        }
    }

    fn quoted(text: &str) -> (String, &str) {
        let mut value = String::new();
        let mut characters = text.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => return (value, &text[at + 1..]),
                '\\' => match characters.next().map(|(_, escaped)| escaped) {
                    Some('n') => value.push('\n'),
                    Some(escaped @ ('\\' | '"')) => value.push(escaped),
                    other => panic!("{other:?} is no escape"),
                },
                other => value.push(other),
            }
        }
        panic!("a value does not end: {text}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read::{Sample, read};
    use super::*;

    #[test]
    fn names_are_made_of_those_that_aws_has() {
        #[rustfmt::skip]
        let rows = [
            ("AWS/Lambda",                     "aws_lambda"),
            ("AWS/SQS",                        "aws_sqs"),
            ("AsyncEventAge",                  "async_event_age"),
            ("InvocationsFailedToBeSentToDlq", "invocations_failed_to_be_sent_to_dlq"),
            ("FunctionName",                   "function_name"),
        ];
        for (aws, expected) in rows {
            assert_eq!(name_of(aws), expected);
        }
    }

    #[test]
    fn a_page_is_written_as_the_format_wants_it() {
        let mut page = Page::default();
        page.family("a_total", Kind::Counter, "A\\b\nc");
        page.sample("a_total", &[("x", "1\"\\\n"), ("y", "é")], 12);
        page.family("b", Kind::Gauge, "B");
        page.sample("b", &[], 0.25);
        let expected = "# HELP a_total A\\\\b\\nc\n# TYPE a_total counter\n\
                        a_total{x=\"1\\\"\\\\\\n\",y=\"é\"} 12\n\
                        # HELP b B\n# TYPE b gauge\nb 0.25\n";
        assert_eq!(page.finish(), expected);
    }

    proptest! {
        #[test]
        fn any_label_is_read_as_it_was_written(value in any::<String>(), number in any::<u32>()) {
            let mut page = Page::default();
            page.family("m", Kind::Gauge, "help");
            page.sample("m", &[("label", &value)], number);
            let written = page.finish();
            let sample = Sample {
                name: "m".to_owned(),
                labels: vec![("label".to_owned(), value)],
                value: f64::from(number),
            };
            prop_assert_eq!(read(&written), vec![sample]);
        }
    }
}
