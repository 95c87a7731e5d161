//! A Lambda function that says when it starts, or holds on, without any library: for
//! `cargo xtask bench`.
//!
//! An event with `"say":"ID"` makes it print `started ID NANOSECONDS`, by the clock of the day, and so
//! does an object that was put into a bucket, with its key, and a batch in which the text of a message
//! or the key of a record is `say ID`. With the variable `HOLD_SECONDS` it holds
//! each event for that long. Otherwise it does nothing.

#[path = "../runtime.rs"]
mod runtime;

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, io, thread};

use runtime::Runtime;

fn main() -> io::Result<()> {
    let hold = env::var("HOLD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let mut runtime = Runtime::connect()?;
    loop {
        let (id, event) = runtime.next()?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        let event = String::from_utf8_lossy(&event);
        let marks = [r#""say":""#, r#""key":""#, r#""say "#];
        let said = marks.iter().find_map(|mark| event.split_once(mark));
        if let Some((_, behind)) = said {
            let name = behind.split('"').next().unwrap_or_default();
            println!("started {name} {}", started.as_nanos());
        }
        if let Some(seconds) = hold {
            thread::sleep(Duration::from_secs(seconds));
        }
        let head = runtime.head(&id, "Content-Length: 2");
        runtime.send(&format!("{head}{{}}"))?;
    }
}
