//! Load balancers (Elastic Load Balancing, version 2) whose targets are functions.
//!
//! ```text
//!  change ──▶ Balancer (copied, changed, replaced) ── listeners, rules
//!                                                           │
//!  a request ──▶ site ──▶ route: listener, rule, group ─────┘
//!                          │ ▲
//!                          ▼ │ answer
//!                 event ──▶ function ◀── event of a health check ◀── checker
//! ```
//!
//! # Promises
//!
//! 1. A change is in the store before it returns, and whole.
//! 2. Reads look nowhere but into memory.
//! 3. A function is asked only while its policy lets load balancers do so.
//!
//! # Deliberately absent
//!
//! AWS's names of errors and shapes of the wire (`hearth-front`). Targets that are no functions.
//! Networks: subnets, security groups and addresses are kept and have no effect.

pub mod arn;
pub mod record;
pub mod attributes;
mod check;
pub mod listeners;
pub mod rules;
mod changes;
pub mod groups;
pub mod health;
mod checker;
mod wildcard;
mod network;
mod route;
mod event;
mod answer;
mod pages;
mod asking;
pub mod site;
pub mod error;
pub mod limits;
#[cfg(test)]
mod testing;

pub use changes::NewBalancer;
pub use check::{field, tags};

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hearth_control::control::Control;
use hearth_invoke::Invoker;
use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::records::Records;
use hearth_types::names::Scope;
use hearth_types::tasks::Tasks;
use hearth_types::time::Clock;
use tokio::sync::watch;

use self::arn::{BalancerArn, GroupArn};
use self::checker::Signal;
use self::health::Health;
use self::record::{Balancer, TargetGroup};
use crate::functions::Functions;

/// The load balancers and target groups of all accounts.
#[derive(Debug)]
pub struct Balancers {
    balancers: Collection<Balancer>,
    /// Its lock is held for every change of a load balancer or a target group, because each can
    /// forbid a change of the other.
    groups: Collection<TargetGroup>,
    /// What the health checks have found.
    health: Mutex<HashMap<GroupArn, Health>>,
    /// Tells the health checks that something has changed.
    signal: watch::Sender<Signal>,
    control: Arc<Control>,
    functions: Functions,
    clock: Arc<dyn Clock>,
}

/// What load balancers work with.
#[derive(Debug)]
pub struct Parts {
    /// Where they are kept.
    pub records: Arc<dyn Records>,
    /// The functions, and their policies.
    pub control: Arc<Control>,
    /// What runs functions.
    pub invoker: Arc<Invoker>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

impl Balancers {
    /// Reads all load balancers and target groups.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not what it should be.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let Parts { records, control, invoker, clock } = parts;
        let (signal, _) = watch::channel(Signal::Changed);
        Ok(Arc::new(Self {
            balancers: Collection::open("load-balancer", Arc::clone(&records)).await?,
            groups: Collection::open("target-group", records).await?,
            health: Mutex::default(),
            signal,
            control,
            functions: Functions::new(invoker),
            clock,
        }))
    }

    /// Starts the health checks. They end with [`Balancers::close`].
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        tasks.spawn("health checks of targets", checker::run(Arc::clone(self), tasks.clone()));
    }

    /// Ends the health checks.
    pub fn close(&self) {
        self.signal.send_replace(Signal::Closed);
    }

    /// All load balancers of an account in a region, in the order of their names.
    #[must_use]
    pub fn list(&self, scope: &Scope) -> Vec<Arc<Balancer>> {
        self.balancers.page(scope, None, limits::BALANCERS_MAX)
    }

    /// One load balancer.
    #[must_use]
    pub fn find(&self, arn: &BalancerArn) -> Option<Arc<Balancer>> {
        self.balancers.get(&arn.scope, &arn.name).filter(|found| found.arn == *arn)
    }

    /// All target groups of an account in a region, in the order of their names.
    #[must_use]
    pub fn list_groups(&self, scope: &Scope) -> Vec<Arc<TargetGroup>> {
        self.groups.page(scope, None, limits::GROUPS_MAX)
    }

    /// One target group.
    #[must_use]
    pub fn find_group(&self, arn: &GroupArn) -> Option<Arc<TargetGroup>> {
        self.groups.get(&arn.scope, &arn.name).filter(|found| found.arn == *arn)
    }

    /// The load balancer whose rules name a target group.
    #[must_use]
    pub fn user_of(&self, group: &GroupArn) -> Option<Arc<Balancer>> {
        let names_it = |balancer: &Arc<Balancer>| balancer.groups().any(|named| named == group);
        self.list(&group.scope).into_iter().find(names_it)
    }

    /// The one whose host this is.
    fn by_label(&self, label: &str, region: &str) -> Option<Arc<Balancer>> {
        let mut all = self.balancers.all().into_iter();
        all.find(|found| found.scope().region.as_str() == region && found.label() == label)
    }

    /// The first one with this name, or with this name of its host; in the order of accounts and
    /// regions.
    fn by_name(&self, name: &str) -> Option<Arc<Balancer>> {
        let all = self.balancers.all();
        let named = all.iter().find(|found| found.arn.name == name);
        named.or_else(|| all.iter().find(|found| found.label() == name)).cloned()
    }
}
