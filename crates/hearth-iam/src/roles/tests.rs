//! Roles in a store of their own.

use super::*;
use crate::iam::tests::{NOW, Place, account};

pub(crate) const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// A role to be made, which has a name and nothing else.
pub(crate) fn plain(name: &str) -> CreateRole {
    CreateRole { name: name.to_owned(), trust: TRUST.to_owned(), ..CreateRole::default() }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: value.to_owned() }
}

fn first_page() -> Page {
    Page::new(None, None).unwrap()
}

#[tokio::test]
async fn a_role_is_what_was_asked_for_and_is_there_after_a_restart() {
    let place = Place::new();
    let iam = place.open().await;
    let made = iam.create_role(&account(), plain("plain")).await.unwrap();
    assert_eq!(made.arn(), "arn:aws:iam::000000000000:role/plain");
    assert_eq!((made.path.as_str(), made.session_seconds_max), ("/", 3_600));
    assert_eq!((made.created, made.description.as_deref()), (Timestamp(NOW), None));
    assert_eq!((made.id.len(), &made.id[..4]), (21, "AROA"));

    let whole = CreateRole {
        path: Some("/service-role/".to_owned()),
        description: Some("for tests".to_owned()),
        session_seconds_max: Some(43_200),
        boundary: Some("arn:aws:iam::aws:policy/PowerUserAccess".to_owned()),
        tags: vec![tag("a", "1")],
        ..plain("whole")
    };
    let whole = iam.create_role(&account(), whole).await.unwrap();
    assert_eq!(whole.arn(), "arn:aws:iam::000000000000:role/service-role/whole");

    let iam = place.open().await;
    assert_eq!(iam.role(&account(), "whole").unwrap(), whole);
    let listed = iam.roles(&account(), None, &first_page()).unwrap();
    assert_eq!((listed.items, listed.next), (vec![made, Arc::clone(&whole)], None));
    let listed = iam.roles(&account(), Some("/service-role"), &first_page()).unwrap();
    assert_eq!(listed.items, [whole]);
    let other = AccountId::parse("123456789012").unwrap();
    assert!(iam.roles(&other, None, &first_page()).unwrap().items.is_empty());
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_and_changes_nothing() {
    let place = Place::new();
    let iam = place.open().await;
    iam.create_role(&account(), plain("Taken")).await.unwrap();
    let policy = "arn:aws:iam::aws:policy/Nothing";
    let long = "x".repeat(2_048);
    let trust = |principal: &str| TRUST.replace("lambda.amazonaws.com", principal);
    #[rustfmt::skip]
    let rows = [
        ("the same name",     plain("Taken"),                                                        "Role with name Taken already exists."),
        ("in another case",   plain("taken"),                                                        "Role with name taken already exists."),
        ("an odd name",       plain("a b"),                                                          "The specified value for roleName is invalid."),
        ("an odd path",       CreateRole { path: Some("x".to_owned()), ..plain("a") },               "The specified value for path is invalid."),
        ("no document",       CreateRole { trust: String::new(), ..plain("a") },                     "Value at 'assumeRolePolicyDocument'"),
        ("an odd document",   CreateRole { trust: "{}".to_owned(), ..plain("a") },                   "Missing required field Statement"),
        ("a long document",   CreateRole { trust: trust(&long), ..plain("a") },                      "Cannot exceed quota for ACLSizePerRole: 2048"),
        ("a short session",   CreateRole { session_seconds_max: Some(1), ..plain("a") },             "greater than or equal to 3600"),
        ("an odd boundary",   CreateRole { boundary: Some("x".repeat(20)), ..plain("a") },           "is not valid."),
        ("no such boundary",  CreateRole { boundary: Some(policy.to_owned()), ..plain("a") },        "Policy arn:aws:iam::aws:policy/Nothing does not exist or is not attachable."),
        ("a key twice",       CreateRole { tags: vec![tag("a", ""), tag("A", "")], ..plain("a") },   "Duplicate tag keys found."),
    ];
    for (what, request, expected) in rows {
        let error = iam.create_role(&account(), request).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
    assert_eq!(iam.roles(&account(), None, &first_page()).unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_role_is_changed_in_its_parts() {
    let place = Place::new();
    let iam = place.open().await;
    let me = account();
    iam.create_role(&me, plain("r")).await.unwrap();
    let update = UpdateRole {
        name: "r".to_owned(),
        description: Some("new".to_owned()),
        session_seconds_max: Some(7_200),
    };
    iam.update_role(&me, update).await.unwrap();
    let role = iam.role(&me, "r").unwrap();
    assert_eq!((role.description.as_deref(), role.session_seconds_max), (Some("new"), 7_200));

    let update = UpdateRole { name: "r".to_owned(), ..UpdateRole::default() };
    iam.update_role(&me, update).await.unwrap();
    let role = iam.role(&me, "r").unwrap();
    assert_eq!((role.description.as_deref(), role.session_seconds_max), (Some("new"), 3_600));

    let role = iam.describe_role(&me, "r", "newer".to_owned()).await.unwrap();
    assert_eq!(role.description.as_deref(), Some("newer"));

    let trust = TRUST.replace("lambda", "edgelambda");
    iam.update_trust(&me, "r", trust.clone()).await.unwrap();
    assert_eq!(iam.role(&me, "r").unwrap().trust, trust);
    let odd = iam.update_trust(&me, "r", "x".to_owned()).await.unwrap_err().to_string();
    assert_eq!(odd, "This policy contains invalid Json");

    let boundary = "arn:aws:iam::aws:policy/PowerUserAccess".to_owned();
    iam.set_boundary(&me, "r", Some(boundary.clone())).await.unwrap();
    assert_eq!(iam.role(&me, "r").unwrap().boundary, Some(boundary));
    iam.set_boundary(&me, "r", None).await.unwrap();
    assert_eq!(iam.role(&me, "r").unwrap().boundary, None);

    iam.tag_role(&me, "r", vec![tag("a", "1"), tag("b", "2")]).await.unwrap();
    iam.untag_role(&me, "r", &["A".to_owned()]).await.unwrap();
    let tags = iam.role_tags(&me, "r", &first_page()).unwrap();
    assert_eq!(tags.items, [tag("b", "2")]);
}

#[tokio::test]
async fn a_missing_role_is_named() {
    let place = Place::new();
    let iam = place.open().await;
    let me = account();
    iam.create_role(&me, plain("Role")).await.unwrap();
    let update = UpdateRole { name: "role".to_owned(), ..UpdateRole::default() };
    let errors = [
        iam.role(&me, "role").map(drop),
        iam.delete_role(&me, "role").await,
        iam.update_role(&me, update).await,
        iam.update_trust(&me, "role", TRUST.to_owned()).await,
        iam.set_boundary(&me, "role", None).await,
        iam.tag_role(&me, "role", vec![tag("a", "")]).await,
        iam.untag_role(&me, "role", &[]).await,
        iam.role_tags(&me, "role", &first_page()).map(drop),
        iam.role_policies(&me, "role", &first_page()).map(drop),
        iam.attached_role_policies(&me, ("role", None), &first_page()).map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "The role with name role cannot be found.");
    }
}

#[tokio::test]
async fn a_deleted_role_is_gone_and_its_name_is_free() {
    let place = Place::new();
    let iam = place.open().await;
    let first = iam.create_role(&account(), plain("r")).await.unwrap();
    iam.delete_role(&account(), "r").await.unwrap();
    assert!(iam.role(&account(), "r").is_err());
    let second = iam.create_role(&account(), plain("R")).await.unwrap();
    assert_ne!(first.id, second.id);
}
