//! The names of load balancers and of what belongs to them: ARNs, and the names that hosts have.
//!
//! ```text
//!  arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID
//!                                              listener/app/NAME/ID/LISTENER
//!                                              listener-rule/app/NAME/ID/LISTENER/RULE
//!                                              targetgroup/NAME/ID
//! ```

use std::fmt;

use hearth_types::names::{AccountId, Region, Scope};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const PREFIX: &str = "arn:aws:elasticloadbalancing:";

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BalancerArn {
    /// Whose it is, and where.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerArn {
    /// Of which load balancer.
    pub balancer: BalancerArn,
    /// Its id.
    pub id: String,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleArn {
    /// Of which listener.
    pub listener: ListenerArn,
    /// Its id.
    pub id: String,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupArn {
    /// Whose it is, and where.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// Whatever has an ARN here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A load balancer.
    Balancer(BalancerArn),
    /// A listener.
    Listener(ListenerArn),
    /// A rule.
    Rule(RuleArn),
    /// A target group.
    Group(GroupArn),
}

impl Resource {
    /// Reads an ARN.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.splitn(3, ':');
        let region = Region::parse(parts.next()?).ok()?;
        let account = AccountId::parse(parts.next()?).ok()?;
        let scope = Scope { account, region };
        let path: Vec<&str> = parts.next()?.split('/').collect();
        if path.iter().any(|part| part.is_empty()) {
            return None;
        }
        let owned = |text: &str| text.to_owned();
        let balancer =
            |scope, name: &str, id: &str| BalancerArn { scope, name: owned(name), id: owned(id) };
        match path.as_slice() {
            ["targetgroup", name, id] => {
                Some(Self::Group(GroupArn { scope, name: owned(name), id: owned(id) }))
            }
            ["loadbalancer", "app", name, id] => Some(Self::Balancer(balancer(scope, name, id))),
            ["listener", "app", name, id, listener] => {
                let balancer = balancer(scope, name, id);
                Some(Self::Listener(ListenerArn { balancer, id: owned(listener) }))
            }
            ["listener-rule", "app", name, id, listener, rule] => {
                let balancer = balancer(scope, name, id);
                let listener = ListenerArn { balancer, id: owned(listener) };
                Some(Self::Rule(RuleArn { listener, id: owned(rule) }))
            }
            _ => None,
        }
    }
}

impl BalancerArn {
    /// A listener of it.
    #[must_use]
    pub fn listener(&self, id: &str) -> ListenerArn {
        ListenerArn { balancer: self.clone(), id: id.to_owned() }
    }

    fn path(&self) -> String {
        format!("app/{}/{}", self.name, self.id)
    }
}

impl ListenerArn {
    /// A rule of it.
    #[must_use]
    pub fn rule(&self, id: &str) -> RuleArn {
        RuleArn { listener: self.clone(), id: id.to_owned() }
    }
}

fn beginning(formatter: &mut fmt::Formatter<'_>, scope: &Scope) -> fmt::Result {
    write!(formatter, "{PREFIX}{}:{}:", scope.region, scope.account)
}

impl fmt::Display for BalancerArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        beginning(formatter, &self.scope)?;
        write!(formatter, "loadbalancer/{}", self.path())
    }
}

impl fmt::Display for ListenerArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        beginning(formatter, &self.balancer.scope)?;
        write!(formatter, "listener/{}/{}", self.balancer.path(), self.id)
    }
}

impl fmt::Display for RuleArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ListenerArn { balancer, id } = &self.listener;
        beginning(formatter, &balancer.scope)?;
        write!(formatter, "listener-rule/{}/{id}/{}", balancer.path(), self.id)
    }
}

impl fmt::Display for GroupArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        beginning(formatter, &self.scope)?;
        write!(formatter, "targetgroup/{}/{}", self.name, self.id)
    }
}

/// A text that is not the ARN of a target group.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the ARN of a target group")]
pub struct NotAGroup(String);

impl TryFrom<String> for GroupArn {
    type Error = NotAGroup;

    fn try_from(text: String) -> Result<Self, NotAGroup> {
        match Resource::parse(&text) {
            Some(Resource::Group(group)) => Ok(group),
            Some(Resource::Balancer(_) | Resource::Listener(_) | Resource::Rule(_)) | None => {
                Err(NotAGroup(text))
            }
        }
    }
}

impl From<GroupArn> for String {
    fn from(group: GroupArn) -> Self {
        group.to_string()
    }
}

/// A new id: 16 digits, as AWS's are.
#[must_use]
pub fn new_id() -> String {
    let mut id = Uuid::new_v4().simple().to_string();
    id.truncate(16);
    id
}

/// The number that stands behind the name of a load balancer in the name of its host.
#[must_use]
pub fn new_number() -> u32 {
    let bits = Uuid::new_v4().as_u128() & u128::from(u32::MAX);
    u32::try_from(bits).unwrap_or_default()
}

/// The first two parts of a host that may be a load balancer's: `<label>.<region>.elb.<domain>`.
#[must_use]
pub fn of_host(host: &str) -> Option<(&str, &str)> {
    let mut parts = host.splitn(4, '.');
    let (label, region, service, domain) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (service == "elb" && !label.is_empty() && !domain.is_empty()).then_some((label, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_arn_reads_back_as_itself() {
        let head = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:";
        for path in [
            "loadbalancer/app/web/0123456789abcdef",
            "listener/app/web/0123456789abcdef/fedcba9876543210",
            "listener-rule/app/web/0123456789abcdef/fedcba9876543210/0011223344556677",
            "targetgroup/functions/0123456789abcdef",
        ] {
            let arn = format!("{head}{path}");
            let read = match Resource::parse(&arn) {
                Some(Resource::Balancer(one)) => one.to_string(),
                Some(Resource::Listener(one)) => one.to_string(),
                Some(Resource::Rule(one)) => one.to_string(),
                Some(Resource::Group(one)) => one.to_string(),
                None => String::new(),
            };
            assert_eq!(read, arn);
        }
    }

    #[test]
    fn other_texts_are_no_arns() {
        for text in [
            "",
            "web",
            "arn:aws:lambda:eu-west-1:000000000000:function:f",
            "arn:aws:elasticloadbalancing:eu-west-1:000000000000:loadbalancer/web",
            "arn:aws:elasticloadbalancing:eu-west-1:000000000000:loadbalancer/net/web/01",
            "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup//01",
            "arn:aws:elasticloadbalancing:eu-west-1:0:targetgroup/a/01",
            "arn:aws:elasticloadbalancing:eu-west-1:000000000000",
        ] {
            assert_eq!(Resource::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_host_names_a_load_balancer() {
        #[rustfmt::skip]
        let rows = [
            ("web-17.us-east-1.elb.localhost",     Some(("web-17", "us-east-1"))),
            ("web-17.us-east-1.elb.amazonaws.com", Some(("web-17", "us-east-1"))),
            ("web-17.us-east-1.elb",               None),
            ("web-17.us-east-1.localhost",         None),
            (".us-east-1.elb.localhost",           None),
            ("localhost",                          None),
        ];
        for (host, expected) in rows {
            assert_eq!(of_host(host), expected, "{host}");
        }
    }

    #[test]
    fn an_id_has_sixteen_digits() {
        let id = new_id();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
}
