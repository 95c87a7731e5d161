//! Names, ARNs and addresses of queues.

use std::fmt;

use hearth_types::names::{AccountId, Region, Scope};

use super::error::QueueError;
use super::quotas::NAME_CHARACTERS_MAX;

/// What the name of a FIFO queue ends in.
pub(super) const FIFO_SUFFIX: &str = ".fifo";

/// Which queue: whose and where, and its name. There need not be one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName {
    /// Account and region.
    pub scope: Scope,
    /// The bare name.
    pub name: String,
}

impl QueueName {
    /// Reads an ARN.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let [_arn, partition, "sqs", region, account, name] = parts.as_slice() else { return None };
        if parts[0] != "arn" || !partition.starts_with("aws") || name.is_empty() {
            return None;
        }
        let account = AccountId::parse(account).ok()?;
        let region = Region::parse(region).ok()?;
        Some(Self { scope: Scope { account, region }, name: (*name).to_owned() })
    }

    /// Reads the address of a queue, which says whose it is, in the region of the caller.
    ///
    /// # Errors
    ///
    /// If it does not end in an account and a name.
    pub fn of_url(url: &str, region: &Region) -> Result<Self, QueueError> {
        let invalid = || QueueError::InvalidAddress(url.to_owned());
        let behind_scheme = url.split_once("://").map(|(_scheme, rest)| rest);
        let path = match behind_scheme {
            Some(rest) => rest.split_once('/').map(|(_host, path)| path),
            None => url.strip_prefix('/'),
        };
        let path = path.ok_or_else(invalid)?.trim_end_matches('/');
        let (account, name) = path.split_once('/').ok_or_else(invalid)?;
        let account = AccountId::parse(account).map_err(|_other| invalid())?;
        if name.is_empty() || name.contains('/') {
            return Err(invalid());
        }
        let scope = Scope { account, region: region.clone() };
        Ok(Self { scope, name: name.to_owned() })
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(formatter, "arn:aws:sqs:{region}:{account}:{}", self.name)
    }
}

/// Which kind of queue a name is to be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Messages come about in order, and sometimes twice.
    Standard,
    /// Messages of a group come in order.
    Fifo,
}

/// Refuses what cannot be the name of a queue of this kind.
pub(super) fn check(name: &str, kind: Kind) -> Result<(), QueueError> {
    let refuse = |text: &str| Err(QueueError::InvalidParameterValue(text.to_owned()));
    if name.is_empty() {
        return refuse("Queue name cannot be empty");
    }
    let bare = match kind {
        Kind::Standard => name,
        Kind::Fifo => name.strip_suffix(FIFO_SUFFIX).unwrap_or_default(),
    };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits = name.len() <= NAME_CHARACTERS_MAX && !bare.is_empty() && bare.bytes().all(is_letter);
    if fits {
        return Ok(());
    }
    refuse(match kind {
        Kind::Standard => {
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        }
        Kind::Fifo => {
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        Region::parse("eu-west-1").unwrap()
    }

    #[test]
    fn addresses_end_in_an_account_and_a_name() {
        #[rustfmt::skip]
        let rows = [
            ("http://127.0.0.1:4566/000000000000/jobs",            Some("arn:aws:sqs:eu-west-1:000000000000:jobs")),
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/a.fifo/", Some("arn:aws:sqs:eu-west-1:123456789012:a.fifo")),
            ("/123456789012/jobs",                                 Some("arn:aws:sqs:eu-west-1:123456789012:jobs")),
            ("jobs",                                               None),
            ("http://host",                                        None),
            ("http://host/jobs",                                   None),
            ("http://host/12/jobs",                                None),
            ("http://host/123456789012/",                          None),
            ("http://host/123456789012/a/b",                       None),
            ("",                                                   None),
        ];
        for (url, expected) in rows {
            let found = QueueName::of_url(url, &region()).ok().map(|name| name.to_string());
            assert_eq!(found.as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn an_arn_reads_back_as_itself() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:jobs.fifo";
        assert_eq!(QueueName::of_arn(arn).unwrap().to_string(), arn);
        for other in
            ["", "jobs", "arn:aws:sns:us-east-1:000000000000:t", "arn:aws:sqs:us-east-1:0:q"]
        {
            assert_eq!(QueueName::of_arn(other), None, "{other}");
        }
    }

    #[test]
    fn names_of_each_kind() {
        let long = "a".repeat(81);
        #[rustfmt::skip]
        let rows = [
            ("jobs",         true,  false),
            ("a-b_C1",       true,  false),
            ("jobs.fifo",    false, true),
            (".fifo",        false, false),
            ("a.b",          false, false),
            ("",             false, false),
            ("é",            false, false),
            (long.as_str(),  false, false),
        ];
        for (name, standard, fifo) in rows {
            let found = (check(name, Kind::Standard).is_ok(), check(name, Kind::Fifo).is_ok());
            assert_eq!(found, (standard, fifo), "{name}");
        }
    }
}
