//! What can go wrong with runtimes.

use std::io;
use std::path::PathBuf;

use crate::family::KNOWN;

/// Why something could not be done with a runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("could not open the runtimes in `{}`", .path.display())]
    NotOpened { path: PathBuf, source: io::Error },

    #[error("could not read `{}`", .path.display())]
    NotRead { path: PathBuf, source: io::Error },

    #[error("could not understand `{}`", .path.display())]
    NotUnderstood { path: PathBuf, source: Box<toml::de::Error> },

    #[error("the manifest `{}` cannot be used: {fault}", .path.display())]
    NotUsable { path: PathBuf, fault: &'static str },

    #[error(
        "Hearth does not know how to build the runtime `{name}`. It can build {known}; any other \
         can be added with `--from DIRECTORY`, where DIRECTORY is an unpacked AWS base image",
        known = KNOWN
    )]
    NotKnownHow { name: String },

    #[error("`{name}` is built in and needs not be added")]
    BuiltIn { name: String },

    #[error("`{name}` is not the name of a runtime")]
    NotAName { name: String },

    #[error("found no {what}{place}. {next}")]
    NoInterpreter { what: String, place: String, next: String },

    #[error("to add this runtime, {tools} must be installed: {install}")]
    ToolsMissing { tools: String, install: String },

    #[error("could not start `{program}` to {purpose}")]
    NotStarted { program: String, purpose: &'static str, source: io::Error },

    #[error("could not {purpose}: `{program}` failed and said: {tail}")]
    ToolFailed { program: String, purpose: &'static str, tail: String },

    #[error("could not {purpose}: `{missing}` is not among what was installed")]
    NotComplete { purpose: &'static str, missing: String },

    #[error("could not write `{}`", .path.display())]
    NotWritten { path: PathBuf, source: io::Error },

    #[error("could not put the manifest of `{name}` into words")]
    NotWorded { name: String, source: Box<toml::ser::Error> },
}

impl RuntimeError {
    /// For `map_err`: the path that could not be written.
    pub(crate) fn writing(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> RuntimeError {
        let path = path.into();
        move |source| RuntimeError::NotWritten { path, source }
    }
}
