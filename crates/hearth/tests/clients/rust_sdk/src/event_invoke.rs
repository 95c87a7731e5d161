//! How asynchronous invocations of the function are retried, and where they end.

use aws_sdk_lambda::operation::get_function_event_invoke_config::GetFunctionEventInvokeConfigError;
use aws_sdk_lambda::operation::put_function_event_invoke_config::PutFunctionEventInvokeConfigError;
use aws_sdk_lambda::types::{DestinationConfig, OnFailure, OnSuccess};

use crate::session::{ARN, NAME, QUEUE, Session, good, refused};

/// Configures the function and its alias, lists both, and deletes both.
pub(crate) async fn configure(session: &Session) {
    let client = &session.client;
    let reading = client.get_function_event_invoke_config().function_name(NAME);
    let none = reading.clone().send().await;
    let missing = format!("The function {ARN}:$LATEST doesn't have an EventInvokeConfig");
    refused(none, GetFunctionEventInvokeConfigError::is_resource_not_found_exception, &missing);
    let replacement = client.put_function_event_invoke_config().function_name(NAME);
    let empty = replacement.clone().send().await;
    let text = "You must specify at least one of error handling or destination setting.";
    refused(empty, PutFunctionEventInvokeConfigError::is_invalid_parameter_value_exception, text);

    let on_failure = OnFailure::builder().destination(QUEUE).build();
    let destinations = DestinationConfig::builder().on_failure(on_failure).build();
    let put = replacement.clone().maximum_retry_attempts(1).destination_config(destinations);
    let put = good(put.send().await);
    let latest = format!("{ARN}:$LATEST");
    assert_eq!(put.function_arn(), Some(latest.as_str()));
    assert_eq!((put.maximum_retry_attempts(), put.maximum_event_age_in_seconds()), (Some(1), None));
    assert!(put.last_modified().is_some(), "{put:?}");
    let change = client.update_function_event_invoke_config().function_name(NAME);
    good(change.maximum_event_age_in_seconds(60).send().await);
    let found = good(reading.clone().send().await);
    assert_eq!(found.maximum_retry_attempts(), Some(1));
    assert_eq!(found.maximum_event_age_in_seconds(), Some(60));
    let destinations = found.destination_config().expect("they are always shown");
    assert_eq!(destinations.on_failure().and_then(OnFailure::destination), Some(QUEUE));
    assert!(destinations.on_success().is_some(), "it is shown although there is none");
    assert_eq!(destinations.on_success().and_then(OnSuccess::destination), None);
    let of_alias = replacement.qualifier("live").maximum_retry_attempts(0);
    assert_eq!(good(of_alias.send().await).maximum_retry_attempts(), Some(0));

    let listing = client.list_function_event_invoke_configs().function_name(NAME);
    let listed = good(listing.into_paginator().page_size(1).items().send().try_collect().await);
    let arns: Vec<Option<&str>> = listed.iter().map(|config| config.function_arn()).collect();
    let live = format!("{ARN}:live");
    assert_eq!(arns, [Some(latest.as_str()), Some(live.as_str())]);
    let deletion = client.delete_function_event_invoke_config().function_name(NAME);
    good(deletion.clone().qualifier("live").send().await);
    good(deletion.send().await);
    let gone = reading.send().await;
    refused(gone, GetFunctionEventInvokeConfigError::is_resource_not_found_exception, &missing);
}
