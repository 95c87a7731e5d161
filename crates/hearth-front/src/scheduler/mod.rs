//! EventBridge Scheduler's operations: wire to domain and back.

mod groups;
mod schedules;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_services::limits;
use hearth_services::schedules::Schedules;
use hearth_services::schedules::error::ScheduleError;
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use hearth_wire::scheduler::types::Tag;
use hearth_wire::scheduler::{Operation, SERVICE};
use hearth_wire::validate;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{AwsError, Protocol};
use crate::front::{Answer, Arrived, Front};
use crate::rest_json;

/// Stands before the place in a token, so that a token is never empty.
const START: &str = "after ";

/// Whether a path is one of this service. `/tags/{arn}` is several services', and the ARN decides.
pub(crate) fn is_ours(path: &str) -> bool {
    let path = path.strip_prefix('/').unwrap_or(path);
    match path.split_once('/').unwrap_or((path, "")) {
        ("schedules" | "schedule-groups", _) => true,
        ("tags", arn) => {
            let arn = percent_decode_str(arn).decode_utf8_lossy();
            arn.split(':').nth(2) == Some("scheduler")
        }
        _ => false,
    }
}

/// Answers a request.
pub(crate) async fn answer(front: &Arc<Front>, arrived: Arrived) -> Answer {
    let answer = try_answer(front, arrived).await;
    answer.unwrap_or_else(|error| error.render(Protocol::Scheduler))
}

async fn try_answer(front: &Arc<Front>, arrived: Arrived) -> Result<Answer, AwsError> {
    let asked = rest_json::read(front, &SERVICE, arrived, |error| unreadable(&error)).await?;
    let (description, input) = (asked.operation, asked.input);
    let call = Call { schedules: Arc::clone(&front.schedules), scope: asked.scope };
    let performing = async move { perform(&call, Operation::of(description), input).await };
    let output = front.finished(performing).await.ok_or_else(AwsError::broken)??;
    Ok(rest_json::answer(description, output))
}

/// One call of an operation.
struct Call {
    schedules: Arc<Schedules>,
    scope: Scope,
}

async fn perform(call: &Call, operation: Operation, input: Value) -> Result<Value, AwsError> {
    let violations = validate::violations(operation.description().input, &input);
    if !violations.is_empty() {
        return Err(AwsError::of_scheduler("ValidationException", validate::message(&violations)));
    }
    match operation {
        Operation::CreateSchedule => schedules::create(call, read(input)?).await,
        Operation::UpdateSchedule => schedules::update(call, read(input)?).await,
        Operation::GetSchedule => schedules::get(call, read(input)?),
        Operation::DeleteSchedule => schedules::delete(call, read(input)?).await,
        Operation::ListSchedules => schedules::list(call, read(input)?),

        Operation::CreateScheduleGroup => groups::create(call, read(input)?).await,
        Operation::GetScheduleGroup => groups::get(call, read(input)?),
        Operation::DeleteScheduleGroup => groups::delete(call, read(input)?).await,
        Operation::ListScheduleGroups => groups::list(call, read(input)?),

        Operation::TagResource => groups::tag(call, read(input)?).await,
        Operation::UntagResource => groups::untag(call, read(input)?).await,
        Operation::ListTagsForResource => groups::list_tags(call, read(input)?),
    }
}

/// How many items a page may have.
fn page_items(wanted: Option<i32>) -> usize {
    let wanted = wanted.and_then(|wanted| usize::try_from(wanted).ok());
    let most = limits::SCHEDULE_LIST_ITEMS_MAX;
    wanted.unwrap_or(most).clamp(1, most)
}

fn token_of(place: Option<String>) -> Option<String> {
    place.map(|place| STANDARD.encode(format!("{START}{place}")))
}

fn place_of(token: Option<&str>) -> Result<Option<String>, AwsError> {
    let Some(token) = token else { return Ok(None) };
    let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = decoded.as_deref().and_then(|text| text.strip_prefix(START)).map(str::to_owned);
    place.map(Some).ok_or_else(|| invalid("Invalid NextToken."))
}

/// A time of the wire, to the nearest millisecond. What is before 1970 is taken for its beginning.
fn timestamp(seconds: f64) -> Timestamp {
    let since = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let since = since.saturating_add(Duration::from_micros(500));
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time for the wire.
fn seconds(at: Timestamp) -> f64 {
    Duration::from_millis(at.0).as_secs_f64()
}

fn tags_from_wire(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| unreadable(&error))
}

fn unreadable(error: &dyn std::error::Error) -> AwsError {
    invalid(format!("The request cannot be read: {error}"))
}

fn write(output: &impl Serialize) -> Value {
    serde_json::to_value(output).expect("the shapes of the wire can be written as JSON")
}

/// What an operation answers that has nothing to say.
fn nothing() -> Value {
    json!({})
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::of_scheduler("ValidationException", message)
}

impl From<ScheduleError> for AwsError {
    fn from(error: ScheduleError) -> Self {
        let name = match &error {
            ScheduleError::ScheduleMissing(_) | ScheduleError::GroupMissing(_) => {
                "ResourceNotFoundException"
            }
            ScheduleError::ScheduleExists(_)
            | ScheduleError::GroupExists(_)
            | ScheduleError::GroupDeleting(_) => "ConflictException",
            ScheduleError::Invalid(_) => "ValidationException",
            ScheduleError::LimitExceeded(_) => "ServiceQuotaExceededException",
            ScheduleError::NotBuilt(what) => return Self::not_built_part(what),
            ScheduleError::Store(_) => {
                return Self::internal(&error).named("InternalServerException");
            }
        };
        Self::of_scheduler(name, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_whether_it_is_this_service() {
        #[rustfmt::skip]
        let rows = [
            ("/schedules",               true),
            ("/schedules/s",             true),
            ("/schedule-groups/g",       true),
            ("/tags/arn%3Aaws%3Ascheduler%3Aus-east-1%3A000000000000%3Aschedule-group%2Fg", true),
            ("/tags/arn:aws:scheduler:us-east-1:000000000000:schedule-group%2Fg",           true),
            ("/tags/arn:aws:apigateway:us-east-1::%2Frestapis%2Fx",                         false),
            ("/v2/schedules",            false),
            ("/schedule",                false),
            ("/",                        false),
        ];
        for (path, expected) in rows {
            assert_eq!(is_ours(path), expected, "{path}");
        }
    }

    #[test]
    fn a_token_leads_back_to_its_place() {
        let token = token_of(Some("default s".to_owned()));
        assert_eq!(place_of(token.as_deref()).unwrap().as_deref(), Some("default s"));
        assert_eq!(place_of(None).unwrap(), None);
        assert!(place_of(Some("%")).is_err());
    }

    #[test]
    fn times_pass_the_wire() {
        for at in [0, 1_795_404_035_000, 1_795_404_035_123] {
            assert_eq!(timestamp(seconds(Timestamp(at))), Timestamp(at));
        }
        assert_eq!(timestamp(-1.0), Timestamp(0));
    }
}
