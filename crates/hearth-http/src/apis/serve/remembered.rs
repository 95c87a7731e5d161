//! What authorizers have said, for as long as that is good.
//!
//! # Promises
//!
//! 1. Of the identities by which an authorizer was asked only a digest is kept.
//! 2. There is a bound on what is kept; what is forgotten is asked for again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::super::limits::AUTHORIZED_MAX;
use crate::authorizer::answer::Answer;

/// What the function of an authorizer has said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// The caller may, or may not.
    Simple {
        /// Whether they may.
        is_authorized: bool,
        /// What else was said.
        context: Map<String, Value>,
    },
    /// The caller may what a policy says.
    Policy(Answer),
}

/// What an authorizer was asked by: those of the API, the deployment, the stage and the authorizer,
/// and the identities.
pub(super) type Question = [u8; 32];

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<HashMap<Question, (Instant, Arc<Verdict>)>>);

/// The digest of what an authorizer is asked by.
pub(super) fn question<'a>(parts: impl Iterator<Item = &'a str>) -> Question {
    let mut digest = Sha256::new();
    for part in parts {
        // The lengths keep one part from running into the next.
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}

impl Remembered {
    /// What was said, if it is still good.
    pub(super) fn get(&self, question: &Question) -> Option<Arc<Verdict>> {
        let known = self.0.lock().expect("no code panics while it holds what is remembered");
        let (until, verdict) = known.get(question)?;
        (*until > Instant::now()).then(|| Arc::clone(verdict))
    }

    /// Remembers what was said for so many seconds.
    pub(super) fn put(&self, question: Question, verdict: &Arc<Verdict>, seconds: u32) {
        let now = Instant::now();
        let mut known = self.0.lock().expect("no code panics while it holds what is remembered");
        if known.len() >= AUTHORIZED_MAX {
            known.retain(|_, (until, _)| *until > now);
        }
        if known.len() >= AUTHORIZED_MAX {
            known.clear();
        }
        let until = now + Duration::from_secs(u64::from(seconds));
        known.insert(question, (until, Arc::clone(verdict)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_said_is_good_for_a_while() {
        let remembered = Remembered::default();
        let verdict = Arc::new(Verdict::Simple { is_authorized: true, context: Map::new() });
        let asked = question(["api", "token"].into_iter());
        assert_eq!(remembered.get(&asked), None);
        remembered.put(asked, &verdict, 10);
        assert_eq!(remembered.get(&asked), Some(verdict));
        assert_eq!(remembered.get(&question(["apit", "oken"].into_iter())), None);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(remembered.get(&asked), None);
    }
}
