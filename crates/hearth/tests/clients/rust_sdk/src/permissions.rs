//! The policy of the function, statement by statement and as a whole.

use aws_sdk_lambda::operation::add_permission::AddPermissionError;
use aws_sdk_lambda::operation::get_policy::GetPolicyError;
use aws_sdk_lambda::operation::get_resource_policy::GetResourcePolicyError;
use aws_sdk_lambda::operation::put_resource_policy::PutResourcePolicyError;
use aws_sdk_lambda::operation::remove_permission::RemovePermissionError;
use serde_json::json;

use crate::session::{ARN, NAME, Session, WRONG_REVISION, good, parsed, refused};

const NOT_THERE: &str = "The resource you requested does not exist.";
const BUCKET: &str = "arn:aws:s3:::bucket";

/// Adds a statement, reads the policy, and removes the statement.
pub(crate) async fn add_and_remove(session: &Session) {
    let client = &session.client;
    let none = client.get_policy().function_name(NAME).send().await;
    refused(none, GetPolicyError::is_resource_not_found_exception, NOT_THERE);

    let addition = client
        .add_permission()
        .function_name(NAME)
        .statement_id("s3")
        .action("lambda:InvokeFunction")
        .principal("s3.amazonaws.com")
        .source_arn(BUCKET)
        .source_account("000000000000");
    let statement = json!({
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": { "Service": "s3.amazonaws.com" },
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
        "Condition": {
            "ArnLike": { "AWS:SourceArn": BUCKET },
            "StringEquals": { "AWS:SourceAccount": "000000000000" },
        },
    });
    let added = good(addition.clone().send().await);
    assert_eq!(parsed(added.statement()), statement);
    let text = "The statement id (s3) provided already exists. \
                Please provide a new statement id, or remove the existing statement.";
    refused(
        addition.clone().send().await,
        AddPermissionError::is_resource_conflict_exception,
        text,
    );
    let wrong = addition.statement_id("other").revision_id(WRONG_REVISION).send().await;
    let text = "The Revision Id provided does not match the latest Revision Id. \
                Call the GetPolicy API to retrieve the latest Revision Id";
    refused(wrong, AddPermissionError::is_precondition_failed_exception, text);

    let found = good(client.get_policy().function_name(NAME).send().await);
    let policy = json!({ "Version": "2012-10-17", "Id": "default", "Statement": [statement] });
    assert_eq!(parsed(found.policy()), policy);
    let revision = found.revision_id().expect("there is a revision");

    let removal = client.remove_permission().function_name(NAME);
    let absent = removal.clone().statement_id("absent").send().await;
    let text = "Statement absent is not found in resource policy.";
    refused(absent, RemovePermissionError::is_resource_not_found_exception, text);
    good(removal.statement_id("s3").revision_id(revision).send().await);
    let none = client.get_policy().function_name(NAME).send().await;
    refused(none, GetPolicyError::is_resource_not_found_exception, NOT_THERE);
}

/// Puts a whole policy, reads it both ways, and deletes it.
pub(crate) async fn replace_policy(session: &Session) {
    let client = &session.client;
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "everybody-there",
            "Effect": "Allow",
            "Principal": { "AWS": "arn:aws:iam::111122223333:root" },
            "Action": "lambda:InvokeFunction",
            "Resource": ARN,
        }],
    });
    let replacement = client.put_resource_policy().resource_arn(ARN).policy(policy.to_string());
    let put = good(replacement.clone().send().await);
    assert_eq!(parsed(put.policy()), policy);
    let wrong = replacement.revision_id(WRONG_REVISION).send().await;
    let text = "The Revision Id provided does not match the latest Revision Id. \
                Call the GetResourcePolicy API to retrieve the latest Revision Id";
    refused(wrong, PutResourcePolicyError::is_precondition_failed_exception, text);

    let found = good(client.get_resource_policy().resource_arn(ARN).send().await);
    assert_eq!(parsed(found.policy()), policy);
    assert_eq!(found.revision_id(), put.revision_id());
    let same = good(client.get_policy().function_name(NAME).send().await);
    assert_eq!((same.policy(), same.revision_id()), (found.policy(), found.revision_id()));

    let revision = found.revision_id().expect("there is a revision");
    let deletion = client.delete_resource_policy().resource_arn(ARN).revision_id(revision);
    good(deletion.send().await);
    let gone = client.get_resource_policy().resource_arn(ARN).send().await;
    refused(gone, GetResourcePolicyError::is_resource_not_found_exception, NOT_THERE);
}
