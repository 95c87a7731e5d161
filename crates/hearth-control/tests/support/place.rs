//! A control plane with everything that it works with, in a directory of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_control::concurrency::Provisioner;
use hearth_control::control::{Control, Parts, TargetWatcher};
use hearth_control::error::ControlError;
use hearth_control::layer::LayerFilter;
use hearth_control::mapping::NoPollers;
use hearth_control::mapping::operations::MappingFilter;
use hearth_control::record::{FunctionRecord, LastUpdate, State};
use hearth_runtimes::Runtimes;
use hearth_store::packages::Packages;
use hearth_types::function::Target;
use hearth_types::ids::TargetId;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::operations::Answer;
use super::prepared::{main, scope};
use super::seen::{PAGE, differences, reads};
use super::store::{Documents, Store, copy};

/// Never says the same twice, so that whatever was written again is seen.
#[derive(Debug)]
struct TickingClock;

static MILLISECONDS: AtomicU64 = AtomicU64::new(1_795_404_035_123);

impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        Timestamp(MILLISECONDS.fetch_add(1_000, Ordering::Relaxed))
    }
}

/// Stands for the scheduler: remembers how many environments each target is to have.
#[derive(Debug, Default)]
pub(crate) struct Wishes(Mutex<BTreeMap<TargetId, u32>>);

impl Wishes {
    pub(crate) fn of(&self, target: TargetId) -> u32 {
        self.0.lock().unwrap().get(&target).copied().unwrap_or_default()
    }

    /// Those of all targets, also of such as nobody can invoke any more.
    pub(crate) fn total(&self) -> u32 {
        self.0.lock().unwrap().values().sum()
    }
}

impl TargetWatcher for Wishes {
    fn retired(&self, target: TargetId) {
        self.0.lock().unwrap().remove(&target);
    }
}

impl Provisioner for Wishes {
    fn provision(&self, target: &Arc<Target>, environments: u32) {
        self.0.lock().unwrap().insert(target.id, environments);
    }

    fn broken(&self, _target: TargetId) -> bool {
        false
    }

    fn ready(&self, target: TargetId) -> u32 {
        self.of(target)
    }
}

/// What operations name and cannot choose.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The UUID of the mapping.
    pub(crate) mapping: String,
    /// The ARN of the code signing configuration that a function is under.
    pub(crate) used_config: String,
    /// The ARN of the other one.
    pub(crate) free_config: String,
}

/// A control plane and its surroundings.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) control: Arc<Control>,
    pub(crate) store: Arc<Store>,
    pub(crate) known: Known,
    wishes: Arc<Wishes>,
    tasks: Tasks,
    directory: TempDir,
}

impl Place {
    pub(crate) async fn empty() -> Self {
        let nothing = tempfile::tempdir().unwrap();
        Self::open(Documents::new(), nothing.path(), Known::default()).await
    }

    /// Opens a control plane on records and a copy of code.
    pub(crate) async fn open(documents: Documents, code: &Path, known: Known) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let packages = directory.path().join("packages");
        copy(code, &packages);
        let runtimes = directory.path().join("runtimes");
        let store = Arc::new(Store::holding(documents));
        let wishes = Arc::new(Wishes::default());
        let tasks = Tasks::default();
        let parts = Parts {
            records: store.clone(),
            packages: Arc::new(Packages::open(packages).unwrap()),
            runtimes: Arc::new(Runtimes::open(runtimes).unwrap()),
            clock: Arc::new(TickingClock),
            tasks: tasks.clone(),
            transition_min: Duration::ZERO,
            concurrency_max: 1_000,
            provisioner: wishes.clone(),
            pollers: Arc::new(NoPollers),
        };
        let control = Control::open(parts, wishes.clone()).await.unwrap();
        control.start_provisioned();
        let place = Self { control, store, known, wishes, tasks, directory };
        place.settle().await;
        place
    }

    /// Another one that finds the same: what this one is after a restart.
    pub(crate) async fn copy(&self) -> Self {
        Self::open(self.store.documents(), &self.packages(), self.known.clone()).await
    }

    /// Where the code is.
    pub(crate) fn packages(&self) -> PathBuf {
        self.directory.path().join("packages")
    }

    /// Waits until nothing is going on in the background any more.
    pub(crate) async fn settle(&self) {
        self.tasks.finished().await;
    }

    /// Changes what belongs to `main` beside its code and configuration.
    pub(crate) async fn change<T>(
        &self,
        change: impl FnOnce(&mut FunctionRecord) -> Result<T, ControlError> + Send,
    ) -> Answer {
        self.control.change(&main(), change).await.map(drop)
    }

    /// Everything that can be read, everything that is stored, and which code is kept, once what
    /// is unused has been removed.
    pub(crate) async fn seen(&self) -> Value {
        self.control.collect_garbage().await;
        json!({
            "reads": reads(&self.control, &self.wishes),
            "store": self.stored(),
            "files": self.files(),
        })
    }

    fn stored(&self) -> Value {
        let documents = self.store.documents().into_iter().map(|(key, document)| {
            let document: Value = serde_json::from_str(&document).unwrap();
            (format!("{}/{}", key.kind, key.name), document)
        });
        Value::Object(documents.collect())
    }

    fn files(&self) -> Value {
        let parts = ["zip", "tree", "merged", "incoming"].map(|part| {
            let names = fs::read_dir(self.packages().join(part)).unwrap();
            let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            (part.to_owned(), json!(names.collect::<BTreeSet<String>>()))
        });
        Value::Object(parts.into_iter().collect())
    }

    /// The archives that records name.
    fn archives(&self) -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        for function in self.control.list(&scope(), None, PAGE).functions {
            for version in function.all_versions() {
                used.extend(version.code.map(|code| code.digest.hex()));
                let layers = &version.configuration.layers;
                used.extend(layers.iter().map(|layer| layer.code.digest.hex()));
            }
        }
        let all = LayerFilter::default();
        for (layer, _newest) in self.control.list_layers(&scope(), &all) {
            let versions = self.control.list_layer_versions(&scope(), &layer, &all).unwrap();
            used.extend(versions.iter().map(|version| version.code.digest.hex()));
        }
        used
    }

    /// Fails unless everything is at rest and can be used, the code that is needed is there and no
    /// other, and a restart finds all of it as it is.
    pub(crate) async fn assert_whole(&self, when: &str) {
        for function in self.control.list(&scope(), None, PAGE).functions {
            for version in function.all_versions() {
                let found = (version.state, version.last_update);
                let settled = (State::Active, Some(LastUpdate::Successful));
                assert_eq!(found, settled, "{when}: {}:{}", function.arn, version.version);
            }
        }
        for mapping in self.control.list_mappings(&scope(), &MappingFilter::default()) {
            assert!(mapping.state.is_settled(), "{when}: {mapping:?}");
        }
        let seen = self.seen().await;
        assert_eq!(seen["files"]["zip"], json!(self.archives()), "{when}: the archives");
        assert_eq!(seen["files"]["incoming"], json!([]), "{when}: unfinished work");
        let restarted = self.copy().await.seen().await;
        let lost = differences(&seen, &restarted);
        assert_eq!(lost, Vec::<String>::new(), "{when}: after a restart");
    }
}
