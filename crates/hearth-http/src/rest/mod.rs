//! REST APIs (API Gateway, version 1): what is kept of them, and how they are served.
//!
//! ```text
//!  change ──▶ RestApi (copied, changed, replaced) ──a deployment──▶ Snapshot
//!                                                                      │
//!  a request ──▶ find(id) ──▶ stage ──▶ deployment ──▶ served(…) ◀─────┘
//! ```
//!
//! # Promises
//!
//! 1. A change is in the store before it returns, and whole. What a stage serves was in the store
//!    before the stage named it.
//! 2. Reads look nowhere but into memory.
//! 3. What a stage serves changes with its deployment only.
//!
//! # Deliberately absent
//!
//! AWS's names of errors and shapes of the wire (`hearth-front`).

pub mod record;
pub mod error;
pub mod limits;
pub mod patch;
pub mod edit;
pub mod keys;
pub mod openapi;
pub mod serve;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::records::Records;
use hearth_types::names::Scope;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};

use self::error::RestError;
use self::keys::Keys;
use self::record::{RestApi, Snapshot, Stage};
use crate::authorizer::answer::Answer;
use crate::authorizer::remembered::Remembered;

/// The REST APIs of all accounts, with their keys and usage plans.
#[derive(Debug)]
pub struct RestApis {
    /// Its lock is held for every change, so that an API and its snapshots change together.
    apis: Collection<RestApi>,
    snapshots: Collection<Snapshot>,
    /// Where each API is, by its id.
    scopes: RwLock<HashMap<String, Scope>>,
    /// Who may use them, and how much.
    pub keys: Arc<Keys>,
    /// What authorizers have answered.
    pub authorized: Remembered<Answer>,
    clock: Arc<dyn Clock>,
}

impl RestApis {
    /// Reads all APIs, keys and plans.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not what it should be.
    pub async fn open(
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
    ) -> Result<Self, StoreError> {
        let apis: Collection<RestApi> = Collection::open("rest-api", Arc::clone(&records)).await?;
        let snapshots: Collection<Snapshot> =
            Collection::open("rest-api-snapshot", Arc::clone(&records)).await?;
        // A snapshot is put before its API names it and removed after, so a crash in between
        // leaves one that nobody needs.
        for snapshot in snapshots.all() {
            let api = apis.get(&snapshot.scope, &snapshot.api);
            if api.is_none_or(|api| !api.deployments.contains_key(&snapshot.deployment)) {
                let key = snapshot_key(&snapshot.api, &snapshot.deployment);
                snapshots.remove(&snapshot.scope, &key).await?;
            }
        }
        let scopes = apis.all().iter().map(|api| (api.id.clone(), api.scope.clone())).collect();
        let keys = Arc::new(Keys::open(records, Arc::clone(&clock), tasks).await?);
        let authorized = Remembered::default();
        Ok(Self { apis, snapshots, scopes: RwLock::new(scopes), keys, authorized, clock })
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Keeps a new API.
    ///
    /// # Errors
    ///
    /// If there are too many, or the store failed.
    pub async fn create(&self, api: RestApi) -> Result<Arc<RestApi>, RestError> {
        let _writing = self.apis.writing().await;
        let (scope, most) = (api.scope.clone(), limits::APIS_MAX);
        if self.apis.page(&scope, None, most).len() >= most {
            return Err(RestError::TooMany("APIs per Region"));
        }
        self.keep(&BTreeSet::new(), api).await
    }

    /// One API of an account in a region.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn get(&self, scope: &Scope, id: &str) -> Result<Arc<RestApi>, RestError> {
        self.apis.get(scope, id).ok_or_else(|| missing(scope, id))
    }

    /// Up to `items` APIs of an account in a region in the order of their ids, from behind `after`
    /// on.
    #[must_use]
    pub fn page(&self, scope: &Scope, after: Option<&str>, items: usize) -> Vec<Arc<RestApi>> {
        self.apis.page(scope, after, items)
    }

    /// Changes an API and what belongs to it. A deployment that was added freezes the API as the
    /// change has left it.
    ///
    /// # Errors
    ///
    /// If there is no such API, the change refuses, or the store failed; then nothing is changed.
    pub async fn change<T>(
        &self,
        (scope, id): (&Scope, &str),
        change: impl FnOnce(&mut RestApi) -> Result<T, RestError> + Send,
    ) -> Result<(Arc<RestApi>, T), RestError> {
        let _writing = self.apis.writing().await;
        let before = self.get(scope, id)?;
        let mut after = RestApi::clone(&before);
        let done = change(&mut after)?;
        let deployments = before.deployments.keys().cloned().collect();
        let kept = self.keep(&deployments, after).await?;
        Ok((kept, done))
    }

    /// Deletes an API with everything that belongs to it. Plans forget its stages.
    ///
    /// # Errors
    ///
    /// If there is none, or the store failed.
    pub async fn delete(&self, scope: &Scope, id: &str) -> Result<(), RestError> {
        let _writing = self.apis.writing().await;
        let api = self.get(scope, id)?;
        self.keys.forget_stages(scope, id, None).await?;
        self.apis.remove(scope, id).await.map_err(RestError::Store)?;
        self.write_scopes(|scopes| scopes.remove(id));
        self.authorized.forget(id, None);
        for deployment in api.deployments.keys() {
            self.remove_snapshot(&api, deployment).await?;
        }
        Ok(())
    }

    /// An API of any account, by its id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<RestApi>> {
        let scopes = self.scopes.read().expect("no code panics while it holds the scopes");
        let scope = scopes.get(id)?;
        self.apis.get(scope, id)
    }

    /// What a stage of an API serves; `None` if it has just been changed.
    #[must_use]
    pub fn served(&self, api: &RestApi, stage: &Stage) -> Option<Arc<Snapshot>> {
        self.deployed(api, &stage.deployment)
    }

    /// What a deployment of an API has frozen.
    #[must_use]
    pub fn deployed(&self, api: &RestApi, deployment: &str) -> Option<Arc<Snapshot>> {
        self.snapshots.get(&api.scope, &snapshot_key(&api.id, deployment))
    }

    /// Keeps an API with its deployments, of which some are there already.
    async fn keep(
        &self,
        old: &BTreeSet<String>,
        after: RestApi,
    ) -> Result<Arc<RestApi>, RestError> {
        for deployment in after.deployments.keys().filter(|id| !old.contains(*id)) {
            let (key, snapshot) = (snapshot_key(&after.id, deployment), after.snapshot(deployment));
            self.snapshots.put(&after.scope, &key, snapshot).await.map_err(RestError::Store)?;
        }
        let (scope, id) = (after.scope.clone(), after.id.clone());
        let kept = self.apis.put(&scope, &id, after).await.map_err(RestError::Store)?;
        self.write_scopes(|scopes| scopes.insert(id, scope));
        for deployment in old.iter().filter(|id| !kept.deployments.contains_key(*id)) {
            self.remove_snapshot(&kept, deployment).await?;
        }
        Ok(kept)
    }

    async fn remove_snapshot(&self, api: &RestApi, deployment: &str) -> Result<(), RestError> {
        let key = snapshot_key(&api.id, deployment);
        self.snapshots.remove(&api.scope, &key).await.map_err(RestError::Store)
    }

    fn write_scopes<T>(&self, write: impl FnOnce(&mut HashMap<String, Scope>) -> T) {
        let mut scopes = self.scopes.write().expect("no code panics while it holds the scopes");
        write(&mut scopes);
    }
}

fn snapshot_key(api: &str, deployment: &str) -> String {
    format!("{api}/{deployment}")
}

fn missing(scope: &Scope, id: &str) -> RestError {
    RestError::ApiMissing { scope: scope.clone(), id: id.to_owned() }
}
