//! Target groups: a function, and how its health is looked after.

use std::sync::Arc;

use hearth_control::control::Control;
use hearth_control::policy::access::{Access, Who};
use hearth_types::names::{FunctionArn, FunctionReference, Qualifier, Scope};

use super::arn::{self, GroupArn};
use super::checker::Signal;
use super::error::{BalancerError, TooMany};
use super::record::{Attributes, HealthCheck, Tags, TargetGroup};
use super::{Balancers, check, limits};

/// Who invokes functions for target groups.
const SERVICE: &str = "elasticloadbalancing.amazonaws.com";

/// A function, and what stands behind its name.
pub(super) type Named = (FunctionArn, Option<Qualifier>);

/// How health checks are to be, where something is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthCheckChange {
    /// Whether at all.
    pub enabled: Option<bool>,
    /// The path of the request.
    pub path: Option<String>,
    /// How often.
    pub interval_seconds: Option<u32>,
    /// How long it may take.
    pub timeout_seconds: Option<u32>,
    /// After how many that went well the target is healthy.
    pub healthy_threshold: Option<u32>,
    /// After how many that did not it is unhealthy.
    pub unhealthy_threshold: Option<u32>,
    /// Which statuses are good.
    pub matcher: Option<String>,
}

/// A target group to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewGroup {
    /// Its name.
    pub name: String,
    /// Its health checks.
    pub health_check: HealthCheckChange,
    /// Its tags.
    pub tags: Tags,
}

impl Balancers {
    /// Makes a target group for a function. One that is there already, with the same settings, is
    /// left as it is.
    ///
    /// # Errors
    ///
    /// If its name is taken by another one, it cannot be, or there are too many.
    pub async fn create_group(
        &self,
        scope: &Scope,
        new: NewGroup,
    ) -> Result<Arc<TargetGroup>, BalancerError> {
        check::name("Target group", &new.name)?;
        let health_check = with(HealthCheck::default(), new.health_check)?;
        let _writing = self.groups.writing().await;
        if let Some(known) = self.groups.get(scope, &new.name) {
            return if known.health_check == health_check {
                Ok(known)
            } else {
                Err(BalancerError::GroupExists(new.name))
            };
        }
        if self.list_groups(scope).len() >= limits::GROUPS_MAX {
            return Err(BalancerError::TooMany(TooMany::Groups));
        }
        self.keep_group(TargetGroup {
            arn: GroupArn { scope: scope.clone(), name: new.name, id: arn::new_id() },
            health_check,
            target: None,
            attributes: Attributes::new(),
            tags: new.tags,
        })
        .await
    }

    /// Deletes a target group. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If a rule names it, or the store failed.
    pub async fn delete_group(&self, arn: &GroupArn) -> Result<(), BalancerError> {
        let _writing = self.groups.writing().await;
        if self.find_group(arn).is_none() {
            return Ok(());
        }
        if self.user_of(arn).is_some() {
            let text = format!("Target group '{arn}' is currently in use by a listener or a rule");
            return Err(BalancerError::InUse(text));
        }
        self.groups.remove(&arn.scope, &arn.name).await.map_err(BalancerError::Store)?;
        self.signal.send_replace(Signal::Changed);
        Ok(())
    }

    /// Changes the health checks of a target group.
    ///
    /// # Errors
    ///
    /// If there is none, or they cannot be so.
    pub async fn change_health_check(
        &self,
        arn: &GroupArn,
        change: HealthCheckChange,
    ) -> Result<Arc<TargetGroup>, BalancerError> {
        self.change_group(arn, |group| {
            group.health_check = with(group.health_check.clone(), change)?;
            Ok(())
        })
        .await?;
        self.existing_group(arn)
    }

    /// Puts a function into a target group.
    ///
    /// # Errors
    ///
    /// If there is no such group or function, it has another one, or the policy of the function
    /// does not let load balancers invoke it for this group.
    pub async fn register(&self, arn: &GroupArn, target: &str) -> Result<(), BalancerError> {
        let named = function_of(arn, target)?;
        self.existing_group(arn)?;
        if self.control.get(&named.0, named.1.as_ref()).is_err() {
            let text = format!("The function '{target}' does not exist");
            return Err(BalancerError::InvalidTarget(text));
        }
        if !may_invoke(&self.control, arn, &named) {
            let (function, group) = (target.to_owned(), arn.to_string());
            return Err(BalancerError::AccessDenied { function, group });
        }
        self.change_group(arn, |group| match &group.target {
            Some(known) if known != target => Err(BalancerError::TooMany(TooMany::Targets)),
            Some(_) | None => {
                group.target = Some(target.to_owned());
                Ok(())
            }
        })
        .await
    }

    /// Takes a function out of a target group. AWS: that it is not in it is fine.
    ///
    /// # Errors
    ///
    /// If there is no such group.
    pub async fn deregister(&self, arn: &GroupArn, target: &str) -> Result<(), BalancerError> {
        self.change_group(arn, |group| {
            if group.target.as_deref() == Some(target) {
                group.target = None;
            }
            Ok(())
        })
        .await
    }

    /// One target group.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn existing_group(&self, arn: &GroupArn) -> Result<Arc<TargetGroup>, BalancerError> {
        let missing = || BalancerError::GroupMissing(format!("Target groups '{arn}' not found"));
        self.find_group(arn).ok_or_else(missing)
    }

    /// Changes a target group.
    ///
    /// # Errors
    ///
    /// If there is none, the change refuses, or the store failed; then nothing is changed.
    pub async fn change_group<T: Send>(
        &self,
        arn: &GroupArn,
        change: impl FnOnce(&mut TargetGroup) -> Result<T, BalancerError> + Send,
    ) -> Result<T, BalancerError> {
        let _writing = self.groups.writing().await;
        let mut changed = TargetGroup::clone(&*self.existing_group(arn)?);
        let done = change(&mut changed)?;
        self.keep_group(changed).await?;
        Ok(done)
    }

    async fn keep_group(&self, group: TargetGroup) -> Result<Arc<TargetGroup>, BalancerError> {
        let GroupArn { scope, name, .. } = group.arn.clone();
        let kept = self.groups.put(&scope, &name, group).await.map_err(BalancerError::Store)?;
        self.signal.send_replace(Signal::Changed);
        Ok(kept)
    }
}

/// The function that a target is. It belongs to whom its group belongs to.
pub(super) fn function_of(group: &GroupArn, target: &str) -> Result<Named, BalancerError> {
    let invalid = || {
        let text = format!("'{target}' is not the ARN of a function in this account and region");
        BalancerError::InvalidTarget(text)
    };
    if !target.starts_with("arn:") {
        return Err(invalid());
    }
    let Ok(reference) = FunctionReference::parse(target) else { return Err(invalid()) };
    let FunctionReference { region, account, name, qualifier } = reference;
    let is_here = region.as_ref() == Some(&group.scope.region)
        && account.as_ref() == Some(&group.scope.account);
    if !is_here {
        return Err(invalid());
    }
    Ok((FunctionArn { scope: group.scope.clone(), name }, qualifier))
}

/// Whether the policy of a function lets load balancers invoke it for a target group.
pub(super) fn may_invoke(control: &Control, group: &GroupArn, named: &Named) -> bool {
    let (function, qualifier) = named;
    let Ok(record) = control.record(function) else { return false };
    let source = group.to_string();
    let context =
        [("aws:SourceArn", source.as_str()), ("aws:SourceAccount", group.scope.account.as_str())];
    let access =
        Access { who: Who::Service(SERVICE), action: "lambda:InvokeFunction", context: &context };
    record.lets(qualifier.as_ref(), &access)
}

/// Health checks with a change, if they can be so.
fn with(before: HealthCheck, change: HealthCheckChange) -> Result<HealthCheck, BalancerError> {
    let check = HealthCheck {
        enabled: change.enabled.unwrap_or(before.enabled),
        path: change.path.unwrap_or(before.path),
        interval_seconds: change.interval_seconds.unwrap_or(before.interval_seconds),
        timeout_seconds: change.timeout_seconds.unwrap_or(before.timeout_seconds),
        healthy_threshold: change.healthy_threshold.unwrap_or(before.healthy_threshold),
        unhealthy_threshold: change.unhealthy_threshold.unwrap_or(before.unhealthy_threshold),
        matcher: change.matcher.unwrap_or(before.matcher),
    };
    let within = |what: &str, value: u32, (least, most): (u32, u32)| {
        let text = format!("{what} '{value}' must be between '{least}' and '{most}'");
        if (least..=most).contains(&value) { Ok(()) } else { Err(BalancerError::Validation(text)) }
    };
    within("Health check interval", check.interval_seconds, (5, 300))?;
    within("Health check timeout", check.timeout_seconds, (2, 120))?;
    within("Healthy threshold count", check.healthy_threshold, (2, 10))?;
    within("Unhealthy threshold count", check.unhealthy_threshold, (2, 10))?;
    if check.timeout_seconds >= check.interval_seconds {
        let text = format!(
            "Health check timeout '{}' must be smaller than the interval '{}'",
            check.timeout_seconds, check.interval_seconds
        );
        return Err(BalancerError::Validation(text));
    }
    let is_path = check.path.starts_with('/')
        && check.path.len() <= 1_024
        && check.path.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path {
        let text = format!("Health check path '{}' is not valid", check.path);
        return Err(BalancerError::Validation(text));
    }
    check::matcher(&check.matcher)?;
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancers::testing::group;

    #[test]
    fn a_target_is_a_function_of_the_same_account_and_region() {
        let arn = group("functions").arn;
        let of = |target: &str| {
            let named = function_of(&arn, target).ok()?;
            Some((named.0.to_string(), named.1.map(|one| one.to_string())))
        };
        let f = "arn:aws:lambda:us-east-1:000000000000:function:f";
        assert_eq!(of(f), Some((f.to_owned(), None)));
        assert_eq!(of(&format!("{f}:live")), Some((f.to_owned(), Some("live".to_owned()))));
        for other in [
            "f",
            "i-0123456789abcdef0",
            "arn:aws:lambda:us-east-2:000000000000:function:f",
            "arn:aws:lambda:us-east-1:111111111111:function:f",
            "arn:aws:lambda:us-east-1:000000000000:layer:f:1",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn health_checks_that_can_be_and_that_cannot() {
        let change = HealthCheckChange::default();
        #[rustfmt::skip]
        let rows = [
            (change.clone(),                                                          true),
            (HealthCheckChange { interval_seconds: Some(300), ..change.clone() },     true),
            (HealthCheckChange { interval_seconds: Some(301), ..change.clone() },     false),
            (HealthCheckChange { interval_seconds: Some(30), ..change.clone() },      false),
            (HealthCheckChange { timeout_seconds: Some(1), ..change.clone() },        false),
            (HealthCheckChange { healthy_threshold: Some(1), ..change.clone() },      false),
            (HealthCheckChange { unhealthy_threshold: Some(11), ..change.clone() },   false),
            (HealthCheckChange { path: Some("health".to_owned()), ..change.clone() }, false),
            (HealthCheckChange { matcher: Some("200-299".to_owned()), ..change.clone() }, true),
            (HealthCheckChange { matcher: Some("600".to_owned()), ..change },         false),
        ];
        for (change, expected) in rows {
            assert_eq!(
                with(HealthCheck::default(), change.clone()).is_ok(),
                expected,
                "{change:?}"
            );
        }
    }
}
