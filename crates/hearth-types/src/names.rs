//! Names as AWS spells them: accounts, regions, functions, versions, ARNs.
//!
//! Parsing is the only way to get one, so whoever holds a name may trust it.
//!
//! A function can be named in four ways ([`FunctionReference::parse`]): `name`, `account:function:name`,
//! `function:name` and a whole ARN; each may end in `:qualifier`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text does not have the form of the thing that it should name.
    #[error("`{text}` is not {what}")]
    Malformed {
        /// What was expected, with its article.
        what: &'static str,
        /// What was given.
        text: String,
    },
}

fn malformed(what: &'static str, text: &str) -> NameError {
    NameError::Malformed { what, text: text.to_owned() }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $rule:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads one.
            ///
            /// # Errors
            ///
            /// If the text does not have the form.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let rule: fn(&str) -> bool = $rule;
                if rule(text) { Ok(Self(text.to_owned())) } else { Err(malformed($what, text)) }
            }

            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )+};
}

/// Whether a text has the form of AWS's regions, such as `us-east-1`, which a name may have as well.
fn is_region_name(text: &str) -> bool {
    let mut words = text.rsplit('-');
    let number = words.next().unwrap_or_default();
    let letters =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let words: Vec<&str> = words.collect();
    number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words.len() >= 2
        && words.iter().all(|word| letters(word))
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

names! {
    /// Twelve digits.
    AccountId, "an account of twelve digits",
        |text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    /// A region, such as `us-east-1`.
    Region, "a region",
        |text| text.len() <= 32
            && text.contains('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    /// The bare name of a function: up to 140 letters, digits, `-`, `_`, and `.` between them. (No
    /// function is made with a dot or with more than 64; the others are what callers may ask for.)
    FunctionName, "a function name",
        |text| text.len() <= 140 && text.split('.').all(is_word);
    /// The name of an alias: not a version's number. (None is made with a `$`, a dot or digits only;
    /// those are what callers may ask for.)
    AliasName, "an alias name",
        |text| text.len() <= 128
            && text.split(['$', '.']).any(is_word)
            && text.split(['$', '.']).all(|part| part.is_empty() || is_word(part))
            && Version::parse(text).is_none();
}

/// The account and the region that a record belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// Whose it is.
    pub account: AccountId,
    /// Where it is.
    pub region: Region,
}

/// A version of a function: the mutable `$LATEST`, or a published number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Version {
    /// `$LATEST`.
    Latest,
    /// 1, 2, 3, …
    Published(u64),
}

impl Version {
    /// Reads `$LATEST` or a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "$LATEST" => Some(Self::Latest),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().map(Self::Published)
            }
            _ => None,
        }
    }
}

impl TryFrom<String> for Version {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text).ok_or_else(|| malformed("a version", &text))
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => formatter.write_str("$LATEST"),
            Self::Published(number) => number.fmt(formatter),
        }
    }
}

/// What stands behind a function's name: a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qualifier {
    /// `$LATEST` or a number.
    Version(Version),
    /// The name of an alias.
    Alias(AliasName),
}

impl Qualifier {
    /// Reads a qualifier.
    ///
    /// # Errors
    ///
    /// If the text is neither a version nor the name of an alias.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match Version::parse(text) {
            Some(version) => Ok(Self::Version(version)),
            None => AliasName::parse(text).map(Self::Alias),
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(formatter),
            Self::Alias(alias) => alias.fmt(formatter),
        }
    }
}

/// A function of an account in a region, without a qualifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FunctionArn {
    /// Account and region.
    pub scope: Scope,
    /// The bare name.
    pub name: FunctionName,
}

impl FunctionArn {
    /// The ARN with a qualifier behind it.
    #[must_use]
    pub fn qualified(&self, qualifier: &impl fmt::Display) -> String {
        format!("{self}:{qualifier}")
    }
}

impl fmt::Display for FunctionArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(formatter, "arn:aws:lambda:{region}:{account}:function:{}", self.name)
    }
}

/// A function as a caller names it: any part but the name may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionReference {
    /// The region, if the caller named one.
    pub region: Option<Region>,
    /// The account, if the caller named one.
    pub account: Option<AccountId>,
    /// The bare name.
    pub name: FunctionName,
    /// What stands behind the name.
    pub qualifier: Option<Qualifier>,
}

impl FunctionReference {
    /// Reads a name, a partial ARN or a whole ARN, each with or without a qualifier.
    ///
    /// ```
    /// use hearth_types::names::FunctionReference;
    ///
    /// let named = FunctionReference::parse("hello:7").expect("a name and a version");
    /// assert_eq!(named.name.as_str(), "hello");
    /// let whole = "arn:aws:lambda:us-east-1:000000000000:function:hello";
    /// assert_eq!(FunctionReference::parse(whole).expect("an ARN").name.as_str(), "hello");
    /// assert!(FunctionReference::parse("../hello").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// If the text has none of these forms.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = || malformed("the name or ARN of a function", text);
        let mut parts: Vec<&str> = text.split(':').collect();
        let is_arn = parts.first() == Some(&"arn");
        if is_arn {
            if parts.len() < 4 || !parts[1].starts_with("aws") || parts[2] != "lambda" {
                return Err(refuse());
            }
            parts.drain(..3);
        }
        // Each part may be left out. What can be one of them is, as long as a name is left.
        let mut rest = parts.as_slice();
        let mut take = |is_one: &dyn Fn(&str) -> bool| match rest {
            [first, more @ ..] if !more.is_empty() && is_one(first) => {
                rest = more;
                Some(*first)
            }
            _ => None,
        };
        let region = take(&is_region_name).map(Region::parse).transpose()?;
        let account = take(&|part| AccountId::parse(part).is_ok());
        let account = account.map(AccountId::parse).transpose()?;
        let is_function = take(&|part| part == "function").is_some();
        if is_arn && !is_function {
            return Err(refuse()); // A layer, or something else that belongs to Lambda.
        }
        let (name, qualifier) = match rest {
            [name] => (*name, None),
            [name, qualifier] => (*name, Some(Qualifier::parse(qualifier)?)),
            _ => return Err(refuse()),
        };
        let name = FunctionName::parse(name)?;
        Ok(Self { region, account, name, qualifier })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Region, account, name, qualifier; empty where there is none.
    type Parts = (&'static str, &'static str, &'static str, &'static str);

    #[test]
    fn every_form_of_a_function_name() {
        #[rustfmt::skip]
        let rows: &[(&str, Option<Parts>)] = &[
            ("hello",                                                   Some(("", "", "hello", ""))),
            ("hello:$LATEST",                                           Some(("", "", "hello", "$LATEST"))),
            ("hello:live",                                              Some(("", "", "hello", "live"))),
            ("function:hello",                                          Some(("", "", "hello", ""))),
            ("function:hello:3",                                        Some(("", "", "hello", "3"))),
            ("000000000000:function:hello",                             Some(("", "000000000000", "hello", ""))),
            ("000000000000:hello:live",                                 Some(("", "000000000000", "hello", "live"))),
            ("us-east-1:000000000000:function:hello",                   Some(("us-east-1", "000000000000", "hello", ""))),
            ("function",                                                Some(("", "", "function", ""))),
            ("000000000000",                                            Some(("", "", "000000000000", ""))),
            ("with.dots:$LATEST.PUBLISHED",                             Some(("", "", "with.dots", "$LATEST.PUBLISHED"))),
            ("..",                                                      None),
            ("hello:$",                                                 None),
            ("arn:aws:lambda:us-east-1:000000000000:function:hello",    Some(("us-east-1", "000000000000", "hello", ""))),
            ("arn:aws:lambda:us-east-1:000000000000:function:hello:12", Some(("us-east-1", "000000000000", "hello", "12"))),
            ("",                                                        None),
            (":",                                                       None),
            ("hello:",                                                  None),
            ("hello:0",                                                 Some(("", "", "hello", "0"))),
            ("hello:a:b",                                               None),
            ("he llo",                                                  None),
            ("../etc",                                                  None),
            ("arn:aws:lambda:us-east-1:123:function:hello",             None),
            ("arn:aws:s3:us-east-1:000000000000:function:hello",        None),
        ];
        for (text, expected) in rows {
            let read = FunctionReference::parse(text).ok();
            let shown = read.as_ref().map(|read| {
                let region = read.region.as_ref().map_or("", Region::as_str);
                let account = read.account.as_ref().map_or("", AccountId::as_str);
                let qualifier = read.qualifier.as_ref().map(ToString::to_string);
                (region, account, read.name.as_str(), qualifier.unwrap_or_default())
            });
            let expected = expected.map(|(r, a, n, q)| (r, a, n, q.to_owned()));
            assert_eq!(shown, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_arn_reads_back_as_itself(
            name in "[a-zA-Z0-9_-]{1,64}", account in "[0-9]{12}", version in 1u64..u64::MAX
        ) {
            let scope = Scope {
                account: AccountId::parse(&account).unwrap(),
                region: Region::parse("eu-west-3").unwrap(),
            };
            let arn = FunctionArn { scope, name: FunctionName::parse(&name).unwrap() };
            let version = Qualifier::Version(Version::Published(version));
            let read = FunctionReference::parse(&arn.qualified(&version)).unwrap();
            prop_assert_eq!(read.name, arn.name);
            prop_assert_eq!(read.account, Some(arn.scope.account));
            prop_assert_eq!(read.region, Some(arn.scope.region));
            prop_assert_eq!(read.qualifier, Some(version));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = FunctionReference::parse(&text);
        }
    }
}
