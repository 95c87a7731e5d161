//! What may be done to keys and plans: pure changes of their records, with AWS's rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;

use super::record::{ApiKey, Period, PlanStage, Quota, Throttle, UsagePlan};
use crate::apis::new_id;
use crate::rest::edit::check_tags;
use crate::rest::error::{KEY_MISSING, RestError};
use crate::rest::limits;
use crate::rest::patch::{Op, Patch};

/// What can be changed of a key.
const KEY_PATHS: [&str; 4] = ["/name", "/description", "/enabled", "/customerId"];
/// What can be changed of a plan.
const PLAN_PATHS: [&str; 12] = [
    "/name",
    "/description",
    "/productCode",
    "/apiStages",
    "/apiStages/{apiId:stage}/throttle/{resourcePath}/{httpMethod}/rateLimit",
    "/apiStages/{apiId:stage}/throttle/{resourcePath}/{httpMethod}/burstLimit",
    "/throttle",
    "/throttle/rateLimit",
    "/throttle/burstLimit",
    "/quota/limit",
    "/quota/period",
    "/quota/offset",
];

/// What a new key is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewKey {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it counts.
    pub enabled: bool,
    /// What the client shows; made up if it is absent.
    pub value: Option<String>,
    /// Whether the id is the value.
    pub is_named_by_value: bool,
    /// The client, as a marketplace knows it.
    pub customer: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What a new plan is like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewPlan {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Which stages may be used.
    pub stages: Vec<PlanStage>,
    /// How fast.
    pub throttle: Option<Throttle>,
    /// How often.
    pub quota: Option<Quota>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl ApiKey {
    /// A new key.
    ///
    /// # Errors
    ///
    /// If its value or its tags cannot be.
    pub fn new(scope: &Scope, new: NewKey, now: Timestamp) -> Result<Self, RestError> {
        check_tags(&new.tags)?;
        let value = match new.value {
            Some(value) => value,
            // An id has no more than so much chance in it.
            None => format!("{}{}", new_id(20), new_id(20)),
        };
        if value.len() < limits::KEY_CHARACTERS_MIN {
            return Err(RestError::invalid("API Key value should be at least 20 characters"));
        }
        if value.len() > limits::KEY_CHARACTERS_MAX {
            return Err(RestError::invalid("API Key value exceeds maximum size of 128 characters"));
        }
        let is_text = value.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_text {
            return Err(RestError::invalid("API Key value has characters that no header may have"));
        }
        Ok(Self {
            scope: scope.clone(),
            id: if new.is_named_by_value { value.clone() } else { new_id(10) },
            value,
            name: new.name,
            description: new.description,
            enabled: new.enabled,
            customer: new.customer,
            created: now,
            updated: now,
            tags: new.tags,
        })
    }

    /// Changes what patches say.
    ///
    /// # Errors
    ///
    /// If one of them cannot be.
    pub fn patch(&mut self, patches: &[Patch]) -> Result<(), RestError> {
        for patch in patches {
            match patch.parts().as_slice() {
                ["name"] => self.name = patch.optional(),
                ["description"] => self.description = patch.optional(),
                ["enabled"] => self.enabled = patch.flag()?,
                ["customerId"] => self.customer = patch.optional(),
                ["stages", ..] => return Err(stage_keys()),
                _ => return Err(patch.refused(&KEY_PATHS)),
            }
        }
        Ok(())
    }
}

/// Keys were once put on stages; plans are there for that.
#[must_use]
pub fn stage_keys() -> RestError {
    RestError::not_built("stageKeys, which usage plans have replaced")
}

impl UsagePlan {
    /// A new plan without keys.
    ///
    /// # Errors
    ///
    /// If something cannot be.
    pub fn new(scope: &Scope, new: NewPlan, now: Timestamp) -> Result<Self, RestError> {
        check_tags(&new.tags)?;
        let plan = Self {
            scope: scope.clone(),
            id: new_id(6),
            name: new.name,
            description: new.description,
            stages: new.stages,
            throttle: new.throttle,
            quota: new.quota,
            product: None,
            keys: Vec::new(),
            created: now,
            tags: new.tags,
        };
        plan.check()?;
        Ok(plan)
    }

    /// Changes what patches say. Whether the stages exist is for the caller to see.
    ///
    /// # Errors
    ///
    /// If one of them cannot be.
    pub fn patch(&mut self, patches: &[Patch]) -> Result<(), RestError> {
        patches.iter().try_for_each(|patch| self.patch_one(patch))?;
        self.check()
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// If it is there already.
    pub fn add_key(&mut self, id: &str) -> Result<(), RestError> {
        if self.keys.iter().any(|one| one == id) {
            return Err(RestError::Conflict(format!(
                "Usage plan key already exists in the usage plan {} for this API key: {id}",
                self.id
            )));
        }
        self.keys.push(id.to_owned());
        Ok(())
    }

    /// Takes a key away.
    ///
    /// # Errors
    ///
    /// If it is not there.
    pub fn remove_key(&mut self, id: &str) -> Result<(), RestError> {
        let before = self.keys.len();
        self.keys.retain(|one| one != id);
        if self.keys.len() == before { Err(KEY_MISSING) } else { Ok(()) }
    }

    fn patch_one(&mut self, patch: &Patch) -> Result<(), RestError> {
        match patch.parts().as_slice() {
            ["name"] => self.name = patch.required()?,
            ["description"] => self.description = patch.optional(),
            ["productCode"] => self.product = patch.optional(),
            ["apiStages"] => self.patch_stages(patch)?,
            ["apiStages", stage, "throttle", rest @ ..] => self.patch_stage(stage, rest, patch)?,
            ["throttle"] if patch.op == Op::Remove => self.throttle = None,
            ["throttle", name] => {
                let throttle = self.throttle.get_or_insert_default();
                set_throttle(throttle, name, patch)?;
            }
            ["quota"] if patch.op == Op::Remove => self.quota = None,
            ["quota", name] => {
                let none = Quota { limit: 0, offset: 0, period: Period::Day };
                set_quota(self.quota.get_or_insert(none), name, patch)?;
            }
            _ => return Err(patch.refused(&PLAN_PATHS)),
        }
        Ok(())
    }

    /// Adds or removes the stage `API:NAME`.
    fn patch_stages(&mut self, patch: &Patch) -> Result<(), RestError> {
        let value = patch.value.clone().unwrap_or_default();
        let Some((api, stage)) = value.split_once(':') else { return Err(patch.bad_value()) };
        match patch.op {
            Op::Add => {
                if self.stage(api, stage).is_some() {
                    return Err(RestError::Conflict(format!(
                        "API stage {value} is in the usage plan already"
                    )));
                }
                let (api, stage) = (api.to_owned(), stage.to_owned());
                self.stages.push(PlanStage { api, stage, throttle: BTreeMap::new() });
            }
            Op::Remove => self.stages.retain(|one| one.api != api || one.stage != stage),
            Op::Replace => return Err(patch.refused(&PLAN_PATHS)),
        }
        Ok(())
    }

    /// Changes how fast the methods of a stage may be used. A path may be `/pets` and `GET`, or, with
    /// its slash written as one, `/pets/GET`.
    fn patch_stage(&mut self, stage: &str, rest: &[&str], patch: &Patch) -> Result<(), RestError> {
        let found = stage.split_once(':').and_then(|(api, stage)| {
            self.stages.iter_mut().find(|one| one.api == api && one.stage == stage)
        });
        let Some(found) = found else { return Err(patch.refused(&PLAN_PATHS)) };
        let is_bound = |name: &str| name == "rateLimit" || name == "burstLimit";
        match rest {
            [] if patch.op == Op::Remove => found.throttle.clear(),
            [path, method, name] if is_bound(name) => {
                let throttle = found.throttle.entry(format!("{path}/{method}")).or_default();
                set_throttle(throttle, name, patch)?;
            }
            [path, name] if is_bound(name) => {
                set_throttle(found.throttle.entry((*path).to_owned()).or_default(), name, patch)?;
            }
            [path] if patch.op == Op::Remove => {
                found.throttle.remove(*path);
            }
            [path, method] if patch.op == Op::Remove => {
                found.throttle.remove(&format!("{path}/{method}"));
            }
            _ => return Err(patch.refused(&PLAN_PATHS)),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), RestError> {
        if self.name.is_empty() {
            return Err(RestError::invalid("Usage plan name cannot be blank"));
        }
        if self.stages.len() > limits::STAGES_PER_PLAN_MAX {
            return Err(RestError::TooMany("API stages per usage plan"));
        }
        let throttles = self.stages.iter().flat_map(|stage| stage.throttle.values());
        for throttle in throttles.chain(&self.throttle) {
            let is_rate = throttle.rate.is_none_or(|rate| rate.is_finite() && rate >= 0.0);
            if !is_rate || throttle.burst.is_some_and(|burst| burst < 0) {
                return Err(RestError::invalid(
                    "Usage plan throttle settings must be greater than or equal to zero",
                ));
            }
        }
        let Some(quota) = self.quota else { return Ok(()) };
        if quota.limit <= 0 {
            return Err(RestError::invalid("Usage Plan quota limit must be greater than 0"));
        }
        let (days, text) = match quota.period {
            Period::Day => (0, "must be zero in the DAY period"),
            Period::Week => (6, "must be between zero and six inclusive in the WEEK period"),
            Period::Month => (27, "must be between zero and 27, inclusive, in the MONTH period"),
        };
        if !(0..=days).contains(&quota.offset) {
            return Err(RestError::invalid(format!("Usage Plan quota offset {text}")));
        }
        Ok(())
    }
}

/// No key may be in two plans for one stage.
pub(super) fn check_keys(plan: &UsagePlan, all: &[Arc<UsagePlan>]) -> Result<(), RestError> {
    let others: Vec<_> = all.iter().filter(|other| other.id != plan.id).collect();
    for key in &plan.keys {
        let of_key = others.iter().filter(|other| other.keys.contains(key));
        if of_key.clone().count() >= limits::PLANS_PER_KEY_MAX {
            return Err(RestError::TooMany("Usage plans per API key"));
        }
        for stage in &plan.stages {
            if of_key.clone().any(|other| other.stage(&stage.api, &stage.stage).is_some()) {
                return Err(RestError::Conflict(format!(
                    "API Key {key} cannot be added to more than one usage plan for the API stage {}:{}",
                    stage.api, stage.stage
                )));
            }
        }
    }
    Ok(())
}

fn set_throttle(throttle: &mut Throttle, name: &str, patch: &Patch) -> Result<(), RestError> {
    match (name, patch.op) {
        ("rateLimit", Op::Remove) => throttle.rate = None,
        ("burstLimit", Op::Remove) => throttle.burst = None,
        ("rateLimit", Op::Add | Op::Replace) => throttle.rate = Some(patch.parsed()?),
        ("burstLimit", Op::Add | Op::Replace) => throttle.burst = Some(patch.parsed()?),
        _ => return Err(patch.refused(&PLAN_PATHS)),
    }
    Ok(())
}

fn set_quota(quota: &mut Quota, name: &str, patch: &Patch) -> Result<(), RestError> {
    match name {
        "limit" => quota.limit = patch.parsed()?,
        "offset" if patch.op == Op::Remove => quota.offset = 0,
        "offset" => quota.offset = patch.parsed()?,
        "period" => {
            let period = Period::parse(&patch.required()?);
            quota.period = period.ok_or_else(|| patch.bad_value())?;
        }
        _ => return Err(patch.refused(&PLAN_PATHS)),
    }
    Ok(())
}
