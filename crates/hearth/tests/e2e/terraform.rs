//! Terraform with its AWS provider, unmodified: apply, an empty second plan, a change, destroy.
//!
//! Neither can be installed from a package registry, so this runs where both are there already:
//! `terraform` on the path, and the provider in `TF_PLUGIN_CACHE_DIR`, where Terraform looks for
//! it, or in a directory of `/opt`. Nothing is fetched.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::aws_command;
use crate::functions::hello_compiled;
use crate::harness::{Server, skipped};
use crate::tools;

const TEST: &str = "terraform_applies_changes_and_destroys_without_drift";

/// Runs Terraform; what it said is the error if it ends with another status than these.
fn terraform(server: &Server, arguments: &[&str]) -> Result<String, String> {
    let mut command: Command = aws_command(server, Path::new("terraform"));
    command.args(arguments).env("TF_IN_AUTOMATION", "1").env("TF_INPUT", "0");
    command.env("TF_VAR_endpoint", server.endpoint());
    tools::run(&mut command)
}

/// The directory that holds the provider, if there is one.
fn plugins() -> Option<PathBuf> {
    let cache = env::var_os("TF_PLUGIN_CACHE_DIR").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".terraform.d/plugins"));
    let shared = PathBuf::from("/usr/share/terraform/plugins");
    let optional = fs::read_dir("/opt").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut places = [cache, home, Some(shared)].into_iter().flatten().chain(optional);
    places.find(|place| place.join("registry.terraform.io/hashicorp/aws").is_dir())
}

#[test]
fn terraform_applies_changes_and_destroys_without_drift() {
    if !tools::answers("terraform", "-version") {
        return skipped(TEST, "terraform is not installed");
    }
    let Some(plugins) = plugins() else {
        return skipped(TEST, "Terraform's provider hashicorp/aws is not installed");
    };
    let server = Server::start();
    let place = server.place.path();
    let main = tools::source("clients/terraform/main.tf");
    fs::copy(main, place.join("main.tf")).expect("the place can be written to");
    fs::write(place.join("code.zip"), hello_compiled().zip).expect("the place can be written to");
    let run = |arguments: &[&str]| {
        terraform(&server, arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    };
    run(&["init", "-no-color", &format!("-plugin-dir={}", plugins.display())]);
    // With `-detailed-exitcode`, a plan that is not empty ends with 2, which is an error here.
    let plan = ["plan", "-no-color", "-detailed-exitcode"];
    run(&["apply", "-no-color", "-auto-approve"]);
    run(&plan);
    let changed = ["-var", "memory=256", "-var", "weight=0.5"];
    run(&[&["apply", "-no-color", "-auto-approve"], &changed[..]].concat());
    run(&[&plan[..], &changed[..]].concat());
    let shown = server.get("/2015-03-31/functions/from-terraform/configuration").json();
    assert_eq!(shown["MemorySize"], 256, "{shown}");
    run(&["destroy", "-no-color", "-auto-approve"]);
    assert_eq!(server.get("/2015-03-31/functions/from-terraform").status, 404);
}
