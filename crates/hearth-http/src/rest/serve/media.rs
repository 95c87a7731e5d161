//! Kinds of content: which are bytes, and not text.

/// Whether a kind of content is among the binary media types of an API, in which wildcards may
/// stand.
#[must_use]
pub fn is_binary(types: &[String], content_type: Option<&str>) -> bool {
    if types.iter().any(|known| known == "*/*") {
        return true;
    }
    content_type.is_some_and(|given| types.iter().any(|known| fits(known, base(given))))
}

/// Whether the client asks for bytes: by the first kind of content that it accepts. AWS looks no
/// further.
#[must_use]
pub fn wants_binary(types: &[String], accept: Option<&str>) -> bool {
    let first = accept.and_then(|accept| accept.split(',').next());
    is_binary(types, first)
}

/// A kind of content without its parameters.
#[must_use]
pub fn base(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn fits(known: &str, given: &str) -> bool {
    if known.eq_ignore_ascii_case(given) {
        return true;
    }
    let (Some((known, "*")), Some((given, _))) = (known.split_once('/'), given.split_once('/'))
    else {
        return false;
    };
    known.eq_ignore_ascii_case(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_content_is_bytes() {
        #[rustfmt::skip]
        let rows: [(&[&str], Option<&str>, bool); 8] = [
            (&["image/png"],        Some("image/png"),              true),
            (&["image/png"],        Some("Image/PNG; q=1"),         true),
            (&["image/*"],          Some("image/gif"),              true),
            (&["image/*"],          Some("text/plain"),             false),
            (&["*/*"],              Some("text/plain"),             true),
            (&["*/*"],              None,                           true),
            (&["image/png"],        None,                           false),
            (&[],                   Some("image/png"),              false),
        ];
        for (types, given, expected) in rows {
            let types: Vec<String> = types.iter().map(|one| (*one).to_owned()).collect();
            assert_eq!(is_binary(&types, given), expected, "{types:?} {given:?}");
        }
    }

    #[test]
    fn the_first_kind_that_is_accepted_counts() {
        let types = ["image/png".to_owned()];
        assert!(wants_binary(&types, Some("image/png, */*")));
        assert!(!wants_binary(&types, Some("image/avif,image/png")));
        assert!(!wants_binary(&types, Some("*/*")));
        assert!(!wants_binary(&types, None));
    }
}
