//! Managed policies and their versions, in a store of their own.

use super::*;
use crate::iam::tests::{NOW, Place, account};
use crate::roles::tests::plain;
use crate::versions::{CreatePolicyVersion, SetAsDefault, VersionView};

const AWS: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

fn plain_policy(name: &str) -> CreatePolicy {
    CreatePolicy { name: name.to_owned(), document: DOCUMENT.to_owned(), ..CreatePolicy::default() }
}

fn version(arn: &str, set_as_default: SetAsDefault) -> CreatePolicyVersion {
    CreatePolicyVersion { arn: arn.to_owned(), document: DOCUMENT.to_owned(), set_as_default }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: value.to_owned() }
}

fn first_page() -> Page {
    Page::new(None, None).unwrap()
}

#[tokio::test]
async fn a_policy_is_what_was_asked_for_and_is_there_after_a_restart() {
    let place = Place::new();
    let iam = place.open().await;
    let whole = CreatePolicy {
        path: Some("/tests/".to_owned()),
        description: Some("for tests".to_owned()),
        tags: vec![tag("a", "1")],
        ..plain_policy("P")
    };
    let made = iam.create_policy(&account(), whole).await.unwrap().policy;
    assert_eq!(made.arn(), "arn:aws:iam::000000000000:policy/tests/P");
    assert_eq!((made.default_version, made.created.0, made.updated.0), (1, NOW, NOW));
    assert!(made.id.as_ref().is_some_and(|id| id.starts_with("ANPA") && id.len() == 21));

    let iam = place.open().await;
    let found = iam.policy(&account(), &made.arn()).unwrap();
    assert_eq!((found.policy, found.attachments, found.boundaries), (made, 0, 0));
}

#[tokio::test]
async fn what_cannot_be_made_is_refused() {
    let place = Place::new();
    let iam = place.open().await;
    iam.create_policy(&account(), plain_policy("Taken")).await.unwrap();
    let old = DOCUMENT.replace("2012", "2008");
    let long = DOCUMENT.replace(":\"*\"}", &format!(":\"arn:aws:s3:::{}\"}}", "x".repeat(6_144)));
    #[rustfmt::skip]
    let rows = [
        ("the same name",    plain_policy("Taken"),                                            "A policy called Taken already exists. Duplicate names are not allowed."),
        ("in another case",  plain_policy("TAKEN"),                                            "A policy called TAKEN already exists. Duplicate names are not allowed."),
        ("an odd name",      plain_policy("a b"),                                              "The specified value for policyName is invalid."),
        ("an odd path",      CreatePolicy { path: Some("/!/".to_owned()), ..plain_policy("a") }, "The specified value for path is invalid."),
        ("an odd document",  CreatePolicy { document: "[]".to_owned(), ..plain_policy("a") },  "Syntax errors in policy."),
        ("an old document",  CreatePolicy { document: old, ..plain_policy("a") },              "Policy document must be version 2012-10-17 or greater."),
        ("a long document",  CreatePolicy { document: long, ..plain_policy("a") },             "Cannot exceed quota for PolicySize: 6144"),
        ("a long text",      CreatePolicy { description: Some("x".repeat(1_001)), ..plain_policy("a") }, "less than or equal to 1000"),
        ("a key twice",      CreatePolicy { tags: vec![tag("a", ""), tag("A", "")], ..plain_policy("a") }, "Duplicate tag keys found."),
    ];
    for (what, request, expected) in rows {
        let error = iam.create_policy(&account(), request).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
}

#[tokio::test]
async fn listings_know_who_uses_what() {
    let place = Place::new();
    let iam = place.open().await;
    let me = account();
    let used = iam.create_policy(&me, plain_policy("used")).await.unwrap().policy.arn();
    let limiting = iam.create_policy(&me, plain_policy("limiting")).await.unwrap().policy.arn();
    iam.create_policy(&me, plain_policy("Alone")).await.unwrap();
    iam.create_role(&me, plain("one")).await.unwrap();
    iam.create_role(&me, plain("two")).await.unwrap();
    iam.attach_role_policy(&me, "one", &used).await.unwrap();
    iam.attach_role_policy(&me, "two", &used).await.unwrap();
    iam.attach_role_policy(&me, "two", AWS).await.unwrap();
    iam.set_boundary(&me, "two", Some(limiting.clone())).await.unwrap();

    let names = |filter: &PolicyFilter| -> Vec<String> {
        let listed = iam.policies(&me, filter, &first_page()).unwrap();
        listed.items.into_iter().map(|view| view.policy.name.clone()).collect()
    };
    let filter = |owner, used| PolicyFilter { owner, used, path_prefix: None };
    let basic = "AWSLambdaBasicExecutionRole";
    let any = Some(PolicyUsage::Any);
    #[rustfmt::skip]
    let rows: [(PolicyFilter, &[&str]); 6] = [
        (filter(PolicyOwner::Local, None),                             &["Alone", "limiting", "used"]),
        (filter(PolicyOwner::Local, any),                              &["limiting", "used"]),
        (filter(PolicyOwner::Aws, any),                                &[basic]),
        (filter(PolicyOwner::All, any),                                &["limiting", "used", basic]),
        (filter(PolicyOwner::All, Some(PolicyUsage::Permissions)),     &["used", basic]),
        (filter(PolicyOwner::All, Some(PolicyUsage::Boundary)),        &["limiting"]),
    ];
    for (filter, expected) in rows {
        assert_eq!(names(&filter), expected, "{filter:?}");
    }
    let path_prefix = Some("/service-role/".to_owned());
    let under = PolicyFilter { path_prefix, ..PolicyFilter::default() };
    assert!(names(&under).contains(&basic.to_owned()));
    assert!(!names(&under).contains(&"used".to_owned()));

    let view = iam.policy(&me, &used).unwrap();
    assert_eq!((view.attachments, view.boundaries), (2, 0));
    let view = iam.policy(&me, &limiting).unwrap();
    assert_eq!((view.attachments, view.boundaries), (0, 1));
    let roles = |arn: &str, usage| -> Vec<String> {
        let listed = iam.roles_with_policy(&me, (arn, usage, None), &first_page()).unwrap();
        listed.items.into_iter().map(|role| role.name.clone()).collect()
    };
    assert_eq!(roles(&used, PolicyUsage::Any), ["one", "two"]);
    assert_eq!(roles(&limiting, PolicyUsage::Boundary), ["two"]);
    assert_eq!(roles(&limiting, PolicyUsage::Permissions), Vec::<String>::new());
}

#[tokio::test]
async fn a_policy_that_is_used_or_has_versions_is_not_deleted() {
    let place = Place::new();
    let iam = place.open().await;
    let me = account();
    let arn = iam.create_policy(&me, plain_policy("p")).await.unwrap().policy.arn();
    iam.create_role(&me, plain("r")).await.unwrap();
    let used = "Cannot delete a policy attached to entities.";

    iam.attach_role_policy(&me, "r", &arn).await.unwrap();
    assert_eq!(iam.delete_policy(&me, &arn).await.unwrap_err().to_string(), used);
    iam.detach_role_policy(&me, "r", &arn).await.unwrap();
    iam.set_boundary(&me, "r", Some(arn.clone())).await.unwrap();
    assert_eq!(iam.delete_policy(&me, &arn).await.unwrap_err().to_string(), used);
    iam.set_boundary(&me, "r", None).await.unwrap();

    iam.create_policy_version(&me, version(&arn, SetAsDefault::No)).await.unwrap();
    let more = iam.delete_policy(&me, &arn).await.unwrap_err().to_string();
    assert!(more.starts_with("This policy has more than one version."), "{more}");
    iam.delete_policy_version(&me, &arn, "v2").await.unwrap();
    iam.delete_policy(&me, &arn).await.unwrap();
    let missing = iam.policy(&me, &arn).unwrap_err().to_string();
    assert_eq!(missing, format!("Policy {arn} was not found."));
    assert!(matches!(iam.delete_policy(&me, &arn).await, Err(IamError::NotAttachable(_))));
}

#[tokio::test]
async fn versions_are_counted_on_and_one_of_them_counts() {
    let place = Place::new();
    let iam = place.open().await;
    let me = account();
    let arn = iam.create_policy(&me, plain_policy("p")).await.unwrap().policy.arn();
    let second = iam.create_policy_version(&me, version(&arn, SetAsDefault::No)).await.unwrap();
    assert_eq!((second.id().as_str(), second.is_default()), ("v2", false));
    let third = iam.create_policy_version(&me, version(&arn, SetAsDefault::Yes)).await.unwrap();
    assert_eq!((third.id().as_str(), third.is_default()), ("v3", true));
    assert!(!iam.policy_version(&me, &arn, "v1").unwrap().is_default());

    iam.delete_policy_version(&me, &arn, "v1").await.unwrap();
    let missing = iam.policy_version(&me, &arn, "v1").unwrap_err().to_string();
    assert_eq!(missing, format!("Policy {arn} version v1 does not exist or is not attachable."));
    let kept = iam.delete_policy_version(&me, &arn, "v3").await.unwrap_err().to_string();
    assert_eq!(kept, "Cannot delete the default version of a policy.");
    iam.set_default_policy_version(&me, &arn, "v2").await.unwrap();
    iam.delete_policy_version(&me, &arn, "v3").await.unwrap();

    for number in 4..=7 {
        let made = iam.create_policy_version(&me, version(&arn, SetAsDefault::No)).await.unwrap();
        assert_eq!(made.number, number);
    }
    let full = iam.create_policy_version(&me, version(&arn, SetAsDefault::No)).await;
    let full = full.unwrap_err().to_string();
    assert!(full.starts_with("A managed policy can have up to 5 versions."), "{full}");
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = Page::new(after, Some(2)).unwrap();
        let found = iam.policy_versions(&me, &arn, &page).unwrap();
        ids.extend(found.items.iter().map(VersionView::id));
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["v7", "v6", "v5", "v4", "v2"]);
}

#[tokio::test]
async fn policies_of_aws_are_there_and_cannot_be_changed() {
    let place = Place::new();
    let iam = place.open().await;
    let me = account();
    let found = iam.policy(&me, AWS).unwrap();
    assert_eq!(found.policy.arn(), AWS);
    let document = iam.policy_version(&me, AWS, "v1").unwrap().version().document.clone();
    assert!(document.contains("logs:PutLogEvents"), "{document}");
    let refused = [
        iam.delete_policy(&me, AWS).await,
        iam.create_policy_version(&me, version(AWS, SetAsDefault::Yes)).await.map(drop),
        iam.delete_policy_version(&me, AWS, "v1").await,
        iam.set_default_policy_version(&me, AWS, "v1").await,
        iam.tag_policy(&me, AWS, vec![tag("a", "")]).await,
        iam.untag_policy(&me, AWS, &[]).await,
    ];
    for (number, refused) in refused.into_iter().enumerate() {
        assert!(matches!(refused, Err(IamError::AccessDenied(_))), "{number}: {refused:?}");
    }
}

#[tokio::test]
async fn tags_of_a_policy() {
    let place = Place::new();
    let iam = place.open().await;
    let me = account();
    let arn = iam.create_policy(&me, plain_policy("p")).await.unwrap().policy.arn();
    iam.tag_policy(&me, &arn, vec![tag("a", "1"), tag("b", "2"), tag("c", "3")]).await.unwrap();
    iam.untag_policy(&me, &arn, &["b".to_owned()]).await.unwrap();
    let page = Page::new(None, Some(1)).unwrap();
    let first = iam.policy_tags(&me, &arn, &page).unwrap();
    assert_eq!(first.items, [tag("a", "1")]);
    let second = iam.policy_tags(&me, &arn, &Page::new(first.next, None).unwrap()).unwrap();
    assert_eq!((second.items, second.next), (vec![tag("c", "3")], None));
}
