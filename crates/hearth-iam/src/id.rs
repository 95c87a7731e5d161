//! The ids that IAM makes: letters and digits behind a prefix that says what it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

/// Of a role.
pub(crate) const ROLE: &str = "AROA";
/// Of a managed policy.
pub(crate) const POLICY: &str = "ANPA";
/// Of an access key that belongs to a session.
pub(crate) const SESSION_KEY: &str = "ASIA";

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new id of a thing: 21 characters.
pub(crate) fn of_thing(prefix: &str) -> String {
    with_random(prefix, 17)
}

/// A new id of an access key: 20 characters.
pub(crate) fn of_key(prefix: &str) -> String {
    with_random(prefix, 16)
}

/// A new secret: 40 characters.
pub(crate) fn secret() -> String {
    let bytes = [random_bits().to_be_bytes(), random_bits().to_be_bytes()].concat();
    STANDARD.encode(&bytes[..30])
}

fn with_random(prefix: &str, characters: usize) -> String {
    let mut bits = random_bits();
    let mut id = prefix.to_owned();
    for _ in 0..characters {
        let index = usize::try_from(bits % 32).expect("it is less than 32");
        id.push(char::from(ALPHABET[index]));
        bits /= 32;
    }
    id
}

/// Some bits of a UUID are always the same; they fall on random ones of another.
fn random_bits() -> u128 {
    Uuid::new_v4().as_u128() ^ Uuid::new_v4().as_u128().rotate_left(37)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_look_as_they_do_on_aws_and_differ() {
        let ids: BTreeSet<String> = (0..100).map(|_| of_thing(ROLE)).collect();
        assert_eq!(ids.len(), 100);
        for id in ids {
            assert_eq!(id.len(), 21, "{id}");
            let rest = id.strip_prefix(ROLE).unwrap();
            assert!(rest.bytes().all(|byte| ALPHABET.contains(&byte)), "{id}");
        }
        assert_eq!(of_key(SESSION_KEY).len(), 20);
        assert_eq!(secret().len(), 40);
        assert_ne!(secret(), secret());
    }
}
