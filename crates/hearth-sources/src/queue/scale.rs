//! How many batches of a queue may run at a time. Pure.
//!
//! ```text
//!  begins with 5 ──▶ grows by 300 in a minute while the queue has more than is taken, up to 1,250
//!        ▲                │ nothing to take for a minute
//!        └── grows ◀──── 2 ◀── a throttle halves it, to 1 at the least, and it rests;
//!                              a failure takes one away
//! ```
//!
//! Provisioned pollers have other numbers: each is good for ten batches, all that are asked for at
//! least are there from the beginning, and they grow by a thousand batches in a minute.

use hearth_control::mapping::settings::Configuration;
use hearth_types::time::Moment;

/// AWS: batches at a time to begin with.
const START: u32 = 5;
/// AWS: when the queue is empty.
const LEAST: u32 = 2;
/// AWS: at the most.
const MOST: u32 = 1_250;
/// AWS: how many more after a minute.
const GROWTH_PER_MINUTE: u64 = 300;
/// AWS: batches of a provisioned poller.
const BATCHES_OF_POLLER: u32 = 10;
/// AWS: provisioned pollers if nobody says.
const POLLERS: (u32, u32) = (2, 200);
/// AWS: how many more after a minute in provisioned mode.
const GROWTH_PER_MINUTE_PROVISIONED: u64 = 1_000;
/// How long there has been little to take before fewer batches may run.
const IDLE_MILLIS: u64 = 60_000;
/// How long nothing grows after a throttle: longer than the longest wait between two attempts.
const REST_MILLIS: u64 = 10_000;
const MINUTE_MILLIS: u64 = 60_000;

/// How many batches may run.
#[derive(Debug)]
pub(super) struct Scale {
    least: u32,
    most: u32,
    growth_per_minute: u64,
    allowed: u32,
    /// Since when there was more than was taken, and growth is counted.
    wanting: Option<Moment>,
    /// Since when there was not.
    content: Option<Moment>,
    rests_until: Moment,
}

impl Scale {
    /// As a mapping has it.
    pub(super) fn of(configuration: &Configuration) -> Self {
        let positive = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
        if let Some(pollers) = &configuration.pollers {
            let most = positive(pollers.most).unwrap_or(POLLERS.1);
            let least = positive(pollers.least).unwrap_or(POLLERS.0).min(most);
            return Self::new(
                (least * BATCHES_OF_POLLER, least * BATCHES_OF_POLLER, most * BATCHES_OF_POLLER),
                GROWTH_PER_MINUTE_PROVISIONED,
            );
        }
        let most = positive(configuration.concurrency_max).unwrap_or(MOST).clamp(1, MOST);
        Self::new((LEAST.min(most), START.min(most), most), GROWTH_PER_MINUTE)
    }

    fn new((least, start, most): (u32, u32, u32), growth_per_minute: u64) -> Self {
        Self {
            least,
            most,
            growth_per_minute,
            allowed: start,
            wanting: None,
            content: None,
            rests_until: Moment(0),
        }
    }

    /// How many more batches may begin while so many run.
    pub(super) fn free(&mut self, running: u64, now: Moment) -> usize {
        if now >= self.rests_until {
            // What throttles have taken below it; nothing else goes there.
            self.allowed = self.allowed.max(self.least);
            self.grow(now);
        }
        let free = u64::from(self.allowed).saturating_sub(running);
        usize::try_from(free).unwrap_or(usize::MAX)
    }

    fn grow(&mut self, now: Moment) {
        if let Some(since) = self.wanting {
            let grown = now.millis_since(since) * self.growth_per_minute / MINUTE_MILLIS;
            if grown > 0 {
                let grown = grown.min(u64::from(self.most));
                let more = u32::try_from(grown).unwrap_or(u32::MAX);
                self.allowed = self.allowed.saturating_add(more).min(self.most);
                // What is left of a step counts for the next one.
                let counted = grown * MINUTE_MILLIS / self.growth_per_minute;
                self.wanting = Some(
                    since
                        .plus_millis(counted)
                        .max(Moment(now.0.saturating_sub(MINUTE_MILLIS / self.growth_per_minute))),
                );
            }
        }
    }

    /// How long until one more may begin by growth alone.
    pub(super) fn next_growth_millis(&self, now: Moment) -> u64 {
        let step = MINUTE_MILLIS.div_ceil(self.growth_per_minute);
        let rest = self.rests_until.millis_since(now);
        if self.allowed >= self.most { MINUTE_MILLIS } else { rest.max(step) }
    }

    /// There were as many messages as can be taken at a time.
    pub(super) fn found_enough(&mut self, now: Moment) {
        self.content = None;
        self.wanting.get_or_insert(now);
    }

    /// There were fewer.
    pub(super) fn found_less(&mut self, now: Moment) {
        self.wanting = None;
        let since = *self.content.get_or_insert(now);
        if now.millis_since(since) >= IDLE_MILLIS {
            self.allowed = self.allowed.min(self.least);
        }
    }

    /// The function was not run, for want of room.
    pub(super) fn throttled(&mut self, now: Moment) {
        self.allowed = (self.allowed / 2).max(1);
        self.rest(now);
    }

    /// The function has failed.
    pub(super) fn failed(&mut self) {
        if self.allowed > self.least {
            self.allowed -= 1;
        }
    }

    /// Nothing grows for a while.
    fn rest(&mut self, now: Moment) {
        self.rests_until = now.plus_millis(REST_MILLIS);
        self.wanting = self.wanting.map(|_| self.rests_until);
    }
}

#[cfg(test)]
mod tests {
    use hearth_control::mapping::settings::ProvisionedPollers;
    use proptest::prelude::*;

    use super::*;

    fn on_demand(most: Option<i32>) -> Scale {
        Scale::of(&Configuration { concurrency_max: most, ..Configuration::default() })
    }

    #[test]
    fn it_begins_and_ends_where_aws_does() {
        let pollers = |least, most| {
            let pollers = ProvisionedPollers { least, most, group: None };
            Scale::of(&Configuration { pollers: Some(pollers), ..Configuration::default() })
        };
        #[rustfmt::skip]
        let rows = [
            ("on demand",               on_demand(None),              5,   1_250),
            ("few at a time",           on_demand(Some(2)),           2,   2),
            ("many at a time",          on_demand(Some(1_000)),       5,   1_000),
            ("provisioned",             pollers(None, None),          20,  2_000),
            ("provisioned, from to",    pollers(Some(3), Some(5)),    30,  50),
        ];
        for (name, mut scale, start, most) in rows {
            assert_eq!(scale.free(0, Moment(0)), start, "{name}");
            scale.found_enough(Moment(0));
            assert_eq!(scale.free(0, Moment(3_600_000)), most, "{name}");
        }
    }

    #[test]
    fn it_grows_by_three_hundred_in_a_minute_while_there_is_more() {
        let mut scale = on_demand(None);
        scale.found_enough(Moment(0));
        let free: Vec<usize> =
            [0, 199, 200, 300, 400, 60_000].map(|at| scale.free(5, Moment(at))).to_vec();
        assert_eq!(free, [0, 0, 1, 1, 2, 300]);
        scale.found_less(Moment(60_000));
        assert_eq!(scale.free(5, Moment(120_000)), 300, "and no further when there is not");
    }

    #[test]
    fn what_a_throttle_took_comes_back_also_when_there_is_little() {
        let mut scale = on_demand(None);
        for _ in 0..5 {
            scale.throttled(Moment(0));
        }
        scale.found_less(Moment(5_000));
        assert_eq!(scale.free(0, Moment(9_999)), 1);
        assert_eq!(scale.free(0, Moment(10_000)), 2);
    }

    #[test]
    fn provisioned_pollers_grow_by_a_thousand_in_a_minute() {
        let pollers = ProvisionedPollers { least: Some(2), most: Some(200), group: None };
        let mut scale =
            Scale::of(&Configuration { pollers: Some(pollers), ..Configuration::default() });
        scale.found_enough(Moment(0));
        let free: Vec<usize> =
            [0, 59, 60, 30_000, 60_000].map(|at| scale.free(0, Moment(at))).to_vec();
        assert_eq!(free, [20, 20, 21, 520, 1_020]);
        scale.found_less(Moment(60_000));
        scale.found_less(Moment(120_000));
        assert_eq!(scale.free(0, Moment(120_000)), 20, "and shrink to the fewest");
    }

    #[test]
    fn it_shrinks_when_there_was_little_for_a_minute() {
        let mut scale = on_demand(None);
        scale.found_less(Moment(0));
        scale.found_less(Moment(59_999));
        assert_eq!(scale.free(0, Moment(59_999)), 5);
        scale.found_less(Moment(60_000));
        assert_eq!(scale.free(0, Moment(60_000)), 2);
    }

    #[test]
    fn a_throttle_halves_it_and_it_rests() {
        let mut scale = on_demand(None);
        scale.found_enough(Moment(0));
        scale.throttled(Moment(100));
        assert_eq!(scale.free(0, Moment(5_000)), 2);
        scale.throttled(Moment(5_000));
        scale.throttled(Moment(5_000));
        assert_eq!(scale.free(0, Moment(14_999)), 1, "one always tries");
        assert_eq!(scale.free(0, Moment(15_000)), 2, "when it has rested, it has the fewest");
        assert_eq!(scale.free(0, Moment(15_400)), 4, "and then it grows again");
    }

    #[test]
    fn a_failure_takes_one_away() {
        let mut scale = on_demand(None);
        for expected in [4, 3, 2, 2] {
            scale.failed();
            assert_eq!(scale.free(0, Moment(0)), expected);
        }
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            most in 2..50_i32, steps in prop::collection::vec((0..5_u8, 0..5_000_u64), 0..200),
        ) {
            let mut scale = on_demand(Some(most));
            let mut now = Moment(0);
            for (what, millis) in steps {
                now = now.plus_millis(millis);
                match what {
                    0 => scale.found_enough(now),
                    1 => scale.found_less(now),
                    2 => scale.throttled(now),
                    3 => scale.failed(),
                    _ => {}
                }
                let free = scale.free(0, now);
                prop_assert!((1..=usize::try_from(most).unwrap()).contains(&free), "{free}");
            }
        }
    }
}
