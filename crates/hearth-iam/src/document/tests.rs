//! Tables of documents, and the words in which they are refused.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const SYNTAX: &str = "Syntax errors in policy.";
const NOT_JSON: &str = "This policy contains invalid Json";

fn text(document: &str, purpose: Purpose) -> String {
    check(document, purpose).map_or_else(|error| error.to_string(), |()| String::new())
}

/// A document with one statement.
fn of(statement: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

#[test]
fn what_a_role_may_do() {
    let allow = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*" });
    let with = |name: &str, value: Value| {
        let mut statement = allow.clone();
        statement[name] = value;
        of(&statement)
    };
    let without = |name: &str| {
        let mut statement = allow.clone();
        statement.as_object_mut().unwrap().remove(name);
        of(&statement)
    };
    let arn = "arn:aws:s3:::bucket/*";
    #[rustfmt::skip]
    let rows = [
        ("one statement",         of(&allow),                                           ""),
        ("without a list",        json!({ "Version": "2012-10-17", "Statement": allow }).to_string(), ""),
        ("lists",                 with("Action", json!(["s3:Get*", "logs:PutLogEvents", "*"])), ""),
        ("a resource",            with("Resource", json!([arn, "arn:aws:logs:*"])),     ""),
        ("a condition",           with("Condition", json!({ "Bool": { "aws:SecureTransport": ["true", false] } })), ""),
        ("a name",                with("Sid", json!("One")),                            ""),
        ("space around it",       format!("\n {} \n", of(&allow)),                      ""),
        ("nothing",               String::new(),                                        SYNTAX),
        ("half a document",       "{\"Version\": ".to_owned(),                          SYNTAX),
        ("a number",              "1".to_owned(),                                       SYNTAX),
        ("no statement",          json!({ "Version": "2012-10-17" }).to_string(),       SYNTAX),
        ("an empty list",         json!({ "Version": "2012-10-17", "Statement": [] }).to_string(), SYNTAX),
        ("a text as statement",   of(&json!("x")),                                      SYNTAX),
        ("an odd version",        json!({ "Version": "2013-10-17", "Statement": allow }).to_string(), SYNTAX),
        ("an odd element",        json!({ "Version": "2012-10-17", "Statement": allow, "X": 1 }).to_string(), SYNTAX),
        ("an odd id",             json!({ "Version": "2012-10-17", "Statement": allow, "Id": 1 }).to_string(), SYNTAX),
        ("an odd field",          with("Actions", json!("x")),                          SYNTAX),
        ("no effect",             without("Effect"),                                    SYNTAX),
        ("an odd effect",         with("Effect", json!("Perhaps")),                     SYNTAX),
        ("an odd name",           with("Sid", json!(1)),                                SYNTAX),
        ("an odd condition",      with("Condition", json!({ "Bool": "true" })),         SYNTAX),
        ("an action and none",    with("NotAction", json!("s3:*")),                     SYNTAX),
        ("a number as action",    with("Action", json!([1])),                           SYNTAX),
        ("no action",             without("Action"),                                    "Policy statement must contain actions."),
        ("no action in a list",   with("Action", json!([])),                            "Policy statement must contain actions."),
        ("no resource",           without("Resource"),                                  "Policy statement must contain resources."),
        ("a bare action",         with("Action", json!("GetObject")),                   "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        ("two colons",            with("Action", json!("s3:Get:Object")),               "Actions/Condition can contain only one colon."),
        ("an odd vendor",         with("Action", json!("s 3:Get")),                     "Vendor s 3 is not valid"),
        ("a bare resource",       with("Resource", json!("bucket")),                    "Resource bucket must be in ARN format or \"*\"."),
        ("a principal",           with("Principal", json!("*")),                        "Policy document should not specify a principal."),
    ];
    for (what, document, expected) in rows {
        assert_eq!(text(&document, Purpose::Inline), expected, "{what}: {document}");
        assert_eq!(text(&document, Purpose::Managed), expected, "{what}: {document}");
    }
}

#[test]
fn names_of_statements_are_unique() {
    let named =
        |name: &str| json!({ "Sid": name, "Effect": "Deny", "Action": "*", "Resource": "*" });
    let both = |one: &str, other: &str| {
        json!({ "Version": "2012-10-17", "Statement": [named(one), named(other)] }).to_string()
    };
    let twice = "Statement IDs (SID) in a single policy must be unique.";
    for (one, other, expected) in [("a", "b", ""), ("", "", ""), ("a", "a", twice)] {
        assert_eq!(text(&both(one, other), Purpose::Inline), expected, "{one} and {other}");
    }
}

#[test]
fn a_policy_of_its_own_has_the_new_version() {
    let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    let old = json!({ "Version": "2008-10-17", "Statement": allow }).to_string();
    let none = json!({ "Statement": allow }).to_string();
    for document in [old, none] {
        assert_eq!(text(&document, Purpose::Inline), "");
        assert_eq!(
            text(&document, Purpose::Managed),
            "Policy document must be version 2012-10-17 or greater."
        );
    }
}

#[test]
fn who_may_assume_a_role() {
    let service = json!({ "Service": "lambda.amazonaws.com" });
    let trust = json!({ "Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole" });
    let with = |name: &str, value: Value| {
        let mut statement = trust.clone();
        statement[name] = value;
        of(&statement)
    };
    let without = |name: &str| {
        let mut statement = trust.clone();
        statement.as_object_mut().unwrap().remove(name);
        of(&statement)
    };
    let nobody = "The passed in policy has a statement with no principals!";
    #[rustfmt::skip]
    let rows = [
        ("a service",          of(&trust),                                             ""),
        ("the old version",    json!({ "Version": "2008-10-17", "Statement": trust }).to_string(), ""),
        ("several",            with("Principal", json!({ "Service": ["a.amazonaws.com", "b.amazonaws.com"], "AWS": "123456789012" })), ""),
        ("anybody",            with("Principal", json!("*")),                          ""),
        ("two actions",        with("Action", json!(["sts:AssumeRole", "sts:TagSession"])), ""),
        ("a space before it",  format!(" {}", of(&trust)),                             "JSON strings must not have leading spaces"),
        ("not JSON",           "{'Version': 1}".to_owned(),                            NOT_JSON),
        ("a list",             "[]".to_owned(),                                        NOT_JSON),
        ("no statement",       json!({ "Version": "2012-10-17" }).to_string(),         "Missing required field Statement"),
        ("an odd field",       with("Resources", json!("*")),                          "Has prohibited field Resources"),
        ("a resource",         with("Resource", json!("*")),                           "Has prohibited field Resource"),
        ("no effect",          without("Effect"),                                      "Missing required field Effect"),
        ("no principal",       without("Principal"),                                   "Missing required field Principal"),
        ("no action",          without("Action"),                                      "Missing required field Action"),
        ("another action",     with("Action", json!("s3:GetObject")),                  "AssumeRole policy may only specify STS AssumeRole actions."),
        ("an odd principal",   with("Principal", json!("me")),                         "Invalid principal in policy: \"me\""),
        ("an odd kind",        with("Principal", json!({ "Who": "me" })),              "Invalid principal in policy: \"Who\":\"me\""),
        ("a blank principal",  with("Principal", json!({ "AWS": [" "] })),             "Invalid principal in policy: \"AWS\":\" \""),
        ("a number",           with("Principal", json!({ "AWS": 1 })),                 "Invalid principal in policy: \"AWS\":1"),
        ("nobody",             with("Principal", json!({})),                           nobody),
        ("nobody in a list",   with("Principal", json!({ "AWS": [] })),                nobody),
    ];
    for (what, document, expected) in rows {
        let found = text(&document, Purpose::Trust);
        assert!(found.ends_with(expected), "{what}: {found}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{what}: {found}");
    }
}

#[test]
fn white_space_does_not_count() {
    assert_eq!(size(" { \"a\" :\n\t\"é\" } "), 9);
}

proptest! {
    #[test]
    fn no_text_panics(document in ".*") {
        for purpose in [Purpose::Inline, Purpose::Managed, Purpose::Trust] {
            let _ = check(&document, purpose);
        }
    }
}
