//! Functions: their life, and what they answer.

use aws_sdk_lambda::client::Waiters as _;
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::operation::create_function::{CreateFunctionError, CreateFunctionOutput};
use aws_sdk_lambda::operation::delete_function::DeleteFunctionError;
use aws_sdk_lambda::operation::get_function::GetFunctionError;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::operation::invoke_with_response_stream::InvokeWithResponseStreamError;
use aws_sdk_lambda::operation::update_function_configuration::UpdateFunctionConfigurationError;
use aws_sdk_lambda::primitives::{Blob, ByteStream};
use aws_sdk_lambda::types::{
    Architecture, Environment, FunctionCode, FunctionVersion, InvocationType,
    InvokeWithResponseStreamResponseEvent, LastUpdateStatus, LastUpdateStatusReasonCode, LogFormat,
    LogType, PackageType, ResponseStreamingInvocationType, Runtime, SnapStartApplyOn,
    SnapStartOptimizationStatus, State, StateReasonCode, TracingMode,
};
use serde_json::json;

use crate::session::{
    ARN, NAME, PATIENCE, ROLE, Session, WRONG_REVISION, good, parsed, refused, size,
};

/// A function that comes and goes.
const OTHER: &str = "rust-sdk-other";
const OTHER_ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:rust-sdk-other";
/// Recorded: AWS says so of a change as well.
const CREATING: &str = "The function is being created.";

/// Creates the function, and waits until it is active.
pub(crate) async fn create(session: &Session) {
    let client = &session.client;
    let missing = client.get_function().function_name(NAME).send().await;
    let missing = missing.expect_err("there is no function yet");
    assert_eq!(missing.raw_response().map(|answer| answer.status().as_u16()), Some(404));
    let GetFunctionError::ResourceNotFoundException(missing) = missing.into_service_error() else {
        panic!("what is missing is refused otherwise");
    };
    let text = format!("Function not found: {ARN}");
    assert_eq!((missing.message(), missing.r#type()), (Some(text.as_str()), Some("User")));
    assert_eq!(missing.meta().message(), Some(text.as_str()));

    let creation = client
        .create_function()
        .function_name(NAME)
        .runtime(Runtime::Providedal2023)
        .role(ROLE)
        .handler("bootstrap")
        .code(session.function_code())
        .description("first")
        .environment(Environment::builder().variables("STAGE", "one").build())
        .tags("team", "sdk");
    let made = good(creation.clone().send().await);
    assert_eq!(made.function_arn(), Some(ARN));
    assert_eq!(made.version(), Some("$LATEST"));
    assert_eq!(made.state(), Some(&State::Pending));
    assert_eq!(made.state_reason(), Some(CREATING));
    assert_eq!(made.state_reason_code(), Some(&StateReasonCode::Creating));
    assert_eq!(made.last_update_status(), None);
    check_defaults(&made);
    assert_eq!(made.description(), Some("first"));
    assert_eq!(made.code_size(), size(&session.code));
    let variables = made.environment().and_then(|environment| environment.variables());
    assert_eq!(variables.and_then(|all| all.get("STAGE")).map(String::as_str), Some("one"));

    let again = creation.clone().send().await;
    let text = format!("Function already exist: {NAME}");
    refused(again, CreateFunctionError::is_resource_conflict_exception, &text);
    let text = "Could not unzip uploaded file. Please check your file, then try to upload again.";
    let no_archive = FunctionCode::builder().zip_file(Blob::new("no archive")).build();
    let odd = creation.function_name(OTHER).code(no_archive).send().await;
    refused(odd, CreateFunctionError::is_invalid_parameter_value_exception, text);

    let active = client.wait_until_function_active_v2().function_name(NAME).wait(PATIENCE).await;
    let active = good(active.expect("the function becomes active").into_result());
    let shown = active.configuration().expect("a function has a configuration");
    assert_eq!(shown.state(), Some(&State::Active));
    assert_eq!(shown.last_update_status(), Some(&LastUpdateStatus::Successful));
    assert_eq!((shown.state_reason(), shown.state_reason_code()), (None, None));
    assert_eq!(shown.code_sha256(), made.code_sha256());
    assert_ne!(shown.revision_id(), made.revision_id());
}

/// What AWS shows of a function of which nothing special was asked.
fn check_defaults(made: &CreateFunctionOutput) {
    assert_eq!(made.function_name(), Some(NAME));
    assert_eq!(made.runtime(), Some(&Runtime::Providedal2023));
    assert_eq!((made.role(), made.handler()), (Some(ROLE), Some("bootstrap")));
    assert_eq!((made.timeout(), made.memory_size()), (Some(3), Some(128)));
    assert_eq!(made.package_type(), Some(&PackageType::Zip));
    assert_eq!(made.architectures(), [this_architecture()]);
    assert_eq!(made.ephemeral_storage().map(|storage| storage.size()), Some(512));
    assert_eq!(
        made.tracing_config().and_then(|tracing| tracing.mode()),
        Some(&TracingMode::PassThrough)
    );
    let snap_start = made.snap_start().expect("it is always shown");
    assert_eq!(snap_start.apply_on(), Some(&SnapStartApplyOn::None));
    assert_eq!(snap_start.optimization_status(), Some(&SnapStartOptimizationStatus::Off));
    let logging = made.logging_config().expect("it is always shown");
    assert_eq!(logging.log_format(), Some(&LogFormat::Text));
    assert_eq!(logging.log_group(), Some("/aws/lambda/rust-sdk"));
    let runtime = made.runtime_version_config().and_then(|config| config.runtime_version_arn());
    let runtime = runtime.expect("the runtime has a version");
    assert!(runtime.starts_with("arn:aws:lambda:us-east-1::runtime:"), "{runtime}");
    assert!(made.code_sha256().is_some_and(|digest| digest.len() == 44), "{made:?}");
    assert!(made.revision_id().is_some_and(|revision| revision.len() == 36), "{made:?}");
    assert!(made.last_modified().is_some_and(|at| at.ends_with("+0000")), "{made:?}");
    assert!(made.layers().is_empty() && made.vpc_config().is_none(), "{made:?}");
    assert_eq!((made.kms_key_arn(), made.dead_letter_config()), (None, None));
}

fn this_architecture() -> Architecture {
    if cfg!(target_arch = "x86_64") { Architecture::X8664 } else { Architecture::Arm64 }
}

/// Invokes the function, and asks whether it could be invoked.
pub(crate) async fn invoke(session: &Session) {
    let client = &session.client;
    let call = || client.invoke().function_name(NAME);

    let event = Blob::new(r#"{"from":"the SDK"}"#);
    let answer = good(call().log_type(LogType::Tail).payload(event).send().await);
    assert_eq!((answer.status_code(), answer.function_error()), (200, None));
    assert_eq!(answer.executed_version(), Some("$LATEST"));
    let payload = answer.payload().expect("there is an answer").as_ref();
    let payload = parsed(std::str::from_utf8(payload).ok());
    assert_eq!(payload["event"], json!({ "from": "the SDK" }), "{payload}");
    assert!(answer.log_result().is_some_and(|log| !log.is_empty()), "{answer:?}");

    let dry = good(call().invocation_type(InvocationType::DryRun).send().await);
    assert_eq!((dry.status_code(), dry.function_error()), (204, None));
    assert_eq!((dry.executed_version(), dry.log_result()), (None, None));
    assert!(dry.payload().is_none_or(|payload| payload.as_ref().is_empty()), "{dry:?}");

    let bad = call().payload(Blob::new("{no")).send().await.expect_err("it is not JSON");
    let InvokeError::InvalidRequestContentException(bad) = bad.into_service_error() else {
        panic!("what is not JSON is refused otherwise");
    };
    let text = "Could not parse request body into json: Could not parse payload into json: ";
    assert!(bad.message().is_some_and(|message| message.starts_with(text)), "{bad:?}");
    let nobody = client.invoke().function_name(OTHER).send().await;
    let text = format!("Function not found: {OTHER_ARN}");
    refused(nobody, InvokeError::is_resource_not_found_exception, &text);
}

/// Has the function invoked later, in both ways.
pub(crate) async fn invoke_later(session: &Session) {
    let client = &session.client;
    let event = client.invoke().function_name(NAME).invocation_type(InvocationType::Event);
    let accepted = good(event.payload(Blob::new("{}")).send().await);
    assert_eq!((accepted.status_code(), accepted.function_error()), (202, None));
    assert!(accepted.payload().is_none_or(|payload| payload.as_ref().is_empty()), "{accepted:?}");

    #[expect(deprecated, reason = "it is still served")]
    let older = client.invoke_async();
    let older = older.function_name(NAME).invoke_args(ByteStream::from_static(b"{}"));
    assert_eq!(good(older.send().await).status(), 202);
}

/// Invokes the function for an answer in events: it does not stream, so there is one, and the end.
pub(crate) async fn invoke_with_response_stream(session: &Session) {
    let client = &session.client;
    let call = || client.invoke_with_response_stream().function_name(NAME);

    let event = Blob::new(r#"{"from":"a stream"}"#);
    let mut answer = good(call().log_type(LogType::Tail).payload(event).send().await);
    assert_eq!((answer.status_code(), answer.executed_version()), (200, Some("$LATEST")));
    let kind = answer.response_stream_content_type();
    assert_eq!(kind, Some("application/vnd.amazon.eventstream"));
    let mut events = Vec::new();
    while let Some(event) = answer.event_stream.recv().await.expect("the events can be read") {
        events.push(event);
    }
    let [
        InvokeWithResponseStreamResponseEvent::PayloadChunk(chunk),
        InvokeWithResponseStreamResponseEvent::InvokeComplete(complete),
    ] = events.as_slice()
    else {
        panic!("other events: {events:?}");
    };
    let payload = chunk.payload().expect("there is an answer").as_ref();
    let payload = parsed(std::str::from_utf8(payload).ok());
    assert_eq!(payload["event"], json!({ "from": "a stream" }), "{payload}");
    assert_eq!((complete.error_code(), complete.error_details()), (None, None));
    assert!(complete.log_result().is_some_and(|log| !log.is_empty()), "{complete:?}");

    let dry = call().invocation_type(ResponseStreamingInvocationType::DryRun).send().await;
    assert_eq!(good(dry).status_code(), 204);
    let nobody = client.invoke_with_response_stream().function_name(OTHER).send().await;
    let text = format!("Function not found: {OTHER_ARN}");
    refused(nobody, InvokeWithResponseStreamError::is_resource_not_found_exception, &text);
}

/// Changes the configuration of the function, and waits until it is in use.
pub(crate) async fn change_configuration(session: &Session) {
    let client = &session.client;
    let before = good(client.get_function_configuration().function_name(NAME).send().await);
    let change =
        client.update_function_configuration().function_name(NAME).timeout(7).memory_size(256);
    let wrong = change.clone().revision_id(WRONG_REVISION).send().await;
    let text = "The Revision Id provided does not match the latest Revision Id. Call the \
                GetFunction/GetAlias API to retrieve the latest Revision Id";
    refused(wrong, UpdateFunctionConfigurationError::is_precondition_failed_exception, text);

    let revision = before.revision_id().expect("there is a revision");
    let changing = good(change.revision_id(revision).send().await);
    assert_eq!((changing.timeout(), changing.memory_size()), (Some(7), Some(256)));
    assert_eq!(changing.state(), Some(&State::Active));
    assert_eq!(changing.last_update_status(), Some(&LastUpdateStatus::InProgress));
    assert_eq!(changing.last_update_status_reason(), Some(CREATING));
    let code = changing.last_update_status_reason_code().map(LastUpdateStatusReasonCode::as_str);
    assert_eq!(code, Some("Creating"));
    wait_until_updated(session).await;

    let after = good(client.get_function_configuration().function_name(NAME).send().await);
    assert_eq!((after.timeout(), after.memory_size()), (Some(7), Some(256)));
    assert_eq!((after.description(), after.handler()), (Some("first"), Some("bootstrap")));
    assert_eq!(after.last_update_status(), Some(&LastUpdateStatus::Successful));
    assert_eq!(after.last_update_status_reason(), None);
    assert_eq!(after.code_sha256(), before.code_sha256());
    assert_ne!(after.revision_id(), before.revision_id());
}

/// Waits until a change is in use.
pub(crate) async fn wait_until_updated(session: &Session) {
    let updated = session.client.wait_until_function_updated_v2();
    let updated = updated.function_name(NAME).wait(PATIENCE).await;
    let updated = good(updated.expect("the function is updated").into_result());
    let status = updated.configuration().and_then(|shown| shown.last_update_status());
    assert_eq!(status, Some(&LastUpdateStatus::Successful));
}

/// Replaces the code of the function, and waits until it is in use.
pub(crate) async fn change_code(session: &Session) {
    let client = &session.client;
    let before = good(client.get_function().function_name(NAME).send().await);
    let digest_before = before.configuration().and_then(|shown| shown.code_sha256());
    let change = client.update_function_code().function_name(NAME);
    let change = change.zip_file(session.other_code.clone());

    good(change.clone().dry_run(true).send().await);
    let same = good(client.get_function_configuration().function_name(NAME).send().await);
    assert_eq!(same.code_sha256(), digest_before, "a dry run changes nothing");

    let changing = good(change.send().await);
    assert_eq!(changing.function_arn(), Some(ARN));
    assert_eq!(changing.code_size(), size(&session.other_code));
    assert_ne!(changing.code_sha256(), digest_before);
    assert_eq!(changing.last_update_status(), Some(&LastUpdateStatus::InProgress));
    wait_until_updated(session).await;

    let after = good(client.get_function().function_name(NAME).qualifier("$LATEST").send().await);
    let shown = after.configuration().expect("a function has a configuration");
    let qualified = format!("{ARN}:$LATEST");
    assert_eq!(shown.function_arn(), Some(qualified.as_str()));
    assert_eq!(shown.code_sha256(), changing.code_sha256());
    let code = after.code().expect("a function has code");
    assert_eq!(code.repository_type(), Some("S3"));
    let location = code.location().expect("the code is somewhere");
    assert!(location.starts_with(&session.endpoint), "{location}");
    let tags = after.tags().expect("the function has tags");
    assert_eq!((tags.len(), tags.get("team").map(String::as_str)), (1, Some("sdk")));
    assert!(after.concurrency().is_none(), "{after:?}");
}

/// Creates another function with a version, lists both, and deletes it.
pub(crate) async fn list_with_another(session: &Session) {
    let client = &session.client;
    let creation = client
        .create_function()
        .function_name(OTHER)
        .runtime(Runtime::Providedal2023)
        .role(ROLE)
        .handler("bootstrap")
        .code(session.function_code())
        .publish(true);
    let made = good(creation.send().await);
    let qualified = format!("{OTHER_ARN}:1");
    assert_eq!((made.function_arn(), made.version()), (Some(qualified.as_str()), Some("1")));
    assert_eq!(made.state(), Some(&State::Pending));
    let active = client.wait_until_published_version_active().function_name(OTHER).qualifier("1");
    let active = active.wait(PATIENCE).await.expect("the version becomes active");
    let active = good(active.into_result());
    assert_eq!((active.version(), active.state()), (Some("1"), Some(&State::Active)));

    let pages = client.list_functions().into_paginator().page_size(1).send();
    let pages = good(pages.try_collect().await);
    let names: Vec<Vec<Option<&str>>> = pages
        .iter()
        .map(|page| page.functions().iter().map(|function| function.function_name()).collect())
        .collect();
    assert_eq!(names, [[Some(NAME)], [Some(OTHER)]]);
    let mut listed = pages.iter().flat_map(|page| page.functions());
    assert!(
        listed.all(|function| function.state().is_none()),
        "a listing has no states: {pages:?}"
    );

    let versions = client.list_functions().function_version(FunctionVersion::All);
    let versions = versions.into_paginator().page_size(2).items().send();
    let versions = good(versions.try_collect().await);
    let arns: Vec<Option<&str>> = versions.iter().map(|version| version.function_arn()).collect();
    let (latest, other_latest) = (format!("{ARN}:$LATEST"), format!("{OTHER_ARN}:$LATEST"));
    assert_eq!(arns, [Some(&*latest), Some(&*other_latest), Some(&*qualified)]);

    let deleted = good(client.delete_function().function_name(OTHER).send().await);
    assert_eq!(deleted.status_code(), 204);
    let again = client.delete_function().function_name(OTHER).send().await;
    let text = format!("Function not found: {OTHER_ARN}");
    refused(again, DeleteFunctionError::is_resource_not_found_exception, &text);
}

/// Deletes the function, with all that belongs to it.
pub(crate) async fn delete(session: &Session) {
    let client = &session.client;
    let deletion = client.delete_function().function_name(NAME);
    let in_use = deletion.clone().qualifier("1").send().await;
    let text = "Unable to delete version because the following aliases reference it: [live]";
    refused(in_use, DeleteFunctionError::is_resource_conflict_exception, text);
    assert_eq!(good(deletion.clone().qualifier("2").send().await).status_code(), 204);
    assert_eq!(good(deletion.send().await).status_code(), 204);
    let text = format!("Function not found: {ARN}");
    let gone = client.get_function().function_name(NAME).send().await;
    refused(gone, GetFunctionError::is_resource_not_found_exception, &text);
    let listed = good(client.list_functions().send().await);
    assert!(listed.functions().is_empty() && listed.next_marker().is_none(), "{listed:?}");
}
