//! Starts, assigns and retires environments as [`crate::core`] decides.
//!
//! There is no task in the way of an invocation: the core is behind a lock that is held for a
//! decision only, and whoever brought the event performs what was decided.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use hearth_environment::driver::{
    self as environment, Birth, Handle, Keeper, Offered, Purpose, Shared,
};
use hearth_environment::mailbox::Assignment;
use hearth_runtimes::Runtime;
use hearth_types::function::Target;
use hearth_types::ids::{EnvironmentId, TargetId};
use hearth_types::jumps::Jumps;
use hearth_types::names::{FunctionArn, Version};
use hearth_types::seldom::Seldom;
use hearth_types::time::Moment;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::core::{
    ANSWERED_MS, Action, Core, Event, FunctionNumber, HostFigures, Limits, Needs, Pressure,
    Refused, TargetFigures, WaiterId,
};

/// How often idle times are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often while somebody waits: starts that turn out to be slow make room for others.
const TICK_WAITED_FOR: Duration = Duration::from_millis(50);
/// The same while somebody waits for an environment that has answered.
const TICK_ANSWERED: Duration = Duration::from_millis(5);
/// How long an environment that has answered may take to ask for more.
const A_MOMENT: Duration = Duration::from_millis(ANSWERED_MS);

/// Why there is no environment for an invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcquireError {
    /// The host is full.
    #[error("the host has no room for another execution environment")]
    Room,
    /// The function gains environments faster than it may.
    #[error("the function gains execution environments faster than its scaling rate")]
    Scaling,
    /// The environment could not be made.
    #[error("could not start an execution environment: {0}")]
    NotStarted(String),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    Closing,
}

/// Says whether this host has memory left.
pub trait HostMemory: Send + Sync + fmt::Debug {
    /// Whether it is short of it now.
    fn pressure(&self) -> Pressure;
}

/// Hands out environments.
#[derive(Debug)]
pub struct Scheduler {
    shared: Shared,
    inner: Mutex<Inner>,
    waiters: AtomicU64,
    /// What the scheduler's time is counted from.
    began: Instant,
    waited_for: Notify,
    all_gone: Notify,
    /// Itself, for the environments that report to it.
    this: Weak<Self>,
}

#[derive(Debug)]
struct Inner {
    core: Core,
    handles: HashMap<EnvironmentId, (TargetId, Handle)>,
    waiting: HashMap<WaiterId, (TargetId, oneshot::Sender<Result<Lease, AcquireError>>)>,
    /// What to start for a target that the core knows.
    known: HashMap<TargetId, Known>,
    /// The numbers that functions of known targets go by, and how many targets each has.
    numbers: HashMap<FunctionArn, (FunctionNumber, usize)>,
    next_number: u64,
    /// That callers were refused.
    said: Said,
    closing: bool,
}

/// What was said in the log, and when.
#[derive(Debug, Default)]
struct Said {
    no_room: Seldom,
    scaling: Seldom,
}

/// What the core must not know of a target.
#[derive(Debug, Clone)]
struct Known {
    target: Arc<Target>,
    runtime: Arc<Runtime>,
    needs: Needs,
    /// What went wrong with its last start, for the one who waited for it.
    last_error: String,
}

/// What is the case with one target, by the names that people know.
#[derive(Debug, Clone)]
pub struct TargetStatus {
    /// The function.
    pub function: FunctionArn,
    /// Its version.
    pub version: Version,
    /// Its configured memory.
    pub memory_mb: u32,
    /// Its environments and those who wait for one.
    pub figures: TargetFigures,
}

impl Inner {
    /// What a target needs; remembers how to start it.
    fn needs(&mut self, target: &Arc<Target>, runtime: &Arc<Runtime>) -> Needs {
        if let Some(known) = self.known.get(&target.id) {
            return known.needs;
        }
        let Self { numbers, next_number, .. } = self;
        let (function, targets) = numbers.entry(target.function.clone()).or_insert_with(|| {
            *next_number += 1;
            (FunctionNumber(*next_number), 0)
        });
        *targets += 1;
        let needs = Needs { function: *function, memory_mb: target.memory_mb };
        let (target, runtime) = (Arc::clone(target), Arc::clone(runtime));
        let known = Known { target, runtime, needs, last_error: String::new() };
        self.known.insert(known.target.id, known);
        needs
    }

    /// Says now and then that callers are refused. Of a start that failed its environment says more.
    fn say(&mut self, refused: Refused, target: TargetId, now: Moment) {
        let seldom = match refused {
            Refused::Room => &mut self.said.no_room,
            Refused::Scaling => &mut self.said.scaling,
            Refused::NotStarted => return,
        };
        let Some(times) = seldom.happened(now) else { return };
        let function = self.known.get(&target).map(|known| known.target.function.to_string());
        let HostFigures { census, committed_mb, .. } = self.core.host();
        tracing::warn!(?refused, function, times, ?census, committed_mb, "callers are refused");
    }

    /// Forgets how to start what the core has forgotten.
    fn forget(&mut self) {
        for target in self.core.take_forgotten() {
            let Some(known) = self.known.remove(&target) else { continue };
            let function = &known.target.function;
            if let Some((_, targets)) = self.numbers.get_mut(function) {
                *targets -= 1;
                if *targets == 0 {
                    self.numbers.remove(function);
                }
            }
        }
    }
}

impl Scheduler {
    /// A scheduler without environments.
    #[must_use]
    pub fn new(shared: Shared, limits: Limits, host: Arc<dyn HostMemory>) -> Arc<Self> {
        let scheduler = Arc::new_cyclic(|this| Self {
            shared,
            inner: Mutex::new(Inner {
                core: Core::new(limits),
                handles: HashMap::new(),
                waiting: HashMap::new(),
                known: HashMap::new(),
                numbers: HashMap::new(),
                next_number: 0,
                said: Said::default(),
                closing: false,
            }),
            waiters: AtomicU64::new(0),
            began: Instant::now(),
            waited_for: Notify::new(),
            all_gone: Notify::new(),
            this: Weak::clone(this),
        });
        let ticking = tick(Arc::downgrade(&scheduler), host);
        scheduler.shared.tasks.spawn("scheduler ticks", ticking);
        scheduler
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("the core does not panic")
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
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
        let (sender, mut receiver) = oneshot::channel();
        let comes_back = {
            let mut inner = self.lock();
            if inner.closing {
                return Err(AcquireError::Closing);
            }
            inner.waiting.insert(waiter, (target.id, sender));
            let needs = inner.needs(target, runtime);
            let comes_back = inner.core.comes_back(self.now(), target.id);
            self.step(inner, Event::Wanted(waiter, target.id, needs));
            comes_back
        };
        // If the caller goes away while it waits, its place must not be kept.
        let place = Place { scheduler: self, waiter };
        let at_once = receiver.try_recv().ok();
        let (answer, start) = match at_once {
            Some(answer) => (answer, Start::Warm),
            None => {
                let (answer, waited) = self.wait(receiver).await;
                let back = comes_back && waited == Waited::AMoment;
                (answer, if back { Start::Warm } else { Start::Cold })
            }
        };
        std::mem::forget(place);
        answer.map(|mut lease| {
            lease.start = start;
            lease
        })
    }

    /// Waits for an environment. Only when it has taken more than a moment are decisions that become
    /// due by time looked for: waking somebody for that would cost as much as the moment.
    async fn wait(&self, mut receiver: Waiting) -> (Result<Lease, AcquireError>, Waited) {
        let (answer, waited) = match tokio::time::timeout(A_MOMENT, &mut receiver).await {
            Ok(answer) => (answer, Waited::AMoment),
            Err(_elapsed) => {
                self.waited_for.notify_one();
                (receiver.await, Waited::Longer)
            }
        };
        (answer.unwrap_or(Err(AcquireError::Closing)), waited)
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
        let needs = inner.needs(target, runtime);
        self.step(inner, Event::Provisioned(target.id, needs, environments));
    }

    /// Keeps no environment of a target started for its own sake any more.
    pub fn unprovision(&self, target: TargetId) {
        let inner = self.lock();
        if let Some(needs) = inner.known.get(&target).map(|known| known.needs) {
            self.step(inner, Event::Provisioned(target, needs, 0));
        }
    }

    /// How many environments of a target are idle or at work with their runtime up.
    #[must_use]
    pub fn ready(&self, target: TargetId) -> usize {
        self.lock().core.ready(target)
    }

    /// Whether environments of a target stand that could not load the function.
    #[must_use]
    pub fn broken(&self, target: TargetId) -> bool {
        self.lock().core.broken(target)
    }

    /// How many environments there are.
    #[must_use]
    pub fn environments(&self) -> usize {
        self.lock().core.environments()
    }

    /// What is the case with this host, and with every target that has been invoked lately.
    #[must_use]
    pub fn status(&self) -> (HostFigures, Vec<TargetStatus>) {
        let inner = self.lock();
        let named = inner.core.targets().filter_map(|figures| {
            let target = &inner.known.get(&figures.target)?.target;
            Some(TargetStatus {
                function: target.function.clone(),
                version: target.version,
                memory_mb: target.memory_mb,
                figures,
            })
        });
        (inner.core.host(), named.collect())
    }

    /// Takes no more work, lets busy environments finish within a limit, and waits until all are
    /// gone. What is still at work then is left to the backend's end.
    pub async fn close(&self, limit: Duration) {
        let retiring: Vec<Handle> = {
            let mut inner = self.lock();
            inner.closing = true;
            // Those who wait for a cold start are told to come back, rather than that it failed.
            for (_, (_, waiting)) in inner.waiting.drain() {
                let _ = waiting.send(Err(AcquireError::Closing));
            }
            let handles = inner.handles.values().map(|(_, handle)| handle.clone()).collect();
            self.step(inner, Event::Closed);
            handles
        };
        // Whoever notices the passing of time need not do so any more.
        self.waited_for.notify_one();
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
        for action in inner.core.step(self.now(), event) {
            self.perform(&mut inner, action);
        }
        match event {
            Event::Wanted(..)
            | Event::Idle(..)
            | Event::Answered(_)
            | Event::Returned(_)
            | Event::Resetting(_) => {}
            Event::Abandoned(_)
            | Event::Gone(_)
            | Event::Retired(_)
            | Event::Provisioned(..)
            | Event::Tick(_)
            | Event::Closed => inner.forget(),
        }
    }

    fn perform(&self, inner: &mut Inner, action: Action) {
        match action {
            Action::Assign(waiter, id) => {
                let Some((_, handle)) = inner.handles.get(&id).cloned() else { return };
                let (start, scheduler) = (Start::Warm, self.this.clone());
                let lease = Lease { handle: Some(handle), start, scheduler };
                // If the caller went away at this very moment, the lease gives it back.
                if let Some((_, waiting)) = inner.waiting.remove(&waiter) {
                    let _ = waiting.send(Ok(lease));
                }
            }
            Action::Start(id, target, purpose) => self.start(inner, id, (target, purpose)),
            Action::Retire(id) => {
                if let Some((_, handle)) = inner.handles.get(&id) {
                    handle.retire(&self.shared.tasks);
                }
            }
            Action::Refuse(waiter, refused) => {
                let Some((target, waiting)) = inner.waiting.remove(&waiter) else { return };
                inner.say(refused, target, self.now());
                let error = match refused {
                    Refused::Room => AcquireError::Room,
                    Refused::Scaling => AcquireError::Scaling,
                    Refused::NotStarted => {
                        let known = inner.known.get(&target);
                        let why = known.map(|known| known.last_error.clone());
                        AcquireError::NotStarted(why.unwrap_or_default())
                    }
                };
                let _ = waiting.send(Err(error));
            }
        }
    }

    fn start(&self, inner: &mut Inner, id: EnvironmentId, what: (TargetId, Purpose)) {
        let (target, purpose) = what;
        let (Some(keeper), Some(known)) = (self.this.upgrade(), inner.known.get(&target).cloned())
        else {
            return;
        };
        let Known { target, runtime, .. } = known;
        let of = target.id;
        let birth = Birth { id, target, runtime, purpose };
        inner.handles.insert(id, (of, environment::start(&self.shared, birth, keeper)));
    }
}

/// Lets the core notice that time has passed.
async fn tick(scheduler: Weak<Scheduler>, host: Arc<dyn HostMemory>) {
    let (mut short, mut jumps) = (Seldom::default(), Jumps::default());
    loop {
        let Some(ticking) = scheduler.upgrade() else { return };
        if ticking.lock().closing {
            return;
        }
        let now = ticking.now();
        if let Some(jump_ms) = jumps.look(now, ticking.shared.clock.now()) {
            tracing::warn!(jump_ms, "the time of day has jumped");
        }
        let pressure = host.pressure();
        if pressure == Pressure::Short
            && let Some(ticks) = short.happened(now)
        {
            tracing::warn!(ticks, "short of memory: idle environments are given up");
        }
        ticking.happen(Event::Tick(pressure));
        let (waited_for, soon) = {
            let inner = ticking.lock();
            (inner.core.is_waited_for(), inner.core.waits_for_answered())
        };
        if waited_for {
            drop(ticking);
            tokio::time::sleep(if soon { TICK_ANSWERED } else { TICK_WAITED_FOR }).await;
        } else {
            let _ = tokio::time::timeout(TICK, ticking.waited_for.notified()).await;
        }
    }
}

impl Keeper for Scheduler {
    fn idle(&self, id: EnvironmentId, offered: Offered) {
        self.happen(Event::Idle(id, offered));
    }

    fn answered(&self, id: EnvironmentId) {
        self.happen(Event::Answered(id));
    }

    fn resetting(&self, id: EnvironmentId) {
        self.happen(Event::Resetting(id));
    }

    fn gone(&self, id: EnvironmentId, error: Option<String>) {
        let mut inner = self.lock();
        let target = inner.handles.remove(&id).map(|(target, _)| target);
        if let Some(known) = target.and_then(|target| inner.known.get_mut(&target)) {
            let why = error.unwrap_or_else(|| "it ended before it was ready".to_owned());
            known.last_error = why;
        }
        self.step(inner, Event::Gone(id));
        self.all_gone.notify_waiters();
    }
}

/// What somebody waits for.
type Waiting = oneshot::Receiver<Result<Lease, AcquireError>>;

/// How long somebody waited for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    AMoment,
    Longer,
}

/// Whether an invocation had to wait for an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// There was one, or one had just answered.
    Warm,
    /// There was none: one was started, or came back idle before that.
    Cold,
}

/// An environment that is free for one invocation.
#[derive(Debug)]
pub struct Lease {
    handle: Option<Handle>,
    start: Start,
    scheduler: Weak<Scheduler>,
}

impl Lease {
    /// Whether its caller had to wait for it.
    #[must_use]
    pub fn start(&self) -> Start {
        self.start
    }

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
                scheduler.happen(Event::Returned(handle.id()));
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
