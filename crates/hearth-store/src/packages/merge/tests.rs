//! What lies over what, and what the merged trees promise.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use proptest::prelude::ProptestConfig;
use tempfile::TempDir;

use super::*;
use crate::packages::crafted::{Crafted, archive};
use crate::packages::{BOOT, INCOMING, pack};

fn packages() -> (TempDir, Packages) {
    let directory = tempfile::tempdir().unwrap();
    let packages = Packages::open(directory.path().join("packages")).unwrap();
    (directory, packages)
}

fn kept(packages: &Packages, entries: &[Crafted]) -> CodeDigest {
    packages.keep(&archive(entries)).unwrap().digest
}

fn file(name: &str, content: &str) -> Crafted {
    Crafted::file(name, content.as_bytes())
}

fn directory(name: &str) -> Crafted {
    Crafted::file(name, b"").mode(0o040_755)
}

fn link(name: &str, target: &str) -> Crafted {
    Crafted::link(name, target)
}

/// What is in a tree: path to `directory`, `-> TARGET` or the content of a file.
type Listing = BTreeMap<String, String>;

fn listing(tree: &Path) -> Listing {
    fn walk(root: &Path, at: &Path, found: &mut Listing) {
        for entry in entries(at).unwrap() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(name, format!("-> {}", target.display()));
            } else if kind.is_dir() {
                found.insert(name, "directory".to_owned());
                walk(root, &path, found);
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = Listing::new();
    walk(tree, tree, &mut found);
    found
}

fn expected<const N: usize>(entries: [(&str, &str); N]) -> Listing {
    entries.map(|(path, what)| (path.to_owned(), what.to_owned())).into()
}

/// What is left of unfinished work.
fn unfinished(packages: &Packages) -> usize {
    listing(&packages.directory.join(INCOMING)).len()
}

#[rustfmt::skip]
#[test]
fn a_later_archive_lies_over_an_earlier_one() {
    /// Its name, the earlier entries, the later ones, and what is there afterwards.
    type Row = (&'static str, Vec<Crafted>, Vec<Crafted>, Listing);
    let rows: Vec<Row> = vec![
        ("side by side",               vec![file("a", "1")],                       vec![file("b", "2")],                  expected([("a", "1"), ("b", "2")])),
        ("a file over a file",         vec![file("a", "1")],                       vec![file("a", "2")],                  expected([("a", "2")])),
        ("directories are joined",     vec![file("d/a", "1"), file("d/b", "1")],   vec![file("d/b", "2"), file("d/c", "2")], expected([("d", "directory"), ("d/a", "1"), ("d/b", "2"), ("d/c", "2")])),
        ("empty directories stay",     vec![directory("a/")],                      vec![directory("a/"), directory("b/")], expected([("a", "directory"), ("b", "directory")])),
        ("a link over a file",         vec![file("a", "1"), file("b", "1")],       vec![link("a", "b")],                  expected([("a", "-> b"), ("b", "1")])),
        ("a file over a link",         vec![link("a", "b"), file("b", "1")],       vec![file("a", "2")],                  expected([("a", "2"), ("b", "1")])),
        ("a link over a link",         vec![link("a", "b")],                       vec![link("a", "c")],                  expected([("a", "-> c")])),
        ("a file over a directory",    vec![file("a/b", "1")],                     vec![file("a", "2"), file("c", "2")],  expected([("a", "directory"), ("a/b", "1"), ("c", "2")])),
        ("a link over a directory",    vec![file("a/b", "1")],                     vec![link("a", "c")],                  expected([("a", "directory"), ("a/b", "1")])),
        ("a directory over a file",    vec![file("a", "1")],                       vec![file("a/b", "2"), file("c", "2")], expected([("a", "1"), ("c", "2")])),
        ("a link to a directory",      vec![link("a", "d"), file("d/b", "1")],     vec![file("a/c", "2")],                expected([("a", "-> d"), ("d", "directory"), ("d/b", "1"), ("d/c", "2")])),
        ("a link to a file",           vec![link("a", "d"), file("d", "1")],       vec![file("a/c", "2")],                expected([("a", "-> d"), ("d", "1")])),
        ("a link to nothing",          vec![link("a", "d")],                       vec![file("a/c", "2")],                expected([("a", "-> d")])),
        ("a link to the root",         vec![link("d/a", "..")],                    vec![file("d/a/c", "2")],              expected([("c", "2"), ("d", "directory"), ("d/a", "-> ..")])),
    ];
    for (name, earlier, later, expected) in rows {
        let (_directory, packages) = packages();
        let layers = [kept(&packages, &earlier), kept(&packages, &later)];
        let merged = packages.merge(&layers).unwrap();
        assert_eq!(listing(&merged), expected, "{name}");
    }
}

#[test]
fn nothing_is_written_where_links_of_two_archives_lead_out() {
    let (_directory, packages) = packages();
    // By itself `out` leads to the root. With `d` it leads to where merged trees are made.
    let first = kept(&packages, &[link("out", "d/.."), link("o", "p")]);
    let second = [link("d", "."), link("e", "f"), link("f", "d"), link("p", "o")];
    let third = [file("out/a", "3"), file("out/b/c", "3"), file("e/g", "3"), file("o/h", "3")];
    let layers = [first, kept(&packages, &second), kept(&packages, &third)];
    let merged = packages.merge(&layers).unwrap();
    let mut there = expected([("d", "-> ."), ("e", "-> f"), ("f", "-> d"), ("g", "3")]);
    there.extend(expected([("o", "-> p"), ("out", "-> d/.."), ("p", "-> o")]));
    assert_eq!(listing(&merged), there);
    assert_eq!(unfinished(&packages), 0);
}

#[test]
fn links_that_lead_down_without_end_are_refused() {
    let (_directory, packages) = packages();
    let deep = "d/".repeat(100);
    let first = kept(&packages, &[directory(&deep), link("a", &deep)]);
    let second = kept(&packages, &[file(&format!("a/{}f", "e/".repeat(100)), "2")]);
    let refused = packages.merge(&[first, second]);
    assert!(matches!(refused, Err(PackageError::NotMerged { .. })), "{refused:?}");
    assert_eq!(unfinished(&packages), 0);
    assert!(!packages.merged_path(&[first, second]).exists());
}

#[test]
fn the_order_matters_and_one_archive_is_itself() {
    let (_directory, packages) = packages();
    let (one, two) = (kept(&packages, &[file("a", "1")]), kept(&packages, &[file("a", "2")]));
    let says = |layers: &[CodeDigest]| listing(&packages.merge(layers).unwrap())["a"].clone();
    assert_eq!((says(&[one, two]), says(&[two, one])), ("2".to_owned(), "1".to_owned()));
    assert_eq!(says(&[one, two, one]), "1");
    assert_eq!(packages.merge(&[one]).unwrap(), packages.tree(one));
    assert_eq!(Packages::merged_key(&[one]), one);
    assert_eq!(listing(&packages.merge(&[]).unwrap()).len(), 0);
    assert_eq!(unfinished(&packages), 0);
}

#[test]
fn files_are_shared_and_modes_are_kept() {
    let (_directory, packages) = packages();
    let (run, own) = (file("run", "x").mode(0o100_755), file("own", "x").mode(0o100_600));
    let first = kept(&packages, &[run, own, directory("d/")]);
    let layers = [first, kept(&packages, &[file("d/more", "y")])];
    let merged = packages.merge(&layers).unwrap();
    let mode = |name: &str| fs::metadata(merged.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("."), mode("d"), mode("run"), mode("own")), (0o755, 0o755, 0o755, 0o600));
    let number = |tree: &Path| fs::metadata(tree.join("run")).unwrap().ino();
    assert_eq!(number(&merged), number(&packages.tree(layers[0])));
}

#[test]
fn what_is_missing_cannot_be_merged() {
    let (_directory, packages) = packages();
    let here = kept(&packages, &[file("a", "1")]);
    let gone = CodeDigest::of(b"gone");
    for layers in [&[gone][..], &[here, gone]] {
        let missing = packages.merge(layers);
        assert!(matches!(missing, Err(PackageError::Missing { digest }) if digest == gone));
        assert!(!packages.merged_path(layers).exists());
    }
}

#[test]
fn merging_at_the_same_time_gives_one_tree() {
    let (_directory, packages) = packages();
    let packages = Arc::new(packages);
    let layer = |content: &str| {
        let names = (0..100).map(|number| format!("d/{number}"));
        kept(&packages, &names.map(|name| file(&name, content)).collect::<Vec<_>>())
    };
    let layers = [layer("1"), layer("2")];
    let merge = || {
        let packages = Arc::clone(&packages);
        std::thread::spawn(move || packages.merge(&layers).unwrap())
    };
    let threads: Vec<_> = (0..8).map(|_| merge()).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), packages.merged_path(&layers));
    }
    assert_eq!(listing(&packages.merged_path(&layers)).len(), 101);
    assert_eq!(unfinished(&packages), 0);
}

#[test]
fn only_the_wanted_are_retained_and_the_archives_stay() {
    let (_directory, packages) = packages();
    let (one, two) = (kept(&packages, &[file("a", "1")]), kept(&packages, &[file("b", "2")]));
    let (there, back) = ([one, two], [two, one]);
    packages.merge(&there).unwrap();
    packages.merge(&back).unwrap();
    fs::create_dir(packages.directory.join(MERGED).join("somebody's")).unwrap();

    let gone = packages.retain_merged(&HashSet::from([Packages::merged_key(&back)])).unwrap();
    assert_eq!(gone, [Packages::merged_key(&there)]);
    assert!(!packages.merged_path(&there).exists());
    assert_eq!(listing(&packages.merged_path(&back)).len(), 2);
    assert_eq!(listing(&packages.tree(one)).len(), 1);
    assert!(packages.directory.join(MERGED).join("somebody's").exists());
    // What was forgotten can be made again, and a tree outlives those that it was made of.
    packages.merge(&there).unwrap();
    packages.retain(&HashSet::new()).unwrap();
    assert_eq!(listing(&packages.merged_path(&there))["a"], "1");
}

#[test]
fn a_boot_of_the_machine_forgets_them() {
    let (_directory, packages) = packages();
    let layers = [kept(&packages, &[file("a", "1")]), kept(&packages, &[file("b", "2")])];
    let merged = packages.merge(&layers).unwrap();
    let packages = Packages::open(packages.directory).unwrap();
    assert!(merged.exists(), "it is the same boot");
    fs::write(packages.directory.join(BOOT), "another").unwrap();
    let packages = Packages::open(packages.directory).unwrap();
    assert!(!merged.exists());
    assert_eq!(packages.merge(&layers).unwrap(), merged);
}

/// The same by names alone: what is there, what comes over it, and nothing that is on a disk.
fn laid_over(mut below: Listing, above: Listing) -> Listing {
    for (path, what) in above {
        let mut parents = path.match_indices('/').map(|(end, _)| &path[..end]);
        let blocked = parents.any(|parent| below[parent] != "directory");
        let there = below.get(&path).map(|there| there == "directory");
        if !blocked && there.is_none_or(|there| !there && what != "directory") {
            below.insert(path, what);
        }
    }
    below
}

proptest::proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_archives_are_laid_over_each_other_in_order(
        layers in proptest::collection::vec(
            proptest::collection::vec(("[abc](/[abc]){0,2}", "[xyz]{0,3}"), 1..8),
            2..5,
        ),
    ) {
        let (source, packages) = packages();
        let (mut digests, mut expected) = (Vec::new(), Listing::new());
        for (number, files) in layers.into_iter().enumerate() {
            let source = source.path().join(number.to_string());
            fs::create_dir(&source).unwrap();
            for (name, content) in files {
                let path = source.join(name);
                // Where a file stands already as a directory, or the reverse, the later is dropped.
                if fs::create_dir_all(path.parent().unwrap()).is_ok() {
                    let _dropped = fs::write(&path, content).is_err();
                }
            }
            digests.push(packages.keep(&pack(&source).unwrap()).unwrap().digest);
            expected = laid_over(expected, listing(&source));
        }
        let merged = packages.merge(&digests).unwrap();
        proptest::prop_assert_eq!(listing(&merged), expected);
    }
}
