//! Usage plans.

use std::collections::BTreeMap;

use hearth_http::rest::error::RestError;
use hearth_http::rest::keys::edit::NewPlan;
use hearth_http::rest::keys::record::{Period, PlanStage, Quota, Throttle, UsagePlan};
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, invalid, paging, patches, some, write};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateUsagePlanRequest,
) -> Result<Value, AwsError> {
    let stages = request.api_stages.unwrap_or_default().into_iter().map(stage);
    let new = NewPlan {
        name: request.name,
        description: request.description,
        stages: stages.collect::<Result<_, AwsError>>()?,
        throttle: request.throttle.as_ref().map(throttle),
        quota: request.quota.map(quota).transpose()?,
        tags: request.tags.unwrap_or_default(),
    };
    let plan = UsagePlan::new(&call.scope, new, call.now())?;
    check_stages(call, &plan)?;
    let plan = call.apis.keys.create_plan(plan).await?;
    Ok(write(&wire(&plan)))
}

pub(super) fn get(call: &Call, request: types::GetUsagePlanRequest) -> Result<Value, AwsError> {
    let plan = call.apis.keys.plan(&call.scope, &request.usage_plan_id)?;
    Ok(write(&wire(&plan)))
}

/// All plans, or those of a key.
pub(super) fn list(call: &Call, request: types::GetUsagePlansRequest) -> Result<Value, AwsError> {
    let key = request.key_id;
    let plans = call.apis.keys.plans(&call.scope);
    let wanted = plans.iter().filter(|plan| key.as_ref().is_none_or(|key| plan.keys.contains(key)));
    let all = wanted.map(|plan| (plan.id.clone(), wire(plan)));
    let (item, position) = paging::cut(all, (request.limit, request.position))?;
    Ok(write(&types::UsagePlans { position, item: Some(item) }))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateUsagePlanRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let place = (&call.scope, request.usage_plan_id.as_str());
    let mut asked = UsagePlan::clone(&*call.apis.keys.plan(place.0, place.1)?);
    asked.patch(&patches)?;
    check_stages(call, &asked)?;
    let plan = call.apis.keys.change_plan(place, |plan| plan.patch(&patches)).await?;
    Ok(write(&wire(&plan)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteUsagePlanRequest,
) -> Result<Value, AwsError> {
    call.apis.keys.delete_plan(&call.scope, &request.usage_plan_id).await?;
    Ok(Value::Null)
}

/// Whether the stages of a plan are there.
fn check_stages(call: &Call, plan: &UsagePlan) -> Result<(), AwsError> {
    for PlanStage { api, stage, .. } in &plan.stages {
        let known = call.apis.get(&call.scope, api);
        if known.is_err() || known.is_ok_and(|api| api.stage(stage).is_err()) {
            return Err(RestError::Missing("API Stage not found").into());
        }
    }
    Ok(())
}

fn stage(given: types::ApiStage) -> Result<PlanStage, AwsError> {
    let missing = || invalid("An API stage of a usage plan needs apiId and stage");
    let throttles = given.throttle.unwrap_or_default();
    let throttles = throttles.into_iter().map(|(method, given)| (method, throttle(&given)));
    Ok(PlanStage {
        api: given.api_id.ok_or_else(missing)?,
        stage: given.stage.ok_or_else(missing)?,
        throttle: throttles.collect(),
    })
}

fn throttle(given: &types::ThrottleSettings) -> Throttle {
    Throttle { burst: given.burst_limit, rate: given.rate_limit }
}

fn quota(given: types::QuotaSettings) -> Result<Quota, AwsError> {
    let period = given.period.unwrap_or_default();
    Ok(Quota {
        limit: given.limit.unwrap_or_default(),
        offset: given.offset.unwrap_or_default(),
        period: Period::parse(&period)
            .ok_or_else(|| invalid(format!("Invalid quota period specified: {period}")))?,
    })
}

fn wire(plan: &UsagePlan) -> types::UsagePlan {
    types::UsagePlan {
        id: Some(plan.id.clone()),
        name: Some(plan.name.clone()),
        description: plan.description.clone(),
        api_stages: Some(plan.stages.iter().map(wire_stage).collect()),
        throttle: plan.throttle.as_ref().map(wire_throttle),
        quota: plan.quota.map(|quota| types::QuotaSettings {
            limit: Some(quota.limit),
            offset: Some(quota.offset),
            period: Some(quota.period.name().to_owned()),
        }),
        product_code: plan.product.clone(),
        tags: some(&plan.tags),
    }
}

fn wire_stage(stage: &PlanStage) -> types::ApiStage {
    let throttles: BTreeMap<_, _> = stage
        .throttle
        .iter()
        .map(|(method, throttle)| (method.clone(), wire_throttle(throttle)))
        .collect();
    types::ApiStage {
        api_id: Some(stage.api.clone()),
        stage: Some(stage.stage.clone()),
        throttle: (!throttles.is_empty()).then_some(throttles),
    }
}

fn wire_throttle(throttle: &Throttle) -> types::ThrottleSettings {
    types::ThrottleSettings { burst_limit: throttle.burst, rate_limit: throttle.rate }
}
