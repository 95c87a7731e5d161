//! Function URLs: create, get, update, list, delete.

use hearth_control::url::{
    Cors, FUNCTION_MISSING, FunctionUrl, InvokeMode, URL_MISSING, UrlAuth, UrlChange,
};
use hearth_types::names::{FunctionArn, Region};
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::{Call, paging, write};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateFunctionUrlConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let given_mode = request.invoke_mode.as_deref().map(mode).transpose()?;
    let url = FunctionUrl {
        cors: request.cors.map(cors),
        mode: given_mode.unwrap_or_default(),
        ..FunctionUrl::new(auth(&request.auth_type)?, call.control().now())
    };
    let qualifier = qualifier.as_ref();
    let created = call.control().change(&function, |record| {
        let url = record.create_url(qualifier, url)?;
        Ok((record.qualified_arn(qualifier), url))
    });
    let (arn, url) = created.await.map_err(|error| error.when_missing(FUNCTION_MISSING))?;
    // Recorded: no time of change, and the mode only if it was given.
    Ok(write(&types::FunctionUrlConfig {
        last_modified_time: None,
        invoke_mode: request.invoke_mode,
        ..shown(call, arn, &url)
    }))
}

pub(super) fn get(
    call: &Call,
    request: types::GetFunctionUrlConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let record = call.control().record(&function);
    let record = record.map_err(|error| error.when_missing(URL_MISSING))?;
    let url = record.url(qualifier.as_ref())?;
    Ok(write(&shown(call, record.qualified_arn(qualifier.as_ref()), url)))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateFunctionUrlConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let change = UrlChange {
        auth: request.auth_type.as_deref().map(auth).transpose()?,
        cors: request.cors.map(cors),
        mode: request.invoke_mode.as_deref().map(mode).transpose()?,
    };
    let now = call.control().now();
    let qualifier = qualifier.as_ref();
    let updated = call.control().change(&function, |record| {
        let url = record.update_url(qualifier, change, now)?;
        Ok((record.qualified_arn(qualifier), url))
    });
    let (arn, url) = updated.await.map_err(|error| error.when_missing(FUNCTION_MISSING))?;
    // Recorded: the mode only if it was given.
    Ok(write(&types::FunctionUrlConfig {
        invoke_mode: request.invoke_mode,
        ..shown(call, arn, &url)
    }))
}

/// Those of the function and its aliases. A qualifier in the name does not matter.
pub(super) fn list(
    call: &Call,
    request: types::ListFunctionUrlConfigsRequest,
) -> Result<Value, AwsError> {
    let (function, _) = call.function(&request.function_name, None)?;
    let record = call.control().record(&function);
    let record = record.map_err(|error| error.when_missing(FUNCTION_MISSING))?;
    // By their ARNs, for the key of the function's own is empty, and no marker may be.
    let all = record.urls.iter().map(|(key, url)| {
        let arn = qualified(&function, key);
        (arn.clone(), shown(call, arn, url))
    });
    let (page, next_marker) = paging::cut(all, (request.marker.as_deref(), request.max_items))?;
    Ok(write(&types::ListFunctionUrlConfigsResponse {
        function_url_configs: Some(page),
        next_marker,
    }))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteFunctionUrlConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let qualifier = qualifier.as_ref();
    let deleted = call.control().change(&function, |record| record.delete_url(qualifier));
    deleted.await.map_err(|error| error.when_missing(URL_MISSING))?;
    Ok(json!({}))
}

fn qualified(function: &FunctionArn, key: &str) -> String {
    if key.is_empty() { function.to_string() } else { function.qualified(&key) }
}

fn auth(text: &str) -> Result<UrlAuth, AwsError> {
    UrlAuth::parse(text).ok_or_else(|| {
        AwsError::invalid_parameter(format!("Hearth does not know the AuthType {text}."))
    })
}

fn mode(text: &str) -> Result<InvokeMode, AwsError> {
    InvokeMode::parse(text).ok_or_else(|| {
        AwsError::invalid_parameter(format!("Hearth does not know the InvokeMode {text}."))
    })
}

fn cors(given: types::Cors) -> Cors {
    Cors {
        allow_credentials: given.allow_credentials,
        allow_headers: given.allow_headers,
        allow_methods: given.allow_methods,
        allow_origins: given.allow_origins,
        expose_headers: given.expose_headers,
        max_age_seconds: given.max_age.and_then(|age| u32::try_from(age).ok()),
    }
}

fn shown_cors(cors: &Cors) -> types::Cors {
    types::Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers.clone(),
        allow_methods: cors.allow_methods.clone(),
        allow_origins: cors.allow_origins.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age: cors.max_age_seconds.and_then(|age| i32::try_from(age).ok()),
    }
}

/// A URL as a listing has it. What the other operations answer is this, or a part of it.
fn shown(call: &Call, arn: String, url: &FunctionUrl) -> types::FunctionUrlConfig {
    types::FunctionUrlConfig {
        function_url: Some(url_of(call, &url.id)),
        function_arn: Some(arn),
        creation_time: Some(url.created.iso()),
        last_modified_time: Some(url.modified.iso()),
        cors: url.cors.as_ref().map(shown_cors),
        auth_type: Some(url.auth.name().to_owned()),
        invoke_mode: Some(url.mode.name().to_owned()),
    }
}

/// The address of a function URL, at the port through which the client has reached us.
pub(super) fn url_of(call: &Call, id: &str) -> String {
    address(id, &call.scope.region, call.host.as_deref())
}

/// Names below `localhost` mean this machine, so no name server has to know the address.
fn address(id: &str, region: &Region, host: Option<&str>) -> String {
    let host = host.unwrap_or("127.0.0.1:4566");
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("http://{id}.lambda-url.{region}.localhost{port}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_port_through_which_we_were_reached() {
        let region = Region::parse("eu-west-1").unwrap();
        #[rustfmt::skip]
        let rows = [
            (Some("127.0.0.1:45671"),    ":45671"),
            (Some("localhost:4566"),     ":4566"),
            (Some("hearth.example.com"), ""),
            (Some("[::1]:8080"),         ":8080"),
            (Some("[::1]"),              ""),
            (Some("localhost:x/../"),    ""),
            (Some("localhost:70000"),    ""),
            (None,                       ":4566"),
        ];
        for (host, port) in rows {
            let expected = format!("http://abc.lambda-url.eu-west-1.localhost{port}/");
            assert_eq!(address("abc", &region, host), expected, "{host:?}");
        }
    }
}
