//! What is kept of a load balancer, with everything that belongs to it, and of a target group.
//!
//! The stored form is JSON of exactly these structures. A field that is added must have a default,
//! so that older records can still be read.

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::arn::{BalancerArn, GroupArn, ListenerArn};

/// Tags, by their keys.
pub type Tags = BTreeMap<String, String>;
/// The attributes that differ from what they are by default.
pub type Attributes = BTreeMap<String, String>;

/// A load balancer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Balancer {
    /// Which one.
    pub arn: BalancerArn,
    /// What stands behind its name in the name of its host.
    pub number: u32,
    /// Where it would be reached from.
    pub reach: Reach,
    /// Which addresses it would have, in AWS's word.
    pub address_type: String,
    /// The subnets that it would be in.
    pub subnets: Vec<String>,
    /// The security groups that it would have.
    pub security_groups: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
    /// Its listeners, in the order in which they were made.
    pub listeners: Vec<Listener>,
}

/// Where a load balancer would be reached from. All of them are reached in the same way here; the
/// name of the host shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// From everywhere.
    #[default]
    Internet,
    /// From within a network.
    Internal,
}

/// What takes requests at a port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Its id.
    pub id: String,
    /// Its port.
    pub port: u16,
    /// Whether it takes what comes through TLS.
    pub protocol: Protocol,
    /// The ARN of the certificate that it would show.
    pub certificate: Option<String>,
    /// The name of the policy that TLS would follow.
    pub ssl_policy: Option<String>,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
    /// The id of the rule for what no other rule is for.
    pub default_rule: String,
    /// The tags of that rule.
    #[serde(default)]
    pub default_tags: Tags,
    /// What that rule does.
    pub default_action: Action,
    /// The other rules, in the order of their priorities.
    pub rules: Vec<Rule>,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP in the clear.
    Http,
    /// HTTP through TLS.
    Https,
}

/// What is done with some of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// The rule with the smallest number goes first.
    pub priority: u32,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// What is done.
    pub action: Action,
    /// Its tags.
    pub tags: Tags,
}

/// What must hold of a request. One of the values is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Its host fits.
    Host(Vec<String>),
    /// Its path fits.
    Path(Vec<String>),
    /// A header with this name fits.
    Header {
        /// The name.
        name: String,
        /// What it fits.
        values: Vec<String>,
    },
    /// Its method is one of these.
    Method(Vec<String>),
    /// A pair of its query fits.
    Query(Vec<QueryPair>),
    /// It comes from one of these networks.
    Source(Vec<String>),
}

/// What a pair of a query must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryPair {
    /// The key; any, if it is left out.
    pub key: Option<String>,
    /// The value.
    pub value: String,
}

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Its place among several, of which there are none here.
    pub order: Option<u32>,
    /// What is done.
    pub kind: ActionKind,
}

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ActionKind {
    /// A function of one of these groups is asked.
    Forward(Vec<WeightedGroup>),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// The client is answered at once.
    Fixed(Fixed),
}

/// A target group, and how many of the requests it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedGroup {
    /// Which group.
    pub group: GroupArn,
    /// Its weight among the others.
    pub weight: u32,
}

/// Where a client is sent. `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}` stand for
/// those of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: String,
    /// The path, which begins with a `/`.
    pub path: String,
    /// The query, without its `?`.
    pub query: String,
    /// Whether for good.
    pub kind: RedirectKind,
}

/// Whether a client should remember where it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedirectKind {
    /// It should: 301.
    Permanent,
    /// It should not: 302.
    Temporary,
}

/// What a client is answered at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixed {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Option<String>,
}

/// A target group: a function, and how its health is looked after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Which one.
    pub arn: GroupArn,
    /// Its health checks.
    pub health_check: HealthCheck,
    /// The ARN of its function, as it was registered.
    pub target: Option<String>,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Tags,
}

/// How the health of a target is looked after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Whether at all.
    pub enabled: bool,
    /// The path of the request.
    pub path: String,
    /// How often.
    pub interval_seconds: u32,
    /// How long it may take.
    pub timeout_seconds: u32,
    /// After how many that went well the target is healthy.
    pub healthy_threshold: u32,
    /// After how many that did not it is unhealthy.
    pub unhealthy_threshold: u32,
    /// Which statuses are good: `200`, `200,202`, `200-299`.
    pub matcher: String,
}

impl Default for HealthCheck {
    /// AWS: those of a group of functions.
    fn default() -> Self {
        Self {
            enabled: false,
            path: "/".to_owned(),
            interval_seconds: 35,
            timeout_seconds: 30,
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: "200".to_owned(),
        }
    }
}

impl Balancer {
    /// The first label of the name of its host.
    #[must_use]
    pub fn label(&self) -> String {
        let prefix = match self.reach {
            Reach::Internet => "",
            Reach::Internal => "internal-",
        };
        format!("{prefix}{}-{}", self.arn.name, self.number)
    }

    /// The name of its host. Names below `localhost` mean this machine, so no name server has to
    /// know it.
    #[must_use]
    pub fn dns_name(&self) -> String {
        format!("{}.{}.elb.localhost", self.label(), self.arn.scope.region)
    }

    /// Whose it is, and where.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.arn.scope
    }

    /// One of its listeners.
    #[must_use]
    pub fn listener(&self, id: &str) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.id == id)
    }

    /// The target groups that its rules name, each once for each time.
    pub fn groups(&self) -> impl Iterator<Item = &GroupArn> {
        self.listeners.iter().flat_map(Listener::actions).flat_map(Action::groups)
    }
}

impl Listener {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self, balancer: &BalancerArn) -> ListenerArn {
        balancer.listener(&self.id)
    }

    /// The actions of all its rules.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        std::iter::once(&self.default_action).chain(self.rules.iter().map(|rule| &rule.action))
    }
}

impl Protocol {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }
}

impl Reach {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Internet => "internet-facing",
            Self::Internal => "internal",
        }
    }
}

impl RedirectKind {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Permanent => "HTTP_301",
            Self::Temporary => "HTTP_302",
        }
    }
}

impl Action {
    /// The target groups that it names.
    pub fn groups(&self) -> impl Iterator<Item = &GroupArn> {
        let groups: &[WeightedGroup] = match &self.kind {
            ActionKind::Forward(groups) => groups,
            ActionKind::Redirect(_) | ActionKind::Fixed(_) => &[],
        };
        groups.iter().map(|weighted| &weighted.group)
    }
}

impl Default for Redirect {
    /// AWS: to where the client came from.
    fn default() -> Self {
        Self {
            protocol: "#{protocol}".to_owned(),
            host: "#{host}".to_owned(),
            port: "#{port}".to_owned(),
            path: "/#{path}".to_owned(),
            query: "#{query}".to_owned(),
            kind: RedirectKind::Temporary,
        }
    }
}
