//! Drives a server through the AWS SDK for Rust, unmodified: every operation of Lambda that the
//! server offers, with typical input, and what comes back as the types of the SDK.
//!
//! ```text
//! rust_sdk ENDPOINT OPERATION,OPERATION,… CODE.zip OTHER-CODE.zip
//! ```
//!
//! The operations are those that the server offers, on which nothing has been made before. The
//! archives hold the code of a function on `provided.al2023` that answers with an object whose
//! `event` is what it was given.
//!
//! # Promises
//!
//! 1. It prints `done` and ends with 0 only if every answer was as expected.
//! 2. What was called, what [`DRIVEN`] lists and what the server offers are the same operations.
//!
//! # Deliberately absent
//!
//! Whatever needs input that the SDK would not send, and each way to be refused: that is what the
//! scripts with boto3 are for.

mod session;
mod functions;
mod versions;
mod tags;
mod permissions;
mod layers;
mod concurrency;
mod event_invoke;
mod urls;
mod mappings;
mod code_signing;
mod runtime_management;

use std::collections::BTreeSet;

use crate::session::Session;

/// The operations that are called, by the module that calls them.
#[rustfmt::skip]
const DRIVEN: &[(&str, &[&str])] = &[
    ("functions",          &["CreateFunction", "GetFunction", "GetFunctionConfiguration", "ListFunctions",
                             "UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunction", "Invoke",
                             "InvokeAsync", "InvokeWithResponseStream"]),
    ("versions",           &["PublishVersion", "ListVersionsByFunction",
                             "CreateAlias", "GetAlias", "UpdateAlias", "DeleteAlias", "ListAliases"]),
    ("tags",               &["TagResource", "UntagResource", "ListTags"]),
    ("permissions",        &["AddPermission", "RemovePermission", "GetPolicy",
                             "PutResourcePolicy", "GetResourcePolicy", "DeleteResourcePolicy"]),
    ("layers",             &["PublishLayerVersion", "GetLayerVersion", "GetLayerVersionByArn",
                             "ListLayerVersions", "ListLayers", "DeleteLayerVersion",
                             "AddLayerVersionPermission", "RemoveLayerVersionPermission",
                             "GetLayerVersionPolicy"]),
    ("concurrency",        &["PutFunctionConcurrency", "GetFunctionConcurrency", "DeleteFunctionConcurrency",
                             "PutProvisionedConcurrencyConfig", "GetProvisionedConcurrencyConfig",
                             "ListProvisionedConcurrencyConfigs", "DeleteProvisionedConcurrencyConfig",
                             "PutFunctionScalingConfig", "GetFunctionScalingConfig",
                             "PutFunctionRecursionConfig", "GetFunctionRecursionConfig",
                             "GetAccountSettings"]),
    ("event_invoke",       &["PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig",
                             "GetFunctionEventInvokeConfig", "ListFunctionEventInvokeConfigs",
                             "DeleteFunctionEventInvokeConfig"]),
    ("urls",               &["CreateFunctionUrlConfig", "GetFunctionUrlConfig", "UpdateFunctionUrlConfig",
                             "DeleteFunctionUrlConfig", "ListFunctionUrlConfigs"]),
    ("mappings",           &["CreateEventSourceMapping", "GetEventSourceMapping",
                             "UpdateEventSourceMapping", "DeleteEventSourceMapping",
                             "ListEventSourceMappings"]),
    ("code_signing",       &["CreateCodeSigningConfig", "GetCodeSigningConfig", "UpdateCodeSigningConfig",
                             "DeleteCodeSigningConfig", "ListCodeSigningConfigs",
                             "ListFunctionsByCodeSigningConfig", "PutFunctionCodeSigningConfig",
                             "GetFunctionCodeSigningConfig", "DeleteFunctionCodeSigningConfig"]),
    ("runtime_management", &["PutRuntimeManagementConfig", "GetRuntimeManagementConfig"]),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, offered, code, other_code] = arguments.as_slice() else {
        panic!("it takes an endpoint, operations and two archives, not {arguments:?}");
    };
    let session = Session::new(endpoint, [code, other_code]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be started").block_on(drive(&session));
    same_operations(&session.called(), offered);
    println!("done");
}

/// Calls everything. There is one function all the time, and what belongs to it comes and goes.
async fn drive(session: &Session) {
    functions::create(session).await;
    functions::invoke(session).await;
    functions::invoke_later(session).await;
    functions::invoke_with_response_stream(session).await;
    functions::change_configuration(session).await;
    functions::change_code(session).await;
    functions::list_with_another(session).await;
    versions::publish(session).await;
    versions::point_aliases(session).await;
    tags::tag(session).await;
    permissions::add_and_remove(session).await;
    permissions::replace_policy(session).await;
    layers::publish_and_delete(session).await;
    layers::share(session).await;
    concurrency::reserve(session).await;
    concurrency::provision(session).await;
    concurrency::scale_and_recurse(session).await;
    event_invoke::configure(session).await;
    urls::configure(session).await;
    mappings::map(session).await;
    code_signing::configure(session).await;
    code_signing::apply(session).await;
    runtime_management::manage(session).await;
    functions::delete(session).await;
}

/// Fails unless what was called is what is listed, and what the server offers.
fn same_operations(called: &BTreeSet<String>, offered: &str) {
    let called: BTreeSet<&str> = called.iter().map(String::as_str).collect();
    let listed: BTreeSet<&str> =
        DRIVEN.iter().flat_map(|(_, operations)| operations.iter().copied()).collect();
    let offered: BTreeSet<&str> = offered.split(',').collect();
    for (what, expected) in [("the table lists", listed), ("the server offers", offered)] {
        let not_called: Vec<&&str> = expected.difference(&called).collect();
        assert!(not_called.is_empty(), "{what} what is not called: {not_called:?}");
        let not_expected: Vec<&&str> = called.difference(&expected).collect();
        assert!(not_expected.is_empty(), "{what} all but what is called: {not_expected:?}");
    }
}
