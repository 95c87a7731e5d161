//! What is remembered of a queue. No I/O.

use std::collections::BTreeMap;

use hearth_store::queue::{EntryId, Lane};
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::attributes::Settings;
use super::names::QueueName;

/// The kind of the lanes in which messages wait.
pub const LANE_KIND: &str = "sqs";

/// A queue: all but its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRecord {
    /// Its name, which no other queue of its account and region has.
    pub name: String,
    /// Whose it is, and where.
    pub scope: Scope,
    /// Another one for each queue that was ever made, also under the same name: messages and receipt
    /// handles belong to it and not to the name.
    pub generation: Uuid,
    /// What receipt handles are authenticated with.
    pub secret: Uuid,
    /// When it was made.
    pub created: Timestamp,
    /// When its settings were changed.
    pub modified: Timestamp,
    /// When it was purged for the last time.
    #[serde(default)]
    pub purged: Option<Timestamp>,
    /// How it works.
    pub settings: Settings,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl QueueRecord {
    /// Which queue it is.
    #[must_use]
    pub fn full_name(&self) -> QueueName {
        QueueName { scope: self.scope.clone(), name: self.name.clone() }
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.full_name().to_string()
    }

    /// Where its messages wait. Another one after it was deleted and made again.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane { kind: LANE_KIND, name: format!("{}/{}", self.full_name(), self.generation.simple()) }
    }

    /// Whether messages of a group come in order.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.settings.fifo.is_some()
    }

    /// Whether a message that was put then is older than messages are kept.
    pub(super) fn is_too_old(&self, put_at: Timestamp, now: Timestamp) -> bool {
        now.millis_since(put_at) >= self.retention_millis()
    }

    pub(super) fn retention_millis(&self) -> u64 {
        u64::from(self.settings.retention_seconds) * 1_000
    }

    /// The id of the message that is this entry. It follows from the entry, so that a duplicate is
    /// answered with the id of the message that was there before, whatever became of that one.
    pub(super) fn message_id(&self, entry: EntryId) -> Uuid {
        let digest = Sha256::new()
            .chain_update(self.generation.as_bytes())
            .chain_update(entry.0.to_be_bytes())
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The number of the message that is this entry: of a FIFO queue, and greater than those before.
    pub(super) fn sequence_number(&self, entry: EntryId) -> Option<String> {
        self.is_fifo().then(|| format!("1{:019}", entry.0))
    }
}
