//! A control plane with something of everything, and what things in it are called.
//!
//! The function `main` has three versions that differ from each other and from `$LATEST`, the
//! aliases `live` (2) and `old` (1), and something of all that can belong to a function. The
//! function `other` shares code with its first version, and has layers and a code signing
//! configuration. Wherever things have ids or keys, the one that is there is `one` or `kept`.

use std::collections::BTreeMap;
use std::fs;

use hearth_control::alias::Alias;
use hearth_control::changes::{CreateFunction, DryRun, Source, UpdateCode};
use hearth_control::code_signing::CodeSigningSettings;
use hearth_control::control::Control;
use hearth_control::event_invoke::EventInvokeSettings;
use hearth_control::layer::{LayerArn, LayerPermission, LayerVersionArn, PublishLayer};
use hearth_control::mapping::operations::CreateMapping;
use hearth_control::mapping::settings::Settings as MappingSettings;
use hearth_control::policy::PermissionRequest;
use hearth_control::publish::{Publish, PublishVersion};
use hearth_control::settings::Settings;
use hearth_control::url::{FunctionUrl, UrlAuth};
use hearth_store::packages::pack;
use hearth_types::names::{
    AccountId, AliasName, FunctionArn, FunctionName, Qualifier, Region, Scope, Version,
};
use hearth_types::time::Timestamp;
use serde_json::json;

use super::place::{Known, Place};

const ARCHITECTURE: &str = if cfg!(target_arch = "x86_64") { "x86_64" } else { "arm64" };

/// The place that every test begins with a copy of.
pub(crate) async fn prepared() -> Place {
    let mut place = Place::empty().await;
    let control = place.control.clone();
    for (layer, text) in [("l", "layer one"), ("l", "layer two"), ("m", "another layer")] {
        control.publish_layer(publication(layer, text)).await.unwrap();
    }
    let permission = layer_permission("one", None);
    control.add_layer_permission(&layer_version("l", 1), permission).await.unwrap();
    place.known.used_config = config(&control, "used").await;
    place.known.free_config = config(&control, "free").await;

    control.create(creation("main", "one")).await.unwrap();
    place.settle().await;
    for text in ["two", "three", "four"] {
        control.publish_version(&main(), PublishVersion::default()).await.unwrap();
        control.update_code(&main(), code(text, Publish::No)).await.unwrap();
        place.settle().await;
    }
    belongings(&place).await;

    control.create(layered("other", "one", &place.known)).await.unwrap();
    let mapping = control.create_mapping(mapping_of("orders")).await.unwrap();
    place.known.mapping = mapping.id.to_string();
    place.settle().await;
    place
}

/// Gives `main` something of all that can belong to a function.
async fn belongings(place: &Place) {
    let control = &place.control;
    let made = place.change(|main| {
        main.create_alias(name("live"), pointing_to(2))?;
        main.create_alias(name("old"), pointing_to(1))?;
        main.add_permission(None, &permission("one", None))?;
        main.add_permission(Some(&alias("live")), &permission("one", None))?;
        main.create_url(Some(&alias("live")), FunctionUrl::new(UrlAuth::None, Timestamp(1)))
    });
    made.await.unwrap();
    control.put_reserved(&main(), 50).await.unwrap();
    control.put_provisioned(&main(), &alias("live"), 5).await.unwrap();
    control.put_event_invoke(&main(), Some(&alias("live")), &retries(2)).await.unwrap();
}

async fn config(control: &Control, description: &str) -> String {
    let profile = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/release/abcdef";
    let settings = CodeSigningSettings {
        description: Some(description.to_owned()),
        publishers: Some(vec![profile.to_owned()]),
        policy: None,
    };
    let made = control.create_code_signing_config(&scope(), settings, tags("kept")).await;
    made.unwrap().arn(&scope())
}

pub(crate) fn scope() -> Scope {
    let account = AccountId::parse("000000000000").unwrap();
    Scope { account, region: Region::parse("us-east-1").unwrap() }
}

pub(crate) fn function(name: &str) -> FunctionArn {
    FunctionArn { scope: scope(), name: FunctionName::parse(name).unwrap() }
}

pub(crate) fn main() -> FunctionArn {
    function("main")
}

pub(crate) fn name(text: &str) -> AliasName {
    AliasName::parse(text).unwrap()
}

pub(crate) fn alias(text: &str) -> Qualifier {
    Qualifier::Alias(name(text))
}

pub(crate) fn version(number: u64) -> Qualifier {
    Qualifier::Version(Version::Published(number))
}

pub(crate) fn layer_version(name: &str, number: i64) -> LayerVersionArn {
    LayerArn::named(name, &scope()).unwrap().version(number).unwrap()
}

pub(crate) fn tags(key: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), "yes".to_owned())])
}

/// An archive with one file. The same text gives the same archive.
pub(crate) fn archive(text: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bootstrap"), text).unwrap();
    pack(directory.path()).unwrap()
}

/// A function whose code has this text.
pub(crate) fn creation(name: &str, text: &str) -> CreateFunction {
    CreateFunction {
        function: function(name),
        settings: Settings {
            runtime: Some("provided.al2023".to_owned()),
            role: Some("arn:aws:iam::000000000000:role/r".to_owned()),
            handler: Some("bootstrap".to_owned()),
            architecture: Some(ARCHITECTURE.to_owned()),
            ..Settings::default()
        },
        source: Source::Zip(archive(text)),
        tags: tags("kept"),
        code_signing_config: None,
        publish: Publish::No,
    }
}

/// The same with two layers, under a code signing configuration.
pub(crate) fn layered(name: &str, text: &str, known: &Known) -> CreateFunction {
    let plain = creation(name, text);
    CreateFunction {
        settings: Settings { layers: layers(&[("l", 1), ("m", 1)]), ..plain.settings },
        code_signing_config: Some(known.used_config.clone()),
        ..plain
    }
}

pub(crate) fn layers(versions: &[(&str, i64)]) -> Option<Vec<String>> {
    Some(versions.iter().map(|(name, number)| layer_version(name, *number).to_string()).collect())
}

pub(crate) fn code(text: &str, publish: Publish) -> UpdateCode {
    UpdateCode {
        source: Source::Zip(archive(text)),
        architecture: None,
        revision: None,
        publish,
        dry_run: DryRun::No,
    }
}

pub(crate) fn pointing_to(version: u64) -> Alias {
    Alias::new(Version::Published(version), String::new(), BTreeMap::new())
}

pub(crate) fn permission(statement_id: &str, revision: Option<&str>) -> PermissionRequest {
    PermissionRequest {
        statement_id: statement_id.to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: "s3.amazonaws.com".to_owned(),
        revision: revision.map(str::to_owned),
        ..PermissionRequest::default()
    }
}

/// A whole policy of `main`.
pub(crate) fn policy(statement_id: &str) -> String {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": statement_id,
            "Effect": "Allow",
            "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": main().to_string(),
        }],
    });
    document.to_string()
}

pub(crate) fn retries(count: u32) -> EventInvokeSettings {
    EventInvokeSettings { retries: Some(count), ..EventInvokeSettings::default() }
}

pub(crate) fn publication(layer: &str, text: &str) -> PublishLayer {
    PublishLayer {
        layer: LayerArn::named(layer, &scope()).unwrap(),
        zip: archive(text),
        description: text.to_owned(),
        license: None,
        runtimes: Vec::new(),
        architectures: Vec::new(),
    }
}

pub(crate) fn layer_permission(statement_id: &str, revision: Option<&str>) -> LayerPermission {
    LayerPermission {
        statement_id: statement_id.to_owned(),
        action: "lambda:GetLayerVersion".to_owned(),
        principal: "*".to_owned(),
        organization: None,
        revision: revision.map(str::to_owned),
    }
}

/// A mapping of a queue to `main`.
pub(crate) fn mapping_of(queue: &str) -> CreateMapping {
    CreateMapping {
        function: main(),
        qualifier: None,
        source_arn: Some(format!("arn:aws:sqs:us-east-1:000000000000:{queue}")),
        bootstrap_servers: None,
        settings: MappingSettings::default(),
        tags: tags("kept"),
    }
}
