//! Policies of queues: which documents are taken, and how single permissions change them. No I/O.
//!
//! # Deliberately absent
//!
//! What a document means: callers are not authenticated yet, so nothing is decided by it.

use hearth_types::names::AccountId;
use serde_json::{Map, Value, json};

use super::error::QueueError;
use super::quotas::{PERMISSION_ACTIONS_MAX, POLICY_BYTES_MAX, POLICY_STATEMENTS_MAX};

/// A permission for other accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// What it is known by: the `Sid` of its statement.
    pub label: String,
    /// Who gets it.
    pub accounts: Vec<String>,
    /// What they may do, such as `SendMessage`.
    pub actions: Vec<String>,
}

/// What another account can be permitted.
const ACTIONS: &[&str] = &[
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
];
/// What only the owner may do.
const OF_THE_OWNER: &[&str] = &[
    "AddPermission",
    "CancelMessageMoveTask",
    "CreateQueue",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "ListQueues",
    "RemovePermission",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// Reads a document, which is kept to the letter. An empty text means that there is to be none.
pub(super) fn checked(text: &str) -> Result<Option<String>, QueueError> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = serde_json::from_str::<Value>(text);
    if text.len() <= POLICY_BYTES_MAX && read.is_ok_and(|policy| is_policy(&policy)) {
        return Ok(Some(text.to_owned()));
    }
    let message = "Invalid value for the parameter Policy.".to_owned();
    Err(QueueError::InvalidAttributeValue(message))
}

fn is_policy(policy: &Value) -> bool {
    let Value::Object(policy) = policy else { return false };
    let knows = |name: &str| ["Version", "Id", "Statement"].contains(&name);
    let version = policy.get("Version").map(Value::as_str);
    let has_version = matches!(version, None | Some(Some("2008-10-17" | "2012-10-17")));
    let has_id = policy.get("Id").is_none_or(Value::is_string);
    let statements: Vec<&Value> = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(one) => vec![one],
        None => return false,
    };
    policy.keys().all(|name| knows(name.as_str()))
        && has_version
        && has_id
        && !statements.is_empty()
        && statements.into_iter().all(is_statement)
}

#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
];

fn is_statement(statement: &Value) -> bool {
    let Value::Object(statement) = statement else { return false };
    let one_of = |these: [&str; 2]| {
        let found: Vec<&Value> = these.iter().filter_map(|name| statement.get(*name)).collect();
        if let [one] = found.as_slice() { Some(*one) } else { None }
    };
    let effect = statement.get("Effect").and_then(Value::as_str);
    statement.keys().all(|name| ELEMENTS.contains(&name.as_str()))
        && matches!(effect, Some("Allow" | "Deny"))
        && statement.get("Sid").is_none_or(Value::is_string)
        && statement.get("Condition").is_none_or(Value::is_object)
        && one_of(["Principal", "NotPrincipal"]).is_some_and(is_principal)
        && one_of(["Action", "NotAction"]).is_some_and(|actions| are_texts(actions, is_action))
        && one_of(["Resource", "NotResource"]).is_none_or(|resource| are_texts(resource, |_| true))
}

fn is_principal(principal: &Value) -> bool {
    match principal {
        Value::String(all) => all == "*",
        Value::Object(kinds) => {
            !kinds.is_empty()
                && kinds.iter().all(|(kind, whom)| {
                    ["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str())
                        && are_texts(whom, |_| true)
                })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    }
}

fn is_action(action: &str) -> bool {
    let of_queues = action
        .split_once(':')
        .is_some_and(|(service, name)| service.eq_ignore_ascii_case("sqs") && !name.is_empty());
    action == "*" || of_queues
}

/// A text, or several.
fn are_texts(value: &Value, fits: fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => fits(text),
        Value::Array(texts) => {
            !texts.is_empty() && texts.iter().all(|text| text.as_str().is_some_and(fits))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// The document with one more statement.
pub(super) fn with(
    policy: Option<&str>,
    arn: &str,
    permission: &Permission,
) -> Result<String, QueueError> {
    check(permission)?;
    let (mut frame, mut statements) = taken_apart(policy, arn);
    let label = permission.label.as_str();
    if statements.iter().any(|one| one["Sid"] == label) {
        return Err(QueueError::parameter(label, "Label", "Already exists."));
    }
    if statements.len() >= POLICY_STATEMENTS_MAX {
        let found = statements.len() + 1;
        return Err(QueueError::OverLimit(format!(
            "{found} Statements were found, maximum allowed is {POLICY_STATEMENTS_MAX}."
        )));
    }
    let accounts = permission.accounts.iter().map(|account| format!("arn:aws:iam::{account}:root"));
    let actions = permission.actions.iter().map(|action| format!("SQS:{action}"));
    statements.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_many(accounts.collect()) },
        "Action": one_or_many(actions.collect()),
        "Resource": arn,
    }));
    frame.insert("Statement".to_owned(), Value::Array(statements));
    Ok(Value::Object(frame).to_string())
}

/// The document without a statement; none if that was the last.
pub(super) fn without(
    policy: Option<&str>,
    arn: &str,
    label: &str,
) -> Result<Option<String>, QueueError> {
    let (mut frame, mut statements) = taken_apart(policy, arn);
    let before = statements.len();
    statements.retain(|one| one["Sid"] != label);
    if statements.len() == before {
        return Err(QueueError::parameter(label, "Label", "can't find label."));
    }
    if statements.is_empty() {
        return Ok(None);
    }
    frame.insert("Statement".to_owned(), Value::Array(statements));
    Ok(Some(Value::Object(frame).to_string()))
}

fn check(permission: &Permission) -> Result<(), QueueError> {
    let Permission { label, accounts, actions } = permission;
    if label.is_empty() {
        return Err(QueueError::MissingParameter("Label".to_owned()));
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.len() > 80 || !label.bytes().all(is_letter) {
        let reason =
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(QueueError::parameter(label, "Label", reason));
    }
    if actions.is_empty() {
        return Err(QueueError::MissingParameter("Actions".to_owned()));
    }
    if actions.len() > PERMISSION_ACTIONS_MAX {
        let found = actions.len();
        return Err(QueueError::OverLimit(format!(
            "{found} Actions were found, maximum allowed is {PERMISSION_ACTIONS_MAX}."
        )));
    }
    if let Some(odd) = actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
        let reason = if OF_THE_OWNER.contains(&odd.as_str()) {
            "Only the queue owner is allowed to invoke this action."
        } else {
            "Please refer to the appropriate WSDL for a list of valid actions."
        };
        return Err(QueueError::parameter(format!("SQS:{odd}"), "ActionName", reason));
    }
    let all_known = accounts.iter().all(|account| AccountId::parse(account).is_ok());
    if accounts.is_empty() || !all_known {
        let shown = format!("[{}]", accounts.join(", "));
        return Err(QueueError::parameter(shown, "PrincipalId", "Unable to verify."));
    }
    Ok(())
}

/// A document as what stands around its statements, and them.
fn taken_apart(policy: Option<&str>, arn: &str) -> (Map<String, Value>, Vec<Value>) {
    let kept = policy.and_then(|policy| serde_json::from_str::<Map<String, Value>>(policy).ok());
    let Some(mut frame) = kept else {
        let mut frame = Map::new();
        frame.insert("Version".to_owned(), Value::from("2008-10-17"));
        frame.insert("Id".to_owned(), Value::from(format!("{arn}/__default_policy_ID")));
        return (frame, Vec::new());
    };
    match frame.remove("Statement") {
        Some(Value::Array(statements)) => (frame, statements),
        Some(one) => (frame, vec![one]),
        None => (frame, Vec::new()),
    }
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    match texts.len() {
        1 => Value::from(texts.remove(0)),
        _more => Value::from(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:q";

    fn permission(label: &str, accounts: &[&str], actions: &[&str]) -> Permission {
        let texts = |of: &[&str]| of.iter().map(|one| (*one).to_owned()).collect();
        Permission { label: label.to_owned(), accounts: texts(accounts), actions: texts(actions) }
    }

    #[test]
    fn documents() {
        let statement =
            r#"{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"x"}"#;
        #[rustfmt::skip]
        let rows = [
            (format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#), true),
            (format!(r#"{{"Statement":{statement}}}"#),                          true),
            (format!(r#"{{"Version":"2013-01-01","Statement":{statement}}}"#),   false),
            (r#"{"Version":"2012-10-17"}"#.to_owned(),                           false),
            (r#"{"Statement":[]}"#.to_owned(),                                   false),
            ("x".to_owned(),                                                     false),
            ("[]".to_owned(),                                                    false),
            (format!(r#"{{"Statement":{}}}"#, statement.replace("Allow", "Maybe")), false),
            (format!(r#"{{"Statement":{}}}"#, statement.replace("sqs:", "s3:")),    false),
            (format!(r#"{{"Statement":{}}}"#, statement.replace("Principal", "Who")), false),
        ];
        for (text, good) in rows {
            assert_eq!(checked(&text).is_ok(), good, "{text}");
        }
        assert_eq!(checked("").unwrap(), None);
    }

    #[test]
    fn permissions_come_and_go() {
        let first = permission("a", &["111111111111"], &["SendMessage"]);
        let second = permission("b", &["111111111111", "222222222222"], &["*", "GetQueueUrl"]);
        let policy = with(None, ARN, &first).unwrap();
        let policy = with(Some(&policy), ARN, &second).unwrap();
        assert!(checked(&policy).is_ok(), "{policy}");
        let read: Value = serde_json::from_str(&policy).unwrap();
        assert_eq!(read["Id"], format!("{ARN}/__default_policy_ID"));
        let statements = &read["Statement"];
        assert_eq!(statements[0]["Principal"]["AWS"], "arn:aws:iam::111111111111:root");
        assert_eq!(statements[0]["Action"], "SQS:SendMessage");
        assert_eq!(statements[1]["Action"], json!(["SQS:*", "SQS:GetQueueUrl"]));
        let policy = without(Some(&policy), ARN, "a").unwrap().unwrap();
        assert!(without(Some(&policy), ARN, "a").is_err());
        assert_eq!(without(Some(&policy), ARN, "b").unwrap(), None);
    }

    #[test]
    fn permissions_are_refused_with_their_reason() {
        let many = ["SendMessage"; 8];
        let there = with(None, ARN, &permission("a", &["111111111111"], &["*"])).unwrap();
        #[rustfmt::skip]
        let rows = [
            (permission("", &["111111111111"], &["*"]),              "The request must contain the parameter Label."),
            (permission("a b", &["111111111111"], &["*"]),           "1 to 80 in length"),
            (permission("a", &["111111111111"], &["*"]),             "Value a for parameter Label is invalid. Reason: Already exists."),
            (permission("b", &["1"], &["*"]),                        "Value [1] for parameter PrincipalId is invalid. Reason: Unable to verify."),
            (permission("b", &[], &["*"]),                           "Value [] for parameter PrincipalId is invalid. Reason: Unable to verify."),
            (permission("b", &["111111111111"], &[]),                "The request must contain the parameter Actions."),
            (permission("b", &["111111111111"], &many),              "8 Actions were found, maximum allowed is 7."),
            (permission("b", &["111111111111"], &["CreateQueue"]),   "Only the queue owner is allowed to invoke this action."),
            (permission("b", &["111111111111"], &["SendMessages"]),  "Please refer to the appropriate WSDL for a list of valid actions."),
        ];
        for (permission, reason) in rows {
            let error = with(Some(&there), ARN, &permission).unwrap_err().to_string();
            assert!(error.ends_with(reason), "{permission:?}: {error}");
        }
    }
}
