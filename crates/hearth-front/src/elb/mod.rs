//! The operations of Elastic Load Balancing (version 2): parameters to load balancers and back.

mod paging;
mod balancers;
mod listeners;
mod rules;
mod conditions;
mod actions;
mod groups;
mod tags;

use hearth_http::balancers::Balancers;
use hearth_http::balancers::arn::{BalancerArn, GroupArn, ListenerArn, Resource, RuleArn};
use hearth_http::balancers::attributes::{self, Of};
use hearth_http::balancers::error::BalancerError;
use hearth_http::balancers::record::Attributes;
use hearth_types::names::Scope;
use hearth_wire::aws_query::Request;
use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::query_error::Refusal;

/// The version of the API, which says that this service is meant.
pub(crate) const VERSION: &str = "2015-12-01";

/// What is offered.
pub(crate) const OFFERED: &[&str] = &[
    "AddTags",
    "CreateListener",
    "CreateLoadBalancer",
    "CreateRule",
    "CreateTargetGroup",
    "DeleteListener",
    "DeleteLoadBalancer",
    "DeleteRule",
    "DeleteTargetGroup",
    "DeregisterTargets",
    "DescribeAccountLimits",
    "DescribeCapacityReservation",
    "DescribeListenerAttributes",
    "DescribeListeners",
    "DescribeLoadBalancerAttributes",
    "DescribeLoadBalancers",
    "DescribeRules",
    "DescribeTags",
    "DescribeTargetGroupAttributes",
    "DescribeTargetGroups",
    "DescribeTargetHealth",
    "ModifyListener",
    "ModifyListenerAttributes",
    "ModifyLoadBalancerAttributes",
    "ModifyRule",
    "ModifyTargetGroup",
    "ModifyTargetGroupAttributes",
    "RegisterTargets",
    "RemoveTags",
    "SetIpAddressType",
    "SetRulePriorities",
    "SetSecurityGroups",
    "SetSubnets",
];

/// Who asks, and of whom.
pub(crate) struct Asked<'a> {
    pub(crate) balancers: &'a Balancers,
    pub(crate) scope: Scope,
}

/// One call of an operation.
struct Call<'a> {
    asked: Asked<'a>,
    parameters: Parameters,
}

/// What an operation answers.
type Answered = Result<Value, Refusal>;

/// Performs an operation.
pub(crate) async fn perform(asked: Asked<'_>, request: Request) -> Answered {
    let action = request.action.as_str();
    let call = Call { asked, parameters: Parameters::new(request.parameters) };
    match action {
        "CreateLoadBalancer" => balancers::create(call).await,
        "DescribeLoadBalancers" => balancers::describe(call),
        "DeleteLoadBalancer" => balancers::delete(call).await,
        "DescribeLoadBalancerAttributes" => balancers::attributes(call),
        "ModifyLoadBalancerAttributes" => balancers::set_attributes(call).await,
        "DescribeCapacityReservation" => balancers::capacity(call),
        "DescribeAccountLimits" => balancers::limits(call),
        "SetSubnets" => balancers::set_subnets(call).await,
        "SetSecurityGroups" => balancers::set_security_groups(call).await,
        "SetIpAddressType" => balancers::set_address_type(call).await,

        "CreateListener" => listeners::create(call).await,
        "DescribeListeners" => listeners::describe(call),
        "ModifyListener" => listeners::modify(call).await,
        "DeleteListener" => listeners::delete(call).await,
        "DescribeListenerAttributes" => listeners::attributes(call),
        "ModifyListenerAttributes" => listeners::set_attributes(call).await,

        "CreateRule" => rules::create(call).await,
        "DescribeRules" => rules::describe(call),
        "ModifyRule" => rules::modify(call).await,
        "DeleteRule" => rules::delete(call).await,
        "SetRulePriorities" => rules::set_priorities(call).await,

        "CreateTargetGroup" => groups::create(call).await,
        "DescribeTargetGroups" => groups::describe(call),
        "ModifyTargetGroup" => groups::modify(call).await,
        "DeleteTargetGroup" => groups::delete(call).await,
        "DescribeTargetGroupAttributes" => groups::attributes(call),
        "ModifyTargetGroupAttributes" => groups::set_attributes(call).await,
        "RegisterTargets" => groups::register(call).await,
        "DeregisterTargets" => groups::deregister(call).await,
        "DescribeTargetHealth" => groups::health(call),

        "AddTags" => tags::add(call).await,
        "DescribeTags" => tags::describe(call),
        "RemoveTags" => tags::remove(call).await,
        other => Err(Refusal::not_built("Elastic Load Balancing", other)),
    }
}

impl Asked<'_> {
    /// A load balancer of the caller. That it is there is not said.
    fn balancer_arn(&self, text: &str) -> Result<BalancerArn, Refusal> {
        match Resource::parse(text) {
            Some(Resource::Balancer(arn)) if arn.scope == self.scope => Ok(arn),
            Some(Resource::Balancer(_)) => {
                let told = format!("Load balancer '{text}' not found");
                Err(BalancerError::BalancerMissing(told).into())
            }
            Some(Resource::Listener(_) | Resource::Rule(_) | Resource::Group(_)) | None => {
                Err(no_arn(text, "load balancer"))
            }
        }
    }

    /// A listener of the caller.
    fn listener_arn(&self, text: &str) -> Result<ListenerArn, Refusal> {
        match Resource::parse(text) {
            Some(Resource::Listener(arn)) if arn.balancer.scope == self.scope => Ok(arn),
            Some(Resource::Listener(_)) => {
                let told = format!("Listener '{text}' not found");
                Err(BalancerError::ListenerMissing(told).into())
            }
            Some(Resource::Balancer(_) | Resource::Rule(_) | Resource::Group(_)) | None => {
                Err(no_arn(text, "listener"))
            }
        }
    }

    /// A rule of the caller.
    fn rule_arn(&self, text: &str) -> Result<RuleArn, Refusal> {
        match Resource::parse(text) {
            Some(Resource::Rule(arn)) if arn.listener.balancer.scope == self.scope => Ok(arn),
            Some(Resource::Rule(_)) => {
                Err(BalancerError::RuleMissing(format!("Rule '{text}' not found")).into())
            }
            Some(Resource::Balancer(_) | Resource::Listener(_) | Resource::Group(_)) | None => {
                Err(no_arn(text, "listener rule"))
            }
        }
    }

    /// A target group of the caller.
    fn group_arn(&self, text: &str) -> Result<GroupArn, Refusal> {
        match Resource::parse(text) {
            Some(Resource::Group(arn)) if arn.scope == self.scope => Ok(arn),
            Some(Resource::Group(_)) => {
                let told = format!("Target groups '{text}' not found");
                Err(BalancerError::GroupMissing(told).into())
            }
            Some(Resource::Balancer(_) | Resource::Listener(_) | Resource::Rule(_)) | None => {
                Err(no_arn(text, "target group"))
            }
        }
    }
}

fn no_arn(text: &str, what: &str) -> Refusal {
    Refusal::validation(format!("'{text}' is not a valid {what} ARN"))
}

/// Refuses what has an effect on AWS and would have none here.
fn refuse(parameters: &mut Parameters, names: &[&str]) -> Result<(), Refusal> {
    match names.iter().find(|name| parameters.take(name).is_some()) {
        Some(name) => Err(unsupported(&format!("{name}; leave it out"))),
        None => Ok(()),
    }
}

fn unsupported(what: &str) -> Refusal {
    BalancerError::InvalidConfiguration(format!("Hearth does not support {what}")).into()
}

/// A whole number that is not negative, if it is there.
fn number(parameters: &mut Parameters, name: &str) -> Result<Option<u32>, Refusal> {
    let given = parameters.number(name);
    let number = given.map(|given| {
        u32::try_from(given)
            .map_err(|_negative| Refusal::validation(format!("{name} '{given}' is not valid")))
    });
    number.transpose()
}

/// Tags, if there are any.
fn new_tags(parameters: &mut Parameters) -> Result<hearth_http::balancers::record::Tags, Refusal> {
    let given = parameters.tags("Tags").into_iter().map(|tag| (tag.key, tag.value));
    Ok(hearth_http::balancers::tags(given.collect())?)
}

/// Attributes that are to be changed.
fn changes(parameters: &mut Parameters) -> Result<Vec<(String, String)>, Refusal> {
    let mut changes = Vec::new();
    for (number, element) in (1_usize..).zip(parameters.required_list("Attributes")) {
        let mut attribute = Parameters::within("Attributes", number, element);
        changes.push((attribute.required("Key"), attribute.text("Value").unwrap_or_default()));
        attribute.check()?;
    }
    Ok(changes)
}

/// Attributes, as they are answered.
fn shown_attributes(of: Of, kept: &Attributes) -> Value {
    let each = |(key, value): (&str, String)| json!({ "Key": key, "Value": value });
    let all: Vec<Value> = attributes::all(of, kept).into_iter().map(each).collect();
    json!({ "Attributes": all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_in_order_and_there_once() {
        assert!(OFFERED.is_sorted_by(|one, other| one < other));
    }
}
