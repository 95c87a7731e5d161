//! What is remembered of the shelf: the newest versions of keys that were asked for.
//!
//! Two generations. What is asked for is in the young one or comes back to it; when that has half of
//! the room, it becomes the old one, and what nobody asked for since is forgotten.
//!
//! # Promises
//!
//! 1. Nobody is shown a version after it was replaced: a change ends what is remembered of its key,
//!    and what was read before the change is not remembered after it.
//! 2. Memory is bounded, whatever is asked for.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::versions::Entry;
use crate::limits::OBJECTS_REMEMBERED_BYTES_MAX;

/// What an entry takes beside its piece: its record, its name, and its place in the table.
const ENTRY_BYTES: usize = 1_024;
/// How many groups keys are in. A change ends reads of its whole group.
const GROUPS: usize = 256;

/// What is remembered.
#[derive(Debug)]
pub(super) struct Cache {
    generations: Mutex<Generations>,
    hashes: RandomState,
}

#[derive(Debug)]
struct Generations {
    young: HashMap<String, Arc<Entry>>,
    old: HashMap<String, Arc<Entry>>,
    young_bytes: usize,
    /// How many changes each group has seen.
    changes: [u64; GROUPS],
}

/// The right to have something remembered that is about to be read.
#[derive(Debug)]
pub(super) struct Ticket {
    name: String,
    changes: u64,
}

impl Default for Cache {
    fn default() -> Self {
        let generations = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            changes: [0; GROUPS],
        };
        Self { generations: Mutex::new(generations), hashes: RandomState::new() }
    }
}

/// What a key is known by. Buckets have no `/` in their names.
fn name_of(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}

impl Cache {
    /// What is remembered of a key, or the right to remember it.
    pub(super) fn get(&self, bucket: &str, key: &str) -> Result<Arc<Entry>, Ticket> {
        let name = name_of(bucket, key);
        let group = self.group(&name);
        let mut generations = self.lock();
        if let Some(found) = generations.young.get(&name) {
            return Ok(Arc::clone(found));
        }
        if let Some(found) = generations.old.remove(&name) {
            generations.insert(name, Arc::clone(&found));
            return Ok(found);
        }
        let changes = generations.changes.get(group).copied().unwrap_or_default();
        drop(generations);
        Err(Ticket { name, changes })
    }

    /// Remembers what was read since the ticket was given, unless there was a change meanwhile.
    pub(super) fn put(&self, ticket: Ticket, entry: Arc<Entry>) {
        let group = self.group(&ticket.name);
        let mut generations = self.lock();
        if generations.changes.get(group) == Some(&ticket.changes) {
            generations.insert(ticket.name, entry);
        }
    }

    /// Forgets a key, because it has changed.
    pub(super) fn changed(&self, bucket: &str, key: &str) {
        let name = name_of(bucket, key);
        let group = self.group(&name);
        let mut generations = self.lock();
        if let Some(changes) = generations.changes.get_mut(group) {
            *changes += 1;
        }
        generations.old.remove(&name);
        if let Some(forgotten) = generations.young.remove(&name) {
            generations.young_bytes -= room_of(&name, &forgotten);
        }
    }

    fn group(&self, name: &str) -> usize {
        let groups = GROUPS as u64;
        usize::try_from(self.hashes.hash_one(name) % groups).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().expect("no code panics while it holds what is remembered")
    }
}

impl Generations {
    fn insert(&mut self, name: String, entry: Arc<Entry>) {
        self.young_bytes += room_of(&name, &entry);
        if let Some(before) = self.young.insert(name.clone(), entry) {
            self.young_bytes -= room_of(&name, &before);
        }
        if self.young_bytes >= OBJECTS_REMEMBERED_BYTES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

fn room_of(name: &str, entry: &Entry) -> usize {
    ENTRY_BYTES + 2 * name.len() + entry.piece.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use hearth_types::time::Timestamp;

    use super::super::record::VersionRecord;
    use super::*;

    fn entry(rank: u64, bytes: usize) -> Arc<Entry> {
        let id = "v".to_owned();
        let record = VersionRecord { id, modified: Timestamp(0), object: None, upload: None };
        Arc::new(Entry { rank, record, piece: Some(Bytes::from(vec![0; bytes])) })
    }

    fn remember(cache: &Cache, key: &str, entry: Arc<Entry>) {
        let ticket = cache.get("bucket", key).unwrap_err();
        cache.put(ticket, entry);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let cache = Cache::default();
        remember(&cache, "a", entry(1, 0));
        assert_eq!(cache.get("bucket", "a").unwrap().rank, 1);
        assert!(cache.get("bucke", "t/a").is_err());
        cache.changed("bucket", "a");
        let ticket = cache.get("bucket", "a").unwrap_err();
        cache.changed("bucket", "a");
        cache.put(ticket, entry(1, 0));
        assert!(cache.get("bucket", "a").is_err());
        remember(&cache, "a", entry(2, 0));
        assert_eq!(cache.get("bucket", "a").unwrap().rank, 2);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let cache = Cache::default();
        let size = OBJECTS_REMEMBERED_BYTES_MAX / 16;
        remember(&cache, "asked for", entry(1, size));
        for number in 0..64 {
            remember(&cache, &number.to_string(), entry(number, size));
            assert!(cache.get("bucket", "asked for").is_ok(), "{number}");
            let generations = cache.lock();
            let held = generations.young.len() + generations.old.len();
            assert!(held <= 16, "{held}");
        }
        assert!(cache.get("bucket", "0").is_err());
    }
}
