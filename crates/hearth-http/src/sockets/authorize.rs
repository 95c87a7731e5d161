//! The authorizer of `$connect`: a function that is asked about a handshake, each time.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Sockets;
use super::event::{self, Happening};
use super::said::Said;
use super::scene::CONNECT;
use crate::apis::identity::{Identified, IdentitySource};
use crate::apis::limits::AUTHORIZER_MILLIS_MAX;
use crate::apis::record::{Authorization, Authorizer, Protocol, Route};
use crate::authorizer::answer::{self, Answer, Unanswered};
use crate::authorizer::policy::{Question, Verdict};
use crate::event::query_pairs;
use crate::functions::Failure;
use crate::permitted;
use crate::request::Request;

impl Sockets {
    /// Finds out whether a handshake may go on, and what functions are told about whoever makes it.
    pub(super) async fn authorize(
        &self,
        happening: &Happening<'_>,
        request: &Request,
        route: &Route,
    ) -> Result<Option<Map<String, Value>>, Said> {
        let authorizer = match route.authorization {
            Authorization::None => return Ok(None),
            // The rules of routes let only the second one be.
            Authorization::Jwt => return Err(Said::Internal),
            Authorization::Custom => route.authorizer.as_ref(),
        };
        let authorizer = authorizer.and_then(|id| happening.scene.snapshot.authorizers.get(id));
        let authorizer = authorizer.ok_or(Said::Internal)?;
        let handshake = Handshake { happening, request };
        let variables = happening.scene.variables();
        let is_there = |source: &String| {
            let source = IdentitySource::parse(Protocol::WebSocket, source);
            source.is_some_and(|source| source.value(&handshake, variables).is_some())
        };
        if !authorizer.identity_sources.iter().all(is_there) {
            return Err(Said::Unauthorized);
        }
        let answer = self.ask_authorizer(&handshake, authorizer).await?;
        let from = request.from.to_string();
        let context = [("aws:SourceIp", from.as_str())];
        let resource = &happening.scene.route_arn(CONNECT);
        match answer.policy.decide(Question { resource, context: &context }) {
            Verdict::Allowed => {
                let mut told = answer.context_as_texts();
                told.insert("principalId".to_owned(), Value::from(answer.principal));
                Ok(Some(told))
            }
            Verdict::NotAllowed | Verdict::Denied => Err(Said::Forbidden),
        }
    }

    async fn ask_authorizer(
        &self,
        handshake: &Handshake<'_>,
        authorizer: &Authorizer,
    ) -> Result<Answer, Said> {
        let Handshake { happening, request } = *handshake;
        let scene = happening.scene;
        let source = format!("{}/authorizers/{}", scene.api_arn(), authorizer.id);
        let uri = authorizer.uri.as_deref().unwrap_or_default();
        let asked = scene.asked((uri, &source), authorizer.credentials.as_deref());
        let event = || event::authorizer(happening, request, &scene.route_arn(CONNECT));
        let limit = Duration::from_millis(AUTHORIZER_MILLIS_MAX);
        let bounds = (request.header("x-amzn-trace-id"), limit);
        let call = permitted::call(&self.control, &asked, event, bounds).ok_or(Said::Internal)?;
        let api = &scene.api.id;
        let ran = self.functions.run(call).await.map_err(|why| failed(api, &why))?;
        answer::read(&ran.payload).map_err(|why| {
            tracing::info!(api, %why, "an authorizer answered in a wrong form");
            Said::Internal
        })
    }
}

/// What is said when the function of an authorizer fails.
fn failed(api: &str, why: &Failure) -> Said {
    match answer::unanswered(api, why) {
        Unanswered::Unauthorized => Said::Unauthorized,
        Unanswered::Closing => Said::Closing,
        Unanswered::Broken => Said::Internal,
    }
}

/// A handshake, as identity sources look at it.
struct Handshake<'a> {
    happening: &'a Happening<'a>,
    request: &'a Request,
}

impl Identified for Handshake<'_> {
    fn header(&self, name: &str) -> Option<String> {
        self.request.header(name).map(str::to_owned)
    }

    fn query(&self, name: &str) -> Option<String> {
        let pairs = query_pairs(&self.request.query);
        pairs.into_iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    fn context(&self, name: &str) -> Option<String> {
        let Happening { scene, connection, request_id, now } = *self.happening;
        let value = match name {
            "apiId" => scene.api.id.clone(),
            "connectedAt" => connection.connected.0.to_string(),
            "connectionId" => connection.id.clone(),
            "domainName" => connection.domain.clone(),
            "eventType" => "CONNECT".to_owned(),
            "extendedRequestId" | "requestId" => request_id.to_owned(),
            "identity.sourceIp" => connection.from.to_string(),
            "identity.userAgent" => connection.user_agent.clone()?,
            "requestTimeEpoch" => now.0.to_string(),
            "routeKey" => CONNECT.to_owned(),
            "stage" => scene.stage.clone(),
            _ => return None,
        };
        Some(value)
    }
}
