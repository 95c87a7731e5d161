//! From the cold start of a function to whatever ends it.

use serde_json::{Value, json};

use crate::functions::{behaves, import_error, provided, slow_init};
use crate::harness::{Server, enforces};

#[test]
fn a_warm_call_finds_what_the_cold_one_left() {
    let server = Server::start();
    server.create("warm", &behaves(), json!({}));
    let cold = server.invoke("warm", &json!({}));
    let warm = server.invoke("warm", &json!({}));

    assert!(cold.report().contains("\tInit Duration: "), "{}", cold.report());
    assert!(!warm.report().contains("Init Duration"), "{}", warm.report());
    for invoked in [&cold, &warm] {
        let id = invoked.payload["requestId"].as_str().expect("the function says its request");
        assert!(invoked.log.contains(&format!("START RequestId: {id} Version: $LATEST\n")));
        assert!(invoked.log.contains(&format!("END RequestId: {id}\n")));
        for figure in ["\tDuration: ", "\tBilled Duration: ", "\tMemory Size: 128 MB\t"] {
            assert!(invoked.report().contains(figure), "{figure} in {}", invoked.report());
        }
    }
    assert_eq!(cold.good()["calls"], 1);
    assert_eq!(warm.good()["calls"], 2);
}

#[test]
fn a_timeout_loses_the_memory_and_keeps_what_is_in_tmp() {
    let server = Server::start();
    server.create("late", &behaves(), json!({ "Timeout": 1 }));
    server.invoke("late", &json!({ "do": "keep", "text": "kept" })).good();

    let late = server.invoke("late", &json!({ "do": "sleep", "seconds": 60 }));
    assert_eq!((late.status, late.error.as_deref()), (200, Some("Unhandled")));
    assert_eq!(late.error_type(), "Sandbox.Timedout");
    assert!(
        late.message().ends_with(" Error: Task timed out after 1.00 seconds"),
        "{}",
        late.message()
    );
    assert!(late.report().contains("\tStatus: timeout\t"), "{}", late.report());

    let next = server.invoke("late", &json!({ "do": "recall" })).good();
    assert_eq!(next, json!({ "text": "kept", "calls": 1 }));
}

#[test]
fn each_way_to_end_is_answered_as_aws_answers_it() {
    let exit = "Runtime exited with error: exit status 3";
    let nothing = "Runtime exited without providing a reason";
    let killed = "Runtime exited with error: signal: killed";
    let fault = "Runtime exited with error: signal: segmentation fault";
    let terminated = "Runtime exited with error: signal: terminated";
    #[rustfmt::skip]
    let rows = [
        ("exits well",          json!({ "do": "leave", "status": 0 }),   nothing,    "Runtime.ExitError"),
        ("exits badly",         json!({ "do": "leave", "status": 3 }),   exit,       "Runtime.ExitError"),
        ("kills itself",        json!({ "do": "signal", "signal": 9 }),  killed,     "Runtime.ExitError"),
        ("terminates itself",   json!({ "do": "signal", "signal": 15 }), terminated, "Runtime.ExitError"),
        ("breaks its memory",   json!({ "do": "scribble" }),             fault,      "Runtime.ExitError"),
        ("eats all its memory", json!({ "do": "eat" }),                  killed,     "Runtime.OutOfMemory"),
    ];
    let server = Server::start();
    server.create("ends", &behaves(), json!({ "Timeout": 60 }));
    for (name, event, message, reported) in rows {
        if event["do"] == "eat" && !enforces("memory limit") {
            continue;
        }
        server.invoke("ends", &json!({})).good();
        let ended = server.invoke("ends", &event);
        assert_eq!((ended.status, ended.error.as_deref()), (200, Some("Unhandled")), "{name}");
        assert_eq!(ended.error_type(), "Runtime.ExitError", "{name}");
        let start = ended.message().starts_with("RequestId: ");
        assert!(
            start && ended.message().ends_with(&format!(" Error: {message}")),
            "{name}: {}",
            ended.message()
        );
        let status = format!("\tStatus: error\tError Type: {reported}\t");
        assert!(ended.report().contains(&status), "{name}: {}", ended.report());

        let next = server.invoke("ends", &json!({})).good();
        assert_eq!(next["calls"], 1, "{name}: the next call finds a clean environment");
    }
}

#[test]
fn an_exception_is_the_functions_own_answer_and_ends_nothing() {
    let server = Server::start();
    server.create("raises", &behaves(), json!({}));
    let raised = server.invoke("raises", &json!({ "do": "fail" }));
    assert_eq!((raised.status, raised.error.as_deref()), (200, Some("Unhandled")));
    assert_eq!((raised.error_type(), raised.message()), ("ValueError", "no"));
    assert!(raised.payload["stackTrace"].is_array(), "{}", raised.payload);
    assert!(!raised.report().contains("Status: "), "{}", raised.report());
    assert_eq!(server.invoke("raises", &json!({})).good()["calls"], 2);
}

#[test]
fn a_module_that_cannot_be_imported_is_told_with_its_trace() {
    let server = Server::start();
    server.create("unimportable", &import_error(), json!({}));
    for round in ["cold", "warm"] {
        let failed = server.invoke("unimportable", &json!({}));
        assert_eq!((failed.status, failed.error.as_deref()), (200, Some("Unhandled")), "{round}");
        assert_eq!(failed.error_type(), "Runtime.ImportModuleError", "{round}");
        assert!(failed.message().contains("a_module_that_is_not_there"), "{}", failed.message());
        assert_eq!(failed.payload["requestId"], "", "{round}");
        assert!(failed.payload["stackTrace"].is_array(), "{round}: {}", failed.payload);
    }
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let server = Server::start();
    let none = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    let script: &[u8] = b"#!/bin/sh\nexit 1\n";
    #[rustfmt::skip]
    let rows: &[(&str, &str, u32, &[u8], &str)] = &[
        ("absent",         "README",    0o644, b"nothing to run",           none),
        ("not-executable", "bootstrap", 0o644, script,                      "fork/exec /var/task/bootstrap: permission denied"),
        ("not-a-program",  "bootstrap", 0o755, b"\x01\x02\x03 no program",  "fork/exec /var/task/bootstrap: exec format error"),
        ("no-interpreter", "bootstrap", 0o755, b"#!/no/such/interpreter\n", "fork/exec /var/task/bootstrap: no such file or directory"),
    ];
    for (name, file, mode, bytes, message) in rows {
        server.create(name, &provided(&[(*file, *mode, *bytes)]), json!({}));
        let failed = server.invoke(name, &json!({}));
        assert_eq!((failed.status, failed.error.as_deref()), (200, Some("Unhandled")), "{name}");
        assert_eq!(failed.error_type(), "Runtime.InvalidEntrypoint", "{name}: {}", failed.payload);
        assert!(failed.message().ends_with(*message), "{name}: {}", failed.message());
    }
    server.create("exits", &provided(&[("bootstrap", 0o755, script)]), json!({}));
    let failed = server.invoke("exits", &json!({}));
    assert_eq!(failed.error_type(), "Runtime.ExitError", "{}", failed.payload);
    assert!(failed.message().ends_with("exit status 1"), "{}", failed.message());
}

#[test]
fn an_init_that_takes_too_long_is_tried_again_within_the_first_call() {
    let server = Server::start();
    server.create("slow", &slow_init(), json!({ "Timeout": 10 }));
    let loaded = server.invoke("slow", &json!({}));
    assert_eq!(loaded.good(), "loaded");
    let logs = server.logs("slow").concat();
    let timed_out = logs.lines().find(|line| line.starts_with("INIT_REPORT Init Duration: 10"));
    let line =
        timed_out.unwrap_or_else(|| panic!("no init was given up after ten seconds:\n{logs}"));
    assert!(line.contains("\tPhase: init\tStatus: timeout"), "{line}");
}

#[test]
fn a_function_finds_the_variables_that_aws_sets() {
    let server = Server::start();
    let own = json!({ "Environment": { "Variables": { "OWN": "mine", "TZ": "Europe/Berlin" } } });
    server.create("variables", &behaves(), own);
    let found = server.invoke("variables", &json!({ "do": "variables" })).good();
    let (runtime, _) = crate::tools::python();
    let execution = format!("AWS_Lambda_{runtime}");
    #[rustfmt::skip]
    let rows = [
        ("OWN",                             "mine"),
        ("TZ",                              "Europe/Berlin"),
        ("LANG",                            "en_US.UTF-8"),
        ("_HANDLER",                        "handler.handler"),
        ("AWS_REGION",                      "us-east-1"),
        ("AWS_DEFAULT_REGION",              "us-east-1"),
        ("AWS_EXECUTION_ENV",               execution.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME",        "variables"),
        ("AWS_LAMBDA_FUNCTION_VERSION",     "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE",  "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME",       "/aws/lambda/variables"),
        ("AWS_LAMBDA_RUNTIME_API",          "169.254.100.1:9001"),
        ("AWS_XRAY_CONTEXT_MISSING",        "LOG_ERROR"),
        ("LAMBDA_TASK_ROOT",                "/var/task"),
        ("LAMBDA_RUNTIME_DIR",              "/var/runtime"),
        ("PWD",                             "/var/task"),
    ];
    for (name, value) in rows {
        assert_eq!(found[name], value, "{name}");
    }
    for name in
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"]
    {
        assert!(found[name].as_str().is_some_and(|value| !value.is_empty()), "{name}");
    }
    assert_eq!(found["E2E_RUN"], Value::Null, "nothing of the server's own environment comes in");
    let stream = found["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap_or_default();
    assert!(stream.contains("/[$LATEST]"), "{stream}");
    assert_ne!(found["PATH"], Value::Null);
}
