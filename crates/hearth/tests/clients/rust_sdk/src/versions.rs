//! Versions, and the aliases that point to them.

use std::collections::HashMap;

use aws_sdk_lambda::client::Waiters as _;
use aws_sdk_lambda::operation::create_alias::CreateAliasError;
use aws_sdk_lambda::operation::get_alias::GetAliasError;
use aws_sdk_lambda::operation::publish_version::PublishVersionError;
use aws_sdk_lambda::operation::update_alias::UpdateAliasError;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, LastUpdateStatus, State};

use crate::functions::wait_until_updated;
use crate::session::{ARN, NAME, PATIENCE, Session, WRONG_REVISION, good, refused};

/// Publishes versions 1 and 2.
pub(crate) async fn publish(session: &Session) {
    let client = &session.client;
    let latest = good(client.get_function_configuration().function_name(NAME).send().await);
    let digest = latest.code_sha256().expect("there is code");
    let publication = client.publish_version().function_name(NAME).description("one");

    let wrong = publication.clone().code_sha256("wrong").send().await;
    let text = format!(
        "CodeSHA256 (wrong) is different from current CodeSHA256 in $LATEST ({digest}). \
         Please try again with the CodeSHA256 in $LATEST."
    );
    refused(wrong, PublishVersionError::is_invalid_parameter_value_exception, &text);

    let first = good(publication.clone().code_sha256(digest).send().await);
    let qualified = format!("{ARN}:1");
    assert_eq!((first.function_arn(), first.version()), (Some(qualified.as_str()), Some("1")));
    assert_eq!((first.description(), first.memory_size()), (Some("one"), Some(256)));
    assert_eq!(first.state(), Some(&State::Active));
    assert_eq!(first.last_update_status(), Some(&LastUpdateStatus::Successful));
    assert_eq!(first.code_sha256(), Some(digest));
    assert_ne!(first.revision_id(), latest.revision_id());
    let active = client.wait_until_published_version_active().function_name(NAME).qualifier("1");
    let active = active.wait(PATIENCE).await.expect("the version is active");
    assert_eq!(good(active.into_result()).revision_id(), first.revision_id());
    let again = good(publication.send().await);
    assert_eq!((again.version(), again.revision_id()), (Some("1"), first.revision_id()));

    let change = client.update_function_configuration().function_name(NAME).description("second");
    good(change.send().await);
    wait_until_updated(session).await;
    let second = good(client.publish_version().function_name(NAME).send().await);
    assert_eq!((second.version(), second.description()), (Some("2"), Some("second")));

    let listing = client.list_versions_by_function().function_name(NAME).into_paginator();
    let listed = good(listing.page_size(1).items().send().try_collect().await);
    let listed: Vec<(Option<&str>, Option<&str>)> =
        listed.iter().map(|version| (version.version(), version.description())).collect();
    let expected = [("$LATEST", "second"), ("1", "one"), ("2", "second")];
    assert_eq!(listed, expected.map(|(version, text)| (Some(version), Some(text))));
}

/// Makes two aliases, moves them and deletes one. `live` stays, and points to version 1.
pub(crate) async fn point_aliases(session: &Session) {
    let client = &session.client;
    let creation = client.create_alias().function_name(NAME).name("live").function_version("1");
    let live = good(creation.clone().description("for all").send().await);
    let arn = format!("{ARN}:live");
    assert_eq!((live.alias_arn(), live.name()), (Some(arn.as_str()), Some("live")));
    assert_eq!((live.function_version(), live.description()), (Some("1"), Some("for all")));
    assert_eq!(live.routing_config(), None);
    let again = creation.clone().send().await;
    let text = format!("Alias already exists: {arn}");
    refused(again, CreateAliasError::is_resource_conflict_exception, &text);
    let next = good(creation.name("next").function_version("2").send().await);
    assert_eq!((next.function_version(), next.description()), (Some("2"), Some("")));

    let found = good(client.get_alias().function_name(NAME).name("live").send().await);
    assert_eq!((found.alias_arn(), found.revision_id()), (live.alias_arn(), live.revision_id()));
    let called = good(client.invoke().function_name(NAME).qualifier("live").send().await);
    assert_eq!((called.status_code(), called.executed_version()), (200, Some("1")));

    let weights = AliasRoutingConfiguration::builder().additional_version_weights("2", 0.25);
    let change = client.update_alias().function_name(NAME).name("live");
    let change = change.routing_config(weights.build());
    let wrong = change.clone().revision_id(WRONG_REVISION).send().await;
    let text = "The Revision Id provided does not match the latest Revision Id. Call the \
                GetFunction/GetAlias API to retrieve the latest Revision Id";
    refused(wrong, UpdateAliasError::is_precondition_failed_exception, text);
    let revision = live.revision_id().expect("there is a revision");
    let split = good(change.revision_id(revision).send().await);
    let weights = split.routing_config().and_then(|routing| routing.additional_version_weights());
    let weights = weights.expect("there are weights");
    assert_eq!((weights.len(), weights.get("2")), (1, Some(&0.25)));
    assert_ne!(split.revision_id(), live.revision_id());
    let whole = client.update_alias().function_name(NAME).name("live");
    let none = AliasRoutingConfiguration::builder();
    let none = none.set_additional_version_weights(Some(HashMap::new())).build();
    let whole = good(whole.routing_config(none).send().await);
    assert_eq!(whole.routing_config(), None);

    let listing = client.list_aliases().function_name(NAME);
    let listed = listing.clone().into_paginator().page_size(1).items().send();
    let listed = good(listed.try_collect().await);
    let names: Vec<Option<&str>> = listed.iter().map(|alias| alias.name()).collect();
    assert_eq!(names, [Some("live"), Some("next")]);
    let of_second = good(listing.function_version("2").send().await);
    let names: Vec<Option<&str>> = of_second.aliases().iter().map(|alias| alias.name()).collect();
    assert_eq!(names, [Some("next")]);

    good(client.delete_alias().function_name(NAME).name("next").send().await);
    let gone = client.get_alias().function_name(NAME).name("next").send().await;
    let text = format!("Cannot find alias arn: {ARN}:next");
    refused(gone, GetAliasError::is_resource_not_found_exception, &text);
}
