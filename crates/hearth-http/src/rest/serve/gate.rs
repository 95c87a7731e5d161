//! Who is let through: the policy of the API, the authorizer of the method, keys, and bounds.
//!
//! ```text
//!  the API's policy ──▶ authorizer ──▶ key ──▶ the plan's bounds and quota ──▶ the stage's bounds
//!    403 denied          401, 403, 500  403      429                             429
//! ```

use std::sync::Arc;
use std::time::Duration;

use hearth_types::bucket::Rate;
use serde_json::Value;
use tokio::time::Instant;

use super::super::keys::Admitted;
use super::super::limits;
use super::super::record::{Authorization, Authorizer, AuthorizerKind, KeySource};
use super::RestSite;
use super::authorize::{self, Source};
use super::passing::{Client, Passing, Told};
use super::said::Said;
use crate::authorizer::answer::{self, Answer, Unanswered};
use crate::authorizer::policy::{Kind, Policy, Question, Verdict};
use crate::authorizer::remembered::{Asked, Place};
use crate::functions::Failure;
use crate::permitted;
use crate::request::Scheme;
use crate::throttle::{self, Throttle, TooMany};

/// What a client shows as its key.
const KEY_HEADER: &str = "x-api-key";

impl RestSite {
    /// Lets a request through, with what is known of its client, or says why not.
    pub(super) async fn enter(&self, passing: &Passing<'_>) -> Result<Client, Said> {
        let by_api = by_api(passing);
        if by_api == Some(Verdict::Denied) {
            return Err(Said::DeniedByApi(passing.method_arn()));
        }
        let mut client = self.authorize(passing, by_api).await?;
        if passing.found.method.key_required {
            self.count(passing, &mut client)?;
        }
        let (path, method) = (&passing.found.resource.path, passing.found.name);
        let settings = passing.stage.settings_of(path, method);
        let rate = settings.and_then(|settings| rate(settings.rate, settings.burst));
        let (api, stage) = (passing.api.id.as_str(), passing.stage.name.as_str());
        let entered = self.throttle.enter(&["method", api, stage, method, path], rate);
        entered.map_err(|TooMany| Said::TooMany)?;
        Ok(client)
    }

    /// Asks the authorizer, if there is one. Where the policy of the API allows a request, nothing
    /// but a denial of the authorizer stops it; where that policy says nothing, the authorizer has
    /// to allow it.
    async fn authorize(
        &self,
        passing: &Passing<'_>,
        by_api: Option<Verdict>,
    ) -> Result<Client, Said> {
        let method = passing.found.method;
        let authorizer = match method.authorization {
            Authorization::None => None,
            Authorization::Custom => {
                let authorizer = method.authorizer.as_ref();
                let authorizer = authorizer.and_then(|id| passing.snapshot.authorizers.get(id));
                // The rules of methods do not let it be absent.
                Some(authorizer.ok_or(Said::AuthorizerBroken)?)
            }
        };
        let Some(authorizer) = authorizer else {
            return match by_api {
                None | Some(Verdict::Allowed) => Ok(Client::default()),
                Some(Verdict::NotAllowed | Verdict::Denied) => {
                    Err(Said::NotAllowedByApi(passing.method_arn()))
                }
            };
        };
        let began = Instant::now();
        let answer = self.answer_of(passing, authorizer).await?;
        let arn = passing.method_arn();
        let from = passing.request.from.to_string();
        let known = [("aws:SourceIp", from.as_str())];
        let question = Question { resource: &arn, context: &known };
        match (answer.policy.decide(question), by_api) {
            (Verdict::Denied, _) => return Err(Said::Denied),
            (Verdict::NotAllowed, None | Some(Verdict::NotAllowed | Verdict::Denied)) => {
                return Err(Said::NotAllowed);
            }
            (Verdict::Allowed, _) | (Verdict::NotAllowed, Some(Verdict::Allowed)) => {}
        }
        let mut said = answer.context_as_texts();
        said.insert("principalId".to_owned(), Value::from(answer.principal.as_str()));
        let latency = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        said.insert("integrationLatency".to_owned(), Value::from(latency));
        let usage_key = answer.usage_key.clone();
        Ok(Client { authorizer: Some(said), usage_key, key: None })
    }

    /// What an authorizer says, from memory if it has said it already.
    async fn answer_of(
        &self,
        passing: &Passing<'_>,
        authorizer: &Authorizer,
    ) -> Result<Arc<Answer>, Said> {
        let values = identity(passing, authorizer)?;
        let place = Place {
            api: &passing.api.id,
            stage: &passing.stage.name,
            deployment: &passing.snapshot.deployment,
            authorizer: &authorizer.id,
        };
        let asked = Asked::of(place, &values);
        if let Some(known) = self.apis.authorized.get(&asked) {
            return Ok(known);
        }
        let event = || match (authorizer.kind, values.as_slice()) {
            (AuthorizerKind::Token, [token]) => passing.token_event(token),
            (AuthorizerKind::Token | AuthorizerKind::Request, _) => passing.request_event(),
        };
        let source = format!("{}/authorizers/{}", passing.api.execute_arn(), authorizer.id);
        let (uri, role) = (authorizer.uri.as_str(), authorizer.credentials.as_deref());
        let wanted = passing.asked((uri, &source), role);
        let limit = Duration::from_millis(u64::from(limits::AUTHORIZER_MILLIS_MAX));
        let bounds = (passing.request.header("x-amzn-trace-id"), limit);
        let call = permitted::call(&self.control, &wanted, event, bounds);
        let call = call.ok_or(Said::AuthorizerBroken)?;
        let ran = self.functions.run(call).await.map_err(|why| failed(&passing.api.id, &why))?;
        let answer = answer::read(&ran.payload).map_err(|why| {
            tracing::info!(api = passing.api.id, %why, "an authorizer answered in a wrong form");
            Said::AuthorizerBroken
        })?;
        let answer = Arc::new(answer);
        let size = (ran.payload.len(), authorizer.ttl_seconds);
        self.apis.authorized.put(asked, &answer, size);
        Ok(answer)
    }

    /// Looks for the client's key and counts the request for it.
    fn count(&self, passing: &Passing<'_>, client: &mut Client) -> Result<(), Said> {
        let value = match passing.snapshot.key_source {
            KeySource::Header => passing.request.header(KEY_HEADER).map(str::to_owned),
            KeySource::Authorizer => client.usage_key.clone(),
        };
        let value = value.ok_or(Said::Forbidden)?;
        let place = (passing.api.id.as_str(), passing.stage.name.as_str());
        let admitted = self.apis.keys.admit(&passing.api.scope, &value, place);
        let admitted = admitted.ok_or(Said::Forbidden)?;
        let names = (passing.found.resource.path.as_str(), passing.found.name);
        let entered = enter_plan(&self.throttle, (&admitted, place), names);
        entered.map_err(|TooMany| Said::TooMany)?;
        let counted = self.apis.keys.count(&admitted, passing.request.time);
        counted.map_err(|_exceeded| Said::LimitExceeded)?;
        client.key = Some((admitted.key.id.clone(), admitted.key.value.clone()));
        Ok(())
    }
}

/// What the policy of the API says, if it has one.
fn by_api(passing: &Passing<'_>) -> Option<Verdict> {
    let text = passing.snapshot.policy.as_deref()?;
    // What is kept was a policy when it was put; what is none lets nobody in.
    let document: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let Ok(policy) = Policy::read(&document, Kind::OfResource) else {
        return Some(Verdict::Denied);
    };
    let (arn, from) = (passing.method_arn(), passing.request.from.to_string());
    let is_secure = match passing.request.scheme {
        Scheme::Http => "false",
        Scheme::Https => "true",
    };
    let mut context = vec![("aws:SourceIp", from.as_str()), ("aws:SecureTransport", is_secure)];
    let headers = [("aws:UserAgent", "user-agent"), ("aws:Referer", "referer")];
    context.extend(
        headers
            .iter()
            .filter_map(|(key, name)| passing.request.header(name).map(|value| (*key, value))),
    );
    Some(policy.decide(Question { resource: &arn, context: &context }))
}

/// By what an authorizer is to decide, if all of it is there and looks as it should.
fn identity(passing: &Passing<'_>, authorizer: &Authorizer) -> Result<Vec<String>, Said> {
    let sources = authorize::sources(&authorizer.identity_source);
    let sources = sources.ok_or(Said::AuthorizerBroken)?;
    let client = Client::default();
    let told = Told(passing, &client);
    let values = sources.iter().map(|source: &Source| source.value(&told));
    let values: Option<Vec<String>> = values.collect();
    let values = values.ok_or(Said::Unauthorized)?;
    if let (Some(text), Some(token)) = (&authorizer.validation, values.first()) {
        let expression = authorize::expression(text).ok_or(Said::AuthorizerBroken)?;
        // One that backtracks without end fits nothing.
        if !expression.is_match(token.as_str()).unwrap_or(false) {
            return Err(Said::Unauthorized);
        }
    }
    Ok(values)
}

/// Lets a request of a key in: of the plan, and of the method in it.
fn enter_plan(
    throttle: &Throttle,
    (admitted, (api, stage)): (&Admitted, (&str, &str)),
    (path, method): (&str, &str),
) -> Result<(), TooMany> {
    let Admitted { key, plan } = admitted;
    let of_stage = plan.stage(api, stage);
    let of_method = of_stage.and_then(|one| one.throttle.get(&format!("{path}/{method}")));
    let mut names = vec!["plan", plan.id.as_str(), key.id.as_str()];
    // What is said of the method counts in place of what is said of the plan.
    let bounds = match (of_method, plan.throttle.as_ref()) {
        (Some(own), _) => {
            names.extend([api, stage, method, path]);
            own
        }
        (None, Some(all)) => all,
        (None, None) => return Ok(()),
    };
    throttle.enter(&names, rate(bounds.rate, bounds.burst))
}

/// A bound as plans and stages write it. Their rules let no burst be below zero.
fn rate(per_second: Option<f64>, burst: Option<i32>) -> Option<Rate> {
    throttle::rate(per_second, burst.map(|burst| u32::try_from(burst).unwrap_or(0)))
}

/// What is said when the function of an authorizer fails.
fn failed(api: &str, why: &Failure) -> Said {
    match answer::unanswered(api, why) {
        Unanswered::Unauthorized => Said::Unauthorized,
        Unanswered::Closing => Said::Unavailable,
        Unanswered::Broken => Said::AuthorizerBroken,
    }
}
