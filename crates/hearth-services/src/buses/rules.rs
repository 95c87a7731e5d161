//! The rules of a bus and their targets.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::names::Scope;

use super::error::BusError;
use super::names::BusArn;
use super::record::{Rule, RuleState};
use super::scheduled::since;
use super::target::Target;
use super::{Buses, check_tags};
use crate::limits;
use crate::patterns::{Index, Pattern};
use crate::schedules::expression::{Expression, Grammar};

/// A rule as a caller gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSettings {
    /// Its name.
    pub name: String,
    /// Which events it is for.
    pub pattern: Option<String>,
    /// When it makes an event by itself.
    pub schedule: Option<String>,
    /// Whether it has effect.
    pub state: RuleState,
    /// What it is for.
    pub description: Option<String>,
    /// A role, which is kept.
    pub role: Option<String>,
    /// Its tags, if it is new.
    pub tags: BTreeMap<String, String>,
}

/// The rules of a bus that have effect, prepared for events.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) index: Index,
    /// In the order of the index.
    pub(super) rules: Vec<Arc<Rule>>,
}

impl Buses {
    /// Makes a rule, or changes it: what is not given is not there afterwards, except targets and
    /// tags.
    ///
    /// # Errors
    ///
    /// If there is no such bus, the pattern or the schedule is not one, or there are too many rules.
    pub async fn put_rule(
        &self,
        scope: &Scope,
        given: Option<&str>,
        settings: RuleSettings,
    ) -> Result<String, BusError> {
        let bus = self.existing(scope, given)?;
        check_occasion(&settings, &bus)?;
        check_tags(&settings.tags)?;
        let _writing = self.rules.writing().await;
        self.existing(scope, given)?; // It may have been deleted in the meantime.
        let old = self.rules.get(&bus.scope, &bus.rule_key(&settings.name));
        if old.is_none() && self.rules_of(&bus).len() >= limits::RULES_PER_BUS_MAX {
            return Err(BusError::LimitExceeded);
        }
        let (targets, tags) = match &old {
            Some(old) => (old.targets.clone(), old.tags.clone()),
            None => (Vec::new(), settings.tags),
        };
        let occasion = (settings.schedule.as_deref(), settings.state);
        let rule = Rule {
            since: since(old.as_deref(), occasion, self.clock.now()),
            bus: bus.name.clone(),
            name: settings.name,
            pattern: settings.pattern,
            schedule: settings.schedule,
            state: settings.state,
            description: settings.description,
            role: settings.role,
            targets,
            tags,
        };
        let arn = bus.rule(&rule.name);
        self.keep_rule(&bus, rule).await?;
        Ok(arn)
    }

    /// One rule.
    ///
    /// # Errors
    ///
    /// If there is no such bus or no such rule.
    pub fn rule(
        &self,
        scope: &Scope,
        given: Option<&str>,
        rule: &str,
    ) -> Result<(BusArn, Arc<Rule>), BusError> {
        let bus = self.existing(scope, given)?;
        let rule = self.find_rule(&bus, rule)?;
        Ok((bus, rule))
    }

    /// All rules of a bus, in the order of their names.
    ///
    /// # Errors
    ///
    /// If there is no such bus.
    pub fn list_rules(
        &self,
        scope: &Scope,
        given: Option<&str>,
    ) -> Result<(BusArn, Vec<Arc<Rule>>), BusError> {
        let bus = self.existing(scope, given)?;
        let rules = self.rules_of(&bus);
        Ok((bus, rules))
    }

    /// Lets a rule have effect, or not.
    ///
    /// # Errors
    ///
    /// If there is no such bus or no such rule.
    pub async fn set_rule_state(
        &self,
        scope: &Scope,
        given: Option<&str>,
        (rule, state): (&str, RuleState),
    ) -> Result<(), BusError> {
        let bus = self.existing(scope, given)?;
        let now = self.clock.now();
        let change = |rule: &mut Rule| {
            rule.since = since(Some(&*rule), (rule.schedule.as_deref(), state), now);
            rule.state = state;
            Ok(())
        };
        self.change_rule((&bus, rule), change).await.map(|_rule| ())
    }

    /// Deletes a rule. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If there is no such bus, or the rule has targets.
    pub async fn delete_rule(
        &self,
        scope: &Scope,
        given: Option<&str>,
        rule: &str,
    ) -> Result<(), BusError> {
        let bus = self.existing(scope, given)?;
        let _writing = self.rules.writing().await;
        let key = bus.rule_key(rule);
        let Some(found) = self.rules.get(&bus.scope, &key) else { return Ok(()) };
        if !found.targets.is_empty() {
            let message = "Rule can't be deleted since it has targets.";
            return Err(BusError::Invalid(message.to_owned()));
        }
        self.rules.remove(&bus.scope, &key).await.map_err(BusError::Store)?;
        self.forget(&bus);
        if found.schedule.is_some() {
            self.changes.note(bus.rule(rule));
        }
        Ok(())
    }

    /// Gives a rule targets, in place of those with the same ids.
    ///
    /// # Errors
    ///
    /// If there is no such bus or rule, a target cannot be one, or there are too many.
    pub async fn put_targets(
        &self,
        scope: &Scope,
        given: (Option<&str>, &str),
        targets: Vec<Target>,
    ) -> Result<(), BusError> {
        let (given_bus, rule) = given;
        let bus = self.existing(scope, given_bus)?;
        self.find_rule(&bus, rule)?;
        for target in &targets {
            target.check()?;
        }
        let change = |rule: &mut Rule| {
            for target in targets {
                match rule.targets.iter_mut().find(|one| one.id == target.id) {
                    Some(one) => *one = target,
                    None => rule.targets.push(target),
                }
            }
            let fits = rule.targets.len() <= limits::TARGETS_PER_RULE_MAX;
            if fits { Ok(()) } else { Err(BusError::LimitExceeded) }
        };
        self.change_rule((&bus, rule), change).await.map(|_rule| ())
    }

    /// Takes targets from a rule. That there is none with an id is fine.
    ///
    /// # Errors
    ///
    /// If there is no such bus or rule.
    pub async fn remove_targets(
        &self,
        scope: &Scope,
        given: (Option<&str>, &str),
        ids: &[String],
    ) -> Result<(), BusError> {
        let (given_bus, rule) = given;
        let bus = self.existing(scope, given_bus)?;
        let change = |rule: &mut Rule| {
            rule.targets.retain(|target| !ids.contains(&target.id));
            Ok(())
        };
        self.change_rule((&bus, rule), change).await.map(|_rule| ())
    }

    /// The rules of a bus that have effect, prepared for events.
    pub(super) fn compiled(&self, bus: &BusArn) -> Arc<Compiled> {
        // Whoever changes a rule forgets what was prepared after the change, and waits for this lock
        // to do so: what is prepared here is never older than the last change for long.
        let mut compiled = self.compiled.lock().expect("no code panics while it holds the rules");
        if let Some(known) = compiled.get(bus) {
            return Arc::clone(known);
        }
        let rules = self.rules_of(bus).into_iter().filter(|rule| rule.state != RuleState::Disabled);
        let (mut kept, mut patterns) = (Vec::new(), Vec::new());
        for rule in rules {
            // One that has only a schedule is for no event that is put.
            let Some(text) = &rule.pattern else { continue };
            match Pattern::parse(text) {
                Ok(pattern) => {
                    patterns.push(pattern);
                    kept.push(rule);
                }
                Err(error) => {
                    tracing::error!(rule = rule.name, %error, "a rule that was kept has no pattern");
                }
            }
        }
        let new = Arc::new(Compiled { index: Index::new(&patterns), rules: kept });
        // Every account has a default bus: those without rules would be a list without an end.
        if !new.rules.is_empty() {
            compiled.insert(bus.clone(), Arc::clone(&new));
        }
        new
    }

    pub(super) fn forget(&self, bus: &BusArn) {
        let mut compiled = self.compiled.lock().expect("no code panics while it holds the rules");
        compiled.remove(bus);
    }

    pub(super) fn rules_of(&self, bus: &BusArn) -> Vec<Arc<Rule>> {
        let start = bus.rules_key();
        let behind = self.rules.page(&bus.scope, Some(&start), limits::RULES_PER_BUS_MAX);
        behind.into_iter().take_while(|rule| rule.bus == bus.name).collect()
    }

    pub(super) fn find_rule(&self, bus: &BusArn, rule: &str) -> Result<Arc<Rule>, BusError> {
        let missing = || BusError::RuleMissing { rule: rule.to_owned(), bus: bus.name.clone() };
        self.rules.get(&bus.scope, &bus.rule_key(rule)).ok_or_else(missing)
    }

    pub(super) async fn change_rule(
        &self,
        (bus, rule): (&BusArn, &str),
        change: impl FnOnce(&mut Rule) -> Result<(), BusError> + Send,
    ) -> Result<Arc<Rule>, BusError> {
        let _writing = self.rules.writing().await;
        let mut rule = (*self.find_rule(bus, rule)?).clone();
        change(&mut rule)?;
        self.keep_rule(bus, rule).await
    }

    async fn keep_rule(&self, bus: &BusArn, rule: Rule) -> Result<Arc<Rule>, BusError> {
        let key = bus.rule_key(&rule.name);
        let old = self.rules.get(&bus.scope, &key);
        let had_schedule = old.is_some_and(|old| old.schedule.is_some());
        let kept = self.rules.put(&bus.scope, &key, rule).await.map_err(BusError::Store)?;
        self.forget(bus);
        if had_schedule || kept.schedule.is_some() {
            self.changes.note(bus.rule(&kept.name));
        }
        Ok(kept)
    }
}

/// A rule has a pattern, a schedule or both, and they have to be what they should be.
fn check_occasion(settings: &RuleSettings, bus: &BusArn) -> Result<(), BusError> {
    let invalid = |message: &str| Err(BusError::Invalid(message.to_owned()));
    if let Some(schedule) = &settings.schedule {
        if bus.name != super::names::DEFAULT {
            return invalid("ScheduleExpression is supported only on the default event bus.");
        }
        if Expression::parse(schedule, Grammar::Rule).is_none() {
            return invalid("Parameter ScheduleExpression is not valid.");
        }
    }
    match &settings.pattern {
        Some(pattern) => Pattern::parse(pattern).map(drop).map_err(BusError::Pattern),
        None if settings.schedule.is_some() => Ok(()),
        None => invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."),
    }
}
