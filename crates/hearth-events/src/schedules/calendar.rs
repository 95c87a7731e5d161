//! What happens next, of many things, as a pure core.
//!
//! ```text
//!  loaded, changed ──▶ in line, by when it is due ──▶ due ──▶ settled ──▶ in line again, or over
//! ```
//!
//! What could not happen when it was due, because the server was down or the host asleep, is *missed*
//! when more than a minute has passed since. A setting says what becomes of it.
//!
//! # Promises
//!
//! 1. No occurrence is due a second time once it is settled, however often it is changed.
//! 2. Memory is bounded by the number of things that there are.
//!
//! # Deliberately absent
//!
//! No I/O, no clock, no tasks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use hearth_services::schedules::timing::{Occurrence, Timing};
use hearth_types::limits;
use hearth_types::time::Timestamp;

/// What becomes of occurrences that were missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missed {
    /// They do not happen.
    Skip,
    /// The last of them happens, unless there is one that is on time.
    #[default]
    Once,
    /// The latest of them happen, one after the other, as far as there are not too many.
    All,
}

/// Something that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    /// What.
    pub(crate) arn: Arc<str>,
    /// When it happens.
    pub(crate) timing: Timing,
    /// When the first occurrence was due.
    pub(crate) at: Timestamp,
    /// Those that happen now, in their order.
    pub(crate) occurrences: Vec<Occurrence>,
    /// The last one that was due, whether it happens or not.
    pub(crate) last: Occurrence,
    /// The next one.
    pub(crate) next: Option<Occurrence>,
}

/// Everything that happens by the time of day.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    missed: Missed,
    known: HashMap<Arc<str>, Known>,
    line: BTreeSet<(Timestamp, Arc<str>)>,
}

#[derive(Debug)]
struct Known {
    timing: Timing,
    /// The time of the last occurrence that was settled.
    settled: Timestamp,
    next: Option<Occurrence>,
}

impl Calendar {
    pub(crate) fn new(missed: Missed) -> Self {
        Self { missed, ..Self::default() }
    }

    /// Takes something in of which everything has happened that was due up to `floor`. Says when it
    /// happens next.
    pub(crate) fn load(
        &mut self,
        arn: &str,
        timing: Timing,
        floor: Timestamp,
    ) -> Option<Occurrence> {
        let next = timing.next_due(floor);
        self.place(arn.into(), Known { timing, settled: Timestamp(0), next });
        next
    }

    /// Something happens at another time from now on. Says when it happens next.
    pub(crate) fn change(
        &mut self,
        arn: &str,
        timing: Timing,
        now: Timestamp,
    ) -> Option<Occurrence> {
        let known = self.known.get(arn);
        if let Some(known) = known.filter(|known| known.timing == timing) {
            return known.next;
        }
        let settled = known.map_or(Timestamp(0), |known| known.settled);
        // A change is heard of at once. If it seems to be older, somebody has set the clock back.
        let recent = Timestamp(now.0.saturating_sub(limits::SCHEDULE_LATE_MS));
        let next = timing.next(settled.max(recent));
        self.place(arn.into(), Known { timing, settled, next });
        next
    }

    /// Something does not happen any more.
    pub(crate) fn remove(&mut self, arn: &str) {
        if let Some((arn, known)) = self.known.remove_entry(arn)
            && let Some(next) = known.next
        {
            self.line.remove(&(next.due, arn));
        }
    }

    /// When something is due next.
    pub(crate) fn alarm(&self) -> Option<Timestamp> {
        self.line.first().map(|(at, _arn)| *at)
    }

    /// What is due, by when and then by name; so many at the most.
    pub(crate) fn due(&self, now: Timestamp, most: usize) -> Vec<Due> {
        let due = self.line.iter().take_while(|(at, _arn)| *at <= now).take(most);
        let due = due.filter_map(|(at, arn)| {
            let known = self.known.get(arn)?;
            let first = known.next?;
            let (occurrences, last) = happening(&known.timing, first, (now, self.missed));
            Some(Due {
                arn: Arc::clone(arn),
                timing: known.timing.clone(),
                at: *at,
                occurrences,
                last,
                next: known.timing.next(last.scheduled),
            })
        });
        due.collect()
    }

    /// What was due has happened.
    pub(crate) fn settle(&mut self, due: &Due) {
        let known =
            Known { timing: due.timing.clone(), settled: due.last.scheduled, next: due.next };
        self.place(Arc::clone(&due.arn), known);
    }

    fn place(&mut self, arn: Arc<str>, known: Known) {
        self.remove(&arn);
        if let Some(next) = known.next {
            self.line.insert((next.due, Arc::clone(&arn)));
        }
        self.known.insert(arn, known);
    }
}

/// Which occurrences happen of those that are due, from the first on, and which one is the last.
fn happening(
    timing: &Timing,
    first: Occurrence,
    (now, missed): (Timestamp, Missed),
) -> (Vec<Occurrence>, Occurrence) {
    let before_first = Timestamp(first.scheduled.0.saturating_sub(1));
    let until = |end: Timestamp| timing.latest(before_first, end);
    // Mostly there is only one, and many are due together: the last of several takes a search.
    let mut last = match timing.next(first.scheduled) {
        Some(second) if second.due <= now => until(now).unwrap_or(first),
        Some(_) | None => first,
    };
    // Only the last that is scheduled can be due later.
    if last.due > now {
        last = until(Timestamp(last.scheduled.0.saturating_sub(1))).unwrap_or(first);
    }
    let mut found = Vec::new();
    let mut next = Some(last);
    while let Some(one) = next {
        let late_ms = now.millis_since(one.due);
        let happens = late_ms <= limits::SCHEDULE_LATE_MS
            || match missed {
                Missed::Skip => false,
                Missed::Once => found.is_empty(),
                Missed::All => late_ms <= limits::SCHEDULE_MISSED_MS_MAX,
            };
        if !happens || found.len() >= limits::SCHEDULE_MISSED_MAX {
            break;
        }
        found.push(one);
        next = until(Timestamp(one.scheduled.0.saturating_sub(1)));
    }
    found.reverse();
    (found, last)
}

#[cfg(test)]
mod tests {
    use hearth_services::schedules::expression::{Expression, Grammar};

    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;

    /// Every so many minutes, from the beginning of time on.
    fn every(minutes: u64) -> Timing {
        let text = format!("rate({minutes} minutes)");
        let mut timing = once("2026-01-01T00:00:00");
        timing.expression = Expression::parse(&text, Grammar::Scheduler).unwrap();
        timing
    }

    fn once(at: &str) -> Timing {
        Timing {
            expression: Expression::parse(&format!("at({at})"), Grammar::Scheduler).unwrap(),
            zone: hearth_services::schedules::utc(),
            from: Timestamp(0),
            anchor: Timestamp(0),
            end: None,
            window_ms: 0,
            seed: 3,
        }
    }

    fn scheduled(due: &[Due]) -> Vec<(&str, Vec<u64>)> {
        let of = |one: &Due| one.occurrences.iter().map(|one| one.scheduled.0 / MINUTE).collect();
        due.iter().map(|one| (&*one.arn, of(one))).collect()
    }

    #[test]
    fn what_is_due_comes_in_order_and_once() {
        let mut calendar = Calendar::new(Missed::Once);
        calendar.load("b", every(10), Timestamp(0));
        calendar.load("a", every(10), Timestamp(0));
        calendar.load("c", every(4), Timestamp(0));
        assert_eq!(calendar.alarm(), Some(Timestamp(4 * MINUTE)));
        let now = Timestamp(10 * MINUTE + 5);
        let due = calendar.due(now, 9);
        // c was missed twice; of those the last one happens.
        assert_eq!(scheduled(&due), [("c", vec![8]), ("a", vec![10]), ("b", vec![10])]);
        assert_eq!(calendar.due(now, 2).len(), 2);
        for one in &due {
            calendar.settle(one);
        }
        assert_eq!(calendar.due(now, 9), []);
        assert_eq!(calendar.alarm(), Some(Timestamp(12 * MINUTE)));
        calendar.remove("c");
        assert_eq!(calendar.alarm(), Some(Timestamp(20 * MINUTE)));
    }

    #[test]
    fn what_was_missed_happens_as_it_is_said() {
        let (hour, day) = (Timestamp(10 * HOUR + 30 * MINUTE), Timestamp(30 * HOUR));
        #[rustfmt::skip]
        let rows = [
            // Every hour; nothing since 7:00.
            (Missed::Skip, every(60), hour, vec![]),
            (Missed::Once, every(60), hour, vec![600]),
            (Missed::All,  every(60), hour, vec![480, 540, 600]),
            // One of them is on time.
            (Missed::Skip, every(30), hour, vec![630]),
            (Missed::Once, every(30), hour, vec![630]),
            (Missed::All,  every(60 * 3), day, vec![540, 720, 900, 1_080, 1_260, 1_440, 1_620, 1_800]),
        ];
        for (missed, timing, now, expected) in rows {
            let mut calendar = Calendar::new(missed);
            calendar.load("a", timing, Timestamp(7 * HOUR));
            let due = calendar.due(now, 1);
            assert_eq!(scheduled(&due), [("a", expected)], "{missed:?}");
            // Whatever happened: what is behind does not come back.
            calendar.settle(&due[0]);
            assert!(calendar.alarm() > Some(now), "{missed:?}");
        }
        let mut calendar = Calendar::new(Missed::All);
        calendar.load("a", every(1), Timestamp(0));
        let many = &calendar.due(Timestamp(1_000 * HOUR), 1)[0];
        assert_eq!(many.occurrences.len(), limits::SCHEDULE_MISSED_MAX);
    }

    #[test]
    fn a_year_that_was_missed_is_passed_over_in_a_moment() {
        let mut calendar = Calendar::new(Missed::Once);
        let cron = Expression::parse("cron(* * * * ? *)", Grammar::Scheduler).unwrap();
        for number in 0..1_000 {
            let timing = Timing { expression: cron.clone(), ..every(1) };
            calendar.load(&number.to_string(), timing, Timestamp(0));
        }
        // The last one is half a minute old, and so it is not late.
        let due = calendar.due(Timestamp(365 * 24 * HOUR + MINUTE / 2), 1_000);
        assert_eq!(due.len(), 1_000);
        assert!(due.iter().all(|one| one.occurrences.len() == 1));
    }

    #[test]
    fn a_change_neither_repeats_nor_forgets() {
        let mut calendar = Calendar::new(Missed::Once);
        calendar.load("a", every(10), Timestamp(0));
        let now = Timestamp(10 * MINUTE);
        let due = calendar.due(now, 9);
        calendar.settle(&due[0]);
        // The same again, and the same with another seed: 10 is over.
        calendar.change("a", every(10), now);
        assert_eq!(calendar.due(now, 9), []);
        calendar.change("a", Timing { seed: 9, ..every(10) }, now);
        assert_eq!(calendar.due(now, 9), []);
        // A new one that begins at once is heard of a little later.
        let begins = Timing { from: now, anchor: now, ..every(10) };
        calendar.change("new", begins.clone(), Timestamp(now.0 + 3));
        assert_eq!(scheduled(&calendar.due(Timestamp(now.0 + 3), 9)), [("new", vec![10])]);
        // The clock was set back by an hour meanwhile: what was then is not made up.
        let later = Timestamp(now.0 + HOUR);
        let next = calendar.change("newer", begins, later).unwrap();
        assert!(next.due.0 > later.0 - MINUTE, "{next:?}");
    }

    #[test]
    fn one_time_is_over_afterwards_and_stays_over() {
        let mut calendar = Calendar::new(Missed::Once);
        let timing = once("2026-01-01T00:00:00");
        assert!(calendar.load("a", timing.clone(), Timestamp(0)).is_some());
        let now = timing.next(Timestamp(0)).unwrap().due;
        let due = calendar.due(now, 9);
        assert_eq!((due.len(), due[0].next), (1, None));
        calendar.settle(&due[0]);
        assert_eq!(calendar.change("a", timing, now), None);
        assert_eq!((calendar.alarm(), calendar.due(now, 9)), (None, Vec::new()));
    }
}
