//! The filter of system calls of a runtime.
//!
//! A function may do what an ordinary program does. It may not: make or enter namespaces, mount,
//! trace or read other processes, load code into the kernel, change the clock or the host, reach
//! kernel interfaces that an ordinary program has no use for, or open sockets of odd families.
//! What the kernel gained after [`LAST_KNOWN_CALL`] is refused as "no such call", so that programs
//! fall back.
//!
//! # Shape
//!
//! [`program`] is pure: it builds the instructions, which a test runs through a small interpreter.
//! [`install`] hands them to the kernel.

#![expect(unsafe_code, reason = "installing a filter has no safe interface")]

use std::io;

/// The newest call that was looked at when the table below was made (Linux 6.12).
const LAST_KNOWN_CALL: u32 = 466;

const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") { 0xC000_003E } else { 0xC000_00B7 };

/// Calls with this bit are of the x32 interface, whose numbers would slip past the table.
const X32_BIT: u32 = 0x4000_0000;

const ALLOW: u32 = 0x7FFF_0000;
const KILL: u32 = 0x8000_0000;
const fn refuse(errno: i32) -> u32 {
    0x0005_0000 | errno.cast_unsigned()
}

/// `clone` flags that make namespaces.
const NAMESPACE_FLAGS: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET)
    .cast_unsigned();

/// Refused with EPERM.
#[rustfmt::skip]
const FORBIDDEN: &[libc::c_long] = &[
    // Namespaces and mounts.
    libc::SYS_unshare, libc::SYS_setns, libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root,
    libc::SYS_chroot, libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_fsopen, libc::SYS_fsconfig,
    libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_mount_setattr, libc::SYS_swapon, libc::SYS_swapoff,
    libc::SYS_quotactl, libc::SYS_quotactl_fd,
    // Other processes.
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_kcmp,
    libc::SYS_pidfd_getfd, libc::SYS_process_madvise,
    // The kernel and the machine.
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module, libc::SYS_kexec_load,
    libc::SYS_kexec_file_load, libc::SYS_reboot, libc::SYS_syslog, libc::SYS_acct, libc::SYS_bpf,
    libc::SYS_perf_event_open, libc::SYS_userfaultfd, libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl, libc::SYS_vhangup, libc::SYS_fanotify_init,
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex,
    libc::SYS_sethostname, libc::SYS_setdomainname,
    // Keys are not part of any namespace.
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl,
    // Files by handle step around the root directory.
    libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at,
];

/// Forbidden calls that only x86-64 has.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const FORBIDDEN_HERE: &[libc::c_long] = &[
    libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS__sysctl, libc::SYS_uselib,
    libc::SYS_ustat, libc::SYS_sysfs,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[libc::c_long] = &[];

/// Refused with ENOSYS: programs ask for these and have another way if there are none.
/// `clone3` hides its flags in memory where a filter cannot look.
const ABSENT: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Families of sockets that a function may open: local, IPv4 and IPv6. And the netlink that the C
/// library asks for the machine's addresses, which is one protocol of a family.
const SOCKET_FAMILIES: &[i32] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
const NETLINK_ROUTE: u32 = libc::NETLINK_ROUTE.cast_unsigned();

/// One instruction of the classic packet filter.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    value: u32,
}

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER_EQUAL: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
/// The low half of the first argument (both architectures are little-endian).
const OFFSET_ARGUMENT_0: u32 = 16;
const OFFSET_ARGUMENT_1: u32 = 24;
const OFFSET_ARGUMENT_2: u32 = 32;

fn load(offset: u32) -> Instruction {
    Instruction { code: LOAD, jump_true: 0, jump_false: 0, value: offset }
}

fn answer(value: u32) -> Instruction {
    Instruction { code: RETURN, jump_true: 0, jump_false: 0, value }
}

/// If the comparison holds go on with the next instruction, else skip `skip` of them.
fn unless_skip(code: u16, value: u32, skip: u8) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: skip, value }
}

/// Builds the filter: the checks of arguments first, then the table by bisection, so that an
/// ordinary call costs some ten instructions.
#[must_use]
pub fn program() -> Vec<Instruction> {
    let mut filter = vec![
        load(OFFSET_ARCHITECTURE),
        Instruction { code: JUMP_EQUAL, jump_true: 1, jump_false: 0, value: ARCHITECTURE },
        answer(KILL),
        load(OFFSET_NUMBER),
        unless_skip(JUMP_GREATER_EQUAL, X32_BIT, 1),
        answer(refuse(libc::ENOSYS)),
    ];
    argument_checks(&mut filter);
    bisect(&ranges(), &mut filter);
    filter
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).expect("numbers of system calls are small and positive")
}

fn argument_checks(filter: &mut Vec<Instruction>) {
    filter.extend([
        unless_skip(JUMP_EQUAL, number(libc::SYS_clone), 4),
        load(OFFSET_ARGUMENT_0),
        unless_skip(JUMP_ANY_BIT, NAMESPACE_FLAGS, 1),
        answer(refuse(libc::EPERM)),
        answer(ALLOW),
    ]);
    let families = u8::try_from(SOCKET_FAMILIES.len()).expect("a handful of families");
    filter.push(unless_skip(JUMP_EQUAL, number(libc::SYS_socket), families + 6));
    filter.push(load(OFFSET_ARGUMENT_0));
    for (position, family) in (0u8..).zip(SOCKET_FAMILIES) {
        let to_allow = families + 3 - position;
        let value = family.cast_unsigned();
        filter.push(Instruction { code: JUMP_EQUAL, jump_true: to_allow, jump_false: 0, value });
    }
    // Of netlink only what the C library asks for the machine's addresses: through another protocol
    // the kernel tells of what happens to devices, outside as well.
    filter.extend([
        unless_skip(JUMP_EQUAL, libc::AF_NETLINK.cast_unsigned(), 2),
        load(OFFSET_ARGUMENT_2),
        Instruction { code: JUMP_EQUAL, jump_true: 1, jump_false: 0, value: NETLINK_ROUTE },
        answer(refuse(libc::EAFNOSUPPORT)),
        answer(ALLOW),
    ]);
    filter.extend([
        unless_skip(JUMP_EQUAL, number(libc::SYS_socketpair), 4),
        load(OFFSET_ARGUMENT_0),
        unless_skip(JUMP_EQUAL, libc::AF_UNIX.cast_unsigned(), 1),
        answer(ALLOW),
        answer(refuse(libc::EAFNOSUPPORT)),
    ]);
    // Typing into somebody's terminal.
    filter.extend([
        unless_skip(JUMP_EQUAL, number(libc::SYS_ioctl), 5),
        load(OFFSET_ARGUMENT_1),
        Instruction { code: JUMP_EQUAL, jump_true: 1, jump_false: 0, value: 0x5412 }, // TIOCSTI
        unless_skip(JUMP_EQUAL, 0x541C, 1),                                           // TIOCLINUX
        answer(refuse(libc::EPERM)),
        answer(ALLOW),
    ]);
}

/// The table as ranges: the first number of each, and its answer.
fn ranges() -> Vec<(u32, u32)> {
    let verdict = |call: u32| {
        let is = |list: &[libc::c_long]| list.iter().any(|one| number(*one) == call);
        if call > LAST_KNOWN_CALL || is(ABSENT) {
            refuse(libc::ENOSYS)
        } else if is(FORBIDDEN) || is(FORBIDDEN_HERE) {
            refuse(libc::EPERM)
        } else {
            ALLOW
        }
    };
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for call in 0..=LAST_KNOWN_CALL + 1 {
        let verdict = verdict(call);
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((call, verdict));
        }
    }
    ranges
}

fn bisect(ranges: &[(u32, u32)], filter: &mut Vec<Instruction>) {
    if let [(_, verdict)] = ranges {
        filter.push(answer(*verdict));
        return;
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let mut below = Vec::new();
    bisect(low, &mut below);
    // At or above the first number of the upper half: skip the lower half.
    let skip = u8::try_from(below.len()).expect("half of the table is shorter than a jump");
    filter.push(Instruction {
        code: JUMP_GREATER_EQUAL,
        jump_true: skip,
        jump_false: 0,
        value: high[0].0,
    });
    filter.extend(below);
    bisect(high, filter);
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Puts the filter on the calling process and all that it starts. `no_new_privs` must be set.
///
/// # Errors
///
/// If the kernel has no seccomp filters.
pub fn install() -> io::Result<()> {
    let filter = program();
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = Program { length, instructions: filter.as_ptr() };
    // SAFETY: `program` describes `filter`, which lives until the call returns.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would.
    fn judge(architecture: u32, call: u32, arguments: [u32; 3]) -> u32 {
        let filter = program();
        let (mut accumulator, mut at) = (0, 0);
        loop {
            let Instruction { code, jump_true, jump_false, value } = filter[at];
            at += 1;
            let holds = match code {
                LOAD => {
                    accumulator = match value {
                        OFFSET_NUMBER => call,
                        OFFSET_ARCHITECTURE => architecture,
                        OFFSET_ARGUMENT_0 => arguments[0],
                        OFFSET_ARGUMENT_1 => arguments[1],
                        OFFSET_ARGUMENT_2 => arguments[2],
                        other => panic!("loads from {other}"),
                    };
                    continue;
                }
                RETURN => return value,
                JUMP_EQUAL => accumulator == value,
                JUMP_GREATER_EQUAL => accumulator >= value,
                JUMP_ANY_BIT => accumulator & value != 0,
                other => panic!("unknown instruction {other}"),
            };
            at += usize::from(if holds { jump_true } else { jump_false });
        }
    }

    #[test]
    fn each_call_gets_its_verdict() {
        let call = |call: libc::c_long, first: i32, second: u32| {
            judge(ARCHITECTURE, number(call), [first.cast_unsigned(), second, 0])
        };
        let netlink = |protocol: i32| {
            let family = libc::AF_NETLINK.cast_unsigned();
            judge(ARCHITECTURE, number(libc::SYS_socket), [family, 3, protocol.cast_unsigned()])
        };
        #[rustfmt::skip]
        let rows = [
            ("read",                 call(libc::SYS_read, 0, 0),                          ALLOW),
            ("execve",               call(libc::SYS_execve, 0, 0),                        ALLOW),
            ("openat2",              call(libc::SYS_openat2, 0, 0),                       ALLOW),
            ("a thread",             call(libc::SYS_clone, libc::CLONE_VM, 0),            ALLOW),
            ("a user namespace",     call(libc::SYS_clone, libc::CLONE_NEWUSER, 0),       refuse(libc::EPERM)),
            ("a network namespace",  call(libc::SYS_clone, libc::CLONE_NEWNET, 0),        refuse(libc::EPERM)),
            ("unshare",              call(libc::SYS_unshare, 0, 0),                       refuse(libc::EPERM)),
            ("mount",                call(libc::SYS_mount, 0, 0),                         refuse(libc::EPERM)),
            ("ptrace",               call(libc::SYS_ptrace, 0, 0),                        refuse(libc::EPERM)),
            ("keyctl",               call(libc::SYS_keyctl, 0, 0),                        refuse(libc::EPERM)),
            ("clone3",               call(libc::SYS_clone3, 0, 0),                        refuse(libc::ENOSYS)),
            ("io_uring_setup",       call(libc::SYS_io_uring_setup, 0, 0),                refuse(libc::ENOSYS)),
            ("a local socket",       call(libc::SYS_socket, libc::AF_UNIX, 0),            ALLOW),
            ("an IPv6 socket",       call(libc::SYS_socket, libc::AF_INET6, 0),           ALLOW),
            ("routes",               netlink(libc::NETLINK_ROUTE),                        ALLOW),
            ("events of devices",    netlink(libc::NETLINK_KOBJECT_UEVENT),               refuse(libc::EAFNOSUPPORT)),
            ("a local pair",         call(libc::SYS_socketpair, libc::AF_UNIX, 0),        ALLOW),
            ("a vsock pair",         call(libc::SYS_socketpair, libc::AF_VSOCK, 0),       refuse(libc::EAFNOSUPPORT)),
            ("a packet socket",      call(libc::SYS_socket, libc::AF_PACKET, 0),          refuse(libc::EAFNOSUPPORT)),
            ("a vsock socket",       call(libc::SYS_socket, libc::AF_VSOCK, 0),           refuse(libc::EAFNOSUPPORT)),
            ("kernel cryptography",  call(libc::SYS_socket, libc::AF_ALG, 0),             refuse(libc::EAFNOSUPPORT)),
            ("an ordinary ioctl",    call(libc::SYS_ioctl, 1, 0x5401),                    ALLOW),
            ("typing at a terminal", call(libc::SYS_ioctl, 1, 0x5412),                    refuse(libc::EPERM)),
            ("the console",          call(libc::SYS_ioctl, 1, 0x541C),                    refuse(libc::EPERM)),
        ];
        for (name, got, expected) in rows {
            assert_eq!(got, expected, "{name}");
        }
    }

    #[test]
    fn the_future_is_absent_and_other_interfaces_are_fatal_or_absent() {
        assert_eq!(judge(ARCHITECTURE, LAST_KNOWN_CALL + 1, [0, 0, 0]), refuse(libc::ENOSYS));
        assert_eq!(judge(ARCHITECTURE, 0x3FFF_FFFF, [0, 0, 0]), refuse(libc::ENOSYS));
        assert_eq!(judge(ARCHITECTURE, X32_BIT + 1, [0, 0, 0]), refuse(libc::ENOSYS));
        assert_eq!(judge(0x4000_0003, 1, [0, 0, 0]), KILL);
    }

    #[test]
    fn every_forbidden_call_is_refused_and_its_neighbours_are_judged_on_their_own() {
        for call in 0..=LAST_KNOWN_CALL {
            let listed = |list: &[libc::c_long]| list.iter().any(|one| number(*one) == call);
            let forbidden = listed(FORBIDDEN) || listed(FORBIDDEN_HERE);
            let refused = judge(ARCHITECTURE, call, [1, 0, 0]) == refuse(libc::EPERM);
            assert_eq!(refused, forbidden, "call {call}");
        }
    }
}
