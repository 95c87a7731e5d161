//! Groups of schedules, and their tags.

use std::collections::BTreeMap;

use hearth_services::schedules::Listed;
use hearth_services::schedules::names::GroupArn;
use hearth_services::schedules::record::Group;
use hearth_wire::scheduler::types::{
    CreateScheduleGroupInput, CreateScheduleGroupOutput, DeleteScheduleGroupInput,
    GetScheduleGroupInput, GetScheduleGroupOutput, ListScheduleGroupsInput,
    ListScheduleGroupsOutput, ListTagsForResourceInput, ListTagsForResourceOutput,
    ScheduleGroupSummary, Tag, TagResourceInput, UntagResourceInput,
};
use serde_json::Value;

use super::{Call, nothing, page_items, place_of, seconds, tags_from_wire, token_of, write};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: CreateScheduleGroupInput,
) -> Result<Value, AwsError> {
    let arn = GroupArn { scope: call.scope.clone(), name: request.name };
    let tags = tags_from_wire(request.tags);
    let arn = call.schedules.create_group(&arn, tags, request.client_token).await?;
    Ok(write(&CreateScheduleGroupOutput { schedule_group_arn: Some(arn) }))
}

pub(super) fn get(call: &Call, request: GetScheduleGroupInput) -> Result<Value, AwsError> {
    let group = call.schedules.group(&call.scope, &request.name)?;
    let arn = GroupArn { scope: call.scope.clone(), name: request.name };
    Ok(write(&GetScheduleGroupOutput {
        arn: Some(arn.to_string()),
        name: Some(arn.name),
        state: Some(group.state.name().to_owned()),
        creation_date: group.created_at.map(seconds),
        last_modification_date: group.modified_at.map(seconds),
    }))
}

pub(super) async fn delete(
    call: &Call,
    request: DeleteScheduleGroupInput,
) -> Result<Value, AwsError> {
    let arn = GroupArn { scope: call.scope.clone(), name: request.name };
    call.schedules.delete_group(&arn, request.client_token).await?;
    Ok(nothing())
}

pub(super) fn list(call: &Call, request: ListScheduleGroupsInput) -> Result<Value, AwsError> {
    let prefix = request.name_prefix.unwrap_or_default();
    let after = place_of(request.next_token.as_deref())?;
    let wanted = (prefix.as_str(), after.as_deref(), page_items(request.max_results));
    let Listed { items, next } = call.schedules.list_groups(&call.scope, wanted);
    let shown = |group: Group| {
        let arn = GroupArn { scope: call.scope.clone(), name: group.name };
        ScheduleGroupSummary {
            arn: Some(arn.to_string()),
            name: Some(arn.name),
            state: Some(group.state.name().to_owned()),
            creation_date: group.created_at.map(seconds),
            last_modification_date: group.modified_at.map(seconds),
        }
    };
    Ok(write(&ListScheduleGroupsOutput {
        next_token: token_of(next),
        schedule_groups: Some(items.into_iter().map(shown).collect()),
    }))
}

pub(super) async fn tag(call: &Call, request: TagResourceInput) -> Result<Value, AwsError> {
    let more = tags_from_wire(Some(request.tags));
    let change = |tags: &mut BTreeMap<String, String>| tags.extend(more);
    call.schedules.change_tags(&call.scope, &request.resource_arn, change).await?;
    Ok(nothing())
}

pub(super) async fn untag(call: &Call, request: UntagResourceInput) -> Result<Value, AwsError> {
    let keys = request.tag_keys;
    let change = |tags: &mut BTreeMap<String, String>| tags.retain(|key, _| !keys.contains(key));
    call.schedules.change_tags(&call.scope, &request.resource_arn, change).await?;
    Ok(nothing())
}

pub(super) fn list_tags(call: &Call, request: ListTagsForResourceInput) -> Result<Value, AwsError> {
    let tags = call.schedules.tags(&call.scope, &request.resource_arn)?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(write(&ListTagsForResourceOutput { tags: Some(tags) }))
}
