//! Methods of resources: who may use them, and what they know of requests.

use std::collections::BTreeMap;

use super::super::error::{METHOD_MISSING, RestError};
use super::super::patch::{self, Op, Patch};
use super::super::record::{ANY, Authorization, Method, RestApi};

/// What can be changed by a patch.
const PATHS: [&str; 6] = [
    "/authorizationType",
    "/authorizerId",
    "/apiKeyRequired",
    "/operationName",
    "/requestParameters/{name}",
    "/requestModels/{type}",
];

/// The methods that a resource may have.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", ANY];

/// Where a method is: its resource and its name.
pub type Place<'a> = (&'a str, &'a str);

/// What a new method is like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewMethod {
    /// Who may use it, in AWS's word.
    pub authorization: String,
    /// The id of the authorizer that decides.
    pub authorizer: Option<String>,
    /// Whether a client has to have a key.
    pub key_required: bool,
    /// A name for it.
    pub operation_name: Option<String>,
    /// The parameters that it knows.
    pub request_parameters: BTreeMap<String, bool>,
    /// The models of its bodies.
    pub request_models: BTreeMap<String, String>,
}

impl RestApi {
    /// One method.
    ///
    /// # Errors
    ///
    /// If there is no such resource, or it has no such method.
    pub fn method(&self, (resource, name): Place<'_>) -> Result<&Method, RestError> {
        self.resource(resource)?.methods.get(name).ok_or(METHOD_MISSING)
    }

    /// One method, to be changed.
    ///
    /// # Errors
    ///
    /// As [`RestApi::method`].
    pub fn method_mut(&mut self, (resource, name): Place<'_>) -> Result<&mut Method, RestError> {
        self.resource_mut(resource)?.methods.get_mut(name).ok_or(METHOD_MISSING)
    }

    /// Gives a resource a method.
    ///
    /// # Errors
    ///
    /// If there is no such resource, it has the method already, or the method cannot be.
    pub fn put_method(
        &mut self,
        (resource, name): Place<'_>,
        new: NewMethod,
    ) -> Result<Method, RestError> {
        if !METHODS.contains(&name) {
            return Err(RestError::invalid(format!(
                "Invalid HttpMethod specified. Valid options are {}",
                METHODS.join(",")
            )));
        }
        if self.resource(resource)?.methods.contains_key(name) {
            let text = "Method already exists for this resource";
            return Err(RestError::Conflict(text.to_owned()));
        }
        check_parameters(new.request_parameters.keys())?;
        let mut method = Method {
            authorization: Authorization::None,
            authorizer: None,
            key_required: new.key_required,
            operation_name: new.operation_name.filter(|name| !name.is_empty()),
            request_parameters: new.request_parameters,
            request_models: new.request_models,
            responses: BTreeMap::new(),
            integration: None,
        };
        (method.authorization, method.authorizer) =
            self.authorized_by(&new.authorization, new.authorizer)?;
        let resource = self.resource_mut(resource)?;
        resource.methods.insert(name.to_owned(), method.clone());
        Ok(method)
    }

    /// Takes a method away from a resource.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete_method(&mut self, (resource, name): Place<'_>) -> Result<(), RestError> {
        let methods = &mut self.resource_mut(resource)?.methods;
        methods.remove(name).map(drop).ok_or(METHOD_MISSING)
    }

    /// Changes what patches say about a method.
    ///
    /// # Errors
    ///
    /// If there is none, or one of the patches cannot be.
    pub fn patch_method(
        &mut self,
        place: Place<'_>,
        patches: &[Patch],
    ) -> Result<Method, RestError> {
        let mut method = self.method(place)?.clone();
        // These two may come in any order, and only together do they have to be right.
        let mut authorization = method.authorization.name().to_owned();
        let mut authorizer = method.authorizer.clone();
        for patch in patches {
            match patch.parts().as_slice() {
                ["authorizationType"] => authorization = patch.required()?,
                ["authorizerId"] => authorizer = patch.optional(),
                ["apiKeyRequired"] => method.key_required = patch.flag()?,
                ["operationName"] => method.operation_name = patch.optional(),
                ["requestParameters", name] => {
                    check_parameters([&(*name).to_owned()])?;
                    match patch.op {
                        Op::Add | Op::Replace => {
                            let is_required = patch.value.as_deref() == Some("true");
                            method.request_parameters.insert((*name).to_owned(), is_required);
                        }
                        Op::Remove => {
                            method.request_parameters.remove(*name);
                        }
                    }
                }
                ["requestModels", kind] => {
                    patch::entry(&mut method.request_models, kind, patch)?;
                }
                // Terraform unsets what is not there.
                ["requestValidatorId" | "authorizationScopes", ..] if patch.op == Op::Remove => {}
                ["requestValidatorId"] if patch.optional().is_none() => {}
                ["requestValidatorId"] => return Err(RestError::not_built("request validators")),
                ["authorizationScopes", ..] => return Err(scopes()),
                _ => return Err(patch.refused(&PATHS)),
            }
        }
        if authorization == Authorization::None.name() {
            authorizer = None;
        }
        (method.authorization, method.authorizer) =
            self.authorized_by(&authorization, authorizer)?;
        *self.method_mut(place)? = method.clone();
        Ok(method)
    }

    /// Who may use a method, if that can be.
    fn authorized_by(
        &self,
        authorization: &str,
        authorizer: Option<String>,
    ) -> Result<(Authorization, Option<String>), RestError> {
        match Authorization::parse(authorization) {
            Some(Authorization::None) => Ok((Authorization::None, None)),
            Some(Authorization::Custom) => {
                let known = authorizer.filter(|id| self.authorizers.contains_key(id));
                let invalid = "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.";
                known.map_or_else(
                    || Err(RestError::invalid(invalid)),
                    |id| Ok((Authorization::Custom, Some(id))),
                )
            }
            None if ["AWS_IAM", "COGNITO_USER_POOLS", "JWT"].contains(&authorization) => {
                Err(RestError::not_built(format!("the authorization type {authorization}")))
            }
            None => Err(RestError::invalid(
                "Invalid Authorization type specified. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS",
            )),
        }
    }
}

/// Tokens that have scopes are those of user pools.
#[must_use]
pub fn scopes() -> RestError {
    RestError::not_built("authorizationScopes")
}

fn check_parameters<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<(), RestError> {
    for name in names {
        let place = name.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'));
        let is_one = place.is_some_and(|(place, name)| {
            ["header", "path", "querystring", "multivalueheader", "multivaluequerystring"]
                .contains(&place)
                && !name.is_empty()
        });
        if !is_one {
            return Err(RestError::invalid(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: ".to_owned()
                    + name
                    + "]",
            ));
        }
    }
    Ok(())
}
