//! APIs from OpenAPI 3 documents with AWS's extensions.
//!
//! ```text
//!  document ─▶ securitySchemes ─▶ authorizers ┐
//!          └─▶ paths ─▶ integrations ─────────┴─▶ routes ─▶ Api
//! ```
//!
//! # Promises
//!
//! 1. What becomes of a document depends on it alone, but for ids.
//! 2. What the document asks for is in the API, or is refused, or is warned about.
//!
//! # Deliberately absent
//!
//! YAML: a document in it is refused. OpenAPI 2, which AWS does not take for HTTP APIs either, and
//! WebSocket APIs, which have no such documents.

mod parts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde_json::{Map, Value};

use super::edit::api::ApiChange;
use super::edit::route::RouteChange;
use super::error::ApiError;
use super::limits::DOCUMENT_BYTES_MAX;
use super::record::{Api, Authorization, AuthorizerKind, DEFAULT_ROUTE, Protocol};

/// The path that stands for the route `$default`.
const DEFAULT_PATH: &str = "/$default";
/// The member for requests with any method.
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
/// The member of an operation that says what becomes of its requests.
const INTEGRATION: &str = "x-amazon-apigateway-integration";
/// Members of a path that are no operations and say nothing that matters here.
const NO_OPERATIONS: [&str; 4] = ["parameters", "summary", "description", "servers"];

/// How a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What becomes of the path of its server.
    pub base_path: BasePath,
    /// What becomes of a document with something in it that is left out.
    pub warned: Warned,
}

/// What becomes of the path of a document's server, such as `/a/b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasePath {
    /// Nothing.
    Ignore,
    /// It stands before all paths: `/a/b`.
    Prepend,
    /// Its first segment is left out, and the rest stands before all paths: `/b`.
    Split,
}

impl BasePath {
    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ignore" => Some(Self::Ignore),
            "prepend" => Some(Self::Prepend),
            "split" => Some(Self::Split),
            _ => None,
        }
    }

    /// What stands before all paths, of the path of a server; without a slash at its end.
    pub(crate) fn prefix(self, path: &str) -> String {
        let path = path.trim_matches('/');
        let path = match self {
            Self::Ignore => "",
            Self::Prepend => path,
            Self::Split => path.split_once('/').map_or("", |(_first, rest)| rest),
        };
        if path.is_empty() { String::new() } else { format!("/{path}") }
    }
}

/// What becomes of a document with something in it that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warned {
    /// It is taken, and what is left out is said.
    Taken,
    /// It is refused.
    Refused,
}

/// Makes an API of a document.
///
/// # Errors
///
/// If it is not a document, or asks for something that cannot be.
pub fn import(
    scope: &Scope,
    document: &str,
    options: &Options,
    now: Timestamp,
) -> Result<Api, ApiError> {
    let document = read(document)?;
    let info = document.get("info").and_then(Value::as_object);
    let text = |name: &str| info.and_then(|info| info.get(name)).and_then(Value::as_str);
    let change = ApiChange {
        name: Some(text("title").ok_or_else(|| malformed("info.title is missing"))?.to_owned()),
        description: text("description").map(str::to_owned),
        version: text("version").map(str::to_owned),
        cors: parts::cors(&document)?,
        endpoint_disabled: parts::endpoint_disabled(&document),
        ..ApiChange::default()
    };
    let mut api = Api::new(scope, Protocol::Http, change, now)?;
    api.add_tags(None, parts::tags(&document))?;
    let prefix = options.base_path.prefix(&server_path(&document));
    let mut importing = Importing {
        document: &document,
        api,
        authorizers: BTreeMap::new(),
        shared: BTreeMap::new(),
    };
    importing.authorizers()?;
    importing.paths(&prefix)?;
    let api = importing.api;
    if options.warned == Warned::Refused && !api.warnings.is_empty() {
        let warnings = api.warnings.join("; ");
        return Err(ApiError::invalid(format!("Warnings found during import: {warnings}")));
    }
    Ok(api)
}

impl Api {
    /// Puts what was read from a document in the place of what there is. Stages stay.
    ///
    /// # Errors
    ///
    /// If it is a WebSocket API.
    pub fn replace_definition(&mut self, read: Self) -> Result<(), ApiError> {
        if self.protocol == Protocol::WebSocket {
            return Err(ApiError::invalid("Only HTTP APIs can be imported"));
        }
        self.name = read.name;
        self.description = read.description;
        self.version = read.version;
        self.cors = read.cors;
        self.endpoint_disabled = read.endpoint_disabled;
        self.tags.extend(read.tags);
        self.warnings = read.warnings;
        self.routes = read.routes;
        self.integrations = read.integrations;
        self.authorizers = read.authorizers;
        for stage in self.stages.values_mut() {
            let routes = &self.routes;
            stage.route_settings.retain(|key, _| routes.values().any(|route| route.key == *key));
        }
        Ok(())
    }
}

/// The path of a document's first server, with the defaults of its variables; empty if there is none.
pub(crate) fn server_path(document: &Map<String, Value>) -> String {
    let server = document.get("servers").and_then(Value::as_array).and_then(|all| all.first());
    let server = server.unwrap_or(&Value::Null);
    let mut url = text(server, "url").unwrap_or_default();
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = text(variable, "default").unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default.trim_start_matches('/'));
    }
    match url.split_once("://") {
        Some((_scheme, rest)) => {
            rest.find('/').map_or_else(String::new, |slash| rest[slash..].to_owned())
        }
        None => url,
    }
}

/// An API that is being made.
struct Importing<'a> {
    document: &'a Map<String, Value>,
    api: Api,
    /// The ids of authorizers, by the names of their security schemes.
    authorizers: BTreeMap<String, String>,
    /// The ids of integrations that several operations share, by their names.
    shared: BTreeMap<String, String>,
}

impl Importing<'_> {
    fn authorizers(&mut self) -> Result<(), ApiError> {
        let components = self.document.get("components").and_then(Value::as_object);
        let schemes = components.and_then(|all| all.get("securitySchemes"));
        for (name, scheme) in schemes.and_then(Value::as_object).into_iter().flatten() {
            if let Some(change) = parts::authorizer(name, scheme)? {
                let id = self.api.create_authorizer(change)?.id;
                self.authorizers.insert(name.clone(), id);
            }
        }
        Ok(())
    }

    fn paths(&mut self, prefix: &str) -> Result<(), ApiError> {
        let paths = self.document.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            let item =
                item.as_object().ok_or_else(|| malformed(&format!("{path} is not an object")))?;
            for (member, operation) in item {
                let method = match member.as_str() {
                    ANY_METHOD => "ANY".to_owned(),
                    "get" | "put" | "post" | "delete" | "options" | "head" | "patch" => {
                        member.to_ascii_uppercase()
                    }
                    other if NO_OPERATIONS.contains(&other) => continue,
                    other => {
                        self.api.warnings.push(format!("{other} of {path} is not supported"));
                        continue;
                    }
                };
                let key = if path == DEFAULT_PATH {
                    DEFAULT_ROUTE.to_owned()
                } else {
                    format!("{method} {prefix}{path}")
                };
                self.operation(key, operation)?;
            }
        }
        Ok(())
    }

    fn operation(&mut self, key: String, operation: &Value) -> Result<(), ApiError> {
        let integration = match operation.get(INTEGRATION) {
            Some(integration) => Some(self.integration(integration)?),
            None => {
                self.api.warnings.push(format!("{key} has no integration"));
                None
            }
        };
        let security = operation.get("security").or_else(|| self.document.get("security"));
        let required = security.and_then(Value::as_array).and_then(|all| all.first());
        let required = required.and_then(Value::as_object).and_then(|all| all.iter().next());
        let mut route = RouteChange {
            key: Some(key),
            target: integration.map(|id| format!("integrations/{id}")),
            operation_name: text(operation, "operationId"),
            ..RouteChange::default()
        };
        if let Some((scheme, scopes)) = required {
            let id = self.authorizers.get(scheme).ok_or_else(|| {
                malformed(&format!(
                    "the security scheme {scheme} has no x-amazon-apigateway-authorizer"
                ))
            })?;
            route.authorization = self.api.authorizers.get(id).map(|one| match one.kind {
                AuthorizerKind::Jwt => Authorization::Jwt,
                AuthorizerKind::Request => Authorization::Custom,
            });
            route.authorizer = Some(id.clone());
            route.scopes = Some(parts::texts(scopes));
        }
        self.api.create_route(route).map(drop)
    }

    /// The id of an integration. One that is referred to is made once.
    fn integration(&mut self, integration: &Value) -> Result<String, ApiError> {
        let Some(reference) = integration.get("$ref").and_then(Value::as_str) else {
            return Ok(self.api.create_integration(parts::integration(integration)?)?.id);
        };
        if let Some(id) = self.shared.get(reference) {
            return Ok(id.clone());
        }
        let place = "#/components/x-amazon-apigateway-integrations/";
        let found = reference.strip_prefix(place).and_then(|name| {
            let components = self.document.get("components")?;
            components.get("x-amazon-apigateway-integrations")?.get(name)
        });
        let found = found.ok_or_else(|| malformed(&format!("there is no {reference}")))?;
        let id = self.api.create_integration(parts::integration(found)?)?.id;
        self.shared.insert(reference.to_owned(), id.clone());
        Ok(id)
    }
}

fn read(document: &str) -> Result<Map<String, Value>, ApiError> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(malformed(&format!("it is larger than {DOCUMENT_BYTES_MAX} bytes")));
    }
    if !document.trim_start().starts_with('{') {
        return Err(ApiError::invalid(
            "The API definition is not a JSON object. Hearth reads OpenAPI documents in JSON only, not in YAML.",
        ));
    }
    let read: Map<String, Value> =
        serde_json::from_str(document).map_err(|error| malformed(&error.to_string()))?;
    let version = read.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("3.0") {
        return Err(malformed("HTTP APIs are imported from OpenAPI 3.0 only"));
    }
    Ok(read)
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn malformed(why: &str) -> ApiError {
    ApiError::invalid(format!("Unable to create API from this OpenAPI document: {why}"))
}
