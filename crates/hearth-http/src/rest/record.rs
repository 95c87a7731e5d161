//! What is kept of a REST API: the tree of its resources with their methods, its authorizers and its
//! stages, and what its deployments have frozen of them.
//!
//! ```text
//!  RestApi ── resources ──▶ methods ──▶ integration     what is being edited
//!   │              └ a tree below the root
//!   ├── deployments ──▶ Snapshot                        a copy of the above, in a record of its own
//!   └── stages ───────▶ one deployment                  what is served
//! ```
//!
//! # Deliberately absent
//!
//! What is refused is not here: integrations other than those of functions, of HTTP endpoints and
//! mocks; caches, canaries, access logs, client certificates, validators and private endpoints. Nor
//! are the rules of what may be kept (`edit`).

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::words::words;

/// The method of a resource that stands for all others.
pub const ANY: &str = "ANY";

words! {
    /// Where the key of a client is found.
    KeySource {
        /// In the header `x-api-key`.
        Header = "HEADER",
        /// In what the authorizer answers.
        Authorizer = "AUTHORIZER",
    }
    /// Who may use a method.
    Authorization {
        /// Everybody.
        None = "NONE",
        /// Whomever a function lets.
        Custom = "CUSTOM",
    }
    /// What an authorizer is asked by.
    AuthorizerKind {
        /// A token in a header.
        Token = "TOKEN",
        /// The whole request.
        Request = "REQUEST",
    }
    /// What becomes of a request.
    IntegrationKind {
        /// A function gets it whole.
        AwsProxy = "AWS_PROXY",
        /// An HTTP endpoint gets it whole.
        HttpProxy = "HTTP_PROXY",
        /// It is answered here.
        Mock = "MOCK",
    }
    /// What becomes of a request to a mock whose kind of content no template is for.
    Passthrough {
        /// Its body counts as what a template would have made.
        WhenNoMatch = "WHEN_NO_MATCH",
        /// The same, if there is no template at all.
        WhenNoTemplates = "WHEN_NO_TEMPLATES",
        /// It is refused.
        Never = "NEVER",
    }
    /// How a body is to be changed on its way. Kept: functions say themselves what their bodies are,
    /// and the templates of mocks are texts.
    ContentHandling {
        /// Base64 becomes bytes.
        ToBinary = "CONVERT_TO_BINARY",
        /// Bytes become base64.
        ToText = "CONVERT_TO_TEXT",
    }
    /// From where an API is reached: kept, because it is reached here either way.
    EndpointKind {
        /// Through the edge of a network.
        Edge = "EDGE",
        /// In its region.
        Regional = "REGIONAL",
    }
    /// By which addresses an API can be reached: kept.
    IpAddressType {
        /// The old ones only.
        V4 = "ipv4",
        /// The new ones as well.
        Dual = "dualstack",
    }
    /// What is logged of requests to a method: kept.
    LoggingLevel {
        /// Nothing.
        Off = "OFF",
        /// Failures.
        Error = "ERROR",
        /// Everything.
        Info = "INFO",
    }
}

/// A REST API, with everything that belongs to it but the snapshots of its deployments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestApi {
    /// Whose it is, and where.
    pub scope: Scope,
    /// Ten lower-case letters and digits; no other API of this server has it.
    pub id: String,
    /// Its name, which others may have as well.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which version of itself it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which kinds of content are bytes, and not text.
    #[serde(default)]
    pub binary_types: Vec<String>,
    /// Where the key of a client is found.
    pub key_source: KeySource,
    /// Who may use it at all, as the text of a policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// From where it is reached.
    pub endpoint: EndpointKind,
    /// By which addresses it can be reached.
    pub addresses: IpAddressType,
    /// Whether it does not answer under the address that it has from its id.
    #[serde(default)]
    pub endpoint_disabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// What was said about the document that it was imported from.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The id of the resource `/`.
    pub root: String,
    /// Its resources, by their ids.
    pub resources: BTreeMap<String, Resource>,
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

/// A resource: a part of a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// The id of the resource above; absent of the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Its own part of the path: `pets`, `{id}`, `{proxy+}`; empty of the root.
    pub part: String,
    /// The whole path: `/pets/{id}`.
    pub path: String,
    /// Its methods, by their names: `GET`, `ANY`.
    #[serde(default)]
    pub methods: BTreeMap<String, Method>,
}

/// A method of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// Who may use it.
    pub authorization: Authorization,
    /// The id of the authorizer that decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorizer: Option<String>,
    /// Whether a client has to have a key.
    #[serde(default)]
    pub key_required: bool,
    /// A name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<String>,
    /// The parameters that it knows, and whether they have to be there: kept, for only a validator
    /// looks at that.
    #[serde(default)]
    pub request_parameters: BTreeMap<String, bool>,
    /// The models of its bodies: kept, as above.
    #[serde(default)]
    pub request_models: BTreeMap<String, String>,
    /// What it may answer, by the status.
    #[serde(default)]
    pub responses: BTreeMap<String, MethodResponse>,
    /// What becomes of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<Integration>,
}

/// An answer that a method may give.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MethodResponse {
    /// Its headers: `method.response.header.NAME`.
    #[serde(default)]
    pub parameters: BTreeMap<String, bool>,
    /// The models of its bodies: kept.
    #[serde(default)]
    pub models: BTreeMap<String, String>,
}

/// What becomes of a request to a method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// What that is.
    pub kind: IntegrationKind,
    /// The method with which the integration is asked; a function is always asked with POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The URI with which API Gateway invokes a function, or an address. Stage variables may stand
    /// in it. A mock has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The role that a function is invoked with. Then the function's own policy does not matter,
    /// and what the role may do is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// What an HTTP endpoint is given: `integration.request.path.x` from `method.request.path.x`.
    #[serde(default)]
    pub request_parameters: BTreeMap<String, String>,
    /// What a mock makes of requests, by the kind of their content. Others do not look at it.
    #[serde(default)]
    pub request_templates: BTreeMap<String, String>,
    /// What becomes of a request that no template is for.
    pub passthrough: Passthrough,
    /// How bodies are to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<ContentHandling>,
    /// How long an answer is waited for.
    pub timeout_millis: u32,
    /// A name for a part of a cache: kept, because there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_namespace: Option<String>,
    /// What a mock answers, by the status. Others do not look at it.
    #[serde(default)]
    pub responses: BTreeMap<String, IntegrationResponse>,
}

/// What becomes of the answer of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IntegrationResponse {
    /// An expression for the answers that it is for; without one, for all that are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<String>,
    /// Headers, by `method.response.header.NAME`, with what is in them.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Bodies, by the kind of content.
    #[serde(default)]
    pub templates: BTreeMap<String, String>,
    /// How bodies are to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<ContentHandling>,
}

/// An authorizer: a function that decides whether a request is let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorizer {
    /// Its id.
    pub id: String,
    /// Its name, which no other authorizer of its API has.
    pub name: String,
    /// What it is asked by.
    pub kind: AuthorizerKind,
    /// A word of the owner's: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<String>,
    /// The URI of the function.
    pub uri: String,
    /// The role that the function is invoked with, as in [`Integration::credentials`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// Where that is in a request by which it decides: `method.request.header.Authorization`;
    /// several with commas in between.
    #[serde(default)]
    pub identity_source: String,
    /// What a token has to be like to be worth asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// How long its answer is good for; 0 for once.
    pub ttl_seconds: u32,
}

/// A stage: an address under which a deployment is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What is served.
    pub deployment: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its variables.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What holds for methods, by `*/*`, or by `~1pets/GET` or `pets/GET`, as it was written.
    #[serde(default)]
    pub settings: BTreeMap<String, MethodSettings>,
    /// Whether traces are wanted: kept.
    #[serde(default)]
    pub tracing: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it, or what is served there, was last changed.
    pub updated: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What holds for methods of a stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MethodSettings {
    /// How many requests there may be at once.
    pub burst: Option<i32>,
    /// How many requests there may be in a second.
    pub rate: Option<f64>,
    /// Whether figures are wanted: kept.
    pub metrics: bool,
    /// What is logged: kept.
    pub logging: Option<LoggingLevel>,
    /// Whether bodies are logged: kept.
    pub data_trace: bool,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was made.
    pub created: Timestamp,
}

/// What a deployment has frozen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// As in [`RestApi::scope`].
    pub scope: Scope,
    /// The id of its API.
    pub api: String,
    /// The id of its deployment.
    pub deployment: String,
    /// As in [`RestApi::binary_types`].
    pub binary_types: Vec<String>,
    /// As in [`RestApi::key_source`].
    pub key_source: KeySource,
    /// As in [`RestApi::policy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// As in [`RestApi::resources`].
    pub resources: BTreeMap<String, Resource>,
    /// As in [`RestApi::authorizers`].
    pub authorizers: BTreeMap<String, Authorizer>,
}

impl RestApi {
    /// What its resources have in common as far as policies are concerned:
    /// `arn:aws:execute-api:REGION:ACCOUNT:ID`.
    #[must_use]
    pub fn execute_arn(&self) -> String {
        format!("arn:aws:execute-api:{}:{}:{}", self.scope.region, self.scope.account, self.id)
    }

    /// What a deployment of it freezes.
    #[must_use]
    pub fn snapshot(&self, deployment: &str) -> Snapshot {
        Snapshot {
            scope: self.scope.clone(),
            api: self.id.clone(),
            deployment: deployment.to_owned(),
            binary_types: self.binary_types.clone(),
            key_source: self.key_source,
            policy: self.policy.clone(),
            resources: self.resources.clone(),
            authorizers: self.authorizers.clone(),
        }
    }
}

impl Stage {
    /// What holds for a method of a resource: its own settings, or those of all.
    #[must_use]
    pub fn settings_of(&self, path: &str, method: &str) -> Option<&MethodSettings> {
        let is_own = |key: &str| {
            key.rsplit_once('/').is_some_and(|(of_path, of_method)| {
                let of_path = of_path.replace("~1", "/").replace("~0", "~");
                of_method == method && of_path.trim_matches('/') == path.trim_matches('/')
            })
        };
        let own = self.settings.iter().find(|(key, _)| is_own(key)).map(|(_, own)| own);
        own.or_else(|| self.settings.get("*/*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_aws() {
        assert_eq!(IntegrationKind::parse("AWS_PROXY"), Some(IntegrationKind::AwsProxy));
        assert_eq!(IntegrationKind::parse("AWS"), None);
        assert_eq!(KeySource::Header.name(), "HEADER");
        let written = serde_json::to_value(Passthrough::WhenNoMatch).unwrap();
        assert_eq!(written, serde_json::json!("WHEN_NO_MATCH"));
    }
}
