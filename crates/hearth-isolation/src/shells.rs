//! Shells that are built ahead of need.
//!
//! A *shell* is walls that stand without a function: *bare*, or *warm* with an interpreter inside
//! that has imported its client and waits. When an environment is asked for, a shell that fits it is
//! taken, and the rest of the work is what only this function needs.
//!
//! ```text
//!  Backend::build ── take ──▶ ┌───────────────┐ ◀── put ──── keeper
//!        └────────── used ──▶ │ plans, latest │ ── missing ──▶ │ when nothing was built for a
//!                             │ first; shells │                │ moment: builds one, and again
//!                             └───────────────┘
//! ```
//!
//! # Promises
//!
//! 1. There are shells only for what was used since the start, and for no more than
//!    [`SHELL_KINDS_MAX`] plans; the one whose use was longest ago goes first.
//! 2. No shell is built while environments are, unless that goes on without a pause: then there is
//!    a new one now and then.
//! 3. What could not be built is not tried again before it is used again.
//!
//! # Deliberately absent
//!
//! Shells that grow old: they cost memory and no CPU time, and their number is bounded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hearth_environment::backend::WallsRequest;
use hearth_environment::variables;
use hearth_guest::protocol::Program;
use hearth_runtimes::{Runtime, Warm};
use hearth_types::limits::{SHELL_KINDS_MAX, SHELL_PAUSE_MILLIS, SHELL_PAUSES_MAX};
use tokio::sync::Notify;

use crate::launcher::RootPlan;
use crate::sandbox::{Builder, Shell};

/// How many shells are kept for each plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShellCounts {
    /// Of bare ones, for each root file system.
    pub bare: usize,
    /// Of warm ones, for each way to start an interpreter.
    pub warm: usize,
}

/// What a shell is like. Two environments with equal plans can have each other's shells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShellPlan {
    pub(crate) root: RootPlan,
    pub(crate) warm: Option<WarmPlan>,
}

/// What waits in a warm shell, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WarmPlan {
    program: Program,
    /// The variables that every function has which may go on with it.
    shared: Vec<String>,
    rule: Warm,
}

impl ShellPlan {
    /// The shells that an environment could have, best first.
    pub(crate) fn of(request: &WallsRequest) -> Vec<Self> {
        let root = RootPlan::of(&request.runtime);
        let warm = WarmPlan::of(request);
        let warm = warm.map(|warm| Self { root: root.clone(), warm: Some(warm) });
        warm.into_iter().chain([Self { root, warm: None }]).collect()
    }
}

impl RootPlan {
    /// The root file system of a runtime.
    pub(crate) fn of(runtime: &Runtime) -> Self {
        Self { tree: runtime.root_directory(), shown: runtime.shown() }
    }
}

impl WarmPlan {
    /// `None` if the interpreter would start differently for this function, or cannot wait at all.
    fn of(request: &WallsRequest) -> Option<Self> {
        let (target, runtime) = (&request.target, &request.runtime);
        let rule = runtime.manifest.warm.clone()?;
        if target.variables.keys().any(|name| rule.is_decided_by(name)) {
            return None;
        }
        let shared = variables::shared(runtime);
        let told_to_wait = rule.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let program = Program {
            candidates: vec![runtime.command(target.memory_mb, &target.handler)],
            variables: shared.iter().cloned().chain(told_to_wait).collect(),
            directory: "/var/task".to_owned(),
            extensions: None,
        };
        Some(Self { program, shared, rule })
    }

    /// What is started.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Whether it can go on as this program, so that nobody can tell.
    pub(crate) fn serves(&self, program: &Program) -> bool {
        self.program.candidates == program.candidates
            && self.program.directory == program.directory
            && self.rule.agree(&self.shared, &program.variables)
    }
}

/// The shells that are ready.
#[derive(Debug)]
pub(crate) struct Shells {
    kinds: Mutex<Kinds<ShellPlan, Shell>>,
    counts: ShellCounts,
    /// Environments that are being built.
    building: AtomicU64,
    /// Beginnings and ends of that so far.
    activity: AtomicU64,
    wanted: Notify,
}

/// An environment is being built while this lives.
#[derive(Debug)]
pub(crate) struct Building<'a>(&'a Shells);

impl Drop for Building<'_> {
    fn drop(&mut self) {
        self.0.building.fetch_sub(1, Ordering::AcqRel);
        self.0.activity.fetch_add(1, Ordering::AcqRel);
        self.0.wanted.notify_one();
    }
}

impl Shells {
    pub(crate) fn new(counts: ShellCounts) -> Self {
        Self {
            kinds: Mutex::default(),
            counts,
            building: AtomicU64::new(0),
            activity: AtomicU64::new(0),
            wanted: Notify::new(),
        }
    }

    /// Says that an environment is being built.
    pub(crate) fn building(&self) -> Building<'_> {
        self.building.fetch_add(1, Ordering::AcqRel);
        self.activity.fetch_add(1, Ordering::AcqRel);
        Building(self)
    }

    /// Takes a shell of the first plan of which there is one.
    pub(crate) fn take(&self, plans: &[ShellPlan]) -> Option<Shell> {
        let mut kinds = self.lock();
        plans.iter().find_map(|plan| kinds.take(plan))
    }

    /// Shells of these plans are of use.
    pub(crate) fn used(&self, plans: Vec<ShellPlan>) {
        let counted = plans.into_iter().map(|plan| (self.count(&plan), plan));
        let forgotten = self.lock().used(counted.filter(|(count, _)| *count > 0));
        // Torn down where nobody waits for the lock.
        drop(forgotten);
    }

    /// Builds what is missing, until there is nobody to build it any more.
    pub(crate) async fn keep(self: Arc<Self>, builder: Arc<Builder>) {
        loop {
            tokio::select! {
                () = self.wanted.notified() => {}
                () = builder.ended() => return,
            }
            while let Some(plan) = self.missing() {
                self.quiet().await;
                match builder.shell(&plan).await {
                    Ok(shell) => {
                        let refused = self.lock().put(&plan, shell);
                        drop(refused);
                    }
                    Err(_) if builder.has_ended() => return,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "a shell could not be built ahead of need");
                        self.lock().failed(&plan);
                    }
                }
            }
        }
    }

    /// Waits until no environment has been built for a moment, or for as long as a shell may be
    /// missing.
    async fn quiet(&self) {
        for _ in 0..SHELL_PAUSES_MAX {
            let before = self.activity.load(Ordering::Acquire);
            tokio::time::sleep(Duration::from_millis(SHELL_PAUSE_MILLIS)).await;
            let idle = self.building.load(Ordering::Acquire) == 0;
            if idle && self.activity.load(Ordering::Acquire) == before {
                return;
            }
        }
    }

    fn missing(&self) -> Option<ShellPlan> {
        self.lock().missing().cloned()
    }

    fn count(&self, plan: &ShellPlan) -> usize {
        if plan.warm.is_some() { self.counts.warm } else { self.counts.bare }
    }

    fn lock(&self) -> MutexGuard<'_, Kinds<ShellPlan, Shell>> {
        self.kinds.lock().expect("no code panics while it holds the shells")
    }
}

/// Plans, and what is ready of each. Decides and does nothing else.
#[derive(Debug)]
struct Kinds<P, S>(Vec<Kind<P, S>>);

#[derive(Debug)]
struct Kind<P, S> {
    plan: P,
    count: usize,
    ready: Vec<S>,
    failed: bool,
}

impl<P, S> Default for Kinds<P, S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P: PartialEq, S> Kinds<P, S> {
    fn take(&mut self, plan: &P) -> Option<S> {
        self.find(plan)?.ready.pop()
    }

    /// Notes that plans are used, best first. Returns the shells of those that are forgotten for it.
    fn used(&mut self, plans: impl Iterator<Item = (usize, P)>) -> Vec<S> {
        let mut latest = Vec::new();
        for (count, plan) in plans {
            let kind = match self.0.iter().position(|kind| kind.plan == plan) {
                Some(at) => Kind { failed: false, ..self.0.remove(at) },
                None => Kind { plan, count, ready: Vec::new(), failed: false },
            };
            latest.push(kind);
        }
        latest.append(&mut self.0);
        let forgotten = latest.split_off(latest.len().min(SHELL_KINDS_MAX));
        self.0 = latest;
        forgotten.into_iter().flat_map(|kind| kind.ready).collect()
    }

    /// The plan that was used last of those that have too few.
    fn missing(&self) -> Option<&P> {
        let short = |kind: &&Kind<P, S>| !kind.failed && kind.ready.len() < kind.count;
        self.0.iter().find(short).map(|kind| &kind.plan)
    }

    /// Adds a shell. Gives it back if its plan was forgotten in the meantime.
    fn put(&mut self, plan: &P, shell: S) -> Option<S> {
        match self.find(plan) {
            Some(kind) => {
                kind.ready.push(shell);
                None
            }
            None => Some(shell),
        }
    }

    fn failed(&mut self, plan: &P) {
        if let Some(kind) = self.find(plan) {
            kind.failed = true;
        }
    }

    fn find(&mut self, plan: &P) -> Option<&mut Kind<P, S>> {
        self.0.iter_mut().find(|kind| kind.plan == *plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(kinds: &mut Kinds<&'static str, u32>, plans: &[&'static str]) -> Vec<u32> {
        kinds.used(plans.iter().map(|plan| (2, *plan)))
    }

    #[test]
    fn only_what_was_used_is_missing_and_the_latest_first() {
        let mut kinds = Kinds::default();
        assert_eq!(kinds.missing(), None);
        used(&mut kinds, &["warm", "bare"]);
        assert_eq!(kinds.missing(), Some(&"warm"));
        for shell in [1, 2] {
            assert_eq!(kinds.put(&"warm", shell), None);
        }
        assert_eq!(kinds.missing(), Some(&"bare"));
        for shell in [3, 4] {
            assert_eq!(kinds.put(&"bare", shell), None);
        }
        assert_eq!(kinds.missing(), None);
        assert!(kinds.take(&"warm").is_some());
        assert_eq!(kinds.missing(), Some(&"warm"));
    }

    #[test]
    fn what_could_not_be_built_is_not_tried_again_before_it_is_used_again() {
        let mut kinds = Kinds::default();
        used(&mut kinds, &["warm"]);
        kinds.failed(&"warm");
        assert_eq!(kinds.missing(), None);
        used(&mut kinds, &["warm"]);
        assert_eq!(kinds.missing(), Some(&"warm"));
    }

    #[test]
    fn the_plan_whose_use_was_longest_ago_is_forgotten() {
        let mut kinds = Kinds::default();
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let (first, rest) = names[..=SHELL_KINDS_MAX].split_first().unwrap();
        used(&mut kinds, &[first]);
        kinds.put(first, 7);
        let forgotten: Vec<u32> = rest.iter().flat_map(|one| used(&mut kinds, &[one])).collect();
        assert_eq!(forgotten, [7]);
        assert_eq!(kinds.take(first), None);
        assert_eq!(kinds.put(first, 8), Some(8), "nobody wants it any more");
    }
}
