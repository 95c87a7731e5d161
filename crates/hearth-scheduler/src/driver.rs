//! Starts, assigns and retires environments as [`crate::core`] decides.
//!
//! There is no task in the way of an invocation: the core is behind a lock that is held for a
//! decision only, and whoever brought the event performs what was decided.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use hearth_environment::driver::{self as environment, Birth, Handle, Keeper, Shared};
use hearth_environment::mailbox::Assignment;
use hearth_runtimes::Runtime;
use hearth_types::function::Target;
use hearth_types::ids::{EnvironmentId, TargetId};
use tokio::sync::{Notify, oneshot};

use crate::core::{Action, Core, Event, Limits, Refused, WaiterId};

/// How often idle times are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Why there is no environment for an invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcquireError {
    /// Too many invocations at a time.
    #[error("all concurrent executions of the account are in use")]
    Concurrency,
    /// The host is full.
    #[error("the host has no room for another execution environment")]
    Room,
    /// The environment could not be made.
    #[error("could not start an execution environment: {0}")]
    NotStarted(String),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Closing,
}

/// Hands out environments.
#[derive(Debug)]
pub struct Scheduler {
    shared: Shared,
    inner: Mutex<Inner>,
    waiters: AtomicU64,
    all_gone: Notify,
    /// Itself, for the environments that report to it.
    this: Weak<Self>,
}

#[derive(Debug)]
struct Inner {
    core: Core,
    handles: HashMap<EnvironmentId, Handle>,
    waiting: HashMap<WaiterId, oneshot::Sender<Result<Lease, AcquireError>>>,
    /// What to start for a target that somebody waits for.
    births: HashMap<TargetId, (Arc<Target>, Arc<Runtime>)>,
    /// What went wrong with the last start, for the one who waited for it.
    last_error: String,
    closing: bool,
}

impl Scheduler {
    /// A scheduler without environments.
    #[must_use]
    pub fn new(shared: Shared, limits: Limits) -> Arc<Self> {
        let scheduler = Arc::new_cyclic(|this| Self {
            shared,
            inner: Mutex::new(Inner {
                core: Core::new(limits),
                handles: HashMap::new(),
                waiting: HashMap::new(),
                births: HashMap::new(),
                last_error: String::new(),
                closing: false,
            }),
            waiters: AtomicU64::new(0),
            all_gone: Notify::new(),
            this: Weak::clone(this),
        });
        let ticking = Arc::downgrade(&scheduler);
        scheduler.shared.tasks.spawn("idle environments", async move {
            loop {
                tokio::time::sleep(TICK).await;
                let Some(scheduler) = ticking.upgrade() else { return };
                if scheduler.lock().closing {
                    return;
                }
                scheduler.happen(Event::Tick(scheduler.shared.clock.now()));
            }
        });
        scheduler
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("the core does not panic")
    }

    /// Waits for an environment of a target. It comes back by itself when its work is done, or when
    /// the lease is dropped without giving it any.
    ///
    /// # Errors
    ///
    /// If there is none to be had.
    pub async fn acquire(
        &self,
        target: &Arc<Target>,
        runtime: &Arc<Runtime>,
    ) -> Result<Lease, AcquireError> {
        let waiter = WaiterId(self.waiters.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        {
            let mut inner = self.lock();
            if inner.closing {
                return Err(AcquireError::Closing);
            }
            inner.waiting.insert(waiter, sender);
            inner
                .births
                .entry(target.id)
                .or_insert_with(|| (Arc::clone(target), Arc::clone(runtime)));
            self.step(inner, Event::Wanted(waiter, target.id));
        }
        // If the caller goes away while it waits, its place must not be kept.
        let place = Place { scheduler: self, waiter };
        let answer = receiver.await.unwrap_or(Err(AcquireError::Closing));
        std::mem::forget(place);
        answer
    }

    /// No more invocations of a target: its idle environments are retired, its busy ones finish.
    pub fn retire(&self, target: TargetId) {
        self.happen(Event::Retired(target));
    }

    /// Keeps so many environments of a target started, whether anybody wants them or not.
    pub fn provision(&self, target: &Arc<Target>, runtime: &Arc<Runtime>, environments: usize) {
        let mut inner = self.lock();
        if inner.closing {
            return;
        }
        let birth = || (Arc::clone(target), Arc::clone(runtime));
        inner.births.entry(target.id).or_insert_with(birth);
        self.step(inner, Event::Provisioned(target.id, environments));
    }

    /// Keeps no environment of a target started for its own sake any more.
    pub fn unprovision(&self, target: TargetId) {
        self.happen(Event::Provisioned(target, 0));
    }

    /// How many environments of a target are idle or at work.
    #[must_use]
    pub fn ready(&self, target: TargetId) -> usize {
        self.lock().core.ready(target)
    }

    /// How many environments there are.
    #[must_use]
    pub fn environments(&self) -> usize {
        self.lock().core.environments()
    }

    /// Takes no more work, lets busy environments finish within a limit, and waits until all are
    /// gone. What is still at work then is left to the backend's end.
    pub async fn close(&self, limit: Duration) {
        let retiring: Vec<Handle> = {
            let mut inner = self.lock();
            inner.closing = true;
            // Those who wait for a cold start are told to come back, rather than that it failed.
            for (_, waiting) in inner.waiting.drain() {
                let _ = waiting.send(Err(AcquireError::Closing));
            }
            inner.handles.values().cloned().collect()
        };
        for handle in retiring {
            handle.retire(&self.shared.tasks);
        }
        let gone = async {
            loop {
                let gone = self.all_gone.notified();
                tokio::pin!(gone);
                gone.as_mut().enable();
                if self.environments() == 0 {
                    return;
                }
                gone.await;
            }
        };
        if tokio::time::timeout(limit, gone).await.is_err() {
            tracing::warn!(environments = self.environments(), "still at work when told to stop");
        }
    }

    fn happen(&self, event: Event) {
        self.step(self.lock(), event);
    }

    fn step(&self, mut inner: MutexGuard<'_, Inner>, event: Event) {
        for action in inner.core.step(event) {
            self.perform(&mut inner, action);
        }
        if !matches!(event, Event::Wanted(..) | Event::Idle(..)) {
            // What is to be started for a target is known for as long as the core knows the target.
            let Inner { core, births, .. } = &mut *inner;
            births.retain(|target, _| core.knows(*target));
        }
    }

    fn perform(&self, inner: &mut Inner, action: Action) {
        match action {
            Action::Assign(waiter, id) => {
                let handle = inner.handles.get(&id).cloned();
                let waiting = inner.waiting.remove(&waiter);
                if let (Some(handle), Some(waiting)) = (handle, waiting) {
                    // If the caller went away at this very moment, the lease gives it back.
                    let _ = waiting
                        .send(Ok(Lease { handle: Some(handle), scheduler: self.this.clone() }));
                }
            }
            Action::Start(id, target) => self.start(inner, id, target),
            Action::Retire(id) => {
                if let Some(handle) = inner.handles.get(&id) {
                    handle.retire(&self.shared.tasks);
                }
            }
            Action::Refuse(waiter, refused) => {
                if let Some(waiting) = inner.waiting.remove(&waiter) {
                    let error = match refused {
                        Refused::Concurrency => AcquireError::Concurrency,
                        Refused::Room => AcquireError::Room,
                        Refused::NotStarted => AcquireError::NotStarted(inner.last_error.clone()),
                    };
                    let _ = waiting.send(Err(error));
                }
            }
        }
    }

    fn start(&self, inner: &mut Inner, id: EnvironmentId, target: TargetId) {
        let (Some(keeper), Some((target, runtime))) =
            (self.this.upgrade(), inner.births.get(&target).cloned())
        else {
            return;
        };
        let birth = Birth { id, target, runtime };
        inner.handles.insert(id, environment::start(&self.shared, birth, keeper));
    }
}

impl Keeper for Scheduler {
    fn idle(&self, id: EnvironmentId) {
        self.happen(Event::Idle(id, self.shared.clock.now()));
    }

    fn gone(&self, id: EnvironmentId, error: Option<String>) {
        let mut inner = self.lock();
        inner.handles.remove(&id);
        inner.last_error = error.unwrap_or_else(|| "it ended before it was ready".to_owned());
        self.step(inner, Event::Gone(id));
        self.all_gone.notify_waiters();
    }
}

/// An environment that is free for one invocation.
#[derive(Debug)]
pub struct Lease {
    handle: Option<Handle>,
    scheduler: Weak<Scheduler>,
}

impl Lease {
    /// Gives the environment its work.
    pub fn assign(mut self, assignment: Assignment) {
        let scheduler = self.scheduler.upgrade();
        if let (Some(handle), Some(scheduler)) = (self.handle.take(), scheduler) {
            handle.assign(assignment, &scheduler.shared.tasks);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(handle), Some(scheduler)) = (self.handle.take(), self.scheduler.upgrade()) {
            // The scheduler's lock may be held right here, so somebody else gives it back.
            let tasks = scheduler.shared.tasks.clone();
            tasks.spawn("an environment that nobody took", async move {
                scheduler.idle(handle.id());
            });
        }
    }
}

/// A place in the queue, given up when the caller goes away.
struct Place<'a> {
    scheduler: &'a Scheduler,
    waiter: WaiterId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = self.scheduler.lock();
        inner.waiting.remove(&self.waiter);
        self.scheduler.step(inner, Event::Abandoned(self.waiter));
    }
}
