//! Actions of rules, as they are written.

use hearth_http::balancers::error::{BalancerError, TooMany};
use hearth_http::balancers::record::{
    Action, ActionKind, Fixed, Redirect, RedirectKind, WeightedGroup,
};
use serde_json::{Value, json};

use super::{Asked, number, unsupported};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

/// AWS's types of actions.
const TYPES: [(&str, Kind); 6] = [
    ("forward", Kind::Forward),
    ("authenticate-oidc", Kind::Unsupported("authenticate-oidc")),
    ("authenticate-cognito", Kind::Unsupported("authenticate-cognito")),
    ("redirect", Kind::Redirect),
    ("fixed-response", Kind::Fixed),
    ("jwt-validation", Kind::Unsupported("jwt-validation")),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Forward,
    Redirect,
    Fixed,
    Unsupported(&'static str),
}

/// The one action of a list.
pub(super) fn read(
    asked: &Asked<'_>,
    (list, elements): (&str, Vec<Value>),
) -> Result<Action, Refusal> {
    let count = elements.len();
    let mut actions = Vec::with_capacity(count);
    for (place, element) in (1_usize..).zip(elements) {
        actions.push(one(asked, Parameters::within(list, place, element))?);
    }
    match actions.pop() {
        Some(action) if count == 1 => Ok(action),
        Some(_) => Err(BalancerError::TooMany(TooMany::Actions).into()),
        None => Err(Refusal::validation("An action must be specified")),
    }
}

fn one(asked: &Asked<'_>, mut action: Parameters) -> Result<Action, Refusal> {
    let order = number(&mut action, "Order")?;
    let kind = action.required_one_of("Type", &TYPES);
    let group = action.text("TargetGroupArn");
    let forward = action.structure("ForwardConfig");
    let redirect_to = action.structure("RedirectConfig");
    let fixed_to = action.structure("FixedResponseConfig");
    action.check()?;
    let lacking = |what: &str| -> Refusal {
        BalancerError::InvalidAction(format!("The action must have a {what}")).into()
    };
    let kind = match kind {
        Some(Kind::Forward) => ActionKind::Forward(groups(asked, group, forward)?),
        Some(Kind::Redirect) => {
            ActionKind::Redirect(redirect(redirect_to.ok_or_else(|| lacking("RedirectConfig"))?)?)
        }
        Some(Kind::Fixed) => {
            ActionKind::Fixed(fixed(fixed_to.ok_or_else(|| lacking("FixedResponseConfig"))?)?)
        }
        Some(Kind::Unsupported(name)) => {
            return Err(unsupported(&format!("actions of the type '{name}'")));
        }
        None => return Err(Refusal::broken()),
    };
    Ok(Action { order, kind })
}

fn groups(
    asked: &Asked<'_>,
    single: Option<String>,
    several: Option<Parameters>,
) -> Result<Vec<WeightedGroup>, Refusal> {
    let Some(mut several) = several else {
        let single = single.ok_or_else(|| {
            Refusal::from(BalancerError::InvalidAction(
                "A forward action must have a target group".to_owned(),
            ))
        })?;
        return Ok(vec![WeightedGroup { group: asked.group_arn(&single)?, weight: 1 }]);
    };
    let mut groups = Vec::new();
    for (place, element) in (1_usize..).zip(several.required_list("TargetGroups")) {
        let mut group = Parameters::within("TargetGroups", place, element);
        let arn = group.required("TargetGroupArn");
        let weight = number(&mut group, "Weight")?.unwrap_or(1);
        group.check()?;
        groups.push(WeightedGroup { group: asked.group_arn(&arn)?, weight });
    }
    if let Some(mut stickiness) = several.structure("TargetGroupStickinessConfig")
        && stickiness.is_true("Enabled")
    {
        return Err(unsupported("stickiness of target groups"));
    }
    several.check()?;
    let is_other = |single: &String| {
        groups.len() != 1 || groups.iter().any(|one| one.group.to_string() != *single)
    };
    if single.as_ref().is_some_and(is_other) {
        let text = "TargetGroupArn and ForwardConfig must name the same target group";
        return Err(BalancerError::InvalidAction(text.to_owned()).into());
    }
    Ok(groups)
}

fn redirect(mut given: Parameters) -> Result<Redirect, Refusal> {
    let default = Redirect::default();
    let mut text = |name: &str, default: String| given.text(name).unwrap_or(default);
    let (protocol, host) = (text("Protocol", default.protocol), text("Host", default.host));
    let (port, path) = (text("Port", default.port), text("Path", default.path));
    let query = text("Query", default.query);
    let kinds = [("HTTP_301", RedirectKind::Permanent), ("HTTP_302", RedirectKind::Temporary)];
    let kind = given.required_one_of("StatusCode", &kinds);
    given.check()?;
    let kind = kind.unwrap_or(RedirectKind::Temporary);
    Ok(Redirect { protocol, host, port, path, query, kind })
}

fn fixed(mut given: Parameters) -> Result<Fixed, Refusal> {
    let status = given.required("StatusCode");
    let content_type = given.text("ContentType").filter(|kind| !kind.is_empty());
    let body = given.text("MessageBody");
    given.check()?;
    let status = status
        .parse()
        .ok()
        .ok_or_else(|| Refusal::validation(format!("The status code '{status}' is not valid")))?;
    Ok(Fixed { status, content_type, body })
}

/// A list of the one action that a rule has.
pub(super) fn shown(action: &Action) -> Value {
    let order = action.order;
    json!([match &action.kind {
        ActionKind::Forward(groups) => {
            let single = match groups.as_slice() {
                [one] => Some(one.group.to_string()),
                _ => None,
            };
            let weighted = |one: &WeightedGroup| json!({ "TargetGroupArn": one.group.to_string(), "Weight": one.weight });
            let groups: Vec<Value> = groups.iter().map(weighted).collect();
            let stickiness = json!({ "Enabled": false });
            json!({
                "Type": "forward", "Order": order, "TargetGroupArn": single,
                "ForwardConfig": {
                    "TargetGroups": groups, "TargetGroupStickinessConfig": stickiness,
                },
            })
        }
        ActionKind::Redirect(to) => json!({
            "Type": "redirect", "Order": order,
            "RedirectConfig": {
                "Protocol": to.protocol, "Host": to.host, "Port": to.port, "Path": to.path,
                "Query": to.query, "StatusCode": to.kind.name(),
            },
        }),
        ActionKind::Fixed(fixed) => json!({
            "Type": "fixed-response", "Order": order,
            "FixedResponseConfig": {
                "StatusCode": fixed.status.to_string(), "ContentType": fixed.content_type,
                "MessageBody": fixed.body,
            },
        }),
    }])
}
