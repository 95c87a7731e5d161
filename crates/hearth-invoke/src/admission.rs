//! How many invocations there may be: concurrency and request rate, as AWS counts them.
//!
//! Every invocation is counted in one place, in this order of preference:
//!
//! ```text
//!  provisioned for its version? ──▶ a provisioned environment is free for it
//!        │ no, or all in use, or called too often (spillover)
//!  reserved for its function? ────▶ what is reserved, less what is provisioned of it
//!        │ no
//!        ▼
//!  what the account has not given to single functions
//! ```
//!
//! Each place has a request rate of [`Rules::requests_per_execution`] times its executions.
//!
//! # Promises
//!
//! 1. No place ever counts more invocations than it has executions, under any interleaving.
//! 2. Whatever was counted is counted off once: an [`Execution`] cannot be copied, and counts
//!    itself off when it is dropped.
//! 3. A limit that was changed holds for the next invocation; those that run are not interrupted.
//! 4. Nothing is remembered of functions that do not run, but how much of their request rate is
//!    used up, for a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use hearth_control::concurrency::Shares;
use hearth_environment::mailbox::Held;
use hearth_types::bucket::{Rate, TokenBucket};
use hearth_types::ids::TargetId;
use hearth_types::names::{FunctionArn, Scope};
use hearth_types::time::Moment;

/// How often what is full again is thrown away.
const SWEEP_MS: u64 = 1_000;

/// What admission goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether executions are counted against anything at all.
    pub concurrency: Concurrency,
    /// Invocations in a second for each execution that there may be; 0 for any number.
    pub requests_per_execution: u32,
}

/// Whether the account has a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// It has; what is not claimed by single functions is shared.
    Limited,
    /// It has none. What is reserved for a function is a limit all the same.
    Unlimited,
}

/// An invocation that asks to be counted.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What it invokes.
    pub function: &'a FunctionArn,
    /// Which version of it.
    pub target: TargetId,
    /// How many there may be.
    pub shares: Shares,
}

/// Why an invocation is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// Which limit it met.
    pub limit: Limit,
    /// After how many milliseconds it is worth asking again.
    pub retry_ms: u64,
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Executions of the account that are not claimed by single functions.
    Account,
    /// Executions that are reserved for the function.
    Reserved,
    /// Requests in a second, of the account or of what is provisioned.
    AccountRate,
    /// Requests in a second, of what is reserved.
    ReservedRate,
}

/// Where an invocation is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Provisioned(TargetId),
    Reserved(FunctionArn),
    Account(Scope),
}

#[derive(Debug, Default)]
struct Count {
    running: u32,
    bucket: Option<TokenBucket>,
}

/// What is counted. Pure: time is an argument.
#[derive(Debug, Default)]
struct Counts {
    places: HashMap<Place, Count>,
    swept: Moment,
}

/// Counts invocations.
#[derive(Debug)]
pub struct Admission {
    rules: Rules,
    counts: Mutex<Counts>,
}

/// One invocation that is counted, until it is dropped: by its caller or by its environment,
/// whichever keeps it longer.
#[derive(Debug)]
pub struct Execution {
    admission: Arc<Admission>,
    place: Place,
}

impl Held for Execution {}

impl Admission {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, counts: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("nobody panics while counting")
    }

    /// Counts one more invocation.
    ///
    /// # Errors
    ///
    /// If it meets a limit.
    pub fn enter(self: &Arc<Self>, asked: Asked<'_>, now: Moment) -> Result<Execution, Throttled> {
        let place = self.lock().enter(self.rules, asked, now)?;
        Ok(Execution { admission: Arc::clone(self), place })
    }

    /// How many requests there may be in a second, if that is limited.
    pub(crate) fn requests_per_second_max(&self, executions: u32) -> Option<u64> {
        let Rules { concurrency, requests_per_execution } = self.rules;
        let limited = concurrency == Concurrency::Limited && requests_per_execution > 0;
        limited.then(|| u64::from(executions) * u64::from(requests_per_execution))
    }

    /// How many invocations run that are counted against the account.
    #[must_use]
    pub fn running(&self, scope: &Scope) -> u32 {
        self.lock().places.get(&Place::Account(scope.clone())).map_or(0, |count| count.running)
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if let Some(count) = self.admission.lock().places.get_mut(&self.place) {
            count.running -= 1;
        }
    }
}

impl Counts {
    fn enter(&mut self, rules: Rules, asked: Asked<'_>, now: Moment) -> Result<Place, Throttled> {
        self.sweep(now);
        let Asked { function, target, shares } = asked;
        if shares.provisioned > 0 {
            // What is provisioned spills over, whether it is all in use or called too often.
            let provisioned = (Place::Provisioned(target), shares.provisioned);
            if let Ok(place) = self.count(rules, provisioned, now) {
                return Ok(place);
            }
        }
        let place = match shares.reserved {
            Some(reserved) => {
                let left = reserved.saturating_sub(shares.provisioned_total);
                (Place::Reserved(function.clone()), left)
            }
            None => (Place::Account(function.scope.clone()), shares.unreserved),
        };
        self.count(rules, place, now)
    }

    /// Counts one more in a place that has so many executions.
    fn count(
        &mut self,
        rules: Rules,
        (place, executions): (Place, u32),
        now: Moment,
    ) -> Result<Place, Throttled> {
        let (of_executions, of_rate) = match place {
            Place::Reserved(_) => (Limit::Reserved, Limit::ReservedRate),
            Place::Account(_) | Place::Provisioned(_) => (Limit::Account, Limit::AccountRate),
        };
        let limited =
            rules.concurrency == Concurrency::Limited || !matches!(place, Place::Account(_));
        if !self.places.contains_key(&place) {
            self.places.insert(place.clone(), Count::default());
        }
        let count = self.places.get_mut(&place).expect("it is there, or was just made");
        if limited && count.running >= executions {
            // It depends on how long the others take; a second is what AWS's clients wait anyway.
            return Err(Throttled { limit: of_executions, retry_ms: 1_000 });
        }
        if limited && rules.requests_per_execution > 0 {
            let requests = u64::from(executions) * u64::from(rules.requests_per_execution);
            let rate = Rate { capacity: requests, per_ten_seconds: 10 * requests };
            let bucket = count.bucket.get_or_insert_with(|| TokenBucket::full(rate, now));
            let taken = bucket.take(rate, now);
            taken.map_err(|retry_ms| Throttled { limit: of_rate, retry_ms })?;
        }
        count.running += 1;
        Ok(place)
    }

    /// Throws away what would be the same if it were made anew: promise 4.
    fn sweep(&mut self, now: Moment) {
        if now.millis_since(self.swept) < SWEEP_MS {
            return;
        }
        self.swept = now;
        // A bucket fills within a second, so one that was left alone for that long is full.
        self.places.retain(|_, count| count.running > 0 || count.bucket_used_since(now));
    }
}

impl Count {
    fn bucket_used_since(&self, now: Moment) -> bool {
        self.bucket.is_some_and(|bucket| now.millis_since(bucket.at()) < SWEEP_MS)
    }
}

#[cfg(test)]
mod tests;
