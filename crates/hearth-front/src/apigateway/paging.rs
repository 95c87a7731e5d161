//! Pages of a listing. A position is the key of the last item of the page before.

use hearth_http::rest::limits::{LIST_ITEMS_DEFAULT, LIST_ITEMS_MAX};

use super::invalid;
use crate::error::AwsError;
use crate::pages;

/// How many items a page has, and behind which it begins.
pub(super) type Asked = (Option<i32>, Option<String>);

/// Cuts a page out of items that are in the order of their keys, and says where the next begins.
pub(super) fn cut<T>(
    items: impl IntoIterator<Item = (String, T)>,
    (limit, position): Asked,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let size = match limit {
        None => LIST_ITEMS_DEFAULT,
        Some(limit) => {
            let size = usize::try_from(limit).ok().filter(|size| *size > 0);
            let size = size.ok_or_else(|| invalid(format!("Invalid limit specified: {limit}")))?;
            size.min(LIST_ITEMS_MAX)
        }
    };
    let behind = |key: &String| position.as_ref().is_some_and(|position| key <= position);
    Ok(pages::first(items.into_iter().skip_while(|(key, _)| behind(key)), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole() {
        let items = || (0..5).map(|number: u32| (number.to_string(), number));
        let (mut position, mut seen) = (None, Vec::new());
        loop {
            let (page, next) = cut(items(), (Some(2), position)).unwrap();
            seen.extend(page);
            position = next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert!(cut(items(), (Some(0), None)).is_err());
        assert_eq!(cut(items(), (None, None)).unwrap().0.len(), 5);
    }
}
