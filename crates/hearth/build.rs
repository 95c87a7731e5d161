//! Compiles the function that `hearth quickstart` deploys beside the one in Python.
//!
//! It is one file without dependencies, so the compiler that builds Hearth is all that it takes.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "functions/hello_compiled/main.rs";

/// How the function finds the C library.
enum Linkage {
    /// It carries its own, and so runs whatever the environment's root has.
    Static,
    /// It uses that of the environment. For hosts on which the static library is not installed.
    Dynamic,
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SOURCE}");
    let program = PathBuf::from(variable("OUT_DIR")).join("bootstrap");
    if compile(&program, Linkage::Static) {
        return;
    }
    println!("cargo::warning=could not link {SOURCE} statically; it will need this host's libc");
    assert!(compile(&program, Linkage::Dynamic), "could not compile {SOURCE}");
}

/// Returns whether it could be compiled; why not, the compiler has said.
fn compile(program: &Path, linkage: Linkage) -> bool {
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition", "2024", "--crate-name", "bootstrap", "--crate-type", "bin"]);
    rustc.args(["--target", &variable("TARGET"), "-O", "-C", "panic=abort", "-C", "strip=symbols"]);
    if let Linkage::Static = linkage {
        rustc.args(["-C", "target-feature=+crt-static"]);
    }
    // Set when the target has a linker of its own.
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    rustc.arg("-o").arg(program).arg(SOURCE);
    rustc.status().expect("cargo says where the compiler is").success()
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("cargo sets {name}: {error}"))
}
