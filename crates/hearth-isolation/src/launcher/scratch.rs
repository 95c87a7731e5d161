//! `/tmp`: a small file system per environment, of exactly the size that was asked for.
//!
//! On disk it is a sparse file with an ext4 in it, mounted through a loop device and deleted at
//! once: it lives as long as the mount and cannot be left over. What is written to it is not
//! charged to the function's memory, but for cached pages, which the kernel takes back when they
//! are in the way. Where that cannot be had, it is a tmpfs of that size, which *is* charged; the
//! host's list of weaknesses says so.
//!
//! To make one on disk takes some ten milliseconds, so a few of the size that most functions have are
//! made while nobody waits.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hearth_guest::protocol::StepFailed;
use hearth_types::limits::{EPHEMERAL_STORAGE_MB_MIN, SCRATCH_READY_MAX, SCRATCH_SIZES_MAX};
use rustix::fs::{Mode, SeekFrom, seek};

use super::{Configuration, step};
use crate::linux;

pub(super) struct Scratch {
    directory: PathBuf,
    on_disk: bool,
    /// An empty file system of each size that was asked for lately, the latest last.
    templates: VecDeque<(u32, fs::File)>,
    made: u64,
    /// Made ahead, of the smallest size, which is also the default.
    ready: Vec<OwnedFd>,
    /// The last attempt to make one ahead failed: there is no other until somebody needs one.
    failing: bool,
}

/// How much in a hurry the next file system is that is made ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// There is none.
    First,
    /// There is one already.
    Another,
    /// There are enough.
    Nothing,
}

impl Scratch {
    pub(super) fn new(configuration: &Configuration) -> Result<Self, StepFailed> {
        let directory = configuration.directory.join("scratch");
        // A kill between making a file and deleting it leaves one behind; it goes here.
        let _ = fs::remove_dir_all(&directory);
        step("make a place for /tmp", fs::create_dir_all(&directory))?;
        let on_disk = configuration.scratch_on_disk;
        let templates = VecDeque::new();
        Ok(Self { directory, on_disk, templates, made: 0, ready: Vec::new(), failing: false })
    }

    /// A file system of a size, not shown anywhere yet, for a user.
    pub(super) fn take(&mut self, megabytes: u32, uid: u32) -> Result<OwnedFd, StepFailed> {
        self.failing = false;
        let fits = megabytes == EPHEMERAL_STORAGE_MB_MIN;
        let mount = match if fits { self.ready.pop() } else { None } {
            Some(ready) => ready,
            None => self.make(megabytes)?,
        };
        step("hand /tmp over", give(&mount, uid))?;
        Ok(mount)
    }

    /// Whether one should be made ahead.
    pub(super) fn want(&self) -> Want {
        // In memory it takes no time to make one.
        if !self.on_disk || self.failing || self.ready.len() >= SCRATCH_READY_MAX {
            Want::Nothing
        } else if self.ready.is_empty() {
            Want::First
        } else {
            Want::Another
        }
    }

    /// Makes one ahead. If that fails, whoever needs one finds out why.
    pub(super) fn make_ahead(&mut self) {
        match self.make(EPHEMERAL_STORAGE_MB_MIN) {
            Ok(mount) => self.ready.push(mount),
            Err(_failed) => self.failing = true,
        }
    }

    fn make(&mut self, megabytes: u32) -> Result<OwnedFd, StepFailed> {
        if self.on_disk {
            return step("make /tmp on disk", self.on_disk(megabytes));
        }
        let size = format!("size={megabytes}m");
        step("make /tmp in memory", linux::detached_mount("tmpfs", "tmp", &[&size]))
    }

    fn on_disk(&mut self, megabytes: u32) -> io::Result<OwnedFd> {
        self.made += 1;
        // With our process id, so that whoever finds a loop device on it knows whose it is.
        let path = self.directory.join(format!("{}-{}", std::process::id(), self.made));
        let made = self.templates.iter().position(|(size, _)| *size == megabytes);
        let template = match made.and_then(|index| self.templates.remove(index)) {
            Some((_, template)) => template,
            None => format(&path, megabytes)?,
        };
        if self.templates.len() >= SCRATCH_SIZES_MAX {
            self.templates.pop_front();
        }
        let copy = fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        // Deleted before it is used: nothing is left over, whatever happens next.
        fs::remove_file(&path)?;
        copy_sparse(&template, &copy)?;
        self.templates.push_back((megabytes, template));
        let (device, _open_until_mounted) = linux::loop_device(&copy)?;
        linux::detached_mount("ext4", &device, &["discard"])
    }
}

/// The mount itself is owned by root as it is made; the directory in it is the function's.
fn give(mount: &OwnedFd, uid: u32) -> io::Result<()> {
    let here = rustix::fs::openat(mount, ".", rustix::fs::OFlags::RDONLY, Mode::empty())?;
    // A function finds its /tmp empty; only a repair of the file system would look for this one.
    match rustix::fs::unlinkat(&here, "lost+found", rustix::fs::AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    if linux::effective_uid() == 0 && uid != 0 {
        let uid = rustix::fs::Uid::from_raw(uid);
        let gid = rustix::fs::Gid::from_raw(uid.as_raw());
        match rustix::fs::fchown(&here, Some(uid), Some(gid)) {
            // In an own user namespace there is only one user, who has it already.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rustix::fs::fchmod(&here, Mode::from_raw_mode(0o1777))?)
}

fn format(path: &Path, megabytes: u32) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
    file.set_len(image_bytes(megabytes))?;
    let formatted = Command::new("mkfs.ext4")
        .args(["-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode,^metadata_csum"])
        .args(["-E", "lazy_itable_init=1", "-i", "32768"])
        .arg(path)
        .stdin(Stdio::null())
        .output();
    fs::remove_file(path)?;
    let formatted = formatted.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return io::Error::other("mkfs.ext4 is missing; install e2fsprogs");
        }
        error
    })?;
    if !formatted.status.success() {
        let said = String::from_utf8_lossy(&formatted.stderr).into_owned();
        return Err(io::Error::other(said));
    }
    Ok(file)
}

/// The size of the image in which a function finds as much room as it was promised.
fn image_bytes(megabytes: u32) -> u64 {
    const MB: u64 = 1024 * 1024;
    let promised = u64::from(megabytes) * MB;
    // While it is mounted the kernel keeps 2 % back for itself, up to 4,096 blocks.
    let kept_back = (promised / 50).min(16 * MB);
    // Inode tables, one inode of 256 bytes for each 32 KB, and bitmaps.
    let tables = promised / 100 + MB;
    promised + kept_back + tables
}

/// Copies what is there and leaves the holes.
fn copy_sparse(from: &fs::File, to: &fs::File) -> io::Result<()> {
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut at = 0;
    loop {
        let start = match seek(from.as_fd(), SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(rustix::io::Errno::NXIO) => return Ok(()), // Only a hole is left.
            Err(error) => return Err(error.into()),
        };
        let end = seek(from.as_fd(), SeekFrom::Hole(start))?;
        let (mut read_at, mut write_at) = (start, start);
        while read_at < end {
            let left = usize::try_from(end - read_at).map_err(io::Error::other)?;
            let copied = rustix::fs::copy_file_range(
                from,
                Some(&mut read_at),
                to,
                Some(&mut write_at),
                left,
            )?;
            if copied == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        at = end;
    }
}
