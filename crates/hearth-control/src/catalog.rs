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
    entries: RwLock<BTreeMap<FunctionArn, Entry>>,
}

impl Catalog {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<FunctionArn, Entry>> {
        self.entries.read().expect("no code panics while it holds the catalog")
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<FunctionArn, Entry>> {
        self.entries.write().expect("no code panics while it holds the catalog")
    }

    pub(crate) fn get(&self, function: &FunctionArn) -> Option<Entry> {
        self.read().get(function).cloned()
    }

    pub(crate) fn put(&self, entry: Entry) {
        self.write().insert(entry.record.arn.clone(), entry);
    }

    pub(crate) fn remove(&self, function: &FunctionArn) -> Option<Entry> {
        self.write().remove(function)
    }

    /// Functions of a scope in the order of their names, from behind `after` on.
    pub(crate) fn page(
        &self,
        scope: &Scope,
        after: Option<&FunctionName>,
        items: usize,
    ) -> Vec<Arc<FunctionRecord>> {
        let entries = self.read();
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
        self.read().values().cloned().collect()
    }
}
