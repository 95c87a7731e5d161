//! The AWS SDK for Rust, unmodified: a program calls every operation that is offered.
//!
//! The program is `tests/clients/rust_sdk`, a package of its own. Cargo makes it in
//! `target/test-tools`, one process at a time. The SDK is built again when the lock file of the
//! program changes, and not when the program does.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hearth_front::compatibility::{Offer, offer};
use hearth_wire::lambda::Operation;
use serde_json::json;

use crate::functions::provided;
use crate::harness::Server;
use crate::http::Request;
use crate::tools;

/// Builds the program, unless that was done before.
fn program() -> PathBuf {
    let target = tools::directory().join("rust-sdk");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--target-dir"]).arg(&target);
    command.arg("--manifest-path").arg(tools::source("clients/rust_sdk/Cargo.toml"));
    tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    target.join("debug/rust_sdk")
}

/// The names of the operations that are offered, in whole or in part.
fn offered() -> String {
    let offered = Operation::ALL.iter().filter(|operation| match offer(**operation) {
        Offer::Full | Offer::Partial(_) => true,
        Offer::NotYet(_) => false,
    });
    let names: Vec<&str> = offered.map(|operation| operation.name()).collect();
    names.join(",")
}

#[test]
fn the_aws_sdk_for_rust_does_everything_that_is_offered() {
    let program = program();
    let server = Server::start();
    // What it maps has to be there.
    let queue = Request::new("POST", "/")
        .header("x-amz-target", "AmazonSQS.CreateQueue")
        .header("content-type", "application/x-amz-json-1.0")
        .json(&json!({ "QueueName": "rust-sdk" }));
    assert_eq!(server.send(&queue).status, 200);
    let bootstrap = fs::read(tools::hello_compiled()).expect("it was compiled");
    let bootstrap = ("bootstrap", 0o755, bootstrap.as_slice());
    let code = server.place.path().join("code.zip");
    let other_code = server.place.path().join("other-code.zip");
    let version = ("version.txt", 0o644, b"other".as_slice());
    for (file, archive) in
        [(&code, provided(&[bootstrap])), (&other_code, provided(&[bootstrap, version]))]
    {
        fs::write(file, archive.zip).expect("the place can be written to");
    }

    let mut command = Command::new(program);
    // Nothing of this user's settings for the real service, and no proxy.
    command.env_clear().env("RUST_BACKTRACE", "1").current_dir(server.place.path());
    command.arg(server.endpoint()).arg(offered()).arg(&code).arg(&other_code);
    let said = tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(said, "done\n");
}
