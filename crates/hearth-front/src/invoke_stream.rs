//! The `InvokeWithResponseStream` operation: an answer that is sent as it comes.
//!
//! ```text
//!  PayloadChunk ─▶ PayloadChunk ─▶ … ─▶ InvokeComplete
//! ```
//!
//! What the runtime sends at a time is one chunk, unless it is too large for one. A function that
//! does not stream has one chunk, or none if it failed. An error of the platform before the function
//! has begun to answer is an ordinary one; whatever comes later is told in `InvokeComplete`.
//!
//! # Deliberately absent
//!
//! No buffer: the body is asked for more when the client has taken what there was, and so on down
//! to the connection of the runtime.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_environment::invocation::{Answer, Completed, RunResult};
use hearth_environment::stream::{Part, ResponseStream, StreamEnd, StreamError};
use hearth_invoke::{InvokeRequest, StreamedOutcome};
use hearth_types::limits;
use hearth_types::names::FunctionReference;
use hearth_wire::event_stream;
use hearth_wire::route::Matched;
use http_body_util::Either;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::body;
use crate::error::AwsError;
use crate::front::{AnyBody, Arrived, Front, whole};
use crate::invoke::{client_context, log_request, named, query_qualifier, refuse_unsupported, why};

/// The two ways to invoke.
enum InvocationType {
    RequestResponse,
    DryRun,
}

pub(crate) async fn answer(
    front: &Front,
    arrived: Arrived,
    matched: &Matched<'_>,
) -> Result<Response<AnyBody>, AwsError> {
    let name = matched.labels.get("FunctionName").unwrap_or_default();
    let (Some(invocation_type), Some(log), Ok(reference)) =
        (invocation_type(&arrived), log_request(&arrived), FunctionReference::parse(name))
    else {
        return Err(why(&arrived, matched));
    };
    let qualifier = query_qualifier(&arrived, matched)?;
    let (function, qualifier) = named(&arrived.scope, reference, qualifier)?;
    refuse_unsupported(&arrived)?;
    let client_context = client_context(&arrived)?;
    let trace = arrived.header("x-amzn-trace-id").map(str::to_owned);
    let id = arrived.id;
    let limit = limits::PAYLOAD_SYNC_BYTES_MAX;
    let held = body::read(arrived.body, limit, &front.body_room).await;
    let held = held.map_err(|error| AwsError::of_body(error, limit, "InvokeFunction"))?;
    let payload = held.into_bytes();
    let request = InvokeRequest { id, function, qualifier, payload, client_context, trace, log };
    match invocation_type {
        InvocationType::DryRun => {
            front.invoker.dry_run(&request).map_err(|error| AwsError::from(&error))?;
            let mut answer = Response::default();
            *answer.status_mut() = StatusCode::NO_CONTENT;
            Ok(whole(answer))
        }
        InvocationType::RequestResponse => {
            let outcome = front.invoker.invoke_streaming(request).await;
            Ok(render(outcome.map_err(|error| AwsError::from(&error))?))
        }
    }
}

fn invocation_type(arrived: &Arrived) -> Option<InvocationType> {
    match arrived.header("x-amz-invocation-type") {
        None | Some("RequestResponse") => Some(InvocationType::RequestResponse),
        Some("DryRun") => Some(InvocationType::DryRun),
        Some(_) => None,
    }
}

fn render(outcome: StreamedOutcome) -> Response<AnyBody> {
    let StreamedOutcome { answer, version, trace } = outcome;
    let events = match answer {
        Answer::Stream(stream) => EventStream::Open(stream),
        Answer::Whole(completed) => EventStream::of(completed),
    };
    let mut answer = Response::new(Either::Right(Either::Left(events)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(event_stream::CONTENT_TYPE));
    for (name, value) in
        [("x-amz-executed-version", version.to_string()), ("x-amzn-trace-id", trace)]
    {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

/// The events of an invocation, or of something else that has them.
#[derive(Debug)]
pub(crate) enum EventStream {
    /// What comes is not known yet.
    Open(ResponseStream),
    /// What another task makes, frame by frame: the events of a subscription.
    Frames(mpsc::Receiver<Bytes>),
    /// The answer, if there is one, and then the end.
    Known(Option<Bytes>, StreamEnd),
    /// The end has been sent.
    Over,
}

impl EventStream {
    /// The events of a function that does not stream.
    fn of(completed: Completed) -> Self {
        let Completed { payload, result, log_tail, timeline: _ } = completed;
        match result {
            RunResult::Success => Self::Known(Some(payload), StreamEnd { error: None, log_tail }),
            RunResult::Unhandled => {
                let told = payload.len().min(limits::STREAM_ERROR_BYTES_MAX);
                let details = String::from_utf8_lossy(&payload[..told]).into_owned();
                let error = StreamError { code: "Unhandled".to_owned(), details };
                Self::Known(None, StreamEnd { error: Some(error), log_tail })
            }
        }
    }

    /// The frame of the next event; `None` behind the last one.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let part = match self {
            Self::Frames(frames) => return frames.poll_recv(context),
            Self::Open(stream) => ready!(stream.poll_next(context)),
            Self::Known(payload, end) => Some(match payload.take() {
                Some(payload) => Part::Piece(payload),
                None => Part::End(std::mem::take(end)),
            }),
            Self::Over => None,
        };
        Poll::Ready(match part {
            Some(Part::Piece(bytes)) => {
                let chunk = event_stream::event("PayloadChunk", "application/octet-stream", &bytes);
                Some(Bytes::from(chunk))
            }
            Some(Part::End(end)) => {
                *self = Self::Over;
                let complete = complete(end).to_string();
                let complete = complete.as_bytes();
                let last = event_stream::event("InvokeComplete", "application/json", complete);
                Some(Bytes::from(last))
            }
            None => None,
        })
    }
}

/// The last event. What there is nothing to say of is left out.
fn complete(end: StreamEnd) -> Value {
    let StreamEnd { error, log_tail } = end;
    let mut complete = Map::new();
    if let Some(StreamError { code, details }) = error {
        complete.insert("ErrorCode".to_owned(), Value::from(code));
        complete.insert("ErrorDetails".to_owned(), Value::from(details));
    }
    if let Some(tail) = log_tail {
        complete.insert("LogResult".to_owned(), Value::from(STANDARD.encode(tail)));
    }
    Value::Object(complete)
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = ready!(self.get_mut().poll_next(context));
        Poll::Ready(event.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Over)
    }
}

#[cfg(test)]
mod tests {
    use hearth_environment::invocation::Timeline;
    use hearth_wire::event_stream::Message;
    use http_body_util::BodyExt as _;

    use super::*;

    /// The events of a function that does not stream, by type and text.
    async fn events(
        payload: impl Into<Bytes>,
        result: RunResult,
        log_tail: Option<&str>,
    ) -> Vec<(String, String)> {
        let completed = Completed {
            payload: payload.into(),
            result,
            log_tail: log_tail.map(|tail| tail.as_bytes().to_vec()),
            timeline: Timeline::default(),
        };
        let body = EventStream::of(completed).collect().await.expect("it cannot fail").to_bytes();
        let mut rest = &body[..];
        let mut events = Vec::new();
        while !rest.is_empty() {
            let (message, length) = Message::decode(rest).unwrap().expect("frames are complete");
            let kind = message.event_type().unwrap_or_default().to_owned();
            events.push((kind, String::from_utf8(message.payload).unwrap()));
            rest = &rest[length..];
        }
        events
    }

    #[tokio::test]
    async fn a_function_that_does_not_stream_has_one_chunk_or_an_error() {
        let chunk = |text: &str| ("PayloadChunk".to_owned(), text.to_owned());
        let complete = |text: &str| ("InvokeComplete".to_owned(), text.to_owned());
        let error = r#"{"errorType":"Own"}"#;
        let told = r#"{"ErrorCode":"Unhandled","ErrorDetails":"{\"errorType\":\"Own\"}"}"#;
        let logged = r#"{"LogResult":"UkVQT1JU"}"#;
        #[rustfmt::skip]
        let rows = [
            ("an answer",  "\"hello\"", RunResult::Success,   None,           vec![chunk("\"hello\""), complete("{}")]),
            ("and a log",  "null",      RunResult::Success,   Some("REPORT"), vec![chunk("null"), complete(logged)]),
            ("an error",   error,       RunResult::Unhandled, None,           vec![complete(told)]),
            ("nothing",    "",          RunResult::Success,   None,           vec![chunk(""), complete("{}")]),
        ];
        for (name, payload, result, log_tail, expected) in rows {
            assert_eq!(events(payload, result, log_tail).await, expected, "{name}");
        }
    }

    #[tokio::test]
    async fn the_largest_answer_and_the_largest_error_fit_into_a_frame() {
        let answer = "x".repeat(limits::RESPONSE_BYTES_MAX);
        let sent = events(answer.clone(), RunResult::Success, None).await;
        assert!(sent[0].1 == answer, "an answer comes as it is");
        // Each of its bytes is six in JSON.
        let error = "\u{1}".repeat(limits::RESPONSE_BYTES_MAX);
        let sent = events(error, RunResult::Unhandled, None).await;
        assert!(sent[0].1.len() > 6 * limits::STREAM_ERROR_BYTES_MAX);
    }
}
