//! The figures behind [`hearth_types::metrics`]: kept in memory, shown as Prometheus reads them.
//!
//! A name is made of AWS's own: `AsyncEventsReceived` in `AWS/Lambda`, with the dimension
//! `FunctionName`, is `aws_lambda_async_events_received_total{function_name="…"}`. Durations are
//! histograms in seconds.
//!
//! # Promises
//!
//! 1. Counting takes one short lock, and allocates nothing once its resource is known.
//! 2. Of each metric at most [`METRIC_RESOURCES_MAX`] resources have figures of their own. What comes
//!    for others is counted together, under [`OTHER`], and that is said once.
//!
//! # Deliberately absent
//!
//! Nothing survives a restart: whoever reads counters expects that. Resources have no account and no
//! region: those of one name are added up, as `Metrics` is only told names.
//!
//! No library. `prometheus-client` keeps what is counted, but does not bound its labels and asks its
//! collectors without letting them wait, which the depths of queues need. What would be left to it
//! is [`text`].

pub mod text;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use hearth_types::limits::METRIC_RESOURCES_MAX;
use hearth_types::metrics::{Metric, MetricKind, Metrics};

use self::text::{Kind, Page};

/// What those are called together that have no figures of their own.
pub const OTHER: &str = "other";

/// The upper bounds of the buckets: from a call that is answered at once to the age at which AWS
/// gives an event up.
const BUCKETS_MILLIS: [u64; 18] = [
    1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000,
    3_600_000, 21_600_000,
];

/// All that is counted.
#[derive(Debug)]
pub struct Registry {
    /// One for each metric, in the order of `Metric::ALL`.
    families: Vec<Mutex<Family>>,
    /// Whether somebody has been told that there are too many resources.
    told: AtomicBool,
}

/// One metric, by resource.
type Family = BTreeMap<String, Series>;

/// One metric of one resource.
#[derive(Debug, Default)]
struct Series {
    /// How much was counted, or how often it was measured.
    count: u64,
    /// Of what is measured.
    durations: Option<Box<Durations>>,
}

#[derive(Debug, Default)]
struct Durations {
    /// How many fell into each bucket and into none before it.
    buckets: [u64; BUCKETS_MILLIS.len()],
    sum_millis: u64,
}

impl Durations {
    fn observe(&mut self, millis: u64) {
        let index = BUCKETS_MILLIS.partition_point(|bound| *bound < millis);
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += 1;
        }
        self.sum_millis = self.sum_millis.saturating_add(millis);
    }
}

impl Default for Registry {
    fn default() -> Self {
        let families = Metric::ALL.iter().map(|_metric| Mutex::default()).collect();
        Self { families, told: AtomicBool::new(false) }
    }
}

impl Metrics for Registry {
    fn add(&self, metric: Metric, resource: &str, count: u64) {
        self.note(metric, resource, |series| series.count = series.count.saturating_add(count));
    }

    fn observe(&self, metric: Metric, resource: &str, milliseconds: u64) {
        self.note(metric, resource, |series| {
            series.count += 1;
            series.durations.get_or_insert_default().observe(milliseconds);
        });
    }
}

impl Registry {
    /// Puts all that was counted on a page.
    pub fn show(&self, page: &mut Page) {
        for metric in Metric::ALL {
            show(*metric, &self.family(*metric), page);
        }
    }

    fn family(&self, metric: Metric) -> MutexGuard<'_, Family> {
        let family = self.families.get(metric as usize).expect("there is one for each metric");
        family.lock().expect("nobody panics while counting")
    }

    fn note(&self, metric: Metric, resource: &str, note: impl FnOnce(&mut Series)) {
        let mut family = self.family(metric);
        if let Some(series) = family.get_mut(resource) {
            return note(series);
        }
        let has_room = family.len() < METRIC_RESOURCES_MAX;
        let name = if has_room { resource } else { OTHER };
        note(family.entry(name.to_owned()).or_default());
        drop(family);
        if !has_room && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                metric = metric.name(),
                resources_max = METRIC_RESOURCES_MAX,
                "so many resources have figures of their own; the rest is counted together"
            );
        }
    }
}

fn show(metric: Metric, family: &Family, page: &mut Page) {
    let namespace = text::name_of(metric.namespace());
    let name = text::name_of(metric.name());
    let label = text::name_of(metric.dimension());
    let help = format!("{} of {}", metric.name(), metric.namespace());
    match metric.kind() {
        MetricKind::Count => {
            let name = format!("{namespace}_{name}_total");
            page.family(&name, Kind::Counter, &help);
            for (resource, series) in family {
                page.sample(&name, &[(&label, resource)], series.count);
            }
        }
        MetricKind::Duration => {
            let name = format!("{namespace}_{name}_seconds");
            page.family(&name, Kind::Histogram, &help);
            for (resource, series) in family {
                histogram(&name, (&label, resource), series, page);
            }
        }
    }
}

/// Buckets are shown with all that is in those before them.
fn histogram(name: &str, label: (&str, &str), series: &Series, page: &mut Page) {
    let nothing = Durations::default();
    let durations = series.durations.as_deref().unwrap_or(&nothing);
    let buckets = format!("{name}_bucket");
    let mut below = 0;
    for (bound, count) in BUCKETS_MILLIS.iter().zip(durations.buckets) {
        below += count;
        page.sample(&buckets, &[label, ("le", &text::seconds(*bound).to_string())], below);
    }
    page.sample(&buckets, &[label, ("le", "+Inf")], series.count);
    page.sample(&format!("{name}_sum"), &[label], text::seconds(durations.sum_millis));
    page.sample(&format!("{name}_count"), &[label], series.count);
}

#[cfg(test)]
mod tests {
    use super::text::read::{Sample, read};
    use super::*;

    fn shown(registry: &Registry) -> Vec<Sample> {
        let mut page = Page::default();
        registry.show(&mut page);
        read(&page.finish())
    }

    fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Vec<_> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = samples.iter().find(|sample| sample.name == name && sample.labels == wanted);
        found.map(|sample| sample.value)
    }

    #[test]
    fn metrics_are_in_the_order_in_which_they_are_kept() {
        for (index, metric) in Metric::ALL.iter().enumerate() {
            assert_eq!(*metric as usize, index, "{metric:?}");
        }
    }

    #[test]
    fn what_is_counted_is_shown_by_the_name_that_aws_has_for_it() {
        let registry = Registry::default();
        registry.add(Metric::AsyncEventsReceived, "orders", 2);
        registry.add(Metric::AsyncEventsReceived, "orders", 1);
        registry.add(Metric::NumberOfNotificationsRedrivenToDlq, "t", 7);
        registry.add(Metric::NumberOfMessagesSent, "q", 0);
        let samples = shown(&registry);
        #[rustfmt::skip]
        let rows = [
            ("aws_lambda_async_events_received_total",                "function_name", "orders", 3.0),
            ("aws_sns_number_of_notifications_redriven_to_dlq_total", "topic_name",    "t",      7.0),
            ("aws_sqs_number_of_messages_sent_total",                 "queue_name",    "q",      0.0),
        ];
        for (name, label, resource, expected) in rows {
            assert_eq!(value(&samples, name, &[(label, resource)]), Some(expected), "{name}");
        }
        assert_eq!(samples.len(), rows.len(), "what nobody counted has no samples");
    }

    #[test]
    fn durations_are_buckets_that_hold_those_before_them() {
        let registry = Registry::default();
        for millis in [0, 1, 2, 30_000, 30_001, 99_000_000] {
            registry.observe(Metric::AsyncEventAge, "f", millis);
        }
        let samples = shown(&registry);
        let name = "aws_lambda_async_event_age_seconds";
        let bucket = |bound: &str| {
            let labels = [("function_name", "f"), ("le", bound)];
            value(&samples, &format!("{name}_bucket"), &labels)
        };
        #[rustfmt::skip]
        let rows = [
            ("0.001", 2.0),
            ("0.005", 3.0),
            ("10",    3.0),
            ("30",    4.0),
            ("60",    5.0),
            ("21600", 5.0),
            ("+Inf",  6.0),
        ];
        for (bound, expected) in rows {
            assert_eq!(bucket(bound), Some(expected), "{bound}");
        }
        let of = |what: &str| value(&samples, &format!("{name}_{what}"), &[("function_name", "f")]);
        assert_eq!((of("count"), of("sum")), (Some(6.0), Some(99_060.004)));
    }

    #[test]
    fn too_many_resources_are_counted_together() {
        let registry = Registry::default();
        for number in 0..METRIC_RESOURCES_MAX + 10 {
            registry.add(Metric::FailedInvocations, &format!("r{number}"), 1);
        }
        registry.add(Metric::FailedInvocations, "r0", 1);
        registry.add(Metric::FailedInvocations, OTHER, 1);
        let samples = shown(&registry);
        assert_eq!(samples.len(), METRIC_RESOURCES_MAX + 1);
        let of =
            |rule| value(&samples, "aws_events_failed_invocations_total", &[("rule_name", rule)]);
        assert_eq!((of("r0"), of(OTHER)), (Some(2.0), Some(11.0)));
        assert!(registry.told.load(Ordering::Relaxed));
    }
}
