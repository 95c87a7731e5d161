//! What roles have of policies, in a store of their own.

use super::*;
use crate::iam::tests::{Place, account};
use crate::policies::CreatePolicy;
use crate::roles::tests::plain;

const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
const DOCUMENT: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

fn inline(name: &str, document: &str) -> PutRolePolicy {
    PutRolePolicy { role: "r".to_owned(), name: name.to_owned(), document: document.to_owned() }
}

fn first_page() -> Page {
    Page::new(None, None).unwrap()
}

/// A store with a role that is called `r`.
async fn with_role(place: &Place) -> Iam {
    let iam = place.open().await;
    iam.create_role(&account(), plain("r")).await.unwrap();
    iam
}

#[tokio::test]
async fn a_role_has_policies_of_its_own() {
    let place = Place::new();
    let iam = with_role(&place).await;
    let me = account();
    iam.put_role_policy(&me, inline("b", DOCUMENT)).await.unwrap();
    iam.put_role_policy(&me, inline("a", DOCUMENT)).await.unwrap();
    let newer = DOCUMENT.replace("Allow", "Deny");
    iam.put_role_policy(&me, inline("b", &newer)).await.unwrap();
    assert_eq!(iam.role_policies(&me, "r", &first_page()).unwrap().items, ["a", "b"]);
    let found = iam.role_policy(&me, "r", "b").unwrap();
    assert_eq!(found, InlinePolicy { name: "b".to_owned(), document: newer });

    let conflict = iam.delete_role(&me, "r").await.unwrap_err().to_string();
    assert_eq!(conflict, "Cannot delete entity, must delete policies first.");
    for name in ["a", "b"] {
        iam.delete_role_policy(&me, "r", name).await.unwrap();
        let missing = iam.role_policy(&me, "r", name).unwrap_err().to_string();
        assert_eq!(missing, format!("The role policy with name {name} cannot be found."));
        assert!(iam.delete_role_policy(&me, "r", name).await.is_err());
    }
    iam.delete_role(&me, "r").await.unwrap();
}

#[tokio::test]
async fn own_policies_together_are_bounded() {
    let place = Place::new();
    let iam = with_role(&place).await;
    let me = account();
    let long = |characters: usize| {
        let resource = format!(":\"arn:aws:s3:::{}\"}}", "x".repeat(characters));
        DOCUMENT.replace(":\"*\"}", &resource)
    };
    iam.put_role_policy(&me, inline("a", &long(10_000))).await.unwrap();
    let full = iam.put_role_policy(&me, inline("b", &long(100))).await.unwrap_err().to_string();
    assert_eq!(full, "Maximum policy size of 10240 bytes exceeded for role r");
    assert_eq!(iam.role_policies(&me, "r", &first_page()).unwrap().items, ["a"]);
    let odd = iam.put_role_policy(&me, inline("b", "{}")).await.unwrap_err().to_string();
    assert_eq!(odd, "Syntax errors in policy.");
}

#[tokio::test]
async fn managed_policies_are_attached_and_detached() {
    let place = Place::new();
    let iam = with_role(&place).await;
    let me = account();
    let own = CreatePolicy {
        name: "AWSLambdaBasicExecutionRole".to_owned(),
        document: DOCUMENT.to_owned(),
        ..CreatePolicy::default()
    };
    let own = iam.create_policy(&me, own).await.unwrap().policy.arn();
    for arn in [BASIC, own.as_str(), BASIC] {
        iam.attach_role_policy(&me, "r", arn).await.unwrap();
    }
    let arns = |listing: Listing<AttachedPolicy>| -> Vec<String> {
        listing.items.into_iter().map(|one| one.arn).collect()
    };
    let all = iam.attached_role_policies(&me, ("r", None), &first_page()).unwrap();
    assert_eq!(all.items[0].name, "AWSLambdaBasicExecutionRole");
    assert_eq!(arns(all), [own.as_str(), BASIC]);
    let some = ("r", Some("/service-role/"));
    let some = iam.attached_role_policies(&me, some, &first_page()).unwrap();
    assert_eq!(arns(some), [BASIC]);

    let mut after = None;
    for expected in [own.as_str(), BASIC] {
        let page = Page::new(after, Some(1)).unwrap();
        let found = iam.attached_role_policies(&me, ("r", None), &page).unwrap();
        after = found.next.clone();
        assert_eq!(arns(found), [expected]);
    }
    assert_eq!(after, None);

    let conflict = iam.delete_role(&me, "r").await.unwrap_err().to_string();
    assert_eq!(conflict, "Cannot delete entity, must detach all policies first.");
    for arn in [BASIC, own.as_str()] {
        iam.detach_role_policy(&me, "r", arn).await.unwrap();
        let missing = iam.detach_role_policy(&me, "r", arn).await.unwrap_err().to_string();
        assert_eq!(missing, format!("Policy {arn} was not found."));
    }
    iam.delete_role(&me, "r").await.unwrap();
}

#[tokio::test]
async fn a_policy_that_is_not_there_cannot_be_attached() {
    let place = Place::new();
    let iam = with_role(&place).await;
    let missing = |arn: &str| format!("Policy {arn} does not exist or is not attachable.");
    #[rustfmt::skip]
    let rows = [
        ("arn:aws:iam::aws:policy/NoSuchPolicy",      missing("arn:aws:iam::aws:policy/NoSuchPolicy")),
        ("arn:aws:iam::000000000000:policy/nothing",  missing("arn:aws:iam::000000000000:policy/nothing")),
        ("arn:aws:iam::123456789012:policy/others",   missing("arn:aws:iam::123456789012:policy/others")),
        ("AWSLambdaBasicExecutionRole",               "ARN AWSLambdaBasicExecutionRole is not valid.".to_owned()),
        ("short",                                     "1 validation error detected: Value 'short' at 'policyArn' failed to satisfy constraint: Member must have length greater than or equal to 20".to_owned()),
    ];
    for (arn, expected) in rows {
        let error = iam.attach_role_policy(&account(), "r", arn).await.unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn a_role_has_ten_managed_policies_at_most() {
    let place = Place::new();
    let iam = with_role(&place).await;
    let arns: Vec<String> = iam.managed.all().take(11).map(|policy| policy.arn()).collect();
    for arn in &arns[..10] {
        iam.attach_role_policy(&account(), "r", arn).await.unwrap();
    }
    let full = iam.attach_role_policy(&account(), "r", &arns[10]).await.unwrap_err().to_string();
    assert_eq!(full, "Cannot exceed quota for PoliciesPerRole: 10");
    assert_eq!(iam.role(&account(), "r").unwrap().attached.len(), 10);
}
