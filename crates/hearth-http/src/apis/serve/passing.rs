//! A request on its way through an API: what is known of it, and how events tell it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::identity::Identified;
use super::super::record::{Api, Route, Snapshot, Stage};
use crate::event::v1::{self, BodyForm, Maker, extended_id};
use crate::event::{self, v2};
use crate::permitted::Asked;
use crate::request::Request;

/// A request that has found its route.
#[derive(Debug)]
pub(super) struct Passing<'a> {
    pub(super) api: &'a Api,
    pub(super) stage: &'a Stage,
    pub(super) snapshot: &'a Snapshot,
    pub(super) route: &'a Route,
    /// The variables of the route's path.
    pub(super) variables: Vec<(String, String)>,
    pub(super) request: &'a Request,
}

/// What was found out about the caller.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Caller {
    /// Nothing, because nothing was asked.
    Anybody,
    /// They have a token.
    Token {
        /// What it says, as texts.
        claims: Map<String, Value>,
        /// Its scopes, if the route wants some.
        scopes: Value,
    },
    /// A function has let them through.
    Known {
        /// Who they are, if the function has said so.
        principal: Option<String>,
        /// What else it has said.
        context: Map<String, Value>,
    },
}

impl Caller {
    /// As an event of format 2.0 has it.
    fn v2(&self) -> Option<Value> {
        match self {
            Self::Anybody => None,
            Self::Token { claims, scopes } => {
                Some(json!({ "jwt": { "claims": claims, "scopes": scopes } }))
            }
            Self::Known { context, .. } => Some(json!({ "lambda": context })),
        }
    }

    /// As an event of format 1.0 has it.
    fn v1(&self) -> Option<Map<String, Value>> {
        match self {
            Self::Anybody => None,
            Self::Token { claims, scopes } => {
                let claims = Value::Object(claims.clone());
                let members =
                    [("claims".to_owned(), claims), ("scopes".to_owned(), scopes.clone())];
                Some(Map::from_iter(members))
            }
            Self::Known { principal, context } => {
                let mut members = context.clone();
                if let Some(principal) = principal {
                    members.insert("principalId".to_owned(), Value::from(principal.as_str()));
                }
                Some(members)
            }
        }
    }
}

impl Passing<'_> {
    /// The ARN of the route, as permissions and policies name it.
    pub(super) fn route_arn(&self) -> String {
        let place = match self.route.key.split_once(' ') {
            Some((_method, path)) => format!("{}{path}", self.request.method),
            None => self.route.key.clone(),
        };
        format!("{}/{}/{place}", self.api_arn(), self.stage.name)
    }

    /// The ARN that those of its routes begin with.
    pub(super) fn api_arn(&self) -> String {
        let scope = &self.api.scope;
        format!("arn:aws:execute-api:{}:{}:{}", scope.region, scope.account, self.api.id)
    }

    /// The function of a URI, as this API asks for it on behalf of a source.
    pub(super) fn asked<'a>(
        &'a self,
        (uri, source): (&'a str, &'a str),
        role: Option<&'a str>,
    ) -> Asked<'a> {
        let (api, scope) = (&self.api.id, &self.api.scope);
        Asked { api, scope, variables: &self.stage.variables, uri, source, role }
    }

    /// The event of format 1.0.
    pub(super) fn event_v1(&self, caller: &Caller) -> Bytes {
        let authorizer = caller.v1();
        Bytes::from(v1::event(self.request, &self.context_v1(authorizer.as_ref())))
    }

    /// The event of format 1.0 for an authorizer.
    pub(super) fn authorizer_event_v1(&self, identities: &[String]) -> Bytes {
        let event = v1::authorizer_event(self.request, &self.context_v1(None), &self.route_arn());
        let mut event: Value = serde_json::from_slice(&event).expect("it was just written");
        let identity = identities.join(",");
        event["version"] = Value::from("1.0");
        event["identitySource"] = Value::from(identity.as_str());
        event["authorizationToken"] = Value::from(identity);
        Bytes::from(event.to_string())
    }

    fn context_v1<'c>(&'c self, authorizer: Option<&'c Map<String, Value>>) -> v1::Context<'c> {
        let key = &self.route.key;
        let resource = key.split_once(' ').map_or(key.as_str(), |(_method, path)| path);
        v1::Context {
            maker: Maker::Http,
            account: self.api.scope.account.as_str(),
            api: &self.api.id,
            stage: &self.stage.name,
            stage_variables: &self.stage.variables,
            deployment: None,
            resource,
            resource_id: None,
            operation_name: None,
            path: &self.request.path,
            context_path: &self.request.path,
            path_parameters: &self.variables,
            authorizer,
            api_key: None,
            trace: self.request.header("x-amzn-trace-id"),
            body: body_form(self.request),
        }
    }

    /// The event of format 2.0.
    pub(super) fn event_v2(&self, caller: &Caller) -> Bytes {
        let (request, variables) = (with_length(self.request), self.path_parameters());
        let (id, authorizer) = (extended_id(self.request), caller.v2());
        let context = self.context_v2(&id, variables.as_ref(), authorizer.as_ref());
        v2::Event::of(&request, &context).payload()
    }

    /// The event of format 2.0 for an authorizer: without the body.
    pub(super) fn authorizer_event_v2(&self, identities: &[String]) -> Bytes {
        let mut request = with_length(self.request);
        request.body.clear();
        let variables = self.path_parameters();
        let id = extended_id(self.request);
        let context = self.context_v2(&id, variables.as_ref(), None);
        let event = v2::Event::of(&request, &context);
        let mut event = serde_json::to_value(&event).expect("an event can be written as JSON");
        event["type"] = Value::from("REQUEST");
        event["routeArn"] = Value::from(self.route_arn());
        event["identitySource"] =
            if identities.is_empty() { Value::Null } else { Value::from(identities) };
        if let Some(members) = event.as_object_mut() {
            members.remove("body");
            members.remove("isBase64Encoded");
        }
        Bytes::from(event.to_string())
    }

    fn context_v2<'c>(
        &'c self,
        id: &'c str,
        variables: Option<&'c BTreeMap<String, String>>,
        authorizer: Option<&'c Value>,
    ) -> v2::Context<'c> {
        let host = self.request.host.as_str();
        v2::Context {
            route_key: &self.route.key,
            stage: &self.stage.name,
            api_id: &self.api.id,
            account_id: self.api.scope.account.as_str(),
            domain_prefix: host.split_once('.').map_or(host, |(first, _)| first),
            path: &self.request.path,
            request_id: id,
            path_parameters: variables,
            stage_variables: Some(&self.stage.variables),
            authorizer,
            cookies: v2::Cookies::Apart,
        }
    }

    fn path_parameters(&self) -> Option<BTreeMap<String, String>> {
        (!self.variables.is_empty()).then(|| self.variables.iter().cloned().collect())
    }
}

impl Identified for Passing<'_> {
    fn header(&self, name: &str) -> Option<String> {
        self.request.header(name).map(str::to_owned)
    }

    fn query(&self, name: &str) -> Option<String> {
        let pairs = event::query_pairs(&self.request.query);
        pairs.into_iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    fn context(&self, name: &str) -> Option<String> {
        let request = self.request;
        let value = match name {
            "accountId" => self.api.scope.account.to_string(),
            "apiId" => self.api.id.clone(),
            "domainName" => request.host.clone(),
            "httpMethod" => request.method.clone(),
            "identity.sourceIp" => request.from.to_string(),
            "identity.userAgent" => request.header("user-agent")?.to_owned(),
            "path" => request.path.clone(),
            "protocol" => request.protocol.to_owned(),
            "requestId" => extended_id(request),
            "routeKey" => self.route.key.clone(),
            "stage" => self.stage.name.clone(),
            _ => return None,
        };
        Some(value)
    }
}

/// Whether a body is carried as it is: AWS's rule for HTTP APIs is that of format 2.0.
fn body_form(request: &Request) -> BodyForm {
    let is_plain = request.header("content-encoding").is_none()
        && request.header("content-type").is_some_and(event::is_text)
        && std::str::from_utf8(&request.body).is_ok();
    if is_plain { BodyForm::Text } else { BodyForm::Base64 }
}

/// The request with its length, which AWS says also of a body that is empty.
fn with_length(request: &Request) -> Request {
    let mut with = request.clone();
    if request.header("content-length").is_none() {
        with.headers.push(("content-length".to_owned(), request.body.len().to_string()));
    }
    with
}
