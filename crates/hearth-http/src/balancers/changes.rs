//! Changes of load balancers, and the tags of everything.

use std::sync::Arc;

use hearth_types::names::Scope;

use super::arn::{self, BalancerArn, ListenerArn, Resource, RuleArn};
use super::attributes::{self, DELETION_PROTECTION};
use super::checker::Signal;
use super::error::{BalancerError, TooMany};
use super::record::{Attributes, Balancer, Listener, Reach, Tags};
use super::{Balancers, check, limits};

/// A load balancer to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewBalancer {
    /// Its name.
    pub name: String,
    /// Where it would be reached from.
    pub reach: Reach,
    /// Which addresses it would have; AWS's default if nothing is said.
    pub address_type: Option<String>,
    /// The subnets that it would be in.
    pub subnets: Vec<String>,
    /// The security groups that it would have.
    pub security_groups: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Balancer {
    /// Puts it into other subnets.
    ///
    /// # Errors
    ///
    /// If they cannot be.
    pub fn set_subnets(&mut self, subnets: Vec<String>) -> Result<(), BalancerError> {
        check_places(&subnets)?;
        self.subnets = subnets;
        Ok(())
    }

    /// Gives it other security groups.
    ///
    /// # Errors
    ///
    /// If they cannot be.
    pub fn set_security_groups(&mut self, groups: Vec<String>) -> Result<(), BalancerError> {
        check_places(&groups)?;
        self.security_groups = groups;
        Ok(())
    }
}

impl Balancers {
    /// Makes a load balancer. One that is there already, with the same settings, is left as it is.
    ///
    /// # Errors
    ///
    /// If its name is taken by another one, it cannot be, or there are too many.
    pub async fn create(
        &self,
        scope: &Scope,
        new: NewBalancer,
    ) -> Result<Arc<Balancer>, BalancerError> {
        check::name("Load balancer", &new.name)?;
        if new.name.starts_with("internal-") {
            let text = format!("Load balancer name '{}' cannot begin with 'internal-'", new.name);
            return Err(BalancerError::Validation(text));
        }
        check_places(&new.subnets)?;
        check_places(&new.security_groups)?;
        let _writing = self.groups.writing().await;
        let NewBalancer { name, reach, address_type, subnets, security_groups, tags } = new;
        let made = Balancer {
            arn: BalancerArn { scope: scope.clone(), name, id: arn::new_id() },
            number: arn::new_number(),
            reach,
            address_type: address_type.unwrap_or_else(|| "ipv4".to_owned()),
            subnets,
            security_groups,
            created: self.clock.now(),
            attributes: Attributes::new(),
            tags,
            listeners: Vec::new(),
        };
        if let Some(known) = self.balancers.get(scope, &made.arn.name) {
            return if is_same(&known, &made) {
                Ok(known)
            } else {
                Err(BalancerError::BalancerExists(made.arn.name))
            };
        }
        if self.list(scope).len() >= limits::BALANCERS_MAX {
            return Err(BalancerError::TooMany(TooMany::Balancers));
        }
        self.keep(made).await
    }

    /// Deletes a load balancer with its listeners and rules. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If it is protected, or the store failed.
    pub async fn delete(&self, arn: &BalancerArn) -> Result<(), BalancerError> {
        let _writing = self.groups.writing().await;
        let Some(found) = self.find(arn) else { return Ok(()) };
        if attributes::is_on(&found.attributes, DELETION_PROTECTION) {
            let text = format!(
                "Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            );
            return Err(BalancerError::NotPermitted(text));
        }
        self.balancers.remove(&arn.scope, &arn.name).await.map_err(BalancerError::Store)?;
        self.signal.send_replace(Signal::Changed);
        Ok(())
    }

    /// Changes a load balancer and what belongs to it.
    ///
    /// # Errors
    ///
    /// If there is none, the change refuses, a target group cannot be used, or the store failed;
    /// then nothing is changed.
    pub async fn change<T: Send>(
        &self,
        arn: &BalancerArn,
        change: impl FnOnce(&mut Balancer) -> Result<T, BalancerError> + Send,
    ) -> Result<T, BalancerError> {
        let _writing = self.groups.writing().await;
        let mut changed = Balancer::clone(&*self.existing(arn)?);
        let done = change(&mut changed)?;
        self.check_groups(&changed)?;
        self.keep(changed).await?;
        Ok(done)
    }

    /// One load balancer.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn existing(&self, arn: &BalancerArn) -> Result<Arc<Balancer>, BalancerError> {
        let missing = || BalancerError::BalancerMissing(format!("Load balancer '{arn}' not found"));
        self.find(arn).ok_or_else(missing)
    }

    /// The load balancer of a listener that is there, and the listener.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn existing_listener(
        &self,
        arn: &ListenerArn,
    ) -> Result<(Arc<Balancer>, Listener), BalancerError> {
        let balancer = self.find(&arn.balancer);
        let listener = balancer.as_ref().and_then(|found| found.listener(&arn.id).cloned());
        let missing = || BalancerError::ListenerMissing(format!("Listener '{arn}' not found"));
        balancer.zip(listener).ok_or_else(missing)
    }

    async fn keep(&self, balancer: Balancer) -> Result<Arc<Balancer>, BalancerError> {
        let BalancerArn { scope, name, .. } = balancer.arn.clone();
        let kept = self.balancers.put(&scope, &name, balancer).await;
        let kept = kept.map_err(BalancerError::Store)?;
        self.signal.send_replace(Signal::Changed);
        Ok(kept)
    }

    /// Whether all target groups that a load balancer names are there and nobody else's.
    fn check_groups(&self, balancer: &Balancer) -> Result<(), BalancerError> {
        let mut named: Vec<_> = balancer.groups().collect();
        named.sort();
        named.dedup();
        if named.len() > limits::GROUPS_OF_BALANCER_MAX {
            return Err(BalancerError::TooMany(TooMany::GroupsOfBalancer));
        }
        for group in named {
            if group.scope != *balancer.scope() || self.find_group(group).is_none() {
                let text = format!("Target groups '{group}' not found");
                return Err(BalancerError::GroupMissing(text));
            }
            if self.user_of(group).is_some_and(|user| user.arn != balancer.arn) {
                return Err(BalancerError::AssociationLimit(group.to_string()));
            }
        }
        Ok(())
    }

    /// The tags of something.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn tags(&self, resource: &Resource) -> Result<Tags, BalancerError> {
        match resource {
            Resource::Balancer(arn) => Ok(self.existing(arn)?.tags.clone()),
            Resource::Listener(arn) => Ok(self.existing_listener(arn)?.1.tags),
            Resource::Group(arn) => Ok(self.existing_group(arn)?.tags.clone()),
            Resource::Rule(arn) => {
                let balancer = self.find(&arn.listener.balancer);
                let listener = balancer.as_ref().and_then(|found| found.listener(&arn.listener.id));
                let tags = listener.and_then(|listener| tags_of_rule(listener, &arn.id));
                tags.cloned().ok_or_else(|| rule_missing(arn))
            }
        }
    }

    /// Changes the tags of something.
    ///
    /// # Errors
    ///
    /// If it is not there, or would have too many.
    pub async fn change_tags(
        &self,
        resource: &Resource,
        change: impl FnOnce(&mut Tags) + Send,
    ) -> Result<(), BalancerError> {
        // Says what is missing in the words of its kind.
        self.tags(resource)?;
        let change = |tags: &mut Tags| {
            change(tags);
            check::count_tags(tags)
        };
        match resource {
            Resource::Balancer(arn) => {
                self.change(arn, |balancer| change(&mut balancer.tags)).await
            }
            Resource::Listener(arn) => {
                let change =
                    |balancer: &mut Balancer| change(&mut balancer.listener_mut(&arn.id)?.tags);
                self.change(&arn.balancer, change).await
            }
            Resource::Rule(arn) => {
                let change = |balancer: &mut Balancer| {
                    let listener = balancer.listener_mut(&arn.listener.id)?;
                    change(rule_tags(listener, &arn.id).ok_or_else(|| rule_missing(arn))?)
                };
                self.change(&arn.listener.balancer, change).await
            }
            Resource::Group(arn) => self.change_group(arn, |group| change(&mut group.tags)).await,
        }
    }
}

fn rule_missing(arn: &RuleArn) -> BalancerError {
    BalancerError::RuleMissing(format!("Rule '{arn}' not found"))
}

/// The tags of a rule, of a default one as well.
fn tags_of_rule<'a>(listener: &'a Listener, id: &str) -> Option<&'a Tags> {
    if listener.default_rule == id {
        return Some(&listener.default_tags);
    }
    listener.rules.iter().find(|rule| rule.id == id).map(|rule| &rule.tags)
}

/// The same, to be changed.
fn rule_tags<'a>(listener: &'a mut Listener, id: &str) -> Option<&'a mut Tags> {
    if listener.default_rule == id {
        return Some(&mut listener.default_tags);
    }
    listener.rules.iter_mut().find(|rule| rule.id == id).map(|rule| &mut rule.tags)
}

/// Subnets or security groups.
///
/// # Errors
///
/// If there are too many, or one of them is named in no way that AWS's are.
fn check_places(places: &[String]) -> Result<(), BalancerError> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_name = |text: &String| !text.is_empty() && text.len() <= 64 && text.bytes().all(is_part);
    if places.len() > limits::PLACES_MAX || !places.iter().all(is_name) {
        let text = format!("'{}' are not valid subnets or security groups", places.join(", "));
        return Err(BalancerError::Validation(text));
    }
    Ok(())
}

fn is_same(one: &Balancer, other: &Balancer) -> bool {
    one.reach == other.reach
        && one.address_type == other.address_type
        && one.subnets == other.subnets
        && one.security_groups == other.security_groups
}
