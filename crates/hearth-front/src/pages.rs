//! Pages of a listing, cut out of items that are in the order of their keys.
//!
//! # Deliberately absent
//!
//! How many items a page has, and how it is said where it begins: that is each service's own.

/// The first items, and the key of the last of them if there are more.
pub(crate) fn first<K, T>(
    items: impl IntoIterator<Item = (K, T)>,
    size: usize,
) -> (Vec<T>, Option<K>) {
    let mut rest = items.into_iter();
    let mut last = None;
    let mut page = Vec::new();
    for (key, item) in rest.by_ref().take(size) {
        page.push(item);
        last = Some(key);
    }
    let more = rest.next().is_some();
    (page, last.filter(|_| more))
}
