//! A hundred thousand schedules: how long a server takes to start with them, what it does while none
//! of them is due, and how late those are that come in one minute.
//!
//! Two servers take turns, one with the schedules and one without any. The function prints the time at
//! which it has its event, by the clock that the schedules go by.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::doors;
use super::fixtures::{SETTLE, summary};
use super::hearth::{Runtimes, Server};
use super::http::{Connection, Request};
use super::later::ensure_on_disk;
use super::load::Requests;
use super::memory::Memory;
use super::processor::processor_time;
use super::started::{self, since_epoch};
use super::stats::Summary;
use super::table::{Promise, Row, both, ms, per_second};
use super::tools::Tools;
use crate::{now, say};

const SCHEDULES: u64 = 100_000;
/// Those who create them.
const CONNECTIONS: usize = 16;
/// There are fewer schedules if more of them take longer.
const CREATING_MAX: Duration = Duration::from_secs(300);
/// For how long an idle server is watched.
const IDLE: Duration = Duration::from_secs(10);
/// So many in each of so many seconds, and many more in one second behind them.
const EACH_SECOND: u64 = 100;
const SECONDS: u64 = 20;
const AT_ONCE: u64 = 1_000;
const APART: u64 = EACH_SECOND * SECONDS;
/// Until the many are due, which is when the others have long started.
const PAUSE_SECONDS: u64 = 5;
/// How long after the last of them the log is looked at for the first time.
const DONE: Duration = Duration::from_secs(3);
/// What is left before the first of them is due, beside the time that it takes to create them.
const AHEAD: Duration = Duration::from_secs(5);
/// Each takes up to two minutes.
const FIRING_ROUNDS_MAX: usize = 2;
/// Not held up by its share of the processor, and not so large that there is room for few.
const MEMORY_MB: u32 = 512;
const START_UP_MS_MAX: f64 = 2_000.0;
const LATE_MS_MAX: f64 = 1_000.0;
const IDLE_PERCENT_MAX: f64 = 1.0;
/// When those begin that are never due in a run.
const FAR: Duration = Duration::from_secs(300 * 24 * 3_600);

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure_on_disk()?;
    let server = || Server::start(tools, Runtimes::ProvidedOnly);
    let (mut none, mut many) = (server()?, server()?);
    for server in [&none, &many] {
        started::create(tools, server, MEMORY_MB)?;
    }
    let created = Creating::new(&many, (far(), SCHEDULES), CREATING_MAX).run()?;
    let name = format!("{} schedules", created.count);
    let rate = per_second(created.rate());
    let made = format!("{CONNECTIONS} connections; {SCHEDULES} were wanted");
    let mut rows = vec![Row::reported(&format!("{name}: created"), rate, &made)];

    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        none = none.restart(tools, &[])?;
        many = many.restart(tools, &[])?;
        without.push(none.started_in);
        // They are there when one of them is shown.
        with.push(many.started_in + first_shown(&many)?);
    }
    let [without, with] = [without, with].map(|took| summary(took).p50);
    let beside = format!("without any: {}", ms(without));
    rows.push(Row::within(&format!("{name}: start-up"), with, &beside, START_UP_MS_MAX));
    rows.extend(idle(&name, [&none, &many])?);
    rows.extend(firing(&name, &many, (created.rate(), rounds.min(FIRING_ROUNDS_MAX)))?);
    Ok(rows)
}

/// What servers need that have nothing to do.
fn idle(name: &str, servers: [&Server; 2]) -> anyhow::Result<Vec<Row>> {
    for server in servers {
        server.rest()?;
    }
    thread::sleep(SETTLE);
    let times = || -> anyhow::Result<[Duration; 2]> {
        let [none, many] = servers.map(|server| processor_time(server.id()));
        Ok([none?, many?])
    };
    let before = times()?;
    thread::sleep(IDLE);
    let after = times()?;
    let percent = |which: usize| {
        let used = after[which].saturating_sub(before[which]);
        100.0 * used.as_secs_f64() / IDLE.as_secs_f64()
    };
    let [none, many] = [percent(0), percent(1)];
    let memory = [Memory::of(servers[0].id())?, Memory::of(servers[1].id())?];
    Ok(vec![
        Row::promised(
            &format!("{name}: a processor's time while none is due"),
            format!("{many:.1} %"),
            &format!("without any: {none:.1} %"),
            Promise { value: many, at_most: IDLE_PERCENT_MAX, unit: "%" },
        ),
        Row::reported(
            &format!("{name}: memory of the server"),
            memory[1].shown(),
            &format!("without any: {}", memory[0].shown()),
        ),
    ])
}

/// How late those are that come in one minute.
fn firing(name: &str, server: &Server, (rate, rounds): (f64, usize)) -> anyhow::Result<Vec<Row>> {
    let (mut apart, mut at_once) = (Late::default(), Late::default());
    for round in 0..rounds {
        let minute = Minute::after(rate, round);
        let wanted = APART + AT_ONCE;
        Creating::new(server, (minute.schedules(), wanted), CREATING_MAX).run()?;
        let left = minute.begin.checked_sub(since_epoch());
        let left = left.context("it took too long to create what is due in a minute")?;
        let last = Duration::from_secs(second_of(APART));
        thread::sleep(left + last + DONE);
        let count = usize::try_from(wanted).context("a small number")?;
        // Opened now: the server ends connections that were idle for so long.
        let mut connection = Connection::open(server.address)?;
        let started = started::wait(&mut connection, &minute.prefix, count)?;
        let late = (0..wanted).map(|number| minute.late(number, &started));
        let late = late.collect::<anyhow::Result<Vec<Duration>>>()?;
        let (first, rest) = late.split_at(usize::try_from(APART).context("a small number")?);
        apart.add(first);
        at_once.add(rest);
    }
    let rows = [
        (format!("{name}, and {EACH_SECOND} due in each of {SECONDS} seconds"), apart),
        (format!("{name}, and {AT_ONCE} due in one second"), at_once),
    ];
    let row = |(what, late): (String, Late)| {
        let beside = format!("p50, p99: {}", both(&Summary::median(&late.rounds)));
        Row::within(&format!("{what}: the latest handler start"), late.worst, &beside, LATE_MS_MAX)
    };
    Ok(rows.into_iter().map(row).collect())
}

/// How late handlers started.
#[derive(Default)]
struct Late {
    rounds: Vec<Summary>,
    worst: Duration,
}

impl Late {
    fn add(&mut self, round: &[Duration]) {
        self.worst = round.iter().copied().max().unwrap_or_default().max(self.worst);
        self.rounds.push(summary(round.to_vec()));
    }
}

/// The minute in which a round's schedules are due.
struct Minute {
    begin: Duration,
    /// What the ids of its events begin with.
    prefix: String,
}

impl Minute {
    /// The first one that begins when its schedules can have been created.
    fn after(rate: f64, round: usize) -> Self {
        let count = f64::from(u32::try_from(APART + AT_ONCE).unwrap_or(u32::MAX));
        // With all others that there are it may take twice as long.
        let creating = Duration::from_secs_f64(2.0 * count / rate);
        let earliest = since_epoch() + AHEAD + creating;
        let begin = Duration::from_secs((earliest.as_secs() + 1).next_multiple_of(60));
        Self { begin, prefix: format!("due{round}") }
    }

    /// Once each, and not again before the next day.
    fn schedules(&self) -> Requests {
        let (prefix, begin) = (self.prefix.clone(), self.begin);
        Requests::new(move |number| {
            let due = begin.as_secs() + second_of(number);
            let id = format!("{prefix}-{number}");
            let when = json!({ "ScheduleExpression": "rate(1 days)", "StartDate": due });
            schedule(&id, when, &json!({ "say": id }))
        })
    }

    fn late(&self, number: u64, started: &HashMap<String, Duration>) -> anyhow::Result<Duration> {
        let id = format!("{}-{number}", self.prefix);
        let due = self.begin + Duration::from_secs(second_of(number));
        let started = started.get(&id).with_context(|| format!("{id} did not start"))?;
        started.checked_sub(due).with_context(|| format!("{id} started before its time"))
    }
}

/// In which second of its minute a schedule is due.
fn second_of(number: u64) -> u64 {
    if number < APART { number / EACH_SECOND } else { SECONDS + PAUSE_SECONDS }
}

/// Schedules of two kinds that are not due in this run.
fn far() -> Requests {
    let start = (since_epoch() + FAR).as_secs();
    Requests::new(move |number| {
        let when = if number % 2 == 0 {
            let (minute, hour) = (number % 60, number / 60 % 24);
            json!({
                "ScheduleExpression": format!("cron({minute} {hour} * * ? *)"),
                "ScheduleExpressionTimezone": "Europe/Berlin",
                "StartDate": start,
            })
        } else {
            json!({ "ScheduleExpression": "rate(30 days)" })
        };
        schedule(&far_name(number), when, &json!({}))
    })
}

fn far_name(number: u64) -> String {
    format!("far-{number}")
}

/// The request that makes a schedule for the function.
fn schedule(name: &str, when: Value, input: &Value) -> Request {
    let mut body = when;
    body["FlexibleTimeWindow"] = json!({ "Mode": "OFF" });
    body["Target"] = json!({
        "Arn": doors::arn(started::NAME),
        "RoleArn": "arn:aws:iam::000000000000:role/bench",
        "Input": input.to_string(),
    });
    Request {
        method: "POST",
        path: format!("/schedules/{name}"),
        headers: "",
        body: body.to_string(),
    }
}

/// How long the first answer of a server takes, which shows a schedule.
fn first_shown(server: &Server) -> anyhow::Result<Duration> {
    let start = now();
    let path = format!("/schedules/{}", far_name(0));
    let answer = Connection::open(server.address)?.exchange("GET", &path, b"")?;
    let took = start.elapsed();
    answer.succeeded().context("a schedule is gone")?;
    Ok(took)
}

/// Schedules that are being created.
struct Creating {
    address: SocketAddr,
    requests: Requests,
    wanted: u64,
    next: AtomicU64,
    begin: Instant,
    limit: Duration,
}

/// How many were created, and how long that took.
struct Created {
    count: u64,
    took: Duration,
}

impl Creating {
    fn new(server: &Server, (requests, wanted): (Requests, u64), limit: Duration) -> Self {
        let (address, begin) = (server.address, now());
        Self { address, requests, wanted, next: AtomicU64::new(0), begin, limit }
    }

    /// Creates all of them, or as many as there is time for.
    fn run(&self) -> anyhow::Result<Created> {
        let shares: Vec<anyhow::Result<u64>> = thread::scope(|scope| {
            let one = || self.one_connection();
            let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
            let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ends.map(|end| end.ok().context("our own thread failed")?).collect()
        });
        let took = self.begin.elapsed();
        let mut count = 0;
        for share in shares {
            count += share.context("could not create a schedule")?;
        }
        ensure!(count > 0, "there was no time for any schedule");
        let created = Created { count, took };
        say(&format!("created {count} schedules, {}", per_second(created.rate())));
        Ok(created)
    }

    fn one_connection(&self) -> anyhow::Result<u64> {
        let (mut connection, mut count) = (Connection::open(self.address)?, 0);
        while self.begin.elapsed() < self.limit {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.wanted {
                break;
            }
            connection.ask(&self.requests.of(number))?.succeeded()?;
            count += 1;
        }
        Ok(count)
    }
}

impl Created {
    fn rate(&self) -> f64 {
        f64::from(u32::try_from(self.count).unwrap_or(u32::MAX)) / self.took.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::{APART, AT_ONCE, Minute, PAUSE_SECONDS, SECONDS, second_of};

    #[test]
    fn all_that_are_due_are_due_in_one_minute_and_the_many_come_last() {
        assert_eq!(second_of(0), 0);
        assert_eq!(second_of(APART - 1), SECONDS - 1);
        assert_eq!(second_of(APART), SECONDS + PAUSE_SECONDS);
        assert!(second_of(APART + AT_ONCE - 1) < 60);
    }

    #[test]
    fn a_minute_begins_when_its_schedules_can_have_been_created() {
        let before = super::since_epoch();
        let minute = Minute::after(100.0, 0);
        assert_eq!(minute.begin.as_secs() % 60, 0);
        assert!(minute.begin.as_secs() >= before.as_secs() + 60, "3,000 at 100 a second");
    }
}
