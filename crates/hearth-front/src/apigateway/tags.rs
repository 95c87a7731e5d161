//! The tags of REST APIs, their stages, keys and usage plans.

use std::collections::BTreeMap;

use hearth_http::rest::edit::check_tags;
use hearth_http::rest::error::RestError;
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, invalid, write};
use crate::error::AwsError;

/// What has tags.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tagged {
    /// An API.
    Api(String),
    /// A stage of an API.
    Stage(String, String),
    /// A key.
    Key(String),
    /// A usage plan.
    Plan(String),
}

/// The tags of something.
type Tags = BTreeMap<String, String>;

pub(super) async fn tag(
    call: &Call,
    request: types::TagResourceRequest,
) -> Result<Value, AwsError> {
    let more = request.tags;
    check_tags(&more)?;
    change(call, &request.resource_arn, |tags| {
        tags.extend(more);
        check_tags(tags)
    })
    .await
}

pub(super) async fn untag(
    call: &Call,
    request: types::UntagResourceRequest,
) -> Result<Value, AwsError> {
    let keys = request.tag_keys;
    change(call, &request.resource_arn, |tags| {
        tags.retain(|key, _value| !keys.contains(key));
        Ok(())
    })
    .await
}

pub(super) fn get(call: &Call, request: types::GetTagsRequest) -> Result<Value, AwsError> {
    let tags = match tagged(call, &request.resource_arn)? {
        Tagged::Api(id) => call.api(&id)?.tags.clone(),
        Tagged::Stage(id, name) => call.api(&id)?.stage(&name)?.tags.clone(),
        Tagged::Key(id) => call.apis.keys.key(&call.scope, &id)?.tags.clone(),
        Tagged::Plan(id) => call.apis.keys.plan(&call.scope, &id)?.tags.clone(),
    };
    Ok(write(&types::Tags { tags: Some(tags) }))
}

async fn change(
    call: &Call,
    arn: &str,
    change: impl FnOnce(&mut Tags) -> Result<(), RestError> + Send,
) -> Result<Value, AwsError> {
    let scope = &call.scope;
    match tagged(call, arn)? {
        Tagged::Api(id) => {
            call.change(&id, |api| change(api.tags_of(None)?)).await?;
        }
        Tagged::Stage(id, name) => {
            call.change(&id, |api| change(api.tags_of(Some(&name))?)).await?;
        }
        Tagged::Key(id) => {
            call.apis.keys.change_key((scope, &id), |key| change(&mut key.tags)).await?;
        }
        Tagged::Plan(id) => {
            call.apis.keys.change_plan((scope, &id), |plan| change(&mut plan.tags)).await?;
        }
    }
    Ok(Value::Null)
}

/// Reads `arn:aws:apigateway:REGION::/restapis/ID` and its like.
fn tagged(call: &Call, arn: &str) -> Result<Tagged, AwsError> {
    let refuse = || invalid(format!("Invalid resource ARN specified: {arn}"));
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _partition, "apigateway", region, _account, path] = parts.as_slice() else {
        return Err(refuse());
    };
    if *region != call.scope.region.as_str() {
        return Err(refuse());
    }
    let steps: Vec<&str> = path.split('/').collect();
    match steps.as_slice() {
        ["", "restapis", id] => Ok(Tagged::Api((*id).to_owned())),
        ["", "restapis", id, "stages", name] => {
            Ok(Tagged::Stage((*id).to_owned(), (*name).to_owned()))
        }
        ["", "apikeys", id] => Ok(Tagged::Key((*id).to_owned())),
        ["", "usageplans", id] => Ok(Tagged::Plan((*id).to_owned())),
        _ => Err(refuse()),
    }
}
