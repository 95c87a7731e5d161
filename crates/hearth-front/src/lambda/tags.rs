//! The tags of whatever can have some.

use hearth_control::tagging::{TagChange, Taggable};
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::{Call, write};
use crate::error::AwsError;

pub(super) async fn tag(
    call: &Call,
    request: types::TagResourceRequest,
) -> Result<Value, AwsError> {
    change(call, &request.resource, TagChange::Set(request.tags)).await
}

pub(super) async fn untag(
    call: &Call,
    request: types::UntagResourceRequest,
) -> Result<Value, AwsError> {
    change(call, &request.resource, TagChange::Remove(request.tag_keys)).await
}

pub(super) fn list(call: &Call, request: types::ListTagsRequest) -> Result<Value, AwsError> {
    let resource = Taggable::parse(&call.scope, &request.resource)?;
    let tags = call.control().tags_of(&resource)?;
    Ok(write(&types::ListTagsResponse { tags: Some(tags) }))
}

async fn change(call: &Call, arn: &str, change: TagChange) -> Result<Value, AwsError> {
    let resource = Taggable::parse(&call.scope, arn)?;
    call.control().change_tags(&resource, change).await?;
    Ok(json!({}))
}
