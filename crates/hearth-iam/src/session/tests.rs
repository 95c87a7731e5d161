//! Sessions of a store of their own.

use super::*;
use crate::iam::tests::{NOW, Place, account};
use crate::roles::tests::plain;
use crate::roles::{CreateRole, Role};

const ARN: &str = "arn:aws:iam::000000000000:role/tests/r";

fn other_account() -> AccountId {
    AccountId::parse("123456789012").unwrap()
}

async fn with_role(place: &Place) -> (Iam, std::sync::Arc<Role>) {
    let iam = place.open().await;
    let role = CreateRole { path: Some("/tests/".to_owned()), ..plain("r") };
    let role = iam.create_role(&account(), role).await.unwrap();
    (iam, role)
}

fn request() -> AssumeRole {
    AssumeRole {
        role_arn: ARN.to_owned(),
        session_name: "me@home".to_owned(),
        ..AssumeRole::default()
    }
}

#[tokio::test]
async fn whoever_assumes_a_role_is_that_role() {
    let place = Place::new();
    let (iam, role) = with_role(&place).await;
    let before = Caller::new(account(), None);
    assert_eq!(
        before.identity(),
        Identity {
            user_id: "000000000000".to_owned(),
            account: account(),
            arn: "arn:aws:iam::000000000000:root".to_owned(),
        }
    );
    let assumed = iam.assume_role(&before, &account(), request()).unwrap();
    let identity = Identity {
        user_id: format!("{}:me@home", role.id),
        account: account(),
        arn: "arn:aws:sts::000000000000:assumed-role/r/me@home".to_owned(),
    };
    assert_eq!(assumed.identity, identity);
    let credentials = assumed.credentials;
    assert_eq!(credentials.expires, Timestamp(NOW + 3_600_000));
    assert!(credentials.access_key_id.starts_with("ASIA"), "{credentials:?}");
    let after = Caller::new(account(), Some(&credentials.session_token));
    assert_eq!(after.identity(), identity);
    // Another account's key does not become this role.
    let other = Caller::new(other_account(), Some(&credentials.session_token));
    assert_eq!(other.identity().arn, "arn:aws:iam::123456789012:root");
}

#[tokio::test]
async fn a_key_of_another_account_names_it() {
    let place = Place::new();
    let (iam, _role) = with_role(&place).await;
    let caller = Caller::new(other_account(), None);
    let assumed = iam.assume_role(&caller, &other_account(), request()).unwrap();
    assert_eq!(assumed.credentials.access_key_id, "000000000000");
    let own = iam.session_token(&caller, &account(), &GetSessionToken::default()).unwrap();
    assert_eq!(own.access_key_id, "123456789012");
}

#[tokio::test]
async fn what_cannot_be_assumed_is_refused() {
    let place = Place::new();
    let (iam, _role) = with_role(&place).await;
    let caller = Caller::new(account(), None);
    let missing = |arn: &str| {
        format!(
            "User: arn:aws:iam::000000000000:root is not authorized to perform: sts:AssumeRole on resource: {arn}"
        )
    };
    let with_arn = |arn: &str| AssumeRole { role_arn: arn.to_owned(), ..request() };
    let nobody = "arn:aws:iam::000000000000:role/nobody";
    let no_path = "arn:aws:iam::000000000000:role/r";
    let policy = "arn:aws:iam::000000000000:policy/r";
    #[rustfmt::skip]
    let rows = [
        ("no such role",      with_arn(nobody),                                                    missing(nobody)),
        ("without its path",  with_arn(no_path),                                                   missing(no_path)),
        ("a policy",          with_arn(policy),                                                    format!("{policy} is invalid")),
        ("too short",         with_arn("r"),                                                       "length greater than or equal to 20".to_owned()),
        ("no session name",   AssumeRole { session_name: String::new(), ..request() },             "'roleSessionName'".to_owned()),
        ("an odd name",       AssumeRole { session_name: "a b".to_owned(), ..request() },          r"pattern: [\w+=,.@-]*".to_owned()),
        ("too long",          AssumeRole { seconds: Some(3_601), ..request() },                    "exceeds the MaxSessionDuration set for this role.".to_owned()),
        ("far too long",      AssumeRole { seconds: Some(43_201), ..request() },                   "less than or equal to 43200".to_owned()),
        ("too brief",         AssumeRole { seconds: Some(899), ..request() },                      "greater than or equal to 900".to_owned()),
        ("an odd policy",     AssumeRole { policy: Some("{".to_owned()), ..request() },            "Syntax errors in policy.".to_owned()),
        ("a device",          AssumeRole { device: Some("x".to_owned()), ..request() },            "MultiFactorAuthentication failed".to_owned()),
        ("an odd source",     AssumeRole { source_identity: Some("x".to_owned()), ..request() },   "'sourceIdentity'".to_owned()),
    ];
    for (what, request, expected) in rows {
        let error = iam.assume_role(&caller, &account(), request).unwrap_err().to_string();
        assert!(error.contains(&expected), "{what}: {error}");
    }
}

#[tokio::test]
async fn sessions_of_sessions_are_short_and_none_of_the_account() {
    let place = Place::new();
    let iam = place.open().await;
    let long = CreateRole {
        path: Some("/tests/".to_owned()),
        session_seconds_max: Some(43_200),
        ..plain("r")
    };
    iam.create_role(&account(), long).await.unwrap();
    let caller = Caller::new(account(), None);
    let two_hours = AssumeRole { seconds: Some(7_200), ..request() };
    let first = iam.assume_role(&caller, &account(), two_hours.clone()).unwrap();
    assert_eq!(first.credentials.expires, Timestamp(NOW + 7_200_000));

    let caller = Caller::new(account(), Some(&first.credentials.session_token));
    let chained = iam.assume_role(&caller, &account(), two_hours).unwrap_err().to_string();
    assert!(chained.contains("1 hour session limit"), "{chained}");
    assert!(iam.assume_role(&caller, &account(), request()).is_ok());
    let own = iam.session_token(&caller, &account(), &GetSessionToken::default());
    assert!(matches!(own, Err(IamError::AccessDenied(_))), "{own:?}");
}

#[tokio::test]
async fn a_session_of_the_account_is_the_account() {
    let place = Place::new();
    let iam = place.open().await;
    let caller = Caller::new(account(), None);
    let request = GetSessionToken { seconds: Some(900), device: None };
    let credentials = iam.session_token(&caller, &account(), &request).unwrap();
    assert_eq!(credentials.expires, Timestamp(NOW + 900_000));
    let caller = Caller::new(account(), Some(&credentials.session_token));
    assert_eq!(caller.identity().arn, "arn:aws:iam::000000000000:root");
    for (seconds, device) in [(Some(899), None), (Some(129_601), None), (None, Some("x"))] {
        let device = device.map(str::to_owned);
        let refused = iam.session_token(
            &Caller::new(account(), None),
            &account(),
            &GetSessionToken { seconds, device },
        );
        assert!(refused.is_err(), "{seconds:?}");
    }
}

#[test]
fn a_token_of_somebody_else_says_nothing() {
    for token in ["", "x", "IQoJb3JpZ2luX2VjEXAMPLE", "e30=", "bnVsbA=="] {
        assert_eq!(Session::of_token(token), None, "{token}");
        assert_eq!(Caller::new(account(), Some(token)).session, None, "{token}");
    }
}
