//! JSON in which numbers stay as they were written: filters compare them by their text.
//!
//! What is read is checked by the reader of JSON that everything here uses, so nothing is taken
//! that a function would not take, and nothing that is deeper than that reader goes.

use serde::de::IgnoredAny;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// Names and values, in the order in which they were written.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a value; `None` if the text is not JSON.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        Reader { text, at: 0 }.value()
    }

    /// What a filter sees of the data of a record: of JSON with parts the parts, and of everything
    /// else the text.
    ///
    /// AWS: a filter for plain text keeps JSON back. A list of JSON has no text of its own either.
    #[must_use]
    pub fn of_data(text: &str) -> Self {
        match Self::read(text) {
            Some(object @ Self::Object(_)) => object,
            Some(Self::List(mut items)) => {
                items.retain(|item| matches!(item, Self::Object(_)));
                Self::List(items)
            }
            Some(Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_)) | None => {
                Self::Text(text.to_owned())
            }
        }
    }

    /// The value of a name, if this is an object that has it. The last one counts, as for functions.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => {
                fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| value)
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }
}

impl From<&serde_json::Value> for Json {
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(fields) => {
                let fields = fields.iter();
                Self::Object(
                    fields.map(|(name, value)| (name.clone(), Self::from(value))).collect(),
                )
            }
        }
    }
}

/// Reads what is known to be JSON. It gives up rather than to believe that.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Json> {
        match self.next()? {
            b'n' => self.word("null", Json::Null),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'"' => self.string().map(Json::Text),
            b'[' => self.list(),
            b'{' => self.object(),
            _ => {
                let rest = self.text.get(self.at..)?;
                let is_part = |one: char| one.is_ascii_digit() || "+-.eE".contains(one);
                let length = rest.find(|one| !is_part(one)).unwrap_or(rest.len());
                self.at += length;
                (length > 0).then(|| Json::Number(rest[..length].to_owned()))
            }
        }
    }

    /// The next byte that is not white space. It is not passed.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blank = rest.iter().position(|byte| !b" \t\n\r".contains(byte))?;
        self.at += blank;
        rest.get(blank).copied()
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        self.at += word.len();
        Some(value)
    }

    fn string(&mut self) -> Option<String> {
        let rest = self.text.get(self.at..)?;
        let mut is_escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        })?;
        let quoted = rest.get(..end + 2)?;
        self.at += quoted.len();
        serde_json::from_str(quoted).ok()
    }

    fn list(&mut self) -> Option<Json> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            match self.next()? {
                b']' => break,
                b',' => self.at += 1,
                _ => items.push(self.value()?),
            }
        }
        self.at += 1;
        Some(Json::List(items))
    }

    fn object(&mut self) -> Option<Json> {
        self.at += 1;
        let mut fields = Vec::new();
        loop {
            match self.next()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let name = self.string()?;
                    if self.next()? != b':' {
                        return None;
                    }
                    self.at += 1;
                    fields.push((name, self.value()?));
                }
            }
        }
        self.at += 1;
        Some(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_stay_as_they_are_written() {
        let read = Json::read(" {\"a\": [300, 300.0, -3.0e2 ], \"b\" : \"x\\\"\\\\\" } ").unwrap();
        let number = |text: &str| Json::Number(text.to_owned());
        assert_eq!(
            read.field("a").unwrap(),
            &Json::List(vec![number("300"), number("300.0"), number("-3.0e2")])
        );
        assert_eq!(read.field("b").unwrap(), &Json::Text("x\"\\".to_owned()));
        assert_eq!(read.field("c"), None);
    }

    #[test]
    fn data_is_parts_or_text() {
        let text = |text: &str| Json::Text(text.to_owned());
        #[rustfmt::skip]
        let rows = [
            ("hello",        text("hello")),
            ("{",            text("{")),
            ("17",           text("17")),
            ("null",         text("null")),
            (r#""quoted""#,  text(r#""quoted""#)),
            ("{}",           Json::Object(vec![])),
            ("[1, {}]",      Json::List(vec![Json::Object(vec![])])),
        ];
        for (data, expected) in rows {
            assert_eq!(Json::of_data(data), expected, "{data}");
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_the_other_reader_reads(value in value()) {
            prop_assert_eq!(Json::read(&value.to_string()), Some(Json::from(&value)));
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(Json::read(&pretty), Some(Json::from(&value)));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = Json::read(&text);
            let _ = Json::of_data(&text);
        }
    }
}
