//! Looking into asynchronous invocations: what waits, runs, and was given up. Hearth's own.
//!
//! ```text
//!  GET    /_hearth/events                                   functions that have events
//!  GET    /_hearth/events/FUNCTION?state=&after=&items=     counts, and a page of events
//!  GET    /_hearth/events/FUNCTION/ID/payload?state=        one payload, as it was accepted
//!  POST   /_hearth/events/FUNCTION/replay                   {"ids": […]} or {"all": true}
//!  DELETE /_hearth/events/FUNCTION?state=failed             forgets what was given up
//! ```

use std::collections::{HashMap, HashSet};

use hearth_control::control::Control;
use hearth_invoke::waiting::{EventCounts, EventPage, EventState, WaitingEvent, Which};
use hearth_store::error::StoreError;
use hearth_store::queue::EntryId;
use hearth_types::names::{FunctionArn, FunctionReference};
use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::body;
use crate::error::{AwsError, Protocol};
use crate::front::{Answer, Arrived, Front};
use crate::own;

/// What these paths begin with.
const ROOT: &str = "/_hearth/events";
/// Events on a page if the caller does not say.
const ITEMS_DEFAULT: usize = 100;
/// What a caller may say when it replays.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// Whether a path is one of these.
pub(crate) fn is_ours(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(crate) async fn answer(front: &Front, arrived: Arrived) -> Answer {
    let answered = route(front, arrived).await;
    answered.unwrap_or_else(|error| error.render(Protocol::RestJson))
}

async fn route(front: &Front, arrived: Arrived) -> Result<Answer, AwsError> {
    let path = arrived.head.uri.path().to_owned();
    let rest = path.strip_prefix(ROOT).unwrap_or_default();
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let query = query(arrived.query());
    let method = arrived.head.method.clone();
    if parts.is_empty() && method == Method::GET {
        return functions(front, &query).await;
    }
    let Some((name, more)) = parts.split_first() else { return Err(nothing_at(&path)) };
    let function = function(&arrived, name)?;
    match (&method, more) {
        (&Method::GET, []) => page(front, &function, &query).await,
        (&Method::DELETE, []) => purge(front, &function, &query).await,
        (&Method::POST, ["replay"]) => replay(front, &function, arrived).await,
        (&Method::GET, [id, "payload"]) => payload(front, &function, (id, &query)).await,
        _ => Err(nothing_at(&path)),
    }
}

fn nothing_at(path: &str) -> AwsError {
    AwsError::not_found(format!("Hearth has nothing at {path}"))
}

fn query(text: &str) -> HashMap<String, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn function(arrived: &Arrived, name: &str) -> Result<FunctionArn, AwsError> {
    let name = percent_decode_str(name).decode_utf8_lossy();
    let reference = FunctionReference::parse(&name);
    let reference = reference.map_err(|error| AwsError::invalid_parameter(error.to_string()))?;
    Ok(Control::arn(&arrived.scope, &reference)?)
}

fn state(query: &HashMap<String, String>) -> Result<EventState, AwsError> {
    let Some(word) = query.get("state") else { return Ok(EventState::Waiting) };
    let unknown =
        || AwsError::invalid_parameter(format!("`{word}` is not waiting, running or failed."));
    EventState::parse(word).ok_or_else(unknown)
}

fn number<T: std::str::FromStr>(
    query: &HashMap<String, String>,
    name: &str,
) -> Result<Option<T>, AwsError> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let refuse = || AwsError::invalid_parameter(format!("`{name}` must be a number."));
    text.parse().ok().ok_or_else(refuse).map(Some)
}

fn failed(error: StoreError) -> AwsError {
    AwsError::internal(&error)
}

async fn functions(front: &Front, query: &HashMap<String, String>) -> Result<Answer, AwsError> {
    let items = number(query, "items")?.unwrap_or(ITEMS_DEFAULT);
    let after = query.get("after").map(String::as_str);
    let found = front.invoker.functions_with_events(after, items).await.map_err(failed)?;
    let shown = found.functions.iter().map(|(function, events)| {
        json!({ "function": function.to_string(), "name": function.name.as_str(), "counts": counts(events) })
    });
    Ok(json_answer(&json!({ "functions": shown.collect::<Vec<_>>(), "next": found.next })))
}

async fn page(
    front: &Front,
    function: &FunctionArn,
    query: &HashMap<String, String>,
) -> Result<Answer, AwsError> {
    let state = state(query)?;
    let items = number(query, "items")?.unwrap_or(ITEMS_DEFAULT);
    let after = number(query, "after")?.map(EntryId);
    let events = front.invoker.event_counts(function).await.map_err(failed)?;
    if events == EventCounts::default() {
        // A function that was deleted may have left some that failed; one without any is missing.
        front.control.get(function, None)?;
    }
    let page = front.invoker.events(function, state, (after, items)).await.map_err(failed)?;
    let EventPage { events: shown, next } = page;
    let shown: Vec<Value> = shown.iter().map(event).collect();
    Ok(json_answer(&json!({
        "counts": counts(&events),
        "events": shown,
        "next": next.map(|next| next.0),
    })))
}

fn counts(counts: &EventCounts) -> Value {
    json!({
        "waiting": counts.waiting,
        "delayed": counts.delayed,
        "running": counts.running,
        "failed": counts.failed,
    })
}

fn event(event: &WaitingEvent) -> Value {
    let head = event.head.as_ref();
    let error = head.and_then(|head| head.last_error.as_ref());
    json!({
        "id": event.id.0,
        "requestId": head.map(|head| head.id.to_string()),
        "state": event.state.name(),
        "receivedAt": head.map(|head| head.received.iso()),
        "due": event.due.iso(),
        "attempts": head.map_or(0, |head| head.attempts),
        "lastError": error.map(|error| error.message.as_str()),
        "payloadBytes": event.payload_bytes,
    })
}

async fn payload(
    front: &Front,
    function: &FunctionArn,
    (id, query): (&str, &HashMap<String, String>),
) -> Result<Answer, AwsError> {
    let missing = || AwsError::not_found(format!("{function} has no such event: {id}"));
    let id = id.parse().map(EntryId).ok().ok_or_else(missing)?;
    let found = front.invoker.event_payload(function, state(query)?, id).await.map_err(failed)?;
    Ok(own::json(StatusCode::OK, found.ok_or_else(missing)?))
}

async fn replay(
    front: &Front,
    function: &FunctionArn,
    arrived: Arrived,
) -> Result<Answer, AwsError> {
    let read = body::read(arrived.body, REQUEST_BYTES_MAX, &front.body_room).await;
    let held = read.map_err(|error| AwsError::of_body(error, REQUEST_BYTES_MAX, "ReplayEvents"))?;
    let asked: Value = serde_json::from_slice(&held.bytes).unwrap_or_default();
    let refuse =
        || AwsError::invalid_parameter("The body must be {\"ids\": […]} or {\"all\": true}.");
    let which = which(&asked).ok_or_else(refuse)?;
    let replayed = front.invoker.replay(function, &which).await.map_err(failed)?;
    tracing::info!(%function, replayed, "events were replayed");
    Ok(json_answer(&json!({ "replayed": replayed })))
}

/// Ids may be numbers or texts.
fn which(asked: &Value) -> Option<Which> {
    if asked.get("all") == Some(&Value::Bool(true)) {
        return Some(Which::All);
    }
    let id = |id: &Value| id.as_i64().or_else(|| id.as_str()?.parse().ok()).map(EntryId);
    let ids = asked.get("ids")?.as_array()?;
    ids.iter().map(id).collect::<Option<HashSet<_>>>().map(Which::These)
}

async fn purge(
    front: &Front,
    function: &FunctionArn,
    query: &HashMap<String, String>,
) -> Result<Answer, AwsError> {
    if state(query)? != EventState::Failed {
        return Err(AwsError::invalid_parameter(
            "Only events that were given up can be removed: say state=failed.",
        ));
    }
    let purged = front.invoker.purge_failed(function).await.map_err(failed)?;
    tracing::info!(%function, purged, "events that were given up were removed");
    Ok(json_answer(&json!({ "purged": purged })))
}

fn json_answer(value: &Value) -> Answer {
    own::json(StatusCode::OK, value.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_paths_are_ours() {
        #[rustfmt::skip]
        let rows = [
            ("/_hearth/events",          true),
            ("/_hearth/events/f",        true),
            ("/_hearth/events/f/replay", true),
            ("/_hearth/eventsx",         false),
            ("/_hearth/health",          false),
        ];
        for (path, ours) in rows {
            assert_eq!(is_ours(path), ours, "{path}");
        }
    }

    #[test]
    fn what_to_replay_is_all_or_named() {
        let these = |ids: &[i64]| Some(Which::These(ids.iter().copied().map(EntryId).collect()));
        #[rustfmt::skip]
        let rows = [
            (json!({ "all": true }),           Some(Which::All)),
            (json!({ "ids": [1, "2"] }),       these(&[1, 2])),
            (json!({ "ids": [] }),             these(&[])),
            (json!({ "ids": ["x"] }),          None),
            (json!({ "all": false }),          None),
            (json!(null),                      None),
        ];
        for (asked, expected) in rows {
            assert_eq!(which(&asked), expected, "{asked}");
        }
    }
}
