//! Giving walls that stand a function: its code, its layers and its `/tmp` are mounted from outside.
//!
//! What is inside the walls has no right to mount, and never had: the launcher enters their mount
//! namespace itself, for the few microseconds that it takes to attach what it made ready before. Its
//! own view of the files, through which it builds everything else, is the one that it comes back to.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use hearth_guest::wire::{self, Frames};

use crate::linux;

/// The launcher's own mount namespace and root directory.
pub(super) struct Home {
    namespace: File,
    root: File,
}

impl Home {
    /// Where this process is now.
    pub(super) fn here() -> io::Result<Self> {
        Ok(Self { namespace: File::open("/proc/self/ns/mnt")?, root: File::open("/")? })
    }

    /// Shows mounts at places in another mount namespace, in order, up to the first that fails.
    ///
    /// Afterwards this process is at home again. If it cannot come back it ends, and with it every
    /// environment: what it would do next, it would do to somebody else's files.
    pub(super) fn attach(
        &self,
        namespace: &OwnedFd,
        mounts: &[(OwnedFd, &'static str)],
    ) -> io::Result<()> {
        linux::enter_mount_namespace(namespace)?;
        let mut mounts = mounts.iter();
        let attached = mounts.try_for_each(|(mount, at)| linux::attach_mount(mount, Path::new(at)));
        if let Err(error) = self.come_back() {
            let _ = writeln!(io::stderr(), "hearth: the launcher has lost its way home: {error}");
            linux::exit_now(1);
        }
        attached
    }

    fn come_back(&self) -> io::Result<()> {
        linux::enter_mount_namespace(&self.namespace)?;
        // The root of the namespace is not ours if the server was started in a changed root.
        linux::make_root(&self.root)
    }
}

/// Sends the mount namespace of this process to the launcher.
///
/// The launcher cannot take it by itself: without privileges it may not look at a process that hides
/// from its own user.
pub(super) fn hand_over_namespace(socket: &UnixStream) -> io::Result<()> {
    let namespace = File::open("/proc/self/ns/mnt")?;
    wire::send(socket, &(), &[namespace.as_fd()])
}

/// Takes the mount namespace that a finished environment has sent. Does not wait for it.
pub(super) fn take_namespace(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut frames = Frames::default();
    wire::receive_into(socket, &mut frames)?;
    frames.take_descriptors(1).pop().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
