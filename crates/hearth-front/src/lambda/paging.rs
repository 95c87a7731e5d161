//! Pages of a listing: how many items, and where the next one begins.
//!
//! A marker is the key of the last item of the page before, in base64, so that a page does not
//! shift when something is created or deleted in between.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::limits;

use crate::error::AwsError;
use crate::pages;

/// Stands before the key, so that a marker is never empty: an empty one means the first page.
const PREFIX: &str = "after ";

/// How many items a page has: what was asked for, but never more than AWS gives.
pub(super) fn size(asked: Option<i32>) -> usize {
    let asked = asked.and_then(|asked| usize::try_from(asked).ok());
    asked.unwrap_or(limits::LIST_ITEMS_MAX).clamp(1, limits::LIST_ITEMS_MAX)
}

/// The key that a marker stands for; none for the first page.
pub(super) fn after(marker: Option<&str>) -> Result<Option<String>, AwsError> {
    let Some(marker) = marker.filter(|marker| !marker.is_empty()) else { return Ok(None) };
    let decoded = STANDARD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = decoded.as_deref().and_then(|text| text.strip_prefix(PREFIX));
    key.map(|key| Some(key.to_owned())).ok_or_else(bad_marker)
}

/// The marker of the page behind this key.
pub(super) fn marker(key: &str) -> String {
    STANDARD.encode(format!("{PREFIX}{key}"))
}

pub(super) fn bad_marker() -> AwsError {
    AwsError::invalid_parameter("Invalid pagination token.")
}

/// Cuts a page out of items that are in the order of their keys, and says where the next begins.
pub(super) fn cut<T>(
    items: impl IntoIterator<Item = (String, T)>,
    request: (Option<&str>, Option<i32>),
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let (asked_marker, asked_size) = request;
    let (after, size) = (after(asked_marker)?, size(asked_size));
    let rest = items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    let (page, last) = pages::first(rest, size);
    Ok((page, last.map(|key| marker(&key))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole_and_end() {
        let items = || (0..120).map(|number| (format!("{number:03}"), number));
        for (size, pages) in
            [(Some(1), 120), (Some(7), 18), (Some(50), 3), (Some(999), 3), (None, 3)]
        {
            let (mut marker, mut seen, mut count) = (None, Vec::new(), 0);
            loop {
                let (page, next) = cut(items(), (marker.as_deref(), size)).unwrap();
                seen.extend(page);
                count += 1;
                marker = next;
                if marker.is_none() {
                    break;
                }
            }
            assert_eq!(seen, (0..120).collect::<Vec<_>>(), "{size:?}");
            assert_eq!(count, pages, "{size:?}");
        }
    }

    #[test]
    fn an_empty_key_has_a_marker_as_well() {
        let items = || [(String::new(), 1), ("a".to_owned(), 2)];
        let (first, next) = cut(items(), (None, Some(1))).unwrap();
        let (second, end) = cut(items(), (next.as_deref(), Some(1))).unwrap();
        assert_eq!((first, second, end), (vec![1], vec![2], None));
    }

    #[test]
    fn what_is_no_marker_is_refused() {
        assert!(cut([("a".to_owned(), 1)], (Some("%%%"), None)).is_err());
    }
}
