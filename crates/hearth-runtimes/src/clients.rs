//! The versions of AWS's runtime clients and of the tools that fetch them.
//!
//! They are pinned, so that a runtime that is added next year is the one that was tested.

/// Everything that is installed for Python, each with its version: the client with its two
/// dependencies, and the AWS SDK with its own, which AWS's runtime brings as well. Nothing else is
/// fetched, so the list is complete. The client comes first.
pub(crate) const PYTHON: &[(&str, &str)] = &[
    ("awslambdaric", "4.2.2"),
    ("simplejson", "4.3.0"),
    ("snapshot-restore-py", "1.0.0"),
    ("boto3", "1.44.5"),
    ("botocore", "1.44.5"),
    ("jmespath", "1.1.0"),
    ("python-dateutil", "2.9.0.post0"),
    ("s3transfer", "0.19.3"),
    ("six", "1.17.0"),
    ("urllib3", "2.8.0"),
];

/// The package of the client for Node.js.
pub(crate) const NODEJS: &str = "aws-lambda-ric";
/// The first version of Node.js that gets [`NODEJS_CURRENT`]. That runs on Node.js 22 as well, but
/// refuses handlers with a callback, which AWS supports up to there.
pub(crate) const NODEJS_CURRENT_FROM: u32 = 24;
/// For handlers that return promises.
pub(crate) const NODEJS_CURRENT: &str = "4.0.2";
/// The last one for handlers with a callback as well.
pub(crate) const NODEJS_OLD: &str = "3.3.0";
/// The project that [`NODEJS_OLD`] is installed into. What it names to build its native half with
/// does not run with Python 3.12.
pub(crate) const NODEJS_OLD_PROJECT: &str =
    r#"{ "private": true, "overrides": { "node-gyp": "10.3.1" } }"#;

/// The group of the client for Java.
pub(crate) const JAVA_GROUP: &str = "com.amazonaws";
/// The client for Java.
pub(crate) const JAVA: &str = "aws-lambda-java-runtime-interface-client";
/// The last release of the 2.8 line; Maven adds the versions of core and serialization that this
/// release names itself.
pub(crate) const JAVA_VERSION: &str = "2.8.7";
/// The part of Maven that copies an artifact with its dependencies.
pub(crate) const MAVEN_COPY: &str =
    "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";
