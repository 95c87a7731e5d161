//! Root file systems: built once per runtime, shown to every environment of it.
//!
//! A template is a small read-only tmpfs with the host's programs and libraries (or an unpacked
//! base image), the runtime's directories and a minimal `/dev` and `/etc` mounted below it. An
//! environment gets a recursive bind mount of it: one system call, whatever it is made of.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hearth_guest::protocol::StepFailed;

use super::{RootPlan, step};
use crate::linux;

/// The templates made so far.
pub(super) struct Roots {
    directory: PathBuf,
    attach_at: PathBuf,
    templates: HashMap<RootPlan, PathBuf>,
}

/// The user that functions run as, and where the host's resolver finds it.
const PASSWD: &str = "root:x:0:0:root:/root:/sbin/nologin\n\
    sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nsbx_user1051:x:990:\nnobody:x:65534:\n";
const HOSTS: &str =
    "127.0.0.1 localhost\n::1 localhost\n169.254.100.1 sandbox.localdomain sandbox\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// Directories of the host that programs and their libraries live in.
const HOST_DIRECTORIES: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// What programs read from `/etc`, if the host has it. Nothing that is the host's secret.
const HOST_SETTINGS: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/protocols",
    "/etc/services",
];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];
const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
];
/// Places that every environment mounts something on, or expects to find.
const PLACES: &[&str] = &[
    "var/task",
    "var/runtime",
    "var/lang",
    "opt",
    "tmp",
    "proc",
    "dev",
    "etc",
    "home/sbx_user1051",
];

impl Roots {
    pub(super) fn new(directory: &Path) -> Result<Self, StepFailed> {
        let directory = directory.join("roots");
        step("make a place for root file systems", fs::create_dir_all(&directory))?;
        // Everything below is in memory and in our own namespace: nothing of it can be left over.
        let mounted = tmpfs().at(&directory);
        step("mount a place for root file systems", mounted)?;
        let attach_at = directory.join("attach");
        step("make a mount point", fs::create_dir(&attach_at))?;
        Ok(Self { directory, attach_at, templates: HashMap::new() })
    }

    /// Where an environment puts its root together, each in its own mount namespace.
    pub(super) fn attach_at(&self) -> &Path {
        &self.attach_at
    }

    pub(super) fn template(&mut self, plan: &RootPlan) -> Result<PathBuf, StepFailed> {
        if let Some(template) = self.templates.get(plan) {
            return Ok(template.clone());
        }
        let template = self.directory.join(self.templates.len().to_string());
        let built = build(plan, &template);
        if built.is_err() {
            // All that was mounted so far; the next attempt begins anew.
            linux::detach(&template);
        }
        step("build the root file system of the runtime", built)?;
        self.templates.insert(plan.clone(), template.clone());
        Ok(template)
    }
}

/// A small file system in memory, for directories and mount points.
fn tmpfs() -> linux::Mount<'static> {
    linux::Mount {
        source: Some(Path::new("hearth")),
        kind: c"tmpfs",
        flags: libc::MS_NOSUID,
        options: c"size=1m,mode=755",
    }
}

fn build(plan: &RootPlan, template: &Path) -> io::Result<()> {
    fs::create_dir_all(template)?;
    tmpfs().at(template)?;
    match &plan.tree {
        Some(tree) => show_tree(tree, template)?,
        None => show_host(template)?,
    }
    for place in PLACES {
        fs::create_dir_all(template.join(place))?;
    }
    settings(template, plan.tree.is_none())?;
    devices(template)?;
    for (from, to) in &plan.shown {
        show(from, &inside(template, to))?;
    }
    // Only the tmpfs itself: what is mounted below is read-only already, but for the devices.
    linux::set_attributes(template, libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID)
}

/// Shows each top-level entry of an image that is not ours to provide. `/var` is one level deeper.
fn show_tree(tree: &Path, template: &Path) -> io::Result<()> {
    const OURS: &[&str] = &["dev", "proc", "sys", "tmp", "etc", "opt"];
    fs::create_dir_all(template.join("var"))?;
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "var" {
            for below in fs::read_dir(entry.path())? {
                let below = below?;
                show_entry(&below.path(), &template.join("var").join(below.file_name()))?;
            }
        } else if !OURS.iter().any(|ours| name == *ours) {
            show_entry(&entry.path(), &template.join(name))?;
        }
    }
    for entry in fs::read_dir(tree.join("etc")).into_iter().flatten() {
        let entry = entry?;
        fs::create_dir_all(template.join("etc"))?;
        show_entry(&entry.path(), &template.join("etc").join(entry.file_name()))?;
    }
    Ok(())
}

fn show_host(template: &Path) -> io::Result<()> {
    for directory in HOST_DIRECTORIES.iter().map(Path::new) {
        if directory.symlink_metadata().is_ok() {
            show_entry(directory, &inside(template, directory))?;
        }
    }
    Ok(())
}

fn settings(template: &Path, from_host: bool) -> io::Result<()> {
    let etc = template.join("etc");
    for (name, text) in
        [("passwd", PASSWD), ("group", GROUP), ("hosts", HOSTS), ("nsswitch.conf", NSSWITCH)]
    {
        let file = etc.join(name);
        if !file.exists() {
            fs::write(file, text)?;
        }
    }
    // Without a network there is nobody to ask for names; an empty file makes that quick.
    if !etc.join("resolv.conf").exists() {
        fs::write(etc.join("resolv.conf"), "")?;
    }
    if from_host {
        for path in HOST_SETTINGS.iter().map(Path::new).filter(|path| path.exists()) {
            show(path, &inside(template, path))?;
        }
    }
    Ok(())
}

fn devices(template: &Path) -> io::Result<()> {
    for name in DEVICES {
        let target = template.join("dev").join(name);
        fs::write(&target, "")?;
        linux::bind(&Path::new("/dev").join(name), &target, 0)?;
        linux::set_attributes(&target, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC)?;
    }
    LINKS.iter().try_for_each(|(to, at)| symlink(to, template.join(at)))
}

/// A link stays a link, so that `/bin` is still `usr/bin`; the rest is mounted.
fn show_entry(from: &Path, to: &Path) -> io::Result<()> {
    if from.symlink_metadata()?.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    show(from, to)
}

fn show(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
    } else {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(to, "")?;
    }
    linux::bind_read_only(from, to)
}

fn inside(template: &Path, path: &Path) -> PathBuf {
    template.join(path.strip_prefix("/").unwrap_or(path))
}
