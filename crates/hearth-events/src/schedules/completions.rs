//! Tells of what is over, beside the clockwork: whoever is told may write, and what is due does not
//! wait for that.
//!
//! Many may be over together. They are told of at the same time, so that what they write can share a
//! sync, and by few tasks. Memory is bounded by the number of things that there are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use hearth_services::schedules::timed::Timed;
use hearth_services::schedules::timing::Timing;
use hearth_types::limits;

use crate::worker::Common;

/// Something that will not happen any more.
#[derive(Debug)]
pub(super) struct Over {
    /// Who knows it.
    pub(super) source: Arc<dyn Timed>,
    /// What.
    pub(super) arn: String,
    /// When it happened.
    pub(super) timing: Timing,
}

/// What is over and not told of yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Completions {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug, Default)]
struct Waiting {
    over: VecDeque<Over>,
    /// How many tasks tell.
    tellers: usize,
}

impl Completions {
    /// Has it told that something is over. What has not been told of when the server ends is over at
    /// the next start as well.
    pub(super) fn tell(&self, over: Over, common: &Common) {
        {
            let mut waiting = self.waiting();
            waiting.over.push_back(over);
            if waiting.tellers >= limits::SCHEDULE_TELLERS_MAX {
                return;
            }
            waiting.tellers += 1;
        }
        let (completions, of_task) = (self.clone(), common.clone());
        common.tasks.spawn("schedules that are over", async move {
            while let Some(Over { source, arn, timing }) = completions.next(&of_task) {
                source.completed(&arn, &timing).await;
            }
        });
    }

    /// The next one; if there is none, there is one less who tells.
    fn next(&self, common: &Common) -> Option<Over> {
        let mut waiting = self.waiting();
        let next = if common.is_closing() { None } else { waiting.over.pop_front() };
        if next.is_none() {
            waiting.tellers -= 1;
        }
        next
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no code panics while it holds what is over")
    }
}
