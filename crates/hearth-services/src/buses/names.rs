//! The names and ARNs of buses and rules.

use std::fmt;

use hearth_types::names::{AccountId, Region, Scope};

use crate::buses::error::BusError;

/// The bus that is always there.
pub const DEFAULT: &str = "default";

/// A bus of an account in a region, which need not be there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusArn {
    /// Account and region.
    pub scope: Scope,
    /// Its name.
    pub name: String,
}

impl BusArn {
    /// The bus that a caller means with a name, an ARN or nothing.
    #[must_use]
    pub fn meant(scope: &Scope, given: Option<&str>) -> Self {
        let given = given.unwrap_or(DEFAULT);
        Self::parse(given).unwrap_or_else(|| Self { scope: scope.clone(), name: given.to_owned() })
    }

    /// Reads an ARN; `None` if it is not that of a bus.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let Resource { scope, name } = Resource::parse(arn)?;
        let name = name.strip_prefix("event-bus/").filter(|name| !name.is_empty())?;
        Some(Self { scope, name: name.to_owned() })
    }

    /// The ARN of one of its rules.
    #[must_use]
    pub fn rule(&self, rule: &str) -> String {
        let Scope { account, region } = &self.scope;
        let bus = if self.name == DEFAULT { String::new() } else { format!("{}/", self.name) };
        format!("arn:aws:events:{region}:{account}:rule/{bus}{rule}")
    }

    /// What the records of its rules begin with. No name has a space in it.
    pub(super) fn rules_key(&self) -> String {
        format!("{} ", self.name)
    }

    /// What the record of one of its rules is kept under.
    pub(super) fn rule_key(&self, rule: &str) -> String {
        format!("{} {rule}", self.name)
    }
}

impl fmt::Display for BusArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(formatter, "arn:aws:events:{region}:{account}:event-bus/{}", self.name)
    }
}

/// What can have tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tagged {
    Bus(BusArn),
    Rule { bus: BusArn, rule: String },
}

impl Tagged {
    /// Reads the ARN of a bus or a rule.
    pub(super) fn parse(arn: &str) -> Result<Self, BusError> {
        if let Some(bus) = BusArn::parse(arn) {
            return Ok(Self::Bus(bus));
        }
        let rule = Resource::parse(arn).and_then(|Resource { scope, name }| {
            let path = name.strip_prefix("rule/")?;
            let (bus, rule) = path.rsplit_once('/').unwrap_or((DEFAULT, path));
            let bus = BusArn { scope, name: bus.to_owned() };
            (!rule.is_empty()).then(|| Self::Rule { bus, rule: rule.to_owned() })
        });
        rule.ok_or_else(|| wrong_arn(arn))
    }
}

/// Something of this service.
struct Resource {
    scope: Scope,
    name: String,
}

impl Resource {
    fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [start, partition, service, region, account, name] = parts.as_slice() else {
            return None;
        };
        if *start != "arn" || !partition.starts_with("aws") || *service != "events" {
            return None;
        }
        let account = AccountId::parse(account).ok()?;
        let region = Region::parse(region).ok()?;
        Some(Self { scope: Scope { account, region }, name: (*name).to_owned() })
    }
}

/// AWS's words for a text that is not an ARN.
pub(super) fn wrong_arn(arn: &str) -> BusError {
    BusError::Invalid(format!(
        "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        }
    }

    #[test]
    fn a_bus_is_meant_by_name_by_arn_or_by_nothing() {
        let other = "arn:aws:events:eu-west-1:111111111111:event-bus/orders";
        #[rustfmt::skip]
        let rows = [
            (None,           "arn:aws:events:us-east-1:000000000000:event-bus/default"),
            (Some("orders"), "arn:aws:events:us-east-1:000000000000:event-bus/orders"),
            (Some(other),    other),
        ];
        for (given, arn) in rows {
            assert_eq!(BusArn::meant(&scope(), given).to_string(), arn);
        }
    }

    #[test]
    fn what_has_tags_is_a_bus_or_a_rule() {
        let bus = |name: &str| BusArn { scope: scope(), name: name.to_owned() };
        let rule = |name: &str, rule: &str| Tagged::Rule { bus: bus(name), rule: rule.to_owned() };
        let start = "arn:aws:events:us-east-1:000000000000:";
        #[rustfmt::skip]
        let rows = [
            ("event-bus/orders", Some(Tagged::Bus(bus("orders")))),
            ("rule/r",           Some(rule("default", "r"))),
            ("rule/orders/r",    Some(rule("orders", "r"))),
            ("rule/",            None),
            ("archive/a",        None),
        ];
        for (name, expected) in rows {
            let read = Tagged::parse(&format!("{start}{name}")).ok();
            assert_eq!(read, expected, "{name}");
            if let Some(Tagged::Rule { bus, rule }) = read {
                assert_eq!(bus.rule(&rule), format!("{start}{name}"));
            }
        }
        for arn in ["", "arn:aws:sqs:us-east-1:000000000000:event-bus/x", "arn:aws:events:x"] {
            assert!(Tagged::parse(arn).is_err(), "{arn}");
        }
    }
}
