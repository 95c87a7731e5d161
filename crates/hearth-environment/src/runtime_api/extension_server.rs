//! The Extensions API (2020-01-01), the Telemetry API (2022-07-01) and the Logs API (2020-08-15) over
//! HTTP, on the connections of the Runtime API.
//!
//! # Deliberately absent
//!
//! No decisions: who may do what when is said by [`super::extensions`], and what may be subscribed to
//! by [`crate::telemetry::subscription`]. Bodies of reported errors are not read: nobody shows them.

use std::time::Duration;

use bytes::Bytes;
use hearth_types::limits::{
    BODY_READ_SECONDS_MAX, EXTENSION_BODY_BYTES_MAX, EXTENSION_ERROR_TYPE_BYTES_MAX, EXTENSIONS_MAX,
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::extensions::{ExtensionEvent, ExtensionId, ExtensionRefusal, Registered, Registration};
use super::server::{Answer, Line, accepted, error, json as json_answer, not_found};
use super::{Call, ExtensionCall};
use crate::mailbox::Message;
use crate::telemetry::subscription::{Interface, Subscription};

const IDENTIFIER: &str = "lambda-extension-identifier";
const ERROR_TYPE: &str = "lambda-extension-function-error-type";

/// Why a request is refused, as the extension is told.
struct Refused {
    status: StatusCode,
    kind: &'static str,
    text: String,
}

impl Refused {
    fn forbidden(kind: &'static str, text: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, kind, text: text.into() }
    }

    fn invalid(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "ValidationError", text: text.into() }
    }
}

/// Answers a request that is none of the Runtime API.
pub(super) async fn answer(request: Request<Incoming>, line: &Line) -> Answer {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let answered = match (request.method().as_str(), path.as_str()) {
        ("POST", "/2020-01-01/extension/register") => register(request, line).await,
        ("GET", "/2020-01-01/extension/event/next") => next(request.headers(), line).await,
        ("POST", "/2020-01-01/extension/init/error") => {
            report(request.headers(), line, ExtensionCall::InitError).await
        }
        ("POST", "/2020-01-01/extension/exit/error") => {
            report(request.headers(), line, ExtensionCall::ExitError).await
        }
        ("PUT", "/2022-07-01/telemetry") => subscribe(request, line, Interface::Telemetry).await,
        ("PUT", "/2020-08-15/logs") => subscribe(request, line, Interface::Logs).await,
        _ => Ok(not_found()),
    };
    answered.unwrap_or_else(|refused| error(refused.status, refused.kind, &refused.text))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    configuration_keys: Option<Vec<String>>,
}

async fn register(request: Request<Incoming>, line: &Line) -> Result<Answer, Refused> {
    let name = text(request.headers(), "lambda-extension-name").unwrap_or_default().to_owned();
    let features = text(request.headers(), "lambda-extension-accept-feature").unwrap_or_default();
    let wants_account = features.split(',').any(|feature| feature.trim() == "accountId");
    if name.is_empty() {
        return Err(refused(&ExtensionRefusal::InvalidName, Interface::Telemetry));
    }
    let body = read(request.into_body()).await;
    let events = parse_events(body.as_deref())
        .map_err(|text| refused(&ExtensionRefusal::InvalidFormat(text), Interface::Telemetry))?;
    let registration = Registration { name, events };
    let registered =
        ask(line, |reply| ExtensionCall::Register(registration, reply), Interface::Telemetry)
            .await?;
    let Registered { id, function_name, function_version, handler, account_id } = registered;
    let mut body = json!({
        "functionName": function_name,
        "functionVersion": function_version,
        "handler": handler,
    });
    if wants_account {
        body["accountId"] = json!(account_id);
    }
    let mut answer = json_answer(StatusCode::OK, body.to_string());
    set_id(&mut answer, IDENTIFIER, id.0);
    Ok(answer)
}

fn parse_events(body: Option<&[u8]>) -> Result<Vec<String>, String> {
    let body = body.ok_or_else(|| "the body could not be read".to_owned())?;
    let asked: Asked = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if asked.configuration_keys.is_some_and(|keys| !keys.is_empty()) {
        let text = "configurationKeys are deprecated; use environment variables instead";
        return Err(text.to_owned());
    }
    Ok(asked.events.unwrap_or_default())
}

async fn next(headers: &HeaderMap, line: &Line) -> Result<Answer, Refused> {
    let id = identifier(headers)?;
    let event = ask(line, |reply| ExtensionCall::Next(id, reply), Interface::Telemetry).await?;
    let mut answer = json_answer(StatusCode::OK, shape(&event));
    set_id(&mut answer, "lambda-extension-event-identifier", Uuid::new_v4());
    Ok(answer)
}

/// An event as an extension gets it.
fn shape(event: &ExtensionEvent) -> String {
    let shaped = match event {
        ExtensionEvent::Invoke { request_id, invoked_arn, trace, deadline_ms } => json!({
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": request_id,
            "invokedFunctionArn": invoked_arn,
            "tracing": { "type": "X-Amzn-Trace-Id", "value": trace },
        }),
        ExtensionEvent::Shutdown { reason, deadline_ms } => json!({
            "eventType": "SHUTDOWN",
            "shutdownReason": reason,
            "deadlineMs": deadline_ms,
        }),
    };
    shaped.to_string()
}

type Reply = oneshot::Sender<Result<(), ExtensionRefusal>>;

/// An extension says that it failed.
async fn report(
    headers: &HeaderMap,
    line: &Line,
    call: fn(ExtensionId, String, Reply) -> ExtensionCall,
) -> Result<Answer, Refused> {
    let id = identifier(headers)?;
    let Some(error_type) = text(headers, ERROR_TYPE).filter(|text| !text.is_empty()) else {
        let text = "Lambda-Extension-Function-Error-Type not found";
        return Err(Refused::forbidden("Extension.MissingHeader", text));
    };
    let error_type: String = error_type.chars().take(EXTENSION_ERROR_TYPE_BYTES_MAX).collect();
    ask(line, |reply| call(id, error_type, reply), Interface::Telemetry).await?;
    Ok(accepted())
}

async fn subscribe(
    request: Request<Incoming>,
    line: &Line,
    interface: Interface,
) -> Result<Answer, Refused> {
    let id = identifier(request.headers())?;
    let body = read(request.into_body()).await;
    let body = body.ok_or_else(|| Refused::invalid("the body could not be read"))?;
    let subscription = Subscription::parse(interface, &body).map_err(Refused::invalid)?;
    ask(line, |reply| ExtensionCall::Subscribe(id, subscription, reply), interface).await?;
    Ok(json_answer(StatusCode::OK, "\"OK\"".to_owned()))
}

fn identifier(headers: &HeaderMap) -> Result<ExtensionId, Refused> {
    let Some(text) = text(headers, IDENTIFIER).filter(|text| !text.is_empty()) else {
        let text = "Missing Lambda-Extension-Identifier header";
        return Err(Refused::forbidden("Extension.MissingExtensionIdentifier", text));
    };
    let parsed = Uuid::try_parse(text).map(ExtensionId);
    parsed.map_err(|_nonsense| {
        let text = "Invalid Lambda-Extension-Identifier";
        Refused::forbidden("Extension.InvalidExtensionIdentifier", text)
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Asks the environment and waits for its verdict: for `next` that may be for ever.
async fn ask<T>(
    line: &Line,
    call: impl FnOnce(oneshot::Sender<Result<T, ExtensionRefusal>>) -> ExtensionCall,
    interface: Interface,
) -> Result<T, Refused> {
    let (reply, verdict) = oneshot::channel();
    let call = Call::Extension(Box::new(call(reply)));
    let gone = |_closed| refused(&ExtensionRefusal::Gone, interface);
    line.mailbox.send(Message::Call(line.epoch, call)).await.map_err(gone)?;
    let verdict = verdict.await.unwrap_or(Err(ExtensionRefusal::Gone));
    verdict.map_err(|refusal| refused(&refusal, interface))
}

/// Reads a body up to its limit. `None` if it is longer, or was cut off.
async fn read(body: Incoming) -> Option<Bytes> {
    let reading = Limited::new(body, EXTENSION_BODY_BYTES_MAX).collect();
    let limit = Duration::from_secs(BODY_READ_SECONDS_MAX);
    let read = tokio::time::timeout(limit, reading).await.ok()?;
    read.ok().map(|whole| whole.to_bytes())
}

/// AWS's types and words for a refusal.
fn refused(refusal: &ExtensionRefusal, interface: Interface) -> Refused {
    match refusal {
        ExtensionRefusal::InvalidName => {
            Refused::forbidden("Extension.InvalidExtensionName", "Empty extension name")
        }
        ExtensionRefusal::InvalidFormat(text) => {
            Refused::forbidden("InvalidRequestFormat", text.clone())
        }
        ExtensionRefusal::InvalidEvent { event, reason } => {
            Refused::forbidden("Extension.InvalidEventType", format!("{event}: {reason}"))
        }
        ExtensionRefusal::RegistrationClosed => Refused::forbidden(
            "Extension.RegistrationClosed",
            "Extension registration closed already",
        ),
        ExtensionRefusal::TooMany => Refused::forbidden(
            "Extension.TooManyExtensions",
            format!("Extension limit ({EXTENSIONS_MAX}) reached"),
        ),
        ExtensionRefusal::NameTaken => Refused::forbidden(
            "Extension.InvalidExtensionState",
            "Extension with this name already registered",
        ),
        ExtensionRefusal::InvalidTransition { from, to, who } => Refused::forbidden(
            "Extension.InvalidExtensionState",
            format!(
                "State transition from {from} to {to} failed for extension {who}. Error: State transition is not allowed"
            ),
        ),
        ExtensionRefusal::Unknown(id) => Refused::forbidden(
            "Extension.UnknownExtensionIdentifier",
            format!("Unknown extension {}", id.0),
        ),
        ExtensionRefusal::SubscriptionClosed => match interface {
            Interface::Telemetry => Refused::forbidden(
                "Telemetry.SubscriptionClosed",
                "Telemetry API subscription is closed already",
            ),
            Interface::Logs => Refused::forbidden(
                "Logs.SubscriptionClosed",
                "Logs API subscription is closed already",
            ),
        },
        ExtensionRefusal::SubscribedOtherwise => Refused::invalid(
            "an extension may subscribe through the Telemetry API or the Logs API, not through both",
        ),
        ExtensionRefusal::Gone => Refused {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "InternalServerError",
            text: "shutting down".to_owned(),
        },
    }
}

fn set_id(answer: &mut Answer, name: &'static str, id: Uuid) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        answer.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_as_extensions_get_it() {
        let invoke = ExtensionEvent::Invoke {
            request_id: "8f5e".to_owned(),
            invoked_arn: "arn".to_owned(),
            trace: "Root=1".to_owned(),
            deadline_ms: 7,
        };
        let shutdown = ExtensionEvent::Shutdown { reason: "spindown", deadline_ms: 8 };
        let tracing = json!({ "type": "X-Amzn-Trace-Id", "value": "Root=1" });
        let rows = [
            (
                invoke,
                json!({ "eventType": "INVOKE", "deadlineMs": 7, "requestId": "8f5e", "invokedFunctionArn": "arn", "tracing": tracing }),
            ),
            (
                shutdown,
                json!({ "eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 8 }),
            ),
        ];
        for (event, expected) in rows {
            let shaped: serde_json::Value = serde_json::from_str(&shape(&event)).unwrap();
            assert_eq!(shaped, expected);
        }
    }

    #[test]
    fn each_refusal_has_a_type_of_awss() {
        let invalid = ExtensionRefusal::InvalidTransition {
            from: "Ready",
            to: "Registered",
            who: "outer".to_owned(),
        };
        let event = ExtensionRefusal::InvalidEvent { event: "X".to_owned(), reason: "invalid" };
        let unknown = ExtensionRefusal::Unknown(ExtensionId(Uuid::nil()));
        #[rustfmt::skip]
        let rows = [
            (ExtensionRefusal::InvalidName,                    403, "Extension.InvalidExtensionName"),
            (ExtensionRefusal::InvalidFormat(String::new()),   403, "InvalidRequestFormat"),
            (event,                                            403, "Extension.InvalidEventType"),
            (ExtensionRefusal::RegistrationClosed,             403, "Extension.RegistrationClosed"),
            (ExtensionRefusal::TooMany,                        403, "Extension.TooManyExtensions"),
            (ExtensionRefusal::NameTaken,                      403, "Extension.InvalidExtensionState"),
            (invalid,                                          403, "Extension.InvalidExtensionState"),
            (unknown,                                          403, "Extension.UnknownExtensionIdentifier"),
            (ExtensionRefusal::SubscriptionClosed,             403, "Logs.SubscriptionClosed"),
            (ExtensionRefusal::SubscribedOtherwise,            400, "ValidationError"),
            (ExtensionRefusal::Gone,                           500, "InternalServerError"),
        ];
        for (refusal, status, kind) in rows {
            let refused = refused(&refusal, Interface::Logs);
            assert_eq!((refused.status.as_u16(), refused.kind), (status, kind));
        }
    }

    #[test]
    fn what_an_extension_registers_for_is_read_or_refused() {
        #[rustfmt::skip]
        let rows: [(&str, Option<&[&str]>); 4] = [
            ("{\"events\":[\"INVOKE\"]}",         Some(&["INVOKE"])),
            ("{}",                                Some(&[])),
            ("{\"configurationKeys\":[\"a\"]}",   None),
            ("nonsense",                          None),
        ];
        for (body, expected) in rows {
            let events = parse_events(Some(body.as_bytes())).ok();
            let events: Option<Vec<&str>> =
                events.as_ref().map(|events| events.iter().map(String::as_str).collect());
            assert_eq!(events.as_deref(), expected, "{body}");
        }
        assert!(parse_events(None).is_err());
    }
}
