//! Event buses: events come in, rules say which go where.
//!
//! ```text
//!  put_events ─┐                  ┌─ rules ─▶ Index ─┐
//!              ├─▶ envelope ──────┴──────────────────┴─▶ deliveries, in one batch ─▶ queue
//!  PutEvent ───┘                                         (target: input, patience, dead letter)
//!  the time of a rule's schedule ────────────────────────▶ deliveries, put by the driver
//! ```
//!
//! # Promises
//!
//! 1. When putting events has returned, every delivery that follows from them is in the durable queue;
//!    when it has failed, none is. Deliveries of one request are one batch.
//! 2. A change of a rule is seen by every event that comes after it.
//! 3. An event passes a bounded number of buses, and what follows from one request is bounded.
//!
//! # Deliberately absent
//!
//! Nobody here delivers: that is `hearth-events`. Archives, replays, pipes, API destinations and
//! partner sources are not built. Policies have no effect, because callers are not
//! authenticated.

pub mod error;
pub mod names;
pub mod record;
pub mod permissions;
pub mod target;
mod rules;
mod put;
mod scheduled;
mod envelope;
mod template;
mod json;

pub use put::{EntryRefusal, NewEvent};
pub use rules::RuleSettings;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::queue::Queue;
use hearth_store::records::Records;
use hearth_types::metrics::Metrics;
use hearth_types::names::Scope;
use hearth_types::time::Clock;
use serde_json::Value;

use crate::limits;
use crate::patterns::Pattern;
use crate::schedules::timed::Changes;
use error::BusError;
use names::{BusArn, DEFAULT, Tagged};
use permissions::{Permission, Policy};
use record::{Bus, Rule};
use rules::Compiled;

/// The buses of all accounts, with their rules.
#[derive(Debug)]
pub struct Buses {
    buses: Collection<Bus>,
    /// Its lock is held for every change of a bus or a rule, because each can forbid a change of the
    /// other.
    rules: Collection<Rule>,
    /// The rules of a bus, prepared for events. What is not there is prepared when it is needed.
    compiled: Mutex<HashMap<BusArn, Arc<Compiled>>>,
    queue: Arc<dyn Queue>,
    changes: Arc<Changes>,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
}

/// What buses are made of.
#[derive(Debug)]
pub struct Parts {
    /// Where buses and rules are kept.
    pub records: Arc<dyn Records>,
    /// Where deliveries wait.
    pub queue: Arc<dyn Queue>,
    /// Where changes of rules with a schedule are noted for whoever waits.
    pub changes: Arc<Changes>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where matches are counted.
    pub metrics: Arc<dyn Metrics>,
}

/// A bus to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewBus {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// A queue for events that cannot be decrypted.
    pub dead_letter: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Buses {
    /// Reads all buses and rules.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not a bus or a rule.
    pub async fn open(parts: Parts) -> Result<Self, StoreError> {
        let Parts { records, queue, changes, clock, metrics } = parts;
        Ok(Self {
            buses: Collection::open("event-bus", Arc::clone(&records)).await?,
            rules: Collection::open("event-rule", records).await?,
            compiled: Mutex::default(),
            queue,
            changes,
            clock,
            metrics,
        })
    }

    /// Makes a bus.
    ///
    /// # Errors
    ///
    /// If it is there already, cannot have this name or these tags, or if there are too many.
    pub async fn create_bus(&self, scope: &Scope, new: NewBus) -> Result<Bus, BusError> {
        if new.name.contains('/') {
            let message = "Event bus name must not contain '/'.";
            return Err(BusError::Invalid(message.to_owned()));
        }
        check_tags(&new.tags)?;
        let _writing = self.rules.writing().await;
        let arn = BusArn { scope: scope.clone(), name: new.name };
        if self.find_bus(&arn).is_some() {
            return Err(BusError::BusExists(arn.name));
        }
        if self.buses.page(scope, None, limits::BUSES_MAX).len() >= limits::BUSES_MAX {
            return Err(BusError::LimitExceeded);
        }
        let now = self.clock.now();
        let bus = Bus {
            name: arn.name.clone(),
            description: new.description,
            policy: None,
            dead_letter: new.dead_letter,
            created_at: now,
            modified_at: now,
            tags: new.tags,
        };
        self.keep_bus(&arn, bus).await
    }

    /// Deletes a bus. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If it is the default bus or has rules.
    pub async fn delete_bus(&self, scope: &Scope, name: &str) -> Result<(), BusError> {
        let arn = BusArn::meant(scope, Some(name));
        if arn.name == DEFAULT {
            return Err(BusError::Invalid("Cannot delete event bus default.".to_owned()));
        }
        if arn.scope != *scope {
            return Err(BusError::BusMissing(arn.name));
        }
        let _writing = self.rules.writing().await;
        if !self.rules_of(&arn).is_empty() {
            let message = "Event bus can't be deleted since it has rules.";
            return Err(BusError::Invalid(message.to_owned()));
        }
        self.buses.remove(scope, &arn.name).await.map_err(BusError::Store)?;
        self.forget(&arn);
        Ok(())
    }

    /// One bus.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn bus(&self, scope: &Scope, given: Option<&str>) -> Result<(BusArn, Bus), BusError> {
        let arn = self.own(scope, given)?;
        let bus = self.find_bus(&arn).ok_or_else(|| BusError::BusMissing(arn.name.clone()))?;
        Ok((arn, bus))
    }

    /// All buses of an account in a region, in the order of their names.
    #[must_use]
    pub fn list_buses(&self, scope: &Scope) -> Vec<Bus> {
        let kept = self.buses.page(scope, None, limits::BUSES_MAX + 1);
        let mut buses: Vec<Bus> = kept.iter().map(|bus| Bus::clone(bus)).collect();
        if !buses.iter().any(|bus| bus.name == DEFAULT) {
            buses.push(default_bus());
            buses.sort_by(|one, other| one.name.cmp(&other.name));
        }
        buses
    }

    /// Gives a right to put events on a bus.
    ///
    /// # Errors
    ///
    /// If there is no such bus, or the policy would break a rule.
    pub async fn put_permission(
        &self,
        scope: &Scope,
        given: Option<&str>,
        permission: Permission,
    ) -> Result<(), BusError> {
        self.change_bus(&self.own(scope, given)?, |bus, arn| {
            bus.policy = Some(Policy::with(bus.policy.take(), permission, arn)?);
            Ok(())
        })
        .await
    }

    /// Gives a bus a policy in place of the one before.
    ///
    /// # Errors
    ///
    /// If there is no such bus, or the text is not a policy.
    pub async fn put_policy(
        &self,
        scope: &Scope,
        given: Option<&str>,
        policy: &str,
    ) -> Result<(), BusError> {
        let policy = Policy::parse(policy)?;
        self.change_bus(&self.own(scope, given)?, |bus, _arn| {
            bus.policy = Some(policy);
            Ok(())
        })
        .await
    }

    /// Takes a statement, or without an id all of them, from the policy of a bus.
    ///
    /// # Errors
    ///
    /// If there is no such bus or no such statement.
    pub async fn remove_permission(
        &self,
        scope: &Scope,
        given: Option<&str>,
        statement: Option<&str>,
    ) -> Result<(), BusError> {
        self.change_bus(&self.own(scope, given)?, |bus, _arn| {
            let policy = bus.policy.take();
            bus.policy = match statement {
                Some(id) => Policy::without(policy, id)?,
                None => None,
            };
            Ok(())
        })
        .await
    }

    /// The tags of a bus or a rule.
    ///
    /// # Errors
    ///
    /// If there is none with this ARN.
    pub fn tags(&self, scope: &Scope, arn: &str) -> Result<BTreeMap<String, String>, BusError> {
        match self.tagged(scope, arn)? {
            Tagged::Bus(bus) => {
                let found = self.find_bus(&bus);
                found.map(|bus| bus.tags).ok_or(BusError::BusMissing(bus.name))
            }
            Tagged::Rule { bus, rule } => Ok(self.find_rule(&bus, &rule)?.tags.clone()),
        }
    }

    /// Changes the tags of a bus or a rule.
    ///
    /// # Errors
    ///
    /// If there is none with this ARN, or there would be too many tags.
    pub async fn change_tags(
        &self,
        scope: &Scope,
        arn: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send,
    ) -> Result<(), BusError> {
        match self.tagged(scope, arn)? {
            Tagged::Bus(bus) => {
                let change = |bus: &mut Bus, _arn: &BusArn| {
                    change(&mut bus.tags);
                    check_tags(&bus.tags)
                };
                self.change_bus(&bus, change).await
            }
            Tagged::Rule { bus, rule } => {
                let change = |rule: &mut Rule| {
                    change(&mut rule.tags);
                    check_tags(&rule.tags)
                };
                self.change_rule((&bus, &rule), change).await.map(|_rule| ())
            }
        }
    }

    fn tagged(&self, scope: &Scope, arn: &str) -> Result<Tagged, BusError> {
        let tagged = Tagged::parse(arn)?;
        let (Tagged::Bus(bus) | Tagged::Rule { bus, .. }) = &tagged;
        if bus.scope == *scope { Ok(tagged) } else { Err(BusError::BusMissing(bus.name.clone())) }
    }

    /// A bus of the caller.
    fn own(&self, scope: &Scope, given: Option<&str>) -> Result<BusArn, BusError> {
        let arn = BusArn::meant(scope, given);
        if arn.scope == *scope { Ok(arn) } else { Err(BusError::BusMissing(arn.name)) }
    }

    /// A bus of the caller that is there.
    fn existing(&self, scope: &Scope, given: Option<&str>) -> Result<BusArn, BusError> {
        self.bus(scope, given).map(|(arn, _bus)| arn)
    }

    fn find_bus(&self, arn: &BusArn) -> Option<Bus> {
        let kept = self.buses.get(&arn.scope, &arn.name).map(|bus| Bus::clone(&bus));
        kept.or_else(|| (arn.name == DEFAULT).then(default_bus))
    }

    /// Whether there is a bus, without a copy of it.
    fn has_bus(&self, arn: &BusArn) -> bool {
        arn.name == DEFAULT || self.buses.get(&arn.scope, &arn.name).is_some()
    }

    async fn change_bus(
        &self,
        arn: &BusArn,
        change: impl FnOnce(&mut Bus, &BusArn) -> Result<(), BusError> + Send,
    ) -> Result<(), BusError> {
        let _writing = self.rules.writing().await;
        let mut bus = self.find_bus(arn).ok_or_else(|| BusError::BusMissing(arn.name.clone()))?;
        change(&mut bus, arn)?;
        bus.modified_at = self.clock.now();
        self.keep_bus(arn, bus).await.map(|_bus| ())
    }

    async fn keep_bus(&self, arn: &BusArn, bus: Bus) -> Result<Bus, BusError> {
        let kept = self.buses.put(&arn.scope, &arn.name, bus).await.map_err(BusError::Store)?;
        Ok(Bus::clone(&kept))
    }
}

/// AWS: the members that an event has to have to be tested.
const TESTED_MEMBERS: &[&str] = &["id", "account", "source", "time", "region", "detail-type"];

/// Whether an event matches a pattern.
///
/// # Errors
///
/// If one of them is not what it should be.
pub fn test_pattern(pattern: &str, event: &str) -> Result<bool, BusError> {
    let refuse = || BusError::Invalid("Parameter Event is not valid.".to_owned());
    let read: Value = serde_json::from_str(event).ok().ok_or_else(refuse)?;
    if TESTED_MEMBERS.iter().any(|name| read.get(name).is_none()) {
        return Err(refuse());
    }
    let pattern = Pattern::parse(pattern).map_err(BusError::Pattern)?;
    pattern.matches(event.as_bytes()).ok().ok_or_else(refuse)
}

/// The default bus of whoever has not changed it.
fn default_bus() -> Bus {
    Bus { name: DEFAULT.to_owned(), ..Bus::default() }
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), BusError> {
    if tags.len() > limits::BUS_TAGS_MAX {
        return Err(BusError::LimitExceeded);
    }
    if tags.keys().any(|key| key.starts_with("aws:")) {
        let message = "System tags cannot be added, updated, or removed by users.";
        return Err(BusError::Invalid(message.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
