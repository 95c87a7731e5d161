//! Events of an S3-compatible store elsewhere, as such stores post them to a webhook. Hearth's own.
//!
//! ```text
//!  POST /_hearth/s3-events/NAME     Authorization: Bearer TOKEN     {"Records": […]}
//!                          └─ [s3_events.NAME] of the configuration: the token, and the functions
//! ```
//!
//! # Promises
//!
//! 1. A 200 means that every function of this name has accepted the event, durably. After anything else
//!    the store posts it again, and a function that had accepted it gets it twice.
//! 2. Nothing of a body is read before the token was found right, and comparing it takes as long
//!    whatever it is. Who has no token does not learn which names there are.
//! 3. What a function gets is the body as it came; it has records of the shape that AWS's have.
//!
//! # Deliberately absent
//!
//! Filters: the store has its own. What a record says is not looked at beyond its shape.

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;

use bytes::Bytes;
use hearth_environment::invocation::LogRequest;
use hearth_invoke::InvokeRequest;
use hearth_invoke::asynchronous::named;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::body::{self, BodyError};
use crate::error::{AwsError, Protocol};
use crate::front::{Answer, Arrived, Front};
use crate::own;
use crate::server::Admission;

/// What these paths begin with.
const ROOT: &str = "/_hearth/s3-events/";
/// What a token is compared with where there is none.
const NO_TOKEN: &str = "no token has this value, and none is compared in less time";

/// The stores that may post, by the names in their paths.
pub type EventSources = BTreeMap<String, EventSource>;

/// A store that may post.
#[derive(Clone, PartialEq, Eq)]
pub struct EventSource {
    /// What it shows.
    pub token: String,
    /// The ARNs of the functions that are invoked.
    pub functions: Vec<String>,
}

impl fmt::Debug for EventSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EventSource").field("functions", &self.functions).finish()
    }
}

/// Whether a path is one of these.
pub(crate) fn is_ours(path: &str) -> bool {
    path.starts_with(ROOT)
}

pub(crate) async fn answer(front: &Front, arrived: Arrived) -> Answer {
    let name = arrived.head.uri.path().strip_prefix(ROOT).unwrap_or_default();
    let source = front.event_sources.get(name);
    let shown = arrived.header(AUTHORIZATION.as_str()).map(token_of).unwrap_or_default();
    let token = source.map_or(NO_TOKEN, |source| source.token.as_str());
    let is_right = is_same(shown.as_bytes(), token.as_bytes());
    let Some(source) = source.filter(|_source| is_right) else {
        let text = "The token in the header Authorization is not right for this path.";
        let mut answer = said(StatusCode::UNAUTHORIZED, text);
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return answer;
    };
    match arrived.head.method {
        Method::POST => accept(front, source, arrived).await,
        // Some stores ask in this way whether anybody is there.
        Method::HEAD | Method::GET => said(StatusCode::OK, "Events are posted here."),
        _ => said(StatusCode::METHOD_NOT_ALLOWED, "Events are posted here."),
    }
}

async fn accept(front: &Front, source: &EventSource, arrived: Arrived) -> Answer {
    if *front.admission.borrow() == Admission::Draining {
        return AwsError::draining().render(Protocol::RestJson);
    }
    let trace = arrived.header("x-amzn-trace-id").map(str::to_owned);
    let limit = limits::PAYLOAD_ASYNC_BYTES_MAX;
    let payload = match body::read(arrived.body, limit, &front.body_room).await {
        Ok(held) => held.into_bytes(),
        Err(BodyError::TooLarge) => {
            let text = format!("An event may have {limit} bytes.");
            return said(StatusCode::PAYLOAD_TOO_LARGE, &text);
        }
        Err(BodyError::Incomplete) => {
            return said(StatusCode::BAD_REQUEST, "The body ended before it was complete.");
        }
        Err(BodyError::NoRoom) => {
            return said(StatusCode::SERVICE_UNAVAILABLE, "Too many large requests at a time.");
        }
    };
    if let Err(why) = check(&payload) {
        return said(StatusCode::BAD_REQUEST, why);
    }
    let done = submit(front, &source.functions, (payload, trace)).await;
    done.unwrap_or_else(|error| error.render(Protocol::RestJson))
}

async fn submit(
    front: &Front,
    functions: &[String],
    (payload, trace): (Bytes, Option<String>),
) -> Result<Answer, AwsError> {
    for arn in functions {
        let Some((function, qualifier)) = named(arn) else {
            return Err(AwsError::not_found(format!("Function not found: {arn}")));
        };
        let request = InvokeRequest {
            id: RequestId::random(),
            function,
            qualifier,
            payload: payload.clone(),
            client_context: None,
            trace: trace.clone(),
            log: LogRequest::None,
        };
        front.invoker.submit(request).await.map_err(|error| AwsError::from(&error))?;
    }
    Ok(said(StatusCode::OK, "The event is accepted."))
}

/// What is shown behind `Bearer`, or all of the header.
fn token_of(header: &str) -> &str {
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => token.trim_start(),
        Some(_) | None => header,
    }
}

/// Whether two texts are the same. It takes as long as the first one is, whatever the second one is.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let mut difference = shown.len() ^ token.len();
    for (place, byte) in shown.iter().enumerate() {
        let other = token.get(place).copied().unwrap_or_default();
        difference |= usize::from(byte ^ other);
        difference = black_box(difference);
    }
    difference == 0
}

/// Refuses what has not the shape of S3's records.
fn check(payload: &Bytes) -> Result<(), &'static str> {
    let document: Value = serde_json::from_slice(payload).map_err(|_odd| "It is not JSON.")?;
    let records = document.get("Records").and_then(Value::as_array);
    let records = records.filter(|records| !records.is_empty());
    let records = records.ok_or("It has no list of Records with an element.")?;
    let is_text = |record: &Value, pointer: &str| {
        record.pointer(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    };
    let places = ["/eventSource", "/eventName", "/s3/bucket/name", "/s3/object/key"];
    if records.iter().all(|record| places.iter().all(|pointer| is_text(record, pointer))) {
        return Ok(());
    }
    Err("A record lacks eventSource, eventName, s3.bucket.name or s3.object.key.")
}

fn said(status: StatusCode, text: &str) -> Answer {
    own::json(status, json!({ "message": text }).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_the_same() {
        #[rustfmt::skip]
        let rows = [
            ("secret",  "secret",  true),
            ("secre",   "secret",  false),
            ("secrets", "secret",  false),
            ("Secret",  "secret",  false),
            ("",        "secret",  false),
            ("\0",      "",        false),
            ("",        "",        true),
        ];
        for (shown, token, expected) in rows {
            assert_eq!(is_same(shown.as_bytes(), token.as_bytes()), expected, "{shown:?}");
        }
    }

    #[test]
    fn a_token_may_stand_behind_its_scheme() {
        for (header, token) in [
            ("Bearer abc", "abc"),
            ("bearer  abc", "abc"),
            ("abc", "abc"),
            ("Basic abc", "Basic abc"),
        ] {
            assert_eq!(token_of(header), token);
        }
    }

    #[test]
    fn records_have_the_shape_of_aws() {
        let record = |changes: &[(&str, Value)]| {
            let mut record = json!({
                "eventVersion": "2.0",
                "eventSource": "minio:s3",
                "eventName": "s3:ObjectCreated:Put",
                "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } },
            });
            for (pointer, value) in changes {
                *record.pointer_mut(pointer).unwrap() = value.clone();
            }
            record
        };
        let of = |records: Value| json!({ "EventName": "x", "Records": records }).to_string();
        #[rustfmt::skip]
        let rows = [
            (of(json!([record(&[])])),                                                 true),
            (of(json!([record(&[]), record(&[("/s3/object/key", json!(1))])])),        false),
            (of(json!([record(&[("/s3/bucket/name", json!(""))])])),                   false),
            (of(json!([record(&[("/eventName", json!(null))])])),                      false),
            (of(json!([])),                                                            false),
            (of(json!({})),                                                            false),
            (json!([record(&[])]).to_string(),                                         false),
            ("{".to_owned(),                                                           false),
            (String::new(),                                                            false),
        ];
        for (text, expected) in rows {
            assert_eq!(check(&Bytes::from(text.clone())).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let source = EventSource { token: "secret".to_owned(), functions: Vec::new() };
        assert!(!format!("{source:?}").contains("secret"));
    }
}
