//! What names, tags, conditions and actions may be.

use std::collections::BTreeSet;

use super::error::{BalancerError, TooMany};
use super::limits;
use super::network::Network;
use super::record::{
    ActionKind, Condition, Fixed, Protocol, QueryPair, Redirect, Tags, WeightedGroup,
};
use super::wildcard;

type Checked = Result<(), BalancerError>;

fn invalid(text: impl Into<String>) -> BalancerError {
    BalancerError::Validation(text.into())
}

/// The name of something, which `what` says.
///
/// # Errors
///
/// If it cannot be one.
pub(super) fn name(what: &str, name: &str) -> Checked {
    let most = limits::NAME_CHARACTERS_MAX;
    let refuse = |why: String| Err(invalid(format!("{what} name '{name}' {why}")));
    if name.is_empty() {
        return refuse("cannot be empty".to_owned());
    }
    if name.chars().count() > most {
        return refuse(format!("cannot be longer than '{most}' characters"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        let why = "can only contain characters that are alphanumeric characters and hyphens(-)";
        return refuse(why.to_owned());
    }
    if name.starts_with('-') || name.ends_with('-') {
        return refuse("cannot begin or end with '-'".to_owned());
    }
    Ok(())
}

/// Tags that are given, with each key once.
///
/// # Errors
///
/// If one is there twice, or cannot be.
pub fn tags(given: Vec<(String, String)>) -> Result<Tags, BalancerError> {
    let mut tags = Tags::new();
    for (key, value) in given {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            let text = "A tag has a key of 1 to 128 characters and a value of at most 256";
            return Err(invalid(text));
        }
        if key.starts_with("aws:") {
            return Err(invalid("Tag keys starting with 'aws:' are reserved for system use"));
        }
        if tags.contains_key(&key) {
            return Err(BalancerError::DuplicateTagKeys(key));
        }
        tags.insert(key, value);
    }
    count_tags(&tags)?;
    Ok(tags)
}

/// All tags that a resource is to have.
///
/// # Errors
///
/// If there are too many.
pub(super) fn count_tags(tags: &Tags) -> Checked {
    if tags.len() > limits::TAGS_MAX {
        return Err(BalancerError::TooMany(TooMany::Tags));
    }
    Ok(())
}

/// The conditions of one rule.
///
/// # Errors
///
/// If they cannot be.
pub(super) fn conditions(conditions: &[Condition]) -> Checked {
    if conditions.is_empty() {
        return Err(invalid("A condition must be specified"));
    }
    let mut single = BTreeSet::new();
    let (mut values, mut wildcards) = (0, 0);
    for condition in conditions {
        let field = field(condition);
        let may_be_several = matches!(condition, Condition::Header { .. } | Condition::Query(_));
        if !may_be_several && !single.insert(field) {
            return Err(invalid(format!("A rule can only have one '{field}' condition")));
        }
        let (count, stars) = one(condition)?;
        if count == 0 {
            return Err(invalid(format!("A condition value must be specified for '{field}'")));
        }
        values += count;
        wildcards += stars;
    }
    let most = limits::CONDITION_VALUES_MAX;
    if values > most {
        return Err(invalid(format!("A rule can only have '{most}' condition values")));
    }
    let most = limits::CONDITION_WILDCARDS_MAX;
    if wildcards > most {
        return Err(invalid(format!("A rule can only have '{most}' condition wildcards")));
    }
    Ok(())
}

/// AWS's word for what a condition is about.
#[must_use]
pub fn field(condition: &Condition) -> &'static str {
    match condition {
        Condition::Host(_) => "host-header",
        Condition::Path(_) => "path-pattern",
        Condition::Header { .. } => "http-header",
        Condition::Method(_) => "http-request-method",
        Condition::Query(_) => "query-string",
        Condition::Source(_) => "source-ip",
    }
}

/// How many values and wildcards a condition has.
fn one(condition: &Condition) -> Result<(usize, usize), BalancerError> {
    let values: Vec<&String> = match condition {
        Condition::Host(values)
        | Condition::Path(values)
        | Condition::Method(values)
        | Condition::Source(values)
        | Condition::Header { values, .. } => values.iter().collect(),
        Condition::Query(pairs) => pairs.iter().map(|pair| &pair.value).collect(),
    };
    for value in &values {
        check_value(condition, value)?;
    }
    match condition {
        Condition::Header { name, .. } => header_name(name)?,
        Condition::Query(pairs) => pairs.iter().try_for_each(query_key)?,
        Condition::Host(_) | Condition::Path(_) | Condition::Method(_) | Condition::Source(_) => {}
    }
    let stars: usize = match condition {
        Condition::Method(_) | Condition::Source(_) => 0,
        Condition::Query(pairs) => {
            let keys = pairs.iter().filter_map(|pair| pair.key.as_deref());
            let parts = keys.chain(values.iter().map(|value| value.as_str()));
            parts.map(wildcard::count).sum()
        }
        Condition::Host(_) | Condition::Path(_) | Condition::Header { .. } => {
            values.iter().map(|value| wildcard::count(value)).sum()
        }
    };
    Ok((values.len(), stars))
}

fn check_value(condition: &Condition, value: &str) -> Checked {
    let field = field(condition);
    let most = match condition {
        Condition::Method(_) => limits::CONDITION_NAME_CHARACTERS_MAX,
        Condition::Host(_)
        | Condition::Path(_)
        | Condition::Header { .. }
        | Condition::Query(_)
        | Condition::Source(_) => limits::CONDITION_VALUE_CHARACTERS_MAX,
    };
    if value.chars().count() > most {
        let text = format!("'{field}' value '{value}' cannot be longer than '{most}' characters");
        return Err(invalid(text));
    }
    let is_good = match condition {
        Condition::Host(_) => {
            let mark = |byte: u8| b"-.*?".contains(&byte);
            value.contains('.')
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
        }
        Condition::Path(_) => {
            let mark = |byte: u8| b"_-.$/~\"'@:+&()!,;=%*?".contains(&byte);
            !value.is_empty()
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
        }
        Condition::Method(_) => {
            let is_part = |byte: u8| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_';
            !value.is_empty() && value.bytes().all(is_part)
        }
        Condition::Source(_) => Network::parse(value).is_some(),
        Condition::Header { .. } => !value.is_empty(),
        // A pair may have nothing behind its `=`.
        Condition::Query(_) => true,
    };
    if is_good { Ok(()) } else { Err(invalid(format!("'{field}' value '{value}' is not valid"))) }
}

fn header_name(name: &str) -> Checked {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_good = !name.is_empty()
        && name.len() <= limits::CONDITION_NAME_CHARACTERS_MAX
        && name.bytes().all(is_part);
    if !is_good {
        return Err(invalid(format!("HTTP header name '{name}' is not valid")));
    }
    // AWS: the host has a condition of its own.
    if name.eq_ignore_ascii_case("host") {
        return Err(invalid("The 'host' header must be matched with a 'host-header' condition"));
    }
    Ok(())
}

fn query_key(pair: &QueryPair) -> Checked {
    let most = limits::CONDITION_VALUE_CHARACTERS_MAX;
    if pair.key.as_ref().is_some_and(|key| key.is_empty() || key.chars().count() > most) {
        let text = format!("A key of a 'query-string' condition has 1 to {most} characters");
        return Err(invalid(text));
    }
    Ok(())
}

/// What is done with a request.
///
/// # Errors
///
/// If it cannot be done.
pub(super) fn action(kind: &ActionKind) -> Checked {
    match kind {
        ActionKind::Forward(groups) => forward(groups),
        ActionKind::Redirect(to) => redirect(to),
        ActionKind::Fixed(response) => fixed(response),
    }
}

fn forward(groups: &[WeightedGroup]) -> Checked {
    let most = limits::GROUPS_OF_ACTION_MAX;
    if groups.is_empty() || groups.len() > most {
        let text = format!("A forward action has 1 to {most} target groups");
        return Err(BalancerError::InvalidAction(text));
    }
    let mut seen = BTreeSet::new();
    for WeightedGroup { group, weight } in groups {
        if !seen.insert(group) {
            let text = format!("The target group '{group}' is specified more than once");
            return Err(BalancerError::InvalidAction(text));
        }
        if *weight > limits::WEIGHT_MAX {
            let text = format!("The weight of a target group is 0 to {}", limits::WEIGHT_MAX);
            return Err(invalid(text));
        }
    }
    Ok(())
}

fn redirect(to: &Redirect) -> Checked {
    let Redirect { protocol, host, port, path, query, kind: _ } = to;
    if !["HTTP", "HTTPS", "#{protocol}"].contains(&protocol.as_str()) {
        return Err(invalid(format!("Redirect protocol '{protocol}' is not valid")));
    }
    let is_port = port == "#{port}" || port.parse::<u16>().is_ok_and(|port| port > 0);
    if !is_port {
        return Err(invalid(format!("Redirect port '{port}' is not valid")));
    }
    let most = limits::REDIRECT_CHARACTERS_MAX;
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    for (what, text) in [("host", host), ("path", path), ("query", query)] {
        if text.len() > most || !visible(text) {
            return Err(invalid(format!("Redirect {what} '{text}' is not valid")));
        }
    }
    if host.is_empty() || !path.starts_with('/') {
        let text = "A redirect has a host, and a path that begins with '/'";
        return Err(invalid(text));
    }
    let stays = Redirect { query: query.clone(), kind: to.kind, ..Redirect::default() };
    if *to == stays {
        let text = "The redirect configuration is not valid because it creates a loop.";
        return Err(BalancerError::InvalidAction(text.to_owned()));
    }
    Ok(())
}

/// AWS: the types that a fixed response may have.
const FIXED_TYPES: [&str; 5] =
    ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];

fn fixed(response: &Fixed) -> Checked {
    if !matches!(response.status, 200..=299 | 400..=599) {
        return Err(invalid("The status code of a fixed response is 2XX, 4XX or 5XX"));
    }
    if response.body.as_ref().is_some_and(|body| body.len() > limits::FIXED_BODY_BYTES_MAX) {
        let most = limits::FIXED_BODY_BYTES_MAX;
        return Err(invalid(format!("The message body cannot be longer than {most} bytes")));
    }
    let is_known = |kind: &String| FIXED_TYPES.contains(&kind.as_str());
    if !response.content_type.as_ref().is_none_or(is_known) {
        let known = FIXED_TYPES.join(", ");
        return Err(invalid(format!("The content type must be one of [{known}]")));
    }
    Ok(())
}

/// What a listener shows to those who connect.
///
/// # Errors
///
/// If it has no certificate and needs one, or the other way round.
pub(super) fn certificate(protocol: Protocol, certificate: Option<&str>) -> Checked {
    match (protocol, certificate) {
        (Protocol::Http, None) | (Protocol::Https, Some(_)) => Ok(()),
        (Protocol::Http, Some(_)) => {
            Err(invalid("A certificate cannot be specified for HTTP listeners"))
        }
        (Protocol::Https, None) => {
            Err(invalid("A certificate must be specified for HTTPS listeners"))
        }
    }
}

/// The matcher of health checks: statuses and ranges of them, from 200 to 499.
///
/// # Errors
///
/// If it is none.
pub(super) fn matcher(text: &str) -> Checked {
    let status = |text: &str| {
        let three = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|status| three && (200..=499).contains(status))
    };
    let is_part = |part: &str| match part.split_once('-') {
        Some((least, most)) => {
            status(least).zip(status(most)).is_some_and(|(least, most)| least <= most)
        }
        None => status(part).is_some(),
    };
    if text.split(',').all(is_part) {
        return Ok(());
    }
    Err(invalid(format!("Health check matcher HTTP code '{text}' must be within '200-499'")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancers::record::RedirectKind;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn names_are_letters_digits_and_hyphens() {
        for good in ["a", "web-1", &"x".repeat(32)] {
            name("Load balancer", good).unwrap();
        }
        for bad in ["", "-a", "a-", "a_b", "a.b", &"x".repeat(33), "ä"] {
            assert!(name("Load balancer", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn conditions_that_can_be_and_that_cannot() {
        let header = |name: &str, values: &[&str]| Condition::Header {
            name: name.to_owned(),
            values: texts(values),
        };
        let query = |key: &str| {
            let pair = QueryPair { key: Some(key.to_owned()), value: "v".to_owned() };
            Condition::Query(vec![pair])
        };
        let long = "x".repeat(129);
        #[rustfmt::skip]
        let rows = [
            (vec![Condition::Host(texts(&["*.example.com"]))],       true),
            (vec![Condition::Host(texts(&["localhost"]))],           false),
            (vec![Condition::Host(texts(&["a b.c"]))],               false),
            (vec![Condition::Path(texts(&["/img/*", "/a?b"]))],      true),
            (vec![Condition::Path(texts(&["/ä"]))],                  false),
            (vec![Condition::Path(texts(&[&long]))],                 false),
            (vec![Condition::Path(texts(&["/a"])), Condition::Path(texts(&["/b"]))], false),
            (vec![Condition::Method(texts(&["GET", "M-SEARCH"]))],   true),
            (vec![Condition::Method(texts(&["get"]))],               false),
            (vec![Condition::Method(texts(&["*"]))],                 false),
            (vec![header("user-agent", &["*curl*"]), header("user-agent", &["x"])], true),
            (vec![header("a b", &["x"])],                            false),
            (vec![header("Host", &["x"])],                           false),
            (vec![query("a"), query("b")],                           true),
            (vec![query("")],                                        false),
            (vec![Condition::Source(texts(&["192.0.2.0/24"]))],      true),
            (vec![Condition::Source(texts(&["192.0.2.0"]))],         false),
            (vec![Condition::Path(texts(&["/1", "/2", "/3", "/4", "/5"]))], true),
            (vec![Condition::Path(texts(&["/1", "/2", "/3", "/4", "/5", "/6"]))], false),
            (vec![Condition::Path(texts(&["/*/*/*/*/*/*"]))],        true),
            (vec![Condition::Path(texts(&["/*/*/*/*/*/*/*"]))],      false),
            (vec![Condition::Path(Vec::new())],                      false),
            (Vec::new(),                                             false),
        ];
        for (given, expected) in rows {
            assert_eq!(conditions(&given).is_ok(), expected, "{given:?}");
        }
    }

    #[test]
    fn a_redirect_leads_elsewhere() {
        let kind = RedirectKind::Permanent;
        let to = |change: fn(&mut Redirect)| {
            let mut to = Redirect { kind, ..Redirect::default() };
            change(&mut to);
            action(&ActionKind::Redirect(to)).map_err(|error| error.to_string())
        };
        assert!(to(|_same| {}).is_err_and(|text| text.contains("creates a loop")));
        assert!(to(|to| to.query = "a=b".to_owned()).is_err(), "the query alone is not enough");
        #[rustfmt::skip]
        let rows: [(fn(&mut Redirect), bool); 8] = [
            (|to| to.protocol = "HTTPS".to_owned(),  true),
            (|to| to.protocol = "https".to_owned(),  false),
            (|to| to.port = "8443".to_owned(),       true),
            (|to| to.port = "0".to_owned(),          false),
            (|to| to.host = "new.#{host}".to_owned(), true),
            (|to| to.host = String::new(),           false),
            (|to| to.path = "/new/#{path}".to_owned(), true),
            (|to| to.path = "new".to_owned(),        false),
        ];
        for (number, (change, expected)) in rows.into_iter().enumerate() {
            assert_eq!(to(change).is_ok(), expected, "row {number}");
        }
    }

    #[test]
    fn a_fixed_response_has_a_status_and_a_type_that_may_be() {
        let with = |status: u16, content_type: Option<&str>| {
            let content_type = content_type.map(str::to_owned);
            action(&ActionKind::Fixed(Fixed { status, content_type, body: None })).is_ok()
        };
        assert!(with(200, None) && with(404, Some("text/plain")) && with(599, None));
        assert!(!with(301, None) && !with(199, None) && !with(200, Some("image/png")));
    }

    #[test]
    fn a_matcher_is_a_list_of_statuses_and_ranges() {
        for good in ["200", "200,202", "200-299", "200-299,400"] {
            matcher(good).unwrap();
        }
        for bad in ["", "20", "199", "500", "299-200", "200,", "200-", "abc", "+20"] {
            assert!(matcher(bad).is_err(), "{bad}");
        }
    }
}
