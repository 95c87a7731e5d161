//! Many patterns at once.
//!
//! Every alternative of every pattern waits under one of its fields: where a field has to have one of
//! some values, or begin or end with one of some texts, under these; otherwise under the field, whose
//! value is then compared at once. For an event only those alternatives are looked at whose key it has. Of several
//! fields the one is taken whose values are shared with the fewest others.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::{EventError, FieldId, Leaves, Paths, Place};
use super::matcher::{Matcher, Number, Range, Scalar};
use super::{Map, Pattern};
use crate::limits;

/// Patterns, prepared for events. They are known by their positions.
#[derive(Debug, Default)]
pub struct Index {
    paths: Paths,
    alternatives: Vec<Alternative>,
    /// For each field, the alternatives that wait there.
    waiting: Vec<Waiting>,
    /// Alternatives that an event can match without having any of their fields.
    always: Vec<usize>,
}

/// One way to match one pattern.
#[derive(Debug)]
struct Alternative {
    pattern: usize,
    fields: Vec<(FieldId, Arc<[Matcher]>)>,
}

/// The alternatives that wait for a field, by what its value has to be.
#[derive(Debug, Default)]
struct Waiting {
    texts: Map<Box<str>, Vec<usize>>,
    /// Numbers that can be compared, by their bits.
    comparables: Map<u64, Vec<usize>>,
    numbers: Map<Number, Vec<usize>>,
    on_true: Vec<usize>,
    on_false: Vec<usize>,
    on_null: Vec<usize>,
    prefixes: Affixes,
    suffixes: Affixes,
    /// Those that look at every number, and nothing else.
    ranges: Vec<(Range, usize)>,
    /// Those that have to look at every value.
    on_any: Vec<(usize, Arc<[Matcher]>)>,
}

/// Texts that a value begins or ends with.
type OfLength = Map<Box<[u8]>, Vec<usize>>;

/// By their lengths.
#[derive(Debug, Default)]
struct Affixes(Vec<(usize, OfLength)>);

/// What an alternative can wait under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'a> {
    Text(&'a str),
    Comparable(u64),
    Number(Number),
    True,
    False,
    Null,
    Prefix(&'a str),
    Suffix(&'a str),
}

impl Index {
    /// Prepares patterns.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Self {
        let mut index = Self::default();
        for (number, pattern) in patterns.into_iter().enumerate() {
            for fields in &pattern.alternatives {
                let fields = fields.iter();
                let fields =
                    fields.map(|(path, matchers)| (index.paths.add(path), Arc::clone(matchers)));
                let fields = fields.collect();
                index.alternatives.push(Alternative { pattern: number, fields });
            }
        }
        index.waiting.resize_with(index.paths.len(), Waiting::default);
        let uses = Uses::count(&index.alternatives);
        for (number, alternative) in index.alternatives.iter().enumerate() {
            match uses.best(alternative) {
                Some((field, Wait::Keys(matchers))) => {
                    for key in matchers.iter().filter_map(key) {
                        index.waiting[field.0].insert(key, number);
                    }
                }
                Some((field, Wait::Any(matchers))) => {
                    index.waiting[field.0].insert_any(matchers, number);
                }
                None => index.always.push(number),
            }
        }
        index
    }

    /// Which patterns an event matches, in their order. The event is JSON.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn matching(&self, event: &[u8]) -> Result<Vec<usize>, EventError> {
        let leaves = Leaves::read(&self.paths, event)?;
        let mut candidates = self.always.clone();
        for leaf in leaves.all() {
            self.waiting[leaf.field.0].find(&leaf.value, &mut candidates);
        }
        // Alternatives of one pattern follow each other.
        candidates.sort_unstable();
        candidates.dedup();
        let mut matching: Vec<usize> = Vec::new();
        for candidate in candidates {
            let alternative = &self.alternatives[candidate];
            let is_known = matching.last() == Some(&alternative.pattern);
            if !is_known && alternative.is_satisfied(&leaves) {
                matching.push(alternative.pattern);
            }
        }
        Ok(matching)
    }
}

impl Alternative {
    fn is_satisfied(&self, leaves: &Leaves<'_>) -> bool {
        // Most of what does not match is seen here, without asking for memory.
        let has_each = self.fields.iter().all(|(field, matchers)| {
            let values = leaves.of(*field);
            values.iter().any(|leaf| accepts(matchers, &leaf.value))
                || (values.is_empty() && allows_absence(matchers))
        });
        if !has_each || leaves.are_flat() || self.fields.len() == 1 {
            return has_each;
        }
        let mut places = Vec::with_capacity(self.fields.len());
        for (field, matchers) in &self.fields {
            let values = leaves.of(*field).iter();
            let accepted = values.filter(|leaf| accepts(matchers, &leaf.value));
            let mut accepted: Vec<Place> = accepted.map(|leaf| leaf.place).collect();
            // A field that may be absent, and is, is in no place.
            if !accepted.is_empty() {
                accepted.sort_unstable();
                accepted.dedup();
                places.push(accepted);
            }
        }
        // Fields with little choice first, so that what cannot be is seen early.
        places.sort_by_key(Vec::len);
        let mut choice = Choice { leaves, steps: limits::PATTERN_STEPS_MAX };
        let can_be_made = choice.can_be_made(&places, &mut Vec::new());
        if choice.steps == 0 {
            tracing::info!(pattern = self.pattern, "an event has too many arrays for a pattern");
        }
        can_be_made
    }
}

/// The choice of one place for each field, so that no two are in different elements of one array.
struct Choice<'a, 'e> {
    leaves: &'a Leaves<'e>,
    /// How many more places may be compared: a hostile event could ask for very many.
    steps: usize,
}

impl Choice<'_, '_> {
    fn can_be_made(&mut self, fields: &[Vec<Place>], chosen: &mut Vec<Place>) -> bool {
        let Some((places, rest)) = fields.split_first() else { return true };
        for place in places {
            // Each place is compared with those that were chosen before.
            self.steps = self.steps.saturating_sub(1 + chosen.len());
            if self.steps == 0 {
                return false;
            }
            if chosen.iter().all(|other| self.leaves.agree(*place, *other)) {
                chosen.push(*place);
                if self.can_be_made(rest, chosen) {
                    return true;
                }
                chosen.pop();
            }
        }
        false
    }
}

fn accepts(matchers: &[Matcher], value: &Scalar<'_>) -> bool {
    matchers.iter().any(|matcher| matcher.accepts(value))
}

fn allows_absence(matchers: &[Matcher]) -> bool {
    matchers.contains(&Matcher::Absent)
}

impl Waiting {
    fn insert(&mut self, key: Key<'_>, alternative: usize) {
        let list = match key {
            Key::Text(text) => self.texts.entry(text.into()).or_default(),
            Key::Comparable(bits) => self.comparables.entry(bits).or_default(),
            Key::Number(number) => self.numbers.entry(number).or_default(),
            Key::True => &mut self.on_true,
            Key::False => &mut self.on_false,
            Key::Null => &mut self.on_null,
            Key::Prefix(text) => self.prefixes.entry(text.as_bytes()),
            Key::Suffix(text) => self.suffixes.entry(text.as_bytes()),
        };
        list.push(alternative);
    }

    fn insert_any(&mut self, matchers: &Arc<[Matcher]>, alternative: usize) {
        match **matchers {
            [Matcher::Numeric(range)] => self.ranges.push((range, alternative)),
            _ => self.on_any.push((alternative, Arc::clone(matchers))),
        }
    }

    fn find(&self, value: &Scalar<'_>, found: &mut Vec<usize>) {
        let accepting = self.on_any.iter().filter(|(_, matchers)| accepts(matchers, value));
        found.extend(accepting.map(|(alternative, _)| *alternative));
        match value {
            Scalar::Text(text) => {
                found.extend(self.texts.get(&**text).into_iter().flatten());
                let bytes = text.as_bytes();
                self.prefixes.find(|length| bytes.get(..length), found);
                let tail = |length| bytes.get(bytes.len().checked_sub(length)?..);
                self.suffixes.find(tail, found);
            }
            Scalar::Number(_, Some(value)) => {
                let around = self.ranges.iter().filter(|(range, _)| range.contains(*value));
                found.extend(around.map(|(_, alternative)| *alternative));
                found.extend(self.comparables.get(&value.to_bits()).into_iter().flatten());
            }
            Scalar::Number(number, None) => {
                found.extend(self.numbers.get(number).into_iter().flatten());
            }
            Scalar::True => found.extend(&self.on_true),
            Scalar::False => found.extend(&self.on_false),
            Scalar::Null => found.extend(&self.on_null),
        }
    }
}

impl Affixes {
    fn entry(&mut self, affix: &[u8]) -> &mut Vec<usize> {
        let position = self.0.iter().position(|(length, _)| *length == affix.len());
        let position = position.unwrap_or_else(|| {
            self.0.push((affix.len(), Map::default()));
            self.0.len() - 1
        });
        self.0[position].1.entry(affix.into()).or_default()
    }

    fn find<'v>(&self, cut: impl Fn(usize) -> Option<&'v [u8]>, found: &mut Vec<usize>) {
        for (length, affixes) in &self.0 {
            let waiting = cut(*length).and_then(|affix| affixes.get(affix));
            found.extend(waiting.into_iter().flatten());
        }
    }
}

/// What a matcher lets its alternative wait under, if there is such a thing.
fn key(matcher: &Matcher) -> Option<Key<'_>> {
    match matcher {
        Matcher::Text(text) => Some(Key::Text(text)),
        Matcher::Number(number) => Some(match number.comparable() {
            Some(value) => Key::Comparable(value.to_bits()),
            None => Key::Number(*number),
        }),
        Matcher::True => Some(Key::True),
        Matcher::False => Some(Key::False),
        Matcher::Null => Some(Key::Null),
        Matcher::Prefix(text) => Some(Key::Prefix(text)),
        Matcher::Suffix(text) => Some(Key::Suffix(text)),
        Matcher::Numeric(range) => range.only().map(|value| Key::Comparable(value.to_bits())),
        Matcher::Address(_)
        | Matcher::Folded(_)
        | Matcher::PrefixFolded(_)
        | Matcher::SuffixFolded(_)
        | Matcher::Wildcard(_)
        | Matcher::Cidr(_)
        | Matcher::AnythingBut(_)
        | Matcher::Exists
        | Matcher::Absent => None,
    }
}

/// How an alternative waits for a field.
#[derive(Debug, Clone, Copy)]
enum Wait<'a> {
    /// Until it has a value that one of these asks for.
    Keys(&'a [Matcher]),
    /// Until it has a value that these accept.
    Any(&'a Arc<[Matcher]>),
}

/// How many alternatives ask for what.
#[derive(Debug, Default)]
struct Uses<'a> {
    keys: HashMap<(FieldId, Key<'a>), usize>,
    fields: HashMap<FieldId, usize>,
}

impl<'a> Uses<'a> {
    fn count(alternatives: &'a [Alternative]) -> Self {
        let mut uses = Self::default();
        for (field, matchers) in alternatives.iter().flat_map(|one| &one.fields) {
            *uses.fields.entry(*field).or_default() += 1;
            for key in matchers.iter().filter_map(key) {
                *uses.keys.entry((*field, key)).or_default() += 1;
            }
        }
        uses
    }

    /// Where an alternative should wait: at the field that it shares with the fewest others.
    fn best<'b>(&self, alternative: &'b Alternative) -> Option<(FieldId, Wait<'b>)> {
        let waits = alternative.fields.iter().filter_map(|(field, matchers)| {
            let has_keys = matchers.iter().all(|matcher| key(matcher).is_some());
            if has_keys {
                let shared = matchers.iter().filter_map(key).map(|key| self.sharing(*field, key));
                // A value is asked for more rarely than a field, however many ask for it.
                return Some(((0, shared.max().unwrap_or(0)), *field, Wait::Keys(matchers)));
            }
            let shared = self.fields.get(field).copied().unwrap_or(0);
            (!allows_absence(matchers)).then_some(((1, shared), *field, Wait::Any(matchers)))
        });
        let best = waits.min_by_key(|(rank, field, _)| (*rank, *field));
        best.map(|(_, field, wait)| (field, wait))
    }

    fn sharing(&self, field: FieldId, key: Key<'_>) -> usize {
        self.keys.get(&(field, key)).copied().unwrap_or(0)
    }
}
