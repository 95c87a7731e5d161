//! Authorizers.

use hearth_services::remote::web::Web;

use super::super::error::ApiError;
use super::super::record::{Api, Authorizer, AuthorizerKind, Jwt, PayloadFormat, Protocol};
use super::super::{identity::IdentitySource, limits, new_id};
use super::integration::check_credentials;
use crate::uri;

/// What is to be set of an authorizer. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizerChange {
    /// Its name.
    pub name: Option<String>,
    /// How it decides.
    pub kind: Option<AuthorizerKind>,
    /// By what.
    pub identity_sources: Option<Vec<String>>,
    /// Whose tokens it accepts.
    pub jwt: Option<Jwt>,
    /// The URI of the function that it asks.
    pub uri: Option<String>,
    /// The role that the function is invoked with.
    pub credentials: Option<String>,
    /// The form of the function's events.
    pub payload_format: Option<PayloadFormat>,
    /// How long the function's answer is good for.
    pub ttl_seconds: Option<u32>,
    /// Whether the function answers without a policy.
    pub simple_responses: Option<bool>,
}

impl Api {
    /// Makes an authorizer.
    ///
    /// # Errors
    ///
    /// If there are too many, there is one with this name, or something that was given cannot be.
    pub fn create_authorizer(&mut self, change: AuthorizerChange) -> Result<Authorizer, ApiError> {
        if self.authorizers.len() >= limits::AUTHORIZERS_MAX {
            return Err(ApiError::TooMany("Authorizers per API"));
        }
        let required = |what: &str| ApiError::invalid(format!("{what} is a required parameter"));
        let kind = change.kind.ok_or_else(|| required("AuthorizerType"))?;
        if change.name.is_none() {
            return Err(required("Name"));
        }
        let ttl_seconds = match (kind, self.protocol) {
            (AuthorizerKind::Request, Protocol::Http) => limits::AUTHORIZER_TTL_SECONDS_DEFAULT,
            (AuthorizerKind::Jwt, _) | (AuthorizerKind::Request, Protocol::WebSocket) => 0,
        };
        let authorizer = Authorizer {
            id: new_id(6),
            name: String::new(),
            kind,
            identity_sources: Vec::new(),
            jwt: None,
            uri: None,
            credentials: None,
            payload_format: None,
            ttl_seconds,
            simple_responses: false,
        };
        self.put_authorizer(authorizer, change)
    }

    /// Changes an authorizer.
    ///
    /// # Errors
    ///
    /// If there is none, another one has this name, or something that was given cannot be.
    pub fn update_authorizer(
        &mut self,
        id: &str,
        change: AuthorizerChange,
    ) -> Result<Authorizer, ApiError> {
        let authorizer = self.authorizers.get(id);
        let authorizer = authorizer.ok_or(ApiError::PartMissing("Authorizer"))?.clone();
        if change.kind.is_some_and(|kind| kind != authorizer.kind) {
            let text = "The type of an authorizer cannot be changed; create another one";
            return Err(ApiError::invalid(text));
        }
        self.put_authorizer(authorizer, change)
    }

    /// Deletes an authorizer.
    ///
    /// # Errors
    ///
    /// If there is none, or a route uses it.
    pub fn delete_authorizer(&mut self, id: &str) -> Result<(), ApiError> {
        if let Some(route) =
            self.routes.values().find(|route| route.authorizer.as_deref() == Some(id))
        {
            return Err(ApiError::Conflict(format!(
                "Cannot delete authorizer '{id}', is referenced in route: {}",
                route.key
            )));
        }
        self.authorizers.remove(id).map(drop).ok_or(ApiError::PartMissing("Authorizer"))
    }

    fn put_authorizer(
        &mut self,
        mut authorizer: Authorizer,
        change: AuthorizerChange,
    ) -> Result<Authorizer, ApiError> {
        authorizer.name = change.name.unwrap_or(authorizer.name);
        let is_taken = self
            .authorizers
            .values()
            .any(|other| other.id != authorizer.id && other.name == authorizer.name);
        if is_taken {
            let text = format!("An authorizer with name {} already exists", authorizer.name);
            return Err(ApiError::Conflict(text));
        }
        authorizer.identity_sources =
            change.identity_sources.unwrap_or(authorizer.identity_sources);
        authorizer.jwt = change.jwt.or(authorizer.jwt);
        authorizer.uri = change.uri.or(authorizer.uri);
        authorizer.credentials = change.credentials.or(authorizer.credentials);
        authorizer.payload_format = change.payload_format.or(authorizer.payload_format);
        authorizer.ttl_seconds = change.ttl_seconds.unwrap_or(authorizer.ttl_seconds);
        authorizer.simple_responses =
            change.simple_responses.unwrap_or(authorizer.simple_responses);
        match authorizer.kind {
            AuthorizerKind::Jwt => check_jwt(self.protocol, &authorizer)?,
            AuthorizerKind::Request => check_request(self.protocol, &mut authorizer)?,
        }
        self.authorizers.insert(authorizer.id.clone(), authorizer.clone());
        Ok(authorizer)
    }
}

fn check_jwt(protocol: Protocol, authorizer: &Authorizer) -> Result<(), ApiError> {
    if protocol == Protocol::WebSocket {
        return Err(ApiError::invalid("JWT authorizers are only supported for HTTP APIs"));
    }
    let jwt = authorizer.jwt.as_ref().ok_or_else(|| {
        ApiError::invalid("JwtConfiguration is a required parameter for JWT authorizers")
    })?;
    if !is_issuer(&jwt.issuer) {
        return Err(ApiError::invalid(format!(
            "Invalid issuer: {}. Issuer must have a valid URL, which begins with https:// unless it leads to this machine",
            jwt.issuer
        )));
    }
    if jwt.audience.is_empty() || jwt.audience.len() > limits::AUDIENCES_MAX {
        return Err(ApiError::invalid(format!(
            "Audience must have between 1 and {} entries",
            limits::AUDIENCES_MAX
        )));
    }
    if authorizer.identity_sources.len() != 1 {
        let text = "Identity source of a JWT authorizer must have exactly one entry";
        return Err(ApiError::invalid(text));
    }
    check_sources(protocol, &authorizer.identity_sources)?;
    let function = [
        ("AuthorizerUri", authorizer.uri.is_some()),
        ("AuthorizerCredentialsArn", authorizer.credentials.is_some()),
        ("AuthorizerPayloadFormatVersion", authorizer.payload_format.is_some()),
        ("AuthorizerResultTtlInSeconds", authorizer.ttl_seconds > 0),
        ("EnableSimpleResponses", authorizer.simple_responses),
    ];
    match function.into_iter().find(|(_name, is_given)| *is_given) {
        Some((name, _)) => {
            Err(ApiError::invalid(format!("{name} is only supported for REQUEST authorizers")))
        }
        None => Ok(()),
    }
}

fn check_request(protocol: Protocol, authorizer: &mut Authorizer) -> Result<(), ApiError> {
    if authorizer.jwt.is_some() {
        let text = "JwtConfiguration is only supported for JWT authorizers";
        return Err(ApiError::invalid(text));
    }
    let named = authorizer.uri.as_deref().unwrap_or_default();
    if !uri::may_name_a_function(named) {
        return Err(ApiError::invalid(format!("Invalid Authorizer URI: {named}")));
    }
    check_credentials(authorizer.credentials.as_deref())?;
    check_sources(protocol, &authorizer.identity_sources)?;
    match protocol {
        Protocol::Http => {
            let format = authorizer.payload_format.ok_or_else(|| {
                ApiError::invalid(
                    "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer",
                )
            })?;
            if authorizer.simple_responses && format == PayloadFormat::One {
                let text = "EnableSimpleResponses is only supported with AuthorizerPayloadFormatVersion 2.0";
                return Err(ApiError::invalid(text));
            }
            if authorizer.ttl_seconds > limits::AUTHORIZER_TTL_SECONDS_MAX {
                return Err(ApiError::invalid(format!(
                    "AuthorizerResultTtlInSeconds should be between 0 and {}",
                    limits::AUTHORIZER_TTL_SECONDS_MAX
                )));
            }
            if authorizer.ttl_seconds > 0 && authorizer.identity_sources.is_empty() {
                let text = "Identity sources are required if results of the authorizer are cached";
                return Err(ApiError::invalid(text));
            }
        }
        Protocol::WebSocket => {
            let http = authorizer.payload_format.is_some()
                || authorizer.ttl_seconds > 0
                || authorizer.simple_responses;
            if http {
                return Err(ApiError::invalid(
                    "AuthorizerPayloadFormatVersion, AuthorizerResultTtlInSeconds and EnableSimpleResponses are only supported for HTTP APIs",
                ));
            }
        }
    }
    Ok(())
}

fn check_sources(protocol: Protocol, sources: &[String]) -> Result<(), ApiError> {
    match sources.iter().find(|source| IdentitySource::parse(protocol, source).is_none()) {
        None => Ok(()),
        Some(source) => {
            Err(ApiError::invalid(format!("Invalid identity source specified: {source}")))
        }
    }
}

/// An address with TLS. For tests and for what runs beside Hearth, this machine is enough.
fn is_issuer(issuer: &str) -> bool {
    if !Web::is_address(issuer) || issuer.contains(['?', '#']) {
        return false;
    }
    issuer.starts_with("https://") || Web::leads_to_this_machine(issuer)
}
