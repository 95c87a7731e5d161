//! A disk that is full and a log that is torn: what was accepted before is kept.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::harness::{Place, Server, eventually, last_seen, say, skipped};
use crate::reports::{Arrived, FAILED, MESSAGES, RAN, event, message, prepare};
use crate::tools;

/// How large the disk of the queue is. Room for the queue's file and its log, and not for much more.
const DISK_MEGABYTES: usize = 16;
const EVENT_BYTES: usize = 20_000;
/// How many events are tried on a full disk at the most: more than there was room for.
const EVENTS_MAX: usize = 2_000;
/// How many refusals are seen, so that more than one group of them fails.
const REFUSALS: usize = 20;
/// How long what was accepted may take to arrive once there is room.
const ARRIVAL_SECONDS_MAX: u64 = 120;

/// A small file system in memory. It is gone when it is let go.
#[derive(Debug)]
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Fails if this user may not mount.
    fn mount(at: &Path) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK_MEGABYTES}m,mode=700"), "none"]);
        tools::run(mount.arg(at)).map(|_said| Self(at.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).expect("there is room for a file");
        for block in [vec![0_u8; 64 * 1024], vec![0; 512]] {
            // Until it is full, which is the error that ends this.
            while filler.write_all(&block).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("the filler is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = tools::run(Command::new("umount").arg("--lazy").arg(&self.0));
        if let Err(error) = unmounted {
            say(&format!("a small disk is left: {error}"));
        }
    }
}

#[test]
fn on_a_full_disk_events_are_refused_and_none_that_was_accepted_is_lost() {
    let place = Place::new();
    let disk = match SmallDisk::mount(&place.path().join("small")) {
        Ok(disk) => disk,
        Err(why) => return skipped("a full disk", &why),
    };
    // SQLite follows the link, so the queue's log is on the small disk as well; nothing else is.
    symlink(disk.0.join("queue.db"), place.data().join("queue.db")).expect("a link can be made");
    let server = Server::start_at(place);
    prepare(&server, json!({ "Timeout": 60 }));

    let padding = "x".repeat(EVENT_BYTES);
    let accepts = |id: &str| {
        let answer = server.send(&event(&json!({ "id": id, "padding": padding })));
        let is_known = answer.status == 202 || answer.status >= 500;
        assert!(is_known, "{}: {}", answer.status, answer.text());
        answer.status == 202
    };
    let mut accepted = BTreeSet::new();
    for number in 0..20 {
        let id = format!("before-{number}");
        assert!(accepts(&id), "there is room");
        accepted.insert(id);
    }
    disk.fill();
    let mut refusals = 0;
    for number in 0..EVENTS_MAX {
        let id = format!("full-{number}");
        if accepts(&id) {
            accepted.insert(id);
        } else {
            refusals += 1;
        }
        if refusals == REFUSALS {
            break;
        }
    }
    assert_eq!(refusals, REFUSALS, "what cannot be kept is not accepted");
    assert_eq!(server.get("/_hearth/health").status, 200, "the server goes on");

    disk.make_room();
    eventually("events are accepted again", 30, || accepts("after").then_some(()));
    accepted.insert("after".to_owned());
    let (mut ran, mut failed) = (Arrived::default(), Arrived::default());
    let left = last_seen(
        ARRIVAL_SECONDS_MAX,
        || {
            while ran.take(&server, RAN) || failed.take(&server, FAILED) {}
            accepted
                .iter()
                .filter(|id| !ran.has(id) && !failed.has(id))
                .cloned()
                .collect::<Vec<_>>()
        },
        Vec::is_empty,
    );
    assert_eq!(left, Vec::<String>::new(), "accepted and lost");
    // Not stopped: it has logged errors about its disk, as it should.
    let place = server.kill();
    drop(disk);
    drop(place);
}

#[test]
fn a_torn_log_of_the_queue_is_reported_and_what_was_before_is_kept() {
    const SENT: usize = 20;
    let server = Server::start();
    prepare(&server, json!({}));
    for number in 0..SENT {
        let answer = server.send(&message(MESSAGES, &format!("m{number:02}")));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let place = server.kill();
    let log = place.data().join("queue.db-wal");
    let mut bytes = fs::read(&log).expect("a queue that was not closed has a log");
    let end = bytes.len();
    bytes[end - 50..].fill(0xAA);
    fs::write(&log, bytes).expect("the log can be written");

    let server = Server::start_at(place);
    let logged = server.logged();
    assert!(logged.contains("torn"), "{logged}");
    let mut got = Arrived::default();
    // All but what the last transaction had put.
    eventually("the messages before the last one are received", 30, || {
        while got.take(&server, MESSAGES) {}
        (0..SENT - 1).all(|number| got.has(&format!("m{number:02}"))).then_some(())
    });
    assert_eq!(got.duplicates(), 0);
    // It takes more, and what it takes is there after the next kill.
    let answer = server.send(&message(MESSAGES, "more"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let server = Server::start_at(server.kill());
    eventually("the message after the repair is received", 30, || {
        while got.take(&server, MESSAGES) {}
        got.has("more").then_some(())
    });
}
