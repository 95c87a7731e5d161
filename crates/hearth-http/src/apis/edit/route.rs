//! Routes and what answers their messages.

use super::super::error::ApiError;
use super::super::record::{
    Api, Authorization, AuthorizerKind, DEFAULT_ROUTE, Protocol, Route, RouteResponse,
};
use super::super::route_key::RouteKey;
use super::super::{limits, new_id};

/// The routes that a WebSocket API has for the beginning and the end of a connection.
const CONNECT: &str = "$connect";
const DISCONNECT: &str = "$disconnect";

/// What is to be set of a route. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteChange {
    /// Its key.
    pub key: Option<String>,
    /// `integrations/ID`.
    pub target: Option<String>,
    /// Who may use it.
    pub authorization: Option<Authorization>,
    /// The id of the authorizer.
    pub authorizer: Option<String>,
    /// The scopes.
    pub scopes: Option<Vec<String>>,
    /// A name for it.
    pub operation_name: Option<String>,
    /// Which response answers a message.
    pub response_selection: Option<String>,
}

impl Api {
    /// Makes a route.
    ///
    /// # Errors
    ///
    /// If there are too many, there is one with this key, or something that was given cannot be.
    pub fn create_route(&mut self, change: RouteChange) -> Result<Route, ApiError> {
        if self.routes.len() >= limits::ROUTES_MAX {
            return Err(ApiError::TooMany("Routes per API"));
        }
        if change.key.is_none() {
            return Err(ApiError::invalid("RouteKey is a required parameter"));
        }
        let route = Route {
            id: new_id(7),
            key: String::new(),
            integration: None,
            authorization: Authorization::None,
            authorizer: None,
            scopes: Vec::new(),
            operation_name: None,
            response_selection: None,
            responses: [].into(),
            managed: false,
        };
        self.put_route(route, change)
    }

    /// Changes a route.
    ///
    /// # Errors
    ///
    /// If there is none, another one has this key, or something that was given cannot be.
    pub fn update_route(&mut self, id: &str, change: RouteChange) -> Result<Route, ApiError> {
        let route = self.routes.get(id).ok_or(ApiError::PartMissing("Route"))?.clone();
        self.put_route(route, change)
    }

    /// Deletes a route.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete_route(&mut self, id: &str) -> Result<(), ApiError> {
        self.routes.remove(id).map(drop).ok_or(ApiError::PartMissing("Route"))
    }

    /// Lets the messages of a route be answered.
    ///
    /// # Errors
    ///
    /// If there is no such route, it has that response, or it is none of a WebSocket API.
    pub fn create_response(&mut self, route: &str, key: &str) -> Result<RouteResponse, ApiError> {
        if self.protocol == Protocol::Http {
            let text = "Route responses are only supported for WEBSOCKET APIs";
            return Err(ApiError::invalid(text));
        }
        let route = self.routes.get_mut(route).ok_or(ApiError::PartMissing("Route"))?;
        check_response_key(key)?;
        if route.responses.values().any(|response| response.key == key) {
            let text = format!("A route response with key {key} already exists for this route");
            return Err(ApiError::Conflict(text));
        }
        let response = RouteResponse { id: new_id(6), key: key.to_owned() };
        route.responses.insert(response.id.clone(), response.clone());
        Ok(response)
    }

    /// Changes what answers messages.
    ///
    /// # Errors
    ///
    /// If there is no such route or response, or it cannot have this key.
    pub fn update_response(
        &mut self,
        (route, id): (&str, &str),
        key: Option<&str>,
    ) -> Result<RouteResponse, ApiError> {
        let route = self.routes.get_mut(route).ok_or(ApiError::PartMissing("Route"))?;
        let response = route.responses.get_mut(id);
        let response = response.ok_or(ApiError::PartMissing("RouteResponse"))?;
        if let Some(key) = key {
            check_response_key(key)?;
            key.clone_into(&mut response.key);
        }
        Ok(response.clone())
    }

    /// Lets the messages of a route not be answered any more.
    ///
    /// # Errors
    ///
    /// If there is no such route or response.
    pub fn delete_response(&mut self, route: &str, id: &str) -> Result<(), ApiError> {
        let route = self.routes.get_mut(route).ok_or(ApiError::PartMissing("Route"))?;
        route.responses.remove(id).map(drop).ok_or(ApiError::PartMissing("RouteResponse"))
    }

    fn put_route(&mut self, mut route: Route, change: RouteChange) -> Result<Route, ApiError> {
        if let Some(key) = change.key {
            self.check_key(&route.id, &key)?;
            route.key = key;
        }
        if let Some(target) = change.target {
            route.integration = Some(self.target(&target)?);
        }
        route.authorization = change.authorization.unwrap_or(route.authorization);
        route.authorizer = change.authorizer.or(route.authorizer);
        route.scopes = change.scopes.unwrap_or(route.scopes);
        route.operation_name = change.operation_name.or(route.operation_name);
        if change.response_selection.is_some() {
            if self.protocol == Protocol::Http {
                return Err(ApiError::invalid(
                    "RouteResponseSelectionExpression is only supported for WEBSOCKET APIs",
                ));
            }
            route.response_selection = change.response_selection;
        }
        self.check_authorization(&mut route)?;
        self.routes.insert(route.id.clone(), route.clone());
        Ok(route)
    }

    /// The id of the integration that a target names.
    fn target(&self, target: &str) -> Result<String, ApiError> {
        let id = target.strip_prefix("integrations/").ok_or_else(|| {
            let text = format!("Invalid target {target}: it has to be integrations/INTEGRATION_ID");
            ApiError::invalid(text)
        })?;
        if self.integrations.contains_key(id) {
            return Ok(id.to_owned());
        }
        Err(ApiError::invalid(format!("Invalid target {target}: there is no such integration")))
    }

    fn check_key(&self, id: &str, key: &str) -> Result<(), ApiError> {
        let mut others = self.routes.values().filter(|route| route.id != id);
        let is_taken = match self.protocol {
            Protocol::Http => {
                let wanted = RouteKey::parse(key)?;
                others.any(|route| {
                    RouteKey::parse(&route.key).is_ok_and(|known| known.is_like(&wanted))
                })
            }
            Protocol::WebSocket => {
                check_message_key(key)?;
                others.any(|route| route.key == key)
            }
        };
        if is_taken {
            let text = format!("Route with key {key} already exists for this API");
            return Err(ApiError::Conflict(text));
        }
        Ok(())
    }

    /// What does not belong to the kind of authorization is forgotten.
    fn check_authorization(&self, route: &mut Route) -> Result<(), ApiError> {
        let is_message = self.protocol == Protocol::WebSocket && route.key != CONNECT;
        if is_message && route.authorization != Authorization::None {
            let text = "Currently, authorization is restricted to the $connect route only";
            return Err(ApiError::invalid(text));
        }
        let kind = match route.authorization {
            Authorization::None => {
                route.authorizer = None;
                route.scopes.clear();
                return Ok(());
            }
            Authorization::Jwt if self.protocol == Protocol::WebSocket => {
                let text = "AuthorizationType JWT is only supported for HTTP APIs";
                return Err(ApiError::invalid(text));
            }
            Authorization::Jwt => AuthorizerKind::Jwt,
            Authorization::Custom => AuthorizerKind::Request,
        };
        let authorizer = route.authorizer.as_deref().and_then(|id| self.authorizers.get(id));
        if authorizer.is_none_or(|authorizer| authorizer.kind != kind) {
            let name = route.authorization.name();
            return Err(ApiError::invalid(format!(
                "Invalid authorizer ID specified. Setting the authorization type to {name} requires a valid {} authorizer.",
                kind.name()
            )));
        }
        if kind == AuthorizerKind::Request && !route.scopes.is_empty() {
            let text = "AuthorizationScopes are only supported with authorization type JWT";
            return Err(ApiError::invalid(text));
        }
        if route.scopes.len() > limits::SCOPES_MAX {
            return Err(ApiError::TooMany("Authorization scopes per route"));
        }
        Ok(())
    }
}

fn check_response_key(key: &str) -> Result<(), ApiError> {
    if key == "$default" {
        return Ok(());
    }
    Err(ApiError::invalid("Only $default is supported as the route response key"))
}

fn check_message_key(key: &str) -> Result<(), ApiError> {
    let is_named = !key.is_empty() && !key.starts_with('$');
    if is_named || [CONNECT, DISCONNECT, DEFAULT_ROUTE].contains(&key) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Invalid route key {key}: of those that begin with $ there are $connect, $disconnect and $default"
    )))
}
