//! Every operation that changes something, each as it can be done to a prepared place.

use std::pin::Pin;

use hearth_control::alias::AliasUpdate;
use hearth_control::changes::CreateFunction;
use hearth_control::code_signing::{CodeSigningSettings, UntrustedArtifactOnDeployment};
use hearth_control::concurrency::RecursiveLoop;
use hearth_control::error::ControlError;
use hearth_control::mapping::operations::UpdateMapping;
use hearth_control::mapping::settings::Settings as MappingSettings;
use hearth_control::publish::{Publish, PublishVersion};
use hearth_control::runtime_management::{RuntimeManagement, UpdateRuntimeOn};
use hearth_control::settings::Settings;
use hearth_control::tagging::{TagChange, Taggable};
use hearth_control::url::{FunctionUrl, UrlAuth, UrlChange};
use hearth_types::names::Version;
use hearth_types::time::Timestamp;

use self::Again::{Adds, Refused, Same};
use super::place::Place;
use super::prepared::{
    alias, code, creation, function, layer_permission, layer_version, layered, layers, main,
    mapping_of, name, permission, pointing_to, policy, publication, retries, scope, tags, version,
};

const NOW: Timestamp = Timestamp(7);

/// What came of an operation.
pub(crate) type Answer = Result<(), ControlError>;

/// An operation at work.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// One operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) again: Again,
    pub(crate) run: for<'a> fn(&'a Place) -> Running<'a>,
}

/// What an operation does that is made once more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Again {
    /// It succeeds, and nothing is different afterwards but revisions and times.
    Same,
    /// It is refused with a text that contains this.
    Refused(&'static str),
    /// It makes one more of its kind.
    Adds,
}

macro_rules! operations {
    ($($name:literal, $again:expr, |$on:ident| $done:expr;)+) => {
        vec![$(Operation {
            name: $name,
            again: $again,
            run: |$on| Box::pin(async move { $done.await.map(drop) }),
        }),+]
    };
}

/// All of them.
pub(crate) fn all() -> Vec<Operation> {
    let mut all = functions();
    for more in
        [aliases(), policies(), settings(), layer_versions(), mappings(), configs(), tagging()]
    {
        all.extend(more);
    }
    all
}

#[rustfmt::skip]
fn functions() -> Vec<Operation> {
    operations! {
        "create a function", Refused("Function already exist: new"),
            |on| on.control.create(creation("new", "five"));
        "create and publish a function with layers", Refused("Function already exist: new"),
            |on| on.control.create(CreateFunction { publish: Publish::Yes, ..layered("new", "five", &on.known) });
        "update code", Same,
            |on| on.control.update_code(&main(), code("five", Publish::No));
        "update code to what another version has", Same,
            |on| on.control.update_code(&main(), code("one", Publish::No));
        "update and publish code", Same,
            |on| on.control.update_code(&main(), code("five", Publish::Yes));
        "update a configuration", Same,
            |on| on.control.update_configuration(&main(), Settings { memory_mb: Some(256), ..Settings::default() }, None);
        "add layers", Same,
            |on| on.control.update_configuration(&main(), Settings { layers: layers(&[("l", 2), ("m", 1)]), ..Settings::default() }, None);
        "take layers away", Same,
            |on| on.control.update_configuration(&function("other"), Settings { layers: layers(&[]), ..Settings::default() }, None);
        "publish a version", Same,
            |on| on.control.publish_version(&main(), PublishVersion::default());
        "delete a version", Same,
            |on| on.control.delete(&main(), Some(&version(3)));
        "delete a function", Refused("Function not found"),
            |on| on.control.delete(&main(), None);
        "delete a function with layers", Refused("Function not found"),
            |on| on.control.delete(&function("other"), None);
    }
}

#[rustfmt::skip]
fn aliases() -> Vec<Operation> {
    operations! {
        "create an alias", Refused("Alias already exists"),
            |on| on.change(|record| record.create_alias(name("new"), pointing_to(1)));
        "describe an alias", Same,
            |on| on.change(|record| record.update_alias(&name("old"), AliasUpdate { description: Some("x".to_owned()), ..AliasUpdate::default() }));
        "share an alias", Same,
            |on| on.change(|record| record.update_alias(&name("old"), AliasUpdate { routing: Some([(3, 0.5)].into()), ..AliasUpdate::default() }));
        "move an alias with its environments", Same,
            |on| on.change(|record| record.update_alias(&name("live"), AliasUpdate { version: Some(Version::Published(3)), ..AliasUpdate::default() }));
        "delete an alias with all that belongs to it", Same,
            |on| on.change(|record| { record.delete_alias(&name("live")); Ok(()) });
    }
}

#[rustfmt::skip]
fn policies() -> Vec<Operation> {
    operations! {
        "add a permission", Refused("already exists"),
            |on| on.change(|record| record.add_permission(None, &permission("two", None)));
        "add the first permission of a version", Refused("already exists"),
            |on| on.change(|record| record.add_permission(Some(&version(1)), &permission("two", None)));
        "add a permission of an alias", Refused("already exists"),
            |on| on.change(|record| record.add_permission(Some(&alias("live")), &permission("two", None)));
        "remove the only permission", Refused("No policy is associated"),
            |on| on.change(|record| record.remove_permission(None, "one", None));
        "put a policy", Same,
            |on| on.change(|record| record.put_policy(None, &policy("put"), None));
        "delete a policy", Refused("The resource you requested does not exist."),
            |on| on.change(|record| record.delete_policy(None, None));
    }
}

#[rustfmt::skip]
fn settings() -> Vec<Operation> {
    operations! {
        "reserve executions", Same,
            |on| on.control.put_reserved(&main(), 60);
        "give reserved executions back", Same,
            |on| on.control.delete_reserved(&main());
        "provision environments of a version", Same,
            |on| on.control.put_provisioned(&main(), &version(1), 7);
        "provision more environments of an alias", Same,
            |on| on.control.put_provisioned(&main(), &alias("live"), 6);
        "provision no environments any more", Same,
            |on| on.control.delete_provisioned(&main(), &alias("live"));
        "allow recursion", Same,
            |on| on.change(|record| { record.recursive_loop = RecursiveLoop::Allow; Ok(()) });
        "configure asynchronous invocations", Same,
            |on| on.control.put_event_invoke(&main(), None, &retries(1));
        "configure asynchronous invocations anew", Same,
            |on| on.control.update_event_invoke(&main(), Some(&alias("live")), &retries(0));
        "configure asynchronous invocations no more", Refused("doesn't have an EventInvokeConfig"),
            |on| on.control.delete_event_invoke(&main(), Some(&alias("live")));
        "create a URL", Refused("FunctionUrlConfig exists"),
            |on| on.change(|record| record.create_url(None, FunctionUrl::new(UrlAuth::None, NOW)));
        "change a URL", Same,
            |on| on.change(|record| record.update_url(Some(&alias("live")), UrlChange { auth: Some(UrlAuth::AwsIam), ..UrlChange::default() }, NOW));
        "delete a URL", Refused("The resource you requested does not exist."),
            |on| on.change(|record| record.delete_url(Some(&alias("live"))));
        "manage a runtime", Same,
            |on| on.control.put_runtime_management(&main(), Some(&version(1)), RuntimeManagement { update_on: UpdateRuntimeOn::FunctionUpdate, runtime_version_arn: None });
    }
}

#[rustfmt::skip]
fn layer_versions() -> Vec<Operation> {
    operations! {
        "publish a layer", Adds,
            |on| on.control.publish_layer(publication("l", "layer three"));
        "publish the first version of a layer", Adds,
            |on| on.control.publish_layer(publication("n", "layer three"));
        "delete a layer", Same,
            |on| on.control.delete_layer_version(&layer_version("l", 2));
        "delete a layer that is in use", Same,
            |on| on.control.delete_layer_version(&layer_version("l", 1));
        "add a permission of a layer", Refused("already exists"),
            |on| on.control.add_layer_permission(&layer_version("l", 1), layer_permission("two", None));
        "remove the only permission of a layer", Refused("No policy is associated"),
            |on| on.control.remove_layer_permission(&layer_version("l", 1), "one", None);
    }
}

#[rustfmt::skip]
fn mappings() -> Vec<Operation> {
    operations! {
        "create a mapping", Refused("already exists"),
            |on| on.control.create_mapping(mapping_of("returns"));
        "change a mapping", Same,
            |on| on.control.update_mapping(&scope(), &on.known.mapping, UpdateMapping { function: None, settings: MappingSettings { batch_size: Some(5), ..MappingSettings::default() } });
        "switch a mapping off", Same,
            |on| on.control.update_mapping(&scope(), &on.known.mapping, UpdateMapping { function: None, settings: MappingSettings { enabled: Some(false), ..MappingSettings::default() } });
        "map to another function", Same,
            |on| on.control.update_mapping(&scope(), &on.known.mapping, UpdateMapping { function: Some((function("other"), None)), settings: MappingSettings::default() });
        "delete a mapping", Refused("The resource you requested does not exist."),
            |on| on.control.delete_mapping(&scope(), &on.known.mapping);
    }
}

#[rustfmt::skip]
fn configs() -> Vec<Operation> {
    operations! {
        "create a code signing configuration", Adds,
            |on| on.control.create_code_signing_config(&scope(), CodeSigningSettings::default(), tags("kept"));
        "change a code signing configuration", Same,
            |on| on.control.update_code_signing_config(&scope(), &on.known.used_config, CodeSigningSettings { policy: Some(UntrustedArtifactOnDeployment::Enforce), ..CodeSigningSettings::default() });
        "delete a code signing configuration", Refused("can not be found"),
            |on| on.control.delete_code_signing_config(&scope(), &on.known.free_config);
        "put a function under a code signing configuration", Same,
            |on| on.control.put_function_code_signing_config(&main(), &on.known.free_config);
        "take a function out from under one", Same,
            |on| on.control.delete_function_code_signing_config(&function("other"));
    }
}

#[rustfmt::skip]
fn tagging() -> Vec<Operation> {
    fn mapping(on: &Place) -> Taggable {
        Taggable::Mapping { scope: scope(), uuid: on.known.mapping.clone() }
    }
    fn config(on: &Place) -> Taggable {
        Taggable::parse(&scope(), &on.known.used_config).unwrap()
    }
    fn set() -> TagChange {
        TagChange::Set(tags("new"))
    }
    fn remove() -> TagChange {
        TagChange::Remove(vec!["kept".to_owned()])
    }
    operations! {
        "tag a function", Same,
            |on| on.control.change_tags(&Taggable::Function(main()), set());
        "untag a function", Same,
            |on| on.control.change_tags(&Taggable::Function(main()), remove());
        "tag a mapping", Same,
            |on| on.control.change_tags(&mapping(on), set());
        "untag a mapping", Same,
            |on| on.control.change_tags(&mapping(on), remove());
        "tag a code signing configuration", Same,
            |on| on.control.change_tags(&config(on), set());
        "untag a code signing configuration", Same,
            |on| on.control.change_tags(&config(on), remove());
    }
}
