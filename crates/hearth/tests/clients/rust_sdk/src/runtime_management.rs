//! When the function gets another version of its runtime.

use aws_sdk_lambda::operation::get_runtime_management_config::GetRuntimeManagementConfigError;
use aws_sdk_lambda::operation::put_runtime_management_config::PutRuntimeManagementConfigError;
use aws_sdk_lambda::types::UpdateRuntimeOn;

use crate::session::{ARN, NAME, Session, good, refused};

/// Sets each mode.
pub(crate) async fn manage(session: &Session) {
    let client = &session.client;
    let reading = client.get_runtime_management_config().function_name(NAME);
    let before = good(reading.clone().send().await);
    assert_eq!(before.update_runtime_on(), Some(&UpdateRuntimeOn::Auto));
    assert_eq!((before.function_arn(), before.runtime_version_arn()), (Some(ARN), None));

    let change = client.put_runtime_management_config().function_name(NAME);
    let put = change.clone().update_runtime_on(UpdateRuntimeOn::FunctionUpdate);
    let put = good(put.send().await);
    assert_eq!(put.update_runtime_on(), &UpdateRuntimeOn::FunctionUpdate);
    assert_eq!((put.function_arn(), put.runtime_version_arn()), (ARN, None));
    let manual = change.clone().update_runtime_on(UpdateRuntimeOn::Manual);
    let without = manual.clone().send().await.expect_err("a version is needed");
    let without = without.into_service_error();
    let is_invalid = PutRuntimeManagementConfigError::is_invalid_parameter_value_exception;
    assert!(is_invalid(&without), "{without:?}");
    let shown = good(client.get_function_configuration().function_name(NAME).send().await);
    let version = shown.runtime_version_config().and_then(|config| config.runtime_version_arn());
    let version = version.expect("the runtime has a version");
    good(manual.runtime_version_arn(version).send().await);
    let found = good(reading.clone().send().await);
    assert_eq!(found.update_runtime_on(), Some(&UpdateRuntimeOn::Manual));
    assert_eq!(found.runtime_version_arn(), Some(version));
    good(change.update_runtime_on(UpdateRuntimeOn::Auto).send().await);

    let nobody = client.get_runtime_management_config().function_name("nobody").send().await;
    let text = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody";
    refused(nobody, GetRuntimeManagementConfigError::is_resource_not_found_exception, text);
}
