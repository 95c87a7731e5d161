//! The bytes of large objects: files that never change once they stand.
//!
//! ```text
//! <directory>/content/<id>    the bytes of one version of an object, or of one part
//! <directory>/incoming/<id>   bytes that are arriving, cleared by `Contents::open`
//! ```
//!
//! # Promises
//!
//! 1. What stands in `content/` is whole and durable: it was synced before it was renamed, and the
//!    directory afterwards.
//! 2. New content that no record gets is removed: at once, or at the next `Contents::open`.
//! 3. What somebody reads is removed when they have read it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::receiving::{Expected, Keep, Receiving};

const CONTENT: &str = "content";
const INCOMING: &str = "incoming";

/// The name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
#[serde(transparent)]
pub struct ContentId(Uuid);

impl fmt::Display for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(formatter)
    }
}

impl ContentId {
    fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The files of all buckets.
#[derive(Debug)]
pub(super) struct Contents {
    directory: Arc<Path>,
    readers: Arc<Readers>,
}

impl Contents {
    /// Opens the directory, and removes what no record speaks of.
    pub(super) fn open(directory: &Path, wanted: &HashSet<ContentId>) -> io::Result<Self> {
        let contents = Self { directory: directory.into(), readers: Arc::default() };
        fs::create_dir_all(contents.directory.join(CONTENT))?;
        let incoming = contents.directory.join(INCOMING);
        if incoming.try_exists()? {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir(&incoming)?;
        // What was just made lasts only when what it is in does.
        sync_directory(&contents.directory)?;
        match contents.directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent)?,
            Some(_here) => sync_directory(Path::new("."))?,
            None => {}
        }
        for entry in fs::read_dir(contents.directory.join(CONTENT))? {
            let entry = entry?;
            let name = entry.file_name();
            // A name that is no id was put here by somebody else, so it is left alone.
            let id = name.to_str().and_then(|name| Uuid::try_parse(name).ok()).map(ContentId);
            if id.is_some_and(|id| !wanted.contains(&id)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(contents)
    }

    pub(super) fn path(&self, id: ContentId) -> PathBuf {
        path(&self.directory, id)
    }

    /// Forgets content. What cannot be removed now is removed by the next [`Contents::open`].
    pub(super) async fn remove(&self, unwanted: Vec<ContentId>) {
        let unwanted: Vec<PathBuf> = {
            let free = unwanted.into_iter().filter(|id| !self.readers.leave_to(*id));
            free.map(|id| self.path(id)).collect()
        };
        if unwanted.is_empty() {
            return;
        }
        let removing = blocking(move || {
            unwanted.iter().for_each(|path| remove(path));
            Ok(())
        });
        let _ = removing.await;
    }

    /// Keeps content from being removed for as long as somebody reads it.
    pub(super) fn hold(&self, ids: Vec<ContentId>) -> Holding {
        self.readers.begin(&ids);
        Holding { ids, directory: Arc::clone(&self.directory), readers: Arc::clone(&self.readers) }
    }

    /// Begins new content.
    pub(super) fn receive(&self, expected: Expected, keep: Keep) -> Receiving {
        Receiving::new(Unkept::new(&self.directory), expected, keep)
    }

    /// The same bytes under other ids.
    pub(super) async fn again(&self, ids: Vec<ContentId>) -> io::Result<Vec<Unkept>> {
        let directory = Arc::clone(&self.directory);
        blocking(move || {
            let copy = |id: &ContentId| copied(&directory, *id);
            let copies: Vec<Unkept> = ids.iter().map(copy).collect::<io::Result<_>>()?;
            sync_directory(&directory.join(CONTENT))?;
            Ok(copies)
        })
        .await
    }
}

fn path(directory: &Path, id: ContentId) -> PathBuf {
    directory.join(CONTENT).join(id.to_string())
}

fn copied(directory: &Path, id: ContentId) -> io::Result<Unkept> {
    let from = path(directory, id);
    let mut place = Unkept::new(directory);
    let standing = path(directory, place.id);
    if fs::hard_link(&from, &standing).is_ok() {
        place.path = standing;
        return Ok(place);
    }
    // It has as many links as it may, or the file system knows none.
    fs::copy(&from, &place.path)?;
    fs::File::open(&place.path)?.sync_all()?;
    place.settle()
}

/// Content that has arrived, until a record speaks of it. Dropped before that, it is removed.
#[derive(Debug)]
pub(super) struct Unkept {
    pub(super) id: ContentId,
    pub(super) path: PathBuf,
    directory: PathBuf,
    is_kept: bool,
}

impl Unkept {
    fn new(directory: &Path) -> Self {
        let id = ContentId::random();
        let path = directory.join(INCOMING).join(id.to_string());
        Self { id, path, directory: directory.to_owned(), is_kept: false }
    }

    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }

    /// Moves finished work into its place, durably.
    pub(super) fn settle(mut self) -> io::Result<Self> {
        let standing = path(&self.directory, self.id);
        fs::rename(&self.path, &standing)?;
        self.path = standing;
        sync_directory(&self.directory.join(CONTENT))?;
        Ok(self)
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        if !self.is_kept {
            remove(&self.path);
        }
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "content left behind");
        }
        _removed_or_never_made => {}
    }
}

/// Who reads which content.
#[derive(Debug, Default)]
struct Readers(Mutex<HashMap<ContentId, Reading>>);

#[derive(Debug, Default)]
struct Reading {
    readers: usize,
    /// Whether the last reader removes it.
    is_unwanted: bool,
}

impl Readers {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ContentId, Reading>> {
        self.0.lock().expect("no code panics while it holds the readers")
    }

    fn begin(&self, ids: &[ContentId]) {
        let mut readings = self.lock();
        for id in ids {
            readings.entry(*id).or_default().readers += 1;
        }
    }

    /// Has the last reader remove content. False if nobody reads it.
    fn leave_to(&self, id: ContentId) -> bool {
        match self.lock().get_mut(&id) {
            Some(reading) => {
                reading.is_unwanted = true;
                true
            }
            None => false,
        }
    }

    /// Ends reading, and says what is to be removed.
    fn end(&self, ids: &[ContentId]) -> Vec<ContentId> {
        let mut readings = self.lock();
        let mut unwanted = Vec::new();
        for id in ids {
            let Some(reading) = readings.get_mut(id) else { continue };
            reading.readers -= 1;
            if reading.readers == 0 {
                unwanted.extend(reading.is_unwanted.then_some(*id));
                readings.remove(id);
            }
        }
        unwanted
    }
}

/// Content that stays while somebody reads it.
#[derive(Debug)]
pub(super) struct Holding {
    ids: Vec<ContentId>,
    directory: Arc<Path>,
    readers: Arc<Readers>,
}

impl Drop for Holding {
    fn drop(&mut self) {
        for id in self.readers.end(&self.ids) {
            remove(&path(&self.directory, id));
        }
    }
}

/// A new name is durable only when its directory is.
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_read_is_removed_when_the_last_reader_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let contents = Contents::open(directory.path(), &HashSet::new()).unwrap();
        let id = ContentId::random();
        fs::write(contents.path(id), b"bytes").unwrap();
        let (one, other) = (contents.hold(vec![id]), contents.hold(vec![id]));
        contents.remove(vec![id]).await;
        assert!(contents.path(id).exists());
        drop(one);
        assert!(contents.path(id).exists());
        drop(other);
        assert!(!contents.path(id).exists());
    }

    #[tokio::test]
    async fn what_nobody_wants_and_what_was_arriving_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let contents = Contents::open(directory.path(), &HashSet::new()).unwrap();
        let (wanted, other) = (ContentId::random(), ContentId::random());
        for path in [contents.path(wanted), contents.path(other)] {
            fs::write(path, b"bytes").unwrap();
        }
        fs::write(directory.path().join(INCOMING).join("x"), b"half").unwrap();
        let contents = Contents::open(directory.path(), &HashSet::from([wanted])).unwrap();
        assert!(contents.path(wanted).exists());
        assert!(!contents.path(other).exists());
        assert_eq!(fs::read_dir(directory.path().join(INCOMING)).unwrap().count(), 0);
    }
}
