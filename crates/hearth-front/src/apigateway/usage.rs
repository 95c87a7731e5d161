//! The keys of usage plans, and how often they were used.

use hearth_http::rest::error::KEY_MISSING;
use hearth_http::rest::keys::record::ApiKey;
use hearth_http::rest::keys::usage::parse_day;
use hearth_http::rest::limits::USAGE_DAYS_MAX;
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, invalid, paging, write};
use crate::error::AwsError;

/// The only kind of keys that plans have.
const API_KEY: &str = "API_KEY";

pub(super) async fn add_key(
    call: &Call,
    request: types::CreateUsagePlanKeyRequest,
) -> Result<Value, AwsError> {
    if request.key_type != API_KEY {
        return Err(invalid("Invalid Key Type. Valid options are API_KEY"));
    }
    let key = call.apis.keys.key(&call.scope, &request.key_id)?;
    let place = (&call.scope, request.usage_plan_id.as_str());
    call.apis.keys.change_plan(place, |plan| plan.add_key(&key.id)).await?;
    Ok(write(&wire(&key)))
}

pub(super) fn get_key(
    call: &Call,
    request: types::GetUsagePlanKeyRequest,
) -> Result<Value, AwsError> {
    let plan = call.apis.keys.plan(&call.scope, &request.usage_plan_id)?;
    if !plan.keys.contains(&request.key_id) {
        return Err(KEY_MISSING.into());
    }
    Ok(write(&wire(&*call.apis.keys.key(&call.scope, &request.key_id)?)))
}

pub(super) fn list_keys(
    call: &Call,
    request: types::GetUsagePlanKeysRequest,
) -> Result<Value, AwsError> {
    let plan = call.apis.keys.plan(&call.scope, &request.usage_plan_id)?;
    let mut ids = plan.keys.clone();
    ids.sort();
    let keys = ids.iter().filter_map(|id| call.apis.keys.key(&call.scope, id).ok());
    let begin = request.name_query.unwrap_or_default();
    let wanted = keys.filter(|key| {
        begin.is_empty() || key.name.as_ref().is_some_and(|name| name.starts_with(&begin))
    });
    let all = wanted.map(|key| (key.id.clone(), wire(&key)));
    let (item, position) = paging::cut(all, (request.limit, request.position))?;
    Ok(write(&types::UsagePlanKeys { position, item: Some(item) }))
}

pub(super) async fn remove_key(
    call: &Call,
    request: types::DeleteUsagePlanKeyRequest,
) -> Result<Value, AwsError> {
    let place = (&call.scope, request.usage_plan_id.as_str());
    call.apis.keys.change_plan(place, |plan| plan.remove_key(&request.key_id)).await?;
    Ok(Value::Null)
}

/// How often the keys of a plan were used, on each day from one to another.
pub(super) fn get(call: &Call, request: types::GetUsageRequest) -> Result<Value, AwsError> {
    let plan = call.apis.keys.plan(&call.scope, &request.usage_plan_id)?;
    let day = |text: &str| {
        parse_day(text).ok_or_else(|| {
            invalid(format!("Invalid date specified: {text}. Dates have the form YYYY-MM-DD"))
        })
    };
    let (first, last) = (day(&request.start_date)?, day(&request.end_date)?);
    let days = usize::try_from(last.saturating_sub(first)).unwrap_or(usize::MAX);
    if last < first || days >= USAGE_DAYS_MAX {
        return Err(invalid(format!(
            "Invalid date range specified: it has to be from 1 to {USAGE_DAYS_MAX} days long"
        )));
    }
    let mut used = call.apis.keys.usage(&plan, (first, last));
    used.sort();
    let wanted = |key: &String| request.key_id.as_ref().is_none_or(|wanted| wanted == key);
    let all = used.into_iter().filter(|(key, _)| wanted(key));
    let all = all.map(|(key, days)| (key.clone(), (key, days)));
    let (values, position) = paging::cut(all, (request.limit, request.position))?;
    Ok(write(&types::Usage {
        usage_plan_id: Some(plan.id.clone()),
        start_date: Some(request.start_date),
        end_date: Some(request.end_date),
        position,
        values: Some(values.into_iter().collect()),
    }))
}

fn wire(key: &ApiKey) -> types::UsagePlanKey {
    types::UsagePlanKey {
        id: Some(key.id.clone()),
        r#type: Some(API_KEY.to_owned()),
        value: Some(key.value.clone()),
        name: key.name.clone(),
    }
}
