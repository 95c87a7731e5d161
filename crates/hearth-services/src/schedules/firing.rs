//! What happens when a schedule happens: one delivery to its target.

use async_trait::async_trait;
use hearth_store::queue::NewEntry;
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use jiff::tz::TimeZone;

use super::Schedules;
use super::expression::{Expression, Grammar};
use super::names::ScheduleArn;
use super::record::{Completion, GroupState, Schedule, ScheduleState};
use super::target::Invocation;
use super::timed::Timed;
use super::timing::{Occurrence, Timing, mixed, seed_of};
use crate::delivery::{Delivery, Origin, Parcel};

#[async_trait]
impl Timed for Schedules {
    fn service(&self) -> &'static str {
        "scheduler"
    }

    fn all(&self) -> Vec<(String, Timing)> {
        let kept = self.schedules.entries().into_iter();
        let timed = kept.filter_map(|(scope, _key, schedule)| {
            let arn =
                ScheduleArn { scope, group: schedule.group.clone(), name: schedule.name.clone() };
            let timing = self.timing_of(&arn, &schedule)?;
            Some((arn.to_string(), timing))
        });
        timed.collect()
    }

    fn timing(&self, arn: &str) -> Option<Timing> {
        let arn = ScheduleArn::parse(arn)?;
        let schedule = self.find(&arn)?;
        self.timing_of(&arn, &schedule)
    }

    fn entries(&self, arn: &str, occurrence: Occurrence, now: Timestamp) -> Vec<NewEntry> {
        let Some(arn) = ScheduleArn::parse(arn) else { return Vec::new() };
        let Some(schedule) = self.find(&arn) else { return Vec::new() };
        match entry(&arn, &schedule, (occurrence, now)) {
            Some(entry) => vec![entry],
            None => {
                tracing::error!(schedule = %arn, "a target that was kept is none");
                Vec::new()
            }
        }
    }

    fn happened(&self, _arn: &str) {}

    async fn completed(&self, arn: &str, timing: &Timing) {
        let Some(arn) = ScheduleArn::parse(arn) else { return };
        let _turn = self.turns.of_schedule(&arn).await;
        let Some(schedule) = self.find(&arn) else { return };
        // It may have been given another time meanwhile.
        let is_over = self.timing_of(&arn, &schedule).as_ref() == Some(timing);
        if !is_over || schedule.settings.completion != Completion::Delete {
            return;
        }
        match self.schedules.remove(&arn.scope, &arn.key()).await {
            Ok(()) => self.changes.note(arn.to_string()),
            // It is over all the same. The next start deletes it.
            Err(error) => tracing::error!(schedule = %arn, %error, "could not delete a schedule"),
        }
    }
}

impl Schedules {
    fn timing_of(&self, arn: &ScheduleArn, schedule: &Schedule) -> Option<Timing> {
        let settings = &schedule.settings;
        let group = self.groups.get(&arn.scope, &arn.group);
        let is_leaving = group.is_some_and(|group| group.state == GroupState::Deleting);
        if settings.state == ScheduleState::Disabled || is_leaving {
            return None;
        }
        let zone = match &settings.zone {
            Some(name) => TimeZone::get(name).ok(),
            None => Some(super::utc()),
        };
        let expression = Expression::parse(&settings.expression, Grammar::Scheduler);
        let (Some(expression), Some(zone)) = (expression, zone) else {
            tracing::error!(schedule = %arn, "a time that was kept is none");
            return None;
        };
        // AWS: the dates mean nothing for what happens once.
        let (start, end) =
            if expression.is_once() { (None, None) } else { (settings.start, settings.end) };
        Some(Timing {
            expression,
            zone,
            from: start.map_or(schedule.modified_at, |start| start.max(schedule.modified_at)),
            anchor: start.unwrap_or(schedule.anchor),
            end,
            window_ms: u64::from(settings.window_minutes.unwrap_or(0)) * 60_000,
            seed: seed_of(&arn.to_string()),
        })
    }
}

/// The delivery of one occurrence.
fn entry(
    arn: &ScheduleArn,
    schedule: &Schedule,
    (occurrence, now): (Occurrence, Timestamp),
) -> Option<NewEntry> {
    let target = &schedule.settings.target;
    let text = arn.to_string();
    let scheduled = occurrence.scheduled;
    let execution = format!("{:016x}", mixed(seed_of(&text) ^ mixed(scheduled.0)));
    let invocation = Invocation { schedule: arn, scheduled, execution: &execution };
    let (parcel, body) = target.parcel(invocation).ok()?;
    let (called, group) = match &parcel {
        Parcel::Queue { arn, message } if arn.ends_with(".fifo") => {
            (arn.clone(), message.group.clone())
        }
        // A universal target is the same for every function: that one of them takes long, or is
        // gone, does not hold up the others. One that is waited for takes longer than an event.
        Parcel::Invocation { arn } => (format!("{}/{arn}", target.arn), None),
        Parcel::Function { arn } => (arn.clone(), None),
        Parcel::Queue { .. }
        | Parcel::Topic { .. }
        | Parcel::Bus { .. }
        | Parcel::LogGroup { .. }
        | Parcel::Object { .. }
        | Parcel::Http { .. } => (target.arn.clone(), None),
    };
    let delivery = Delivery {
        origin: Origin::Schedule {
            schedule: text,
            group: arn.group.clone(),
            target: target.arn.clone(),
            scheduled,
            execution,
        },
        parcel,
        patience: target.patience(),
        dead_letter: target.dead_letter.clone(),
        trace: None,
        attempts: 0,
    };
    Some(delivery.entry((&lane(&arn.scope, &called), group), body, now))
}

/// Schedules that call the same share a lane: there may be many for one function, and what it does
/// not take now it does not take from the others either.
fn lane(Scope { account, region }: &Scope, called: &str) -> String {
    format!("arn:aws:scheduler:{region}:{account}:target/{called}")
}
