//! The URLs of the function and of its alias.

use aws_sdk_lambda::operation::create_function_url_config::CreateFunctionUrlConfigError;
use aws_sdk_lambda::operation::get_function_url_config::GetFunctionUrlConfigError;
use aws_sdk_lambda::types::{Cors, FunctionUrlAuthType, InvokeMode};

use crate::session::{ARN, NAME, Session, good, refused};

const NOT_THERE: &str = "The resource you requested does not exist.";

/// Creates two URLs, changes one, lists both, and deletes both.
pub(crate) async fn configure(session: &Session) {
    let client = &session.client;
    let reading = client.get_function_url_config().function_name(NAME);
    let none = reading.clone().send().await;
    refused(none, GetFunctionUrlConfigError::is_resource_not_found_exception, NOT_THERE);

    let cors = Cors::builder().allow_origins("*").allow_methods("GET").max_age(60).build();
    let creation = client.create_function_url_config().function_name(NAME);
    let creation = creation.auth_type(FunctionUrlAuthType::None);
    let made = good(creation.clone().cors(cors.clone()).send().await);
    assert_eq!((made.function_arn(), made.auth_type()), (ARN, &FunctionUrlAuthType::None));
    assert_eq!((made.cors(), made.invoke_mode()), (Some(&cors), None));
    let url = made.function_url();
    assert!(url.starts_with("http") && url.contains(".lambda-url.us-east-1."), "{url}");
    let again = creation.clone().send().await;
    let text = format!(
        "Failed to create function url config for [functionArn = {ARN}]. \
         Error message:  FunctionUrlConfig exists for this Lambda function"
    );
    refused(again, CreateFunctionUrlConfigError::is_resource_conflict_exception, &text);
    let of_alias = good(creation.qualifier("live").send().await);
    assert_eq!(of_alias.function_arn(), format!("{ARN}:live"));
    assert_ne!(of_alias.function_url(), url);

    let before = good(reading.clone().send().await);
    assert_eq!(before.invoke_mode(), Some(&InvokeMode::Buffered));
    assert_eq!((before.function_url(), before.creation_time()), (url, made.creation_time()));
    assert_eq!(before.last_modified_time(), made.creation_time());
    let change = client.update_function_url_config().function_name(NAME);
    let changed = good(change.invoke_mode(InvokeMode::ResponseStream).send().await);
    assert_eq!((changed.function_url(), changed.cors()), (url, Some(&cors)));
    let after = good(reading.clone().send().await);
    assert_eq!(after.invoke_mode(), Some(&InvokeMode::ResponseStream));
    assert_eq!(after.auth_type(), &FunctionUrlAuthType::None);

    let listing = client.list_function_url_configs().function_name(NAME);
    let listed = good(listing.into_paginator().page_size(1).items().send().try_collect().await);
    let urls: Vec<&str> = listed.iter().map(|config| config.function_url()).collect();
    assert_eq!(urls, [url, of_alias.function_url()]);
    let deletion = client.delete_function_url_config().function_name(NAME);
    good(deletion.clone().qualifier("live").send().await);
    good(deletion.send().await);
    let gone = reading.send().await;
    refused(gone, GetFunctionUrlConfigError::is_resource_not_found_exception, NOT_THERE);
}
