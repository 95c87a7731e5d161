//! A Lambda function that answers little, however much it gets, without any library: for
//! `cargo xtask bench`.
//!
//! Its answer is a response as every way over HTTP takes it, and has the size of the event for a body.

#[path = "../runtime.rs"]
mod runtime;

use std::io;

use runtime::Runtime;

fn main() -> io::Result<()> {
    let mut runtime = Runtime::connect()?;
    loop {
        let (id, event) = runtime.next()?;
        let event_bytes = event.len();
        let answer = format!(
            r#"{{"statusCode":200,"headers":{{"content-type":"text/plain"}},"body":"{event_bytes}"}}"#
        );
        let head = runtime.head(&id, &format!("Content-Length: {}", answer.len()));
        runtime.send(&format!("{head}{answer}"))?;
    }
}
