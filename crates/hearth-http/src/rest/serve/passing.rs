//! A request on its way through a REST API: what is known of it, and how events tell it.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::edit::resource::Part;
use super::super::record::{RestApi, Snapshot, Stage};
use super::mapping::Known;
use super::media;
use super::routing::Found;
use crate::event::v1::{self, BodyForm, Maker, extended_id};
use crate::event::{query_pairs, request_time};
use crate::permitted::Asked;
use crate::request::Request;

/// A request that has found its method.
#[derive(Debug)]
pub(super) struct Passing<'a> {
    pub(super) api: &'a RestApi,
    pub(super) stage: &'a Stage,
    pub(super) snapshot: &'a Snapshot,
    pub(super) found: Found<'a>,
    /// The path without the stage.
    pub(super) path: &'a str,
    pub(super) request: &'a Request,
}

/// What was found out about the client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Client {
    /// What the authorizer has said, as events tell it.
    pub(super) authorizer: Option<Map<String, Value>>,
    /// The key that the authorizer has named.
    pub(super) usage_key: Option<String>,
    /// The id and the value of the key that the client has.
    pub(super) key: Option<(String, String)>,
}

impl Passing<'_> {
    /// The ARN of the request, as policies are asked about it.
    pub(super) fn method_arn(&self) -> String {
        let (stage, method) = (&self.stage.name, &self.request.method);
        let path = policy_path(&self.found.resource.path, self.path);
        format!("{}/{stage}/{method}/{path}", self.api.execute_arn())
    }

    /// The ARN of the method, as the permissions of functions name it.
    pub(super) fn source_arn(&self) -> String {
        let (stage, method) = (&self.stage.name, &self.request.method);
        format!("{}/{stage}/{method}{}", self.api.execute_arn(), self.found.resource.path)
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

    /// The event of the function behind the method.
    pub(super) fn event(&self, client: &Client) -> Bytes {
        Bytes::from(v1::event(self.request, &self.context(client)))
    }

    /// The event of an authorizer that is asked by the whole request.
    pub(super) fn request_event(&self) -> Bytes {
        let context = self.context(&NOBODY);
        Bytes::from(v1::authorizer_event(self.request, &context, &self.method_arn()))
    }

    /// The event of an authorizer that is asked by a token.
    pub(super) fn token_event(&self, token: &str) -> Bytes {
        let event = json!({
            "type": "TOKEN",
            "methodArn": self.method_arn(),
            "authorizationToken": token,
        });
        Bytes::from(event.to_string())
    }

    fn context<'c>(&'c self, client: &'c Client) -> v1::Context<'c> {
        let types = &self.snapshot.binary_types;
        let is_binary = media::is_binary(types, self.request.header("content-type"));
        let key = client.key.as_ref();
        v1::Context {
            maker: Maker::Rest,
            account: self.api.scope.account.as_str(),
            api: &self.api.id,
            stage: &self.stage.name,
            stage_variables: &self.stage.variables,
            deployment: Some(&self.snapshot.deployment),
            resource: &self.found.resource.path,
            resource_id: Some(&self.found.resource.id),
            operation_name: self.found.method.operation_name.as_deref(),
            path: self.path,
            context_path: &self.request.path,
            path_parameters: &self.found.parameters,
            authorizer: client.authorizer.as_ref(),
            api_key: key.map(|(id, value)| v1::ApiKey { id, value }),
            trace: self.request.header("x-amzn-trace-id"),
            body: if is_binary { BodyForm::Base64 } else { BodyForm::Text },
        }
    }
}

/// A path as policies know it, without its first slash. However a client spells the path of a
/// resource, it is one and the same there, so that no denial is avoided by another spelling.
fn policy_path(template: &str, path: &str) -> String {
    let mut given = path.strip_prefix('/').unwrap_or(path).split('/');
    let mut parts = Vec::new();
    for expected in template.split('/').filter(|part| !part.is_empty()) {
        match Part::of(expected) {
            Some(Part::Greedy) => parts.extend(given.by_ref().map(plain)),
            Some(Part::Variable) => parts.extend(given.next().map(plain)),
            Some(Part::Literal) | None => {
                given.next();
                parts.push(expected.to_owned());
            }
        }
    }
    parts.join("/")
}

/// A text in which nothing is percent-encoded that need not be. What may mean something else when it
/// is decoded, such as a slash or a `*`, stays as it is.
fn plain(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        whole.push_str(before);
        let byte = behind.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                whole.push(char::from(byte));
                rest = &behind[2..];
            }
            None => {
                whole.push('%');
                rest = behind;
            }
        }
    }
    whole.push_str(rest);
    whole
}

/// A client of whom nothing is known.
static NOBODY: Client = Client { authorizer: None, usage_key: None, key: None };

/// A request with what was found out about its client.
pub(super) struct Told<'a>(pub(super) &'a Passing<'a>, pub(super) &'a Client);

impl Known for Told<'_> {
    fn header(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        self.0.request.header(&name).map(str::to_owned)
    }

    fn query(&self, name: &str) -> Option<String> {
        let pairs = query_pairs(&self.0.request.query).into_iter().rev();
        let mut pairs = pairs.filter(|(known, _)| known == name);
        pairs.next().map(|(_, value)| value)
    }

    fn path(&self, name: &str) -> Option<String> {
        let mut parameters = self.0.found.parameters.iter();
        parameters.find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.0.stage.variables.get(name).cloned()
    }

    fn context(&self, name: &str) -> Option<String> {
        let Self(passing, client) = self;
        let request = passing.request;
        if let Some(name) = name.strip_prefix("authorizer.") {
            let said = client.authorizer.as_ref()?.get(name)?;
            return Some(said.as_str().map_or_else(|| said.to_string(), str::to_owned));
        }
        let value = match name {
            "accountId" => passing.api.scope.account.to_string(),
            "apiId" => passing.api.id.clone(),
            "deploymentId" => passing.snapshot.deployment.clone(),
            "domainName" => request.host.clone(),
            "domainPrefix" => request.host.split('.').next()?.to_owned(),
            "extendedRequestId" => extended_id(request),
            "httpMethod" => request.method.clone(),
            "identity.apiKey" => client.key.as_ref()?.1.clone(),
            "identity.apiKeyId" => client.key.as_ref()?.0.clone(),
            "identity.sourceIp" => request.from.to_string(),
            "identity.userAgent" => request.header("user-agent")?.to_owned(),
            "path" => request.path.clone(),
            "protocol" => request.protocol.to_owned(),
            "requestId" => request.id.to_string(),
            "requestTime" => request_time(request.time),
            "requestTimeEpoch" => request.time.0.to_string(),
            "resourceId" => passing.found.resource.id.clone(),
            "resourcePath" => passing.found.resource.path.clone(),
            "stage" => passing.stage.name.clone(),
            _ => return None,
        };
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling_for_policies() {
        #[rustfmt::skip]
        let rows = [
            ("/",               "/",                 ""),
            ("/pets",           "/pets",             "pets"),
            ("/pets",           "/p%65ts/",          "pets"),
            ("/pets/{id}",      "/%70ets/a%20%62",   "pets/a%20b"),
            ("/pets/{id}",      "/pets/%2A%2f%25",   "pets/%2A%2f%25"),
            ("/pets/{id}",      "/pets/%2541%4%",    "pets/%2541%4%"),
            ("/{proxy+}",       "/%61dmin/x/",       "admin/x/"),
            ("/a/{b}/{rest+}",  "/a/1/2/%33",        "a/1/2/3"),
        ];
        for (template, path, expected) in rows {
            assert_eq!(policy_path(template, path), expected, "{template} {path}");
        }
    }
}
