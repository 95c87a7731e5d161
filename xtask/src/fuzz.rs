//! Fuzzing: arbitrary bytes as requests, guided by what they cover.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{say, workspace_root};

const SECONDS: &str = "60";
/// More than a request of this length finds nothing that a shorter one does not.
const LENGTH_MAX: &str = "-max_len=4096";
/// What has the compiler count which branches were taken.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Ccodegen-units=1";

/// One request of each kind, so that the fuzzer need not find out what a request is.
#[rustfmt::skip]
const SEEDS: &[(&str, &str)] = &[
    ("create", "\0POST\n/2015-03-31/functions\n{\"FunctionName\":\"f\",\"Role\":\"r\",\"Code\":{\"ZipFile\":\"AA==\"},\"Tags\":{\"a\":\"b\"}}"),
    ("get",    "\0GET\n/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af?Qualifier=1\n"),
    ("untag",  "\0DELETE\n/2017-03-31/tags/a?tagKeys=a&tagKeys=b\n"),
    ("mapping", "\0POST\n/2015-03-31/event-source-mappings/\n{\"FunctionName\":\"f\",\"FilterCriteria\":{\"Filters\":[{\"Pattern\":\"{}\"}]},\"StartingPositionTimestamp\":1.5}"),
    ("logs",   "\x01Logs_20140328.FilterLogEvents\n{\"logGroupName\":\"g\",\"limit\":1}"),
    ("role",   "\x02Action=CreateRole&Version=2010-05-08&Tags.member.1.Key=a&Tags.member.1.Value=b"),
];

/// `fuzz [SECONDS]`
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let seconds = args.first().map_or(SECONDS, String::as_str);
    ensure!(args.len() <= 1 && seconds.parse::<u32>().is_ok(), "usage: cargo xtask fuzz [SECONDS]");
    let root = workspace_root();
    let target = root.join("target/fuzz");
    let corpus = target.join("corpus");
    std::fs::create_dir_all(&corpus).context("could not make the corpus")?;
    for (name, seed) in SEEDS {
        std::fs::write(corpus.join(name), seed).context("could not write a seed")?;
    }
    // For a target of its own, so that build scripts are not instrumented.
    let host = host()?;
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    build.arg("--target-dir").arg(&target).env("RUSTFLAGS", COVERAGE).current_dir(&root);
    ensure!(build.status().context("could not start cargo")?.success(), "the fuzzer was not built");
    let program: PathBuf = target.join(host).join("release/hearth-fuzz");
    let mut fuzz = Command::new(program);
    fuzz.arg(format!("-max_total_time={seconds}")).args([
        LENGTH_MAX,
        "-timeout=5",
        "-rss_limit_mb=1024",
    ]);
    fuzz.arg(&corpus).current_dir(&target);
    say(&format!("fuzzing for {seconds} seconds; findings would be in {}", target.display()));
    ensure!(fuzz.status().context("could not start the fuzzer")?.success(), "there is a finding");
    Ok(())
}

/// The target triple of this machine.
fn host() -> anyhow::Result<String> {
    let told = Command::new("rustc").arg("-vV").output().context("could not ask rustc")?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what this machine is")
}
