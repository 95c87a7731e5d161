//! The names of runtimes, and what each of them asks for.

/// The runtimes that are only the operating system.
pub(crate) const PROVIDED: &[&str] = &["provided.al2", "provided.al2023"];

/// The families that can be built, for people.
pub(crate) const KNOWN: &str = "python3.10 and newer, nodejs18.x and newer, java8 and newer";

/// A runtime that Hearth knows how to put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// `python3.<minor>`
    Python { minor: u32 },
    /// `nodejs<major>.x`
    Nodejs { major: u32 },
    /// `java<major>`, with or without the name of an Amazon Linux behind it.
    Java { major: u32 },
}

impl Family {
    /// What a name asks for. AWS's runtime clients decide how far back a family goes.
    pub(crate) fn of(name: &str) -> Option<Family> {
        if let Some(minor) = name.strip_prefix("python3.") {
            let minor = number(minor)?;
            (minor >= 10).then_some(Family::Python { minor })
        } else if let Some(major) = name.strip_prefix("nodejs") {
            let major = number(major.strip_suffix(".x")?)?;
            (major >= 18).then_some(Family::Nodejs { major })
        } else {
            let major = name.strip_prefix("java")?;
            let major = number(major.split_once('.').map_or(major, |(major, _system)| major))?;
            (major >= 8).then_some(Family::Java { major })
        }
    }
}

/// Whether a text can be the name of a runtime, and so of a directory.
pub(crate) fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.';
    first && name.len() <= 64 && name.bytes().all(plain)
}

/// The letters that a runtime's name begins with.
pub(crate) fn family_name(name: &str) -> &str {
    name.split(|letter: char| !letter.is_ascii_lowercase()).next().unwrap_or(name)
}

/// A number without signs and leading zeros.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    #[test]
    fn names_are_understood() {
        let rows = [
            ("python3.11",    Some(Family::Python { minor: 11 })),
            ("python3.9",     None),
            ("python3.011",   None),
            ("python3.",      None),
            ("python2.7",     None),
            ("nodejs22.x",    Some(Family::Nodejs { major: 22 })),
            ("nodejs22",      None),
            ("nodejs12.x",    None),
            ("java17",        Some(Family::Java { major: 17 })),
            ("java8.al2",     Some(Family::Java { major: 8 })),
            ("java17.al2023", Some(Family::Java { major: 17 })),
            ("java",          None),
            ("ruby3.4",       None),
        ];
        for (name, expected) in rows {
            assert_eq!(Family::of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for name in ["..", "", ".incoming-python3.11", "a/b", "Python3.11", "a\0"] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(is_name("python3.11"));
    }
}
