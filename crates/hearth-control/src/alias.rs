//! Aliases: names that point to one version of a function, or share its invocations between two.
//!
//! # Promises
//!
//! 1. An alias points to versions that exist. A version that an alias points to is not deleted.
//! 2. Both versions of an alias have the same role and the same dead-letter target, so whoever may
//!    invoke it gets the same rights whichever version is drawn.
//! 3. What belongs to an alias (policy, URL, settings) goes with it.
//!
//! # Deliberately absent
//!
//! No chance: [`Alias::route`] is told what was drawn.

use std::collections::BTreeMap;

use hearth_types::ids::RevisionId;
use hearth_types::names::{AliasName, Qualifier, Version};
use serde::{Deserialize, Serialize};

use crate::error::ControlError;
use crate::record::{FunctionRecord, VersionRecord};
use crate::settings::refuse;

/// Where an alias leads. Its name is the key under which a function keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// The version that gets every invocation that no other version gets.
    pub version: Version,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Other versions, and which share of the invocations each of them gets: from 0 to 1.
    #[serde(default)]
    pub routing: BTreeMap<u64, f64>,
    /// Changes with every update.
    pub revision: RevisionId,
}

/// A change of an alias. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AliasUpdate {
    /// Where it is to lead.
    pub version: Option<Version>,
    /// What it is for.
    pub description: Option<String>,
    /// The shares of other versions; an empty map takes them away.
    pub routing: Option<BTreeMap<u64, f64>>,
    /// Refused if the alias is at another revision.
    pub revision: Option<String>,
}

impl Alias {
    /// An alias with a new revision.
    #[must_use]
    pub fn new(version: Version, description: String, routing: BTreeMap<u64, f64>) -> Self {
        Self { version, description, routing, revision: RevisionId::random() }
    }

    /// The version that runs an invocation. `draw` is evenly drawn from 0 up to, but not including,
    /// 1: a share of 0 never wins and a share of 1 always does.
    #[must_use]
    pub fn route(&self, draw: f64) -> Version {
        let mut bound = 0.0;
        for (version, share) in &self.routing {
            bound += share;
            if draw < bound {
                return Version::Published(*version);
            }
        }
        self.version
    }

    fn leads_to(&self, version: u64) -> bool {
        self.version == Version::Published(version) || self.routing.contains_key(&version)
    }
}

impl FunctionRecord {
    /// Adds an alias.
    ///
    /// # Errors
    ///
    /// If there is one of that name, a version is missing, or its routing breaks a rule.
    pub fn create_alias(&mut self, name: AliasName, alias: Alias) -> Result<Alias, ControlError> {
        self.existing(alias.version)?;
        if self.aliases.contains_key(&name) {
            let arn = self.arn.qualified(&name);
            return Err(ControlError::Conflict(format!("Alias already exists: {arn}")));
        }
        self.check_routing(&alias)?;
        self.aliases.insert(name, alias.clone());
        Ok(alias)
    }

    /// Changes an alias. Its revision is another one afterwards, also when nothing has changed.
    ///
    /// # Errors
    ///
    /// If there is none of that name, it is at another revision, a version is missing, or its
    /// routing would break a rule.
    pub fn update_alias(
        &mut self,
        name: &AliasName,
        update: AliasUpdate,
    ) -> Result<Alias, ControlError> {
        let AliasUpdate { version, description, routing, revision } = update;
        let old = self.aliases.get(name).ok_or_else(|| {
            ControlError::NotFound(format!("Alias not found: {}", self.arn.qualified(name)))
        })?;
        if revision.is_some_and(|revision| revision != old.revision.to_string()) {
            return Err(ControlError::RevisionMismatch("GetFunction/GetAlias"));
        }
        let new = Alias::new(
            version.unwrap_or(old.version),
            description.unwrap_or_else(|| old.description.clone()),
            routing.unwrap_or_else(|| old.routing.clone()),
        );
        self.check_routing(&new)?;
        self.check_provisioned_move(name, new.version)?;
        self.aliases.insert(name.clone(), new.clone());
        Ok(new)
    }

    /// Removes an alias and all that belongs to it. That there is none is fine, as in AWS.
    pub fn delete_alias(&mut self, name: &AliasName) {
        if self.aliases.remove(name).is_some() {
            self.forget_qualifier(&Qualifier::Alias(name.clone()));
        }
    }

    /// Refuses the deletion of a version that an alias leads to.
    pub(crate) fn check_unused(&self, version: u64) -> Result<(), ControlError> {
        let using = self.aliases.iter().filter(|(_, alias)| alias.leads_to(version));
        let using: Vec<&str> = using.map(|(name, _)| name.as_str()).collect();
        if using.is_empty() {
            return Ok(());
        }
        Err(ControlError::Conflict(format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            using.join(", ")
        )))
    }

    fn existing(&self, version: Version) -> Result<&VersionRecord, ControlError> {
        self.version(version)
            .ok_or_else(|| ControlError::FunctionMissing(self.arn.qualified(&version)))
    }

    fn check_routing(&self, alias: &Alias) -> Result<(), ControlError> {
        let main = self.existing(alias.version)?;
        if alias.routing.len() > 1 {
            return refuse("Number of items in AdditionalVersionWeights cannot be greater than 1");
        }
        let Some(number) = alias.routing.keys().next() else { return Ok(()) };
        let additional = Version::Published(*number);
        if additional == main.version {
            return refuse(format!(
                "Invalid function version {additional}. Function version {additional} is already included in routing configuration."
            ));
        }
        if main.version == Version::Latest {
            return Err(ControlError::InvalidParameterUntyped(
                "$LATEST is not supported for an alias pointing to more than 1 version".to_owned(),
            ));
        }
        let additional = &self.existing(additional)?.configuration;
        if additional.role != main.configuration.role {
            return refuse("Specified versions must be associated with the same execution role");
        }
        if additional.dead_letter_arn != main.configuration.dead_letter_arn {
            return refuse(
                "Specified versions must be associated with the same dead letter config",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::publish::testing::{function, with_versions};
    use crate::record::qualifier_key;
    use crate::runtime_management::RuntimeManagement;

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn name(text: &str) -> AliasName {
        AliasName::parse(text).unwrap()
    }

    fn to(version: u64, routing: &[(u64, f64)]) -> Alias {
        Alias::new(Version::Published(version), String::new(), routing.iter().copied().collect())
    }

    #[test]
    fn each_rule_of_a_new_alias_refuses_and_says_why() {
        let latest = |routing: &[(u64, f64)]| Alias { version: Version::Latest, ..to(1, routing) };
        let already = "Invalid function version 1. Function version 1 is already included in routing configuration.";
        let count = "Number of items in AdditionalVersionWeights cannot be greater than 1";
        let unpublished = "$LATEST is not supported for an alias pointing to more than 1 version";
        let role = "Specified versions must be associated with the same execution role";
        let letters = "Specified versions must be associated with the same dead letter config";
        let missing = |version: u64| format!("Function not found: {ARN}:{version}");
        #[rustfmt::skip]
        let rows: &[(&str, &str, Alias, Result<(), String>)] = &[
            ("a version",              "new",  to(1, &[]),                     Ok(())),
            ("$LATEST",                "new",  latest(&[]),                    Ok(())),
            ("two versions",           "new",  to(1, &[(2, 0.5)]),             Ok(())),
            ("no share",               "new",  to(1, &[(2, 0.0)]),             Ok(())),
            ("the whole",              "new",  to(1, &[(2, 1.0)]),             Ok(())),
            ("missing version",        "new",  to(9, &[]),                     Err(missing(9))),
            ("the same name",          "live", to(2, &[]),                     Err(format!("Alias already exists: {ARN}:live"))),
            ("missing before name",    "live", to(9, &[]),                     Err(missing(9))),
            ("name before routing",    "live", to(1, &[(1, 0.5)]),             Err(format!("Alias already exists: {ARN}:live"))),
            ("three versions",         "new",  to(1, &[(2, 0.1), (3, 0.1)]),   Err(count.to_owned())),
            ("one version twice",      "new",  to(1, &[(1, 0.5)]),             Err(already.to_owned())),
            ("$LATEST and another",    "new",  latest(&[(1, 0.5)]),            Err(unpublished.to_owned())),
            ("missing in routing",     "new",  to(1, &[(9, 0.5)]),             Err(missing(9))),
            ("another role",           "new",  to(1, &[(3, 0.5)]),             Err(role.to_owned())),
            ("another dead letter",    "new",  to(1, &[(4, 0.5)]),             Err(letters.to_owned())),
        ];
        for (what, alias_name, alias, expected) in rows {
            let mut record = with_versions(4);
            record.aliases.insert(name("live"), to(1, &[]));
            record.versions.get_mut(&3).unwrap().configuration.role.push('2');
            let queue = "arn:aws:sqs:us-east-1:000000000000:q".to_owned();
            record.versions.get_mut(&4).unwrap().configuration.dead_letter_arn = Some(queue);
            let before = record.clone();
            let made = record.create_alias(name(alias_name), alias.clone());
            match &made {
                Ok(made) => assert_eq!(record.aliases.get(&name(alias_name)), Some(made)),
                Err(_) => assert_eq!(record, before, "{what}"),
            }
            let made = made.map(drop).map_err(|error| error.to_string());
            assert_eq!(made, *expected, "{what}");
        }
    }

    #[test]
    fn the_one_refusal_without_a_type_is_told_apart() {
        let alias = Alias { version: Version::Latest, ..to(1, &[(1, 0.5)]) };
        let refused = with_versions(1).create_alias(name("a"), alias).unwrap_err();
        assert!(matches!(refused, ControlError::InvalidParameterUntyped(_)), "{refused:?}");
    }

    #[test]
    fn an_update_changes_what_was_given_and_the_revision() {
        let keep = AliasUpdate::default;
        let routing = |shares: &[(u64, f64)]| -> Option<BTreeMap<u64, f64>> {
            Some(shares.iter().copied().collect())
        };
        #[rustfmt::skip]
        let rows = [
            ("nothing",        keep(),                                                           1, "old", vec![(2, 0.25)]),
            ("its text",       AliasUpdate { description: Some("new".into()), ..keep() },        1, "new", vec![(2, 0.25)]),
            ("no text",        AliasUpdate { description: Some(String::new()), ..keep() },       1, "",    vec![(2, 0.25)]),
            ("its version",    AliasUpdate { version: Some(Version::Published(3)), ..keep() },   3, "old", vec![(2, 0.25)]),
            ("its shares",     AliasUpdate { routing: routing(&[(3, 0.5)]), ..keep() },          1, "old", vec![(3, 0.5)]),
            ("no shares",      AliasUpdate { routing: routing(&[]), ..keep() },                  1, "old", vec![]),
        ];
        for (what, update, version, description, shares) in rows {
            let mut record = with_versions(3);
            let old = Alias { description: "old".to_owned(), ..to(1, &[(2, 0.25)]) };
            record.aliases.insert(name("live"), old.clone());
            let new = record.update_alias(&name("live"), update).unwrap();
            assert_eq!(record.aliases.get(&name("live")), Some(&new), "{what}");
            let found = (new.version, new.description.as_str(), &new.routing);
            let shares: BTreeMap<u64, f64> = shares.into_iter().collect();
            assert_eq!(found, (Version::Published(version), description, &shares), "{what}");
            assert_ne!(new.revision, old.revision, "{what}");
        }
    }

    #[test]
    fn an_update_that_is_refused_changes_nothing() {
        let keep = AliasUpdate::default;
        let revision = RevisionId::random().to_string();
        let mismatch = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id";
        let already = "Invalid function version 2. Function version 2 is already included in routing configuration.";
        #[rustfmt::skip]
        let rows = [
            ("gone",            "none", keep(),                                                          format!("Alias not found: {ARN}:none")),
            ("gone first",      "none", AliasUpdate { revision: Some(revision.clone()), ..keep() },      format!("Alias not found: {ARN}:none")),
            ("other revision",  "live", AliasUpdate { revision: Some(revision), ..keep() },              mismatch.to_owned()),
            ("missing version", "live", AliasUpdate { version: Some(Version::Published(9)), ..keep() },  format!("Function not found: {ARN}:9")),
            ("meets its share", "live", AliasUpdate { version: Some(Version::Published(2)), ..keep() },  already.to_owned()),
        ];
        for (what, alias_name, update, expected) in rows {
            let mut record = with_versions(2);
            record.aliases.insert(name("live"), to(1, &[(2, 0.25)]));
            let before = record.clone();
            let refused = record.update_alias(&name(alias_name), update).unwrap_err();
            assert_eq!(refused.to_string(), expected, "{what}");
            assert_eq!(record, before, "{what}");
        }
    }

    #[test]
    fn an_update_at_the_right_revision_is_taken() {
        let mut record = with_versions(1);
        let made = record.create_alias(name("live"), to(1, &[])).unwrap();
        let update =
            AliasUpdate { revision: Some(made.revision.to_string()), ..AliasUpdate::default() };
        record.update_alias(&name("live"), update).unwrap();
    }

    #[test]
    fn a_deleted_alias_takes_along_what_belongs_to_it() {
        let mut record = with_versions(1);
        let key = |text: &str| qualifier_key(Some(&Qualifier::Alias(name(text))));
        for text in ["live", "kept"] {
            record.create_alias(name(text), to(1, &[])).unwrap();
            record.runtime_management.insert(key(text), RuntimeManagement::default());
        }
        record.delete_alias(&name("live"));
        assert!(!record.aliases.contains_key(&name("live")));
        assert!(!record.runtime_management.contains_key(&key("live")));
        assert!(record.runtime_management.contains_key(&key("kept")));
        let before = record.clone();
        record.delete_alias(&name("live"));
        assert_eq!(record, before, "a second time does nothing");
    }

    #[test]
    fn a_version_that_an_alias_leads_to_is_in_use() {
        let mut record = with_versions(4);
        record.create_alias(name("main"), to(1, &[])).unwrap();
        record.create_alias(name("both"), to(1, &[(2, 0.0)])).unwrap();
        let latest = Alias { version: Version::Latest, ..to(1, &[]) };
        record.create_alias(name("latest"), latest).unwrap();
        let text = "Unable to delete version because the following aliases reference it:";
        let rows = [(1, Some("[both, main]")), (2, Some("[both]")), (3, None), (9, None)];
        for (version, aliases) in rows {
            let refused = record.check_unused(version).err().map(|error| error.to_string());
            assert_eq!(refused, aliases.map(|aliases| format!("{text} {aliases}")), "{version}");
        }
    }

    #[test]
    fn an_alias_reads_back_from_the_store() {
        let mut record = function();
        record.aliases.insert(name("live"), to(1, &[(2, 0.1)]));
        let document = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<FunctionRecord>(&document).unwrap(), record);
    }

    #[test]
    fn shares_of_nothing_and_of_everything_are_exact() {
        let largest = 1.0_f64.next_down();
        let rows = [(0.0, 0.0, 1), (0.0, largest, 1), (1.0, 0.0, 2), (1.0, largest, 2)];
        for (share, draw, expected) in rows {
            let found = to(1, &[(2, share)]).route(draw);
            assert_eq!(found, Version::Published(expected), "a share of {share}, drawn {draw}");
        }
    }

    proptest! {
        #[test]
        fn the_other_version_is_drawn_below_its_share(share in 0.0..=1.0_f64, draw in 0.0..1.0_f64) {
            let expected = if draw < share { 2 } else { 1 };
            prop_assert_eq!(to(1, &[(2, share)]).route(draw), Version::Published(expected));
        }

        #[test]
        fn even_draws_are_shared_as_asked(share in 0.0..=1.0_f64) {
            let alias = to(1, &[(2, share)]);
            let draws: u16 = 1_000;
            let drawn = (0..draws).map(|number| f64::from(number) / f64::from(draws));
            let other = drawn.filter(|draw| alias.route(*draw) == Version::Published(2)).count();
            let other = f64::from(u16::try_from(other).unwrap());
            prop_assert!((other - share * f64::from(draws)).abs() < 1.5, "{} of {}", other, share);
        }

        #[test]
        fn without_shares_there_is_nothing_to_draw(draw in 0.0..1.0_f64) {
            prop_assert_eq!(to(7, &[]).route(draw), Version::Published(7));
        }
    }
}
