//! A program that ends when its handle is dropped.

use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::now;

/// How long a program may take to end when it is asked to, with a thousand environments to take
/// down. After that it is killed.
const GRACE: Duration = Duration::from_secs(60);
/// How often is looked whether it ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A running program.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let started = command.spawn();
        let name = command.get_program().to_string_lossy().into_owned();
        started.map(Self).with_context(|| format!("could not start {name}"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its standard output, if that is a pipe and nobody took it.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Its standard input, if that is a pipe and nobody took it.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.0.stdin.take()
    }

    /// How it ended; waits for that, but not longer than this.
    pub(crate) fn wait_for(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = now();
        loop {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            if start.elapsed() >= limit {
                return None;
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Once it was waited for, its id may belong to another process.
        if self.wait_for(Duration::ZERO).is_some() {
            return;
        }
        // A failure of any of these means that it is gone.
        let _asked = kill_process(Pid::from_child(&self.0), Signal::TERM);
        if self.wait_for(GRACE).is_none() {
            let _killed = self.0.kill();
            let _reaped = self.0.wait();
        }
    }
}

/// Runs a command to its end and gives what it printed. Shows its errors if it fails.
pub(crate) fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("could not start {shown}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown} ended with {}:\n{errors}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{shown} did not print text"))
}
