//! `SubscribeToShard`: records that are pushed as they come, in an event stream.
//!
//! ```text
//!  initial-response ─▶ SubscribeToShardEvent ─▶ … ─▶ the end after five minutes, or an exception
//! ```
//!
//! # Promises
//!
//! Of each subscription one event is held beside the one that is on its way: nothing is read before the
//! client has taken what there is. When the client goes, its subscription ends.

use std::sync::Arc;

use bytes::Bytes;
use hearth_services::streams::{Pushed, Subscription};
use hearth_wire::event_stream;
use hearth_wire::kinesis::types;
use http_body_util::Either;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::json;
use tokio::sync::mpsc;

use super::error::KinesisError;
use super::records::{Position, to_wire};
use super::{Call, Encoding, consumers, shards, write};
use crate::front::{AnyBody, Front};
use crate::invoke_stream::EventStream;

/// Frames that wait for the client.
const FRAMES_MAX: usize = 1;

pub(super) async fn answer(
    front: &Arc<Front>,
    (call, encoding): (&Call, Encoding),
    request: types::SubscribeToShardInput,
) -> Result<Response<AnyBody>, KinesisError> {
    if request.stream_id.is_some() {
        return Err(KinesisError::unsupported("StreamId"));
    }
    let consumer = consumers::name_of(&request.consumer_arn)?;
    let position = request.starting_position;
    let of = Position {
        kind: &position.r#type,
        number: position.sequence_number,
        at: position.timestamp,
    };
    let start = of.start()?;
    if request.dry_run == Some(true) {
        call.streams.consumer(&consumer)?;
        return Err(KinesisError::dry_run());
    }
    let subscription = call.streams.subscribe(&consumer, &request.shard_id, &start).await?;
    let (sender, frames) = mpsc::channel(FRAMES_MAX);
    front.tasks.spawn("subscription", push(subscription, sender, encoding));
    let mut answer = Response::new(Either::Right(Either::Left(EventStream::Frames(frames))));
    let content_type = HeaderValue::from_static(event_stream::CONTENT_TYPE);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(answer)
}

/// Pushes until the subscription is over, or the client is gone.
async fn push(mut subscription: Subscription, sender: mpsc::Sender<Bytes>, encoding: Encoding) {
    let first = event_stream::event(
        "initial-response",
        encoding.content_type(),
        &encoding.write(&json!({})),
    );
    if sender.send(Bytes::from(first)).await.is_err() {
        return;
    }
    loop {
        let next = tokio::select! {
            next = subscription.next() => next,
            () = sender.closed() => return,
        };
        let frame = match next {
            Ok(Some(pushed)) => event(&subscription, &pushed, encoding),
            Ok(None) => return,
            Err(error) => {
                let error = KinesisError::from(error);
                let body = error.body(encoding);
                let frame = event_stream::exception(error.name(), encoding.content_type(), &body);
                // It is the last one; whoever is gone does not miss it.
                let _ = sender.send(Bytes::from(frame)).await;
                return;
            }
        };
        if sender.send(Bytes::from(frame)).await.is_err() {
            return;
        }
    }
}

fn event(subscription: &Subscription, pushed: &Pushed, encoding: Encoding) -> Vec<u8> {
    let shard = subscription.shard();
    let children: Vec<_> = pushed.children.iter().map(shards::child_to_wire).collect();
    let event = types::SubscribeToShardEvent {
        records: Some(pushed.page.records.iter().map(|record| to_wire(shard, record)).collect()),
        continuation_sequence_number: pushed.continued.clone(),
        millis_behind_latest: i64::try_from(pushed.millis_behind).ok(),
        child_shards: Some(children).filter(|children| !children.is_empty()),
    };
    let payload = encoding.write(&write(&event));
    event_stream::event("SubscribeToShardEvent", encoding.content_type(), &payload)
}
