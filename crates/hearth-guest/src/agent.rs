//! PID 1 of one environment.
//!
//! Forked by the launcher, never executed, single-threaded. It waits on three descriptors: the
//! socket to the server, a signal descriptor that says when a child has ended, and the socket to an
//! interpreter that waits for its function, while there is one.
//!
//! # Promises
//!
//! 1. Every process that ends in here is reaped; the end of the runtime, and of each extension, is
//!    reported once.
//! 2. After `ResetDone` no process of the environment is left but the agent.
//! 3. When the socket is closed the agent ends, and the kernel ends the rest.

#![expect(unsafe_code, reason = "forking, executing and waiting have no safe interface")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};

use crate::confine::{self, Limits};
use crate::extensions::{self, Extensions};
use crate::protocol::{
    Command, EXTENSIONS_MAX, Exit, Launched, NotLaunched, NotRunning, Process, Program, Report,
    Signal, TELEMETRY_DESCRIPTOR,
};
use crate::waiting::{Said, Waiting};
use crate::wire::{self, Frames};

/// What the agent is given when it is forked.
#[derive(Debug)]
pub struct Agent {
    /// The socket to the server.
    pub control: UnixStream,
    /// Where the runtime's output goes.
    pub output: OwnedFd,
    /// What the runtime is held to.
    pub limits: Limits,
}

impl Agent {
    /// Serves the environment until the server closes the socket.
    ///
    /// # Errors
    ///
    /// If the socket or the kernel fails; the caller ends the process either way.
    pub fn serve(mut self) -> io::Result<()> {
        let children = child_signals()?;
        let mut frames = Frames::default();
        let mut inside = Inside::default();
        loop {
            let waiting = match &inside.waiting {
                Some(waiting) => waiting.socket(),
                None => self.control.as_fd(),
            };
            let mut ready = [
                PollFd::new(&self.control, PollFlags::IN),
                PollFd::new(&children, PollFlags::IN),
                PollFd::from_borrowed_fd(waiting, PollFlags::IN),
            ];
            match poll(&mut ready, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [told, ended, said] = ready.map(|ready| !ready.revents().is_empty());
            // Before its end, because it may have said something and then ended.
            if said {
                self.hear(&mut inside)?;
            }
            if ended {
                drain_signals(&children);
                self.reap(&mut inside)?;
            }
            if told {
                wire::receive_into(&self.control, &mut frames)?;
                while let Some(command) = frames.take()? {
                    self.obey(command, &mut inside)?;
                }
            }
        }
    }

    fn obey(&mut self, command: Command, inside: &mut Inside) -> io::Result<()> {
        if let Command::Run(program) | Command::Continue(program) = &command
            && self.run_extensions(program, inside)?
        {
            return Ok(()); // The runtime's turn comes when they have registered.
        }
        match command {
            Command::Run(program) => {
                if let Some(mut waiting) = inside.waiting.take() {
                    waiting.end();
                }
                self.start(&program, inside)
            }
            Command::Warm(program) => self.warm(&program, inside),
            Command::Continue(program) => self.go_on(program, inside),
            Command::Signal { process, signal } => {
                let pid = match &process {
                    Process::Runtime => inside.runtime,
                    Process::Extension(name) => inside.extensions.process(name),
                };
                if let Some(pid) = pid {
                    signal_group(pid, signal);
                }
                Ok(())
            }
            Command::Dial { ticket, port } => match extensions::dial(port) {
                Ok(connection) => {
                    let report = Report::Dialed { ticket };
                    wire::send(&self.control, &report, &[connection.as_fd()])
                }
                Err(error) => {
                    let report = Report::NotDialed { ticket, reason: error.to_string() };
                    wire::send(&self.control, &report, &[])
                }
            },
            Command::Reset => {
                // Ended on purpose, so their ends are not reported.
                *inside = Inside::default();
                end_everything();
                wire::send(&self.control, &Report::ResetDone, &[])
            }
        }
    }

    fn start(&self, program: &Program, inside: &mut Inside) -> io::Result<()> {
        let report = match self.run(program, None, Sharing::Nothing)? {
            Ok(pid) => {
                inside.runtime = Some(pid);
                Report::Running
            }
            Err(reason) => Report::NotRunning(reason),
        };
        wire::send(&self.control, &report, &[])
    }

    fn warm(&self, program: &Program, inside: &mut Inside) -> io::Result<()> {
        let (ours, theirs) = UnixStream::pair()?;
        match self.run(program, Some(theirs.as_fd()), Sharing::Directory)? {
            Ok(pid) => {
                inside.waiting = Some(Waiting::new(pid, ours)?);
                Ok(())
            }
            Err(_reason) => wire::send(&self.control, &Report::NotWaiting, &[]),
        }
    }

    /// Has the interpreter that waits go on as this program, or starts it if there is none.
    fn go_on(&self, program: Program, inside: &mut Inside) -> io::Result<()> {
        let Some(mut waiting) = inside.waiting.take() else {
            return self.start(&program, inside);
        };
        if take_along(&program.directory).is_err() {
            waiting.end();
            return self.start(&program, inside);
        }
        match waiting.ask(program) {
            Ok(waiting) => {
                inside.waiting = Some(waiting);
                Ok(())
            }
            Err(program) => self.start(&program, inside),
        }
    }

    /// The interpreter that waits has something to say, or is not there any more.
    fn hear(&self, inside: &mut Inside) -> io::Result<()> {
        let Some(mut waiting) = inside.waiting.take() else { return Ok(()) };
        let report = match waiting.hear() {
            Said::Waits => {
                inside.waiting = Some(waiting);
                Report::Waiting
            }
            Said::Continues(pid) => {
                inside.runtime = Some(pid);
                Report::Running
            }
            Said::NeverWaited => Report::NotWaiting,
            // Nobody has asked for it yet; whoever does is given a new one.
            Said::Gone => return Ok(()),
            Said::Declines(program) => return self.start(&program, inside),
        };
        wire::send(&self.control, &report, &[])
    }

    fn reap(&mut self, inside: &mut Inside) -> io::Result<()> {
        while let Some((pid, exit)) = wait_child(libc::WNOHANG) {
            if inside.runtime == Some(pid) {
                inside.runtime = None;
                wire::send(&self.control, &Report::Exited(exit), &[])?;
            } else if let Some(name) = inside.extensions.ended(pid) {
                wire::send(&self.control, &Report::ExtensionExited { name, exit }, &[])?;
            } else if let Some(waiting) = &mut inside.waiting {
                waiting.was_reaped(pid);
            }
        }
        Ok(())
    }

    /// Starts the extensions that there are, up to as many as there may be, if the program says how.
    /// Returns whether there are any.
    fn run_extensions(&self, program: &Program, inside: &mut Inside) -> io::Result<bool> {
        let Some(variables) = &program.extensions else { return Ok(false) };
        let found = extensions::found();
        if found.is_empty() {
            return Ok(false);
        }
        // A pipe of their own tells their lines from those of the function. They share it.
        let (reading, writing) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let streams = Streams { input: None, output: writing.as_raw_fd(), telemetry: None };
        let mut launched = Vec::new();
        for (index, name) in found.into_iter().enumerate() {
            let refused = if index < EXTENSIONS_MAX {
                let path = vec![extensions::path(&name)];
                let program = Program {
                    candidates: Vec::new(),
                    variables: variables.clone(),
                    directory: "/".to_owned(),
                    extensions: None,
                };
                match self.launch(&Image::prepare(&path, &program)?, &streams, Sharing::Nothing)? {
                    Ok(pid) => {
                        inside.extensions.started(pid, name.clone());
                        None
                    }
                    Err(errno) => Some(NotLaunched::Refused { errno }),
                }
            } else {
                Some(NotLaunched::TooMany)
            };
            launched.push(Launched { name, refused });
        }
        drop(writing);
        wire::send(&self.control, &Report::Extensions(launched), &[reading.as_fd()])?;
        Ok(true)
    }

    /// Starts a program, and knows whether the kernel took it. Without an input of its own it reads
    /// from `/dev/null`.
    fn run(
        &self,
        program: &Program,
        input: Option<BorrowedFd<'_>>,
        sharing: Sharing,
    ) -> io::Result<Result<i32, NotRunning>> {
        let Some(arguments) = program.candidates.iter().find(|arguments| exists(arguments)) else {
            let names = program.candidates.iter().filter_map(|one| one.first().cloned());
            return Ok(Err(NotRunning::NoneFound(names.collect())));
        };
        let image = Image::prepare(arguments, program)?;
        let (input, output) = (input.map(|input| input.as_raw_fd()), self.output.as_raw_fd());
        let streams = Streams { input, output, telemetry: Some(output) };
        let started = self.launch(&image, &streams, sharing)?;
        let path = arguments.first().cloned().unwrap_or_default();
        Ok(started.map_err(|errno| NotRunning::Refused { path, errno }))
    }

    /// Starts a process, and knows whether the kernel took it: if not, with which error number.
    fn launch(
        &self,
        image: &Image,
        streams: &Streams,
        sharing: Sharing,
    ) -> io::Result<Result<i32, i32>> {
        // Closed by a successful exec; carries the error number of a failed one.
        let (refused, refusal) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;

        // SAFETY: the agent is single-threaded, so the child may do whatever the parent may.
        let pid = unsafe { fork(sharing) };
        if pid < 0 {
            // The function's own processes may have used up all that there may be.
            return Ok(Err(last_errno()));
        }
        if pid == 0 {
            drop(refused);
            let errno = self.become_runtime(image, streams);
            let _ = rustix::io::write(&refusal, &errno.to_le_bytes());
            // SAFETY: ends the child at once, without running the parent's destructors.
            unsafe { libc::_exit(127) };
        }
        drop(refusal);
        let mut errno = [0; 4];
        let length = loop {
            match rustix::io::read(&refused, &mut errno) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        if length == 0 {
            return Ok(Ok(pid));
        }
        Ok(Err(i32::from_le_bytes(errno)))
    }

    /// The last steps of the child. Returns only if one of them failed, with the error number.
    fn become_runtime(&self, image: &Image, streams: &Streams) -> i32 {
        let Streams { input, output, telemetry } = *streams;
        // SAFETY: plain system calls on descriptors and strings that live until exec.
        unsafe {
            let input = input.unwrap_or_else(|| libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY));
            if libc::dup2(input, 0) < 0 || libc::dup2(output, 1) < 0 || libc::dup2(output, 2) < 0 {
                return last_errno();
            }
            match telemetry {
                Some(stream) => {
                    if libc::dup2(stream, TELEMETRY_DESCRIPTOR) < 0 {
                        return last_errno();
                    }
                }
                // Whatever has this number is the agent's own.
                None => {
                    libc::fcntl(TELEMETRY_DESCRIPTOR, libc::F_SETFD, libc::FD_CLOEXEC);
                }
            }
            libc::setsid();
            if libc::chdir(image.directory.as_ptr()) < 0 {
                return last_errno();
            }
        }
        if let Err(error) = confine::confine(&self.limits) {
            return error.raw_os_error().unwrap_or(libc::EPERM);
        }
        // SAFETY: the arrays end in null pointers and their strings live in `image`.
        unsafe {
            libc::execve(image.path().as_ptr(), image.arguments.as_ptr(), image.variables.as_ptr());
        }
        last_errno()
    }
}

/// What runs in here.
#[derive(Debug, Default)]
struct Inside {
    runtime: Option<i32>,
    waiting: Option<Waiting>,
    extensions: Extensions,
}

/// What a process reads and where it writes.
struct Streams {
    /// Its standard input; `/dev/null` without one.
    input: Option<RawFd>,
    /// Its standard output and standard error.
    output: RawFd,
    /// Its telemetry stream, if it has one.
    telemetry: Option<RawFd>,
}

/// What a child has in common with the agent.
#[derive(Debug, Clone, Copy)]
enum Sharing {
    Nothing,
    /// Its working directory, until [`take_along`]. One that waits begins in a directory over which
    /// the function's code is mounted later, and not every interpreter can change it by itself.
    Directory,
}

/// Forks.
///
/// # Safety
///
/// As for fork(2): the child of a process with more than one thread may do very little.
unsafe fn fork(sharing: Sharing) -> i32 {
    let shared = match sharing {
        Sharing::Nothing => 0,
        Sharing::Directory => libc::CLONE_FS,
    };
    if shared == 0 {
        // SAFETY: the caller's business.
        return unsafe { libc::fork() };
    }
    let flags = libc::c_long::from(shared | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: the caller's business; without a stack of its own the child goes on with a copy of
    // this one, as after a fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    i32::try_from(pid).unwrap_or(-1)
}

/// Changes the working directory that the agent shares, and shares it no longer.
fn take_along(directory: &str) -> io::Result<()> {
    let directory = CString::new(directory)?;
    // SAFETY: strings that live until the calls return, and a plain number.
    let failed = unsafe {
        libc::chdir(directory.as_ptr()) < 0
            || libc::unshare(libc::CLONE_FS) < 0
            || libc::chdir(c"/".as_ptr()) < 0
    };
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Everything that exec needs, allocated before the fork.
struct Image {
    arguments: Vec<*const libc::c_char>,
    variables: Vec<*const libc::c_char>,
    directory: CString,
    /// What the pointers point into: first the arguments, then the variables.
    strings: Vec<CString>,
}

impl Image {
    fn prepare(arguments: &[String], program: &Program) -> io::Result<Self> {
        let strings = arguments
            .iter()
            .chain(&program.variables)
            .map(|text| CString::new(text.as_str()))
            .collect::<Result<Vec<_>, _>>()?;
        let (first, second) = strings.split_at(arguments.len());
        let pointers = |strings: &[CString]| {
            strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (arguments, variables) = (pointers(first), pointers(second));
        Ok(Self {
            arguments,
            variables,
            directory: CString::new(program.directory.as_str())?,
            strings,
        })
    }

    fn path(&self) -> &CString {
        self.strings.first().expect("a candidate that exists has a path")
    }
}

fn exists(arguments: &[String]) -> bool {
    arguments.first().is_some_and(|path| std::fs::metadata(path).is_ok_and(|found| found.is_file()))
}

/// Signals a child and its group. A child leads a session, so its group has its number; and as long
/// as it is not reaped nobody else can get that number.
fn signal_group(pid: i32, signal: Signal) {
    let number = match signal {
        Signal::Terminate => libc::SIGTERM,
        Signal::Kill => libc::SIGKILL,
    };
    // SAFETY: plain numbers.
    unsafe { libc::kill(-pid, number) };
}

/// Kills and reaps until nobody is left. One `kill(-1)` is atomic for the whole namespace, so a
/// process that forks without end cannot outrun it; the loop is for those born at that moment.
fn end_everything() {
    loop {
        // SAFETY: -1 is every process that this one may signal, which is this namespace without
        // the caller: PID 1 is spared by the kernel.
        unsafe { libc::kill(-1, libc::SIGKILL) };
        if wait_child(0).is_none() {
            return;
        }
        while wait_child(libc::WNOHANG).is_some() {}
    }
}

/// Kills and reaps one child that has not been reaped.
pub(crate) fn end_child(pid: i32) {
    // SAFETY: plain numbers and a null pointer, which says that the status is not wanted; an unreaped
    // child's id cannot have been given to somebody else.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        while libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) < 0
            && last_errno() == libc::EINTR
        {}
    }
}

/// Reaps one child. `None` if there is none (or, with `WNOHANG`, none that has ended).
fn wait_child(flags: i32) -> Option<(i32, Exit)> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the result.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, flags | libc::__WALL) };
        if pid > 0 {
            let exit = if libc::WIFSIGNALED(status) {
                Exit::Signal(libc::WTERMSIG(status))
            } else {
                Exit::Status(libc::WEXITSTATUS(status))
            };
            return Some((pid, exit));
        }
        if pid == 0 || last_errno() != libc::EINTR {
            return None;
        }
    }
}

/// Blocks `SIGCHLD` and returns a descriptor that is readable when one has come.
///
/// # Errors
///
/// If the kernel refuses.
pub fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset; the returned descriptor is ours.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
        let descriptor = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Reads away the signals that have come.
pub fn drain_signals(signals: impl AsFd) {
    let mut buffer = [0; 1024];
    while rustix::io::read(&signals, &mut buffer).is_ok_and(|length| length > 0) {}
}

fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
