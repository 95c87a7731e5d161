//! All functions, in memory: what reads are answered from.
//!
//! A function is replaced whole. Beside its record stands what serves its invocations, which lags
//! behind the record while a change is in progress.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hearth_types::function::Target;
use hearth_types::names::{FunctionArn, FunctionName, Scope, Version};

use crate::record::FunctionRecord;

/// One function.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) record: Arc<FunctionRecord>,
    /// What runs when a version is invoked.
    pub(crate) serving: Arc<HashMap<Version, Arc<Target>>>,
}

#[derive(Debug, Default)]
pub(crate) struct Catalog {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<FunctionArn, Entry>,
    /// Sums over the functions of each scope that has any, so that no invocation adds them up.
    claims: HashMap<Scope, Claims>,
    /// Whose each function URL is, by its id.
    urls: HashMap<String, FunctionArn>,
}

/// What the functions of a scope take out of its executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Claims {
    /// What is reserved.
    pub(crate) reserved: u32,
    /// What is reserved, or provisioned without being reserved.
    pub(crate) claimed: u32,
}

impl Inner {
    fn put(&mut self, entry: Entry) {
        let record = Arc::clone(&entry.record);
        let before = self.entries.insert(record.arn.clone(), entry);
        self.recount(before.as_ref(), Some(&record));
        self.list_urls(before.as_ref(), Some(&record));
    }

    fn remove(&mut self, function: &FunctionArn) -> Option<Entry> {
        let removed = self.entries.remove(function);
        self.recount(removed.as_ref(), None);
        self.list_urls(removed.as_ref(), None);
        removed
    }

    fn list_urls(&mut self, before: Option<&Entry>, after: Option<&FunctionRecord>) {
        for url in before.iter().flat_map(|entry| entry.record.urls.values()) {
            self.urls.remove(&url.id);
        }
        let after =
            after.iter().flat_map(|record| record.urls.values().map(move |url| (url, record)));
        self.urls.extend(after.map(|(url, record)| (url.id.clone(), record.arn.clone())));
    }

    fn recount(&mut self, before: Option<&Entry>, after: Option<&FunctionRecord>) {
        let before = before.map(|entry| entry.record.as_ref());
        let Some(scope) = after.or(before).map(|record| &record.arn.scope) else { return };
        let of = |record: Option<&FunctionRecord>| {
            record.map_or((0, 0), |one| {
                (one.reserved_concurrency.unwrap_or(0), one.claimed_concurrency())
            })
        };
        let ((old_reserved, old_claimed), (reserved, claimed)) = (of(before), of(after));
        if (old_reserved, old_claimed) == (reserved, claimed) {
            return;
        }
        let sums = self.claims.entry(scope.clone()).or_default();
        sums.reserved = sums.reserved.saturating_sub(old_reserved).saturating_add(reserved);
        sums.claimed = sums.claimed.saturating_sub(old_claimed).saturating_add(claimed);
        if *sums == Claims::default() {
            self.claims.remove(scope);
        }
    }
}

impl Catalog {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().expect("no code panics while it holds the catalog")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().expect("no code panics while it holds the catalog")
    }

    pub(crate) fn get(&self, function: &FunctionArn) -> Option<Entry> {
        self.read().entries.get(function).cloned()
    }

    pub(crate) fn put(&self, entry: Entry) {
        self.write().put(entry);
    }

    pub(crate) fn remove(&self, function: &FunctionArn) -> Option<Entry> {
        self.write().remove(function)
    }

    /// What the functions of a scope have claimed.
    pub(crate) fn claims(&self, scope: &Scope) -> Claims {
        self.read().claims.get(scope).copied().unwrap_or_default()
    }

    /// A function, and what all of its scope have claimed, as of one moment.
    pub(crate) fn get_with_claims(&self, function: &FunctionArn) -> Option<(Entry, Claims)> {
        let inner = self.read();
        let entry = inner.entries.get(function)?.clone();
        Some((entry, inner.claims.get(&function.scope).copied().unwrap_or_default()))
    }

    /// The function that has the URL with this id, or one of whose aliases has it.
    pub(crate) fn with_url(&self, id: &str) -> Option<Arc<FunctionRecord>> {
        let inner = self.read();
        let function = inner.urls.get(id)?;
        inner.entries.get(function).map(|entry| Arc::clone(&entry.record))
    }

    /// Functions of a scope in the order of their names, from behind `after` on.
    pub(crate) fn page(
        &self,
        scope: &Scope,
        after: Option<&FunctionName>,
        items: usize,
    ) -> Vec<Arc<FunctionRecord>> {
        let entries = &self.read().entries;
        let first = FunctionArn {
            scope: scope.clone(),
            name: after.cloned().unwrap_or_else(|| {
                FunctionName::parse("-").expect("the smallest character of a name")
            }),
        };
        let from = if after.is_some() { Bound::Excluded(first) } else { Bound::Included(first) };
        entries
            .range((from, Bound::Unbounded))
            .take_while(|(arn, _)| arn.scope == *scope)
            .take(items)
            .map(|(_, entry)| Arc::clone(&entry.record))
            .collect()
    }

    pub(crate) fn all(&self) -> Vec<Entry> {
        self.read().entries.values().cloned().collect()
    }
}
