//! The rules of policies.

use std::collections::BTreeMap;

use hearth_types::names::AliasName;
use proptest::prelude::*;

use super::*;
use crate::alias::Alias;
use crate::publish::testing::with_versions;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const USER: &str = "arn:aws:iam::111122223333:user/ann";
const BAD_PRINCIPAL: &str =
    "The provided principal was invalid. Please check the principal and try again.";

/// A function with version 1 and alias `live`.
fn record() -> FunctionRecord {
    let mut record = with_versions(1);
    let live = Alias::new(Version::Published(1), String::new(), BTreeMap::new());
    record.aliases.insert(AliasName::parse("live").unwrap(), live);
    record
}

fn qualifier(text: &str) -> Option<Qualifier> {
    (!text.is_empty()).then(|| Qualifier::parse(text).unwrap())
}

fn asked(sid: &str) -> PermissionRequest {
    PermissionRequest {
        statement_id: sid.to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: "s3.amazonaws.com".to_owned(),
        ..PermissionRequest::default()
    }
}

fn statement(sid: &str) -> Statement {
    asked(sid).statement(ARN).unwrap()
}

fn guard(revision: Option<&str>) -> Guard<'_> {
    Guard { revision, source: "GetLayerPolicy" }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The text of a document with one statement: a good one, with these elements in place.
fn document(changed: &Value) -> String {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
    });
    let elements = statement.as_object_mut().unwrap();
    for (name, value) in changed.as_object().unwrap() {
        if value.is_null() {
            elements.remove(name);
        } else {
            elements.insert(name.clone(), value.clone());
        }
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

#[test]
fn each_principal_is_written_as_what_it_is() {
    #[rustfmt::skip]
    let rows = [
        ("everybody",           "*",                            Some(json!("*"))),
        ("a service",           "s3.amazonaws.com",             Some(json!({ "Service": "s3.amazonaws.com" }))),
        ("a regional service",  "logs.us-east-1.amazonaws.com", Some(json!({ "Service": "logs.us-east-1.amazonaws.com" }))),
        ("a service in China",  "s3.amazonaws.com.cn",          Some(json!({ "Service": "s3.amazonaws.com.cn" }))),
        ("Alexa",               "alexa-appkit.amazon.com",      Some(json!({ "Service": "alexa-appkit.amazon.com" }))),
        ("an account",          "111122223333",                 Some(json!({ "AWS": "arn:aws:iam::111122223333:root" }))),
        ("a user",              USER,                           Some(json!({ "AWS": USER }))),
        ("a session",           "arn:aws:sts::111122223333:assumed-role/r/s", Some(json!({ "AWS": "arn:aws:sts::111122223333:assumed-role/r/s" }))),
        ("somebody else",       "invalid.nonaws.com",           None),
        ("no service",          ".amazonaws.com",               None),
        ("half a service",      "a..amazonaws.com",             None),
        ("too short",           "11112222333",                  None),
        ("a bucket",            "arn:aws:s3:::bucket",          None),
        ("nobody's role",       "arn:aws:iam::1:role/r",        None),
        ("no name",             "arn:aws:iam::111122223333:",   None),
        ("nothing",             "",                             None),
    ];
    for (what, principal, expected) in rows {
        let request = PermissionRequest { principal: principal.to_owned(), ..asked("s") };
        let made = request.statement(ARN).map(|made| made.principal);
        match expected {
            Some(expected) => assert_eq!(made.unwrap(), expected, "{what}"),
            None => assert_eq!(made.unwrap_err().to_string(), BAD_PRINCIPAL, "{what}"),
        }
    }
}

#[test]
fn each_restriction_becomes_a_condition() {
    let equals = |key: &str, value: &str| Some(json!({ "StringEquals": { key: value } }));
    let url = || PermissionRequest { action: "lambda:InvokeFunctionUrl".into(), ..asked("s") };
    #[rustfmt::skip]
    let rows = [
        ("none",         asked("s"), None),
        ("source",       PermissionRequest { source_arn: some("arn:aws:s3:::b"), ..asked("s") },           Some(json!({ "ArnLike": { "AWS:SourceArn": "arn:aws:s3:::b" } }))),
        ("account",      PermissionRequest { source_account: some("111122223333"), ..asked("s") },         equals("AWS:SourceAccount", "111122223333")),
        ("token",        PermissionRequest { event_source_token: some("amzn1.ask"), ..asked("s") },        equals("lambda:EventSourceToken", "amzn1.ask")),
        ("organization", PermissionRequest { principal_org_id: some("o-1234567890"), ..asked("s") },       equals("aws:PrincipalOrgID", "o-1234567890")),
        ("URL",          PermissionRequest { function_url_auth_type: some("NONE"), ..url() },              equals("lambda:FunctionUrlAuthType", "NONE")),
        ("through URL",  PermissionRequest { invoked_via_function_url: Some(true), ..asked("s") },         Some(json!({ "Bool": { "lambda:InvokedViaFunctionUrl": "true" } }))),
        ("past the URL", PermissionRequest { invoked_via_function_url: Some(false), ..asked("s") },        Some(json!({ "Bool": { "lambda:InvokedViaFunctionUrl": "false" } }))),
    ];
    for (what, request, expected) in rows {
        assert_eq!(request.statement(ARN).unwrap().condition, expected, "{what}");
    }
    let all = PermissionRequest {
        source_arn: some("arn:aws:s3:::b"),
        source_account: some("111122223333"),
        principal_org_id: some("o-1234567890"),
        function_url_auth_type: some("NONE"),
        ..url()
    };
    let expected = json!({
        "StringEquals": {
            "lambda:FunctionUrlAuthType": "NONE",
            "aws:PrincipalOrgID": "o-1234567890",
            "AWS:SourceAccount": "111122223333",
        },
        "ArnLike": { "AWS:SourceArn": "arn:aws:s3:::b" },
    });
    assert_eq!(all.statement(ARN).unwrap().condition, Some(expected), "recorded");
}

#[test]
fn the_authentication_of_urls_concerns_nothing_else() {
    let request = PermissionRequest { function_url_auth_type: some("NONE"), ..asked("s") };
    let refused = request.statement(ARN).unwrap_err().to_string();
    let expected = "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action";
    assert_eq!(refused, expected);
}

#[test]
fn a_policy_is_written_as_aws_writes_it() {
    let policy = Policy::add(None, statement("s3"), &guard(None)).unwrap();
    let expected = format!(
        r#"{{"Version":"2012-10-17","Id":"default","Statement":[{{"Sid":"s3","Effect":"Allow","Principal":{{"Service":"s3.amazonaws.com"}},"Action":"lambda:InvokeFunction","Resource":"{ARN}"}}]}}"#
    );
    assert_eq!(policy.text(), expected);
    let stored = serde_json::to_string(&policy).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&stored).unwrap(), policy);
}

#[test]
fn statements_come_and_go_and_each_change_is_a_revision() {
    let one = Policy::add(None, statement("a"), &guard(None)).unwrap();
    let seen = one.revision.to_string();
    let two = Policy::add(Some(&one), statement("b"), &guard(Some(&seen))).unwrap();
    assert_ne!(two.revision, one.revision);
    let left = Policy::remove(Some(&two), "a", &guard(None)).unwrap().unwrap();
    assert_ne!(left.revision, two.revision);
    assert_eq!(left.statements, [statement("b")]);
    assert_eq!(Policy::remove(Some(&left), "b", &guard(None)).unwrap(), None);
}

#[test]
fn each_change_of_a_policy_that_cannot_be_says_why() {
    let policy = Policy::add(None, statement("a"), &guard(None)).unwrap();
    let long = PermissionRequest { source_arn: some(&"x".repeat(20_480)), ..asked("b") };
    let long = long.statement(ARN).unwrap();
    let remove = |policy, sid, guard| Policy::remove(policy, sid, guard).map(drop);
    let add = |policy, statement, guard| Policy::add(policy, statement, guard).map(drop);
    let other = guard(Some("other"));
    #[rustfmt::skip]
    let rows = [
        ("the id twice",    add(Some(&policy), statement("a"), &guard(None)),  "The statement id (a) provided already exists. Please provide a new statement id, or remove the existing statement."),
        ("other revision",  add(Some(&policy), statement("b"), &other),        "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"),
        ("revision of none", add(None, statement("b"), &other),                "The Revision Id provided does not match"),
        ("too long",        add(Some(&policy), long, &guard(None)),            "is bigger than the limit (20480)."),
        ("no policy",       remove(None, "a", &guard(None)),                   "No policy is associated with the given resource."),
        ("no statement",    remove(Some(&policy), "b", &guard(None)),          "Statement b is not found in resource policy."),
        ("removed too late", remove(Some(&policy), "a", &other),               "The Revision Id provided does not match"),
    ];
    for (what, refused, expected) in rows {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(expected), "{what}: {refused}");
    }
}

#[test]
fn a_function_a_version_and_an_alias_have_policies_of_their_own() {
    let mut record = record();
    for text in ["", "1", "live"] {
        let qualifier = qualifier(text);
        let qualifier = qualifier.as_ref();
        let added = record.add_permission(qualifier, &asked("s3")).unwrap();
        assert_eq!(added.resource, json!(record.qualified_arn(qualifier)), "{text}");
        let kept = record.policy(qualifier).unwrap();
        assert_eq!(kept.statements, [added], "{text}");
        assert_eq!(Some(kept.revision), record.policy_revision(qualifier), "{text}");
    }
    assert_eq!(record.policies.len(), 3);
    assert_eq!(record.policy(None).unwrap().revision, record.latest.revision);
    let live = &record.aliases[&AliasName::parse("live").unwrap()];
    assert_eq!(record.policies["live"].revision, live.revision);
}

#[test]
fn the_revision_of_a_policy_is_that_of_the_function() {
    let mut record = record();
    let at = |record: &FunctionRecord| record.latest.revision.to_string();
    let first = PermissionRequest { revision: Some(at(&record)), ..asked("a") };
    record.add_permission(None, &first).unwrap();
    let late = PermissionRequest { statement_id: "b".to_owned(), ..first };
    let refused = record.add_permission(None, &late).unwrap_err().to_string();
    assert!(refused.contains("Call the GetPolicy API"), "{refused}");

    // The function changes, and so does the revision of its policy.
    record.latest.revision = RevisionId::random();
    let second = PermissionRequest { revision: Some(at(&record)), ..asked("b") };
    record.add_permission(None, &second).unwrap();
    let refused = record.remove_permission(None, "a", Some("other")).unwrap_err().to_string();
    assert!(refused.contains("Call the GetFunction/GetAlias API"), "{refused}");
    let before = at(&record);
    record.remove_permission(None, "a", Some(&before)).unwrap();
    assert_ne!(at(&record), before);
    record.remove_permission(None, "b", None).unwrap();
    assert_eq!(record.policy(None), None, "the last one has gone");
}

#[test]
fn what_does_not_exist_is_named() {
    let latest = "We currently do not support adding policies for $LATEST.";
    let none = "No policy is associated with the given resource.";
    let alias = format!("Cannot find alias arn: {ARN}:none");
    let version = format!("Function not found: {ARN}:9");
    let gone = "The resource you requested does not exist.";
    let good = document(&json!({}));
    #[rustfmt::skip]
    let rows: [(&str, [&str; 4]); 5] = [
        ("",        ["",       none,     "",       gone]),
        ("1",       ["",       none,     "",       gone]),
        ("$LATEST", [latest,   none,     latest,   gone]),
        ("none",    [&alias,   &alias,   &alias,   gone]),
        ("9",       [&version, &version, &version, gone]),
    ];
    for (text, expected) in rows {
        let qualifier = qualifier(text);
        let qualifier = qualifier.as_ref();
        // The document is for the function; that it is refused for version 1 is another test.
        let good = good.replace(ARN, &record().qualified_arn(qualifier));
        let refused = [
            record().add_permission(qualifier, &asked("s")).err(),
            record().remove_permission(qualifier, "s", None).err(),
            record().put_policy(qualifier, &good, None).err(),
            record().delete_policy(qualifier, None).err(),
        ];
        let refused = refused.map(|one| one.map(|one| one.to_string()).unwrap_or_default());
        assert_eq!(refused, expected.map(str::to_owned), "{text}");
    }
}

#[test]
fn a_document_and_single_statements_are_one_policy() {
    let mut record = record();
    record.add_permission(None, &asked("gone")).unwrap();
    let text = json!({
        "Version": "2008-10-17",
        "Statement": {
            "Effect": "Deny",
            "NotPrincipal": { "AWS": [USER, "111122223333"] },
            "NotAction": ["lambda:Get*", "lambda:ListTags"],
            "Resource": [ARN, format!("{ARN}:*")],
            "Condition": { "IpAddress": { "aws:SourceIp": ["10.0.0.0/8"] } },
        },
    });
    let put = record.put_policy(None, &text.to_string(), None).unwrap();
    assert_eq!(record.latest.revision, put.revision);
    assert_eq!(record.policy(None), Some(&put));
    record.add_permission(None, &asked("added")).unwrap();

    let mut expected = text.clone();
    expected["Statement"] = json!([text["Statement"], statement("added")]);
    let both = record.policy(None).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&both.text()).unwrap(), expected);
    let stored = serde_json::to_string(both).unwrap();
    assert_eq!(&serde_json::from_str::<Policy>(&stored).unwrap(), both);

    record.remove_permission(None, "added", None).unwrap();
    let refused = record.delete_policy(None, Some("other")).unwrap_err().to_string();
    assert!(refused.contains("Call the GetResourcePolicy API"), "{refused}");
    let current = record.latest.revision.to_string();
    record.delete_policy(None, Some(&current)).unwrap();
    assert_eq!(record.policy(None), None);
}

#[test]
fn what_a_statement_may_say() {
    #[rustfmt::skip]
    let rows = [
        ("anything",            json!({ "Action": "*", "Resource": "*" })),
        ("an id",               json!({ "Sid": "with spaces" })),
        ("no id",               json!({ "Sid": "" })),
        ("wildcards",           json!({ "Action": ["lambda:Invoke*", "LAMBDA:Get?unction"], "Resource": "arn:aws:lambda:*:*:function:?" })),
        ("all versions",        json!({ "Resource": format!("{ARN}:*") })),
        ("other resources",     json!({ "Resource": null, "NotResource": "arn:aws:lambda:*:*:function:g" })),
        ("nobody else",         json!({ "Principal": null, "NotPrincipal": { "Service": "sns.amazonaws.com" }, "Effect": "Deny" })),
        ("kinds of principals", json!({ "Principal": { "AWS": "*", "Service": ["s3.amazonaws.com"], "Federated": "cognito-identity.amazonaws.com", "CanonicalUser": "79a5" } })),
        ("values",              json!({ "Condition": { "Bool": { "aws:SecureTransport": true }, "NumericLessThan": { "a:b": 5 }, "StringLike": { "c": ["d*", "e"] } } })),
    ];
    for (what, changed) in rows {
        let text = document(&changed);
        let policy = Policy::parse(&text, ARN).unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut expected: Value = serde_json::from_str(&text).unwrap();
        if expected["Statement"][0]["Sid"] == "" {
            expected["Statement"][0].as_object_mut().unwrap().remove("Sid");
        }
        assert_eq!(serde_json::from_str::<Value>(&policy.text()).unwrap(), expected, "{what}");
    }
}

#[test]
fn each_statement_that_is_none_says_why() {
    #[rustfmt::skip]
    let rows = [
        ("no effect",           json!({ "Effect": null }),                           "missing field `Effect`"),
        ("other effect",        json!({ "Effect": "allow" }),                        "Effect must be Allow or Deny, not allow"),
        ("unknown element",     json!({ "Actions": "*" }),                           "unknown field `Actions`"),
        ("no principal",        json!({ "Principal": null }),                        "a statement has no Principal"),
        ("two principals",      json!({ "NotPrincipal": "*" }),                      "a statement has both Principal and NotPrincipal"),
        ("all but one",         json!({ "Principal": null, "NotPrincipal": "*" }),   "NotPrincipal cannot be used with Allow"),
        ("a negation inside",   json!({ "Principal": { "Not": "*" } }),              "Principal is not of a known kind"),
        ("a bare account",      json!({ "Principal": "111122223333" }),              BAD_PRINCIPAL),
        ("other kind",          json!({ "Principal": { "Everybody": "*" } }),        BAD_PRINCIPAL),
        ("nobody",              json!({ "Principal": {} }),                          BAD_PRINCIPAL),
        ("no service",          json!({ "Principal": { "Service": ["x.com"] } }),    BAD_PRINCIPAL),
        ("a number",            json!({ "Principal": { "AWS": [1] } }),              "Principal is neither a text nor a list of texts"),
        ("no action",           json!({ "Action": null }),                           "a statement has no Action"),
        ("empty list",          json!({ "Action": [] }),                             "Action is neither a text nor a list of texts"),
        ("other service",       json!({ "Action": "s3:GetObject" }),                 "s3:GetObject is not an action of Lambda"),
        ("no name",             json!({ "NotAction": "lambda:", "Action": null }),   "lambda: is not an action of Lambda"),
        ("no resource",         json!({ "Resource": null }),                         "a statement has no Resource"),
        ("other function",      json!({ "Resource": format!("{ARN}2") }),            "is not arn:aws:lambda"),
        ("one version",         json!({ "Resource": [ARN, format!("{ARN}:1")] }),    ":1 is not arn:aws:lambda"),
        ("no condition",        json!({ "Condition": "x" }),                         "Condition is not an object"),
        ("no keys",             json!({ "Condition": { "Bool": {} } }),              "Condition.Bool is not an object of keys"),
        ("no value",            json!({ "Condition": { "Bool": { "a": {} } } }),     "Condition.Bool.a is not a value"),
    ];
    for (what, changed, expected) in rows {
        let refused = Policy::parse(&document(&changed), ARN).unwrap_err().to_string();
        assert!(refused.contains(expected), "{what}: {refused}");
    }
}

#[test]
fn each_document_that_is_none_says_why() {
    let statement = serde_json::from_str::<Value>(&document(&json!({ "Sid": "a" }))).unwrap();
    let statement = &statement["Statement"][0];
    let long = "é".repeat(12_000);
    #[rustfmt::skip]
    let rows = [
        ("no JSON",          "no".to_owned(),                                                "The resource policy is not valid: expected"),
        ("a list",           json!([]).to_string(),                                          "the document is not an object"),
        ("no statement",     json!({ "Version": "2012-10-17" }).to_string(),                 "missing field `Statement`"),
        ("none at all",      json!({ "Statement": [] }).to_string(),                         "it has no statement"),
        ("a text",           json!({ "Statement": ["a"] }).to_string(),                      "a statement is not an object"),
        ("unknown element",  json!({ "Statement": statement, "Name": "a" }).to_string(),     "unknown field `Name`"),
        ("other language",   json!({ "Statement": statement, "Version": "2" }).to_string(),  "Version must be one of 2008-10-17, 2012-10-17"),
        ("an id twice",      json!({ "Statement": [statement, statement] }).to_string(),     "two statements have the Sid a"),
        ("too many bytes",   document(&json!({ "Sid": long })),                              "is bigger than the limit (20480)."),
    ];
    for (what, text, expected) in rows {
        let refused = Policy::parse(&text, ARN).unwrap_err().to_string();
        assert!(refused.contains(expected), "{what}: {refused}");
    }
}

#[test]
fn wildcards_stand_for_what_they_should() {
    #[rustfmt::skip]
    let rows = [
        ("", "", true), ("*", "", true), ("?", "", false), ("a", "", false), ("", "a", false),
        ("a", "a", true), ("?", "a", true), ("a*", "a", true), ("*a", "a", true), ("**", "ab", true),
        ("a*c", "abbc", true), ("a*c", "abcb", false), ("a*b*c", "axbxbxc", true),
        ("*ab", "aab", true), ("a?c", "abc", true), ("a?c", "ac", false), ("A", "a", false),
    ];
    for (pattern, text, expected) in rows {
        let found = document::fits(pattern.as_bytes(), text.as_bytes());
        assert_eq!(found, expected, "{pattern} {text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".*") {
        let _ = Policy::parse(&text, ARN);
    }

    #[test]
    fn a_text_fits_itself_with_parts_left_out(
        parts in proptest::collection::vec("[a-c]{0,4}", 1..5), filled in "[a-c]{0,6}"
    ) {
        let text = parts.join(&filled);
        prop_assert!(document::fits(parts.join("*").as_bytes(), text.as_bytes()));
        let one = "?".repeat(text.len());
        prop_assert!(document::fits(one.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn a_document_reads_back_as_itself(
        sid in "[a-zA-Z0-9_-]{1,20}", not in any::<[bool; 3]>(), list in any::<bool>()
    ) {
        let name = |index: usize, name: &str| {
            format!("{}{name}", if not[index] { "Not" } else { "" })
        };
        let value = |text: &str| if list { json!([text, text]) } else { json!(text) };
        let text = json!({ "Id": sid, "Statement": [{
            "Sid": sid,
            "Effect": "Deny",
            name(0, "Principal"): { "AWS": value(USER) },
            name(1, "Action"): value("lambda:*"),
            name(2, "Resource"): value(ARN),
        }] });
        let policy = Policy::parse(&text.to_string(), ARN).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&policy.text()).unwrap(), text);
        let stored = serde_json::to_string(&policy).unwrap();
        prop_assert_eq!(serde_json::from_str::<Policy>(&stored).unwrap(), policy);
    }
}
