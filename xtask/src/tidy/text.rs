//! What may stand in a file.
//!
//! The forbidden texts are put together from pieces, so that this file does not hold them itself.

use super::{Complaint, File, words};

/// Longer files are hard to proofread. Tables and generated code are exempt by being generated.
const LINES_MAX: usize = 800;

pub(super) fn modules_have_headers(files: &[File]) -> Vec<Complaint> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.text.starts_with("//!"))
        .map(|file| {
            let what = "begin with a `//!` header: what this is, what it promises, what is absent";
            Complaint::new(file, 1, what)
        })
        .collect()
}

pub(super) fn files_are_short(files: &[File]) -> Vec<Complaint> {
    files
        .iter()
        .filter(|file| file.is_rust() && file.lines().count() > LINES_MAX)
        .map(|file| {
            let count = file.lines().count();
            let what = format!("{count} lines; at most {LINES_MAX}, so split it by what it does");
            Complaint::new(file, LINES_MAX, what)
        })
        .collect()
}

const NOTE: &str = concat!("TO", "DO");
const NOTES_OF_OTHER_FORMS: [&str; 2] = [concat!("FIX", "ME"), concat!("X", "XX")];

pub(super) fn notes_have_an_issue(files: &[File]) -> Vec<Complaint> {
    let complain = |file: &File, line: usize| {
        Complaint::new(file, line, format!("write {NOTE}(#issue), so that it is not forgotten"))
    };
    found_in_lines(files, |file, line| is_code(file) && has_bare_note(line), complain)
}

/// Whether there is a note that does not name its issue.
fn has_bare_note(line: &str) -> bool {
    if NOTES_OF_OTHER_FORMS.iter().any(|other| words(line).any(|word| word == *other)) {
        return true;
    }
    let names_issue = |rest: &str| {
        let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
        number.is_some_and(|(number, _)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    words(line).any(|word| word == NOTE) && !line.split(NOTE).skip(1).all(names_issue)
}

pub(super) fn nothing_is_left_unfinished(files: &[File]) -> Vec<Complaint> {
    let macros = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];
    found_in_lines(
        files,
        |file, line| file.is_rust() && macros.iter().any(|name| line.contains(name)),
        |file, line| Complaint::new(file, line, "finish this, or answer with an error"),
    )
}

/// The crates whose work needs system calls that Rust cannot check.
const UNCHECKED_CRATES: [&str; 2] = ["crates/hearth-isolation/", "crates/hearth-guest/"];

pub(super) fn unchecked_code_stays_in_its_crates(files: &[File]) -> Vec<Complaint> {
    let forbidden = [concat!("un", "safe"), concat!("un", "safe", "_code")];
    let elsewhere = |file: &File| {
        file.is_rust() && !UNCHECKED_CRATES.iter().any(|place| file.path.starts_with(*place))
    };
    found_in_lines(
        files,
        |file, line| elsewhere(file) && words(&code_of(line)).any(|word| forbidden.contains(&word)),
        |file, line| {
            let what = "only hearth-isolation and hearth-guest may do this; use what they offer";
            Complaint::new(file, line, what)
        },
    )
}

/// Endings of type names that say nothing, and what to write instead.
#[rustfmt::skip]
const EMPTY_ENDINGS: [(&str, &str); 7] = [
    ("Manager", "say what it does: Pool, Driver, Catalog"),
    ("Helper",  "make it a function, or name the noun"),
    ("Util",    "put it where it is used"),
    ("Utils",   "put it where it is used"),
    ("Impl",    "say how it differs from the others: Sqlite, Simulated"),
    ("Data",    "name what it holds: Record, Payload, Settings"),
    ("Info",    "name what it holds: Record, Description, Status"),
];

/// Names of modules into which everything is put in the end.
const EMPTY_MODULES: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];

/// Words in any text, and what to write instead.
const REPLACED_WORDS: [(&str, &str); 2] =
    [(concat!("white", "list"), "allow list"), (concat!("black", "list"), "deny list")];

pub(super) fn words_say_something(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for (number, line) in file.lines() {
            complaints.extend(empty_word(line).map(|what| Complaint::new(file, number, what)));
        }
    }
    complaints
}

fn empty_word(line: &str) -> Option<String> {
    let lowercase = line.to_lowercase();
    if let Some((word, better)) = REPLACED_WORDS.iter().find(|(word, _)| lowercase.contains(word)) {
        return Some(format!("`{word}`: write {better}"));
    }
    let (kind, name) = declared(line)?;
    if kind == "mod" {
        let empty = EMPTY_MODULES.contains(&name);
        return empty.then(|| format!("`mod {name}` says nothing: name what is in it"));
    }
    let ending = EMPTY_ENDINGS.iter().find(|(ending, _)| name.ends_with(*ending));
    ending.map(|(ending, better)| format!("`{name}` ends in `{ending}`, which is empty: {better}"))
}

/// The kind and the name of what a line declares. Associated types have names given by others.
fn declared(line: &str) -> Option<(&str, &str)> {
    let mut parts = words(line).skip_while(|word| ["pub", "crate", "super", "in"].contains(word));
    let (kind, name) = (parts.next()?, parts.next()?);
    let starts = line.trim_start().starts_with(kind) || line.trim_start().starts_with("pub");
    let counts = match kind {
        "struct" | "enum" | "trait" | "union" | "mod" => true,
        "type" => !line.starts_with(' '),
        _ => false,
    };
    (starts && counts).then_some((kind, name))
}

/// Beginnings of paths of one machine, and hosts of registries: a mirror must be able to take
/// their place, so the tools' own configuration decides.
#[rustfmt::skip]
const ONE_MACHINE: [&str; 14] = [
    concat!("/ro", "ot/."),
    concat!("/wo", "rk/main"),
    concat!("/wo", "rk/shared"),
    concat!("/Us", "ers/"),
    concat!("/tmp/bash", "_jobs"),
    concat!("/usr/local/", "go/"),
    concat!("crates.", "io"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("repo.", "maven.", "apache.org"),
    concat!("repo1.", "maven.org"),
    concat!("proxy.", "golang.org"),
];

/// Home directories that are nobody's: AWS's user, and the example in tests.
const NOBODYS_HOMES: [&str; 2] = ["sbx_user1051", "me"];

pub(super) fn nothing_names_one_machine(files: &[File]) -> Vec<Complaint> {
    found_in_lines(
        files,
        // The lock file names its registry on every line, and has a rule of its own.
        |file, line| !file.path.ends_with("Cargo.lock") && names_one_machine(line),
        |file, line| {
            Complaint::new(file, line, "this path or host is not the same on every machine")
        },
    )
}

fn names_one_machine(line: &str) -> bool {
    let is_somebodys = |rest: &str| {
        let user = words(rest).next().filter(|user| rest.starts_with(*user));
        user.is_some_and(|user| !NOBODYS_HOMES.contains(&user))
    };
    ONE_MACHINE.iter().any(|part| line.contains(part))
        || line.split(concat!("/ho", "me/")).skip(1).any(is_somebodys)
}

/// Complains about each line that is found.
fn found_in_lines(
    files: &[File],
    is_wrong: impl Fn(&File, &str) -> bool,
    complain: impl Fn(&File, usize) -> Complaint,
) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in files {
        let wrong = file.lines().filter(|&(_, line)| is_wrong(file, line));
        complaints.extend(wrong.map(|(number, _)| complain(file, number)));
    }
    complaints
}

/// Whether a file has comments for the people who work on it. Prose may speak about notes.
fn is_code(file: &File) -> bool {
    let endings = [".rs", ".toml", ".sql", ".py", ".mjs", ".js", ".go", ".java", ".sh", "ci/run"];
    file.is_rust()
        || (!file.path.ends_with(".rs") && endings.iter().any(|e| file.path.ends_with(*e)))
}

/// A line of Rust without its comments and without what is inside quotes. Texts of several lines
/// are taken for code; that is good enough here.
fn code_of(line: &str) -> String {
    let mut code = String::new();
    let mut inside_quotes = false;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let skipped = match (inside_quotes, c) {
            (false, '/') if rest.starts_with("//") => break,
            (false, '\'') if rest.starts_with("'\"'") => 3,
            (true, '\\') => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            (_, '"') => {
                inside_quotes = !inside_quotes;
                1
            }
            _ => c.len_utf8(),
        };
        if !inside_quotes {
            code.push(c);
        }
        rest = &rest[skipped..];
    }
    code
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::{
        LINES_MAX, NOTE, code_of, empty_word, files_are_short, has_bare_note, modules_have_headers,
        names_one_machine, nothing_is_left_unfinished, unchecked_code_stays_in_its_crates,
    };

    #[test]
    fn a_module_without_a_header_is_found() {
        let files = [
            file("a.rs", "//! Something.\n"),
            file("b.rs", "use std::fmt;\n"),
            file("c.rs", "// @generated by cargo xtask codegen\n"),
            file("d.py", "import os\n"),
        ];
        assert_eq!(places(&modules_have_headers(&files)), [("b.rs", 1)]);
    }

    #[test]
    fn a_long_file_is_found() {
        let files =
            [file("a.rs", &"\n".repeat(LINES_MAX)), file("b.rs", &"\n".repeat(LINES_MAX + 1))];
        assert_eq!(places(&files_are_short(&files)), [("b.rs", LINES_MAX)]);
    }

    #[test]
    fn a_note_names_its_issue() {
        #[rustfmt::skip]
        let rows = [
            (format!("// {NOTE}(#12): more"),        false),
            (format!("// {NOTE}: more"),             true),
            (format!("// {NOTE}(#): more"),          true),
            (format!("// {NOTE}(me): more"),         true),
            (format!("// {NOTE}(#1), {NOTE} again"), true),
            (concat!("// FIX", "ME").to_owned(),     true),
            (format!("let {NOTE}S = 1;"),            false),
        ];
        for (line, bare) in rows {
            assert_eq!(has_bare_note(&line), bare, "{line}");
        }
    }

    #[test]
    fn what_is_unfinished_is_found() {
        let files = [file("a.rs", concat!("//! A.\nfn f() {\n    todo", "!()\n}\n"))];
        assert_eq!(places(&nothing_is_left_unfinished(&files)), [("a.rs", 3)]);
    }

    #[test]
    fn unchecked_code_is_found_outside_of_its_crates() {
        let text = concat!("//! A.\n// un", "safe\nun", "safe { f() }\n");
        let files =
            [file("crates/hearth-front/a.rs", text), file("crates/hearth-guest/a.rs", text)];
        let found = unchecked_code_stays_in_its_crates(&files);
        assert_eq!(places(&found), [("crates/hearth-front/a.rs", 3)]);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        #[rustfmt::skip]
        let rows = [
            ("pub(crate) struct PoolManager {",   true),
            ("enum Data {",                       true),
            ("pub trait Store {",                 false),
            ("pub mod utils;",                    true),
            ("mod pool;",                         false),
            ("    type Data = Bytes;",            false),
            ("type RowData = Vec<u8>;",           true),
            ("// a struct Manager has no place",  false),
            ("let manager = struct_manager();",   false),
            (concat!("// the White", "list"),     true),
        ];
        for (line, empty) in rows {
            assert_eq!(empty_word(line).is_some(), empty, "{line}");
        }
    }

    #[test]
    fn paths_and_hosts_of_one_machine_are_found() {
        #[rustfmt::skip]
        let rows = [
            (concat!("cd /ro", "ot/.cargo"),            true),
            (concat!("see crates.", "io"),              true),
            (concat!("/ho", "me/alice/x"),              true),
            (concat!("/ho", "me/sbx_user1051"),         false),
            (concat!("/ho", "me/ is where homes are"),  false),
            ("/var/task and /tmp",                      false),
        ];
        for (line, found) in rows {
            assert_eq!(names_one_machine(line), found, "{line}");
        }
    }

    #[test]
    fn quotes_and_comments_are_no_code() {
        #[rustfmt::skip]
        let rows = [
            ("a(\"b\", c) // d",    "a(\"\", c) "),
            ("a(\"b\\\"c\") + d",   "a(\"\") + d"),
            ("a('\"') + b",         "a(') + b"),
        ];
        for (line, code) in rows {
            let without_quotes = |text: &str| text.replace('"', "");
            assert_eq!(without_quotes(&code_of(line)), without_quotes(code), "{line}");
        }
    }
}
