//! The agent's side of an interpreter that waits for its function.
//!
//! It is started with a socket as its standard input, long before there is a function, and imports
//! what every function of its runtime needs. Until it is asked to go on, its working directory is the
//! agent's as well, which changes it: the function's code is mounted over where it began.
//!
//! ```text
//!  agent                        interpreter
//!    │ ◀───────── one byte ────────│   it waits
//!    │ ── variables, the end ────▶ │   there is a function
//!    │ ◀───────── one byte ────────│   it goes on; the end instead: it does not want to
//! ```
//!
//! It declines when the function would see a difference to a plain start, such as a module of its
//! own in place of one that is imported already. Then, and whenever it is not there any more, the
//! program is started in the plain way.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::agent::end_child;
use crate::protocol::Program;

/// How long an interpreter may keep its variables from being written. It does nothing but read, so
/// one that takes longer is not what it should be.
const WRITE_LIMIT: Duration = Duration::from_secs(1);

/// An interpreter that waits, or is on its way to or from there.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// `None` when it has been reaped.
    pid: Option<i32>,
    socket: UnixStream,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Starting,
    Ready,
    /// It was told what to go on as.
    Asked(Program),
}

/// What an interpreter made known.
#[derive(Debug)]
pub(crate) enum Said {
    /// It waits.
    Waits,
    /// It ended before it waited.
    NeverWaited,
    /// It ended while it waited.
    Gone,
    /// It is the runtime now, with this process id.
    Continues(i32),
    /// It does not go on; this is to be started instead.
    Declines(Program),
}

impl Waiting {
    pub(crate) fn new(pid: i32, socket: UnixStream) -> io::Result<Self> {
        socket.set_write_timeout(Some(WRITE_LIMIT))?;
        Ok(Self { pid: Some(pid), socket, stage: Stage::Starting })
    }

    /// Readable when it has something to say.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Hears what it has to say. Only for [`Said::Waits`] is it of any use afterwards.
    pub(crate) fn hear(&mut self) -> Said {
        let mut byte = [0];
        let spoke = self.socket.read_exact(&mut byte).is_ok();
        let said = match (std::mem::replace(&mut self.stage, Stage::Ready), spoke, self.pid) {
            (Stage::Starting, true, Some(_)) => return Said::Waits,
            (Stage::Asked(_), true, Some(pid)) => return Said::Continues(pid),
            (Stage::Starting, _, _) => Said::NeverWaited,
            (Stage::Asked(program), _, _) => Said::Declines(program),
            // It has ended, or it speaks without having been asked and is not what it should be.
            (Stage::Ready, _, _) => Said::Gone,
        };
        self.end();
        said
    }

    /// Tells it what to go on as. Gives the program back if it does not listen.
    pub(crate) fn ask(mut self, program: Program) -> Result<Self, Program> {
        let told = matches!(self.stage, Stage::Ready) && self.tell(&program).is_ok();
        if !told {
            self.end();
            return Err(program);
        }
        self.stage = Stage::Asked(program);
        Ok(self)
    }

    fn tell(&self, program: &Program) -> io::Result<()> {
        let mut message = Vec::new();
        for variable in &program.variables {
            message.extend_from_slice(variable.as_bytes());
            message.push(0);
        }
        (&self.socket).write_all(&message)?;
        self.socket.shutdown(Shutdown::Write)
    }

    /// A child was reaped, perhaps this one.
    pub(crate) fn was_reaped(&mut self, pid: i32) {
        if self.pid == Some(pid) {
            self.pid = None;
        }
    }

    /// Ends it, if it is still there.
    pub(crate) fn end(&mut self) {
        if let Some(pid) = self.pid.take() {
            end_child(pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The agent's side and the interpreter's. No process: it counts as reaped.
    fn pair() -> (Waiting, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Waiting { pid: None, ..Waiting::new(0, ours).unwrap() }, theirs)
    }

    fn program() -> Program {
        let variables = ["A=1", "B="].map(str::to_owned).to_vec();
        Program { candidates: Vec::new(), variables, directory: "/".to_owned(), extensions: None }
    }

    #[test]
    fn it_is_told_its_variables_and_that_there_are_no_more() {
        let (mut waiting, mut interpreter) = pair();
        waiting.stage = Stage::Ready;
        let _asked = waiting.ask(program()).unwrap();
        let mut told = Vec::new();
        interpreter.read_to_end(&mut told).unwrap();
        assert_eq!(told, b"A=1\0B=\0");
    }

    #[test]
    fn one_that_is_not_there_any_more_gives_its_program_back() {
        let (mut waiting, interpreter) = pair();
        waiting.stage = Stage::Ready;
        drop(interpreter);
        assert_eq!(waiting.ask(program()).unwrap_err(), program());
    }

    #[test]
    fn one_that_ends_without_a_word_is_understood_by_what_it_was_doing() {
        let hear = |stage| {
            let (mut waiting, interpreter) = pair();
            waiting.stage = stage;
            drop(interpreter);
            waiting.hear()
        };
        assert!(matches!(hear(Stage::Starting), Said::NeverWaited));
        assert!(matches!(hear(Stage::Ready), Said::Gone));
        assert!(
            matches!(hear(Stage::Asked(program())), Said::Declines(given) if given == program())
        );
    }

    #[test]
    fn one_that_speaks_waits_and_then_goes_on() {
        let (mut waiting, mut interpreter) = pair();
        waiting.pid = Some(7);
        interpreter.write_all(&[0]).unwrap();
        assert!(matches!(waiting.hear(), Said::Waits));
        let mut waiting = waiting.ask(program()).unwrap();
        interpreter.write_all(&[0]).unwrap();
        assert!(matches!(waiting.hear(), Said::Continues(7)));
    }
}
