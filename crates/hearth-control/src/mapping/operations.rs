//! The operations on mappings, and bringing them to rest.
//!
//! # Promises
//!
//! 1. An operation that has answered is in the store; one that has failed has changed nothing.
//! 2. Whatever is in between comes to rest, also when the server was stopped meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_types::names::{FunctionArn, Qualifier, Scope};

use crate::control::Control;
use crate::error::ControlError;
use crate::mapping::settings::Settings;
use crate::mapping::source::{Source, SourceKind};
use crate::mapping::state::{State, first_result, settled_state, user_reason};
use crate::mapping::{Mapping, MappingId, rules};
use crate::settings::check_tags;

/// When a mapping that could not be stored, for instance on a full disk, is tried again at first.
const SETTLE_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// When it is given up until the next start.
const SETTLE_PAUSE_MAX: Duration = Duration::from_secs(60);

/// A mapping to be created.
#[derive(Debug)]
pub struct CreateMapping {
    /// The function that is invoked.
    pub function: FunctionArn,
    /// The version or the alias of it.
    pub qualifier: Option<Qualifier>,
    /// The ARN of the source.
    pub source_arn: Option<String>,
    /// Where somebody's own Kafka is.
    pub bootstrap_servers: Option<Vec<String>>,
    /// How it is read.
    pub settings: Settings,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A mapping to be changed.
#[derive(Debug)]
pub struct UpdateMapping {
    /// The function that is invoked from now on.
    pub function: Option<(FunctionArn, Option<Qualifier>)>,
    /// What else changes.
    pub settings: Settings,
}

/// Which mappings are listed. What is absent does not matter.
#[derive(Debug, Default)]
pub struct MappingFilter {
    /// Those of this source.
    pub source_arn: Option<String>,
    /// Those of this function, with exactly this qualifier or with none.
    pub function_arn: Option<String>,
    /// Those behind this UUID.
    pub after: Option<String>,
}

impl Control {
    /// Creates a mapping.
    ///
    /// # Errors
    ///
    /// If a rule is broken, the function does not exist, or there is such a mapping.
    pub async fn create_mapping(
        self: &Arc<Self>,
        request: CreateMapping,
    ) -> Result<Arc<Mapping>, ControlError> {
        let CreateMapping { function, qualifier, source_arn, bootstrap_servers, settings, tags } =
            request;
        check_tags(&tags)?;
        let source = Source::parse(source_arn.as_deref(), bootstrap_servers)?;
        let (kind, id, now) = (source.kind(), MappingId::random(), self.now());
        let enabled = settings.enabled.unwrap_or(true);
        let configuration = rules::create(settings, &source, &id, now)?;
        let timeout_seconds = self.check_function(&function, qualifier.as_ref(), kind)?;
        self.check_source(&source, timeout_seconds).await?;
        let mapping = Mapping {
            id,
            function,
            qualifier: qualifier.map(|one| one.to_string()),
            source,
            enabled,
            configuration,
            state: State::Creating,
            transition_reason: user_reason(kind).to_owned(),
            last_processing_result: first_result(kind),
            modified: now,
            tags,
        };
        let writing = self.mappings.writing().await;
        self.refuse_repetition(&mapping)?;
        let kept = self.keep_mapping(mapping).await?;
        drop(writing);
        self.settle_later(&kept);
        Ok(kept)
    }

    /// A mapping.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn mapping(&self, scope: &Scope, id: &str) -> Result<Arc<Mapping>, ControlError> {
        MappingId::parse(id)
            .and_then(|id| self.mappings.get(scope, id.as_str()))
            .ok_or_else(missing)
    }

    /// The mappings of a scope in the order of their UUIDs.
    #[must_use]
    pub fn list_mappings(&self, scope: &Scope, filter: &MappingFilter) -> Vec<Arc<Mapping>> {
        let mut found = self.mappings.page(scope, filter.after.as_deref(), usize::MAX);
        if let Some(arn) = &filter.source_arn {
            found.retain(|mapping| mapping.source.arn() == Some(arn.as_str()));
        }
        if let Some(arn) = &filter.function_arn {
            found.retain(|mapping| mapping.function_arn() == *arn);
        }
        found
    }

    /// All mappings of all scopes, in no order.
    #[must_use]
    pub fn all_mappings(&self) -> Vec<Arc<Mapping>> {
        self.mappings.all()
    }

    /// Shows a mapping that rests where it rests now that its source can be read, or cannot.
    ///
    /// # Errors
    ///
    /// If it could not be kept.
    pub async fn settle_mapping_again(
        &self,
        scope: &Scope,
        id: &MappingId,
    ) -> Result<(), ControlError> {
        let is_settled =
            self.mappings.get(scope, id.as_str()).is_some_and(|found| found.state.is_settled());
        if is_settled { self.settle_mapping(scope, id).await } else { Ok(()) }
    }

    /// Changes a mapping.
    ///
    /// # Errors
    ///
    /// If there is none, it is in between, a rule is broken, the function does not exist, or the
    /// change makes it the same as another.
    pub async fn update_mapping(
        self: &Arc<Self>,
        scope: &Scope,
        id: &str,
        update: UpdateMapping,
    ) -> Result<Arc<Mapping>, ControlError> {
        let UpdateMapping { function, settings } = update;
        let writing = self.mappings.writing().await;
        let old = self.mapping(scope, id)?;
        if !old.state.is_settled() {
            return Err(in_use("update"));
        }
        let kind = old.source.kind();
        let enabled = settings.enabled.unwrap_or(old.enabled);
        let configuration = rules::update(settings, &old.configuration, kind)?;
        let mut new = Mapping { enabled, configuration, ..Mapping::clone(&old) };
        if let Some((function, qualifier)) = function {
            let timeout_seconds = self.check_function(&function, qualifier.as_ref(), kind)?;
            self.check_source(&new.source, timeout_seconds).await?;
            new.function = function;
            new.qualifier = qualifier.map(|one| one.to_string());
            self.refuse_repetition(&new)?;
        }
        new.state = State::of_change(&old, &new);
        new.transition_reason = user_reason(kind).to_owned();
        new.modified = self.now();
        let kept = self.keep_mapping(new).await?;
        drop(writing);
        self.settle_later(&kept);
        Ok(kept)
    }

    /// Deletes a mapping. It is gone a little later.
    ///
    /// # Errors
    ///
    /// If there is none, or it is in between.
    pub async fn delete_mapping(
        self: &Arc<Self>,
        scope: &Scope,
        id: &str,
    ) -> Result<Arc<Mapping>, ControlError> {
        let writing = self.mappings.writing().await;
        let old = self.mapping(scope, id)?;
        if !old.state.is_settled() {
            return Err(in_use("delete"));
        }
        let going = Mapping {
            state: State::Deleting,
            transition_reason: user_reason(old.source.kind()).to_owned(),
            modified: self.now(),
            ..Mapping::clone(&old)
        };
        let kept = self.keep_mapping(going).await?;
        drop(writing);
        self.settle_later(&kept);
        Ok(kept)
    }

    /// Brings to rest what a stop of the server interrupted, and what rests elsewhere now because
    /// other sources are read than before.
    pub(crate) async fn restore_mappings(self: &Arc<Self>) {
        for mapping in self.mappings.all() {
            if let Err(error) = self.settle_mapping(&mapping.function.scope, &mapping.id).await {
                tracing::error!(mapping = %mapping.id, ?error, "it could not be settled");
                self.settle_later(&mapping);
            }
        }
    }

    /// Brings a mapping to rest in the background, once it has been seen in between.
    fn settle_later(self: &Arc<Self>, mapping: &Mapping) {
        let control = Arc::clone(self);
        let (scope, id) = (mapping.function.scope.clone(), mapping.id.clone());
        self.parts.tasks.spawn("settle an event source mapping", async move {
            tokio::time::sleep(control.parts.transition_min).await;
            let mut pause = SETTLE_AGAIN_AFTER;
            while let Err(error) = control.settle_mapping(&scope, &id).await {
                tracing::error!(mapping = %id, ?error, "it could not be settled");
                if pause > SETTLE_PAUSE_MAX {
                    break; // The next start settles it.
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        });
    }

    async fn settle_mapping(&self, scope: &Scope, id: &MappingId) -> Result<(), ControlError> {
        let _writing = self.mappings.writing().await;
        let Some(mapping) = self.mappings.get(scope, id.as_str()) else { return Ok(()) };
        if mapping.state == State::Deleting {
            let removed = self.mappings.remove(scope, id.as_str()).await;
            self.parts.pollers.changed();
            return removed.map_err(ControlError::Store);
        }
        let (state, reason) = settled_state(&mapping, self.parts.pollers.as_ref());
        if state == mapping.state && reason == mapping.transition_reason {
            return Ok(());
        }
        let settled = Mapping {
            state,
            transition_reason: reason,
            modified: self.now(),
            ..Mapping::clone(&mapping)
        };
        self.keep_mapping(settled).await.map(drop)
    }

    async fn keep_mapping(&self, mapping: Mapping) -> Result<Arc<Mapping>, ControlError> {
        let (scope, id) = (mapping.function.scope.clone(), mapping.id.clone());
        let kept = self.mappings.put(&scope, id.as_str(), mapping).await;
        self.parts.pollers.changed();
        kept.map_err(ControlError::Store)
    }

    /// Refuses a timeout that a function cannot have because of what it is mapped to.
    pub(crate) async fn check_timeout_of_sources(
        &self,
        function: &FunctionArn,
        timeout_seconds: u32,
    ) -> Result<(), ControlError> {
        for mapping in self.mappings.page(&function.scope, None, usize::MAX) {
            let is_latest = matches!(mapping.qualifier.as_deref(), None | Some("$LATEST"));
            if mapping.function != *function || !is_latest {
                continue;
            }
            rules::check_timeout(mapping.source.kind(), timeout_seconds)?;
            // A source that is gone does not hold up its function.
            if self.parts.pollers.check(&mapping.source, 0).await.is_ok() {
                self.check_source(&mapping.source, timeout_seconds).await?;
            }
        }
        Ok(())
    }

    /// Refuses a source that cannot be read.
    async fn check_source(
        &self,
        source: &Source,
        timeout_seconds: u32,
    ) -> Result<(), ControlError> {
        let checked = self.parts.pollers.check(source, timeout_seconds).await;
        checked.map_err(ControlError::InvalidParameter)
    }

    /// Refuses a function that does not exist or does not fit. Returns its timeout.
    fn check_function(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
        kind: SourceKind,
    ) -> Result<u32, ControlError> {
        let absent = || ControlError::InvalidParameter("Function does not exist".to_owned());
        let record = self.record(function).ok().ok_or_else(absent)?;
        let version = record
            .version_of(qualifier)
            .and_then(|version| record.version(version))
            .ok_or_else(absent)?;
        let timeout_seconds = version.configuration.timeout_seconds;
        rules::check_timeout(kind, timeout_seconds)?;
        Ok(timeout_seconds)
    }

    /// Refuses a mapping if another does the same.
    fn refuse_repetition(&self, mapping: &Mapping) -> Result<(), ControlError> {
        let others = self.mappings.page(&mapping.function.scope, None, usize::MAX);
        let mut others = others.iter().filter(|other| other.id != mapping.id);
        match others.find(|other| other.repeats(mapping)) {
            Some(other) => Err(mapping.refused_beside(&other.id)),
            None => Ok(()),
        }
    }
}

fn missing() -> ControlError {
    ControlError::NotFound("The resource you requested does not exist.".to_owned())
}

fn in_use(operation: &str) -> ControlError {
    ControlError::InUse(format!(
        "Cannot {operation} the event source mapping because it is in use."
    ))
}
