//! Rules of listeners.

use hearth_http::balancers::arn::{ListenerArn, RuleArn};
use hearth_http::balancers::error::BalancerError;
use hearth_http::balancers::record::{Listener, Rule};
use hearth_http::balancers::rules::{NewRule, RuleChange};
use serde_json::{Value, json};

use super::{Answered, Asked, Call, actions, conditions, new_tags, number, paging, unsupported};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

pub(super) async fn create(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("ListenerArn");
    let priority = number(&mut parameters, "Priority")?;
    let given_conditions = parameters.required_list("Conditions");
    let given_actions = parameters.required_list("Actions");
    let tags = new_tags(&mut parameters)?;
    refuse_transforms(&mut parameters)?;
    if priority.is_none() {
        parameters.miss("priority");
    }
    parameters.check()?;
    let arn = asked.listener_arn(&arn)?;
    asked.balancers.existing_listener(&arn)?;
    let new = NewRule {
        priority: priority.unwrap_or_default(),
        conditions: conditions::read(given_conditions)?,
        action: actions::read(&asked, ("Actions", given_actions))?,
        tags,
    };
    let made = asked.balancers.change(&arn.balancer, |balancer| balancer.add_rule(&arn.id, new));
    Ok(json!({ "Rules": [shown(&arn, &made.await?)] }))
}

pub(super) fn describe(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let listener = parameters.text("ListenerArn");
    let arns = parameters.texts("RuleArns");
    let page = paging::page(&mut parameters)?;
    parameters.check()?;
    let mut items = match listener {
        Some(_) if !arns.is_empty() => {
            let text = "A listener ARN and rule ARNs cannot be specified at the same time";
            return Err(Refusal::validation(text));
        }
        Some(listener) => {
            let arn = asked.listener_arn(&listener)?;
            let (_, listener) = asked.balancers.existing_listener(&arn)?;
            all(&arn, &listener)
        }
        None if arns.is_empty() => {
            let text = "You must specify either listener rule ARNs or a listener ARN";
            return Err(Refusal::validation(text));
        }
        None => {
            let named = arns.iter().map(|arn| named(&asked, arn));
            named.collect::<Result<Vec<_>, Refusal>>()?
        }
    };
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(paging::listed("Rules", items, &page))
}

pub(super) async fn modify(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("RuleArn");
    let given_conditions = parameters.list("Conditions");
    let given_actions = parameters.list("Actions");
    refuse_transforms(&mut parameters)?;
    parameters.check()?;
    if given_conditions.is_empty() && given_actions.is_empty() {
        return Err(Refusal::validation("Either conditions or actions must be specified"));
    }
    let arn = asked.rule_arn(&arn)?;
    let conditions = match given_conditions {
        none if none.is_empty() => None,
        given => Some(conditions::read(given)?),
    };
    let action = match given_actions {
        none if none.is_empty() => None,
        given => Some(actions::read(&asked, ("Actions", given))?),
    };
    let change = RuleChange { conditions, action };
    existing(&asked, &arn)?;
    let listener = &arn.listener;
    let changed =
        asked.balancers.change(&listener.balancer, |balancer| balancer.change_rule(&arn, change));
    Ok(json!({ "Rules": [shown(listener, &changed.await?)] }))
}

pub(super) async fn delete(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("RuleArn");
    parameters.check()?;
    let arn = asked.rule_arn(&arn)?;
    existing(&asked, &arn)?;
    let balancer = &arn.listener.balancer;
    asked.balancers.change(balancer, |balancer| balancer.delete_rule(&arn)).await?;
    Ok(json!({}))
}

pub(super) async fn set_priorities(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let mut priorities = Vec::new();
    let given = parameters.required_list("RulePriorities");
    parameters.check()?;
    for (place, element) in (1_usize..).zip(given) {
        let mut one = Parameters::within("RulePriorities", place, element);
        let arn = one.required("RuleArn");
        let priority = number(&mut one, "Priority")?;
        if priority.is_none() {
            one.miss("priority");
        }
        one.check()?;
        let arn = asked.rule_arn(&arn)?;
        existing(&asked, &arn)?;
        priorities.push((arn, priority.unwrap_or_default()));
    }
    let Some((first, _)) = priorities.first() else {
        return Err(Refusal::validation("A rule priority must be specified"));
    };
    let listener = first.listener.clone();
    let changed = asked
        .balancers
        .change(&listener.balancer, |balancer| balancer.set_priorities(&priorities))
        .await?;
    let rules: Vec<Value> = changed.iter().map(|rule| shown(&listener, rule)).collect();
    Ok(json!({ "Rules": rules }))
}

/// Whether a rule is there, in the words for rules.
fn existing(asked: &Asked<'_>, arn: &RuleArn) -> Result<Listener, Refusal> {
    let missing = || BalancerError::RuleMissing(format!("Rule '{arn}' not found"));
    let found = asked.balancers.existing_listener(&arn.listener).ok();
    let is_there = |listener: &Listener| {
        listener.default_rule == arn.id || listener.rules.iter().any(|rule| rule.id == arn.id)
    };
    let listener = found.map(|(_, listener)| listener).filter(is_there);
    Ok(listener.ok_or_else(missing)?)
}

/// One rule, with what it is sorted by.
fn named(asked: &Asked<'_>, text: &str) -> Result<(String, Value), Refusal> {
    let arn = asked.rule_arn(text)?;
    let listener = existing(asked, &arn)?;
    let of_listener = all(&arn.listener, &listener).into_iter();
    let mut one = of_listener.filter(|(_, rule)| rule["RuleArn"] == text);
    one.next().ok_or_else(Refusal::broken)
}

/// All rules of a listener, with what they are sorted by; the default one comes last.
fn all(arn: &ListenerArn, listener: &Listener) -> Vec<(String, Value)> {
    let rules = listener.rules.iter();
    let rules = rules.map(|rule| (format!("{:05} {}", rule.priority, rule.id), shown(arn, rule)));
    let default = shown_default(arn, listener);
    rules.chain([(format!("default {}", listener.id), default)]).collect()
}

fn refuse_transforms(parameters: &mut Parameters) -> Result<(), Refusal> {
    if !parameters.list("Transforms").is_empty() {
        return Err(unsupported("transforms of rules"));
    }
    // There are none that could be reset.
    parameters.is_true("ResetTransforms");
    Ok(())
}

fn shown(listener: &ListenerArn, rule: &Rule) -> Value {
    json!({
        "RuleArn": listener.rule(&rule.id).to_string(),
        "Priority": rule.priority.to_string(),
        "Conditions": conditions::shown(&rule.conditions),
        "Actions": actions::shown(&rule.action),
        "IsDefault": false,
    })
}

fn shown_default(arn: &ListenerArn, listener: &Listener) -> Value {
    json!({
        "RuleArn": arn.rule(&listener.default_rule).to_string(),
        "Priority": "default",
        "Conditions": [],
        "Actions": actions::shown(&listener.default_action),
        "IsDefault": true,
    })
}
