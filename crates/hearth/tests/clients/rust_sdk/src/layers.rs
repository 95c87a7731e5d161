//! Layers: their versions, and who may use them.

use aws_sdk_lambda::operation::add_layer_version_permission::AddLayerVersionPermissionError;
use aws_sdk_lambda::operation::get_layer_version::GetLayerVersionError;
use aws_sdk_lambda::operation::get_layer_version_policy::GetLayerVersionPolicyError;
use aws_sdk_lambda::operation::remove_layer_version_permission::RemoveLayerVersionPermissionError;
use aws_sdk_lambda::types::{Architecture, LayerVersionContentInput, Runtime};
use serde_json::json;

use crate::session::{Session, WRONG_REVISION, good, parsed, refused, size};

const LAYER: &str = "rust-sdk-layer";
const LAYER_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:layer:rust-sdk-layer";
const NOT_THERE: &str = "The resource you requested does not exist.";

/// Publishes two versions of a layer, reads and lists them, and deletes them.
pub(crate) async fn publish_and_delete(session: &Session) {
    let client = &session.client;
    let content = LayerVersionContentInput::builder().zip_file(session.code.clone()).build();
    let publication = client.publish_layer_version().layer_name(LAYER).content(content);
    let described = publication
        .clone()
        .description("tools")
        .license_info("MIT")
        .compatible_runtimes(Runtime::Providedal2023)
        .compatible_runtimes(Runtime::Python312)
        .compatible_architectures(Architecture::Arm64);
    let first = good(described.send().await);
    let qualified = format!("{LAYER_ARN}:1");
    assert_eq!(first.layer_arn(), Some(LAYER_ARN));
    assert_eq!((first.layer_version_arn(), first.version()), (Some(qualified.as_str()), 1));
    assert_eq!((first.description(), first.license_info()), (Some("tools"), Some("MIT")));
    assert_eq!(first.compatible_runtimes(), [Runtime::Providedal2023, Runtime::Python312]);
    assert_eq!(first.compatible_architectures(), [Architecture::Arm64]);
    let content = first.content().expect("a version has content");
    assert_eq!(content.code_size(), size(&session.code));
    let location = content.location().expect("the content is somewhere");
    assert!(location.starts_with(&session.endpoint), "{location}");
    let second = good(publication.send().await);
    assert_eq!((second.version(), second.description()), (2, Some("")));
    assert_eq!(second.license_info(), None);
    assert!(second.compatible_runtimes().is_empty(), "{second:?}");

    let reading = client.get_layer_version().layer_name(LAYER);
    let found = good(reading.clone().version_number(1).send().await);
    assert_eq!(found.content(), first.content());
    assert_eq!(found.created_date(), first.created_date());
    let by_arn = good(client.get_layer_version_by_arn().arn(&qualified).send().await);
    assert_eq!(by_arn.content(), first.content());
    assert_eq!((by_arn.version(), by_arn.description()), (1, Some("tools")));
    let missing = reading.clone().version_number(3).send().await;
    refused(missing, GetLayerVersionError::is_resource_not_found_exception, NOT_THERE);
    list(session).await;

    let deletion = client.delete_layer_version().layer_name(LAYER);
    good(deletion.clone().version_number(1).send().await);
    good(deletion.version_number(2).send().await);
    let gone = reading.version_number(1).send().await;
    refused(gone, GetLayerVersionError::is_resource_not_found_exception, NOT_THERE);
    assert!(good(client.list_layers().send().await).layers().is_empty());
}

/// Lists the two versions.
async fn list(session: &Session) {
    let client = &session.client;
    let listing = client.list_layer_versions().layer_name(LAYER);
    let versions = listing.clone().into_paginator().page_size(1).items().send();
    let versions = good(versions.try_collect().await);
    let numbers: Vec<i64> = versions.iter().map(|version| version.version()).collect();
    assert_eq!(numbers, [2, 1], "the newest comes first");
    let fitting = good(listing.compatible_runtime(Runtime::Python312).send().await);
    let numbers: Vec<i64> =
        fitting.layer_versions().iter().map(|version| version.version()).collect();
    assert_eq!(numbers, [1]);

    let layers = client.list_layers().into_paginator().page_size(1).items().send();
    let layers = good(layers.try_collect().await);
    assert_eq!(layers.len(), 1, "{layers:?}");
    assert_eq!((layers[0].layer_name(), layers[0].layer_arn()), (Some(LAYER), Some(LAYER_ARN)));
    let newest = layers[0].latest_matching_version().expect("a layer has a version");
    assert_eq!(newest.version(), 2);
}

/// Lets everybody use a version of a layer, and no longer.
pub(crate) async fn share(session: &Session) {
    let client = &session.client;
    let content = LayerVersionContentInput::builder().zip_file(session.code.clone()).build();
    let publication = client.publish_layer_version().layer_name(LAYER).content(content);
    let number = good(publication.send().await).version();
    assert_eq!(number, 3, "numbers are not used again");

    let reading = client.get_layer_version_policy().layer_name(LAYER).version_number(number);
    let none = reading.clone().send().await;
    let text = "No policy is associated with the given resource.";
    refused(none, GetLayerVersionPolicyError::is_resource_not_found_exception, text);
    let addition = client
        .add_layer_version_permission()
        .layer_name(LAYER)
        .version_number(number)
        .statement_id("all")
        .action("lambda:GetLayerVersion")
        .principal("*");
    let statement = json!({
        "Sid": "all",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:GetLayerVersion",
        "Resource": format!("{LAYER_ARN}:{number}"),
    });
    let added = good(addition.clone().send().await);
    assert_eq!(parsed(added.statement()), statement);
    let again = addition.send().await;
    let text = "The statement id (all) provided already exists. \
                Please provide a new statement id, or remove the existing statement.";
    refused(again, AddLayerVersionPermissionError::is_resource_conflict_exception, text);

    let found = good(reading.clone().send().await);
    let policy = json!({ "Version": "2012-10-17", "Id": "default", "Statement": [statement] });
    assert_eq!((parsed(found.policy()), found.revision_id()), (policy, added.revision_id()));
    let removal = client.remove_layer_version_permission().layer_name(LAYER);
    let removal = removal.version_number(number).statement_id("all");
    let wrong = removal.clone().revision_id(WRONG_REVISION).send().await;
    let text = "The Revision Id provided does not match the latest Revision Id. \
                Call the GetLayerPolicy API to retrieve the latest Revision Id";
    refused(wrong, RemoveLayerVersionPermissionError::is_precondition_failed_exception, text);
    let revision = found.revision_id().expect("there is a revision");
    good(removal.revision_id(revision).send().await);
    let gone = reading.send().await;
    let text = "No policy is associated with the given resource.";
    refused(gone, GetLayerVersionPolicyError::is_resource_not_found_exception, text);
    let deletion = client.delete_layer_version().layer_name(LAYER).version_number(number);
    good(deletion.send().await);
}
