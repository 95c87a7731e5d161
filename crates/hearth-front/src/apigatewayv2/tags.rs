//! The tags of APIs and stages.

use hearth_http::apis::error::ApiError;
use hearth_wire::apigatewayv2::types;
use serde_json::Value;

use super::{Call, invalid, write};
use crate::error::AwsError;

/// An API, or a stage of it.
struct Tagged {
    api: String,
    stage: Option<String>,
}

pub(super) async fn tag(
    call: &Call,
    request: types::TagResourceRequest,
) -> Result<Value, AwsError> {
    let Tagged { api, stage } = tagged(call, &request.resource_arn)?;
    let more = request.tags.unwrap_or_default();
    call.change(&api, |api| api.add_tags(stage.as_deref(), more)).await?;
    Ok(Value::Object(serde_json::Map::new()))
}

pub(super) async fn untag(
    call: &Call,
    request: types::UntagResourceRequest,
) -> Result<Value, AwsError> {
    let Tagged { api, stage } = tagged(call, &request.resource_arn)?;
    let keys = request.tag_keys;
    let changed = call.change(&api, |api| {
        api.tags_of(stage.as_deref())?.retain(|key, _value| !keys.contains(key));
        Ok(())
    });
    changed.await?;
    Ok(Value::Null)
}

pub(super) fn get(call: &Call, request: types::GetTagsRequest) -> Result<Value, AwsError> {
    let Tagged { api, stage } = tagged(call, &request.resource_arn)?;
    let api = call.api(&api)?;
    let tags = match stage {
        None => api.tags.clone(),
        Some(name) => api.stages.get(&name).ok_or(ApiError::PartMissing("stage"))?.tags.clone(),
    };
    Ok(write(&types::GetTagsResponse { tags: Some(tags) }, &[]))
}

/// Reads `arn:aws:apigateway:REGION::/apis/ID`, or with `/stages/NAME` behind it.
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
        ["", "apis", id] => Ok(Tagged { api: (*id).to_owned(), stage: None }),
        ["", "apis", id, "stages", name] => {
            Ok(Tagged { api: (*id).to_owned(), stage: Some((*name).to_owned()) })
        }
        _ => Err(refuse()),
    }
}
