//! API Gateway's operations, version 1: wire to domain and back.
//!
//! One file for each kind of part. What may be done is decided by `hearth_http::rest`.
//!
//! # Deliberately absent
//!
//! What has no effect here is refused, not kept, but for what `compatibility` lists.

mod apis;
mod resources;
mod methods;
mod integrations;
mod authorizers;
mod deployments;
mod stages;
mod keys;
mod plans;
mod usage;
mod tags;
mod paging;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_http::event::query_pairs;
use hearth_http::rest::RestApis;
use hearth_http::rest::error::RestError;
use hearth_http::rest::patch::{self, Patch};
use hearth_http::rest::record::RestApi;
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use hearth_wire::apigateway::{Operation, SERVICE, types};
use hearth_wire::validate;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{AwsError, Protocol};
use crate::front::{Answer, Arrived, Front};
use crate::rest_json;

/// The first segments of the paths of this service. Tags are those of this service if the ARN is.
const FIRSTS: [&str; 4] = ["restapis", "apikeys", "usageplans", "account"];

/// Whether a path is one of this service.
pub(crate) fn is_ours(path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    if first != "tags" {
        return FIRSTS.contains(&first);
    }
    let arn = percent_decode_str(rest).decode_utf8_lossy();
    arn.split(':').nth(2) == Some("apigateway") && !arn.contains("::/apis/")
}

/// Answers a request.
pub(crate) async fn answer(front: &Arc<Front>, arrived: Arrived) -> Answer {
    let answered = answer_or_refuse(front, arrived).await;
    answered.unwrap_or_else(|error| error.render(Protocol::RestJson))
}

async fn answer_or_refuse(front: &Arc<Front>, arrived: Arrived) -> Result<Answer, AwsError> {
    let unreadable = |error| invalid(format!("Invalid request input: {error}"));
    let mut asked = rest_json::read(front, &SERVICE, arrived, unreadable).await?;
    let operation = Operation::of(asked.operation);
    if matches!(operation, Operation::ImportRestApi | Operation::PutRestApi) {
        // Their bodies are documents, and the query has whatever else is asked for.
        asked.input["body"] = Value::from(STANDARD.encode(&asked.body.bytes));
        let query = query_pairs(asked.head.uri.query().unwrap_or_default());
        let parameters: BTreeMap<String, String> = query.into_iter().collect();
        asked.input["parameters"] = json!(parameters);
    }
    let (description, input) = (asked.operation, asked.input);
    let call = Call { apis: Arc::clone(&front.rest_apis), scope: asked.scope };
    let performing = async move { perform(&call, operation, input).await };
    let output = front.finished(performing).await.ok_or_else(AwsError::broken)??;
    Ok(rest_json::answer(description, output))
}

/// One call of an operation.
struct Call {
    apis: Arc<RestApis>,
    scope: Scope,
}

impl Call {
    fn api(&self, id: &str) -> Result<Arc<RestApi>, AwsError> {
        Ok(self.apis.get(&self.scope, id)?)
    }

    /// Changes an API and says what came of it.
    async fn change<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut RestApi) -> Result<T, RestError> + Send,
    ) -> Result<(Arc<RestApi>, T), AwsError> {
        Ok(self.apis.change((&self.scope, id), change).await?)
    }

    fn now(&self) -> Timestamp {
        self.apis.now()
    }
}

/// Whether an input is what the operation takes.
fn check(operation: Operation, input: &Value) -> Result<(), AwsError> {
    let violations = validate::violations(operation.description().input, input);
    if violations.is_empty() {
        return Ok(());
    }
    Err(invalid(validate::message(&violations)))
}

/// Performs an operation. `Null` is the output of one that answers nothing.
async fn perform(call: &Call, operation: Operation, input: Value) -> Result<Value, AwsError> {
    check(operation, &input)?;
    match operation {
        Operation::CreateRestApi => apis::create(call, read(input)?).await,
        Operation::GetRestApi => apis::get(call, read(input)?),
        Operation::GetRestApis => apis::list(call, read(input)?),
        Operation::UpdateRestApi => apis::update(call, read(input)?).await,
        Operation::DeleteRestApi => apis::delete(call, read(input)?).await,
        Operation::ImportRestApi => apis::import(call, read(input)?).await,
        Operation::PutRestApi => apis::put(call, read(input)?).await,
        Operation::GetAccount => Ok(write(&apis::account())),

        Operation::CreateResource => resources::create(call, read(input)?).await,
        Operation::GetResource => resources::get(call, read(input)?),
        Operation::GetResources => resources::list(call, read(input)?),
        Operation::UpdateResource => resources::update(call, read(input)?).await,
        Operation::DeleteResource => resources::delete(call, read(input)?).await,

        Operation::PutMethod => methods::put(call, read(input)?).await,
        Operation::GetMethod => methods::get(call, read(input)?),
        Operation::UpdateMethod => methods::update(call, read(input)?).await,
        Operation::DeleteMethod => methods::delete(call, read(input)?).await,
        Operation::PutMethodResponse => methods::put_response(call, read(input)?).await,
        Operation::GetMethodResponse => methods::get_response(call, read(input)?),
        Operation::DeleteMethodResponse => methods::delete_response(call, read(input)?).await,

        Operation::PutIntegration => integrations::put(call, read(input)?).await,
        Operation::GetIntegration => integrations::get(call, read(input)?),
        Operation::UpdateIntegration => integrations::update(call, read(input)?).await,
        Operation::DeleteIntegration => integrations::delete(call, read(input)?).await,
        Operation::PutIntegrationResponse => integrations::put_response(call, read(input)?).await,
        Operation::GetIntegrationResponse => integrations::get_response(call, read(input)?),
        Operation::DeleteIntegrationResponse => {
            integrations::delete_response(call, read(input)?).await
        }

        Operation::CreateAuthorizer => authorizers::create(call, read(input)?).await,
        Operation::GetAuthorizer => authorizers::get(call, read(input)?),
        Operation::GetAuthorizers => authorizers::list(call, read(input)?),
        Operation::UpdateAuthorizer => authorizers::update(call, read(input)?).await,
        Operation::DeleteAuthorizer => authorizers::delete(call, read(input)?).await,
        Operation::FlushStageAuthorizersCache => authorizers::flush(call, read(input)?),

        Operation::CreateDeployment => deployments::create(call, read(input)?).await,
        Operation::GetDeployment => deployments::get(call, read(input)?),
        Operation::GetDeployments => deployments::list(call, read(input)?),
        Operation::UpdateDeployment => deployments::update(call, read(input)?).await,
        Operation::DeleteDeployment => deployments::delete(call, read(input)?).await,

        Operation::CreateStage => stages::create(call, read(input)?).await,
        Operation::GetStage => stages::get(call, read(input)?),
        Operation::GetStages => stages::list(call, read(input)?),
        Operation::UpdateStage => stages::update(call, read(input)?).await,
        Operation::DeleteStage => stages::delete(call, read(input)?).await,

        Operation::CreateApiKey => keys::create(call, read(input)?).await,
        Operation::GetApiKey => keys::get(call, read(input)?),
        Operation::GetApiKeys => keys::list(call, read(input)?),
        Operation::UpdateApiKey => keys::update(call, read(input)?).await,
        Operation::DeleteApiKey => keys::delete(call, read(input)?).await,

        Operation::CreateUsagePlan => plans::create(call, read(input)?).await,
        Operation::GetUsagePlan => plans::get(call, read(input)?),
        Operation::GetUsagePlans => plans::list(call, read(input)?),
        Operation::UpdateUsagePlan => plans::update(call, read(input)?).await,
        Operation::DeleteUsagePlan => plans::delete(call, read(input)?).await,
        Operation::CreateUsagePlanKey => usage::add_key(call, read(input)?).await,
        Operation::GetUsagePlanKey => usage::get_key(call, read(input)?),
        Operation::GetUsagePlanKeys => usage::list_keys(call, read(input)?),
        Operation::DeleteUsagePlanKey => usage::remove_key(call, read(input)?).await,
        Operation::GetUsage => usage::get(call, read(input)?),

        Operation::TagResource => tags::tag(call, read(input)?).await,
        Operation::UntagResource => tags::untag(call, read(input)?).await,
        Operation::GetTags => tags::get(call, read(input)?),
    }
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input)
        .map_err(|error| invalid(format!("Invalid request input: {error}")))
}

fn write(output: &impl Serialize) -> Value {
    serde_json::to_value(output).expect("the shapes of the wire can be written as JSON")
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::of_rest_apis("BadRequestException", message)
}

/// Refuses those of the settings that were given: they would have no effect.
fn refuse(settings: &[(&str, bool)]) -> Result<(), AwsError> {
    match settings.iter().find(|(_name, is_given)| *is_given) {
        Some((name, _)) => Err(RestError::not_built(*name).into()),
        None => Ok(()),
    }
}

/// The patches of a request.
fn patches(given: Option<Vec<types::PatchOperation>>) -> Result<Vec<Patch>, AwsError> {
    let given = given.unwrap_or_default().into_iter();
    Ok(patch::read(given.map(|one| (one.op, one.path, one.value)).collect())?)
}

/// A time as this service writes it: in whole seconds.
fn seconds(at: Timestamp) -> Option<f64> {
    Some((at.0 / 1_000) as f64)
}

/// A map that is not shown if there is nothing in it.
fn some<K: Ord + Clone, V: Clone>(map: &BTreeMap<K, V>) -> Option<BTreeMap<K, V>> {
    (!map.is_empty()).then(|| map.clone())
}

impl From<RestError> for AwsError {
    fn from(error: RestError) -> Self {
        let name = match &error {
            RestError::ApiMissing { .. } | RestError::Missing(_) => "NotFoundException",
            RestError::Invalid(_) | RestError::NotBuilt(_) => "BadRequestException",
            RestError::Conflict(_) => "ConflictException",
            RestError::TooMany(_) => "LimitExceededException",
            RestError::Store(_) => {
                return Self::internal(&error).named("InternalServerErrorException");
            }
        };
        Self::of_rest_apis(name, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_service() {
        #[rustfmt::skip]
        let rows = [
            ("/restapis",                                                       true),
            ("/restapis/abc/resources",                                         true),
            ("/apikeys/abc",                                                    true),
            ("/account",                                                        true),
            ("/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fabc", true),
            ("/tags/arn%3Aaws%3Ascheduler%3Aus-east-1%3A0%3Aschedule-group%2Fa", false),
            ("/2017-03-31/tags/x",                                              false),
            ("/v2/apis",                                                        false),
            ("/",                                                               false),
        ];
        for (path, expected) in rows {
            assert_eq!(is_ours(path), expected, "{path}");
        }
    }
}
