//! The constraints of the model, and the texts with which IAM names the broken ones.
//!
//! Lengths and ranges are collected and told together. What breaks no length but has the wrong
//! characters is told in a sentence of its own, the first one only, as IAM does.

use std::ops::RangeInclusive;

use crate::error::IamError;
use crate::quotas;
use crate::tags::Tag;

const TAG_KEY: &str = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+";
const TAG_VALUE: &str = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*";
const DESCRIPTION: &str = r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*";
const VERSION: &str = r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?";
const SESSION_NAME: &str = r"[\w+=,.@-]*";

/// What a request breaks.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    broken: Vec<String>,
    refused: Option<String>,
}

impl Rules {
    /// Refuses if something is broken.
    pub(crate) fn check(self) -> Result<(), IamError> {
        let Self { broken, refused } = self;
        if !broken.is_empty() {
            let noun = if broken.len() == 1 { "error" } else { "errors" };
            let text =
                format!("{} validation {noun} detected: {}", broken.len(), broken.join("; "));
            return Err(IamError::Validation(text));
        }
        refused.map_or(Ok(()), |text| Err(IamError::Validation(text)))
    }

    /// The name of a role.
    pub(crate) fn role_name(self, name: &str) -> Self {
        self.name("roleName", name, 64)
    }

    /// The name of a policy.
    pub(crate) fn policy_name(self, name: &str) -> Self {
        self.name("policyName", name, 128)
    }

    /// The name of a user.
    pub(crate) fn user_name(self, name: &str) -> Self {
        self.name("userName", name, 128)
    }

    fn name(mut self, field: &str, name: &str, max: usize) -> Self {
        self.length(field, name, 1..=max);
        self.refuse_unless(name.chars().all(is_of_name), || {
            format!(
                "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
            )
        });
        self
    }

    /// The path of a role.
    pub(crate) fn role_path(mut self, path: &str) -> Self {
        self.length("path", path, 1..=512);
        let middle = path.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let middle = middle.filter(|middle| !middle.is_empty());
        let visible = |middle: &str| middle.chars().all(|one| ('!'..='~').contains(&one));
        self.refuse_unless(path == "/" || middle.is_some_and(visible), wrong_path);
        self
    }

    /// The path of a policy.
    pub(crate) fn policy_path(mut self, path: &str) -> Self {
        self.length("path", path, 1..=512);
        self.refuse_unless(is_policy_path(path), wrong_path);
        self
    }

    /// What paths begin with that are asked for.
    pub(crate) fn path_prefix(mut self, prefix: Option<&str>) -> Self {
        let Some(prefix) = prefix else { return self };
        self.length("pathPrefix", prefix, 1..=512);
        let visible = prefix.chars().all(|one| ('!'..='\u{7f}').contains(&one));
        self.refuse_unless(prefix.starts_with('/') && visible, || {
            "The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters and/or / characters.".to_owned()
        });
        self
    }

    /// A document, as a text.
    pub(crate) fn document(mut self, field: &str, document: &str) -> Self {
        let characters = document.chars().count();
        if characters == 0 || characters > quotas::DOCUMENT_CHARACTERS {
            let constraint = length_constraint(characters, 1, quotas::DOCUMENT_CHARACTERS);
            // A document is too long to be shown.
            self.broken
                .push(format!("Value at '{field}' failed to satisfy constraint: {constraint}"));
        }
        let printable = |one: char| matches!(one, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        self.refuse_unless(document.chars().all(printable), || {
            format!(
                "The specified value for {field} is invalid. It must contain only printable ASCII characters."
            )
        });
        self
    }

    /// The description of a role.
    pub(crate) fn role_description(mut self, description: Option<&str>) -> Self {
        let Some(text) = description else { return self };
        self.length("description", text, 0..=1_000);
        let allowed =
            |one: char| matches!(one, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}');
        self.pattern(("description", text), text.chars().all(allowed), DESCRIPTION);
        self
    }

    /// The description of a policy.
    pub(crate) fn policy_description(mut self, description: Option<&str>) -> Self {
        self.length("description", description.unwrap_or_default(), 0..=1_000);
        self
    }

    /// How long sessions of a role may last.
    pub(crate) fn session_seconds_max(mut self, seconds: Option<i64>) -> Self {
        self.range("maxSessionDuration", seconds, 3_600..=43_200);
        self
    }

    /// How long a session is to last.
    pub(crate) fn session_seconds(mut self, seconds: Option<i64>, max: i64) -> Self {
        self.range("durationSeconds", seconds, 900..=max);
        self
    }

    /// The name of a session.
    pub(crate) fn session_name(mut self, field: &str, name: &str) -> Self {
        self.length(field, name, 2..=64);
        self.pattern((field, name), name.chars().all(is_of_name), SESSION_NAME);
        self
    }

    /// An ARN: of a policy, if it has to be well-formed.
    pub(crate) fn arn(mut self, field: &str, arn: &str) -> Self {
        self.length(field, arn, 20..=2_048);
        self
    }

    /// The id of a version.
    pub(crate) fn version(mut self, id: &str) -> Self {
        let (number, suffix) = id.split_once('.').unwrap_or((id, ""));
        let number = number.strip_prefix('v').unwrap_or_default();
        let counts = !number.starts_with('0')
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit());
        let suffixed = suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        self.pattern(("versionId", id), counts && suffixed, VERSION);
        self
    }

    /// Tags to be set.
    pub(crate) fn tags(mut self, tags: &[Tag]) -> Self {
        self.count("tags", tags.len());
        for (number, tag) in (1_usize..).zip(tags) {
            let key = format!("tags.{number}.member.key");
            self.tag_key(&key, &tag.key);
            let value = format!("tags.{number}.member.value");
            self.length(&value, &tag.value, 0..=256);
            let allowed = tag.value.chars().all(is_of_tag);
            self.pattern((value.as_str(), tag.value.as_str()), allowed, TAG_VALUE);
        }
        self
    }

    /// Keys of tags to be removed.
    pub(crate) fn tag_keys(mut self, keys: &[String]) -> Self {
        self.count("tagKeys", keys.len());
        for (number, key) in (1_usize..).zip(keys) {
            self.tag_key(&format!("tagKeys.{number}.member"), key);
        }
        self
    }

    /// How many items a page is to have.
    pub(crate) fn page_items(mut self, items: Option<i64>) -> Self {
        let max = i64::try_from(quotas::PAGE_ITEMS).expect("it is a small number");
        self.range("maxItems", items, 1..=max);
        self
    }

    fn tag_key(&mut self, field: &str, key: &str) {
        self.length(field, key, 1..=128);
        self.pattern((field, key), key.chars().all(is_of_tag), TAG_KEY);
    }

    fn count(&mut self, field: &str, count: usize) {
        if count > quotas::TAGS {
            let constraint = length_constraint(count, 0, quotas::TAGS);
            self.broken
                .push(format!("Value at '{field}' failed to satisfy constraint: {constraint}"));
        }
    }

    fn length(&mut self, field: &str, value: &str, allowed: RangeInclusive<usize>) {
        let characters = value.chars().count();
        if !allowed.contains(&characters) {
            let constraint = length_constraint(characters, *allowed.start(), *allowed.end());
            self.break_at((field, value), &constraint);
        }
    }

    fn range(&mut self, field: &str, value: Option<i64>, allowed: RangeInclusive<i64>) {
        let Some(value) = value.filter(|value| !allowed.contains(value)) else { return };
        let constraint = if value < *allowed.start() {
            format!("Member must have value greater than or equal to {}", allowed.start())
        } else {
            format!("Member must have value less than or equal to {}", allowed.end())
        };
        self.break_at((field, value.to_string().as_str()), &constraint);
    }

    fn pattern(&mut self, (field, value): (&str, &str), holds: bool, pattern: &str) {
        // An empty value has broken the length, if it breaks anything.
        if !holds {
            let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
            self.break_at((field, value), &constraint);
        }
    }

    fn break_at(&mut self, (field, value): (&str, &str), constraint: &str) {
        self.broken.push(format!(
            "Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
        ));
    }

    fn refuse_unless(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds && self.refused.is_none() {
            self.refused = Some(text());
        }
    }
}

fn wrong_path() -> String {
    "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.".to_owned()
}

fn length_constraint(found: usize, min: usize, max: usize) -> String {
    if found < min {
        format!("Member must have length greater than or equal to {min}")
    } else {
        format!("Member must have length less than or equal to {max}")
    }
}

/// `[\w+=,.@-]`, where Java's `\w` is ASCII.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_+=,.@-".contains(character)
}

/// `((/[A-Za-z0-9\.,\+@=_-]+)*)/`
fn is_policy_path(path: &str) -> bool {
    let Some(parts) = path.strip_prefix('/') else { return false };
    parts.is_empty()
        || parts.strip_suffix('/').is_some_and(|parts| {
            parts.split('/').all(|part| !part.is_empty() && part.chars().all(is_of_name))
        })
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`. A letter with marks is a letter here as well.
fn is_of_tag(character: char) -> bool {
    let separator = character == ' ' || (character.is_whitespace() && !character.is_control());
    character.is_alphanumeric() || separator || "_.:/=+-@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-";
    const LONG: &str =
        "failed to satisfy constraint: Member must have length less than or equal to";
    const SHORT: &str =
        "failed to satisfy constraint: Member must have length greater than or equal to";
    const PATH: &str = "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.";

    fn tag(key: &str, value: &str) -> Vec<Tag> {
        vec![Tag { key: key.to_owned(), value: value.to_owned() }]
    }

    fn text(rules: Rules) -> String {
        rules.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn each_rule_has_its_text() {
        let none = Rules::default;
        let long = |count: usize| "x".repeat(count);
        #[rustfmt::skip]
        let rows: Vec<(&str, Rules, String)> = vec![
            ("a name",            none().role_name("a_b+c=d,e.f@g-1"),          String::new()),
            ("another name",      none().role_name("é"),                        NAME.to_owned()),
            ("an ARN as a name",  none().role_name("arn:aws:iam::1:role/x"),    NAME.to_owned()),
            ("no name",           none().role_name(""),                         format!("1 validation error detected: Value '' at 'roleName' {SHORT} 1")),
            ("a long name",       none().role_name(&long(65)),                  format!("1 validation error detected: Value '{}' at 'roleName' {LONG} 64", long(65))),
            ("a policy's name",   none().policy_name(&long(128)),               String::new()),
            ("a path",            none().role_path("/a/b!c/"),                  String::new()),
            ("the root path",     none().role_path("/").policy_path("/"),       String::new()),
            ("half a path",       none().role_path("/a"),                       PATH.to_owned()),
            ("two slashes",       none().role_path("//"),                       PATH.to_owned()),
            ("a policy's path",   none().policy_path("/a/b-c/"),                String::new()),
            ("an empty part",     none().policy_path("/a//"),                   PATH.to_owned()),
            ("an odd part",       none().policy_path("/a!/"),                   PATH.to_owned()),
            ("a prefix",          none().path_prefix(Some("/a")),               String::new()),
            ("an odd prefix",     none().path_prefix(Some("a")),                "The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters and/or / characters.".to_owned()),
            ("a document",        none().document("policyDocument", "{\n\té}"), String::new()),
            ("no document",       none().document("policyDocument", ""),        format!("1 validation error detected: Value at 'policyDocument' {SHORT} 1")),
            ("an odd document",   none().document("policyDocument", "\u{100}"), "The specified value for policyDocument is invalid. It must contain only printable ASCII characters.".to_owned()),
            ("an odd description", none().role_description(Some("\u{7f}")),     format!("1 validation error detected: Value '\u{7f}' at 'description' failed to satisfy constraint: Member must satisfy regular expression pattern: {DESCRIPTION}")),
            ("a short session",   none().session_seconds_max(Some(3_599)),      "1 validation error detected: Value '3599' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600".to_owned()),
            ("a long session",    none().session_seconds(Some(43_201), 43_200), "1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 43200".to_owned()),
            ("a version",         none().version("v12.a-b"),                    String::new()),
            ("version zero",      none().version("v0"),                         format!("1 validation error detected: Value 'v0' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: {VERSION}")),
            ("a tag",             none().tags(&tag("a é/=+-@:_.1", "")),        String::new()),
            ("an odd key",        none().tags(&tag("a\t", "x")),                format!("1 validation error detected: Value 'a\t' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: {TAG_KEY}")),
            ("a long value",      none().tags(&tag("a", &long(257))),           format!("1 validation error detected: Value '{}' at 'tags.1.member.value' {LONG} 256", long(257))),
            ("many keys",         none().tag_keys(&vec!["a".to_owned(); 51]),   format!("1 validation error detected: Value at 'tagKeys' {LONG} 50")),
            ("no items",          none().page_items(Some(0)),                   "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1".to_owned()),
            ("two at once",       none().role_name("").policy_name(""),         format!("2 validation errors detected: Value '' at 'roleName' {SHORT} 1; Value '' at 'policyName' {SHORT} 1")),
            ("lengths first",     none().role_name("é").policy_name(""),        format!("1 validation error detected: Value '' at 'policyName' {SHORT} 1")),
        ];
        for (what, rules, expected) in rows {
            assert_eq!(text(rules), expected, "{what}");
        }
    }
}
