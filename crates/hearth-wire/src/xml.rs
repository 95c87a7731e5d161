//! Writing XML, as much of it as AWS's answers need: elements, attributes and text.
//!
//! # Promises
//!
//! 1. What is written is well-formed, whatever the texts are. A character that XML 1.0 cannot
//!    hold becomes U+FFFD, in a name it becomes `_`.
//! 2. Every other text reads back as itself, with its line ends and its surrounding spaces.
//!
//! # Deliberately absent
//!
//! Reading, mixed content, comments and prefixes: no answer has them.

/// An element, with what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Text(String),
    Children(Vec<Element>),
}

impl Element {
    /// An element with nothing in it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let content = Content::Children(Vec::new());
        Self { name: valid_name(name), attributes: Vec::new(), content }
    }

    /// An element with a text in it.
    #[must_use]
    pub fn text(name: &str, text: impl Into<String>) -> Self {
        Self { content: Content::Text(text.into()), ..Self::new(name) }
    }

    /// The same, with one more attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((valid_name(name), value.to_owned()));
        self
    }

    /// The same, with one more child. A text that it had is gone.
    #[must_use]
    pub fn child(self, child: Self) -> Self {
        self.children([child])
    }

    /// The same, with more children. A text that it had is gone.
    #[must_use]
    pub fn children(mut self, more: impl IntoIterator<Item = Self>) -> Self {
        match &mut self.content {
            Content::Children(children) => children.extend(more),
            Content::Text(_) => self.content = Content::Children(more.into_iter().collect()),
        }
        self
    }

    /// The element as a text.
    #[must_use]
    pub fn write(&self) -> String {
        let mut out = String::new();
        self.push_to(&mut out);
        out
    }

    /// The element as a document of its own.
    #[must_use]
    pub fn document(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.push_to(&mut out);
        out
    }

    fn push_to(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            push_escaped(out, value, Within::Attribute);
            out.push('"');
        }
        match &self.content {
            Content::Text(text) if !text.is_empty() => {
                out.push('>');
                push_escaped(out, text, Within::Element);
            }
            Content::Children(children) if !children.is_empty() => {
                out.push('>');
                for child in children {
                    child.push_to(out);
                }
            }
            Content::Text(_) | Content::Children(_) => {
                out.push_str("/>");
                return;
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

/// Names come from AWS's models. One that does not is made harmless.
fn valid_name(name: &str) -> String {
    let begins = |first: char| first.is_ascii_alphabetic() || first == '_';
    let continues = |other: char| begins(other) || other.is_ascii_digit() || "-.:".contains(other);
    let mut valid: String =
        name.chars().map(|one| if continues(one) { one } else { '_' }).collect();
    if !valid.starts_with(begins) {
        valid.insert(0, '_');
    }
    valid
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Element,
    Attribute,
}

fn push_escaped(out: &mut String, text: &str, within: Within) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A parser turns a bare one into a line feed.
            '\r' => out.push_str("&#13;"),
            // A parser turns these into spaces, within an attribute.
            '\n' if within == Within::Attribute => out.push_str("&#10;"),
            '\t' if within == Within::Attribute => out.push_str("&#9;"),
            other => out.push(if is_allowed(other) { other } else { '\u{FFFD}' }),
        }
    }
}

/// XML 1.0, production 2. Surrogates are no `char`.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads what [`Element::write`] writes, and panics on anything that is not well-formed.
    pub(crate) fn read(xml: &str) -> Element {
        let mut rest = xml;
        let element = read_element(&mut rest);
        assert_eq!(rest, "", "there is one element");
        element
    }

    fn read_element(rest: &mut &str) -> Element {
        *rest = rest.strip_prefix('<').expect("an element begins here");
        let mut element = Element::new(until(rest, &[' ', '>', '/']));
        while let Some(attribute) = rest.strip_prefix(' ') {
            *rest = attribute;
            let name = until(rest, &['=']);
            *rest = rest.strip_prefix("=\"").expect("a value begins here");
            let value = unescaped(until(rest, &['"', '\n', '\t']));
            *rest = rest.strip_prefix('"').expect("the value ends here");
            element = element.attribute(name, &value);
        }
        if let Some(behind) = rest.strip_prefix("/>") {
            *rest = behind;
            return element;
        }
        *rest = rest.strip_prefix('>').expect("the tag ends here");
        if rest.starts_with('<') {
            while !rest.starts_with("</") {
                element = element.child(read_element(rest));
            }
        } else {
            element.content = Content::Text(unescaped(until(rest, &['<'])));
        }
        let end = format!("</{}>", element.name);
        *rest = rest.strip_prefix(end.as_str()).expect("the element ends here");
        element
    }

    fn until<'a>(rest: &mut &'a str, ends: &[char]) -> &'a str {
        let length = rest.find(ends).expect("something comes behind it");
        let (found, behind) = rest.split_at(length);
        *rest = behind;
        found
    }

    fn unescaped(text: &str) -> String {
        assert!(text.chars().all(|one| is_allowed(one) && one != '\r'), "{text:?}");
        let mut parts = text.split('&');
        let mut plain = parts.next().expect("there is a first part").to_owned();
        for part in parts {
            let (name, behind) = part.split_once(';').expect("a reference ends");
            plain.push(match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "#13" => '\r',
                "#10" => '\n',
                "#9" => '\t',
                other => panic!("&{other}; is not known"),
            });
            plain.push_str(behind);
        }
        plain
    }

    fn as_kept(text: &str) -> String {
        text.chars().map(|one| if is_allowed(one) { one } else { '\u{FFFD}' }).collect()
    }

    #[test]
    fn elements_attributes_and_texts() {
        let list = Element::new("Tags")
            .children([Element::text("member", "a & b"), Element::text("member", "")]);
        let root = Element::new("Answer").attribute("xmlns", "https://x/?a=\"1\"").child(list);
        let written = "<Answer xmlns=\"https://x/?a=&quot;1&quot;\"><Tags><member>a &amp; b</member>\
                       <member/></Tags></Answer>";
        assert_eq!(root.write(), written);
        assert_eq!(
            root.document(),
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{written}")
        );
    }

    #[test]
    fn names_are_made_harmless() {
        #[rustfmt::skip]
        let rows = [
            ("Role",   "Role"),
            ("a:b-c.d_1", "a:b-c.d_1"),
            ("",       "_"),
            ("1",      "_1"),
            ("-x",     "_-x"),
            ("a b<é>", "a_b___"),
        ];
        for (name, expected) in rows {
            assert_eq!(Element::new(name).write(), format!("<{expected}/>"), "{name}");
        }
    }

    #[test]
    fn characters_that_xml_does_not_have_are_replaced() {
        let text = "a\0b\u{1b}c\u{FFFE}d\u{FFFF}e\u{10FFFF}";
        let written = Element::text("t", text).write();
        assert_eq!(written, "<t>a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{FFFD}e\u{10FFFF}</t>");
    }

    proptest! {
        #[test]
        fn every_text_reads_back_as_itself(text in any::<String>(), value in any::<String>()) {
            prop_assume!(!text.is_empty());
            let element = Element::text("t", text.clone()).attribute("a", &value);
            let expected = Element::text("t", as_kept(&text)).attribute("a", &as_kept(&value));
            let root = Element::new("r").children([element.clone(), element]);
            let expected = Element::new("r").children([expected.clone(), expected]);
            prop_assert_eq!(read(&root.write()), expected);
        }
    }
}
