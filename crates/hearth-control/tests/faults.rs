//! Every change of the control plane happens wholly or not at all: when the store fails, when the
//! server is killed, when it is asked for twice, and when many ask at once.
//!
//! Two things cannot be seen from here: whether a store keeps its promises, which is shown where
//! the store is, and whether a whole server does, which the end-to-end tests show.

#![expect(
    clippy::unwrap_used,
    reason = "this is a test, functions that are called by tests included"
)]

mod support;

use std::pin::Pin;
use std::sync::Arc;

use hearth_control::alias::{Alias, AliasUpdate};
use hearth_control::changes::UpdateCode;
use hearth_control::control::Control;
use hearth_control::error::ControlError;
use hearth_control::policy::Policy;
use hearth_control::publish::Publish;
use hearth_control::record::FunctionRecord;
use hearth_control::settings::Settings;
use hearth_store::packages::CodeDigest;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use support::operations::{Again, Answer, Operation, all};
use support::place::Place;
use support::prepared::{
    archive, code, layer_permission, layer_version, main, name, permission, policy, prepared,
};
use support::seen::{assert_same, changed_records, loosened};

/// No operation writes more often.
const WRITES_MAX: usize = 4;

#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_be_stored_changes_nothing() {
    let prepared = prepared().await;
    for operation in all() {
        let mut number = 1;
        while fails(&prepared, &operation, number).await {
            number += 1;
            assert!(number <= WRITES_MAX, "{} writes without end", operation.name);
        }
        assert!(number > 1, "{} writes nothing", operation.name);
    }
}

/// Does an operation while one of its writes fails. Returns whether it writes so often.
async fn fails(prepared: &Place, operation: &Operation, number: usize) -> bool {
    let when = format!("{}, write {number} fails", operation.name);
    let place = prepared.copy().await;
    let before = place.seen().await;
    place.store.fail(number);
    let answer = (operation.run)(&place).await;
    place.settle().await;
    let failed = place.store.mend();
    match answer {
        Err(ControlError::Store(_)) if failed => {
            assert_same(&before, &place.seen().await, &when);
            let repeated = (operation.run)(&place).await;
            repeated.unwrap_or_else(|error| panic!("{when}, repeated: {error:?}"));
            place.settle().await;
        }
        Err(error) => panic!("{when}: {error:?}"),
        // If the write was one behind the answer, it was made again.
        Ok(()) => {}
    }
    let changed = changed_records(&before, &place.seen().await);
    assert_eq!(changed.len(), 1, "{when}: {changed:?}");
    place.assert_whole(&when).await;
    failed
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_made_twice_is_made_once_or_says_so() {
    let prepared = prepared().await;
    for Operation { name, again, run } in all() {
        let place = prepared.copy().await;
        run(&place).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        place.settle().await;
        let once = place.seen().await;
        let answer = run(&place).await;
        place.settle().await;
        let twice = place.seen().await;
        match (again, answer) {
            (Again::Same, Ok(())) => assert_same(&loosened(once), &loosened(twice), name),
            (Again::Adds, Ok(())) => assert_eq!(changed_records(&once, &twice).len(), 1, "{name}"),
            (Again::Refused(text), Err(error)) => {
                assert!(error.to_string().contains(text), "{name}: {error}");
                assert_same(&once, &twice, name);
            }
            (again, answer) => panic!("{name}: {again:?} was expected of {answer:?}"),
        }
        place.assert_whole(name).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_a_crash_interrupts_is_there_as_a_whole_or_not_at_all() {
    let prepared = prepared().await;
    for Operation { name, run, .. } in all() {
        let place = prepared.copy().await;
        let before = loosened(place.seen().await);
        place.store.watch(place.packages());
        run(&place).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        place.settle().await;
        let images = place.store.images();
        assert!(images.len() >= 2, "{name} writes nothing");
        let after = loosened(place.seen().await);
        for image in images {
            let when = format!("{name}, killed after {} writes", image.writes);
            // The first write decides; whatever else there was to do is done at the next start.
            let expected = if image.writes == 0 { &before } else { &after };
            let code = image.packages.path();
            let restarted = Place::open(image.documents, code, place.known.clone()).await;
            assert_same(expected, &loosened(restarted.seen().await), &when);
            restarted.assert_whole(&when).await;
        }
    }
}

/// How many write at once.
const WRITERS: usize = 20;

type Writing = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A change that several make at once, all of them after reading the same revision.
struct Race {
    name: &'static str,
    /// Reads the revision.
    revision: fn(&Control) -> String,
    /// Makes the change, if the revision is still that. The first text marks what is written.
    write: fn(Arc<Control>, String, String) -> Writing,
    /// Whether what is there has this mark and no other.
    has: fn(&Control, &str) -> bool,
}

/// Those of what a version consists of.
fn races_of_versions() -> [Race; 2] {
    [
        Race {
            name: "a configuration",
            revision: of_function,
            write: |control, mark, revision| {
                let settings = Settings { description: Some(mark), ..Settings::default() };
                let main = main();
                Box::pin(async move {
                    let update = control.update_configuration(&main, settings, Some(&revision));
                    update.await.map(drop)
                })
            },
            has: |control, mark| {
                control.record(&main()).unwrap().latest.configuration.description == mark
            },
        },
        Race {
            name: "code",
            revision: of_function,
            write: |control, mark, revision| {
                let update = code(&mark, Publish::No);
                let update = UpdateCode { revision: Some(revision), ..update };
                Box::pin(async move { control.update_code(&main(), update).await.map(drop) })
            },
            has: |control, mark| {
                let code = control.record(&main()).unwrap().latest.code.unwrap();
                code.digest == CodeDigest::of(&archive(mark))
            },
        },
    ]
}

/// Those of what stands beside the versions.
fn races_of_belongings() -> [Race; 4] {
    [
        Race {
            name: "an alias",
            revision: |control| live(control).revision.to_string(),
            write: |control, mark, revision| {
                let (description, revision) = (Some(mark), Some(revision));
                let update = AliasUpdate { description, revision, ..AliasUpdate::default() };
                change(control, |main| main.update_alias(&name("live"), update).map(drop))
            },
            has: |control, mark| live(control).description == mark,
        },
        Race {
            name: "a permission",
            revision: of_function,
            write: |control, mark, revision| {
                let permission = permission(&mark, Some(&revision));
                change(control, move |main| main.add_permission(None, &permission).map(drop))
            },
            has: |control, mark| {
                statements(control.record(&main()).unwrap().policy(None)) == ["one", mark]
            },
        },
        Race {
            name: "a policy",
            revision: of_function,
            write: |control, mark, revision| {
                let document = policy(&mark);
                change(control, move |main| {
                    main.put_policy(None, &document, Some(&revision)).map(drop)
                })
            },
            has: |control, mark| {
                statements(control.record(&main()).unwrap().policy(None)) == [mark]
            },
        },
        Race {
            name: "a permission of a layer",
            revision: |control| layer_policy(control).revision.to_string(),
            write: |control, mark, revision| {
                let permission = layer_permission(&mark, Some(&revision));
                let which = layer_version("l", 1);
                Box::pin(async move {
                    let added = control.add_layer_permission(&which, permission);
                    added.await.map(drop)
                })
            },
            has: |control, mark| statements(Some(&layer_policy(control))) == ["one", mark],
        },
    ]
}

fn change(
    control: Arc<Control>,
    change: impl FnOnce(&mut FunctionRecord) -> Answer + Send + 'static,
) -> Writing {
    Box::pin(async move { control.change(&main(), change).await })
}

fn of_function(control: &Control) -> String {
    control.record(&main()).unwrap().latest.revision.to_string()
}

fn live(control: &Control) -> Alias {
    control.record(&main()).unwrap().aliases[&name("live")].clone()
}

fn layer_policy(control: &Control) -> Policy {
    control.layer_policy(&layer_version("l", 1)).unwrap()
}

fn statements(policy: Option<&Policy>) -> Vec<String> {
    let statements = policy.into_iter().flat_map(|policy| &policy.statements);
    statements.map(|statement| statement.sid.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_that_have_read_one_revision_one_writes() {
    let prepared = prepared().await;
    for race in races_of_versions().into_iter().chain(races_of_belongings()) {
        let place = prepared.copy().await;
        let winner = winner_of(&race, &place).await;
        place.settle().await;
        assert!((race.has)(&place.control, &winner), "{}: {winner} has won", race.name);
        place.assert_whole(race.name).await;
    }
}

/// Lets all write at once. Returns the mark of the one that has not been refused.
async fn winner_of(race: &Race, place: &Place) -> String {
    let revision = (race.revision)(&place.control);
    let start = Arc::new(Barrier::new(WRITERS));
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let (mark, start) = (format!("writer{number}"), Arc::clone(&start));
        let writing = (race.write)(Arc::clone(&place.control), mark.clone(), revision.clone());
        writers.spawn(async move {
            start.wait().await;
            (mark, writing.await)
        });
    }
    let mut winners = Vec::new();
    for (mark, answer) in writers.join_all().await {
        match answer {
            Ok(()) => winners.push(mark),
            Err(
                ControlError::RevisionMismatch(_)
                | ControlError::UpdateInProgress(_)
                | ControlError::Conflict(_),
            ) => {}
            Err(error) => panic!("{}: {error:?}", race.name),
        }
    }
    let [winner] = winners.as_slice() else { panic!("{}: {winners:?} have won", race.name) };
    winner.clone()
}
