//! Load balancers: making, listing and deleting them, and what is set.

use hearth_http::balancers::NewBalancer;
use hearth_http::balancers::attributes::{self as rules, Of};
use hearth_http::balancers::error::BalancerError;
use hearth_http::balancers::limits as bounds;
use hearth_http::balancers::record::{Balancer, Reach};
use serde_json::{Value, json};

use super::{Answered, Call, changes, new_tags, paging, refuse, shown_attributes, unsupported};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

/// AWS's words for where a load balancer is reached from.
const REACHES: [(&str, Reach); 2] =
    [("internet-facing", Reach::Internet), ("internal", Reach::Internal)];
/// AWS's words for the addresses of a load balancer.
const ADDRESS_TYPES: [(&str, &str); 3] = [
    ("ipv4", "ipv4"),
    ("dualstack", "dualstack"),
    ("dualstack-without-public-ipv4", "dualstack-without-public-ipv4"),
];

pub(super) async fn create(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let name = parameters.required("Name");
    let reach = parameters.one_of("Scheme", &REACHES);
    let kind = [("application", true), ("network", false), ("gateway", false)];
    let is_known = parameters.one_of("Type", &kind).unwrap_or(true);
    let address_type = parameters.one_of("IpAddressType", &ADDRESS_TYPES);
    let subnets = subnets(&mut parameters)?;
    let security_groups = parameters.texts("SecurityGroups");
    let tags = new_tags(&mut parameters);
    refuse(
        &mut parameters,
        &["CustomerOwnedIpv4Pool", "EnablePrefixForIpv6SourceNat", "IpamPools"],
    )?;
    parameters.check()?;
    if !is_known {
        return Err(unsupported("load balancers that are not of the type 'application'"));
    }
    let new = NewBalancer {
        name,
        reach: reach.unwrap_or_default(),
        address_type: address_type.map(str::to_owned),
        subnets,
        security_groups,
        tags: tags?,
    };
    let made = asked.balancers.create(&asked.scope, new).await?;
    Ok(json!({ "LoadBalancers": [shown(&made)] }))
}

pub(super) fn describe(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arns = parameters.texts("LoadBalancerArns");
    let names = parameters.texts("Names");
    let page = paging::page(&mut parameters)?;
    parameters.check()?;
    if !arns.is_empty() && !names.is_empty() {
        let text =
            "Load balancer names and load balancer ARNs cannot be specified at the same time";
        return Err(Refusal::validation(text));
    }
    for arn in &arns {
        asked.balancer_arn(arn)?;
    }
    let mut all = asked.balancers.list(&asked.scope);
    let is_there = |named: &String| {
        all.iter().any(|found| found.arn.name == *named || found.arn.to_string() == *named)
    };
    let missing: Vec<&str> =
        arns.iter().chain(&names).filter(|named| !is_there(named)).map(String::as_str).collect();
    if !missing.is_empty() {
        let text = format!("Load balancers '[{}]' not found", missing.join(", "));
        return Err(BalancerError::BalancerMissing(text).into());
    }
    if !arns.is_empty() {
        all.retain(|found| arns.contains(&found.arn.to_string()));
    }
    if !names.is_empty() {
        all.retain(|found| names.contains(&found.arn.name));
    }
    let items = all.iter().map(|found| (found.arn.name.clone(), shown(found)));
    Ok(paging::listed("LoadBalancers", items, &page))
}

pub(super) async fn delete(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("LoadBalancerArn");
    parameters.check()?;
    asked.balancers.delete(&asked.balancer_arn(&arn)?).await?;
    Ok(json!({}))
}

pub(super) fn attributes(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("LoadBalancerArn");
    parameters.check()?;
    let found = asked.balancers.existing(&asked.balancer_arn(&arn)?)?;
    Ok(shown_attributes(Of::Balancer, &found.attributes))
}

pub(super) async fn set_attributes(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("LoadBalancerArn");
    let changes = changes(&mut parameters)?;
    parameters.check()?;
    let arn = asked.balancer_arn(&arn)?;
    let changed = asked.balancers.change(&arn, |balancer| {
        rules::set(Of::Balancer, &mut balancer.attributes, &changes)?;
        Ok(balancer.attributes.clone())
    });
    Ok(shown_attributes(Of::Balancer, &changed.await?))
}

/// Nothing is reserved: nobody can.
pub(super) fn capacity(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("LoadBalancerArn");
    parameters.check()?;
    asked.balancers.existing(&asked.balancer_arn(&arn)?)?;
    Ok(json!({ "CapacityReservationState": [] }))
}

pub(super) fn limits(call: Call<'_>) -> Answered {
    let Call { mut parameters, .. } = call;
    let page = paging::page(&mut parameters)?;
    parameters.check()?;
    #[rustfmt::skip]
    let limits = [
        ("application-load-balancers",                       bounds::BALANCERS_MAX),
        ("condition-values-per-alb-rule",                    bounds::CONDITION_VALUES_MAX),
        ("condition-wildcards-per-alb-rule",                 bounds::CONDITION_WILDCARDS_MAX),
        ("listeners-per-application-load-balancer",          bounds::LISTENERS_MAX),
        ("rules-per-application-load-balancer",              bounds::RULES_MAX),
        ("target-groups",                                    bounds::GROUPS_MAX),
        ("target-groups-per-action-on-application-load-balancer", bounds::GROUPS_OF_ACTION_MAX),
        ("target-groups-per-application-load-balancer",      bounds::GROUPS_OF_BALANCER_MAX),
    ];
    let items = limits
        .map(|(name, most)| (name.to_owned(), json!({ "Name": name, "Max": most.to_string() })));
    Ok(paging::listed("Limits", items, &page))
}

pub(super) async fn set_subnets(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("LoadBalancerArn");
    let subnets = subnets(&mut parameters)?;
    let address_type = parameters.one_of("IpAddressType", &ADDRESS_TYPES);
    refuse(&mut parameters, &["EnablePrefixForIpv6SourceNat"])?;
    parameters.check()?;
    let arn = asked.balancer_arn(&arn)?;
    let changed = asked.balancers.change(&arn, |balancer| {
        balancer.set_subnets(subnets)?;
        if let Some(address_type) = address_type {
            address_type.clone_into(&mut balancer.address_type);
        }
        Ok(balancer.clone())
    });
    let changed = changed.await?;
    Ok(json!({ "AvailabilityZones": zones(&changed), "IpAddressType": changed.address_type }))
}

pub(super) async fn set_security_groups(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("LoadBalancerArn");
    let groups = parameters.required_texts("SecurityGroups");
    refuse(&mut parameters, &["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"])?;
    parameters.check()?;
    let arn = asked.balancer_arn(&arn)?;
    let changed = asked.balancers.change(&arn, |balancer| {
        balancer.set_security_groups(groups)?;
        Ok(balancer.security_groups.clone())
    });
    Ok(json!({ "SecurityGroupIds": changed.await? }))
}

pub(super) async fn set_address_type(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("LoadBalancerArn");
    let address_type = parameters.required_one_of("IpAddressType", &ADDRESS_TYPES);
    parameters.check()?;
    // What was missing has been told.
    let address_type = address_type.unwrap_or("ipv4");
    let arn = asked.balancer_arn(&arn)?;
    let changed = asked.balancers.change(&arn, |balancer| {
        address_type.clone_into(&mut balancer.address_type);
        Ok(())
    });
    changed.await?;
    Ok(json!({ "IpAddressType": address_type }))
}

/// The subnets, in one of the two ways to name them.
fn subnets(parameters: &mut Parameters) -> Result<Vec<String>, Refusal> {
    let subnets = parameters.texts("Subnets");
    let mut mapped = Vec::new();
    for (number, element) in (1_usize..).zip(parameters.list("SubnetMappings")) {
        let mut mapping = Parameters::within("SubnetMappings", number, element);
        mapped.push(mapping.required("SubnetId"));
        refuse(
            &mut mapping,
            &["AllocationId", "PrivateIPv4Address", "IPv6Address", "SourceNatIpv6Prefix"],
        )?;
        mapping.check()?;
    }
    if !subnets.is_empty() && !mapped.is_empty() {
        let text = "You can specify either subnets or subnet mappings, but not both";
        return Err(Refusal::validation(text));
    }
    Ok(if mapped.is_empty() { subnets } else { mapped })
}

/// There are no zones here, so only the subnets are said.
fn zones(balancer: &Balancer) -> Vec<Value> {
    balancer.subnets.iter().map(|subnet| json!({ "SubnetId": subnet })).collect()
}

fn shown(balancer: &Balancer) -> Value {
    json!({
        "LoadBalancerArn": balancer.arn.to_string(),
        "LoadBalancerName": balancer.arn.name,
        "DNSName": balancer.dns_name(),
        "CreatedTime": balancer.created.iso(),
        "Scheme": balancer.reach.name(),
        "State": { "Code": "active" },
        "Type": "application",
        "AvailabilityZones": zones(balancer),
        "SecurityGroups": balancer.security_groups,
        "IpAddressType": balancer.address_type,
    })
}
