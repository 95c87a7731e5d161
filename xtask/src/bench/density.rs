//! The memory of a server: idle, with some idle environments, and with a thousand.

use std::thread;

use anyhow::{Context as _, ensure};

use super::fixtures::{
    NOTHING_READY, ONE_PROCESSOR_MB, SETTLE, SMALLEST_MB, compiled, compiled_package, create_many,
    first_invocation, load_on,
};
use super::hearth::{Function, Runtimes, Server};
use super::memory::{Memory, children, descendants, kilobytes, megabytes, private_kib};
use super::stats::Summary;
use super::table::{Promise, Row, both};
use super::tools::Tools;

const IDLE_ENVIRONMENTS: u32 = 50;
const MANY_ENVIRONMENTS: u32 = 1_000;
const MEASURED: &str = "compiled";
/// Room for all of them and some more.
const ROOM: &str = "environments_max=1100";

/// The server, idle and with some environments.
pub(super) fn memory(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    thread::sleep(SETTLE);
    // What it started before there is any function is the launcher.
    let launcher = children(server.id())?;
    let [idle, idle_launcher] = [Memory::of(server.id())?, Memory::sum(&launcher)?];

    let count = usize::try_from(IDLE_ENVIRONMENTS).context("a small number")?;
    let package = compiled_package(&tools.bootstrap)?;
    for name in create_many(&server, &compiled(&package, SMALLEST_MB), count)? {
        first_invocation(&server, &name)?;
    }
    thread::sleep(SETTLE);
    let [full, full_launcher] = [Memory::of(server.id())?, Memory::sum(&launcher)?];

    let per_environment = |before: Memory, after: Memory| {
        let added = after.resident_kib.saturating_sub(before.resident_kib);
        kilobytes(added) / f64::from(IDLE_ENVIRONMENTS)
    };
    let value = megabytes(idle.resident_kib);
    let added = per_environment(idle, full);
    let added_launcher = per_environment(idle_launcher, full_launcher);
    Ok(vec![
        Row::promised(
            "server memory, idle",
            idle.shown(),
            &format!("its launcher: {}", idle_launcher.shown()),
            Promise { value, at_most: 40.0, unit: "MB" },
        ),
        Row::promised(
            &format!("server memory added by one of {IDLE_ENVIRONMENTS} idle environments"),
            format!("{added:.0} KB"),
            &format!("its launcher: {added_launcher:.0} KB"),
            Promise { value: added, at_most: 200.0, unit: "KB" },
        ),
    ])
}

/// A server with a thousand environments beside one with one.
pub(super) fn density(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let package = compiled_package(&tools.bootstrap)?;
    let one = Crowd::stand(tools, &package, 1)?;
    let many = Crowd::stand(tools, &package, MANY_ENVIRONMENTS)?;
    let [memory, launcher] = [Memory::of(many.server.id())?, Memory::sum(&many.launcher)?];
    let private = kilobytes(private_kib(&many.inside)?) / f64::from(MANY_ENVIRONMENTS);

    let loads = [&one, &many].map(|crowd| load_on(&crowd.server, MEASURED, 1));
    let mut measured: [Vec<Summary>; 2] = Default::default();
    for _ in 0..rounds {
        for (results, load) in measured.iter_mut().zip(&loads) {
            results.push(load.run());
        }
    }
    let [with_one, with_many] = measured.map(|rounds| Summary::median(&rounds));
    let name = format!("{MANY_ENVIRONMENTS} idle environments");
    let processes = many.inside.len();
    Ok(vec![
        Row::promised(
            &format!("{name}: memory of the server"),
            memory.shown(),
            &format!("its launcher: {}", launcher.shown()),
            Promise { value: megabytes(memory.resident_kib), at_most: 150.0, unit: "MB" },
        ),
        Row::beside(
            &format!("{name}: warm p50, beside one environment"),
            &with_many,
            &with_one,
            1.1,
        ),
        Row::reported(
            &format!("{name}: warm p50, p99"),
            both(&with_many),
            &format!("with one: {}", both(&with_one)),
        ),
        Row::reported(
            &format!("{name}: private memory of what runs inside of one"),
            format!("{private:.0} KB"),
            &format!("{processes} processes in all"),
        ),
        Row::no_errors(&format!("{name}: errors"), with_one.errors + with_many.errors, "–"),
    ])
}

/// A server with idle environments, each of a function of its own. One of them is measured, and is
/// not held up by its share of the processor.
struct Crowd {
    server: Server,
    launcher: Vec<u32>,
    /// Every process behind the walls.
    inside: Vec<u32>,
}

impl Crowd {
    fn stand(tools: &Tools, package: &str, count: u32) -> anyhow::Result<Self> {
        let settings = [&NOTHING_READY[..], &[ROOM][..]].concat();
        let server = Server::start_with(tools, Runtimes::ProvidedOnly, &settings)?;
        let launcher = children(server.id())?;
        let wanted = usize::try_from(count).context("a small number")?;
        let idle = Function { name: "idle".to_owned(), ..compiled(package, SMALLEST_MB) };
        for name in create_many(&server, &idle, wanted - 1)? {
            first_invocation(&server, &name)?;
        }
        server.create(&compiled(package, ONE_PROCESSOR_MB))?;
        first_invocation(&server, MEASURED)?;
        thread::sleep(SETTLE);
        let mut standing = 0;
        for process in &launcher {
            standing += children(*process)?.len();
        }
        ensure!(standing >= wanted, "only {standing} of {wanted} environments stand");
        let inside = descendants(&launcher)?;
        Ok(Self { server, launcher, inside })
    }
}
