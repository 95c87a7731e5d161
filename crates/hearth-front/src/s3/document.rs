//! Reading the small XML documents of requests.
//!
//! # Promises
//!
//! No text panics, and what is read costs no more than a small multiple of its size.
//!
//! # Deliberately absent
//!
//! Document types and the entities that they define; attributes and namespaces are passed over.

use super::error::S3Error;

const DEPTH_MAX: usize = 8;
/// Elements of a document: ten thousand parts with all that is said of each have fewer. One takes
/// many times the memory of the few bytes that it may be written in.
const ELEMENTS_MAX: usize = 100_000;

/// An element: its name without a prefix, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Node {
    pub(super) name: String,
    text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// Reads a document whose root has this name.
    pub(super) fn read(bytes: &[u8], root: &str) -> Result<Self, S3Error> {
        let text = std::str::from_utf8(bytes).map_err(|_not_utf8| S3Error::malformed_xml())?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        parse(text).filter(|node| node.name == root).ok_or_else(S3Error::malformed_xml)
    }

    /// The text of a child.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.children.iter().find(|child| child.name == name).map(|child| child.text.as_str())
    }

    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the element itself.
    pub(super) fn own_text(&self) -> &str {
        &self.text
    }

    /// All children of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

fn parse(text: &str) -> Option<Node> {
    // Elements that have begun and not ended. The lowest holds the root.
    let mut open = vec![Node::default()];
    let mut elements = 0;
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('<') {
        let top = open.last_mut()?;
        top.text.push_str(&plain(before)?);
        if let Some(comment) = behind.strip_prefix("!--") {
            rest = comment.split_once("-->")?.1;
        } else if let Some(data) = behind.strip_prefix("![CDATA[") {
            let (data, behind) = data.split_once("]]>")?;
            top.text.push_str(data);
            rest = behind;
        } else if let Some(declaration) = behind.strip_prefix('?') {
            rest = declaration.split_once("?>")?.1;
        } else if let Some(end) = behind.strip_prefix('/') {
            let (name, behind) = end.split_once('>')?;
            let node = open.pop()?;
            if local(name.trim_end()) != node.name {
                return None;
            }
            open.last_mut()?.children.push(node);
            rest = behind;
        } else {
            let (tag, behind) = tag(behind)?;
            let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let name = tag.split(|one: char| one.is_ascii_whitespace()).next()?;
            let is_name = |one: char| one.is_alphanumeric() || "_-.:".contains(one);
            elements += 1;
            if elements > ELEMENTS_MAX || name.is_empty() || !name.chars().all(is_name) {
                return None;
            }
            let node = Node { name: local(name).to_owned(), ..Node::default() };
            if is_empty {
                top.children.push(node);
            } else {
                open.push(node);
            }
            rest = behind;
        }
        if open.len() > DEPTH_MAX {
            return None;
        }
    }
    let outside = open.pop()?;
    let is_whole = open.is_empty() && outside.text.trim().is_empty() && rest.trim().is_empty();
    if is_whole && outside.children.len() == 1 { outside.children.into_iter().next() } else { None }
}

/// A tag up to its end, which may stand in the value of an attribute as well.
fn tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (place, one) in text.char_indices() {
        match (quote, one) {
            (None, '>') => return Some((text.get(..place)?, text.get(place + 1..)?)),
            (None, '"' | '\'') => quote = Some(one),
            (Some(open), _) if open == one => quote = None,
            _ => {}
        }
    }
    None
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// A text without its references.
fn plain(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (name, behind) = part.split_once(';')?;
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let digits = number.strip_prefix('#')?;
                let number = match digits.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => digits.parse(),
                };
                char::from_u32(number.ok()?)?
            }
        });
        plain.push_str(behind);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_with_everything() {
        let text = "\u{FEFF}<?xml version=\"1.0\"?>\n<!-- a < b -->\n<x:Delete xmlns:x=\"a>b\">\n\
                    <Object><Key>a &amp; b&#x20;&#33;</Key></Object><Quiet />\
                    <Object><Key><![CDATA[<&>]]></Key></Object></x:Delete>\n";
        let root = Node::read(text.as_bytes(), "Delete").unwrap();
        let keys: Vec<_> = root.all("Object").map(|object| object.text("Key")).collect();
        assert_eq!(keys, [Some("a & b !"), Some("<&>")]);
        assert_eq!((root.text("Quiet"), root.text("Other")), (Some(""), None));
    }

    #[test]
    fn elements_are_bounded() {
        let with = |children: usize| {
            let text = format!("<a>{}</a>", "<b/>".repeat(children));
            Node::read(text.as_bytes(), "a").is_ok()
        };
        assert!(with(ELEMENTS_MAX - 1));
        assert!(!with(ELEMENTS_MAX));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let deep = "<a>".repeat(DEPTH_MAX + 1) + &"</a>".repeat(DEPTH_MAX + 1);
        let rows = [
            "",
            "a",
            "<a>",
            "</a>",
            "<a></b>",
            "<a/><a/>",
            "<a/>b",
            "b<a/>",
            "<b/>",
            "<a>&x;</a>",
            "<a>&#xD800;</a>",
            "<!DOCTYPE a><a/>",
            "<a b='>",
            "< a/>",
            "<a><b></a></b>",
            &deep,
        ];
        for text in rows {
            assert_eq!(Node::read(text.as_bytes(), "a"), Err(S3Error::malformed_xml()), "{text}");
        }
        assert!(Node::read(b"<a>\xff</a>", "a").is_err());
    }
}
