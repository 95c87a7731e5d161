//! AWS's query protocol, which IAM and STS speak: a form goes in, XML comes out.
//!
//! A form is flat, so a name says where its value belongs: `Tags.member.1.Key=a` is the key of the
//! first tag. There is no model behind this module. What becomes a list is seen from the names:
//!
//! | names | become |
//! |---|---|
//! | `Tags.member.1.Key`, `Tags.member.2.Key` | a list of objects |
//! | `AttributeName.1`, `AttributeName.2` | a list, as the services with flattened lists write it |
//! | `Tags` with the value "" | the text ""; it is how an empty list is written |
//!
//! # Promises
//!
//! 1. Nothing here panics on a caller's bytes, and what it makes of them is bounded.
//! 2. Every answer is well-formed XML ([`crate::xml`]).
//!
//! # Deliberately absent
//!
//! Types: a number stays the text that it was written as. Maps: their `entry.1.key` becomes an
//! object with the list `entry`, and such an object becomes `<entry>`s again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde_json::Value;

use crate::query;
use crate::xml::Element;

/// The content type of answers.
pub const CONTENT_TYPE: &str = "text/xml";

/// Parameters of one request. The largest that a tool sends, a CloudFormation stack with all the
/// parameters and tags that it may have, is a few hundred.
const PARAMETERS_MAX: usize = 10_000;
/// How many names may stand within each other. AWS's models need six.
const DEPTH_MAX: usize = 16;

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Which operation.
    pub action: String,
    /// Of which version of which service, such as `2010-05-08`; empty if the caller said nothing.
    pub version: String,
    /// Everything else: an object.
    pub parameters: Value,
}

/// Why a form is not a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryError {
    /// It is not text.
    NotText,
    /// There is no `Action`.
    ActionMissing,
    /// It has more parameters than any request has.
    TooManyParameters,
    /// A name has more parts than any name has.
    TooDeep {
        /// The name.
        name: String,
    },
    /// A name is there twice, or has both a value and something within it.
    Ambiguous {
        /// The name.
        name: String,
    },
}

impl fmt::Display for QueryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => formatter.write_str("the request is not a form in UTF-8"),
            Self::ActionMissing => formatter.write_str("the request has no `Action`"),
            Self::TooManyParameters => {
                write!(formatter, "the request has more than {PARAMETERS_MAX} parameters")
            }
            Self::TooDeep { name } => {
                write!(formatter, "the parameter `{name}` has more than {DEPTH_MAX} parts")
            }
            Self::Ambiguous { name } => {
                write!(formatter, "the parameter `{name}` is there more than once")
            }
        }
    }
}

impl std::error::Error for QueryError {}

/// Reads a request from a form: the body of a POST, or the query string of a GET.
///
/// # Errors
///
/// If it is not a form, has no action, or is larger or deeper than a request can be.
pub fn input(form: &[u8]) -> Result<Request, QueryError> {
    let form = std::str::from_utf8(form).map_err(|_not_text| QueryError::NotText)?;
    let mut members = BTreeMap::new();
    for (count, (name, value)) in query::pairs(form).enumerate() {
        if count == PARAMETERS_MAX {
            return Err(QueryError::TooManyParameters);
        }
        put(&mut members, &name, value.into_owned())?;
    }
    let mut text = |name: &str| match members.remove(name) {
        Some(Node::Text(text)) => Ok(Some(text)),
        Some(Node::Branch(_)) => Err(ambiguous(name)),
        None => Ok(None),
    };
    let action = text("Action")?.filter(|action| !action.is_empty());
    let version = text("Version")?.unwrap_or_default();
    Ok(Request {
        action: action.ok_or(QueryError::ActionMissing)?,
        version,
        parameters: object(members),
    })
}

/// A value, or what the names within it say.
enum Node {
    Text(String),
    Branch(BTreeMap<String, Node>),
}

fn ambiguous(name: &str) -> QueryError {
    QueryError::Ambiguous { name: shortened(name) }
}

/// An error shows no more of a name than is needed to find it.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

fn put(members: &mut BTreeMap<String, Node>, name: &str, value: String) -> Result<(), QueryError> {
    if name.split('.').nth(DEPTH_MAX).is_some() {
        return Err(QueryError::TooDeep { name: shortened(name) });
    }
    let (way, last) = name.rsplit_once('.').map_or((None, name), |(way, last)| (Some(way), last));
    let mut branch = members;
    for part in way.into_iter().flat_map(|way| way.split('.')) {
        let node = branch.entry(part.to_owned()).or_insert_with(|| Node::Branch(BTreeMap::new()));
        branch = match node {
            Node::Branch(inner) => inner,
            Node::Text(_) => return Err(ambiguous(name)),
        };
    }
    match branch.entry(last.to_owned()) {
        Entry::Vacant(place) => {
            place.insert(Node::Text(value));
            Ok(())
        }
        Entry::Occupied(_) => Err(ambiguous(name)),
    }
}

fn value(node: Node) -> Value {
    let mut members = match node {
        Node::Text(text) => return Value::String(text),
        Node::Branch(members) => members,
    };
    if members.len() == 1 {
        match members.remove("member") {
            Some(Node::Branch(elements)) if are_numbered(&elements) => return list(elements),
            Some(other) => {
                members.insert("member".to_owned(), other);
            }
            None => {}
        }
    }
    if are_numbered(&members) { list(members) } else { object(members) }
}

fn object(members: BTreeMap<String, Node>) -> Value {
    Value::Object(members.into_iter().map(|(name, node)| (name, value(node))).collect())
}

/// In the order of the numbers. AWS counts from 1; a gap is closed.
fn list(elements: BTreeMap<String, Node>) -> Value {
    let mut numbered: Vec<(Option<u32>, Node)> =
        elements.into_iter().map(|(name, node)| (number(&name), node)).collect();
    numbered.sort_by_key(|(number, _)| *number);
    Value::Array(numbered.into_iter().map(|(_, node)| value(node)).collect())
}

fn are_numbered(members: &BTreeMap<String, Node>) -> bool {
    !members.is_empty() && members.keys().all(|name| number(name).is_some())
}

fn number(name: &str) -> Option<u32> {
    let only_digits = name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| only_digits)
}

/// The answer to an action. A list becomes `<member>`s; a `null` within the result is left out.
/// `Null` stands for an operation that answers nothing; then there is no result element at all.
pub fn output(action: &str, namespace: &str, result: &Value, request_id: &str) -> String {
    let result = (!result.is_null()).then(|| element(&format!("{action}Result"), result));
    let metadata = Element::new("ResponseMetadata").child(Element::text("RequestId", request_id));
    Element::new(&format!("{action}Response"))
        .attribute("xmlns", namespace)
        .children(result)
        .child(metadata)
        .write()
}

fn element(name: &str, value: &Value) -> Element {
    match value {
        Value::Null => Element::new(name),
        Value::Bool(truth) => Element::text(name, truth.to_string()),
        Value::Number(number) => Element::text(name, number.to_string()),
        Value::String(text) => Element::text(name, text.as_str()),
        Value::Array(elements) => {
            Element::new(name).children(elements.iter().map(|one| element("member", one)))
        }
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            Element::new(name).children(members.flat_map(|(name, value)| member(name, value)))
        }
    }
}

/// The entries of a map have nothing around them.
fn member(name: &str, value: &Value) -> Vec<Element> {
    match value {
        Value::Array(entries) if name == "entry" => {
            entries.iter().map(|entry| element(name, entry)).collect()
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => vec![element(name, value)],
    }
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller's.
    Sender,
    /// Ours.
    Receiver,
}

/// An error on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    /// The namespace of the service.
    pub namespace: &'a str,
    /// AWS's name of the error.
    pub code: &'a str,
    /// What went wrong.
    pub message: &'a str,
    /// Whose fault it is.
    pub fault: Fault,
    /// The request that it answers.
    pub request_id: &'a str,
}

/// The body of an error.
pub fn error_body(error: &ErrorBody<'_>) -> String {
    let fault = match error.fault {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    };
    let told = Element::new("Error").children([
        Element::text("Type", fault),
        Element::text("Code", error.code),
        Element::text("Message", error.message),
    ]);
    Element::new("ErrorResponse")
        .attribute("xmlns", error.namespace)
        .child(told)
        .child(Element::text("RequestId", error.request_id))
        .write()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::xml;

    #[test]
    fn a_form_becomes_an_object() {
        #[rustfmt::skip]
        let rows = [
            ("",                                                    json!({})),
            ("RoleName=a%2Bb&Path=%2Fx+y%2F",                       json!({"RoleName": "a+b", "Path": "/x y/"})),
            ("Tags=",                                               json!({"Tags": ""})),
            ("Tags.member.1.Key=a&Tags.member.1.Value=",            json!({"Tags": [{"Key": "a", "Value": ""}]})),
            ("TagKeys.member.10=c&TagKeys.member.2=b&TagKeys.member.1=a", json!({"TagKeys": ["a", "b", "c"]})),
            ("Name.1=a&Name.2=b",                                   json!({"Name": ["a", "b"]})),
            ("A.B=1&A.C.D=2",                                       json!({"A": {"B": "1", "C": {"D": "2"}}})),
            ("A.member=1",                                          json!({"A": {"member": "1"}})),
            ("A.member.x=1",                                        json!({"A": {"member": {"x": "1"}}})),
            ("A.member.1=x&A.other=y",                              json!({"A": {"member": ["x"], "other": "y"}})),
            ("A.+1=x",                                              json!({"A": {" 1": "x"}})),
            ("A.99999999999=x",                                     json!({"A": {"99999999999": "x"}})),
            ("M.entry.1.key=a&M.entry.1.value=b",                   json!({"M": {"entry": [{"key": "a", "value": "b"}]}})),
            ("A.=x&.=y",                                            json!({"A": {"": "x"}, "": {"": "y"}})),
        ];
        for (form, parameters) in rows {
            let whole = format!("Action=Do&{form}&Version=2010-05-08");
            let version = "2010-05-08".to_owned();
            let expected = Request { action: "Do".to_owned(), version, parameters };
            assert_eq!(input(whole.as_bytes()), Ok(expected), "{form}");
        }
    }

    #[test]
    fn a_version_may_be_missing_and_an_action_may_not() {
        let request = input(b"Action=Do").unwrap();
        assert_eq!((request.action.as_str(), request.version.as_str()), ("Do", ""));
        for form in ["", "Version=2010-05-08", "Action=", "Action"] {
            assert_eq!(input(form.as_bytes()), Err(QueryError::ActionMissing), "{form}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let deep = format!("{}=1", ["a"; DEPTH_MAX + 1].join("."));
        let many = "a.1=&".repeat(PARAMETERS_MAX + 1);
        let twice = |name: &str| QueryError::Ambiguous { name: name.to_owned() };
        #[rustfmt::skip]
        let rows: [(&[u8], QueryError); 8] = [
            (b"Action=\xff",            QueryError::NotText),
            (b"Action=Do&Action=Do",    twice("Action")),
            (b"Action.x=Do",            twice("Action")),
            (b"Action=Do&A=1&A=2",      twice("A")),
            (b"Action=Do&A=1&A.B=2",    twice("A.B")),
            (b"Action=Do&A.B=2&A=1",    twice("A")),
            (deep.as_bytes(),           QueryError::TooDeep { name: ["a"; DEPTH_MAX + 1].join(".") }),
            (many.as_bytes(),           twice("a.1")),
        ];
        for (form, expected) in rows {
            let shown = String::from_utf8_lossy(form);
            assert_eq!(input(form), Err(expected), "{}", shortened(&shown));
        }
        let many: String = (0..=PARAMETERS_MAX).map(|number| format!("a.{number}=&")).collect();
        assert_eq!(input(many.as_bytes()), Err(QueryError::TooManyParameters));
        assert!(input(format!("Action=Do&{}=1", ["a"; DEPTH_MAX].join(".")).as_bytes()).is_ok());
    }

    #[test]
    fn a_result_becomes_xml() {
        let result = json!({
            "Roles": [{"RoleName": "a<b", "Path": null}], "IsTruncated": false, "Count": 2,
            "Tags": [],
        });
        assert_eq!(
            output("ListRoles", "https://x/", &result, "id"),
            "<ListRolesResponse xmlns=\"https://x/\"><ListRolesResult><Count>2</Count>\
             <IsTruncated>false</IsTruncated><Roles><member><RoleName>a&lt;b</RoleName></member>\
             </Roles><Tags/></ListRolesResult><ResponseMetadata><RequestId>id</RequestId>\
             </ResponseMetadata></ListRolesResponse>"
        );
    }

    #[test]
    fn a_map_becomes_entries() {
        let result = json!({ "Attributes": { "entry": [
            { "key": "a", "value": "1" }, { "key": "b", "value": "2" },
        ] } });
        assert_eq!(
            output("GetAttributes", "n", &result, "id"),
            "<GetAttributesResponse xmlns=\"n\"><GetAttributesResult><Attributes>\
             <entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry>\
             </Attributes></GetAttributesResult><ResponseMetadata><RequestId>id</RequestId>\
             </ResponseMetadata></GetAttributesResponse>"
        );
    }

    #[test]
    fn an_empty_result_is_not_no_result() {
        let metadata = "<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata>";
        #[rustfmt::skip]
        let rows = [
            (json!({}),   format!("<DoResponse xmlns=\"n\"><DoResult/>{metadata}</DoResponse>")),
            (Value::Null, format!("<DoResponse xmlns=\"n\">{metadata}</DoResponse>")),
        ];
        for (result, expected) in rows {
            assert_eq!(output("Do", "n", &result, "id"), expected);
        }
    }

    #[test]
    fn an_error_says_whose_fault_it_is() {
        let mut error = ErrorBody {
            namespace: "n",
            code: "NoSuchEntity",
            message: "The role with name \"x\" cannot be found.",
            fault: Fault::Sender,
            request_id: "id",
        };
        let expected = "<ErrorResponse xmlns=\"n\"><Error><Type>Sender</Type>\
                        <Code>NoSuchEntity</Code><Message>The role with name &quot;x&quot; cannot \
                        be found.</Message></Error><RequestId>id</RequestId></ErrorResponse>";
        assert_eq!(error_body(&error), expected);
        error.fault = Fault::Receiver;
        assert_eq!(error_body(&error), expected.replace("Sender", "Receiver"));
    }

    proptest! {
        #[test]
        fn no_form_panics(form in any::<Vec<u8>>()) {
            let _ = input(&form);
        }

        #[test]
        fn no_names_panic(form in "([aA1.&=%+]|member|Action=|2|0){0,60}") {
            if let Ok(request) = input(form.as_bytes()) {
                prop_assert!(request.parameters.is_object());
            }
        }

        #[test]
        fn every_result_is_well_formed(
            key in any::<String>(), texts in prop::collection::vec(any::<String>(), 0..4)
        ) {
            let result = json!({ key: texts, "nested": { "text": texts } });
            xml::tests::read(&output("Do", "n", &result, "id"));
        }
    }
}
