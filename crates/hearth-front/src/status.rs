//! What the server is doing, as JSON, for `hearth top` and for whoever else looks.
//!
//! # Promises
//!
//! 1. Counts are since the start; percentiles are of the latest invocations of each version.
//! 2. A look costs one short lock of the scheduler and one of the invoker, whatever is going on.

use std::collections::BTreeMap;

use hearth_control::concurrency::Shares;
use hearth_invoke::statistics::Figures;
use hearth_scheduler::core::{Census, HostFigures, TargetFigures};
use hearth_scheduler::driver::TargetStatus;
use hearth_types::names::{FunctionArn, Version};
use serde_json::{Value, json};

use crate::front::Front;

/// What there is to say about one function version.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) scheduled: Option<TargetFigures>,
    memory_mb: Option<u32>,
    pub(crate) figures: Figures,
}

/// All function versions of which there is something to say.
pub(crate) type Rows = BTreeMap<(FunctionArn, Version), Row>;

pub(crate) fn status(front: &Front) -> Value {
    let (host, rows) = rows(front);
    let functions = rows.iter().map(|((function, version), row)| {
        let shares = front.control.shares(function, *version);
        function_row(function, *version, row, shares)
    });
    json!({
        "time": front.control.now().iso(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": front.invoker.uptime().as_secs_f64(),
        "account": account(front, &host),
        "host": host_row(&host),
        "functions": functions.collect::<Vec<_>>(),
    })
}

pub(crate) fn rows(front: &Front) -> (HostFigures, Rows) {
    let (host, scheduled) = front.scheduler.status();
    let mut rows = Rows::new();
    for TargetStatus { function, version, memory_mb, figures } in scheduled {
        let row = rows.entry((function, version)).or_default();
        // An earlier code of the version may still be at work.
        row.scheduled = Some(row.scheduled.map_or(figures, |other| sum(other, figures)));
        row.memory_mb = Some(memory_mb);
    }
    for of in front.invoker.figures() {
        let row = rows.entry((of.function, of.version)).or_default();
        row.figures = add(row.figures, of.figures);
    }
    (host, rows)
}

fn account(front: &Front, host: &HostFigures) -> Value {
    let (limit, _) = front.control.account_concurrency(&front.scope);
    let unclaimed = front.control.unclaimed_concurrency(&front.scope);
    json!({
        "concurrency": host.census.busy + host.census.waiting,
        "concurrencyUnclaimed": front.invoker.running(&front.scope),
        "concurrencyMax": limit,
        "unreservedMax": unclaimed,
        "requestsPerSecondMax": front.invoker.requests_per_second_max(unclaimed),
    })
}

fn host_row(host: &HostFigures) -> Value {
    let Census { starting, idle, busy, retiring, waiting } = host.census;
    json!({
        "memoryMbMax": host.limits.memory_mb_max,
        "memoryMbCommitted": host.committed_mb,
        "environments": starting + idle + busy + retiring,
        "environmentsMax": host.limits.environments_max,
        "starting": starting,
        "idle": idle,
        "busy": busy,
        "startsMax": host.limits.starts_max,
        "waiting": waiting,
    })
}

fn function_row(
    function: &FunctionArn,
    version: Version,
    row: &Row,
    shares: Option<Shares>,
) -> Value {
    let census = row.scheduled.map(|of| of.census).unwrap_or_default();
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1_000.0;
    json!({
        "name": function.name.as_str(),
        "account": function.scope.account.as_str(),
        "region": function.scope.region.as_str(),
        "version": version.to_string(),
        "environments": {
            "starting": census.starting,
            "idle": census.idle,
            "busy": census.busy,
            "retiring": census.retiring,
        },
        "waiting": census.waiting,
        "running": census.busy,
        "reserved": shares.and_then(|shares| shares.reserved),
        "provisioned": row.scheduled.map_or(0, |of| of.provisioned),
        "invocations": row.figures.invocations,
        "coldStarts": row.figures.cold_starts,
        "throttles": row.figures.throttles,
        "errors": row.figures.errors,
        "p50Ms": ms(row.figures.p50),
        "p99Ms": ms(row.figures.p99),
        "memoryMb": row.memory_mb,
        "keepSeconds": row.scheduled.map(|of| of.keep_ms / 1_000),
    })
}

fn sum(one: TargetFigures, other: TargetFigures) -> TargetFigures {
    TargetFigures {
        target: other.target,
        census: add_census(one.census, other.census),
        provisioned: one.provisioned + other.provisioned,
        keep_ms: one.keep_ms.max(other.keep_ms),
    }
}

pub(crate) fn add_census(one: Census, other: Census) -> Census {
    Census {
        starting: one.starting + other.starting,
        idle: one.idle + other.idle,
        busy: one.busy + other.busy,
        retiring: one.retiring + other.retiring,
        waiting: one.waiting + other.waiting,
    }
}

pub(crate) fn add(one: Figures, other: Figures) -> Figures {
    Figures {
        invocations: one.invocations + other.invocations,
        cold_starts: one.cold_starts + other.cold_starts,
        errors: one.errors + other.errors,
        throttles: one.throttles + other.throttles,
        took: one.took.saturating_add(other.took),
        p50: one.p50.max(other.p50),
        p99: one.p99.max(other.p99),
    }
}
