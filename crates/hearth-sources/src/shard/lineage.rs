//! Which shards of a stream are to be read now. Pure.
//!
//! A shard that was split or merged is read to its end before those that came of it are begun, so
//! that records with the same key stay in their order.
//!
//! # Promises
//!
//! 1. A shard is begun only when each of its parents is dealt with, or is not there any more.
//! 2. Nothing is begun twice, and nothing is left out.

use std::collections::HashMap;

use crate::checkpoint::{Checkpoint, Phase, Start};
use crate::shard::source::Shard;

/// The checkpoints that are to be added, given the shards that a stream lists and the checkpoints that
/// there are.
#[must_use]
pub fn to_begin(listed: &[Shard], known: &[Checkpoint], start: Start) -> Vec<Checkpoint> {
    let phases: HashMap<&str, Phase> =
        known.iter().map(|one| (one.shard.as_str(), one.phase)).collect();
    let new = listed.iter().filter(|shard| !phases.contains_key(shard.id.as_str()));
    if known.is_empty()
        && let Start::Latest(_) = start
    {
        // What is closed has nothing behind the newest record, and counts as dealt with.
        let begin = |shard: &Shard| {
            let phase = if shard.is_closed { Phase::Ended } else { Phase::Reading };
            Checkpoint { phase, ..Checkpoint::new(shard.id.clone(), start) }
        };
        return new.map(begin).collect();
    }
    let is_dealt_with = |parent: &String| match phases.get(parent.as_str()) {
        Some(phase) => *phase == Phase::Ended,
        None => !listed.iter().any(|shard| shard.id == *parent),
    };
    // What came of a shard that was read from the newest record on is read from its beginning.
    let start = match start {
        Start::Latest(_) | Start::TrimHorizon => Start::TrimHorizon,
        Start::AtTimestamp(at) => Start::AtTimestamp(at),
    };
    new.filter(|shard| shard.parents.iter().all(is_dealt_with))
        .map(|shard| Checkpoint::new(shard.id.clone(), start))
        .collect()
}

#[cfg(test)]
mod tests {
    use hearth_types::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn shard(id: &str, parents: &[&str], is_closed: bool) -> Shard {
        let parents = parents.iter().map(|one| (*one).to_owned()).collect();
        Shard { id: id.to_owned(), parents, is_closed }
    }

    fn known(id: &str, phase: Phase) -> Checkpoint {
        Checkpoint { phase, ..Checkpoint::new(id, Start::TrimHorizon) }
    }

    /// `a` was split into `b` and `c`; `c` and `d` were merged into `e`.
    fn stream() -> Vec<Shard> {
        vec![
            shard("a", &["older"], true),
            shard("b", &["a"], false),
            shard("c", &["a"], true),
            shard("d", &[], true),
            shard("e", &["c", "d"], false),
        ]
    }

    fn begun(known: &[Checkpoint], start: Start) -> Vec<String> {
        to_begin(&stream(), known, start).into_iter().map(|one| one.shard).collect()
    }

    #[test]
    fn parents_come_before_their_children() {
        let start = Start::TrimHorizon;
        assert_eq!(begun(&[], start), ["a", "d"]);
        let reading = [known("a", Phase::Reading), known("d", Phase::Ended)];
        assert_eq!(begun(&reading, start), [] as [&str; 0]);
        let split = [known("a", Phase::Ended), known("d", Phase::Ended)];
        assert_eq!(begun(&split, start), ["b", "c"]);
        let mut merged = split.to_vec();
        merged.extend([known("b", Phase::Reading), known("c", Phase::Ended)]);
        assert_eq!(begun(&merged, start), ["e"]);
    }

    #[test]
    fn who_begins_with_the_newest_record_begins_with_the_open_shards() {
        let latest = Start::Latest(Timestamp(7));
        let first = to_begin(&stream(), &[], latest);
        let reading: Vec<&str> = first
            .iter()
            .filter(|one| one.phase == Phase::Reading)
            .map(|one| one.shard.as_str())
            .collect();
        assert_eq!(reading, ["b", "e"]);
        assert!(first.iter().all(|one| one.start == latest));
        assert_eq!(first.len(), 5);
        let mut later = stream();
        later.push(shard("f", &["b"], false));
        assert_eq!(to_begin(&later, &first, latest), []);
        let ended: Vec<Checkpoint> =
            first.into_iter().map(|one| Checkpoint { phase: Phase::Ended, ..one }).collect();
        assert_eq!(to_begin(&later, &ended, latest), [Checkpoint::new("f", Start::TrimHorizon)]);
    }

    proptest! {
        #[test]
        fn every_shard_is_read_once_and_behind_its_parents(
            parents in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..20),
        ) {
            let name = |number: usize| format!("s{number:02}");
            let listed: Vec<Shard> = parents.iter().enumerate().map(|(number, of)| Shard {
                id: name(number),
                parents: of.iter().filter(|_| number > 0).map(|one| name(one.index(number))).collect(),
                is_closed: true,
            }).collect();
            let mut known: Vec<Checkpoint> = Vec::new();
            while known.len() < listed.len() {
                let begun = to_begin(&listed, &known, Start::TrimHorizon);
                prop_assert!(!begun.is_empty(), "it goes on");
                for one in begun {
                    let shard = listed.iter().find(|shard| shard.id == one.shard).unwrap();
                    for parent in &shard.parents {
                        prop_assert!(known.iter().any(|before| before.shard == *parent));
                    }
                    prop_assert!(known.iter().all(|before| before.shard != one.shard));
                    known.push(Checkpoint { phase: Phase::Ended, ..one });
                }
            }
            prop_assert!(to_begin(&listed, &known, Start::TrimHorizon).is_empty());
        }
    }
}
