//! Deployments: copies of an API that stages serve.

use hearth_types::time::Timestamp;

use super::super::error::{DEPLOYMENT_MISSING, RestError};
use super::super::limits;
use super::super::patch::Patch;
use super::super::record::{Deployment, RestApi};
use crate::apis::new_id;

impl RestApi {
    /// One deployment.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn deployment(&self, id: &str) -> Result<&Deployment, RestError> {
        self.deployments.get(id).ok_or(DEPLOYMENT_MISSING)
    }

    /// Makes a deployment.
    ///
    /// # Errors
    ///
    /// If there is nothing to deploy, a method has no integration, or there are too many.
    pub fn create_deployment(
        &mut self,
        description: Option<String>,
        now: Timestamp,
    ) -> Result<Deployment, RestError> {
        let methods = || self.resources.values().flat_map(|one| one.methods.values());
        if methods().next().is_none() {
            return Err(RestError::invalid("The REST API doesn't contain any methods"));
        }
        if methods().any(|method| method.integration.is_none()) {
            return Err(RestError::invalid("No integration defined for method"));
        }
        if self.deployments.len() >= limits::DEPLOYMENTS_MAX {
            return Err(RestError::TooMany("Deployments per API"));
        }
        let description = description.filter(|text| !text.is_empty());
        let deployment = Deployment { id: new_id(6), description, created: now };
        self.deployments.insert(deployment.id.clone(), deployment.clone());
        Ok(deployment)
    }

    /// Changes what patches say about a deployment.
    ///
    /// # Errors
    ///
    /// If there is none, or one of the patches cannot be.
    pub fn patch_deployment(
        &mut self,
        id: &str,
        patches: &[Patch],
    ) -> Result<Deployment, RestError> {
        let deployment = self.deployments.get_mut(id).ok_or(DEPLOYMENT_MISSING)?;
        for patch in patches {
            match patch.parts().as_slice() {
                ["description"] => deployment.description = patch.optional(),
                _ => return Err(patch.refused(&["/description"])),
            }
        }
        Ok(deployment.clone())
    }

    /// Deletes a deployment.
    ///
    /// # Errors
    ///
    /// If there is none, or a stage serves it.
    pub fn delete_deployment(&mut self, id: &str) -> Result<(), RestError> {
        self.deployment(id)?;
        if self.stages.values().any(|stage| stage.deployment == id) {
            return Err(RestError::invalid(
                "Active stages pointing to this deployment must be moved or deleted",
            ));
        }
        self.deployments.remove(id);
        Ok(())
    }
}
