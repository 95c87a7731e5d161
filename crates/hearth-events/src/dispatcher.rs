//! Asynchronous invocations: takes events from the queue, runs them, and sees each to its end.
//!
//! # Promises
//!
//! 1. An event that is over was removed in the same batch in which whoever wants to know of it was
//!    told: its destination, its dead-letter queue, the list of events that were given up.
//! 2. What is configured is looked up for each attempt.
//! 3. The events of a function that was deleted are dropped, and counted. Where another server may
//!    have the function they are left to it, for as long as an event may wait.
//!
//! # Deliberately absent
//!
//! How long events wait, and when they are given up: that is [`crate::retry`].

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_control::control::Control;
use hearth_invoke::asynchronous::{
    Cause, EventHead, LANE_KIND, LastError, Ran, Verdict, failed_lane, function_of,
};
use hearth_invoke::{InvokeError, Invoker};
use hearth_store::queue::{Lane, Leased, NewEntry, Sharing};
use hearth_types::errors::causes;
use hearth_types::limits;
use hearth_types::metrics::Metric;
use hearth_types::names::{FunctionArn, Version};
use hearth_types::time::Timestamp;

use crate::record::{NoReceiver, Over, cut, error_of};
use crate::retry::{Attempt, Condition, Decision, Delays, Judge, Rules, Runnable};
use crate::turns::Pace;
use crate::worker::{Common, Done, Work};

/// From how long a wait on an event has had to wait for others: starting is not counted in it.
const WAITED: Duration = Duration::from_millis(50);

/// Whoever has the functions.
pub(crate) trait Functions: fmt::Debug + Send + Sync + 'static {
    /// Runs an event once.
    fn run(
        &self,
        head: &EventHead,
        payload: Bytes,
    ) -> impl Future<Output = Result<Ran, InvokeError>> + Send;

    /// What is configured for an event; `None` if its function is not there any more.
    fn rules(&self, head: &EventHead) -> Option<Rules>;

    /// How many of its events a function may run at a time.
    fn capacity(&self, function: &FunctionArn) -> usize;
}

/// Those of the control plane, run by the invoker.
#[derive(Debug, Clone)]
pub(crate) struct Lambda {
    pub(crate) control: Arc<Control>,
    pub(crate) invoker: Arc<Invoker>,
}

impl Functions for Lambda {
    async fn run(&self, head: &EventHead, payload: Bytes) -> Result<Ran, InvokeError> {
        Box::pin(self.invoker.run_event(head, payload)).await
    }

    fn rules(&self, head: &EventHead) -> Option<Rules> {
        let record = self.control.record(&head.function).ok()?;
        let qualifier = head.qualifier.as_ref();
        let configured = record.event_invoke_config(qualifier).cloned().unwrap_or_default();
        let defaults = Rules::default();
        let age_ms_max = configured.event_age_seconds.map(|seconds| u64::from(seconds) * 1_000);
        let version = record.version_of(qualifier).and_then(|version| record.version(version));
        Some(Rules {
            retries: configured.retries.unwrap_or(defaults.retries),
            age_ms_max: age_ms_max.unwrap_or(defaults.age_ms_max),
            runnable: match record.reserved_concurrency {
                Some(0) => Runnable::NoneReserved,
                Some(_) | None => Runnable::Yes,
            },
            on_success: configured.on_success,
            on_failure: configured.on_failure,
            dead_letter: version.and_then(|version| version.configuration.dead_letter_arn.clone()),
        })
    }

    fn capacity(&self, function: &FunctionArn) -> usize {
        let shares = self.control.shares(function, Version::Latest);
        let executions = shares.map(|shares| shares.reserved.unwrap_or(shares.unreserved));
        // Where none may run, all are given up at once.
        let executions = executions.filter(|most| *most > 0);
        executions.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX)
    }
}

/// What is done with events.
#[derive(Debug)]
pub(crate) struct Dispatcher<F> {
    pub(crate) functions: F,
    pub(crate) common: Common,
    pub(crate) delays: Delays,
}

/// An event, and what is configured for it.
#[derive(Clone, Copy)]
struct Case<'a> {
    rules: &'a Rules,
    head: &'a EventHead,
    entry: &'a Leased,
}

/// How an attempt went.
struct Tried {
    attempt: Attempt,
    ran: Option<Ran>,
    pace: Pace,
    error: Option<LastError>,
}

impl<F: Functions> Work for Dispatcher<F> {
    fn kind(&self) -> &'static str {
        LANE_KIND
    }

    fn capacity(&self, lane: &Lane) -> usize {
        function_of(lane).map_or(usize::MAX, |function| self.functions.capacity(&function))
    }

    async fn perform(&self, lane: &Lane, entry: &Leased) -> Done {
        let now = self.common.time.now();
        let head = match EventHead::read(&entry.head) {
            Ok(head) => head,
            Err(error) => {
                // Written by another version of this program, which may be back.
                tracing::error!(error = causes(&error), "an event cannot be understood");
                let due = now.plus_millis(self.delays.backoff_ms_max);
                return Done::returned(due, None, Pace::Untried);
            }
        };
        let before = self.common.time.of_day();
        let Some(rules) = self.functions.rules(&head) else {
            return self.forget(lane, before).await;
        };
        let age_ms = self.age_ms(&head);
        let judge = Judge { rules: &rules, delays: &self.delays, age_ms, now };
        if let Some(condition) = judge.before() {
            return self.give_up(Case { rules: &rules, head: &head, entry }, condition, None);
        }
        self.common.metrics.observe(Metric::AsyncEventAge, head.function.name.as_str(), age_ms);
        let tried = self.attempt(&head, entry.body.clone()).await;
        self.conclude((lane, entry), head, tried).await
    }
}

impl<F: Functions> Dispatcher<F> {
    fn age_ms(&self, head: &EventHead) -> u64 {
        self.common.time.of_day().millis_since(head.received)
    }

    async fn attempt(&self, head: &EventHead, payload: Bytes) -> Tried {
        match self.functions.run(head, payload).await {
            Ok(ran) => {
                let pace = if ran.queued > WAITED { Pace::Waited } else { Pace::Smooth };
                let (attempt, error) = match ran.verdict {
                    Verdict::Succeeded => (Attempt::Succeeded, None),
                    Verdict::Failed => (Attempt::Failed, Some(error_of(&ran.payload))),
                };
                Tried { attempt, ran: Some(ran), pace, error }
            }
            Err(error) => {
                let cause = error.cause();
                let (pace, code) = match cause {
                    Cause::Throttled => (Pace::Refused, 429),
                    Cause::Unavailable => (Pace::Refused, 500),
                    Cause::Closing => (Pace::Untried, 503),
                    Cause::Gone => (Pace::Smooth, 404),
                    Cause::Recursive | Cause::Refused => (Pace::Smooth, 400),
                };
                let message = match cause {
                    Cause::Throttled => "Rate Exceeded.".to_owned(),
                    Cause::Unavailable
                    | Cause::Closing
                    | Cause::Gone
                    | Cause::Recursive
                    | Cause::Refused => cut(&causes(&error)).to_owned(),
                };
                let error = Some(LastError { code, message });
                Tried { attempt: Attempt::NotRun(cause), ran: None, pace, error }
            }
        }
    }

    /// Decides what follows from an attempt.
    async fn conclude(
        &self,
        (lane, entry): (&Lane, &Leased),
        mut head: EventHead,
        tried: Tried,
    ) -> Done {
        let Tried { attempt, ran, pace, error } = tried;
        let now = self.common.time.now();
        if self.common.is_closing() && attempt != Attempt::Succeeded {
            // It may have failed because the server stops, so it does not count.
            return Done::returned(now, None, Pace::Untried);
        }
        // What is configured may have changed meanwhile.
        let before = self.common.time.of_day();
        let rules = match self.functions.rules(&head) {
            Some(rules) => rules,
            None if attempt == Attempt::Succeeded => return Done::removed(pace),
            None => return self.forget(lane, before).await,
        };
        let age_ms = self.age_ms(&head);
        let judge = Judge { rules: &rules, delays: &self.delays, age_ms, now };
        let decision = judge.after(attempt, &head);
        head.last_error = error.or(head.last_error);
        match attempt {
            Attempt::Failed => (head.attempts, head.setbacks) = (head.attempts + 1, 0),
            Attempt::NotRun(_) => head.setbacks = head.setbacks.saturating_add(1),
            Attempt::Succeeded => {}
        }
        let case = Case { rules: &rules, head: &head, entry };
        match decision {
            Decision::Done => self.succeed(case, ran.as_ref(), pace),
            Decision::Again { due } => Done::returned(due, Some(head.text()), pace),
            Decision::PutBack => Done::returned(now, None, Pace::Untried),
            Decision::Forget => {
                // The function is there, so it is the version or the alias that is not.
                let resource = head.function.name.to_string();
                tracing::info!(function = %head.function, request = %head.id, "an event for a version or an alias that is gone was dropped");
                let mut done = Done::removed(pace);
                done.counts.push((Metric::AsyncEventsDropped, resource));
                self.keep_failed(&mut done, &head, entry);
                done
            }
            Decision::GiveUp(condition) => {
                let done = self.give_up(case, condition, ran.as_ref());
                Done { pace, ..done }
            }
        }
    }

    fn succeed(&self, case: Case<'_>, ran: Option<&Ran>, pace: Pace) -> Done {
        let Case { rules, head, entry } = case;
        let mut done = Done::removed(pace);
        if let Some(arn) = &rules.on_success {
            let over = Over {
                head,
                payload: &entry.body,
                condition: Condition::Success,
                ran,
                invocations: head.attempts + 1,
                at: self.common.time.of_day(),
            };
            let told = over.for_destination(arn, self.common.time.now());
            tell(&mut done, head, told, Metric::DestinationDeliveryFailures);
        }
        done
    }

    fn give_up(&self, case: Case<'_>, condition: Condition, ran: Option<&Ran>) -> Done {
        let Case { rules, head, entry } = case;
        let now = self.common.time.now();
        let mut head = head.clone();
        head.last_error.get_or_insert_with(|| never_ran(condition));
        let over = Over {
            head: &head,
            payload: &entry.body,
            condition,
            ran,
            invocations: head.attempts,
            at: self.common.time.of_day(),
        };
        tracing::info!(function = %head.function, request = %head.id, %condition, "an event was given up");
        let mut done = Done::removed(Pace::Smooth);
        done.counts.push((Metric::AsyncEventsDropped, head.function.name.to_string()));
        if let Some(arn) = &rules.dead_letter {
            let told = over.for_dead_letters(arn, now);
            tell(&mut done, &head, told, Metric::DeadLetterErrors);
        }
        if let Some(arn) = &rules.on_failure {
            let told = over.for_destination(arn, now);
            tell(&mut done, &head, told, Metric::DestinationDeliveryFailures);
        }
        self.keep_failed(&mut done, &head, entry);
        done
    }

    /// Keeps an event that was given up, for people to look at.
    fn keep_failed(&self, done: &mut Done, head: &EventHead, entry: &Leased) {
        done.puts.push(head.failed_entry(entry.body.clone(), self.common.time.now()));
        done.trim = Some((failed_lane(&head.function), limits::EVENTS_FAILED_MAX));
    }

    /// Drops all events of a function that was not there at a time of day. Those that were accepted
    /// since are for one that was made in its place.
    async fn forget(&self, lane: &Lane, before: Timestamp) -> Done {
        let mut done = Done::removed(Pace::Smooth);
        if self.common.queue.sharing() == Sharing::Shared {
            return self.leave(lane).await;
        }
        let Some(function) = function_of(lane) else { return done };
        let resource = function.name.to_string();
        let purged = match self.common.queue.purge(lane, before).await {
            Ok(purged) => purged,
            Err(error) => {
                tracing::warn!(error = causes(&error), %function, "events could not be dropped");
                0
            }
        };
        if purged > 0 {
            tracing::info!(%function, purged, "dropped the events of a function that was deleted");
            self.common.metrics.add(Metric::AsyncEventsDropped, &resource, purged);
        }
        // Unless it has just gone with the others.
        done.counts.push((Metric::AsyncEventsDropped, resource));
        done
    }

    /// Leaves the events of a function that is not here to a server that has it, and drops those
    /// that nobody may run any more.
    async fn leave(&self, lane: &Lane) -> Done {
        let longest = Rules::default().age_ms_max;
        let too_old = Timestamp(self.common.time.of_day().0.saturating_sub(longest));
        let purged = match self.common.queue.purge(lane, too_old).await {
            Ok(purged) => purged,
            Err(error) => {
                tracing::warn!(error = causes(&error), %lane.name, "old events were not dropped");
                0
            }
        };
        if let (1.., Some(function)) = (purged, function_of(lane)) {
            tracing::info!(%function, purged, "dropped old events of a function that is not here");
            self.common.metrics.add(Metric::AsyncEventsDropped, function.name.as_str(), purged);
        }
        let due = self.common.time.now().plus_millis(self.delays.backoff_ms_max);
        Done::returned(due, None, Pace::Refused)
    }
}

/// What is said of an event of which no attempt has gone wrong.
fn never_ran(condition: Condition) -> LastError {
    let code = match condition {
        Condition::ZeroReservedConcurrency => 429,
        Condition::Success
        | Condition::RetriesExhausted
        | Condition::EventAgeExceeded
        | Condition::RecursiveInvocation => 500,
    };
    LastError { code, message: condition.to_string() }
}

/// Adds a delivery, or counts that there can be none.
fn tell(done: &mut Done, head: &EventHead, told: Result<NewEntry, NoReceiver>, failure: Metric) {
    match told {
        Ok(entry) => done.puts.push(entry),
        Err(error) => {
            tracing::warn!(function = %head.function, %error, "an event is not told of");
            done.counts.push((failure, head.function.name.to_string()));
        }
    }
}

#[cfg(test)]
mod tests;
