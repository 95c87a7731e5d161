//! The targets of rules.

use hearth_services::buses::target::{Input, Target as Kept};
use hearth_wire::events::types::{
    DeadLetterConfig, InputTransformer, ListTargetsByRuleRequest, ListTargetsByRuleResponse,
    PutTargetsRequest, PutTargetsResponse, RemoveTargetsRequest, RemoveTargetsResponse,
    RetryPolicy, SqsParameters, Target,
};
use serde_json::Value;

use super::paging::{self, Asked};
use super::{Call, invalid, write};
use crate::error::AwsError;

pub(super) async fn put(call: &Call, request: PutTargetsRequest) -> Result<Value, AwsError> {
    let targets = request.targets.into_iter().map(kept).collect::<Result<Vec<_>, _>>()?;
    let rule = (request.event_bus_name.as_deref(), request.rule.as_str());
    call.buses.put_targets(&call.scope, rule, targets).await?;
    // A target is taken or the request is refused: nothing fails by itself.
    Ok(write(&PutTargetsResponse { failed_entry_count: Some(0), failed_entries: Some(Vec::new()) }))
}

/// `Force` is for rules that services of AWS manage, of which there are none.
pub(super) async fn remove(call: &Call, request: RemoveTargetsRequest) -> Result<Value, AwsError> {
    let rule = (request.event_bus_name.as_deref(), request.rule.as_str());
    call.buses.remove_targets(&call.scope, rule, &request.ids).await?;
    Ok(write(&RemoveTargetsResponse {
        failed_entry_count: Some(0),
        failed_entries: Some(Vec::new()),
    }))
}

pub(super) fn list(call: &Call, request: ListTargetsByRuleRequest) -> Result<Value, AwsError> {
    let bus = request.event_bus_name.as_deref();
    let (_, rule) = call.buses.rule(&call.scope, bus, &request.rule)?;
    let targets = rule.targets.iter().map(|target| (target.id.clone(), shown(target.clone())));
    let asked = Asked { token: request.next_token, limit: request.limit };
    let (page, next_token) = paging::cut(targets.collect(), &asked)?;
    Ok(write(&ListTargetsByRuleResponse { targets: Some(page), next_token }))
}

fn kept(target: Target) -> Result<Kept, AwsError> {
    refuse_other_parameters(&target)?;
    let input = input(&target)?;
    let retry = target.retry_policy.unwrap_or_default();
    let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    Ok(Kept {
        id: target.id,
        arn: target.arn,
        role: target.role_arn,
        input,
        group: target.sqs_parameters.and_then(|parameters| parameters.message_group_id),
        retries: number(retry.maximum_retry_attempts),
        age_seconds: number(retry.maximum_event_age_in_seconds),
        dead_letter: target.dead_letter_config.and_then(|config| config.arn),
    })
}

/// Those of targets that are not delivered to, which AWS refuses for others.
fn refuse_other_parameters(target: &Target) -> Result<(), AwsError> {
    let others = [
        ("KinesisParameters", target.kinesis_parameters.is_some()),
        ("RunCommandParameters", target.run_command_parameters.is_some()),
        ("EcsParameters", target.ecs_parameters.is_some()),
        ("BatchParameters", target.batch_parameters.is_some()),
        ("HttpParameters", target.http_parameters.is_some()),
        ("RedshiftDataParameters", target.redshift_data_parameters.is_some()),
        ("SageMakerPipelineParameters", target.sage_maker_pipeline_parameters.is_some()),
        ("AppSyncParameters", target.app_sync_parameters.is_some()),
    ];
    let used = others.into_iter().find(|(_, is_used)| *is_used);
    used.map_or(Ok(()), |(name, _)| {
        Err(invalid(format!("Parameter(s) {name} not supported for target: {}.", target.id)))
    })
}

fn input(target: &Target) -> Result<Input, AwsError> {
    match (&target.input, &target.input_path, &target.input_transformer) {
        (None, None, None) => Ok(Input::Event),
        (Some(text), None, None) => Ok(Input::Constant(text.clone())),
        (None, Some(path), None) => Ok(Input::Path(path.clone())),
        (None, None, Some(transformer)) => Ok(Input::Transformer {
            paths: transformer.input_paths_map.clone().unwrap_or_default(),
            template: transformer.input_template.clone(),
        }),
        _several => Err(invalid(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {}.",
            target.id
        ))),
    }
}

fn shown(target: Kept) -> Target {
    let mut wire = Target {
        id: target.id,
        arn: target.arn,
        role_arn: target.role,
        dead_letter_config: target.dead_letter.map(|arn| DeadLetterConfig { arn: Some(arn) }),
        sqs_parameters: target.group.map(|group| SqsParameters { message_group_id: Some(group) }),
        ..Target::default()
    };
    match target.input {
        Input::Event => {}
        Input::Constant(text) => wire.input = Some(text),
        Input::Path(path) => wire.input_path = Some(path),
        Input::Transformer { paths, template } => {
            let input_paths_map = (!paths.is_empty()).then_some(paths);
            wire.input_transformer =
                Some(InputTransformer { input_paths_map, input_template: template });
        }
    }
    let number = |value: Option<u32>| value.and_then(|value| i32::try_from(value).ok());
    let retry = RetryPolicy {
        maximum_retry_attempts: number(target.retries),
        maximum_event_age_in_seconds: number(target.age_seconds),
    };
    wire.retry_policy = (retry != RetryPolicy::default()).then_some(retry);
    wire
}
