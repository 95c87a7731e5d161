//! What may happen thousands of times in a second, and is worth a line in the log now and then.
//!
//! The first time is said at once. What follows is counted, and said with the next line.

use crate::time::Moment;

/// How long nothing more is said.
const SILENCE_MS: u64 = 10_000;

/// Remembers when something was last said.
#[derive(Debug, Default)]
pub struct Seldom {
    said: Option<Moment>,
    unsaid: u64,
}

impl Seldom {
    /// It has happened. If it is time to say so: how often since that was last said.
    pub fn happened(&mut self, now: Moment) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(1);
        if self.said.is_some_and(|said| now.millis_since(said) < SILENCE_MS) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_at_once_and_the_others_together() {
        let mut seldom = Seldom::default();
        let rows = [(0, Some(1)), (1, None), (9_999, None), (10_000, Some(3)), (60_000, Some(1))];
        for (at, expected) in rows {
            assert_eq!(seldom.happened(Moment(at)), expected, "{at}");
        }
    }
}
