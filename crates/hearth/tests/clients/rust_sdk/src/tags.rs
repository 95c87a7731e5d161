//! The tags of the function.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::tag_resource::TagResourceError;

use crate::session::{ARN, Session, good, refused};

/// Adds, changes and removes tags.
pub(crate) async fn tag(session: &Session) {
    let client = &session.client;
    assert_eq!(tags_of(session, ARN).await, expected(&[("team", "sdk")]));
    let tagging = client.tag_resource().tags("team", "all").tags("stage", "test");
    good(tagging.clone().resource(ARN).send().await);
    assert_eq!(tags_of(session, ARN).await, expected(&[("stage", "test"), ("team", "all")]));
    good(client.untag_resource().resource(ARN).tag_keys("team").tag_keys("none").send().await);
    assert_eq!(tags_of(session, ARN).await, expected(&[("stage", "test")]));

    let version = tagging.resource(format!("{ARN}:1")).send().await;
    let text = "Tags on function aliases and versions are not supported. \
                Please specify a function ARN.";
    refused(version, TagResourceError::is_invalid_parameter_value_exception, text);
}

/// What a resource is tagged with.
pub(crate) async fn tags_of(session: &Session, resource: &str) -> BTreeMap<String, String> {
    let answer = good(session.client.list_tags().resource(resource).send().await);
    answer.tags.expect("tags are always shown").into_iter().collect()
}

/// Tags as they are shown.
pub(crate) fn expected(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
