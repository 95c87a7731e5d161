//! Turns: who may change which key, and who may change a whole bucket.
//!
//! ```text
//!  change of a key:     gate of the bucket, shared ─▶ lock of the key
//!  change of a bucket:  gate of the bucket, alone
//! ```
//!
//! # Promises
//!
//! 1. One at a time changes a key, and nobody does while its bucket changes.
//! 2. Nobody waits in a circle: whoever needs several locks takes them in their order.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hearth_types::names::Scope;
use tokio::sync::{Mutex, MutexGuard, OwnedRwLockReadGuard, RwLock};

use super::Buckets;
use super::error::BucketError;
use super::record::BucketRecord;
use crate::limits::KEY_LOCKS;

/// The name of a bucket, taken.
#[derive(Debug, Clone)]
pub(super) struct Door {
    /// Whose it is, and where.
    pub(super) scope: Scope,
    pub(super) gate: Arc<RwLock<()>>,
}

impl Door {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, gate: Arc::default() }
    }
}

/// The locks of all keys. Several keys may have one.
#[derive(Debug)]
pub(super) struct Keys {
    locks: Vec<Mutex<()>>,
    hashes: RandomState,
}

impl Default for Keys {
    fn default() -> Self {
        let locks = (0..KEY_LOCKS).map(|_lock| Mutex::new(())).collect();
        Self { locks, hashes: RandomState::new() }
    }
}

impl Keys {
    async fn lock(&self, bucket: &str, keys: &[&str]) -> Vec<MutexGuard<'_, ()>> {
        let locks = self.locks.len() as u64;
        let place = |key: &&str| {
            usize::try_from(self.hashes.hash_one((bucket, *key)) % locks).unwrap_or_default()
        };
        let mut places: Vec<usize> = keys.iter().map(place).collect();
        places.sort_unstable();
        places.dedup();
        let mut held = Vec::with_capacity(places.len());
        for place in places {
            if let Some(lock) = self.locks.get(place) {
                held.push(lock.lock().await);
            }
        }
        held
    }
}

/// The right to change keys of a bucket.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) bucket: Arc<BucketRecord>,
    _keys: Vec<MutexGuard<'a, ()>>,
    _gate: OwnedRwLockReadGuard<()>,
}

impl Buckets {
    /// Waits for the turn to change a key.
    pub(super) async fn turn(&self, bucket: &str, key: &str) -> Result<Turn<'_>, BucketError> {
        self.turn_of(bucket, &[key]).await
    }

    /// Waits for the turn to change several keys.
    pub(super) async fn turn_of(
        &self,
        bucket: &str,
        keys: &[&str],
    ) -> Result<Turn<'_>, BucketError> {
        let door = self.door(bucket)?;
        let gate = Arc::clone(&door.gate).read_owned().await;
        let keys = self.keys.lock(bucket, keys).await;
        // It may have been deleted meanwhile, and another one made.
        if !Arc::ptr_eq(&self.door(bucket)?.gate, &door.gate) {
            return Err(BucketError::NoSuchBucket);
        }
        Ok(Turn { bucket: self.bucket(bucket)?, _keys: keys, _gate: gate })
    }
}
