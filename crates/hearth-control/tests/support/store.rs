//! A store in memory that fails when it is told to, and that keeps what a crash would leave.
//!
//! # Promises
//!
//! 1. A write that fails changes nothing.
//! 2. While the store is watched, there is an image from before and one from after every write.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use hearth_store::error::StoreError;
use hearth_store::records::{Record, RecordKey, Records};
use serde::de::Error as _;
use tempfile::TempDir;

/// What a store holds.
pub(crate) type Documents = BTreeMap<RecordKey, String>;

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<Content>);

#[derive(Debug, Default)]
struct Content {
    documents: Documents,
    fault: Fault,
    watched: Option<Watched>,
}

/// Whether a write will fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fault {
    /// None will.
    #[default]
    Absent,
    /// The write of this number, counted from 1, will.
    Coming(usize),
    /// One has.
    Came,
}

/// The code beside a store, and what a crash would have left of both until now.
#[derive(Debug)]
struct Watched {
    packages: PathBuf,
    writes: usize,
    images: Vec<Image>,
}

/// What a crash leaves.
#[derive(Debug)]
pub(crate) struct Image {
    /// How many writes had been made.
    pub(crate) writes: usize,
    /// The records.
    pub(crate) documents: Documents,
    /// The directory of the code.
    pub(crate) packages: TempDir,
}

impl Store {
    pub(crate) fn holding(documents: Documents) -> Self {
        Self(Mutex::new(Content { documents, ..Content::default() }))
    }

    pub(crate) fn documents(&self) -> Documents {
        self.content().documents.clone()
    }

    /// Lets the write of this number fail, counted from 1, which is the next one.
    pub(crate) fn fail(&self, number: usize) {
        self.content().fault = Fault::Coming(number);
    }

    /// Lets no more writes fail. Returns whether one has.
    pub(crate) fn mend(&self) -> bool {
        mem::take(&mut self.content().fault) == Fault::Came
    }

    /// From now on keeps what a crash would leave, of the code in this directory as well.
    pub(crate) fn watch(&self, packages: PathBuf) {
        self.content().watched = Some(Watched { packages, writes: 0, images: Vec::new() });
    }

    /// What crashes would have left, in order.
    pub(crate) fn images(&self) -> Vec<Image> {
        self.content().watched.take().map(|watched| watched.images).unwrap_or_default()
    }

    async fn write(&self, change: impl FnOnce(&mut Documents) + Send) -> Result<(), StoreError> {
        // Lets others go on in between, as a store on a disk does.
        tokio::task::yield_now().await;
        let mut content = self.content();
        match content.fault {
            Fault::Coming(1) => {
                content.fault = Fault::Came;
                let source = serde_json::Error::custom("the disk is full");
                return Err(StoreError::Document { kind: "any", source });
            }
            Fault::Coming(number) => content.fault = Fault::Coming(number - 1),
            Fault::Absent | Fault::Came => {}
        }
        content.take_image();
        change(&mut content.documents);
        if let Some(watched) = &mut content.watched {
            watched.writes += 1;
        }
        content.take_image();
        Ok(())
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap()
    }
}

impl Content {
    fn take_image(&mut self) {
        let Some(watched) = &mut self.watched else { return };
        let packages = tempfile::tempdir().unwrap();
        copy(&watched.packages, packages.path());
        let documents = self.documents.clone();
        watched.images.push(Image { writes: watched.writes, documents, packages });
    }
}

#[async_trait]
impl Records for Store {
    async fn put(&self, key: &RecordKey, document: &str) -> Result<(), StoreError> {
        self.write(|documents| {
            documents.insert(key.clone(), document.to_owned());
        })
        .await
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.write(|documents| {
            documents.remove(key);
        })
        .await
    }

    async fn all(&self, kind: &'static str) -> Result<Vec<Record>, StoreError> {
        // The map has the order that is promised.
        let documents = self.documents().into_iter().filter(|(key, _)| key.kind == kind);
        let records = documents.map(|(key, document)| {
            let RecordKey { scope, name, .. } = key;
            Record { scope, name, document }
        });
        Ok(records.collect())
    }
}

/// Copies a directory. What is removed from it meanwhile may be missing in the copy.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else if let Err(error) = fs::copy(&source, &target) {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{}: {error}", source.display());
        }
    }
}
