//! Routes and route responses.

use std::collections::BTreeMap;

use hearth_http::apis::edit::route::RouteChange;
use hearth_http::apis::error::ApiError;
use hearth_http::apis::record::{Authorization, Route, RouteResponse};
use hearth_wire::apigatewayv2::types;
use serde_json::Value;

use super::{Call, paging, refuse, word, write, write_page};
use crate::error::AwsError;

/// What a request asks for, in which only the key stands in two ways. What is not built is refused.
macro_rules! change_of {
    ($request:ident, $key:expr) => {{
        refuse(&[
            ("ApiKeyRequired", $request.api_key_required == Some(true)),
            ("ModelSelectionExpression", $request.model_selection_expression.is_some()),
            ("RequestModels", is_filled($request.request_models.as_ref())),
            ("RequestParameters", is_filled($request.request_parameters.as_ref())),
        ])?;
        RouteChange {
            key: $key,
            target: $request.target,
            authorization: authorization($request.authorization_type.as_deref())?,
            authorizer: $request.authorizer_id,
            scopes: $request.authorization_scopes,
            operation_name: $request.operation_name,
            response_selection: $request.route_response_selection_expression,
        }
    }};
}

pub(super) async fn create(
    call: &Call,
    request: types::CreateRouteRequest,
) -> Result<Value, AwsError> {
    let change = change_of!(request, Some(request.route_key));
    let changed = call.change(&request.api_id, |api| api.create_route(change));
    let (_api, route) = changed.await?;
    Ok(shown(&route))
}

pub(super) fn get(call: &Call, request: types::GetRouteRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let route = api.routes.get(&request.route_id).ok_or(ApiError::PartMissing("Route"))?;
    Ok(shown(route))
}

pub(super) fn list(call: &Call, request: types::GetRoutesRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let asked = (request.max_results.as_deref(), request.next_token.as_deref());
    Ok(write_page(paging::cut(&api.routes, asked, shown)?))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateRouteRequest,
) -> Result<Value, AwsError> {
    let change = change_of!(request, request.route_key);
    let id = request.route_id;
    let changed = call.change(&request.api_id, |api| api.update_route(&id, change));
    let (_api, route) = changed.await?;
    Ok(shown(&route))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteRouteRequest,
) -> Result<Value, AwsError> {
    call.change(&request.api_id, |api| api.delete_route(&request.route_id)).await?;
    Ok(Value::Null)
}

pub(super) async fn create_response(
    call: &Call,
    request: types::CreateRouteResponseRequest,
) -> Result<Value, AwsError> {
    refuse(&[
        ("ModelSelectionExpression", request.model_selection_expression.is_some()),
        ("ResponseModels", is_filled(request.response_models.as_ref())),
        ("ResponseParameters", is_filled(request.response_parameters.as_ref())),
    ])?;
    let changed = call.change(&request.api_id, |api| {
        api.create_response(&request.route_id, &request.route_response_key)
    });
    let (_api, response) = changed.await?;
    Ok(shown_response(&response))
}

pub(super) fn get_response(
    call: &Call,
    request: types::GetRouteResponseRequest,
) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let route = api.routes.get(&request.route_id).ok_or(ApiError::PartMissing("Route"))?;
    let response = route.responses.get(&request.route_response_id);
    Ok(shown_response(response.ok_or(ApiError::PartMissing("RouteResponse"))?))
}

pub(super) fn list_responses(
    call: &Call,
    request: types::GetRouteResponsesRequest,
) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let route = api.routes.get(&request.route_id).ok_or(ApiError::PartMissing("Route"))?;
    let asked = (request.max_results.as_deref(), request.next_token.as_deref());
    Ok(write_page(paging::cut(&route.responses, asked, shown_response)?))
}

pub(super) async fn update_response(
    call: &Call,
    request: types::UpdateRouteResponseRequest,
) -> Result<Value, AwsError> {
    refuse(&[
        ("ModelSelectionExpression", request.model_selection_expression.is_some()),
        ("ResponseModels", is_filled(request.response_models.as_ref())),
        ("ResponseParameters", is_filled(request.response_parameters.as_ref())),
    ])?;
    let changed = call.change(&request.api_id, |api| {
        let at = (request.route_id.as_str(), request.route_response_id.as_str());
        api.update_response(at, request.route_response_key.as_deref())
    });
    let (_api, response) = changed.await?;
    Ok(shown_response(&response))
}

pub(super) async fn delete_response(
    call: &Call,
    request: types::DeleteRouteResponseRequest,
) -> Result<Value, AwsError> {
    let changed = call.change(&request.api_id, |api| {
        api.delete_response(&request.route_id, &request.route_response_id)
    });
    changed.await?;
    Ok(Value::Null)
}

fn authorization(given: Option<&str>) -> Result<Option<Authorization>, AwsError> {
    // AWS_IAM is none of those that are known: nobody checks signatures, so such a route would be
    // open, and it is refused.
    word(given, Authorization::parse, "AuthorizationType")
}

/// Clients that set everything say with an empty map that they set nothing.
pub(super) fn is_filled<V>(map: Option<&BTreeMap<String, V>>) -> bool {
    map.is_some_and(|map| !map.is_empty())
}

fn shown(route: &Route) -> Value {
    let scopes = (!route.scopes.is_empty()).then(|| route.scopes.clone());
    let shown = types::Route {
        api_gateway_managed: route.managed.then_some(true),
        api_key_required: Some(false),
        authorization_scopes: scopes,
        authorization_type: Some(route.authorization.name().to_owned()),
        authorizer_id: route.authorizer.clone(),
        model_selection_expression: None,
        operation_name: route.operation_name.clone(),
        request_models: None,
        request_parameters: None,
        route_id: Some(route.id.clone()),
        route_key: Some(route.key.clone()),
        route_response_selection_expression: route.response_selection.clone(),
        target: route.integration.as_ref().map(|id| format!("integrations/{id}")),
    };
    write(&shown, &[])
}

fn shown_response(response: &RouteResponse) -> Value {
    let shown = types::RouteResponse {
        route_response_id: Some(response.id.clone()),
        route_response_key: Some(response.key.clone()),
        ..types::RouteResponse::default()
    };
    write(&shown, &[])
}
