//! Running the tools that fetch and build runtime clients.

use std::process::{Command, Output, Stdio};

use crate::RuntimeError;

/// How many lines of a tool's complaint an error repeats.
const TAIL_LINES: usize = 8;

/// Runs a tool to its end and returns what it wrote to its standard output.
pub(crate) fn run(command: &mut Command, purpose: &'static str) -> Result<String, RuntimeError> {
    let program = command.get_program().to_string_lossy().into_owned();
    // A tool that asks a question would wait for ever.
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => Err(RuntimeError::ToolFailed { program, purpose, tail: tail(&output) }),
        Err(source) => Err(RuntimeError::NotStarted { program, purpose, source }),
    }
}

/// What a program says about itself, or nothing if it does not run.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    run(command, "ask for its version").ok()
}

fn tail(output: &Output) -> String {
    let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> =
        said.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return output.status.to_string();
    }
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
