//! What authorizers have said, for as long as that is good.
//!
//! # Promises
//!
//! 1. Of the identities by which an authorizer was asked only a digest is kept.
//! 2. What was said counts for the stage, the deployment and the authorizer that it was said for, and
//!    for all their methods.
//! 3. There is a bound on what is kept; what is forgotten is asked for again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::apis::limits::{AUTHORIZED_BYTES_MAX, AUTHORIZED_MAX};

/// Where an authorizer is asked.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The id of the API.
    pub api: &'a str,
    /// The name of the stage.
    pub stage: &'a str,
    /// The id of what is deployed there, in which the authorizer never changes.
    pub deployment: &'a str,
    /// The id of the authorizer.
    pub authorizer: &'a str,
}

/// By what an authorizer is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    api: String,
    stage: String,
    /// Of the deployment, the authorizer, and the identities.
    digest: [u8; 32],
}

impl Asked {
    /// What is asked at a place by these identities.
    #[must_use]
    pub fn of(place: Place<'_>, identities: &[String]) -> Self {
        let mut digest = Sha256::new();
        let names = [place.deployment, place.authorizer];
        for part in names.into_iter().chain(identities.iter().map(String::as_str)) {
            // The lengths keep one part from running into the next.
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let (api, stage) = (place.api.to_owned(), place.stage.to_owned());
        Self { api, stage, digest: digest.finalize().into() }
    }
}

/// What is remembered.
#[derive(Debug)]
pub struct Remembered<T>(Mutex<HashMap<Asked, (Instant, Arc<T>)>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Remembered<T> {
    /// What was said, if it is still good.
    #[must_use]
    pub fn get(&self, asked: &Asked) -> Option<Arc<T>> {
        let known = self.known();
        let (until, said) = known.get(asked)?;
        (*until > Instant::now()).then(|| Arc::clone(said))
    }

    /// Remembers what was said in so many bytes for so many seconds.
    pub fn put(&self, asked: Asked, said: &Arc<T>, (bytes, seconds): (usize, u32)) {
        if seconds == 0 || bytes > AUTHORIZED_BYTES_MAX {
            return;
        }
        let now = Instant::now();
        let mut known = self.known();
        if known.len() >= AUTHORIZED_MAX {
            known.retain(|_, (until, _)| *until > now);
        }
        if known.len() >= AUTHORIZED_MAX {
            known.clear();
        }
        let until = now + Duration::from_secs(u64::from(seconds));
        known.insert(asked, (until, Arc::clone(said)));
    }

    /// Forgets what was said about an API, or about one of its stages.
    pub fn forget(&self, api: &str, stage: Option<&str>) {
        self.known()
            .retain(|asked, _| asked.api != api || stage.is_some_and(|stage| asked.stage != stage));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Asked, (Instant, Arc<T>)>> {
        self.0.lock().expect("no code panics while it holds what is remembered")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { api: "a", stage: "one", deployment: "d", authorizer: "z" };

    fn asked(place: Place<'_>, identities: &[&str]) -> Asked {
        let identities: Vec<String> = identities.iter().map(|one| (*one).to_owned()).collect();
        Asked::of(place, &identities)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_is_good_for_a_while() {
        let remembered = Remembered::default();
        let question = || asked(PLACE, &["token"]);
        assert_eq!(remembered.get(&question()), None);
        remembered.put(question(), &Arc::new(7), (2, 10));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(remembered.get(&question()), Some(Arc::new(7)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(remembered.get(&question()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_counts_for_nothing_else() {
        let remembered = Remembered::default();
        remembered.put(asked(PLACE, &["to", "ken"]), &Arc::new(7), (2, 10));
        #[rustfmt::skip]
        let others = [
            asked(PLACE, &["token"]),
            asked(PLACE, &["t", "oken"]),
            asked(Place { stage: "two", ..PLACE }, &["to", "ken"]),
            asked(Place { deployment: "e", ..PLACE }, &["to", "ken"]),
            asked(Place { authorizer: "y", ..PLACE }, &["to", "ken"]),
        ];
        for other in others {
            assert_eq!(remembered.get(&other), None, "{other:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stages_and_apis_are_forgotten() {
        let remembered = Remembered::default();
        let (one, two) = (asked(PLACE, &[]), asked(Place { stage: "two", ..PLACE }, &[]));
        remembered.put(one.clone(), &Arc::new(1), (2, 10));
        remembered.put(two.clone(), &Arc::new(2), (2, 10));
        remembered.forget("a", Some("one"));
        assert_eq!((remembered.get(&one), remembered.get(&two)), (None, Some(Arc::new(2))));
        remembered.forget("a", None);
        assert_eq!(remembered.get(&two), None);
    }

    #[tokio::test(start_paused = true)]
    async fn long_answers_and_those_that_are_good_once_are_not_kept() {
        let remembered = Remembered::default();
        for (bytes, seconds) in [(AUTHORIZED_BYTES_MAX + 1, 10), (2, 0)] {
            remembered.put(asked(PLACE, &[]), &Arc::new(7), (bytes, seconds));
            assert_eq!(remembered.get(&asked(PLACE, &[])), None, "{bytes} {seconds}");
        }
    }
}
