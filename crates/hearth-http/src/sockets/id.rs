//! Ids as API Gateway gives them to connections, requests and messages: eleven bytes in the base64
//! that may stand in a path, such as `L0SM9cOFvHcCIhw=`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use uuid::Uuid;

/// How many bytes there are in one.
const BYTES: usize = 11;

/// A new id that nobody can guess.
pub(super) fn random() -> String {
    URL_SAFE.encode(&Uuid::new_v4().as_bytes()[..BYTES])
}

/// Whether a text has the form of one.
pub(super) fn is_one(text: &str) -> bool {
    URL_SAFE.decode(text).is_ok_and(|bytes| bytes.len() == BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_form_of_one() {
        let id = random();
        assert!(is_one(&id) && id.len() == 16 && id.ends_with('='), "{id}");
        assert_ne!(id, random());
        for (text, expected) in [
            ("L0SM9cOFvHcCIhw=", true),
            ("L0SM9-_FvHcCIhw=", true),
            ("L0SM9cOFvHcCIhw", false),
            ("L0SM9cOFvHcC", false),
            ("nobody", false),
            ("", false),
        ] {
            assert_eq!(is_one(text), expected, "{text}");
        }
    }
}
