//! The policy of a form: until when it may be used, and for what. Pure.
//!
//! # Deliberately absent
//!
//! Its signature, which nobody can check who does not know the secret of the caller.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::time::Timestamp;
use serde_json::Value;

use super::error::S3Error;
use super::presigned::iso_time;

/// Fields that a policy need not speak of.
const FREE: [&str; 6] =
    ["policy", "x-amz-signature", "signature", "awsaccesskeyid", "bucket", "file"];

/// The fields of a form, by their names in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Adds a field. Of several of one name, the first counts.
    pub(super) fn add(&mut self, name: &str, value: String) {
        self.0.push((name.to_ascii_lowercase(), value));
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What a form may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    expiration: Timestamp,
    conditions: Vec<FormCondition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FormCondition {
    Equals(String, String),
    StartsWith(String, String),
    Length(u64, u64),
}

impl Policy {
    /// Reads a policy as it stands in a form.
    pub(super) fn read(text: &str) -> Result<Self, S3Error> {
        let bytes: String = text.split_ascii_whitespace().collect();
        let decoded = STANDARD.decode(bytes).ok();
        let policy = decoded.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let policy = policy.ok_or_else(|| invalid("Invalid JSON."))?;
        let expiration = policy.get("expiration").and_then(Value::as_str);
        let expiration = expiration.ok_or_else(|| invalid("Policy missing expiration."))?;
        let expiration =
            iso_time(expiration).ok_or_else(|| invalid("Invalid 'expiration' value"))?;
        let conditions = policy.get("conditions").and_then(Value::as_array);
        let conditions = conditions.ok_or_else(|| invalid("Policy missing conditions."))?;
        let mut read = Vec::new();
        for condition in conditions {
            read_condition(condition, &mut read)
                .ok_or_else(|| invalid(&format!("Invalid condition {condition}")))?;
        }
        Ok(Self { expiration, conditions: read })
    }

    /// Refuses a form that is too old, or has other fields.
    pub(super) fn check(&self, fields: &Fields, now: Timestamp) -> Result<(), S3Error> {
        if now > self.expiration {
            return Err(refused("Policy expired."));
        }
        for condition in &self.conditions {
            let (kind, name, value) = match condition {
                FormCondition::Equals(name, value) => ("eq", name, value),
                FormCondition::StartsWith(name, prefix) => ("starts-with", name, prefix),
                FormCondition::Length(..) => continue,
            };
            let found = fields.get(name);
            let holds = found.is_some_and(|found| match condition {
                FormCondition::Equals(..) => found == value.as_str(),
                FormCondition::StartsWith(..) => starts_with(name, found, value),
                FormCondition::Length(..) => true,
            });
            if !holds {
                let text =
                    format!("Policy Condition failed: [\"{kind}\", \"${name}\", \"{value}\"]");
                return Err(refused(&text));
            }
        }
        let is_extra = |name: &str| {
            let is_free = FREE.contains(&name) || name.starts_with("x-ignore-");
            !is_free && !self.conditions.iter().any(|condition| condition.is_about(name))
        };
        match fields.iter().find(|(name, _)| is_extra(name)) {
            Some((name, _)) => Err(refused(&format!("Extra input fields: {name}"))),
            None => Ok(()),
        }
    }

    /// How many bytes a file may have at least and at most.
    pub(super) fn lengths(&self) -> (u64, u64) {
        let mut lengths = (0, u64::MAX);
        for condition in &self.conditions {
            if let FormCondition::Length(least, most) = condition {
                lengths = (lengths.0.max(*least), lengths.1.min(*most));
            }
        }
        lengths
    }
}

impl FormCondition {
    fn is_about(&self, field: &str) -> bool {
        match self {
            Self::Equals(name, _) | Self::StartsWith(name, _) => name == field,
            Self::Length(..) => false,
        }
    }
}

/// Of a list of content types, each must begin as the policy says.
fn starts_with(name: &str, found: &str, prefix: &str) -> bool {
    if name == "content-type" && !prefix.contains(',') {
        return found.split(',').all(|one| one.trim().starts_with(prefix));
    }
    found.starts_with(prefix)
}

/// `{"name": "value", …}`, or `["eq" | "starts-with", "$name", "value"]`, or
/// `["content-length-range", least, most]`.
fn read_condition(condition: &Value, read: &mut Vec<FormCondition>) -> Option<()> {
    if let Some(fields) = condition.as_object() {
        for (name, value) in fields {
            read.push(FormCondition::Equals(name.to_ascii_lowercase(), text(value)?));
        }
        return Some(());
    }
    let [kind, first, second] = condition.as_array()?.as_slice() else { return None };
    let kind = kind.as_str()?.to_ascii_lowercase();
    if kind == "content-length-range" {
        read.push(FormCondition::Length(number(first)?, number(second)?));
        return Some(());
    }
    let name = first.as_str()?.strip_prefix('$')?.to_ascii_lowercase();
    read.push(match kind.as_str() {
        "eq" => FormCondition::Equals(name, text(second)?),
        "starts-with" => FormCondition::StartsWith(name, text(second)?),
        _unknown => return None,
    });
    Some(())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn invalid(text: &str) -> S3Error {
    S3Error::new((400, "InvalidPolicyDocument"), format!("Invalid Policy: {text}"))
}

fn refused(text: &str) -> S3Error {
    S3Error::new((403, "AccessDenied"), format!("Invalid according to Policy: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(conditions: &str) -> Result<Policy, S3Error> {
        let text = format!(
            "{{\"expiration\":\"2026-11-23T03:20:35.000Z\",\"conditions\":[{conditions}]}}"
        );
        Policy::read(&STANDARD.encode(text))
    }

    fn fields(of: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in of {
            fields.add(name, (*value).to_owned());
        }
        fields
    }

    #[test]
    fn a_form_must_be_as_its_policy_says() {
        let (before, after) = (Timestamp(1_795_404_035_000), Timestamp(1_795_404_035_001));
        let form = [("bucket", "b"), ("Key", "in/x"), ("policy", "p"), ("x-ignore-me", "1")];
        let typed = [form.as_slice(), &[("Content-Type", "image/png,image/gif")]].concat();
        #[rustfmt::skip]
        let rows: [(&str, &[(&str, &str)], Timestamp, &str); 10] = [
            (r#"{"bucket":"b"},["starts-with","$key","in/"]"#,                                       &form,  before, ""),
            (r#"{"bucket":"b"},["starts-with","$key","in/"]"#,                                       &form,  after,  "Policy expired."),
            (r#"{"bucket":"c"},["starts-with","$key",""]"#,                                          &form,  before, r#"Policy Condition failed: ["eq", "$bucket", "c"]"#),
            (r#"["eq","$Key","in/x"]"#,                                                              &form,  before, ""),
            (r#"["eq","$key","in/y"]"#,                                                              &form,  before, r#"Policy Condition failed: ["eq", "$key", "in/y"]"#),
            (r#"["starts-with","$key",""],["eq","$acl","private"]"#,                                 &form,  before, r#"Policy Condition failed: ["eq", "$acl", "private"]"#),
            (r#"{"bucket":"b"}"#,                                                                    &form,  before, "Extra input fields: key"),
            (r#"["starts-with","$key",""]"#,                                                         &typed, before, "Extra input fields: content-type"),
            (r#"["starts-with","$key",""],["starts-with","$Content-Type","image/"]"#,                &typed, before, ""),
            (r#"["starts-with","$key",""],["starts-with","$Content-Type","image/p"]"#,               &typed, before, r#"Policy Condition failed: ["starts-with", "$content-type", "image/p"]"#),
        ];
        for (conditions, form, now, refusal) in rows {
            let found = policy(conditions).unwrap().check(&fields(form), now);
            let message = found.err().map_or_else(String::new, |error| error.message);
            let message = message.trim_start_matches("Invalid according to Policy: ");
            assert_eq!(message, refusal, "{conditions}");
        }
    }

    #[test]
    fn lengths_are_the_narrowest() {
        let two = r#"["content-length-range",1,100],["content-length-range","5",50]"#;
        assert_eq!(policy(two).unwrap().lengths(), (5, 50));
        assert_eq!(policy("").unwrap().lengths(), (0, u64::MAX));
    }

    #[test]
    fn what_is_no_policy() {
        for text in ["", "?", "e30=", "W10="] {
            assert_eq!(Policy::read(text).unwrap_err().code, "InvalidPolicyDocument", "{text}");
        }
        for condition in ["1", "[]", r#"["eq","key","x"]"#, r#"["like","$key","x"]"#, r#"{"a":[]}"#]
        {
            assert_eq!(policy(condition).unwrap_err().code, "InvalidPolicyDocument", "{condition}");
        }
    }
}
