//! What the public reads of a control plane show, as JSON, and how to compare two such views.

use std::collections::BTreeSet;
use std::path::Path;

use hearth_control::control::{Control, Resolved};
use hearth_control::error::ControlError;
use hearth_control::layer::{LayerArn, LayerFilter};
use hearth_control::mapping::operations::MappingFilter;
use hearth_control::policy::Policy;
use hearth_control::record::{FunctionRecord, qualifier_key};
use hearth_control::tagging::Taggable;
use hearth_types::names::Qualifier;
use serde_json::{Map, Value, json};

use super::place::Wishes;
use super::prepared::scope;

/// More than there is of anything.
pub(crate) const PAGE: usize = 100;

/// What becomes another one with every change, also if nothing else does.
const FRESH: [&str; 3] = ["revision", "modified", "target"];

/// What every read shows.
pub(crate) fn reads(control: &Control, wishes: &Wishes) -> Value {
    let scope = scope();
    let functions = control.list(&scope, None, PAGE).functions;
    let functions: Map<String, Value> = functions
        .iter()
        .map(|record| (record.arn.name.to_string(), function(control, wishes, record)))
        .collect();
    let layers = control.list_layers(&scope, &LayerFilter::default());
    let layers: Map<String, Value> = layers
        .iter()
        .map(|(arn, newest)| (arn.to_string(), json!([newest.version, layer(control, arn)])))
        .collect();
    json!({
        "functions": functions,
        "layers": layers,
        "mappings": mappings(control),
        "codeSigningConfigs": code_signing_configs(control),
        "usage": control.usage(&scope),
        "concurrency": control.account_concurrency(&scope),
        "environments": wishes.total(),
    })
}

fn function(control: &Control, wishes: &Wishes, record: &FunctionRecord) -> Value {
    let arn = &record.arn;
    let versions = record.all_versions().map(|version| Qualifier::Version(version.version));
    let aliases = record.aliases.keys().map(|name| Qualifier::Alias(name.clone()));
    let mut by_qualifier = Map::new();
    for qualifier in std::iter::once(None).chain(versions.chain(aliases).map(Some)) {
        let qualifier = qualifier.as_ref();
        let runs: Vec<Value> = [0.0, 0.999]
            .into_iter()
            .map(|draw| run(wishes, control.resolve(arn, qualifier, draw)))
            .collect();
        let mut shown = qualified(control, record, qualifier);
        shown["runs"] = json!(runs);
        by_qualifier.insert(qualifier_key(qualifier), shown);
    }
    let provisioned = control.list_provisioned(arn).unwrap();
    let provisioned: Vec<Value> = provisioned
        .iter()
        .map(|(key, now)| json!([key, now.requested, now.available, now.status.name()]))
        .collect();
    json!({
        "record": record,
        "byQualifier": by_qualifier,
        "provisioned": provisioned,
        "tags": control.tags_of(&Taggable::Function(arn.clone())).unwrap(),
        "codeSigningConfig": control.function_code_signing_config(arn).unwrap(),
    })
}

fn qualified(control: &Control, record: &FunctionRecord, qualifier: Option<&Qualifier>) -> Value {
    let arn = &record.arn;
    let view = control.get(arn, qualifier).unwrap();
    let archive = view.record().code.map(|code| control.zip(code.digest).unwrap().len());
    json!({
        "arn": view.arn,
        "version": view.version,
        "archiveBytes": archive,
        "policy": record.policy(qualifier).map(Policy::text),
        "revision": record.policy_revision(qualifier),
        "eventInvoke": control.event_invoke(arn, qualifier).ok(),
        "url": record.url(qualifier).ok(),
        "runtimeManagement": control.runtime_management(arn, qualifier).ok(),
    })
}

fn run(wishes: &Wishes, resolved: Result<Resolved, ControlError>) -> Value {
    match resolved {
        Err(error) => json!(error.to_string()),
        Ok(resolved) => {
            let target = &resolved.target;
            json!({
                "target": target.id,
                "version": target.version,
                "memory": target.memory_mb,
                "code": file_name(&target.code),
                "layers": target.layers.as_deref().map(file_name),
                "unpacked": target.code.is_dir(),
                "merged": target.layers.as_deref().map(Path::is_dir),
                "invokedArn": resolved.invoked_arn,
                "reserved": resolved.shares.reserved,
                "environments": wishes.of(target.id),
            })
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn layer(control: &Control, layer: &LayerArn) -> Value {
    let versions = control.list_layer_versions(&scope(), layer, &LayerFilter::default()).unwrap();
    let versions = versions.into_iter().map(|version| {
        let number = i64::try_from(version.version).unwrap();
        let which = layer.clone().version(number).unwrap();
        assert_eq!(control.layer_version(&scope(), &which).unwrap(), version);
        let policy = control.layer_policy(&which).ok().map(|policy| policy.text());
        json!({ "version": version, "policy": policy })
    });
    versions.collect()
}

fn mappings(control: &Control) -> Value {
    let mappings = control.list_mappings(&scope(), &MappingFilter::default());
    let mappings = mappings.iter().map(|mapping| {
        let uuid = mapping.id.to_string();
        assert_eq!(&control.mapping(&scope(), &uuid).unwrap(), mapping);
        let tags = control.tags_of(&Taggable::Mapping { scope: scope(), uuid }).unwrap();
        json!({ "mapping": **mapping, "tags": tags })
    });
    mappings.collect()
}

fn code_signing_configs(control: &Control) -> Value {
    let configs = control.list_code_signing_configs(&scope(), None, PAGE);
    let configs = configs.iter().map(|config| {
        let arn = config.arn(&scope());
        let functions = control.functions_by_code_signing_config(&scope(), &arn).unwrap();
        let tags = control.tags_of(&Taggable::parse(&scope(), &arn).unwrap()).unwrap();
        json!({ "config": **config, "functions": functions, "tags": tags })
    });
    configs.collect()
}

/// Fails unless both are the same, and says where they are not.
pub(crate) fn assert_same(before: &Value, after: &Value, when: &str) {
    assert_eq!(differences(before, after), Vec::<String>::new(), "{when}");
}

/// Where two values differ, and how.
pub(crate) fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", (before, after), &mut found);
    found
}

fn compare(path: &str, both: (&Value, &Value), found: &mut Vec<String>) {
    match both {
        (Value::Object(before), Value::Object(after)) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                let (before, after) = (before.get(name), after.get(name));
                let both = (before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null));
                compare(&format!("{path}/{name}"), both, found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, both) in before.iter().zip(after).enumerate() {
                compare(&format!("{path}/{index}"), both, found);
            }
        }
        (before, after) if before == after => {}
        (before, after) => found.push(format!("{path}: {before} became {after}")),
    }
}

/// Without what becomes another one with every change.
pub(crate) fn loosened(mut seen: Value) -> Value {
    loosen(&mut seen);
    seen
}

fn loosen(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if FRESH.contains(&name.as_str()) {
                    *member = Value::Null;
                } else {
                    loosen(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The records that are not as they were, those that came and those that went.
pub(crate) fn changed_records(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (before["store"].as_object(), after["store"].as_object());
    let (before, after) = (before.unwrap(), after.unwrap());
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}
