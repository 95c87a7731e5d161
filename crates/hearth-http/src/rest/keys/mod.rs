//! API keys and usage plans: who may use the stages of REST APIs, how fast, and how often.
//!
//! # Promises
//!
//! 1. A change of a key or a plan is in the store before it returns.
//! 2. What a quota counts is in the store a second later. A crash forgets no more than that.
//! 3. Reads look nowhere but into memory.

pub mod record;
pub mod usage;
pub mod edit;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::records::Records;
use hearth_types::names::Scope;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};

use self::record::{ApiKey, UsagePlan};
use self::usage::{Exceeded, Usage};
use super::error::{KEY_MISSING, PLAN_MISSING, RestError};
use super::limits;

/// The keys and plans of all accounts.
#[derive(Debug)]
pub struct Keys {
    keys: Collection<ApiKey>,
    /// Its lock is held for every change of a plan or a key, because plans name keys.
    plans: Collection<UsagePlan>,
    /// The ids of keys, by their values.
    values: RwLock<HashMap<(Scope, String), String>>,
    kept: Collection<Usage>,
    /// What is counted, by plan and key.
    counted: Mutex<HashMap<(String, String), Counter>>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Counter {
    usage: Usage,
    /// Whether a task is going to keep it.
    is_awaited: bool,
}

/// A key that lets a request pass, with the plan that says how much.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The key.
    pub key: Arc<ApiKey>,
    /// The plan.
    pub plan: Arc<UsagePlan>,
}

impl Keys {
    /// Reads all keys, plans and usage.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not what it should be.
    pub async fn open(
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
    ) -> Result<Self, StoreError> {
        let keys: Collection<ApiKey> = Collection::open("api-key", Arc::clone(&records)).await?;
        let plans = Collection::open("usage-plan", Arc::clone(&records)).await?;
        let kept: Collection<Usage> = Collection::open("api-usage", records).await?;
        let values = keys.all().iter().map(|key| (value_of(key), key.id.clone())).collect();
        let counted = kept.all().into_iter().map(|usage| {
            let counter = Counter { usage: Usage::clone(&usage), is_awaited: false };
            ((usage.plan.clone(), usage.key.clone()), counter)
        });
        let counted = Mutex::new(counted.collect());
        Ok(Self { keys, plans, values: RwLock::new(values), kept, counted, clock, tasks })
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Keeps a new key.
    ///
    /// # Errors
    ///
    /// If there is one with this value, or there are too many, or the store failed.
    pub async fn create_key(&self, key: ApiKey) -> Result<Arc<ApiKey>, RestError> {
        let _writing = self.plans.writing().await;
        let scope = key.scope.clone();
        if self.find_key(&scope, &key.value).is_some() || self.keys.get(&scope, &key.id).is_some() {
            return Err(RestError::Conflict("API Key already exists".to_owned()));
        }
        if self.keys.page(&scope, None, limits::KEYS_MAX).len() >= limits::KEYS_MAX {
            return Err(RestError::TooMany("API keys per account per Region"));
        }
        self.keep_key(key).await
    }

    /// One key.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn key(&self, scope: &Scope, id: &str) -> Result<Arc<ApiKey>, RestError> {
        self.keys.get(scope, id).ok_or(KEY_MISSING)
    }

    /// The key with a value.
    #[must_use]
    pub fn find_key(&self, scope: &Scope, value: &str) -> Option<Arc<ApiKey>> {
        let values = self.values.read().expect("no code panics while it holds the values");
        let id = values.get(&(scope.clone(), value.to_owned()))?;
        self.keys.get(scope, id)
    }

    /// All keys of an account in a region, in the order of their ids.
    #[must_use]
    pub fn keys(&self, scope: &Scope) -> Vec<Arc<ApiKey>> {
        self.keys.page(scope, None, limits::KEYS_MAX)
    }

    /// Changes a key.
    ///
    /// # Errors
    ///
    /// If there is none, the change refuses, or the store failed.
    pub async fn change_key(
        &self,
        (scope, id): (&Scope, &str),
        change: impl FnOnce(&mut ApiKey) -> Result<(), RestError> + Send,
    ) -> Result<Arc<ApiKey>, RestError> {
        let _writing = self.plans.writing().await;
        let mut key = ApiKey::clone(&*self.key(scope, id)?);
        change(&mut key)?;
        key.updated = self.now();
        self.keep_key(key).await
    }

    /// Deletes a key. Plans forget it.
    ///
    /// # Errors
    ///
    /// If there is none, or the store failed.
    pub async fn delete_key(&self, scope: &Scope, id: &str) -> Result<(), RestError> {
        let _writing = self.plans.writing().await;
        let key = self.key(scope, id)?;
        for plan in self.plans(scope).iter().filter(|plan| plan.keys.iter().any(|one| one == id)) {
            let mut plan = UsagePlan::clone(plan);
            plan.keys.retain(|one| one != id);
            let plan_id = plan.id.clone();
            self.keep_plan(plan).await?;
            self.forget_usage(scope, (&plan_id, id)).await?;
        }
        self.keys.remove(scope, id).await.map_err(RestError::Store)?;
        self.write_values(|values| values.remove(&value_of(&key)));
        Ok(())
    }

    /// Keeps a new plan.
    ///
    /// # Errors
    ///
    /// If there are too many, or the store failed.
    pub async fn create_plan(&self, plan: UsagePlan) -> Result<Arc<UsagePlan>, RestError> {
        let _writing = self.plans.writing().await;
        if self.plans(&plan.scope).len() >= limits::PLANS_MAX {
            return Err(RestError::TooMany("Usage plans per account per Region"));
        }
        self.keep_plan(plan).await
    }

    /// One plan.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn plan(&self, scope: &Scope, id: &str) -> Result<Arc<UsagePlan>, RestError> {
        self.plans.get(scope, id).ok_or(PLAN_MISSING)
    }

    /// All plans of an account in a region, in the order of their ids.
    #[must_use]
    pub fn plans(&self, scope: &Scope) -> Vec<Arc<UsagePlan>> {
        self.plans.page(scope, None, limits::PLANS_MAX)
    }

    /// Changes a plan.
    ///
    /// # Errors
    ///
    /// If there is none, the change refuses, or the store failed. So it is if one of its keys would
    /// be in two plans for one stage.
    pub async fn change_plan(
        &self,
        (scope, id): (&Scope, &str),
        change: impl FnOnce(&mut UsagePlan) -> Result<(), RestError> + Send,
    ) -> Result<Arc<UsagePlan>, RestError> {
        let _writing = self.plans.writing().await;
        let before = self.plan(scope, id)?;
        let mut plan = UsagePlan::clone(&before);
        change(&mut plan)?;
        let others = self.plans(scope);
        edit::check_keys(&plan, &others)?;
        let kept = self.keep_plan(plan).await?;
        for gone in before.keys.iter().filter(|key| !kept.keys.contains(key)) {
            self.forget_usage(scope, (id, gone)).await?;
        }
        Ok(kept)
    }

    /// Deletes a plan.
    ///
    /// # Errors
    ///
    /// If there is none, it is for some stage, or the store failed.
    pub async fn delete_plan(&self, scope: &Scope, id: &str) -> Result<(), RestError> {
        let _writing = self.plans.writing().await;
        let plan = self.plan(scope, id)?;
        if !plan.stages.is_empty() {
            return Err(RestError::invalid(format!(
                "Cannot delete usage plan {id} because there are API stages associated to it."
            )));
        }
        self.plans.remove(scope, id).await.map_err(RestError::Store)?;
        for key in &plan.keys {
            self.forget_usage(scope, (id, key)).await?;
        }
        Ok(())
    }

    /// Takes a stage, or all stages, of an API out of all plans.
    ///
    /// # Errors
    ///
    /// If the store failed.
    pub async fn forget_stages(
        &self,
        scope: &Scope,
        api: &str,
        stage: Option<&str>,
    ) -> Result<(), RestError> {
        let _writing = self.plans.writing().await;
        for plan in self.plans(scope) {
            let mut left = UsagePlan::clone(&plan);
            left.stages
                .retain(|one| one.api != api || stage.is_some_and(|stage| one.stage != stage));
            if left.stages.len() < plan.stages.len() {
                self.keep_plan(left).await?;
            }
        }
        Ok(())
    }

    /// The key with a value, if it counts and a plan lets it use a stage.
    #[must_use]
    pub fn admit(
        &self,
        scope: &Scope,
        value: &str,
        (api, stage): (&str, &str),
    ) -> Option<Admitted> {
        let key = self.find_key(scope, value).filter(|key| key.enabled)?;
        let plan = self.plans(scope).into_iter().find(|plan| {
            plan.stage(api, stage).is_some() && plan.keys.iter().any(|one| *one == key.id)
        })?;
        Some(Admitted { key, plan })
    }

    /// Counts a request of a key.
    ///
    /// # Errors
    ///
    /// If the quota of the plan is used up.
    pub fn count(self: &Arc<Self>, admitted: &Admitted, now: Timestamp) -> Result<(), Exceeded> {
        let Admitted { key, plan } = admitted;
        let id = (plan.id.clone(), key.id.clone());
        let is_awaited = {
            let mut counted = self.counted();
            let counter = counted.entry(id.clone()).or_insert_with(|| Counter {
                usage: Usage::new(plan.scope.clone(), &plan.id, &key.id),
                is_awaited: false,
            });
            counter.usage.count(plan.quota.as_ref(), plan.created, now)?;
            std::mem::replace(&mut counter.is_awaited, true)
        };
        if !is_awaited {
            let keys = Arc::clone(self);
            self.tasks.spawn("usage of a key", async move { keys.keep_usage(id).await });
        }
        Ok(())
    }

    /// How often the keys of a plan were used on each day: used and left, by the ids of the keys.
    #[must_use]
    pub fn usage(&self, plan: &UsagePlan, days: (u64, u64)) -> Vec<(String, Vec<Vec<i64>>)> {
        let counted = self.counted();
        let of_key = |key: &String| {
            let none = || Usage::new(plan.scope.clone(), &plan.id, key);
            let known = counted.get(&(plan.id.clone(), key.clone()));
            let usage = known.map_or_else(none, |counter| counter.usage.clone());
            (key.clone(), usage.between(plan.quota.as_ref(), plan.created, days))
        };
        plan.keys.iter().map(of_key).collect()
    }

    /// Keeps what was counted, a little later, together with what is counted until then.
    async fn keep_usage(&self, id: (String, String)) {
        tokio::time::sleep(Duration::from_millis(limits::USAGE_KEPT_AFTER_MILLIS)).await;
        let usage = {
            let mut counted = self.counted();
            let Some(counter) = counted.get_mut(&id) else { return };
            counter.is_awaited = false;
            counter.usage.clone()
        };
        let scope = usage.scope.clone();
        if let Err(error) = self.kept.put(&scope, &usage_key(&id), usage).await {
            tracing::warn!(%error, plan = id.0.as_str(), key = id.1.as_str(), "the usage of a key was not kept");
        }
        // The key may have left the plan in between. Should it come back, it begins anew.
        let is_forgotten = !self.counted().contains_key(&id);
        if is_forgotten && let Err(error) = self.kept.remove(&scope, &usage_key(&id)).await {
            tracing::warn!(%error, plan = id.0.as_str(), key = id.1.as_str(), "the usage of a key was not forgotten");
        }
    }

    async fn forget_usage(
        &self,
        scope: &Scope,
        (plan, key): (&str, &str),
    ) -> Result<(), RestError> {
        let id = (plan.to_owned(), key.to_owned());
        self.counted().remove(&id);
        self.kept.remove(scope, &usage_key(&id)).await.map_err(RestError::Store)
    }

    async fn keep_key(&self, key: ApiKey) -> Result<Arc<ApiKey>, RestError> {
        let (scope, id) = (key.scope.clone(), key.id.clone());
        let kept = self.keys.put(&scope, &id, key).await.map_err(RestError::Store)?;
        self.write_values(|values| values.insert(value_of(&kept), id));
        Ok(kept)
    }

    async fn keep_plan(&self, plan: UsagePlan) -> Result<Arc<UsagePlan>, RestError> {
        let (scope, id) = (plan.scope.clone(), plan.id.clone());
        self.plans.put(&scope, &id, plan).await.map_err(RestError::Store)
    }

    fn counted(&self) -> MutexGuard<'_, HashMap<(String, String), Counter>> {
        self.counted.lock().expect("no code panics while it counts")
    }

    fn write_values<T>(&self, write: impl FnOnce(&mut HashMap<(Scope, String), String>) -> T) {
        let mut values = self.values.write().expect("no code panics while it holds the values");
        write(&mut values);
    }
}

fn value_of(key: &ApiKey) -> (Scope, String) {
    (key.scope.clone(), key.value.clone())
}

fn usage_key((plan, key): &(String, String)) -> String {
    format!("{plan}/{key}")
}
