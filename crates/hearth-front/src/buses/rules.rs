//! Rules and patterns.

use hearth_services::buses::names::BusArn;
use hearth_services::buses::record::{Rule as Kept, RuleState};
use hearth_services::buses::{self, RuleSettings};
use hearth_wire::events::types::{
    DeleteRuleRequest, DescribeRuleRequest, DescribeRuleResponse, DisableRuleRequest,
    EnableRuleRequest, ListRuleNamesByTargetRequest, ListRuleNamesByTargetResponse,
    ListRulesRequest, ListRulesResponse, PutRuleRequest, PutRuleResponse, Rule,
    TestEventPatternRequest, TestEventPatternResponse,
};
use serde_json::Value;

use super::paging::{self, Asked};
use super::{Call, invalid, tags_from_wire, write};
use crate::error::AwsError;

pub(super) async fn put(call: &Call, request: PutRuleRequest) -> Result<Value, AwsError> {
    let state = match request.state.as_deref() {
        None => RuleState::default(),
        Some(text) => RuleState::parse(text)
            .ok_or_else(|| invalid(format!("Parameter State is not valid: {text}.")))?,
    };
    let settings = RuleSettings {
        name: request.name,
        pattern: request.event_pattern,
        schedule: request.schedule_expression,
        state,
        description: request.description,
        role: request.role_arn,
        tags: tags_from_wire(request.tags),
    };
    let bus = request.event_bus_name.as_deref();
    let arn = call.buses.put_rule(&call.scope, bus, settings).await?;
    Ok(write(&PutRuleResponse { rule_arn: Some(arn) }))
}

pub(super) fn describe(call: &Call, request: DescribeRuleRequest) -> Result<Value, AwsError> {
    let bus = request.event_bus_name.as_deref();
    let (bus, rule) = call.buses.rule(&call.scope, bus, &request.name)?;
    let rule = Kept::clone(&rule);
    Ok(write(&DescribeRuleResponse {
        arn: Some(bus.rule(&rule.name)),
        name: Some(rule.name),
        event_pattern: rule.pattern,
        schedule_expression: rule.schedule,
        state: Some(rule.state.name().to_owned()),
        description: rule.description,
        role_arn: rule.role,
        event_bus_name: Some(bus.name),
        created_by: Some(call.scope.account.to_string()),
        ..DescribeRuleResponse::default()
    }))
}

pub(super) async fn enable(call: &Call, request: EnableRuleRequest) -> Result<Value, AwsError> {
    let change = (request.name.as_str(), RuleState::Enabled);
    call.buses.set_rule_state(&call.scope, request.event_bus_name.as_deref(), change).await?;
    Ok(Value::Null)
}

pub(super) async fn disable(call: &Call, request: DisableRuleRequest) -> Result<Value, AwsError> {
    let change = (request.name.as_str(), RuleState::Disabled);
    call.buses.set_rule_state(&call.scope, request.event_bus_name.as_deref(), change).await?;
    Ok(Value::Null)
}

/// `Force` is for rules that services of AWS manage, of which there are none.
pub(super) async fn delete(call: &Call, request: DeleteRuleRequest) -> Result<Value, AwsError> {
    let bus = request.event_bus_name.as_deref();
    call.buses.delete_rule(&call.scope, bus, &request.name).await?;
    Ok(Value::Null)
}

pub(super) fn list(call: &Call, request: ListRulesRequest) -> Result<Value, AwsError> {
    let prefix = request.name_prefix.unwrap_or_default();
    let (bus, rules) = call.buses.list_rules(&call.scope, request.event_bus_name.as_deref())?;
    let rules = rules.into_iter().filter(|rule| rule.name.starts_with(&prefix));
    let rules = rules.map(|rule| (rule.name.clone(), shown(&bus, Kept::clone(&rule)))).collect();
    let asked = Asked { token: request.next_token, limit: request.limit };
    let (page, next_token) = paging::cut(rules, &asked)?;
    Ok(write(&ListRulesResponse { rules: Some(page), next_token }))
}

fn shown(bus: &BusArn, rule: Kept) -> Rule {
    Rule {
        arn: Some(bus.rule(&rule.name)),
        name: Some(rule.name),
        event_pattern: rule.pattern,
        schedule_expression: rule.schedule,
        state: Some(rule.state.name().to_owned()),
        description: rule.description,
        role_arn: rule.role,
        event_bus_name: Some(bus.name.clone()),
        ..Rule::default()
    }
}

pub(super) fn list_names_by_target(
    call: &Call,
    request: ListRuleNamesByTargetRequest,
) -> Result<Value, AwsError> {
    let (_, rules) = call.buses.list_rules(&call.scope, request.event_bus_name.as_deref())?;
    let has_it = |rule: &Kept| rule.targets.iter().any(|target| target.arn == request.target_arn);
    let names = rules.iter().filter(|rule| has_it(rule));
    let names = names.map(|rule| (rule.name.clone(), rule.name.clone())).collect();
    let asked = Asked { token: request.next_token, limit: request.limit };
    let (page, next_token) = paging::cut(names, &asked)?;
    Ok(write(&ListRuleNamesByTargetResponse { rule_names: Some(page), next_token }))
}

pub(super) fn test_pattern(request: TestEventPatternRequest) -> Result<Value, AwsError> {
    let TestEventPatternRequest { event_pattern, event } = request;
    let result = buses::test_pattern(&event_pattern, &event)?;
    Ok(write(&TestEventPatternResponse { result: Some(result) }))
}
