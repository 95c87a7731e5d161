//! Listings, against a shelf that is read in small batches.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

impl Keyed for String {
    fn key(&self) -> &str {
        self
    }

    fn id(&self) -> Option<&str> {
        None
    }
}

/// In small batches, so that the walk has to read on.
fn read(keys: &BTreeSet<String>, start: &Start) -> Vec<String> {
    let is_due = |key: &&String| match start {
        Start::At(from) => key.as_bytes() >= from.as_slice(),
        Start::After(from) => key.as_bytes() > from.as_slice(),
    };
    keys.iter().filter(is_due).take(2).cloned().collect()
}

/// All pages: keys and common prefixes.
fn pages(keys: &BTreeSet<String>, list: &List) -> (Vec<String>, Vec<String>) {
    let (mut rows, mut prefixes) = (Vec::new(), Vec::new());
    let mut list = list.clone();
    loop {
        let mut page: Page<'_, String> = Page::new(&list);
        while page.take(read(keys, &page.start)).is_continue() {}
        assert!(page.rows.len() + page.prefixes.len() <= list.items_max);
        let Page { rows: of_page, prefixes: prefixes_of_page, next, .. } = page;
        rows.extend(of_page);
        prefixes.extend(prefixes_of_page);
        let Some((next, _)) = next else { return (rows, prefixes) };
        assert!(Some(&next) > list.after.as_ref());
        list.after = Some(next);
    }
}

/// Prefix, delimiter, and the keys and common prefixes that are listed.
type Listed<'a> = (&'a str, Option<&'a str>, &'a [&'a str], &'a [&'a str]);

#[test]
fn a_folder_is_rolled_up_once() {
    let keys = ["a", "dir", "dir/", "dir/a", "dir/b/c", "dir/\u{10FFFF}x", "e/f", "g"];
    let keys: BTreeSet<String> = keys.map(str::to_owned).into();
    #[rustfmt::skip]
    let rows: &[Listed<'_>] = &[
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
            let found = pages(&keys, &list);
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
fn behind_a_folder_is_behind_all_that_is_in_it() {
    let keys = ["d/\u{10FFFF}\u{10FFFF}", "d0", "e"];
    let Start::At(end) = behind_all("d/") else { panic!("it is a place to start at") };
    let behind = keys.into_iter().filter(|key| key.as_bytes() >= end.as_slice());
    assert_eq!(behind.collect::<Vec<_>>(), ["d0", "e"]);
}

proptest! {
    #[test]
    fn pages_together_are_what_a_naive_listing_finds(
        keys in prop::collection::btree_set("[ab/é]{1,6}", 0..30),
        prefix in "[ab/]{0,2}",
        delimiter in prop::option::of("[/bé]{1,2}"),
        items_max in 1_usize..5,
    ) {
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
        prop_assert_eq!(pages(&keys, &list), (objects, prefixes));
    }
}
