//! What is kept of an API: its routes, integrations, authorizers and stages, and what its
//! deployments have frozen of them.
//!
//! ```text
//!  Api ── routes ──▶ integrations          what is being edited
//!   │        └─────▶ authorizers
//!   ├── deployments ──▶ Snapshot           a copy of the above, in a record of its own
//!   └── stages ───────▶ one deployment     what is served
//! ```
//!
//! # Deliberately absent
//!
//! What is refused is not here: VPC links, parameter mapping, models, templates, access logs. Nor
//! are the rules of what may be kept (`rules`).

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::words::words;

/// The stage that is served without its name in the path.
pub const DEFAULT_STAGE: &str = "$default";
/// The key of the route for whatever no other route is for.
pub const DEFAULT_ROUTE: &str = "$default";

words! {
    /// What the clients of an API speak.
    Protocol {
        /// A request at a time.
        Http = "HTTP",
        /// Messages in both directions.
        WebSocket = "WEBSOCKET",
    }
    /// Who may use a route.
    Authorization {
        /// Everybody.
        None = "NONE",
        /// Whoever has a token that a JWT authorizer accepts.
        Jwt = "JWT",
        /// Whomever a function lets.
        Custom = "CUSTOM",
    }
    /// How an authorizer decides.
    AuthorizerKind {
        /// By the signature and the claims of a token.
        Jwt = "JWT",
        /// By asking a function.
        Request = "REQUEST",
    }
    /// What becomes of a request.
    IntegrationKind {
        /// A function gets it whole.
        AwsProxy = "AWS_PROXY",
        /// An HTTP endpoint gets it whole.
        HttpProxy = "HTTP_PROXY",
    }
    /// The form of the events that a function gets.
    PayloadFormat {
        /// As REST APIs have it.
        One = "1.0",
        /// Smaller.
        Two = "2.0",
    }
    /// By which addresses an API can be reached: kept.
    IpAddressType {
        /// The old ones only.
        V4 = "ipv4",
        /// The new ones as well.
        Dual = "dualstack",
    }
}

/// An API, with everything that belongs to it but the snapshots of its deployments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Api {
    /// Whose it is, and where.
    pub scope: Scope,
    /// Ten lower-case letters and digits; no other API of this server has it.
    pub id: String,
    /// What its clients speak.
    pub protocol: Protocol,
    /// Its name, which others may have as well.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which version of itself it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How the route of a message is found, such as `$request.body.action`.
    pub route_selection: String,
    /// Where the key of a client is found: kept, because no route asks for one.
    pub api_key_selection: String,
    /// What browsers are told about other origins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Whether it does not answer under the address that it has from its id.
    #[serde(default)]
    pub endpoint_disabled: bool,
    /// Whether models are not looked at in deployments: kept, because there are no models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_validation_disabled: Option<bool>,
    /// By which addresses it can be reached: kept.
    pub addresses: IpAddressType,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// What was said about the document that it was imported from.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Its routes, by their ids.
    #[serde(default)]
    pub routes: BTreeMap<String, Route>,
    /// Its integrations, by their ids.
    #[serde(default)]
    pub integrations: BTreeMap<String, Integration>,
    /// Its authorizers, by their ids.
    #[serde(default)]
    pub authorizers: BTreeMap<String, Authorizer>,
    /// Its stages, by their names.
    #[serde(default)]
    pub stages: BTreeMap<String, Stage>,
    /// Its deployments, by their ids.
    #[serde(default)]
    pub deployments: BTreeMap<String, Deployment>,
}

/// What browsers are told about calls from other origins. Each part is absent unless it was given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cors {
    /// Whether calls may carry credentials.
    pub allow_credentials: Option<bool>,
    /// The headers that calls may have.
    pub allow_headers: Option<Vec<String>>,
    /// The methods of calls.
    pub allow_methods: Option<Vec<String>>,
    /// Where calls may come from.
    pub allow_origins: Option<Vec<String>>,
    /// The headers of the response that the caller may see.
    pub expose_headers: Option<Vec<String>>,
    /// How long all this may be remembered; -1 for not at all.
    pub max_age_seconds: Option<i32>,
}

/// A route: what a request, or a message, has to be like, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Its id.
    pub id: String,
    /// `GET /pets/{id}`, `ANY /{proxy+}`, `$default`; of a WebSocket API `$connect`, `$disconnect`,
    /// `$default`, or what its route selection expression leads to.
    pub key: String,
    /// The id of the integration that gets it; without one, nobody answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<String>,
    /// Who may use it.
    pub authorization: Authorization,
    /// The id of the authorizer that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<String>,
    /// Of these scopes a token has to have one, if there are any.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<String>,
    /// Which of the responses below answers a message; without it, nothing is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_selection: Option<String>,
    /// What answers messages, by the ids.
    #[serde(default)]
    pub responses: BTreeMap<String, RouteResponse>,
    /// Whether it came with the API.
    #[serde(default)]
    pub managed: bool,
}

/// That a message of a route is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteResponse {
    /// Its id.
    pub id: String,
    /// Its key; `$default` is the only one that AWS has.
    pub key: String,
}

/// An integration: who gets requests, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// Its id.
    pub id: String,
    /// What becomes of a request.
    pub kind: IntegrationKind,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The method that an endpoint is asked with; that of the request if it is absent or `ANY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A function, by its ARN or by the URI with which API Gateway invokes it, or an address. Stage
    /// variables may stand in it.
    pub uri: String,
    /// The form of a function's events.
    pub payload_format: PayloadFormat,
    /// How long an answer is waited for.
    pub timeout_millis: u32,
    /// The role that a function is invoked with. Then the function's own policy does not matter,
    /// and what the role may do is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// Whether it came with the API.
    #[serde(default)]
    pub managed: bool,
}

/// An authorizer: who decides whether a request is let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorizer {
    /// Its id.
    pub id: String,
    /// Its name, which no other authorizer of its API has.
    pub name: String,
    /// How it decides.
    pub kind: AuthorizerKind,
    /// Where that is in a request by which it decides: `$request.header.Authorization`.
    pub identity_sources: Vec<String>,
    /// Whose tokens it accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// The URI of the function that it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The role that the function is invoked with, as in [`Integration::credentials`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// The form of the function's events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_format: Option<PayloadFormat>,
    /// How long the function's answer is good for; 0 for once.
    #[serde(default)]
    pub ttl_seconds: u32,
    /// Whether the function answers `{"isAuthorized": …}` in place of a policy.
    #[serde(default)]
    pub simple_responses: bool,
}

/// Whose tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwt {
    /// Who has to have issued a token; its keys are found below this address.
    pub issuer: String,
    /// For one of these it has to be.
    pub audience: Vec<String>,
}

/// A stage: an address under which a deployment is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What is served; nothing if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// Whether every change of the API makes a deployment of its own that is served here.
    #[serde(default)]
    pub auto_deploy: bool,
    /// Its variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What holds for routes of which nothing else is said.
    #[serde(default)]
    pub default_settings: RouteSettings,
    /// What holds for single routes, by their keys.
    #[serde(default)]
    pub route_settings: BTreeMap<String, RouteSettings>,
    /// When it was made.
    pub created: Timestamp,
    /// When it, or what is served there, was last changed.
    pub updated: Timestamp,
    /// What is said about its last automatic deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_message: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether it came with the API.
    #[serde(default)]
    pub managed: bool,
}

/// What holds for routes of a stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteSettings {
    /// How many requests there may be at once.
    pub burst: Option<u32>,
    /// How many requests there may be in a second.
    pub rate: Option<f64>,
    /// Whether figures are wanted for each route: kept.
    pub detailed_metrics: Option<bool>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a change of the API made it.
    #[serde(default)]
    pub auto: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// What a deployment has frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// As in [`Api::scope`].
    pub scope: Scope,
    /// The id of its API.
    pub api: String,
    /// The id of its deployment.
    pub deployment: String,
    /// As in [`Api::route_selection`].
    pub route_selection: String,
    /// As in [`Api::cors`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// As in [`Api::routes`].
    pub routes: BTreeMap<String, Route>,
    /// As in [`Api::integrations`].
    pub integrations: BTreeMap<String, Integration>,
    /// As in [`Api::authorizers`].
    pub authorizers: BTreeMap<String, Authorizer>,
}

impl Api {
    /// Its ARN, as tags name it.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:apigateway:{}::/apis/{}", self.scope.region, self.id)
    }

    /// What a deployment of it freezes.
    #[must_use]
    pub fn snapshot(&self, deployment: &str) -> Snapshot {
        Snapshot {
            scope: self.scope.clone(),
            api: self.id.clone(),
            deployment: deployment.to_owned(),
            route_selection: self.route_selection.clone(),
            cors: self.cors.clone(),
            routes: self.routes.clone(),
            integrations: self.integrations.clone(),
            authorizers: self.authorizers.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_aws() {
        assert_eq!(Protocol::parse("WEBSOCKET"), Some(Protocol::WebSocket));
        assert_eq!(Protocol::parse("websocket"), None);
        assert_eq!(PayloadFormat::Two.name(), "2.0");
        let written = serde_json::to_value(PayloadFormat::One).unwrap();
        assert_eq!(written, serde_json::json!("1.0"));
    }
}
