//! HTTP and WebSocket APIs (API Gateway, version 2): what is kept of them.
//!
//! ```text
//!  change ──▶ Api (copied, changed, replaced) ──a stage deploys automatically──▶ Snapshot
//!                                                                                  │
//!  a request ──▶ find(id) ──▶ stage ──▶ deployment ──▶ served(…) ◀─────────────────┘
//! ```
//!
//! # Promises
//!
//! 1. A change is in the store before it returns, and whole. What a stage serves was in the store
//!    before the stage named it.
//! 2. Reads look nowhere but into memory.
//! 3. What a stage serves changes with its deployment only: with each change of the API if it
//!    deploys automatically, and otherwise when another deployment is put there.
//!
//! # Deliberately absent
//!
//! AWS's names of errors and shapes of the wire (`hearth-front`). Of automatic deployments only
//! those are kept that a stage serves.

pub mod record;
pub mod edit;
pub mod openapi;
pub mod route_key;
pub mod identity;
pub mod serve;
pub mod error;
pub mod limits;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::records::Records;
use hearth_types::names::Scope;
use hearth_types::time::{Clock, Timestamp};
use uuid::Uuid;

use self::error::ApiError;
use self::record::{Api, Deployment, Snapshot, Stage};

/// What AWS says when an API without routes is to be deployed.
pub const NO_ROUTES: &str = "Unable to deploy API because no routes exist in this API";

/// The APIs of all accounts.
#[derive(Debug)]
pub struct Apis {
    /// Its lock is held for every change, so that an API and its snapshots change together.
    apis: Collection<Api>,
    snapshots: Collection<Snapshot>,
    /// Where each API is, by its id.
    scopes: RwLock<HashMap<String, Scope>>,
    clock: Arc<dyn Clock>,
}

impl Apis {
    /// Reads all APIs.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not what it should be.
    pub async fn open(
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let apis: Collection<Api> = Collection::open("http-api", Arc::clone(&records)).await?;
        let snapshots: Collection<Snapshot> =
            Collection::open("http-api-snapshot", records).await?;
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
        Ok(Self { apis, snapshots, scopes: RwLock::new(scopes), clock })
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Keeps a new API. With a stage that deploys automatically it is deployed.
    ///
    /// # Errors
    ///
    /// If there are too many, or the store failed.
    pub async fn create(&self, api: Api) -> Result<Arc<Api>, ApiError> {
        let _writing = self.apis.writing().await;
        let (scope, most) = (api.scope.clone(), limits::APIS_MAX);
        if self.apis.page(&scope, None, most).len() >= most {
            return Err(ApiError::TooMany("APIs per Region"));
        }
        let empty =
            Api { stages: [].into(), routes: [].into(), deployments: [].into(), ..api.clone() };
        self.keep(&empty, api).await
    }

    /// One API of an account in a region.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn get(&self, scope: &Scope, id: &str) -> Result<Arc<Api>, ApiError> {
        self.apis.get(scope, id).ok_or_else(|| missing(scope, id))
    }

    /// Up to `items` APIs of an account in a region in the order of their ids, from behind `after`
    /// on.
    #[must_use]
    pub fn page(&self, scope: &Scope, after: Option<&str>, items: usize) -> Vec<Arc<Api>> {
        self.apis.page(scope, after, items)
    }

    /// Changes an API and what belongs to it. A stage that deploys automatically serves the change
    /// when this returns; a deployment that was added freezes the API as the change has left it.
    ///
    /// # Errors
    ///
    /// If there is no such API, the change refuses, or the store failed; then nothing is changed.
    pub async fn change<T>(
        &self,
        (scope, id): (&Scope, &str),
        change: impl FnOnce(&mut Api) -> Result<T, ApiError> + Send,
    ) -> Result<(Arc<Api>, T), ApiError> {
        let _writing = self.apis.writing().await;
        let before = self.get(scope, id)?;
        let mut after = Api::clone(&before);
        let done = change(&mut after)?;
        Ok((self.keep(&before, after).await?, done))
    }

    /// Deletes an API with everything that belongs to it.
    ///
    /// # Errors
    ///
    /// If there is none, or the store failed.
    pub async fn delete(&self, scope: &Scope, id: &str) -> Result<(), ApiError> {
        let _writing = self.apis.writing().await;
        let api = self.get(scope, id)?;
        self.apis.remove(scope, id).await.map_err(ApiError::Store)?;
        self.write_scopes(|scopes| scopes.remove(id));
        for deployment in api.deployments.keys() {
            self.remove_snapshot(&api, deployment).await?;
        }
        Ok(())
    }

    /// An API of any account, by its id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Api>> {
        let scopes = self.scopes.read().expect("no code panics while it holds the scopes");
        let scope = scopes.get(id)?;
        self.apis.get(scope, id)
    }

    /// What a stage of an API serves; `None` if nothing is deployed there.
    #[must_use]
    pub fn served(&self, api: &Api, stage: &Stage) -> Option<Arc<Snapshot>> {
        let deployment = stage.deployment.as_deref()?;
        self.snapshots.get(&api.scope, &snapshot_key(&api.id, deployment))
    }

    /// Keeps an API in place of the one before, with its deployments.
    async fn keep(&self, before: &Api, mut after: Api) -> Result<Arc<Api>, ApiError> {
        let now = self.clock.now();
        deploy_automatically(before, &mut after, now);
        let old: BTreeSet<&String> = before.deployments.keys().collect();
        for deployment in after.deployments.keys().filter(|id| !old.contains(id)) {
            let (key, snapshot) = (snapshot_key(&after.id, deployment), after.snapshot(deployment));
            self.snapshots.put(&after.scope, &key, snapshot).await.map_err(ApiError::Store)?;
        }
        let (scope, id) = (after.scope.clone(), after.id.clone());
        let kept = self.apis.put(&scope, &id, after).await.map_err(ApiError::Store)?;
        self.write_scopes(|scopes| scopes.insert(id, scope));
        for deployment in old.into_iter().filter(|id| !kept.deployments.contains_key(*id)) {
            self.remove_snapshot(&kept, deployment).await?;
        }
        Ok(kept)
    }

    async fn remove_snapshot(&self, api: &Api, deployment: &str) -> Result<(), ApiError> {
        let key = snapshot_key(&api.id, deployment);
        self.snapshots.remove(&api.scope, &key).await.map_err(ApiError::Store)
    }

    fn write_scopes<T>(&self, write: impl FnOnce(&mut HashMap<String, Scope>) -> T) {
        let mut scopes = self.scopes.write().expect("no code panics while it holds the scopes");
        write(&mut scopes);
    }
}

/// A new id of so many lower-case letters and digits, as AWS has them.
#[must_use]
pub fn new_id(characters: usize) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut number = Uuid::new_v4().as_u128();
    let mut id = String::with_capacity(characters);
    for place in 0..characters {
        // Hosts begin with these ids, and a label is easier told from a number by its first letter.
        let letters: u128 = if place == 0 { 26 } else { 36 };
        let letter = usize::try_from(number % letters).expect("the remainder is below 36");
        id.push(char::from(LETTERS[letter]));
        number /= letters;
    }
    id
}

/// A new deployment.
#[must_use]
pub fn new_deployment(description: Option<String>, now: Timestamp) -> Deployment {
    Deployment { id: new_id(6), description, auto: false, created: now }
}

/// Deploys a change to the stages that want that, and forgets automatic deployments that no stage
/// serves any more.
fn deploy_automatically(before: &Api, after: &mut Api, now: Timestamp) {
    let is_changed = before.snapshot("") != after.snapshot("");
    let wants = |stage: &&mut Stage| {
        let wanted_before = before.stages.get(&stage.name).is_some_and(|stage| stage.auto_deploy);
        stage.auto_deploy && (is_changed || !wanted_before)
    };
    let is_empty = after.routes.is_empty();
    let deployment = new_deployment(Some("Automatic deployment".to_owned()), now);
    let deployment = Deployment { auto: true, ..deployment };
    let mut is_deployed = false;
    for stage in after.stages.values_mut().filter(wants) {
        if is_empty {
            stage.deployment_message = Some(format!("Deployment attempt failed: {NO_ROUTES}"));
            continue;
        }
        let id = deployment.id.clone();
        let message = format!("Successfully deployed stage with deployment ID '{id}'");
        stage.deployment_message = Some(message);
        stage.deployment = Some(id);
        stage.updated = now;
        is_deployed = true;
    }
    if is_deployed {
        after.deployments.insert(deployment.id.clone(), deployment);
    }
    let served: BTreeSet<&String> =
        after.stages.values().filter_map(|stage| stage.deployment.as_ref()).collect();
    after.deployments.retain(|id, deployment| !deployment.auto || served.contains(id));
}

fn snapshot_key(api: &str, deployment: &str) -> String {
    format!("{api}/{deployment}")
}

fn missing(scope: &Scope, id: &str) -> ApiError {
    ApiError::ApiMissing { scope: scope.clone(), id: id.to_owned() }
}

#[cfg(test)]
mod tests;
