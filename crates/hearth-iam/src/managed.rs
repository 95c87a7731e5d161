//! The managed policies that AWS has made: those that roles of functions are given.
//!
//! They are AWS's own documents in their newest version; earlier versions are not known here. A
//! policy that is not in this list does not exist for this server.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::policy::{Owner, Policy, PolicyVersion};

const POLICIES: &str = include_str!("../managed_policies.json");

/// AWS's policies, by ARN.
#[derive(Debug)]
pub(crate) struct ManagedPolicies(BTreeMap<String, Arc<Policy>>);

impl ManagedPolicies {
    /// Those that are known.
    pub(crate) fn known() -> Self {
        let known: Vec<Known> =
            serde_json::from_str(POLICIES).expect("the list that comes with the program is JSON");
        let policies = known.into_iter().map(Known::into_policy);
        Self(policies.map(|policy| (policy.arn(), Arc::new(policy))).collect())
    }

    pub(crate) fn get(&self, arn: &str) -> Option<Arc<Policy>> {
        self.0.get(arn).cloned()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.0.values()
    }
}

/// An entry of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    name: String,
    path: String,
    id: Option<String>,
    description: Option<String>,
    version: u32,
    created: Timestamp,
    updated: Timestamp,
    statements: Vec<Value>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: &'static str,
    statement: Vec<Value>,
}

impl Known {
    fn into_policy(self) -> Policy {
        let document = Document { version: "2012-10-17", statement: self.statements };
        let document =
            serde_json::to_string_pretty(&document).expect("statements can be written as JSON");
        let version = PolicyVersion { document, created: self.updated };
        Policy {
            owner: Owner::Aws,
            name: self.name,
            path: self.path,
            id: self.id,
            description: self.description,
            created: self.created,
            updated: self.updated,
            versions: BTreeMap::from([(self.version, version)]),
            default_version: self.version,
            last_version: self.version,
            tags: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::document::{self, Purpose};
    use crate::policy::PolicyArn;

    #[test]
    fn every_policy_of_aws_is_one_that_iam_would_take() {
        let known = ManagedPolicies::known();
        let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for policy in known.all() {
            let arn = policy.arn();
            assert_eq!(PolicyArn::parse(&arn).unwrap().owner, Owner::Aws);
            let document = &policy.versions[&policy.default_version].document;
            document::check(document, Purpose::Managed).unwrap_or_else(|e| panic!("{arn}: {e}"));
            assert!(names.insert(policy.listed_as()), "{arn} is there once");
            assert!(policy.id.iter().all(|id| id.len() == 21 && ids.insert(id.clone())), "{arn}");
            assert!(policy.created <= policy.updated, "{arn}");
        }
    }

    #[test]
    fn the_execution_roles_of_functions_are_there() {
        let known = ManagedPolicies::known();
        let arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
        let basic = known.get(arn).unwrap();
        let document: Value = serde_json::from_str(&basic.versions[&1].document).unwrap();
        let actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];
        assert_eq!(document["Version"], "2012-10-17");
        assert_eq!(document["Statement"][0]["Action"], serde_json::json!(actions));
        for name in ["VPCAccess", "SQSQueue", "Kinesis", "DynamoDB", "MSK"] {
            let arn = arn.replace("Basic", name);
            assert!(known.get(&arn).is_some(), "{arn}");
        }
    }
}
