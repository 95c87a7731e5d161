//! Takes everything away from a process that a function does not need, just before exec.
//!
//! The namespaces and the file system are built before this; what is left is: limits, capabilities,
//! the right to gain privileges, signals, and system calls. The order matters: the filter comes
//! last, because it forbids some of the steps before it.

#![expect(unsafe_code, reason = "giving up rights has no safe interface")]

use std::io;

use crate::seccomp;

/// The limits of a runtime and of everything that it starts.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open files.
    pub open_files: u64,
    /// Processes and threads.
    pub processes: u64,
}

/// Confines the calling process.
///
/// # Errors
///
/// The first step that the kernel refused.
pub fn confine(limits: &Limits) -> io::Result<()> {
    set_limits(limits)?;
    reset_signals()?;
    drop_capabilities()?;
    close_other_descriptors();
    no_new_privileges()?;
    seccomp::install()
}

fn set_limits(limits: &Limits) -> io::Result<()> {
    #[rustfmt::skip]
    let rows = [
        (libc::RLIMIT_NOFILE,  limits.open_files),
        (libc::RLIMIT_NPROC,   limits.processes),
        (libc::RLIMIT_CORE,    0),
        (libc::RLIMIT_MEMLOCK, 64 * 1024),
        (libc::RLIMIT_STACK,   8 * 1024 * 1024),
    ];
    for (resource, value) in rows {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limit` is a valid structure for both calls.
        unsafe {
            check(libc::getrlimit(resource, &raw mut limit))?;
            // What the server itself is held to cannot be exceeded.
            let value = value.min(limit.rlim_max);
            limit = libc::rlimit { rlim_cur: value, rlim_max: value };
            check(libc::setrlimit(resource, &raw const limit))?;
        }
    }
    Ok(())
}

/// A runtime expects the dispositions and the mask of a fresh process.
fn reset_signals() -> io::Result<()> {
    // SAFETY: SIG_DFL is a valid handler for every signal; errors on the two that cannot be
    // changed are expected and of no consequence.
    unsafe {
        for signal in 1..libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        check(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()))
    }
}

/// The header and the two words that capset(2) takes.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityWord {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

fn drop_capabilities() -> io::Result<()> {
    // The bounding set first: it takes a capability to do that.
    for capability in 0..=63 {
        // SAFETY: prctl with plain numbers.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if dropped < 0 {
            break; // The kernel has no capability of this number, so it has none above either.
        }
    }
    let header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let none = [CapabilityWord { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: both structures have the layout that version 3 of the call expects.
    check(unsafe {
        i32::try_from(libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()))
            .unwrap_or(-1)
    })
}

/// Only the standard descriptors and the telemetry stream are the function's.
fn close_other_descriptors() {
    let first = u32::try_from(crate::protocol::TELEMETRY_DESCRIPTOR + 1).unwrap_or(4);
    // SAFETY: marks descriptors to be closed by exec; the pipe that reports a failed exec lives on.
    unsafe { libc::close_range(first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC.cast_signed()) };
}

fn no_new_privileges() -> io::Result<()> {
    // SAFETY: prctl with plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
