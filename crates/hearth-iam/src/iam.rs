//! The store of an account's roles and policies, and pages of listings.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::records::Records;
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Clock;

use crate::error::IamError;
use crate::managed::ManagedPolicies;
use crate::policy::Policy;
use crate::quotas;
use crate::roles::Role;
use crate::rules::Rules;

/// The roles and policies of all accounts.
#[derive(Debug)]
pub struct Iam {
    /// By name. Its lock is held for every change of a role or a policy, because each can forbid a
    /// change of the other.
    pub(crate) roles: Collection<Role>,
    /// Those that accounts have made, by name.
    pub(crate) policies: Collection<Policy>,
    /// Those that AWS has made.
    pub(crate) managed: ManagedPolicies,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Iam {
    /// Reads all roles and policies.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not a role or a policy.
    pub async fn open(
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            roles: Collection::open("iam-role", Arc::clone(&records)).await?,
            policies: Collection::open("iam-policy", records).await?,
            managed: ManagedPolicies::known(),
            clock,
        })
    }

    /// Refuses: an account has no users, so there is none of this name.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn user(&self, name: &str) -> Result<(), IamError> {
        Rules::default().user_name(name).check()?;
        Err(IamError::UserMissing(name.to_owned()))
    }

    /// All roles of an account, in the order of their names.
    pub(crate) fn roles_of(&self, account: &AccountId) -> Vec<Arc<Role>> {
        self.roles.page(&scope(account), None, quotas::ROLES_PER_ACCOUNT)
    }

    /// All policies that an account has made, in the order of their names.
    pub(crate) fn policies_of(&self, account: &AccountId) -> Vec<Arc<Policy>> {
        self.policies.page(&scope(account), None, quotas::POLICIES_PER_ACCOUNT)
    }

    /// How often each policy is used by the roles of an account.
    pub(crate) fn uses(&self, account: &AccountId) -> Uses {
        let mut uses = Uses::default();
        for role in self.roles_of(account) {
            for arn in &role.attached {
                *uses.attachments.entry(arn.clone()).or_default() += 1;
            }
            if let Some(arn) = &role.boundary {
                *uses.boundaries.entry(arn.clone()).or_default() += 1;
            }
        }
        uses
    }
}

/// How often policies are used, by their ARNs.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    attachments: HashMap<String, usize>,
    boundaries: HashMap<String, usize>,
}

impl Uses {
    /// As permissions of roles.
    pub(crate) fn attachments(&self, arn: &str) -> usize {
        self.attachments.get(arn).copied().unwrap_or_default()
    }

    /// As boundaries of what roles may ever do.
    pub(crate) fn boundaries(&self, arn: &str) -> usize {
        self.boundaries.get(arn).copied().unwrap_or_default()
    }
}

/// IAM belongs to no region, and a record has to belong to one.
pub(crate) fn scope(account: &AccountId) -> Scope {
    let region = Region::parse("aws-global").expect("it has the form of a region");
    Scope { account: account.clone(), region }
}

/// What a record is kept under: names that differ only in case are the same name.
pub(crate) fn key(name: &str) -> String {
    name.to_lowercase()
}

/// Which part of a listing is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    after: Option<String>,
    items: usize,
}

impl Page {
    /// The page behind the item with this key, or the first one.
    ///
    /// # Errors
    ///
    /// If a page cannot have so many items.
    pub fn new(after: Option<String>, items: Option<i64>) -> Result<Self, IamError> {
        Rules::default().page_items(items).check()?;
        let items = items.and_then(|items| usize::try_from(items).ok());
        Ok(Self { after, items: items.unwrap_or(quotas::PAGE_ITEMS_DEFAULT) })
    }

    /// Cuts the page out of items that are in the order of their keys.
    pub(crate) fn cut<T>(&self, items: impl IntoIterator<Item = (String, T)>) -> Listing<T> {
        let is_behind = |key: &String| self.after.as_ref().is_none_or(|after| key > after);
        let mut rest = items.into_iter().filter(|(key, _)| is_behind(key));
        let mut last = None;
        let mut items = Vec::new();
        for (key, item) in rest.by_ref().take(self.items) {
            items.push(item);
            last = Some(key);
        }
        let more = rest.next().is_some();
        Listing { items, next: last.filter(|_| more) }
    }
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The key that the next page begins behind. None: this is the last page.
    pub next: Option<String>,
}

impl<T> Listing<T> {
    /// The same page of something else.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Listing<U> {
        Listing { items: self.items.into_iter().map(each).collect(), next: self.next }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use hearth_store::sqlite::Sqlite;
    use hearth_types::time::Timestamp;

    use super::*;

    /// A clock that stands still.
    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp(NOW)
        }
    }

    pub(crate) const NOW: u64 = 1_795_404_035_123;

    pub(crate) fn account() -> AccountId {
        AccountId::parse("000000000000").unwrap()
    }

    /// A store, which is gone when it is dropped.
    #[derive(Debug)]
    pub(crate) struct Place(tempfile::TempDir);

    impl Place {
        pub(crate) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        /// Opens what is there.
        pub(crate) async fn open(&self) -> Iam {
            let store = Sqlite::open(&self.0.path().join("hearth.db")).await.unwrap();
            Iam::open(Arc::new(store), Arc::new(Noon)).await.unwrap()
        }
    }

    #[test]
    fn pages_join_to_the_whole_and_end() {
        let items = || (0..7).map(|number| (number.to_string(), number));
        for (size, pages) in [(Some(1), 7), (Some(3), 3), (Some(7), 1), (None, 1)] {
            let (mut after, mut seen, mut count) = (None, Vec::new(), 0);
            loop {
                let page = Page::new(after, size).unwrap().cut(items());
                seen.extend(page.items);
                count += 1;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, (0..7).collect::<Vec<_>>(), "{size:?}");
            assert_eq!(count, pages, "{size:?}");
        }
        assert!(Page::new(None, Some(0)).is_err());
        assert!(Page::new(None, Some(1_001)).is_err());
    }

    #[tokio::test]
    async fn there_are_no_users() {
        let place = Place::new();
        let iam = place.open().await;
        let missing = iam.user("me").unwrap_err().to_string();
        assert_eq!(missing, "The user with name me cannot be found.");
        assert!(matches!(iam.user("é"), Err(IamError::Validation(_))));
    }
}
