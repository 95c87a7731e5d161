//! Every operation through boto3: one script for each kind of resource, in `tests/clients/api`.
//!
//! A script proves answers field by field, defaults, states, and each way to be refused. It has a
//! server of its own.

use std::path::Path;

use crate::clients::aws_command;
use crate::harness::{Place, Server};
use crate::tools;

/// Long enough for a client to see a state in between, also on a busy machine.
const SLOW: &[&str] = &["transition_ms_min=300"];
/// Short enough for retries not to be waited for.
const QUICK: &[&str] = &[
    "event_retry_ms_first=100",
    "event_retry_ms_second=200",
    "event_backoff_ms_min=20",
    "event_backoff_ms_max=200",
];

/// A store elsewhere that posts its events.
const WITH_STORE: &[&str] = &[
    "event_backoff_ms_min=20",
    "event_backoff_ms_max=200",
    r#"s3_events={"store":{"token":"a token of a store elsewhere","function":"arn:aws:lambda:us-east-1:000000000000:function:store-told"}}"#,
];

fn script_passes(name: &str, settings: &[&str]) {
    let server = Server::start_set(Place::new(), settings);
    let (runtime, _) = tools::python();
    let script = tools::source("clients/api").join(format!("{name}.py"));
    let mut command = aws_command(&server, Path::new("python3"));
    command.arg(script).args([server.endpoint().as_str(), runtime]);
    let said = tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(said.lines().last(), Some("done"), "{said}");
}

macro_rules! scripts {
    ($($name:ident, $settings:expr;)+) => {$(
        #[test]
        fn $name() {
            script_passes(stringify!($name), $settings);
        }
    )+};
}

#[rustfmt::skip]
scripts! {
    functions,            SLOW;
    names_and_scopes,     SLOW;
    versions_and_aliases, SLOW;
    runtime_management,   &[];
    streaming,            &[];
    layers,               &[];
    permissions,          &[];
    concurrency,          &[];
    event_invoke,         &[];
    asynchronous,         QUICK;
    urls,                 &[];
    function_urls,        &[];
    mappings,             SLOW;
    code_signing,         &[];
    tags,                 &[];
    iam,                  &[];
    s3,                   &[];
    s3_cases,             &[];
    s3_settings,          &[];
    s3_notifications,     WITH_STORE;
    sns,                  &[];
    sns_deliveries,       &[];
    event_buses,          &[];
    event_patterns,       &[];
    event_targets,        &[];
    scheduler,            &[];
    schedule_targets,     QUICK;
    sqs,                  &[];
    http_apis_control,    &[];
    http_apis,            &[];
    websockets,           &[];
    rest_apis_control,    &[];
    rest_apis,            &[];
    load_balancers,       &[];
}
