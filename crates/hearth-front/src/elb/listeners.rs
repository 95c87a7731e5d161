//! Listeners.

use hearth_http::balancers::arn::BalancerArn;
use hearth_http::balancers::attributes::{self as rules, Of};
use hearth_http::balancers::error::BalancerError;
use hearth_http::balancers::listeners::{ListenerChange, NewListener};
use hearth_http::balancers::record::{Listener, Protocol};
use serde_json::{Value, json};

use super::{
    Answered, Call, actions, changes, new_tags, number, paging, refuse, shown_attributes,
    unsupported,
};
use crate::parameters::Parameters;
use crate::query_error::Refusal;

pub(super) async fn create(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("LoadBalancerArn");
    let port = port(&mut parameters)?;
    let protocol = protocol(&mut parameters)?;
    let certificate = certificate(&mut parameters)?;
    let ssl_policy = parameters.text("SslPolicy");
    let given = parameters.required_list("DefaultActions");
    let tags = new_tags(&mut parameters)?;
    refuse_more(&mut parameters)?;
    parameters.check()?;
    let Some(protocol) = protocol else {
        return Err(Refusal::validation("A listener protocol must be specified"));
    };
    let Some(port) = port else {
        return Err(Refusal::validation("A listener port must be specified"));
    };
    let arn = asked.balancer_arn(&arn)?;
    let default_action = actions::read(&asked, ("DefaultActions", given))?;
    let new = NewListener { port, protocol, certificate, ssl_policy, default_action, tags };
    let made = asked.balancers.change(&arn, |balancer| balancer.add_listener(new)).await?;
    Ok(json!({ "Listeners": [shown(&arn, &made)] }))
}

pub(super) fn describe(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let balancer = parameters.text("LoadBalancerArn");
    let arns = parameters.texts("ListenerArns");
    let page = paging::page(&mut parameters)?;
    parameters.check()?;
    let mut found: Vec<(BalancerArn, Listener)> = Vec::new();
    match balancer {
        Some(_) if !arns.is_empty() => {
            let text = "A load balancer ARN and listener ARNs cannot be specified at the same time";
            return Err(Refusal::validation(text));
        }
        Some(balancer) => {
            let balancer = asked.balancers.existing(&asked.balancer_arn(&balancer)?)?;
            let all = balancer.listeners.iter().cloned();
            found.extend(all.map(|listener| (balancer.arn.clone(), listener)));
        }
        None if arns.is_empty() => {
            let text = "You must specify either listener ARNs or a load balancer ARN";
            return Err(Refusal::validation(text));
        }
        None => {
            for arn in &arns {
                let arn = asked.listener_arn(arn)?;
                let (balancer, listener) = asked.balancers.existing_listener(&arn)?;
                found.push((balancer.arn.clone(), listener));
            }
        }
    }
    let items = found.iter().map(|(balancer, listener)| {
        // Listeners of several load balancers can have one port.
        (format!("{:05} {}", listener.port, listener.id), shown(balancer, listener))
    });
    let mut items: Vec<(String, Value)> = items.collect();
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(paging::listed("Listeners", items, &page))
}

pub(super) async fn modify(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("ListenerArn");
    let port = port(&mut parameters)?;
    let protocol = protocol(&mut parameters)?;
    let certificate = certificate(&mut parameters)?;
    let ssl_policy = parameters.text("SslPolicy");
    let given = parameters.list("DefaultActions");
    refuse_more(&mut parameters)?;
    parameters.check()?;
    let arn = asked.listener_arn(&arn)?;
    let default_action = if given.is_empty() {
        None
    } else {
        Some(actions::read(&asked, ("DefaultActions", given))?)
    };
    let change = ListenerChange { port, protocol, certificate, ssl_policy, default_action };
    asked.balancers.existing_listener(&arn)?;
    let changed = asked
        .balancers
        .change(&arn.balancer, |balancer| balancer.change_listener(&arn.id, change))
        .await?;
    Ok(json!({ "Listeners": [shown(&arn.balancer, &changed)] }))
}

pub(super) async fn delete(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("ListenerArn");
    parameters.check()?;
    let arn = asked.listener_arn(&arn)?;
    asked.balancers.existing_listener(&arn)?;
    let deleted =
        asked.balancers.change(&arn.balancer, |balancer| balancer.delete_listener(&arn.id));
    deleted.await?;
    Ok(json!({}))
}

pub(super) fn attributes(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("ListenerArn");
    parameters.check()?;
    let (_, listener) = asked.balancers.existing_listener(&asked.listener_arn(&arn)?)?;
    Ok(shown_attributes(Of::Listener, &listener.attributes))
}

pub(super) async fn set_attributes(call: Call<'_>) -> Answered {
    let Call { asked, mut parameters } = call;
    let arn = parameters.required("ListenerArn");
    let changes = changes(&mut parameters)?;
    parameters.check()?;
    let arn = asked.listener_arn(&arn)?;
    asked.balancers.existing_listener(&arn)?;
    let changed = asked.balancers.change(&arn.balancer, |balancer| {
        let listener = balancer.listener_mut(&arn.id)?;
        rules::set(Of::Listener, &mut listener.attributes, &changes)?;
        Ok(listener.attributes.clone())
    });
    Ok(shown_attributes(Of::Listener, &changed.await?))
}

fn port(parameters: &mut Parameters) -> Result<Option<u16>, Refusal> {
    let given = number(parameters, "Port")?;
    let port = given.map(|given| {
        u16::try_from(given)
            .map_err(|_too_large| Refusal::validation("The port of a listener is 1 to 65535"))
    });
    port.transpose()
}

fn protocol(parameters: &mut Parameters) -> Result<Option<Protocol>, Refusal> {
    match parameters.text("Protocol").as_deref() {
        None => Ok(None),
        Some("HTTP") => Ok(Some(Protocol::Http)),
        Some("HTTPS") => Ok(Some(Protocol::Https)),
        Some(other) => Err(BalancerError::UnsupportedProtocol(format!(
            "Listener protocol '{other}' must be one of 'HTTPS, HTTP'"
        ))
        .into()),
    }
}

/// The ARN of the certificate, of which there is one at the most.
fn certificate(parameters: &mut Parameters) -> Result<Option<String>, Refusal> {
    let given = parameters.list("Certificates");
    if given.len() > 1 {
        return Err(Refusal::validation("Only one certificate can be specified"));
    }
    let Some(one) = given.into_iter().next() else { return Ok(None) };
    let mut one = Parameters::within("Certificates", 1, one);
    let arn = one.required("CertificateArn");
    one.check()?;
    Ok(Some(arn))
}

/// What would have an effect on AWS.
fn refuse_more(parameters: &mut Parameters) -> Result<(), Refusal> {
    refuse(parameters, &["AlpnPolicy"])?;
    let mode = parameters.structure("MutualAuthentication").and_then(|mut one| one.text("Mode"));
    match mode.as_deref() {
        None | Some("off") => Ok(()),
        Some(_) => Err(unsupported("mutual authentication")),
    }
}

fn shown(balancer: &BalancerArn, listener: &Listener) -> Value {
    let certificate = listener.certificate.as_ref();
    json!({
        "ListenerArn": listener.arn(balancer).to_string(),
        "LoadBalancerArn": balancer.to_string(),
        "Port": listener.port,
        "Protocol": listener.protocol.name(),
        "Certificates": certificate.map(|arn| json!([{ "CertificateArn": arn }])),
        "SslPolicy": listener.ssl_policy,
        "DefaultActions": actions::shown(&listener.default_action),
    })
}
