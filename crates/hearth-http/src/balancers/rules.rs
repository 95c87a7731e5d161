//! The rules of a listener.

use super::arn::{self, RuleArn};
use super::check;
use super::error::{BalancerError, TooMany};
use super::limits;
use super::record::{Action, Balancer, Condition, Listener, Rule, Tags};

/// A rule to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRule {
    /// The rule with the smallest number goes first.
    pub priority: u32,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// What is done.
    pub action: Action,
    /// Its tags.
    pub tags: Tags,
}

/// What is to be changed of a rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleChange {
    /// What must hold.
    pub conditions: Option<Vec<Condition>>,
    /// What is done.
    pub action: Option<Action>,
}

impl Balancer {
    /// Adds a rule to a listener.
    ///
    /// # Errors
    ///
    /// If there is no such listener, the priority is taken, the rule cannot be, or there are too
    /// many.
    pub fn add_rule(&mut self, listener: &str, new: NewRule) -> Result<Rule, BalancerError> {
        check_priority(new.priority)?;
        check::conditions(&new.conditions)?;
        check::action(&new.action.kind)?;
        let count: usize = self.listeners.iter().map(|listener| listener.rules.len()).sum();
        let listener = self.listener_mut(listener)?;
        if listener.rules.iter().any(|rule| rule.priority == new.priority) {
            return Err(BalancerError::PriorityInUse(new.priority));
        }
        if count >= limits::RULES_MAX {
            return Err(BalancerError::TooMany(TooMany::Rules));
        }
        let NewRule { priority, conditions, action, tags } = new;
        let rule = Rule { id: arn::new_id(), priority, conditions, action, tags };
        listener.rules.push(rule.clone());
        sort(listener);
        Ok(rule)
    }

    /// Changes a rule.
    ///
    /// # Errors
    ///
    /// If there is no such rule, it is a default one, or it cannot be so.
    pub fn change_rule(
        &mut self,
        which: &RuleArn,
        change: RuleChange,
    ) -> Result<Rule, BalancerError> {
        if let Some(conditions) = &change.conditions {
            check::conditions(conditions)?;
        }
        if let Some(action) = &change.action {
            check::action(&action.kind)?;
        }
        let rule = self.rule_mut(which, "modified")?;
        rule.conditions = change.conditions.unwrap_or_else(|| rule.conditions.clone());
        rule.action = change.action.unwrap_or_else(|| rule.action.clone());
        Ok(rule.clone())
    }

    /// Deletes a rule.
    ///
    /// # Errors
    ///
    /// If there is no such rule, or it is a default one.
    pub fn delete_rule(&mut self, which: &RuleArn) -> Result<(), BalancerError> {
        self.rule_mut(which, "deleted")?;
        let listener = self.listener_mut(&which.listener.id)?;
        listener.rules.retain(|rule| rule.id != which.id);
        Ok(())
    }

    /// Gives rules of one listener other priorities, all at once.
    ///
    /// # Errors
    ///
    /// If one of them is not there or is a default one, if they belong to several listeners, or if
    /// two rules would have the same priority.
    pub fn set_priorities(
        &mut self,
        priorities: &[(RuleArn, u32)],
    ) -> Result<Vec<Rule>, BalancerError> {
        let Some((first, _)) = priorities.first() else {
            let text = "A rule priority must be specified";
            return Err(BalancerError::Validation(text.to_owned()));
        };
        for (which, priority) in priorities {
            if which.listener != first.listener {
                let text = "All rules must belong to the same listener";
                return Err(BalancerError::Validation(text.to_owned()));
            }
            check_priority(*priority)?;
            self.rule_mut(which, "modified")?.priority = *priority;
        }
        let listener = self.listener_mut(&first.listener.id)?;
        sort(listener);
        let twice = listener.rules.windows(2).find(|pair| pair[0].priority == pair[1].priority);
        if let Some(pair) = twice {
            return Err(BalancerError::PriorityInUse(pair[0].priority));
        }
        let named = |rule: &&Rule| priorities.iter().any(|(which, _)| which.id == rule.id);
        Ok(listener.rules.iter().filter(named).cloned().collect())
    }

    /// A rule that is to be changed, in the way that `done` says.
    fn rule_mut(&mut self, which: &RuleArn, done: &str) -> Result<&mut Rule, BalancerError> {
        let missing = || BalancerError::RuleMissing(format!("Rule '{which}' not found"));
        if which.listener.balancer != self.arn {
            return Err(missing());
        }
        let listener = self.listeners.iter_mut().find(|one| one.id == which.listener.id);
        let listener = listener.ok_or_else(missing)?;
        if listener.default_rule == which.id {
            let text = format!("Default rule '{which}' cannot be {done}");
            return Err(BalancerError::NotPermitted(text));
        }
        listener.rules.iter_mut().find(|rule| rule.id == which.id).ok_or_else(missing)
    }
}

fn sort(listener: &mut Listener) {
    listener.rules.sort_by_key(|rule| rule.priority);
}

fn check_priority(priority: u32) -> Result<(), BalancerError> {
    let most = limits::PRIORITY_MAX;
    if (1..=most).contains(&priority) {
        return Ok(());
    }
    let text = format!("The priority of a rule is 1 to {most}");
    Err(BalancerError::Validation(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancers::record::{ActionKind, Fixed};
    use crate::balancers::testing::{balancer, listener_at};

    fn fixed(status: u16) -> Action {
        let kind = ActionKind::Fixed(Fixed { status, content_type: None, body: None });
        Action { order: None, kind }
    }

    fn new(priority: u32) -> NewRule {
        NewRule {
            priority,
            conditions: vec![Condition::Path(vec!["/a".to_owned()])],
            action: fixed(200),
            tags: Tags::new(),
        }
    }

    /// One with the listeners 80 and 81.
    fn with_listeners() -> Balancer {
        let mut balancer = balancer();
        balancer.listeners = vec![listener_at(80, fixed(404)), listener_at(81, fixed(404))];
        balancer
    }

    fn priorities(balancer: &Balancer) -> Vec<u32> {
        balancer.listeners[0].rules.iter().map(|rule| rule.priority).collect()
    }

    #[test]
    fn rules_are_in_the_order_of_their_priorities() {
        let mut balancer = with_listeners();
        for priority in [30, 10, 20] {
            balancer.add_rule("80", new(priority)).unwrap();
        }
        assert_eq!(priorities(&balancer), [10, 20, 30]);
        let refused = balancer.add_rule("80", new(20)).unwrap_err();
        assert!(matches!(refused, BalancerError::PriorityInUse(20)), "{refused}");
        balancer.add_rule("81", new(20)).unwrap();
        for odd in [0, 50_001] {
            assert!(balancer.add_rule("80", new(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn priorities_can_be_exchanged() {
        let mut balancer = with_listeners();
        let one = balancer.add_rule("80", new(1)).unwrap();
        let two = balancer.add_rule("80", new(2)).unwrap();
        let three = balancer.add_rule("80", new(3)).unwrap();
        let listener = balancer.arn.listener("80");
        let (one, two) = (listener.rule(&one.id), listener.rule(&two.id));
        let set = balancer.set_priorities(&[(one.clone(), 2), (two.clone(), 1)]).unwrap();
        assert_eq!(set.iter().map(|rule| &rule.id).collect::<Vec<_>>(), [&two.id, &one.id]);
        let taken = balancer.clone().set_priorities(&[(one.clone(), three.priority)]);
        assert!(matches!(taken, Err(BalancerError::PriorityInUse(3))), "{taken:?}");
        let other = balancer.add_rule("81", new(1)).unwrap();
        let other = balancer.arn.listener("81").rule(&other.id);
        assert!(balancer.set_priorities(&[(one, 7), (other, 8)]).is_err());
        assert!(balancer.set_priorities(&[]).is_err());
    }

    #[test]
    fn the_default_rule_stays() {
        let mut balancer = with_listeners();
        let default = balancer.arn.listener("80").rule("default-80");
        let refused = balancer.delete_rule(&default).unwrap_err();
        assert!(matches!(refused, BalancerError::NotPermitted(_)), "{refused}");
        let refused = balancer.change_rule(&default, RuleChange::default()).unwrap_err();
        assert!(matches!(refused, BalancerError::NotPermitted(_)), "{refused}");
        let missing = balancer.arn.listener("80").rule("none");
        let refused = balancer.delete_rule(&missing).unwrap_err();
        assert!(matches!(refused, BalancerError::RuleMissing(_)), "{refused}");
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let mut balancer = with_listeners();
        let rule = balancer.add_rule("80", new(1)).unwrap();
        let which = balancer.arn.listener("80").rule(&rule.id);
        let change = RuleChange { action: Some(fixed(503)), conditions: None };
        let changed = balancer.change_rule(&which, change).unwrap();
        assert_eq!((&changed.action, &changed.conditions), (&fixed(503), &rule.conditions));
        balancer.delete_rule(&which).unwrap();
        assert!(priorities(&balancer).is_empty());
    }
}
