//! What the tests of load balancers share.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use hearth_types::ids::RequestId;
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;

use super::arn::{BalancerArn, GroupArn};
use super::record::{Action, Balancer, HealthCheck, Listener, Protocol, Reach, TargetGroup};
use crate::request::{Request, Scheme};

pub(super) fn scope() -> Scope {
    let account = AccountId::parse("000000000000").unwrap();
    Scope { account, region: Region::parse("us-east-1").unwrap() }
}

/// One without listeners.
pub(super) fn balancer() -> Balancer {
    Balancer {
        arn: BalancerArn { scope: scope(), name: "web".to_owned(), id: "01".to_owned() },
        number: 17,
        reach: Reach::Internet,
        address_type: "ipv4".to_owned(),
        subnets: Vec::new(),
        security_groups: Vec::new(),
        created: Timestamp(0),
        attributes: BTreeMap::new(),
        tags: BTreeMap::new(),
        listeners: Vec::new(),
    }
}

/// One with only its default rule.
pub(super) fn listener_at(port: u16, default_action: Action) -> Listener {
    Listener {
        id: port.to_string(),
        port,
        protocol: Protocol::Http,
        certificate: None,
        ssl_policy: None,
        attributes: BTreeMap::new(),
        tags: BTreeMap::new(),
        default_rule: format!("default-{port}"),
        default_tags: BTreeMap::new(),
        default_action,
        rules: Vec::new(),
    }
}

/// One without a target.
pub(super) fn group(name: &str) -> TargetGroup {
    TargetGroup {
        arn: GroupArn { scope: scope(), name: name.to_owned(), id: "02".to_owned() },
        health_check: HealthCheck::default(),
        target: None,
        attributes: BTreeMap::new(),
        tags: BTreeMap::new(),
    }
}

/// A request without a body.
pub(super) fn request(method: &str, path: &str, host: &str) -> Request {
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    Request {
        id: RequestId::random(),
        time: Timestamp(1_795_404_035_123),
        method: method.to_owned(),
        scheme: Scheme::Http,
        protocol: "HTTP/1.1",
        host: name.to_ascii_lowercase(),
        port: 4566,
        path: path.to_owned(),
        query: String::new(),
        headers: vec![("host".to_owned(), host.to_owned())],
        body: Bytes::new(),
        from: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
    }
}
