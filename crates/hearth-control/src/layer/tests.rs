//! Numbers, listings, policies, and which layers a function may have.

use hearth_types::names::Region;

use super::*;

const MINE: &str = "000000000000";
const THEIRS: &str = "111111111111";

fn scope(account: &str) -> Scope {
    Scope {
        account: AccountId::parse(account).unwrap(),
        region: Region::parse("us-east-1").unwrap(),
    }
}

fn version(number: u64) -> LayerVersion {
    let code = Code {
        digest: CodeDigest::of(&number.to_le_bytes()),
        zip_bytes: number,
        unzipped_bytes: 2 * number,
    };
    LayerVersion {
        version: number,
        description: String::new(),
        license: None,
        runtimes: Vec::new(),
        architectures: Vec::new(),
        code,
        created: Timestamp(0),
        policy: None,
    }
}

fn arn(text: &str) -> LayerVersionArn {
    LayerVersionArn::parse(text).unwrap()
}

fn permission(statement_id: &str, principal: &str) -> LayerPermission {
    LayerPermission {
        statement_id: statement_id.to_owned(),
        action: "lambda:GetLayerVersion".to_owned(),
        principal: principal.to_owned(),
        organization: None,
        revision: None,
    }
}

#[test]
fn a_number_is_never_used_again() {
    let mut layer = Layer::new("tools");
    let mut published = Vec::new();
    for _ in 0..3 {
        published.push(layer.publish(version).version);
        layer.versions.clear();
    }
    assert_eq!(published, [1, 2, 3]);
    let document = serde_json::to_string(&layer).unwrap();
    let mut read: Layer = serde_json::from_str(&document).unwrap();
    assert_eq!(read, layer);
    assert_eq!(read.publish(version).version, 4);
}

#[test]
fn a_listing_shows_what_fits_newest_first() {
    let made_for = |number, runtimes: &[&str], architectures: &[&str]| LayerVersion {
        runtimes: runtimes.iter().map(|name| String::from(*name)).collect(),
        architectures: architectures.iter().map(|name| String::from(*name)).collect(),
        ..version(number)
    };
    let versions = [
        made_for(1, &["python3.12", "python3.13"], &["x86_64"]),
        made_for(2, &[], &[]),
        made_for(3, &["python3.13"], &["x86_64", "arm64"]),
    ];
    let versions = versions.map(|version| (version.version, version));
    let layer = Layer { name: "tools".into(), versions: BTreeMap::from(versions), last_version: 3 };
    #[rustfmt::skip]
    let rows: [(&str, &str, &[u64]); 6] = [
        ("",            "",        &[3, 2, 1]),
        ("python3.13",  "",        &[3, 1]),
        ("python3.12",  "",        &[1]),
        ("",            "arm64",   &[3]),
        ("python3.13",  "arm64",   &[3]),
        ("python3.12",  "arm64",   &[]),
    ];
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    for (runtime, architecture, expected) in rows {
        let filter = LayerFilter { runtime: given(runtime), architecture: given(architecture) };
        let found: Vec<u64> = layer.matching(&filter).map(|version| version.version).collect();
        assert_eq!(found, expected, "{runtime} {architecture}");
    }
}

#[test]
fn a_policy_lets_in_whom_it_names() {
    let which = arn(&format!("arn:aws:lambda:us-east-1:{MINE}:layer:tools:1"));
    let them = AccountId::parse(THEIRS).unwrap();
    let within = LayerPermission {
        organization: Some("o-0123456789".to_owned()),
        ..permission("within", "*")
    };
    let root = format!("arn:aws:iam::{THEIRS}:root");
    #[rustfmt::skip]
    let rows = [
        ("nobody",               vec![],                                                          false),
        ("everybody",            vec![permission("all", "*")],                                    true),
        ("them",                 vec![permission("them", THEIRS)],                                true),
        ("them, by their ARN",   vec![permission("them", &root)],                                 true),
        ("somebody else",        vec![permission("other", "222222222222")],                       false),
        ("an organization",      vec![within],                                                    false),
        ("somebody, and them",   vec![permission("other", MINE), permission("them", THEIRS)],     true),
    ];
    for (name, permissions, expected) in rows {
        let mut version = version(1);
        for permission in permissions {
            version.add_permission(&which, permission).unwrap();
        }
        assert_eq!(version.admits(&them), expected, "{name}");
    }
}

#[test]
fn a_statement_is_worded_as_aws_words_it() {
    let which = arn(&format!("arn:aws:lambda:us-east-1:{MINE}:layer:tools:1"));
    let within = LayerPermission {
        organization: Some("o-0123456789".to_owned()),
        ..permission("within", "*")
    };
    let rows = [
        (permission("all", "*"), json!("*"), None),
        (permission("them", THEIRS), json!({ "AWS": format!("arn:aws:iam::{THEIRS}:root") }), None),
        (
            within,
            json!("*"),
            Some(json!({ "StringEquals": { "aws:PrincipalOrgID": "o-0123456789" } })),
        ),
    ];
    let mut version = version(1);
    for (permission, principal, condition) in rows {
        let sid = permission.statement_id.clone();
        let (statement, revision) = version.add_permission(&which, permission).unwrap();
        assert_eq!((statement.sid.as_str(), statement.effect.as_str()), (sid.as_str(), "Allow"));
        assert_eq!(statement.action, "lambda:GetLayerVersion");
        assert_eq!(statement.resource, which.to_string());
        assert_eq!((statement.principal, statement.condition), (principal, condition), "{sid}");
        assert_eq!(version.policy.as_ref().map(|policy| policy.revision), Some(revision));
    }
}

#[test]
fn a_revision_that_is_not_the_latest_is_refused() {
    let which = arn(&format!("arn:aws:lambda:us-east-1:{MINE}:layer:tools:1"));
    let mut version = version(1);
    let (_, first) = version.add_permission(&which, permission("one", "*")).unwrap();
    let at = |revision: RevisionId, statement_id| LayerPermission {
        revision: Some(revision.to_string()),
        ..permission(statement_id, "*")
    };
    let (_, second) = version.add_permission(&which, at(first, "two")).unwrap();
    let refused = version.add_permission(&which, at(first, "three")).unwrap_err();
    let text = "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id";
    assert_eq!(refused.to_string(), text);
    assert!(version.add_permission(&which, at(second, "three")).is_ok());
}

/// Mine: `tools` 1 and 2, `more` 3. Theirs: `open` 1, `closed` 1. Elsewhere: `tools` 1.
fn there(which: &LayerVersionArn) -> Option<LayerVersion> {
    let text = which.to_string();
    let (_, end) = text.split_once("arn:aws:lambda:")?;
    match end {
        "us-east-1:000000000000:layer:tools:1" | "eu-west-1:000000000000:layer:tools:1" => {
            Some(version(1))
        }
        "us-east-1:000000000000:layer:tools:2" => Some(version(2)),
        "us-east-1:000000000000:layer:more:3" => Some(version(3)),
        "us-east-1:111111111111:layer:open:1" | "eu-west-1:111111111111:layer:open:1" => {
            let mut open = version(4);
            open.add_permission(which, permission("all", "*")).unwrap();
            Some(open)
        }
        "us-east-1:111111111111:layer:closed:1" => Some(version(5)),
        _ => None,
    }
}

/// What it is, the ARNs that are asked for, and the versions that are found or why not.
type Resolution<'a> = (&'a str, Vec<String>, Result<Vec<u64>, &'a str>);

#[test]
fn the_layers_of_a_function_are_found_or_refused() {
    let mine = |name: &str| format!("arn:aws:lambda:us-east-1:{MINE}:layer:{name}");
    let theirs = |name: &str| format!("arn:aws:lambda:us-east-1:{THEIRS}:layer:{name}");
    let elsewhere =
        |account: &str, name: &str| format!("arn:aws:lambda:eu-west-1:{account}:layer:{name}");
    let gone = LayerReference { arn: mine("tools:9"), code: version(9).code };
    let many: Vec<String> = (1..=6).map(|number| mine(&format!("l{number}:1"))).collect();
    #[rustfmt::skip]
    let rows: Vec<Resolution<'_>> = vec![
        ("none",                     vec![],                                           Ok(vec![])),
        ("in the order given",       vec![mine("more:3"), mine("tools:1")],            Ok(vec![3, 1])),
        ("open to everybody",        vec![theirs("open:1")],                           Ok(vec![4])),
        ("deleted, and in use",      vec![mine("tools:9"), mine("more:3")],            Ok(vec![9, 3])),
        ("too many",                 many,                                             Err("Cannot reference more than 5 layers.")),
        ("a missing version",        vec![mine("more:1")],                             Err("Layer version arn:aws:lambda:us-east-1:000000000000:layer:more:1 does not exist.")),
        ("a missing layer",          vec![mine("none:1")],                             Err("Layer version arn:aws:lambda:us-east-1:000000000000:layer:none:1 does not exist.")),
        ("one of AWS itself",        vec!["arn:aws:lambda:::awslayer:A".to_owned()],   Err("Layer version arn:aws:lambda:::awslayer:A does not exist.")),
        ("two versions",             vec![mine("tools:1"), mine("tools:2")],           Err("Two different versions of the same layer are not allowed to be referenced in the same function. arn:aws:lambda:us-east-1:000000000000:layer:tools:1 and arn:aws:lambda:us-east-1:000000000000:layer:tools:2")),
        ("one version twice",        vec![mine("tools:1"), mine("tools:1")],           Err("Two different versions of the same layer are not allowed to be referenced in the same function. arn:aws:lambda:us-east-1:000000000000:layer:tools:1 and arn:aws:lambda:us-east-1:000000000000:layer:tools:1")),
        ("another region",           vec![elsewhere(MINE, "tools:1")],                 Err("Layers are not in the same region as the function. Layers are expected to be in region us-east-1.")),
        ("closed",                   vec![theirs("closed:1")],                         Err("User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetLayerVersion on resource: arn:aws:lambda:us-east-1:111111111111:layer:closed:1 because no resource-based policy allows the lambda:GetLayerVersion action")),
        ("theirs and missing",       vec![theirs("none:1")],                           Err("User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetLayerVersion on resource: arn:aws:lambda:us-east-1:111111111111:layer:none:1 because no resource-based policy allows the lambda:GetLayerVersion action")),
        ("theirs, another region",   vec![elsewhere(THEIRS, "open:1")],                Err("User: arn:aws:iam::000000000000:root is not authorized to perform: lambda:GetLayerVersion on resource: arn:aws:lambda:eu-west-1:111111111111:layer:open:1 because no resource-based policy allows the lambda:GetLayerVersion action")),
    ];
    for (name, arns, expected) in rows {
        let found = resolve(&scope(MINE), &arns, std::slice::from_ref(&gone), there);
        if let Ok(found) = &found {
            let shown: Vec<&String> = found.iter().map(|one| &one.arn).collect();
            assert_eq!(shown, arns.iter().collect::<Vec<_>>(), "{name}");
        }
        let sizes = found.map(|found| found.iter().map(|one| one.code.zip_bytes).collect());
        let sizes: Result<Vec<u64>, String> = sizes.map_err(|error| error.to_string());
        assert_eq!(sizes, expected.map_err(str::to_owned), "{name}");
    }
}
