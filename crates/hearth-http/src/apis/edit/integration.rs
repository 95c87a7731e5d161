//! Integrations.

use hearth_services::remote::web::Web;

use super::super::error::ApiError;
use super::super::record::{Api, Integration, IntegrationKind, PayloadFormat, Protocol};
use super::super::{limits, new_id};
use crate::uri;

/// The method with which functions are invoked, as AWS shows it.
const INVOKED_WITH: &str = "POST";

/// What is to be set of an integration. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntegrationChange {
    /// What becomes of a request.
    pub kind: Option<IntegrationKind>,
    /// What it is for.
    pub description: Option<String>,
    /// The method that an endpoint is asked with.
    pub method: Option<String>,
    /// A function or an address.
    pub uri: Option<String>,
    /// The form of a function's events.
    pub payload_format: Option<PayloadFormat>,
    /// How long an answer is waited for.
    pub timeout_millis: Option<u32>,
    /// The role that a function is invoked with.
    pub credentials: Option<String>,
}

impl Api {
    /// Makes an integration.
    ///
    /// # Errors
    ///
    /// If there are too many, or something that was given cannot be.
    pub fn create_integration(
        &mut self,
        change: IntegrationChange,
    ) -> Result<Integration, ApiError> {
        if self.integrations.len() >= limits::INTEGRATIONS_MAX {
            return Err(ApiError::TooMany("Integrations per API"));
        }
        let kind = change
            .kind
            .ok_or_else(|| ApiError::invalid("IntegrationType is a required parameter"))?;
        let integration = Integration {
            id: new_id(7),
            kind,
            description: None,
            method: None,
            uri: String::new(),
            payload_format: PayloadFormat::One,
            timeout_millis: self.timeout_millis_max(),
            credentials: None,
            managed: false,
        };
        self.put_integration(integration, change)
    }

    /// Changes an integration.
    ///
    /// # Errors
    ///
    /// If there is none, or something that was given cannot be.
    pub fn update_integration(
        &mut self,
        id: &str,
        change: IntegrationChange,
    ) -> Result<Integration, ApiError> {
        let integration = self.integrations.get(id);
        let integration = integration.ok_or(ApiError::PartMissing("Integration"))?.clone();
        self.put_integration(integration, change)
    }

    /// Deletes an integration.
    ///
    /// # Errors
    ///
    /// If there is none, or a route uses it.
    pub fn delete_integration(&mut self, id: &str) -> Result<(), ApiError> {
        if let Some(route) =
            self.routes.values().find(|route| route.integration.as_deref() == Some(id))
        {
            let (key, route) = (&route.key, &route.id);
            return Err(ApiError::Conflict(format!(
                "Cannot delete Integration '{id}' used by Route '{route}' ({key}). Please delete the route, or update it to use another integration."
            )));
        }
        self.integrations.remove(id).map(drop).ok_or(ApiError::PartMissing("Integration"))
    }

    fn put_integration(
        &mut self,
        mut integration: Integration,
        change: IntegrationChange,
    ) -> Result<Integration, ApiError> {
        integration.kind = change.kind.unwrap_or(integration.kind);
        integration.description = change.description.or(integration.description);
        integration.method = change.method.or(integration.method);
        integration.uri = change.uri.unwrap_or(integration.uri);
        integration.payload_format = change.payload_format.unwrap_or(integration.payload_format);
        integration.credentials = change.credentials.or(integration.credentials);
        if let Some(millis) = change.timeout_millis {
            let most = self.timeout_millis_max();
            if !(limits::INTEGRATION_MILLIS_MIN..=most).contains(&millis) {
                return Err(ApiError::invalid(format!(
                    "Timeout should be between {} ms and {most} ms",
                    limits::INTEGRATION_MILLIS_MIN
                )));
            }
            integration.timeout_millis = millis;
        }
        match integration.kind {
            IntegrationKind::AwsProxy => check_function(&mut integration)?,
            IntegrationKind::HttpProxy if self.protocol == Protocol::WebSocket => {
                return Err(ApiError::not_built("HTTP_PROXY integrations of WebSocket APIs"));
            }
            IntegrationKind::HttpProxy => check_endpoint(&integration)?,
        }
        if self.protocol == Protocol::WebSocket && integration.payload_format == PayloadFormat::Two
        {
            let text = "PayloadFormatVersion 2.0 is only supported for HTTP APIs";
            return Err(ApiError::invalid(text));
        }
        self.integrations.insert(integration.id.clone(), integration.clone());
        Ok(integration)
    }

    fn timeout_millis_max(&self) -> u32 {
        match self.protocol {
            Protocol::Http => limits::INTEGRATION_MILLIS_MAX,
            Protocol::WebSocket => limits::SOCKET_INTEGRATION_MILLIS_MAX,
        }
    }
}

fn check_function(integration: &mut Integration) -> Result<(), ApiError> {
    if !uri::may_name_a_function(&integration.uri) {
        return Err(ApiError::invalid(format!(
            "Invalid function ARN or invalid uri: {}",
            integration.uri
        )));
    }
    match integration.method.as_deref() {
        None | Some(INVOKED_WITH) => integration.method = Some(INVOKED_WITH.to_owned()),
        Some(other) => {
            return Err(ApiError::invalid(format!(
                "The integration method of an AWS_PROXY integration has to be POST, not {other}"
            )));
        }
    }
    check_credentials(integration.credentials.as_deref())
}

fn check_endpoint(integration: &Integration) -> Result<(), ApiError> {
    if integration.method.is_none() {
        let text = "HTTP method is required for HTTP_PROXY integrations";
        return Err(ApiError::invalid(text));
    }
    if integration.payload_format == PayloadFormat::Two {
        let text = "PayloadFormatVersion of HTTP_PROXY integrations has to be 1.0";
        return Err(ApiError::invalid(text));
    }
    if integration.credentials.is_some() {
        let text = "CredentialsArn is not supported for HTTP_PROXY integrations";
        return Err(ApiError::invalid(text));
    }
    // Variables of the stage and of the path may stand in it.
    let filled: String =
        integration.uri.chars().map(|one| if "${}+".contains(one) { 'x' } else { one }).collect();
    if !Web::is_address(&filled) {
        let text = format!("Invalid HTTP endpoint specified for URI: {}", integration.uri);
        return Err(ApiError::invalid(text));
    }
    Ok(())
}

/// A role; not the caller's own, which nobody knows here.
pub(super) fn check_credentials(credentials: Option<&str>) -> Result<(), ApiError> {
    let Some(arn) = credentials else { return Ok(()) };
    if arn.starts_with("arn:aws:iam::*:") {
        return Err(ApiError::not_built("passing through the credentials of the caller"));
    }
    let is_role = arn.starts_with("arn:") && arn.contains(":iam::") && arn.contains(":role/");
    if is_role {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Invalid ARN specified in the request: {arn}")))
}
