//! From an upload to the start of the handler that a bucket notifies of it, on a system that has
//! nothing else to do.
//!
//! The time begins when the request is sent, so that it has the upload in it: an object of a kilobyte,
//! which is durable when it is answered. It ends when the function has its event, by the same clock.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::fixtures::{ONE_PROCESSOR_MB, compiled, compiled_package, summary};
use super::hearth::{FUNCTIONS, Function, Runtimes, Server, invoke_path};
use super::http::{Connection, Request};
use super::started::{LOGGED_MAX, LOOK_AGAIN, NAME, PAUSE, lines, since_epoch};
use super::stats::Summary;
use super::table::{Row, both};
use super::tools::Tools;
use crate::now;

/// Uploads of one round.
const UPLOADS: usize = 100;
const OBJECT_BYTES: usize = 1_024;
/// What tells the server that a request is for S3.
const FOR_S3: &str = "Authorization: AWS bench:bench\r\n";
const BUCKET: &str = "/bench-uploads";

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let package = compiled_package(&tools.starts()?)?;
    let function = compiled(&package, ONE_PROCESSOR_MB);
    server.create(&Function { name: NAME.to_owned(), ..function })?;
    let mut connection = Connection::open(server.address)?;
    prepare(&mut connection)?;
    let warm = Request::invocation(invoke_path(NAME), "{}".to_owned());
    connection.ask(&warm)?.succeeded()?;
    server.rest()?;
    let mut delays = Vec::new();
    for round in 0..rounds {
        delays.push(summary(measure(&mut connection, round)?));
    }
    let delay = Summary::median(&delays);
    let beside = format!("p50, p99: {}; the upload included", both(&delay));
    Ok(vec![Row::within("from an upload to handler start, idle: p50", delay.p50, &beside, 10.0)])
}

/// A bucket that notifies the function.
fn prepare(connection: &mut Connection) -> anyhow::Result<()> {
    let permission = json!({
        "StatementId": "bucket",
        "Action": "lambda:InvokeFunction",
        "Principal": "s3.amazonaws.com",
    });
    let permit = Request {
        method: "POST",
        path: format!("{FUNCTIONS}/{NAME}/policy"),
        headers: "",
        body: permission.to_string(),
    };
    connection.ask(&permit)?.succeeded().context("the bucket got no permission")?;
    put(connection, BUCKET.to_owned(), String::new()).context("there is no bucket")?;
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{NAME}");
    let notification = format!(
        "<NotificationConfiguration><CloudFunctionConfiguration><CloudFunction>{arn}</CloudFunction>\
         <Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration></NotificationConfiguration>"
    );
    put(connection, format!("{BUCKET}?notification"), notification).context("nobody is notified")
}

fn put(connection: &mut Connection, path: String, body: String) -> anyhow::Result<()> {
    connection.ask(&Request { method: "PUT", path, headers: FOR_S3, body })?.succeeded()
}

fn measure(connection: &mut Connection, round: usize) -> anyhow::Result<Vec<Duration>> {
    let mut sent = HashMap::new();
    for number in 0..UPLOADS {
        let id = format!("{round}-{number}");
        let begin = since_epoch();
        let path = format!("{BUCKET}/{id}");
        put(connection, path, "x".repeat(OBJECT_BYTES)).context("an upload failed")?;
        sent.insert(id, begin);
        thread::sleep(PAUSE);
    }
    let begin = now();
    let mut started = HashMap::new();
    while started.len() < UPLOADS {
        ensure!(begin.elapsed() < LOGGED_MAX, "{} of {UPLOADS} handlers started", started.len());
        thread::sleep(LOOK_AGAIN);
        started = lines(connection, round)?;
    }
    let delays = sent.into_iter().map(|(id, begin)| {
        let started = started.get(&id).with_context(|| format!("{id} did not start"))?;
        Ok(started.saturating_sub(begin))
    });
    delays.collect()
}
