//! API keys.

use hearth_http::rest::keys::edit::{NewKey, stage_keys};
use hearth_http::rest::keys::record::ApiKey;
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, paging, patches, seconds, some, write};
use crate::error::AwsError;

/// Whether the value of a key is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyValue {
    /// It is.
    Shown,
    /// It is not.
    Hidden,
}

impl KeyValue {
    fn asked(include: Option<bool>) -> Self {
        if include == Some(true) { Self::Shown } else { Self::Hidden }
    }
}

pub(super) async fn create(
    call: &Call,
    request: types::CreateApiKeyRequest,
) -> Result<Value, AwsError> {
    if request.stage_keys.is_some_and(|all| !all.is_empty()) {
        return Err(stage_keys().into());
    }
    let new = NewKey {
        name: request.name,
        description: request.description,
        enabled: request.enabled.unwrap_or_default(),
        value: request.value.filter(|value| !value.is_empty()),
        is_named_by_value: request.generate_distinct_id == Some(false),
        customer: request.customer_id,
        tags: request.tags.unwrap_or_default(),
    };
    let key = ApiKey::new(&call.scope, new, call.now())?;
    let key = call.apis.keys.create_key(key).await?;
    Ok(write(&wire(&key, KeyValue::Shown)))
}

pub(super) fn get(call: &Call, request: types::GetApiKeyRequest) -> Result<Value, AwsError> {
    let key = call.apis.keys.key(&call.scope, &request.api_key)?;
    Ok(write(&wire(&key, KeyValue::asked(request.include_value))))
}

pub(super) fn list(call: &Call, request: types::GetApiKeysRequest) -> Result<Value, AwsError> {
    let value = KeyValue::asked(request.include_values);
    let (name, customer) = (request.name_query, request.customer_id);
    let keys = call.apis.keys.keys(&call.scope);
    let wanted = keys.iter().filter(|key| {
        let begins = |begin: &String| key.name.as_ref().is_some_and(|name| name.starts_with(begin));
        name.as_ref().is_none_or(begins) && (customer.is_none() || key.customer == customer)
    });
    let all = wanted.map(|key| (key.id.clone(), wire(key, value)));
    let (item, position) = paging::cut(all, (request.limit, request.position))?;
    Ok(write(&types::ApiKeys { warnings: None, position, item: Some(item) }))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateApiKeyRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let place = (&call.scope, request.api_key.as_str());
    let key = call.apis.keys.change_key(place, |key| key.patch(&patches)).await?;
    Ok(write(&wire(&key, KeyValue::Hidden)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteApiKeyRequest,
) -> Result<Value, AwsError> {
    call.apis.keys.delete_key(&call.scope, &request.api_key).await?;
    Ok(Value::Null)
}

fn wire(key: &ApiKey, value: KeyValue) -> types::ApiKey {
    types::ApiKey {
        id: Some(key.id.clone()),
        value: (value == KeyValue::Shown).then(|| key.value.clone()),
        name: key.name.clone(),
        customer_id: key.customer.clone(),
        description: key.description.clone(),
        enabled: Some(key.enabled),
        created_date: seconds(key.created),
        last_updated_date: seconds(key.updated),
        stage_keys: Some(Vec::new()),
        tags: some(&key.tags),
    }
}
