//! How much waits in the durable queue, lane by lane.
//!
//! # Promises
//!
//! 1. A lane that was seen is shown with zeros when it is empty, as long as there is room: a value
//!    that ends does not look like one that became nothing.
//! 2. Of each kind at most [`METRIC_LANES_MAX`] lanes are shown. If there are more, it is said once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth_services::delivery;
use hearth_store::error::StoreError;
use hearth_store::queue::{Counts, Queue};
use hearth_telemetry::metrics::text::{Kind, Page, seconds};
use hearth_types::limits::METRIC_LANES_MAX;
use hearth_types::time::Timestamp;
use tokio::sync::Mutex;

/// Knows how much waits.
#[derive(Debug)]
pub(super) struct Depths {
    queue: Arc<dyn Queue>,
    /// How old what it said may be when it is shown.
    age_ms_max: u64,
    /// Held while the queue is asked, so that it is asked once for all who want to know.
    seen: Mutex<Seen>,
    /// Whether somebody has been told that there are too many lanes.
    told: AtomicBool,
}

/// What was seen at the last look.
#[derive(Debug, Default)]
struct Seen {
    at: Option<Timestamp>,
    kinds: [Lanes; KINDS.len()],
}

/// By what a lane is shown as.
type Lanes = BTreeMap<String, Counts>;

/// A kind of lanes, and how it is shown.
struct LaneKind {
    kind: &'static str,
    label: &'static str,
    shown_as: fn(&str) -> &str,
    families: &'static [Family],
}

/// A family of values of lanes.
struct Family {
    name: &'static str,
    help: &'static str,
    /// Each with the label `state` that tells it from the others, if there are several.
    values: &'static [(&'static str, Value)],
}

/// A value of a lane, now.
type Value = fn(&Counts, Timestamp) -> f64;

/// The kinds as `hearth-invoke` (`invoke` and `failed`), `hearth-services` (`sqs`) and deliveries
/// name them.
const KINDS: &[LaneKind; 4] = &[
    LaneKind { kind: "invoke", label: "function_name", shown_as: name_in_arn, families: EVENTS },
    LaneKind { kind: "failed", label: "function_name", shown_as: name_in_arn, families: FAILED },
    LaneKind { kind: "sqs", label: "queue_name", shown_as: name_in_arn, families: QUEUES },
    LaneKind { kind: delivery::LANE_KIND, label: "origin", shown_as: whole, families: DELIVERIES },
];

const STATES: &[(&str, Value)] = &[("waiting", waiting), ("delayed", delayed), ("running", leased)];

#[rustfmt::skip]
const EVENTS: &[Family] = &[
    Family { name: "hearth_async_events",               help: "Events for asynchronous invocation that are kept",           values: STATES },
    Family { name: "hearth_async_event_oldest_seconds", help: "The age of the oldest event for asynchronous invocation",    values: &[("", oldest_seconds)] },
];

#[rustfmt::skip]
const FAILED: &[Family] = &[
    Family { name: "hearth_async_events_failed",        help: "Events that were given up and are kept to be looked at",     values: &[("", all)] },
];

#[rustfmt::skip]
const QUEUES: &[Family] = &[
    Family { name: "aws_sqs_approximate_number_of_messages_visible",     help: "ApproximateNumberOfMessagesVisible of AWS/SQS",    values: &[("", waiting)] },
    Family { name: "aws_sqs_approximate_number_of_messages_not_visible", help: "ApproximateNumberOfMessagesNotVisible of AWS/SQS", values: &[("", leased)] },
    Family { name: "aws_sqs_approximate_number_of_messages_delayed",     help: "ApproximateNumberOfMessagesDelayed of AWS/SQS",    values: &[("", delayed)] },
    Family { name: "aws_sqs_approximate_age_of_oldest_message_seconds",  help: "ApproximateAgeOfOldestMessage of AWS/SQS",         values: &[("", oldest_seconds)] },
];

#[rustfmt::skip]
const DELIVERIES: &[Family] = &[
    Family { name: "hearth_deliveries",                 help: "What one service has yet to hand to another, by whose it is", values: STATES },
];

fn waiting(counts: &Counts, _now: Timestamp) -> f64 {
    counts.waiting as f64
}

fn delayed(counts: &Counts, _now: Timestamp) -> f64 {
    counts.delayed as f64
}

fn leased(counts: &Counts, _now: Timestamp) -> f64 {
    counts.leased as f64
}

fn all(counts: &Counts, _now: Timestamp) -> f64 {
    (counts.waiting + counts.delayed + counts.leased) as f64
}

fn oldest_seconds(counts: &Counts, now: Timestamp) -> f64 {
    seconds(counts.oldest.map_or(0, |oldest| now.millis_since(oldest)))
}

/// The name at the end of an ARN. What follows a `/` tells one queue from an earlier one of its name.
fn name_in_arn(lane: &str) -> &str {
    let arn = lane.split('/').next().unwrap_or(lane);
    arn.rsplit(':').next().unwrap_or(arn)
}

fn whole(lane: &str) -> &str {
    lane
}

impl Depths {
    pub(super) fn new(queue: Arc<dyn Queue>, age_ms_max: u64) -> Self {
        Self { queue, age_ms_max, seen: Mutex::default(), told: AtomicBool::new(false) }
    }

    /// Puts what waits on a page.
    pub(super) async fn show(&self, now: Timestamp, page: &mut Page) {
        let mut seen = self.seen.lock().await;
        // A clock that was set back makes it look again.
        let age = seen.at.and_then(|at| now.0.checked_sub(at.0));
        if age.is_none_or(|age| age >= self.age_ms_max) {
            if let Err(error) = self.look(&mut seen, now).await {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the metrics do not say what waits in the queue");
                seen.at = None;
                return;
            }
            seen.at = Some(now);
        }
        show(&seen.kinds, now, page);
    }

    async fn look(&self, seen: &mut Seen, now: Timestamp) -> Result<(), StoreError> {
        for (of, lanes) in KINDS.iter().zip(&mut seen.kinds) {
            let listed = self.queue.lanes(of.kind, None, METRIC_LANES_MAX + 1).await?;
            if listed.len() > METRIC_LANES_MAX && !self.told.swap(true, Ordering::Relaxed) {
                let lanes_max = METRIC_LANES_MAX;
                tracing::warn!(kind = of.kind, lanes_max, "the metrics do not show all lanes");
            }
            let mut found = Vec::new();
            for lane in listed.iter().take(METRIC_LANES_MAX) {
                found.push(((of.shown_as)(&lane.name), self.queue.counts(lane, now).await?));
            }
            *lanes = merged(lanes, &found);
        }
        Ok(())
    }
}

/// What is seen now, and zeros for what was seen before. Lanes that are shown as the same are added
/// up.
fn merged(before: &Lanes, found: &[(&str, Counts)]) -> Lanes {
    let mut lanes = Lanes::new();
    for (name, counts) in found {
        let sum = lanes.entry((*name).to_owned()).or_default();
        sum.waiting += counts.waiting;
        sum.delayed += counts.delayed;
        sum.leased += counts.leased;
        sum.oldest = sum.oldest.into_iter().chain(counts.oldest).min();
    }
    for name in before.keys() {
        if lanes.len() < METRIC_LANES_MAX {
            lanes.entry(name.clone()).or_default();
        }
    }
    lanes
}

fn show(kinds: &[Lanes; KINDS.len()], now: Timestamp, page: &mut Page) {
    for (of, lanes) in KINDS.iter().zip(kinds) {
        for Family { name, help, values } in of.families {
            page.family(name, Kind::Gauge, help);
            for (lane, counts) in lanes {
                let label = (of.label, lane.as_str());
                for &(state, value) in *values {
                    let value = value(counts, now);
                    if state.is_empty() {
                        page.sample(name, &[label], value);
                    } else {
                        page.sample(name, &[label, ("state", state)], value);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(waiting: u64, oldest: u64) -> Counts {
        Counts { waiting, delayed: 2, leased: 3, oldest: Some(Timestamp(oldest)) }
    }

    #[test]
    fn a_lane_is_shown_by_the_name_of_what_it_is_for() {
        #[rustfmt::skip]
        let rows = [
            ("arn:aws:lambda:us-east-1:000000000000:function:f", "f"),
            ("arn:aws:sqs:us-east-1:000000000000:q.fifo/0a1b",   "q.fifo"),
            ("plain",                                            "plain"),
            ("",                                                 ""),
        ];
        for (lane, expected) in rows {
            assert_eq!(name_in_arn(lane), expected, "{lane}");
        }
    }

    #[test]
    fn lanes_of_one_name_are_added_up_and_empty_ones_stay() {
        let before = merged(&Lanes::new(), &[("gone", counts(9, 1))]);
        let lanes = merged(&before, &[("f", counts(1, 500)), ("f", counts(2, 100))]);
        let sum = Counts { waiting: 3, delayed: 4, leased: 6, oldest: Some(Timestamp(100)) };
        let expected = [("f".to_owned(), sum), ("gone".to_owned(), Counts::default())];
        assert_eq!(lanes, Lanes::from(expected));
    }

    #[test]
    fn those_that_are_empty_give_way() {
        let names: Vec<String> = (0..METRIC_LANES_MAX).map(|number| number.to_string()).collect();
        let found: Vec<_> = names.iter().map(|name| (name.as_str(), counts(1, 1))).collect();
        let before = merged(&Lanes::new(), &found);
        let lanes = merged(&before, &[("new", counts(1, 1))]);
        assert_eq!(lanes.len(), METRIC_LANES_MAX);
        assert_eq!(lanes["new"].waiting, 1);
    }

    #[test]
    fn depths_are_shown_by_state() {
        let mut kinds: [Lanes; KINDS.len()] = Default::default();
        kinds[0] = merged(&Lanes::new(), &[("f", counts(1, 1_000))]);
        kinds[2] = merged(&Lanes::new(), &[("q", counts(7, 2_000))]);
        let mut page = Page::default();
        show(&kinds, Timestamp(2_500), &mut page);
        let page = page.finish();
        for line in [
            "hearth_async_events{function_name=\"f\",state=\"waiting\"} 1",
            "hearth_async_events{function_name=\"f\",state=\"running\"} 3",
            "hearth_async_event_oldest_seconds{function_name=\"f\"} 1.5",
            "aws_sqs_approximate_number_of_messages_visible{queue_name=\"q\"} 7",
            "aws_sqs_approximate_age_of_oldest_message_seconds{queue_name=\"q\"} 0.5",
        ] {
            assert!(page.lines().any(|one| one == line), "{line} in\n{page}");
        }
    }
}
