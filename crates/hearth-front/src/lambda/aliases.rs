//! Aliases: create, read, update, delete, list.

use std::collections::BTreeMap;

use hearth_control::alias::{Alias, AliasUpdate};
use hearth_control::error::ControlError;
use hearth_types::names::{AliasName, FunctionArn, Qualifier, Version};
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::{Call, paging, write};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateAliasRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let name = alias_name(&request.name)?;
    let version = version(&function, &request.function_version)?;
    // The version is named also when it is the function that is missing.
    call.control().get(&function, Some(&Qualifier::Version(version)))?;
    let routing = routing(&function, request.routing_config.as_ref())?;
    let alias =
        Alias::new(version, request.description.unwrap_or_default(), routing.unwrap_or_default());
    let made =
        call.control().change(&function, |record| record.create_alias(name.clone(), alias)).await?;
    Ok(write(&shown(&function, &name, &made)))
}

pub(super) fn get(call: &Call, request: types::GetAliasRequest) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let name = alias_name(&request.name)?;
    let record = call.control().record(&function)?;
    let alias = record.aliases.get(&name).ok_or_else(|| {
        AwsError::not_found(format!("Cannot find alias arn: {}", function.qualified(&name)))
    })?;
    Ok(write(&shown(&function, &name, alias)))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateAliasRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let name = alias_name(&request.name)?;
    let to = request.function_version.as_deref();
    let update = AliasUpdate {
        version: to.map(|text| version(&function, text)).transpose()?,
        description: request.description,
        routing: routing(&function, request.routing_config.as_ref())?,
        revision: request.revision_id,
    };
    let updated =
        call.control().change(&function, |record| record.update_alias(&name, update)).await?;
    Ok(write(&shown(&function, &name, &updated)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteAliasRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let name = alias_name(&request.name)?;
    let deleted = call.control().change(&function, |record| {
        record.delete_alias(&name);
        Ok(())
    });
    deleted.await?;
    Ok(json!({}))
}

pub(super) fn list(call: &Call, request: types::ListAliasesRequest) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let record = call.control().record(&function)?;
    let asked = request.function_version.as_deref();
    let aliases = record
        .aliases
        .iter()
        .filter(|(_, alias)| asked.is_none_or(|version| alias.version.to_string() == version))
        .map(|(name, alias)| (name.to_string(), shown(&function, name, alias)));
    let (page, next_marker) = paging::cut(aliases, (request.marker.as_deref(), request.max_items))?;
    Ok(write(&types::ListAliasesResponse { next_marker, aliases: Some(page) }))
}

fn alias_name(text: &str) -> Result<AliasName, AwsError> {
    AliasName::parse(text).map_err(|error| AwsError::invalid_parameter(error.to_string()))
}

/// Texts that the model allows and that no version can have, such as `0`, name a version that is
/// missing.
fn version(function: &FunctionArn, text: &str) -> Result<Version, AwsError> {
    Version::parse(text).ok_or_else(|| missing(function, text))
}

fn missing(function: &FunctionArn, version: &str) -> AwsError {
    ControlError::FunctionMissing(function.qualified(&version)).into()
}

/// The shares of other versions. A routing configuration without any takes them away.
fn routing(
    function: &FunctionArn,
    config: Option<&types::AliasRoutingConfiguration>,
) -> Result<Option<BTreeMap<u64, f64>>, AwsError> {
    let Some(config) = config else { return Ok(None) };
    let weights = config.additional_version_weights.iter().flatten();
    let weights = weights.map(|(text, weight)| match version(function, text)? {
        Version::Published(number) => Ok((number, *weight)),
        Version::Latest => Err(missing(function, text)),
    });
    weights.collect::<Result<_, _>>().map(Some)
}

fn shown(function: &FunctionArn, name: &AliasName, alias: &Alias) -> types::AliasConfiguration {
    let weights = alias.routing.iter().map(|(version, weight)| (version.to_string(), *weight));
    types::AliasConfiguration {
        alias_arn: Some(function.qualified(name)),
        name: Some(name.to_string()),
        function_version: Some(alias.version.to_string()),
        description: Some(alias.description.clone()),
        routing_config: (!alias.routing.is_empty()).then(|| types::AliasRoutingConfiguration {
            additional_version_weights: Some(weights.collect()),
        }),
        revision_id: Some(alias.revision.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, FunctionName, Region, Scope};

    use super::*;

    fn function() -> FunctionArn {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        FunctionArn { scope, name: FunctionName::parse("f").unwrap() }
    }

    fn config(weights: &[(&str, f64)]) -> types::AliasRoutingConfiguration {
        let weights = weights.iter().map(|(version, weight)| ((*version).to_owned(), *weight));
        types::AliasRoutingConfiguration { additional_version_weights: Some(weights.collect()) }
    }

    #[test]
    fn shares_are_read_or_name_the_version_that_is_missing() {
        let none = types::AliasRoutingConfiguration::default();
        let not_found = |version: &str| Err(missing(&function(), version));
        #[rustfmt::skip]
        let rows = [
            ("not given",      None,                                 Ok(None)),
            ("given as empty", Some(none),                           Ok(Some(BTreeMap::new()))),
            ("no shares",      Some(config(&[])),                    Ok(Some(BTreeMap::new()))),
            ("one",            Some(config(&[("2", 0.5)])),          Ok(Some([(2, 0.5)].into()))),
            ("two",            Some(config(&[("2", 0.5), ("10", 0.0)])), Ok(Some([(2, 0.5), (10, 0.0)].into()))),
            // That there is no such version is found out later.
            ("zero",           Some(config(&[("0", 0.5)])),          Ok(Some([(0, 0.5)].into()))),
            ("$LATEST",        Some(config(&[("$LATEST", 0.5)])),    not_found("$LATEST")),
            ("out of range",   Some(config(&[("18446744073709551616", 0.5)])), not_found("18446744073709551616")),
        ];
        for (what, config, expected) in rows {
            assert_eq!(routing(&function(), config.as_ref()), expected, "{what}");
        }
    }

    #[test]
    fn a_routing_configuration_is_shown_only_if_there_is_one() {
        let name = AliasName::parse("live").unwrap();
        let with = |routing: &[(u64, f64)]| {
            let routing = routing.iter().copied().collect();
            let alias = Alias::new(Version::Published(1), String::new(), routing);
            (write(&shown(&function(), &name, &alias)), alias.revision.to_string())
        };
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:live";
        let (found, revision) = with(&[]);
        let mut expected = json!({
            "AliasArn": arn, "Name": "live", "FunctionVersion": "1", "Description": "",
            "RevisionId": revision,
        });
        assert_eq!(found, expected);
        let (found, revision) = with(&[(2, 0.25)]);
        expected["RevisionId"] = json!(revision);
        expected["RoutingConfig"] = json!({ "AdditionalVersionWeights": { "2": 0.25 } });
        assert_eq!(found, expected);
    }
}
