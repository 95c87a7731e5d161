//! What the API refuses, in AWS's words, and the ways to name a function.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::functions::{behaves, hello_compiled};
use crate::harness::Server;
use crate::http::{Answer, Request};

const FUNCTIONS: &str = "/2015-03-31/functions";
const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

/// Checks the status, the name of the error, and a part of its text.
fn check(what: &str, answer: &Answer, (status, name, text): (u16, &str, &str)) {
    let body = answer.json();
    let told = (answer.status, answer.header("x-amzn-errortype"));
    assert_eq!(told, (status, Some(name)), "{what}: {}", answer.text());
    let message = body.get("message").or_else(|| body.get("Message")).and_then(Value::as_str);
    assert!(message.is_some_and(|message| message.contains(text)), "{what}: {}", answer.text());
    assert!(answer.header("x-amzn-requestid").is_some(), "{what} has a request id");
}

fn get(path: &str) -> Request {
    Request::new("GET", format!("{FUNCTIONS}{path}"))
}

fn post(path: &str) -> Request {
    Request::new("POST", format!("{FUNCTIONS}{path}"))
}

fn put(path: &str) -> Request {
    Request::new("PUT", format!("{FUNCTIONS}{path}"))
}

/// A server with a function that is called `f`.
fn server_with_f() -> Server {
    let server = Server::start();
    server.create("f", &hello_compiled(), json!({}));
    server
}

#[test]
fn what_is_not_there_is_named() {
    let server = server_with_f();
    let missing = "ResourceNotFoundException";
    let nobody = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody";
    let elsewhere = "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')";
    let far = ARN.replace("us-east-1", "eu-west-1");
    #[rustfmt::skip]
    let rows = [
        ("get",            get("/nobody"),                                 (404, missing, nobody)),
        ("configuration",  get("/nobody/configuration"),                   (404, missing, nobody)),
        ("delete",         Request::new("DELETE", format!("{FUNCTIONS}/nobody")), (404, missing, nobody)),
        ("invoke",         post("/nobody/invocations"),                    (404, missing, nobody)),
        ("version",        post("/f/invocations?Qualifier=7"),             (404, missing, ":function:f:7")),
        ("alias",          post("/f:live/invocations"),                    (404, missing, ":function:f:live")),
        ("region",         get(&format!("/{far}")),                        (404, missing, elsewhere)),
        ("path",           Request::new("GET", "/no/such/path"),           (404, "UnknownOperationException", "/no/such/path")),
    ];
    for (what, request, expected) in rows {
        check(what, &server.send(&request), expected);
    }
    let answer = server.send(&get("/nobody"));
    assert!(answer.json()["Message"].is_string(), "this error spells it so: {}", answer.text());
    let stranger = ARN.replace("000000000000", "999999999999");
    let answer = server.send(&get(&format!("/{stranger}")));
    let told = (answer.status, answer.header("x-amzn-errortype"));
    assert_eq!(told, (403, Some("AccessDeniedException")), "{}", answer.text());
}

#[test]
fn bad_calls_of_invoke_are_refused() {
    let server = server_with_f();
    let invoke = || post("/f/invocations");
    let validation = "ValidationException";
    let parameter = "InvalidParameterValueException";
    let large = vec![b' '; 6 * 1024 * 1024 + 1];
    let large_event = vec![b' '; 1024 * 1024 + 1];
    let event = || invoke().header("x-amz-invocation-type", "Event");
    let nobodys_event = post("/nobody/invocations").header("x-amz-invocation-type", "Event");
    let context = |text: &str| invoke().header("x-amz-client-context", text);
    #[rustfmt::skip]
    let rows = [
        ("not JSON",        invoke().body(b"{nope".to_vec()),                    (400, "InvalidRequestContentException", "Could not parse request body into json")),
        ("too large",       invoke().body(large),                                (413, "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation")),
        ("large event",     event().body(large_event),                           (413, "RequestEntityTooLargeException", "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)")),
        ("bad event",       event().body(b"{nope".to_vec()),                     (400, "InvalidRequestContentException", "Could not parse request body into json")),
        ("nobody's event",  nobodys_event,                                       (404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody")),
        ("odd type",        invoke().header("x-amz-invocation-type", "Later"),   (400, validation, "Value 'Later' at 'invocationType' failed to satisfy constraint")),
        ("odd log type",    invoke().header("x-amz-log-type", "All"),            (400, validation, "Value 'All' at 'logType' failed to satisfy constraint")),
        ("odd name",        post("/no%20spaces/invocations"),                    (400, validation, "1 validation error detected: Value 'no spaces' at 'functionName'")),
        ("two qualifiers",  post("/f:1/invocations?Qualifier=2"),                (400, parameter, "does not match the specified qualifier")),
        ("context no JSON", context(&STANDARD.encode("{nope")),                  (400, parameter, "Client context must be a valid Base64-encoded JSON object")),
        ("context no code", context("***"),                                      (400, parameter, "Client context must be a valid Base64-encoded JSON object")),
        ("context too big", context(&STANDARD.encode(vec![b' '; 4000])),         (400, parameter, "3583")),
    ];
    for (what, request, expected) in rows {
        check(what, &server.send(&request), expected);
    }
    assert_eq!(server.invoke("f", &json!({})).status, 200);
}

#[test]
fn bad_functions_are_refused() {
    let server = server_with_f();
    let (parameter, validation) = ("InvalidParameterValueException", "ValidationException");
    let long = "x".repeat(4096);
    let variables =
        |name: &str, value: &str| json!({ "Environment": { "Variables": { name: value } } });
    #[rustfmt::skip]
    let rows = [
        ("exists",          "f",            json!({}),                             (409, "ResourceConflictException", "Function already exist: f")),
        ("reserved",        "g",            variables("AWS_REGION", "x"),          (400, parameter, "Reserved keys used in this request: AWS_REGION")),
        ("large variables", "g",            variables("BIG", &long),               (400, parameter, "exceeded the 4KB limit")),
        ("retired",         "g",            json!({ "Runtime": "nodejs12.x" }),    (400, parameter, "The runtime parameter of nodejs12.x is no longer supported for creating or updating")),
        ("not installed",   "g",            json!({ "Runtime": "python3.14" }),    (400, parameter, "Add it with `hearth runtime add python3.14`")),
        ("not known",       "g",            json!({ "Runtime": "cobol85" }),       (400, parameter, "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [")),
        ("little memory",   "g",            json!({ "MemorySize": 1 }),            (400, validation, "1 validation error detected: Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128")),
        ("two mistakes",    "g",            json!({ "MemorySize": 1, "Timeout": 0 }), (400, validation, "2 validation errors detected: ")),
        ("long timeout",    "g",            json!({ "Timeout": 901 }),             (400, parameter, "Timeout")),
        ("no archive",      "g",            json!({ "Code": { "ZipFile": "bm8gemlw" } }), (400, parameter, "Could not unzip uploaded file")),
        ("no code",         "g",            json!({ "Code": {} }),                 (400, parameter, "Please provide a source for function code")),
        ("layers",          "g",            json!({ "Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:l:1"] }), (400, parameter, "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:1 does not exist.")),
        ("other machine",   "g",            json!({ "Architectures": [OTHER_ARCHITECTURE] }), (400, parameter, OTHER_ARCHITECTURE)),
        ("many tags",       "g",            json!({ "Tags": many_tags() }),        (400, parameter, "tag")),
    ];
    for (what, name, settings, expected) in rows {
        let body = Server::creation(name, &hello_compiled(), settings);
        check(what, &server.send(&post("").json(&body)), expected);
    }
    let answer = server.send(&post("").body(b"{\"FunctionName\": ".to_vec()));
    check(
        "not JSON",
        &answer,
        (400, "InvalidRequestContentException", "Could not parse request body into json"),
    );
    let listed = server.send(&get("")).json();
    assert_eq!(listed["Functions"].as_array().map(Vec::len), Some(1), "nothing was made: {listed}");
}

const OTHER_ARCHITECTURE: &str = if cfg!(target_arch = "x86_64") { "arm64" } else { "x86_64" };

fn many_tags() -> Value {
    (0..51).map(|number| (format!("key{number}"), Value::from("value"))).collect()
}

#[test]
fn a_change_is_refused_for_the_wrong_revision_and_done_for_the_right_one() {
    let server = server_with_f();
    let path = "/f/configuration";
    let change = |revision: &str| put(path).json(&json!({ "Timeout": 5, "RevisionId": revision }));
    let wrong = server.send(&change("00000000-0000-4000-8000-000000000000"));
    let text = "The Revision Id provided does not match the latest Revision Id";
    check("another revision", &wrong, (412, "PreconditionFailedException", text));

    let revision = server.send(&get(path)).json()["RevisionId"].as_str().map(str::to_owned);
    let answer = server.send(&change(&revision.expect("there is a revision")));
    assert_eq!((answer.status, &answer.json()["Timeout"]), (200, &json!(5)), "{}", answer.text());
}

#[test]
fn operations_that_are_not_built_say_their_names() {
    let server = Server::start();
    #[rustfmt::skip]
    let rows = [
        ("ListCapacityProviders",          Request::new("GET", "/2025-11-30/capacity-providers")),
        ("ListDurableExecutionsByFunction", Request::new("GET", "/2025-12-01/functions/f/durable-executions")),
    ];
    for (name, request) in rows {
        let text = format!("Hearth does not implement Lambda {name} yet");
        check(name, &server.send(&request), (501, "UnsupportedOperationException", &text));
    }
}

#[test]
fn a_function_has_many_names() {
    let server = Server::start();
    server.create("f", &behaves(), json!({}));
    let (whole, encoded) = (format!("{ARN}:$LATEST"), ARN.replace(':', "%3A"));
    let latest = whole.as_str();
    #[rustfmt::skip]
    let rows = [
        ("f",                               ARN),
        ("function:f",                      ARN),
        ("000000000000:function:f",         ARN),
        (ARN,                               ARN),
        (encoded.as_str(),                  ARN),
        ("f:$LATEST",                       latest),
        ("f:%24LATEST",                     latest),
        ("000000000000:function:f:$LATEST", latest),
        (latest,                            latest),
    ];
    for (name, arn) in rows {
        let shown = server.send(&get(&format!("/{name}"))).json();
        assert_eq!(shown["Configuration"]["FunctionArn"], arn, "{name}");
        let called = server.invoke(name, &json!({})).good();
        assert_eq!(called["arn"], arn, "the ARN that a call of {name} brings");
    }
}

#[test]
fn an_access_key_of_twelve_digits_names_the_account() {
    let server = server_with_f();
    let own = |request: Request| {
        let scope = "20260101/eu-central-1/lambda/aws4_request";
        let credential = format!("AWS4-HMAC-SHA256 Credential=123456789012/{scope}, Signature=x");
        request.header("authorization", credential)
    };
    assert_eq!(server.send(&own(get("/f"))).status, 404, "the functions of others are not seen");
    let body = Server::creation("f", &hello_compiled(), json!({}));
    let made = server.send(&own(post("").json(&body)));
    assert_eq!(made.status, 201, "{}", made.text());
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:f";
    assert_eq!(made.json()["FunctionArn"], arn);
    for (whose, request) in [(arn, own(get(""))), (ARN, get(""))] {
        let listed = server.send(&request).json();
        assert_eq!(listed["Functions"].as_array().map(Vec::len), Some(1), "{listed}");
        assert_eq!(listed["Functions"][0]["FunctionArn"], whose);
    }
}

#[test]
fn a_dry_run_says_only_that_it_could_be_done() {
    let server = server_with_f();
    let dry = |name: &str| {
        post(&format!("/{name}/invocations")).header("x-amz-invocation-type", "DryRun")
    };
    let answer = server.send(&dry("f"));
    assert_eq!((answer.status, answer.body.as_slice()), (204, b"".as_slice()));
    assert_eq!(server.send(&dry("nobody")).status, 404);
    assert_eq!(server.logs("f"), Vec::<String>::new(), "the function did not run");
}

#[test]
fn the_client_context_reaches_the_function() {
    let server = Server::start();
    server.create("f", &behaves(), json!({}));
    let context = STANDARD.encode(json!({ "custom": { "key": "ä value" } }).to_string());
    let request = post("/f/invocations").json(&json!({})).header("x-amz-client-context", context);
    let answer = server.send(&request);
    assert_eq!(answer.json()["custom"], json!({ "key": "ä value" }), "{}", answer.text());
    assert_eq!(answer.header("x-amz-executed-version"), Some("$LATEST"));
    assert_eq!(answer.header("x-amz-log-result"), None, "nobody asked for the log");
    assert_eq!(answer.json()["requestId"].as_str(), answer.header("x-amzn-requestid"));
}
