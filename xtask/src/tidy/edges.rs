//! Which crate may use which, and why each dependency is there.

use super::{Complaint, File, crate_names};

/// What one crate may use of Hearth's own crates.
struct Row {
    name: &'static str,
    may_use: &'static [&'static str],
    /// Why these and no others.
    why: &'static str,
}

/// The allowed edges, in the order in which a request meets the crates. A new edge changes the
/// design: it needs a decision in `docs/adr`, and then a line here. Tests may use more.
#[rustfmt::skip]
const EDGES: &[Row] = &[
    Row { name: "hearth",             may_use: ANY,
          why: "the program wires everything together" },
    Row { name: "hearth-front",       may_use: &["hearth-control", "hearth-environment", "hearth-http", "hearth-iam", "hearth-invoke", "hearth-runtimes", "hearth-scheduler", "hearth-services", "hearth-sources", "hearth-store", "hearth-telemetry", "hearth-types", "hearth-wire"],
          why: "it turns the wire into calls of the domain, and every crate's errors into AWS's; it starts nothing" },
    Row { name: "hearth-http",        may_use: &["hearth-control", "hearth-environment", "hearth-invoke", "hearth-services", "hearth-store", "hearth-types"],
          why: "it makes events of requests and responses of answers; it opens no socket" },
    Row { name: "hearth-wire",        may_use: &[],
          why: "AWS's shapes know nothing of Hearth" },
    Row { name: "hearth-control",     may_use: &["hearth-runtimes", "hearth-store", "hearth-types"],
          why: "it changes records and cannot start anything; it asks which runtimes there are" },
    Row { name: "hearth-iam",         may_use: &["hearth-store", "hearth-types"],
          why: "roles and policies are records; who may do what is decided from them alone" },
    Row { name: "hearth-services",    may_use: &["hearth-store", "hearth-types"],
          why: "the embedded services keep what they are given and invoke nothing" },
    Row { name: "hearth-events",      may_use: &["hearth-control", "hearth-invoke", "hearth-services", "hearth-store", "hearth-types"],
          why: "it takes what waits in the durable queue and calls whoever it is for; it runs nothing itself" },
    Row { name: "hearth-sources",     may_use: &["hearth-control", "hearth-environment", "hearth-invoke", "hearth-services", "hearth-store", "hearth-types"],
          why: "it reads queues and streams, and has the invoker run functions for what it reads" },
    Row { name: "hearth-invoke",      may_use: &["hearth-control", "hearth-environment", "hearth-scheduler", "hearth-store", "hearth-types"],
          why: "it resolves a name, gets a place and runs, or puts the event into the durable queue; it knows no HTTP" },
    Row { name: "hearth-scheduler",   may_use: &["hearth-environment", "hearth-runtimes", "hearth-types"],
          why: "it decides who gets which environment, whatever the walls are" },
    Row { name: "hearth-environment", may_use: &["hearth-guest", "hearth-runtimes", "hearth-types"],
          why: "one environment and the trait of its walls; it speaks the agent's protocol" },
    Row { name: "hearth-isolation",   may_use: &["hearth-environment", "hearth-guest", "hearth-runtimes", "hearth-types"],
          why: "it implements the trait of the walls and starts the agent" },
    Row { name: "hearth-guest",       may_use: &[],
          why: "it runs inside the walls, so it carries nothing along" },
    Row { name: "hearth-runtimes",    may_use: &[],
          why: "runtimes are directories; nothing else of Hearth is needed to make one" },
    Row { name: "hearth-telemetry",   may_use: &["hearth-types"],
          why: "logs are kept in files of their own" },
    Row { name: "hearth-store",       may_use: &["hearth-types"],
          why: "it keeps what it is given" },
    Row { name: "hearth-types",       may_use: &[],
          why: "everybody uses it, so it uses nobody" },
];

const ANY: &[&str] = &["*"];

pub(super) fn crates_use_only_what_they_may(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for name in crate_names(files) {
        let path = format!("crates/{name}/Cargo.toml");
        let Some(manifest) = files.iter().find(|file| file.path == path) else { continue };
        match EDGES.iter().find(|row| row.name == name) {
            Some(row) => complaints.extend(forbidden_edges(manifest, row)),
            None => complaints.push(Complaint::new(
                manifest,
                1,
                "this crate is not in the table of allowed edges, xtask/src/tidy/edges.rs",
            )),
        }
    }
    complaints
}

fn forbidden_edges(manifest: &File, row: &Row) -> Vec<Complaint> {
    let allowed = |used: &str| row.may_use == ANY || row.may_use.contains(&used);
    let forbidden = entries(manifest)
        .filter(|entry| entry.section.ends_with("dependencies"))
        .filter(|entry| !entry.section.ends_with("dev-dependencies"))
        .filter(|entry| entry.name.starts_with("hearth-") && !allowed(entry.name));
    let complain = |entry: Entry<'_>| {
        let (name, used, why) = (row.name, entry.name, row.why);
        let what = format!("{name} may not use {used}: {why} (the table is in tidy/edges.rs)");
        Complaint::new(manifest, entry.line, what)
    };
    forbidden.map(complain).collect()
}

/// The reason stands on the line itself or on the one above.
pub(super) fn each_dependency_says_why(files: &[File]) -> Vec<Complaint> {
    let Some(root) = files.iter().find(|file| file.path == "Cargo.toml") else {
        return vec![Complaint::about("Cargo.toml", "it is missing")];
    };
    let lines: Vec<&str> = root.text.lines().collect();
    let explained = |entry: &Entry<'_>| {
        let above = entry.line.checked_sub(2).and_then(|index| lines.get(index));
        let beside = entry.text.split_once(" # ").is_some_and(|(_, why)| !why.trim().is_empty());
        beside || above.is_some_and(|line| line.starts_with("# "))
    };
    entries(root)
        .filter(|entry| entry.section == "workspace.dependencies")
        // The reasons of our own crates are in their own manifests and in `ARCHITECTURE.md`.
        .filter(|entry| !entry.text.contains("path = \"crates/"))
        .filter(|entry| !explained(entry))
        .map(|entry| {
            let name = entry.name;
            Complaint::new(root, entry.line, format!("say why we need {name}: `{name} = … # why`"))
        })
        .collect()
}

/// A private mirror in the lock file would make the build fail everywhere else.
pub(super) fn packages_come_from_one_registry(files: &[File]) -> Vec<Complaint> {
    let Some(lock) = files.iter().find(|file| file.path == "Cargo.lock") else {
        return vec![Complaint::about("Cargo.lock", "it is missing; commit it")];
    };
    let public = concat!("crates.", "io-index\"");
    lock.lines()
        .filter(|(_, line)| line.starts_with("source = ") && !line.ends_with(public))
        .map(|(number, _)| {
            Complaint::new(lock, number, "take packages from the public registry only")
        })
        .collect()
}

/// One key of a manifest.
struct Entry<'a> {
    line: usize,
    section: &'a str,
    name: &'a str,
    text: &'a str,
}

/// The keys of a manifest that stand at the beginning of a line; `[dependencies.x]` is one too.
fn entries(manifest: &File) -> impl Iterator<Item = Entry<'_>> {
    let mut section = "";
    manifest.lines().filter_map(move |(line, text)| {
        if let Some(header) = text.strip_prefix('[') {
            section = header.split(']').next().unwrap_or("");
            let (parent, name) = section.rsplit_once('.')?;
            return parent.ends_with("dependencies").then_some(Entry {
                line,
                section: parent,
                name,
                text,
            });
        }
        let name = text.split(['.', '=', ' ']).next().unwrap_or("");
        let is_key = text.contains('=') && name.starts_with(|c: char| c.is_ascii_alphanumeric());
        is_key.then_some(Entry { line, section, name, text })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::{
        EDGES, crates_use_only_what_they_may, each_dependency_says_why,
        packages_come_from_one_registry,
    };

    #[test]
    fn a_forbidden_edge_is_found_on_its_line() {
        let manifest = "[dependencies]\nserde = \"1\"\nhearth-store.workspace = true\n";
        let files = [file("crates/hearth-wire/Cargo.toml", manifest)];
        let found = crates_use_only_what_they_may(&files);
        assert_eq!(places(&found), [("crates/hearth-wire/Cargo.toml", 3)]);
    }

    #[test]
    fn an_edge_in_a_section_of_its_own_is_found() {
        let manifest = "[dependencies.hearth-store]\nworkspace = true\n";
        let files = [file("crates/hearth-wire/Cargo.toml", manifest)];
        assert_eq!(crates_use_only_what_they_may(&files).len(), 1);
    }

    #[test]
    fn tests_may_use_more() {
        let manifest = "[dev-dependencies]\nhearth-store.workspace = true\n";
        let files = [file("crates/hearth-wire/Cargo.toml", manifest)];
        assert_eq!(crates_use_only_what_they_may(&files).len(), 0);
    }

    #[test]
    fn a_crate_outside_of_the_table_is_found() {
        let files = [file("crates/hearth-new/Cargo.toml", "[dependencies]\n")];
        assert_eq!(crates_use_only_what_they_may(&files).len(), 1);
    }

    #[test]
    fn the_table_has_no_circle() {
        // Each crate uses only crates that use fewer, so taking away the leaves ends with nothing.
        let mut left: Vec<_> = EDGES.iter().filter(|row| row.may_use != super::ANY).collect();
        while !left.is_empty() {
            let names: Vec<&str> = left.iter().map(|row| row.name).collect();
            left.retain(|row| row.may_use.iter().any(|used| names.contains(used)));
            assert!(left.len() < names.len(), "a circle among {names:?}");
        }
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let text = "[workspace.dependencies]\na = \"1\" # why\nb = \"1\"\n# why\nc = \"1\"\n\
            own = { path = \"crates/own\" }\n[profile.dev]\ndebug = 1\n";
        let found = each_dependency_says_why(&[file("Cargo.toml", text)]);
        assert_eq!(places(&found), [("Cargo.toml", 3)]);
    }

    #[test]
    fn a_private_mirror_is_found() {
        let public = concat!("crates.", "io-index");
        let text = format!("source = \"registry+x/{public}\"\nsource = \"registry+mirror\"\n");
        let found = packages_come_from_one_registry(&[file("Cargo.lock", &text)]);
        assert_eq!(places(&found), [("Cargo.lock", 2)]);
    }
}
