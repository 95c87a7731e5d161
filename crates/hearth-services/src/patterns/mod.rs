//! Event patterns: which events a rule is for.
//!
//! ```text
//!  text ──tokens──▶ grammar ──▶ Pattern (alternatives of fields with matchers)
//!                                  │ many of them
//!                                  ▼
//!  event ──event──▶ leaves ──▶ Index ──▶ which of them match
//! ```
//!
//! # Promises
//!
//! 1. A pattern is taken or refused as AWS's own matcher does it, with the same words, line and column.
//! 2. [`Index::matching`] answers exactly those patterns that match the event one by one.
//! 3. The time for an event does not grow with the patterns that have nothing to do with it.
//!
//! # Deliberately absent
//!
//! No I/O, no clock. What follows from a match is [`crate::buses`]'s. AWS refuses wildcards that its
//! matcher finds too complex; they cost nothing special here and are taken.

mod tokens;
mod grammar;
mod matcher;
mod event;
mod index;

pub use event::EventError;
pub use index::Index;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::limits;
use matcher::Matcher;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Event pattern is not valid. Reason: {reason}")]
pub struct PatternError {
    /// In AWS's words, with the place in the text where there is one.
    pub reason: String,
}

/// What is looked up for each event. Seeded, so that nobody outside can choose what collides.
type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Fields by their paths, joined with dots. All of them have to match: each with one of its
/// matchers.
pub(crate) type Alternative = BTreeMap<String, Arc<[Matcher]>>;

/// A pattern that can be matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// One of them has to match. More than one come from `$or`.
    pub(crate) alternatives: Vec<Alternative>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// If it is not one, in AWS's words.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let characters = text.chars().count();
        if characters > limits::PATTERN_CHARACTERS_MAX {
            let limit = limits::PATTERN_CHARACTERS_MAX;
            let reason = format!("it has {characters} characters and the limit is {limit}");
            return Err(PatternError { reason });
        }
        Ok(Self { alternatives: grammar::alternatives(text)? })
    }

    /// Whether an event matches, which is JSON.
    ///
    /// Who matches many events, or one against many patterns, makes an [`Index`].
    ///
    /// # Errors
    ///
    /// If the event is not JSON.
    pub fn matches(&self, event: &[u8]) -> Result<bool, EventError> {
        Ok(!Index::new([self]).matching(event)?.is_empty())
    }
}

#[cfg(test)]
mod documented;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod properties;
