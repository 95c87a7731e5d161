//! The rules of this repository that no compiler checks. A rule that nobody checks is a wish.
//!
//! # Promises
//!
//! 1. Each complaint names a file, a line, and what to do.
//! 2. Every rule is looked at on every run, so that one run shows everything.
//! 3. What git ignores is not looked at. What is new and not yet committed is.
//!
//! # Deliberately absent
//!
//! Whatever rustfmt, clippy or the compiler can check. A rule is one function from files to
//! complaints; the files are read once, here.

mod edges;
mod text;
mod layout;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::{say, workspace_root};

/// `tidy`
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    ensure!(args.is_empty(), "`cargo xtask tidy` has no options; it always checks everything");
    let complaints = complaints(&tracked(&workspace_root())?);
    for complaint in &complaints {
        say(&complaint.to_string());
    }
    ensure!(complaints.is_empty(), "tidy has {} complaints", complaints.len());
    Ok(())
}

/// A file of this repository.
#[derive(Debug)]
struct File {
    /// From the root of the repository.
    path: String,
    bytes: u64,
    /// Empty if the file is not text.
    text: String,
}

/// What is wrong in one place.
#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    path: String,
    line: usize,
    what: String,
}

impl Complaint {
    fn new(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, what: what.into() }
    }

    /// About something that is not there, or not text.
    fn about(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), line: 1, what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Looks at all files and complains.
type Rule = fn(&[File]) -> Vec<Complaint>;

const RULES: &[Rule] = &[
    edges::crates_use_only_what_they_may,
    edges::each_dependency_says_why,
    edges::packages_come_from_one_registry,
    text::modules_have_headers,
    text::files_are_short,
    text::notes_have_an_issue,
    text::nothing_is_left_unfinished,
    text::unchecked_code_stays_in_its_crates,
    text::words_say_something,
    text::nothing_names_one_machine,
    layout::the_architecture_names_each_crate,
    layout::decisions_are_numbered_and_listed,
    layout::migrations_are_numbered,
    layout::files_are_small,
];

fn complaints(files: &[File]) -> Vec<Complaint> {
    RULES.iter().flat_map(|rule| rule(files)).collect()
}

/// Reads every file that is in the repository or would be added to it.
fn tracked(root: &Path) -> anyhow::Result<Vec<File>> {
    let output = Command::new("git")
        // A checkout may belong to another user than the one who checks it.
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .current_dir(root)
        .output()
        .context("could not start git; install it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git could not list the files: {}", said.trim());
    let names = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        if let Some(file) = read(root, name)? {
            files.push(file);
        }
    }
    Ok(files)
}

/// Reads one file. `None` if it is a link or a directory, or was deleted since the last commit.
fn read(root: &Path, name: &str) -> anyhow::Result<Option<File>> {
    let path = root.join(name);
    let Ok(metadata) = fs::symlink_metadata(&path) else {
        return Ok(None);
    };
    if !metadata.is_file() {
        return Ok(None);
    }
    let content = fs::read(&path).with_context(|| format!("could not read {name}"))?;
    let text = String::from_utf8(content).unwrap_or_default();
    Ok(Some(File { path: name.to_owned(), bytes: metadata.len(), text }))
}

impl File {
    /// Rust that a person wrote.
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs") && !self.text.starts_with("// @generated")
    }

    /// The lines with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

/// Splits a text into words; names with `_` or `-` are one word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.split(move |c: char| !inside(c)).filter(|word| !word.is_empty())
}

/// The directories under `crates/` that hold a crate.
fn crate_names(files: &[File]) -> Vec<&str> {
    let manifests = files.iter().filter_map(|file| file.path.strip_prefix("crates/"));
    let names = manifests.filter_map(|path| path.strip_suffix("/Cargo.toml"));
    names.filter(|name| !name.contains('/')).collect()
}

#[cfg(test)]
mod tests {
    use super::{Complaint, File, complaints, tracked};
    use crate::workspace_root;

    /// A file for the tests of a rule.
    pub(super) fn file(path: &str, text: &str) -> File {
        let bytes = u64::try_from(text.len()).unwrap();
        File { path: path.to_owned(), bytes, text: text.to_owned() }
    }

    /// Where a rule complains.
    pub(super) fn places(complaints: &[Complaint]) -> Vec<(&str, usize)> {
        complaints.iter().map(|complaint| (complaint.path.as_str(), complaint.line)).collect()
    }

    #[test]
    fn this_repository_is_tidy() {
        let found = complaints(&tracked(&workspace_root()).unwrap());
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "\n{}", shown.join("\n"));
    }

    #[test]
    fn a_complaint_names_file_and_line() {
        let complaint = Complaint::new(&file("a.rs", ""), 3, "say more");
        assert_eq!(complaint.to_string(), "a.rs:3: say more");
    }
}
