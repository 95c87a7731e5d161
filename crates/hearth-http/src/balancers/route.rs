//! Which listener takes a request, which rule it falls under, and which target group gets it.
//!
//! On AWS a listener has a port of its own. Here every request comes through the ports of the
//! server, so the listener is found in this order:
//!
//! 1. the one at the port that the `Host` header names (without a port: 80, or 443 through TLS);
//! 2. the only one, if there is only one;
//! 3. of those that speak what the request was carried by, the one with the lowest port;
//! 4. the one with the lowest port.
//!
//! # Deliberately absent
//!
//! Sockets for listeners. Stickiness: each request is drawn by itself.

use super::network::Network;
use super::record::{
    Action, Balancer, Condition, Listener, Protocol, QueryPair, Rule, WeightedGroup,
};
use super::wildcard::{Case, fits};
use crate::request::{Request, Scheme};

/// The port that the client has named, or that its scheme has.
#[must_use]
pub(super) fn named_port(request: &Request) -> u16 {
    let host = request.header("host").unwrap_or_default();
    let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.unwrap_or(match request.scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    })
}

/// The listener that takes a request; none if there is no listener at all.
#[must_use]
pub(super) fn listener<'a>(balancer: &'a Balancer, request: &Request) -> Option<&'a Listener> {
    let port = named_port(request);
    let spoken = match request.scheme {
        Scheme::Http => Protocol::Http,
        Scheme::Https => Protocol::Https,
    };
    let fit =
        |listener: &&Listener| (listener.port != port, listener.protocol != spoken, listener.port);
    balancer.listeners.iter().min_by_key(fit)
}

/// What a listener does with a request.
#[must_use]
pub(super) fn action<'a>(listener: &'a Listener, request: &Request) -> &'a Action {
    let found = listener.rules.iter().find(|rule| holds(rule, request));
    found.map_or(&listener.default_action, |rule| &rule.action)
}

/// The target group that a request is drawn for; none if all of them have no weight.
#[must_use]
pub(super) fn draw(groups: &[WeightedGroup], lot: u32) -> Option<&WeightedGroup> {
    let total: u32 = groups.iter().map(|group| group.weight).sum();
    let mut left = lot.checked_rem(total)?;
    groups.iter().find(|group| match left.checked_sub(group.weight) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    })
}

fn holds(rule: &Rule, request: &Request) -> bool {
    rule.conditions.iter().all(|condition| meets(request, condition))
}

fn meets(request: &Request, condition: &Condition) -> bool {
    let any = |values: &[String], text: &str, case| {
        values.iter().any(|pattern| fits(pattern, text, case))
    };
    match condition {
        Condition::Host(hosts) => any(hosts, &request.host, Case::Insensitive),
        Condition::Path(paths) => any(paths, &request.path, Case::Sensitive),
        Condition::Method(methods) => methods.contains(&request.method),
        Condition::Header { name, values } => request
            .headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .any(|(_, value)| any(values, value, Case::Insensitive)),
        Condition::Query(wanted) => {
            wanted.iter().any(|wanted| pairs(&request.query).any(|pair| is_pair(pair, wanted)))
        }
        Condition::Source(networks) => networks
            .iter()
            .filter_map(|text| Network::parse(text))
            .any(|network| network.has(request.from)),
    }
}

fn is_pair((key, value): (&str, &str), wanted: &QueryPair) -> bool {
    let is_key = wanted.key.as_ref().is_none_or(|pattern| fits(pattern, key, Case::Insensitive));
    is_key && fits(&wanted.value, value, Case::Insensitive)
}

/// The pairs of a query, as they were sent.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::balancers::record::{ActionKind, Fixed};
    use crate::balancers::testing::{balancer, listener_at, request};

    fn fixed(status: u16) -> Action {
        let kind = ActionKind::Fixed(Fixed { status, content_type: None, body: None });
        Action { order: None, kind }
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn a_listener_is_found_by_port_and_then_by_protocol() {
        #[rustfmt::skip]
        let rows: [(&[(u16, Protocol)], &str, Scheme, Option<u16>); 9] = [
            (&[],                                              "x",      Scheme::Http,  None),
            (&[(8080, Protocol::Http)],                        "x:4566", Scheme::Http,  Some(8080)),
            (&[(8080, Protocol::Https)],                       "x:4566", Scheme::Http,  Some(8080)),
            (&[(80, Protocol::Http), (8080, Protocol::Http)],  "x:8080", Scheme::Http,  Some(8080)),
            (&[(81, Protocol::Http), (80, Protocol::Http)],    "x",      Scheme::Http,  Some(80)),
            (&[(80, Protocol::Http), (443, Protocol::Https)],  "x:4566", Scheme::Http,  Some(80)),
            (&[(80, Protocol::Http), (443, Protocol::Https)],  "x:4566", Scheme::Https, Some(443)),
            (&[(9, Protocol::Http), (8, Protocol::Http)],      "x:4566", Scheme::Http,  Some(8)),
            (&[(9, Protocol::Http), (8, Protocol::Http)],      "[::1]",  Scheme::Https, Some(8)),
        ];
        for (listeners, host, scheme, expected) in rows {
            let mut balancer = balancer();
            balancer.listeners = listeners
                .iter()
                .map(|(port, protocol)| Listener {
                    protocol: *protocol,
                    ..listener_at(*port, fixed(200))
                })
                .collect();
            let mut request = request("GET", "/", host);
            request.scheme = scheme;
            let found = listener(&balancer, &request).map(|listener| listener.port);
            assert_eq!(found, expected, "{listeners:?} {host}");
        }
    }

    #[test]
    fn conditions_hold_of_what_they_say() {
        let mut sent = request("POST", "/img/a.png", "Shop.Example.com:4566");
        sent.query = "color=Red&empty&=x&v=a%20b".to_owned();
        sent.headers.push(("user-agent".to_owned(), "curl/8".to_owned()));
        sent.headers.push(("x-twice".to_owned(), "one".to_owned()));
        sent.headers.push(("x-twice".to_owned(), "two".to_owned()));
        let header = |name: &str, values: &[&str]| Condition::Header {
            name: name.to_owned(),
            values: texts(values),
        };
        let query = |key: Option<&str>, value: &str| {
            let key = key.map(str::to_owned);
            Condition::Query(vec![QueryPair { key, value: value.to_owned() }])
        };
        #[rustfmt::skip]
        let rows = [
            (Condition::Host(texts(&["shop.example.com"])),        true),
            (Condition::Host(texts(&["x.y", "*.EXAMPLE.com"])),    true),
            (Condition::Host(texts(&["example.com"])),             false),
            (Condition::Path(texts(&["/img/*"])),                  true),
            (Condition::Path(texts(&["/IMG/*"])),                  false),
            (Condition::Path(texts(&["/img/?.png"])),              true),
            (Condition::Method(texts(&["GET", "POST"])),           true),
            (Condition::Method(texts(&["post"])),                  false),
            (header("User-Agent", &["CURL*"]),                     true),
            (header("user-agent", &["wget*"]),                     false),
            (header("x-twice", &["two"]),                          true),
            (header("x-none", &["*"]),                             false),
            (query(Some("color"), "red"),                          true),
            (query(Some("color"), "blue"),                         false),
            (query(Some("COL*"), "r?d"),                           true),
            (query(None, "red"),                                   true),
            (query(Some("empty"), ""),                             true),
            (query(Some("v"), "a b"),                              false),
            (query(Some("v"), "a%20b"),                            true),
            (Condition::Source(texts(&["10.0.0.0/8", "192.0.2.0/24"])), true),
            (Condition::Source(texts(&["10.0.0.0/8"])),            false),
        ];
        for (condition, expected) in rows {
            assert_eq!(meets(&sent, &condition), expected, "{condition:?}");
        }
    }

    #[test]
    fn the_first_rule_whose_conditions_all_hold_is_taken() {
        let rule = |priority: u32, conditions: Vec<Condition>| Rule {
            id: priority.to_string(),
            priority,
            conditions,
            action: fixed(u16::try_from(priority).unwrap()),
            tags: BTreeMap::new(),
        };
        let path = |path: &str| Condition::Path(texts(&[path]));
        let post = || Condition::Method(texts(&["POST"]));
        let mut listener = listener_at(80, fixed(599));
        listener.rules = vec![rule(201, vec![path("/a/*"), post()]), rule(202, vec![path("/a/*")])];
        for (method, path, expected) in
            [("POST", "/a/1", 201), ("GET", "/a/1", 202), ("POST", "/b", 599)]
        {
            let found = action(&listener, &request(method, path, "x"));
            assert_eq!(found, &fixed(expected), "{method} {path}");
        }
    }

    #[test]
    fn groups_are_drawn_by_their_weights() {
        let group = |name: &str, weight: u32| {
            let arn =
                format!("arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/{name}/1");
            WeightedGroup { group: arn.try_into().unwrap(), weight }
        };
        let drawn = |groups: &[WeightedGroup], lot: u32| {
            draw(groups, lot).map(|weighted| weighted.group.name.clone())
        };
        let both = [group("a", 3), group("b", 0), group("c", 1)];
        let names: Vec<String> = (0..8).filter_map(|lot| drawn(&both, lot)).collect();
        assert_eq!(names, ["a", "a", "a", "c", "a", "a", "a", "c"]);
        assert_eq!(drawn(&[group("a", 0)], 7), None);
        assert_eq!(drawn(&[], 7), None);
    }
}
