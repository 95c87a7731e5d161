//! Rules that make an event by the time of day.
//!
//! A rate is counted from when the rule was given it, or last enabled; its first event comes after
//! the first period. Times are those of UTC.

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::queue::NewEntry;
use hearth_types::metrics::Metric;
use hearth_types::time::Timestamp;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::Buses;
use super::envelope::{Envelope, seconds};
use super::names::{BusArn, Tagged};
use super::put::{Incoming, Outgoing, to_targets};
use super::record::{Rule, RuleState};
use super::template::Subject;
use crate::limits;
use crate::schedules::expression::{Expression, Grammar};
use crate::schedules::timed::Timed;
use crate::schedules::timing::{Occurrence, Timing};

#[async_trait]
impl Timed for Buses {
    fn service(&self) -> &'static str {
        "events"
    }

    fn all(&self) -> Vec<(String, Timing)> {
        let kept = self.rules.entries().into_iter();
        let timed = kept.filter_map(|(scope, _key, rule)| {
            let timing = timing_of(&rule)?;
            let bus = BusArn { scope, name: rule.bus.clone() };
            Some((bus.rule(&rule.name), timing))
        });
        timed.collect()
    }

    fn timing(&self, arn: &str) -> Option<Timing> {
        let (bus, rule) = named(arn)?;
        timing_of(&*self.find_rule(&bus, &rule).ok()?)
    }

    fn entries(&self, arn: &str, occurrence: Occurrence, now: Timestamp) -> Vec<NewEntry> {
        let Some((bus, name)) = named(arn) else { return Vec::new() };
        let Ok(rule) = self.find_rule(&bus, &name) else { return Vec::new() };
        let event = Envelope {
            id: Uuid::new_v4().to_string(),
            detail_type: "Scheduled Event".to_owned(),
            source: "aws.events".to_owned(),
            account: bus.scope.account.to_string(),
            time: seconds(occurrence.scheduled),
            region: bus.scope.region.to_string(),
            resources: vec![arn.to_owned()],
            detail: "{}".to_owned(),
        };
        let text = event.text();
        let body = Bytes::from(text.clone());
        let incoming = Incoming { event, trace: None, buses: 1, now };
        let subject = Subject {
            event: &incoming.event,
            text: &text,
            rule_arn: arn,
            rule_name: &rule.name,
            ingested: now,
        };
        let mut out = Outgoing::default();
        let room = limits::EVENT_DELIVERIES_BYTES_MAX;
        if let Err(refusal) = to_targets(&rule, subject, (&incoming, &body), (&mut out, room)) {
            // An event without a detail and five targets are far from any limit.
            tracing::error!(rule = arn, refusal.message, "a scheduled event was not put");
        }
        out.puts
    }

    fn happened(&self, arn: &str) {
        if let Some((_bus, rule)) = named(arn) {
            self.metrics.add(Metric::TriggeredRules, &rule, 1);
        }
    }

    async fn completed(&self, _arn: &str, _timing: &Timing) {}
}

/// Since when a rule makes events, of one that takes the place of another.
pub(super) fn since(
    old: Option<&Rule>,
    (schedule, state): (Option<&str>, RuleState),
    now: Timestamp,
) -> Timestamp {
    let goes_on = |old: &&Rule| {
        let was_off = old.state == RuleState::Disabled && state != RuleState::Disabled;
        old.schedule.as_deref() == schedule && !was_off
    };
    old.filter(goes_on).map_or(now, |old| old.since)
}

fn timing_of(rule: &Rule) -> Option<Timing> {
    if rule.state == RuleState::Disabled {
        return None;
    }
    let Some(expression) = Expression::parse(rule.schedule.as_deref()?, Grammar::Rule) else {
        tracing::error!(rule = rule.name, "a schedule that was kept is none");
        return None;
    };
    let anchor = match &expression {
        Expression::Rate { period_ms } => rule.since.plus_millis(*period_ms),
        Expression::Cron(_) | Expression::At(_) => rule.since,
    };
    Some(Timing {
        expression,
        zone: TimeZone::UTC,
        from: rule.since,
        anchor,
        end: None,
        window_ms: 0,
        seed: 0,
    })
}

/// The bus and the name of a rule.
fn named(arn: &str) -> Option<(BusArn, String)> {
    match Tagged::parse(arn).ok()? {
        Tagged::Rule { bus, rule } => Some((bus, rule)),
        Tagged::Bus(_) => None,
    }
}
