//! Records of one kind, in memory and written through: what reads are answered from.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Bound;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hearth_types::names::Scope;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::records::{Record, RecordKey, Records};

/// All records of one kind.
///
/// # Promises
///
/// 1. What `put` or `remove` has returned for is in the store and in memory; what has failed is in
///    neither.
/// 2. Reads never wait for the store.
///
/// Two writers of one record are kept apart by whoever calls: see [`Collection::writing`].
#[derive(Debug)]
pub struct Collection<T> {
    kind: &'static str,
    records: Arc<dyn Records>,
    entries: RwLock<BTreeMap<(Scope, String), Arc<T>>>,
    writing: tokio::sync::Mutex<()>,
}

impl<T: Serialize + DeserializeOwned + Debug + Send + Sync> Collection<T> {
    /// Reads all records of a kind.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not a `T`.
    pub async fn open(kind: &'static str, records: Arc<dyn Records>) -> Result<Self, StoreError> {
        let found = records.all(kind).await?;
        let read = |record: Record| -> Result<((Scope, String), Arc<T>), StoreError> {
            let Record { scope, name, document } = record;
            let read = serde_json::from_str(&document)
                .map_err(|source| StoreError::Document { kind, source })?;
            Ok(((scope, name), Arc::new(read)))
        };
        // Built at once, of what comes in order: there may be a hundred thousand.
        let entries: BTreeMap<(Scope, String), Arc<T>> =
            found.into_iter().map(read).collect::<Result<_, StoreError>>()?;
        let writing = tokio::sync::Mutex::new(());
        Ok(Self { kind, records, entries: RwLock::new(entries), writing })
    }

    /// Held from reading a record to putting its successor, so that nobody comes in between.
    pub async fn writing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    /// One record.
    pub fn get(&self, scope: &Scope, name: &str) -> Option<Arc<T>> {
        self.read().get(&(scope.clone(), name.to_owned())).cloned()
    }

    /// Up to `items` records of a scope in the order of their names, from behind `after` on.
    pub fn page(&self, scope: &Scope, after: Option<&str>, items: usize) -> Vec<Arc<T>> {
        let first = (scope.clone(), after.unwrap_or_default().to_owned());
        let from = if after.is_some() { Bound::Excluded(first) } else { Bound::Included(first) };
        let entries = self.read();
        let mine = entries.range((from, Bound::Unbounded));
        let mine = mine.take_while(|((found, _), _)| found == scope);
        mine.take(items).map(|(_, entry)| Arc::clone(entry)).collect()
    }

    /// Every record, of every scope.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.read().values().cloned().collect()
    }

    /// Every record with its scope and name, of every scope.
    pub fn entries(&self) -> Vec<(Scope, String, Arc<T>)> {
        let entries = self.read();
        let named = entries
            .iter()
            .map(|((scope, name), entry)| (scope.clone(), name.clone(), Arc::clone(entry)));
        named.collect()
    }

    /// How many records there are, of every scope.
    pub fn count(&self) -> usize {
        self.read().len()
    }

    /// Keeps a record, in place of the one before.
    ///
    /// # Errors
    ///
    /// If the store failed; then the one before is still there.
    pub async fn put(&self, scope: &Scope, name: &str, record: T) -> Result<Arc<T>, StoreError> {
        let document = serde_json::to_string(&record).expect("a record can be written as JSON");
        self.records.put(&self.key(scope, name), &document).await?;
        let record = Arc::new(record);
        self.write().insert((scope.clone(), name.to_owned()), Arc::clone(&record));
        Ok(record)
    }

    /// Forgets a record. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If the store failed; then it is still there.
    pub async fn remove(&self, scope: &Scope, name: &str) -> Result<(), StoreError> {
        self.records.remove(&self.key(scope, name)).await?;
        self.write().remove(&(scope.clone(), name.to_owned()));
        Ok(())
    }

    fn key(&self, scope: &Scope, name: &str) -> RecordKey {
        RecordKey { kind: self.kind, scope: scope.clone(), name: name.to_owned() }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<(Scope, String), Arc<T>>> {
        self.entries.read().expect("no code panics while it holds the records")
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<(Scope, String), Arc<T>>> {
        self.entries.write().expect("no code panics while it holds the records")
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region};

    use super::*;
    use crate::sqlite::Sqlite;

    fn scope(region: &str) -> Scope {
        let account = AccountId::parse("000000000000").unwrap();
        Scope { account, region: Region::parse(region).unwrap() }
    }

    #[tokio::test]
    async fn what_was_put_is_there_after_a_restart_and_in_its_own_scope() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hearth.db");
        let (here, there) = (scope("us-east-1"), scope("us-west-2"));
        for round in 0..2_u32 {
            let store = Sqlite::open(&file).await.unwrap();
            let things: Collection<u32> =
                Collection::open("thing", Arc::new(store.clone())).await.unwrap();
            assert_eq!(things.get(&here, "b").is_some(), round == 1);
            for (number, name) in (0..).zip(["a", "b", "c", "gone"]) {
                things.put(&here, name, number).await.unwrap();
            }
            things.put(&there, "d", 9).await.unwrap();
            things.remove(&here, "gone").await.unwrap();
            let page = |after, items| -> Vec<u32> {
                things.page(&here, after, items).into_iter().map(|one| *one).collect()
            };
            assert_eq!(page(None, 2), [0, 1]);
            assert_eq!(page(Some("b"), 2), [2]);
            assert_eq!((things.all().len(), things.count()), (4, 4));
            let named: Vec<String> =
                things.entries().into_iter().map(|(_scope, name, _thing)| name).collect();
            assert_eq!(named, ["a", "b", "c", "d"]);
            store.close().await;
        }
    }
}
