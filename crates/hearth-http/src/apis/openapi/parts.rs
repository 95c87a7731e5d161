//! The parts of a document: each becomes a change, or is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::edit::authorizer::AuthorizerChange;
use super::super::edit::integration::IntegrationChange;
use super::super::error::ApiError;
use super::super::record::{AuthorizerKind, Cors, IntegrationKind, Jwt, PayloadFormat};
use super::{malformed, text};

/// Members of an integration that would have an effect which is not built.
const NOT_BUILT: [&str; 8] = [
    "connectionId",
    "contentHandling",
    "integrationSubtype",
    "requestParameters",
    "requestTemplates",
    "responseParameters",
    "responses",
    "tlsConfig",
];

/// What browsers are told.
pub(super) fn cors(document: &Map<String, Value>) -> Result<Option<Cors>, ApiError> {
    let Some(given) = document.get("x-amazon-apigateway-cors") else { return Ok(None) };
    if !given.is_object() {
        return Err(malformed("x-amazon-apigateway-cors is not an object"));
    }
    let list = |name: &str| given.get(name).map(texts);
    Ok(Some(Cors {
        allow_credentials: given.get("allowCredentials").and_then(Value::as_bool),
        allow_headers: list("allowHeaders"),
        allow_methods: list("allowMethods"),
        allow_origins: list("allowOrigins"),
        expose_headers: list("exposeHeaders"),
        max_age_seconds: given
            .get("maxAge")
            .and_then(Value::as_i64)
            .and_then(|age| i32::try_from(age).ok()),
    }))
}

/// Whether the API is not to answer under its own address.
pub(super) fn endpoint_disabled(document: &Map<String, Value>) -> Option<bool> {
    let of_document = document.get("x-amazon-apigateway-endpoint-configuration");
    let servers = document.get("servers").and_then(Value::as_array);
    let of_server = servers
        .and_then(|servers| servers.first())
        .and_then(|server| server.get("x-amazon-apigateway-endpoint-configuration"));
    of_document.or(of_server)?.get("disableExecuteApiEndpoint")?.as_bool()
}

/// The tags. Those without a value of AWS's belong to the documentation.
pub(super) fn tags(document: &Map<String, Value>) -> BTreeMap<String, String> {
    let tags = document.get("tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| Some((text(tag, "name")?, text(tag, "x-amazon-apigateway-tag-value")?)))
        .collect()
}

/// The authorizer of a security scheme, if it is one of AWS's.
pub(super) fn authorizer(name: &str, scheme: &Value) -> Result<Option<AuthorizerChange>, ApiError> {
    if scheme.get("x-amazon-apigateway-authtype").is_some() {
        return Err(ApiError::not_built("x-amazon-apigateway-authtype"));
    }
    let Some(given) = scheme.get("x-amazon-apigateway-authorizer") else { return Ok(None) };
    let kind = text(given, "type").map(|kind| kind.to_ascii_uppercase());
    let kind = kind.as_deref().and_then(AuthorizerKind::parse).ok_or_else(|| {
        malformed(&format!("the type of the authorizer {name} is neither jwt nor request"))
    })?;
    let sources = match given.get("identitySource") {
        Some(Value::String(list)) => list.split(',').map(|one| one.trim().to_owned()).collect(),
        Some(list) => texts(list),
        None => Vec::new(),
    };
    let format = text(given, "authorizerPayloadFormatVersion");
    let jwt = given.get("jwtConfiguration").map(|jwt| Jwt {
        issuer: text(jwt, "issuer").unwrap_or_default(),
        audience: jwt.get("audience").map(texts).unwrap_or_default(),
    });
    let ttl = given.get("authorizerResultTtlInSeconds").and_then(Value::as_u64);
    Ok(Some(AuthorizerChange {
        name: Some(name.to_owned()),
        kind: Some(kind),
        identity_sources: Some(sources),
        jwt,
        uri: text(given, "authorizerUri"),
        credentials: text(given, "authorizerCredentials"),
        payload_format: format.as_deref().map(payload_format).transpose()?,
        ttl_seconds: ttl.map(|ttl| u32::try_from(ttl).unwrap_or(u32::MAX)),
        simple_responses: given.get("enableSimpleResponses").and_then(Value::as_bool),
    }))
}

/// An integration.
pub(super) fn integration(given: &Value) -> Result<IntegrationChange, ApiError> {
    for name in NOT_BUILT {
        let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        if given.get(name).is_some_and(|value| !is_empty(value)) {
            return Err(ApiError::not_built(format!("{name} of x-amazon-apigateway-integration")));
        }
    }
    if text(given, "connectionType").is_some_and(|connection| connection != "INTERNET") {
        return Err(ApiError::not_built("connectionType of x-amazon-apigateway-integration"));
    }
    let kind = text(given, "type").unwrap_or_default().to_ascii_uppercase();
    let kind = IntegrationKind::parse(&kind).ok_or_else(|| {
        malformed(&format!("an integration of an HTTP API cannot have the type {kind}"))
    })?;
    let format = text(given, "payloadFormatVersion");
    let timeout = given.get("timeoutInMillis").and_then(Value::as_u64);
    Ok(IntegrationChange {
        kind: Some(kind),
        description: text(given, "description"),
        method: text(given, "httpMethod").map(|method| method.to_ascii_uppercase()),
        uri: text(given, "uri"),
        payload_format: format.as_deref().map(payload_format).transpose()?,
        timeout_millis: timeout.map(|millis| u32::try_from(millis).unwrap_or(u32::MAX)),
        credentials: text(given, "credentials"),
    })
}

/// The texts of a list.
pub(super) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn payload_format(text: &str) -> Result<PayloadFormat, ApiError> {
    let refuse = || malformed(&format!("there is no payload format version {text}"));
    PayloadFormat::parse(text).ok_or_else(refuse)
}
