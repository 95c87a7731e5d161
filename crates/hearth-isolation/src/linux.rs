//! The few system calls that neither the standard library nor rustix offers in a form we can use.

#![expect(unsafe_code, reason = "these system calls have no safe interface")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The library's constant is of a type that cannot hold it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a copy of this process, in new namespaces and, if one is given, in a control group of
/// version 2. Returns the child's id to the parent, and `None` to the child.
///
/// # Errors
///
/// If the kernel refuses.
///
/// # Safety
///
/// The calling process must have one thread: the child has only this one, and locks that others
/// held would be held for ever.
pub unsafe fn clone_process(
    namespaces: i32,
    group: Option<BorrowedFd<'_>>,
) -> io::Result<Option<i32>> {
    // SAFETY: all zeroes is a valid request: a copy without anything special.
    let mut request: libc::clone_args = unsafe { std::mem::zeroed() };
    request.flags = u64::from(namespaces.cast_unsigned());
    request.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(group) = group {
        request.flags |= CLONE_INTO_CGROUP;
        request.cgroup = u64::from(group.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM and with a null stack this is fork, with other namespaces; the
    // structure is valid and of the size that is passed.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw const request, size_of::<libc::clone_args>())
    };
    match i32::try_from(pid) {
        Ok(0) => Ok(None),
        Ok(pid) if pid > 0 => Ok(Some(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Moves this process into new namespaces.
///
/// # Errors
///
/// If the kernel refuses.
pub fn unshare(namespaces: i32) -> io::Result<()> {
    // SAFETY: plain numbers; the callers have one thread.
    check(unsafe { libc::unshare(namespaces) })
}

/// A mount to be made with mount(2).
#[derive(Debug, Clone, Copy)]
pub struct Mount<'a> {
    /// What is mounted; `None` for what has no source.
    pub source: Option<&'a Path>,
    /// The type of file system; empty for what has none.
    pub kind: &'a CStr,
    /// `MS_…`.
    pub flags: u64,
    /// Options of the file system.
    pub options: &'a CStr,
}

impl Mount<'_> {
    /// Mounts it at a place.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn at(&self, target: &Path) -> io::Result<()> {
        let source = self.source.map(path_text).transpose()?;
        let target = path_text(target)?;
        let source = source.as_ref().map_or(std::ptr::null(), |source| source.as_ptr());
        let options = self.options.as_ptr().cast();
        // SAFETY: all strings are terminated and outlive the call.
        check(unsafe {
            libc::mount(source, target.as_ptr(), self.kind.as_ptr(), self.flags, options)
        })
    }
}

/// Shows a directory or file a second time.
///
/// # Errors
///
/// If the kernel refuses.
pub fn bind(source: &Path, target: &Path, flags: u64) -> io::Result<()> {
    let flags = libc::MS_BIND | flags;
    Mount { source: Some(source), kind: c"", flags, options: c"" }.at(target)
}

/// Shows a directory or file a second time, read-only, without devices and set-user-id.
///
/// # Errors
///
/// If the kernel refuses.
pub fn bind_read_only(source: &Path, target: &Path) -> io::Result<()> {
    bind(source, target, 0)?;
    set_attributes(
        target,
        libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
    )
}

/// Sets attributes of the mount at a place.
///
/// # Errors
///
/// If the kernel refuses.
pub fn set_attributes(target: &Path, attributes: u64) -> io::Result<()> {
    change_attributes(rustix::fs::CWD, &path_text(target)?, attributes)
}

/// What is at a place, once more, read-only, without devices and set-user-id, and not shown anywhere
/// yet.
///
/// # Errors
///
/// If the kernel refuses.
pub fn detached_read_only(source: &Path) -> io::Result<OwnedFd> {
    use rustix::mount::{OpenTreeFlags, open_tree};
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(rustix::fs::CWD, source, flags)?;
    let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    change_attributes(tree.as_fd(), c"", attributes)?;
    Ok(tree)
}

/// Sets attributes of the mount at a path, or, if that is empty, of the mount itself.
fn change_attributes(of: BorrowedFd<'_>, path: &CStr, attributes: u64) -> io::Result<()> {
    let flags = if path.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    let wanted =
        libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is terminated, and `wanted` is a valid structure of the size that is passed.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            of.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    })
}

/// Moves this process, which has one thread, into another mount namespace and to the root of that.
///
/// # Errors
///
/// If the kernel refuses.
pub fn enter_mount_namespace(namespace: impl AsFd) -> io::Result<()> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?)
}

/// Makes a directory the root and the working directory of this process.
///
/// # Errors
///
/// If the kernel refuses.
pub fn make_root(directory: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(directory)?;
    Ok(rustix::process::chroot(".")?)
}

/// Closes every descriptor but these, whoever owns them, and the standard output and error. For a
/// child that never goes back to its parent's code.
///
/// The numbers up to `taken` stay in use, by `/dev/null`: what is opened later must not get one of
/// them.
///
/// # Errors
///
/// If there is no `/dev/null`.
pub fn close_all_but(kept: &[BorrowedFd<'_>], taken: i32) -> io::Result<()> {
    let mut kept: Vec<i32> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    kept.extend([1, 2]);
    kept.sort_unstable();
    // Not closed by its owner: that happens below.
    let null = std::fs::File::open("/dev/null")?.into_raw_fd();
    for number in (0..=taken).filter(|number| !kept.contains(number)) {
        // SAFETY: plain numbers; what had this one before is not used any more in this process.
        check(unsafe { libc::dup2(null, number) })?;
    }
    let mut first = taken + 1;
    for number in kept.into_iter().filter(|number| *number > taken) {
        close_range(first, number - 1);
        first = number + 1;
    }
    close_range(first, i32::MAX);
    Ok(())
}

fn close_range(first: i32, last: i32) {
    if first <= last {
        // SAFETY: plain numbers; none of these is used any more in this process.
        unsafe { libc::close_range(first.cast_unsigned(), last.cast_unsigned(), 0) };
    }
}

/// Takes a mount away, with all that is mounted below it. That there is none is fine.
pub fn detach(target: &Path) {
    if let Ok(target) = path_text(target) {
        // SAFETY: a terminated string.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
}

/// Makes the working directory the root of this process and takes the old root away.
///
/// # Errors
///
/// If the kernel refuses.
pub fn pivot_root_here() -> io::Result<()> {
    // SAFETY: terminated strings.
    unsafe {
        check_long(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
        check(libc::chdir(c"/".as_ptr()))
    }
}

/// Kills this process as soon as its parent is gone.
///
/// # Errors
///
/// If the kernel refuses.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })
}

/// Becomes another user and group for good, but keeps the capabilities.
///
/// # Errors
///
/// If the kernel refuses.
pub fn become_user(uid: u32) -> io::Result<()> {
    const SECBIT_NO_SETUID_FIXUP: libc::c_ulong = 1 << 2;
    // SAFETY: plain numbers; the calls go to the kernel directly, so that they touch this thread.
    unsafe {
        check(libc::prctl(libc::PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))?;
        check_long(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()))?;
        check_long(libc::syscall(libc::SYS_setresgid, uid, uid, uid))?;
        check_long(libc::syscall(libc::SYS_setresuid, uid, uid, uid))?;
        // Changing the user makes /proc/self somebody else's, where the maps are written.
        check(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0))
    }
}

/// Takes what `/proc` shows of this process away from other processes of the same user. Lasts until
/// the next exec.
pub fn hide_from_own_user() {
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

/// The user's name for itself in a new process: what `ps` shows.
pub fn name_process(name: &CStr) {
    // SAFETY: a terminated string.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// Reaps a child that has ended.
#[must_use]
pub fn reap() -> Option<i32> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) };
    (pid > 0).then_some(pid)
}

/// Sends SIGKILL to a child that has not been reaped.
pub fn kill(pid: i32) {
    // SAFETY: plain numbers; an unreaped child's id cannot have been given to somebody else.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Ends this process at once, without running anything of its parent's.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

/// Has the C library give the memory of large buffers back at once.
///
/// Left to itself it learns from the first freed upload to keep the next ones, in each of its
/// arenas, for ever: a server that has once taken a few archives would stay tens of megabytes larger.
pub fn give_large_memory_back() {
    #[cfg(target_env = "gnu")]
    {
        const LARGE_BYTES: i32 = 1024 * 1024;
        // SAFETY: `mallopt` only changes settings of the allocator, and takes a lock to do it.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) };
    }
}

/// Who we are.
#[must_use]
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Brings up the loopback interface of this network namespace and gives it a second address.
///
/// # Errors
///
/// If the kernel refuses.
pub fn set_up_loopback(address: std::net::Ipv4Addr) -> io::Result<()> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    let mut request = interface_request(b"lo");
    request.ifr_ifru.ifru_flags = i16::try_from(flags).map_err(io::Error::other)?;
    interface_call(&socket, libc::SIOCSIFFLAGS, &mut request)?;

    let mut request = interface_request(b"lo:1");
    let octets = u32::from_ne_bytes(address.octets());
    let internet = libc::sockaddr_in {
        sin_family: u16::try_from(libc::AF_INET).map_err(io::Error::other)?,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: octets },
        sin_zero: [0; 8],
    };
    // SAFETY: both structures have the size of a socket address.
    request.ifr_ifru.ifru_addr =
        unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(internet) };
    interface_call(&socket, libc::SIOCSIFADDR, &mut request)
}

fn interface_request(name: &[u8]) -> libc::ifreq {
    // SAFETY: all zeroes is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = from.cast_signed();
    }
    request
}

fn interface_call(
    socket: &OwnedFd,
    call: libc::Ioctl,
    request: &mut libc::ifreq,
) -> io::Result<()> {
    // SAFETY: `request` is the structure that these calls take.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), call, std::ptr::from_mut(request)) })
}

const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

#[repr(C)]
struct LoopInfo64 {
    devices_and_sizes: [u64; 5],
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    names_and_key: [u8; 64 + 64 + 32],
    init: [u64; 2],
}

#[repr(C)]
struct LoopConfig {
    descriptor: u32,
    block_size: u32,
    information: LoopInfo64,
    reserved: [u64; 8],
}

/// Makes a block device of a file. The device is given back when the last user of it is gone.
/// Returns the device's path and an open descriptor, which must live until it is mounted.
///
/// # Errors
///
/// If the host has no loop devices, or none is free.
pub fn loop_device(file: impl AsFd) -> io::Result<(String, OwnedFd)> {
    let control = std::fs::OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    for _attempt in 0..64 {
        // SAFETY: the call takes no argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        check(number)?;
        let path = format!("/dev/loop{number}");
        let device = std::fs::OpenOptions::new().read(true).write(true).open(&path)?;
        // SAFETY: all zeroes is a valid configuration.
        let mut configuration: LoopConfig = unsafe { std::mem::zeroed() };
        configuration.descriptor = file.as_fd().as_raw_fd().cast_unsigned();
        configuration.information.flags = LO_FLAGS_AUTOCLEAR;
        // SAFETY: the structure has the layout that the call takes.
        let configured =
            unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const configuration) };
        match check(configured) {
            Ok(()) => return Ok((path, device.into())),
            // Somebody else took it between the two calls.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no loop device stayed free"))
}

/// Mounts a block device without showing it anywhere yet.
///
/// # Errors
///
/// If the kernel refuses.
pub fn detached_mount(kind: &str, source: &str, flags: &[&str]) -> io::Result<OwnedFd> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    };
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "source", source)?;
    for flag in flags {
        match flag.split_once('=') {
            Some((name, value)) => fsconfig_set_string(context.as_fd(), name, value)?,
            None => fsconfig_set_flag(context.as_fd(), *flag)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Shows a detached mount at a place.
///
/// # Errors
///
/// If the kernel refuses.
pub fn attach_mount(mount: impl AsFd, target: &Path) -> io::Result<()> {
    use rustix::mount::{MoveMountFlags, move_mount};
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(mount, "", rustix::fs::CWD, target, flags)?)
}

/// A TCP socket that listens, not yet given to a reactor.
///
/// # Errors
///
/// If the address cannot be had.
pub fn listen(address: std::net::SocketAddrV4) -> io::Result<OwnedFd> {
    Ok(std::net::TcpListener::bind(address)?.into())
}

/// Takes over a descriptor by its number: the one that the launcher is started with.
///
/// # Safety
///
/// The number must be of an open descriptor that nobody else in this process owns.
#[must_use]
pub unsafe fn take_descriptor(number: i32) -> OwnedFd {
    // SAFETY: as promised by the caller.
    unsafe { OwnedFd::from_raw_fd(number) }
}

fn path_text(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn check_long(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
