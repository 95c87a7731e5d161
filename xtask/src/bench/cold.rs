//! Cold starts: from a request to its answer, where the function has no environment yet.
//!
//! Each start is of another function. Between two of them the server rests, so that each finds what
//! the server keeps ready as complete as it is on a quiet day.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

use super::fixtures::{
    NO_OP, NO_OP_NODE, NOTHING_READY, ONE_PROCESSOR_MB, bare_java, bare_node, bare_python,
    compiled as compiled_function, compiled_package, create_many, first_invocation,
    python as python_function, summary,
};
use super::hearth::{Function, Runtimes, Server, package};
use super::peers::emulator::{Emulator, Handler};
use super::stats::Summary;
use super::table::{Row, both, ms};
use super::tools::{Java, Tools};

const COLD_STARTS: usize = 30;

/// A compiled function.
pub(super) fn compiled(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let package = compiled_package(&tools.bootstrap)?;
    let function = compiled_function(&package, ONE_PROCESSOR_MB);
    let names = create_many(&server, &function, COLD_STARTS)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for name in &names {
        server.rest()?;
        ours.push(first_invocation(&server, name)?);
        theirs.push(Emulator::start(tools, Handler::Compiled(&tools.bootstrap))?.cold);
    }
    let [ours, theirs] = [ours, theirs].map(summary);
    let beside = format!("emulator, from the start of its process: {}", ms(theirs.p50));
    Ok(vec![
        Row::within("cold, compiled Rust: p50", ours.p50, &beside, 8.0),
        Row::beside("cold, compiled Rust: p50, beside the emulator", &ours, &theirs, 0.5),
        Row::reported("cold, compiled Rust: p99", ms(ours.p99), &ms(theirs.p99)),
    ])
}

/// A function in Python.
pub(super) fn python(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    let package = package("app.py", NO_OP.as_bytes())?;
    let measured = Language {
        tools,
        runtimes: Runtimes::WithPython,
        function: python_function(tools, &package, ONE_PROCESSOR_MB),
        handler: Handler::Python(NO_OP),
        bare: &|| bare_python(tools),
    }
    .measure()?;
    Ok(measured.rows("Python"))
}

/// A function for Node.js, if that is installed here.
pub(super) fn node(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    let node = match tools.node() {
        Ok(node) => node,
        Err(why) => return Ok(vec![Row::unmeasured("cold, Node.js", &why)]),
    };
    let package = package("index.mjs", NO_OP_NODE.as_bytes())?;
    let function = Function {
        name: "no-op".to_owned(),
        runtime: &node.runtime,
        memory_mb: ONE_PROCESSOR_MB,
        package: &package,
    };
    let measured = Language {
        tools,
        runtimes: Runtimes::WithNode,
        function,
        handler: Handler::Node(NO_OP_NODE, &node),
        bare: &|| bare_node(&node),
    }
    .measure()?;
    Ok(measured.rows("Node.js"))
}

/// A function for Java, if a JDK and Maven are installed here.
pub(super) fn java(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    let java = match tools.java() {
        Ok(java) => java,
        Err(why) => return Ok(vec![Row::unmeasured("cold, Java", &why)]),
    };
    let class = fs::read(java.function.join(Java::CLASS)).context("could not read the function")?;
    let package = package(Java::CLASS, &class)?;
    let function = Function {
        name: "no-op".to_owned(),
        runtime: &java.runtime,
        memory_mb: ONE_PROCESSOR_MB,
        package: &package,
    };
    let measured = Language {
        tools,
        runtimes: Runtimes::WithJava,
        function,
        handler: Handler::Java(&java),
        bare: &|| bare_java(&java),
    }
    .measure()?;
    Ok(measured.rows("Java"))
}

/// A language with an interpreter.
struct Language<'a> {
    tools: &'a Tools,
    runtimes: Runtimes,
    function: Function<'a>,
    handler: Handler<'a>,
    /// The start of the interpreter alone, with AWS's client imported.
    bare: &'a dyn Fn() -> anyhow::Result<Duration>,
}

/// Its starts, in four ways.
struct Starts {
    with_shells: Summary,
    from_nothing: Summary,
    bare: Summary,
    emulator: Summary,
}

impl Language<'_> {
    fn measure(&self) -> anyhow::Result<Starts> {
        let ready = Server::start(self.tools, self.runtimes)?;
        let bleak = Server::start_with(self.tools, self.runtimes, &NOTHING_READY)?;
        let names = create_many(&ready, &self.function, COLD_STARTS)?;
        create_many(&bleak, &self.function, COLD_STARTS)?;
        // The first one reads files that are in memory from then on.
        (self.bare)()?;
        let mut measured: [Vec<Duration>; 4] = Default::default();
        for name in &names {
            ready.rest()?;
            measured[0].push(first_invocation(&ready, name)?);
            // What was taken out of stock is replaced now, which the others must not notice.
            ready.rest()?;
            measured[1].push(first_invocation(&bleak, name)?);
            measured[2].push((self.bare)()?);
            measured[3].push(Emulator::start(self.tools, self.handler)?.cold);
        }
        let [with_shells, from_nothing, bare, emulator] = measured.map(summary);
        Ok(Starts { with_shells, from_nothing, bare, emulator })
    }
}

impl Starts {
    fn rows(&self, language: &str) -> Vec<Row> {
        let Self { with_shells, from_nothing, bare, emulator } = self;
        let name = format!("cold, {language}");
        let interpreter = format!("the bare interpreter {}", ms(bare.p50));
        let beside = format!("bare {}; emulator {}", both(bare), both(emulator));
        vec![
            Row::within(&format!("{name}, warm shells: p50"), with_shells.p50, &interpreter, 10.0),
            Row::beside(
                &format!("{name}, warm shells: p50, beside the emulator"),
                with_shells,
                emulator,
                0.5,
            ),
            Row::beside(
                &format!("{name}, from nothing: p50, beside the bare interpreter"),
                from_nothing,
                bare,
                1.15,
            ),
            Row::reported(&format!("{name}, warm shells: p50, p99"), both(with_shells), &beside),
            Row::reported(&format!("{name}, from nothing: p50, p99"), both(from_nothing), &beside),
        ]
    }
}
