//! An extension as its author would write it, with AWS's own crate: it says what it hears.

use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaTelemetry, LambdaTelemetryRecord, NextEvent, SharedService,
    service_fn,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Extension::new()
        .with_events_processor(service_fn(hear))
        .with_telemetry_types(&["platform", "function"])
        .with_telemetry_processor(SharedService::new(service_fn(receive)))
        .run()
        .await
}

async fn hear(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => println!("watcher hears INVOKE {}", invoke.request_id),
        NextEvent::Shutdown(shutdown) => {
            println!("watcher hears SHUTDOWN {}", shutdown.shutdown_reason);
        }
    }
    Ok(())
}

async fn receive(events: Vec<LambdaTelemetry>) -> Result<(), Error> {
    for event in events {
        match event.record {
            LambdaTelemetryRecord::Function(line) => println!("watcher is sent `{line}`"),
            LambdaTelemetryRecord::PlatformReport { request_id, .. } => {
                println!("watcher is sent the report of {request_id}");
            }
            _ => {}
        }
    }
    Ok(())
}
