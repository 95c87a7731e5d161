//! What has a name of its own in the configuration: brokers, clusters, secrets.
//!
//! In the file each is a table, `[sources.mq.NAME]`; after `--set` a key is `sources.mq.NAME.endpoint`.
//! A name with other signs than letters, digits, hyphens and underscores stands in quotes in the file.
//!
//! # Deliberately absent
//!
//! Variables: their names could not carry every name.

use std::collections::BTreeMap;
use std::fmt;

/// A kind of things with names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A broker of RabbitMQ.
    Broker,
    /// A cluster of Apache Kafka.
    Cluster,
    /// What AWS would keep in Secrets Manager.
    Secret,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Broker, Self::Cluster, Self::Secret];

    fn prefix(self) -> &'static str {
        match self {
            Self::Broker => "sources.mq.",
            Self::Cluster => "sources.kafka.",
            Self::Secret => "secrets.",
        }
    }

    fn members(self) -> &'static [&'static str] {
        match self {
            Self::Broker => &["endpoint", "user", "password"],
            Self::Cluster => &["servers", "user", "password", "mechanism", "tls"],
            Self::Secret => &["username", "password", "certificate"],
        }
    }
}

/// Things with names, and what is said of each.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Named(BTreeMap<(Kind, String), BTreeMap<String, String>>);

impl fmt::Debug for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Named {
    /// Those of a kind, by their names.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        let all = self.0.iter().filter(move |((of, _), _)| *of == kind);
        all.map(|((_, name), members)| (name.as_str(), members))
    }

    /// Takes a value, if the key is of something with a name. Says whether it is.
    pub(super) fn set(&mut self, key: &str, text: &str) -> Result<bool, String> {
        let found =
            Kind::ALL.into_iter().find_map(|kind| Some((kind, key.strip_prefix(kind.prefix())?)));
        let Some((kind, rest)) = found else { return Ok(false) };
        let members = kind.members();
        let one_of = || format!("behind the name stands what is one of {members:?}");
        let (name, member) = rest.rsplit_once('.').ok_or_else(one_of)?;
        if name.is_empty() || !members.contains(&member) {
            return Err(one_of());
        }
        check(member, text)?;
        let place = self.0.entry((kind, name.to_owned())).or_default();
        place.insert(member.to_owned(), text.to_owned());
        Ok(true)
    }
}

fn check(member: &str, text: &str) -> Result<(), String> {
    let fault = match member {
        "endpoint" if !text.starts_with("amqp://") && !text.starts_with("amqps://") => {
            "it is like amqp://host:5672, or amqps://host:5671"
        }
        "mechanism" if !["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&text) => {
            "it is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        }
        "tls" if !["true", "false"].contains(&text) => "it is true or false",
        _ => return Ok(()),
    };
    Err(fault.to_owned())
}

/// What stands before the names in a table of the file, if it has some.
pub(super) fn prefix(table: &str) -> Option<String> {
    match table {
        "sources_mq" => Some(Kind::Broker.prefix().to_owned()),
        "sources_kafka" => Some(Kind::Cluster.prefix().to_owned()),
        "secrets" => Some(Kind::Secret.prefix().to_owned()),
        _ => {
            let is_named = Kind::ALL.iter().any(|kind| table.starts_with(kind.prefix()));
            is_named.then(|| format!("{table}."))
        }
    }
}
