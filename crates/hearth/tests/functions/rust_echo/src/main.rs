//! Answers with what it was given, through AWS's own crate for Rust.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(answer)).await
}

async fn answer(called: LambdaEvent<Value>) -> Result<Value, Error> {
    let LambdaEvent { payload, context } = called;
    Ok(json!({ "language": "rust", "requestId": context.request_id, "event": payload }))
}
