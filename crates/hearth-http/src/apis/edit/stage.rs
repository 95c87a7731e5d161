//! Stages and deployments.

use std::collections::BTreeMap;

use hearth_types::time::Timestamp;

use super::super::error::ApiError;
use super::super::record::{Api, DEFAULT_STAGE, Deployment, Protocol, RouteSettings, Stage};
use super::super::{NO_ROUTES, limits, new_deployment};
use super::check_tags;

/// What is to be set of a stage. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StageChange {
    /// What it is for.
    pub description: Option<String>,
    /// The id of the deployment that is served.
    pub deployment: Option<String>,
    /// Whether every change is served at once.
    pub auto_deploy: Option<bool>,
    /// All variables.
    pub variables: Option<BTreeMap<String, String>>,
    /// What holds for routes of which nothing else is said.
    pub default_settings: Option<RouteSettings>,
    /// What holds for single routes. Of those that are not named nothing is changed.
    pub route_settings: Option<BTreeMap<String, RouteSettings>>,
    /// All tags; only of a new stage.
    pub tags: Option<BTreeMap<String, String>>,
}

impl Api {
    /// Makes a stage.
    ///
    /// # Errors
    ///
    /// If there are too many, there is one with this name, or something that was given cannot be.
    pub fn create_stage(
        &mut self,
        name: &str,
        change: StageChange,
        now: Timestamp,
    ) -> Result<Stage, ApiError> {
        if self.stages.contains_key(name) {
            return Err(ApiError::Conflict("Stage already exists".to_owned()));
        }
        if self.stages.len() >= limits::STAGES_MAX {
            return Err(ApiError::TooMany("Stages per API"));
        }
        check_name(self.protocol, name)?;
        let stage = Stage {
            name: name.to_owned(),
            description: None,
            deployment: None,
            auto_deploy: false,
            variables: BTreeMap::new(),
            default_settings: RouteSettings::default(),
            route_settings: BTreeMap::new(),
            created: now,
            updated: now,
            deployment_message: None,
            tags: BTreeMap::new(),
            managed: false,
        };
        self.put_stage(stage, change)
    }

    /// Changes a stage.
    ///
    /// # Errors
    ///
    /// If there is none, or something that was given cannot be.
    pub fn update_stage(
        &mut self,
        name: &str,
        change: StageChange,
        now: Timestamp,
    ) -> Result<Stage, ApiError> {
        let stage = self.stages.get(name).ok_or(ApiError::PartMissing("stage"))?.clone();
        self.put_stage(Stage { updated: now, ..stage }, change)
    }

    /// Deletes a stage.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete_stage(&mut self, name: &str) -> Result<(), ApiError> {
        self.stages.remove(name).map(drop).ok_or(ApiError::PartMissing("stage"))
    }

    /// Lets nothing of its own hold for a route of a stage.
    ///
    /// # Errors
    ///
    /// If there is no such stage, or nothing of its own holds for the route.
    pub fn delete_route_settings(
        &mut self,
        stage: &str,
        route_key: &str,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let stage = self.stages.get_mut(stage).ok_or(ApiError::PartMissing("stage"))?;
        let removed = stage.route_settings.remove(route_key);
        removed.map(drop).ok_or(ApiError::PartMissing("RouteSettings"))?;
        stage.updated = now;
        Ok(())
    }

    /// Makes a deployment, and serves it at a stage if one is named.
    ///
    /// # Errors
    ///
    /// If there are too many, there is nothing to deploy, or there is no such stage, or it deploys
    /// automatically.
    pub fn create_deployment(
        &mut self,
        description: Option<String>,
        stage: Option<&str>,
        now: Timestamp,
    ) -> Result<Deployment, ApiError> {
        if self.deployments.values().filter(|one| !one.auto).count() >= limits::DEPLOYMENTS_MAX {
            return Err(ApiError::TooMany("Deployments per API"));
        }
        if self.routes.is_empty() {
            return Err(ApiError::invalid(NO_ROUTES));
        }
        let deployment = new_deployment(description, now);
        if let Some(name) = stage {
            let stage = self.stages.get_mut(name).ok_or(ApiError::PartMissing("stage"))?;
            if stage.auto_deploy {
                return Err(auto_deployed());
            }
            stage.deployment = Some(deployment.id.clone());
            stage.updated = now;
        }
        self.deployments.insert(deployment.id.clone(), deployment.clone());
        Ok(deployment)
    }

    /// Says what a deployment is for.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn update_deployment(
        &mut self,
        id: &str,
        description: Option<String>,
    ) -> Result<Deployment, ApiError> {
        let deployment = self.deployments.get_mut(id);
        let deployment = deployment.ok_or(ApiError::PartMissing("Deployment"))?;
        deployment.description = description.or_else(|| deployment.description.take());
        Ok(deployment.clone())
    }

    /// Deletes a deployment.
    ///
    /// # Errors
    ///
    /// If there is none, or it is served.
    pub fn delete_deployment(&mut self, id: &str) -> Result<(), ApiError> {
        if self.stages.values().any(|stage| stage.deployment.as_deref() == Some(id)) {
            return Err(ApiError::invalid(
                "Active stages pointing to this deployment must be moved or deleted",
            ));
        }
        self.deployments.remove(id).map(drop).ok_or(ApiError::PartMissing("Deployment"))
    }

    fn put_stage(&mut self, mut stage: Stage, change: StageChange) -> Result<Stage, ApiError> {
        stage.description = change.description.or(stage.description);
        stage.auto_deploy = change.auto_deploy.unwrap_or(stage.auto_deploy);
        if let Some(id) = change.deployment {
            if stage.auto_deploy {
                return Err(auto_deployed());
            }
            if !self.deployments.contains_key(&id) {
                return Err(ApiError::PartMissing("Deployment"));
            }
            stage.deployment = Some(id);
        }
        if let Some(variables) = change.variables {
            check_variables(&variables)?;
            stage.variables = variables;
        }
        stage.default_settings = change.default_settings.unwrap_or(stage.default_settings);
        for (key, settings) in change.route_settings.unwrap_or_default() {
            if !self.routes.values().any(|route| route.key == key) {
                return Err(ApiError::RouteUnknown(key));
            }
            stage.route_settings.insert(key, settings);
        }
        let is_wrong = |settings: &RouteSettings| {
            settings.rate.is_some_and(|rate| !(rate >= 0.0 && rate.is_finite()))
        };
        if is_wrong(&stage.default_settings) || stage.route_settings.values().any(is_wrong) {
            return Err(ApiError::invalid("ThrottlingRateLimit must be a number from 0 on"));
        }
        if let Some(tags) = change.tags {
            check_tags(&tags)?;
            stage.tags = tags;
        }
        self.stages.insert(stage.name.clone(), stage.clone());
        Ok(stage)
    }
}

fn auto_deployed() -> ApiError {
    ApiError::invalid("Deployment ID cannot be set on stage because AutoDeploy is enabled")
}

fn check_name(protocol: Protocol, name: &str) -> Result<(), ApiError> {
    if name == DEFAULT_STAGE && protocol == Protocol::Http {
        return Ok(());
    }
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(is_word) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "Stage name only allows alphanumeric characters, hyphens, and underscores, or, for HTTP APIs, $default",
    ))
}

fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if variables.len() > limits::STAGE_VARIABLES_MAX {
        return Err(ApiError::TooMany("Stage variables per stage"));
    }
    for (name, value) in variables {
        let is_name = !name.is_empty()
            && name.len() <= limits::STAGE_VARIABLE_NAME_CHARACTERS_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_value = value.len() <= limits::STAGE_VARIABLE_CHARACTERS_MAX
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte));
        if !is_name || !is_value {
            return Err(ApiError::invalid(format!(
                "Stage variable {name} is not valid: names have letters, digits and underscores, and values match [A-Za-z0-9-._~:/?#&=,]+"
            )));
        }
    }
    Ok(())
}
