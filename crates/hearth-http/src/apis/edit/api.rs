//! The API itself: its name, cross-origin rules, what quick create makes, and tags.

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;

use super::super::error::ApiError;
use super::super::new_id;
use super::super::record::{
    Api, Authorization, Cors, DEFAULT_ROUTE, DEFAULT_STAGE, IntegrationKind, IpAddressType,
    PayloadFormat, Protocol, Stage,
};
use super::check_tags;
use super::integration::IntegrationChange;
use super::route::RouteChange;
use super::stage::StageChange;
use crate::sockets::selection::Selection;
use crate::uri;

/// How AWS writes the route selection expression of every HTTP API.
const HTTP_SELECTION: &str = "$request.method $request.path";
/// The other way to write it.
const HTTP_SELECTION_BRACED: &str = "${request.method} ${request.path}";
/// What is taken where no API key selection expression is given.
const KEY_SELECTION: &str = "$request.header.x-api-key";

/// What is to be set of an API. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApiChange {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Which version of itself it is.
    pub version: Option<String>,
    /// How the route of a message is found.
    pub route_selection: Option<String>,
    /// Where the key of a client is found.
    pub api_key_selection: Option<String>,
    /// What browsers are told, all of it.
    pub cors: Option<Cors>,
    /// Whether it does not answer under its own address.
    pub endpoint_disabled: Option<bool>,
    /// Whether models are not looked at.
    pub schema_validation_disabled: Option<bool>,
    /// By which addresses it can be reached.
    pub addresses: Option<IpAddressType>,
}

/// An API that is made with a route, an integration and a stage.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Quick {
    /// A function or an address.
    pub target: Option<String>,
    /// The key of the route; `$default` if it is absent.
    pub route_key: Option<String>,
    /// The role that the function is invoked with.
    pub credentials: Option<String>,
}

impl Api {
    /// A new API with nothing in it.
    ///
    /// # Errors
    ///
    /// If something that was given cannot be, or something that has to be given was not.
    pub fn new(
        scope: &Scope,
        protocol: Protocol,
        change: ApiChange,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        if change.name.is_none() {
            return Err(ApiError::invalid("Name is a required parameter"));
        }
        let route_selection = match protocol {
            Protocol::Http => HTTP_SELECTION.to_owned(),
            Protocol::WebSocket => change.route_selection.clone().ok_or_else(|| {
                ApiError::invalid("RouteSelectionExpression is a required parameter for WEBSOCKET")
            })?,
        };
        let mut api = Self {
            scope: scope.clone(),
            id: new_id(10),
            protocol,
            name: String::new(),
            description: None,
            version: None,
            route_selection,
            api_key_selection: KEY_SELECTION.to_owned(),
            cors: None,
            endpoint_disabled: false,
            schema_validation_disabled: None,
            addresses: IpAddressType::V4,
            created: now,
            tags: BTreeMap::new(),
            warnings: Vec::new(),
            routes: BTreeMap::new(),
            integrations: BTreeMap::new(),
            authorizers: BTreeMap::new(),
            stages: BTreeMap::new(),
            deployments: BTreeMap::new(),
        };
        api.set(change)?;
        Ok(api)
    }

    /// Sets what is given.
    ///
    /// # Errors
    ///
    /// If something cannot be.
    pub fn set(&mut self, change: ApiChange) -> Result<(), ApiError> {
        if let Some(selection) = change.route_selection {
            self.route_selection = checked_selection(self.protocol, selection)?;
        }
        if let Some(cors) = change.cors {
            self.cors = Some(checked_cors(self.protocol, cors)?);
        }
        if change.schema_validation_disabled.is_some() {
            if self.protocol == Protocol::Http {
                let text = "DisableSchemaValidation is only supported for WEBSOCKET APIs";
                return Err(ApiError::invalid(text));
            }
            self.schema_validation_disabled = change.schema_validation_disabled;
        }
        self.name = change.name.unwrap_or_else(|| std::mem::take(&mut self.name));
        self.description = change.description.or_else(|| self.description.take());
        self.version = change.version.or_else(|| self.version.take());
        if let Some(selection) = change.api_key_selection {
            self.api_key_selection = selection;
        }
        self.endpoint_disabled = change.endpoint_disabled.unwrap_or(self.endpoint_disabled);
        self.addresses = change.addresses.unwrap_or(self.addresses);
        Ok(())
    }

    /// Gives a new API a route to a function or an address, and the stage `$default`, which deploys
    /// automatically.
    ///
    /// # Errors
    ///
    /// If it is a WebSocket API, or what is given cannot be.
    pub fn quick_create(&mut self, quick: Quick, now: Timestamp) -> Result<(), ApiError> {
        let Some(target) = quick.target else {
            if quick.route_key.is_some() || quick.credentials.is_some() {
                let text = "RouteKey and CredentialsArn are only supported together with Target";
                return Err(ApiError::invalid(text));
            }
            return Ok(());
        };
        if self.protocol == Protocol::WebSocket {
            let text = "Quick create is only supported for HTTP APIs";
            return Err(ApiError::invalid(text));
        }
        let integration = self.create_integration(quick_integration(target, quick.credentials))?.id;
        let route = RouteChange {
            key: Some(quick.route_key.unwrap_or_else(|| DEFAULT_ROUTE.to_owned())),
            target: Some(format!("integrations/{integration}")),
            authorization: Some(Authorization::None),
            ..RouteChange::default()
        };
        let route = self.create_route(route)?.id;
        let stage = StageChange { auto_deploy: Some(true), ..StageChange::default() };
        self.create_stage(DEFAULT_STAGE, stage, now)?;
        let managed = "it was made just now";
        self.integrations.get_mut(&integration).expect(managed).managed = true;
        self.routes.get_mut(&route).expect(managed).managed = true;
        self.stages.get_mut(DEFAULT_STAGE).expect(managed).managed = true;
        Ok(())
    }

    /// Changes what quick create has made.
    ///
    /// # Errors
    ///
    /// If the API was not made so, or what is given cannot be.
    pub fn quick_update(&mut self, quick: Quick) -> Result<(), ApiError> {
        if quick == Quick::default() {
            return Ok(());
        }
        let not_quick = || {
            ApiError::invalid(
                "Target, RouteKey and CredentialsArn can only be updated for APIs that were created with quick create",
            )
        };
        let integration = self.integrations.values().find(|one| one.managed);
        let integration = integration.map(|one| one.id.clone()).ok_or_else(not_quick)?;
        let route = self.routes.values().find(|one| one.managed);
        let route = route.map(|one| one.id.clone()).ok_or_else(not_quick)?;
        if let Some(target) = quick.target {
            let change = quick_integration(target, quick.credentials);
            self.update_integration(&integration, change)?;
        } else if quick.credentials.is_some() {
            let credentials = quick.credentials;
            let change = IntegrationChange { credentials, ..IntegrationChange::default() };
            self.update_integration(&integration, change)?;
        }
        if quick.route_key.is_some() {
            let change = RouteChange { key: quick.route_key, ..RouteChange::default() };
            self.update_route(&route, change)?;
        }
        Ok(())
    }

    /// The tags of the API, or of one of its stages.
    ///
    /// # Errors
    ///
    /// If there is no such stage.
    pub fn tags_of(
        &mut self,
        stage: Option<&str>,
    ) -> Result<&mut BTreeMap<String, String>, ApiError> {
        match stage {
            None => Ok(&mut self.tags),
            Some(name) => {
                let stage: Option<&mut Stage> = self.stages.get_mut(name);
                stage.map(|stage| &mut stage.tags).ok_or(ApiError::PartMissing("stage"))
            }
        }
    }

    /// Adds tags to the API, or to one of its stages.
    ///
    /// # Errors
    ///
    /// If there is no such stage, or the tags cannot be.
    pub fn add_tags(
        &mut self,
        stage: Option<&str>,
        more: BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        check_tags(&more)?;
        let tags = self.tags_of(stage)?;
        tags.extend(more);
        check_tags(tags)
    }
}

fn quick_integration(target: String, credentials: Option<String>) -> IntegrationChange {
    let is_function = uri::may_name_a_function(&target);
    let (kind, format, method) = if is_function {
        (IntegrationKind::AwsProxy, PayloadFormat::Two, "POST")
    } else {
        (IntegrationKind::HttpProxy, PayloadFormat::One, "ANY")
    };
    IntegrationChange {
        kind: Some(kind),
        uri: Some(target),
        payload_format: Some(format),
        method: Some(method.to_owned()),
        credentials,
        ..IntegrationChange::default()
    }
}

fn checked_selection(protocol: Protocol, selection: String) -> Result<String, ApiError> {
    match protocol {
        Protocol::Http if [HTTP_SELECTION, HTTP_SELECTION_BRACED].contains(&&*selection) => {
            Ok(HTTP_SELECTION.to_owned())
        }
        Protocol::Http => Err(ApiError::invalid(format!(
            "The route selection expression of an HTTP API has to be {HTTP_SELECTION_BRACED}"
        ))),
        Protocol::WebSocket if Selection::parse(&selection).is_some() => Ok(selection),
        Protocol::WebSocket => Err(ApiError::invalid(format!(
            "Invalid route selection expression specified: {selection}"
        ))),
    }
}

fn checked_cors(protocol: Protocol, cors: Cors) -> Result<Cors, ApiError> {
    if protocol == Protocol::WebSocket {
        return Err(ApiError::invalid("CORS configuration is only supported for HTTP APIs"));
    }
    let origins = cors.allow_origins.as_deref().unwrap_or_default();
    for origin in origins {
        if !is_origin(origin) {
            return Err(ApiError::invalid(format!(
                "Invalid origin {origin} in the CORS configuration: it has to be *, or a scheme and a host such as https://example.com"
            )));
        }
    }
    if cors.allow_credentials == Some(true) && origins.iter().any(|origin| origin == "*") {
        return Err(ApiError::invalid(
            "AllowCredentials cannot be true if AllowOrigins has the wildcard *",
        ));
    }
    Ok(cors)
}

/// `*`, `https://*`, or a scheme, a host and perhaps a port.
fn is_origin(origin: &str) -> bool {
    if origin == "*" {
        return true;
    }
    origin.split_once("://").is_some_and(|(scheme, host)| {
        !scheme.is_empty()
            && !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
    })
}
