//! Carries out what the rules of buckets say, and forgets uploads that nobody finishes.
//!
//! ```text
//!  every hour, or when rules were set ─▶ all versions, in batches ─▶ judge ─▶ turns of the keys
//!                                                                                 │
//!                                               judge again ─▶ commit  ◀──────────┘
//! ```
//!
//! # Promises
//!
//! 1. What has changed since it was judged is judged again before anything happens to it.
//! 2. Nobody waits for it longer than for the changes of some keys.
//! 3. An upload is forgotten after a bounded time, whatever the rules are.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hearth_store::shelf::{Row, Start};
use hearth_types::errors::causes;
use hearth_types::time::Timestamp;

use super::Buckets;
use super::conditions::Condition;
use super::error::BucketError;
use super::lifecycle::{RuleStatus, Standing, Verdict, judge, upload_expires};
use super::multipart::UploadName;
use super::notifications::Occasion;
use super::objects::{Cause, ObjectName};
use super::record::{self, BucketRecord, UploadRecord, Versioning};
use super::versions::Entry;
use crate::limits::{EXPIRY_ITEMS, EXPIRY_SECONDS, UPLOAD_DAYS_MAX};

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// A version of which something is to be done.
#[derive(Debug)]
struct Due {
    key: String,
    version: String,
    rank: u64,
    standing: Standing,
    verdict: Verdict,
}

/// Where a walk through the versions of a bucket is.
#[derive(Debug)]
struct Walk {
    start: Start,
    /// The version that the batch before ended with: others of its key may follow.
    within: Option<(String, u64)>,
    /// Of the key of the version before: when that came, and how many noncurrent ones there were.
    before: Option<(String, Timestamp, u32)>,
}

impl Walk {
    /// Where a version stands that follows the one before.
    fn stand(&mut self, key: &str, modified: Timestamp) -> Option<Standing> {
        let (standing, newer) = match &self.before {
            Some((before, since, newer)) if before == key => {
                (Some(Standing::Noncurrent { since: *since, newer: *newer }), newer + 1)
            }
            Some(_) | None => (None, 0),
        };
        self.before = Some((key.to_owned(), modified, newer));
        standing
    }
}

impl Buckets {
    /// Looks for what has expired until the buckets are closed.
    pub(super) async fn run_expiry(&self) {
        while !self.is_closing() {
            if let Err(error) = self.expire().await {
                // Everything that is due is still so the next time.
                tracing::warn!(error = causes(&error), "not everything has expired that is due");
            }
            let pause = Duration::from_secs(EXPIRY_SECONDS);
            let _woken = tokio::time::timeout(pause, self.expiry.notified()).await;
        }
    }

    /// Does what is due now, and says to how many versions and uploads.
    ///
    /// # Errors
    ///
    /// If the store failed; then some of it may be done.
    pub async fn expire(&self) -> Result<usize, BucketError> {
        let mut count = 0;
        for bucket in self.buckets.all() {
            if bucket.settings.lifecycle.iter().any(|rule| rule.status == RuleStatus::Enabled) {
                count += self.expire_versions(&bucket).await?;
            }
            count += self.expire_uploads(&bucket).await?;
        }
        Ok(count)
    }

    async fn expire_versions(&self, bucket: &BucketRecord) -> Result<usize, BucketError> {
        let mut walk = Walk { start: Start::At(Vec::new()), within: None, before: None };
        let mut count = 0;
        while !self.is_closing() {
            let rows = match &walk.within {
                Some((key, rank)) => {
                    let place = (bucket.name.as_str(), key.as_str());
                    self.shelf.versions_below(place, *rank, EXPIRY_ITEMS).await
                }
                None => self.shelf.versions(&bucket.name, &walk.start, EXPIRY_ITEMS).await,
            };
            let rows = rows.map_err(BucketError::Store)?;
            let Some(last) = rows.last() else {
                if walk.within.take().is_some() {
                    continue;
                }
                break;
            };
            walk.start = Start::After(last.key.clone().into_bytes());
            walk.within = Some((last.key.clone(), last.rank));
            let due = self.due_of(bucket, &rows, &mut walk).await?;
            count += self.carry_out(&bucket.name, due).await?;
        }
        Ok(count)
    }

    /// What of these versions is due.
    async fn due_of(
        &self,
        bucket: &BucketRecord,
        rows: &[Row],
        walk: &mut Walk,
    ) -> Result<Vec<Due>, BucketError> {
        let (rules, at) = (&bucket.settings.lifecycle, (bucket.versioning, self.clock.now()));
        let mut due = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let record = Entry::of_row(row)?.record;
            let standing = match walk.stand(&row.key, record.modified) {
                Some(standing) => standing,
                None => {
                    let is_alone = match rows.get(place + 1) {
                        Some(next) => next.key != row.key,
                        None => {
                            let place = (bucket.name.as_str(), row.key.as_str());
                            self.older(place, None).await?.is_none()
                        }
                    };
                    if is_alone { Standing::Alone } else { Standing::Newest }
                }
            };
            let verdict = judge(rules, (row.key.as_str(), &record, standing), at);
            if verdict != Verdict::Stay {
                let (key, version, rank) = (row.key.clone(), row.version.clone(), row.rank);
                due.push(Due { key, version, rank, standing, verdict });
            }
        }
        Ok(due)
    }

    /// Does what is due, in as few changes as possible: no two of one key in one.
    async fn carry_out(&self, bucket: &str, due: Vec<Due>) -> Result<usize, BucketError> {
        let mut count = 0;
        let mut group: Vec<Due> = Vec::new();
        let mut keys = HashSet::new();
        for one in due {
            if !keys.insert(one.key.clone()) {
                count += self.carry_out_group(bucket, std::mem::take(&mut group)).await?;
                keys = HashSet::from([one.key.clone()]);
            }
            group.push(one);
        }
        Ok(count + self.carry_out_group(bucket, group).await?)
    }

    async fn carry_out_group(&self, bucket: &str, group: Vec<Due>) -> Result<usize, BucketError> {
        let keys: Vec<&str> = group.iter().map(|due| due.key.as_str()).collect();
        let turn = match self.turn_of(bucket, &keys).await {
            Err(BucketError::NoSuchBucket) => return Ok(0),
            turn => turn?,
        };
        let mut changes = Vec::new();
        for due in &group {
            if !self.is_still_due(&turn.bucket, due).await? {
                continue;
            }
            let is_by_id =
                due.verdict == Verdict::Remove && turn.bucket.versioning != Versioning::Never;
            let name = ObjectName {
                bucket: bucket.to_owned(),
                key: due.key.clone(),
                version: is_by_id.then(|| due.version.clone()),
            };
            let (_deleted, change) =
                self.deletion(&turn, (&name, &Condition::None), Cause::Rules).await?;
            changes.extend(change);
        }
        let count = changes.len();
        self.commit(&turn.bucket, changes, &Occasion::of_the_bucket()).await?;
        Ok(count)
    }

    /// Whether a version is there as it was, and the rules say of it what they said. The caller has
    /// the turn.
    async fn is_still_due(&self, bucket: &BucketRecord, due: &Due) -> Result<bool, BucketError> {
        let place = (bucket.name.as_str(), due.key.as_str());
        let newest = self.newest(place.0, place.1).await?;
        let entry = match due.standing {
            Standing::Newest => newest,
            Standing::Alone => {
                let others = self.older(place, None).await?;
                newest.filter(|_newest| others.is_none())
            }
            Standing::Noncurrent { .. } => {
                self.older(place, Some(due.version.as_str())).await?.map(Arc::new)
            }
        };
        let Some(entry) = entry.filter(|entry| entry.rank == due.rank) else { return Ok(false) };
        let version = (due.key.as_str(), &entry.record, due.standing);
        let at = (bucket.versioning, self.clock.now());
        Ok(judge(&bucket.settings.lifecycle, version, at) == due.verdict)
    }

    async fn expire_uploads(&self, bucket: &BucketRecord) -> Result<usize, BucketError> {
        let now = self.clock.now();
        let mut count = 0;
        let (mut key, mut id) = (Vec::new(), String::new());
        while !self.is_closing() {
            let start = Start::At(key);
            let found = self.shelf.uploads(&bucket.name, (&start, &id), EXPIRY_ITEMS).await;
            let rows = found.map_err(BucketError::Store)?;
            let Some(last) = rows.last() else { break };
            (key, id) = (last.key.clone().into_bytes(), last.id.clone());
            for row in rows {
                let upload: UploadRecord = record::read(&row.document)?;
                if now < upload_is_due(bucket, &upload) {
                    continue;
                }
                let name = UploadName { bucket: row.bucket, key: row.key, id: row.id };
                match self.abort_upload(&name).await {
                    Ok(()) => count += 1,
                    Err(BucketError::NoSuchUpload | BucketError::NoSuchBucket) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(count)
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }
}

/// From when on an upload is forgotten.
fn upload_is_due(bucket: &BucketRecord, upload: &UploadRecord) -> Timestamp {
    let own = upload.initiated.plus_millis(UPLOAD_DAYS_MAX * DAY_MILLIS);
    let by_rule = upload_expires(&bucket.settings.lifecycle, &upload.key, upload.initiated);
    by_rule.map_or(own, |(due, _)| due.min(own))
}
