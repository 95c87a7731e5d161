//! What the function of an authorizer answers, where it answers with a policy.
//!
//! # Promises
//!
//! 1. What AWS takes for a configuration error is malformed: no principal, no policy, or a context
//!    with anything but texts, numbers, true and false in it.

use serde_json::{Map, Value};

use super::policy::{Kind, Malformed, Policy};
use crate::functions::Failure;

/// What an authorizer has said about a caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Who the caller is.
    pub principal: String,
    /// What they may do.
    pub policy: Policy,
    /// What else is said, for the function behind the API.
    pub context: Map<String, Value>,
    /// The key by which the caller's usage is counted.
    pub usage_key: Option<String>,
}

/// Reads the answer of a function.
///
/// # Errors
///
/// If it is malformed.
pub fn read(payload: &[u8]) -> Result<Answer, Malformed> {
    let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(payload) else {
        return Err(Malformed("the answer is not an object"));
    };
    let principal = match members.get("principalId") {
        Some(Value::String(principal)) => principal.clone(),
        Some(Value::Number(principal)) => principal.to_string(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
            return Err(Malformed("the answer has no principalId"));
        }
    };
    let Some(document) = members.get("policyDocument") else {
        return Err(Malformed("the answer has no policyDocument"));
    };
    let context = match members.get("context") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(context)) => context.clone(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(Malformed("the context is not an object"));
        }
    };
    if context.values().any(|value| value.is_array() || value.is_object()) {
        return Err(Malformed("the context has a value that is neither text, number nor boolean"));
    }
    let usage_key = members.get("usageIdentifierKey").and_then(Value::as_str).map(str::to_owned);
    Ok(Answer { principal, policy: Policy::read(document, Kind::OfIdentity)?, context, usage_key })
}

/// What there is in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// The function does not know the caller.
    Unauthorized,
    /// The server is going away.
    Closing,
    /// It could not be had.
    Broken,
}

/// What the failure of an authorizer's function means. That it does not answer is in the server's log.
pub(crate) fn unanswered(api: &str, why: &Failure) -> Unanswered {
    if let Failure::Failed(description) = why
        && is_unauthorized(description)
    {
        return Unanswered::Unauthorized;
    }
    tracing::info!(api, %why, "an authorizer did not answer");
    match why {
        Failure::Closing => Unanswered::Closing,
        Failure::Missing
        | Failure::NotReady
        | Failure::TooLarge
        | Failure::Throttled
        | Failure::Recursive
        | Failure::Failed(_)
        | Failure::TooLate
        | Failure::Broken => Unanswered::Broken,
    }
}

/// Whether the function of an authorizer that failed wants to say that it does not know the caller: AWS
/// takes this one message for that.
fn is_unauthorized(description: &[u8]) -> bool {
    let description = serde_json::from_slice::<Value>(description).unwrap_or(Value::Null);
    description["errorMessage"] == "Unauthorized"
}

impl Answer {
    /// The context as the function behind a REST API finds it: every value as a text.
    #[must_use]
    pub fn context_as_texts(&self) -> Map<String, Value> {
        let text = |value: &Value| match value {
            Value::String(text) => Value::from(text.as_str()),
            Value::Null => Value::Null,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Value::from(value.to_string())
            }
        };
        self.context.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy() -> Value {
        json!({ "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] })
    }

    #[test]
    fn what_is_an_answer() {
        #[rustfmt::skip]
        let rows = [
            (json!({ "principalId": "me", "policyDocument": policy() }),                                true),
            (json!({ "principalId": 7, "policyDocument": policy() }),                                   true),
            (json!({ "principalId": "me", "policyDocument": policy(), "context": { "a": 1 } }),         true),
            (json!({ "principalId": "me", "policyDocument": policy(), "context": { "a": [] } }),        false),
            (json!({ "principalId": "me", "policyDocument": policy(), "context": "a" }),                false),
            (json!({ "policyDocument": policy() }),                                                     false),
            (json!({ "principalId": "me" }),                                                            false),
            (json!({ "principalId": "me", "policyDocument": {} }),                                      false),
            (json!("Unauthorized"),                                                                     false),
        ];
        for (answer, is_one) in rows {
            assert_eq!(read(answer.to_string().as_bytes()).is_ok(), is_one, "{answer}");
        }
        assert!(read(b"").is_err());
    }

    #[test]
    fn one_message_of_a_function_that_fails_means_that_the_caller_is_not_known() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"errorMessage": "Unauthorized", "errorType": "Exception"}"#, true),
            (r#"{"errorMessage": "unauthorized"}"#,                           false),
            (r#"{"errorMessage": "Unauthorized: no token"}"#,                 false),
            (r#"{"errorType": "Unauthorized"}"#,                              false),
            (r#""Unauthorized""#,                                             false),
            ("Unauthorized",                                                  false),
            ("",                                                              false),
        ];
        for (description, is_it) in rows {
            assert_eq!(is_unauthorized(description.as_bytes()), is_it, "{description}");
        }
    }

    #[test]
    fn a_context_becomes_texts() {
        let context = json!({ "text": "a", "number": 1, "flag": true });
        let answer = json!({ "principalId": "me", "policyDocument": policy(), "context": context });
        let answer = read(answer.to_string().as_bytes()).unwrap();
        let expected = json!({ "text": "a", "number": "1", "flag": "true" });
        assert_eq!(Value::Object(answer.context_as_texts()), expected);
    }
}
