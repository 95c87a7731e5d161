//! The Invoke operation: the hot path of the front door.
//!
//! What the model says about its few inputs is checked directly; only an input that is refused
//! takes the general way, to be told why in AWS's words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_control::control::Control;
use hearth_environment::invocation::{LogRequest, RunResult, Timeline};
use hearth_invoke::asynchronous::Accepted;
use hearth_invoke::{InvokeRequest, Outcome};
use hearth_types::limits;
use hearth_types::names::{FunctionArn, FunctionReference, Qualifier, Scope};
use hearth_wire::rest_json;
use hearth_wire::route::Matched;
use hearth_wire::validate;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body;
use crate::error::AwsError;
use crate::front::{Answer, Arrived, Front};

/// The three ways to invoke.
enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

pub(crate) async fn answer(
    front: &Front,
    arrived: Arrived,
    matched: &Matched<'_>,
) -> Result<Answer, AwsError> {
    let name = matched.labels.get("FunctionName").unwrap_or_default();
    let Some((invocation_type, log)) = kinds(&arrived) else {
        return Err(why(&arrived, matched));
    };
    let Ok(reference) = FunctionReference::parse(name) else { return Err(why(&arrived, matched)) };
    let qualifier = query_qualifier(&arrived, matched)?;
    let (function, qualifier) = named(&arrived.scope, reference, qualifier)?;
    refuse_unsupported(&arrived)?;
    if matches!(invocation_type, InvocationType::Event) {
        return accept(front, arrived, (function, qualifier)).await;
    }
    let client_context = client_context(&arrived)?;
    let trace = arrived.header("x-amzn-trace-id").map(str::to_owned);
    let wants_timeline = arrived.header("x-hearth-timeline").is_some();
    let id = arrived.id;
    let limit = limits::PAYLOAD_SYNC_BYTES_MAX;
    let held = body::read(arrived.body, limit, &front.body_room).await;
    let held = held.map_err(|error| AwsError::of_body(error, limit, "InvokeFunction"))?;
    let payload = held.into_bytes();
    let request = InvokeRequest { id, function, qualifier, payload, client_context, trace, log };
    if matches!(invocation_type, InvocationType::DryRun) {
        front.invoker.dry_run(&request).map_err(|error| AwsError::from(&error))?;
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        return Ok(answer);
    }
    let outcome = front.invoker.invoke(request).await.map_err(|error| AwsError::from(&error))?;
    Ok(render(outcome, wants_timeline))
}

/// The Invoke operation for an event, which is run later. AWS does not keep its client context.
async fn accept(
    front: &Front,
    arrived: Arrived,
    (function, qualifier): (FunctionArn, Option<Qualifier>),
) -> Result<Answer, AwsError> {
    let trace = arrived.header("x-amzn-trace-id").map(str::to_owned);
    let id = arrived.id;
    // What is too large is read all the same, because the refusal says how large it is.
    let limit = limits::PAYLOAD_SYNC_BYTES_MAX;
    let held = body::read(arrived.body, limit, &front.body_room).await;
    let held = held.map_err(|error| AwsError::of_body(error, limit, "InvokeFunction"))?;
    let (payload, client_context, log) = (held.into_bytes(), None, LogRequest::None);
    let request = InvokeRequest { id, function, qualifier, payload, client_context, trace, log };
    let accepted = front.invoker.submit(request).await;
    Ok(accepted_answer(&accepted.map_err(|error| AwsError::from(&error))?))
}

fn accepted_answer(accepted: &Accepted) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::ACCEPTED;
    let headers = answer.headers_mut();
    headers.insert(
        HeaderName::from_static("x-amzn-remapped-content-length"),
        HeaderValue::from_static("0"),
    );
    if let Ok(trace) = HeaderValue::from_str(&accepted.trace) {
        headers.insert(HeaderName::from_static("x-amzn-trace-id"), trace);
    }
    answer
}

/// The `InvokeAsync` operation: the same in its older form, without a qualifier. SDKs send the trace
/// header with every operation, and a loop is found by it.
pub(crate) async fn answer_async(
    front: &Front,
    arrived: Arrived,
    matched: &Matched<'_>,
) -> Result<Answer, AwsError> {
    let name = matched.labels.get("FunctionName").unwrap_or_default();
    let Ok(reference) = FunctionReference::parse(name) else { return Err(why(&arrived, matched)) };
    let (function, qualifier) = named(&arrived.scope, reference, None)?;
    let trace = arrived.header("x-amzn-trace-id").map(str::to_owned);
    let id = arrived.id;
    let limit = limits::PAYLOAD_INVOKE_ASYNC_BYTES_MAX;
    let held = body::read(arrived.body, limit, &front.body_room).await;
    let held = held.map_err(|error| AwsError::of_body(error, limit, "InvokeAsync"))?;
    let request = InvokeRequest {
        id,
        function,
        qualifier,
        payload: held.into_bytes(),
        client_context: None,
        trace,
        log: LogRequest::None,
    };
    let accepted = front.invoker.submit(request).await;
    Ok(accepted_answer(&accepted.map_err(|error| AwsError::from(&error))?))
}

/// Refuses what would have to be honoured and is not built.
pub(crate) fn refuse_unsupported(arrived: &Arrived) -> Result<(), AwsError> {
    for name in ["x-amz-tenant-id", "x-amz-durable-execution-name"] {
        if arrived.header(name).is_some() {
            let message = format!("Hearth does not support the header {name} yet; leave it out.");
            return Err(AwsError::invalid_parameter(message));
        }
    }
    Ok(())
}

fn kinds(arrived: &Arrived) -> Option<(InvocationType, LogRequest)> {
    let invocation_type = match arrived.header("x-amz-invocation-type") {
        None | Some("RequestResponse") => InvocationType::RequestResponse,
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        Some(_) => return None,
    };
    Some((invocation_type, log_request(arrived)?))
}

/// Whether the end of the log is wanted; `None` if the header is not one of its values.
pub(crate) fn log_request(arrived: &Arrived) -> Option<LogRequest> {
    match arrived.header("x-amz-log-type") {
        None | Some("None") => Some(LogRequest::None),
        Some("Tail") => Some(LogRequest::Tail),
        Some(_) => None,
    }
}

/// Why an input was refused, by the model.
pub(crate) fn why(arrived: &Arrived, matched: &Matched<'_>) -> AwsError {
    let request = rest_json::Request {
        labels: &matched.labels,
        query: arrived.query(),
        header: &|name| arrived.header(name).map(str::to_owned),
        body: b"",
    };
    match rest_json::input(matched.operation, &request) {
        Ok(input) => {
            let violations = validate::violations(matched.operation.input, &input);
            if violations.is_empty() {
                AwsError::invalid_parameter("The request names no function.")
            } else {
                AwsError::validation(&violations)
            }
        }
        Err(error) => error.into(),
    }
}

pub(crate) fn query_qualifier(
    arrived: &Arrived,
    matched: &Matched<'_>,
) -> Result<Option<Qualifier>, AwsError> {
    let text = arrived.query().split('&').find_map(|pair| pair.strip_prefix("Qualifier="));
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    Qualifier::parse(&text).map(Some).map_err(|_not_one| why(arrived, matched))
}

/// The function that is meant: its name may bring a qualifier, and so may the query.
pub(crate) fn named(
    scope: &Scope,
    reference: FunctionReference,
    query: Option<Qualifier>,
) -> Result<(FunctionArn, Option<Qualifier>), AwsError> {
    let function = Control::arn(scope, &reference)?;
    match (reference.qualifier, query) {
        (Some(name), Some(query)) if name != query => Err(AwsError::invalid_parameter(
            "The derived qualifier from the function name does not match the specified qualifier.",
        )),
        (name, query) => Ok((function, name.or(query))),
    }
}

/// The client context comes in base64 and reaches the function as the JSON that it is.
pub(crate) fn client_context(arrived: &Arrived) -> Result<Option<String>, AwsError> {
    let Some(encoded) = arrived.header("x-amz-client-context") else { return Ok(None) };
    let refuse = || {
        AwsError::invalid_parameter("Client context must be a valid Base64-encoded JSON object.")
    };
    if encoded.len() > limits::CLIENT_CONTEXT_BYTES_MAX {
        return Err(AwsError::invalid_parameter(format!(
            "Client context must be no more than {} bytes when base64-encoded.",
            limits::CLIENT_CONTEXT_BYTES_MAX
        )));
    }
    let decoded = STANDARD.decode(encoded).ok().ok_or_else(refuse)?;
    let text = String::from_utf8(decoded).ok().ok_or_else(refuse)?;
    serde_json::from_str::<serde::de::IgnoredAny>(&text).ok().ok_or_else(refuse)?;
    // It travels in a header, which has no line breaks.
    Ok(Some(text.replace(['\n', '\r'], " ")))
}

fn render(outcome: Outcome, wants_timeline: bool) -> Answer {
    let Outcome { completed, version, trace } = outcome;
    let mut answer = Response::new(Full::new(completed.payload));
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("content-type", "application/json");
    set("x-amz-executed-version", &version.to_string());
    set("x-amzn-remapped-content-length", "0");
    set("x-amzn-trace-id", &trace);
    if completed.result == RunResult::Unhandled {
        set("x-amz-function-error", "Unhandled");
    }
    if let Some(tail) = completed.log_tail {
        set("x-amz-log-result", &STANDARD.encode(tail));
    }
    if wants_timeline {
        set("x-hearth-timeline", &timeline(&completed.timeline));
    }
    answer
}

fn timeline(timeline: &Timeline) -> String {
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1_000.0;
    serde_json::json!({
        "queuedMs": ms(timeline.queued),
        "wallsMs": timeline.walls.map(ms),
        "initMs": timeline.init.map(ms),
        "handlerMs": ms(timeline.handler),
        "totalMs": ms(timeline.total),
        "billedMs": timeline.billed_ms,
        "memoryUsedMb": timeline.memory_used_mb,
    })
    .to_string()
}
