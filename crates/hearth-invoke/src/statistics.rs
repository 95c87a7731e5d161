//! What became of the invocations of each function version: counts since the start, and how long
//! the latest ones took. For people who look: `hearth top`.
//!
//! # Promises
//!
//! 1. Noting an invocation takes one short lock and allocates nothing once its function is known.
//! 2. At most [`VERSIONS_MAX`] versions are remembered; beyond that the one that was invoked
//!    longest ago is forgotten.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hearth_scheduler::driver::Start;
use hearth_types::function::Target;
use hearth_types::ids::TargetId;
use hearth_types::names::{FunctionArn, Version};
use hearth_types::time::Moment;

/// How many versions are remembered.
const VERSIONS_MAX: usize = 10_000;
/// How many of the latest invocations of a version percentiles are made of.
const LATEST: usize = 256;

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The function returned.
    Succeeded,
    /// The function failed.
    Failed,
}

/// An invocation that has run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) start: Start,
    pub(crate) ending: Ending,
    /// From the request to the answer.
    pub(crate) took: Duration,
}

/// The figures of one function version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Invocations that ran.
    pub invocations: u64,
    /// Of those, how many had to wait for an environment.
    pub cold_starts: u64,
    /// Of those, how many ended in an error of the function.
    pub errors: u64,
    /// Invocations that were refused for a limit.
    pub throttles: u64,
    /// How long all that ran took together, from the request to the answer.
    pub took: Duration,
    /// How long half of the latest took at most, from the request to the answer.
    pub p50: Duration,
    /// How long 99 of 100 of the latest took at most.
    pub p99: Duration,
}

/// A version's figures, with its name.
#[derive(Debug, Clone)]
pub struct VersionFigures {
    /// The function.
    pub function: FunctionArn,
    /// The version.
    pub version: Version,
    /// Its figures.
    pub figures: Figures,
}

#[derive(Debug, Clone)]
struct Kept {
    function: FunctionArn,
    version: Version,
    figures: Figures,
    /// In microseconds; a ring.
    latest: Vec<u32>,
    next: usize,
    noted: Moment,
}

impl Kept {
    fn new(target: &Target) -> Self {
        Self {
            function: target.function.clone(),
            version: target.version,
            figures: Figures::default(),
            latest: Vec::new(),
            next: 0,
            noted: Moment::default(),
        }
    }

    fn took(&mut self, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        if self.latest.len() < LATEST {
            self.latest.push(micros);
        } else if let Some(oldest) = self.latest.get_mut(self.next) {
            *oldest = micros;
        }
        self.next = (self.next + 1) % LATEST;
    }

    fn view(mut self) -> VersionFigures {
        self.latest.sort_unstable();
        let at = |hundredths: usize| {
            let index = (self.latest.len() * hundredths).div_ceil(100).max(1) - 1;
            Duration::from_micros(self.latest.get(index).copied().unwrap_or(0).into())
        };
        let figures = Figures { p50: at(50), p99: at(99), ..self.figures };
        VersionFigures { function: self.function, version: self.version, figures }
    }
}

/// All figures.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    versions: Mutex<HashMap<TargetId, Kept>>,
}

impl Statistics {
    fn lock(&self) -> MutexGuard<'_, HashMap<TargetId, Kept>> {
        self.versions.lock().expect("nobody panics while counting")
    }

    /// An invocation has run.
    pub(crate) fn ran(&self, target: &Target, run: Run, now: Moment) {
        let Run { start, ending, took } = run;
        self.note(target, now, |kept| {
            kept.figures.invocations += 1;
            kept.figures.cold_starts += u64::from(start == Start::Cold);
            kept.figures.errors += u64::from(ending == Ending::Failed);
            kept.figures.took = kept.figures.took.saturating_add(took);
            kept.took(took);
        });
    }

    /// An invocation was refused for a limit.
    pub(crate) fn throttled(&self, target: &Target, now: Moment) {
        self.note(target, now, |kept| kept.figures.throttles += 1);
    }

    /// All figures, in no order.
    pub(crate) fn all(&self) -> Vec<VersionFigures> {
        let kept: Vec<Kept> = self.lock().values().cloned().collect();
        kept.into_iter().map(Kept::view).collect()
    }

    fn note(&self, target: &Target, now: Moment, note: impl FnOnce(&mut Kept)) {
        let mut versions = self.lock();
        if versions.len() >= VERSIONS_MAX && !versions.contains_key(&target.id) {
            let oldest = versions.iter().min_by_key(|(_, kept)| kept.noted).map(|(id, _)| *id);
            oldest.and_then(|oldest| versions.remove(&oldest));
        }
        let kept = versions.entry(target.id).or_insert_with(|| Kept::new(target));
        kept.noted = now;
        note(kept);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use hearth_types::names::{AccountId, FunctionName, Region, Scope};

    use super::*;

    fn target() -> Target {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        Target {
            id: TargetId::random(),
            function: FunctionArn { scope, name: FunctionName::parse("a").unwrap() },
            version: Version::Latest,
            runtime: "provided.al2023".into(),
            handler: "any".into(),
            memory_mb: 128,
            timeout_seconds: 3,
            ephemeral_storage_mb: 512,
            variables: BTreeMap::new(),
            log_group: "/aws/lambda/a".into(),
            application_log_level: None,
            code: PathBuf::new(),
            layers: None,
        }
    }

    #[test]
    fn percentiles_are_of_the_latest() {
        let (statistics, target) = (Statistics::default(), target());
        for _old in 0..10 {
            let took = Duration::from_secs(9);
            let run = Run { start: Start::Cold, ending: Ending::Failed, took };
            statistics.ran(&target, run, Moment(0));
        }
        for milliseconds in 1..=256 {
            let took = Duration::from_millis(milliseconds);
            let run = Run { start: Start::Warm, ending: Ending::Succeeded, took };
            statistics.ran(&target, run, Moment(0));
        }
        statistics.throttled(&target, Moment(0));
        let figures = statistics.all()[0].figures;
        let expected = Figures {
            invocations: 266,
            cold_starts: 10,
            errors: 10,
            throttles: 1,
            took: Duration::from_secs(90) + Duration::from_millis(256 * 257 / 2),
            p50: Duration::from_millis(128),
            p99: Duration::from_millis(254),
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn those_that_were_invoked_longest_ago_are_forgotten() {
        let statistics = Statistics::default();
        let first = target();
        for at in 0..=VERSIONS_MAX {
            let target = if at == 0 { first.clone() } else { target() };
            statistics.throttled(&target, Moment(u64::try_from(at).unwrap()));
        }
        let versions = statistics.lock();
        assert!(versions.len() == VERSIONS_MAX && !versions.contains_key(&first.id));
    }
}
