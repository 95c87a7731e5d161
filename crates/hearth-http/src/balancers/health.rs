//! What health checks say about a target, as pure rules.
//!
//! ```text
//!            one went well          so many in a row did not
//!  Initial ───────────────▶ Healthy ────────────────────────▶ Unhealthy
//!     │                        ▲                                  │ ▲
//!     │                        └──── so many in a row went well ──┘ │
//!     └───────────────── so many in a row did not ──────────────────┘
//! ```
//!
//! # Deliberately absent
//!
//! No effect on who is asked: a group has one target, and where all targets are unhealthy AWS's load
//! balancers ask them all the same.

use super::Balancers;
use super::arn::GroupArn;
use super::error::BalancerError;
use super::record::{HealthCheck, TargetGroup};

/// What is known of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Of which one: the ARN of its function.
    pub target: String,
    /// What it is taken for.
    pub state: State,
    /// How many checks have gone well, in a row, up to now.
    successes: u32,
    /// How many have not.
    failures: u32,
}

/// What a target is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is known yet.
    Initial,
    /// It does well.
    Healthy,
    /// It does not, for this reason.
    Unhealthy(Failure),
}

/// Why a check did not go well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Another status than those that are good.
    Status(u16),
    /// It took too long.
    TimedOut,
    /// There was no answer, or none that is one.
    Failed,
}

/// The health of a target, as AWS words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetHealth {
    /// Of which target.
    pub target: String,
    /// Its state.
    pub state: &'static str,
    /// Why it is not healthy.
    pub reason: Option<&'static str>,
    /// The same in words.
    pub description: Option<String>,
}

impl Health {
    /// Of a target that has not been checked.
    #[must_use]
    pub fn unknown(target: &str) -> Self {
        Self { target: target.to_owned(), state: State::Initial, successes: 0, failures: 0 }
    }

    /// After one more check.
    #[must_use]
    pub fn after(self, rules: &HealthCheck, found: Result<u16, Failure>) -> Self {
        let failure = match found {
            Ok(status) if is_good(&rules.matcher, status) => None,
            Ok(status) => Some(Failure::Status(status)),
            Err(failure) => Some(failure),
        };
        let (successes, failures) = match failure {
            None => (self.successes.saturating_add(1), 0),
            Some(_) => (0, self.failures.saturating_add(1)),
        };
        let state = match (self.state, failure) {
            (State::Initial | State::Healthy, None) => State::Healthy,
            (State::Unhealthy(_), None) if successes >= rules.healthy_threshold => State::Healthy,
            (State::Unhealthy(before), None) => State::Unhealthy(before),
            (State::Unhealthy(_), Some(failure)) => State::Unhealthy(failure),
            (State::Initial | State::Healthy, Some(failure))
                if failures >= rules.unhealthy_threshold =>
            {
                State::Unhealthy(failure)
            }
            (state @ (State::Initial | State::Healthy), Some(_)) => state,
        };
        Self { state, successes, failures, ..self }
    }
}

/// Whether a status is one of those that a matcher names.
fn is_good(matcher: &str, status: u16) -> bool {
    matcher.split(',').any(|part| {
        let (least, most) = part.split_once('-').unwrap_or((part, part));
        let (least, most) = (least.parse::<u16>(), most.parse::<u16>());
        least.is_ok_and(|least| least <= status) && most.is_ok_and(|most| status <= most)
    })
}

impl TargetHealth {
    fn new(target: &str, state: &'static str) -> Self {
        Self { target: target.to_owned(), state, reason: None, description: None }
    }

    fn because(self, reason: &'static str, description: impl Into<String>) -> Self {
        Self { reason: Some(reason), description: Some(description.into()), ..self }
    }

    fn of(target: &str, state: State) -> Self {
        match state {
            State::Healthy => Self::new(target, "healthy"),
            State::Initial => Self::new(target, "initial")
                .because("Elb.InitialHealthChecking", "Initial health checks in progress"),
            State::Unhealthy(failure) => {
                let told = Self::new(target, "unhealthy");
                match failure {
                    Failure::Status(status) => told.because(
                        "Target.ResponseCodeMismatch",
                        format!("Health checks failed with these codes: [{status}]"),
                    ),
                    Failure::TimedOut => told.because("Target.Timeout", "Request timed out"),
                    Failure::Failed => {
                        told.because("Target.FailedHealthChecks", "Health checks failed")
                    }
                }
            }
        }
    }
}

impl Balancers {
    /// The health of the targets of a group, or of those that are asked for.
    ///
    /// # Errors
    ///
    /// If there is no such group.
    pub fn target_health(
        &self,
        arn: &GroupArn,
        asked: &[String],
    ) -> Result<Vec<TargetHealth>, BalancerError> {
        let group = self.existing_group(arn)?;
        let registered = group.target.clone().into_iter().collect();
        let asked = if asked.is_empty() { registered } else { asked.to_vec() };
        Ok(asked.iter().map(|target| self.health_of(&group, target)).collect())
    }

    fn health_of(&self, group: &TargetGroup, target: &str) -> TargetHealth {
        if group.target.as_deref() != Some(target) {
            let why = "Target is not registered to the target group";
            return TargetHealth::new(target, "unused").because("Target.NotRegistered", why);
        }
        if self.user_of(&group.arn).is_none() {
            let why = "Target group is not configured to receive traffic from the load balancer";
            return TargetHealth::new(target, "unused").because("Target.NotInUse", why);
        }
        if !group.health_check.enabled {
            let why = "Health checks are not enabled for this target";
            return TargetHealth::new(target, "unavailable")
                .because("Target.HealthCheckDisabled", why);
        }
        let known = self.health().get(&group.arn).filter(|health| health.target == target).cloned();
        TargetHealth::of(target, known.map_or(State::Initial, |health| health.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> HealthCheck {
        let matcher = "200-204,302".to_owned();
        HealthCheck {
            enabled: true,
            healthy_threshold: 3,
            unhealthy_threshold: 2,
            matcher,
            ..HealthCheck::default()
        }
    }

    /// The states after each check.
    fn states(found: &[Result<u16, Failure>]) -> Vec<State> {
        let mut health = Health::unknown("f");
        let after = |one: &Result<u16, Failure>| {
            health = health.clone().after(&rules(), *one);
            health.state
        };
        found.iter().map(after).collect()
    }

    #[test]
    fn the_first_check_that_goes_well_is_enough() {
        assert_eq!(states(&[Ok(200)]), [State::Healthy]);
        assert_eq!(states(&[Ok(500), Ok(302)]), [State::Initial, State::Healthy]);
    }

    #[test]
    fn so_many_in_a_row_are_needed_for_a_change() {
        let odd = State::Unhealthy(Failure::Status(500));
        let late = State::Unhealthy(Failure::TimedOut);
        let found = [Ok(200), Ok(500), Ok(200), Ok(500), Ok(500), Ok(200), Ok(200)];
        let healthy = State::Healthy;
        assert_eq!(states(&found), [healthy, healthy, healthy, healthy, odd, odd, odd]);
        let found = [Ok(500), Err(Failure::TimedOut), Ok(200), Ok(200), Ok(200)];
        assert_eq!(states(&found), [State::Initial, late, late, late, healthy]);
    }

    #[test]
    fn statuses_are_matched_by_value_and_range() {
        let rows =
            [(200, true), (204, true), (205, false), (302, true), (303, false), (199, false)];
        for (status, expected) in rows {
            assert_eq!(is_good(&rules().matcher, status), expected, "{status}");
        }
    }
}
