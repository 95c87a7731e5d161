//! API Gateway's operations, version 2: wire to domain and back.
//!
//! One file for each kind of part. What may be done is decided by `hearth_http::apis::edit`.
//!
//! # Deliberately absent
//!
//! What has no effect here is refused, not kept: models, mapping of parameters, templates, VPC links,
//! access logs, client certificates.

mod apis;
mod routes;
mod integrations;
mod authorizers;
mod stages;
mod deployments;
mod tags;
mod paging;

use std::sync::Arc;

use hearth_http::apis::Apis;
use hearth_http::apis::error::ApiError;
use hearth_http::apis::record::Api;
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use hearth_wire::apigatewayv2::{Operation, SERVICE};
use hearth_wire::validate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{AwsError, Protocol};
use crate::front::{Answer, Arrived, Front};
use crate::rest_json;

/// The first segment of all paths of this service.
const FIRST: &str = "/v2/";

/// Whether a path is one of this service.
pub(crate) fn is_ours(path: &str) -> bool {
    path.starts_with(FIRST)
}

/// Answers a request.
pub(crate) async fn answer(front: &Arc<Front>, arrived: Arrived) -> Answer {
    let answered = answer_or_refuse(front, arrived).await;
    answered.unwrap_or_else(|error| error.render(Protocol::RestJson))
}

async fn answer_or_refuse(front: &Arc<Front>, arrived: Arrived) -> Result<Answer, AwsError> {
    let unreadable = |error| invalid(format!("Invalid request input: {error}"));
    let asked = rest_json::read(front, &SERVICE, arrived, unreadable).await?;
    let (host, description, input) = (asked.host(), asked.operation, asked.input);
    let call = Call { apis: Arc::clone(&front.apis), scope: asked.scope, host };
    let performing = async move { perform(&call, Operation::of(description), input).await };
    let output = front.finished(performing).await.ok_or_else(AwsError::broken)??;
    Ok(rest_json::answer(description, output))
}

/// One call of an operation.
struct Call {
    apis: Arc<Apis>,
    scope: Scope,
    /// How the client reached us.
    host: Option<String>,
}

impl Call {
    fn api(&self, id: &str) -> Result<Arc<Api>, AwsError> {
        Ok(self.apis.get(&self.scope, id)?)
    }

    /// Changes an API and says what came of it.
    async fn change<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Api) -> Result<T, ApiError> + Send,
    ) -> Result<(Arc<Api>, T), AwsError> {
        Ok(self.apis.change((&self.scope, id), change).await?)
    }

    fn now(&self) -> Timestamp {
        self.apis.now()
    }
}

/// Performs an operation. `Null` is the output of one that answers nothing.
async fn perform(call: &Call, operation: Operation, input: Value) -> Result<Value, AwsError> {
    let violations = validate::violations(operation.description().input, &input);
    if !violations.is_empty() {
        return Err(invalid(validate::message(&violations)));
    }
    match operation {
        Operation::CreateApi => apis::create(call, read(input)?).await,
        Operation::GetApi => apis::get(call, read(input)?),
        Operation::GetApis => apis::list(call, read(input)?),
        Operation::UpdateApi => apis::update(call, read(input)?).await,
        Operation::DeleteApi => apis::delete(call, read(input)?).await,
        Operation::DeleteCorsConfiguration => apis::delete_cors(call, read(input)?).await,
        Operation::ImportApi => apis::import(call, read(input)?).await,
        Operation::ReimportApi => apis::reimport(call, read(input)?).await,

        Operation::CreateRoute => routes::create(call, read(input)?).await,
        Operation::GetRoute => routes::get(call, read(input)?),
        Operation::GetRoutes => routes::list(call, read(input)?),
        Operation::UpdateRoute => routes::update(call, read(input)?).await,
        Operation::DeleteRoute => routes::delete(call, read(input)?).await,
        Operation::CreateRouteResponse => routes::create_response(call, read(input)?).await,
        Operation::GetRouteResponse => routes::get_response(call, read(input)?),
        Operation::GetRouteResponses => routes::list_responses(call, read(input)?),
        Operation::UpdateRouteResponse => routes::update_response(call, read(input)?).await,
        Operation::DeleteRouteResponse => routes::delete_response(call, read(input)?).await,

        Operation::CreateIntegration => integrations::create(call, read(input)?).await,
        Operation::GetIntegration => integrations::get(call, read(input)?),
        Operation::GetIntegrations => integrations::list(call, read(input)?),
        Operation::UpdateIntegration => integrations::update(call, read(input)?).await,
        Operation::DeleteIntegration => integrations::delete(call, read(input)?).await,

        Operation::CreateAuthorizer => authorizers::create(call, read(input)?).await,
        Operation::GetAuthorizer => authorizers::get(call, read(input)?),
        Operation::GetAuthorizers => authorizers::list(call, read(input)?),
        Operation::UpdateAuthorizer => authorizers::update(call, read(input)?).await,
        Operation::DeleteAuthorizer => authorizers::delete(call, read(input)?).await,

        Operation::CreateStage => stages::create(call, read(input)?).await,
        Operation::GetStage => stages::get(call, read(input)?),
        Operation::GetStages => stages::list(call, read(input)?),
        Operation::UpdateStage => stages::update(call, read(input)?).await,
        Operation::DeleteStage => stages::delete(call, read(input)?).await,
        Operation::DeleteRouteSettings => stages::delete_settings(call, read(input)?).await,

        Operation::CreateDeployment => deployments::create(call, read(input)?).await,
        Operation::GetDeployment => deployments::get(call, read(input)?),
        Operation::GetDeployments => deployments::list(call, read(input)?),
        Operation::UpdateDeployment => deployments::update(call, read(input)?).await,
        Operation::DeleteDeployment => deployments::delete(call, read(input)?).await,

        Operation::TagResource => tags::tag(call, read(input)?).await,
        Operation::UntagResource => tags::untag(call, read(input)?).await,
        Operation::GetTags => tags::get(call, read(input)?),
    }
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input)
        .map_err(|error| invalid(format!("Invalid request input: {error}")))
}

/// An output. AWS writes its times as text, such as `2026-11-23T03:20:35.123Z`, where the types
/// have numbers; so they are put in here.
fn write(output: &impl Serialize, times: &[(&str, Timestamp)]) -> Value {
    let mut value =
        serde_json::to_value(output).expect("the shapes of the wire can be written as JSON");
    for (name, time) in times {
        value[*name] = Value::from(time.iso());
    }
    value
}

/// A page of outputs.
fn write_page((items, next_token): (Vec<Value>, Option<String>)) -> Value {
    let mut page = json!({ "items": items });
    if let Some(token) = next_token {
        page["nextToken"] = Value::from(token);
    }
    page
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::of_apis("BadRequestException", message)
}

/// Refuses those of the settings that were given: they would have no effect.
fn refuse(settings: &[(&str, bool)]) -> Result<(), AwsError> {
    match settings.iter().find(|(_name, is_given)| *is_given) {
        Some((name, _)) => Err(ApiError::not_built(*name).into()),
        None => Ok(()),
    }
}

/// A word of the model, which has been checked against its list, or one that Hearth does not know.
fn word<T>(
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Option<T>,
    what: &str,
) -> Result<Option<T>, AwsError> {
    let Some(text) = text else { return Ok(None) };
    match parse(text) {
        Some(known) => Ok(Some(known)),
        None => Err(ApiError::not_built(format!("the {what} {text}")).into()),
    }
}

impl From<ApiError> for AwsError {
    fn from(error: ApiError) -> Self {
        let name = match &error {
            ApiError::ApiMissing { .. } | ApiError::PartMissing(_) | ApiError::RouteUnknown(_) => {
                "NotFoundException"
            }
            ApiError::Invalid(_) | ApiError::NotBuilt(_) => "BadRequestException",
            ApiError::Conflict(_) => "ConflictException",
            ApiError::TooMany(_) => "TooManyRequestsException",
            ApiError::Store(_) => {
                return Self::internal(&error).named("InternalServerErrorException");
            }
        };
        Self::of_apis(name, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_text() {
        let written = write(&json!({"a": 1}), &[("createdDate", Timestamp(0))]);
        assert_eq!(written, json!({"a": 1, "createdDate": "1970-01-01T00:00:00.000Z"}));
    }

    #[test]
    fn paths_of_this_service() {
        assert!(is_ours("/v2/apis"));
        assert!(!is_ours("/v2"));
        assert!(!is_ours("/2015-03-31/functions"));
    }
}
