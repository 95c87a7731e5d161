//! The log store: all groups, the thread that writes them, and the operations that change them.
//!
//! ```text
//!  environments ── append ──▶ buffers ── turns ──▶ thread "logs" ──▶ group ──▶ segments
//!                                │                                    ▲
//!  queries ── take what waits ───┘──── and write it themselves ───────┘
//! ```
//!
//! On disk a group is `directory/<account>/<region>/<its name, percent-encoded>/NNNNNNNN.seg`.
//!
//! # Promises
//!
//! 1. Events of a stream are taken and written under the lock of their group, so they are written
//!    in order although the thread and a query may do it.
//! 2. What was appended before a query began is written before the query reads. The wait is for
//!    the writes of that group and for no other.
//! 3. [`LogStore::close`] returns when everything that was appended before it is written.
//! 4. Events that the disk refuses are reported and dropped: a full disk must not stop functions.
//!
//! Locks are taken in this order: groups, one group, one buffer. The queue's lock is held with none
//! of them but a buffer's.
//!
//! # Deliberately absent
//!
//! No async: everything here but [`LogSink`] may wait for a disk and belongs on a thread that may
//! block. No index on disk: opening reads every segment once. Only one store per directory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use hearth_types::limits::{LOG_GROUP_BYTES_MAX, LOG_SEGMENT_BYTES_MAX};
use hearth_types::logs::{LogEvent, LogSink, LogStream};
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Clock;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::LogError;
use crate::group::GroupState;
use crate::stream::{GroupKey, Queue, StreamBuffer, StreamHandle, TURN_BYTES_MAX, lock, split};

/// AWS: the name of a log group or of a log stream.
pub const NAME_BYTES_MAX: usize = 512;
/// Linux allows 255 bytes. A longer name is cut, with a hash in place of its end.
const FOLDER_BYTES_MAX: usize = 200;
/// What stays as it is in the name of a folder. No dot, so that none of them is `..`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// The folder of a deleted group begins with this until it is gone; no other one does.
const DELETED_PREFIX: char = '~';

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Of one group, on disk. The last segment is kept even if it is larger.
    pub group_bytes_max: u64,
    /// In one file. The write that reaches it may go beyond it.
    pub segment_bytes_max: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { group_bytes_max: LOG_GROUP_BYTES_MAX, segment_bytes_max: LOG_SEGMENT_BYTES_MAX }
    }
}

/// Events that a caller, not an environment, puts into a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutEvents {
    /// The name of the stream.
    pub stream: String,
    /// The events, in order.
    pub events: Vec<LogEvent>,
}

/// The logs of all functions.
pub struct LogStore {
    pub(crate) shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for LogStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LogStore")
            .field("directory", &self.shared.directory)
            .finish_non_exhaustive()
    }
}

impl LogStore {
    /// Reads what is in the directory, which is made if it is not there, and starts the writer.
    ///
    /// # Errors
    ///
    /// If something in the directory can be neither read nor repaired.
    pub fn open(
        directory: PathBuf,
        limits: LogLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, LogError> {
        let shared = Arc::new(Shared::open(directory, limits, clock)?);
        let writing = Arc::clone(&shared);
        let writer = thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || writing.write_turns())
            .map_err(|source| LogError::WriterNotStarted { source })?;
        Ok(Arc::new(Self { shared, writer: Mutex::new(Some(writer)) }))
    }

    /// Writes everything and ends the writer. What is appended from here on is lost; reading stays
    /// possible. A second call does nothing.
    pub fn close(&self) {
        // Held to the end, so that a second caller does not return before all is written.
        let mut writer = lock(&self.writer);
        let Some(thread) = writer.take() else { return };
        self.shared.queue.close();
        if thread.join().is_err() {
            tracing::error!("the thread that writes logs has panicked");
        }
        // For what came in between the writer's last look and its end.
        self.shared.settle(|_| true);
    }

    /// Makes an empty group.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupExists`], [`LogError::NameRefused`], [`LogError::NotWritten`].
    pub fn create_group(&self, scope: &Scope, group: &str) -> Result<(), LogError> {
        check_name(group)?;
        self.shared.create_group(&GroupKey::new(scope, group))
    }

    /// Makes an empty stream.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::StreamExists`], [`LogError::NameRefused`],
    /// [`LogError::NotWritten`].
    pub fn create_stream(&self, scope: &Scope, group: &str, stream: &str) -> Result<(), LogError> {
        check_name(stream)?;
        let now = self.shared.clock.now();
        self.shared.existing(scope, group, |state| {
            if state.has_stream(stream) {
                let (group, stream) = (group.to_owned(), stream.to_owned());
                return Err(LogError::StreamExists { group, stream });
            }
            state.create_stream(stream, now)
        })
    }

    /// Deletes a group with everything in it. It comes back empty with the next event of an
    /// environment that still writes to it, as it does on AWS.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::NotWritten`].
    pub fn delete_group(&self, scope: &Scope, group: &str) -> Result<(), LogError> {
        self.shared.delete_group(&GroupKey::new(scope, group))
    }

    /// Deletes a stream. It comes back empty with its next event.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::StreamMissing`], [`LogError::NotWritten`].
    pub fn delete_stream(&self, scope: &Scope, group: &str, stream: &str) -> Result<(), LogError> {
        let now = self.shared.clock.now();
        self.shared.existing(scope, group, |state| state.delete_stream(stream, now))
    }

    /// Adds events to a stream and returns when they are written.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::StreamMissing`], [`LogError::NotWritten`].
    pub fn put_events(&self, scope: &Scope, group: &str, put: PutEvents) -> Result<(), LogError> {
        let PutEvents { stream, events } = put;
        let events: Vec<LogEvent> = events.into_iter().flat_map(split).collect();
        let now = self.shared.clock.now();
        self.shared.existing(scope, group, |state| {
            if !state.has_stream(&stream) {
                return Err(LogError::stream_missing(group, &stream));
            }
            state.append(&stream, &events, now)
        })
    }

    /// Sets how many days events are kept. Which numbers AWS allows is the caller's business.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::NotWritten`].
    pub fn put_retention(&self, scope: &Scope, group: &str, days: u32) -> Result<(), LogError> {
        let now = self.shared.clock.now();
        self.shared.existing(scope, group, |state| state.set_retention(Some(days), now))
    }

    /// Keeps events until the group is too large.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::NotWritten`].
    pub fn delete_retention(&self, scope: &Scope, group: &str) -> Result<(), LogError> {
        let now = self.shared.clock.now();
        self.shared.existing(scope, group, |state| state.set_retention(None, now))
    }
}

impl LogSink for LogStore {
    fn open(&self, scope: &Scope, group: &str, stream: &str) -> Arc<dyn LogStream> {
        let buffer = Arc::new(StreamBuffer::new(GroupKey::new(scope, group), stream));
        Arc::new(StreamHandle { buffer, queue: Arc::clone(&self.shared.queue) })
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the store, its writer and its queries work on together.
#[derive(Debug)]
pub(crate) struct Shared {
    directory: PathBuf,
    limits: LogLimits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) groups: Mutex<BTreeMap<GroupKey, Arc<Mutex<GroupState>>>>,
    queue: Arc<Queue>,
    deletions: AtomicU64,
}

impl Shared {
    fn open(
        directory: PathBuf,
        limits: LogLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LogError> {
        fs::create_dir_all(&directory).map_err(LogError::not_written(&directory))?;
        let shared = Self {
            directory,
            limits,
            clock,
            groups: Mutex::default(),
            queue: Arc::default(),
            deletions: AtomicU64::new(0),
        };
        for account in folders(&shared.directory)? {
            let path = shared.directory.join(&account);
            let Ok(account) = AccountId::parse(&account) else { continue };
            for region in folders(&path)? {
                let Ok(region) = Region::parse(&region) else { continue };
                shared.load(&Scope { account: account.clone(), region })?;
            }
        }
        Ok(shared)
    }

    /// Reads the groups of one account and region.
    fn load(&self, scope: &Scope) -> Result<(), LogError> {
        let path = self.scope_path(scope);
        for folder in folders(&path)? {
            let path = path.join(&folder);
            if folder.starts_with(DELETED_PREFIX) {
                // The deletion was interrupted.
                fs::remove_dir_all(&path).map_err(LogError::not_written(&path))?;
            } else if let Some(state) = GroupState::load(path, self.limits)? {
                let key = GroupKey::new(scope, state.name());
                lock(&self.groups).insert(key, Arc::new(Mutex::new(state)));
            }
        }
        Ok(())
    }

    /// The life of the writer.
    fn write_turns(&self) {
        while let Some(buffer) = self.queue.next() {
            self.flush(&buffer, TURN_BYTES_MAX);
            self.queue.enter(&buffer);
        }
    }

    /// Writes everything that waits for the groups for which `wanted` holds.
    pub(crate) fn settle(&self, wanted: impl Fn(&GroupKey) -> bool) {
        for buffer in self.queue.waiting(wanted) {
            self.flush(&buffer, usize::MAX);
        }
    }

    /// Writes the oldest events of a stream.
    fn flush(&self, buffer: &StreamBuffer, bytes_max: usize) {
        while !buffer.is_empty() {
            let group = self.group_or_new(&buffer.group);
            let mut state = lock(&group);
            if !state.deleted {
                self.flush_into(&mut state, buffer, bytes_max);
                return;
            }
            // Deleted between the look-up and the lock: the next look-up finds a new group.
        }
    }

    fn flush_into(&self, state: &mut GroupState, buffer: &StreamBuffer, bytes_max: usize) {
        let mut batch = buffer.take(bytes_max);
        if batch.events.is_empty() {
            return;
        }
        for event in &mut batch.events {
            event.at = state.shown_at(event.at);
        }
        let written = state.append(&buffer.stream, &batch.events, self.clock.now());
        buffer.written(batch.bytes);
        if let Err(error) = written {
            tracing::warn!(
                group = %buffer.group.name,
                stream = %buffer.stream,
                events = batch.events.len(),
                error = &error as &(dyn Error + 'static),
                "log events were not written and are lost"
            );
        }
    }

    /// Works on a group of which everything is written.
    pub(crate) fn existing<T>(
        &self,
        scope: &Scope,
        group: &str,
        work: impl FnOnce(&mut GroupState) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let key = GroupKey::new(scope, group);
        self.settle(|other| *other == key);
        let found = lock(&self.groups).get(&key).cloned();
        let found = found.ok_or_else(|| LogError::group_missing(group))?;
        let mut state = lock(&found);
        if state.deleted {
            return Err(LogError::group_missing(group));
        }
        work(&mut state)
    }

    fn create_group(&self, key: &GroupKey) -> Result<(), LogError> {
        self.settle(|other| other == key);
        let fresh = Arc::new(Mutex::new(self.new_state(key)));
        match lock(&self.groups).entry(key.clone()) {
            Entry::Occupied(_) => return Err(LogError::GroupExists { group: key.name.clone() }),
            Entry::Vacant(place) => place.insert(Arc::clone(&fresh)),
        };
        let created = lock(&fresh).create(self.clock.now());
        if created.is_err() {
            let mut groups = lock(&self.groups);
            lock(&fresh).deleted = true;
            groups.remove(key);
        }
        created
    }

    fn delete_group(&self, key: &GroupKey) -> Result<(), LogError> {
        self.settle(|other| other == key);
        let number = self.deletions.fetch_add(1, Ordering::Relaxed);
        let aside = self.scope_path(&key.scope).join(format!("{DELETED_PREFIX}{number}"));
        {
            let mut groups = lock(&self.groups);
            let found = groups.get(key).cloned();
            let found = found.ok_or_else(|| LogError::group_missing(&key.name))?;
            let mut state = lock(&found);
            let path = self.group_path(key);
            // Renamed first: a deletion that is interrupted must not leave half a group.
            match fs::rename(&path, &aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LogError::not_written(&path)(error));
                }
                Ok(()) | Err(_) => {}
            }
            state.deleted = true;
            groups.remove(key);
        }
        match fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It is out of sight, and the next start tries again.
                tracing::warn!(path = %aside.display(), %error, "a deleted log group was not removed");
            }
            Ok(()) | Err(_) => {}
        }
        Ok(())
    }

    fn group_or_new(&self, key: &GroupKey) -> Arc<Mutex<GroupState>> {
        let mut groups = lock(&self.groups);
        if let Some(found) = groups.get(key) {
            return Arc::clone(found);
        }
        let fresh = Arc::new(Mutex::new(self.new_state(key)));
        groups.insert(key.clone(), Arc::clone(&fresh));
        fresh
    }

    fn new_state(&self, key: &GroupKey) -> GroupState {
        GroupState::new(&key.name, self.group_path(key), self.limits)
    }

    fn group_path(&self, key: &GroupKey) -> PathBuf {
        self.scope_path(&key.scope).join(folder_name(&key.name))
    }

    fn scope_path(&self, scope: &Scope) -> PathBuf {
        self.directory.join(scope.account.as_str()).join(scope.region.as_str())
    }
}

fn check_name(name: &str) -> Result<(), LogError> {
    let bytes = name.len();
    if (1..=NAME_BYTES_MAX).contains(&bytes) {
        Ok(())
    } else {
        Err(LogError::NameRefused { bytes, bytes_max: NAME_BYTES_MAX })
    }
}

/// The folder of a group. It need not tell the name, which every segment does.
fn folder_name(group: &str) -> String {
    let encoded = utf8_percent_encode(group, PLAIN).to_string();
    match encoded.get(..FOLDER_BYTES_MAX) {
        // A percent sign alone is not the encoding of any name.
        None if encoded.is_empty() => "%".to_owned(),
        None => encoded,
        Some(start) => {
            let hash = encoded.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
            format!("{start}{DELETED_PREFIX}{hash:016x}")
        }
    }
}

/// The names of the directories in a directory.
fn folders(path: &Path) -> Result<Vec<String>, LogError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(LogError::not_read(path))? {
        let entry = entry.map_err(LogError::not_read(path))?;
        if entry.file_type().map_err(LogError::not_read(path))?.is_dir() {
            names.extend(entry.file_name().to_str().map(str::to_owned));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
