//! Reads a topic of Kafka and forgets it, with the client that mappings have: what
//! `cargo xtask bench --only sources-kafka` measures them beside.
//!
//! `drain_kafka SERVER TOPIC` prints how many records it has read, and in how many seconds.

use std::env;
use std::io::Write as _;

use hearth_sources::kafka::drain;
use hearth_types::tasks::Tasks;
use tokio::time::Instant;

#[tokio::main]
async fn main() -> Result<(), String> {
    let mut arguments = env::args().skip(1);
    let (Some(server), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("drain_kafka SERVER TOPIC".to_owned());
    };
    let begin = Instant::now();
    let records = drain(vec![server], &topic, &Tasks::default()).await?;
    let seconds = begin.elapsed().as_secs_f64();
    writeln!(std::io::stdout(), "{records} {seconds}").map_err(|error| error.to_string())
}
