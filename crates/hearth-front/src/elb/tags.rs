//! Tags of load balancers, listeners, rules and target groups.

use hearth_http::balancers::arn::Resource;
use serde_json::{Value, json};

use super::{Answered, Asked, Call, new_tags, no_arn};
use crate::query_error::Refusal;

pub(super) async fn add(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arns = parameters.required_texts("ResourceArns");
    let tags = new_tags(&mut parameters)?;
    parameters.check()?;
    if tags.is_empty() {
        return Err(Refusal::validation("A tag must be specified"));
    }
    for resource in resources(&asked, &arns)? {
        let tags = tags.clone();
        asked.balancers.change_tags(&resource, move |kept| kept.extend(tags)).await?;
    }
    Ok(json!({}))
}

pub(super) fn describe(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arns = parameters.required_texts("ResourceArns");
    parameters.check()?;
    let mut all = Vec::new();
    for (resource, arn) in resources(&asked, &arns)?.iter().zip(&arns) {
        let tags = asked.balancers.tags(resource)?;
        let tag = |(key, value): (&String, &String)| json!({ "Key": key, "Value": value });
        let tags: Vec<Value> = tags.iter().map(tag).collect();
        all.push(json!({ "ResourceArn": arn, "Tags": tags }));
    }
    Ok(json!({ "TagDescriptions": all }))
}

pub(super) async fn remove(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arns = parameters.required_texts("ResourceArns");
    let keys = parameters.required_texts("TagKeys");
    parameters.check()?;
    for resource in resources(&asked, &arns)? {
        let gone = |key: &String| keys.contains(key);
        asked.balancers.change_tags(&resource, |kept| kept.retain(|key, _| !gone(key))).await?;
    }
    Ok(json!({}))
}

/// What is tagged. All of it has to be there.
fn resources(asked: &Asked<'_>, arns: &[String]) -> Result<Vec<Resource>, Refusal> {
    let mut resources = Vec::with_capacity(arns.len());
    for arn in arns {
        let resource = match Resource::parse(arn) {
            Some(Resource::Balancer(_)) => Resource::Balancer(asked.balancer_arn(arn)?),
            Some(Resource::Listener(_)) => Resource::Listener(asked.listener_arn(arn)?),
            Some(Resource::Rule(_)) => Resource::Rule(asked.rule_arn(arn)?),
            Some(Resource::Group(_)) => Resource::Group(asked.group_arn(arn)?),
            None => return Err(no_arn(arn, "resource")),
        };
        asked.balancers.tags(&resource)?;
        resources.push(resource);
    }
    Ok(resources)
}
