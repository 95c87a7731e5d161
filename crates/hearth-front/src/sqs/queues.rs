//! Queues, their attributes, tags and permissions: wire to domain and back.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_services::queues::{LIST_ITEMS_MAX, Permission, QueueName, QueueRecord};
use hearth_types::names::{AccountId, Scope};
use hearth_wire::sqs::types;
use serde_json::Value;

use super::error::SqsError;
use super::{Call, write};

pub(super) async fn create(
    call: &Call,
    request: types::CreateQueueRequest,
) -> Result<Value, SqsError> {
    let name = QueueName { scope: call.scope.clone(), name: request.queue_name };
    let attributes = request.attributes.unwrap_or_default();
    call.queues.create(&name, &attributes, request.tags.unwrap_or_default()).await?;
    let queue = call.queues.queue(&name)?;
    Ok(write(&types::CreateQueueResult { queue_url: Some(call.url(&queue)) }))
}

pub(super) fn url(call: &Call, request: types::GetQueueUrlRequest) -> Result<Value, SqsError> {
    let owner = request.queue_owner_aws_account_id;
    let account = match owner.filter(|owner| !owner.is_empty()) {
        None => call.scope.account.clone(),
        Some(owner) => AccountId::parse(&owner).map_err(|_other| {
            SqsError::invalid_parameter(format!(
                "Value {owner} for parameter QueueOwnerAWSAccountId is invalid. Reason: Must be an account of twelve digits."
            ))
        })?,
    };
    let scope = Scope { account, region: call.scope.region.clone() };
    let queue = call.queues.queue(&QueueName { scope, name: request.queue_name })?;
    Ok(write(&types::GetQueueUrlResult { queue_url: Some(call.url(&queue)) }))
}

pub(super) fn list(call: &Call, request: types::ListQueuesRequest) -> Result<Value, SqsError> {
    let (after, items) = page(request.next_token.as_deref(), request.max_results)?;
    let prefix = request.queue_name_prefix.unwrap_or_default();
    // One more than is shown says whether there are more.
    let found = call.queues.list(&call.scope, (prefix.as_str(), after.as_deref()), items + 1);
    let (queue_urls, next_token) = cut(call, found, (items, request.max_results));
    Ok(write(&types::ListQueuesResult {
        queue_urls: Some(queue_urls).filter(|urls| !urls.is_empty()),
        next_token,
    }))
}

pub(super) fn dead_letter_sources(
    call: &Call,
    request: types::ListDeadLetterSourceQueuesRequest,
) -> Result<Value, SqsError> {
    let (after, items) = page(request.next_token.as_deref(), request.max_results)?;
    let mut found = call.queues.dead_letter_sources(&call.queue(&request.queue_url)?)?;
    found.retain(|queue| after.as_ref().is_none_or(|after| queue.name > *after));
    let (queue_urls, next_token) = cut(call, found, (items, request.max_results));
    let result =
        types::ListDeadLetterSourceQueuesResult { queue_urls: Some(queue_urls), next_token };
    Ok(write(&result))
}

/// Where a page begins, and how many items it has.
fn page(token: Option<&str>, asked: Option<i32>) -> Result<(Option<String>, usize), SqsError> {
    let items = asked.map_or(Some(LIST_ITEMS_MAX), |asked| {
        usize::try_from(asked).ok().filter(|items| (1..=LIST_ITEMS_MAX).contains(items))
    });
    let items = items.ok_or_else(|| {
        SqsError::invalid_parameter(format!(
            "Value {} for parameter MaxResults is invalid. Reason: Must be between 1 and {LIST_ITEMS_MAX}, if provided.",
            asked.unwrap_or_default()
        ))
    })?;
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok((None, items)) };
    let after = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let invalid = || SqsError::invalid_parameter("Invalid or expired next token.".to_owned());
    Ok((Some(after.ok_or_else(invalid)?), items))
}

/// The addresses of a page, and the token of the next. AWS gives no token to callers that do not ask
/// for pages.
fn cut(
    call: &Call,
    mut found: Vec<Arc<QueueRecord>>,
    (items, asked): (usize, Option<i32>),
) -> (Vec<String>, Option<String>) {
    let has_more = found.len() > items && asked.is_some();
    found.truncate(items);
    let token = found.last().filter(|_| has_more).map(|last| STANDARD.encode(&last.name));
    (found.iter().map(|queue| call.url(queue)).collect(), token)
}

pub(super) async fn attributes(
    call: &Call,
    request: types::GetQueueAttributesRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    let asked = request.attribute_names.unwrap_or_default();
    let shown = call.queues.attributes(&name, &asked).await?;
    let attributes = Some(shown).filter(|shown| !shown.is_empty());
    Ok(write(&types::GetQueueAttributesResult { attributes }))
}

pub(super) async fn set_attributes(
    call: &Call,
    request: types::SetQueueAttributesRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    call.queues.set_attributes(&name, &request.attributes).await?;
    Ok(Value::Null)
}

pub(super) fn list_tags(
    call: &Call,
    request: types::ListQueueTagsRequest,
) -> Result<Value, SqsError> {
    let queue = call.queues.queue(&call.queue(&request.queue_url)?)?;
    let tags = Some(queue.tags.clone()).filter(|tags| !tags.is_empty());
    Ok(write(&types::ListQueueTagsResult { tags }))
}

pub(super) async fn tag(call: &Call, request: types::TagQueueRequest) -> Result<Value, SqsError> {
    call.queues.tag(&call.queue(&request.queue_url)?, request.tags).await?;
    Ok(Value::Null)
}

pub(super) async fn untag(
    call: &Call,
    request: types::UntagQueueRequest,
) -> Result<Value, SqsError> {
    call.queues.untag(&call.queue(&request.queue_url)?, &request.tag_keys).await?;
    Ok(Value::Null)
}

pub(super) async fn add_permission(
    call: &Call,
    request: types::AddPermissionRequest,
) -> Result<Value, SqsError> {
    let permission = Permission {
        label: request.label,
        accounts: request.aws_account_ids,
        actions: request.actions,
    };
    call.queues.add_permission(&call.queue(&request.queue_url)?, &permission).await?;
    Ok(Value::Null)
}

pub(super) async fn remove_permission(
    call: &Call,
    request: types::RemovePermissionRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    call.queues.remove_permission(&name, &request.label).await?;
    Ok(Value::Null)
}

pub(super) async fn purge(
    call: &Call,
    request: types::PurgeQueueRequest,
) -> Result<Value, SqsError> {
    call.queues.purge(&call.queue(&request.queue_url)?).await?;
    Ok(Value::Null)
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteQueueRequest,
) -> Result<Value, SqsError> {
    call.queues.delete(&call.queue(&request.queue_url)?).await?;
    Ok(Value::Null)
}
