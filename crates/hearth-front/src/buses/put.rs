//! Putting events.

use std::time::Duration;

use hearth_services::buses::NewEvent;
use hearth_types::time::Timestamp;
use hearth_wire::events::types::{
    PutEventsRequest, PutEventsRequestEntry, PutEventsResponse, PutEventsResultEntry,
};
use serde_json::Value;

use super::{Call, unsupported, write};
use crate::error::AwsError;

pub(super) async fn put(call: &Call, request: PutEventsRequest) -> Result<Value, AwsError> {
    if request.endpoint_id.is_some() {
        return Err(unsupported("EndpointId"));
    }
    let events = request.entries.into_iter().map(event).collect();
    let answers = call.buses.put_events(&call.scope, events, call.trace.as_deref()).await?;
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    let entries = answers.into_iter().map(|answer| match answer {
        Ok(id) => PutEventsResultEntry { event_id: Some(id), ..PutEventsResultEntry::default() },
        Err(refusal) => PutEventsResultEntry {
            event_id: None,
            error_code: Some(refusal.code.to_owned()),
            error_message: Some(refusal.message),
        },
    });
    Ok(write(&PutEventsResponse {
        failed_entry_count: i32::try_from(failed).ok(),
        entries: Some(entries.collect()),
    }))
}

fn event(entry: PutEventsRequestEntry) -> NewEvent {
    NewEvent {
        source: entry.source,
        detail_type: entry.detail_type,
        detail: entry.detail,
        resources: entry.resources.unwrap_or_default(),
        time: entry.time.map(timestamp),
        bus: entry.event_bus_name,
        trace: entry.trace_header,
    }
}

/// What is before 1970 is taken for its beginning.
fn timestamp(seconds: f64) -> Timestamp {
    let since = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_milliseconds() {
        for (seconds, millis) in [(0.0, 0), (1.5, 1_500), (-3.0, 0), (f64::NAN, 0)] {
            assert_eq!(timestamp(seconds), Timestamp(millis), "{seconds}");
        }
    }
}
