//! What happens by the time of day: schedules, and rules that have one.
//!
//! ```text
//!  records ──load──▶ calendar ──due──▶ deliveries and a mark, in one batch ──▶ queue
//!  changes ────────▶  (pure)  ◀─settled──┘
//!                       └─▶ one sleep until the next one is due
//! ```
//!
//! # Promises
//!
//! 1. Each occurrence is put into the queue once, also if the server ends at any moment: how far
//!    everything has happened is noted in the same batch. A clock that is set back repeats nothing.
//! 2. Servers that share a queue and have the same schedules put each occurrence once together, for
//!    the queue remembers it: by the ARN and the time; of a rate by its period, because each server
//!    may count it from another moment.
//! 3. What was missed because no server was running happens as the configuration says. What was
//!    before the first start on a queue is not known to have been missed, and does not happen.
//! 4. Between what is due nothing is done, however much there is; a change is heard of at once.
//!
//! # Deliberately absent
//!
//! Nobody is called here: what happens is a delivery, and waits in the queue like any other.

mod calendar;
mod marks;
mod completions;

pub use calendar::Missed;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use hearth_services::schedules::expression::Expression;
use hearth_services::schedules::timed::{Changes, Timed};
use hearth_services::schedules::timing::{Occurrence, Timing};
use hearth_store::queue::{Batch, NewEntry, Sameness, Sharing};
use hearth_types::errors::causes;
use hearth_types::limits;
use hearth_types::time::Timestamp;
use tokio::sync::Notify;

use self::calendar::{Calendar, Due};
use self::completions::{Completions, Over};
use self::marks::{Mark, Marks};
use crate::worker::Common;

/// What happens by the time of day.
#[derive(Debug)]
pub struct Parts {
    /// Those who know what there is.
    pub sources: Vec<Arc<dyn Timed>>,
    /// Where they say what has changed.
    pub changes: Arc<Changes>,
    /// The name of this server, under which it notes how far it is.
    pub server: String,
    /// What becomes of what was missed.
    pub missed: Missed,
}

/// Lets things happen when their time comes.
#[derive(Debug)]
pub(crate) struct Clockwork {
    ending: Arc<Notify>,
}

impl Clockwork {
    /// Begins.
    pub(crate) fn start(parts: Parts, common: Common) -> Self {
        let Parts { sources, changes, server, missed } = parts;
        let ending = Arc::new(Notify::new());
        let (tasks, started) = (common.tasks.clone(), common.time.now());
        let driver = Driver {
            started,
            sources,
            changes,
            calendar: Calendar::new(missed),
            marks: Marks::new(server),
            completions: Completions::default(),
            missed,
            common,
            ending: Arc::clone(&ending),
        };
        tasks.spawn("schedules", driver.run());
        Self { ending }
    }

    /// Wakes it, so that it finds that nothing more is begun.
    pub(crate) fn close(&self) {
        self.ending.notify_one();
    }
}

#[derive(Debug)]
struct Driver {
    /// Since when changes may come.
    started: Timestamp,
    sources: Vec<Arc<dyn Timed>>,
    changes: Arc<Changes>,
    calendar: Calendar,
    marks: Marks,
    completions: Completions,
    missed: Missed,
    common: Common,
    ending: Arc<Notify>,
}

/// What happens together.
struct Round {
    batch: Batch,
    mark: Mark,
    /// With when it happens now, which may have changed since it was due.
    dues: Vec<(Due, Option<Timing>)>,
}

impl Driver {
    async fn run(mut self) {
        let Some(mark) = self.begin().await else { return };
        self.load(&mark);
        while !self.common.is_closing() {
            // What is due comes first: a change that came later does not keep it from happening.
            let rest = self.happen().await;
            self.take_changes();
            self.wait(rest).await;
        }
    }

    /// Learns how far everything has happened.
    async fn begin(&mut self) -> Option<Mark> {
        while !self.common.is_closing() {
            let now = self.common.time.now();
            match self.marks.begin(self.started, (&*self.common.queue, now)).await {
                Ok(mark) => return Some(mark),
                Err(error) => {
                    tracing::warn!(error = causes(&error), "schedules wait for the queue");
                    let rest = Duration::from_millis(limits::QUEUE_RETRY_MS);
                    tokio::select! {
                        () = tokio::time::sleep(rest) => {}
                        () = self.ending.notified() => {}
                    }
                }
            }
        }
        None
    }

    fn load(&mut self, mark: &Mark) {
        for source in self.sources.clone() {
            for (arn, timing) in source.all() {
                let floor = mark.floor(&arn);
                if self.calendar.load(&arn, timing.clone(), floor).is_none() {
                    self.tell_of_end(Arc::clone(&source), &arn, timing);
                }
            }
        }
    }

    fn take_changes(&mut self) {
        for arn in self.changes.take() {
            let timing = self.source(&arn).and_then(|source| source.timing(&arn));
            self.change(&arn, timing);
        }
    }

    fn change(&mut self, arn: &str, timing: Option<Timing>) {
        let Some(timing) = timing else {
            self.calendar.remove(arn);
            return;
        };
        let now = self.common.time.now();
        let next = self.calendar.change(arn, timing.clone(), now);
        if let (None, Some(source)) = (next, self.source(arn)) {
            self.tell_of_end(source, arn, timing);
        }
    }

    fn tell_of_end(&self, source: Arc<dyn Timed>, arn: &str, timing: Timing) {
        self.completions.tell(Over { source, arn: arn.to_owned(), timing }, &self.common);
    }

    /// Puts what is due. Says how long to wait if that could not be done.
    async fn happen(&mut self) -> Option<Duration> {
        while !self.common.is_closing() {
            let now = self.common.time.now();
            let dues = self.calendar.due(now, limits::SCHEDULES_OF_BATCH_MAX);
            if dues.is_empty() {
                return None;
            }
            let Round { batch, mark, dues } = self.round(dues, now);
            if let Err(error) = self.common.queue.apply(batch, now).await {
                tracing::warn!(error = causes(&error), "what is due could not be put");
                return Some(Duration::from_millis(limits::QUEUE_RETRY_MS));
            }
            let queue = Arc::clone(&self.common.queue);
            self.marks.put(mark, (&*queue, now)).await;
            for (due, current) in dues {
                self.settle(&due, current);
            }
        }
        None
    }

    /// What is to be put for what is due, or for as much of it as may be put at once.
    fn round(&self, dues: Vec<Due>, now: Timestamp) -> Round {
        let count = dues.len();
        let mut round = Round { batch: Batch::default(), mark: Mark::default(), dues: Vec::new() };
        let mut bytes = 0;
        for mut due in dues {
            if bytes >= limits::SCHEDULES_OF_BATCH_BYTES_MAX {
                break;
            }
            let source = self.source(&due.arn);
            let current = source.as_ref().and_then(|source| source.timing(&due.arn));
            // It was changed or deleted since it was due: what was scheduled before still happens.
            if current.as_ref() != Some(&due.timing) {
                let begins = current.as_ref().map_or(Timestamp(0), |timing| timing.from);
                due.occurrences.retain(|one| one.scheduled < begins);
            }
            for occurrence in &due.occurrences {
                let entries = source.as_ref().map(|one| one.entries(&due.arn, *occurrence, now));
                for mut entry in entries.unwrap_or_default() {
                    entry.sameness = self.sameness(&due, *occurrence, now);
                    bytes += weight(&entry);
                    round.batch.puts.push(entry);
                }
            }
            round.dues.push((due, current));
        }
        let is_all = round.dues.len() == count && count < limits::SCHEDULES_OF_BATCH_MAX;
        let mark = match round.dues.last() {
            Some((last, _)) if !is_all => Mark { until: last.at, arn: Some(last.arn.to_string()) },
            Some(_) | None => Mark { until: now, arn: None },
        };
        let (mark, entry) = self.marks.next(mark, now);
        round.mark = mark;
        round.batch.puts.push(entry);
        round
    }

    /// What says that an occurrence was put before: by another server, or by this one, if the mark
    /// does not say it, because it speaks of the first occurrence of several only.
    fn sameness(&self, due: &Due, occurrence: Occurrence, now: Timestamp) -> Option<Sameness> {
        let is_shared = self.common.queue.sharing() == Sharing::Shared;
        if !is_shared && due.occurrences.iter().all(|one| one.due == due.at) {
            return None;
        }
        let scheduled = occurrence.scheduled;
        let place = match &due.timing.expression {
            Expression::Rate { period_ms } if is_shared => scheduled.0 / (*period_ms).max(1),
            Expression::Rate { .. } | Expression::Cron(_) | Expression::At(_) => scheduled.0,
        };
        let last = scheduled.plus_millis(limits::SCHEDULE_REMEMBERED_LAST_MS);
        let next = due.timing.next(scheduled).map_or(last, |next| next.due);
        let margin = match self.missed {
            Missed::Skip | Missed::Once => limits::SCHEDULE_REMEMBERED_MS,
            Missed::All => limits::SCHEDULE_REMEMBERED_MS + limits::SCHEDULE_MISSED_MS_MAX,
        };
        let until = next.max(now).plus_millis(margin);
        Some(Sameness { id: format!("{} {place}", due.arn), until })
    }

    fn settle(&mut self, due: &Due, current: Option<Timing>) {
        self.calendar.settle(due);
        let source = self.source(&due.arn);
        if let Some(source) = &source {
            for _occurrence in &due.occurrences {
                source.happened(&due.arn);
            }
        }
        if current.as_ref() != Some(&due.timing) {
            self.change(&due.arn, current);
        } else if let (None, Some(source)) = (due.next, source) {
            self.tell_of_end(source, &due.arn, due.timing.clone());
        }
    }

    /// Waits until something is due, something changes, or it is the end.
    async fn wait(&self, rest: Option<Duration>) {
        let longest = Duration::from_secs(limits::SCHEDULE_SLEEP_SECONDS_MAX);
        let now = self.common.time.now();
        let due = self.calendar.alarm().map(|at| Duration::from_millis(at.millis_since(now)));
        let longest = rest.or_else(|| due.map(|due| due.min(longest)));
        let sleep = async {
            match longest {
                Some(longest) => tokio::time::sleep(longest).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = self.changes.noted() => {}
            () = self.ending.notified() => {}
        }
    }

    /// Who knows something, by the service in its ARN.
    fn source(&self, arn: &str) -> Option<Arc<dyn Timed>> {
        let service = arn.split(':').nth(2)?;
        self.sources.iter().find(|source| source.service() == service).cloned()
    }
}

fn weight(entry: &NewEntry) -> usize {
    entry.head.len() + entry.body.len()
}

#[cfg(test)]
mod tests;
