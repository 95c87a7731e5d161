//! Schedules.

use hearth_services::limits;
use hearth_services::schedules::names::ScheduleArn;
use hearth_services::schedules::record::{Completion, Schedule, ScheduleSettings, ScheduleState};
use hearth_services::schedules::target::{EventParameters, Target as Kept};
use hearth_services::schedules::{Listed, Wanted};
use hearth_wire::scheduler::types::{
    CreateScheduleInput, CreateScheduleOutput, DeadLetterConfig, DeleteScheduleInput,
    EventBridgeParameters, FlexibleTimeWindow, GetScheduleInput, GetScheduleOutput,
    ListSchedulesInput, ListSchedulesOutput, RetryPolicy, ScheduleSummary, SqsParameters, Target,
    TargetSummary, UpdateScheduleInput, UpdateScheduleOutput,
};
use serde_json::Value;

use super::{Call, invalid, nothing, page_items, place_of, seconds, timestamp, token_of, write};
use crate::error::AwsError;

pub(super) async fn create(call: &Call, request: CreateScheduleInput) -> Result<Value, AwsError> {
    let arn = ScheduleArn::meant(&call.scope, request.group_name.clone(), request.name.clone());
    let (settings, token) = given(Given::from(request))?;
    let arn = call.schedules.create(&arn, settings, token).await?;
    Ok(write(&CreateScheduleOutput { schedule_arn: Some(arn) }))
}

pub(super) async fn update(call: &Call, request: UpdateScheduleInput) -> Result<Value, AwsError> {
    let arn = ScheduleArn::meant(&call.scope, request.group_name.clone(), request.name.clone());
    let (settings, token) = given(Given::from(request))?;
    let arn = call.schedules.update(&arn, settings, token).await?;
    Ok(write(&UpdateScheduleOutput { schedule_arn: Some(arn) }))
}

pub(super) fn get(call: &Call, request: GetScheduleInput) -> Result<Value, AwsError> {
    let arn = ScheduleArn::meant(&call.scope, request.group_name, request.name);
    let kept = call.schedules.get(&arn)?;
    let Schedule { group, name, settings, created_at, modified_at, .. } = Schedule::clone(&kept);
    Ok(write(&GetScheduleOutput {
        arn: Some(arn.to_string()),
        group_name: Some(group),
        name: Some(name),
        schedule_expression: Some(settings.expression),
        start_date: settings.start.map(seconds),
        end_date: settings.end.map(seconds),
        description: settings.description,
        schedule_expression_timezone: Some(settings.zone.unwrap_or_else(|| "UTC".to_owned())),
        state: Some(settings.state.name().to_owned()),
        creation_date: Some(seconds(created_at)),
        last_modification_date: Some(seconds(modified_at)),
        kms_key_arn: settings.key,
        target: Some(shown(settings.target)),
        flexible_time_window: Some(window_shown(settings.window_minutes)),
        action_after_completion: Some(settings.completion.name().to_owned()),
    }))
}

pub(super) async fn delete(call: &Call, request: DeleteScheduleInput) -> Result<Value, AwsError> {
    let arn = ScheduleArn::meant(&call.scope, request.group_name, request.name);
    call.schedules.delete(&arn, request.client_token).await?;
    Ok(nothing())
}

pub(super) fn list(call: &Call, request: ListSchedulesInput) -> Result<Value, AwsError> {
    let after = place_of(request.next_token.as_deref())?;
    let wanted = Wanted {
        group: request.group_name.as_deref(),
        prefix: request.name_prefix.as_deref().unwrap_or_default(),
        state: request.state.as_deref().and_then(ScheduleState::parse),
        after: after.as_deref(),
        items: page_items(request.max_results),
    };
    let Listed { items, next } = call.schedules.list(&call.scope, wanted)?;
    let summary = |one: &Schedule| {
        let group = Some(one.group.clone());
        let arn = ScheduleArn::meant(&call.scope, group.clone(), one.name.clone());
        ScheduleSummary {
            arn: Some(arn.to_string()),
            name: Some(arn.name),
            group_name: group,
            state: Some(one.settings.state.name().to_owned()),
            creation_date: Some(seconds(one.created_at)),
            last_modification_date: Some(seconds(one.modified_at)),
            target: Some(TargetSummary { arn: Some(one.settings.target.arn.clone()) }),
        }
    };
    Ok(write(&ListSchedulesOutput {
        next_token: token_of(next),
        schedules: Some(items.iter().map(|one| summary(one)).collect()),
    }))
}

/// What both requests have that give a schedule its settings.
struct Given {
    expression: String,
    zone: Option<String>,
    start: Option<f64>,
    end: Option<f64>,
    description: Option<String>,
    state: Option<String>,
    key: Option<String>,
    target: Target,
    window: FlexibleTimeWindow,
    completion: Option<String>,
    token: Option<String>,
}

macro_rules! given_by {
    ($($request:ident),+) => {$(
        impl From<$request> for Given {
            fn from(request: $request) -> Self {
                Self {
                    expression: request.schedule_expression,
                    zone: request.schedule_expression_timezone,
                    start: request.start_date,
                    end: request.end_date,
                    description: request.description,
                    state: request.state,
                    key: request.kms_key_arn,
                    target: request.target,
                    window: request.flexible_time_window,
                    completion: request.action_after_completion,
                    token: request.client_token,
                }
            }
        }
    )+};
}

given_by!(CreateScheduleInput, UpdateScheduleInput);

fn given(given: Given) -> Result<(ScheduleSettings, Option<String>), AwsError> {
    let Given { expression, zone, start, end, description, state, key, target, .. } = given;
    // The words were checked against those of the model.
    let state = state.as_deref().and_then(ScheduleState::parse).unwrap_or_default();
    let completion = given.completion.as_deref().and_then(Completion::parse).unwrap_or_default();
    let settings = ScheduleSettings {
        expression,
        zone,
        start: start.map(timestamp),
        end: end.map(timestamp),
        window_minutes: window(&given.window)?,
        description,
        state,
        completion,
        target: kept(target)?,
        key,
    };
    Ok((settings, given.token))
}

fn window(window: &FlexibleTimeWindow) -> Result<Option<u32>, AwsError> {
    let minutes = window.maximum_window_in_minutes;
    match (window.mode.as_str(), minutes) {
        ("FLEXIBLE", Some(minutes)) => Ok(u32::try_from(minutes).ok()),
        ("FLEXIBLE", None) => Err(invalid(
            "MaximumWindowInMinutes must be provided when FlexibleTimeWindowMode is set to FLEXIBLE",
        )),
        (_, Some(_)) => Err(invalid(
            "MaximumWindowInMinutes must not be provided when FlexibleTimeWindowMode is set to OFF",
        )),
        (_, None) => Ok(None),
    }
}

fn window_shown(minutes: Option<u32>) -> FlexibleTimeWindow {
    FlexibleTimeWindow {
        mode: if minutes.is_some() { "FLEXIBLE" } else { "OFF" }.to_owned(),
        maximum_window_in_minutes: minutes.and_then(|minutes| i32::try_from(minutes).ok()),
    }
}

fn kept(target: Target) -> Result<Kept, AwsError> {
    let others = [
        ("EcsParameters", target.ecs_parameters.is_some()),
        ("KinesisParameters", target.kinesis_parameters.is_some()),
        ("SageMakerPipelineParameters", target.sage_maker_pipeline_parameters.is_some()),
        (
            "EventBridgePutEventsV2Parameters",
            target.event_bridge_put_events_v2_parameters.is_some(),
        ),
        (
            "EventBridgePutRawEventsParameters",
            target.event_bridge_put_raw_events_parameters.is_some(),
        ),
    ];
    if let Some((name, _)) = others.into_iter().find(|(_, is_used)| *is_used) {
        return Err(invalid(format!("Hearth does not support {name} yet; leave it out.")));
    }
    let retry = target.retry_policy.unwrap_or_default();
    let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    Ok(Kept {
        arn: target.arn,
        role: target.role_arn,
        input: target.input,
        group: target.sqs_parameters.and_then(|parameters| parameters.message_group_id),
        event: target.event_bridge_parameters.map(|parameters| EventParameters {
            detail_type: parameters.detail_type,
            source: parameters.source,
        }),
        retries: number(retry.maximum_retry_attempts),
        age_seconds: number(retry.maximum_event_age_in_seconds),
        dead_letter: target.dead_letter_config.and_then(|config| config.arn),
    })
}

/// AWS shows the retry policy that has effect, also of a target that was given none.
fn shown(target: Kept) -> Target {
    let number = |value: Option<u32>, default: u32| i32::try_from(value.unwrap_or(default)).ok();
    Target {
        arn: target.arn,
        role_arn: target.role,
        dead_letter_config: target.dead_letter.map(|arn| DeadLetterConfig { arn: Some(arn) }),
        retry_policy: Some(RetryPolicy {
            maximum_event_age_in_seconds: number(
                target.age_seconds,
                limits::EVENT_AGE_SECONDS_DEFAULT,
            ),
            maximum_retry_attempts: number(target.retries, limits::EVENT_RETRIES_DEFAULT),
        }),
        input: target.input,
        event_bridge_parameters: target.event.map(|event| EventBridgeParameters {
            detail_type: event.detail_type,
            source: event.source,
        }),
        sqs_parameters: target.group.map(|group| SqsParameters { message_group_id: Some(group) }),
        ..Target::default()
    }
}
