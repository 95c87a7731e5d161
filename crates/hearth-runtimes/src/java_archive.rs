//! What Java keeps of the client from one start to the next: an archive of its classes, read and
//! verified (class data sharing). With it a start from nothing takes half the time.
//!
//! It is written at the end of one whole life of the client, with a single event, when the runtime
//! is added. Java takes it only with the class path of then, file by file. But what a function sees
//! as `/var/runtime` is somewhere else when it is made. So it is made with names such as
//! `../runtime/hearth.jar`: they lead to the files from the working directory of then, and from
//! `/var/task` to the same ones.
//!
//! # Promises
//!
//! 1. A runtime that has no archive, or one that does not fit any more, is only slower: this is no
//!    error, and nothing is said of it where it would be in a function's log.
//!
//! # Deliberately absent
//!
//! A new archive when the JDK has been updated. The next `hearth runtime add` makes one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::RuntimeError;
use crate::add::Build;
use crate::java::{self, Java};
use crate::run::run;

/// The first version that writes an archive when it ends.
const ARCHIVE_FROM: u32 = 13;
/// In the runtime's directory.
const ARCHIVE: &str = "hearth.jsa";

/// How a virtual machine is told of the archive.
const FLAGS: &[&str] = &[
    "-XX:SharedArchiveFile=/var/runtime/hearth.jsa",
    // It is the function's standard output that Java would complain on.
    "-Xlog:cds*=off",
];

/// Makes the archive, with the help of classes that were compiled in the place for work. Returns
/// the flags that have it used: none, if it could not be made.
pub(crate) fn make(build: &Build<'_>, java: &Java, major: u32) -> &'static [&'static str] {
    if major < ARCHIVE_FROM {
        return &[];
    }
    (build.progress)("Archiving the classes of the client");
    match record(build, java, major) {
        Ok(()) => FLAGS,
        Err(error) => {
            (build.progress)(&format!("This runtime starts more slowly than it could: {error}"));
            let _nothing_there = fs::remove_file(build.runtime.join(ARCHIVE));
            &[]
        }
    }
}

fn record(build: &Build<'_>, java: &Java, major: u32) -> Result<(), RuntimeError> {
    let purpose = "archive the classes of the runtime client";
    // They are used from another working directory.
    let (work, runtime) = (real(&build.work)?, real(&build.runtime)?);
    let (program, archive) = (java.home.join("bin/java"), runtime.join(ARCHIVE));
    let mut told = OsString::from("-XX:ArchiveClassesAtExit=");
    told.push(&archive);

    let mut command = Command::new(&program);
    command.current_dir(&work).arg("-cp").arg(&work).arg("hearth.Record");
    // From here on it is what a function is started with.
    command.arg(&program).arg(told).args(java::FLAGS).args(java::flags_of(major));
    command.args(java::own_class(&runtime, &runtime, "../runtime"));
    run(&mut command, purpose)?;
    if !archive.is_file() {
        let missing = archive.display().to_string();
        return Err(RuntimeError::NotComplete { purpose, missing });
    }
    // Java 17 dies of half an archive, which must not be what is left if the host fails.
    let written = File::open(&archive).and_then(|file| file.sync_all());
    written.map_err(RuntimeError::writing(&archive))
}

fn real(path: &Path) -> Result<PathBuf, RuntimeError> {
    path.canonicalize().map_err(|source| RuntimeError::NotRead { path: path.to_owned(), source })
}
