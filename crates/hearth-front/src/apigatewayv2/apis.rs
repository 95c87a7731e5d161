//! The APIs themselves.

use hearth_http::apis::edit::api::{ApiChange, Quick};
use hearth_http::apis::openapi::{self, BasePath, Options, Warned};
use hearth_http::apis::record::{Api, Cors, IpAddressType, Protocol};
use hearth_wire::apigatewayv2::types;
use serde_json::Value;

use super::{Call, paging, word, write, write_page};
use crate::error::AwsError;

/// What a request asks for, in which only the name stands in two ways, and the one route that it
/// may ask for besides.
macro_rules! change_of {
    ($request:ident, $name:expr) => {{
        let change = ApiChange {
            name: $name,
            description: $request.description,
            version: $request.version,
            route_selection: $request.route_selection_expression,
            api_key_selection: $request.api_key_selection_expression,
            cors: $request.cors_configuration.map(cors),
            endpoint_disabled: $request.disable_execute_api_endpoint,
            schema_validation_disabled: $request.disable_schema_validation,
            addresses: addresses($request.ip_address_type.as_deref())?,
        };
        let quick = Quick {
            target: $request.target,
            route_key: $request.route_key,
            credentials: $request.credentials_arn,
        };
        (change, quick)
    }};
}

pub(super) async fn create(
    call: &Call,
    request: types::CreateApiRequest,
) -> Result<Value, AwsError> {
    let protocol = word(Some(&request.protocol_type), Protocol::parse, "ProtocolType")?;
    let protocol = protocol.expect("a word was given");
    let (change, quick) = change_of!(request, Some(request.name));
    let now = call.now();
    let mut api = Api::new(&call.scope, protocol, change, now)?;
    api.add_tags(None, request.tags.unwrap_or_default())?;
    api.quick_create(quick, now)?;
    let api = call.apis.create(api).await?;
    Ok(shown(call, &api))
}

pub(super) fn get(call: &Call, request: types::GetApiRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    Ok(shown(call, &api))
}

pub(super) fn list(call: &Call, request: types::GetApisRequest) -> Result<Value, AwsError> {
    let size = paging::size(request.max_results.as_deref())?;
    let mut page = call.apis.page(&call.scope, request.next_token.as_deref(), size + 1);
    let more = page.len() > size;
    page.truncate(size);
    let next = page.last().filter(|_| more).map(|api| api.id.clone());
    let items = page.iter().map(|api| shown(call, api)).collect();
    Ok(write_page((items, next)))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateApiRequest,
) -> Result<Value, AwsError> {
    let (change, quick) = change_of!(request, request.name);
    let changed = call.change(&request.api_id, |api| {
        api.set(change)?;
        api.quick_update(quick)
    });
    let (api, ()) = changed.await?;
    Ok(shown(call, &api))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteApiRequest,
) -> Result<Value, AwsError> {
    call.apis.delete(&call.scope, &request.api_id).await?;
    Ok(Value::Null)
}

pub(super) async fn delete_cors(
    call: &Call,
    request: types::DeleteCorsConfigurationRequest,
) -> Result<Value, AwsError> {
    let changed = call.change(&request.api_id, |api| {
        api.cors = None;
        Ok(())
    });
    changed.await?;
    Ok(Value::Null)
}

pub(super) async fn import(
    call: &Call,
    request: types::ImportApiRequest,
) -> Result<Value, AwsError> {
    let options = options(request.basepath.as_deref(), request.fail_on_warnings)?;
    let api = openapi::import(&call.scope, &request.body, &options, call.now())?;
    let api = call.apis.create(api).await?;
    Ok(shown(call, &api))
}

pub(super) async fn reimport(
    call: &Call,
    request: types::ReimportApiRequest,
) -> Result<Value, AwsError> {
    let options = options(request.basepath.as_deref(), request.fail_on_warnings)?;
    let now = call.now();
    let changed = call.change(&request.api_id, |api| {
        let read = openapi::import(&api.scope, &request.body, &options, now)?;
        api.replace_definition(read)
    });
    let (api, ()) = changed.await?;
    Ok(shown(call, &api))
}

fn options(base_path: Option<&str>, fails: Option<bool>) -> Result<Options, AwsError> {
    let base_path = word(base_path, BasePath::parse, "basepath")?;
    let warned = if fails == Some(true) { Warned::Refused } else { Warned::Taken };
    Ok(Options { base_path: base_path.unwrap_or(BasePath::Ignore), warned })
}

fn addresses(given: Option<&str>) -> Result<Option<IpAddressType>, AwsError> {
    word(given, IpAddressType::parse, "IpAddressType")
}

pub(super) fn shown(call: &Call, api: &Api) -> Value {
    let shown = types::Api {
        api_endpoint: Some(endpoint(api, call.host.as_deref())),
        api_gateway_managed: None,
        api_id: Some(api.id.clone()),
        api_key_selection_expression: Some(api.api_key_selection.clone()),
        cors_configuration: api.cors.as_ref().map(shown_cors),
        created_date: None,
        description: api.description.clone(),
        disable_schema_validation: api.schema_validation_disabled,
        disable_execute_api_endpoint: Some(api.endpoint_disabled),
        import_info: None,
        ip_address_type: Some(api.addresses.name().to_owned()),
        name: Some(api.name.clone()),
        protocol_type: Some(api.protocol.name().to_owned()),
        route_selection_expression: Some(api.route_selection.clone()),
        tags: Some(api.tags.clone()),
        version: api.version.clone(),
        warnings: (!api.warnings.is_empty()).then(|| api.warnings.clone()),
    };
    write(&shown, &[("createdDate", api.created)])
}

fn cors(given: types::Cors) -> Cors {
    Cors {
        allow_credentials: given.allow_credentials,
        allow_headers: given.allow_headers,
        allow_methods: given.allow_methods,
        allow_origins: given.allow_origins,
        expose_headers: given.expose_headers,
        max_age_seconds: given.max_age,
    }
}

fn shown_cors(cors: &Cors) -> types::Cors {
    types::Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers.clone(),
        allow_methods: cors.allow_methods.clone(),
        allow_origins: cors.allow_origins.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age: cors.max_age_seconds,
    }
}

/// Where an API is reached, at the port through which the client has reached us. Names below
/// `localhost` mean this machine, so no name server has to know the address.
fn endpoint(api: &Api, host: Option<&str>) -> String {
    let host = host.unwrap_or("127.0.0.1:4566");
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = match api.protocol {
        Protocol::Http => "http",
        Protocol::WebSocket => "ws",
    };
    format!("{scheme}://{}.execute-api.{}.localhost{port}", api.id, api.scope.region)
}
