//! One batch: runs the function for it, and deletes what went well.
//!
//! ```text
//!  run ──answered──▶ what has not failed is deleted
//!   │ ▲
//!   │ └─ wait, longer each time; the messages are kept from others meanwhile
//!   ├──throttled─┘
//!   └──failed────▶ nothing: the messages are there again when their visibility timeout ends
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hearth_types::ids::RequestId;
use hearth_types::time::Moment;

use super::event::{Message, event, trace};
use super::{Common, Reports};
use crate::ahead::Lot;
use crate::function::{Call, NotRun, Ran, reason};
use crate::progress::{Count, FUNCTION_FAILED, FUNCTION_THROTTLED, Processed};
use crate::response::Report;

/// The first wait after a throttle.
const THROTTLE_PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest one.
const THROTTLE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a batch keeps its place when its function cannot be run, so that not the whole queue is
/// received in vain.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(1);
/// How long it takes at the most until everybody has heard that the server is going away.
const CLOSING_PAUSE: Duration = Duration::from_secs(1);
/// How often deleting is tried. A message that is not deleted comes again.
const DELETES_MAX: u32 = 4;
/// The first wait between those.
const DELETE_PAUSE: Duration = Duration::from_millis(100);

/// Begins a batch, in a task of its own. `lot` is what it has of what all readers may have.
pub(super) fn begin(common: &Arc<Common>, messages: Vec<Message>, lot: Lot) {
    if messages.is_empty() {
        return;
    }
    let running = common.work.progress.run();
    let common = Arc::clone(common);
    let tasks = common.tasks.clone();
    tasks.spawn("a batch of messages", async move {
        work(&common, &messages).await;
        drop(messages);
        drop(lot);
        drop(running);
    });
}

async fn work(common: &Common, messages: &[Message]) {
    let taken = messages.iter().map(|one| one.taken).min().unwrap_or_default();
    let mut pause = THROTTLE_PAUSE_MIN;
    loop {
        // The function may take as long as the visibility timeout is, and others of a group must not
        // be handed out meanwhile.
        if common.is_stale(taken) {
            keep(common, messages, taken).await;
        }
        let call =
            Call { id: RequestId::random(), payload: event(messages), trace: trace(messages) };
        match common.work.functions.run(&common.work.mapping, call).await {
            Ran::Answered { answer, version: _ } => return settle(common, messages, &answer).await,
            Ran::Failed { error, version: _ } => {
                common.work.progress.add(Count::Invoked, messages.len());
                common.scale().failed();
                return failed(common, messages.len(), &reason(&error));
            }
            Ran::NotRun(NotRun::Throttled) => {}
            Ran::NotRun(NotRun::Closing) => {
                // The poller is told to stop in a moment, and must not take them again before.
                rest(common, CLOSING_PAUSE).await;
                return give_back(common, messages).await;
            }
            Ran::NotRun(NotRun::Refused(why)) => return failed(common, messages.len(), &why),
            Ran::NotRun(NotRun::Unavailable(why)) => {
                common.scale().throttled(common.now());
                failed(common, messages.len(), &why);
                return rest(common, UNAVAILABLE_PAUSE).await;
            }
        }
        common.scale().throttled(common.now());
        common.work.progress.went_wrong(FUNCTION_THROTTLED, "", common.time_of_day());
        // Several times before the messages would be seen by others.
        rest(common, pause.min(common.visibility() / 4)).await;
        pause = (pause * 2).min(THROTTLE_PAUSE_MAX);
        if common.work.stop.is_stopped() {
            return give_back(common, messages).await;
        }
        if common.is_kept_too_long(taken) {
            // They are there again when their visibility timeout ends.
            return;
        }
    }
}

/// Waits, unless it is time to stop.
async fn rest(common: &Common, longest: Duration) {
    tokio::select! {
        () = tokio::time::sleep(longest) => {}
        () = common.work.stop.stopped() => {}
    }
}

/// Keeps the messages from others for longer, of which the first was taken then.
async fn keep(common: &Common, messages: &[Message], taken: Moment) {
    let seconds = common.seconds_to_keep(taken);
    if let Err(trouble) = common.queue.keep(&handles(messages), seconds).await {
        tracing::info!(%trouble, "messages could not be kept for longer");
    }
}

/// Has the messages be there again at once, as if they had not been received.
pub(super) async fn give_back(common: &Common, messages: &[Message]) {
    if messages.is_empty() {
        return;
    }
    if let Err(trouble) = common.queue.give_back(&handles(messages)).await {
        // They are there again when their visibility timeout ends.
        tracing::info!(%trouble, "messages could not be given back");
    }
}

fn handles(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.handle.clone()).collect()
}

fn failed(common: &Common, messages: usize, why: &str) {
    common.work.progress.add(Count::FailedInvoke, messages);
    common.work.progress.went_wrong(FUNCTION_FAILED, why, common.time_of_day());
}

/// Does what the function's answer says.
async fn settle(common: &Common, messages: &[Message], answer: &[u8]) {
    let progress = &common.work.progress;
    progress.add(Count::Invoked, messages.len());
    let report = match common.reports {
        Reports::None => Report::Succeeded,
        Reports::Single => {
            let known: HashSet<&str> = messages.iter().map(|message| message.id.as_str()).collect();
            Report::read(answer, |id| known.contains(id))
        }
    };
    let left = match report {
        Report::Succeeded => HashSet::new(),
        Report::Failed(ids) => ids.into_iter().collect::<HashSet<String>>(),
        Report::Unusable(why) => {
            common.scale().failed();
            return failed(common, messages.len(), &why);
        }
    };
    progress.add(Count::FailedInvoke, left.len());
    let done = messages.iter().filter(|message| !left.contains(&message.id));
    let done: Vec<String> = done.map(|message| message.handle.clone()).collect();
    if done.is_empty() || delete(common, &done).await {
        progress.processed(Processed::Fine, common.time_of_day());
    }
}

/// Whether it could be done.
async fn delete(common: &Common, handles: &[String]) -> bool {
    let mut pause = DELETE_PAUSE;
    let mut tries = 1;
    loop {
        let trouble = match common.queue.delete(handles).await {
            Ok(deleted) => {
                common.work.progress.add(Count::Deleted, deleted);
                return true;
            }
            Err(trouble) => trouble,
        };
        if tries >= DELETES_MAX {
            let why = trouble.to_string();
            tracing::warn!(mapping = %common.work.mapping.id, why, "messages could not be deleted");
            let result = "messages could not be deleted";
            common.work.progress.went_wrong(result, &why, common.time_of_day());
            return false;
        }
        tries += 1;
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
