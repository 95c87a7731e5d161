//! The names and ARNs of schedules and their groups.

use std::fmt;

use hearth_types::names::{AccountId, Region, Scope};

/// The group that is always there.
pub const DEFAULT_GROUP: &str = "default";

/// A schedule of an account in a region, which need not be there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleArn {
    /// Account and region.
    pub scope: Scope,
    /// The name of its group.
    pub group: String,
    /// Its name.
    pub name: String,
}

impl ScheduleArn {
    /// The schedule that a caller means with its name and, unless it is the default one, its group.
    #[must_use]
    pub fn meant(scope: &Scope, group: Option<String>, name: String) -> Self {
        let group = group.unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        Self { scope: scope.clone(), group, name }
    }

    /// Reads an ARN; `None` if it is not that of a schedule.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let (scope, resource) = resource(arn)?;
        let (group, name) = resource.strip_prefix("schedule/")?.split_once('/')?;
        Some(Self { scope, group: group.to_owned(), name: name.to_owned() })
    }

    /// What its record is kept under. No name has a space in it.
    pub(super) fn key(&self) -> String {
        key(&self.group, &self.name)
    }
}

impl fmt::Display for ScheduleArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        let Self { group, name, .. } = self;
        write!(formatter, "arn:aws:scheduler:{region}:{account}:schedule/{group}/{name}")
    }
}

/// A group of schedules, which need not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupArn {
    /// Account and region.
    pub scope: Scope,
    /// Its name.
    pub name: String,
}

impl GroupArn {
    /// Reads an ARN; `None` if it is not that of a group.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let (scope, resource) = resource(arn)?;
        let name = resource.strip_prefix("schedule-group/").filter(|name| !name.is_empty())?;
        Some(Self { scope, name: name.to_owned() })
    }
}

impl fmt::Display for GroupArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(formatter, "arn:aws:scheduler:{region}:{account}:schedule-group/{}", self.name)
    }
}

/// What the record of a schedule is kept under, and what those of a group begin with.
pub(super) fn key(group: &str, name: &str) -> String {
    format!("{group} {name}")
}

/// Account, region and the rest of an ARN of this service.
fn resource(arn: &str) -> Option<(Scope, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "scheduler", region, account, rest] = parts.as_slice() else {
        return None;
    };
    if !partition.starts_with("aws") {
        return None;
    }
    let (account, region) = (AccountId::parse(account).ok()?, Region::parse(region).ok()?);
    Some((Scope { account, region }, *rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back_as_itself_and_nothing_else_is_one() {
        let start = "arn:aws:scheduler:us-east-1:000000000000:";
        let schedule = format!("{start}schedule/default/nightly");
        assert_eq!(ScheduleArn::parse(&schedule).unwrap().to_string(), schedule);
        let group = format!("{start}schedule-group/reports");
        assert_eq!(GroupArn::parse(&group).unwrap().to_string(), group);
        for other in [
            "",
            "arn:aws:scheduler:::aws-sdk:lambda:invoke",
            "arn:aws:events:us-east-1:000000000000:rule/r",
            &format!("{start}schedule/nightly"),
            &format!("{start}schedule-group/"),
        ] {
            assert_eq!(ScheduleArn::parse(other), None, "{other}");
            assert_eq!(GroupArn::parse(other), None, "{other}");
        }
    }
}
