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
//! 3. A limit that was changed holds for the next invocation of its function; those that run are not
//!    interrupted, and count against what they would be admitted by now.
//! 4. Nothing is remembered of functions that do not run, but how much of their request rate is
//!    used up, for a second.

use std::collections::HashMap;
use std::hash::Hash;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// With what is provisioned for its version.
    Provisioned(TargetId),
    /// With the others of its function, wherever those are at home.
    Own,
}

/// Whose executions a function uses beyond what is provisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Home {
    /// Those that are not claimed.
    #[default]
    Account,
    /// Its own.
    Reserved,
}

#[derive(Debug, Default)]
struct Count {
    running: u32,
    bucket: Option<TokenBucket>,
}

/// The invocations of one function.
#[derive(Debug, Default)]
struct OfFunction {
    /// Without those that are counted as provisioned.
    own: Count,
    /// With them.
    running: u32,
    /// Where its own were counted last.
    home: Home,
}

/// What was met that is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Executions,
    /// And after how many milliseconds there is room for a request.
    Rate(u64),
}

/// What is counted. Pure: time is an argument.
#[derive(Debug, Default)]
struct Counts {
    accounts: HashMap<Scope, Count>,
    functions: HashMap<FunctionArn, OfFunction>,
    provisioned: HashMap<TargetId, Count>,
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
    function: FunctionArn,
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
        let function = asked.function.clone();
        Ok(Execution { admission: Arc::clone(self), function, place })
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
        self.lock().accounts.get(scope).map_or(0, |count| count.running)
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.admission.lock().leave(&self.function, self.place);
    }
}

impl Counts {
    fn enter(&mut self, rules: Rules, asked: Asked<'_>, now: Moment) -> Result<Place, Throttled> {
        self.sweep(now);
        let Asked { function, target, shares } = asked;
        let of_function = kept(&mut self.functions, function);
        let requests = rules.requests_per_execution;
        if shares.provisioned > 0 {
            // What is provisioned spills over, whether it is all in use or called too often.
            let provisioned = kept(&mut self.provisioned, &target);
            if provisioned.enter((shares.provisioned, requests), now).is_ok() {
                of_function.running += 1;
                return Ok(Place::Provisioned(target));
            }
        }
        let account = kept(&mut self.accounts, &function.scope);
        match shares.reserved {
            Some(reserved) => {
                of_function.move_to(Home::Reserved, account);
                let throttled = |met: Met| met.throttled(Limit::Reserved, Limit::ReservedRate);
                // Those that were provisioned and run on count as well: promise 3.
                if of_function.running >= reserved {
                    return Err(throttled(Met::Executions));
                }
                let left = reserved.saturating_sub(shares.provisioned_total);
                of_function.own.enter((left, requests), now).map_err(throttled)?;
            }
            None => {
                of_function.move_to(Home::Account, account);
                let most = match rules.concurrency {
                    Concurrency::Limited => (shares.unreserved, requests),
                    Concurrency::Unlimited => (u32::MAX, 0),
                };
                let entered = account.enter(most, now);
                entered.map_err(|met| met.throttled(Limit::Account, Limit::AccountRate))?;
                of_function.own.running += 1;
            }
        }
        of_function.running += 1;
        Ok(Place::Own)
    }

    /// Counts one off.
    fn leave(&mut self, function: &FunctionArn, place: Place) {
        let Some(of_function) = self.functions.get_mut(function) else { return };
        of_function.running -= 1;
        let also = match place {
            Place::Provisioned(target) => self.provisioned.get_mut(&target),
            Place::Own => {
                of_function.own.running -= 1;
                match of_function.home {
                    Home::Account => self.accounts.get_mut(&function.scope),
                    Home::Reserved => None,
                }
            }
        };
        if let Some(count) = also {
            count.running -= 1;
        }
    }

    /// Throws away what would be the same if it were made anew: promise 4.
    fn sweep(&mut self, now: Moment) {
        if now.millis_since(self.swept) < SWEEP_MS {
            return;
        }
        self.swept = now;
        self.accounts.retain(|_, count| count.is_of_use(now));
        self.provisioned.retain(|_, count| count.is_of_use(now));
        self.functions.retain(|_, one| one.running > 0 || one.own.is_of_use(now));
    }
}

/// What is kept under a key, which is copied only if it is new.
fn kept<'a, K: Clone + Eq + Hash, V: Default>(all: &'a mut HashMap<K, V>, key: &K) -> &'a mut V {
    if !all.contains_key(key) {
        all.insert(key.clone(), V::default());
    }
    all.get_mut(key).expect("it is there, or was just made")
}

impl OfFunction {
    /// Counts those that run with the executions that the function uses from now on: what is
    /// reserved while they run is theirs, and the account's when it is given back.
    fn move_to(&mut self, home: Home, account: &mut Count) {
        match (self.home, home) {
            (Home::Account, Home::Reserved) => account.running -= self.own.running,
            (Home::Reserved, Home::Account) => account.running += self.own.running,
            (Home::Account, Home::Account) | (Home::Reserved, Home::Reserved) => {}
        }
        self.home = home;
    }
}

impl Count {
    /// Counts one more, where there may be so many executions, and for each of them so many
    /// requests in a second; 0 for any number.
    fn enter(&mut self, (executions, requests): (u32, u32), now: Moment) -> Result<(), Met> {
        if self.running >= executions {
            return Err(Met::Executions);
        }
        if requests > 0 {
            let requests = u64::from(executions) * u64::from(requests);
            let rate = Rate { capacity: requests, per_ten_seconds: 10 * requests };
            let bucket = self.bucket.get_or_insert_with(|| TokenBucket::full(rate, now));
            bucket.take(rate, now).map_err(Met::Rate)?;
        }
        self.running += 1;
        Ok(())
    }

    fn is_of_use(&self, now: Moment) -> bool {
        // A bucket fills within a second, so one that was left alone for that long is full.
        let used = |bucket: TokenBucket| now.millis_since(bucket.at()) < SWEEP_MS;
        self.running > 0 || self.bucket.is_some_and(used)
    }
}

impl Met {
    fn throttled(self, of_executions: Limit, of_rate: Limit) -> Throttled {
        match self {
            // It depends on how long the others take; a second is what AWS's clients wait anyway.
            Self::Executions => Throttled { limit: of_executions, retry_ms: 1_000 },
            Self::Rate(retry_ms) => Throttled { limit: of_rate, retry_ms },
        }
    }
}

#[cfg(test)]
mod tests;
