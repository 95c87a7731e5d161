//! Interpreters that are started before there is a function, and wait for it.
//!
//! The command is the runtime's own, so that a function finds the same command line. Some variables
//! tell it to wait: then it imports what every function needs, writes one byte to its standard
//! input, which is a socket, and reads the function's variables from there. What it does after that
//! must not be told apart from a plain start.
//!
//! Some variables have done their work when a program has just begun: the loader, the C library and
//! the interpreter read them once. A function that has others of those cannot have an interpreter
//! that waits, and [`Warm`] knows which they are.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How a runtime's command is started before there is a function, and which functions may go on
/// with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warm {
    /// How the names of the variables begin that decide how the command starts.
    pub decided_by: Vec<String>,
    /// Names that begin so and decide nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// The variables that tell the command to wait, beside those that all functions have.
    pub environment: BTreeMap<String, String>,
}

impl Warm {
    pub(crate) fn new(decided_by: &[&str], except: &[&str], environment: &[(&str, &str)]) -> Warm {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Warm {
            decided_by: owned(decided_by),
            except: owned(except),
            environment: environment.iter().map(pair).collect(),
        }
    }

    /// Whether a variable of this name decides how the command starts.
    #[must_use]
    pub fn is_decided_by(&self, name: &str) -> bool {
        self.decided_by.iter().any(|start| name.starts_with(start.as_str()))
            && !self.except.iter().any(|except| except == name)
    }

    /// Whether the command starts in the same way with either of these variables, `NAME=value`.
    #[must_use]
    pub fn agree(&self, one: &[String], other: &[String]) -> bool {
        self.deciding(one) == self.deciding(other)
    }

    fn deciding<'a>(&self, variables: &'a [String]) -> BTreeSet<&'a str> {
        let decides = |variable: &&str| {
            self.is_decided_by(variable.split_once('=').map_or(*variable, |(name, _)| name))
        };
        variables.iter().map(String::as_str).filter(decides).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warm() -> Warm {
        Warm::new(&["NODE_", "LD_", "LANG"], &["NODE_ENV"], &[("WAIT", "1")])
    }

    fn owned(variables: &[&str]) -> Vec<String> {
        variables.iter().map(|variable| (*variable).to_owned()).collect()
    }

    #[rustfmt::skip]
    #[test]
    fn what_decides_how_an_interpreter_starts_is_known_by_its_name() {
        let rows = [
            ("NODE_OPTIONS",     true),
            ("NODE_",            true),
            ("LD_LIBRARY_PATH",  true),
            ("LANG",             true),
            ("LANGUAGE",         true),
            ("NODE_ENVIRONMENT", true),
            ("NODE_ENV",         false),
            ("NODE",             false),
            ("MY_NODE_OPTIONS",  false),
            ("node_options",     false),
            ("WAIT",             false),
            ("",                 false),
        ];
        for (name, decides) in rows {
            assert_eq!(warm().is_decided_by(name), decides, "{name}");
        }
    }

    #[rustfmt::skip]
    #[test]
    fn environments_agree_if_what_decides_is_the_same() {
        let ours = ["LANG=en", "LD_PRELOAD=", "TZ=:UTC"];
        let rows: &[(&str, bool, &[&str])] = &[
            ("the same",                 true,  &["LANG=en", "LD_PRELOAD=", "TZ=:UTC"]),
            ("more that says nothing",   true,  &["A=b", "LANG=en", "LD_PRELOAD=", "NODE_ENV=test"]),
            ("another order",            true,  &["TZ=Mars", "LD_PRELOAD=", "LANG=en"]),
            ("another value",            false, &["LANG=de", "LD_PRELOAD="]),
            ("one more that decides",    false, &["LANG=en", "LD_PRELOAD=", "NODE_OPTIONS=--expose-gc"]),
            ("one less",                 false, &["LANG=en"]),
            ("nothing instead of empty", false, &["LANG=en", "LD_PRELOAD"]),
        ];
        for (name, agree, theirs) in rows {
            assert_eq!(warm().agree(&owned(&ours), &owned(theirs)), *agree, "{name}");
        }
    }
}
