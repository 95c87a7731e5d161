//! The parameters of one request of the query protocol, taken out one by one.
//!
//! What is missing or has the wrong form is remembered and told together by
//! [`Parameters::check`], which has to be called before the operation begins. Everything else is
//! the domain's to refuse.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_iam::{Listing, Page, Tag};
use serde_json::{Map, Value, json};

use crate::query_error::Refusal;

/// What a caller sent.
#[derive(Debug)]
pub(crate) struct Parameters {
    members: Map<String, Value>,
    /// Where they stand, if they are not those of the request itself: `entries.1.member.`.
    path: String,
    /// Constraints that are broken.
    broken: Vec<String>,
    malformed: Option<String>,
}

impl Parameters {
    /// Of a request: an object.
    pub(crate) fn new(parameters: Value) -> Self {
        let members = match parameters {
            Value::Object(members) => members,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        Self { members, path: String::new(), broken: Vec::new(), malformed: None }
    }

    /// Of an element of a list, counted from 1.
    pub(crate) fn within(list: &str, number: usize, element: Value) -> Self {
        Self { path: format!("{}.{number}.member.", camel(list)), ..Self::new(element) }
    }

    /// Of a structure within others; nothing is in it if it is none.
    pub(crate) fn structure(&mut self, name: &str) -> Option<Self> {
        let members = self.take(name)?;
        Some(Self { path: format!("{}{}.", self.path, camel(name)), ..Self::new(members) })
    }

    /// Whatever stands under a name.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name)
    }

    /// A text, if it is there.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(_) => self.malformed(name, "a text"),
            None => None,
        }
    }

    /// A text that has to be there.
    pub(crate) fn required(&mut self, name: &str) -> String {
        if !self.members.contains_key(name) {
            self.miss(&camel(name));
        }
        self.text(name).unwrap_or_default()
    }

    /// Remembers that something is missing.
    pub(crate) fn miss(&mut self, path: &str) {
        self.broken.push(missing(&format!("{}{path}", self.path)));
    }

    /// A whole number, if it is there.
    pub(crate) fn number(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        text.parse().ok().or_else(|| self.malformed(name, "a whole number"))
    }

    /// `true` or `false`, which is also what it is if it is not there.
    pub(crate) fn is_true(&mut self, name: &str) -> bool {
        match self.text(name).as_deref() {
            Some("true") => true,
            None | Some("false") => false,
            Some(_) => self.malformed(name, "true or false").unwrap_or_default(),
        }
    }

    /// One of some words, which has to be there.
    pub(crate) fn required_one_of<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        if !self.members.contains_key(name) {
            self.miss(&camel(name));
        }
        self.one_of(name, words)
    }

    /// One of some words, if it is there.
    pub(crate) fn one_of<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.broken.push(format!(
                "Value '{text}' at '{}{}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                self.path,
                camel(name),
                known.join(", ")
            ));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// A list of texts that has to be there. It may be empty.
    pub(crate) fn required_texts(&mut self, name: &str) -> Vec<String> {
        let elements = self.required_list(name);
        self.texts_of(name, elements)
    }

    /// A list of texts, if it is there.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        let elements = self.list(name);
        self.texts_of(name, elements)
    }

    fn texts_of(&mut self, name: &str, elements: Vec<Value>) -> Vec<String> {
        let elements = elements.into_iter();
        let texts: Option<Vec<String>> =
            elements.map(|element| element.as_str().map(str::to_owned)).collect();
        texts.or_else(|| self.malformed(name, "a list of texts")).unwrap_or_default()
    }

    /// Tags that have to be there. There may be none.
    pub(crate) fn required_tags(&mut self, name: &str) -> Vec<Tag> {
        let elements = self.required_list(name);
        self.tags_of(name, &elements)
    }

    /// Tags, if there are any.
    pub(crate) fn tags(&mut self, name: &str) -> Vec<Tag> {
        let elements = self.list(name);
        self.tags_of(name, &elements)
    }

    /// A map of texts. It may be empty or missing.
    pub(crate) fn texts_by_name(&mut self, name: &str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for entry in self.entries(name) {
            let text = |member: &str| entry.get(member).and_then(Value::as_str).map(str::to_owned);
            match (text("key"), text("value")) {
                (Some(key), Some(value)) => {
                    texts.insert(key, value);
                }
                (Some(key), None) => {
                    texts.insert(key, String::new());
                }
                (None, _) => self.malformed(name, "a map of texts").unwrap_or_default(),
            }
        }
        texts
    }

    /// The entries of a map. It may be empty or missing.
    pub(crate) fn entries(&mut self, name: &str) -> Vec<Value> {
        match self.members.remove(name) {
            Some(Value::Object(mut map)) if map.len() == 1 => match map.remove("entry") {
                Some(Value::Array(entries)) => entries,
                Some(_) | None => self.malformed(name, "a map").unwrap_or_default(),
            },
            Some(Value::String(text)) if text.is_empty() => Vec::new(),
            Some(_) => self.malformed(name, "a map").unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// Bytes in base64.
    pub(crate) fn bytes(&mut self, name: &str, text: &str) -> Vec<u8> {
        let decoded = STANDARD.decode(text).ok();
        decoded.or_else(|| self.malformed(name, "in base64")).unwrap_or_default()
    }

    /// Which page of a listing is asked for.
    pub(crate) fn page(&mut self) -> Result<Page, Refusal> {
        let marker = self.text("Marker").map(|marker| {
            let key = STANDARD.decode(marker).ok().and_then(|key| String::from_utf8(key).ok());
            key.ok_or_else(|| Refusal::validation("Invalid Marker."))
        });
        let items = self.number("MaxItems");
        Ok(Page::new(marker.transpose()?, items)?)
    }

    /// Refuses if something was missing or had the wrong form.
    pub(crate) fn check(self) -> Result<(), Refusal> {
        if let Some(text) = self.malformed {
            return Err(Refusal::malformed(text));
        }
        if self.broken.is_empty() {
            return Ok(());
        }
        let noun = if self.broken.len() == 1 { "error" } else { "errors" };
        let (count, told) = (self.broken.len(), self.broken.join("; "));
        Err(Refusal::validation(format!("{count} validation {noun} detected: {told}")))
    }

    /// A list that has to be there. It may be empty.
    pub(crate) fn required_list(&mut self, name: &str) -> Vec<Value> {
        if !self.members.contains_key(name) {
            self.miss(&camel(name));
        }
        self.list(name)
    }

    /// A list, if it is there. An empty one is written as an empty text.
    pub(crate) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.members.remove(name) {
            Some(Value::Array(elements)) => elements,
            Some(Value::String(text)) if text.is_empty() => Vec::new(),
            Some(_) => self.malformed(name, "a list").unwrap_or_default(),
            None => Vec::new(),
        }
    }

    fn tags_of(&mut self, name: &str, elements: &[Value]) -> Vec<Tag> {
        let mut tags = Vec::with_capacity(elements.len());
        for (number, element) in (1_usize..).zip(elements) {
            let mut member = |member: &str| {
                let found = element.get(member).and_then(Value::as_str);
                if found.is_none() {
                    let path = format!("{}.{number}.member.{}", camel(name), camel(member));
                    self.broken.push(missing(&path));
                }
                found.unwrap_or_default().to_owned()
            };
            tags.push(Tag { key: member("Key"), value: member("Value") });
        }
        tags
    }

    fn malformed<T>(&mut self, name: &str, expected: &str) -> Option<T> {
        self.malformed.get_or_insert_with(|| format!("The parameter {name} must be {expected}."));
        None
    }
}

/// A page of a listing, as the services answer it.
pub(crate) fn listed<T>(name: &str, listing: Listing<T>, each: impl FnMut(T) -> Value) -> Value {
    let Listing { items, next } = listing.map(each);
    let marker = next.as_ref().map(|key| STANDARD.encode(key));
    json!({ name: items, "IsTruncated": next.is_some(), "Marker": marker })
}

/// Tags, as the services answer them.
pub(crate) fn shown_tag(tag: &Tag) -> Value {
    json!({ "Key": tag.key, "Value": tag.value })
}

fn missing(path: &str) -> String {
    format!("Value null at '{path}' failed to satisfy constraint: Member must not be null")
}

/// Violations name a member with a small first letter.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(form: &str) -> Parameters {
        let request = hearth_wire::aws_query::input(format!("Action=Do&{form}").as_bytes());
        Parameters::new(request.unwrap().parameters)
    }

    #[test]
    fn parameters_are_taken_as_what_they_are() {
        let mut found =
            of("Name=x&Number=-7&Truth=true&Keys.member.1=a&Keys.member.2=b&Tags.member.1.Key=k\
             &Tags.member.1.Value=&None=&Word=two");
        assert_eq!(found.required("Name"), "x");
        assert_eq!(found.text("Other"), None);
        assert_eq!(found.number("Number"), Some(-7));
        assert!(found.is_true("Truth"));
        assert!(!found.is_true("Falsehood"));
        assert_eq!(found.required_texts("Keys"), ["a", "b"]);
        assert_eq!(found.tags("Tags"), [Tag { key: "k".to_owned(), value: String::new() }]);
        assert!(found.required_tags("None").is_empty());
        assert_eq!(found.one_of("Word", &[("one", 1), ("two", 2)]), Some(2));
        assert_eq!(found.check(), Ok(()));
    }

    #[test]
    fn maps_are_taken_as_maps() {
        let mut found = of("A.entry.1.key=a&A.entry.1.value=1&A.entry.2.key=b&B=&C.entry=x");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = BTreeMap::from([pair("a", "1"), pair("b", "")]);
        assert_eq!(found.texts_by_name("A"), expected);
        assert!(found.texts_by_name("B").is_empty());
        assert!(found.texts_by_name("None").is_empty());
        assert!(found.entries("C").is_empty());
        assert_eq!(found.check(), Err(Refusal::malformed("The parameter C must be a map.")));
    }

    #[test]
    fn what_an_element_misses_is_told_with_its_number() {
        let mut found = Parameters::within("Entries", 2, json!({}));
        found.required("Id");
        let text = "1 validation error detected: Value null at 'entries.2.member.id' failed to satisfy constraint: Member must not be null";
        assert_eq!(found.check(), Err(Refusal::validation(text)));
    }

    #[test]
    fn everything_that_is_broken_is_told_at_once() {
        let mut found = of("Tags.member.1.Value=x&Word=three");
        found.required("RoleName");
        found.required_texts("TagKeys");
        found.required_tags("Tags");
        found.one_of("Word", &[("one", 1), ("two", 2)]);
        let null = "failed to satisfy constraint: Member must not be null";
        let expected = format!(
            "4 validation errors detected: Value null at 'roleName' {null}; \
             Value null at 'tagKeys' {null}; Value null at 'tags.1.member.key' {null}; \
             Value 'three' at 'word' failed to satisfy constraint: Member must satisfy enum value \
             set: [one, two]"
        );
        assert_eq!(found.check(), Err(Refusal::validation(expected)));
    }

    /// Asks for something.
    type Look = fn(&mut Parameters);

    #[test]
    fn what_has_another_form_is_refused() {
        let malformed = |take: fn(&mut Parameters)| {
            let mut found = of("A=x&B.C=1&L.member.1.X=1");
            take(&mut found);
            found.check()
        };
        #[rustfmt::skip]
        let rows: [(Look, &str); 5] = [
            (|found| { found.text("B"); },                    "The parameter B must be a text."),
            (|found| { found.number("A"); },                  "The parameter A must be a whole number."),
            (|found| { found.is_true("A"); },                 "The parameter A must be true or false."),
            (|found| { found.tags("A"); },                    "The parameter A must be a list."),
            (|found| { found.required_texts("L"); },          "The parameter L must be a list of texts."),
        ];
        for (take, expected) in rows {
            assert_eq!(malformed(take), Err(Refusal::malformed(expected)));
        }
    }

    #[test]
    fn a_marker_leads_to_the_next_page() {
        let listing = Listing { items: vec![1, 2], next: Some("key".to_owned()) };
        let answer = listed("Items", listing, |item| json!(item));
        assert_eq!(answer, json!({ "Items": [1, 2], "IsTruncated": true, "Marker": "a2V5" }));
        let after = of("Marker=a2V5&MaxItems=2").page().unwrap();
        assert_eq!(after, Page::new(Some("key".to_owned()), Some(2)).unwrap());
        let odd = of("Marker=%25").page();
        assert_eq!(odd, Err(Refusal::validation("Invalid Marker.")));
        assert!(of("MaxItems=0").page().is_err());
    }
}
