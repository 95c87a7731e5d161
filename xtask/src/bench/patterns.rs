//! How many events a second are matched against a thousand rules, on one processor.
//!
//! Everything that a bus does between an event's text and the list of rules is measured: reading the
//! event is part of it. The rules are of all kinds. Some ask for a source and more, some for a value
//! deep in the detail only, and one in ten for nothing that an index could wait under.

use std::hint::black_box;

use anyhow::ensure;
use hearth_services::patterns::{Index, Pattern};
use serde_json::{Value, json};

use super::stats::Summary;
use super::table::Row;
use super::tools::Tools;
use crate::now;

const RULES: usize = 1_000;
const EVENTS: usize = 1_000;
/// How often all events are matched in a round: a second or so.
const TIMES: usize = 200;
const WANTED_PER_SECOND: f64 = 200_000.0;

/// Runs the whole scenario.
pub(super) fn run(_tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let patterns = (0..RULES).map(|number| Pattern::parse(&rule(number).to_string()));
    let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
    let index = Index::new(&patterns);
    let events: Vec<String> = (0..EVENTS).map(|number| event(number).to_string()).collect();

    // An index that finds nothing would be fast: it has to find what the patterns find themselves.
    let mut matches = 0;
    for event in events.iter().take(20) {
        let found = index.matching(event.as_bytes())?;
        for (number, pattern) in patterns.iter().enumerate() {
            let expected = pattern.matches(event.as_bytes())?;
            ensure!(found.contains(&number) == expected, "rule {number} of {event}");
        }
        matches += found.len();
    }
    ensure!(matches > 0, "no event matches any rule");

    let mut measured = Vec::new();
    for _ in 0..rounds {
        let start = now();
        let mut latencies = Vec::with_capacity(EVENTS * TIMES);
        for _ in 0..TIMES {
            // One reading of the clock for all events: it would cost as much as a good part of one.
            let start = now();
            for event in &events {
                black_box(index.matching(black_box(event.as_bytes()))?);
            }
            let each = start.elapsed() / u32::try_from(EVENTS)?;
            latencies.extend(std::iter::repeat_n(each, EVENTS));
        }
        measured.push(Summary::of(latencies, start.elapsed(), 0));
    }
    let bytes = events.iter().map(String::len).sum::<usize>() / EVENTS;
    let what = format!("events of {bytes} bytes against {RULES} rules, on one processor");
    let rate = Summary::median(&measured).requests_per_second;
    let each = f64::from(u32::try_from(matches)?) / 20.0;
    Ok(vec![
        Row::at_least(&what, rate, WANTED_PER_SECOND),
        Row::reported("rules that match one of these events", format!("{each:.1}"), "–"),
    ])
}

/// One rule of a mixture.
fn rule(number: usize) -> Value {
    let (source, state) = (format!("shop.{}", number % 100), format!("state-{}", number % 7));
    match number % 10 {
        0 | 1 => json!({ "source": [source], "detail": { "state": [state] } }),
        2 => {
            json!({ "source": [source], "detail": { "total": [{ "numeric": [">", number, "<=", number * 10] }] } })
        }
        3 => json!({ "detail": { "order": { "id": [format!("order-{number}")] } } }),
        4 => json!({ "source": [source], "detail": { "state": [{ "anything-but": state }] } }),
        5 => {
            json!({ "detail-type": [format!("kind-{}", number % 50)], "detail": { "path": [{ "wildcard": "*/in/*.png" }] } })
        }
        6 => {
            json!({ "source": [{ "prefix": format!("shop.{}", number % 100) }], "detail": { "address": [{ "cidr": "10.0.0.0/8" }] } })
        }
        7 => json!({ "source": [source], "$or": [
            { "detail": { "state": [state] } }, { "detail": { "total": [{ "numeric": ["<", number] }] } },
        ] }),
        8 => {
            json!({ "source": [source], "detail": { "items": { "name": [format!("item-{}", number % 30)] } } })
        }
        // Nothing to wait under: every event that has the field is looked at.
        _ => {
            json!({ "detail": { "total": [{ "numeric": [">", number * 3, "<", number * 3 + 50] }] } })
        }
    }
}

/// One event of a mixture, as a shop would send it.
fn event(number: usize) -> Value {
    let items: Vec<Value> = (0..3)
        .map(|item| json!({ "name": format!("item-{}", (number + item) % 60), "price": item * 10 }))
        .collect();
    json!({
        "version": "0",
        "id": format!("00000000-0000-4000-8000-{number:012}"),
        "detail-type": format!("kind-{}", number % 80),
        "source": format!("shop.{}", number % 150),
        "account": "000000000000",
        "time": "2026-11-23T03:20:35Z",
        "region": "us-east-1",
        "resources": [format!("arn:aws:shop:us-east-1:000000000000:order/{number}")],
        "detail": {
            "state": format!("state-{}", number % 9),
            "total": number * 7,
            "path": format!("orders/in/{number}.png"),
            "address": format!("10.{}.0.1", number % 250),
            "order": { "id": format!("order-{number}"), "customer": "Ada", "note": "leave it at the door" },
            "items": items,
        },
    })
}
