//! Concurrency (reserved, provisioned, scaling), recursion, and the limits of the account.

use aws_sdk_lambda::operation::get_provisioned_concurrency_config::{
    GetProvisionedConcurrencyConfigError, GetProvisionedConcurrencyConfigOutput,
};
use aws_sdk_lambda::operation::put_function_concurrency::PutFunctionConcurrencyError;
use aws_sdk_lambda::types::{
    AccountLimit, FunctionScalingConfig, ProvisionedConcurrencyStatusEnum, RecursiveLoop,
};

use crate::session::{ARN, NAME, Session, eventually, good, refused, refused_with};

/// Reserves a part of the account for the function, and gives it back.
pub(crate) async fn reserve(session: &Session) {
    let client = &session.client;
    let settings = good(client.get_account_settings().send().await);
    let usage = settings.account_usage().expect("it is always shown");
    assert_eq!(usage.function_count(), 1);
    assert!(usage.total_code_size() > 0, "{usage:?}");
    let limit = settings.account_limit().expect("it is always shown");
    assert_eq!((limit.code_size_zipped(), limit.code_size_unzipped()), (52_428_800, 262_144_000));
    assert_eq!(limit.total_code_size(), 322_122_547_200);
    let all = limit.concurrent_executions();
    assert_eq!(limit.unreserved_concurrent_executions(), Some(all), "nothing is reserved");

    let reading = client.get_function_concurrency().function_name(NAME);
    let none = good(reading.clone().send().await);
    assert_eq!(none.reserved_concurrent_executions(), None);
    let reservation = client.put_function_concurrency().function_name(NAME);
    let put = good(reservation.clone().reserved_concurrent_executions(5).send().await);
    assert_eq!(put.reserved_concurrent_executions(), Some(5));
    let found = good(reading.clone().send().await);
    assert_eq!(found.reserved_concurrent_executions(), Some(5));
    let shown = good(client.get_function().function_name(NAME).send().await);
    let shown = shown.concurrency().and_then(|shown| shown.reserved_concurrent_executions());
    assert_eq!(shown, Some(5));
    let settings = good(client.get_account_settings().send().await);
    let unreserved =
        settings.account_limit().and_then(AccountLimit::unreserved_concurrent_executions);
    assert_eq!(unreserved, Some(all - 5));

    let too_much = reservation.reserved_concurrent_executions(all).send().await;
    let minimum = all.min(100);
    let text = format!(
        "Specified ReservedConcurrentExecutions for function decreases account's \
         UnreservedConcurrentExecution below its minimum value of [{minimum}]."
    );
    refused(too_much, PutFunctionConcurrencyError::is_invalid_parameter_value_exception, &text);
    good(client.delete_function_concurrency().function_name(NAME).send().await);
    assert_eq!(good(reading.send().await).reserved_concurrent_executions(), None);
}

/// Provisions an environment for version 1, waits for it, and gives it back.
pub(crate) async fn provision(session: &Session) {
    let client = &session.client;
    let reading = client.get_provisioned_concurrency_config().function_name(NAME);
    let none = reading.clone().qualifier("1").send().await;
    refused(
        none,
        GetProvisionedConcurrencyConfigError::is_provisioned_concurrency_config_not_found_exception,
        "No Provisioned Concurrency Config found for this function",
    );
    let latest = reading.clone().qualifier("$LATEST").send().await;
    refused(
        latest,
        GetProvisionedConcurrencyConfigError::is_invalid_parameter_value_exception,
        "The function resource provided must be an alias or a published version.",
    );

    let order = client.put_provisioned_concurrency_config().function_name(NAME).qualifier("1");
    let put = good(order.provisioned_concurrent_executions(1).send().await);
    assert_eq!(put.status(), Some(&ProvisionedConcurrencyStatusEnum::InProgress));
    assert_eq!(put.requested_provisioned_concurrent_executions(), Some(1));
    assert_eq!(put.allocated_provisioned_concurrent_executions(), Some(0));
    assert_eq!(put.available_provisioned_concurrent_executions(), Some(0));
    assert!(put.last_modified().is_some_and(|at| at.ends_with("+0000")), "{put:?}");
    let ready = eventually(
        "the environment is ready",
        async || good(reading.clone().qualifier("1").send().await),
        |found: &GetProvisionedConcurrencyConfigOutput| {
            found.status() != Some(&ProvisionedConcurrencyStatusEnum::InProgress)
        },
    );
    let ready = ready.await;
    assert_eq!(ready.status(), Some(&ProvisionedConcurrencyStatusEnum::Ready));
    assert_eq!(ready.allocated_provisioned_concurrent_executions(), Some(1));
    assert_eq!(ready.available_provisioned_concurrent_executions(), Some(1));
    assert_eq!((ready.status_reason(), ready.last_modified()), (None, put.last_modified()));

    let listing = client.list_provisioned_concurrency_configs().function_name(NAME);
    let listed = good(listing.into_paginator().page_size(1).items().send().try_collect().await);
    let arns: Vec<Option<&str>> = listed.iter().map(|config| config.function_arn()).collect();
    let qualified = format!("{ARN}:1");
    assert_eq!(arns, [Some(qualified.as_str())]);
    let end = client.delete_provisioned_concurrency_config().function_name(NAME).qualifier("1");
    good(end.clone().send().await);
    good(end.send().await);
    let gone = reading.qualifier("1").send().await;
    refused(
        gone,
        GetProvisionedConcurrencyConfigError::is_provisioned_concurrency_config_not_found_exception,
        "No Provisioned Concurrency Config found for this function",
    );
}

/// What belongs to capacity providers is refused; recursion is allowed.
pub(crate) async fn scale_and_recurse(session: &Session) {
    let client = &session.client;
    let settings = FunctionScalingConfig::builder();
    let settings = settings.min_execution_environments(1).max_execution_environments(2).build();
    let put = client.put_function_scaling_config().function_name(NAME).qualifier("1");
    let put = put.function_scaling_config(settings).send().await;
    let denied = (
        "AccessDeniedException",
        "The function provided by the arn does not contain a capacity provider configuration",
    );
    refused_with(put, denied);
    let get = client.get_function_scaling_config().function_name(NAME).qualifier("1").send().await;
    refused_with(get, denied);

    let reading = client.get_function_recursion_config().function_name(NAME);
    let before = good(reading.clone().send().await);
    assert_eq!(before.recursive_loop(), Some(&RecursiveLoop::Terminate));
    let change = client.put_function_recursion_config().function_name(NAME);
    let put = good(change.recursive_loop(RecursiveLoop::Allow).send().await);
    assert_eq!(put.recursive_loop(), Some(&RecursiveLoop::Allow));
    assert_eq!(good(reading.send().await).recursive_loop(), Some(&RecursiveLoop::Allow));
}
