//! Pages of a listing. A token is the key of the last item of the page before.

use hearth_http::apis::limits::LIST_ITEMS_MAX;

use super::invalid;
use crate::error::AwsError;
use crate::pages;

/// How many items a page has. What is asked for is a text on this service's wire.
pub(super) fn size(asked: Option<&str>) -> Result<usize, AwsError> {
    let Some(asked) = asked else { return Ok(LIST_ITEMS_MAX) };
    let size = asked.parse::<usize>().ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| invalid(format!("Invalid value for maxResults: {asked}")))?;
    Ok(size.min(LIST_ITEMS_MAX))
}

/// Cuts a page out of items that are in the order of their keys, and says where the next begins.
pub(super) fn cut<'a, T: 'a, W>(
    items: impl IntoIterator<Item = (&'a String, &'a T)>,
    (asked, token): (Option<&str>, Option<&str>),
    write: impl Fn(&T) -> W,
) -> Result<(Vec<W>, Option<String>), AwsError> {
    let size = size(asked)?;
    let rest =
        items.into_iter().skip_while(|(key, _)| token.is_some_and(|token| key.as_str() <= token));
    let (page, last) = pages::first(rest, size);
    Ok((page.into_iter().map(write).collect(), last.cloned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn pages_join_to_the_whole() {
        let items: BTreeMap<String, u32> =
            (0..5).map(|number| (number.to_string(), number)).collect();
        let (mut token, mut seen) = (None::<String>, Vec::new());
        loop {
            let (page, next) =
                cut(&items, (Some("2"), token.as_deref()), |number| *number).unwrap();
            seen.extend(page);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        for wrong in ["0", "-1", "x", ""] {
            assert!(cut(&items, (Some(wrong), None), |number| *number).is_err(), "{wrong}");
        }
    }
}
