//! Integrations of methods: what becomes of a request.

use std::collections::BTreeMap;

use hearth_services::remote::web::Web;

use super::super::error::{INTEGRATION_MISSING, RestError};
use super::super::limits;
use super::super::patch::{self, Op, Patch};
use super::super::record::{ContentHandling, Integration, IntegrationKind, Passthrough, RestApi};
use super::method::Place;
use crate::rest::serve::mapping;
use crate::rest::serve::mock;
use crate::uri;

/// What can be changed by a patch.
const PATHS: [&str; 9] = [
    "/uri",
    "/httpMethod",
    "/credentials",
    "/requestParameters/{name}",
    "/requestTemplates/{type}",
    "/passthroughBehavior",
    "/contentHandling",
    "/timeoutInMillis",
    "/cacheNamespace",
];

/// What a new integration is like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewIntegration {
    /// What becomes of a request, in AWS's word.
    pub kind: String,
    /// The method with which the integration is asked.
    pub method: Option<String>,
    /// A function or an address.
    pub uri: Option<String>,
    /// The role that a function is invoked with.
    pub credentials: Option<String>,
    /// What an HTTP endpoint is given.
    pub request_parameters: BTreeMap<String, String>,
    /// What a mock makes of requests.
    pub request_templates: BTreeMap<String, String>,
    /// What becomes of a request that no template is for, in AWS's word.
    pub passthrough: Option<String>,
    /// How bodies are to be changed, in AWS's word.
    pub content_handling: Option<String>,
    /// How long an answer is waited for.
    pub timeout_millis: Option<i32>,
    /// A name for a part of a cache.
    pub cache_namespace: Option<String>,
}

impl RestApi {
    /// The integration of a method.
    ///
    /// # Errors
    ///
    /// If there is no such method, or it has none.
    pub fn integration(&self, place: Place<'_>) -> Result<&Integration, RestError> {
        self.method(place)?.integration.as_ref().ok_or(INTEGRATION_MISSING)
    }

    /// The integration of a method, to be changed.
    ///
    /// # Errors
    ///
    /// As [`RestApi::integration`].
    pub fn integration_mut(&mut self, place: Place<'_>) -> Result<&mut Integration, RestError> {
        self.method_mut(place)?.integration.as_mut().ok_or(INTEGRATION_MISSING)
    }

    /// Gives a method an integration, in place of the one before.
    ///
    /// # Errors
    ///
    /// If there is no such method, or the integration cannot be.
    pub fn put_integration(
        &mut self,
        place: Place<'_>,
        new: NewIntegration,
    ) -> Result<Integration, RestError> {
        self.method(place)?;
        let namespace = new.cache_namespace.unwrap_or_else(|| place.0.to_owned());
        let integration = Integration {
            kind: kind(&new.kind)?,
            method: new.method,
            uri: new.uri.filter(|uri| !uri.is_empty()),
            credentials: new.credentials.filter(|role| !role.is_empty()),
            request_parameters: new.request_parameters,
            request_templates: new.request_templates,
            passthrough: new
                .passthrough
                .as_deref()
                .map_or(Ok(Passthrough::WhenNoMatch), passthrough)?,
            content_handling: new.content_handling.as_deref().map(handling).transpose()?,
            timeout_millis: new
                .timeout_millis
                .map_or(Ok(limits::INTEGRATION_MILLIS_MAX), timeout)?,
            cache_namespace: Some(namespace),
            responses: BTreeMap::new(),
        };
        check(&integration)?;
        self.method_mut(place)?.integration = Some(integration.clone());
        Ok(integration)
    }

    /// Takes the integration away from a method.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete_integration(&mut self, place: Place<'_>) -> Result<(), RestError> {
        self.method_mut(place)?.integration.take().map(drop).ok_or(INTEGRATION_MISSING)
    }

    /// Changes what patches say about an integration.
    ///
    /// # Errors
    ///
    /// If there is none, or one of the patches cannot be.
    pub fn patch_integration(
        &mut self,
        place: Place<'_>,
        patches: &[Patch],
    ) -> Result<Integration, RestError> {
        let mut integration = self.integration(place)?.clone();
        for patch in patches {
            patch_one(&mut integration, patch)?;
        }
        check(&integration)?;
        *self.integration_mut(place)? = integration.clone();
        Ok(integration)
    }
}

fn patch_one(integration: &mut Integration, patch: &Patch) -> Result<(), RestError> {
    match patch.parts().as_slice() {
        ["uri"] => integration.uri = patch.optional(),
        ["httpMethod"] => integration.method = patch.optional(),
        ["credentials"] => integration.credentials = patch.optional(),
        ["requestParameters", name] => {
            patch::entry(&mut integration.request_parameters, name, patch)?;
        }
        ["requestTemplates", kind] => {
            // An empty template is one, too.
            if patch.op == Op::Remove {
                integration.request_templates.remove(*kind);
            } else {
                let template = patch.value.clone().unwrap_or_default();
                integration.request_templates.insert((*kind).to_owned(), template);
            }
        }
        ["passthroughBehavior"] => integration.passthrough = passthrough(&patch.required()?)?,
        ["contentHandling"] => {
            integration.content_handling = patch.optional().as_deref().map(handling).transpose()?;
        }
        ["timeoutInMillis"] => integration.timeout_millis = timeout(patch.parsed()?)?,
        ["cacheNamespace"] => integration.cache_namespace = patch.optional(),
        ["connectionType"] if patch.value.as_deref() == Some("INTERNET") => {}
        // Terraform unsets what is not there.
        ["cacheKeyParameters" | "connectionId" | "tlsConfig" | "connectionType", ..]
            if patch.op == Op::Remove => {}
        ["cacheKeyParameters", ..] => return Err(RestError::not_built("cacheKeyParameters")),
        ["connectionType" | "connectionId"] => return Err(RestError::not_built("VPC links")),
        ["tlsConfig", ..] => return Err(RestError::not_built("tlsConfig")),
        _ => return Err(patch.refused(&PATHS)),
    }
    Ok(())
}

/// Whether an integration can be, as a whole.
fn check(integration: &Integration) -> Result<(), RestError> {
    let uri = integration.uri.as_deref();
    match integration.kind {
        IntegrationKind::AwsProxy => {
            let uri = uri.unwrap_or_default();
            if !uri.starts_with("arn:") || !uri.contains(":apigateway:") {
                return Err(RestError::invalid("Invalid ARN specified in the request"));
            }
            if uri.contains("/response-streaming-invocations") {
                return Err(RestError::not_built("responseTransferMode STREAM"));
            }
            if !uri.contains(":lambda:path/") {
                return Err(RestError::not_built(
                    "AWS_PROXY integrations of other services than Lambda",
                ));
            }
            if !uri::may_name_a_function(uri) {
                return Err(RestError::invalid(
                    "AWS ARN for integration must contain path or action",
                ));
            }
            if integration.method.is_none() {
                return Err(RestError::invalid(
                    "Enumeration value for HttpMethod must be non-empty",
                ));
            }
            if let Some(name) = integration.request_parameters.keys().next() {
                return Err(RestError::not_built(format!(
                    "request parameters ({name}) of AWS_PROXY integrations"
                )));
            }
        }
        IntegrationKind::HttpProxy => {
            let uri = uri.unwrap_or_default();
            let address = uri::with_variables(uri, &BTreeMap::new()).replace(['{', '}'], "");
            if !Web::is_address(&address) && !uri.contains("${stageVariables.") {
                return Err(RestError::invalid("Invalid HTTP endpoint specified for URI"));
            }
            if integration.method.is_none() {
                return Err(RestError::invalid(
                    "Enumeration value for HttpMethod must be non-empty",
                ));
            }
            for (target, source) in &integration.request_parameters {
                mapping::check_request(target, source)?;
            }
        }
        IntegrationKind::Mock => {
            if let Some(name) = integration.request_parameters.keys().next() {
                return Err(RestError::not_built(format!(
                    "request parameters ({name}) of MOCK integrations"
                )));
            }
            integration.request_templates.values().try_for_each(|text| mock::check(text))?;
        }
    }
    Ok(())
}

fn kind(text: &str) -> Result<IntegrationKind, RestError> {
    match IntegrationKind::parse(text) {
        Some(kind) => Ok(kind),
        None if text == "AWS" || text == "HTTP" => Err(RestError::not_built(format!(
            "integrations of type {text}, whose templates are in VTL; of AWS_PROXY, HTTP_PROXY and MOCK it does"
        ))),
        None => Err(RestError::invalid(
            "Invalid integration type specified. Valid options are HTTP, MOCK, HTTP_PROXY, AWS_PROXY, AWS",
        )),
    }
}

fn passthrough(text: &str) -> Result<Passthrough, RestError> {
    let known = Passthrough::parse(&text.to_ascii_uppercase());
    known.ok_or_else(|| {
        RestError::invalid(
            "Invalid passthrough behavior specified. Valid options are WHEN_NO_MATCH, WHEN_NO_TEMPLATES, NEVER",
        )
    })
}

/// Reads how bodies are to be changed.
///
/// # Errors
///
/// If it is no way to do that.
pub fn handling(text: &str) -> Result<ContentHandling, RestError> {
    let known = ContentHandling::parse(&text.to_ascii_uppercase());
    known.ok_or_else(|| RestError::invalid("Invalid content handling specified"))
}

fn timeout(millis: i32) -> Result<u32, RestError> {
    let range = limits::INTEGRATION_MILLIS_MIN..=limits::INTEGRATION_MILLIS_MAX;
    let millis = u32::try_from(millis).ok().filter(|millis| range.contains(millis));
    millis.ok_or_else(|| {
        RestError::invalid(format!(
            "Timeout should be between {} ms and {} ms",
            limits::INTEGRATION_MILLIS_MIN,
            limits::INTEGRATION_MILLIS_MAX
        ))
    })
}
