//! Listings, against a shelf that is read in small batches.

use std::collections::{BTreeMap, BTreeSet};

use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;
use proptest::prelude::*;

use super::super::content::ContentId;
use super::super::record::{Metadata, Object, Versioning};
use super::*;

fn bucket() -> BucketRecord {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let versioning = Versioning::Never;
    BucketRecord { name: "bucket".to_owned(), scope, created: Timestamp(0), versioning }
}

fn version(id: &str) -> VersionRecord {
    let object = Object {
        content: ContentId::default(),
        size: 0,
        etag: String::new(),
        checksum: None,
        metadata: Metadata::default(),
    };
    VersionRecord { id: id.to_owned(), modified: Timestamp(0), object: Some(object), upload: None }
}

type Shelf = BTreeMap<String, Arc<ObjectRecord>>;

fn shelf<'a>(keys: impl IntoIterator<Item = &'a String>, versions: &[&str]) -> Shelf {
    let record = |key: &String| {
        let mut record = ObjectRecord::new("bucket", key);
        record.versions = versions.iter().map(|id| version(id)).collect();
        (key.clone(), Arc::new(record))
    };
    keys.into_iter().map(record).collect()
}

/// In small batches, so that the walk has to read on.
fn read(shelf: &Shelf, start: &Start) -> Vec<Arc<ObjectRecord>> {
    let is_due = |key: &String| match start {
        Start::At(from) => key >= from,
        Start::After(from) => key > from,
    };
    shelf.iter().filter(|(key, _)| is_due(key)).take(2).map(|(_, it)| Arc::clone(it)).collect()
}

/// All pages: keys and common prefixes.
fn pages(shelf: &Shelf, list: &List) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    let mut list = list.clone();
    loop {
        let page = list.objects(&bucket(), |start| read(shelf, start));
        assert!(page.objects.len() + page.prefixes.len() <= list.items_max);
        keys.extend(page.objects.into_iter().map(|found| found.key));
        prefixes.extend(page.prefixes);
        let Some(next) = page.next else { return (keys, prefixes) };
        assert!(Some(&next) > list.after.as_ref());
        list.after = Some(next);
    }
}

/// Prefix, delimiter, and the keys and common prefixes that are listed.
type Row<'a> = (&'a str, Option<&'a str>, &'a [&'a str], &'a [&'a str]);

#[test]
fn a_folder_is_rolled_up_once() {
    let keys = ["a", "dir", "dir/", "dir/a", "dir/b/c", "dir/\u{10FFFF}x", "e/f", "g"];
    let keys = keys.map(str::to_owned);
    let shelf = shelf(&keys, &["null"]);
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("",     Some("/"), &["a", "dir", "g"],                    &["dir/", "e/"]),
        ("dir",  Some("/"), &["dir"],                              &["dir/"]),
        ("dir/", Some("/"), &["dir/", "dir/a", "dir/\u{10FFFF}x"], &["dir/b/"]),
        ("dir/", None,      &["dir/", "dir/a", "dir/b/c", "dir/\u{10FFFF}x"], &[]),
        ("x",    Some("/"), &[],                                   &[]),
        ("",     Some(""),  &["a", "dir", "dir/", "dir/a", "dir/b/c", "dir/\u{10FFFF}x", "e/f", "g"], &[]),
    ];
    for (prefix, delimiter, objects, prefixes) in rows {
        for items_max in [1, 2, 1000] {
            let delimiter = delimiter.map(str::to_owned);
            let prefix = (*prefix).to_owned();
            let list = List { prefix, delimiter, items_max, ..List::default() };
            let found = pages(&shelf, &list);
            let expected = (objects.to_vec(), prefixes.to_vec());
            let found = (texts(&found.0), texts(&found.1));
            assert_eq!(found, expected, "{list:?}");
        }
    }
}

fn texts(of: &[String]) -> Vec<&str> {
    of.iter().map(String::as_str).collect()
}

#[test]
fn versions_go_on_within_a_key() {
    let keys = ["a", "d/x", "e"].map(str::to_owned);
    let shelf = shelf(&keys, &["2", "1"]);
    let delimiter = Some("/".to_owned());
    let mut list = List { delimiter, items_max: 1, ..List::default() };
    let mut seen = Vec::new();
    loop {
        let page = list.versions(|start| read(&shelf, start));
        seen.extend(page.prefixes);
        let shown =
            |one: ListedVersion| format!("{} {} {}", one.key, one.version.id, one.is_latest);
        seen.extend(page.versions.into_iter().map(shown));
        let Some((key, version)) = page.next else { break };
        list = List { after: Some(key), after_version: version, ..list };
    }
    assert_eq!(seen, ["a 2 true", "a 1 false", "d/", "e 2 true", "e 1 false"]);
}

#[test]
fn versions_stay_visible_when_the_marker_was_deleted() {
    let keys = ["a", "b"].map(str::to_owned);
    let shelf = shelf(&keys, &["3", "1"]);
    for (marker, expected) in [
        ("3", &["a 1", "b 3", "b 1"][..]),
        ("2", &["a 3", "a 1", "b 3", "b 1"][..]),
        ("1", &["b 3", "b 1"][..]),
    ] {
        let (after, after_version) = (Some("a".to_owned()), Some(marker.to_owned()));
        let list = List { after, after_version, items_max: 10, ..List::default() };
        let page = list.versions(|start| read(&shelf, start));
        let shown = |one: &ListedVersion| format!("{} {}", one.key, one.version.id);
        assert_eq!(page.versions.iter().map(shown).collect::<Vec<_>>(), expected, "{marker}");
    }
}

#[test]
fn no_items_is_an_empty_page_and_not_an_endless_one() {
    let shelf = shelf(&["a".to_owned()], &["null"]);
    let list = List::default();
    assert_eq!(list.objects(&bucket(), |start| read(&shelf, start)), Listing::default());
}

proptest! {
    #[test]
    fn pages_together_are_what_a_naive_listing_finds(
        keys in prop::collection::btree_set("[ab/]{1,6}", 0..30),
        prefix in "[ab/]{0,2}",
        delimiter in prop::option::of("[/b]{1,2}"),
        items_max in 1_usize..5,
    ) {
        let shelf = shelf(&keys, &["null"]);
        let list = List { prefix, delimiter, items_max, ..List::default() };
        let mut objects = Vec::new();
        let mut prefixes = BTreeSet::new();
        for key in keys.iter().filter(|key| key.starts_with(&list.prefix)) {
            let behind = &key[list.prefix.len()..];
            match list.delimiter.as_ref().and_then(|it| behind.find(it).map(|at| at + it.len())) {
                Some(end) => { prefixes.insert(key[..list.prefix.len() + end].to_owned()); }
                None => objects.push(key.clone()),
            }
        }
        let prefixes: Vec<String> = prefixes.into_iter().collect();
        prop_assert_eq!(pages(&shelf, &list), (objects, prefixes));
    }
}
