//! The query string, as forms write it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The decoded pairs of a query string, in their order. A name without `=` has the value "".
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// In a query, `+` is a space. Bytes that are not UTF-8 become replacement characters, which no
/// pattern of the models allows.
fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_in_order() {
        let found: Vec<_> = pairs("a=1&&b=x%3Ay+z&c&a=%2B").collect();
        let expected = [("a", "1"), ("b", "x:y z"), ("c", ""), ("a", "+")];
        assert_eq!(
            found,
            expected.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)))
        );
    }
}
