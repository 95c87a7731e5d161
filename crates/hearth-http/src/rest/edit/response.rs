//! Responses of methods and of integrations: what may be answered, and what a mock answers.

use super::super::error::{RESPONSE_MISSING, RestError};
use super::super::record::{IntegrationKind, IntegrationResponse, MethodResponse, RestApi};
use super::method::Place;
use crate::rest::serve::mapping;
use crate::rest::serve::mock;

impl RestApi {
    /// What a method may answer with a status.
    ///
    /// # Errors
    ///
    /// If there is no such method, or it does not answer so.
    pub fn method_response(
        &self,
        place: Place<'_>,
        status: &str,
    ) -> Result<&MethodResponse, RestError> {
        self.method(place)?.responses.get(status).ok_or(RESPONSE_MISSING)
    }

    /// Says what a method may answer with a status.
    ///
    /// # Errors
    ///
    /// If there is no such method, it has such a response already, or it cannot be.
    pub fn put_method_response(
        &mut self,
        place: Place<'_>,
        status: &str,
        response: MethodResponse,
    ) -> Result<MethodResponse, RestError> {
        check_status(status)?;
        response.parameters.keys().try_for_each(|name| mapping::check_response_name(name))?;
        let responses = &mut self.method_mut(place)?.responses;
        if responses.contains_key(status) {
            let text = "Response already exists for this resource";
            return Err(RestError::Conflict(text.to_owned()));
        }
        responses.insert(status.to_owned(), response.clone());
        Ok(response)
    }

    /// Takes a response away from a method.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete_method_response(
        &mut self,
        place: Place<'_>,
        status: &str,
    ) -> Result<(), RestError> {
        let responses = &mut self.method_mut(place)?.responses;
        responses.remove(status).map(drop).ok_or(RESPONSE_MISSING)
    }

    /// What becomes of the answer of an integration that a method response is for.
    ///
    /// # Errors
    ///
    /// If there is no such integration, or no such response.
    pub fn integration_response(
        &self,
        place: Place<'_>,
        status: &str,
    ) -> Result<&IntegrationResponse, RestError> {
        self.integration(place)?.responses.get(status).ok_or(RESPONSE_MISSING)
    }

    /// Says what becomes of answers of an integration, in place of what was said before.
    ///
    /// # Errors
    ///
    /// If there is no such integration or method response, or it cannot be.
    pub fn put_integration_response(
        &mut self,
        place: Place<'_>,
        status: &str,
        response: IntegrationResponse,
    ) -> Result<IntegrationResponse, RestError> {
        check_status(status)?;
        let kind = self.integration(place)?.kind;
        let method = self.method(place)?;
        let Some(known) = method.responses.get(status) else { return Err(RESPONSE_MISSING) };
        if kind == IntegrationKind::Mock {
            for (name, source) in &response.parameters {
                mapping::check_response(name, source)?;
                if !known.parameters.contains_key(name) {
                    return Err(mapping::invalid(name));
                }
            }
            response.templates.values().try_for_each(|text| mock::check(text))?;
            response.selection.as_deref().map_or(Ok(()), mock::check_selection)?;
        }
        let responses = &mut self.integration_mut(place)?.responses;
        responses.insert(status.to_owned(), response.clone());
        Ok(response)
    }

    /// Takes a response away from an integration.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete_integration_response(
        &mut self,
        place: Place<'_>,
        status: &str,
    ) -> Result<(), RestError> {
        let responses = &mut self.integration_mut(place)?.responses;
        responses.remove(status).map(drop).ok_or(RESPONSE_MISSING)
    }
}

fn check_status(status: &str) -> Result<(), RestError> {
    let is_one = status.parse::<u16>().is_ok_and(|status| (100..600).contains(&status));
    if is_one { Ok(()) } else { Err(RestError::invalid("Invalid status code specified")) }
}
