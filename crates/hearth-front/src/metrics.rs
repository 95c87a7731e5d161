//! The page at `/_hearth/metrics`, as Prometheus reads it.
//!
//! ```text
//!  what was counted (hearth-telemetry) ─┐
//!  what `/_hearth/status` shows ────────┼─▶ one page of text
//!  how much waits in the queue ─────────┘
//! ```
//!
//! What AWS has a metric for has AWS's name; the rest begins with `hearth_`.
//!
//! # Promises
//!
//! 1. The page is bounded, however many functions and queues there are: what has no line of its own
//!    is added up under `other`, or left out and said to be.
//! 2. The durable queue is asked again when what it said is [`METRIC_LANES_MILLIS_MAX`] old, and by
//!    one request at a time.
//! 3. A queue that cannot be read costs the page its own part and no other.

mod depths;

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_invoke::statistics::Figures;
use hearth_scheduler::core::{Census, HostFigures};
use hearth_store::queue::Queue;
use hearth_telemetry::metrics::text::{Kind, Page};
use hearth_telemetry::metrics::{OTHER, Registry};
use hearth_types::limits::{METRIC_LANES_MILLIS_MAX, METRIC_RESOURCES_MAX};

use self::depths::Depths;
use crate::front::Front;
use crate::status;

/// What the page shows beside the front door's own.
#[derive(Debug)]
pub struct MetricsPage {
    registry: Arc<Registry>,
    depths: Depths,
}

impl MetricsPage {
    /// A page of what is counted there and waits there.
    #[must_use]
    pub fn new(registry: Arc<Registry>, queue: Arc<dyn Queue>) -> Self {
        Self { registry, depths: Depths::new(queue, METRIC_LANES_MILLIS_MAX) }
    }
}

/// The page as it is now.
pub(crate) async fn page(front: &Front) -> String {
    let mut page = Page::default();
    front.metrics.registry.show(&mut page);
    let (host, rows) = status::rows(front);
    show_host(front, &host, &mut page);
    let named = rows.into_iter().map(|((function, version), row)| {
        let name = (function.name.as_str().to_owned(), version.to_string());
        let scheduled = row.scheduled;
        let census = scheduled.map(|of| of.census).unwrap_or_default();
        let provisioned = scheduled.map_or(0, |of| of.provisioned);
        (name, OfVersion { figures: row.figures, census, provisioned })
    });
    show_functions(&bounded(named, METRIC_RESOURCES_MAX), &mut page);
    front.metrics.depths.show(front.invoker.queue_time(), &mut page).await;
    page.finish()
}

/// What is known of one version of a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct OfVersion {
    figures: Figures,
    census: Census,
    provisioned: usize,
}

/// By the name of the function, and the version.
type Versions = BTreeMap<(String, String), OfVersion>;

/// Those of one name are added up: the labels have no account and no region. So are those for which
/// there is no room.
fn bounded(
    rows: impl Iterator<Item = ((String, String), OfVersion)>,
    versions_max: usize,
) -> Versions {
    let mut versions = Versions::new();
    for (name, row) in rows {
        let has_place = versions.len() < versions_max || versions.contains_key(&name);
        let name = if has_place { name } else { (OTHER.to_owned(), OTHER.to_owned()) };
        let kept = versions.entry(name).or_default();
        kept.figures = status::add(kept.figures, row.figures);
        kept.census = status::add_census(kept.census, row.census);
        kept.provisioned += row.provisioned;
    }
    versions
}

/// A family with one value for each version.
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: fn(&OfVersion) -> u64,
}

#[rustfmt::skip]
const OF_VERSIONS: [Family; 7] = [
    Family { name: "aws_lambda_invocations_total",     kind: Kind::Counter, help: "Invocations of AWS/Lambda: those that ran",             value: |of| of.figures.invocations },
    Family { name: "aws_lambda_errors_total",          kind: Kind::Counter, help: "Errors of AWS/Lambda",                                  value: |of| of.figures.errors },
    Family { name: "aws_lambda_throttles_total",       kind: Kind::Counter, help: "Throttles of AWS/Lambda",                               value: |of| of.figures.throttles },
    Family { name: "aws_lambda_concurrent_executions", kind: Kind::Gauge,   help: "ConcurrentExecutions of AWS/Lambda",                    value: |of| wide(of.census.busy) },
    Family { name: "hearth_cold_starts_total",         kind: Kind::Counter, help: "Invocations that had to wait for an environment",       value: |of| of.figures.cold_starts },
    Family { name: "hearth_invocations_waiting",       kind: Kind::Gauge,   help: "Invocations that wait for an environment now",          value: |of| wide(of.census.waiting) },
    Family { name: "hearth_provisioned_environments",  kind: Kind::Gauge,   help: "Environments that are kept because that was asked for", value: |of| wide(of.provisioned) },
];

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn show_functions(versions: &Versions, page: &mut Page) {
    for Family { name, kind, help, value } in &OF_VERSIONS {
        page.family(name, *kind, help);
        for (version, row) in versions {
            page.sample(name, &labels(version), value(row));
        }
    }
    let name = "hearth_environments";
    page.family(name, Kind::Gauge, "Execution environments, by what they do");
    for (version, row) in versions {
        for (state, count) in states(&row.census) {
            let [function, version] = labels(version);
            page.sample(name, &[function, version, ("state", state)], count);
        }
    }
    let name = "hearth_invocation_duration_seconds";
    let help = "From the request to the answer; the quantiles are of the latest invocations";
    page.family(name, Kind::Summary, help);
    for (version, row) in versions.iter().filter(|(_, row)| row.figures.invocations > 0) {
        let [function, version] = labels(version);
        let figures = &row.figures;
        for (quantile, took) in [("0.5", figures.p50), ("0.99", figures.p99)] {
            let labels = [function, version, ("quantile", quantile)];
            page.sample(name, &labels, took.as_secs_f64());
        }
        let labels = [function, version];
        page.sample(&format!("{name}_sum"), &labels, figures.took.as_secs_f64());
        page.sample(&format!("{name}_count"), &labels, figures.invocations);
    }
}

fn labels((function, version): &(String, String)) -> [(&'static str, &str); 2] {
    [("function_name", function.as_str()), ("executed_version", version.as_str())]
}

fn states(census: &Census) -> [(&'static str, usize); 4] {
    let Census { starting, idle, busy, retiring, waiting: _ } = *census;
    [("starting", starting), ("idle", idle), ("busy", busy), ("retiring", retiring)]
}

fn show_host(front: &Front, host: &HostFigures, page: &mut Page) {
    let (concurrency_max, _unreserved) = front.control.account_concurrency(&front.scope);
    let unclaimed = front.control.unclaimed_concurrency(&front.scope);
    let unclaimed_running = front.invoker.running(&front.scope);
    let megabytes = |count: u64| count.saturating_mul(1_024 * 1_024);
    #[rustfmt::skip]
    let rows: [(&str, &str, u64); 8] = [
        ("aws_lambda_unreserved_concurrent_executions", "UnreservedConcurrentExecutions of AWS/Lambda, of this server's own account and region", unclaimed_running.into()),
        ("hearth_concurrency_max",            "Executions that the account may have at a time", concurrency_max.into()),
        ("hearth_concurrency_unclaimed_max",  "Of these, those that no function has claimed",   unclaimed.into()),
        ("hearth_environments_max",           "Environments that this host may have",           wide(host.limits.environments_max)),
        ("hearth_starts_max",                 "Environments that may start at a time",          wide(host.limits.starts_max)),
        ("hearth_memory_max_bytes",           "Memory for all environments together",           megabytes(host.limits.memory_mb_max)),
        ("hearth_memory_committed_bytes",     "Memory that is set aside for environments",      megabytes(host.committed_mb)),
        ("hearth_host_invocations_waiting",   "Invocations that wait for an environment now, of all functions", wide(host.census.waiting)),
    ];
    for (name, help, value) in rows {
        page.family(name, Kind::Gauge, help);
        page.sample(name, &[], value);
    }
    page.family("hearth_uptime_seconds", Kind::Gauge, "For how long the server has been running");
    page.sample("hearth_uptime_seconds", &[], front.invoker.uptime().as_secs_f64());
    page.family("hearth_info", Kind::Gauge, "Which Hearth this is");
    page.sample("hearth_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(invocations: u64, p50_ms: u64) -> OfVersion {
        let p50 = Duration::from_millis(p50_ms);
        let figures = Figures { invocations, took: p50, p50, ..Figures::default() };
        OfVersion { figures, census: Census { busy: 1, ..Census::default() }, provisioned: 0 }
    }

    fn name(function: &str, version: &str) -> (String, String) {
        (function.to_owned(), version.to_owned())
    }

    #[test]
    fn those_of_one_name_are_added_up_and_so_are_those_without_room() {
        let rows = [
            (name("a", "$LATEST"), row(1, 10)),
            (name("b", "1"), row(2, 20)),
            (name("c", "1"), row(4, 40)),
            (name("d", "1"), row(8, 80)),
            // Of another region.
            (name("a", "$LATEST"), row(16, 5)),
        ];
        let versions = bounded(rows.into_iter(), 2);
        let seen: Vec<_> = versions
            .iter()
            .map(|((function, _), of)| (function.as_str(), of.figures.invocations, of.census.busy))
            .collect();
        assert_eq!(seen, [("a", 17, 2), ("b", 2, 1), (OTHER, 12, 2)]);
    }

    #[test]
    fn a_version_is_shown_with_its_figures() {
        let versions = bounded([(name("a", "$LATEST"), row(3, 250))].into_iter(), 10);
        let mut page = Page::default();
        show_functions(&versions, &mut page);
        let page = page.finish();
        let labels = "function_name=\"a\",executed_version=\"$LATEST\"";
        #[rustfmt::skip]
        let lines = [
            format!("aws_lambda_invocations_total{{{labels}}} 3"),
            format!("aws_lambda_concurrent_executions{{{labels}}} 1"),
            format!("hearth_environments{{{labels},state=\"busy\"}} 1"),
            format!("hearth_invocation_duration_seconds{{{labels},quantile=\"0.5\"}} 0.25"),
            format!("hearth_invocation_duration_seconds_count{{{labels}}} 3"),
        ];
        for line in lines {
            assert!(page.lines().any(|one| one == line), "{line} in\n{page}");
        }
    }

    #[test]
    fn what_never_ran_took_no_time() {
        let versions = bounded([(name("a", "1"), OfVersion::default())].into_iter(), 10);
        let mut page = Page::default();
        show_functions(&versions, &mut page);
        assert!(!page.finish().contains("quantile=\""));
    }
}
