//! Event invoke configurations: how asynchronous invocations are retried, and where they end.
//!
//! A function has one (that of `$LATEST`), and each of its versions and aliases may have its own.
//! Everything but the methods of [`Control`] is pure.
//!
//! # Promises
//!
//! 1. A put replaces a configuration, and an update changes only what was given; either happens
//!    whole or not at all.
//! 2. A destination that is kept has the form of something that takes records of invocations, and
//!    was not the function itself. A function was there when it was named.
//!
//! # Deliberately absent
//!
//! Nothing here retries or delivers anything. Whether a queue, a topic, a bus or a bucket exists is
//! not asked: it may be made later, and by another service.

use hearth_types::names::{
    AccountId, FunctionArn, FunctionReference, Qualifier, Region, Scope, Version,
};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::error::ControlError;
use crate::record::{FunctionRecord, qualifier_key};

/// The text for a function, a version or an alias that is to be configured and does not exist.
pub const FUNCTION_MISSING: &str = "The function doesn't exist.";

/// What is kept for a function, a version or an alias. What is absent has AWS's default when an
/// event is handled: two retries, and six hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInvokeConfig {
    /// How often an event is tried again.
    pub retries: Option<u32>,
    /// How old an event may become before it is given up.
    pub event_age_seconds: Option<u32>,
    /// The ARN to which successful invocations are reported.
    pub on_success: Option<String>,
    /// The ARN to which events are reported that were given up.
    pub on_failure: Option<String>,
    /// When it was last changed.
    pub modified: Timestamp,
}

/// What a caller gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventInvokeSettings {
    /// How often an event is tried again.
    pub retries: Option<u32>,
    /// How old an event may become.
    pub event_age_seconds: Option<u32>,
    /// Where invocations are reported.
    pub destinations: Option<Destinations>,
}

/// Where invocations are reported. An absent one stays as it is; an empty one is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations {
    /// The ARN for successful ones.
    pub on_success: Option<String>,
    /// The ARN for those that were given up.
    pub on_failure: Option<String>,
}

impl Control {
    /// Configures a function, a version or an alias, in place of what was configured before.
    ///
    /// # Errors
    ///
    /// If nothing is given, there is no such function, version or alias, or a destination cannot
    /// be one.
    pub async fn put_event_invoke(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
        settings: &EventInvokeSettings,
    ) -> Result<EventInvokeConfig, ControlError> {
        settings.check_something_is_given()?;
        let now = self.now();
        let put = self.change(function, |record| {
            let config = record.put_event_invoke(qualifier, settings, now)?;
            check_functions(self, settings)?;
            Ok(config)
        });
        put.await.map_err(|error| error.when_missing(FUNCTION_MISSING))
    }

    /// Changes what is given of a configuration.
    ///
    /// # Errors
    ///
    /// If nothing is given, there is no such function, version or alias, it is not configured, or
    /// a destination cannot be one.
    pub async fn update_event_invoke(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
        settings: &EventInvokeSettings,
    ) -> Result<EventInvokeConfig, ControlError> {
        settings.check_something_is_given()?;
        let now = self.now();
        let update = self.change(function, |record| {
            let config = record.update_event_invoke(qualifier, settings, now)?;
            check_functions(self, settings)?;
            Ok(config)
        });
        update.await.map_err(|error| error.when_missing(FUNCTION_MISSING))
    }

    /// The configuration of a function, a version or an alias.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn event_invoke(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<EventInvokeConfig, ControlError> {
        let record = self.record(function);
        let record =
            record.map_err(|error| error.when_missing(missing_text(function, qualifier)))?;
        record.event_invoke_config(qualifier).cloned()
    }

    /// Removes the configuration of a function, a version or an alias.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn delete_event_invoke(
        &self,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), ControlError> {
        let deleted = self.change(function, |record| record.delete_event_invoke(qualifier));
        deleted.await.map_err(|error| error.when_missing(missing_text(function, qualifier)))
    }
}

/// Every function that is named as a destination must be there.
fn check_functions(control: &Control, settings: &EventInvokeSettings) -> Result<(), ControlError> {
    for (_, arn) in settings.given_destinations() {
        let Some((function, qualifier)) = function_of(arn) else { continue };
        control.get(&function, qualifier.as_ref()).map_err(|_missing| invalid_destination(arn))?;
    }
    Ok(())
}

impl FunctionRecord {
    /// Configures the function, a version or an alias, in place of what was configured before.
    ///
    /// # Errors
    ///
    /// If there is no such version or alias, or a destination cannot be one.
    pub fn put_event_invoke(
        &mut self,
        qualifier: Option<&Qualifier>,
        settings: &EventInvokeSettings,
        now: Timestamp,
    ) -> Result<EventInvokeConfig, ControlError> {
        check_exists(self, qualifier)?;
        settings.check_destinations(&self.arn)?;
        let config = EventInvokeConfig::default().with(settings, now);
        Ok(self.keep_event_invoke(qualifier, config))
    }

    /// Changes what is given of a configuration.
    ///
    /// # Errors
    ///
    /// If there is no such version or alias, it is not configured, or a destination cannot be one.
    pub fn update_event_invoke(
        &mut self,
        qualifier: Option<&Qualifier>,
        settings: &EventInvokeSettings,
        now: Timestamp,
    ) -> Result<EventInvokeConfig, ControlError> {
        check_exists(self, qualifier)?;
        let old = self.event_invoke_config(qualifier)?.clone();
        settings.check_destinations(&self.arn)?;
        Ok(self.keep_event_invoke(qualifier, old.with(settings, now)))
    }

    /// The configuration of the function, a version or an alias.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn event_invoke_config(
        &self,
        qualifier: Option<&Qualifier>,
    ) -> Result<&EventInvokeConfig, ControlError> {
        let config = self.event_invoke.get(&event_invoke_key(qualifier));
        config.ok_or_else(|| ControlError::NotFound(missing_text(&self.arn, qualifier)))
    }

    /// Removes the configuration of the function, a version or an alias.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn delete_event_invoke(
        &mut self,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), ControlError> {
        let removed = self.event_invoke.remove(&event_invoke_key(qualifier));
        removed.map(drop).ok_or_else(|| ControlError::NotFound(missing_text(&self.arn, qualifier)))
    }

    fn keep_event_invoke(
        &mut self,
        qualifier: Option<&Qualifier>,
        config: EventInvokeConfig,
    ) -> EventInvokeConfig {
        self.event_invoke.insert(event_invoke_key(qualifier), config.clone());
        config
    }
}

fn check_exists(
    record: &FunctionRecord,
    qualifier: Option<&Qualifier>,
) -> Result<(), ControlError> {
    if record.version_of(qualifier).is_some() {
        return Ok(());
    }
    Err(ControlError::NotFound(FUNCTION_MISSING.to_owned()))
}

/// Under which key a configuration is kept: a function's own is that of `$LATEST`.
#[must_use]
pub fn event_invoke_key(qualifier: Option<&Qualifier>) -> String {
    qualifier_key(Some(qualifier.unwrap_or(&Qualifier::Version(Version::Latest))))
}

fn missing_text(function: &FunctionArn, qualifier: Option<&Qualifier>) -> String {
    let arn = function.qualified(&event_invoke_key(qualifier));
    format!("The function {arn} doesn't have an EventInvokeConfig")
}

impl EventInvokeConfig {
    fn with(mut self, settings: &EventInvokeSettings, now: Timestamp) -> Self {
        self.retries = settings.retries.or(self.retries);
        self.event_age_seconds = settings.event_age_seconds.or(self.event_age_seconds);
        if let Some(given) = &settings.destinations {
            replace(&mut self.on_success, given.on_success.as_deref());
            replace(&mut self.on_failure, given.on_failure.as_deref());
        }
        self.modified = now;
        self
    }
}

fn replace(old: &mut Option<String>, new: Option<&str>) {
    if let Some(new) = new {
        *old = (!new.is_empty()).then(|| new.to_owned());
    }
}

/// What is reported to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
}

impl EventInvokeSettings {
    fn check_something_is_given(&self) -> Result<(), ControlError> {
        if *self != Self::default() {
            return Ok(());
        }
        Err(ControlError::InvalidParameter(
            "You must specify at least one of error handling or destination setting.".to_owned(),
        ))
    }

    fn check_destinations(&self, itself: &FunctionArn) -> Result<(), ControlError> {
        for (outcome, arn) in self.given_destinations() {
            if function_of(arn).is_some_and(|(function, _)| function == *itself) {
                return Err(ControlError::InvalidParameter(
                    "You can't specify the function as a destination for itself.".to_owned(),
                ));
            }
            if !can_receive(arn, outcome) {
                return Err(invalid_destination(arn));
            }
        }
        Ok(())
    }

    fn given_destinations(&self) -> impl Iterator<Item = (Outcome, &str)> {
        let both = self.destinations.iter().flat_map(|given| {
            [
                (Outcome::Success, given.on_success.as_deref()),
                (Outcome::Failure, given.on_failure.as_deref()),
            ]
        });
        both.filter_map(|(outcome, arn)| {
            arn.filter(|arn| !arn.is_empty()).map(|arn| (outcome, arn))
        })
    }
}

fn invalid_destination(arn: &str) -> ControlError {
    ControlError::InvalidParameter(format!("The destination ARN {arn} is invalid."))
}

/// The function that an ARN names, if it is that of a function.
fn function_of(arn: &str) -> Option<(FunctionArn, Option<Qualifier>)> {
    let FunctionReference { region, account, name, qualifier } =
        FunctionReference::parse(arn).ok()?;
    let scope = Scope { account: account?, region: region? };
    Some((FunctionArn { scope, name }, qualifier))
}

/// Whether an ARN is that of something that takes records of invocations: a queue, a topic, a bus,
/// a function, and, for failures, a bucket. FIFO queues and topics do not, and their names have a
/// dot, which the others' have not.
fn can_receive(arn: &str, outcome: Outcome) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, region, account, resource] = parts.as_slice() else {
        return false;
    };
    let is_placed = Region::parse(region).is_ok() && AccountId::parse(account).is_ok();
    partition.starts_with("aws")
        && match *service {
            "sqs" => is_placed && is_named(resource, 1..=80, b"-_"),
            "sns" => is_placed && is_named(resource, 1..=256, b"-_"),
            "events" => {
                let name = resource.strip_prefix("event-bus/");
                is_placed && name.is_some_and(|name| is_named(name, 1..=256, b"-_."))
            }
            "lambda" => function_of(arn).is_some(),
            "s3" => {
                let is_global = region.is_empty() && account.is_empty();
                outcome == Outcome::Failure && is_global && is_named(resource, 3..=63, b"-.")
            }
            _ => false,
        }
}

/// Whether a name is so long, and of letters, digits and these characters.
fn is_named(name: &str, length: std::ops::RangeInclusive<usize>, more: &[u8]) -> bool {
    length.contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
}

#[cfg(test)]
pub(crate) mod tests;
