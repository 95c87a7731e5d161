//! Which mappings are read: those that are enabled, each by one reader.
//!
//! ```text
//!             enabled                      told to stop
//!  (nothing) ─────────▶ Reading ──changed──▶ Stopping ──ended──▶ (nothing)
//!      ▲                   │ ended: the source cannot be read
//!      │ it can be read    ▼
//!      └──────────────── Blocked   shown as disabled; looked at every few seconds
//! ```
//!
//! # Promises
//!
//! 1. A mapping has one reader at a time: the next one begins when the one before has ended.
//! 2. What is read is what the control plane has now, a moment after it has changed.
//! 3. A mapping whose source comes back is read again.
//!
//! # Deliberately absent
//!
//! What reading is: that is for the readers. States of mappings: those are the control plane's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hearth_control::control::Control;
use hearth_control::mapping::state::State;
use hearth_control::mapping::{Mapping, MappingId};
use hearth_types::tasks::Tasks;
use tokio::time::Instant;

use crate::board::Board;
use crate::function::RunFunction;
use crate::progress::Book;
use crate::reader::{Ended, Reader, Stop, Stopper, Work};

/// How often a source is looked at that could not be read.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long nothing is looked at if nobody says anything.
const LOOK_MAX: Duration = Duration::from_secs(3_600);

/// What the readers work with.
#[derive(Debug)]
pub struct Parts {
    /// Who knows the mappings.
    pub control: Arc<Control>,
    /// What the control plane was given.
    pub board: Arc<Board>,
    /// Who runs functions.
    pub functions: Arc<dyn RunFunction>,
    /// Where to say what was done.
    pub book: Arc<Book>,
    /// The owner of the tasks.
    pub tasks: Tasks,
}

/// The mappings that are read. They are read until this is closed or dropped.
#[derive(Debug)]
pub struct Sources {
    stopper: Stopper,
}

impl Sources {
    /// Begins to read what is enabled.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let (stopper, stop) = Stopper::new();
        let tasks = parts.tasks.clone();
        let supervisor = Arc::new(Supervisor { parts, seats: Mutex::default() });
        tasks.spawn("event source mappings", async move { supervisor.run(stop).await });
        Self { stopper }
    }

    /// Takes nothing more from any source. Batches that run may go on.
    pub fn close(&self) {
        self.stopper.stop();
    }
}

/// Where a mapping is that is read, or was to be.
#[derive(Debug)]
enum Seat {
    /// A reader reads it.
    Reading { mapping: Arc<Mapping>, _stopper: Stopper },
    /// Its reader was told to stop.
    Stopping,
    /// It cannot be read.
    Blocked { look_at: Instant },
    /// Somebody looks whether it can be read again.
    Looking,
}

#[derive(Debug)]
struct Supervisor {
    parts: Parts,
    seats: Mutex<HashMap<MappingId, Seat>>,
}

impl Supervisor {
    async fn run(self: &Arc<Self>, stop: Stop) {
        while !stop.is_stopped() {
            let next = self.arrange();
            tokio::select! {
                () = self.parts.board.changes() => {}
                () = tokio::time::sleep_until(next) => {}
                () = stop.stopped() => {}
            }
        }
        // Their stoppers are dropped, which tells the readers.
        self.lock().clear();
    }

    /// Makes what is read what is to be read. Returns when to look again.
    fn arrange(self: &Arc<Self>) -> Instant {
        let all = self.parts.control.all_mappings();
        let by_id: HashMap<&MappingId, &Arc<Mapping>> =
            all.iter().map(|mapping| (&mapping.id, mapping)).collect();
        self.parts.book.keep_only(|id| by_id.contains_key(id));
        let (mut next, now) = (Instant::now() + LOOK_MAX, Instant::now());
        let mut seats = self.lock();
        seats.retain(|id, seat| self.keeps(by_id.get(id).copied(), (id, seat)));
        for mapping in &all {
            let look_at = match seats.get(&mapping.id) {
                None => {
                    if let Some(seat) = self.begin(mapping) {
                        seats.insert(mapping.id.clone(), seat);
                    }
                    continue;
                }
                Some(Seat::Blocked { look_at }) => *look_at,
                Some(Seat::Reading { .. } | Seat::Stopping | Seat::Looking) => continue,
            };
            if look_at > now {
                next = next.min(look_at);
                continue;
            }
            seats.insert(mapping.id.clone(), Seat::Looking);
            self.look(mapping);
        }
        next
    }

    /// Whether a mapping keeps its seat; one that is not to be read as it is any more changes it.
    fn keeps(&self, mapping: Option<&Arc<Mapping>>, (id, seat): (&MappingId, &mut Seat)) -> bool {
        match seat {
            Seat::Reading { mapping: read, .. } => {
                if !mapping.is_some_and(|now| goes_on(read, now)) {
                    *seat = Seat::Stopping;
                }
                true
            }
            Seat::Blocked { .. } => {
                let is_wanted = mapping.is_some_and(|mapping| mapping.enabled);
                if !is_wanted {
                    self.parts.board.set_obstacle(id, None);
                }
                is_wanted
            }
            // Whoever stops or looks says so.
            Seat::Stopping | Seat::Looking => true,
        }
    }

    /// Begins to read a mapping, if it is to be read.
    fn begin(self: &Arc<Self>, mapping: &Arc<Mapping>) -> Option<Seat> {
        if !is_to_be_read(mapping) {
            return None;
        }
        let reader = self.parts.board.reader(mapping.source.kind())?;
        let (stopper, stop) = Stopper::new();
        let work = Work {
            mapping: Arc::clone(mapping),
            functions: Arc::clone(&self.parts.functions),
            progress: self.parts.book.of(&mapping.id, mapping.function.name.as_str()),
            stop,
        };
        let seated = Seated { supervisor: Arc::clone(self), mapping: Arc::clone(mapping) };
        self.parts.tasks.spawn("an event source mapping", read(reader, work, seated));
        Some(Seat::Reading { mapping: Arc::clone(mapping), _stopper: stopper })
    }

    /// Looks in the background whether the source of a mapping can be read again.
    fn look(self: &Arc<Self>, mapping: &Arc<Mapping>) {
        let (supervisor, mapping) = (Arc::clone(self), Arc::clone(mapping));
        self.parts.tasks.spawn("look at an event source", async move {
            let reader = supervisor.parts.board.reader(mapping.source.kind());
            let found = match reader {
                Some(reader) => reader.check(&mapping.source, 0).await,
                None => Ok(()),
            };
            supervisor.looked(&mapping, found).await;
        });
    }

    async fn looked(self: &Arc<Self>, mapping: &Mapping, found: Result<(), String>) {
        {
            let mut seats = self.lock();
            match &found {
                Ok(()) => seats.remove(&mapping.id),
                Err(_why) => seats.insert(mapping.id.clone(), blocked()),
            };
        }
        self.show(mapping, found.err()).await;
    }

    /// A reader has ended.
    async fn ended(self: &Arc<Self>, mapping: &Mapping, ended: Ended) {
        let why = {
            let mut seats = self.lock();
            let was_told = !matches!(seats.get(&mapping.id), Some(Seat::Reading { .. }));
            match ended {
                Ended::Unreadable(why) if !was_told => {
                    tracing::warn!(mapping = %mapping.id, why, "an event source cannot be read");
                    seats.insert(mapping.id.clone(), blocked());
                    Some(why)
                }
                Ended::Unreadable(_) | Ended::Stopped => {
                    seats.remove(&mapping.id);
                    None
                }
            }
        };
        match why {
            Some(why) => self.show(mapping, Some(why)).await,
            None => self.parts.board.wake(),
        }
    }

    /// Has the control plane show whether a source can be read.
    async fn show(&self, mapping: &Mapping, obstacle: Option<String>) {
        self.parts.board.set_obstacle(&mapping.id, obstacle);
        let scope = &mapping.function.scope;
        let settled = self.parts.control.settle_mapping_again(scope, &mapping.id).await;
        if let Err(error) = settled {
            tracing::error!(mapping = %mapping.id, ?error, "it could not be settled");
        }
        self.parts.board.wake();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MappingId, Seat>> {
        self.seats.lock().expect("no code panics while it holds the seats")
    }
}

fn blocked() -> Seat {
    Seat::Blocked { look_at: Instant::now() + LOOK_AGAIN }
}

/// Whether a mapping that is not read is to be read now.
fn is_to_be_read(mapping: &Mapping) -> bool {
    mapping.enabled && mapping.state == State::Enabled
}

/// Whether the reader of a mapping reads it as it is to be read now. While a change is carried out,
/// it is read as before.
fn goes_on(read: &Mapping, now: &Mapping) -> bool {
    let is_wanted = now.enabled && matches!(now.state, State::Enabled | State::Updating);
    let is_same = read.function == now.function
        && read.qualifier == now.qualifier
        && read.configuration == now.configuration;
    is_wanted && (is_same || now.state == State::Updating)
}

async fn read(reader: Arc<dyn Reader>, work: Work, seated: Seated) {
    let ended = reader.read(work).await;
    seated.leave(ended).await;
}

/// A reader at its mapping. If it panics, the mapping is read again a little later.
struct Seated {
    supervisor: Arc<Supervisor>,
    mapping: Arc<Mapping>,
}

impl Seated {
    async fn leave(self, ended: Ended) {
        let (supervisor, mapping) = (Arc::clone(&self.supervisor), Arc::clone(&self.mapping));
        supervisor.ended(&mapping, ended).await;
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut seats = self.supervisor.lock();
            seats.insert(self.mapping.id.clone(), blocked());
            drop(seats);
            self.supervisor.parts.board.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_control::mapping::settings::Configuration;
    use hearth_control::mapping::source::Source;
    use hearth_types::names::{AccountId, FunctionArn, FunctionName, Region, Scope};
    use hearth_types::time::Timestamp;

    use super::*;

    fn mapping(enabled: bool, state: State) -> Mapping {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        Mapping {
            id: MappingId::random(),
            function: FunctionArn { scope, name: FunctionName::parse("f").unwrap() },
            qualifier: None,
            source: Source::parse(Some("arn:aws:sqs:us-east-1:000000000000:q"), None).unwrap(),
            enabled,
            configuration: Configuration { batch_size: 10, ..Configuration::default() },
            state,
            transition_reason: String::new(),
            last_processing_result: None,
            modified: Timestamp(0),
            tags: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn only_what_is_enabled_is_begun_to_be_read() {
        use State::{Creating, Deleting, Disabled, Disabling, Enabled, Enabling, Updating};
        for state in [Creating, Enabling, Updating, Disabling, Disabled, Deleting] {
            assert!(!is_to_be_read(&mapping(true, state)), "{state:?}");
        }
        assert!(is_to_be_read(&mapping(true, Enabled)));
        assert!(!is_to_be_read(&mapping(false, Enabled)));
    }

    #[test]
    fn a_reader_goes_on_until_a_change_has_been_carried_out() {
        let read = mapping(true, State::Enabled);
        let as_it_is = |state| Mapping { state, ..read.clone() };
        let changed = |state| Mapping {
            configuration: Configuration { batch_size: 5, ..Configuration::default() },
            ..as_it_is(state)
        };
        let off = |state| Mapping { enabled: false, ..as_it_is(state) };
        #[rustfmt::skip]
        let rows = [
            ("nothing has changed",      as_it_is(State::Enabled),  true),
            ("a change is carried out",  changed(State::Updating),  true),
            ("a change was carried out", changed(State::Enabled),   false),
            ("it is switched off",       off(State::Disabling),     false),
            ("it was switched off",      off(State::Disabled),      false),
            ("it cannot be read",        as_it_is(State::Disabled), false),
            ("it goes",                  as_it_is(State::Deleting), false),
        ];
        for (name, now, expected) in rows {
            assert_eq!(goes_on(&read, &now), expected, "{name}");
        }
    }
}
