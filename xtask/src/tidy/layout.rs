//! Which files there are, and what the documents say about them.

use std::collections::BTreeMap;

use super::{Complaint, File, crate_names, words};

const BYTES_MAX: u64 = 1024 * 1024;
/// AWS's service models are as big as they are.
const MODELS: &str = "crates/hearth-wire/models/";

pub(super) fn files_are_small(files: &[File]) -> Vec<Complaint> {
    files
        .iter()
        .filter(|file| file.bytes > BYTES_MAX && !file.path.starts_with(MODELS))
        .map(|file| {
            let what = format!("{} bytes; everybody who clones pays for them for ever", file.bytes);
            Complaint::new(file, 1, what)
        })
        .collect()
}

const ARCHITECTURE: &str = "ARCHITECTURE.md";

pub(super) fn the_architecture_names_each_crate(files: &[File]) -> Vec<Complaint> {
    let Some(document) = files.iter().find(|file| file.path == ARCHITECTURE) else {
        return vec![Complaint::about(ARCHITECTURE, "it is missing: the first file that is read")];
    };
    let names = crate_names(files);
    let mut complaints = Vec::new();
    for name in &names {
        if !words(&document.text).any(|word| word == *name) {
            complaints.push(Complaint::new(document, 1, format!("it does not name `{name}`")));
        }
    }
    for (number, line) in document.lines() {
        // `hearth-*` leaves `hearth-`, which names none.
        let named = words(line).filter(|word| word.len() > "hearth-".len());
        let gone = named.filter(|word| word.starts_with("hearth-") && !names.contains(word));
        complaints.extend(
            gone.map(|word| {
                Complaint::new(document, number, format!("there is no crate `{word}`"))
            }),
        );
    }
    complaints
}

const DECISIONS: &str = "docs/adr";

pub(super) fn decisions_are_numbered_and_listed(files: &[File]) -> Vec<Complaint> {
    let index = format!("{DECISIONS}/README.md");
    let Some(list) = files.iter().find(|file| file.path == index) else {
        return vec![Complaint::about(index, "it is missing: the list of decisions")];
    };
    let is_decision =
        |file: &&File| parent_and_name(&file.path).0 == DECISIONS && file.path != index;
    let decisions: Vec<&File> = files.iter().filter(is_decision).collect();
    let mut complaints = misnumbered(DECISIONS, &decisions);
    for decision in decisions {
        let name = parent_and_name(&decision.path).1;
        if !list.text.contains(name) {
            complaints.push(Complaint::new(list, 1, format!("it does not list {name}")));
        }
    }
    complaints
}

pub(super) fn migrations_are_numbered(files: &[File]) -> Vec<Complaint> {
    let mut by_directory: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".sql")) {
        let (directory, _) = parent_and_name(&file.path);
        if directory.contains("/migrations/") {
            by_directory.entry(directory).or_default().push(file);
        }
    }
    by_directory.iter().flat_map(|(directory, files)| misnumbered(directory, files)).collect()
}

/// Complains unless the files are called `0001…`, `0002…` and so on.
fn misnumbered(directory: &str, files: &[&File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut numbers = Vec::new();
    for file in files {
        match number(parent_and_name(&file.path).1) {
            Some(number) => numbers.push(number),
            None => complaints.push(Complaint::new(file, 1, "begin the name with four digits")),
        }
    }
    numbers.sort_unstable();
    for (expected, found) in (1..).zip(numbers) {
        if expected != found {
            let what = format!("number {expected:04} was expected where {found:04} is");
            complaints.push(Complaint::about(directory, what));
            break;
        }
    }
    complaints
}

/// The number of `0012-name.md` or `0012_name.sql`.
fn number(name: &str) -> Option<u32> {
    let (digits, rest) = name.split_at_checked(4)?;
    let separated = rest.starts_with(['-', '_']);
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    (separated && all_digits).then_some(digits)?.parse().ok()
}

fn parent_and_name(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::{
        BYTES_MAX, File, decisions_are_numbered_and_listed, files_are_small,
        migrations_are_numbered, the_architecture_names_each_crate,
    };

    #[test]
    fn a_big_file_is_found_unless_it_is_a_model() {
        let big = |path: &str| File { bytes: BYTES_MAX + 1, ..file(path, "") };
        let files = [big("crates/hearth-wire/models/lambda.json"), big("picture.png")];
        assert_eq!(places(&files_are_small(&files)), [("picture.png", 1)]);
    }

    #[test]
    fn architecture_and_crates_agree() {
        let text = "`hearth-front` and `hearth-gone/src`, all of `hearth-*`\n";
        let files = [
            file("ARCHITECTURE.md", text),
            file("crates/hearth-front/Cargo.toml", ""),
            file("crates/hearth-wire/Cargo.toml", ""),
        ];
        let found = the_architecture_names_each_crate(&files);
        let shown: Vec<&str> = found.iter().map(|complaint| complaint.what.as_str()).collect();
        assert_eq!(shown, ["it does not name `hearth-wire`", "there is no crate `hearth-gone`"]);
    }

    #[test]
    fn decisions_have_no_gap_and_are_listed() {
        let list = |text| file("docs/adr/README.md", text);
        let first = || file("docs/adr/0001-a.md", "");
        let third = || file("docs/adr/0003-c.md", "");
        #[rustfmt::skip]
        let rows = [
            ("complete", vec![list("0001-a.md"), first()],                       0),
            ("unlisted", vec![list(""), first()],                                1),
            ("gap",      vec![list("0001-a.md 0003-c.md"), first(), third()],    1),
            ("no list",  vec![first()],                                          1),
            ("no number", vec![list("new.md"), file("docs/adr/new.md", "")],     1),
        ];
        for (name, files, count) in rows {
            assert_eq!(decisions_are_numbered_and_listed(&files).len(), count, "{name}");
        }
    }

    #[test]
    fn migrations_of_each_engine_have_no_gap() {
        let files = [
            file("crates/s/migrations/sqlite/0001_a.sql", ""),
            file("crates/s/migrations/sqlite/0002_b.sql", ""),
            file("crates/s/migrations/postgres/0002_b.sql", ""),
        ];
        let found = migrations_are_numbered(&files);
        assert_eq!(places(&found), [("crates/s/migrations/postgres", 1)]);
    }
}
