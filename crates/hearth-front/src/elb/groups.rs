//! Target groups and their targets.

use hearth_http::balancers::attributes::{self as rules, Of};
use hearth_http::balancers::error::{BalancerError, TooMany};
use hearth_http::balancers::groups::{HealthCheckChange, NewGroup};
use hearth_http::balancers::health::TargetHealth;
use hearth_http::balancers::record::TargetGroup;
use serde_json::{Value, json};

use super::{
    Answered, Asked, Call, changes, new_tags, number, paging, refuse, shown_attributes, unsupported,
};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

pub(super) async fn create(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let name = parameters.required("Name");
    let kinds = [("instance", false), ("ip", false), ("lambda", true), ("alb", false)];
    // AWS: instances, if nothing is said.
    let is_function = parameters.one_of("TargetType", &kinds).unwrap_or(false);
    let health_check = health_check(&mut parameters)?;
    let tags = new_tags(&mut parameters)?;
    if is_function {
        for given in ["Protocol", "ProtocolVersion", "Port", "VpcId"] {
            if parameters.take(given).is_some() {
                let text =
                    format!("{given} cannot be specified for target groups of the type 'lambda'");
                return Err(Refusal::validation(text));
            }
        }
        refuse(&mut parameters, &["IpAddressType", "TargetControlPort"])?;
    }
    parameters.check()?;
    if !is_function {
        return Err(unsupported("target groups that are not of the type 'lambda'"));
    }
    let new = NewGroup { name, health_check, tags };
    let made = asked.balancers.create_group(&asked.scope, new).await?;
    Ok(json!({ "TargetGroups": [shown(&asked, &made)] }))
}

pub(super) fn describe(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let balancer = parameters.text("LoadBalancerArn");
    let arns = parameters.texts("TargetGroupArns");
    let names = parameters.texts("Names");
    let page = paging::page(&mut parameters)?;
    parameters.check()?;
    let ways = [balancer.is_some(), !arns.is_empty(), !names.is_empty()];
    if ways.iter().filter(|way| **way).count() > 1 {
        let text = "Target group names, target group ARNs, and a load balancer ARN cannot be specified at the same time";
        return Err(Refusal::validation(text));
    }
    for arn in &arns {
        asked.group_arn(arn)?;
    }
    let mut all = asked.balancers.list_groups(&asked.scope);
    if let Some(balancer) = balancer {
        let balancer = asked.balancers.existing(&asked.balancer_arn(&balancer)?)?;
        all.retain(|group| balancer.groups().any(|used| *used == group.arn));
    }
    let named = |group: &TargetGroup| {
        arns.contains(&group.arn.to_string()) || names.contains(&group.arn.name)
    };
    if !arns.is_empty() || !names.is_empty() {
        all.retain(|group| named(group));
        // Each may have been named twice.
        let is_there = |named: &&String| {
            all.iter().any(|group| group.arn.name == **named || group.arn.to_string() == **named)
        };
        if !arns.iter().chain(&names).all(|named| is_there(&named)) {
            let text = "One or more target groups not found";
            return Err(BalancerError::GroupMissing(text.to_owned()).into());
        }
    }
    let items = all.iter().map(|group| (group.arn.name.clone(), shown(&asked, group)));
    Ok(paging::listed("TargetGroups", items, &page))
}

pub(super) async fn modify(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("TargetGroupArn");
    let change = health_check(&mut parameters)?;
    parameters.check()?;
    let arn = asked.group_arn(&arn)?;
    let changed = asked.balancers.change_health_check(&arn, change).await?;
    Ok(json!({ "TargetGroups": [shown(&asked, &changed)] }))
}

pub(super) async fn delete(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("TargetGroupArn");
    parameters.check()?;
    asked.balancers.delete_group(&asked.group_arn(&arn)?).await?;
    Ok(json!({}))
}

pub(super) fn attributes(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("TargetGroupArn");
    parameters.check()?;
    let group = asked.balancers.existing_group(&asked.group_arn(&arn)?)?;
    Ok(shown_attributes(Of::Group, &group.attributes))
}

pub(super) async fn set_attributes(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("TargetGroupArn");
    let changes = changes(&mut parameters)?;
    parameters.check()?;
    let arn = asked.group_arn(&arn)?;
    let changed = asked.balancers.change_group(&arn, |group| {
        rules::set(Of::Group, &mut group.attributes, &changes)?;
        Ok(group.attributes.clone())
    });
    Ok(shown_attributes(Of::Group, &changed.await?))
}

pub(super) async fn register(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("TargetGroupArn");
    let targets = targets(parameters.required_list("Targets"))?;
    parameters.check()?;
    let arn = asked.group_arn(&arn)?;
    match targets.as_slice() {
        [target] => asked.balancers.register(&arn, target).await?,
        [] => return Err(Refusal::validation("A target must be specified")),
        _ => return Err(BalancerError::TooMany(TooMany::Targets).into()),
    }
    Ok(json!({}))
}

pub(super) async fn deregister(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("TargetGroupArn");
    let targets = targets(parameters.required_list("Targets"))?;
    parameters.check()?;
    let arn = asked.group_arn(&arn)?;
    if targets.is_empty() {
        return Err(Refusal::validation("A target must be specified"));
    }
    for target in &targets {
        asked.balancers.deregister(&arn, target).await?;
    }
    Ok(json!({}))
}

pub(super) fn health(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("TargetGroupArn");
    let targets = targets(parameters.list("Targets"))?;
    refuse(&mut parameters, &["Include"])?;
    parameters.check()?;
    let found = asked.balancers.target_health(&asked.group_arn(&arn)?, &targets)?;
    let each = |health: TargetHealth| {
        json!({
            "Target": { "Id": health.target },
            "TargetHealth": {
                "State": health.state, "Reason": health.reason,
                "Description": health.description,
            },
        })
    };
    let found: Vec<Value> = found.into_iter().map(each).collect();
    Ok(json!({ "TargetHealthDescriptions": found }))
}

/// The ids of targets. A function has no port and no zone.
fn targets(elements: Vec<Value>) -> Result<Vec<String>, Refusal> {
    let mut targets = Vec::new();
    for (place, element) in (1_usize..).zip(elements) {
        let mut target = Parameters::within("Targets", place, element);
        targets.push(target.required("Id"));
        for given in ["Port", "AvailabilityZone", "QuicServerId"] {
            if target.take(given).is_some() {
                let text = format!("{given} cannot be specified for targets that are functions");
                return Err(Refusal::validation(text));
            }
        }
        target.check()?;
    }
    targets.dedup();
    Ok(targets)
}

fn health_check(parameters: &mut Parameters) -> Result<HealthCheckChange, Refusal> {
    refuse(parameters, &["HealthCheckProtocol", "HealthCheckPort"])?;
    let enabled = [("true", true), ("false", false)];
    let matcher = match parameters.structure("Matcher") {
        None => None,
        Some(mut matcher) => {
            refuse(&mut matcher, &["GrpcCode"])?;
            let code = matcher.text("HttpCode");
            matcher.check()?;
            code
        }
    };
    Ok(HealthCheckChange {
        enabled: parameters.one_of("HealthCheckEnabled", &enabled),
        path: parameters.text("HealthCheckPath"),
        interval_seconds: number(parameters, "HealthCheckIntervalSeconds")?,
        timeout_seconds: number(parameters, "HealthCheckTimeoutSeconds")?,
        healthy_threshold: number(parameters, "HealthyThresholdCount")?,
        unhealthy_threshold: number(parameters, "UnhealthyThresholdCount")?,
        matcher,
    })
}

fn shown(asked: &Asked<'_>, group: &TargetGroup) -> Value {
    let check = &group.health_check;
    let user = asked.balancers.user_of(&group.arn);
    let users: Vec<String> = user.into_iter().map(|user| user.arn.to_string()).collect();
    json!({
        "TargetGroupArn": group.arn.to_string(),
        "TargetGroupName": group.arn.name,
        "TargetType": "lambda",
        "HealthCheckEnabled": check.enabled,
        "HealthCheckPath": check.path,
        "HealthCheckIntervalSeconds": check.interval_seconds,
        "HealthCheckTimeoutSeconds": check.timeout_seconds,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "Matcher": { "HttpCode": check.matcher },
        "LoadBalancerArns": users,
    })
}
