//! Hostile archives, and what the directory of packages promises.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use hearth_types::limits::{UNZIPPED_BYTES_MAX, ZIP_PATH_BYTES_MAX};
use proptest::prelude::{ProptestConfig, any};
use tempfile::TempDir;

use super::crafted::{Crafted, archive};
use super::*;

fn packages() -> (TempDir, Packages) {
    let directory = tempfile::tempdir().unwrap();
    let packages = Packages::open(directory.path().join("packages")).unwrap();
    (directory, packages)
}

/// What stands in a directory: path to kind, permission bits and content.
fn listing(directory: &Path) -> BTreeMap<PathBuf, (char, u32, Vec<u8>)> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<PathBuf, (char, u32, Vec<u8>)>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let name = path.strip_prefix(root).unwrap().to_owned();
            if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
                found.insert(name, ('l', 0, target));
            } else if metadata.is_dir() {
                found.insert(name, ('d', mode, Vec::new()));
                walk(root, &path, found);
            } else {
                found.insert(name, ('f', mode, fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(directory, directory, &mut found);
    found
}

fn why_refused(entries: &[Crafted]) -> Option<Refusal> {
    match check(&archive(entries)) {
        Err(PackageError::EntryRefused { why, .. }) => Some(why),
        Ok(_) => None,
        Err(error) => panic!("another error: {error}"),
    }
}

fn file(name: &str) -> Crafted {
    Crafted::file(name, b"x")
}

fn directory(name: &str) -> Crafted {
    Crafted::file(name, b"").mode(0o040_755)
}

fn link(name: &str, target: &str) -> Crafted {
    Crafted::link(name, target)
}

#[rustfmt::skip]
#[test]
fn hostile_names_and_links_are_refused() {
    use Refusal::*;
    let long_part = "n".repeat(256);
    let long_name = "n/".repeat(ZIP_PATH_BYTES_MAX / 2) + "nn";
    let deep = "n/".repeat(129) + "n";
    let rows: Vec<(&str, Option<Refusal>, Vec<Crafted>)> = vec![
        ("an ordinary name",                  None,                       vec![file("a/b.py")]),
        ("dots inside a name",                None,                       vec![file("a..b/...c")]),
        ("parts that mean nothing",           None,                       vec![directory("./"), file("./a//b")]),
        ("a backslash is a letter",           None,                       vec![file("..\\..\\a"), file("C:\\b")]),
        ("a directory that is listed late",   None,                       vec![file("a/b"), directory("a/"), directory("a/")]),
        ("a way up",                          Some(NameLeavesTree),       vec![file("../a")]),
        ("a way up inside",                   Some(NameLeavesTree),       vec![file("a/../b")]),
        ("a way up at the end",               Some(NameLeavesTree),       vec![directory("a/..")]),
        ("an absolute name",                  Some(AbsoluteName),         vec![file("/etc/passwd")]),
        ("a NUL byte",                        Some(NotAName),             vec![file("a\0b")]),
        ("no name",                           Some(NotAName),             vec![file("")]),
        ("a file that is the root",           Some(NotAName),             vec![file(".")]),
        ("a long part",                       Some(NameTooLong),          vec![file(&long_part)]),
        ("a long name",                       Some(NameTooLong),          vec![file(&long_name)]),
        ("a deep name",                       Some(TooDeep),              vec![file(&deep)]),
        ("a name twice",                      Some(Duplicate),            vec![file("a"), file("a")]),
        ("a name twice, spelled otherwise",   Some(Duplicate),            vec![file("a/b"), file("a/./b")]),
        ("a file and a directory",            Some(FileAsDirectory),      vec![file("a"), directory("a/")]),
        ("a directory and a file",            Some(FileAsDirectory),      vec![file("a/b"), file("a")]),
        ("a file used as a directory",        Some(FileAsDirectory),      vec![file("a"), file("a/b")]),
        ("a directory with content",          Some(DirectoryWithContent), vec![file("a/")]),
        ("a link listed as a directory",      Some(DirectoryWithContent), vec![link("a/", "b")]),
        ("a device",                          Some(SpecialFile),          vec![file("a").mode(0o060_644)]),
        ("a character device",                Some(SpecialFile),          vec![file("a").mode(0o020_644)]),
        ("a pipe",                            Some(SpecialFile),          vec![file("a").mode(0o010_644)]),
        ("a socket",                          Some(SpecialFile),          vec![file("a").mode(0o140_644)]),
        ("a link inside",                     None,                       vec![link("bin/a", "../lib/a"), file("lib/a")]),
        ("a link to the root",                None,                       vec![link("a/b", "..")]),
        ("a link to nothing",                 None,                       vec![link("a", "b/../c")]),
        ("a link out",                        Some(LinkLeavesTree),       vec![link("a", "..")]),
        ("a link far out",                    Some(LinkLeavesTree),       vec![link("a/b", "../../etc")]),
        ("a link in and out",                 Some(LinkLeavesTree),       vec![file("b/c"), link("a", "b/../../x")]),
        ("a link out past nothing",           Some(LinkLeavesTree),       vec![link("a", "b/../../x")]),
        ("a link out through another",        Some(LinkLeavesTree),       vec![link("d/up", ".."), link("a", "d/up/../x")]),
        ("an absolute link",                  Some(AbsoluteLink),         vec![link("a", "/etc/passwd")]),
        ("a link without target",             Some(NotALink),             vec![link("a", "")]),
        ("a link with a NUL byte",            Some(NotALink),             vec![link("a", "b\0c")]),
        ("a link to itself",                  Some(LinksTangled),         vec![link("a", "a/a")]),
        ("a name through a link",             Some(ThroughLink),          vec![link("a", "b"), file("a/c")]),
        ("a link where a directory is",       Some(FileAsDirectory),      vec![file("a/c"), link("a", "b")]),
    ];
    for (name, expected, entries) in rows {
        assert_eq!(why_refused(&entries), expected, "{name}");
    }
}

#[rustfmt::skip]
#[test]
fn lying_headers_are_refused() {
    use Refusal::*;
    let zeros = Crafted::file("a", &[0; 100_000]).deflated();
    let rows: Vec<(&str, Refusal, Crafted)> = vec![
        ("encrypted",                  Encrypted,          Crafted { flags: 1, ..file("a") }),
        ("strongly encrypted",         Encrypted,          Crafted { flags: 1 << 6, ..file("a") }),
        ("another compression",        CompressionUnknown, Crafted { method: 12, ..file("a") }),
        ("stored with another size",   SizeDiffers,        Crafted { claimed_bytes: 2, ..file("a") }),
        ("longer than it says",        SizeDiffers,        Crafted { claimed_bytes: 10, ..zeros.clone() }),
        ("shorter than it says",       SizeDiffers,        Crafted { claimed_bytes: 100_001, ..zeros }),
        ("another checksum",           ChecksumDiffers,    Crafted { claimed_crc32: 7, ..file("a") }),
        ("no deflate stream",          ContentDamaged,     Crafted { method: 8, content: vec![0xff; 9], ..file("a") }),
    ];
    for (name, expected, entry) in rows {
        let (_directory, packages) = packages();
        let zip = archive(&[entry]);
        let outcome = packages.keep(&zip).and_then(|summary| packages.unpack(summary.digest));
        let why = match outcome {
            Err(PackageError::EntryRefused { why, .. }) => why,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(why, expected, "{name}");
        assert!(!packages.tree(CodeDigest::of(&zip)).exists(), "{name}: no tree");
        assert_eq!(listing(&packages.directory.join(INCOMING)).len(), 0, "{name}: no rest");
    }
}

#[test]
fn bombs_are_refused_before_they_are_inflated() {
    let half = u32::try_from(UNZIPPED_BYTES_MAX / 2 + 1).unwrap();
    let bomb = |name| Crafted { claimed_bytes: half, ..Crafted::file(name, b"").deflated() };
    assert!(matches!(
        check(&archive(&[bomb("a"), bomb("b")])),
        Err(PackageError::UnzippedTooLarge { limit: UNZIPPED_BYTES_MAX })
    ));
    let deep = |number: usize| file(&format!("{number}/{}x", "d/".repeat(100)));
    let many: Vec<Crafted> = (0..1_000).map(deep).collect();
    let implied = check(&archive(&many));
    assert!(matches!(implied, Err(PackageError::TooManyEntries { .. })), "{implied:?}");
}

#[test]
fn what_is_no_archive_is_refused() {
    let good = archive(&[file("a")]);
    assert!(check(&good).is_ok());
    assert!(matches!(check(b""), Err(PackageError::Empty)));
    assert!(matches!(check(&archive(&[])), Err(PackageError::Empty)));
    let too_large = vec![0; ARCHIVE_BYTES_MAX + 1];
    assert!(matches!(check(&too_large), Err(PackageError::ZippedTooLarge { .. })));
    assert!(matches!(check(b"PK\x03\x04"), Err(PackageError::NotAnArchive { .. })));
    for length in 1..good.len() {
        assert!(check(&good[..length]).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn no_damaged_byte_makes_the_reader_panic() {
    let good = archive(&[file("a"), link("l", "a"), directory("d/")]);
    for at in 0..good.len() {
        for value in [0, 0x7f, 0xff] {
            let mut damaged = good.clone();
            damaged[at] = value;
            // Either answer will do.
            let _judged = check(&damaged).is_ok();
        }
    }
}

#[test]
fn bytes_before_the_archive_do_no_harm() {
    let mut program = b"#!/usr/bin/env python3\n".to_vec();
    program.extend(archive(&[file("a")]));
    assert_eq!(check(&program).unwrap().entries, 1);
}

#[test]
fn modes_are_kept_where_they_are_safe() {
    let (_directory, packages) = packages();
    let zip = archive(&[
        file("plain"),
        file("bootstrap").mode(0o100_755),
        file("private").mode(0o100_600),
        file("set_user_id").mode(0o106_777),
        file("no_mode").mode(0),
        file("no_kind").mode(0o700),
        directory("hidden/").mode(0o040_700),
        file("hidden/x"),
        file("implied/x"),
    ]);
    let digest = packages.keep(&zip).unwrap().digest;
    let tree = packages.unpack(digest).unwrap();
    let modes: Vec<(String, u32)> = listing(&tree)
        .into_iter()
        .map(|(path, (_, mode, _))| (path.to_str().unwrap().to_owned(), mode))
        .collect();
    let expected = [
        ("bootstrap", 0o755),
        ("hidden", 0o755),
        ("hidden/x", 0o644),
        ("implied", 0o755),
        ("implied/x", 0o644),
        ("no_kind", 0o700),
        ("no_mode", 0o644),
        ("plain", 0o644),
        ("private", 0o600),
        ("set_user_id", 0o755),
    ];
    assert_eq!(modes, expected.map(|(path, mode)| (path.to_owned(), mode)));
    assert_eq!(fs::metadata(&tree).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn unpacking_at_the_same_time_gives_one_tree() {
    let (_directory, packages) = packages();
    let packages = Arc::new(packages);
    let entries: Vec<Crafted> = (0..200).map(|number| file(&format!("d/{number}"))).collect();
    let digest = packages.keep(&archive(&entries)).unwrap().digest;
    let unpack = || {
        let packages = Arc::clone(&packages);
        std::thread::spawn(move || packages.unpack(digest).unwrap())
    };
    let threads: Vec<_> = (0..8).map(|_| unpack()).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), packages.tree(digest));
    }
    assert_eq!(listing(&packages.tree(digest)).len(), 201);
    assert_eq!(listing(&packages.directory.join(INCOMING)).len(), 0);
}

#[test]
fn what_a_killed_process_left_is_cleared() {
    let (_directory, packages) = packages();
    let incoming = packages.directory.join(INCOMING);
    fs::create_dir_all(incoming.join("0/half")).unwrap();
    fs::write(incoming.join("1"), "half").unwrap();
    let packages = Packages::open(packages.directory).unwrap();
    assert_eq!(listing(&incoming).len(), 0);
    assert!(packages.list().unwrap().is_empty());
}

#[test]
fn keeping_is_repeatable_and_only_the_wanted_are_retained() {
    let (_directory, packages) = packages();
    let (one, two) = (archive(&[file("one")]), archive(&[file("two")]));
    let first = packages.keep(&one).unwrap();
    assert_eq!(packages.keep(&one).unwrap(), first);
    let second = packages.keep(&two).unwrap();
    packages.unpack(second.digest).unwrap();
    assert_eq!(packages.zip(first.digest).unwrap(), one);
    assert_eq!(packages.list().unwrap().len(), 2);

    let gone = packages.retain(&HashSet::from([first.digest])).unwrap();
    assert_eq!(gone, [second.digest]);
    assert_eq!(packages.list().unwrap(), [first.digest]);
    assert!(!packages.tree(second.digest).exists());
    assert!(matches!(packages.unpack(second.digest), Err(PackageError::Missing { .. })));
    packages.remove(second.digest).unwrap();
}

#[test]
fn packing_keeps_links_modes_and_empty_directories() {
    let (source, packages) = packages();
    let source = source.path().join("source");
    fs::create_dir_all(source.join("bin")).unwrap();
    fs::create_dir_all(source.join("empty")).unwrap();
    fs::write(source.join("bootstrap"), "#!/bin/sh\n").unwrap();
    fs::write(source.join("größe"), vec![b'a'; 70_000]).unwrap();
    for (name, mode) in [("bin", 0o755), ("empty", 0o755), ("bootstrap", 0o755), ("größe", 0o644)]
    {
        fs::set_permissions(source.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("../bootstrap", source.join("bin/start")).unwrap();

    let zip = pack(&source).unwrap();
    assert_eq!(pack(&source).unwrap(), zip);
    let digest = packages.keep(&zip).unwrap().digest;
    assert_eq!(listing(&packages.unpack(digest).unwrap()), listing(&source));
}

proptest::proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_tree_survives_packing_and_unpacking(
        files in proptest::collection::vec(
            ("[ab]{1,2}(/[ab]{1,2}){0,3}", proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()),
            1..12,
        ),
    ) {
        let (source, packages) = packages();
        let source = source.path().join("source");
        fs::create_dir(&source).unwrap();
        for (name, content, executable) in files {
            let path = source.join(name);
            // Where a file stands already as a directory, or the reverse, the later one is dropped.
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(&path, content).is_ok() {
                let mode = if executable { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        for (name, (kind, _, _)) in listing(&source) {
            if kind == 'd' {
                let directory = fs::Permissions::from_mode(0o755);
                fs::set_permissions(source.join(name), directory).unwrap();
            }
        }
        let digest = packages.keep(&pack(&source).unwrap()).unwrap().digest;
        proptest::prop_assert_eq!(listing(&packages.unpack(digest).unwrap()), listing(&source));
    }
}
