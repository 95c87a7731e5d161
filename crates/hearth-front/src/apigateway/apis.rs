//! REST APIs.

use hearth_http::apis::openapi::{BasePath, Warned};
use hearth_http::rest::edit::api::{self, NewApi};
use hearth_http::rest::error::RestError;
use hearth_http::rest::limits;
use hearth_http::rest::openapi::{self, Options};
use hearth_http::rest::record::{EndpointKind, IpAddressType, KeySource, RestApi};
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, invalid, paging, patches, refuse, seconds, some, write};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateRestApiRequest,
) -> Result<Value, AwsError> {
    refuse(&[
        ("minimumCompressionSize", request.minimum_compression_size.is_some()),
        ("securityPolicy", request.security_policy.is_some()),
        ("endpointAccessMode", request.endpoint_access_mode.is_some()),
    ])?;
    let (endpoint, addresses) = endpoint(request.endpoint_configuration)?;
    let source = request.api_key_source.as_deref().map(|text| {
        KeySource::parse(text).ok_or_else(|| invalid(format!("Invalid API key source {text}")))
    });
    let new = NewApi {
        name: request.name,
        description: request.description,
        version: request.version,
        binary_types: request.binary_media_types.unwrap_or_default(),
        key_source: source.transpose()?,
        policy: request.policy,
        endpoint,
        addresses,
        endpoint_disabled: request.disable_execute_api_endpoint.unwrap_or_default(),
        tags: request.tags.unwrap_or_default(),
    };
    let mut made = RestApi::new(&call.scope, new, call.now())?;
    if let Some(other) = request.clone_from {
        let other = RestApi::copy_of(&*call.api(&other)?, call.now());
        // What was said about the new one counts.
        made.root = other.root;
        made.resources = other.resources;
        made.authorizers = other.authorizers;
    }
    let made = call.apis.create(made).await?;
    Ok(shown(&made))
}

pub(super) fn get(call: &Call, request: types::GetRestApiRequest) -> Result<Value, AwsError> {
    Ok(shown(&*call.api(&request.rest_api_id)?))
}

pub(super) fn list(call: &Call, request: types::GetRestApisRequest) -> Result<Value, AwsError> {
    let all = call.apis.page(&call.scope, None, limits::APIS_MAX);
    let all = all.into_iter().map(|api| (api.id.clone(), wire(&api)));
    let (item, position) = paging::cut(all, (request.limit, request.position))?;
    Ok(write(&types::RestApis { position, item: Some(item) }))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateRestApiRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let (api, ()) = call.change(&request.rest_api_id, |api| api.patch(&patches)).await?;
    Ok(shown(&api))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteRestApiRequest,
) -> Result<Value, AwsError> {
    call.apis.delete(&call.scope, &request.rest_api_id).await?;
    Ok(Value::Null)
}

pub(super) async fn import(
    call: &Call,
    request: types::ImportRestApiRequest,
) -> Result<Value, AwsError> {
    let asked = request.parameters.unwrap_or_default();
    let options = options(&|name: &str| asked.get(name).cloned(), request.fail_on_warnings)?;
    let api = openapi::import(&call.scope, &request.body.0, &options, call.now())?;
    let api = call.apis.create(api).await?;
    Ok(shown(&api))
}

pub(super) async fn put(call: &Call, request: types::PutRestApiRequest) -> Result<Value, AwsError> {
    let asked = request.parameters.unwrap_or_default();
    let options = options(&|name: &str| asked.get(name).cloned(), request.fail_on_warnings)?;
    let read = openapi::import(&call.scope, &request.body.0, &options, call.now())?;
    let changed = match request.mode.as_deref() {
        Some("overwrite") => call.change(&request.rest_api_id, |api| api.overwrite(read)).await?,
        Some("merge") | None => call.change(&request.rest_api_id, |api| api.merge(read)).await?,
        Some(other) => return Err(invalid(format!("Invalid mode specified: {other}"))),
    };
    let (api, ()) = changed;
    Ok(shown(&api))
}

/// What holds for the account. Its bounds are those of AWS, and each stage may have narrower ones.
pub(super) fn account() -> types::Account {
    let throttle = types::ThrottleSettings { burst_limit: Some(5_000), rate_limit: Some(10_000.0) };
    types::Account {
        cloudwatch_role_arn: None,
        throttle_settings: Some(throttle),
        features: Some(vec!["UsagePlans".to_owned()]),
        api_key_version: Some("4".to_owned()),
    }
}

/// How a document is to be read. What is asked for stands in the query.
fn options(
    asked: &dyn Fn(&str) -> Option<String>,
    fails: Option<bool>,
) -> Result<Options, AwsError> {
    let base_path = match asked("basepath") {
        None => BasePath::Ignore,
        Some(text) => BasePath::parse(&text)
            .ok_or_else(|| invalid(format!("Invalid basepath specified: {text}")))?,
    };
    let endpoint = asked("endpointConfigurationTypes");
    let endpoint = endpoint.as_deref().map(api::endpoint_kind).transpose()?;
    let warned = if fails == Some(true) { Warned::Refused } else { Warned::Taken };
    Ok(Options { base_path, warned, endpoint })
}

fn endpoint(
    given: Option<types::EndpointConfiguration>,
) -> Result<(Option<EndpointKind>, Option<IpAddressType>), AwsError> {
    let Some(given) = given else { return Ok((None, None)) };
    if given.vpc_endpoint_ids.is_some_and(|ids| !ids.is_empty()) {
        return Err(RestError::not_built("vpcEndpointIds").into());
    }
    let kind = given.types.as_deref().and_then(|types| types.first());
    let kind = kind.map(|text| api::endpoint_kind(text)).transpose()?;
    let addresses = given.ip_address_type.map(|text| {
        IpAddressType::parse(&text)
            .ok_or_else(|| invalid(format!("Invalid IP address type specified: {text}")))
    });
    Ok((kind, addresses.transpose()?))
}

fn shown(api: &RestApi) -> Value {
    write(&wire(api))
}

fn wire(api: &RestApi) -> types::RestApi {
    types::RestApi {
        id: Some(api.id.clone()),
        name: Some(api.name.clone()),
        description: api.description.clone(),
        created_date: seconds(api.created),
        version: api.version.clone(),
        warnings: (!api.warnings.is_empty()).then(|| api.warnings.clone()),
        binary_media_types: (!api.binary_types.is_empty()).then(|| api.binary_types.clone()),
        minimum_compression_size: None,
        api_key_source: Some(api.key_source.name().to_owned()),
        endpoint_configuration: Some(types::EndpointConfiguration {
            types: Some(vec![api.endpoint.name().to_owned()]),
            ip_address_type: Some(api.addresses.name().to_owned()),
            vpc_endpoint_ids: None,
        }),
        policy: api.policy.as_deref().map(escaped),
        tags: some(&api.tags),
        disable_execute_api_endpoint: Some(api.endpoint_disabled),
        root_resource_id: Some(api.root.clone()),
        security_policy: None,
        endpoint_access_mode: None,
        api_status: None,
        api_status_message: None,
    }
}

/// Recorded: a policy is shown as the inside of a JSON text, and then once more as one.
fn escaped(policy: &str) -> String {
    let quoted = Value::from(policy).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(&quoted).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_escaped_twice() {
        assert_eq!(escaped(r#"{"a":"b"}"#), r#"{\"a\":\"b\"}"#);
    }
}
