//! Authorizers: whether a request is let through, by a token or by a function.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::identity::IdentitySource;
use super::super::limits::AUTHORIZER_MILLIS_MAX;
use super::super::record::{Authorization, Authorizer, Jwt, PayloadFormat, Protocol};
use super::ApiSite;
use super::passing::{Caller, Passing};
use super::said::Said;
use crate::authorizer::answer::{self, Answer};
use crate::authorizer::policy::{Question, Verdict as Decided};
use crate::authorizer::remembered::{Asked, Place};
use crate::jwt::{self, Expected, Refused, claims};
use crate::permitted;

/// What the function of an authorizer has said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// The caller may, or may not.
    Simple {
        /// Whether they may.
        is_authorized: bool,
        /// What else was said.
        context: Map<String, Value>,
    },
    /// The caller may what a policy says.
    Policy(Answer),
}

impl ApiSite {
    /// Finds out about the caller, if the route asks for that.
    pub(super) async fn authorize(&self, passing: &Passing<'_>) -> Result<Caller, Said> {
        let authorizer = passing.route.authorizer.as_ref();
        let authorizer = authorizer.and_then(|id| passing.snapshot.authorizers.get(id));
        match (passing.route.authorization, authorizer) {
            (Authorization::None, _) => Ok(Caller::Anybody),
            (Authorization::Jwt, Some(authorizer)) => self.by_token(passing, authorizer).await,
            (Authorization::Custom, Some(authorizer)) => {
                self.by_function(passing, authorizer).await
            }
            // The rules of routes do not let that be.
            (Authorization::Jwt | Authorization::Custom, None) => Err(Said::Internal),
        }
    }

    async fn by_token(
        &self,
        passing: &Passing<'_>,
        authorizer: &Authorizer,
    ) -> Result<Caller, Said> {
        let jwt = authorizer.jwt.as_ref().ok_or(Said::Internal)?;
        let identities = identities(passing, authorizer);
        let Some([identity]) = identities.as_deref() else {
            return Err(Said::Unauthorized(Some("Bearer".to_owned())));
        };
        let token = without_scheme(identity);
        let scopes = &passing.route.scopes;
        let Jwt { issuer, audience } = jwt;
        let expected = Expected { issuer, audience, scopes };
        match jwt::verify(&self.keys, token, expected, passing.request.time).await {
            Ok(accepted) => Ok(Caller::Token {
                claims: claims::as_texts(&accepted.claims),
                scopes: if scopes.is_empty() { Value::Null } else { accepted.scopes.into() },
            }),
            Err(Refused::Invalid(why)) => {
                Err(Said::Unauthorized(Some(challenge(scopes, "invalid_token", &why))))
            }
            Err(why @ Refused::Scope) => {
                let why = why.to_string();
                Err(Said::Forbidden(Some(challenge(scopes, "insufficient_scope", &why))))
            }
            Err(why @ Refused::Keys(_)) => {
                let why = why.to_string();
                Err(Said::Unauthorized(Some(challenge(scopes, "invalid_token", &why))))
            }
        }
    }

    async fn by_function(
        &self,
        passing: &Passing<'_>,
        authorizer: &Authorizer,
    ) -> Result<Caller, Said> {
        let identities = identities(passing, authorizer).ok_or(Said::Unauthorized(None))?;
        let place = Place {
            api: &passing.api.id,
            stage: &passing.stage.name,
            deployment: &passing.snapshot.deployment,
            authorizer: &authorizer.id,
        };
        let asked = Asked::of(place, &identities);
        let verdict = match self.remembered.get(&asked) {
            Some(verdict) => verdict,
            None => {
                let (verdict, bytes) = self.ask(passing, authorizer, &identities).await?;
                let verdict = Arc::new(verdict);
                self.remembered.put(asked, &verdict, (bytes, authorizer.ttl_seconds));
                verdict
            }
        };
        decide(passing, &verdict)
    }

    /// Asks the function of an authorizer. Beside its verdict stands how long the answer was.
    async fn ask(
        &self,
        passing: &Passing<'_>,
        authorizer: &Authorizer,
        identities: &[String],
    ) -> Result<(Verdict, usize), Said> {
        let source = format!("{}/authorizers/{}", passing.api_arn(), authorizer.id);
        let uri = authorizer.uri.as_deref().unwrap_or_default();
        let role = authorizer.credentials.as_deref();
        let asked = passing.asked((uri, &source), role);
        let event = || match authorizer.payload_format {
            Some(PayloadFormat::Two) => passing.authorizer_event_v2(identities),
            Some(PayloadFormat::One) | None => passing.authorizer_event_v1(identities),
        };
        let limit = Duration::from_millis(AUTHORIZER_MILLIS_MAX);
        let bounds = (passing.request.header("x-amzn-trace-id"), limit);
        let call = permitted::call(&self.control, &asked, event, bounds).ok_or(Said::Internal)?;
        let ran = self.functions.run(call).await.map_err(|why| {
            tracing::info!(api = passing.api.id, %why, "an authorizer did not answer");
            Said::Internal
        })?;
        let read = if authorizer.simple_responses {
            simple(&ran.payload)
        } else {
            answer::read(&ran.payload).ok().map(Verdict::Policy)
        };
        let verdict = read.ok_or_else(|| {
            tracing::info!(api = passing.api.id, "an authorizer answered in a wrong form");
            Said::Internal
        })?;
        Ok((verdict, ran.payload.len()))
    }
}

/// What stands at the identity sources; `None` if one of them is missing.
fn identities(passing: &Passing<'_>, authorizer: &Authorizer) -> Option<Vec<String>> {
    let sources = authorizer.identity_sources.iter();
    let values = sources.map(|source| {
        let source = IdentitySource::parse(Protocol::Http, source)?;
        source.value(passing, &passing.stage.variables)
    });
    values.collect()
}

/// The token of an `Authorization` header, or a bare one.
fn without_scheme(identity: &str) -> &str {
    match identity.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) | None => identity.trim(),
    }
}

/// AWS's header: `Bearer scope="" error="invalid_token" error_description="the token has expired"`.
fn challenge(scopes: &[String], error: &str, why: &str) -> String {
    let scopes = scopes.join(" ");
    format!("Bearer scope=\"{scopes}\" error=\"{error}\" error_description=\"{why}\"")
}

/// Reads `{"isAuthorized": true, "context": {…}}`.
fn simple(payload: &[u8]) -> Option<Verdict> {
    let Value::Object(mut members) = serde_json::from_slice(payload).ok()? else { return None };
    let is_authorized = members.get("isAuthorized")?.as_bool()?;
    let context = match members.remove("context") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(context)) => context,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return None;
        }
    };
    Some(Verdict::Simple { is_authorized, context })
}

fn decide(passing: &Passing<'_>, verdict: &Verdict) -> Result<Caller, Said> {
    match verdict {
        Verdict::Simple { is_authorized: true, context } => {
            Ok(Caller::Known { principal: None, context: context.clone() })
        }
        Verdict::Simple { is_authorized: false, .. } => Err(Said::Forbidden(None)),
        Verdict::Policy(answer) => {
            let from = passing.request.from.to_string();
            let context = [("aws:SourceIp", from.as_str())];
            let resource = &passing.route_arn();
            match answer.policy.decide(Question { resource, context: &context }) {
                Decided::Allowed => Ok(Caller::Known {
                    principal: Some(answer.principal.clone()),
                    context: answer.context.clone(),
                }),
                Decided::NotAllowed | Decided::Denied => Err(Said::Forbidden(None)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_stand_behind_its_scheme() {
        for identity in ["Bearer abc", "bearer  abc", "abc", " abc "] {
            assert_eq!(without_scheme(identity), "abc", "{identity}");
        }
        assert_eq!(without_scheme("Basic abc"), "Basic abc");
    }

    #[test]
    fn simple_answers() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"isAuthorized": true}"#,                          Some(true)),
            (r#"{"isAuthorized": false, "context": {"a": [1]}}"#,  Some(false)),
            (r#"{"isAuthorized": true, "context": null}"#,         Some(true)),
            (r#"{"isAuthorized": "true"}"#,                        None),
            (r#"{"isAuthorized": true, "context": 1}"#,            None),
            (r#"{}"#,                                              None),
            ("true",                                               None),
            ("",                                                   None),
        ];
        for (payload, expected) in rows {
            let read = simple(payload.as_bytes()).map(|verdict| match verdict {
                Verdict::Simple { is_authorized, .. } => is_authorized,
                Verdict::Policy(_) => panic!("it has no policy"),
            });
            assert_eq!(read, expected, "{payload}");
        }
    }
}
