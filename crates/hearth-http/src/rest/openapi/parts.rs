//! What the parts of a document mean.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::edit::authorizer::NewAuthorizer;
use super::super::edit::integration::{self, NewIntegration};
use super::super::error::RestError;
use super::super::record::{IntegrationResponse, MethodResponse};
use super::malformed;
use crate::apis::openapi::{BasePath, server_path};

/// Settings of integrations that would have an effect which is not built.
const NOT_BUILT: [&str; 3] = ["cacheKeyParameters", "connectionId", "tlsConfig"];

/// What stands before all paths; without a slash at its end.
pub(super) fn prefix(document: &Map<String, Value>, base_path: BasePath) -> String {
    let path = text_of(document, "basePath").unwrap_or_else(|| server_path(document));
    base_path.prefix(&path)
}

/// The authorizer of a security scheme, if it has one.
pub(super) fn authorizer(name: &str, scheme: &Value) -> Result<Option<NewAuthorizer>, RestError> {
    let kind = text(scheme, "x-amazon-apigateway-authtype").unwrap_or_default();
    if kind.eq_ignore_ascii_case("awsSigv4") {
        return Err(RestError::not_built("the authorization type AWS_IAM"));
    }
    let Some(given) = scheme.get("x-amazon-apigateway-authorizer") else { return Ok(None) };
    let kind = text(given, "type").unwrap_or_default().to_ascii_uppercase();
    let source = text(given, "identitySource");
    let header = text(scheme, "name").filter(|_| kind == "TOKEN");
    let source = source.or_else(|| Some(format!("method.request.header.{}", header?)));
    let ttl = given.get("authorizerResultTtlInSeconds").map(number).transpose()?;
    Ok(Some(NewAuthorizer {
        name: name.to_owned(),
        kind,
        auth_type: text(scheme, "x-amazon-apigateway-authtype"),
        uri: text(given, "authorizerUri"),
        credentials: text(given, "authorizerCredentials"),
        identity_source: source,
        validation: text(given, "identityValidationExpression"),
        ttl_seconds: ttl,
    }))
}

/// Whether a security scheme asks for a key of a usage plan.
pub(super) fn is_key(scheme: &Value) -> bool {
    text(scheme, "type").as_deref() == Some("apiKey")
        && text(scheme, "name").is_some_and(|name| name.eq_ignore_ascii_case("x-api-key"))
}

/// The parameters of an operation, and whether they have to be there.
pub(super) fn parameters(
    document: &Map<String, Value>,
    given: &[&Value],
) -> BTreeMap<String, bool> {
    let lists = given.iter().filter_map(|value| {
        let list = value.as_array();
        list.or_else(|| value.get("parameters").and_then(Value::as_array))
    });
    let parameter = |parameter: &Value| {
        let parameter = resolved(document, parameter);
        let place = match text(parameter, "in")?.as_str() {
            "query" => "querystring",
            "header" => "header",
            "path" => "path",
            _ => return None,
        };
        let is_required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
        Some((format!("method.request.{place}.{}", text(parameter, "name")?), is_required))
    };
    lists.flatten().filter_map(parameter).collect()
}

/// What a method may answer, by the status.
pub(super) fn method_responses(
    document: &Map<String, Value>,
    operation: &Value,
) -> Vec<(String, MethodResponse)> {
    let responses = operation.get("responses").and_then(Value::as_object);
    let responses = responses.into_iter().flatten();
    // AWS has no response for all others.
    let responses = responses.filter(|(status, _)| status.parse::<u16>().is_ok());
    responses
        .map(|(status, response)| {
            let headers = resolved(document, response).get("headers").and_then(Value::as_object);
            let headers = headers.into_iter().flatten();
            let parameters =
                headers.map(|(name, _)| (format!("method.response.header.{name}"), false));
            let response =
                MethodResponse { parameters: parameters.collect(), models: BTreeMap::new() };
            (status.clone(), response)
        })
        .collect()
}

/// An integration.
pub(super) fn integration(given: &Value) -> Result<NewIntegration, RestError> {
    for name in NOT_BUILT {
        let is_empty = |value: &Value| {
            value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
        };
        if given.get(name).is_some_and(|value| !is_empty(value)) {
            return Err(RestError::not_built(format!("{name} of integrations")));
        }
    }
    if text(given, "connectionType").is_some_and(|kind| kind != "INTERNET") {
        return Err(RestError::not_built("VPC links"));
    }
    if text(given, "responseTransferMode").is_some_and(|mode| mode != "BUFFERED") {
        return Err(RestError::not_built("responseTransferMode STREAM"));
    }
    if given.get("uri").is_some_and(|uri| !uri.is_string()) {
        return Err(malformed("the uri of an integration is not a text"));
    }
    let kind = text(given, "type").ok_or_else(|| malformed("an integration has no type"))?;
    Ok(NewIntegration {
        kind: kind.to_ascii_uppercase(),
        method: text(given, "httpMethod").map(|method| method.to_ascii_uppercase()),
        uri: text(given, "uri"),
        credentials: text(given, "credentials"),
        request_parameters: pairs(given, "requestParameters")?,
        request_templates: pairs(given, "requestTemplates")?,
        passthrough: text(given, "passthroughBehavior"),
        content_handling: text(given, "contentHandling"),
        timeout_millis: given.get("timeoutInMillis").map(number).transpose()?,
        cache_namespace: text(given, "cacheNamespace"),
    })
}

/// What becomes of the answers of an integration, by the status.
pub(super) fn integration_responses(
    given: &Value,
) -> Result<Vec<(String, IntegrationResponse)>, RestError> {
    let responses = given.get("responses").and_then(Value::as_object);
    let mut all = Vec::new();
    for (pattern, response) in responses.into_iter().flatten() {
        let status = match response.get("statusCode") {
            Some(Value::String(status)) => status.clone(),
            Some(Value::Number(status)) => status.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
                return Err(malformed("a response of an integration has no statusCode"));
            }
        };
        let handling = text(response, "contentHandling");
        let response = IntegrationResponse {
            selection: (pattern != "default").then(|| pattern.clone()),
            parameters: pairs(response, "responseParameters")?,
            templates: pairs(response, "responseTemplates")?,
            content_handling: handling.as_deref().map(integration::handling).transpose()?,
        };
        all.push((status, response));
    }
    Ok(all)
}

/// A text that is a member of something.
pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// A text that is a member of the document.
pub(super) fn text_of(document: &Map<String, Value>, name: &str) -> Option<String> {
    document.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The texts of a list.
pub(super) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a reference leads to, or the thing itself. References lead no further than one step.
fn resolved<'a>(document: &'a Map<String, Value>, value: &'a Value) -> &'a Value {
    let Some(path) = value.get("$ref").and_then(Value::as_str) else { return value };
    let mut steps = path.trim_start_matches("#/").split('/');
    let first = steps.next().and_then(|first| document.get(first));
    let found = steps.try_fold(first, |at, step| at.map(|at| at.get(step)));
    found.flatten().unwrap_or(&Value::Null)
}

fn pairs(value: &Value, name: &str) -> Result<BTreeMap<String, String>, RestError> {
    let Some(pairs) = value.get(name) else { return Ok(BTreeMap::new()) };
    let Some(pairs) = pairs.as_object() else {
        return Err(malformed(&format!("{name} is not an object")));
    };
    let text = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Ok((key.clone(), text.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(malformed(&format!("{key} of {name} is not a text")))
        }
    };
    pairs.iter().map(text).collect()
}

fn number(value: &Value) -> Result<i32, RestError> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| malformed("a number of milliseconds or seconds is none"))
}
