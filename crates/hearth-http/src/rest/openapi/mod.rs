//! REST APIs from Swagger 2 and OpenAPI 3 documents with AWS's extensions.
//!
//! ```text
//!  document ─▶ security schemes ─▶ authorizers ┐
//!          └─▶ paths ─▶ operations ────────────┴─▶ resources, methods, integrations ─▶ RestApi
//! ```
//!
//! # Promises
//!
//! 1. What becomes of a document depends on it alone, but for ids.
//! 2. What the document asks for is in the API, or is refused, or is warned about.
//!
//! # Deliberately absent
//!
//! YAML: a document in it is refused. Models and documentation, which have no effect.

mod parts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde_json::{Map, Value};

use super::edit::api::NewApi;
use super::edit::method::NewMethod;
use super::error::RestError;
use super::limits::DOCUMENT_BYTES_MAX;
use super::record::{ANY, EndpointKind, IntegrationKind, KeySource, RestApi};
use crate::apis::openapi::{BasePath, Warned};

/// The member for requests with any method.
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
/// The member of an operation that says what becomes of its requests.
const INTEGRATION: &str = "x-amazon-apigateway-integration";
/// Members of a path that are no operations and say nothing that matters here.
const NO_OPERATIONS: [&str; 4] = ["parameters", "summary", "description", "servers"];
/// Members of a document that are left out.
const LEFT_OUT: [&str; 4] = [
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-request-validators",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-minimum-compression-size",
];

/// How a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What becomes of the path of its server.
    pub base_path: BasePath,
    /// What becomes of a document with something in it that is left out.
    pub warned: Warned,
    /// From where the API is reached, if the document does not say it.
    pub endpoint: Option<EndpointKind>,
}

/// Makes an API of a document.
///
/// # Errors
///
/// If it is not a document, or asks for something that cannot be.
pub fn import(
    scope: &Scope,
    document: &[u8],
    options: &Options,
    now: Timestamp,
) -> Result<RestApi, RestError> {
    let document = read(document)?;
    let info = document.get("info").unwrap_or(&Value::Null);
    let configuration = document.get("x-amazon-apigateway-endpoint-configuration");
    let configuration = configuration.unwrap_or(&Value::Null);
    let name = parts::text(info, "title").ok_or_else(|| malformed("info.title is missing"))?;
    let source = parts::text_of(&document, "x-amazon-apigateway-api-key-source");
    let source = source.map(|text| {
        KeySource::parse(&text.to_ascii_uppercase())
            .ok_or_else(|| malformed("x-amazon-apigateway-api-key-source is none"))
    });
    let binary = document.get("x-amazon-apigateway-binary-media-types");
    let new = NewApi {
        name,
        description: parts::text(info, "description"),
        version: parts::text(info, "version"),
        binary_types: binary.map(parts::texts).unwrap_or_default(),
        key_source: source.transpose()?,
        policy: document.get("x-amazon-apigateway-policy").map(Value::to_string),
        endpoint: options.endpoint,
        addresses: None,
        endpoint_disabled: configuration["disableExecuteApiEndpoint"] == Value::Bool(true),
        tags: BTreeMap::new(),
    };
    let mut importing = Importing {
        document: &document,
        api: RestApi::new(scope, new, now)?,
        authorizers: BTreeMap::new(),
        keys: BTreeSet::new(),
    };
    importing.security()?;
    importing.paths(&parts::prefix(&document, options.base_path))?;
    let mut api = importing.api;
    let left_out = LEFT_OUT.iter().filter(|name| document.contains_key(**name));
    api.warnings.extend(left_out.map(|name| format!("{name} is not supported and was left out")));
    if options.warned == Warned::Refused && !api.warnings.is_empty() {
        let warnings = api.warnings.join("; ");
        return Err(RestError::invalid(format!("Warnings found during import: {warnings}")));
    }
    Ok(api)
}

impl RestApi {
    /// Puts what was read from a document in the place of what there is. Stages, deployments and
    /// tags stay.
    ///
    /// # Errors
    ///
    /// If there would be too much of something.
    pub fn overwrite(&mut self, read: Self) -> Result<(), RestError> {
        let root = self.root.clone();
        self.resources.retain(|id, _| *id == root);
        self.resource_mut(&root)?.methods.clear();
        self.authorizers.clear();
        self.binary_types.clear();
        self.name.clone_from(&read.name);
        self.description.clone_from(&read.description);
        self.version.clone_from(&read.version);
        self.policy = None;
        self.key_source = read.key_source;
        self.endpoint_disabled = read.endpoint_disabled;
        self.merge(read)
    }

    /// Adds what was read from a document. What is there under the same path and method, or the
    /// same name, is replaced.
    ///
    /// # Errors
    ///
    /// If a path cannot be beside those that are there, or there would be too much of something.
    pub fn merge(&mut self, read: Self) -> Result<(), RestError> {
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for (id, mut authorizer) in read.authorizers {
            let there = self.authorizers.values().find(|one| one.name == authorizer.name);
            authorizer.id = there.map_or_else(|| id.clone(), |there| there.id.clone());
            ids.insert(id, authorizer.id.clone());
            self.authorizers.insert(authorizer.id.clone(), authorizer);
        }
        if self.authorizers.len() > super::limits::AUTHORIZERS_MAX {
            return Err(RestError::TooMany("Authorizers per API"));
        }
        for resource in read.resources.into_values() {
            let target = self.resource_at(&resource.path)?;
            for (name, mut method) in resource.methods {
                method.authorizer = method.authorizer.and_then(|id| ids.get(&id).cloned());
                target.methods.insert(name, method);
            }
        }
        for kind in read.binary_types {
            if !self.binary_types.contains(&kind) {
                self.binary_types.push(kind);
            }
        }
        if self.binary_types.len() > super::limits::BINARY_TYPES_MAX {
            return Err(RestError::TooMany("Binary media types per API"));
        }
        if read.policy.is_some() {
            // Its short forms were written out for another id.
            let (old, new) = (format!(":{}/", read.id), format!(":{}/", self.id));
            self.policy = read.policy.map(|text| text.replace(&old, &new));
        }
        self.warnings = read.warnings;
        Ok(())
    }
}

/// An API that is being made.
struct Importing<'a> {
    document: &'a Map<String, Value>,
    api: RestApi,
    /// The ids of authorizers, by the names of their security schemes.
    authorizers: BTreeMap<String, String>,
    /// The names of the security schemes that ask for a key.
    keys: BTreeSet<String>,
}

impl Importing<'_> {
    fn security(&mut self) -> Result<(), RestError> {
        let components = self.document.get("components").and_then(|all| all.get("securitySchemes"));
        let schemes = components.or_else(|| self.document.get("securityDefinitions"));
        for (name, scheme) in schemes.and_then(Value::as_object).into_iter().flatten() {
            if let Some(new) = parts::authorizer(name, scheme)? {
                let id = self.api.create_authorizer(new)?.id;
                self.authorizers.insert(name.clone(), id);
            } else if parts::is_key(scheme) {
                self.keys.insert(name.clone());
            } else {
                self.api.warnings.push(format!("the security scheme {name} was left out"));
            }
        }
        Ok(())
    }

    fn paths(&mut self, prefix: &str) -> Result<(), RestError> {
        let paths = self.document.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            let place = format!("{prefix}{path}");
            let resource = self.api.resource_at(&place)?.id.clone();
            let item =
                item.as_object().ok_or_else(|| malformed(&format!("{path} is not an object")))?;
            for (member, operation) in item {
                let method = match member.as_str() {
                    ANY_METHOD => ANY.to_owned(),
                    "get" | "put" | "post" | "delete" | "options" | "head" | "patch" => {
                        member.to_ascii_uppercase()
                    }
                    other if NO_OPERATIONS.contains(&other) => continue,
                    other => {
                        self.api.warnings.push(format!("{other} of {path} is not supported"));
                        continue;
                    }
                };
                let shared = item.get("parameters").unwrap_or(&Value::Null);
                self.operation((&resource, &method), (operation, shared))
                    .map_err(|error| at(&method, path, error))?;
            }
        }
        Ok(())
    }

    fn operation(
        &mut self,
        place: (&str, &str),
        (operation, shared): (&Value, &Value),
    ) -> Result<(), RestError> {
        let mut new = NewMethod {
            authorization: "NONE".to_owned(),
            operation_name: parts::text(operation, "operationId"),
            request_parameters: parts::parameters(self.document, &[shared, operation]),
            ..NewMethod::default()
        };
        self.secure(operation, &mut new)?;
        self.api.put_method(place, new)?;
        for (status, response) in parts::method_responses(self.document, operation) {
            self.api.put_method_response(place, &status, response)?;
        }
        if operation.get("x-amazon-apigateway-request-validator").is_some() {
            let text = "x-amazon-apigateway-request-validator is not supported and was left out";
            self.api.warnings.push(text.to_owned());
        }
        let Some(given) = operation.get(INTEGRATION) else { return Ok(()) };
        let integration = self.api.put_integration(place, parts::integration(given)?)?;
        for (status, response) in parts::integration_responses(given)? {
            let is_known = self.api.method(place)?.responses.contains_key(&status);
            if !is_known && integration.kind != IntegrationKind::Mock {
                // Nobody would look at it.
                continue;
            }
            self.api.put_integration_response(place, &status, response)?;
        }
        Ok(())
    }

    /// Says who may use a method. AWS takes one authorizer, and a key beside it.
    fn secure(&mut self, operation: &Value, new: &mut NewMethod) -> Result<(), RestError> {
        let auth = operation.get("x-amazon-apigateway-auth").unwrap_or(&Value::Null);
        match parts::text(auth, "type").as_deref() {
            Some("NONE" | "none") => return Ok(()),
            Some(other) => {
                return Err(RestError::not_built(format!("the authorization type {other}")));
            }
            None => {}
        }
        let security = operation.get("security").or_else(|| self.document.get("security"));
        let requirements = security.and_then(Value::as_array).into_iter().flatten();
        let names = requirements.filter_map(Value::as_object).flat_map(Map::keys);
        for name in names {
            if self.keys.contains(name) {
                new.key_required = true;
            } else if let Some(id) = self.authorizers.get(name) {
                if new.authorizer.is_none() {
                    "CUSTOM".clone_into(&mut new.authorization);
                    new.authorizer = Some(id.clone());
                }
            } else {
                let text = format!("there is no authorizer for the security requirement {name}");
                if !self.api.warnings.contains(&text) {
                    self.api.warnings.push(text);
                }
            }
        }
        Ok(())
    }
}

fn read(document: &[u8]) -> Result<Map<String, Value>, RestError> {
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(malformed(&format!("it is larger than {DOCUMENT_BYTES_MAX} bytes")));
    }
    if !document.trim_ascii_start().starts_with(b"{") {
        return Err(RestError::invalid(
            "The API definition is not a JSON object. Hearth reads Swagger and OpenAPI documents in JSON only, not in YAML.",
        ));
    }
    let read: Map<String, Value> =
        serde_json::from_slice(document).map_err(|error| malformed(&error.to_string()))?;
    let version = |name: &str| read.get(name).and_then(Value::as_str).unwrap_or_default();
    if version("swagger") != "2.0" && !version("openapi").starts_with("3.") {
        return Err(malformed("it is neither Swagger 2.0 nor OpenAPI 3"));
    }
    Ok(read)
}

/// The same error, with the operation that it is about.
fn at(method: &str, path: &str, error: RestError) -> RestError {
    match error {
        RestError::Invalid(text) => RestError::Invalid(format!(
            "Unable to put method '{method}' on resource at path '{path}': {text}"
        )),
        RestError::NotBuilt(what) => RestError::NotBuilt(format!("{what} ({method} {path})")),
        other @ (RestError::ApiMissing { .. }
        | RestError::Missing(_)
        | RestError::Conflict(_)
        | RestError::TooMany(_)
        | RestError::Store(_)) => other,
    }
}

fn malformed(why: &str) -> RestError {
    RestError::invalid(format!("Failed to parse the API definition: {why}"))
}
