//! A mapping of a queue to the function.

use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::create_event_source_mapping::CreateEventSourceMappingError;
use aws_sdk_lambda::operation::get_event_source_mapping::{
    GetEventSourceMappingError, GetEventSourceMappingOutput,
};
use aws_sdk_lambda::types::{Filter, FilterCriteria, FunctionResponseType, ScalingConfig};

use crate::session::{ARN, NAME, QUEUE, Session, eventually, good, refused};
use crate::tags::{expected, tags_of};

const FILTER: &str = r#"{"body":{"city":["Bern"]}}"#;

/// Creates a mapping that is off, changes it, lists it, and deletes it.
pub(crate) async fn map(session: &Session) {
    let client = &session.client;
    let criteria = FilterCriteria::builder().filters(Filter::builder().pattern(FILTER).build());
    let creation = client
        .create_event_source_mapping()
        .function_name(NAME)
        .event_source_arn(QUEUE)
        .enabled(false)
        .batch_size(5)
        .filter_criteria(criteria.build())
        .function_response_types(FunctionResponseType::ReportBatchItemFailures)
        .scaling_config(ScalingConfig::builder().maximum_concurrency(2).build())
        .tags("team", "sdk");
    let made = good(creation.clone().send().await);
    let uuid = made.uuid().expect("a mapping has a name");
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}");
    assert_eq!(made.event_source_mapping_arn(), Some(arn.as_str()));
    assert_eq!((made.function_arn(), made.event_source_arn()), (Some(ARN), Some(QUEUE)));
    assert_eq!((made.state(), made.batch_size()), (Some("Creating"), Some(5)));
    assert_eq!(made.state_transition_reason(), Some("USER_INITIATED"));
    assert_eq!(made.maximum_batching_window_in_seconds(), Some(0));
    assert_eq!(made.function_response_types(), [FunctionResponseType::ReportBatchItemFailures]);
    let most = made.scaling_config().and_then(ScalingConfig::maximum_concurrency);
    assert_eq!(most, Some(2));
    let filters = made.filter_criteria().expect("there are filters").filters();
    assert_eq!(filters.iter().map(Filter::pattern).collect::<Vec<_>>(), [Some(FILTER)]);
    assert!(made.last_modified().is_some() && made.starting_position().is_none(), "{made:?}");
    assert_eq!(tags_of(session, &arn).await, expected(&[("team", "sdk")]));

    let again = creation.clone().send().await;
    let text = format!(
        "An event source mapping with SQS arn (\" {QUEUE} \") and function (\" {NAME} \") already \
         exists. Please update or delete the existing mapping with UUID {uuid}"
    );
    refused(again, CreateEventSourceMappingError::is_resource_conflict_exception, &text);
    let for_nobody = creation.function_name("nobody").send().await;
    let text = "Function does not exist";
    refused(for_nobody, CreateEventSourceMappingError::is_invalid_parameter_value_exception, text);

    rested(session, uuid).await;
    let change = client.update_event_source_mapping().uuid(uuid).batch_size(7);
    let changing = good(change.send().await);
    assert_eq!((changing.state(), changing.batch_size()), (Some("Updating"), Some(7)));
    let changed = rested(session, uuid).await;
    assert_eq!((changed.batch_size(), changed.function_arn()), (Some(7), Some(ARN)));
    let listing = client.list_event_source_mappings().function_name(NAME).into_paginator();
    let listed = good(listing.page_size(1).items().send().try_collect().await);
    let uuids: Vec<Option<&str>> = listed.iter().map(|mapping| mapping.uuid()).collect();
    assert_eq!(uuids, [Some(uuid)]);
    delete(session, uuid).await;
}

/// The mapping, once it is not in between two states any more.
async fn rested(session: &Session, uuid: &str) -> GetEventSourceMappingOutput {
    let reading = session.client.get_event_source_mapping().uuid(uuid);
    let rested = eventually(
        "the mapping comes to rest",
        async || good(reading.clone().send().await),
        |found: &GetEventSourceMappingOutput| found.state() == Some("Disabled"),
    );
    rested.await
}

/// Deletes the mapping, and waits until it is gone.
async fn delete(session: &Session, uuid: &str) {
    let client = &session.client;
    let deleting = good(client.delete_event_source_mapping().uuid(uuid).send().await);
    assert_eq!((deleting.uuid(), deleting.state()), (Some(uuid), Some("Deleting")));
    let reading = client.get_event_source_mapping().uuid(uuid);
    let gone = eventually(
        "the mapping is gone",
        async || reading.clone().send().await,
        |found: &Result<_, SdkError<GetEventSourceMappingError>>| found.is_err(),
    );
    refused(
        gone.await,
        GetEventSourceMappingError::is_resource_not_found_exception,
        "The resource you requested does not exist.",
    );
}
