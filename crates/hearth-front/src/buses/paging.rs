//! Pages of a listing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::invalid;
use crate::error::AwsError;

/// AWS: items on a page.
const ITEMS_MAX: usize = 100;
/// Stands before the key in a token, so that a token is never empty.
const START: &str = "after ";

/// Which page is asked for.
pub(super) struct Asked {
    pub(super) token: Option<String>,
    pub(super) limit: Option<i32>,
}

/// Cuts a page out of items in their order, each with a key of its own. Returns the token of the next
/// page as well, if there is one.
pub(super) fn cut<T>(
    items: Vec<(String, T)>,
    asked: &Asked,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let limit = asked.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX);
    let after = asked.token.as_deref().map(key_of).transpose()?;
    // What the token names may be gone: then the page begins where it would stand.
    let start = after.map_or(0, |after| match items.iter().position(|(key, _)| *key == after) {
        Some(position) => position + 1,
        None => items.iter().take_while(|(key, _)| *key <= after).count(),
    });
    let next = items.get(start + limit).and_then(|_more| items.get(start + limit - 1));
    let next = next.map(|(key, _)| STANDARD.encode(format!("{START}{key}")));
    let page = items.into_iter().skip(start).take(limit).map(|(_, item)| item).collect();
    Ok((page, next))
}

fn key_of(token: &str) -> Result<String, AwsError> {
    let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = decoded.as_deref().and_then(|text| text.strip_prefix(START)).map(str::to_owned);
    key.ok_or_else(|| invalid("Invalid NextToken."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole() {
        let items = || (0..7).map(|number: u32| (number.to_string(), number)).collect::<Vec<_>>();
        for (limit, pages) in [(Some(1), 7), (Some(3), 3), (Some(7), 1), (None, 1)] {
            let (mut seen, mut count, mut token) = (Vec::new(), 0, None);
            loop {
                let (page, next) = cut(items(), &Asked { token, limit }).unwrap();
                seen.extend(page);
                count += 1;
                token = next;
                if token.is_none() {
                    break;
                }
            }
            assert_eq!((seen, count), ((0..7).collect(), pages), "{limit:?}");
        }
        assert!(cut(items(), &Asked { token: Some("%".to_owned()), limit: None }).is_err());
    }
}
