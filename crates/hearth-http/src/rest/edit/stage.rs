//! Stages: which deployment is served where, with which variables and within which bounds.

use std::collections::BTreeMap;

use hearth_types::time::Timestamp;

use super::super::error::{RestError, STAGE_MISSING};
use super::super::limits;
use super::super::patch::{self, Op, Patch};
use super::super::record::{ANY, LoggingLevel, MethodSettings, RestApi, Stage};
use super::check_tags;

/// What can be changed by a patch.
const PATHS: [&str; 9] = [
    "/deploymentId",
    "/description",
    "/tracingEnabled",
    "/variables/{name}",
    "/{resourcePath}/{httpMethod}/throttling/rateLimit",
    "/{resourcePath}/{httpMethod}/throttling/burstLimit",
    "/{resourcePath}/{httpMethod}/metrics/enabled",
    "/{resourcePath}/{httpMethod}/logging/loglevel",
    "/{resourcePath}/{httpMethod}/logging/dataTrace",
];

/// What a new stage is like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewStage {
    /// Its name.
    pub name: String,
    /// What it serves.
    pub deployment: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// Whether traces are wanted.
    pub tracing: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl RestApi {
    /// One stage.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn stage(&self, name: &str) -> Result<&Stage, RestError> {
        self.stages.get(name).ok_or(STAGE_MISSING)
    }

    /// Makes a stage.
    ///
    /// # Errors
    ///
    /// If it is there already, there is no such deployment, something cannot be, or there are too
    /// many.
    pub fn create_stage(&mut self, new: NewStage, now: Timestamp) -> Result<Stage, RestError> {
        self.deployment(&new.deployment)?;
        if self.stages.contains_key(&new.name) {
            return Err(RestError::Conflict("Stage already exists".to_owned()));
        }
        if self.stages.len() >= limits::STAGES_MAX {
            return Err(RestError::TooMany("Stages per API"));
        }
        let is_name = !new.name.is_empty()
            && new.name.len() <= limits::STAGE_NAME_CHARACTERS_MAX
            && new.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_name {
            return Err(RestError::invalid("Stage name only allows a-zA-Z0-9_-"));
        }
        check_variables(&new.variables)?;
        check_tags(&new.tags)?;
        let stage = Stage {
            name: new.name,
            deployment: new.deployment,
            description: new.description.filter(|text| !text.is_empty()),
            variables: new.variables,
            settings: BTreeMap::new(),
            tracing: new.tracing,
            created: now,
            updated: now,
            tags: new.tags,
        };
        self.stages.insert(stage.name.clone(), stage.clone());
        Ok(stage)
    }

    /// Has a stage serve a deployment, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// As [`RestApi::create_stage`].
    pub fn serve_at(&mut self, new: NewStage, now: Timestamp) -> Result<Stage, RestError> {
        check_variables(&new.variables)?;
        let Some(stage) = self.stages.get_mut(&new.name) else {
            return self.create_stage(new, now);
        };
        stage.deployment = new.deployment;
        stage.updated = now;
        stage.description = new.description.or_else(|| stage.description.take());
        stage.variables.extend(new.variables);
        Ok(stage.clone())
    }

    /// Changes what patches say about a stage.
    ///
    /// # Errors
    ///
    /// If there is none, or one of the patches cannot be.
    pub fn patch_stage(
        &mut self,
        name: &str,
        patches: &[Patch],
        now: Timestamp,
    ) -> Result<Stage, RestError> {
        let mut stage = self.stage(name)?.clone();
        for patch in patches {
            self.patch_stage_by(&mut stage, patch)?;
        }
        check_variables(&stage.variables)?;
        if stage.settings.len() > limits::METHOD_SETTINGS_MAX {
            return Err(RestError::TooMany("Method settings per stage"));
        }
        stage.updated = now;
        self.stages.insert(name.to_owned(), stage.clone());
        Ok(stage)
    }

    /// Deletes a stage.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete_stage(&mut self, name: &str) -> Result<(), RestError> {
        self.stages.remove(name).map(drop).ok_or(STAGE_MISSING)
    }

    fn patch_stage_by(&self, stage: &mut Stage, patch: &Patch) -> Result<(), RestError> {
        match patch.parts().as_slice() {
            ["deploymentId"] => {
                let deployment = patch.required()?;
                self.deployment(&deployment)?;
                stage.deployment = deployment;
            }
            ["description"] => stage.description = patch.optional(),
            ["tracingEnabled"] => stage.tracing = patch.flag()?,
            ["variables", name] => patch::entry(&mut stage.variables, name, patch)?,
            [kept, ..] if OTHERS.contains(kept) => return unset_only(patch),
            [path @ .., method, kind, name] if GROUPS.contains(kind) => {
                check_setting(path, method, patch)?;
                let end = format!("/{kind}/{name}");
                let key = patch.written.trim_start_matches('/').trim_end_matches(&end);
                set(stage.settings.entry(key.to_owned()).or_default(), (kind, name), patch)?;
            }
            [path @ .., method] if patch.op == Op::Remove => {
                check_setting(path, method, patch)?;
                stage.settings.remove(patch.written.trim_start_matches('/'));
            }
            _ => return Err(patch.refused(&PATHS)),
        }
        Ok(())
    }
}

/// What stages of AWS have, and those of Hearth do not.
const OTHERS: [&str; 8] = [
    "accessLogSettings",
    "cacheClusterEnabled",
    "cacheClusterSize",
    "canarySettings",
    "clientCertificateId",
    "documentationVersion",
    "webAclArn",
    "methodSettings",
];

/// To unset what is not there is fine.
fn unset_only(patch: &Patch) -> Result<(), RestError> {
    match patch.optional().as_deref() {
        None | Some("false") => Ok(()),
        Some(_) => Err(RestError::not_built(format!("{} of a stage", patch.path[0]))),
    }
}

/// The groups of settings of a method.
const GROUPS: [&str; 4] = ["throttling", "metrics", "logging", "caching"];

/// Whether settings are those of a method: of `*/*`, `~1pets/GET`, or `pets/GET`.
fn check_setting(path: &[&str], method: &str, patch: &Patch) -> Result<(), RestError> {
    let methods = ["*", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", ANY];
    let is_all = path == ["*"];
    if path.is_empty() || !methods.contains(&method) || is_all != (method == "*") {
        return Err(patch.refused(&PATHS));
    }
    Ok(())
}

fn set(settings: &mut MethodSettings, what: (&str, &str), patch: &Patch) -> Result<(), RestError> {
    let is_unset = patch.op == Op::Remove;
    match what {
        ("throttling", "rateLimit") if is_unset => settings.rate = None,
        // Terraform writes -1 where nothing is to be bounded.
        ("throttling", "rateLimit") => {
            let rate: f64 = patch.parsed()?;
            if !rate.is_finite() {
                return Err(patch.bad_value());
            }
            settings.rate = (rate >= 0.0).then_some(rate);
        }
        ("throttling", "burstLimit") if is_unset => settings.burst = None,
        ("throttling", "burstLimit") => {
            let burst: i32 = patch.parsed()?;
            settings.burst = (burst >= 0).then_some(burst);
        }
        ("metrics", "enabled") => settings.metrics = !is_unset && patch.flag()?,
        ("logging", "loglevel") => {
            let level = patch.optional();
            let level =
                level.map(|text| LoggingLevel::parse(&text).ok_or_else(|| patch.bad_value()));
            settings.logging = level.transpose()?;
        }
        ("logging", "dataTrace") => settings.data_trace = !is_unset && patch.flag()?,
        // Without a cache, all of this says that there is none, or how it would be.
        ("caching", "enabled") if patch.value.as_deref() == Some("true") && !is_unset => {
            return Err(RestError::not_built("caching of a stage"));
        }
        (
            "caching",
            "enabled"
            | "ttlInSeconds"
            | "dataEncrypted"
            | "requireAuthorizationForCacheControl"
            | "unauthorizedCacheControlHeaderStrategy",
        ) => {}
        _ => return Err(patch.refused(&PATHS)),
    }
    Ok(())
}

fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), RestError> {
    if variables.len() > limits::STAGE_VARIABLES_MAX {
        return Err(RestError::TooMany("Stage variables per stage"));
    }
    for (name, value) in variables {
        let is_name = !name.is_empty()
            && name.len() <= limits::STAGE_VARIABLE_NAME_CHARACTERS_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(RestError::invalid(format!(
                "Invalid stage variable name {name}. Please use letters, digits and underscores"
            )));
        }
        let is_value = value.len() <= limits::STAGE_VARIABLE_CHARACTERS_MAX
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte));
        if !is_value {
            return Err(RestError::invalid(format!(
                "Stage variable value {value} of {name} may only have the characters A-Za-z0-9-._~:/?#&=,"
            )));
        }
    }
    Ok(())
}
