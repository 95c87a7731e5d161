//! Pages of listings: `PageSize`, `Marker`, `NextMarker`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::query_error::Refusal;

/// AWS: what a page may have.
const ITEMS_MAX: usize = 400;

/// Which page of a listing is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    behind: Option<String>,
    items: usize,
}

/// Reads which page is asked for.
pub(super) fn page(parameters: &mut Parameters) -> Result<Page, Refusal> {
    let behind = match parameters.text("Marker") {
        None => None,
        Some(marker) => {
            let key = STANDARD.decode(marker).ok().and_then(|key| String::from_utf8(key).ok());
            Some(key.ok_or_else(|| Refusal::validation("The marker is not valid"))?)
        }
    };
    let items = match parameters.number("PageSize") {
        None => ITEMS_MAX,
        Some(size) => {
            let items = usize::try_from(size).ok().filter(|size| (1..=ITEMS_MAX).contains(size));
            items.ok_or_else(|| {
                Refusal::validation(format!("Page size '{size}' must be from 1 to {ITEMS_MAX}"))
            })?
        }
    };
    Ok(Page { behind, items })
}

/// A page of what has keys in ascending order, as it is answered.
pub(super) fn listed(
    name: &str,
    items: impl IntoIterator<Item = (String, Value)>,
    page: &Page,
) -> Value {
    let is_behind =
        |key: &String| page.behind.as_ref().is_none_or(|behind| key.as_str() > behind.as_str());
    let mut left = items.into_iter().filter(|(key, _)| is_behind(key));
    let (mut shown, mut last) = (Vec::new(), None);
    for (key, item) in left.by_ref().take(page.items) {
        shown.push(item);
        last = Some(key);
    }
    let next = left.next().and(last).map(|key| STANDARD.encode(key));
    json!({ name: shown, "NextMarker": next })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parameters: Value) -> Result<Page, Refusal> {
        page(&mut Parameters::new(parameters))
    }

    #[test]
    fn pages_lead_to_each_other() {
        let items = || ["a", "b", "c"].map(|key| (key.to_owned(), json!(key)));
        let first = of(json!({ "PageSize": "2" })).unwrap();
        let answer = listed("Items", items(), &first);
        assert_eq!(answer, json!({ "Items": ["a", "b"], "NextMarker": "Yg==" }));
        let second = of(json!({ "PageSize": "2", "Marker": "Yg==" })).unwrap();
        let answer = listed("Items", items(), &second);
        assert_eq!(answer, json!({ "Items": ["c"], "NextMarker": null }));
        let all = of(json!({})).unwrap();
        assert_eq!(listed("Items", items(), &all)["NextMarker"], json!(null));
    }

    #[test]
    fn a_page_has_bounds() {
        for size in ["0", "401", "-1"] {
            assert!(of(json!({ "PageSize": size })).is_err(), "{size}");
        }
        assert!(of(json!({ "Marker": "%" })).is_err());
    }
}
