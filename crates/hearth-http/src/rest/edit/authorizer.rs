//! Authorizers: functions that decide whether requests are let through.

use super::super::error::{AUTHORIZER_MISSING, RestError};
use super::super::limits;
use super::super::patch::Patch;
use super::super::record::{Authorizer, AuthorizerKind, RestApi};
use crate::apis::new_id;
use crate::rest::serve::authorize::{self, Source};
use crate::uri;

/// What can be changed by a patch.
const PATHS: [&str; 8] = [
    "/name",
    "/type",
    "/authType",
    "/authorizerUri",
    "/authorizerCredentials",
    "/identitySource",
    "/identityValidationExpression",
    "/authorizerResultTtlInSeconds",
];

/// What a new authorizer is like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewAuthorizer {
    /// Its name.
    pub name: String,
    /// What it is asked by, in AWS's word.
    pub kind: String,
    /// A word of the owner's.
    pub auth_type: Option<String>,
    /// The URI of the function.
    pub uri: Option<String>,
    /// The role that the function is invoked with.
    pub credentials: Option<String>,
    /// Where that is by which it decides.
    pub identity_source: Option<String>,
    /// What a token has to be like.
    pub validation: Option<String>,
    /// How long its answer is good for.
    pub ttl_seconds: Option<i32>,
}

impl RestApi {
    /// One authorizer.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn authorizer(&self, id: &str) -> Result<&Authorizer, RestError> {
        self.authorizers.get(id).ok_or(AUTHORIZER_MISSING)
    }

    /// Makes an authorizer.
    ///
    /// # Errors
    ///
    /// If it cannot be, its name is taken, or there are too many.
    pub fn create_authorizer(&mut self, new: NewAuthorizer) -> Result<Authorizer, RestError> {
        if self.authorizers.len() >= limits::AUTHORIZERS_MAX {
            return Err(RestError::TooMany("Authorizers per API"));
        }
        let authorizer = Authorizer {
            id: new_id(6),
            name: new.name,
            kind: kind(&new.kind)?,
            auth_type: new.auth_type,
            uri: new.uri.unwrap_or_default(),
            credentials: new.credentials.filter(|role| !role.is_empty()),
            identity_source: new.identity_source.unwrap_or_default(),
            validation: new.validation.filter(|text| !text.is_empty()),
            ttl_seconds: new.ttl_seconds.map_or(Ok(limits::AUTHORIZER_TTL_SECONDS_DEFAULT), ttl)?,
        };
        self.keep_authorizer(authorizer)
    }

    /// Changes what patches say about an authorizer.
    ///
    /// # Errors
    ///
    /// If there is none, or one of the patches cannot be.
    pub fn patch_authorizer(
        &mut self,
        id: &str,
        patches: &[Patch],
    ) -> Result<Authorizer, RestError> {
        let mut authorizer = self.authorizer(id)?.clone();
        for patch in patches {
            match patch.parts().as_slice() {
                ["name"] => authorizer.name = patch.required()?,
                ["type"] => authorizer.kind = kind(&patch.required()?)?,
                ["authType"] => authorizer.auth_type = patch.optional(),
                ["authorizerUri"] => authorizer.uri = patch.required()?,
                ["authorizerCredentials"] => authorizer.credentials = patch.optional(),
                ["identitySource"] => {
                    authorizer.identity_source = patch.optional().unwrap_or_default();
                }
                ["identityValidationExpression"] => authorizer.validation = patch.optional(),
                ["authorizerResultTtlInSeconds"] => authorizer.ttl_seconds = ttl(patch.parsed()?)?,
                ["providerARNs", ..] => return Err(user_pools()),
                _ => return Err(patch.refused(&PATHS)),
            }
        }
        self.keep_authorizer(authorizer)
    }

    /// Deletes an authorizer.
    ///
    /// # Errors
    ///
    /// If there is none, or a method needs it.
    pub fn delete_authorizer(&mut self, id: &str) -> Result<(), RestError> {
        self.authorizer(id)?;
        let mut methods = self.resources.values().flat_map(|one| one.methods.values());
        if methods.any(|method| method.authorizer.as_deref() == Some(id)) {
            return Err(RestError::Conflict(
                "Cannot delete authorizer: methods are using it. Remove it from them first."
                    .to_owned(),
            ));
        }
        self.authorizers.remove(id);
        Ok(())
    }

    fn keep_authorizer(&mut self, authorizer: Authorizer) -> Result<Authorizer, RestError> {
        check(&authorizer)?;
        let mut others = self.authorizers.values().filter(|one| one.id != authorizer.id);
        if others.any(|one| one.name == authorizer.name) {
            return Err(RestError::invalid(format!(
                "Authorizer name must be unique. Authorizer {} already exists in this RestApi.",
                authorizer.name
            )));
        }
        self.authorizers.insert(authorizer.id.clone(), authorizer.clone());
        Ok(authorizer)
    }
}

fn check(authorizer: &Authorizer) -> Result<(), RestError> {
    if authorizer.name.is_empty() {
        return Err(RestError::invalid("Authorizer name cannot be empty"));
    }
    let is_invocation = authorizer.uri.contains(":lambda:path/");
    if !is_invocation || !uri::may_name_a_function(&authorizer.uri) {
        return Err(RestError::invalid(format!(
            "Invalid Authorizer URI: {}. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.",
            authorizer.uri
        )));
    }
    let sources = authorize::sources(&authorizer.identity_source);
    let sources = sources.ok_or_else(|| {
        RestError::invalid(format!(
            "Invalid identity source {}. Identity sources are method.request.header.NAME, method.request.querystring.NAME, stageVariables.NAME and context.NAME.",
            authorizer.identity_source
        ))
    })?;
    match authorizer.kind {
        AuthorizerKind::Token => {
            if !matches!(sources.as_slice(), [Source::Header(_)]) {
                return Err(RestError::invalid(
                    "Authorizer of type TOKEN must have a single identity source that is a header",
                ));
            }
        }
        AuthorizerKind::Request => {
            if sources.is_empty() && authorizer.ttl_seconds > 0 {
                return Err(RestError::invalid(
                    "Identity source is required when authorizer caching is enabled",
                ));
            }
            if authorizer.validation.is_some() {
                return Err(RestError::invalid(
                    "Identity validation expression is only supported for TOKEN authorizers",
                ));
            }
        }
    }
    match &authorizer.validation {
        Some(text) if authorize::expression(text).is_none() => Err(RestError::invalid(format!(
            "Invalid identity validation expression specified: {text}"
        ))),
        Some(_) | None => Ok(()),
    }
}

fn kind(text: &str) -> Result<AuthorizerKind, RestError> {
    match AuthorizerKind::parse(text) {
        Some(kind) => Ok(kind),
        None if text == "COGNITO_USER_POOLS" => Err(user_pools()),
        None if text == "JWT" => {
            Err(RestError::not_built("JWT authorizers of REST APIs; HTTP APIs have them"))
        }
        None => Err(RestError::invalid(
            "Invalid authorizer type specified. Valid options are TOKEN, REQUEST, COGNITO_USER_POOLS",
        )),
    }
}

fn user_pools() -> RestError {
    RestError::not_built("authorizers of Cognito user pools")
}

fn ttl(seconds: i32) -> Result<u32, RestError> {
    let seconds = u32::try_from(seconds).ok();
    let seconds = seconds.filter(|seconds| *seconds <= limits::AUTHORIZER_TTL_SECONDS_MAX);
    seconds.ok_or_else(|| {
        RestError::invalid(format!(
            "Authorizer result TTL must be between 0 and {} seconds",
            limits::AUTHORIZER_TTL_SECONDS_MAX
        ))
    })
}
