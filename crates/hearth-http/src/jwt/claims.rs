//! What a token says: whether that is enough, and how functions are told.

use hearth_types::time::Timestamp;
use serde_json::{Map, Value};

use super::{Accepted, Expected, Refused};

/// Checks what a token says, whose signature is right.
///
/// # Errors
///
/// If it is not enough.
pub fn check(
    claims: Map<String, Value>,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Accepted, Refused> {
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(Refused::invalid("the token does not have a valid issuer"));
    }
    // AWS: `client_id` counts only if there is no `aud`.
    let audience = claims.get("aud").or_else(|| claims.get("client_id"));
    if !texts(audience).iter().any(|one| expected.audience.contains(one)) {
        return Err(Refused::invalid("the token does not have a valid audience"));
    }
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64).map(|at| at * 1_000.0);
    let now = millis(now);
    match seconds("exp") {
        None => return Err(Refused::invalid("the token does not say when it expires")),
        Some(end) if end <= now => return Err(Refused::invalid("the token has expired")),
        Some(_later) => {}
    }
    if seconds("nbf").is_some_and(|begin| begin > now) {
        return Err(Refused::invalid("the token is not valid yet"));
    }
    if seconds("iat").is_some_and(|issued| issued > now) {
        return Err(Refused::invalid("the token was issued in the future"));
    }
    let scopes = scopes(&claims);
    let is_enough =
        expected.scopes.is_empty() || expected.scopes.iter().any(|scope| scopes.contains(scope));
    if !is_enough {
        return Err(Refused::Scope);
    }
    Ok(Accepted { claims, scopes })
}

/// The claims as functions find them: each a text. A list is written as AWS writes it: `[a b]`.
#[must_use]
pub fn as_texts(claims: &Map<String, Value>) -> Map<String, Value> {
    claims.iter().map(|(name, value)| (name.clone(), Value::from(shown(value)))).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(shown).collect();
            format!("[{}]", values.join(" "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// AWS: in `scope`, separated by blanks, or in `scp`, which is such a text or a list.
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let given = texts(claims.get("scope").or_else(|| claims.get("scp")));
    given.iter().flat_map(|text| text.split_ascii_whitespace()).map(str::to_owned).collect()
}

/// A text, or those of a list.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(values)) => {
            values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            Vec::new()
        }
    }
}

/// As tokens count, which may be with a fraction. Exact for some hundred thousand years.
fn millis(at: Timestamp) -> f64 {
    let seconds = u32::try_from(at.0 / 1_000).unwrap_or(u32::MAX);
    let rest = u32::try_from(at.0 % 1_000).unwrap_or_default();
    f64::from(seconds) * 1_000.0 + f64::from(rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_500);

    fn checked(more: Value, scopes: &[&str]) -> Result<Accepted, Refused> {
        let mut claims = json!({
            "iss": "https://issuer.example", "aud": "me", "exp": 1_700_000_001, "sub": "s",
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name.as_str()] = value.clone();
        }
        let Value::Object(mut claims) = claims else { unreachable!() };
        claims.retain(|_name, value| !value.is_null());
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let audience = ["me".to_owned(), "other".to_owned()];
        let expected =
            Expected { issuer: "https://issuer.example", audience: &audience, scopes: &scopes };
        check(claims, expected, NOW)
    }

    #[test]
    fn claims_are_checked_as_aws_says() {
        #[rustfmt::skip]
        let rows: &[(Value, &[&str], Option<&str>)] = &[
            (json!({}),                                           &[],       None),
            (json!({"aud": ["x", "other"]}),                      &[],       None),
            (json!({"aud": null, "client_id": "me"}),             &[],       None),
            (json!({"aud": "x", "client_id": "me"}),              &[],       Some("the token does not have a valid audience")),
            (json!({"aud": null}),                                &[],       Some("the token does not have a valid audience")),
            (json!({"iss": "https://issuer.example/"}),           &[],       Some("the token does not have a valid issuer")),
            (json!({"exp": 1_700_000_000}),                       &[],       Some("the token has expired")),
            (json!({"exp": 1_700_000_000.5}),                     &[],       Some("the token has expired")),
            (json!({"exp": null}),                                &[],       Some("the token does not say when it expires")),
            (json!({"nbf": 1_700_000_002}),                       &[],       Some("the token is not valid yet")),
            (json!({"nbf": 1_700_000_000, "iat": 1_700_000_000}), &[],       None),
            (json!({"iat": 1_700_000_002}),                       &[],       Some("the token was issued in the future")),
            (json!({"scope": "a read"}),                          &["read", "write"], None),
            (json!({"scp": ["write"]}),                           &["read", "write"], None),
            (json!({"scp": "x write"}),                           &["read", "write"], None),
            (json!({"scope": "reading"}),                         &["read"], Some("the token does not have a required scope")),
            (json!({}),                                           &["read"], Some("the token does not have a required scope")),
        ];
        for (more, scopes, expected) in rows {
            let refused = checked(more.clone(), scopes).err().map(|why| why.to_string());
            assert_eq!(refused.as_deref(), *expected, "{more} {scopes:?}");
        }
    }

    #[test]
    fn functions_find_claims_as_texts() {
        let Value::Object(claims) = json!({
            "sub": "s", "exp": 5, "admin": true, "groups": ["a", "b"], "of": {"x": 1},
        }) else {
            unreachable!()
        };
        let expected = json!({
            "sub": "s", "exp": "5", "admin": "true", "groups": "[a b]", "of": "{\"x\":1}",
        });
        assert_eq!(Value::Object(as_texts(&claims)), expected);
    }
}
