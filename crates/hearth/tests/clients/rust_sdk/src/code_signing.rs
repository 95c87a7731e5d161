//! Code signing configurations, and the function under one.

use aws_sdk_lambda::operation::get_code_signing_config::GetCodeSigningConfigError;
use aws_sdk_lambda::operation::put_function_code_signing_config::PutFunctionCodeSigningConfigError;
use aws_sdk_lambda::types::{
    AllowedPublishers, CodeSigningConfig, CodeSigningPolicies, CodeSigningPolicy,
};

use crate::session::{ARN, NAME, Session, good, refused};
use crate::tags::{expected, tags_of};

const PROFILE: &str = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/release/abcdef0123";

fn publishers() -> AllowedPublishers {
    let publishers = AllowedPublishers::builder().signing_profile_version_arns(PROFILE);
    publishers.build().expect("what is required is there")
}

fn policies(policy: CodeSigningPolicy) -> CodeSigningPolicies {
    CodeSigningPolicies::builder().untrusted_artifact_on_deployment(policy).build()
}

/// What a configuration does with code that nobody has signed.
fn policy_of(config: &CodeSigningConfig) -> Option<&CodeSigningPolicy> {
    config.code_signing_policies().and_then(CodeSigningPolicies::untrusted_artifact_on_deployment)
}

/// Creates two configurations, changes one, lists both, and deletes both.
pub(crate) async fn configure(session: &Session) {
    let client = &session.client;
    let creation = client.create_code_signing_config().allowed_publishers(publishers());
    let described = creation.clone().description("ours").tags("team", "sdk");
    let described = described.code_signing_policies(policies(CodeSigningPolicy::Enforce));
    let made = good(described.send().await);
    let made = made.code_signing_config().expect("it is shown");
    let arn = made.code_signing_config_arn();
    let start = "arn:aws:lambda:us-east-1:000000000000:code-signing-config:";
    assert_eq!(arn, format!("{start}{}", made.code_signing_config_id()));
    assert_eq!(
        (made.description(), policy_of(made)),
        (Some("ours"), Some(&CodeSigningPolicy::Enforce))
    );
    assert_eq!(made.allowed_publishers(), Some(&publishers()));
    assert!(made.last_modified().ends_with("+0000"), "{made:?}");
    assert_eq!(tags_of(session, arn).await, expected(&[("team", "sdk")]));
    let plain = good(creation.send().await);
    let plain = plain.code_signing_config().expect("it is shown");
    assert_eq!((plain.description(), policy_of(plain)), (Some(""), Some(&CodeSigningPolicy::Warn)));

    let reading = client.get_code_signing_config().code_signing_config_arn(arn);
    let found = good(reading.clone().send().await);
    assert_eq!(found.code_signing_config(), Some(made));
    let change = client.update_code_signing_config().code_signing_config_arn(arn);
    let changed = good(change.description("theirs").send().await);
    let changed = changed.code_signing_config().expect("it is shown");
    assert_eq!((changed.description(), policy_of(changed)), (Some("theirs"), policy_of(made)));

    let listed = client.list_code_signing_configs().into_paginator().page_size(1).items().send();
    let listed = good(listed.try_collect().await);
    let mut arns: Vec<&str> =
        listed.iter().map(|config| config.code_signing_config_arn()).collect();
    arns.sort_unstable();
    let mut both = [arn, plain.code_signing_config_arn()];
    both.sort_unstable();
    assert_eq!(arns, both);
    for one in both {
        let deletion = client.delete_code_signing_config().code_signing_config_arn(one);
        good(deletion.send().await);
    }
    let text = format!("The Lambda code signing configuration {arn} can not be found.");
    let gone = reading.send().await;
    refused(gone, GetCodeSigningConfigError::is_resource_not_found_exception, &text);
    let put = client.put_function_code_signing_config().function_name(NAME);
    let put = put.code_signing_config_arn(arn).send().await;
    let text = format!(
        "The code signing configuration cannot be found. \
         Check that the provided configuration is not deleted: {arn}."
    );
    let is_missing = PutFunctionCodeSigningConfigError::is_code_signing_config_not_found_exception;
    refused(put, is_missing, &text);
}

/// Puts the function under a configuration, and takes it from there.
pub(crate) async fn apply(session: &Session) {
    let client = &session.client;
    let creation = client.create_code_signing_config().allowed_publishers(publishers());
    let made = good(creation.send().await);
    let arn = made.code_signing_config().expect("it is shown").code_signing_config_arn();
    let reading = client.get_function_code_signing_config().function_name(NAME);
    let none = good(reading.clone().send().await);
    // Recorded: the answer is empty. The SDK shows what it requires and does not get as empty.
    assert_eq!((none.code_signing_config_arn(), none.function_name()), ("", ""));

    let put = client.put_function_code_signing_config().function_name(NAME);
    let put = good(put.code_signing_config_arn(arn).send().await);
    assert_eq!((put.code_signing_config_arn(), put.function_name()), (arn, NAME));
    let found = good(reading.clone().send().await);
    assert_eq!((found.code_signing_config_arn(), found.function_name()), (arn, NAME));
    let listing = client.list_functions_by_code_signing_config().code_signing_config_arn(arn);
    let listed = good(listing.into_paginator().page_size(1).items().send().try_collect().await);
    assert_eq!(listed, [ARN]);

    let deletion = client.delete_code_signing_config().code_signing_config_arn(arn);
    let in_use = deletion.clone().send().await.expect_err("a function is under it");
    let in_use = in_use.into_service_error();
    assert!(in_use.is_resource_conflict_exception(), "{in_use:?}");
    good(client.delete_function_code_signing_config().function_name(NAME).send().await);
    assert_eq!(good(reading.send().await).code_signing_config_arn(), "");
    good(deletion.send().await);
}
