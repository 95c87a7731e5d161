//! Reads arbitrary bytes as requests, the way the front door does.
//!
//! The first byte chooses the protocol. For REST-JSON the next line is the method, the one after it
//! the path with its query, and the rest the body. A panic, an endless loop or memory without
//! bounds is a finding.

#![no_main]

use hearth_wire::{aws_json, aws_query, lambda, logs, rest_json, route, validate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((protocol, rest)) = bytes.split_first() else { return };
    match protocol % 3 {
        0 => rest_json(rest),
        1 => aws_json(rest),
        _ => drop(aws_query::input(rest)),
    }
});

fn rest_json(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else { return };
    let (Ok(method), Ok(target)) = (std::str::from_utf8(method), std::str::from_utf8(target)) else {
        return;
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Ok(matched) = route::find(&lambda::SERVICE, method, path, query) else { return };
    let request = rest_json::Request {
        labels: &matched.labels,
        query,
        header: &|name| target.find(name).map(|at| target[at..].to_owned()),
        body: parts.next().unwrap_or_default(),
    };
    if let Ok(input) = rest_json::input(matched.operation, &request) {
        let violations = validate::violations(matched.operation.input, &input);
        drop(validate::message(&violations));
    }
}

fn aws_json(bytes: &[u8]) {
    let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(target) = std::str::from_utf8(&bytes[..at]) else { return };
    let Ok(operation) = aws_json::find(&logs::SERVICE, target) else { return };
    if let Ok(input) = aws_json::input(operation, &bytes[at..]) {
        drop(validate::message(&validate::violations(operation.input, &input)));
    }
}
